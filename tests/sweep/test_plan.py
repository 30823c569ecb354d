"""Which trials a ledger is given."""

from dataclasses import replace

import pytest
from sweeps import config_of

from pipeline.errors import ConfigError
from pipeline.sweep.ledger import Ledger, SweepRecord
from pipeline.sweep.plan import (
    Planner,
    check_same_base,
    default_name,
    identity,
    longest_first,
    read_space,
)
from pipeline.sweep.space import split_overrides

BASE = {
    "home": "/x",
    "seed": 1,
    "train": {"dim": 100, "window": 5, "threads": 1, "epochs": 15},
    "tracking": {"backend": "off"},
}


def composed(overrides) -> dict:
    """Return what overrides make of a base, as Hydra would."""
    values = {**BASE, "train": dict(BASE["train"])}
    for override in overrides:
        key, _, text = override.partition("=")
        *parents, last = key.split(".")
        node = values[parents[0]] if parents else values
        node[last] = int(text)
    return values


def planner(ledger: Ledger, *texts: str, **changes) -> Planner:
    config = config_of(**{"search": "grid", **changes})
    axes, _ = split_overrides(texts, {})
    return Planner(ledger, read_space(axes, config, 1), config, composed)


def plan(ledger: Ledger, *texts: str, **changes):
    found = planner(ledger, *texts, **changes)
    return [trial for batch in found.batches for trial in found.plan(batch)]


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path, "grid")


def cells(trials) -> list[tuple]:
    return [(t.number, *t.cell.values(), t.seed) for t in trials]


def test_a_grid_is_planned_cell_by_cell_with_the_seeds_inside(ledger):
    trials = plan(ledger, "train.dim=1,2", seeds=2)

    assert cells(trials) == [(0, 1, 1), (1, 1, 2), (2, 2, 1), (3, 2, 2)]
    assert [trial.index for trial in trials] == [0, 0, 1, 1]
    assert trials[3].config == composed(["train.dim=2", "seed=2"])


def test_the_longest_trainings_are_launched_first(ledger):
    trials = plan(ledger, "train.dim=4,8,6", "train.window=1,3")

    order = [
        (t.cell["train.dim"], t.cell["train.window"]) for t in longest_first(trials)
    ]
    assert order == [(8, 3), (6, 3), (4, 3), (8, 1), (6, 1), (4, 1)]


def test_trials_have_the_time_budget_of_the_last_command(ledger):
    axes, _ = split_overrides(["train.dim=1,2"], {})
    config = config_of(search="grid")
    space = read_space(axes, config, 1)

    def planned(budget):
        def compose(overrides):
            values = composed(overrides)
            return {**values, "train": {**values["train"], "time_budget": budget}}

        return Planner(ledger, space, config, compose).plan(range(2))

    first = planned(60)
    ledger.save_trial(replace(first[0], outcome="finished"))
    trials = planned(None)

    assert [t.config["train"]["time_budget"] for t in trials] == [60, None]
    assert trials == ledger.trials()


def test_swept_seeds_are_the_seeds_of_each_cell(ledger):
    trials = plan(ledger, "train.dim=1,2", "seed=7,3")

    assert cells(trials) == [(0, 1, 7), (1, 1, 3), (2, 2, 7), (3, 2, 3)]


def test_planning_again_adds_nothing(ledger):
    first = plan(ledger, "train.dim=1,2", "train.window=3,4")

    assert plan(ledger, "train.dim=1,2", "train.window=3,4") == first
    assert ledger.trials() == first


def test_a_larger_grid_keeps_numbers_whatever_its_order(ledger):
    plan(ledger, "train.dim=2,3")

    trials = plan(ledger, "train.dim=1,2,3,4", seeds=2)

    assert cells(trials) == [
        *((2, 1, 1), (3, 1, 2), (0, 2, 1), (4, 2, 2)),
        *((1, 3, 1), (5, 3, 2), (6, 4, 1), (7, 4, 2)),
    ]
    assert {t.cell["train.dim"]: t.index for t in trials} == {1: 2, 2: 0, 3: 1, 4: 3}


