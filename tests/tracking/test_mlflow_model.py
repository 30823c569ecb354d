"""The model that a run carries: what it answers, and that MLflow serves it."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.analogy import word_analogy
from pipeline.core.similarity import find_most_similar
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import save_vectors
from pipeline.tracking.mlflow_store import import_mlflow, ready_store

import_mlflow()  # in silence, before what follows imports it

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import LoggedModelStatus  # noqa: E402

from pipeline.tracking import mlflow_model  # noqa: E402
from pipeline.tracking.mlflow_model import log_model, save_model  # noqa: E402
from pipeline.tracking.served_model import Vectors  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ("paris", "france", "berlin", "germany", "rome", "of", "1990", "οδός")


def embeddings_of(center, words=WORDS, *, lowercase=True, digits="keep"):
    center = np.asarray(center, np.float32)
    normalization = Normalization(lowercase, digits)
    return Embeddings(tuple(words), center, center[:, :0], normalization)


def written(path, embeddings):
    save_vectors(path, embeddings)
    return path


@pytest.fixture
def vectors(tmp_path, rng):
    return written(
        tmp_path / "vectors.npz", embeddings_of(rng.normal(size=(len(WORDS), 4)))
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ready_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def client(store, tmp_path):
    return MlflowClient(store)


@pytest.fixture
def run_id(client, tmp_path):
    place = (tmp_path / "artifacts").as_uri()
    group = client.create_experiment(tmp_path.name, artifact_location=place)
    return client.create_run(group).info.run_id


def pairs(answers):
    return [(answer["word"], answer["score"]) for answer in answers]


# Whole numbers tie often, and zero rows have no direction.
@given(
    center=hnp.arrays(np.float32, (len(WORDS), 3), elements=st.integers(-2, 2)),
    asked=st.tuples(*[st.sampled_from(("Paris", "οδός", "GERMANY", "1990"))] * 3),
    top_k=st.integers(1, 12),
    digits=st.sampled_from(("keep", "zero")),
)
def test_it_answers_as_we_do(tmp_path_factory, center, asked, top_k, digits):
    words = [word if digits == "keep" else word.replace("199", "000") for word in WORDS]
    words = [
        word.replace("1990", "0000") if digits == "zero" else word for word in words
    ]
    ours = embeddings_of(center, words, digits=digits)
    path = tmp_path_factory.getbasetemp() / "served.npz"
    theirs = Vectors(written(path, ours))

    near = theirs.similar(asked[0], top_k)

    assert pairs(near) == find_most_similar(ours, asked[0], top_k=top_k)
    for method in ("add", "mul"):
        answers = theirs.analogy(*asked, top_k, method)
        expected = word_analogy(ours, *asked, top_k=top_k, method=method)
        assert [w for w, _ in pairs(answers)] == [w for w, _ in expected]
        # The same sums in another order: rounding of float64.
        np.testing.assert_allclose(
            [s for _, s in pairs(answers)], [s for _, s in expected], atol=1e-12
        )


def test_a_vocabulary_of_one_word_has_no_neighbors(tmp_path):
    path = written(tmp_path / "one.npz", embeddings_of([[1, 2]], ["a"]))

    assert Vectors(path).similar("a", 5) == []


def test_a_run_carries_one_model_however_often_it_is_logged(client, run_id, vectors):
    for _ in range(2):
        log_model(client, run_id, vectors, vectors.parent, None)

    (output,) = client.get_run(run_id).outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, model.source_run_id) == ("model", run_id)
    assert model.status == LoggedModelStatus.READY
    assert client.search_model_versions(f"run_id = '{run_id}'") == []


def test_a_model_that_was_cut_short_is_completed(client, run_id, vectors, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_model, "save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            log_model(client, run_id, vectors, vectors.parent, "cut-short")
    log_model(client, run_id, vectors, vectors.parent, "cut-short")

    (output,) = client.get_run(run_id).outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.status == LoggedModelStatus.READY


def test_it_is_registered_once_under_its_name(client, run_id, vectors):
    for _ in range(2):
        log_model(client, run_id, vectors, vectors.parent, "words-of-mine")

    (version,) = client.search_model_versions("name = 'words-of-mine'")
    assert (version.run_id, str(version.version)) == (run_id, "1")


def test_the_folder_holds_code_and_numbers_and_no_pickle(tmp_path, vectors):
    folder = saved(tmp_path / "model", vectors)

    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == {
        *("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"),
        *("served_model.py", "artifacts/vectors.npz"),
        *("input_example.json", "serving_input_example.json"),
    }
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in requirements] == ["mlflow", "numpy"]
    code = (folder / "served_model.py").read_text(encoding="utf-8")
    assert "import pipeline" not in code
    assert "from pipeline" not in code


def saved(folder, vectors):
    model = SimpleNamespace(artifact_location="s3://bucket/x", model_id="m-1")
    save_model(folder, vectors, model, "ab" * 16, vectors.parent)
    return folder


# MLflow uses ways of pandas that are to change.
old_ways = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@old_ways
def test_the_folder_is_the_one_that_mlflow_would_write(tmp_path, vectors):
    import mlflow.pyfunc
    import yaml
    from mlflow.models import Model
    from pandas import DataFrame

    ours = saved(tmp_path / "ours", vectors)
    described, theirs = Model.load(str(ours)), tmp_path / "theirs"
    example = json.loads((ours / "input_example.json").read_text())
    mlflow.pyfunc.save_model(
        str(theirs),
        python_model=str(mlflow_model._SCRIPT),
        artifacts={"vectors": str(vectors)},
        signature=described.signature,
        input_example=DataFrame(**example, dtype=object),
        mlflow_model=Model(
            "s3://bucket/x", run_id="ab" * 16, model_uuid="m-1", model_id="m-1"
        ),
        pip_requirements=(ours / "requirements.txt").read_text().splitlines(),
    )

    files = {p.relative_to(theirs) for p in theirs.rglob("*") if p.is_file()}
    assert {p.relative_to(ours) for p in ours.rglob("*") if p.is_file()} == files
    for name in ("requirements.txt", "artifacts/vectors.npz", "served_model.py"):
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    for name in ("input_example.json", "serving_input_example.json"):
        one, other = (json.loads((f / name).read_text()) for f in (ours, theirs))
        assert one == other
    one, other = (yaml.safe_load((f / "MLmodel").read_text()) for f in (ours, theirs))
    for model in (one, other):
        del model["utc_time_created"], model["model_size_bytes"]
        flavor = model["flavors"]["python_function"]
        # Where the files were before, and what only a pickle asks for.
        flavor.pop("cloudpickle_version", None), flavor.pop("code", None)
        flavor["model_code_path"] = Path(flavor["model_code_path"]).name
        flavor["artifacts"]["vectors"].pop("uri")
    assert one == other


def loaded(folder):
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder))


@old_ways
def test_it_has_a_signature_and_an_example_that_it_answers(tmp_path, vectors):
    model = loaded(saved(tmp_path / "model", vectors))

    signature = model.metadata.signature
    assert signature.inputs.input_names() == ["word", "a", "b", "c"]
    assert signature.outputs.input_names() == ["answers", "error"]
    assert {p.name: p.default for p in signature.params.params} == {
        "top_k": 10,
        "method": "add",
    }
    example = model.input_example
    assert len(example) == 2
    for answer in model.predict(example):
        assert answer["answers"]
        assert "error" not in answer


@old_ways
def test_each_row_that_cannot_be_answered_says_why(tmp_path, vectors):
    from pandas import DataFrame

    model = loaded(saved(tmp_path / "model", vectors))
    rows = [
        {"word": "Paris"},
        {"word": "pariss"},
        {"a": "paris", "b": "france"},
        {"word": "paris", "a": "paris", "b": "france", "c": "rome"},
        {},
    ]

    first, *others = model.predict(DataFrame(rows), params={"top_k": 1})
    (wrong,) = model.predict(DataFrame(rows[:1]), params={"method": "max"})

    assert len(first["answers"]) == 1
    assert [other["error"] for other in others] == [
        "word 'pariss' is not in the vocabulary",
        "expected either word, or a, b and c, found a, b",
        "expected either word, or a, b and c, found word, a, b, c",
        "expected either word, or a, b and c, found none of them",
    ]
    assert "method add or mul, found 10 and 'max'" in wrong["error"]
    assert all(answer["answers"] == [] for answer in (*others, wrong))


def test_hostile_words_make_an_example_too(tmp_path):
    words = ["x" * 10**6, "nul\0", "</script>", "\u2028", '"']
    path = written(tmp_path / "v.npz", embeddings_of(np.eye(5), words))

    folder = saved(tmp_path / "model", path)

    example = json.loads((folder / "input_example.json").read_text(encoding="utf-8"))
    assert example["data"][0][0] == "nul\0"


@pytest.mark.slow
def test_mlflow_serves_it(tmp_path):
    home = tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["W2V_HOME"] = str(home)
    subprocess.run(
        (
            *(sys.executable, "-m", "pipeline", "run", "experiment=smoke"),
            *("targets=[train]", "tracking.register_as=words"),
        ),
        check=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{home}/mlflow.db"
    from pipeline.records import load_record

    run_id = load_record(home, "last").run_id
    rows = [
        {"word": "Germany"},
        {"a": "France", "b": "Paris", "c": "Germany"},
        {"word": "nope"},
    ]
    body = {"dataframe_records": rows, "params": {"top_k": 3}}
    for address in (f"runs:/{run_id}/model", "models:/words/1"):
        with servers.mlflow(
            ("models", "serve", "-m", address, "--env-manager", "local"),
            servers.free_port(),
            ready="/ping",
            folder=tmp_path,  # where there is no `pipeline` to import
            environment=environment,
        ) as url:
            answers = post(f"{url}/invocations", body)["predictions"]

        import pipeline

        ours = pipeline.load(run_id, home)
        asked = ("France", "Paris", "Germany")
        expected = (
            find_most_similar(ours, "Germany", top_k=3),
            word_analogy(ours, *asked, top_k=3),
        )
        for answer, best in zip(answers, expected, strict=False):
            found = pairs(answer["answers"])
            assert [word for word, _ in found] == [word for word, _ in best]
            assert [s for _, s in found] == pytest.approx([s for _, s in best])
        assert answers[2] == {
            "answers": [],
            "error": "word 'nope' is not in the vocabulary",
        }


def post(url, body):
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
