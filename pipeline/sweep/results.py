"""What came of a sweep, read from its ledger alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Plain = str | int | float | bool | None
Status = Literal["finished", "failed", "pruned", "running", "missing"]


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        number: Its number in the sweep.
        cell: Swept key -> value, without the seed.
        seed: Its seed.
        status: `missing` if it was not run to an end and does not run.
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
