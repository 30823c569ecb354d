"""A sweep is gone on with: nothing is run twice, and it ends with the same bits."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from sweeps import SMALL, alike, start, trials_of, w2v

GRID = ("run", "-m", *SMALL, "sweep.name=grid", "train.dim=8,12", "train.window=2,3")


def ended(home: Path) -> list[dict]:
    try:
        return [t for t in trials_of(home, "grid") if t["outcome"] == "finished"]
    except ValueError:
        return []


def killed_after(home: Path, done: int, *arguments: str, delay: float) -> None:
    """Start a sweep, and kill all its processes once some trials have ended."""
    process = start(home, *arguments)
    deadline = time.monotonic() + 200
    while process.poll() is None and len(ended(home)) < done:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL


@pytest.fixture(scope="module")
def gone_on_with(tmp_path_factory) -> tuple[Path, list[dict]]:
    """A home with a sweep that was killed and repeated; what stood at the kill."""
    home = tmp_path_factory.mktemp("whole") / "home"
    killed_after(home, 1, *GRID, delay=0.05)
    standing = ended(home)
    w2v(home, *GRID)
    return home, standing


@pytest.fixture(scope="module")
def whole(gone_on_with) -> Path:
    """The home of that sweep."""
    return gone_on_with[0]


@pytest.fixture
def home(whole, tmp_path) -> Path:
    """A copy of it, to go on with."""
    return Path(shutil.copytree(whole, tmp_path / "home"))


def test_a_cell_is_a_run_and_all_is_in_the_ledger(whole):
    trials = trials_of(whole, "grid")

    assert [trial["cell"] for trial in trials] == [
        {"train.dim": dim, "train.window": window}
        for dim in (8, 12)
        for window in (2, 3)
    ]
    for number, trial in enumerate(trials):
        record = json.loads((whole / "runs" / trial["run_id"] / "run.json").read_text())
        assert trial["number"] == trial["index"] == number
        assert trial["outcome"] == "finished"
        assert trial["metrics"] == record["metrics"]
        assert record["config"] == trial["config"]
        assert record["config"]["train"]["dim"] == trial["cell"]["train.dim"]
        assert "sweep" not in record["config"]
        for name in ("ingest", "vocab", "train"):
            assert trial["digests"][name] == record["stages"][name]["digest"]
        history = trial["history"]["train/heldout_loss"]
        assert len(history) == 2
        assert history[-1] == trial["metrics"]["train/heldout_loss"]
    # Computed once for all of them.
    for stage in ("ingest", "vocab"):
        states = [
            json.loads(path.read_text())["stages"][stage]["cached"]
            for path in whole.glob("runs/*/run.json")
        ]
        assert sorted(states) == [False, True, True, True]


def test_the_same_command_runs_nothing_again(whole):
    before = trials_of(whole, "grid")

    out = w2v(whole, *GRID).stdout

    assert trials_of(whole, "grid") == before
    assert len(list(whole.glob("runs/*/run.json"))) == 4
    assert "trial " not in out
    assert out.splitlines()[-1] == "sweep: grid"


@pytest.mark.slow
def test_a_larger_grid_adds_cells_and_touches_none_that_stands(home):
    before = trials_of(home, "grid")

    w2v(home, *GRID[:-2], "train.dim=10,8,12", "train.window=2,3", "sweep.seeds=2")

    after = trials_of(home, "grid")
    assert after[:4] == before
    assert len(after) == 12
    assert {
        (t["cell"]["train.dim"], t["cell"]["train.window"], t["seed"]) for t in after
    }
    cells = {(t["index"], *t["cell"].values()) for t in after}
    assert len(cells) == 6  # a cell keeps its index with each of its seeds
    assert len(list(home.glob("runs/*/run.json"))) == 12


@pytest.mark.slow
def test_only_what_failed_is_run_again(home):
    path = home / "sweeps" / "grid" / "trials" / "000002.json"
    trial = json.loads(path.read_text())
    path.write_text(json.dumps(trial | {"outcome": "failed", "error": "no space"}))
    before = trials_of(home, "grid")

    out = w2v(home, *GRID).stdout

    after = trials_of(home, "grid")
    assert [line[:7] for line in out.splitlines() if "trial" in line] == ["trial 2"]
    assert [a == b for a, b in zip(before, after, strict=True)] == [1, 1, 0, 1]
    assert alike(after[2]) == alike(trial)


def refused(*arguments: str, said: str):
    return pytest.param(arguments, said, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train.epochs=3",), r"train\.epochs was 2, is 3"),
        refused(
            "sweep.objective=train/loss",
            said=r"sweep\.objective was auto, is train/loss",
        ),
        refused("train.dim=8,0", said=r"train\.dim: expected greater"),
        refused("train.dim=interval(1,2)", said="values that can be counted"),
        refused("sweep.name=../grid", said=r"sweep\.name"),
        refused("sweep.sedes=2", said=r"sweep\.sedes"),
        refused("seed=1,2", "sweep.seeds=2", said="give one of them"),
    ],
)
def test_another_sweep_of_the_same_name_is_refused(whole, arguments, said):
    before = trials_of(whole, "grid")

    done = w2v(whole, *GRID, *arguments, code=2)

    assert trials_of(whole, "grid") == before
    assert re.search(said, done.stderr)


def test_a_sweep_without_m_is_refused(tmp_path):
    done = w2v(tmp_path, "run", "+sweep=grid", code=2)

    assert "run with -m" in done.stderr


@pytest.mark.slow
def test_a_failing_trial_is_recorded_and_stops_no_other(tmp_path):
    arguments = ("train.dim=8,12", "train.lr=1e30,0.025", "sweep.name=grid")

    done = w2v(tmp_path, "run", "-m", *SMALL, *arguments, code=1)

    trials = trials_of(tmp_path, "grid")
    outcomes = [trial["outcome"] for trial in trials]
    assert outcomes == ["failed", "finished", "failed", "finished"]
    assert "train.lr=1e+30: training diverged" in trials[0]["error"]
    assert "2 of 4 trials failed, such as 0: ConfigError" in done.stderr


def test_a_sweep_killed_in_the_middle_reruns_none_that_stands(gone_on_with):
    home, standing = gone_on_with

    assert 1 <= len(standing) < 4
    assert trials_of(home, "grid")[: len(standing)] == standing
    records = [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]
    assert {record["status"] for record in records} == {"FINISHED"}
    assert len(records) == 4


@pytest.mark.slow
def test_a_sweep_killed_in_the_middle_ends_with_the_same_bits(whole, tmp_path):
    w2v(tmp_path, *GRID)

    uninterrupted = trials_of(tmp_path, "grid")
    assert list(map(alike, trials_of(whole, "grid"))) == list(map(alike, uninterrupted))
