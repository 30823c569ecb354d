"""Which cells a search tries."""

import math
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from sweeps import config_of

from pipeline.errors import ConfigError
from pipeline.sweep.config import is_maximized, read_sweep, resolved_objective
from pipeline.sweep.search import Tried, grid_cells, random_cell, tpe_cells
from pipeline.sweep.space import split_overrides


def axes_of(*texts: str):
    return split_overrides(texts, {})[0]


def test_a_grid_is_every_combination_the_last_key_changing_fastest():
    cells = grid_cells(axes_of("a=1,2", "b=x,y,z"))

    assert [cell.overrides for cell in cells] == [
        (f"a={a}", f"b={b}") for a in (1, 2) for b in "xyz"
    ]
    assert cells[5].plain == {"a": 2, "b": "z"}


def test_a_grid_of_nothing_is_one_cell():
    assert [cell.overrides for cell in grid_cells(())] == [()]


def test_a_grid_over_an_interval_is_refused():
    with pytest.raises(ConfigError, match=r"values that can be counted.*\+sweep=tpe"):
        grid_cells(axes_of("a=interval(0,1)"))


def test_a_grid_too_large_to_plan_is_refused():
    with pytest.raises(ConfigError, match="1,000,000 cells"):
        grid_cells(axes_of(*(f"k{i}=range(0,100)" for i in range(3))))


def test_random_cells_are_a_function_of_seed_and_index():
    axes = axes_of("a=interval(0,1)", "b=1,2,3")

    assert random_cell(axes, 1, 7) == random_cell(axes, 1, 7)
    assert random_cell(axes, 1, 7) != random_cell(axes, 1, 8)
    assert random_cell(axes, 1, 7) != random_cell(axes, 2, 7)


def test_random_cells_cover_their_space_evenly():
    axes = axes_of(
        "u=interval(2,4)",
        "l=tag(log,interval(0.001,1))",
        "i=int(interval(1,3))",
        "c=x,y",
    )
    cells = [random_cell(axes, 5, index).plain for index in range(2_000)]

    assert all(2 <= cell["u"] < 4 for cell in cells)
    # A mean of 2,000 uniform numbers has a spread of 0.0129 (2 wide) and of 0.022
    # in decades (3 wide): five of them.
    assert math.isclose(sum(c["u"] for c in cells) / 2_000, 3, abs_tol=0.065)
    decades = sum(math.log10(c["l"]) for c in cells) / 2_000
    assert math.isclose(decades, -1.5, abs_tol=0.1)
    for key, values in (("i", (1, 2, 3)), ("c", ("x", "y"))):
        for value in values:
            share = sum(cell[key] == value for cell in cells) / 2_000
            assert math.isclose(share, 1 / len(values), abs_tol=0.06)


def test_tpe_answers_the_same_to_the_same_history():
    axes = axes_of("a=interval(0,1)", "b=range(1,10)", "c=x,y,null")
    tried: list[Tried] = []
    for _ in range(4):
        first, again = (
            tpe_cells(axes, config_of(), tried, count=4, maximize=False)
            for _ in range(2)
        )
        assert first == again
        assert len({cell.overrides for cell in first}) > 1
        tried += [Tried(cell.plain, float(cell.plain["a"])) for cell in first]

    other = tpe_cells(axes, config_of(seed=2), tried, count=4, maximize=False)
    assert other != tpe_cells(axes, config_of(), tried, count=4, maximize=False)


@pytest.mark.parametrize("maximize", [False, True])
def test_tpe_finds_a_valley_that_random_search_misses(maximize):
    axes = axes_of("a=interval(0,1)", "b=interval(0,1)")
    sign = -1 if maximize else 1

    def score(plain) -> float:
        return sign * ((plain["a"] - 0.3) ** 2 + (plain["b"] - 0.8) ** 2)

    def best(cells) -> float:
        return min(sign * score(cell) for cell in cells)

    wins = 0
    for seed in range(5):
        tried: list[Tried] = []
        while len(tried) < 60:
            config = config_of(seed=seed)
            for cell in tpe_cells(axes, config, tried, count=4, maximize=maximize):
                tried.append(Tried(cell.plain, score(cell.plain)))
        random = [random_cell(axes, seed, index).plain for index in range(60)]
        wins += best(t.plain for t in tried) < best(random)
    assert wins >= 4


def test_tpe_passes_over_cells_that_failed():
    axes = axes_of("a=interval(0,1)")
    tried = [Tried({"a": i / 20}, None if i % 2 else i / 20) for i in range(20)]

    assert len(tpe_cells(axes, config_of(), tried, count=2, maximize=False)) == 2


def test_a_range_is_searched_on_its_steps():
    axes = axes_of("a=range(50,301,50)", "b=range(0.1,0.5,0.2)")
    cells = tpe_cells(axes, config_of(), [], count=20, maximize=False)

    assert {cell.plain["a"] for cell in cells} <= {50, 100, 150, 200, 250, 300}
    assert {round(cell.plain["b"], 9) for cell in cells} == {0.1, 0.3}


def test_the_objective_is_the_probe_where_there_is_one():
    assert resolved_objective("auto", [{"probe/f1": 0.5}]) == "probe/f1"
    assert resolved_objective("auto", [{"probe/f1": 0.5}, {}]) == "train/heldout_loss"
    assert resolved_objective("auto", []) == "train/heldout_loss"
    assert resolved_objective("category/purity", [{}]) == "category/purity"


@pytest.mark.parametrize(
    ("metric", "direction", "expected"),
    [
        ("train/heldout_loss", "auto", False),
        ("stage/train_seconds", "auto", False),
        ("category/purity", "auto", True),
        ("category/purity", "minimize", False),
        ("train/loss", "maximize", True),
    ],
)
def test_losses_and_times_are_minimized(metric, direction, expected):
    assert is_maximized(metric, direction) is expected


@pytest.mark.parametrize("name", ["default", "grid", "random", "tpe"])
def test_the_groups_of_conf_are_legal(name):
    folder = str(Path(__file__).resolve().parents[2] / "conf")
    with initialize_config_dir(folder, version_base="1.3"):
        composed = compose("config", [f"+sweep={name}"])

    config = read_sweep(OmegaConf.to_container(composed.sweep))

    assert config.search == {"default": "grid"}.get(name, name)
    assert (config.seeds, config.prune, config.name) == (1, "none", None)
    cells = grid_cells(split_overrides((), config.space)[0])
    assert len(cells) == (27 if name == "grid" else 1)