def test_a_cell_of_another_axis_is_the_same_where_its_values_are(ledger):
    first = plan(ledger, "train.dim=1,2")

    trials = plan(ledger, "train.dim=1,2", "train.window=5,6")

    assert [trial.number for trial in trials] == [0, 2, 1, 3]
    assert [trials[0], trials[2]] == first


def test_threads_and_places_tell_no_trials_apart_unless_they_are_swept():
    faster = {**BASE, "home": "/y", "train": {**BASE["train"], "threads": 8}}

    assert identity(BASE, ["seed"]) == identity(faster, ["seed"])
    assert identity(BASE, ["train.threads"]) != identity(faster, ["train.threads"])
    assert identity(BASE, []) != identity({**BASE, "seed": 2}, [])


def test_a_random_search_is_enlarged_by_more_trials(ledger):
    space = ("train.dim=range(1,1000)",)
    first = plan(ledger, *space, search="random", trials=3)

    assert plan(ledger, *space, search="random", trials=5)[:3] == first
    assert len(ledger.trials()) == 5


def test_searches_that_learn_go_in_batches_and_others_at_once(ledger):
    space = ("train.dim=range(1,12)",)

    assert planner(ledger, *space).batches == [range(11)]
    pruned = planner(ledger, *space, prune="median", batch=4)
    assert pruned.batches == [range(4), range(4, 8), range(8, 11)]
    tpe = planner(ledger, *space, search="tpe", trials=5, batch=2)
    assert tpe.batches == [range(2), range(2, 4), range(4, 5)]


def test_a_batch_that_a_kill_cut_short_is_filled_as_it_was(ledger, tmp_path):
    space = ("train.dim=range(1,1000)",)
    settings = {"search": "tpe", "trials": 8}
    whole = plan(ledger, *space, **settings)

    other = Ledger(tmp_path, "other")
    for trial in whole[:6]:
        other.save_trial(trial)
    assert plan(other, *space, **settings) == whole


def named(*texts: str, **changes) -> str:
    axes, fixed = split_overrides(texts, {})
    return default_name(axes, fixed, config_of(search="grid", **changes))


def test_a_name_is_made_of_the_space():
    name = named("train.dim=1,2", "train.window=3,4", "train.epochs=2")

    assert name.startswith("dim-window-")
    assert name == named("train.dim=1,2", "train.window=3,4", "train.epochs=2", seeds=3)
    assert name == named(
        "home=/x", "train.dim=1,2", "train.window=3,4", "train.epochs=2"
    )
    budget = "train.time_budget=60"
    assert named("train.dim=1,2", budget) == named("train.dim=1,2")
    assert name != named("train.dim=1,3", "train.window=3,4", "train.epochs=2")
    assert name != named("train.dim=1,2", "train.window=3,4", "train.epochs=3")


def test_what_changed_beside_the_space_is_named():
    record = SweepRecord(
        *("grid", "", {}, (), config_of(), BASE, {}, {}, {}, None, None)
    )
    changed = {**BASE, "home": "/y", "train": {**BASE["train"], "epochs": 3, "dim": 7}}

    check_same_base(record, {**BASE, "seed": 9}, ["train.dim"])
    with pytest.raises(ConfigError, match=r"train\.epochs was 15, is 3\. Bring"):
        check_same_base(record, changed, ["train.dim"])
    check_same_base(record, changed, ["train"])
    check_same_base(record, changed, ["experiment"])


@pytest.mark.parametrize(("key", "said"), [("window", True), ("dim", False)])
def test_a_search_by_losses_that_cannot_be_compared_is_told_of(
    ledger, caplog, key, said
):
    tpe = planner(ledger, f"train.{key}=2,5,10", search="tpe", trials=6, batch=2)
    for batch in tpe.batches:
        for trial in tpe.plan(batch):
            loss = {"train/heldout_loss": float(trial.number)}
            ledger.save_trial(replace(trial, outcome="finished", metrics=loss))

    # Once, not with every batch.
    assert caplog.text.count("another quantity at each value of train.window") == said
