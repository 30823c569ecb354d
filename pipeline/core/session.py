"""Training from epoch to epoch: progress, metrics, checkpoints, held-out loss."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from pipeline.core.checkpoint import Begun, Checkpoint, CheckpointWriter
from pipeline.core.snapshots import kept_epochs, with_snapshot
from pipeline.core.trainer import Progress, Trainer
from pipeline.core.types import Floats, TrainingHistory
from pipeline.errors import DataError, StoppedError

# Seconds between live metrics within an epoch.
LIVE_SECONDS = 30.0


class DivergedError(ArithmeticError):
    """Steps were too large: numbers overflowed."""


class Listener(Protocol):
    """Who is told how training goes."""

    def advance(self, amount: int, shown: str = "") -> None:
        """Take notice that `amount` more words are done."""
        ...

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Take values by flat name."""
        ...


class Session:
    """Training under way.

    Args:
        state: Where it begins.
        trainer: Trains the matrices of that state.
        writer: Takes checkpoints.
        report: Is told of progress and metrics.
        heldout: Name of the split held out, if one is.
        deadline: When to stop, by `time.monotonic`; None: never.

    Attributes:
        state: Where it stands. The matrices in it are those it began with; the
            trainer has those of now.
    """

    def __init__(
        self,
        state: Checkpoint,
        trainer: Trainer,
        writer: CheckpointWriter,
        report: Listener,
        heldout: str | None,
        *,
        deadline: float | None = None,
    ) -> None:
        self.state = state
        self._deadline = deadline
        self._trainer, self._writer, self._heldout = trainer, writer, heldout
        self._report, self._live = report, _Live(report)
        self._saved, self._within_block = state, False

    def train(self, epochs: int, let_interrupt: Callable[[], None]) -> Checkpoint:
        """Train until so many epochs are done, and return the state then.

        An interrupt leaves a checkpoint of what was done, and so does the deadline: at
        the end of a block, and of one at least.

        Args:
            epochs: In all, those done before included.
            let_interrupt: Is called when all is in a state to go on from.

        Raises:
            StoppedError: at the deadline.
            DivergedError: if numbers overflow.
            DataError: if there are no pairs.
            StorageError: if a checkpoint could not be written.
        """
        kept = kept_epochs(epochs)
        try:
            while self.state.epoch < epochs:
                self.train_epoch(let_interrupt, keep=self.state.epoch + 1 in kept)
                if self.state.epoch < epochs:
                    self._stop_in_time()
            self._writer.wait()  # else two copies of the matrices would be held
            return self.snapshot()
        except (KeyboardInterrupt, StoppedError):
            self.checkpoint()
            raise
        finally:
            self._writer.wait()

    def train_epoch(
        self, let_interrupt: Callable[[], None], *, keep: bool = False
    ) -> None:
        """Train what is left of an epoch, measure it and report.

        Args:
            let_interrupt: Is called when all is in a state to go on from.
            keep: Whether to take a snapshot at its end.
        """
        started, words_before = time.perf_counter(), self.state.words_done
        first = self.state.begun.blocks if self.state.begun else 0
        for block in range(first, self._trainer.blocks):
            self._within_block = True
            progress = self._trainer.train_block(self.state.epoch, block)
            self._within_block = False
            self._note(block, progress)
            let_interrupt()
            if block + 1 < self._trainer.blocks:  # the last one's epoch is closed first
                self._stop_in_time()
        seconds = time.perf_counter() - started
        self._end_epoch(keep=keep)
        if self._writer.due():
            self.checkpoint()
        epoch = self.state.epoch
        speed = (self.state.words_done - words_before) / seconds
        self._report.metrics(
            {**measured(self.state.history, epoch), "train/words_per_second": speed},
            step=epoch,
        )
        let_interrupt()

    def _stop_in_time(self) -> None:
        """End training where a checkpoint written now would be done at the deadline."""
        if self._deadline is None:
            return
        if time.monotonic() + self._writer.cost >= self._deadline:
            epoch, begun = self.state.epoch, self.state.begun
            done = (
                f"{begun.blocks} of {self._trainer.blocks} blocks of " if begun else ""
            )
            raise StoppedError(f"stopped after {done}epoch {epoch + bool(begun)}")

    def checkpoint(self) -> None:
        """Begin to write a checkpoint, unless this state has been written.

        Nor is one written from within a block, where a second Ctrl-C may lead.
        """
        if self.state is not self._saved and not self._within_block:
            self._writer.write(self.snapshot())
            self._saved = self.state

    def snapshot(self) -> Checkpoint:
        """Return the state with copies of the matrices as they are now.

        Raises:
            DivergedError: if they are not finite.
        """
        center, context = self._trainer.center.copy(), self._trainer.context.copy()
        _check_finite(self.state.epoch, center, context)
        return dataclasses.replace(self.state, center=center, context=context)

    def _note(self, block: int, progress: Progress) -> None:
        """Add a block to the state, and say so."""
        _check_finite(self.state.epoch + 1, progress.loss)
        begun = self.state.begun or Begun(0, 0.0, 0, 0.0)
        begun = Begun(
            blocks=block + 1,
            loss=begun.loss + progress.loss,
            pairs=begun.pairs + progress.pairs,
            rate=progress.rate,
        )
        words = self.state.words_done + progress.words
        self.state = dataclasses.replace(self.state, words_done=words, begun=begun)
        shown = f"loss {begun.loss / max(begun.pairs, 1):.4f} lr {begun.rate:.5f}"
        self._report.advance(progress.words, shown)
        if self._live.note(progress, words) and self._writer.due():
            self.checkpoint()

    def _end_epoch(self, *, keep: bool) -> None:
        """Measure the held-out loss, and close the epoch under way."""
        state = self.state
        begun = state.begun or Begun(0, 0.0, 0, 0.0)
        loss = _mean(begun.loss, begun.pairs, "the splits trained on")
        heldout = []
        if self._heldout is not None:
            where = f"the held-out split {self._heldout!r}"
            heldout = [_mean(*self._trainer.heldout_loss(), where)]
            _check_finite(state.epoch + 1, *heldout)
        snapshots = state.snapshots
        if keep:
            snapshots = with_snapshot(snapshots, self._trainer.center, state.epoch + 1)
        self.state = dataclasses.replace(
            state,
            epoch=state.epoch + 1,
            snapshots=snapshots,
            begun=None,
            history=TrainingHistory(
                loss=np.append(state.history.loss, loss),
                heldout_loss=np.append(state.history.heldout_loss, heldout),
                learning_rate=np.append(state.history.learning_rate, begun.rate),
            ),
        )


