"""How vectors fill their space, and how far two trainings agree on neighbors."""

import math
from collections.abc import Callable

import numpy as np

from pipeline.core.similarity import nearest, nearest_sets
from pipeline.core.types import Counts, Doubles, Ids

DEPTH = 10  # neighbors of a word that are looked at

# Rows of exponentials held at a time: 3 MiB for 200 dimensions, which a cache holds.
_ROWS = 2**10

# Digits of a partition ratio: it comes from eigenvectors, which LAPACK rounds in
# its own way on each processor.
_DIGITS = 6


def isotropy(vectors: Doubles) -> float:
    """Return how even the partition function is over directions, in (0, 1].

    I = min_c Z(c) / max_c Z(c),  Z(c) = Σ_w exp(c · v(w))

    over the unit eigenvectors c of Σ_w v(w) v(w)ᵀ, with both signs. It is 1 where
    no direction is preferred, and near 0 where vectors share one; it depends on
    the vectors' scale.

    Args:
        vectors: Shape (V, d), V ≥ 1.

    Source: Mu and Viswanath 2018, "All-but-the-Top: Simple and Effective
    Postprocessing for Word Representations", section 2.2, after Arora et al. 2016.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # one order of sums
        _, directions = np.linalg.eigh(vectors.T @ vectors)
        logs = np.full(2 * vectors.shape[1], -np.inf)  # log Z of c, then of -c
        for start in range(0, len(vectors), _ROWS):
            along = vectors[start : start + _ROWS] @ directions
            both = np.concatenate([along, -along], axis=1)  # (rows, 2d)
            # The largest first: exp of a long vector would overflow.
            top = np.maximum(both.max(axis=0), logs)
            both -= top
            shares = np.exp(both, out=both).sum(axis=0)
            logs = top + np.log(shares + np.exp(logs - top))
    return round(math.exp(logs.min() - logs.max()), _DIGITS)


def mean_cosine(unit: Doubles, times: Counts) -> Doubles:
    """Return the mean cosine of two different words.

    (|Σ w_i u_i|² - Σ w_i² |u_i|²) / ((Σ w_i)² - Σ w_i²)

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        times: Shape (b, V). How often each word occurs, w: 1, or as in a resample.

    Returns:
        Shape (b,); NaN where there are no two words.

    Source: Ethayarajh 2019, "How Contextual are Contextualized Word
    Representations?", who calls it anisotropy.
    """
    return mean_cosine_of(unit)(times)


def mean_cosine_of(unit: Doubles) -> Callable[[Counts], Doubles]:
    """Return `mean_cosine` of these vectors: what many resamples share, done once."""
    # |u_i|² is 0, or 1 and a multiple of 2⁻⁵² below √d · 2⁻²⁶: whole numbers hold the
    # sum, and the products that doubles would round.
    own = (unit**2).sum(axis=1)  # (V,) exact
    vectors = own > 0
    excess = np.where(vectors, np.ldexp(own - 1, 52), 0)
    lengths = np.stack([vectors, excess], axis=1)  # (V, 2)

    def mean(times: Counts) -> Doubles:
        weights = times.astype(np.float64)
        # Exact: multiples of 2⁻²⁶ below 2²⁷.
        sums = weights @ unit  # (b, d)
        length = np.array([math.fsum(row) for row in (sums**2).tolist()])  # (b,)
        weights *= weights
        whole, rest = (weights @ lengths).T  # (b,) each
        length -= whole + np.ldexp(rest, -52)
        pairs = times.sum(axis=1) ** 2 - weights.sum(axis=1)
        result: Doubles = np.full(len(times), np.nan)
        np.divide(length, pairs, out=result, where=pairs > 0)
        return result

    return mean


def neighbor_counts(unit: Doubles) -> Counts:
    """Return of how many words each word is one of the ten nearest neighbors.

    Args:
        unit: Shape (V, d), from `unit_vectors`.

    Returns:
        Shape (V,), int64; its mean is min(10, V - 1).
    """
    ids = nearest_sets(unit, np.arange(len(unit), dtype=np.int32), DEPTH)
    return np.bincount(ids.ravel(), minlength=len(unit))


def skewness(values: Counts, times: Counts) -> Doubles:
    """Return the third standardized moment of whole numbers.

    Of `neighbor_counts` it is the hubness: 0 where words are neighbors evenly, and
    large where a few words, the hubs, are neighbors of many.

    Args:
        values: Shape (n,).
        times: Shape (b, n). How often each occurs: 1, or as in a resample.

    Returns:
        Shape (b,); NaN where all values are equal.

    Source: Radovanović, Nanopoulos and Ivanović 2010, "Hubs in Space", eq. 1.
    """
    count = times.sum(axis=1)  # (b,)
    # Moments about zero are sums of whole numbers, exact in any order.
    first, second, third = (times @ values**power / count for power in (1, 2, 3))
    variance = second - first**2
    moment = third - 3 * first * second + 2 * first**3
    result: Doubles = np.full(len(times), np.nan)
    np.divide(moment, np.abs(variance) ** 1.5, out=result, where=variance > 1e-9)
    return result


def shared_neighbors(first: Doubles, second: Doubles, rows: Ids) -> tuple[Ids, Ids]:
    """Return the ten nearest neighbors of words in each of two spaces.

    Args:
        first: Shape (V, d), from `unit_vectors`.
        second: Shape (V, e). Vectors of the same words.
        rows: Shape (Q,). Ids of the words asked for.

    Returns:
        Ids, shape (Q, K) each, nearest first; K = min(10, V - 1).
    """
    return nearest(first, rows, DEPTH)[0], nearest(second, rows, DEPTH)[0]


def overlap(first: Ids, second: Ids) -> Counts:
    """Return how many ids two rows share, shape (Q,); no row has an id twice."""
    same = first[:, :, np.newaxis] == second[:, np.newaxis, :]
    counts: Counts = same.sum(axis=(1, 2))
    return counts
