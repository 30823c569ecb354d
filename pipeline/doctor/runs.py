"""Runs that died, in their records and their stores, and what was not sent of them."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline import unsent
from pipeline.dead_runs import close_run
from pipeline.doctor.finding import Finding
from pipeline.errors import StorageError, TrackingError, W2VError
from pipeline.locks import is_held
from pipeline.records import (
    RunRecord,
    is_alive,
    is_dead,
    load_record,
    run_folder,
    this_process,
)
from pipeline.sizes import size_on_disk

_DEAD = "its process ended without a word"


def check_runs(home: Path) -> Iterator[Finding]:
    """Find runs still RUNNING whose process is gone, and damaged records."""
    for path in sorted((home / "runs").glob("*/run.json")):
        run_id = path.parent.name
        try:
            record = load_record(home, run_id)
        except TrackingError as error:
            yield Finding(
                kind="damaged run record",
                what=str(error),
                bytes=size_on_disk(path.parent),
                remedy=f"move the folder {path.parent} away",
                mend=None,
            )
            continue
        if record.status != "RUNNING":
            continue
        what = f"{run_id}  {record.name}  (process {record.process.pid})"
        if record.process.host != this_process().host:
            yield Finding(
                kind="run of another machine",
                what=f"{run_id}  {record.name}  (on {record.process.host})",
                bytes=size_on_disk(path.parent),
                remedy=f"left alone; w2v doctor on {record.process.host} knows",
                mend=None,
                note=True,
            )
        elif not is_alive(record.process) and not _is_held(home, run_id):
            yield Finding(
                kind="dead run",
                what=what,
                bytes=size_on_disk(path.parent),
                remedy="marked KILLED; the same command still goes on with it",
                mend=partial(_close, home, run_id),
            )


def _close(home: Path, run_id: str) -> bool:
    """Mark a dead run as KILLED, in its record and in its store."""
    record = close_run(home, run_id, _DEAD)
    if record is None:
        return False
    if record.tracking.backend != "off":
        with suppress(TrackingError):  # where the store does not answer, it waits
            unsent.send(home, record)
    return True


def check_store_runs(home: Path) -> Iterator[Finding]:
    """Find runs that a store holds as RUNNING, and that no process runs."""
    from pipeline.tracking.mlflow_runs import running_runs

    for uri in _stores(home):
        try:
            runs = running_runs(home, uri)
        except (TrackingError, StorageError) as error:
            yield _unreadable_store(home, uri, error)
            continue
        for run in runs:
            record = _record(home, run.run_id)
            outbox = run_folder(home, run.run_id) / "unsent.jsonl"
            if _is_held(home, run.run_id) or outbox.exists():
                continue  # it is at work, or is mended by sending what waits
            if record is not None and record.status == "RUNNING":
                continue  # told as a dead run
            if record is None and not is_dead(run.process):
                continue  # a process of another machine, or a run that is not ours
            yield Finding(
                kind="run left open in the store",
                what=f"{run.run_id}  {run.name}",
                bytes=0,
                remedy=f"marked {record.status if record else 'KILLED'} there",
                mend=partial(_close_in_store, home, uri, run.run_id, record),
            )


def _unreadable_store(home: Path, uri: str | None, error: W2VError) -> Finding:
    """Return what is to be said of a store whose runs cannot be listed.

    A server may be down for the night. Our own file is damaged, or home is.
    """
    if uri is not None:
        return Finding(
            kind="silent tracking store",
            what=str(error),
            bytes=0,
            remedy="start it and call w2v doctor again, if its runs matter still",
            mend=None,
            note=True,
        )
    path = home / "mlflow.db"
    if isinstance(error, StorageError):
        kind, remedy = "tracking store that cannot be opened", "make home writable"
    else:
        kind = "damaged tracking store"
        remedy = f"move the file {path} away; a new one is made in its place"
    return Finding(kind, str(error), size_on_disk(path), remedy, mend=None)


def _stores(home: Path) -> list[str | None]:
    """Return the addresses of the stores that runs were tracked in; None: our own."""
    servers = set()
    for path in sorted((home / "runs").glob("*/run.json")):
        record = _record(home, path.parent.name)
        if record and record.tracking.backend == "server":
            servers.add(record.tracking.uri)
    return [*([None] if (home / "mlflow.db").exists() else []), *sorted(servers)]


def _close_in_store(
    home: Path, uri: str | None, run_id: str, record: RunRecord | None
) -> bool:
    from pipeline.tracking.mlflow_runs import end_run

    ended = record.ended if record else None
    at = datetime.fromisoformat(ended).timestamp() if ended else time.time()
    end_run(home, uri, run_id, record.status if record else "KILLED", at)
    return True


def _record(home: Path, run_id: str) -> RunRecord | None:
    try:
        return load_record(home, run_id)
    except TrackingError:
        return None


def check_unsent(home: Path) -> Iterator[Finding]:
    """Find what tracking stores did not take."""
    for record in unsent.runs_with_unsent(home):
        if _is_held(home, record.run_id):
            continue  # it sends them itself
        folder = run_folder(home, record.run_id)
        size = size_on_disk(folder / "unsent.jsonl") + size_on_disk(folder / "unsent")
        yield Finding(
            kind="unsent metrics",
            what=f"{record.run_id}  {record.name}  (for {record.tracking.uri})",
            bytes=size,
            remedy="sent to the store",
            mend=partial(_send, home, record),
        )


def _send(home: Path, record: RunRecord) -> bool:
    left = unsent.send(home, record)
    if left:
        raise TrackingError(f"{record.tracking.uri} did not take {left} entries")
    return left == 0


def _is_held(home: Path, run_id: str) -> bool:
    return is_held(run_folder(home, run_id) / "run.lock")
