"""Repeat a run with the code of then, in the environment of then.

    <home>/reruns/<run_id>/code           the commit, with its changes applied
    <home>/reruns/<run_id>/environment    its libraries, if today's are others
    <home>/reruns/<run_id>/home           where it writes

The old code works in a home of its own and does not track: its libraries may be
older or newer than those that keep the user's tracking store and cache, and must
not convert them. What it leaves is then taken over by today's code.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.cache import Cache
from pipeline.checkout import find_python, make_checkout
from pipeline.config import COMPILING, check_tracking, to_yaml
from pipeline.core.files import write_atomically
from pipeline.core.interrupts import held_interrupts
from pipeline.diff import UNCOMMITTED
from pipeline.errors import TrackingError
from pipeline.inputs import check_inputs
from pipeline.loading import fetch
from pipeline.provenance import SETTINGS
from pipeline.records import (
    RunRecord,
    Status,
    TrackingRecord,
    load_record,
    now,
    save_record,
    this_process,
)
from pipeline.tracking.placing import local_folder
from pipeline.tracking.tracker import Tracker, open_tracker, params_of

log = logging.getLogger(__name__)

_TOP = Path(__file__).resolve().parent.parent
_CONFIG = "w2v_rerun"
_WAIT_SECONDS = 60  # for a checkpoint, after Ctrl-C
# The whole config stands in one file. Without these lines Hydra would set up its
# own logging, and write below the current directory.
_HYDRA = """\
defaults:
  - override hydra/hydra_logging: disabled
  - override hydra/job_logging: disabled
hydra:
  output_subdir: null
  run:
    dir: ${home}
"""
# Run by the code of then, which knows its own config: check it, and name the files
# that it would read.
_INPUTS = """\
import json, sys
from pipeline.config import check_config
from pipeline.errors import W2VError
from pipeline.fields import ReadsFiles
try:
    stages = check_config(json.load(sys.stdin)).stages
    read = {k: s.input_files() for k, s in stages.items() if isinstance(s, ReadsFiles)}
except W2VError as error:
    sys.exit(str(error))
print(json.dumps({k: {n: str(p) for n, p in f.items()} for k, f in read.items()}))
"""
_FILES = TypeAdapter(dict[str, dict[str, Path]])


def run_then(
    home: Path,
    recorded: RunRecord,
    values: Mapping[str, Any],
    scratch: Path,
    named: Set[str],
) -> RunRecord:
    """Run the commit of a record, with its changes and libraries, as a new run.

    Args:
        home: The folder that holds the runs; absolute.
        recorded: The run to repeat.
        values: Its config, with the user's places in it.
        scratch: The rerun's own folder; what a killed one left is gone on from.
        named: Stages whose inputs the user named.

    Returns:
        The new run's record.

    Raises:
        ConfigError: if tracking has an illegal value.
        DataError: if a file that the record names is not there or has changed.
        TrackingError: if the commit, its changes or its libraries cannot be had,
            or the run fails.
        StorageError: if home cannot be written.
    """
    tracking = check_tracking(values["tracking"])
    own_home = scratch / "home"
    own_values = _own_values(values, own_home)
    commit = recorded.git.commit
    if commit is None:
        raise TrackingError(
            f"run {recorded.run_id} names no commit: its code was not in git. Run "
            "today's without --exact"
        )
    code, libraries = scratch / "code", scratch / "environment"
    for left in (code, libraries):
        shutil.rmtree(left, ignore_errors=True)
    changes = _changes(home, recorded)
    also = " with its changes" if changes else ""
    log.info("checking out commit %s%s", commit[:12], also)
    make_checkout(_TOP, commit, changes, code)
    python = find_python(recorded.environment, code, libraries)
    # -P: the current directory is often a checkout of today's code.
    start = (str(python), "-P")
    environment = _environment(recorded, code)
    check_inputs(recorded, _input_files(start, environment, own_values), named)
    settings = scratch / "conf" / f"{_CONFIG}.yaml"
    write_atomically(settings, (_HYDRA + to_yaml(own_values)).encode())
    command = (
        *(*start, "-m", "pipeline", "run"),
        *("--config-dir", str(settings.parent), "--config-name", _CONFIG),
    )
    tags = {"repeats": recorded.run_id, "exact": "true", "git.commit": commit}
    status: Status = "KILLED"
    message = "interrupted"
    with held_interrupts():
        tracker = open_tracker(tracking, home, run_name=recorded.name, tags=tags)
        record = _first_record(tracker, recorded, values)
        save_record(home, record)
    try:
        _run(command, environment)
        then = _last_of(own_home, commit)
        record = _take_over(tracker, record, then, Cache(own_home / "cache"))
        status, message = "FINISHED", ""
    except Exception as error:
        status, message = "FAILED", str(error)
        raise
    finally:
        with held_interrupts():
            record = replace(record, status=status, message=message, ended=now())
            tracker.end(status, message)
            save_record(home, record)
    return record


def _own_values(values: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Return a config that writes below a home and holds nothing Hydra obeys."""
    own = {**values, "home": str(home), "tracking": {"backend": "off"}}
    for name in COMPILING:
        group = own.get(name)
        if isinstance(group, dict) and group.get("kernel_cache") is not None:
            own[name] = {**group, "kernel_cache": str(home / "cache" / "numba")}
    for key in ("hydra", "defaults"):
        if key in own:
            raise TrackingError(f"the run's config has a key {key!r}, which is Hydra's")
    if "${" in json.dumps(own):
        raise TrackingError(
            "the run's config holds ${...}: expected plain values, as runs record them"
        )
    return own


