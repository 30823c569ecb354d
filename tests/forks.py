"""Start `w2v` in processes that have its libraries already.

To import them takes a process two to four seconds, more than most of what is asked of
it. One process does so once, and is forked for each command: a process of its own, with
its own environment, folder, signals, output and exit code. Where a process's own start
is what a test is about (hash order, locale, imports, what libraries read from the
environment as they are imported), the test starts `python -m pipeline` itself.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

# What a run imports, with what comes with it. Not umap, which compiles meanwhile.
_LIBRARIES = (
    *("hydra._internal.hydra", "optuna", "tqdm.contrib.logging"),
    *("scipy.stats", "sklearn.cluster", "sklearn.manifold"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "plotly.graph_objects"),
    *("pipeline.cli", "pipeline.run", "pipeline.rerun", "pipeline.sweep.sweeper"),
    *("pipeline.core.kernel", "pipeline.core.replicas", "pipeline.core.probe_scores"),
)


class Forked:
    """A command that was started; what `subprocess.Popen` shows of one.

    Attributes:
        pid: Its process, which leads a group of its own.
        returncode: How it ended; None where it has not, or nobody looked.
    """

    def __init__(self, pid: int, files: Sequence[IO[bytes]]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._files = files  # of stdout and stderr
        self._said = ("", "")

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _server().ask({"poll": self.pid})
            if self.returncode is not None:
                out, errors = (_content(file) for file in self._files)
                self._said = (out, errors)
        return self.returncode

    def wait(self, timeout: float = 240) -> int:
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"{self.communicate()}: no end after {timeout} s")
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 240) -> tuple[str, str]:
        """Wait for its end; return what it wrote to stdout and to stderr."""
        self.wait(timeout)
        return self._said


def _content(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode("utf-8")


def start(
    *arguments: str,
    env: Mapping[str, str],
    cwd: Path | None = None,
    code: str | None = None,
    stdout: IO[str] | None = None,
) -> Forked:
    """Start `w2v`, or code of Python, with arguments.

    Args:
        arguments: As typed.
        env: The whole environment.
        cwd: The folder to run in; by default this one.
        code: What to run instead of `w2v`.
        stdout: Where standard output goes; by default it is kept.
    """
    files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - closed when it ends
    job = {
        "arguments": arguments,
        "env": dict(env),
        "cwd": str(cwd or Path.cwd()),
        "code": code,
    }
    targets = [stdout or files[0], files[1]]
    pid = _server().ask(job, [file.fileno() for file in targets])
    assert pid is not None
    return Forked(pid, files)


def run(
    *arguments: str, timeout: float = 240, **options
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; see `start`."""
    process = start(*arguments, **options)
    said = process.communicate(timeout)
    return subprocess.CompletedProcess(arguments, process.wait(), *said)


class _Server:
    """The process that is forked, and the channel to it."""

    def __init__(self) -> None:
        self._channel, its = socket.socketpair()
        python = os.pathsep.join(
            filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))
        )
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": python},
            pass_fds=[its.fileno()],
            start_new_session=True,  # Ctrl-C is for who started the tests
        )
        its.close()
        self._lock = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        """End it, and all that it still runs."""
        self._channel.close()
        self._process.wait(60)

    def ask(self, job: Mapping[str, object], files: Sequence[int] = ()) -> int | None:
        with self._lock:
            content = json.dumps(job).encode() + b"\n"
            sent = socket.send_fds(self._channel, [content], files)
            self._channel.sendall(content[sent:])
            answer = _line(self._channel, self._channel.recv(1 << 16))
        return json.loads(answer)


@functools.cache
def _server() -> _Server:
    return _Server()


def _line(channel: socket.socket, begun: bytes) -> bytes:
    """Read to the end of the line, or to that of the channel."""
    pieces = [begun]
    while pieces[-1] and not pieces[-1].endswith(b"\n"):
        pieces.append(channel.recv(1 << 16))
    return b"".join(pieces)


def _serve(channel: socket.socket) -> dict:
    """Fork for each job that comes. Return, in the process forked for it, with it."""
    alive: set[int] = set()
    while True:
        begun, files, *_ = socket.recv_fds(channel, 1 << 16, 2)
        content = _line(channel, begun)
        if not content:  # whoever asked has gone
            for pid in alive:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            sys.exit()
        job = json.loads(content)
        if "poll" in job:
            pid, status = os.waitpid(job["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
            alive.discard(pid)
        else:
            answer = os.fork()
            if answer == 0:
                os.setsid()
                channel.close()
                for number, file in enumerate(files, start=1):
                    os.dup2(file, number)
                    os.close(file)
                return job
            alive.add(answer)
            for file in files:
                os.close(file)
        channel.sendall(json.dumps(answer).encode() + b"\n")


def _work(job: dict) -> None:
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    tempfile.tempdir = None  # of the environment before
    if job["code"] is None:
        sys.argv = ["w2v", *job["arguments"]]
        runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *job["arguments"]]
        exec(compile(job["code"], "<string>", "exec"), {"__name__": "__main__"})


def _main() -> None:
    for name in _LIBRARIES:
        importlib.import_module(name)
    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()
    # A fork has but the thread that forks.
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()
    _work(_serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
