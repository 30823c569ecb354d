"""Which cells a sweep tries: all of them, some drawn at random, or Optuna's choice.

Each is a function of the space, the search's seed and what came before: a sweep that
was killed asks again and is given the same cells.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.randomness import generator
from pipeline.errors import ConfigError
from pipeline.sweep.config import SweepConfig
from pipeline.sweep.space import Axis, Plain, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_LARGEST_GRID = 100_000


@dataclass(frozen=True)
class Cell:
    """One combination of values.

    Attributes:
        overrides: What sets them.
        plain: Key -> value, as a table has it.
    """

    overrides: tuple[str, ...]
    plain: Mapping[str, Plain]


@dataclass(frozen=True)
class Tried:
    """A cell that was tried.

    Attributes:
        plain: Its values.
        score: The objective's mean over its seeds; None where all of them failed.
    """

    plain: Mapping[str, Plain]
    score: float | None


def grid_cells(axes: Sequence[Axis]) -> list[Cell]:
    """Return every combination; the last axis changes fastest.

    Raises:
        ConfigError: if an axis is an interval, or there are too many.
    """
    for axis in axes:
        if not axis.values:
            raise ConfigError(
                f"{axis.key}={axis.text}: a grid needs values that can be counted. "
                "Name them, or search with +sweep=random or +sweep=tpe"
            )
    size = math.prod(len(axis.values) for axis in axes)
    if size > _LARGEST_GRID:
        raise ConfigError(
            f"the grid has {size:,} cells: expected at most {_LARGEST_GRID:,}. Name "
            "fewer values, or search with +sweep=random or +sweep=tpe"
        )
    choices = itertools.product(*(axis.values for axis in axes))
    return [_cell(axes, values) for values in choices]


def random_cell(axes: Sequence[Axis], seed: int, index: int) -> Cell:
    """Return the cell with this index of an endless random sequence."""
    rng = generator(seed, "sweep", index)
    return _cell(axes, [_draw(axis, rng.random()) for axis in axes])


def tpe_cells(
    axes: Sequence[Axis],
    config: SweepConfig,
    tried: Sequence[Tried],
    *,
    count: int,
    maximize: bool,
) -> list[Cell]:
    """Ask Optuna's tree-structured Parzen estimator for the next cells.

    A study in memory is told of all that was tried, and asked by a sampler whose
    seed is made of the search's and of the number tried: the answer does not hang
    on what this process asked before.

    Args:
        axes: The space.
        config: The search's seed is taken from it.
        tried: All cells before, in their order.
        count: How many to return.
        maximize: Whether a higher score is better.

    Source: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization".
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {axis.name: _distribution(axis) for axis in axes}
    seed = int(generator(config.seed, "sweep", "tpe", len(tried)).integers(2**32))
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(
        sampler=sampler, direction="maximize" if maximize else "minimize"
    )
    state = optuna.trial.TrialState
    for cell in tried:
        study.add_trial(
            optuna.trial.create_trial(
                params={a.name: _told(a, cell.plain[a.name]) for a in axes},
                distributions=space,
                value=cell.score,
                state=state.FAIL if cell.score is None else state.COMPLETE,
            )
        )
    asked = [study.ask(space) for _ in range(count)]
    return [
        _cell(axes, [_answer(axis, trial.params[axis.name]) for axis in axes])
        for trial in asked
    ]


def _cell(axes: Sequence[Axis], values: Sequence[Value]) -> Cell:
    pairs = list(zip(axes, values, strict=True))
    return Cell(
        overrides=tuple(f"{axis.key}={value.text}" for axis, value in pairs),
        plain={axis.name: value.plain for axis, value in pairs},
    )


def _draw(axis: Axis, uniform: float) -> Value:
    """Return the value at a point of 0..1, 1 itself left out."""
    if axis.values:
        return axis.values[int(uniform * len(axis.values))]
    low, high = _bounds(axis)
    if axis.log:
        number = math.exp(math.log(low) + uniform * (math.log(high) - math.log(low)))
        return _number(axis, min(max(number, low), high))
    if axis.whole:
        return _number(axis, low + math.floor(uniform * (high - low + 1)))
    return _number(axis, low + uniform * (high - low))


def _bounds(axis: Axis) -> tuple[float, float]:
    if axis.low is None or axis.high is None:
        raise ConfigError(f"{axis.key}={axis.text}: expected numbers")
    return axis.low, axis.high


def _number(axis: Axis, number: float) -> Value:
    plain = round(number) if axis.whole else float(number)
    return Value(repr(plain), plain)


def _distribution(axis: Axis) -> "BaseDistribution":
    """Return what Optuna searches: of a range, the number of the step."""
    from optuna import distributions as d

    if axis.is_range:
        return d.IntDistribution(0, len(axis.values) - 1)
    if axis.values:
        return d.CategoricalDistribution([value.text for value in axis.values])
    low, high = _bounds(axis)
    if axis.whole:
        return d.IntDistribution(round(low), round(high), log=axis.log)
    return d.FloatDistribution(low, high, log=axis.log)


def _told(axis: Axis, plain: Plain) -> object:
    """Return a cell's value as the distribution has it."""
    if not axis.values:
        return plain
    step = next(i for i, value in enumerate(axis.values) if value.plain == plain)
    return step if axis.is_range else axis.values[step].text


def _answer(axis: Axis, param: Any) -> Value:
    if axis.is_range:
        return axis.values[int(param)]
    if axis.values:
        return next(value for value in axis.values if value.text == param)
    return _number(axis, param)
