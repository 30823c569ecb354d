"""Learn word vectors from an encoded corpus."""

import dataclasses
import hashlib
import logging
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MinLen

from pipeline.core.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    sound_checkpoints,
)
from pipeline.core.cores import available_cores
from pipeline.core.heldout import Heldout
from pipeline.core.interrupts import held_interrupts
from pipeline.core.memory import release
from pipeline.core.minibatch import MinibatchMethod, MinibatchTrainer
from pipeline.core.randomness import generator
from pipeline.core.sampling import (
    AliasTable,
    blocks,
    build_alias_table,
    check_split,
    keep_probabilities,
    noise_weights,
)
from pipeline.core.session import DivergedError, Session, measured
from pipeline.core.sgns import Objective, initial_vectors
from pipeline.core.snapshots import first_snapshot
from pipeline.core.trainer import Trainer
from pipeline.core.types import (
    Doubles,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Snapshots,
    TrainingHistory,
    Vocab,
)
from pipeline.errors import ConfigError, DataError, StoppedError
from pipeline.fields import (
    Fraction,
    NaturalInt,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Unkeyed,
)
from pipeline.report import Report

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """Skip-gram with negative sampling; `conf/train` explains each key."""

    kernel: Literal["numba", "numpy"]
    dim: PositiveInt
    epochs: PositiveInt
    # A block's pairs are held at once: 2 · window for each of its words.
    window: Annotated[int, Ge(1), Le(100)]
    negatives: PositiveInt
    lr: PositiveFloat
    lr_min: NonNegativeFloat
    noise_power: Fraction
    subsample: Fraction
    init: Literal["xavier", "word2vec"]
    shared_centers: PositiveInt
    replicas: Annotated[int, Ge(1), Le(1024)]
    staleness: PositiveInt
    threads: Annotated[Annotated[int, Ge(1), Le(1024)] | Literal["auto"], Unkeyed()]
    kernel_cache: Annotated[Path | None, Unkeyed()]
    batch_size: PositiveInt
    score_clip: Annotated[float, Ge(1), Le(500)]
    gradient_clip: PositiveFloat
    log_epsilon: Annotated[float, Ge(0), Lt(1)]
    heldout_split: Annotated[str, MinLen(1)] | None
    snapshots: Annotated[int, Ge(0), Le(2000)]
    keep_checkpoints: Annotated[int, Ge(1), Unkeyed()]
    checkpoint_share: Annotated[float, Gt(0), Le(1), Unkeyed()]
    time_budget: Annotated[PositiveFloat | None, Unkeyed()]
    seed: NaturalInt

    def __post_init__(self) -> None:
        if self.lr_min > self.lr:
            raise ValueError(
                f"lr_min={self.lr_min:g} must be at most lr={self.lr:g}: the rate falls"
            )
        # Beyond 80, e^s leaves float32; beyond 65,000, random numbers would repeat.
        if self.kernel == "numba" and self.score_clip > 80:
            raise ValueError(
                f"score_clip={self.score_clip:g} must be at most 80 with kernel=numba"
            )
        if self.kernel == "numba" and self.negatives > 65_000:
            raise ValueError(
                f"negatives={self.negatives} must be at most 65,000 with kernel=numba"
            )


# Those that are `Unkeyed`.
_WITHOUT_EFFECT = {
    *("threads", "kernel_cache", "keep_checkpoints", "checkpoint_share"),
    "time_budget",
}


@dataclass(frozen=True)
class _Task:
    """All that stays the same while training runs.

    Attributes:
        objective: The loss and its guards.
        splits: What an epoch goes through, in this order.
        heldout: What the held-out loss is measured on.
        words: Known words in an epoch, before subsampling.
        corpus: Digest of what is trained on and measured on.
        noise: Negatives are drawn from it.
        keep: Shape (V,). Probability of keeping each word in training.
    """

    config: TrainConfig
    objective: Objective
    vocab: Vocab
    splits: list[EncodedSplit]
    heldout: Heldout
    words: int
    corpus: str
    noise: AliasTable
    keep: Doubles


