"""A command goes on with the run that its own process left, and with no other."""

import json
import multiprocessing
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import forks
import pytest
from ailing import record_of

from pipeline import resume, unsent
from pipeline.config import check_config
from pipeline.dag import STAGES
from pipeline.errors import RunGoneError
from pipeline.records import (
    ProcessRecord,
    TrackingRecord,
    hold_run,
    is_alive,
    load_record,
    run_folder,
    save_record,
    this_process,
)
from pipeline.tracking.mlflow_store import import_mlflow, ready_store
from pipeline.tracking.outbox import Outbox, Points
from pipeline.tracking.tracker import LocalTracking, OffTracking, open_tracker

OFF = OffTracking("off")
LOCAL = LocalTracking("local", "word2vec", system_seconds=0.0, register_as=None)


def dead_process() -> ProcessRecord:
    """Return a process that has ended: this one's id, with another start."""
    return replace(this_process(), started=this_process().started - 1_000)


def test_a_dead_run_is_taken_once(tmp_path):
    save_record(tmp_path, record_of())

    earlier = resume.take_over(OFF, tmp_path, "t1")
    assert earlier is not None
    assert earlier.run_id == "a" * 32
    # As the process does that goes on with it.
    save_record(tmp_path, record_of(process=this_process()))
    assert resume.take_over(OFF, tmp_path, "t1") is None
    earlier.lock.release()


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"status": "KILLED"}, True),
        ({"status": "FAILED"}, True),  # it kept its task: for want of disk
        ({"status": "KILLED", "process": this_process()}, True),
        ({"process": this_process()}, False),
        ({"process": replace(dead_process(), host="elsewhere")}, False),
        ({"status": "FINISHED", "task": ""}, False),
        ({"status": "FAILED", "task": ""}, False),
        ({"task": "t2"}, False),
    ],
    ids=["dead", "killed", "disk", "ended", "alive", "far", "done", "failed", "other"],
)
def test_only_a_run_of_the_same_task_that_nobody_runs_is_taken(
    tmp_path, changes, taken
):
    save_record(tmp_path, record_of(**changes))

    earlier = resume.take_over(OFF, tmp_path, "t1")

    assert (earlier is not None) == taken
    if earlier:
        earlier.lock.release()


def test_a_record_that_is_a_folder_is_passed_over(tmp_path):
    save_record(tmp_path, record_of())
    (run_folder(tmp_path, "b" * 32) / "run.json").mkdir(parents=True)

    earlier = resume.take_over(OFF, tmp_path, "t1")

    assert earlier
    assert earlier.run_id == "a" * 32
    earlier.lock.release()


def test_the_newest_is_taken(tmp_path):
    for name, age in (("a", 20), ("b", 10), ("c", 30)):
        save_record(tmp_path, record_of(name * 32))
        path = run_folder(tmp_path, name * 32) / "run.json"
        os.utime(path, (time.time() - age,) * 2)

    earlier = resume.take_over(OFF, tmp_path, "t1")

    assert earlier
    assert earlier.run_id == "b" * 32
    earlier.lock.release()


def _take(home: Path, start, results) -> None:
    start.wait(60)
    earlier = resume.take_over(OFF, home, "t1")
    if earlier:
        time.sleep(0.2)  # to open a store
        save_record(home, record_of(process=this_process()))
        results.put(earlier.run_id)
        time.sleep(1.0)
    else:
        results.put(None)


@pytest.mark.slow
def test_of_many_that_start_at_once_one_takes_it(tmp_path):
    save_record(tmp_path, record_of())
    spawn = multiprocessing.get_context("spawn")
    start, results = spawn.Event(), spawn.Queue()
    arguments = (tmp_path, start, results)
    others = [spawn.Process(target=_take, args=arguments) for _ in range(4)]
    for other in others:
        other.start()
    start.set()
    answers = [results.get(timeout=60) for _ in others]
    for other in others:
        other.join()

    assert sorted(map(str, answers)) == ["None", "None", "None", "a" * 32]


def test_a_process_is_told_by_its_start_and_machine():
    assert is_alive(this_process())
    assert not is_alive(dead_process())
    assert not is_alive(replace(this_process(), host="elsewhere"))


def values_of(home: Path, *overrides: str) -> dict:
    from pipeline.composition import compose_config
    from pipeline.config import read_config

    _, values = read_config(
        compose_config(["ingest=newswire", f"home={home}", "tracking=off", *overrides])
    )
    return values


def task_of(values: dict) -> str:
    return resume.task_digest(STAGES, check_config(values).stages, values, None)


def test_a_task_changes_with_config_and_input_files(tmp_path):
    one = task_of(values_of(tmp_path))
    assert task_of(values_of(tmp_path)) == one
    assert task_of(values_of(tmp_path, "train.dim=8")) != one

    (tmp_path / "t.txt").write_text("a b c\n")
    files = ("ingest=text_files", f"ingest.path={tmp_path / 't.txt'}")
    before = task_of(values_of(tmp_path, *files))
    assert task_of(values_of(tmp_path, *files)) == before
    (tmp_path / "t.txt").write_text("a b d\n")
    assert task_of(values_of(tmp_path, *files)) != before
    (tmp_path / "t.txt").unlink()
    assert task_of(values_of(tmp_path, *files)) != before


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("store")
    ready_store(home)
    return home


