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
    (rho,) = _correlations(np.ones((1, len(x)), np.int64), x, y).tolist()
    return rho if np.isfinite(rho) else None


def spearman_interval(
    rng: np.random.Generator, x: Doubles, y: Doubles
) -> Interval | None:
    """Return the 95% interval of `spearman` over resampled items.

    Resamples in which all of one side are equal have no ρ and are left out.
    """
    if len(x) < 2:
        return None
    return interval_of(
        np.concatenate([_correlations(times, x, y) for times in resamples(rng, len(x))])
    )


def _correlations(times: Counts, x: Doubles, y: Doubles) -> Doubles:
    """Return ρ of items that occur some times each, shape (b,); NaN without one.

    Args:
        times: Shape (b, n). How often each item occurs.
        x: Shape (n,).
        y: Shape (n,).
    """
    left, right = _centered_ranks(times, x), _centered_ranks(times, y)  # (b, n)
    # Sums of integers, exact below 2⁶³: for fewer than a million items.
    both = (times * left * right).sum(axis=1)
    spread = (times * left**2).sum(axis=1).astype(np.float64)
    spread *= (times * right**2).sum(axis=1)
    result: Doubles = np.full(len(times), np.nan)
    np.divide(both, np.sqrt(spread), out=result, where=spread > 0)
    # A square root rounds, so that equal rankings could have 1 + 2e-16.
    return np.clip(result, -1, 1, out=result)


def _centered_ranks(times: Counts, values: Doubles) -> Counts:
    """Return twice each item's rank less the mean rank, shape (b, n).

    Twice, since equal items share a mean rank, which may be a half.
    """
    _, group = np.unique(values, return_inverse=True)  # (n,)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    together = np.add.reduceat(times[:, order], starts, axis=1)  # (b, groups)
    below = together.cumsum(axis=1) - together
    total = times.sum(axis=1, keepdims=True)
    ranks: Counts = (2 * below + together - total)[:, group]
    return ranks
