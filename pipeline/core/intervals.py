"""Bootstrap intervals: how far a score would move with other items.

Items are drawn with replacement, as many as there are, and the score is computed
anew; the middle 95% of such scores are the interval (Efron's percentile method).
A resample is held as the number of times each item was drawn, from which sums,
and ranks too, are had without copying an item.

Streams are named, so that all trials of a sweep draw the same: what takes long to
draw is kept for the next one.

Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Counts, Doubles

Interval = tuple[float, float]

RESAMPLES = 1000  # the ends of the interval then vary by about 0.1 of its width
_TAIL = 25  # resamples left out at each end: 2.5% of them

_DIGITS = 9  # after the point; an interval's ends are not known to more than 2

# Draws held at a time: 2 MiB as int64. What is done to more is no longer in a cache.
_BATCH_DRAWS = 2**18

# Fewer items are drawn at once, and more would take too much memory: 8 MB a stream.
# The built-in scores have four such streams a seed, and a sweep has a few seeds.
_KEPT_ITEMS = range(1000, 2**13)
_KEPT_STREAMS = 12


def resamples(rng: np.random.Generator, items: int) -> Iterator[Counts]:
    """Yield how often each item was drawn, `RESAMPLES` times in all.

    Args:
        rng: The stream to draw from.
        items: How many there are, at least 1.

    Yields:
        Batches of shape (b, items), int64; each row sums to `items`.
    """
    if items not in _KEPT_ITEMS:
        yield from _drawn(rng, items)
        return
    times, state = _kept(_Stream(rng), items)
    rng.bit_generator.state = state  # as if it had been drawn from
    step = _batch_rows(items)
    for start in range(0, RESAMPLES, step):
        yield times[start : start + step].astype(np.int64)


def _drawn(rng: np.random.Generator, items: int) -> Iterator[Counts]:
    """Draw what `resamples` yields."""
    step = _batch_rows(items)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = rng.integers(items, size=(rows, items))
        drawn += np.arange(rows)[:, np.newaxis] * items
        times = np.bincount(drawn.ravel(), minlength=rows * items)
        yield times.reshape(rows, items)


def _batch_rows(items: int) -> int:
    return max(1, _BATCH_DRAWS // items)


class _Stream:
    """A stream where it stands; equal to all that would draw the same from there."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._state = json.dumps(rng.bit_generator.state, default=np.ndarray.tolist)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stream) and self._state == other._state

    def __hash__(self) -> int:
        return hash(self._state)


@lru_cache(_KEPT_STREAMS)
def _kept(stream: _Stream, items: int) -> tuple[npt.NDArray[np.uint8], Any]:
    """Return all that `_drawn` yields, and the state that it leaves the stream in."""
    times = np.empty((RESAMPLES, items), np.uint8)
    end = 0
    for batch in _drawn(stream.rng, items):
        # Of 1,000 items or more, one is drawn 256 times once in 10^500 resamples.
        times[end : end + len(batch)] = batch
        end += len(batch)
    return times, stream.rng.bit_generator.state


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
