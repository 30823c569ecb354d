"""Runs in real MLflow stores: this project's own SQLite file, and servers."""

import json
import logging
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pytest
import servers

from pipeline.artifacts import file_digests
from pipeline.core.types import Corpus, Embeddings, Normalization, TrainingHistory
from pipeline.errors import StorageError, TrackingError
from pipeline.provenance import Environment
from pipeline.records import (
    GitRecord,
    RunRecord,
    TrackingRecord,
    now,
    run_folder,
    save_record,
    this_process,
)
from pipeline.tracking.mlflow_store import import_mlflow, ready_store
from pipeline.tracking.mlflow_tracker import (
    MlflowTracker,
    download,
    send_unsent,
)
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import (
    LocalTracking,
    ServerTracking,
    open_tracker,
)

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = LocalTracking("local", "word2vec", system_seconds=0.0, register_as=None)
# What in the environment of a test run would switch telemetry off by itself, or
# lead it away from the home folder that is looked at.
NOT_PASSED_ON = (
    "CI",
    "GITHUB_ACTIONS",
    "PYTEST_CURRENT_TEST",
    "MLFLOW_DISABLE_TELEMETRY",
    "XDG_CONFIG_HOME",
)

WORKER = """
import json, socket, sys
from pathlib import Path

asked = []  # hosts looked up or connected to; without a network the first fails
def watched(function):
    def wrapper(*arguments, **named):
        asked.append(repr(arguments))
        return function(*arguments, **named)
    return wrapper
socket.getaddrinfo = watched(socket.getaddrinfo)
socket.socket.connect = watched(socket.socket.connect)

from pipeline.tracking.tracker import LocalTracking, open_tracker

home, name = Path(sys.argv[1]), sys.argv[2]
config = LocalTracking("local", "together", system_seconds=0.2, register_as=None)
tracker = open_tracker(config, home, run_name=name, tags={"worker": name})
tracker.log_params({"name": name})
for step in range(1, 31):
    tracker.log_metrics({"train/loss": step / 7, "train/rate": 1 / step}, step)
tracker.log_bytes(name.encode(), "who.txt")
tracker.end("FINISHED")

print(json.dumps({
    "run_id": tracker.run_id,
    "artifact_uri": tracker.artifact_uri,
    "asked": asked,
}))
"""


