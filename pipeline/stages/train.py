"""Learn word vectors from an encoded corpus."""

import dataclasses
import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, Lt, MinLen

from pipeline.core.checkpoint import (
    Checkpoint,
    keep_newest,
    save_checkpoint,
    sound_checkpoints,
)
from pipeline.core.randomness import generator
from pipeline.core.sampling import (
    AliasTable,
    Block,
    blocks,
    build_alias_table,
    check_split,
    draw_pairs,
    keep_probabilities,
    noise_weights,
)
from pipeline.core.sgns import Objective, initial_vectors, pairs_loss, train_pairs
from pipeline.core.types import (
    Doubles,
    Embeddings,
    EncodedCorpus,
    Floats,
    TrainingHistory,
    Vocab,
)
from pipeline.errors import ConfigError, DataError
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

    kernel: Literal["numpy"]
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
    batch_size: PositiveInt
    score_clip: Annotated[float, Ge(1), Le(500)]
    gradient_clip: PositiveFloat
    log_epsilon: Annotated[float, Ge(0), Lt(1)]
    heldout_split: Annotated[str, MinLen(1)] | None
    keep_checkpoints: Annotated[int, Ge(1), Unkeyed()]
    seed: NaturalInt

    def __post_init__(self) -> None:
        if self.lr_min > self.lr:
            raise ValueError(
                f"lr_min={self.lr_min:g} must be at most lr={self.lr:g}: the rate falls"
            )


@dataclass(frozen=True)
class _Task:
    """All that stays the same while training runs.

    Attributes:
        objective: The loss and its guards.
        blocks: What an epoch goes through, in this order.
        heldout: What the held-out loss is measured on, in this order.
        words: Known words in an epoch, before subsampling.
        corpus: Digest of what is trained on and measured on.
        noise: Negatives are drawn from it.
        keep: Shape (V,). Probability of keeping each word in training.
    """

    config: TrainConfig
    objective: Objective
    vocab: Vocab
    blocks: list[Block]
    heldout: list[Block]
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
) -> tuple[Embeddings, TrainingHistory]:
    """Train word vectors and checkpoint them after each epoch.

    Goes on from the newest sound checkpoint in `workspace` that has the same
    settings, vocabulary and corpus; the result is the same bits as without the
    stop. Metrics per epoch: `train/loss`, `train/heldout_loss` (nats per pair),
    `train/learning_rate` and `train/words_per_second`.

    Raises:
        ConfigError: if the held-out split does not exist or is trained on, or
            training diverges.
        DataError: if there is nothing to train on, or the corpus does not fit the
            vocabulary.
        StorageError: if a checkpoint cannot be written.
    """
    task = _prepare(config, encoded, vocab)
    state = _resume(task, workspace) or _begin(task)
    report.start(task.words * config.epochs, "words")
    report.advance(state.words_done, f"from epoch {state.epoch + 1}")
    for epoch in range(1, state.epoch + 1):
        report.metrics(_measured(state.history, epoch), step=epoch)
    for epoch in range(state.epoch + 1, config.epochs + 1):
        started = time.perf_counter()
        loss, rate = _train_epoch(task, state, report)
        speed = task.words / (time.perf_counter() - started)
        state = _after_epoch(task, state, loss, rate)
        save_checkpoint(workspace, state)
        keep_newest(workspace, epoch, config.keep_checkpoints)
        report.metrics(
            {**_measured(state.history, epoch), "train/words_per_second": speed},
            step=epoch,
        )
    return state.embeddings, state.history


def last_checkpoint(
    config: TrainConfig,
    encoded: EncodedCorpus,
    vocab: Vocab,
    embeddings: Embeddings,
    history: TrainingHistory,
) -> Checkpoint:
    """Return the checkpoint that a training with these results ended with.

    The workspace's own goes when training ends: what it holds is in the results.
    """
    task = _prepare(config, encoded, vocab)
    return Checkpoint(
        epoch=config.epochs,
        words_done=task.words * config.epochs,
        center=embeddings.center,
        context=embeddings.context,
        vocab=vocab,
        history=history,
        hyperparameters=_hyperparameters(config),
        corpus=task.corpus,
    )


