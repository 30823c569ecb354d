"""Tracking as the engine sees it: configs, params, publishing, and none at all."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter, ValidationError

from pipeline.artifacts import file_digests
from pipeline.core.types import (
    Corpus,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Figures,
    Metrics,
    Normalization,
    Tables,
    TrainingHistory,
    Vocab,
)
from pipeline.core.vectors import load_vectors
from pipeline.errors import StorageError, TrackingError
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import (
    LocalTracking,
    OffTracking,
    ServerTracking,
    TrackingConfig,
    open_tracker,
    params_of,
)

ROOT = Path(__file__).resolve().parent.parent.parent
CONF = ROOT / "conf" / "tracking"
NORMALIZATION = Normalization(lowercase=True, digits="keep")


def read(name: str, **changes: object) -> object:
    plain = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    text = json.dumps({**plain, **changes})
    return TypeAdapter(TrackingConfig).validate_json(text, strict=True)


@pytest.fixture
def off(tmp_path):
    return open_tracker(OffTracking("off"), tmp_path, run_name="a run", tags={})


def folder_of(tracker) -> Path:
    return Path(unquote(urlsplit(tracker.artifact_uri).path))


class Listener:
    """Notes what is published."""

    def __init__(self) -> None:
        self.heard = []

    def __getattr__(self, name: str):
        return lambda *arguments: self.heard.append((name, *arguments))


def heard(artifact: object, name: str = "it", **context: object) -> list:
    listener = Listener()
    publish(listener, name, artifact, **{"digest": "d", "config": {}, **context})
    return listener.heard


def test_the_shipped_configs_are_valid():
    assert read("local") == LocalTracking("local", "word2vec", 10.0, None)
    assert read("off") == OffTracking("off")
    assert read("server", uri="http://127.0.0.1:5000") == ServerTracking(
        "server", "word2vec", "http://127.0.0.1:5000", 10.0, None
    )


def test_a_server_has_no_default_address():
    assert OmegaConf.is_missing(OmegaConf.load(CONF / "server.yaml"), "uri")


@pytest.mark.parametrize(
    "uri", ["", "localhost:5000", "ftp://host", "http://", "sqlite:///x", "http://["]
)
def test_an_address_that_is_no_servers_is_refused(uri):
    with pytest.raises(ValidationError, match="uri"):
        read("server", uri=uri)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        ServerTracking("server", "e", "https://me:s3cret@host:5000", 0.0, None)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": "none"},
        {"experiment": ""},
        {"system_seconds": -1},
        {"system_seconds": "10"},
        {"register_as": ""},
        {"register_as": "a/b"},
        {"register_as": "models:"},
        {"register_as": "it's"},
    ],
)
def test_a_wrong_value_is_refused(changes):
    with pytest.raises(ValidationError):
        read("local", **changes)


def test_params_are_flat_and_text():
    config = {
        "seed": 1,
        "home": "runs",
        "train": {
            "lr": 1e-05,
            "dim": 200,
            "fast": True,
            "subsample": None,
            "deep": {"x": 1},
        },
        "evaluate": {"words": ["é", 'a"b'], "files": [], "none": {}},
    }

    assert params_of(config) == {
        "seed": "1",
        "home": "runs",
        "train.lr": "1e-05",
        "train.dim": "200",
        "train.fast": "true",
        "train.subsample": "null",
        "train.deep.x": "1",
        "evaluate.words": '["é", "a\\"b"]',
        "evaluate.files": "[]",
        "evaluate.none": "{}",
    }


def test_a_corpus_is_published_as_what_was_read():
    splits = {"train": pa.table({"tokens": [["a", "b"]]})}
    config = {"reader": "conll_files", "path": "data"}

    calls = heard(Corpus(splits), "corpus", digest="abc", config=config)

    assert calls == [("log_corpus", "conll_files", "abc", config, splits)]


def test_a_vocabulary_is_published_as_a_table_by_rank():
    vocab = Vocab(("the", "=1+1"), np.array([5, 2]), NORMALIZATION)

    ((call, table, path),) = heard(vocab, "vocab")

    assert (call, path) == ("log_table", "tables/vocab")
    assert table.to_pydict() == {"id": [0, 1], "word": ["the", "=1+1"], "count": [5, 2]}


def test_a_huge_vocabulary_is_published_by_its_most_frequent_words():
    words = tuple(f"w{i}" for i in range(60_000))
    vocab = Vocab(words, np.arange(60_000, 0, -1), NORMALIZATION)

    ((_, table, _),) = heard(vocab)

    assert table.num_rows == 50_000
    assert table["word"][49_999].as_py() == "w49999"


def test_an_empty_vocabulary_is_published_as_an_empty_table():
    ((_, table, _),) = heard(Vocab((), np.array([], np.int64), NORMALIZATION))

    assert table.num_rows == 0
    assert table.column_names == ["id", "word", "count"]


def test_an_encoded_corpus_is_not_published():
    split = EncodedSplit(np.array([0], np.int32), np.array([0, 1]))

    assert heard(EncodedCorpus({"train": split}, ("train",))) == []


def test_a_history_is_published_as_curves_by_epoch_and_as_a_table():
    history = TrainingHistory(
        loss=np.array([3.0, 2.5]),
        heldout_loss=np.array([3.1, 2.7]),
        learning_rate=np.array([0.02, 0.01]),
    )

    series, table = heard(history, "history")

    assert series[0] == "log_series"
    assert sorted(series[1]) == [
        ("train/heldout_loss", 2.7, 2),
        ("train/heldout_loss", 3.1, 1),
        ("train/learning_rate", 0.01, 2),
        ("train/learning_rate", 0.02, 1),
        ("train/loss", 2.5, 2),
        ("train/loss", 3.0, 1),
    ]
    assert table[2] == "tables/history"
    assert table[1].to_pydict() == {
        "epoch": [1, 2],
        "loss": [3.0, 2.5],
        "learning_rate": [0.02, 0.01],
        "heldout_loss": [3.1, 2.7],
    }


def test_a_history_without_held_out_loss_has_no_such_curve():
    none = np.array([])
    history = TrainingHistory(np.array([3.0]), none, np.array([0.1]))

    series, table = heard(history)

    assert {name for name, _, _ in series[1]} == {"train/loss", "train/learning_rate"}
    assert "heldout_loss" not in table[1].column_names


def test_embeddings_are_published_as_the_file_that_loads_again(off, rng):
    center = rng.normal(size=(2, 3)).astype(np.float32)
    embeddings = Embeddings(("a", "b"), center, center + 1, NORMALIZATION)

    publish(off, "embeddings", embeddings, digest="d", config={})

    assert off.artifacts == ("vectors/vectors.npz",)
    assert off.artifact_digests == file_digests(folder_of(off))
    loaded = load_vectors(folder_of(off) / "vectors" / "vectors.npz")
    assert loaded.words == ("a", "b")
    np.testing.assert_array_equal(loaded.center, center)
    np.testing.assert_array_equal(loaded.context, center + 1)


def test_metrics_tables_and_figures_are_published_under_their_names():
    table = pa.table({"a": [1]})

    assert heard(Metrics({"similarity/ws353": 0.5})) == [
        ("log_metrics", {"similarity/ws353": 0.5})
    ]
    assert heard(Tables({"neighbors": table})) == [
        ("log_table", table, "tables/neighbors")
    ]
    assert heard(Figures({"loss.png": b"png"})) == [
        ("log_bytes", b"png", "figures/loss.png")
    ]


def test_an_artifact_of_another_type_is_a_programming_error():
    with pytest.raises(TypeError, match="'it' of type int has no form"):
        heard(3)


def test_tracking_off_never_imports_mlflow(tmp_path):
    code = """
