"""The store at scale: PostgreSQL behind `mlflow server`, with trials side by side."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sweeps import trials_of, w2v


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def program(name: str) -> Path:
    """Return a program of PostgreSQL; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found:
        return found[-1]
    there = shutil.which(name)
    if there is None:
        pytest.skip(f"needs PostgreSQL's {name} (apt-get install postgresql)")
    return Path(there)


@pytest.fixture
def database(tmp_path_factory) -> Iterator[str]:
    """Address of a database of our own, on loopback."""
    pytest.importorskip("psycopg2", reason="needs psycopg2 (pip install .[dev])")
    initdb, server = program("initdb"), program("postgres")
    folder = Path("/tmp") / f"w2v-postgres-{os.getpid()}"  # its user cannot enter ours
    folder.mkdir(mode=0o755)
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and has no user here")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    port, rows = free_port(), folder / "rows"
    settings = {"cwd": folder, "env": {"LC_ALL": "C", "HOME": str(folder)}, **as_user}
    try:
        subprocess.run(
            [initdb, "-D", rows, "-U", "w2v", "--auth=trust", "--no-sync"],
            **settings,
            check=True,
            capture_output=True,
        )
        running = subprocess.Popen(
            [server, "-D", rows, "-p", str(port), "-h", "127.0.0.1", "-k", folder],
            **settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: accepts(port), running)
            yield f"postgresql://w2v@127.0.0.1:{port}/postgres"
        finally:
            running.terminate()
            running.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(database, tmp_path) -> Iterator[str]:
    """Address of an MLflow server over it."""
    port = free_port()
    # SQLAlchemy 2.1 takes psycopg 3 for an address that names no driver.
    uri = database.replace("postgresql:", "postgresql+psycopg2:")
    arguments = ("--backend-store-uri", uri, "--host", "127.0.0.1")
    arguments += ("--artifacts-destination", str(tmp_path / "served"))
    arguments += ("--port", str(port), "--workers", "1")
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    running = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *arguments],
        env=os.environ | quiet,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), running)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)


def wait_for(ready, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 200
    while not ready():
        assert process.poll() is None, "the server ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.2)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_trials_side_by_side_share_a_server_over_postgresql(server, database, tmp_path):
    import psycopg2

    home = tmp_path / "home"
    done = w2v(
        *(home, "run", "-m", "experiment=smoke", "ingest.sentences=200"),
        *("targets=[train]", "tracking=server", f"tracking.uri={server}"),
        *("train.dim=8,12", "train.window=2,3", "sweep.name=grid"),
        *("hydra.launcher.n_jobs=4",),
    )

    assert "WARNING" not in done.stderr, done.stderr
    assert not (home / "mlflow.db").exists()
    trials = trials_of(home, "grid")
    sweep = json.loads((home / "sweeps" / "grid" / "sweep.json").read_text())
    store = psycopg2.connect(database)
    try:
        with store.cursor() as cursor:
            cursor.execute("SELECT run_uuid, status FROM runs")
            statuses = dict(cursor.fetchall())
            cursor.execute(
                "SELECT run_uuid, value FROM latest_metrics "
                "WHERE key = 'train/heldout_loss'"
            )
            losses = dict(cursor.fetchall())
            cursor.execute("SELECT value FROM tags WHERE key = 'mlflow.parentRunId'")
            parents = {value for (value,) in cursor.fetchall()}
    finally:
        store.close()
    assert set(statuses) == {sweep["run_id"], *(trial["run_id"] for trial in trials)}
    assert set(statuses.values()) == {"FINISHED"}
    assert parents == {sweep["run_id"]}
    expected = {t["run_id"]: t["metrics"]["train/heldout_loss"] for t in trials}
    assert losses == {**expected, sweep["run_id"]: min(expected.values())}
    shown = w2v(home, "sweep", "show", "grid").stdout
    assert f"compare (w2v ui): {server}/#/experiments/" in shown
