"""Keep one JSON file per run: the truth about it on this machine.

    <home>/runs/<run_id>/run.json

The file is replaced whole at the start of a run, after each stage and at the
end, so that whenever it is read, or the process killed, it is complete. Tracking
stores are views: what they hold can be lost or moved, this stays.
"""

import json
import logging
import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from pipeline.core.files import write_atomically
from pipeline.core.labels import shown, visible
from pipeline.errors import StorageError, TrackingError
from pipeline.fields import NaturalInt
from pipeline.locks import Lock, try_lock
from pipeline.provenance import Environment

log = logging.getLogger(__name__)

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
# Of one width, so that their order as text is their order in time.
Timestamp = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
]

_SHORTEST_PREFIX = 6  # 16 million runs before two are likely to share one
_LATEST_SHOWN = 5
# Characters of a record's text that a message shows.
_QUOTED, _LONGEST = 80, 300
_SAME_START = 1.0  # seconds; a process id comes again after hours


@dataclass(frozen=True)
class StageRecord:
    """How a stage of a run went.

    Attributes:
        key: Cache key: digest of all that went in.
        digest: Digest of its outputs.
        cached: Whether they were found instead of computed.
        seconds: Time spent on it in this run.
        outputs: Artifact name -> digest of its content.
        files: Label -> sha256 of the files that its config names.
        code: Definition -> start of its digest, of all code that it can reach.
        versions: Python and the libraries that code imports -> version.

    The last four are empty in records of before they were kept.
    """

    key: str
    digest: str
    cached: bool
    seconds: float
    outputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackingRecord:
    """Where a run was tracked: the backend's name and its store's address."""

    backend: str
    uri: str


@dataclass(frozen=True)
class GitRecord:
    """The code's commit, if it is in git, and whether files differed from it."""

    commit: str | None
    dirty: bool


@dataclass(frozen=True)
class ProcessRecord:
    """The process that runs or ran it.

    Attributes:
        host: Name of the machine.
        pid: Process id.
        started: Unix time in seconds at which the process began; it tells the
            process from a later one with the same id.
    """

    host: str
    pid: NaturalInt
    started: float


@dataclass(frozen=True)
class RunRecord:
    """All about a run that later commands need.

    Attributes:
        run_id: The run's id, here and in the tracking store.
        name: Its readable name.
        status: RUNNING until it ends one way or another.
        message: Why it failed; empty otherwise.
        started: When it began, UTC.
        ended: When it ended, UTC; None while it runs.
        overrides: Its command line's overrides, as typed.
        config: The resolved configuration as plain values.
        params: The same, flat.
        metrics: Last value by name.
        stages: Stage name -> how it went; finished stages only.
        artifact_uri: Where its artifacts lie.
        artifacts: Their paths, relative to `artifact_uri`.
        tracking: Where it was tracked.
        git: Which code ran.
        environment: On what it ran.
        process: Which process ran it.
        task: Digest of all that a later run must have in common with this one to
            go on with it; empty once there is nothing to go on with.
        artifact_digests: Path -> sha256 of each artifact; empty in records of
            before they were kept.
        repeats: The run that this one was to repeat, if any.
    """

    run_id: str
    name: str
    status: Status
    message: str
    started: Timestamp
    ended: Timestamp | None
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    stages: Mapping[str, StageRecord]
    artifact_uri: str
    artifacts: tuple[str, ...]
    tracking: TrackingRecord
    git: GitRecord
    environment: Environment
    process: ProcessRecord
    task: str = ""  # not in the records of earlier versions
    artifact_digests: Mapping[str, str] = field(default_factory=dict)
    repeats: str | None = None

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)


_RECORD = TypeAdapter(RunRecord)
_PROCESS_JSON = TypeAdapter(ProcessRecord)


def run_folder(home: Path, run_id: str) -> Path:
    """Return the folder that belongs to a run."""
    return home / "runs" / run_id


def hold_run(home: Path, run_id: str) -> Lock | None:
    """Take the lock that a run's process holds from its beginning to its end.

    Returns:
        None if a process has it.

    Raises:
        StorageError: if home cannot be written.
    """
    path = run_folder(home, run_id) / "run.lock"
    try:
        return try_lock(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written: {error.strerror}. Free some space, or set "
            "home to a folder that can be written"
        ) from error


def save_record(home: Path, record: RunRecord) -> None:
    """Write a run's record, replacing the one before.

    Raises:
        TrackingError: if a metric is not finite.
        StorageError: if the file cannot be written.
    """
    check_finite(record.metrics)
    plain = _RECORD.dump_python(record, mode="json")
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1)
    # A command line that is not UTF-8 comes with lone surrogates, which no JSON
    # reader takes back.
    path = run_folder(home, record.run_id) / "run.json"
    write_atomically(path, text.encode("utf-8", errors="replace"))


