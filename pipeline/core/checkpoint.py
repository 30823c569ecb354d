"""Training that can be stopped at any moment and gone on with.

A folder of checkpoints, one file per epoch: `checkpoint-0003.npz` is the state after
epoch 3. Each is a sealed .npz (see `npz`) and also a file of vectors (see `vectors`).
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import npz, vectors
from pipeline.core.types import Embeddings, Floats, TrainingHistory, Vocab
from pipeline.errors import DataError

_log = logging.getLogger(__name__)

# Changes when the meaning of a member changes; a new member needs no new version.
_VERSION = 1

_LAYOUT: npz.Layout = {
    **vectors.LAYOUT,
    "counts": ("<i8", 1),  # (V,)
    "loss": ("<f8", 1),  # (epoch,)
    "heldout_loss": ("<f8", 1),  # (epoch,) or (0,)
    "learning_rate": ("<f8", 1),  # (epoch,)
}

_NAME = re.compile(r"checkpoint-(\d{4,9})\.npz", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes:
        epoch: Epochs done, ≥ 0.
        words_done: Words trained on so far, over all epochs.
        center: Shape (V, d), float32. Input vectors.
        context: Shape (V, d), float32. Output vectors.
        vocab: Words, counts and normalization.
        history: Of the epochs done.
        hyperparameters: All settings that shape the result, as plain JSON values.
        corpus: What was trained on, as a hex digest.
    """

    epoch: int
    words_done: int
    center: Floats
    context: Floats
    vocab: Vocab
    history: TrainingHistory
    hyperparameters: Mapping[str, Any]
    corpus: str

    @property
    def embeddings(self) -> Embeddings:
        """The word vectors as they are at this point; the arrays are shared."""
        return Embeddings(
            self.vocab.words, self.center, self.context, self.vocab.normalization
        )


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint-<epoch>.npz` into a folder, atomically and synced.

    Returns:
        The file written.

    Raises:
        StorageError: if it cannot be written.
    """
    path = folder / f"checkpoint-{checkpoint.epoch:04d}.npz"
    settings = {
        "checkpoint": _VERSION,
        "epoch": checkpoint.epoch,
        "words_done": checkpoint.words_done,
        "hyperparameters": dict(checkpoint.hyperparameters),
        "corpus": checkpoint.corpus,
    }
    arrays = {
        **vectors.pack_embeddings(checkpoint.embeddings, settings),
        "counts": checkpoint.vocab.counts,
        "loss": checkpoint.history.loss,
        "heldout_loss": checkpoint.history.heldout_loss,
        "learning_rate": checkpoint.history.learning_rate,
    }
    npz.write_arrays(path, arrays, _LAYOUT)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, wherever it comes from.

    Raises:
        DataError: if the file is missing, damaged or no checkpoint.
    """
    arrays = npz.read_arrays(path, _LAYOUT)
    embeddings = vectors.unpack_embeddings(path, arrays)
    match npz.unpack_json(path, arrays["settings"]):
        case {
            "checkpoint": version,
            "epoch": int(epoch),
            "words_done": int(words_done),
            "hyperparameters": dict(hyperparameters),
            "corpus": str(corpus),
        } if version == _VERSION:
            pass
        case found:
            raise npz.unsound(path, f"settings {found!r:.200}")
    loss, heldout, rate = (
        arrays[name] for name in ("loss", "heldout_loss", "learning_rate")
    )
    if len(loss) != epoch or len(rate) != epoch or len(heldout) not in {0, epoch}:
        raise npz.unsound(path, f"a history that is not of {epoch} epochs")
    if len(arrays["counts"]) != len(embeddings.words):
        raise npz.unsound(path, "counts that do not fit the words")
    return Checkpoint(
        epoch=epoch,
        words_done=words_done,
        center=embeddings.center,
        context=embeddings.context,
        vocab=Vocab(embeddings.words, arrays["counts"], embeddings.normalization),
        history=TrainingHistory(loss, heldout, rate),
        hyperparameters=hyperparameters,
        corpus=corpus,
    )


def find_checkpoints(folder: Path) -> list[Path]:
    """Return the files named as checkpoints, newest epoch first, unread."""
    epochs = {
        path: int(match[1])
        for path in folder.glob("checkpoint-*.npz")
        if (match := _NAME.fullmatch(path.name))
    }
    return sorted(epochs, key=lambda path: epochs[path], reverse=True)


def sound_checkpoints(folder: Path) -> Iterator[tuple[Path, Checkpoint]]:
    """Yield the checkpoints of a folder that can be read, newest epoch first.

    A damaged one is passed over with a warning that names it: going on from the
    one before it gives the same result, an epoch later.
    """
    for path in find_checkpoints(folder):
        try:
            yield path, load_checkpoint(path)
        except DataError as error:
            _log.warning("passed over a damaged checkpoint: %s", error)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest sound checkpoint of a folder, None if it has none."""
    return next((path for path, _ in sound_checkpoints(folder)), None)


def keep_newest(folder: Path, epoch: int, count: int) -> None:
    """Delete all checkpoints but the last `count` up to an epoch.

    One of a later epoch can only be left from other settings, or damaged.

    Args:
        folder: Holds the checkpoints.
        epoch: The epoch just written.
        count: How many to keep, ≥ 1.
    """
    kept = {f"checkpoint-{e:04d}.npz" for e in range(epoch - count + 1, epoch + 1)}
    for path in find_checkpoints(folder):
        if path.name not in kept:
            path.unlink(missing_ok=True)
