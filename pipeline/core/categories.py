"""Whether words of a category lie together."""

import numpy as np
import numpy.typing as npt

from pipeline.core.randomness import generator
from pipeline.core.similarity import nearest
from pipeline.core.types import Doubles, Ids

PRECISION_DEPTH = 10

# k-means keeps the best of this many starts. With about ten clusters of a few
# hundred points more starts find no better one.
_STARTS = 10


def neighbor_precision(unit: Doubles, members: Ids) -> tuple[Ids, Doubles]:
    """Return the neighbors of a category's words and the share inside it.

    A word's neighbors are its nearest min(10, m - 1) of the whole vocabulary, so
    that a category of fewer than eleven words can still reach 1.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        members: Shape (m,). Ids of the category's words, each once.

    Returns:
        Neighbors, shape (m, K), nearest first, and shares, shape (m,), in [0, 1];
        K = min(10, m - 1). A single member has no neighbor to expect: both are
        empty.
    """
    if len(members) < 2:
        return np.empty((0, 0), np.int32), np.empty(0)
    depth = min(PRECISION_DEPTH, len(members) - 1)
    neighbors, _ = nearest(unit, members, depth)
    return neighbors, np.isin(neighbors, members).mean(axis=1)


def cluster(points: Doubles, clusters: int, seed: int) -> npt.NDArray[np.int32]:
    """Return the k-means cluster of each point.

    Args:
        points: Shape (n, d). Unit vectors, so that squared distances are
            2 - 2 cos.
        clusters: How many; fewer where fewer points are distinct.
        seed: The run's seed.

    Returns:
        Shape (n,), int32, numbered from 0 by first appearance.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import (
        threadpool_limits,
    )

    distinct = len(np.unique(points, axis=0))
    start = int(generator(seed, "evaluate", "kmeans").integers(2**32))
    model = KMeans(min(clusters, distinct), n_init=_STARTS, random_state=start)
    # k-means adds up its centers thread by thread; with one thread the order of
    # the sums, and so a point between two centers, is always the same.
    with threadpool_limits(1):
        labels = model.fit(points).labels_
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def purity(classes: npt.NDArray[np.int32], clusters: npt.NDArray[np.int32]) -> float:
    """Return the share of points in their cluster's most common class.

    purity = 1/n Σ_k max_j |cluster k ∩ class j|

    Args:
        classes: Shape (n,), n ≥ 1. Non-negative.
        clusters: Shape (n,). Non-negative.

    Source: Manning, Raghavan and Schütze 2008, "Introduction to Information
    Retrieval", section 16.3.
    """
    table = np.zeros((clusters.max() + 1, classes.max() + 1), np.int64)
    np.add.at(table, (clusters, classes), 1)
    return float(table.max(axis=1).sum() / len(classes))