def load_record(home: Path, run: str) -> RunRecord:
    """Read a run's record.

    Args:
        home: The folder that holds all that runs write.
        run: A run id, its first 6 or more characters, or `last` for the run that
            started last.

    Raises:
        TrackingError: if there is no such run, more than one, or its record is
            damaged.
    """
    if run == "last":
        records = load_records(home)
        if not records:
            raise TrackingError(_no_run(home, run, records))
        return records[0]
    # The text is compared with the folders' names and never made into a path.
    ids = _run_ids(home)
    long_enough = len(run) >= _SHORTEST_PREFIX
    matches = [i for i in ids if i == run] or [
        i for i in ids if long_enough and i.startswith(run)
    ]
    if not matches:
        raise TrackingError(_no_run(home, run, load_records(home)))
    if len(matches) > 1:
        some = ", ".join(sorted(matches)[:_LATEST_SHOWN])
        raise TrackingError(
            f"run {run!r} is not one run: {len(matches)} runs in {home} begin like "
            f"that ({some}). Give more of the id"
        )
    return _read(home, matches[0])


def load_records(home: Path) -> list[RunRecord]:
    """Return all readable records, the run that started last first.

    A damaged record is named in a warning and left out.
    """
    records = []
    for run_id in _run_ids(home):
        try:
            records.append(_read(home, run_id))
        except TrackingError as error:
            log.warning("%s; it is passed over", error)
    return sorted(records, key=lambda r: (r.started, r.run_id), reverse=True)


def check_finite(metrics: Mapping[str, float]) -> None:
    """Check that every metric is a finite number.

    Raises:
        TrackingError: naming the first that is not.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrackingError(
                f"metric {name!r}: expected a finite number, found {value}; "
                "a value that does not exist is left out, not logged"
            )


def now() -> Timestamp:
    """Return the time as records write it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def this_process() -> ProcessRecord:
    """Return what tells this process from all others."""
    import psutil

    started = psutil.Process().create_time()
    return ProcessRecord(host=socket.gethostname(), pid=os.getpid(), started=started)


def is_alive(process: ProcessRecord) -> bool:
    """Say whether a process of this machine is still there.

    False for one of another machine. A clock that was set makes a live process
    look like another one: who is about to touch its run takes its lock first.
    """
    import psutil

    if process.host != socket.gethostname():
        return False
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return bool(abs(started - process.started) < _SAME_START)


def may_live(process: ProcessRecord) -> bool:
    """Say whether a process may be there; nobody here knows of another machine's."""
    return process.host != socket.gethostname() or is_alive(process)


def process_tag() -> str:
    """Return what a run's tag says of its process."""
    return _PROCESS_JSON.dump_json(this_process()).decode()


def read_process(tag: str) -> ProcessRecord | None:
    """Return the process that a run's tag names; None if it names none."""
    try:
        return _PROCESS_JSON.validate_json(tag)
    except ValidationError:
        return None


def is_dead(tag: str) -> bool:
    """Say whether a tag names a process of this machine that has ended."""
    process = read_process(tag)
    return bool(
        process and process.host == this_process().host and not is_alive(process)
    )


def _run_ids(home: Path) -> list[str]:
    return sorted(path.parent.name for path in (home / "runs").glob("*/run.json"))


def _read(home: Path, run_id: str) -> RunRecord:
    path = run_folder(home, run_id) / "run.json"
    try:
        record = _RECORD.validate_json(path.read_bytes(), strict=True)
    except (ValidationError, OSError) as error:
        first = (
            error.errors(include_url=False, include_input=False)[0]
            if isinstance(error, ValidationError)
            else {"loc": (), "msg": str(error)}
        )
        place = ".".join(map(str, first["loc"])) or "the file"
        raise TrackingError(
            f"the run's record {path} is damaged: {shown(place, _QUOTED)}: "
            f"{shown(str(first['msg']), _LONGEST)}"
        ) from error
    if record.run_id != run_id:
        owner = shown(record.run_id, _QUOTED)
        message = f"the run's record {path} is damaged: it is of {owner!r}"
        raise TrackingError(message)
    return record


def _no_run(home: Path, run: str, records: list[RunRecord]) -> str:
    if not records:
        return (
            f"no run {run!r}: there are no runs in {home}. Begin with w2v run, or set "
            "home (or W2V_HOME) to the folder that holds them"
        )
    latest = "\n".join(
        f"  {r.run_id}  {visible(r.started[:19])}  {r.status}  {shown(r.name, _QUOTED)}"
        for r in records[:_LATEST_SHOWN]
    )
    return (
        f"no run {run!r} in {home}. Give a run id, its first {_SHORTEST_PREFIX} or "
        f"more characters, or last; the latest are\n{latest}"
    )
