"""experiments/recommended/neighbors.py measures what its header says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.similarity import unit_vectors
from pipeline.core.types import EncodedCorpus, EncodedSplit

PATH = Path(__file__).resolve().parent.parent / "experiments/recommended/neighbors.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("neighbors_experiment", PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_neighbors_stood_beside_a_word_within_the_window_only(script):
    # Sentences 0 1 2 3 and 3 0; word 4 is nowhere, and -1 is no word.
    split = EncodedSplit(
        np.array([0, 1, -1, 2, 3, 3, 0], np.int32), np.array([0, 5, 7])
    )
    other = EncodedSplit(np.array([0, 4], np.int32), np.array([0, 2]))
    encoded = EncodedCorpus({"train": split, "valid": other}, ("train",))
    groups = {"a": np.array([0, 2], np.int32)}
    near = {"a": np.array([[1, 2, 3, 4], [0, 1, 3, 4]])}

    found = script.beside(near, groups, encoded, 2)

    # 0: 1 within two, 2 is three away, 3 in the second sentence; 2: 1 two away, 3.
    assert found["a"].tolist() == [
        [True, False, True, False],
        [False, True, True, False],
    ]
    assert script.mean_share(found) == 0.5


def test_neighbors_are_the_nearest_of_those_allowed(script, rng):
    unit = unit_vectors(rng.normal(size=(40, 5)).astype(np.float32))
    groups = {"a": np.arange(0, 12, dtype=np.int32), "b": np.array([20, 30], np.int32)}
    among = np.arange(40) % 2 == 0

    found = script.neighbors(unit, groups, among)

    assert found["a"].shape == (12, 10)
    assert found["b"].shape == (2, 1)
    for group, ids in groups.items():
        for word, row in zip(ids, found[group], strict=True):
            allowed = [i for i in range(40) if among[i] and i != word]
            ranked = sorted(allowed, key=lambda i: -float(unit[word] @ unit[i]))
            assert row.tolist() == ranked[: len(row)]
    inside = [np.isin(found[g], ids).mean(axis=1) for g, ids in groups.items()]
    assert script.precision(found, groups) == np.concatenate(inside).mean()


def test_a_run_gives_a_row_that_agrees_with_its_scores(
    make_run, script, tmp_path, capsys, monkeypatch
):
    record = make_run(
        tmp_path,
        *("experiment=smoke", "tracking=off", "targets=[evaluate]"),
        *("train.kernel=numpy", "train.epochs=1", "evaluate.builtin_analogies=false"),
    )
    arguments = ["neighbors.py", "last", "--home", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)

    script.main()

    _, row = capsys.readouterr().out.splitlines()
    assert row.startswith("lr 0.025 epochs 1 window 5 subsample 0.0 init word2vec ")
    numbers = [float(text) for text in row[script.WIDTH :].split()]
    assert len(numbers) == 8
    expected = record.metrics["category/precision_at_10"]
    assert numbers[0] == pytest.approx(expected, abs=0.0006)  # printed with 3 digits
    assert numbers[5] == pytest.approx(
        record.metrics["geometry/mean_cosine"], abs=0.006
    )