import sys
from pathlib import Path
import pyarrow as pa
from pipeline.core.types import Metrics, Tables
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import OffTracking, open_tracker, params_of
off = OffTracking("off")
tracker = open_tracker(off, Path(sys.argv[1]), run_name="r", tags={})
tracker.log_params(params_of({"seed": 1}))
tracker.log_metrics({"train/loss": 1.0}, 1)
publish(tracker, "metrics", Metrics({"a": 1.0}), digest="d", config={})
tables = Tables({"t": pa.table({"a": [1]})})
publish(tracker, "tables", tables, digest="d", config={})
tracker.set_tags({"a": "b"})
tracker.end("FINISHED")
print(sorted(m for m in sys.modules if m.split(".")[0] in ("mlflow", "sqlalchemy")))
print(*tracker.artifacts)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == ["[]", "tables/t.json"]


def test_tracking_off_keeps_artifacts_below_home(off, tmp_path):
    (tmp_path / "last.npz").write_bytes(b"checkpoint")
    off.log_file(tmp_path / "last.npz", "checkpoints")
    off.log_bytes(b"seed: 1", "config.yaml")
    off.log_table(pa.table({"a": [1]}), "tables/t")

    folder = folder_of(off)
    assert folder == tmp_path / "artifacts" / "off" / off.run_id / "artifacts"
    assert off.artifacts == ("checkpoints/last.npz", "config.yaml", "tables/t.json")
    assert {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    } == set(off.artifacts)
    assert (folder / "checkpoints" / "last.npz").read_bytes() == b"checkpoint"
    assert json.loads((folder / "tables" / "t.json").read_text())["data"] == [[1]]


def test_tracking_off_gives_every_run_its_own_id(tmp_path):
    config = OffTracking("off")
    ids = {open_tracker(config, tmp_path, run_name="r", tags={}).run_id for _ in "abc"}

    assert len(ids) == 3
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)


def test_tracking_off_goes_on_with_a_run(off, tmp_path):
    off.log_bytes(b"1", "a.txt")

    again = open_tracker(
        OffTracking("off"), tmp_path, run_name="r", tags={}, run_id=off.run_id
    )
    again.log_bytes(b"2", "a.txt")

    assert again.artifact_uri == off.artifact_uri
    assert (folder_of(off) / "a.txt").read_bytes() == b"2"


def test_an_artifact_cannot_leave_its_folder(off, tmp_path):
    off.log_bytes(b"x", "../../../escaped.txt")
    off.log_bytes(b"x", "/absolute.txt")

    assert not list(tmp_path.glob("*.txt"))
    assert len([p for p in folder_of(off).rglob("*") if p.is_file()]) == 2


def test_tracking_off_refuses_what_every_tracker_refuses(off, tmp_path):
    with pytest.raises(TrackingError, match="'a': expected a finite number, found nan"):
        off.log_metrics({"a": float("nan")})
    with pytest.raises(TrackingError, match="'b': expected a finite number, found inf"):
        off.log_series([("a", 1.0, 1), ("b", float("inf"), 2)])
    with pytest.raises(TrackingError, match="expected a file"):
        off.log_file(tmp_path / "none")


def test_artifacts_that_cannot_be_written_are_a_storage_error(tmp_path):
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    tracker = open_tracker(OffTracking("off"), tmp_path, run_name="r", tags={})

    with pytest.raises(StorageError, match=r"cannot write artifact .*a\.txt"):
        tracker.log_bytes(b"x", "a.txt")
