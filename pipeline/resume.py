"""Find the run that a command goes on with: its own, if it was killed before.

A run is gone on with if it has the same config, code, libraries and input files,
and has neither finished nor failed for a reason that another attempt meets again.
Its process must have ended: a run holds a lock from its beginning to its end, and
whoever goes on with it takes that lock.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import json_digest
from pipeline.errors import TrackingError, W2VError
from pipeline.fields import ReadsFiles
from pipeline.graph import Stage
from pipeline.locks import Lock
from pipeline.records import (
    RunRecord,
    hold_run,
    is_dead,
    load_record,
    may_live,
    run_folder,
)
from pipeline.sources import describe
from pipeline.tracking.tracker import LocalTracking, OffTracking, ServerTracking

log = logging.getLogger(__name__)

# How long another process may take from the lock of a run to the record that says
# so: it imports MLflow and may wait for a server.
_CLAIM_SECONDS = 60.0


@dataclass(frozen=True)
class Earlier:
    """A run that this process may go on with.

    Attributes:
        run_id: Its id.
        record: Its record; None if it was killed before it had one.
        lock: Its lock, held by this process.
    """

    run_id: str
    record: RunRecord | None
    lock: Lock


def task_digest(
    stages: Sequence[Stage],
    configs: Mapping[str, object],
    values: Mapping[str, Any],
    repeats: str | None,
) -> str:
    """Return the digest of all that two runs must share to be one.

    Args:
        stages: Those that run.
        configs: Stage name -> its config.
        values: The whole configuration as plain values.
        repeats: The run that is repeated, if one is.
    """
    sources = [describe(stage.function.__module__) for stage in stages]
    files = {stage.name: _file_states(configs[stage.name]) for stage in stages}
    return json_digest(
        {
            "config": values,
            "repeats": repeats,
            "code": [dict(source.definitions) for source in sources],
            "versions": [dict(source.versions) for source in sources],
            "files": files,
        }
    )


def take_over(
    tracking: LocalTracking | ServerTracking | OffTracking, home: Path, task: str
) -> Earlier | None:
    """Return the newest run of this task that a dead process left, if there is one.

    No other process can take it after that.

    Raises:
        TrackingError: if the store cannot be reached.
        StorageError: if home cannot be written.
    """
    for run_id in _candidates(home, task):
        earlier = _claim(home, run_id, task)
        if earlier:
            return earlier
    if isinstance(tracking, OffTracking):
        return None
    from pipeline.tracking.mlflow_runs import begun_runs

    for run_id, process in begun_runs(tracking, home, task):
        if not is_dead(process) or (run_folder(home, run_id) / "run.json").exists():
            continue
        lock = hold_run(home, run_id)
        if lock:
            return Earlier(run_id, None, lock)
    return None


def _candidates(home: Path, task: str) -> list[str]:
    """Return the ids of the runs of a task that did not finish, the newest first.

    Looks for the digest in the text: to read thousands of records takes seconds.
    """
    mark = json.dumps(task).encode()
    found = []
    for path in (home / "runs").glob("*/run.json"):
        # Removed while we look, or not to be read: the doctor tells of it.
        with suppress(OSError):
            if mark in path.read_bytes():
                found.append((-path.stat().st_mtime_ns, path.parent.name))
    return [run_id for _, run_id in sorted(found)]


def _claim(home: Path, run_id: str, task: str) -> Earlier | None:
    """Take a run whose process has ended."""
    deadline = time.monotonic() + _CLAIM_SECONDS
    while time.monotonic() < deadline:
        try:
            record = load_record(home, run_id)
        except TrackingError:
            return None
        at_work = record.status == "RUNNING" and may_live(record.process)
        if record.task != task or at_work:
            return None
        lock = hold_run(home, run_id)
        if lock is None:  # somebody goes on with it, mends it or sends its metrics
            time.sleep(0.05)
            continue
        if load_record(home, run_id) == record:
            return Earlier(run_id, record, lock)
        lock.release()
    return None


def _file_states(config: object) -> Mapping[str, object]:
    """Tell whether input files may have changed, without reading them.

    Their change time cannot be set by hand. A file that is touched and stays the
    same costs a run of its own, not more.
    """
    if not isinstance(config, ReadsFiles):
        return {}
    try:
        states = {name: path.stat() for name, path in config.input_files().items()}
    except (OSError, W2VError) as error:
        return {"missing": str(error)}  # the stage says it better
    return {
        name: [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        for name, state in states.items()
    }
