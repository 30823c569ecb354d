"""MLflow's UI on this project's store."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, TrackingError
from pipeline.tracking.ui import serve, serve_ui, ui_address

ROOT = Path(__file__).resolve().parent.parent.parent


def start(code: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_the_ui_serves_a_home_that_has_no_store_yet(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline.tracking.ui import serve_ui\n"
        "serve_ui(Path(sys.argv[1]), int(sys.argv[2]))"
    )
    home = tmp_path / "home"
    server = start(code, home, port, cwd=tmp_path)
    try:
        page = read(f"http://127.0.0.1:{port}/", server)
        telemetry = read(
            f"http://127.0.0.1:{port}/ajax-api/3.0/mlflow/ui-telemetry", server
        )
        # As a terminal does on Ctrl-C: to all of the foreground.
        os.killpg(server.pid, signal.SIGINT)
        output, _ = server.communicate(timeout=30)
    finally:
        end(server)

    assert "<title>MLflow</title>" in page
    assert '"disable_ui_telemetry":true' in telemetry.replace(" ", "")
    assert (home / "mlflow.db").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["home"]
    assert server.returncode == 0
    assert "Traceback" not in output
    assert "Warning" not in output
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def read(url: str, server: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)


def end(server: subprocess.Popen[str]) -> None:
    if server.poll() is None:
        server.kill()
        server.communicate()


# A server with a worker, both deaf to SIGINT; it says both process ids.
DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), worker.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_server_is_left_behind_however_deaf(tmp_path, number):
    code = (
        "import sys; from pipeline.tracking import ui\n"
        "ui._GRACE_SECONDS = 0.3\n"
        "ui.serve([sys.executable, '-c', sys.argv[1]])\n"
        "print('done')"
    )
    server = start(code, DEAF, cwd=tmp_path)
    try:
        pids = [int(pid) for pid in server.stdout.readline().split()]
        server.send_signal(number)
        output, _ = server.communicate(timeout=30)
    finally:
        end(server)

    assert output == "done\n"
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():  # one that ended may wait there for its parent to ask
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").exists()


def test_a_server_that_fails_is_an_error():
    with pytest.raises(TrackingError, match="ended with status 3"):
        serve([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_handler_of_sigterm_is_given_back():
    before = signal.getsignal(signal.SIGTERM)

    serve([sys.executable, "-c", ""])

    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_the_ui_is_not_shown_to_the_network(tmp_path, host):
    with pytest.raises(ConfigError, match="asks for no password"):
        serve_ui(tmp_path, 5000, host)

    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(TrackingError, match=rf"127\.0\.0\.1:{port}.*another port"):
            serve_ui(tmp_path, port)


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_address_opens_on_runs_rather_than_on_language_models(host, shown):
    assert ui_address(5001, host) == (
        f"http://{shown}:5001/#/experiments?workflowType=machine_learning"
    )
