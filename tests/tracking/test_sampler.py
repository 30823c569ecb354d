"""Memory and CPU use, measured beside the work."""

import subprocess
import sys
import time

import psutil

from pipeline.errors import StorageError
from pipeline.tracking.sampler import Sampler


def megabytes() -> float:
    """Return what this process and its children hold in memory."""
    process = psutil.Process()
    family = (process, *process.children(recursive=True))
    return sum(member.memory_info().rss for member in family) / 1e6


def test_every_run_has_a_sample_however_short():
    logged = []
    sampler = Sampler(lambda *a: logged.append(a), time.time() - 100, seconds=60)

    sampler.start()
    sampler.stop()

    ((values, step),) = logged
    assert step == 100
    # Other tests may have left a browser open: it is a child of this process.
    memory = megabytes()
    assert 0.5 * memory < values["system/process_memory_megabytes"] < 2 * memory
    assert values["system/process_cpu_percent"] >= 0


def test_samples_come_until_it_is_stopped():
    logged = []
    sampler = Sampler(lambda *a: logged.append(a), time.time(), seconds=0.02)
    sampler.start()
    deadline = time.monotonic() + 60
    while len(logged) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    sampler.stop()
    count = len(logged)
    time.sleep(0.1)

    assert count >= 4
    assert len(logged) == count
    sampler.stop()


def test_zero_seconds_take_no_sample():
    logged = []
    sampler = Sampler(lambda *a: logged.append(a), time.time(), seconds=0)

    sampler.start()
    sampler.stop()

    assert logged == []


def test_work_is_seen_as_cpu_use():
    logged = []
    sampler = Sampler(lambda *a: logged.append(a), time.time(), seconds=60)
    sampler.start()
    time.sleep(0.05)  # for the measurement to begin
    busy_until = time.process_time() + 0.3
    while time.process_time() < busy_until:
        pass
    sampler.stop()

    assert logged[0][0]["system/process_cpu_percent"] > 20


def test_a_full_disk_does_not_end_the_thread_with_a_traceback():
    def full(*_: object) -> None:
        raise StorageError("no space left")

    sampler = Sampler(full, time.time(), seconds=0.01)
    sampler.start()
    time.sleep(0.05)
    sampler.stop()


def test_a_process_that_works_for_the_run_counts():
    hold = "held = bytearray(300_000_000); print(flush=True); input()"
    logged = []
    sampler = Sampler(lambda *a: logged.append(a), time.time(), seconds=60)
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        sampler.start()
        sampler.stop()
        child.communicate(b"\n")

    ((values, _),) = logged
    assert values["system/process_memory_megabytes"] > megabytes() + 200
