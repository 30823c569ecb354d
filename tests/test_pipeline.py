"""The main job, whole: on the built-in corpus and on CoNLL-2003."""

import json
import os
import re
from pathlib import Path

import forks
import pytest

ROOT = Path(__file__).resolve().parent.parent
QUICKSTART = ("experiment=quickstart", "visualize.projections=[pca]")
PICTURES = {
    *("loss.html", "loss.png", "heatmap.html", "heatmap.png"),
    "explorer.html",
}
MAPS = {"tsne_2d.png", "umap_2d.png"}


def w2v(*arguments: str, home: Path) -> str:
    done = forks.run(*arguments, env=os.environ | {"W2V_HOME": str(home)}, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(home: Path, run: str = "last") -> dict:
    return json.loads(w2v("show", run, "--json", home=home))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def quickstart(home) -> str:
    """What the first command prints, without the maps that take the longest."""
    return w2v("run", *QUICKSTART, home=home)


@pytest.fixture(scope="module")
def run(quickstart, home) -> dict:
    return shown(home)


def test_quickstart_finds_the_planted_meaning(run):
    metrics = run["metrics"]

    # The planted ceiling: all ten neighbors of a category's word are of it.
    assert metrics["category/precision_at_10"] >= 0.9
    assert metrics["category/purity"] >= 0.9
    assert metrics["train/heldout_loss"] < metrics["vocab/words"]
    assert metrics["category/precision_at_10_random"] < 0.1
    assert metrics["probe/f1"] > metrics["probe/f1_random"] + 0.1
    assert metrics["probe/f1_low"] < metrics["probe/f1"] < metrics["probe/f1_high"]


def test_headlines_stand_beside_their_interval_and_control(quickstart):
    for name in ("probe/f1", "category/precision_at_10", "analogy/builtin/total"):
        number = r"-?\d\.\d+"
        assert re.search(
            rf"^{name} +{number} +95%: {number} to {number} +random: {number}( |$)",
            quickstart,
            re.MULTILINE,
        ), quickstart


@pytest.mark.slow
def test_neighbors_are_compared_with_those_of_another_run(run, home):
    arguments = ("experiment=quickstart", "targets=[evaluate]")

    # The run with itself: the sharpest case known without a second training.
    out = w2v("run", *arguments, f"evaluate.against={run['run_id']}", home=home)

    compared = shown(home)
    assert compared["stages"]["train"]["cached"]
    assert compared["metrics"]["stability/overlap_at_10"] == 1
    assert compared["metrics"]["stability/overlap_at_10_random"] < 0.1
    assert re.search(r"^stability/overlap_at_10 +1\.0000", out, re.MULTILINE)
    assert compared["params"]["evaluate.against"].endswith("vectors.npz")


def test_quickstart_leaves_all_that_a_run_should_hold(run):
    names = {Path(path).name for path in run["artifacts"]}

    assert run["status"] == "FINISHED"
    assert names >= PICTURES | {"pca_2d.png"}
    assert {"config.yaml", "vectors.npz", "checkpoint-0010.npz"} <= names
    assert any("neighbors" in name for name in names)
    for path in run["artifacts"]:
        assert Path(path).is_file()


@pytest.mark.slow
def test_quickstart_draws_every_map(run, home):
    w2v("run", "experiment=quickstart", home=home)

    again = shown(home)
    assert {Path(path).name for path in again["artifacts"]} >= PICTURES | MAPS
    computed = [n for n, stage in again["stages"].items() if not stage["cached"]]
    assert computed == ["visualize"]


def test_an_mlflow_client_sees_the_same_run(run, home):
    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()  # without the warnings that are its own
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    stored = client.get_run(run["run_id"])

    assert stored.info.status == "FINISHED"
    assert stored.data.params == run["params"]
    for name, value in run["metrics"].items():
        assert stored.data.metrics[name] == pytest.approx(value), name
    for name in ("loss", "heldout_loss", "learning_rate", "words_per_second"):
        history = client.get_metric_history(run["run_id"], f"train/{name}")
        assert [point.step for point in history] == list(range(1, 11))
    (dataset,) = stored.inputs.dataset_inputs
    assert dataset.dataset.digest
    assert {tag for tag in stored.data.tags if tag.startswith("git")} or not (
        ROOT / ".git"
    ).exists()


def test_the_second_run_computes_nothing(run, home):
    out = w2v("run", *QUICKSTART, home=home)
    again = shown(home)

    assert all(stage["cached"] for stage in again["stages"].values())
    assert {n: s["digest"] for n, s in again["stages"].items()} == {
        n: s["digest"] for n, s in run["stages"].items()
    }
    timing = re.compile(r"^(stage/|train/words_per_second)")
    same = {k: v for k, v in run["metrics"].items() if not timing.match(k)}
    assert same == {k: v for k, v in again["metrics"].items() if not timing.match(k)}
    assert {Path(p).name for p in again["artifacts"]} == {
        Path(p).name for p in run["artifacts"]
    }
    assert out.splitlines()[-1] == f"run_id: {again['run_id']}"


@pytest.mark.slow
def test_a_fresh_home_gives_the_same_bits(run, tmp_path):
    arguments = ("experiment=quickstart", "targets=[evaluate]", "tracking=off")
    w2v("run", *arguments, home=tmp_path)
    again = shown(tmp_path)

    for stage, result in again["stages"].items():
        assert result["cached"] is False
        assert result["digest"] == run["stages"][stage]["digest"], stage


def test_the_vectors_load_in_python(run, home):
    import pipeline

    embeddings = pipeline.load(run["run_id"], home)
    (path,) = [p for p in run["artifacts"] if p.endswith("vectors.npz")]
    (checkpoint,) = [p for p in run["artifacts"] if "checkpoint-" in p]

    for again in (pipeline.load(path), pipeline.load(checkpoint)):
        assert again.words == embeddings.words
        assert again.center.tobytes() == embeddings.center.tobytes()
    near = pipeline.find_most_similar(embeddings, "Germany", top_k=5)
    assert len(near) == 5
    assert pipeline.word_analogy(embeddings, "France", "Paris", "Germany", top_k=5)


def test_readme_shows_the_real_output_of_its_first_command(quickstart):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"output of: make run -->\n```text\n(.*?)```", readme, re.DOTALL)
    assert block, "the README's first output is gone"

    written, printed = block[1].splitlines(), quickstart.splitlines()
    assert [_skeleton(line) for line in written] == [
        _skeleton(line) for line in printed
    ]
    for name in ("vocab/words", "corpus/tokens"):
        assert _line(written, name) == _line(printed, name)
    for name in ("train/loss", "train/heldout_loss", "category/precision_at_10"):
        # Rounding differs between processors, and training carries it on.
        value, expected = _value(printed, name), _value(written, name)
        assert value == pytest.approx(expected, rel=0.02), name


