"""End the runs of processes that died: in their records, and in their stores."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import unsent
from pipeline.errors import StorageError, TrackingError
from pipeline.records import (
    RunRecord,
    hold_run,
    load_record,
    may_live,
    run_folder,
    save_record,
)

_RUNNING = b'"status": "RUNNING"'  # as a record says it


def close_run(home: Path, run_id: str, message: str) -> RunRecord | None:
    """Mark a run as KILLED whose process is dead, and have its store told.

    What the store is to know waits in the run's folder, to be sent as all that waits.

    Args:
        home: The folder that holds all that runs write; absolute.
        run_id: The run.
        message: Why it did not finish.

    Returns:
        Its record; None if a process is, or may be, at work on it.

    Raises:
        TrackingError: if its record is damaged.
        StorageError: if home cannot be written.
    """
    lock = hold_run(home, run_id)
    if lock is None:
        return None
    try:
        record = load_record(home, run_id)
        if record.status != "RUNNING":
            return record
        if may_live(record.process):
            return None
        ended = _last_seen(home, run_id)
        at = datetime.fromtimestamp(ended, UTC).isoformat(timespec="microseconds")
        record = replace(record, status="KILLED", message=message, ended=at)
        save_record(home, record)
        if record.tracking.backend != "off":
            from pipeline.tracking.outbox import End, Outbox, Tags

            outbox = Outbox(run_folder(home, run_id))
            outbox.add(Tags({"message": message}))
            outbox.add(End("KILLED", round(ended * 1_000)))
    finally:
        lock.release()
    return record


def close_runs_of(
    home: Path, configs: Sequence[Mapping[str, Any]], message: str
) -> None:
    """End the dead runs that have one of these configurations, and tell their stores.

    Args:
        home: The folder that holds all that runs write; absolute.
        configs: Resolved configurations as plain values.
        message: Why they did not finish.
    """
    closed = 0
    for path in (home / "runs").glob("*/run.json"):
        # One that is damaged, or not to be written, the doctor tells of.
        with suppress(OSError, TrackingError, StorageError):
            # Thousands of records take seconds to read, and an instant to look through.
            if _RUNNING not in path.read_bytes():
                continue
            run_id = path.parent.name
            if load_record(home, run_id).config in configs:
                closed += close_run(home, run_id, message) is not None
    if closed:
        unsent.send_all(home)


def _last_seen(home: Path, run_id: str) -> float:
    """Return the time of the last sign of life of a run."""
    files = (home / "logs" / f"{run_id}.log", run_folder(home, run_id) / "run.json")
    return max(path.stat().st_mtime for path in files if path.exists())
