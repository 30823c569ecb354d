"""Training that can be stopped at any moment and gone on with.

A folder of checkpoints: `checkpoint-0003.npz` is the state after epoch 3, and
`checkpoint-0003-000017.npz` that after 17 more blocks. Each is a sealed .npz (see
`npz`) and also a file of vectors (see `vectors`).
"""

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import npz, vectors
from pipeline.core.types import (
    Embeddings,
    Floats,
    Snapshots,
    TrainingHistory,
    Vocab,
)
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
    "snapshot_epochs": ("<i4", 1),  # (F,)
    "snapshots": ("<f2", 3),  # (F, W, d)
}

_NAME = re.compile(r"checkpoint-(\d{4,9})(?:-(\d{6,12}))?\.npz", re.ASCII)


@dataclass(frozen=True)
class Begun:
    """The part of an epoch that is done.

    Attributes:
        blocks: Blocks done, ≥ 1.
        loss: Nats, summed over the pairs so far.
        pairs: Pairs so far.
        rate: The learning rate at the last block.
    """

    blocks: int
    loss: float
    pairs: int
    rate: float


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch, or after some blocks of the next one.

    Attributes:
        epoch: Epochs done, ≥ 0.
        words_done: Words trained on so far, over all epochs.
        center: Shape (V, d), float32. Input vectors.
        context: Shape (V, d), float32. Output vectors.
        vocab: Words, counts and normalization.
        history: Of the epochs done.
        snapshots: Of the epochs done, and of the start.
        hyperparameters: All settings that shape the result, as plain JSON values.
        corpus: What was trained on, as a hex digest.
        begun: The epoch under way; None between two epochs.
    """

    epoch: int
    words_done: int
    center: Floats
    context: Floats
    vocab: Vocab
    history: TrainingHistory
    snapshots: Snapshots
    hyperparameters: Mapping[str, Any]
    corpus: str
    begun: Begun | None = None

    @property
    def embeddings(self) -> Embeddings:
        """The word vectors as they are at this point; the arrays are shared."""
        return Embeddings(
            self.vocab.words, self.center, self.context, self.vocab.normalization
        )


def save_checkpoint(
    folder: Path, checkpoint: Checkpoint, *, synced: bool = True
) -> Path:
    """Write a checkpoint into a folder, atomically.

    Args:
        folder: Where to; it must exist.
        checkpoint: What to write.
        synced: See `files.replacing`.

    Returns:
        The file written.

    Raises:
        StorageError: if it cannot be written.
    """
    begun = checkpoint.begun
    path = folder / _name(checkpoint.epoch, begun.blocks if begun else 0)
    settings = {
        "checkpoint": _VERSION,
        "epoch": checkpoint.epoch,
        "words_done": checkpoint.words_done,
        "hyperparameters": dict(checkpoint.hyperparameters),
        "corpus": checkpoint.corpus,
        "begun": asdict(begun) if begun else None,
    }
    arrays = {
        **vectors.pack_embeddings(checkpoint.embeddings, settings),
        "counts": checkpoint.vocab.counts,
        "loss": checkpoint.history.loss,
        "heldout_loss": checkpoint.history.heldout_loss,
        "learning_rate": checkpoint.history.learning_rate,
        "snapshot_epochs": checkpoint.snapshots.epochs,
        "snapshots": checkpoint.snapshots.vectors,
    }
    npz.write_arrays(path, arrays, _LAYOUT, synced=synced)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, wherever it comes from.

    Raises:
        DataError: if the file is missing, damaged or no checkpoint.
    """
    arrays = npz.read_arrays(path, _LAYOUT)
    embeddings = vectors.unpack_embeddings(path, arrays)
    if embeddings.context.shape != embeddings.center.shape:
        raise npz.unsound(path, "center vectors without context vectors")
    match npz.unpack_json(path, arrays["settings"]):
        case {
            "checkpoint": version,
            "epoch": int(epoch),
            "words_done": int(words_done),
            "hyperparameters": dict(hyperparameters),
            "corpus": str(corpus),
            "begun": None
            | {
                "blocks": int(),
                "loss": float(),
                "pairs": int(),
                "rate": float(),
            } as begun,
        } if version == _VERSION:
            pass
        case found:
            raise npz.unsound(path, f"settings {found!r:.200}")
    loss, heldout, rate = (
        arrays[name] for name in ("loss", "heldout_loss", "learning_rate")
    )
    if len(loss) != epoch or len(rate) != epoch or len(heldout) not in {0, epoch}:
        raise npz.unsound(path, f"a history that is not of {epoch} epochs")
    if len(arrays["counts"]) != len(embeddings.words) or (arrays["counts"] < 0).any():
        raise npz.unsound(path, "counts that do not fit the words")
    if not all(np.isfinite(values).all() for values in (loss, heldout, rate)):
        raise npz.unsound(path, "a history that is not finite")
    snapshots = Snapshots(arrays["snapshot_epochs"], arrays["snapshots"])
    if not _fits(snapshots, epoch, embeddings):
        raise npz.unsound(path, f"snapshots that are not of {epoch} epochs")
    if words_done < 0 or (begun and (begun["blocks"] < 1 or begun["pairs"] < 0)):
        raise npz.unsound(path, "less than no progress")
    if begun and not (math.isfinite(begun["loss"]) and math.isfinite(begun["rate"])):
        raise npz.unsound(path, "a loss or learning rate that is not finite")
    return Checkpoint(
        epoch=epoch,
        words_done=words_done,
        center=embeddings.center,
        context=embeddings.context,
        vocab=Vocab(embeddings.words, arrays["counts"], embeddings.normalization),
        history=TrainingHistory(loss, heldout, rate),
        snapshots=snapshots,
        hyperparameters=hyperparameters,
        corpus=corpus,
        begun=Begun(*(begun[f.name] for f in fields(Begun))) if begun else None,
    )


