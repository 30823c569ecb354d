"""Runs that died are closed, in their records and their stores; live ones are left."""

import errno
import json
import shutil
from pathlib import Path

import pytest
from ailing import DEAD, ELSEWHERE, found, save, states

from pipeline.doctor.examination import mend
from pipeline.records import (
    TrackingRecord,
    hold_run,
    load_record,
    run_folder,
    this_process,
)
from pipeline.tracking import sqlite_store
from pipeline.tracking.mlflow_store import import_mlflow, ready_store
from pipeline.tracking.outbox import Outbox, Points
from pipeline.tracking.tracker import LocalTracking, open_tracker

LOCAL = LocalTracking("local", "word2vec", system_seconds=0.0, register_as=None)


def test_a_dead_run_is_marked_killed_and_can_still_be_gone_on_with(tmp_path):
    record = save(tmp_path, "a" * 32)

    assert found(tmp_path) == ["dead run"]
    assert load_record(tmp_path, "a" * 32) == record  # looking changes nothing
    assert states(tmp_path) == {"dead run": "mended"}

    mended = load_record(tmp_path, "a" * 32)
    assert (mended.status, mended.task) == ("KILLED", "t1")
    assert "ended without a word" in mended.message
    assert mended.ended is not None
    assert found(tmp_path) == []


def test_a_live_run_is_never_touched(tmp_path):
    save(tmp_path, "a" * 32, process=this_process())
    # A clock that was set makes this process look like another one.
    save(tmp_path, "b" * 32)
    lock = hold_run(tmp_path, "b" * 32)
    assert lock

    assert found(tmp_path) == []
    assert mend(tmp_path) == []
    lock.release()


def test_a_run_of_another_machine_is_named_and_left(tmp_path):
    record = save(tmp_path, "a" * 32, process=ELSEWHERE)

    (outcome,) = mend(tmp_path)

    assert (outcome.state, outcome.finding.kind) == ("note", "run of another machine")
    assert "elsewhere" in outcome.finding.what
    assert load_record(tmp_path, "a" * 32) == record


def test_a_damaged_run_record_is_named_and_remains(tmp_path):
    save(tmp_path, "a" * 32)
    path = run_folder(tmp_path, "a" * 32) / "run.json"
    path.write_bytes(path.read_bytes()[:-20])

    assert states(tmp_path) == {"damaged run record": "left"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("made")
    ready_store(home)
    return home


@pytest.fixture
def store(made, tmp_path) -> Path:
    """A home with an empty store of its own."""
    shutil.copy(made / "mlflow.db", tmp_path)
    return tmp_path


def stored(home: Path, run_id: str):
    import_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_run(run_id)


def spoil_pages(content: bytes) -> bytes:
    """Keep the header, so that it opens as a database."""
    return content[:100] + bytes(len(content) - 100)


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: b"\x93" * len(content), spoil_pages],
    ids=["empty", "no database", "pages"],
)
def test_a_damaged_store_is_found_and_remains(store, damage):
    path = store / "mlflow.db"
    path.write_bytes(damage(path.read_bytes()))

    (outcome,) = (o for o in mend(store) if o.finding.kind == "damaged tracking store")

    assert outcome.state == "left"
    assert outcome.finding.remedy.startswith(f"move the file {path} away")
    assert outcome.finding.bytes == path.stat().st_size


def test_on_a_home_that_cannot_be_written_the_rest_is_found(store, monkeypatch):
    save(store, "a" * 32)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sqlite_store, "FileLock", refuse)

    kinds = found(store)

    assert kinds == ["dead run", "tracking store that cannot be opened"]


def begin(home: Path, process=DEAD) -> str:
    values = {"host": process.host, "pid": process.pid, "started": process.started}
    tags = {"task": "t1", "process": json.dumps(values)}
    return open_tracker(LOCAL, home, run_name="r", tags=tags).run_id


def test_a_dead_run_is_killed_in_its_store_too(store):
    run_id = begin(store)
    save(store, run_id, tracking=TrackingRecord("local", ""))

    assert found(store) == ["dead run"]
    assert states(store) == {"dead run": "mended"}

    run = stored(store, run_id)
    assert run.info.status == "KILLED"
    assert "ended without a word" in run.data.tags["message"]
    assert found(store) == []


def test_a_run_open_in_the_store_only_is_closed_there(store):
    orphan = begin(store)
    ended = begin(store)
    at = "2026-11-22T10:00:00.000001+00:00"
    save(store, ended, status="FAILED", ended=at, task="")
    live, far = begin(store, this_process()), begin(store, ELSEWHERE)

    assert found(store) == ["run left open in the store"] * 2
    assert states(store) == {"run left open in the store": "mended"}

    assert stored(store, orphan).info.status == "KILLED"
    assert stored(store, ended).info.status == "FAILED"
    assert stored(store, ended).info.end_time == 1_795_341_600_000
    assert stored(store, live).info.status == "RUNNING"
    assert stored(store, far).info.status == "RUNNING"
    assert found(store) == []


def test_unsent_metrics_are_sent(store):
    opened = open_tracker(LOCAL, store, run_name="r", tags={})
    opened.end("FINISHED")
    tracking = TrackingRecord("local", "")
    save(store, opened.run_id, status="FINISHED", tracking=tracking, task="")
    outbox = Outbox(run_folder(store, opened.run_id))
    outbox.add(Points((("train/loss", 0.5, 3, 1_700_000_000_000),)))

    assert found(store) == ["unsent metrics"]
    assert states(store) == {"unsent metrics": "mended"}

    assert stored(store, opened.run_id).data.metrics == {"train/loss": 0.5}
    assert found(store) == []


def test_metrics_for_a_server_that_is_gone_stay(tmp_path):
    tracking = TrackingRecord("server", "http://127.0.0.1:9")
    save(tmp_path, "a" * 32, status="FINISHED", tracking=tracking, task="")
    outbox = Outbox(run_folder(tmp_path, "a" * 32))
    outbox.add(Points((("train/loss", 0.5, 3, 1),)))

    assert states(tmp_path)["unsent metrics"] == "left"
    assert len(outbox.entries()) == 1
