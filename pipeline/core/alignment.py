"""Several vectors of the same words: turned to lie on each other, and mapped alike.

Training knows only dot products, so that vectors turned or mirrored together mean the
same. Two trainings of the same words are compared after one of them is turned to lie
as near the other as it can, and their maps are laid out one from the other.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.core.projection import Neighbors, one_thread
from pipeline.core.types import Doubles, Floats
from pipeline.errors import ShapeError

# How many gradient steps t-SNE takes: the first of the first map exaggerate.
_EARLY, _LATE, _FOLLOWING = 100, 300, 100
_EXAGGERATION = 12.0
# Entropies are met to this, in nats, by so many halvings at most.
_CLOSE_ENOUGH = 1e-5
_HALVINGS = 64


def procrustes(source: Doubles, target: Doubles) -> Doubles:
    """Return how to turn the rows of one matrix onto those of another.

    Q = argmin ‖source Q - target‖ over Qᵀ Q = I, a rotation with or without a mirror.

    Args:
        source: Shape (n, d).
        target: Shape (n, d). The same rows elsewhere.

    Returns:
        Shape (d, d), float64, orthogonal.

    Raises:
        ShapeError: if the shapes differ.

    Source: Schönemann 1966, "A Generalized Solution of the Orthogonal Procrustes
    Problem"; for word vectors Hamilton, Leskovec and Jurafsky 2016, "Diachronic Word
    Embeddings Reveal Statistical Laws of Semantic Change", section 3.2.
    """
    if source.shape != target.shape or source.ndim != 2:
        raise ShapeError(
            f"expected two matrices of one shape, found {source.shape} and "
            f"{target.shape}"
        )
    with one_thread():
        left, _, right = np.linalg.svd(source.T @ target)
        turned: Doubles = left @ right
    return turned


def widened(vectors: Doubles, dim: int) -> Doubles:
    """Return the rows with zeros added up to a width; cosines stay as they are.

    Args:
        vectors: Shape (n, d).
        dim: The width, at least d.
    """
    return np.pad(vectors, ((0, 0), (0, dim - vectors.shape[1])))


def aligned_layouts(
    graphs: Sequence[Neighbors],
    start: Doubles,
    perplexity: float,
    advance: Callable[[], None] = lambda: None,
) -> list[Floats]:
    """Map the same words several times, so that what moves did change its neighbors.

    The first map is laid out by t-SNE from `start`, each following one from the map
    before it, and then turned back onto it.

    The gradient is the exact one, over all pairs: for some hundred words that is
    faster than an approximation, and every step is the same arithmetic.

    Args:
        graphs: Of F maps: the neighbors of the same n ≥ 2 words, at least
            `layout_depth` deep.
        start: Shape (n, 2). Principal components of what `graphs[0]` is of.
        perplexity: Neighbors that count, in effect; at most (n - 1) / 3 are used.
        advance: Called after each map.

    Returns:
        F maps of shape (n, 2), float32, in the order of `graphs`, centered.

    Raises:
        ShapeError: if a graph is of other words or too shallow.

    Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE"; the
    momentum is theirs, the step size that of Belkina et al. 2019. Starting a map of
    what has changed from the map before is Rauber, Falcão and Telea 2016, "Visualizing
    Time-Dependent Data Using Dynamic t-SNE", without their penalty on movement.
    """
    n = len(start)
    layouts: list[Floats] = []
    scale = float(start[:, 0].std())
    # Words in the very same place would stay together forever, whatever they mean.
    turn = np.arange(n) * 2.399963  # the golden angle: evenly around, without chance
    apart = 1e-2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    axes = start / scale if scale > 1e-7 else start
    place: Floats = (1e-4 * (axes + apart)).astype(np.float32)
    for graph in graphs:
        alike = _affinities(graph, n, perplexity)
        if not layouts:
            place = _descend(alike * np.float32(_EXAGGERATION), place, _EARLY, n / 48)
            place = _descend(alike, place, _LATE, n / 4)
        else:
            place = _descend(alike, place, _FOLLOWING, n / 4)
        place -= place.mean(axis=0)
        if layouts:
            here, before = (each.astype(np.float64) for each in (place, layouts[-1]))
            place = (here @ procrustes(here, before)).astype(np.float32)
        layouts.append(place)
        advance()
    return layouts


def layout_depth(words: int, perplexity: float) -> int:
    """Return how many neighbors of each word `aligned_layouts` needs."""
    return min(int(3 * min(perplexity, (words - 1) / 3)) + 1, words - 1)


def _affinities(graph: Neighbors, n: int, perplexity: float) -> Floats:
    """Return how much t-SNE wants words together, shape (n, n), summing to 1.

    p_j|i ∝ exp(-β_i d_ij²) over the neighbors of i, with β_i such that the entropy is
    log(perplexity); p_ij = (p_j|i + p_i|j) / 2n.
    """
    perplexity = min(perplexity, (n - 1) / 3)
    depth = layout_depth(n, perplexity)
    if graph.ids.shape[0] != n or graph.ids.shape[1] < depth:
        raise ShapeError(
            f"expected {depth} neighbors of each of {n} words, found "
            f"{graph.ids.shape}. Build the graph with layout_depth()."
        )
    square = graph.distances[:, :depth] ** 2  # (n, depth)
    square -= square[:, :1]  # the nearest: a factor that cancels, for no underflow
    low, high = np.zeros(n), np.full(n, np.inf)
    precision = np.ones(n)
    for _ in range(_HALVINGS):
        weights = np.exp(-precision[:, np.newaxis] * square)
        total = weights.sum(axis=1)
        entropy = np.log(total) + precision * (weights * square).sum(axis=1) / total
        off = entropy - np.log(max(perplexity, 1))
        if (np.abs(off) < _CLOSE_ENOUGH).all():
            break
        low = np.where(off > 0, precision, low)
        high = np.where(off > 0, high, precision)
        middle = np.where(np.isfinite(high), (low + high) / 2, precision * 2)
        precision = np.where(np.abs(off) < _CLOSE_ENOUGH, precision, middle)
        # Where all neighbors are as near, no precision tells them apart.
        precision = np.minimum(precision, 1e12)
    one_way = np.zeros((n, n))
    rows = np.arange(n)[:, np.newaxis]
    one_way[rows, graph.ids[:, :depth]] = weights / total[:, np.newaxis]
    return ((one_way + one_way.T) / (2 * n)).astype(np.float32)


def _descend(alike: Floats, place: Floats, steps: int, rate: float) -> Floats:
    """Return the places after gradient steps on t-SNE's cost.

    ∂C/∂y_i = 4 Σ_j (p_ij - q_ij) (y_i - y_j) / (1 + ‖y_i - y_j‖²)

    Args:
        alike: Shape (n, n). p.
        place: Shape (n, 2). y, left as it is.
        steps: How many.
        rate: Size of a step.
    """
    place = place.copy()
    speed, gains = np.zeros_like(place), np.ones_like(place)
    with one_thread():
        for step in range(steps):
            across = np.subtract.outer(place[:, 0], place[:, 0])  # (n, n)
            along = np.subtract.outer(place[:, 1], place[:, 1])
            np.square(across, out=across)
            across += np.square(along, out=along)
            across += 1
            near = np.divide(1, across, out=across)
            np.fill_diagonal(near, 0)
            pull = np.multiply(near, -1 / near.sum(dtype=np.float64), out=along)
            pull += alike
            pull *= near
            slope = 4 * (pull.sum(axis=1)[:, np.newaxis] * place - pull @ place)
            onward = slope * speed < 0  # in the direction of the step before
            gains = np.where(onward, gains + 0.2, np.maximum(gains * 0.8, 0.01))
            momentum = 0.5 if step < steps // 3 else 0.8
            speed = momentum * speed - rate * gains * slope
            place += speed.astype(np.float32)
    return place
