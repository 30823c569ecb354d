"""Servers that tests start, and all of which they end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SECONDS = 120  # for a server to answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def mlflow(
    arguments: Sequence[str],
    port: int,
    *,
    ready: str,
    folder: Path,
    environment: Mapping[str, str],
) -> Iterator[str]:
    """Run an MLflow command that serves; give its address once `ready` answers.

    Its own words are kept below `folder`, where it also runs; it is killed at the
    end, with all it started.
    """
    log = folder / f"server-{port}.log"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    # MLflow starts programs by name, and this environment may not be activated.
    programs = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    where = ("--host", "127.0.0.1", "--port", str(port))
    with log.open("wb") as words:
        server = subprocess.Popen(
            (sys.executable, "-m", "mlflow", *arguments, *where),
            cwd=folder,
            env={**environment, **quiet, "PATH": programs},
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(address + ready):
            said = log.read_text("utf-8", "replace")
            assert server.poll() is None, f"the server ended: {said}"
            assert time.monotonic() < deadline, f"the server does not answer: {said}"
            time.sleep(0.1)
        yield address
    finally:
        end_session(server)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def end_session(process: subprocess.Popen) -> None:
    """Kill what is left of a process started in a session of its own, and wait."""
    members = session(process.pid)
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(members)


def session(leader: int) -> list[psutil.Process]:
    """Return the processes of a session."""
    members = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader:
                members.append(process)
    return members