def client_of(home: Path):
    import_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{home / 'mlflow.db'}")


def tag(process: ProcessRecord) -> str:
    return json.dumps(
        {"host": process.host, "pid": process.pid, "started": process.started}
    )


def test_a_run_killed_before_it_had_a_record_is_taken_from_the_store(store):
    def begin(task: str, process: ProcessRecord) -> str:
        tags = {"task": task, "process": tag(process)}
        return open_tracker(LOCAL, store, run_name="r", tags=tags).run_id

    begin("t2", dead_process())
    begin("t1", this_process())
    orphan = begin("t1", dead_process())

    earlier = resume.take_over(LOCAL, store, "t1")

    assert earlier
    assert (earlier.run_id, earlier.record) == (orphan, None)
    earlier.lock.release()


def test_a_run_deleted_in_the_store_is_gone(store):
    opened = open_tracker(LOCAL, store, run_name="r", tags={})
    opened.end("KILLED")
    client_of(store).delete_run(opened.run_id)

    with pytest.raises(RunGoneError, match="was deleted"):
        open_tracker(LOCAL, store, run_name="r", tags={}, run_id=opened.run_id)


def with_unsent(home: Path, uri: str | None) -> str:
    """Leave a finished run that a metric waits of; return its id."""
    opened = open_tracker(LOCAL, home, run_name="r", tags={})
    opened.end("FINISHED")
    tracking = TrackingRecord("server" if uri else "local", uri or opened.uri)
    record = record_of(opened.run_id, status="FINISHED", tracking=tracking, task="")
    save_record(home, record)
    outbox = Outbox(run_folder(home, opened.run_id))
    outbox.add(Points((("train/loss", 0.5, 3, 1_700_000_000_000),)))
    return opened.run_id


def test_what_waits_of_earlier_runs_is_sent(store):
    run_id = with_unsent(store, None)

    unsent.send_all(store)

    (point,) = client_of(store).get_metric_history(run_id, "train/loss")
    assert (point.value, point.step) == (0.5, 3)
    assert Outbox(run_folder(store, run_id)).empty


def test_a_server_still_gone_costs_one_warning_and_keeps_what_waits(store, caplog):
    waiting = [with_unsent(store, "http://127.0.0.1:9") for _ in range(2)]

    unsent.send_all(store)

    assert caplog.text.count("is not sent yet") == 1
    for run_id in waiting:
        assert len(Outbox(run_folder(store, run_id)).entries()) == 1
        Outbox(run_folder(store, run_id)).keep_only([])


def test_a_run_at_work_sends_its_own(store):
    run_id = with_unsent(store, None)
    lock = hold_run(store, run_id)
    assert lock

    assert unsent.send(store, load_record(store, run_id)) is None
    lock.release()
    assert unsent.send(store, load_record(store, run_id)) == 0


def command(home: Path, *overrides: str, interrupts: int = 0) -> forks.Forked:
    return forks.start(
        *((str(interrupts),) if interrupts else ()),
        *("run", "experiment=smoke", *overrides),
        env=os.environ | {"W2V_HOME": str(home)},
        code=INTERRUPTED if interrupts else None,
    )


def records(home: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]


# Runs the command, which gets Ctrl-C at the end of an epoch, once or twice.
INTERRUPTED = """
import os, signal, sys, threading, time
from pipeline.watcher import StageReport

metrics, times = StageReport.metrics, int(sys.argv.pop(1))

def press():
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

def interrupting(self, values, step=None):
    metrics(self, values, step)
    if step == 3:
        threading.Thread(target=press).start()

StageReport.metrics = interrupting
from pipeline.cli import main
main()
"""


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_interrupted_goes_on_as_the_same_run_in_mlflow(tmp_path, times):
    epochs = 10
    arguments = ("targets=[train]", f"train.epochs={epochs}")
    process = command(tmp_path, *arguments, interrupts=times)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (killed,) = records(tmp_path)
    assert killed["status"] == "KILLED"

    again = command(tmp_path, *arguments)
    _, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors
    assert f"going on with run {killed['run_id']} (KILLED: interrupted)" in errors
    (finished,) = records(tmp_path)
    assert finished["run_id"] == killed["run_id"]
    assert (finished["status"], finished["message"]) == ("FINISHED", "")
    assert finished["stages"]["ingest"] == killed["stages"]["ingest"]
    client = client_of(tmp_path)
    (stored,) = client.search_runs(["1"])
    assert stored.info.status == "FINISHED"
    for name in ("train/loss", "train/words_per_second"):
        steps = [p.step for p in client.get_metric_history(killed["run_id"], name)]
        assert steps == list(range(1, epochs + 1))


@pytest.mark.slow
def test_a_run_that_failed_for_good_is_not_gone_on_with(tmp_path):
    (tmp_path / "pairs.txt").write_text("cat dog notanumber extra words\n" * 3)
    files = f"evaluate.similarity_files=[{tmp_path / 'pairs.txt'}]"
    for _ in range(2):
        failing = command(tmp_path / "h", "targets=[evaluate]", "tracking=off", files)
        _, errors = failing.communicate(timeout=200)
        assert failing.returncode == 1
        assert re.search("pairs.txt", errors)

    assert [r["status"] for r in records(tmp_path / "h")] == ["FAILED", "FAILED"]
