"""Vectors from elsewhere are scored as ours are, and ours are read elsewhere."""

import json
import os
import pickle
import re
import subprocess
from pathlib import Path

import forks
import numpy as np
import pytest

import pipeline
from pipeline.artifacts import file_digest

SMOKE = ("experiment=smoke", "tracking=off", "targets=[evaluate]")


def attempt(*arguments: object, home: Path, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"W2V_HOME": str(home)}
    return forks.run(*map(str, arguments), env=environment, **options)


def w2v(*arguments: object, home: Path) -> str:
    done = attempt(*arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(home: Path, run: str = "last") -> dict:
    return json.loads(w2v("show", run, "--json", home=home))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(home) -> dict:
    """A run of ours."""
    w2v("run", *SMOKE, home=home)
    return shown(home)


@pytest.fixture(scope="module")
def text(run, home) -> Path:
    """Its vectors as word2vec text."""
    out = w2v("export", run["run_id"], "--format", "word2vec", home=home)
    return Path(out.removesuffix("\n"))


@pytest.fixture(scope="module")
def scored(text, home) -> dict:
    """The run that scored them."""
    out = w2v("evaluate", text, "tracking=off", home=home)
    record = shown(home)
    assert out.splitlines()[-1] == f"run_id: {record['run_id']}"
    return record


def test_gensim_reads_what_is_exported(run, home, text, tmp_path):
    from gensim.models import KeyedVectors

    ours = pipeline.load(run["run_id"], home)
    binary = tmp_path / "vectors.bin"
    w2v(
        *("export", run["run_id"], "--format", "word2vec-binary", "--to", binary),
        home=home,
    )

    for theirs in (
        KeyedVectors.load_word2vec_format(str(text)),
        KeyedVectors.load_word2vec_format(str(binary), binary=True),
    ):
        assert tuple(theirs.index_to_key) == ours.words
        np.testing.assert_array_equal(theirs.vectors, ours.center)
        # What it holds nearest, we hold nearest: to rounding.
        near = theirs.most_similar("germany", topn=5)
        for (word, cosine), (our_word, our_cosine) in zip(
            near, pipeline.find_most_similar(ours, "Germany", top_k=5), strict=True
        ):
            assert word == our_word
            assert cosine == pytest.approx(our_cosine, abs=1e-6)


def test_by_default_an_export_lies_in_the_runs_own_folder(run, home, text):
    assert text == home / "runs" / run["run_id"] / "exports" / "vectors.txt"


@pytest.mark.slow
def test_the_other_forms_hold_the_same(run, home, tmp_path):
    ours = pipeline.load(run["run_id"], home)
    for form, name in (("npz", "a.npz"), ("pickle", "a.pkl"), ("projector", "tsv")):
        to = tmp_path / "deep" / name
        w2v("export", run["run_id"], "--format", form, "--to", to, home=home)
    folder = tmp_path / "deep"

    again = pipeline.load(folder / "a.npz")
    np.testing.assert_array_equal(again.context, ours.context)
    content = pickle.loads((folder / "a.pkl").read_bytes())
    np.testing.assert_array_equal(content["embeddings"], ours.center)
    rows = np.loadtxt(folder / "tsv" / "vectors.tsv", np.float32, delimiter="\t")
    np.testing.assert_array_equal(rows, ours.center)
    names = (folder / "tsv" / "metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert len(names) == len(ours.words)
    assert sorted(path.name for path in folder.iterdir()) == ["a.npz", "a.pkl", "tsv"]


@pytest.mark.parametrize("matrix", ["context", "mean"])
def test_another_matrix_may_be_exported(run, home, matrix):
    ours = pipeline.load(run["run_id"], home)
    expected = {"context": ours.context, "mean": (ours.center + ours.context) / 2}

    out = w2v(
        *("export", run["run_id"], "--format", "word2vec", "--matrix", matrix),
        home=home,
    )

    assert out.endswith(f"exports/vectors-{matrix}.txt\n")
    found = pipeline.load(out.removesuffix("\n"))
    np.testing.assert_array_equal(found.center, expected[matrix])


def test_nothing_is_overwritten_unasked(run, home, tmp_path):
    to = tmp_path / "mine.txt"
    to.write_text("mine")
    arguments = ("export", run["run_id"], "--format", "word2vec", "--to", to)

    refused = attempt(*arguments, home=home)

    assert refused.returncode == 2
    assert f"{to} is there: overwrite it with --force" in refused.stderr
    assert to.read_text() == "mine"
    w2v(*arguments, "--force", home=home)
    assert to.read_text().startswith(f"{run['metrics']['vocab/words']:.0f} 16\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("last", "--format", "word2vec3"), (2, "'word2vec3' is not one of")),
        (("last",), (2, "Missing option '--format'")),
        (("feedface", "--format", "npz"), (1, "no run 'feedface'")),
        (("last", "--format", "npz", "--matrix", "mean"), (2, "takes no --matrix")),
        ((__file__, "--format", "npz"), (2, "expected --to PATH")),
        ((__file__, "--format", "npz", "--to", "x"), (1, "expected word2vec text")),
        (("last", "--format", "npz", "--to", "."), (2, "is a folder")),
    ],
)
def test_an_export_that_cannot_be_is_one_clear_error(
    run, home, arguments, error, tmp_path
):
    code, message = error

    done = attempt("export", *arguments, home=home, cwd=tmp_path)

    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_our_vectors_score_the_same_from_a_file(run, scored):
    names = {
        name
        for name in run["metrics"]
        if re.match("(similarity|analogy|analogy_mul|category)/", name)
    }

    assert len(names) > 10
    for name in names:
        assert scored["metrics"][name] == run["metrics"][name], name


@pytest.mark.slow
def test_a_scoring_says_what_it_scored(run, text, home, scored):
    dim = pipeline.load(run["run_id"], home).center.shape[1]

    assert scored["params"]["vectors.path"] == str(text)
    assert scored["params"]["vectors.sha256"] == file_digest(text)
    assert scored["params"]["vectors.dim"] == str(dim) == run["params"]["train.dim"]
    words = f"{run['metrics']['vocab/words']:.0f}"
    assert scored["params"]["vectors.words"] == words
    assert not any(name.startswith("train.") for name in scored["params"])
    assert set(scored["stages"]) == {
        *("ingest", "vectors", "encode", "vector_controls", "evaluate")
    }
    names = {Path(path).name for path in scored["artifacts"]}
    assert {"vectors.npz", "neighbors.json", "config.yaml"} <= names


@pytest.mark.slow
def test_the_same_content_is_not_scored_twice(text, home, scored, tmp_path):
    copy = tmp_path / "elsewhere.w2v"
    copy.write_bytes(text.read_bytes())

    w2v("evaluate", copy, "tracking=off", home=home)

    again = shown(home)
    assert all(stage["cached"] for stage in again["stages"].values())
    assert again["metrics"]["category/purity"] == scored["metrics"]["category/purity"]


def test_explain_says_what_a_scoring_would_run(text, home, scored):
    done = w2v("explain", text, home=home)
    assert set(done.splitlines()) == {f"{stage}: hit" for stage in scored["stages"]}

    done = w2v("explain", text, "evaluate.top_k=3", home=home)
    assert "evaluate: miss - evaluate.top_k: 10 -> 3" in done


def test_a_scoring_is_shown_with_what_it_takes_to_trust_it(home, scored):
    shown = w2v("show", scored["run_id"], home=home)

    metrics, name = scored["metrics"], "analogy/builtin/total"
    (line,) = (line for line in shown.splitlines() if line.startswith(name))
    assert line.split()[1:] == [
        f"{metrics[name]:.4f}",
        *("95%:", f"{metrics[f'{name}_low']:.3f}"),
        *("to", f"{metrics[f'{name}_high']:.3f}"),
        *("random:", f"{metrics[f'{name}_random']:.3f}"),
        *("covered:", f"{metrics['analogy/builtin/coverage']:.0%}"),
        *("3CosMul:", f"{metrics['analogy_mul/builtin/total']:.3f}"),
    ]
    (line,) = (line for line in shown.splitlines() if line.startswith("probe/f1"))
    assert f"covered: {1 - metrics['probe/unknown']:.0%}   one-hot: " in line
    assert "geometry/isotropy " in shown


@pytest.mark.slow
def test_words_are_looked_up_as_the_file_writes_them(text, home, scored, tmp_path):
    upper = tmp_path / "upper.txt"
    upper.write_text(text.read_text(encoding="utf-8").upper(), encoding="utf-8")

    # Some words are cased, so that none is folded: the lists' `Germany` is missing.
    w2v("evaluate", upper, "tracking=off", home=home)
    missing = shown(home)["metrics"]["analogy/builtin/coverage"]
    w2v("evaluate", text, "tracking=off", "vectors.lowercase=false", home=home)
    kept = shown(home)["metrics"]["analogy/builtin/coverage"]

    assert missing < kept < scored["metrics"]["analogy/builtin/coverage"]


@pytest.mark.slow
def test_a_scoring_is_tracked_beside_our_runs(text, home, scored):
    w2v("evaluate", text, home=home)
    record = shown(home)
    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    stored = client.get_run(record["run_id"])

    assert client.get_experiment(stored.info.experiment_id).name == "word2vec"
    assert stored.info.run_name == "file vectors.txt"
    assert stored.data.params == record["params"]
    assert stored.data.metrics["category/purity"] == pytest.approx(
        record["metrics"]["category/purity"]
    )


@pytest.mark.slow
def test_a_scoring_can_be_repeated(text, home, scored):
    out = w2v("rerun", scored["run_id"], "--tracking", "off", home=home)

    assert "the same: " in out
    assert "NOT" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Missing argument 'FILE'"),
        (("none.txt",), 2, "vectors: expected a file, found none at"),
        ((__file__,), 1, "expected word2vec text or binary, GloVe text"),
        ((__file__, "evaluate.top_k=0"), 2, "evaluate.top_k: expected greater"),
        ((__file__, "train.dim=3"), 2, "train.dim: no such key here: w2v run has"),
        ((__file__, "vectors.path=x"), 2, "vectors.path=x: expected FILE"),
        ((__file__, "-m"), 2, "-m: expected FILE, then KEY=VALUE"),
    ],
)
def test_a_scoring_that_cannot_be_is_one_clear_error(
    tmp_path, arguments, code, message
):
    done = attempt(
        "evaluate", *arguments, *(["tracking=off"] if code == 1 else []), home=tmp_path
    )

    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
