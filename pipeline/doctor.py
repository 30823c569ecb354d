"""Find what killed processes and bad disks left below home, and mend it.

Nothing is touched that a live process works with: runs, keys, objects and folders
that are being written are locked by those who use them.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pipeline import unsent
from pipeline.cache import Cache, read_record
from pipeline.core.checkpoint import find_checkpoints, load_checkpoint
from pipeline.errors import CacheError, DataError, TrackingError, W2VError
from pipeline.locks import is_held, try_lock
from pipeline.pruning import Entry, list_entries, outputs, remove
from pipeline.records import (
    RunRecord,
    hold_run,
    is_alive,
    is_dead,
    load_record,
    run_folder,
    save_record,
    this_process,
)
from pipeline.sizes import size_on_disk

State = Literal["found", "mended", "left", "note"]

# Files without a lock: whoever writes one is done long before.
_OLD_SECONDS = 3_600

# An object that goes may leave others without a record, and these are found then.
_PASSES = 3

_DEAD = "its process ended without a word"
_HIDDEN = re.compile(r"\..+\.[0-9a-f]{32}")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: What it is, in a few words.
        what: Which one.
        bytes: What it takes on disk.
        remedy: What mending does, or what to do by hand.
        mend: Mends it, and says whether it did; None where only a person can.
        note: Whether it is all right, and named for its size only.
    """

    kind: str
    what: str
    bytes: int
    remedy: str
    mend: Callable[[], bool] | None
    note: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finding, and what became of it.

    Attributes:
        finding: What was found.
        state: `found`: not mended, as nobody asked; `mended`; `left`: could not be
            mended; `note`: need not be.
        reason: Why it was left.
    """

    finding: Finding
    state: State
    reason: str = ""


def examine(home: Path) -> list[Finding]:
    """Return all that is not as it should be below home, changing nothing.

    Reads every object of the cache.
    """
    cache = Cache(home / "cache")
    checks: Sequence[Iterator[Finding]] = (
        _runs(home),
        _store_runs(home),
        _unsent(home),
        _records(cache),
        _objects(cache),
        _workspaces(cache),
        _reruns(home, cache),
        _temporary(home, cache),
        _locks(home, cache),
    )
    return [finding for check in checks for finding in check]


def mend(home: Path) -> list[Outcome]:
    """Mend what can be mended."""
    mended: list[Outcome] = []
    for _ in range(_PASSES):
        outcomes = [_mend(finding) for finding in examine(home)]
        fresh = [o for o in outcomes if o.state == "mended"]
        if not fresh:
            return mended + outcomes
        mended += fresh
    return mended + report(home)


def report(home: Path) -> list[Outcome]:
    """Return what is found, as it is."""
    return [Outcome(f, "note" if f.note else "found") for f in examine(home)]


def _mend(finding: Finding) -> Outcome:
    if finding.note:
        return Outcome(finding, "note")
    if finding.mend is None:
        return Outcome(finding, "left", "not to be mended here")
    try:
        done = finding.mend()
    except (W2VError, OSError) as error:
        return Outcome(finding, "left", str(error))
    return Outcome(finding, "mended") if done else Outcome(finding, "left", "in use")


def _runs(home: Path) -> Iterator[Finding]:
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
    lock = hold_run(home, run_id)
    if lock is None:
        return False
    try:
        record = load_record(home, run_id)
        if record.status != "RUNNING" or is_alive(record.process):
            return record.status != "RUNNING"
        ended = _last_seen(home, run_id)
        at = datetime.fromtimestamp(ended, UTC).isoformat(timespec="microseconds")
        save_record(home, replace(record, status="KILLED", message=_DEAD, ended=at))
        if record.tracking.backend != "off":
            from pipeline.tracking.mlflow_tracker import send_unsent
            from pipeline.tracking.outbox import End, Outbox, Tags

            # Where the store does not answer, they wait.
            outbox = Outbox(run_folder(home, run_id))
            outbox.add(Tags({"message": _DEAD}))
            outbox.add(End("KILLED", round(ended * 1_000)))
            with suppress(TrackingError):
                send_unsent(home, record)
    finally:
        lock.release()
    return True


def _last_seen(home: Path, run_id: str) -> float:
    """Return the time of the last sign of life of a run."""
    files = (home / "logs" / f"{run_id}.log", run_folder(home, run_id) / "run.json")
    return max(path.stat().st_mtime for path in files if path.exists())


def _store_runs(home: Path) -> Iterator[Finding]:
    """Find runs that a store holds as RUNNING, and that no process runs."""
    from pipeline.tracking.mlflow_runs import running_runs

    for uri in _stores(home):
        try:
            runs = running_runs(home, uri)
        except TrackingError as error:
            yield Finding(
                kind="silent tracking store",
                what=str(error),
                bytes=0,
                remedy="start it and call w2v doctor again, if its runs matter still",
                mend=None,
                note=True,
            )
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
    from pipeline.tracking.mlflow_runs import close_run

    ended = record.ended if record else None
    at = datetime.fromisoformat(ended).timestamp() if ended else time.time()
    close_run(home, uri, run_id, record.status if record else "KILLED", at)
    return True


def _record(home: Path, run_id: str) -> RunRecord | None:
    try:
        return load_record(home, run_id)
    except TrackingError:
        return None


def _unsent(home: Path) -> Iterator[Finding]:
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


def _records(cache: Cache) -> Iterator[Finding]:
    """Find records that are damaged or speak of objects that are not there."""
    for path in cache.record_paths():
        name = f"{path.parent.name}-{path.stem}"
        if is_held(cache.lock_path(name)):
            continue
        try:
            digests = read_record(path).outputs.values()
        except CacheError:
            kind = "damaged cache record"
        else:
            if all(cache.object_folder(digest).exists() for digest in digests):
                continue
            kind = "cache record without its objects"
        yield Finding(
            kind=kind,
            what=str(path.relative_to(cache.root)),
            bytes=size_on_disk(path),
            remedy="removed; its stage is computed again when it is needed",
            mend=partial(_unlink, path, cache.lock_path(name)),
        )


def _objects(cache: Cache) -> Iterator[Finding]:
    """Find objects that are damaged, or that no record speaks of."""
    known = outputs(cache)
    for entry in list_entries(cache):
        if entry.kind != "object":
            continue
        try:
            cache.check(entry.name)
        except (CacheError, OSError):
            kind = "damaged cache object"
        else:
            if entry.name in known or entry.in_use:
                continue
            kind = "orphaned cache object"
        yield Finding(
            kind=kind,
            what=f"objects/{entry.name[:12]}  {entry.holds}".rstrip(),
            bytes=entry.bytes,
            remedy="removed; its stage is computed again when it is needed"
            if entry.holds
            else "removed",
            mend=partial(cache.remove, entry.name),
        )


def _workspaces(cache: Cache) -> Iterator[Finding]:
    """Find what stages that were killed left to go on from."""
    for entry in list_entries(cache):
        if entry.kind != "workspace" or entry.in_use:
            continue
        stage, _, key = entry.name.rpartition("-")
        folder = cache.root / "workspaces" / entry.name
        if (cache.root / "records" / stage / f"{key}.json").exists():
            yield _leftover(cache, entry, f"workspaces/{entry.name}  (it finished)")
            continue
        for path in find_checkpoints(folder):
            try:
                load_checkpoint(path)
            except DataError as error:
                yield Finding(
                    kind="damaged checkpoint",
                    what=str(error),
                    bytes=size_on_disk(path),
                    remedy="removed; training goes on from the one before",
                    mend=partial(_unlink, path, cache.lock_path(entry.name)),
                )
        yield Finding(
            kind="unfinished stage",
            what=f"workspaces/{entry.name[: len(stage) + 13]}",
            bytes=entry.bytes,
            remedy="kept; the same command goes on from it (w2v cache prune removes)",
            mend=None,
            note=True,
        )


def _reruns(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find what reruns that were killed left to go on from."""
    for folder in sorted((home / "reruns").glob("*")):
        if not is_held(cache.lock_path(f"rerun-{folder.name}")):
            yield Finding(
                kind="unfinished rerun",
                what=f"reruns/{folder.name}",
                bytes=size_on_disk(folder),
                remedy=f"kept; w2v rerun {folder.name[:12]} goes on from it",
                mend=None,
                note=True,
            )


