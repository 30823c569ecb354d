"""Trials that their time budget stops are gone on with, as a run is."""

import pytest
from sweeps import SMALL, alike, trials_of, w2v

GRID = (
    *("run", "-m", *SMALL, "train.kernel=numpy", "train.epochs=2", "train.dim=4,6"),
    "targets=[train]",
)


@pytest.mark.slow
def test_the_same_command_goes_on_to_the_same_bits(tmp_path):
    whole, home = tmp_path / "whole", tmp_path / "home"
    w2v(whole, *GRID)
    (name,) = (path.name for path in (whole / "sweeps").iterdir())

    budget = "train.time_budget=1e-9"  # it is no part of what a sweep is
    first = w2v(home, *GRID, budget, code=75)
    stopped = trials_of(home, name)
    w2v(home, *GRID, budget)
    ended = trials_of(home, name)

    assert f"2 of 2 trials of sweep {name} stopped at train.time_budget" in first.stdout
    assert [trial["outcome"] for trial in stopped] == ["stopped", "stopped"]
    assert "stopped after epoch 1 of 2" in stopped[0]["error"]
    assert list(map(alike, ended)) == list(map(alike, trials_of(whole, name)))
    # Each in the run that it began in.
    assert [t["run_id"] for t in ended] == [t["run_id"] for t in stopped]
