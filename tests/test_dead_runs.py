"""Runs of processes that died are ended by whoever knows of them."""

import pytest
from ailing import ELSEWHERE, save

from pipeline.dead_runs import close_run, close_runs_of
from pipeline.records import hold_run, load_record, this_process

OURS, OTHER = {"seed": 1}, {"seed": 2}


def test_the_dead_runs_of_some_configurations_are_closed(tmp_path):
    ours = save(tmp_path, "a" * 32, config=OURS)
    left = [
        save(tmp_path, "b" * 32, config=OTHER),
        save(tmp_path, "c" * 32, config=OURS, process=this_process()),
        save(tmp_path, "d" * 32, config=OURS, process=ELSEWHERE),
        save(tmp_path, "e" * 32, config=OURS, status="FAILED"),
    ]
    damaged = tmp_path / "runs" / ("f" * 32) / "run.json"
    damaged.parent.mkdir()
    damaged.write_text('{"status": "RUNNING"')

    close_runs_of(tmp_path, [OURS], "interrupted")

    closed = load_record(tmp_path, ours.run_id)
    assert (closed.status, closed.message) == ("KILLED", "interrupted")
    assert closed.task == ours.task  # the same command goes on with it
    assert [load_record(tmp_path, record.run_id) for record in left] == left


@pytest.mark.parametrize("held", [True, False])
def test_a_run_that_is_held_is_not_closed(tmp_path, held):
    record = save(tmp_path, "a" * 32)
    lock = hold_run(tmp_path, record.run_id) if held else None

    assert (close_run(tmp_path, record.run_id, "gone") is None) == held

    status = load_record(tmp_path, record.run_id).status
    assert status == ("RUNNING" if held else "KILLED")
    if lock:
        lock.release()
