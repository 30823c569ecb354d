"""What each hyperparameter does by itself: marginal means."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.statistics import Interval, Noise, interval
from pipeline.core.types import Counts, Doubles, Ids

Value = str | int | float | bool | None

# A hyperparameter of more values than this (a search drew them from a range) is
# looked at in this many ranges with about as many cells each.
_MOST_VALUES = 8
_RANGES = 4


@dataclass(frozen=True)
class Levels:
    """A hyperparameter's values, or the ranges they fall in.

    Attributes:
        labels: L levels as text, in order.
        of: Shape (C,), int32. The level of each cell.
    """

    labels: tuple[str, ...]
    of: Ids


def levels(values: Sequence[Value]) -> Levels:
    """Sort a hyperparameter's values into levels.

    Numbers stand in order, before other values; 5 and 5.0 are one level, True and 1
    are two. More than 8 numbers are cut into 4 ranges of about as many cells each.

    Args:
        values: One for each of C cells.
    """
    numbers = [v for v in values if _is_number(v)]
    if len(numbers) == len(values) and len(set(numbers)) > _MOST_VALUES:
        return _ranges(np.array(numbers, float))
    keys = [_key(value) for value in values]
    ordered = sorted(set(keys))
    labels = {key: value_text(value) for key, value in zip(keys, values, strict=True)}
    return Levels(
        tuple(labels[key] for key in ordered),
        np.array([ordered.index(key) for key in keys], np.int32),
    )


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: Value) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, f"{type(value).__name__} {value}"


def value_text(value: Value) -> str:
    """Return a hyperparameter's value as an override has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
    return str(value)


def _ranges(numbers: Doubles) -> Levels:
    order = np.argsort(numbers, kind="stable")
    of = np.empty(len(numbers), np.int32)
    of[order] = np.arange(len(numbers)) * _RANGES // len(numbers)
    for value in np.unique(numbers):  # equal numbers stay together
        of[numbers == value] = of[numbers == value].min()
    labels = []
    for level in np.unique(of):
        low, high = numbers[of == level].min(), numbers[of == level].max()
        labels.append(f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}")
    return Levels(tuple(labels), np.searchsorted(np.unique(of), of).astype(np.int32))


@dataclass(frozen=True)
class Effect:
    """What a hyperparameter does to the score, averaged over the others.

    Attributes:
        labels: L levels as text.
        intervals: L marginal means.
        cells: L numbers of cells with a score; a level without one is left out.
    """

    labels: tuple[str, ...]
    intervals: tuple[Interval, ...]
    cells: tuple[int, ...]

    @property
    def spread(self) -> float:
        """The highest marginal mean - the lowest."""
        means = [each.mean for each in self.intervals]
        return max(means) - min(means)


@dataclass(frozen=True)
class Effects:
    """The main effects of a sweep.

    Attributes:
        by_name: Hyperparameter -> its effect.
        complete: Whether every combination of the levels has as many cells.
        separable: Whether the effects can be told apart; if not, the means are plain
            ones, over whatever cells there are.
        from_seeds: Whether the intervals come from the seeds' noise; if not, from
            what the hyperparameters do not explain by themselves.
    """

    by_name: Mapping[str, Effect]
    complete: bool
    separable: bool
    from_seeds: bool


def main_effects(
    factors: Mapping[str, Levels], means: Doubles, counts: Counts, noise: Noise | None
) -> Effects:
    """Return the marginal means of each hyperparameter's levels.

    In a complete grid a level's marginal mean is the mean of its cells' means. Where
    cells are missing that would credit a level with the company it keeps, so that an
    additive model, score = constant + one effect a level, is fitted to the cells'
    means by least squares, and a level's marginal mean is what it predicts averaged
    over all levels of the others. (In a complete grid the two are equal.)

    A marginal mean is a weighted sum of the cells' means, and its variance follows
    from the noise of the cells' seeds. With one seed a cell, what the additive model
    leaves unexplained is taken for noise: then an interplay of hyperparameters
    counts as noise.

    Args:
        factors: Hyperparameter -> its levels, of C cells.
        means: Shape (C,). Mean score of each cell, NaN where none.
        counts: Shape (C,). Seeds behind it.
        noise: That of the seeds, or None.
    """
    scored = np.isfinite(means)
    if not scored.any():
        return Effects({}, complete=False, separable=False, from_seeds=False)
    y, counts = means[scored], counts[scored]
    kept: dict[str, Levels] = {}
    for name, factor in factors.items():
        taken, of = np.unique(factor.of[scored], return_inverse=True)
        labels = tuple(factor.labels[level] for level in taken)
        kept[name] = Levels(labels, of.astype(np.int32))
    design = _design(kept, len(y))  # (C, P)
    rank = int(np.linalg.matrix_rank(design))
    separable = rank == design.shape[1]
    inverse: Doubles | None = None
    if separable:
        inverse = np.linalg.pinv(design).astype(np.float64)  # (P, C)
    variance, freedom = noise.pooled / counts if noise else None, 0
    if noise:
        freedom = noise.freedom
    elif inverse is not None and len(y) > rank:
        left = y - design @ (inverse @ y)
        freedom = len(y) - rank
        variance = np.full(len(y), float(left @ left) / freedom)
    effects = {}
    for name, factor in kept.items():
        weights = _weights(kept, name, inverse)  # (L, C)
        spreads = weights**2 @ (variance if variance is not None else np.zeros(len(y)))
        found = zip((weights @ y).tolist(), spreads.tolist(), strict=True)
        effects[name] = Effect(
            factor.labels,
            tuple(interval(mean, spread, freedom) for mean, spread in found),
            tuple(np.bincount(factor.of, minlength=len(factor.labels)).tolist()),
        )
    return Effects(effects, _is_complete(kept), separable, noise is not None)


def _design(factors: Mapping[str, Levels], cells: int) -> Doubles:
    """Return the constant and a 0/1 column for each level but each first."""
    columns = [np.ones(cells)]
    for factor in factors.values():
        columns += [1.0 * (factor.of == i) for i in range(1, len(factor.labels))]
    return np.column_stack(columns)


def _weights(
    factors: Mapping[str, Levels], name: str, inverse: Doubles | None
) -> Doubles:
    """Return each level's marginal mean as weights of the cells' means, (L, C)."""
    factor = factors[name]
    count = len(factor.labels)
    if inverse is None:
        own: Doubles = 1.0 * (factor.of == np.arange(count)[:, np.newaxis])
        own /= own.sum(axis=1, keepdims=True)
        return own
    parts = [np.ones((count, 1))]
    for other, each in factors.items():
        size = len(each.labels)
        parts.append(
            np.eye(count)[:, 1:]
            if other == name
            else np.full((count, size - 1), 1 / size)
        )
    weights: Doubles = np.hstack(parts) @ inverse
    return weights


def _is_complete(factors: Mapping[str, Levels]) -> bool:
    combinations = itertools.product(*(range(len(f.labels)) for f in factors.values()))
    cells = list(zip(*(f.of.tolist() for f in factors.values()), strict=True))
    # No list of all combinations is made: a search over many would not fit.
    limit = len(cells) + 1
    wanted = list(itertools.islice(combinations, limit))
    return len(wanted) < limit and len({cells.count(w) for w in wanted}) == 1