def train(
    config: TrainConfig,
    encoded: EncodedCorpus,
    vocab: Vocab,
    *,
    workspace: Path,
    report: Report,
) -> tuple[Embeddings, TrainingHistory, Snapshots]:
    """Train word vectors, with a checkpoint now and then.

    Goes on from the newest sound checkpoint in `workspace` that has the same
    settings, vocabulary and corpus; the result is the same bits as without the
    stop. Ctrl-C takes effect at the end of a block, with a checkpoint, and so does
    the end of the time budget.

    Metrics per epoch: `train/loss`, `train/heldout_loss` (nats per pair),
    `train/learning_rate` and `train/words_per_second`. With the compiled kernel and a
    long text, `train/loss` is the mean over one pair of eight, drawn at random. Within
    long epochs, every 30 s: `train/live_loss`, over the pairs since the last time, and
    `train/live_words_per_second`; their step counts thousands of words gone through in
    all epochs.

    Raises:
        ConfigError: if the held-out split does not exist or is trained on, or
            training diverges.
        DataError: if there is nothing to train on, or the corpus does not fit the
            vocabulary.
        StorageError: if a checkpoint cannot be written.
        StoppedError: at the end of the time budget; the next call goes on.
    """
    budget = config.time_budget
    deadline = None if budget is None else time.monotonic() + budget
    task = _prepare(config, encoded, vocab)
    state = _resume(task, workspace) or _begin(task)
    report.start(task.words * config.epochs, "words")
    compiling = ", compiling or loading the kernel" if config.kernel == "numba" else ""
    report.advance(state.words_done, f"from epoch {state.epoch + 1}{compiling}")
    for epoch in range(1, state.epoch + 1):
        report.metrics(measured(state.history, epoch), step=epoch)
    if state.epoch == config.epochs:
        return state.embeddings, state.history, state.snapshots
    writer = CheckpointWriter(
        workspace, config.keep_checkpoints, config.checkpoint_share
    )
    with (
        closing(writer),
        closing(_make_trainer(task, state)) as trainer,
        held_interrupts() as let_interrupt,
    ):
        # What training began with is not needed any more, and may be large.
        state = replace(state, center=trainer.center, context=trainer.context)
        session = Session(
            *(state, trainer, writer, report, config.heldout_split), deadline=deadline
        )
        try:
            result = session.train(config.epochs, let_interrupt)
        except StoppedError as stop:
            raise StoppedError(
                f"{stop} of {config.epochs}, at train.time_budget={budget:g} seconds; "
                "the same command goes on from the checkpoint"
            ) from stop
        except DivergedError as error:
            raise ConfigError(
                f"train.lr={config.lr:g}: {error}. Lower train.lr, "
                f"train.batch_size={config.batch_size} or "
                f"train.gradient_clip={config.gradient_clip:g}."
            ) from error
        return result.embeddings, result.history, result.snapshots


def last_checkpoint(
    config: TrainConfig,
    *,
    encoded: EncodedCorpus,
    vocab: Vocab,
    embeddings: Embeddings,
    history: TrainingHistory,
    snapshots: Snapshots,
) -> Checkpoint:
    """Return the checkpoint that a training with these results ended with.

    The workspace's own goes when training ends: what it holds is in the results.
    """
    words, corpus = _look_through(config, encoded, vocab)
    return Checkpoint(
        epoch=config.epochs,
        words_done=words * config.epochs,
        center=embeddings.center,
        context=embeddings.context,
        vocab=vocab,
        history=history,
        snapshots=snapshots,
        hyperparameters=_hyperparameters(config),
        corpus=corpus,
    )


def _look_through(
    config: TrainConfig, encoded: EncodedCorpus, vocab: Vocab
) -> tuple[int, str]:
    """Check what is given; return the words of an epoch, and the corpus's digest."""
    heldout = config.heldout_split
    if heldout is not None and heldout not in encoded.splits:
        raise ConfigError(
            f"train.heldout_split={heldout}: the corpus has no such split, only "
            f"{', '.join(encoded.splits)}. Name one, or null to hold none out."
        )
    if heldout in encoded.train_splits:
        raise ConfigError(
            f"train.heldout_split={heldout}: this split is trained on (vocab.splits="
            f"[{','.join(encoded.train_splits)}]). Name another, or null to hold none "
            "out."
        )
    names = [*encoded.train_splits, *([] if heldout is None else [heldout])]
    digest, words = hashlib.sha256(), 0
    for name in names:
        split = encoded.splits[name]
        known = check_split(name, split, len(vocab.words))
        if known < 2:
            raise DataError(
                f"split {name!r}: expected words of the vocabulary, found {known} in "
                f"{len(split.ids)} tokens. Is it the right split?"
            )
        words += known if name in encoded.train_splits else 0
        digest.update(f"{name}:{len(split.ids)}:{len(split.offsets)}:".encode())
        for array, kind in ((split.ids, "<i4"), (split.offsets, "<i8")):
            for first in range(0, len(array), 2**20):
                piece = array[first : first + 2**20]
                digest.update(np.ascontiguousarray(piece, kind).data)
                release(array)
    return words, digest.hexdigest()


