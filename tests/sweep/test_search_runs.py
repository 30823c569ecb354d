"""Searches that learn, and trials that are pruned, on the running program."""

import json
import shutil

import pytest
from sweeps import SMALL, alike, trials_of, w2v

TPE = (
    *("run", "-m", *SMALL, "+sweep=tpe", "sweep.name=tpe"),
    *("train.dim=range(4,17,4)", "train.lr=tag(log,interval(0.005,0.1))"),
    *("sweep.batch=2", "sweep.prune=median", "sweep.prune_after=1"),
    *("sweep.prune_startup=2", "train.epochs=4"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    home = tmp_path_factory.mktemp("tpe") / "home"
    w2v(home, *TPE, "sweep.trials=8")
    return home


@pytest.mark.slow
def test_tpe_goes_on_as_if_nothing_had_stopped_it(whole, tmp_path):
    home = tmp_path / "home"
    w2v(home, *TPE, "sweep.trials=3")
    first = trials_of(home, "tpe")
    assert len(first) == 3
    shutil.rmtree(home / "cache")
    w2v(home, *TPE, "sweep.trials=8")

    trials = trials_of(home, "tpe")
    assert trials[:3] == first
    assert list(map(alike, trials)) == list(map(alike, trials_of(whole, "tpe")))


@pytest.mark.slow
def test_hopeless_trials_are_recorded_as_pruned(whole):
    trials = trials_of(whole, "tpe")
    pruned = [trial for trial in trials if trial["outcome"] == "pruned"]

    assert pruned
    for trial in pruned:
        losses = trial["history"]["train/heldout_loss"]
        assert 2 <= len(losses) < 4
        assert f"pruned after epoch {len(losses)}" in trial["error"]
        record = whole / "runs" / trial["run_id"] / "run.json"
        assert json.loads(record.read_text())["status"] == "KILLED"
        # Not among those that were known when its batch began.
        first = trial["index"] - trial["index"] % 2
        others = [
            t["history"]["train/heldout_loss"] for t in trials if t["index"] < first
        ]
        at = sorted(o[len(losses) - 1] for o in others if len(o) >= len(losses))
        assert min(losses) > at[(len(at) - 1) // 2]
    out = w2v(whole, "sweep", "show", "tpe").stdout
    assert f"{8 - len(pruned)} finished, {len(pruned)} pruned" in out


@pytest.mark.slow
def test_an_objective_that_no_trial_has_is_refused(tmp_path):
    arguments = (*TPE, "sweep.trials=4", "sweep.objective=nope/f1")

    done = w2v(tmp_path, *arguments, code=1)

    assert "sweep.objective=nope/f1: no trial has such a metric" in done.stderr
    assert "train/heldout_loss" in done.stderr


@pytest.mark.slow
def test_the_best_trial_gets_its_pictures(tmp_path):
    settings = (
        *("experiment=smoke", "ingest.sentences=200", "tracking=off"),
        *("visualize.projections=[]", "hydra/launcher=basic"),
    )
    w2v(tmp_path, "run", "-m", *settings, "train.dim=8,12", "sweep.name=grid")

    best = json.loads(w2v(tmp_path, "sweep", "best", "grid", "--json").stdout)
    trials = trials_of(tmp_path, "grid")
    # The smoke preset's corpus has entity tags, so that the probe judges.
    scores = [trial["metrics"]["probe/f1"] for trial in trials]
    assert best["objective"] == "probe/f1"
    assert best["trial"] == scores.index(max(scores))
    assert best["mean"] == max(scores)
    for trial in trials:
        assert "visualize" not in trial["digests"]
    record = json.loads(w2v(tmp_path, "show", best["run_id"], "--json").stdout)
    assert any("figures/" in path for path in record["artifacts"])
    assert [s["cached"] for s in record["stages"].values()] == [True] * 5 + [False]
