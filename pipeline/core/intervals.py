"""Bootstrap intervals: how far a score would move with other items.

Items are drawn with replacement, as many as there are, and the score is computed
anew; the middle 95% of such scores are the interval (Efron's percentile method).
A resample is held as the number of times each item was drawn, from which sums,
and ranks too, are had without copying an item.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.core.types import Counts, Doubles

Interval = tuple[float, float]

RESAMPLES = 1000  # the ends of the interval then vary by about 0.1 of its width
_TAIL = 25  # resamples left out at each end: 2.5% of them

_DIGITS = 9  # after the point; an interval's ends are not known to more than 2

# Draws held at a time: 2 MiB as int64. What is done to more is no longer in a cache.
_BATCH_DRAWS = 2**18


def resamples(rng: np.random.Generator, items: int) -> Iterator[Counts]:
    """Yield how often each item was drawn, `RESAMPLES` times in all.

    Args:
        rng: The stream to draw from.
        items: How many there are, at least 1.

    Yields:
        Batches of shape (b, items), int64; each row sums to `items`.
    """
    step = max(1, _BATCH_DRAWS // items)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = rng.integers(items, size=(rows, items))
        drawn += np.arange(rows)[:, np.newaxis] * items
        times = np.bincount(drawn.ravel(), minlength=rows * items)
        yield times.reshape(rows, items)


def resampled_sums(rng: np.random.Generator, columns: Counts) -> Counts:
    """Return the sums of resampled items.

    Args:
        rng: The stream to draw from.
        columns: Shape (items, c), int64, at least one item.

    Returns:
        Shape (RESAMPLES, c), int64.
    """
    batches = [whole_sums(times, columns) for times in resamples(rng, len(columns))]
    return np.concatenate(batches)


def whole_sums(times: Counts, columns: Counts) -> Counts:
    """Return `times @ columns`, in a tenth of the time that NumPy takes for integers.

    Doubles hold the sums exactly, in whatever order BLAS adds them up, as long as they
    are below 2⁵³.

    Args:
        times: Shape (b, items), int64.
        columns: Shape (items, c), int64.

    Returns:
        Shape (b, c), int64.
    """
    sums = times.astype(np.float64) @ columns.astype(np.float64)
    return sums.astype(np.int64)


def ratios(parts: Counts, wholes: Counts) -> Doubles:
    """Return parts / wholes, NaN where there is no whole."""
    result: Doubles = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=result, where=wholes > 0)
    return result


def interval_of(values: Doubles) -> Interval | None:
    """Return the ends of the middle 95% of resampled scores.

    Args:
        values: Shape (n,). NaN where a resample has no score.

    Returns:
        None where no resample has a score.
    """
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return None
    tail = len(values) * _TAIL // RESAMPLES
    # Rounded, as processors may differ in the last digits.
    low, high = (round(float(values[i]), _DIGITS) for i in (tail, -1 - tail))
    return low, high


def ratio_interval(
    rng: np.random.Generator, parts: Counts, wholes: Counts
) -> Interval | None:
    """Return the interval of Σ parts / Σ wholes over resampled groups of items.

    Groups are what is drawn: items that hang together (the questions that one
    pair asks) must not count as independent.

    Args:
        rng: The stream to draw from.
        parts: Shape (n,), int64.
        wholes: Shape (n,), int64.
    """
    if not len(wholes):
        return None
    sums = resampled_sums(rng, np.stack([parts, wholes], axis=1))
    return interval_of(ratios(*sums.T))
