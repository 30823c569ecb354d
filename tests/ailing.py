"""Homes that something is wrong with, and what the doctor makes of them."""

from dataclasses import replace
from pathlib import Path

from pipeline.cache import Cache, Ingredients
from pipeline.core.types import Metrics
from pipeline.doctor.examination import examine, mend
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    RunRecord,
    TrackingRecord,
    now,
    save_record,
    this_process,
)

DEAD = replace(this_process(), started=this_process().started - 1_000)
ELSEWHERE = replace(DEAD, host="elsewhere")


def record_of(run_id: str = "a" * 32, **changes) -> RunRecord:
    """Return the record of a run whose process has ended, but for some changes."""
    record = RunRecord(
        run_id=run_id,
        name="a run",
        status="RUNNING",
        message="",
        started=now(),
        ended=None,
        overrides=(),
        config={},
        params={},
        metrics={},
        stages={},
        artifact_uri="",
        artifacts=(),
        tracking=TrackingRecord("off", ""),
        git=GitRecord(None, False),
        environment=Environment("", "", "", (), 1, {}, {}),
        process=DEAD,
        task="t1",
    )
    return replace(record, **changes)


def save(home: Path, run_id: str, **changes) -> RunRecord:
    record = record_of(run_id, **changes)
    save_record(home, record)
    return record


def found(home: Path) -> list[str]:
    return [finding.kind for finding in examine(home) if not finding.note]


def states(home: Path) -> dict[str, str]:
    return {outcome.finding.kind: outcome.state for outcome in mend(home)}


def put(home: Path, value: float = 1.0) -> tuple[str, str]:
    """Store a result, as a process does that has ended; return (key, digest)."""
    ingredients = Ingredients("toy", {}, {"value": value}, {}, {}, {})
    record = Cache(home / "cache").store(
        ingredients, {"metrics": Metrics({"a": value})}, [], 0.1
    )
    return ingredients.key, record.outputs["metrics"]
