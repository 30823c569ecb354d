"""What the experiments promise: their results are of their configurations."""

import importlib.util
import itertools
import json
import math
from pathlib import Path

import pytest
import yaml
from sweeps import trials_of, w2v

FOLDER = Path(__file__).resolve().parent.parent / "experiments"
SWEEP = FOLDER / "sweep_dim_window_negatives"


@pytest.fixture(scope="module")
def expected():
    """The script that compares, which holds what is expected."""
    spec = importlib.util.spec_from_file_location("expected", SWEEP / "expected.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scores(expected):
    return json.loads(expected.FILE.read_text())


def test_the_expected_cells_are_those_of_the_configuration(expected, scores):
    own = yaml.safe_load((SWEEP / "sweep" / "dim_window_negatives.yaml").read_text())
    grid = yaml.safe_load((FOLDER.parent / "conf" / "sweep" / "grid.yaml").read_text())
    space = [[int(v) for v in grid["space"][key].split(",")] for key in expected.KEYS]

    cells = [tuple(cell[key] for key in expected.KEYS) for cell in scores["cells"]]
    assert cells == sorted(itertools.product(*space))
    assert set(grid["space"]) == set(expected.KEYS)
    assert scores["seeds"] == list(range(1, 1 + own["seeds"]))
    assert own["objective"] == expected.METRICS[0]
    for cell in scores["cells"]:
        assert set(cell) == {*expected.KEYS, *expected.METRICS}
        for metric in expected.METRICS:
            assert len(cell[metric]) == own["seeds"]
            assert all(math.isfinite(v) and -1 <= v <= 1 for v in cell[metric])
            assert len(set(cell[metric])) > 1  # seeds are not copies of one another


def test_the_readme_holds_the_expected_table(expected, scores):
    assert expected.table(scores) in (SWEEP / "README.md").read_text()


def test_what_differs_is_named(expected, scores):
    other = json.loads(json.dumps(scores))
    assert expected.compare(other, scores) == []
    other["cells"][3]["probe/f1"][1] += 0.03
    (difference,) = expected.compare(other, scores)
    assert difference.startswith("train.dim=50, train.window=5, train.negatives=5: ")
    assert expected.largest(other, scores) == pytest.approx(0.03)
    del other["cells"][3]
    assert "cells: expected 27, found 26; [(50, 5, 5)]" in expected.compare(
        other, scores
    )


@pytest.mark.slow
def test_a_cell_comes_out_as_expected(expected, scores, shared, tmp_path):
    words = shared / "data" / "wordsim" / "EN-WS-353-ALL.txt"
    w2v(
        tmp_path,
        *("run", "-m", "--config-dir", str(SWEEP), "+sweep=dim_window_negatives"),
        *("ingest=conll_files", f"ingest.path={shared / 'data' / 'conll2003'}"),
        *(f"evaluate.similarity_files=[{words}]", "tracking=off", "sweep.seeds=1"),
        *("train.dim=50", "train.window=2", "train.negatives=5", "sweep.space={}"),
        *("targets=[evaluate]", "hydra/launcher=basic"),
    )

    (trial,) = trials_of(tmp_path, "dim_window_negatives")
    was = scores["cells"][0]
    for metric in expected.METRICS:
        # As `w2v rerun` allows on another processor or with other libraries.
        assert abs(trial["metrics"][metric] - was[metric][0]) <= expected.TOLERANCE
