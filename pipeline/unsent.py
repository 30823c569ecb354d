"""Send what tracking stores did not take of earlier runs."""

import logging
from contextlib import suppress
from pathlib import Path

from pipeline.errors import StorageError, TrackingError
from pipeline.records import RunRecord, hold_run, load_record

log = logging.getLogger(__name__)


def runs_with_unsent(home: Path) -> list[RunRecord]:
    """Return the records of runs that something waits of, by id."""
    found = []
    for path in sorted((home / "runs").glob("*/unsent.jsonl")):
        with suppress(TrackingError):  # its damaged record is named elsewhere
            found.append(load_record(home, path.parent.name))
    return [record for record in found if record.tracking.backend != "off"]


def send(home: Path, record: RunRecord) -> int | None:
    """Send what waits of a run.

    Returns:
        How many entries still wait; None if the run is at work, which sends its own.

    Raises:
        TrackingError: if the store cannot be reached.
        StorageError: if home cannot be written.
    """
    lock = hold_run(home, record.run_id)
    if lock is None:
        return None
    from pipeline.tracking.mlflow_tracker import send_unsent

    try:
        return send_unsent(home, record)
    finally:
        lock.release()


def send_all(home: Path) -> None:
    """Send what waits of all runs; a store that does not answer is asked once."""
    silent: set[str] = set()
    for record in runs_with_unsent(home):
        if record.tracking.uri in silent:
            continue
        try:
            left = send(home, record)
        except (TrackingError, StorageError) as error:
            silent.add(record.tracking.uri)
            log.warning("what waits of earlier runs is not sent yet: %s", error)
            continue
        if left:
            silent.add(record.tracking.uri)
        if left == 0:
            log.info("sent what waited of run %s", record.run_id)