class _Live:
    """Report metrics within long epochs."""

    def __init__(self, report: Listener) -> None:
        self._report = report
        self._restart()

    def note(self, progress: Progress, words_done: int) -> bool:
        """Take notice of a block; report and say so if it is time."""
        self._loss += progress.loss
        self._pairs += progress.pairs
        self._words += progress.words
        seconds = time.perf_counter() - self._since
        if seconds < LIVE_SECONDS or self._pairs == 0:
            return False
        values = {
            "train/live_loss": self._loss / self._pairs,
            "train/live_words_per_second": self._words / seconds,
        }
        self._report.metrics(values, step=words_done // 1000)
        self._restart()
        return True

    def _restart(self) -> None:
        self._since = time.perf_counter()
        self._loss, self._pairs, self._words = 0.0, 0, 0


def _mean(loss: float, pairs: int, where: str) -> float:
    if pairs == 0:
        raise DataError(
            f"{where}: expected two words of the vocabulary in some sentence, found "
            "no such pair. Are the sentences whole, and train.subsample not too small?"
        )
    return loss / pairs


def _check_finite(epoch: int, *values: float | Floats) -> None:
    if not all(np.isfinite(value).all() for value in values):
        raise DivergedError(f"training diverged in epoch {epoch}, numbers overflowed")


def measured(history: TrainingHistory, epoch: int) -> Mapping[str, float]:
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