def _changes(home: Path, recorded: RunRecord) -> bytes:
    """Return the patch that a run's code had on top of its commit.

    It is code, and is run: only what the record has a digest of is taken.
    """
    if not recorded.git.dirty:
        return b""
    digest = recorded.artifact_digests.get(UNCOMMITTED)
    if digest is None:
        raise TrackingError(
            f"run {recorded.run_id} had changes on top of its commit, and its record "
            "holds no digest of them. Run today's code without --exact"
        )
    path = fetch(home, recorded, UNCOMMITTED)
    changes = path.read_bytes()
    if hashlib.sha256(changes).hexdigest() != digest:
        raise TrackingError(
            f"{path} is not what run {recorded.run_id} recorded (sha256 {digest}): it "
            "was changed since, and is not run"
        )
    return changes


def _environment(recorded: RunRecord, code: Path) -> dict[str, str]:
    """Return environment variables as they were, as far as results hang on them."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in SETTINGS and not name.startswith("PYTHON")
    }
    settings = {
        name: value
        for name, value in recorded.environment.settings.items()
        if name in SETTINGS and re.fullmatch(r"\w{1,32}", value)
    }
    return {**inherited, **settings, "PYTHONPATH": str(code)}


def _input_files(
    start: Sequence[str], environment: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, dict[str, Path]]:
    done = subprocess.run(  # noqa: S603  the arguments are our own
        [*start, "-c", _INPUTS],
        env=dict(environment),
        input=json.dumps(values).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "it does not say why"
        raise TrackingError(f"the code of then refuses the run's config: {said}")
    return _FILES.validate_json(done.stdout)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command; at Ctrl-C give it time to write a checkpoint."""
    # In a session of its own, so that Ctrl-C reaches it once, through us.
    process = subprocess.Popen(  # noqa: S603  the arguments are our own
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_WAIT_SECONDS)
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code:
        raise TrackingError(
            f"the code of then ended with exit code {code}; why stands above"
        )


def _last_of(home: Path, commit: str) -> RunRecord:
    """Return the run just made, if it is of the code that was checked out."""
    then = load_record(home, "last")
    if then.git.commit != commit:
        message = f"expected the code of commit {commit}, {then.git.commit} ran"
        raise TrackingError(message)
    return then


def _first_record(
    tracker: Tracker, recorded: RunRecord, values: Mapping[str, Any]
) -> RunRecord:
    return replace(
        recorded,
        run_id=tracker.run_id,
        status="RUNNING",
        message="",
        started=now(),
        ended=None,
        config=dict(values),
        params=params_of(values),
        metrics={},
        stages={},
        artifact_uri=tracker.artifact_uri,
        artifacts=(),
        artifact_digests={},
        tracking=TrackingRecord(values["tracking"]["backend"], tracker.uri),
        process=this_process(),
        repeats=recorded.run_id,
    )


def _take_over(
    tracker: Tracker, record: RunRecord, then: RunRecord, cache: Cache
) -> RunRecord:
    """Publish what the old code left, as the run that tracks it."""
    tracker.log_params(record.params)
    found = [cache.find(name, stage.key) for name, stage in then.stages.items()]
    # Where the form of its cache was another one, the curves are left out.
    points = [point for known in found if known for point in known.metrics]
    tracker.log_series(points)
    drawn = {name for name, _, _ in points}
    tracker.log_metrics({k: v for k, v in then.metrics.items() if k not in drawn})
    folder = local_folder(then.artifact_uri)
    for path in then.artifacts:
        if folder is not None and path != "config.yaml":
            tracker.log_file(folder / path, path.rpartition("/")[0])
    tracker.log_bytes(to_yaml(record.config).encode(), "config.yaml")
    return replace(
        record,
        metrics=then.metrics,
        stages=then.stages,
        git=then.git,
        environment=then.environment,
        artifacts=tracker.artifacts,
        artifact_digests=tracker.artifact_digests,
    )