def clean_environment(user: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in NOT_PASSED_ON}
    return {**kept, "HOME": str(user), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Four processes that meet at an empty home: (home, user's home, answers)."""
    home = tmp_path_factory.mktemp("together") / "home"
    user = tmp_path_factory.mktemp("user")
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORKER, str(home), f"w{i}"],
            env=clean_environment(user),
            cwd=user,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    done = [(w.communicate(timeout=120), w.returncode) for w in workers]
    return home, user, done


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A home whose store is there already: making one takes a second."""
    home = tmp_path_factory.mktemp("store")
    ready_store(home)
    return home


@pytest.fixture
def tracker(store) -> Iterator[MlflowTracker]:
    opened = open_tracker(LOCAL, store, run_name="a run", tags={})
    yield opened
    opened.end("FINISHED")


def client_of(uri: str):
    import_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(uri)


def run_of(tracker):
    return client_of(tracker.uri).get_run(tracker.run_id)


def history_of(tracker, name: str) -> list[tuple[int, float]]:
    points = client_of(tracker.uri).get_metric_history(tracker.run_id, name)
    return [(p.step, p.value) for p in points]


def folder_of(tracker) -> Path:
    return Path(unquote(urlsplit(tracker.artifact_uri).path))


def record_of(tracker, backend: str) -> RunRecord:
    machine = Environment("", "", "", (), 1, {}, {})
    return RunRecord(
        run_id=tracker.run_id,
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
        artifact_uri=tracker.artifact_uri,
        artifacts=tracker.artifacts,
        tracking=TrackingRecord(backend, tracker.uri),
        git=GitRecord(commit=None, dirty=False),
        environment=machine,
        process=this_process(),
    )


# Four processes at once ------------------------------------------------------


def test_four_processes_on_an_empty_home_all_finish(together):
    home, _, done = together

    assert [(err, code) for (_, err), code in done] == [("", 0)] * 4
    client = client_of(f"sqlite:///{home}/mlflow.db")
    experiment = client.get_experiment_by_name("together")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(r.info.run_name for r in runs) == ["w0", "w1", "w2", "w3"]
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.data.params == {"name": run.info.run_name}
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(m.step, m.value) for m in history] == [
            (step, step / 7) for step in range(1, 31)
        ]


def test_a_run_prints_nothing_of_its_own(together):
    _, _, done = together

    assert all(len(out.splitlines()) == 1 for (out, _), _ in done)


def test_all_that_runs_write_lies_below_home(together):
    home, user, done = together

    for (out, _), _ in done:
        uri = json.loads(out)["artifact_uri"]
        assert uri.startswith((home / "artifacts" / "together").as_uri())
    contents = sorted(p.read_text() for p in home.rglob("who.txt"))
    assert contents == ["w0", "w1", "w2", "w3"]
    # The user's home, which was the working directory too. MLflow's telemetry
    # would keep an installation id there, and its defaults an mlruns folder.
    assert list(user.rglob("*")) == []
    # Not even experiment 0, which MLflow makes by itself, points elsewhere.
    client = client_of(f"sqlite:///{home}/mlflow.db")
    for experiment in client.search_experiments():
        assert experiment.artifact_location.startswith((home / "artifacts").as_uri())


def test_nothing_is_sent_to_anyone(together):
    _, _, done = together

    for (out, _), _ in done:
        assert json.loads(out)["asked"] == []


# The local store -------------------------------------------------------------


def test_a_run_holds_its_name_tags_user_and_commit(store):
    tags = {"git.commit": "0123abc", "git.dirty": "true"}
    tracker = open_tracker(LOCAL, store, run_name="newswire d200", tags=tags)
    tracker.set_tags({"git.dirty": "false"})
    tracker.end("FINISHED")

    run = run_of(tracker)

    assert run.info.run_name == "newswire d200"
    assert run.info.status == "FINISHED"
    assert run.data.tags["git.dirty"] == "false"
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"
    assert run.data.tags["mlflow.source.name"] == "w2v"
    assert run.data.tags["mlflow.user"]


def test_params_of_any_name_and_length_are_logged(tracker):
    tracker.log_params({f"key{i}": str(i) for i in range(250)})
    tracker.log_params({"train.dim": "200", "a:b\n": "x" * 9_000, "..": "\0"})

    params = run_of(tracker).data.params

    assert len(params) == 253
    assert params["train.dim"] == "200"
    assert max(map(len, params.values())) <= 6_000


def test_metrics_come_live_by_step(tracker):
    for epoch in (1, 2, 3):
        tracker.log_metrics({"train/loss": 1 / epoch}, epoch)
        assert history_of(tracker, "train/loss")[-1] == (epoch, 1 / epoch)
    tracker.log_metrics({"corpus/tokens": 203_621})

    assert run_of(tracker).data.metrics == {
        "train/loss": 1 / 3,
        "corpus/tokens": 203621,
    }


def test_a_series_longer_than_a_batch_arrives_whole(tracker):
    points = [("a", i / 3, i) for i in range(2_500)]

    tracker.log_series(points)

    assert history_of(tracker, "a") == [(i, i / 3) for i in range(2_500)]


def test_a_history_published_after_live_training_adds_only_what_is_missing(tracker):
    tracker.log_metrics({"train/loss": 2.0}, 2)
    tracker.log_metrics({"train/loss": 1.5}, 3)
    history = TrainingHistory(
        np.array([3.0, 2.0, 1.5]), np.array([]), np.array([0.3, 0.2, 0.1])
    )

    publish(tracker, "history", history, digest="d", config={})

    assert sorted(history_of(tracker, "train/loss")) == [(1, 3.0), (2, 2.0), (3, 1.5)]
    assert len(history_of(tracker, "train/learning_rate")) == 3


def test_a_metric_without_step_may_change_and_is_not_repeated(tracker):
    tracker.log_metrics({"a": 1.0})
    tracker.log_metrics({"a": 1.0})
    tracker.log_metrics({"a": 2.0})

    assert history_of(tracker, "a") == [(0, 1.0), (0, 2.0)]
    assert run_of(tracker).data.metrics["a"] == 2.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf")])
def test_a_metric_that_is_not_finite_is_refused(tracker, value):
    with pytest.raises(TrackingError, match="'train/loss': expected a finite number"):
        tracker.log_metrics({"train/loss": value}, 1)

    assert run_of(tracker).data.metrics == {}


def test_artifacts_are_kept_under_their_paths(tracker, tmp_path):
    (tmp_path / "last.npz").write_bytes(b"checkpoint")
    tracker.log_file(tmp_path / "last.npz", "checkpoints")
    tracker.log_bytes(b"seed: 1", "config.yaml")
    tracker.log_bytes(b"x", "figures/../</script>.html")
    hostile = next(p for p in tracker.artifacts if p.endswith(".html"))

    folder = folder_of(tracker)
    assert set(tracker.artifacts) == {"checkpoints/last.npz", "config.yaml", hostile}
    assert {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    } == set(tracker.artifacts)
    assert tracker.artifact_digests == file_digests(folder)
    assert (folder / "checkpoints" / "last.npz").read_bytes() == b"checkpoint"


def test_a_file_of_a_name_mlflow_would_not_take_is_kept_under_another(
    tracker, tmp_path
):
    odd = tmp_path / "a?b c#.txt"
    odd.write_bytes(b"x")

    tracker.log_file(odd, "notes")

    (path,) = tracker.artifacts
    assert (folder_of(tracker) / path).read_bytes() == b"x"
    assert not (folder_of(tracker) / path).is_symlink()


def test_mlflow_loads_a_logged_table_and_shows_it_as_one(tracker):
    table = pa.table({"word": ["</script>", "=1+1"], "cosine": [0.5, None]})

    tracker.log_table(table, "tables/neighbors")
    tracker.log_table(table, "tables/other")
    tracker.end("FINISHED")

    shown = json.loads(run_of(tracker).data.tags["mlflow.loggedArtifacts"])
    assert shown == [
        {"path": "tables/neighbors.json", "type": "table"},
        {"path": "tables/other.json", "type": "table"},
    ]
    # As MlflowClient.load_table reads it.
    path = folder_of(tracker) / "tables" / "neighbors.json"
    frame = client_of(tracker.uri)._read_from_file(str(path))
    assert frame["word"].tolist() == ["</script>", "=1+1"]
    assert frame["cosine"].iloc[0] == 0.5


def test_the_corpus_is_a_dataset_input_with_its_digest(tracker):
    train = pa.table({"tokens": [["EU", "rejects"], []], "ner": [["B-ORG", "O"], []]})
    corpus = Corpus({"train": train, "valid": train.slice(0, 0)})
    config = {"reader": "conll_files", "path": "data"}

    publish(tracker, "corpus", corpus, digest="ab" * 32, config=config)

    (given,) = run_of(tracker).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("conll_files", "abababababab")
    assert {t.key: t.value for t in given.tags} == {"mlflow.data.context": "training"}
    assert json.loads(given.dataset.source) == {"digest": "ab" * 32, **config}
    assert json.loads(given.dataset.profile) == {
        "num_rows": 2,
        "num_elements": 2,
        "train": "2 sentences, 2 tokens",
        "valid": "0 sentences, 0 tokens",
    }
    columns = json.loads(given.dataset.schema)["mlflow_colspec"]
    assert [c["name"] for c in columns] == ["tokens", "ner"]


def test_runs_in_one_process_do_not_mix(store):
    one = open_tracker(LOCAL, store, run_name="one", tags={})
    two = open_tracker(LOCAL, store, run_name="two", tags={})
    for step in range(5):
        one.log_metrics({"m": step}, step)
        two.log_metrics({"m": -step}, step)
    two.end("FINISHED")
    one.log_params({"last": "one"})
    one.end("KILLED")

    assert history_of(one, "m") == [(s, s) for s in range(5)]
    assert history_of(two, "m") == [(s, -s) for s in range(5)]
    assert (run_of(one).info.status, run_of(two).info.status) == ("KILLED", "FINISHED")
    import mlflow

    assert mlflow.active_run() is None


def test_a_failed_run_shows_why_whatever_the_message_holds(store):
    message = "DataError: a.txt:1: found `<img src=x onerror=alert(1)>`\n# second"
    tracker = open_tracker(LOCAL, store, run_name="r", tags={})

    tracker.end("FAILED", message)

    run = run_of(tracker)
    assert run.info.status == "FAILED"
    assert run.data.tags["message"] == message
    # Indented by four, every line of it is literal in Markdown.
    note = run.data.tags["mlflow.note.content"].splitlines()
    assert note == [f"    {line}" for line in message.splitlines()]


def test_a_run_goes_on_after_a_kill_without_repeating_a_step(store):
    first = open_tracker(LOCAL, store, run_name="r", tags={})
    first.log_params({"seed": "1"})
    first.log_metrics({"train/loss": 3.0, "train/words_per_second": 10.0}, 1)
    first.log_metrics({"train/loss": 2.0}, 2)
    first.log_table(pa.table({"a": [1]}), "tables/t")
    first.end("FAILED", "a full disk")

    again = open_tracker(LOCAL, store, run_name="r", tags={}, run_id=first.run_id)
    assert run_of(again).info.status == "RUNNING"
    again.log_params({"seed": "1"})
    again.log_metrics({"train/loss": 3.0, "train/words_per_second": 11.0}, 1)
    again.log_metrics({"train/loss": 2.0}, 2)
    again.log_metrics({"train/loss": 1.0}, 3)
    again.log_table(pa.table({"a": [1]}), "tables/u")
    again.end("FINISHED")

    run = run_of(again)
    assert again.run_id == first.run_id
    assert history_of(again, "train/loss") == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert history_of(again, "train/words_per_second") == [(1, 10.0)]
    assert run.info.status == "FINISHED"
    assert "message" not in run.data.tags
    assert "mlflow.note.content" not in run.data.tags
    tables = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert [t["path"] for t in tables] == ["tables/t.json", "tables/u.json"]


def test_a_users_note_survives_going_on(store):
    first = open_tracker(LOCAL, store, run_name="r", tags={})
    first.end("FAILED", "a full disk")
    first.set_tags({"mlflow.note.content": "my own words"})

    again = open_tracker(LOCAL, store, run_name="r", tags={}, run_id=first.run_id)
    again.end("FINISHED")

    assert run_of(again).data.tags["mlflow.note.content"] == "my own words"


def test_memory_and_cpu_are_sampled(store):
    config = LocalTracking("local", "word2vec", system_seconds=60.0, register_as=None)
    tracker = open_tracker(config, store, run_name="r", tags={})
    tracker.end("FINISHED")

    metrics = run_of(tracker).data.metrics
    assert metrics["system/process_memory_megabytes"] > 10
    assert metrics["system/process_cpu_percent"] >= 0


def test_a_run_deleted_in_the_ui_does_not_stop_its_process(store, caplog):
    tracker = open_tracker(LOCAL, store, run_name="r", tags={})
    client_of(tracker.uri).delete_run(tracker.run_id)

    with caplog.at_level(logging.WARNING):
        tracker.log_metrics({"a": 1.0}, 1)
        tracker.log_metrics({"a": 2.0}, 2)
        tracker.end("FINISHED")

    assert len([m for m in caplog.messages if "refuses" in m]) == 1
    refused = run_folder(store, tracker.run_id) / "refused.jsonl"
    assert len(refused.read_text().split()) >= 2


def test_a_local_store_that_breaks_does_not_cost_the_run(
    store, tmp_path, caplog, capfd
):
    (tmp_path / "mlflow.db").write_bytes((store / "mlflow.db").read_bytes())
    config = LocalTracking("local", "fragile", system_seconds=0.0, register_as=None)
    tracker = open_tracker(config, tmp_path, run_name="r", tags={})
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        opened.execute("ALTER TABLE metrics RENAME TO away")
        opened.commit()
    tracker.log_metrics({"a": 1.0}, 1)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        opened.execute("ALTER TABLE away RENAME TO metrics")
        opened.commit()
    tracker.end("FINISHED")

    assert "logged (no such table: metrics): the run goes on" in caplog.messages[0]
    assert history_of(tracker, "a") == [(1, 1.0)]
    assert run_of(tracker).info.status == "FINISHED"
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err


def test_a_deleted_experiment_is_named_with_what_to_do(store):
    config = LocalTracking("local", "gone", system_seconds=0.0, register_as=None)
    tracker = open_tracker(config, store, run_name="r", tags={})
    tracker.end("FINISHED")
    client = client_of(tracker.uri)
    client.delete_experiment(run_of(tracker).info.experiment_id)

    with pytest.raises(
        TrackingError, match=r"'gone' was deleted .*tracking\.experiment"
    ):
        open_tracker(config, store, run_name="r", tags={})


def test_a_home_that_was_moved_is_not_written_to_at_its_old_place(store, tmp_path):
    open_tracker(LOCAL, store, run_name="r", tags={}).end("FINISHED")
    moved = tmp_path / "moved"
    moved.mkdir()
    with (
        closing(sqlite3.connect(store / "mlflow.db")) as old,
        closing(sqlite3.connect(moved / "mlflow.db")) as new,
    ):
        old.backup(new)

    with pytest.raises(TrackingError, match="home was moved or copied"):
        open_tracker(LOCAL, moved, run_name="r", tags={})


def test_an_unknown_run_cannot_be_gone_on_with(store):
    with pytest.raises(TrackingError, match="Run with id=nonsense not found"):
        open_tracker(LOCAL, store, run_name="r", tags={}, run_id="nonsense")


# Making and renewing the store -----------------------------------------------


@pytest.mark.slow
def test_a_store_of_an_older_mlflow_is_renewed_and_kept(store, tmp_path, caplog):
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    path = tmp_path / "mlflow.db"
    uri = f"sqlite:///{path}"
    engine = utils.create_sqlalchemy_engine(uri)
    Base.metadata.create_all(engine)
    config = utils._get_alembic_config(uri)
    scripts = ScriptDirectory.from_config(config)
    before = scripts.get_revision(scripts.get_current_head()).down_revision
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before)
    engine.dispose()

    with caplog.at_level(logging.WARNING):
        tracker = open_tracker(LOCAL, tmp_path, run_name="r", tags={})
        tracker.end("FINISHED")

    assert version(path) == scripts.get_current_head()
    assert version(tmp_path / "mlflow.db.old") == before
    assert "is now of MLflow" in caplog.text


def version(path: Path) -> str:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute("SELECT version_num FROM alembic_version").fetchone()[0]


def test_a_store_of_a_newer_mlflow_is_left_as_it_is(store, tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes((store / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("UPDATE alembic_version SET version_num = 'fromthefuture'")
        opened.commit()
    before = path.read_bytes()

    with pytest.raises(TrackingError, match=r"written by a newer MLflow than \d"):
        ready_store(tmp_path)

    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_a_file_that_is_no_store_is_named_and_left(tmp_path, content):
    (tmp_path / "mlflow.db").write_bytes(content)

    with pytest.raises(TrackingError, match=r"mlflow\.db is not an MLflow store"):
        ready_store(tmp_path)

    assert (tmp_path / "mlflow.db").read_bytes() == content


def test_a_home_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"cannot make or open .*set home"):
        ready_store(tmp_path / "file" / "home")


@pytest.mark.parametrize("name", ["a?b", "a%20b"])
def test_a_home_that_no_sqlite_address_can_name_is_refused(tmp_path, name):
    with pytest.raises(TrackingError, match=r"holds a \? or %"):
        ready_store(tmp_path / name)


@pytest.mark.slow
def test_a_home_of_an_odd_name_works(tmp_path, store):
    home = tmp_path / "my runs #1 é'\""
    home.mkdir()
    uri = ready_store(home)
    tracker = open_tracker(LOCAL, home, run_name="r", tags={})
    tracker.log_bytes(b"x", "a.txt")
    tracker.end("FINISHED")

    assert tracker.uri == uri
    assert (folder_of(tracker) / "a.txt").read_bytes() == b"x"
    assert folder_of(tracker).is_relative_to(home)


# Servers ---------------------------------------------------------------------


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """Run an MLflow server that serves artifacts too; kill it at the end."""
    arguments = ["server", "--workers", "1"]
    arguments += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    arguments += ["--artifacts-destination", str(folder / "served")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with servers.mlflow(
        arguments, port, ready="/health", folder=folder, environment=environment
    ) as uri:
        yield uri


def server_config(uri: str) -> ServerTracking:
    return ServerTracking(
        "server", "word2vec", uri, system_seconds=0.0, register_as="words"
    )


@pytest.mark.slow
def test_a_server_that_vanishes_does_not_cost_the_run(tmp_path, store, capfd, caplog):
    home, served = tmp_path / "home", tmp_path / "server"
    served.mkdir()
    (served / "mlflow.db").write_bytes((store / "mlflow.db").read_bytes())
    port = servers.free_port()
    caplog.set_level(logging.WARNING)

    with mlflow_server(served, port) as uri:
        tracker = open_tracker(server_config(uri + "/"), home, run_name="r", tags={})
        tracker.log_params({"seed": "1"})
        tracker.log_metrics({"train/loss": 3.0}, 1)
        tracker.log_bytes(b"seed: 1", "config.yaml")
        assert run_of(tracker).data.params == {"seed": "1"}
        assert history_of(tracker, "train/loss") == [(1, 3.0)]
        assert caplog.messages == []

    for epoch in range(2, 12):
        tracker.log_metrics({"train/loss": 3.0 / epoch}, epoch)
    tracker.log_bytes(b"<html>", "figures/tsne.html")
    tracker.log_table(pa.table({"a": [1]}), "tables/t")
    tracker.log_corpus(
        "corpus", "ab" * 32, {}, {"train": pa.table({"tokens": [["a"]]})}
    )
    none = np.empty((1, 0), np.float32)
    normal = Normalization(lowercase=True, digits="keep")
    center = np.ones((1, 2), np.float32)
    publish(
        *(tracker, "embeddings", Embeddings(("a",), center, none, normal)),
        digest="d",
        config={},
    )
    tracker.end("FINISHED")
    lost, waiting = caplog.messages
    assert f"tracking store {uri} does not take what is logged" in lost
    # Or reset, where the server goes between two requests of one connection.
    assert "Connection refused" in lost or "Connection reset" in lost
    assert "17 entries" in waiting
    record = record_of(tracker, "server")
    save_record(home, record)
    assert (run_folder(home, tracker.run_id) / "unsent.jsonl").exists()

    with mlflow_server(served, port):
        assert send_unsent(home, record) == 0
        assert send_unsent(home, record) == 0
        run = run_of(tracker)
        assert run.info.status == "FINISHED"
        assert history_of(tracker, "train/loss") == [
            (1, 3.0),
            *((e, 3.0 / e) for e in range(2, 12)),
        ]
        assert run.inputs.dataset_inputs[0].dataset.name == "corpus"
        assert not (run_folder(home, tracker.run_id) / "unsent.jsonl").exists()
        # The model that waited for the server is there once, and registered once.
        client = client_of(uri)
        assert len(run.outputs.model_outputs) == 1
        (version,) = client.search_model_versions("name = 'words'")
        assert version.run_id == tracker.run_id
        assert "MLmodel" in {
            found.path
            for found in client.list_logged_model_artifacts(
                run.outputs.model_outputs[0].model_id
            )
        }
        page = download(home, record, "figures/tsne.html")
        assert page.read_bytes() == b"<html>"
        with pytest.raises(TrackingError, match=r"cannot fetch no/such\.png of run"):
            download(home, record, "no/such.png")

    # Fetched once, it needs no server.
    assert download(home, record, "figures/tsne.html").read_bytes() == b"<html>"
    # Standard output is the command's own.
    assert capfd.readouterr().out == ""


def test_a_port_where_nothing_listens_is_an_error(tmp_path):
    uri = f"http://127.0.0.1:{servers.free_port()}"

    with pytest.raises(TrackingError) as caught:
        open_tracker(server_config(uri), tmp_path, run_name="r", tags={})

    assert str(caught.value) == (
        f"tracking server {uri} cannot be reached: Connection refused. Start it "
        "(mlflow server), correct tracking.uri, or track with tracking=local"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_never_answers_is_an_error(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(TrackingError, match=f"{uri} cannot be reached: Read"):
            open_tracker(server_config(uri), tmp_path, run_name="r", tags={})


def test_a_host_that_is_not_known_is_an_error(tmp_path):
    config = server_config("http://no-such-host.invalid:5000")

    with pytest.raises(TrackingError, match=r"no-such-host\.invalid:5000 cannot be"):
        open_tracker(config, tmp_path, run_name="r", tags={})
