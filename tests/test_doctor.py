"""The doctor finds what the dead left, mends it, and touches nothing alive."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cache import Cache, Ingredients
from pipeline.cli import cli
from pipeline.core.types import Metrics
from pipeline.doctor import examine, mend
from pipeline.locks import held, is_held
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    RunRecord,
    TrackingRecord,
    hold_run,
    load_record,
    now,
    run_folder,
    save_record,
    this_process,
)
from pipeline.tracking.mlflow_store import import_mlflow, ready_store
from pipeline.tracking.outbox import Outbox, Points
from pipeline.tracking.tracker import LocalTracking, open_tracker

LOCAL = LocalTracking("local", "word2vec", system_seconds=0.0, register_as=None)
DEAD = replace(this_process(), started=this_process().started - 1_000)
ELSEWHERE = replace(DEAD, host="elsewhere")


def save(home: Path, run_id: str, **changes) -> RunRecord:
    record = RunRecord(
        run_id=run_id,
        name="a run",
        status="RUNNING",
        message="",
        started=now(),
        ended=None,
        overrides=(),
        config={},
        params={},
        metrics={},
        stages={},
        artifact_uri="",
        artifacts=(),
        tracking=TrackingRecord("off", ""),
        git=GitRecord(None, False),
        environment=Environment("", "", "", (), 1, {}, {}),
        process=DEAD,
        task="t1",
    )
    record = replace(record, **changes)
    save_record(home, record)
    return record


def found(home: Path) -> list[str]:
    return [finding.kind for finding in examine(home) if not finding.note]


def states(home: Path) -> dict[str, str]:
    return {outcome.finding.kind: outcome.state for outcome in mend(home)}


def put(home: Path, value: float = 1.0) -> tuple[str, str]:
    """Store a result, as a process does that has ended; return (key, digest)."""
    ingredients = Ingredients("toy", {}, {"value": value}, {}, {}, {})
    record = Cache(home / "cache").store(
        ingredients, {"metrics": Metrics({"a": value})}, [], 0.1
    )
    return ingredients.key, record.outputs["metrics"]


def test_a_home_that_is_not_there_is_well_and_stays_away(tmp_path):
    assert examine(tmp_path / "home") == []
    assert not (tmp_path / "home").exists()


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


@pytest.mark.parametrize("damage", ["flip", "cut", "no file", "no manifest"])
def test_a_damaged_object_goes_with_its_record(tmp_path, damage):
    key, digest = put(tmp_path)
    put(tmp_path, 2.0)
    folder = tmp_path / "cache" / "objects" / digest
    file = folder / "fields.json"
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "no file":
        file.unlink()
    else:
        (folder / "manifest.json").unlink()
        file.unlink()

    assert found(tmp_path) == ["damaged cache object"]
    assert states(tmp_path) == {"damaged cache object": "mended"}

    assert not folder.exists()
    assert not (tmp_path / "cache" / "records" / "toy" / f"{key}.json").exists()
    assert found(tmp_path) == []
    put(tmp_path)
    assert found(tmp_path) == []


def test_orphans_and_records_without_objects_go(tmp_path):
    (_, orphan), (lost, digest) = put(tmp_path), put(tmp_path, 2.0)
    records = tmp_path / "cache" / "records" / "toy"
    for path in records.iterdir():
        if path.stem != lost:
            path.unlink()
    shutil.rmtree(tmp_path / "cache" / "objects" / digest)
    (records / "damaged.json").write_text('{"half')

    assert sorted(found(tmp_path)) == [
        "cache record without its objects",
        "damaged cache record",
        "orphaned cache object",
    ]
    assert set(states(tmp_path).values()) == {"mended"}
    assert list(records.iterdir()) == []
    assert not (tmp_path / "cache" / "objects" / orphan).exists()
    assert found(tmp_path) == []


def leave_temporary_files(home: Path) -> list[Path]:
    """Leave what killed processes do, each kind once."""
    key, _ = put(home)
    old = time.time() - 7_200
    paths = [
        home / "cache" / "tmp" / "abc" / "half.npy",
        home / "cache" / "records" / "toy" / "k.json.0123.part",
        home / "cache" / "workspaces" / "train-k" / "checkpoint-0003.npz.part",
        home / "cache" / "workspaces" / f"toy-{key}" / "reported.jsonl",
        home / "cache" / "numba" / "x" / "kernel.nbi.tmp.0123456789abcdef",
        home / "runs" / ("a" * 32) / "run.json.0123.part",
        home / "runs" / ("a" * 32) / "tmp0123" / "vectors.npz",
        home / "artifacts" / "off" / ("a" * 32) / "artifacts" / f".loss.{'0' * 32}",
        home / ".mlflow.db.new",
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (old, old))
        os.utime(path.parent, (old, old))
    return paths


def test_temporary_files_and_stale_locks_go(tmp_path):
    save(tmp_path, "a" * 32, status="FINISHED", task="")
    paths = leave_temporary_files(tmp_path)
    stale = tmp_path / "cache" / "locks" / "train-k.lock"
    stale.touch()

    findings = [finding for finding in examine(tmp_path) if not finding.note]
    assert len(findings) == len(paths) + 1
    assert sum(finding.bytes for finding in findings) == 4 * len(paths)
    assert set(states(tmp_path).values()) == {"mended", "note"}

    assert not any(path.exists() for path in [*paths, stale])
    assert (tmp_path / "cache" / "workspaces" / "train-k").exists()
    assert found(tmp_path) == []


def test_what_a_live_process_writes_is_left(tmp_path):
    save(tmp_path, "a" * 32, process=this_process())
    paths = leave_temporary_files(tmp_path)
    (toy,) = (tmp_path / "cache" / "workspaces").glob("toy-*")
    locks = tmp_path / "cache" / "locks"
    names = ("tmp-abc", "toy-k", "train-k", toy.name)
    with (
        held(locks / f"{names[0]}.lock"),
        held(locks / f"{names[1]}.lock"),
        held(locks / f"{names[2]}.lock"),
        held(locks / f"{names[3]}.lock"),
        held(run_folder(tmp_path, "a" * 32) / "run.lock"),
        held(tmp_path / ".mlflow.db.lock"),
    ):
        for path in (paths[4], paths[6].parent):  # these have no lock, and are new
            os.utime(path)
        assert found(tmp_path) == []
        mend(tmp_path)
        assert all(path.exists() for path in paths)
        assert all(is_held(locks / f"{name}.lock") for name in names)


def test_a_damaged_checkpoint_goes_and_a_workspace_stays(tmp_path):
    workspace = tmp_path / "cache" / "workspaces" / "train-k"
    workspace.mkdir(parents=True)
    (workspace / "checkpoint-0003.npz").write_bytes(b"half")

    assert found(tmp_path) == ["damaged checkpoint"]
    assert states(tmp_path) == {
        "damaged checkpoint": "mended",
        "unfinished stage": "note",
    }
    assert list(workspace.iterdir()) == []


def test_the_command_says_what_remains_by_its_exit_code(tmp_path):
    save(tmp_path, "a" * 32)
    runner = CliRunner()

    def doctor(*arguments: str):
        return runner.invoke(cli, ["doctor", "--home", str(tmp_path), *arguments])

    looked = doctor("--json")
    assert looked.exit_code == 1
    (finding,) = json.loads(looked.stdout)["findings"]
    assert (finding["kind"], finding["state"]) == ("dead run", "found")
    assert finding["bytes"] > 0

    mended = doctor("--fix")
    assert mended.exit_code == 0
    assert "mended" in mended.stdout
    again = doctor()
    assert again.exit_code == 0
    assert again.stdout == f"{tmp_path}: all is well\n"


def test_the_cache_command_lists_and_prunes(tmp_path):
    for value in (1.0, 2.0, 3.0):
        put(tmp_path, value)
    runner = CliRunner()

    def cache(*arguments: str):
        return runner.invoke(cli, ["cache", *arguments, "--home", str(tmp_path)])

    listed = json.loads(cache("ls", "--json").stdout)
    assert [entry["holds"] for entry in listed] == ["toy: metrics"] * 3
    size = listed[0]["bytes"]
    assert "3 entries" in cache("ls").stdout

    pruned = json.loads(cache("prune", "--keep", f"{size + 1}", "--json").stdout)
    assert pruned == {"removed": 2, "freed_bytes": 2 * size, "left_bytes": size}
    assert cache("prune").exit_code == 2