def _fits(snapshots: Snapshots, epoch: int, embeddings: Embeddings) -> bool:
    """Say whether snapshots can be of these vectors after so many epochs."""
    epochs, vectors = snapshots.epochs, snapshots.vectors
    rows, dim = embeddings.center.shape
    return bool(
        len(epochs) == len(vectors) >= 1
        and epochs[0] == 0
        and (np.diff(epochs.astype(np.int64)) > 0).all()
        and epochs[-1] <= epoch
        and vectors.shape[1] <= rows
        and vectors.shape[2] == dim
        and np.isfinite(vectors).all()
    )


def _name(epoch: int, blocks: int) -> str:
    return f"checkpoint-{epoch:04d}{f'-{blocks:06d}' if blocks else ''}.npz"


def _place(path: Path) -> tuple[int, int] | None:
    """Return the epoch and the blocks of a checkpoint's name."""
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2] or 0)) if match else None


def find_checkpoints(folder: Path) -> list[Path]:
    """Return the files named as checkpoints, the furthest first, unread."""
    places = {
        path: place
        for path in folder.glob("checkpoint-*.npz")
        if (place := _place(path)) is not None
    }
    return sorted(places, key=lambda path: places[path], reverse=True)


def sound_checkpoints(folder: Path) -> Iterator[tuple[Path, Checkpoint]]:
    """Yield the checkpoints of a folder that can be read, the furthest first.

    A damaged one is passed over with a warning that names it: going on from the
    one before it gives the same result, some time later.
    """
    for path in find_checkpoints(folder):
        try:
            yield path, load_checkpoint(path)
        except DataError as error:
            _log.warning("passed over a damaged checkpoint: %s", error)


def keep_newest(last: Path, count: int) -> None:
    """Delete all checkpoints of a folder but some number of them up to the last.

    One further on can only be left from other settings, or damaged.

    Args:
        last: The checkpoint just written.
        count: How many to keep, ≥ 1.
    """
    found = find_checkpoints(last.parent)
    kept = found[found.index(last) :][:count]
    for path in found:
        if path not in kept:
            path.unlink(missing_ok=True)


class CheckpointWriter:
    """Write checkpoints beside the training, one at a time.

    Args:
        folder: Holds the checkpoints.
        keep: How many to keep, ≥ 1.
        share: Of the time that passes, the part that writing may take: how long the
            last one took says when the next is due. 1: one is always due.
    """

    def __init__(self, folder: Path, keep: int, share: float) -> None:
        self._folder, self._keep, self._share = folder, keep, share
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[float] | None = None
        self._begun = time.perf_counter()
        self._cost = 0.0

    @property
    def cost(self) -> float:
        """Seconds that the last one took; 0 before the first."""
        return self._cost

    def due(self) -> bool:
        """Say whether it is time for another checkpoint."""
        if self._share == 1:
            return True
        if self._writing is not None and not self._writing.done():
            return False
        self.wait()
        return time.perf_counter() - self._begun >= self._cost / self._share

    def write(self, checkpoint: Checkpoint) -> None:
        """Begin to write; the arrays must not change any more.

        Raises:
            StorageError: if the one before could not be written.
        """
        self.wait()
        self._begun = time.perf_counter()
        self._writing = self._thread.submit(self._write, checkpoint)

    def wait(self) -> None:
        """Wait until nothing is being written.

        Raises:
            StorageError: if it could not be written.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._cost = writing.result()

    def close(self) -> None:
        """End the thread, when it is done."""
        self._thread.shutdown()

    def _write(self, checkpoint: Checkpoint) -> float:
        began = time.perf_counter()
        path = save_checkpoint(self._folder, checkpoint)
        keep_newest(path, self._keep)
        return time.perf_counter() - began
