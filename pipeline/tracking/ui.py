"""Show this project's runs in MLflow's own UI."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from pipeline.errors import ConfigError, TrackingError
from pipeline.tracking.mlflow_store import ready_store

_GRACE_SECONDS = 10


def serve_ui(home: Path, port: int, host: str = "127.0.0.1") -> None:
    """Serve the UI on this project's store until interrupted.

    The store is made if it is not there. SIGTERM ends it as Ctrl-C does.

    Args:
        home: The folder that holds all that runs write; absolute.
        port: Port to listen on.
        host: An address of this machine's loopback. MLflow asks for no password,
            so it is not shown to the network.

    Raises:
        ConfigError: if the host is not loopback.
        TrackingError: if the port is taken, or the server ends by itself.
    """
    if not _is_loopback(host):
        raise ConfigError(
            f"host {host!r} can be reached from the network, and MLflow asks for no "
            "password: expected 127.0.0.1, ::1 or localhost. From another machine, "
            f"use ssh -L {port}:127.0.0.1:{port}"
        )
    _check_free(host, port)
    store = ready_store(home)
    command = [sys.executable, "-m", "mlflow", "server"]
    command += ["--backend-store-uri", store, "--registry-store-uri", store]
    command += ["--default-artifact-root", (home / "artifacts").as_uri()]
    command += ["--host", host, "--port", str(port)]
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    serve(command)


def ui_address(port: int, host: str = "127.0.0.1") -> str:
    """Return where a browser finds the runs.

    MLflow opens on its pages for language models unless the address says
    otherwise.
    """
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/#/experiments?workflowType=machine_learning"


def serve(command: Sequence[str]) -> None:
    """Run a server until it ends or this process is interrupted; leave none behind.

    Raises:
        TrackingError: if it ends by itself with an error.
    """
    quiet = {
        # Its jobs and other services are for language models; what its libraries
        # deprecate is not the user's to change.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),
    }
    before = signal.signal(signal.SIGTERM, _interrupt)
    # In a session of its own: MLflow passes Ctrl-C on to its worker, which would
    # get it from the terminal too, and answers the second with a traceback.
    server = subprocess.Popen(  # noqa: S603  the arguments are our own
        command, env={**os.environ, **quiet}, start_new_session=True
    )
    try:
        status = server.wait()
    except KeyboardInterrupt:
        server.send_signal(signal.SIGINT)
        _wait(server)
        return
    finally:
        signal.signal(signal.SIGTERM, before)
        _end(server)
    if status:
        raise TrackingError(f"the MLflow server ended with status {status}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait(server: "subprocess.Popen[bytes]") -> None:
    try:
        server.wait(_GRACE_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        return  # what is left of it is ended by force


def _end(server: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    server.wait()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # As the server does, so that a port just left is not called taken.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise TrackingError(
                f"cannot serve the UI on {host}:{port}: {error}. Name another port"
            ) from error
