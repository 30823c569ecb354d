"""Spearman's rank correlation, exact, of items and of resamples of them."""

import numpy as np

from pipeline.core.intervals import Interval, interval_of, resamples
from pipeline.core.types import Counts, Doubles


def spearman(x: Doubles, y: Doubles) -> float | None:
    """Return Spearman's ρ: Pearson's correlation of ranks, in [-1, 1].

    Equal values share the mean of their ranks.

    Args:
        x: Shape (n,), finite.
        y: Shape (n,), finite.

    Returns:
        None where it is not defined: with fewer than two items, or where all of
        one side are equal.

    Source: Spearman 1904, "The Proof and Measurement of Association between Two
    Things".
    """
    if len(x) < 2:
        return None
    once = np.ones((1, len(x)), np.int64)
    (rho,) = _correlations(once, _Ranking(x), _Ranking(y)).tolist()
    return rho if np.isfinite(rho) else None


def spearman_interval(
    rng: np.random.Generator, x: Doubles, y: Doubles
) -> Interval | None:
    """Return the 95% interval of `spearman` over resampled items.

    Resamples in which all of one side are equal have no ρ and are left out.
    """
    if len(x) < 2:
        return None
    left, right = _Ranking(x), _Ranking(y)
    drawn = resamples(rng, len(x))
    return interval_of(np.concatenate([_correlations(t, left, right) for t in drawn]))


def _correlations(times: Counts, x: "_Ranking", y: "_Ranking") -> Doubles:
    """Return ρ of items that occur some times each, shape (b,); NaN without one.

    Args:
        times: Shape (b, n). How often each item occurs.
        x: Of n values.
        y: Of n values.
    """
    left, right = _Ranks(times, x), _Ranks(times, y)
    # Sums of integers, exact below 2⁶³: for fewer than a million items.
    both = np.einsum("bi,bi,bi->b", times, left.of_items, right.of_items)
    spread = left.spread.astype(np.float64) * right.spread
    result: Doubles = np.full(len(times), np.nan)
    np.divide(both, np.sqrt(spread), out=result, where=spread > 0)
    # A square root rounds, so that equal rankings could have 1 + 2e-16.
    return np.clip(result, -1, 1, out=result)


class _Ranking:
    """Which values are equal, and their order.

    Args:
        values: Shape (n,). What items are ranked by.

    Attributes:
        group: Shape (n,). Which of the distinct values, ascending, an item has.
        order: Shape (n,). The items by value.
        starts: Shape (groups,). Where in `order` those of a group begin.
    """

    def __init__(self, values: Doubles) -> None:
        _, self.group = np.unique(values, return_inverse=True)
        self.order = np.argsort(self.group, kind="stable")
        self.starts = np.flatnonzero(np.diff(self.group[self.order], prepend=-1))


class _Ranks:
    """Twice each item's rank less the mean rank.

    Twice, since equal items share a mean rank, which may be a half.

    Args:
        times: Shape (b, n). How often each item occurs.
        ranking: Of the items.

    Attributes:
        of_items: Shape (b, n), int64.
        spread: Shape (b,), int64. The sum of their squares, of each item as often as it
            occurs.
    """

    def __init__(self, times: Counts, ranking: _Ranking) -> None:
        together = times.take(ranking.order, axis=1)
        if len(ranking.starts) < len(ranking.order):
            together = np.add.reduceat(together, ranking.starts, axis=1)  # (b, groups)
        ranks = together.cumsum(axis=1)  # of the last of a group
        total = ranks[:, -1:].copy()
        ranks *= 2
        ranks -= together
        ranks -= total
        self.spread = np.einsum("bg,bg,bg->b", together, ranks, ranks)
        self.of_items = ranks.take(ranking.group, axis=1)
