"""One trial: run what the ledger says, and write down what came of it."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config import check_config
from pipeline.engine import StageResult
from pipeline.errors import PrunedError, StoppedError, W2VError
from pipeline.provenance import Git
from pipeline.records import RunRecord
from pipeline.run import run_pipeline
from pipeline.sweep.config import HELDOUT_LOSS
from pipeline.sweep.frozen import Code, check_code, loaded_code
from pipeline.sweep.ledger import Ledger, Outcome, SweepRecord, TrialRecord
from pipeline.sweep.pruning import is_hopeless

log = logging.getLogger(__name__)


def run_trial(
    home: Path, sweep: str, number: int, *, wait: bool = False
) -> TrialRecord | None:
    """Run a trial unless it has ended; its errors are kept in the ledger.

    Args:
        home: The folder that holds all that runs write; absolute.
        sweep: The sweep's name.
        number: The trial's number.
        wait: Whether to wait where another process runs it.

    Returns:
        The trial as it ended; None if another process runs it.

    Raises:
        SweepError: if the ledger cannot be read, or this process has other code
            than the sweep began with.
    """
    ledger = Ledger(home, sweep)
    if wait:
        with ledger.hold_trial(number):
            return _run(ledger, number)
    lock = ledger.try_trial(number)
    if lock is None:
        return None
    try:
        return _run(ledger, number)
    finally:
        lock.release()


def code_of(record: SweepRecord) -> Code:
    """Return the code that a sweep began with."""
    return Code(record.code, record.definitions, record.versions)


def run_config(ledger: Ledger, trial: TrialRecord) -> dict[str, Any]:
    """Return a trial's configuration, for the place where home is now."""
    then, now = str(trial.config["home"]), str(ledger.home)
    if then == now:
        return dict(trial.config)
    return {key: _moved(value, then, now) for key, value in trial.config.items()}


def _moved(value: Any, then: str, now: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _moved(inner, then, now) for key, inner in value.items()}
    if isinstance(value, str) and (value == then or value.startswith(f"{then}/")):
        return now + value.removeprefix(then)
    return value


class Membership:
    """What a run has to do with the sweep that it is a part of.

    Args:
        ledger: The sweep's ledger.
        sweep: What holds for all its trials.
        trial: The trial that the run is of.

    Attributes:
        tags: Of the run, in the tracking store.
        git: Which code runs: that which the sweep began with.
        history: Metric -> value by epoch, so far.
        digests: Stage -> digest of its outputs, so far.
        seconds: What its stages took, also where they were found in the cache.
    """

    def __init__(self, ledger: Ledger, sweep: SweepRecord, trial: TrialRecord) -> None:
        self.tags = {"sweep": sweep.name, "sweep.trial": str(trial.number)}
        self.tags["sweep.cell"] = json.dumps(dict(trial.cell), ensure_ascii=False)
        if sweep.run_id is not None:
            self.tags["mlflow.parentRunId"] = sweep.run_id
        commit = sweep.git.commit
        self.git = Git(commit, ledger.diff()) if commit else None
        self.history: dict[str, dict[int, float]] = {}
        self.digests: dict[str, str] = {}
        self.seconds = 0.0
        self._config = sweep.config
        self._others: list[tuple[float, ...]] = []
        if sweep.config.prune != "none":
            first = trial.index - trial.index % sweep.config.batch
            self._others = [
                other.history.get(HELDOUT_LOSS, ())
                for other in ledger.trials()
                if other.index < first and other.ended
            ]

    def metrics(self, values: Mapping[str, float], step: int | None) -> None:
        """Take notice of what a stage reports.

        Raises:
            PrunedError: if the trial is hopeless.
        """
        self._keep(values, step)
        if step is None or HELDOUT_LOSS not in values:
            return
        losses = self.series()[HELDOUT_LOSS]
        if is_hopeless(self._config, losses, self._others):
            raise PrunedError(
                f"pruned after epoch {step}: {HELDOUT_LOSS} {losses[-1]:.4f} is "
                f"hopeless beside that of {len(self._others)} earlier trials "
                f"(sweep.prune={self._config.prune})"
            )

    def finish(self, result: StageResult) -> None:
        """Take notice of a stage's end."""
        for name, value, step in result.record.metrics:
            self._keep({name: value}, step)
        outputs = result.record.outputs
        self.digests[result.name] = result.record.digest
        if result.name == "vocab":
            # Two corpora may be encoded with the same vocabulary.
            self.digests["vocabulary"] = outputs["vocab"]
        self.seconds += result.record.seconds

    def series(self) -> dict[str, tuple[float, ...]]:
        """Return each metric that is measured after every epoch."""
        return {
            name: tuple(points[step] for step in sorted(points))
            for name, points in sorted(self.history.items())
        }

    def _keep(self, values: Mapping[str, float], step: int | None) -> None:
        for name, value in values.items():
            if step is not None and "live" not in name and "per_second" not in name:
                self.history.setdefault(name, {})[step] = value


def _run(ledger: Ledger, number: int) -> TrialRecord:
    trial, sweep = ledger.trial(number), ledger.sweep()
    if trial.ended:
        return trial
    values = run_config(ledger, trial)
    check_code(sweep.name, code_of(sweep), loaded_code(tuple(values["targets"])))
    part = Membership(ledger, sweep, trial)
    records: list[RunRecord] = []
    began = time.perf_counter()
    outcome: Outcome = "failed"
    error = ""
    try:
        run_pipeline(
            check_config(values),
            values,
            trial.overrides,
            on_end=records.append,
            part=part,
        )
        outcome = "finished"
    except PrunedError as pruned:
        outcome, error = "pruned", str(pruned)
    except StoppedError as stop:
        outcome, error = "stopped", str(stop)
    except W2VError as failure:
        error = f"{type(failure).__name__}: {failure}"
    except Exception as failure:
        log.exception("trial %d of sweep %s failed", number, sweep.name)
        error = f"{type(failure).__name__}: {failure}"
    record = records[-1] if records else None
    ended = replace(
        trial,
        outcome=outcome,
        error=error,
        metrics=record.metrics if record else {},
        history=part.series(),
        seconds=part.seconds or time.perf_counter() - began,
        run_id=record.run_id if record else None,
        artifact_uri=record.artifact_uri if record else None,
        digests=part.digests,
    )
    ledger.save_trial(ended)
    return ended