def _prepare(config: TrainConfig, encoded: EncodedCorpus, vocab: Vocab) -> _Task:
    """Check what is given and lay out the work."""
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
        digest.update(np.ascontiguousarray(split.ids, "<i4").data)
        digest.update(np.ascontiguousarray(split.offsets, "<i8").data)
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
        blocks=blocks([encoded.splits[name] for name in encoded.train_splits]),
        heldout=[] if heldout is None else blocks([encoded.splits[heldout]]),
        words=words,
        corpus=digest.hexdigest(),
        noise=build_alias_table(noise_weights(vocab.counts, config.noise_power)),
        keep=keep_probabilities(vocab.counts, config.subsample),
    )


def _hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that shape the result."""
    settings = dataclasses.asdict(config)
    del settings["keep_checkpoints"]
    return settings


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


def _train_epoch(task: _Task, state: Checkpoint, report: Report) -> tuple[float, float]:
    """Train the matrices of `state`, in place, on each block once.

    Returns:
        The loss in nats per pair and the learning rate of the last block.
    """
    config, epoch = task.config, state.epoch + 1
    loss, pairs, done, rate = 0.0, 0, state.words_done, config.lr
    for number, block in enumerate(task.blocks):
        # A stream of its own, so that training can be entered at any block.
        rng = generator(config.seed, "train", epoch, number)
        ids, sentences = block.read()
        drawn = draw_pairs(ids, sentences, config.window, task.keep, rng)
        rate = _rate(task, done)
        # A step too large overflows; the check below speaks of it.
        with np.errstate(over="ignore", invalid="ignore"):
            loss += train_pairs(
                task.objective,
                state.center,
                state.context,
                drawn,
                noise=task.noise,
                rate=rate,
                rng=rng,
            )
        _check_finite(config, epoch, loss)
        pairs += len(drawn[0])
        done += len(ids)
        report.advance(len(ids), f"loss {loss / max(pairs, 1):.4f} lr {rate:.5f}")
    _check_finite(config, epoch, state.center, state.context)
    return _mean(loss, pairs, "the splits trained on"), rate


def _after_epoch(
    task: _Task, state: Checkpoint, loss: float, rate: float
) -> Checkpoint:
    """Return the state an epoch later; its matrices are those of `state`."""
    history = state.history
    heldout = [_heldout_loss(task, state.center, state.context)] if task.heldout else []
    return dataclasses.replace(
        state,
        epoch=state.epoch + 1,
        words_done=state.words_done + task.words,
        history=TrainingHistory(
            loss=np.append(history.loss, loss),
            heldout_loss=np.append(history.heldout_loss, heldout),
            learning_rate=np.append(history.learning_rate, rate),
        ),
    )


def _rate(task: _Task, done: int) -> float:
    """Return the learning rate after a number of words: linear in them."""
    config = task.config
    return config.lr + (config.lr_min - config.lr) * done / (task.words * config.epochs)


def _heldout_loss(task: _Task, center: Floats, context: Floats) -> float:
    """Return nats per held-out pair, with windows and negatives that never change."""
    loss, pairs = 0.0, 0
    every_word = np.ones(len(task.keep))
    for number, block in enumerate(task.heldout):
        rng = generator(task.config.seed, "train", "heldout", number)
        drawn = draw_pairs(*block.read(), task.config.window, every_word, rng)
        loss += pairs_loss(
            task.objective, center, context, drawn, noise=task.noise, rng=rng
        )
        pairs += len(drawn[0])
    return _mean(loss, pairs, f"the held-out split {task.config.heldout_split!r}")


def _mean(loss: float, pairs: int, where: str) -> float:
    if pairs == 0:
        raise DataError(
            f"{where}: expected two words of the vocabulary in some sentence, found "
            "no such pair. Are the sentences whole, and train.subsample not too small?"
        )
    return loss / pairs


def _check_finite(config: TrainConfig, epoch: int, *values: float | Floats) -> None:
    if not all(np.isfinite(value).all() for value in values):
        raise ConfigError(
            f"train.lr={config.lr:g}: training diverged in epoch {epoch}, numbers "
            f"overflowed. Lower train.lr, train.batch_size={config.batch_size} or "
            f"train.gradient_clip={config.gradient_clip:g}."
        )


def _measured(history: TrainingHistory, epoch: int) -> Mapping[str, float]:
    """Return the metrics of an epoch that the history holds."""
    columns = {
        "train/loss": history.loss,
        "train/heldout_loss": history.heldout_loss,
        "train/learning_rate": history.learning_rate,
    }
    return {
        name: float(column[epoch - 1])
        for name, column in columns.items()
        if len(column)
    }