def _skeleton(line: str) -> str:
    """Return a line without its numbers, digests and places."""
    line = re.sub(r"^(pictures|run_id): .*", r"\1", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "#", line)
    return re.sub(r"\s+", " ", re.sub(r"\s-?[\d,.]+(?= |$)", " #", line))


def _line(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.split()[:1] == [name]]
    return found


def _value(lines: list[str], name: str) -> float:
    return float(_line(lines, name).split()[1].replace(",", ""))


def conll(shared: Path, home: Path, *overrides: str) -> dict:
    data = shared / "data"
    w2v(
        *("run", "ingest=conll_files", f"ingest.path={data / 'conll2003'}"),
        f"evaluate.similarity_files=[{data}/wordsim/*.txt]",
        f"evaluate.analogy_files=[{data}/questions-words.txt]",
        *("train.kernel=numpy", *overrides),
        home=home,
    )
    return shown(home)


@pytest.mark.slow
def test_conll_2003_gives_its_published_counts_and_coverage(shared, home):
    metrics = conll(shared, home, "train.epochs=1", "targets=[evaluate]")["metrics"]

    sentences = [metrics[f"corpus/{s}/sentences"] for s in ("train", "valid", "test")]
    assert sentences == [14_041, 3_250, 3_453]
    assert (metrics["vocab/tokens"], metrics["vocab/words"]) == (203_621, 21_009)
    # Covered pairs and questions, as the word lists' own description counts them.
    assert metrics["similarity/ws353_coverage"] == pytest.approx(217 / 353)
    assert metrics["analogy/google/coverage"] == pytest.approx(7_365 / 19_544)
    # (K + 1) log 2 before the first update.
    assert metrics["train/loss"] < 11 * 0.6931


@pytest.mark.slow
def test_conll_2003_runs_whole(shared, home):
    run = conll(shared, home, "train.epochs=2")

    assert run["status"] == "FINISHED"
    assert {Path(path).name for path in run["artifacts"]} >= PICTURES | MAPS