def _temporary(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find what killed processes were writing."""
    for entry in list_entries(cache):
        if entry.kind == "leftover" and not entry.in_use:
            yield _leftover(cache, entry, f"cache/tmp/{entry.name}")
    for path, lock in _half_written(home, cache):
        if lock is None:
            if time.time() - path.stat().st_mtime < _OLD_SECONDS:
                continue
        elif is_held(lock):
            continue
        yield Finding(
            kind="temporary file",
            what=str(path.relative_to(home)),
            bytes=size_on_disk(path),
            remedy="removed",
            mend=partial(_unlink, path, lock),
        )


def _half_written(home: Path, cache: Cache) -> Iterator[tuple[Path, Path | None]]:
    """Yield temporary files and folders, with the lock that their writer holds."""
    for path in (cache.root / "records").glob("*/*.part"):
        key = path.name.partition(".")[0]
        yield path, cache.lock_path(f"{path.parent.name}-{key}")
    for folder in (cache.root / "workspaces").glob("*"):
        for path in (*folder.glob("*.part"), *folder.glob("tmp*")):
            yield path, cache.lock_path(folder.name)
    for folder in (home / "runs").glob("*"):
        for path in (*folder.glob("*.part"), *folder.glob("unsent/**/*.part")):
            yield path, folder / "run.lock"
    for folder in (home / "artifacts" / "off").glob("*"):
        for path in folder.rglob(".*"):
            if _HIDDEN.fullmatch(path.name):
                yield path, home / "runs" / folder.name / "run.lock"
    for path in home.glob(".mlflow.db.new*"):
        yield path, home / ".mlflow.db.lock"
    for path in (home / "runs").glob("*/tmp*"):  # of a download, which takes no lock
        yield path, None
    for path in (cache.root / "numba").rglob("*.tmp.*"):
        yield path, None


def _locks(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find the locks of processes that were killed: they hold nobody up."""
    paths = [*(cache.root / "locks").glob("*.lock"), *home.glob("runs/*/run.lock")]
    stale = [path for path in sorted(paths) if not is_held(path)]
    if stale:
        names = ", ".join(path.name[:24] for path in stale[:3])
        yield Finding(
            kind="stale locks",
            what=f"{len(stale)} ({names}{', ...' if len(stale) > 3 else ''})",
            bytes=sum(size_on_disk(path) for path in stale),
            remedy="removed",
            mend=partial(_unlock, stale),
        )


def _unlock(paths: Sequence[Path]) -> bool:
    done = True
    for path in paths:
        lock = try_lock(path)
        if lock:
            lock.release()
        done = done and lock is not None
    return done


def _leftover(cache: Cache, entry: Entry, what: str) -> Finding:
    return Finding(
        kind="leftover of a killed process",
        what=what,
        bytes=entry.bytes,
        remedy="removed",
        mend=partial(remove, cache, entry),
    )


def _unlink(path: Path, lock_path: Path | None) -> bool:
    """Remove a file or folder while nobody writes it."""
    lock = try_lock(lock_path) if lock_path else None
    if lock_path and lock is None:
        return False
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)  # noqa: PTH108 - as rmtree: no error is passed over
    finally:
        if lock:
            lock.release()
    return True


def _is_held(home: Path, run_id: str) -> bool:
    return is_held(run_folder(home, run_id) / "run.lock")
