"""What came of a sweep, read from its ledger alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.sweep.config import is_maximized, resolved_objective
from pipeline.sweep.ledger import Ledger, SweepRecord, TrialRecord, flat
from pipeline.tracking.addresses import run_address, view_address, view_key
from pipeline.tracking.placing import local_folder

Plain = str | int | float | bool | None
Status = Literal["finished", "failed", "pruned", "stopped", "running", "missing"]

_VECTORS = "vectors/vectors.npz"


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        number: Its number in the sweep.
        cell: Swept key -> value, without the seed.
        seed: Its seed.
        status: `stopped` at the end of its time budget; `missing` if it was not run
            to an end in another way, and does not run.
        error: Why it did not finish; empty if it did.
        metrics: Last value by name.
        history: Metric -> its value after each epoch.
        seconds: What its stages took.
        run_id: Its run, if it was begun.
        run_address: Where the UI shows it.
        vectors: File of its vectors on this machine.
        vocab_digest: Digest of its vocabulary: equal words and counts.
    """

    number: int
    cell: Mapping[str, Plain]
    seed: int
    status: Status
    error: str
    metrics: Mapping[str, float]
    history: Mapping[str, Sequence[float]]
    seconds: float
    run_id: str | None
    run_address: str | None
    vectors: Path | None
    vocab_digest: str | None


@dataclass(frozen=True)
class SweepResults:
    """All trials of a sweep.

    Attributes:
        name: Its name.
        objective: The metric to judge by.
        maximize: Whether more of it is better.
        trials: By number.
        ui_address: Where the UI compares them.
    """

    name: str
    objective: str
    maximize: bool
    trials: tuple[TrialResult, ...]
    ui_address: str | None


@dataclass(frozen=True)
class CellResult:
    """The trials of one cell together.

    Attributes:
        cell: Swept key -> value, without the seed.
        trials: Those that finished and have the objective.
        mean: The objective's mean over them.
    """

    cell: Mapping[str, Plain]
    trials: tuple[TrialResult, ...]
    mean: float


def read_results(
    ledger: Ledger, *, objective: str | None = None, port: int = 5000
) -> SweepResults:
    """Read what came of a sweep.

    Args:
        ledger: The sweep's.
        objective: The metric to judge by in place of the sweep's own.
        port: Port of the UI, for addresses.

    Raises:
        SweepError: if the ledger is damaged.
    """
    sweep, trials = ledger.sweep(), ledger.trials()
    finished = [t.metrics for t in trials if t.outcome == "finished"]
    metric = objective or resolved_objective(sweep.config.objective, finished)
    direction = "auto" if objective else sweep.config.direction
    keys = list(dict.fromkeys(key for trial in trials for key in trial.cell))
    return SweepResults(
        name=sweep.name,
        objective=metric,
        maximize=is_maximized(metric, direction),
        trials=tuple(_result(ledger, sweep, trial, keys, port) for trial in trials),
        ui_address=view_address(
            sweep.tracking, sweep.experiment, view_key(sweep.name), port
        ),
    )


def ranked_cells(results: SweepResults) -> list[CellResult]:
    """Return the cells with a score, the best first; ties by their first trial."""
    groups: dict[tuple[tuple[str, Plain], ...], list[TrialResult]] = {}
    for trial in results.trials:
        if trial.status == "finished" and results.objective in trial.metrics:
            groups.setdefault(tuple(trial.cell.items()), []).append(trial)
    cells = [
        CellResult(dict(cell), tuple(trials), _mean(trials, results.objective))
        for cell, trials in groups.items()
    ]
    sign = -1 if results.maximize else 1
    return sorted(cells, key=lambda c: (sign * c.mean, c.trials[0].number))


def best_trial(results: SweepResults) -> TrialResult | None:
    """Return the best trial of the cell with the best mean; None if there is none."""
    cells = ranked_cells(results)
    if not cells:
        return None
    sign = -1 if results.maximize else 1
    metric = results.objective
    return min(cells[0].trials, key=lambda t: (sign * t.metrics[metric], t.number))


def best_values(results: SweepResults) -> dict[str, float]:
    """Return the best value of each metric over the trials that finished."""
    found: dict[str, list[float]] = {}
    for trial in results.trials:
        if trial.status == "finished":
            for name, value in trial.metrics.items():
                found.setdefault(name, []).append(value)
    return {
        name: max(values) if maximizes(results, name) else min(values)
        for name, values in sorted(found.items())
    }


def swept_params(results: SweepResults) -> list[str]:
    """Return the keys that differ between trials; the seed too, if there are some."""
    cells = [{**trial.cell, "seed": trial.seed} for trial in results.trials]
    keys = dict.fromkeys(key for cell in cells for key in cell)
    return [key for key in keys if len({repr(cell.get(key)) for cell in cells}) > 1]


def maximizes(results: SweepResults, metric: str) -> bool:
    """Say whether more of a metric is better, as the sweep has it."""
    return results.maximize if metric == results.objective else is_maximized(metric)


def _mean(trials: Sequence[TrialResult], metric: str) -> float:
    return math.fsum(trial.metrics[metric] for trial in trials) / len(trials)


def _result(
    ledger: Ledger,
    sweep: SweepRecord,
    trial: TrialRecord,
    keys: Sequence[str],
    port: int,
) -> TrialResult:
    values = flat(trial.config)
    # A key that was swept only later had its usual value.
    cell = {key: trial.cell.get(key, _plain(values.get(key))) for key in keys}
    return TrialResult(
        number=trial.number,
        cell=cell,
        seed=trial.seed,
        status=_status(ledger, trial),
        error=trial.error,
        metrics=trial.metrics,
        history=trial.history,
        seconds=trial.seconds,
        run_id=trial.run_id,
        run_address=run_address(sweep.tracking, sweep.experiment, trial.run_id, port),
        vectors=_vectors(trial),
        vocab_digest=trial.digests.get("vocabulary"),
    )


def _status(ledger: Ledger, trial: TrialRecord) -> Status:
    if trial.outcome in ("finished", "pruned"):
        return trial.outcome
    if ledger.is_running(trial.number):
        return "running"
    return trial.outcome if trial.outcome in ("failed", "stopped") else "missing"


def _plain(value: object) -> Plain:
    known = value is None or isinstance(value, str | int | float | bool)
    return value if known else str(value)  # type: ignore[return-value]  # just checked


def _vectors(trial: TrialRecord) -> Path | None:
    folder = local_folder(trial.artifact_uri) if trial.artifact_uri else None
    path = folder / _VECTORS if folder else None
    return path if path and path.is_file() else None
