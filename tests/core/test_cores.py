import os

from pipeline.core import cores


def test_available_cores_is_what_may_run():
    assert 1 <= cores.available_cores() <= (os.cpu_count() or 1)


def test_a_control_groups_quota_is_rounded_up(monkeypatch):
    texts = iter(["max 100000\n", "150000 100000\n", "50000 100000\n"])
    monkeypatch.setattr(cores.Path, "read_text", lambda *_: next(texts))
    assert cores._quota() > 10**6
    assert cores._quota() == 2
    assert cores._quota() == 1
