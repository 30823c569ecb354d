"""A sweep that is interrupted, or whose process dies, ends its trials in order."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from sweeps import start, trials_of

COMMAND = (
    *("run", "-m", "experiment=smoke", "ingest.sentences=200", "targets=[train]"),
    *("train.dim=8,12,16", "train.epochs=100000", "sweep.name=long"),
    *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
)


def wait_until(reached):
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def statuses(home: Path) -> dict[str, str]:
    """Return the status of each run in the store, by id."""
    with closing(sqlite3.connect(home / "mlflow.db")) as store:
        return dict(store.execute("SELECT run_uuid, status FROM runs"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_all", "ending", "code"),
    [
        pytest.param(signal.SIGINT, True, "KILLED", 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, False, "KILLED", 130, id="SIGTERM"),
        pytest.param(signal.SIGKILL, False, "RUNNING", -9, id="SIGKILL"),
    ],
)
def test_its_trials_are_marked_killed_and_no_process_stays(
    tmp_path, number, to_all, ending, code
):
    home = tmp_path / "home"
    with (tmp_path / "log").open("w") as log:
        process = start(home, *COMMAND, stderr=log)
    try:
        wait_until(
            lambda: len(list(home.glob("cache/workspaces/*/checkpoint-*.npz"))) > 1
        )
        family = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if to_all else os.kill)(process.pid, number)
        assert process.wait(60) == code
        wait_until(lambda: not any(map(lives, family)))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    records = [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]
    said = [(record["status"], record["message"]) for record in records]
    assert said == [("KILLED", "interrupted")] * 2
    stored = statuses(home)
    for record in records:
        assert stored.pop(record["run_id"]) == "KILLED"
    # A process that is killed cannot end its own: the next command does.
    assert list(stored.values()) == [ending]
    assert [trial["outcome"] for trial in trials_of(home, "long")] == ["planned"] * 3
    assert not list(home.glob("sweeps/long/locks/trial-*"))
    assert "Traceback" not in (tmp_path / "log").read_text()


STARTED = """
import multiprocessing, os, signal, sys
from pipeline.core.interrupts import allow_interrupts
from pipeline.sweep.workers import started

launcher = {
    "_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "n_jobs": 2,
}
allow_interrupts()
try:
    with started(launcher, ("ingest",), tracked=False, most=2) as wait:
        print(*[process.pid for process in multiprocessing.active_children()])
        sys.stdout.flush()
        if sys.argv[1] == "begun":
            os.killpg(0, signal.SIGINT)
        wait()
        os.kill(os.getpid(), signal.SIGKILL)
except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["begun", "loaded"])
def test_processes_without_a_trial_end_with_the_one_that_started_them(moment):
    command = [sys.executable, "-c", STARTED, moment]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes, start_new_session=True)
    # Their output ends when the last of them does.
    out, errors = process.communicate(timeout=60)

    assert len(out.split()) == 2
    wait_until(lambda: not any(map(psutil.pid_exists, map(int, out.split()))))
    assert "Traceback" not in errors
    if moment == "begun":
        assert errors == "interrupted\n"