def _prepare(config: TrainConfig, encoded: EncodedCorpus, vocab: Vocab) -> _Task:
    """Check what is given and lay out the work."""
    words, corpus = _look_through(config, encoded, vocab)
    heldout = config.heldout_split
    noise = build_alias_table(noise_weights(vocab.counts, config.noise_power))
    return _Task(
        config=config,
        objective=Objective(
            negatives=config.negatives,
            batch_size=config.batch_size,
            score_clip=config.score_clip,
            gradient_clip=config.gradient_clip,
            log_epsilon=config.log_epsilon,
        ),
        vocab=vocab,
        splits=[encoded.splits[name] for name in encoded.train_splits],
        heldout=Heldout(
            blocks=[] if heldout is None else blocks([encoded.splits[heldout]]),
            window=config.window,
            negatives=config.negatives,
            batch_size=config.batch_size,
            noise=noise,
            seed=config.seed,
        ),
        words=words,
        corpus=corpus,
        noise=noise,
        keep=keep_probabilities(vocab.counts, config.subsample),
    )


def _hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that shape the result."""
    settings = dataclasses.asdict(config)
    return {name: settings[name] for name in settings if name not in _WITHOUT_EFFECT}


def _begin(task: _Task) -> Checkpoint:
    """Return the state before the first epoch."""
    config, nothing = task.config, np.empty(0)
    center, context = initial_vectors(
        config.init,
        (len(task.vocab.words), config.dim),
        generator(config.seed, "train", "init"),
    )
    return Checkpoint(
        epoch=0,
        words_done=0,
        center=center,
        context=context,
        vocab=task.vocab,
        history=TrainingHistory(nothing, nothing, nothing),
        snapshots=first_snapshot(center, config.snapshots),
        hyperparameters=_hyperparameters(config),
        corpus=task.corpus,
    )


def _resume(task: _Task, workspace: Path) -> Checkpoint | None:
    """Return the newest sound state of this very task, if there is one."""
    for path, found in sound_checkpoints(workspace):
        changed = _changes(task, found)
        if not changed:
            _log.info("going on from %s, after epoch %d", path, found.epoch)
            return found
        _log.info("passed over %s: it differs in %s", path, ", ".join(changed))
    return None


def _changes(task: _Task, found: Checkpoint) -> list[str]:
    """Name what a checkpoint was trained with that is not so now."""
    now, then = _hyperparameters(task.config), found.hyperparameters
    changed = [k for k in sorted({*now, *then}) if now.get(k) != then.get(k)]
    vocab = task.vocab
    same_vocab = (
        found.vocab.words == vocab.words
        and found.vocab.normalization == vocab.normalization
        and np.array_equal(found.vocab.counts, vocab.counts)
    )
    if not same_vocab:
        changed.append("vocabulary")
    if found.corpus != task.corpus:
        changed.append("corpus")
    if found.center.shape[1] != task.config.dim:
        changed.append("width")
    return changed


def _make_trainer(task: _Task, state: Checkpoint) -> Trainer:
    """Return what trains the matrices of a state, which it may modify."""
    config = task.config
    if config.kernel == "numpy":
        return MinibatchTrainer(
            MinibatchMethod(
                objective=task.objective,
                epochs=config.epochs,
                words=task.words,
                window=config.window,
                lr=config.lr,
                lr_min=config.lr_min,
                seed=config.seed,
            ),
            blocks(task.splits),
            state.center,
            state.context,
            noise=task.noise,
            keep=task.keep,
            heldout=task.heldout,
        )
    from pipeline.core.replicas import Method, ReplicaTrainer

    return ReplicaTrainer(
        Method(
            epochs=config.epochs,
            window=config.window,
            negatives=config.negatives,
            shared_centers=config.shared_centers,
            lr=config.lr,
            lr_min=config.lr_min,
            score_clip=config.score_clip,
            gradient_clip=config.gradient_clip,
            log_epsilon=config.log_epsilon,
            replicas=config.replicas,
            staleness=config.staleness,
            seed=config.seed,
        ),
        task.splits,
        state.center,
        state.context,
        counts=task.vocab.counts,
        noise=task.noise,
        keep=task.keep,
        heldout=task.heldout,
        threads=available_cores() if config.threads == "auto" else config.threads,
        cache=config.kernel_cache,
    )
