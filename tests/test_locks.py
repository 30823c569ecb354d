"""Locks are held by one, and leave no file behind."""

import multiprocessing
import threading
from pathlib import Path

from pipeline.locks import held, is_held, try_lock


def test_a_lock_is_held_by_one_and_its_file_goes(tmp_path):
    path = tmp_path / "deep" / "a.lock"
    assert not is_held(path)

    lock = try_lock(path)
    assert lock is not None
    assert try_lock(path) is None
    assert is_held(path)
    lock.release()

    assert not is_held(path)
    assert not path.exists()


def test_looking_at_a_lock_leaves_its_file(tmp_path):
    (tmp_path / "stale.lock").touch()

    assert not is_held(tmp_path / "stale.lock")
    assert (tmp_path / "stale.lock").exists()


def _count(path: Path, counter: Path, times: int) -> None:
    for _ in range(times):
        with held(path):
            counter.write_text(str(int(counter.read_text()) + 1))


def test_a_file_that_goes_lets_no_two_in_at_once(tmp_path):
    (tmp_path / "counter").write_text("0")
    spawn = multiprocessing.get_context("spawn")
    arguments = (tmp_path / "a.lock", tmp_path / "counter", 100)
    others = [spawn.Process(target=_count, args=arguments) for _ in range(2)]
    others += [threading.Thread(target=_count, args=arguments)]
    for other in others:
        other.start()
    for other in others:
        other.join()

    assert (tmp_path / "counter").read_text() == "300"
