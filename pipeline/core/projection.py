"""Word vectors in two or three dimensions: PCA, t-SNE and UMAP.

The neighbors of the words are found once, exactly, and every method and every
number of dimensions starts from them and from the same principal components:

    graph = neighbor_graph(unit, graph_depth(...))
    start = pca(unit, 3)
    flat = tsne(graph, start, dims=2, ...)
    deep = tsne(graph, start, dims=3, ...)

All of it runs on one thread: sums split over threads change their last bits with the
number of threads, and t-SNE and UMAP make another picture of it sooner or later.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.randomness import generator
from pipeline.core.similarity import nearest
from pipeline.core.types import Doubles, Floats, Ids
from pipeline.errors import ShapeError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# With fewer words than this a layout by neighbors says nothing that the principal
# components do not say better.
FEWEST_WORDS = 5

# Barnes-Hut's angle θ by dimensions. An octree is slow to walk: on 1,642 words of
# CoNLL-2003, 0.8 takes 5.5 s where 0.5 takes 13 s, and keeps 0.463 of the 10 nearest
# neighbors where 0.5 keeps 0.467.
_ANGLE = {2: 0.5, 3: 0.8}

# Noise in the start, as a share of its first axis: where vectors have fewer dimensions
# than the map, nothing else would ever push the words off a line or plane.
_NOISE = 1e-3

# How UMAP finds its bandwidths; the three values are umap-learn's. The floor, a share
# of the mean distance, is for words whose neighbors are all equally near: no
# bandwidth fits them, and bisection runs toward zero.
_BANDWIDTH_FLOOR = 1e-3
_HALVINGS = 64
_CLOSE_ENOUGH = 1e-5


@dataclass(frozen=True)
class Neighbors:
    """The nearest other words of each word.

    Attributes:
        ids: Shape (n, K), int32. Nearest first, ties by id.
        cosines: Shape (n, K), float64, in [-1, 1].
    """

    ids: Ids
    cosines: Doubles

    @property
    def distances(self) -> Doubles:
        """Euclidean distance of the unit vectors, √(2 - 2 cos), shape (n, K)."""
        return np.sqrt(np.maximum(2 - 2 * self.cosines, 0))


def neighbor_graph(unit: Doubles, depth: int) -> Neighbors:
    """Return the exact nearest neighbors of every row.

    Args:
        unit: Shape (n, d), from `similarity.unit_vectors`. A zero row has cosine 0
            with every other.
        depth: Neighbors of each; at most the n - 1 others are returned.
    """
    return Neighbors(*nearest(unit, np.arange(len(unit), dtype=np.int32), depth))


def graph_depth(perplexity: float, umap_neighbors: int) -> int:
    """Return how many neighbors `tsne` and `fuzzy_graph` need of each word."""
    return max(_tsne_depth(perplexity), umap_neighbors - 1)


def pca(vectors: Doubles, dims: int) -> Doubles:
    """Return the principal components of the rows.

    Y = (X - mean X) W, where W holds the `dims` eigenvectors of the covariance with
    the largest eigenvalues, each turned so that its largest entry is positive.

    Args:
        vectors: Shape (n, d), n ≥ 1.
        dims: How many; where d is smaller, the components beyond d are zero.

    Returns:
        Shape (n, dims), float64, of decreasing variance.
    """
    centered = vectors - vectors.mean(axis=0)  # (n, d)
    with one_thread():
        _, axes = np.linalg.eigh(centered.T @ centered)  # columns by rising value
        axes = axes[:, ::-1][:, :dims]  # (d, min(d, dims))
        largest = np.abs(axes).argmax(axis=0)
        axes = axes * np.where(axes[largest, range(axes.shape[1])] < 0, -1, 1)
        found = centered @ axes
    return np.pad(found, ((0, 0), (0, dims - found.shape[1])))


def tsne(
    neighbors: Neighbors,
    start: Doubles,
    *,
    dims: int,
    perplexity: float,
    iterations: int,
    seed: int,
) -> Floats:
    """Lay words out by t-SNE, so that neighbors stay neighbors.

    Args:
        neighbors: Of n ≥ `FEWEST_WORDS` words, `graph_depth` deep.
        start: Shape (n, ≥ dims). The layout begins with these axes, shrunk: with
            principal components, far groups lie where they lie in the original
            space (Kobak and Berens 2019).
        dims: 2 or 3.
        perplexity: Neighbors that count, in effect; at most (n - 1) / 3 are used.
        iterations: Gradient steps, of which the first 250 exaggerate; at least 250.
        seed: The run's seed.

    Returns:
        Shape (n, dims), float32. The unit has no meaning.

    Raises:
        ShapeError: if there are too few words or too few neighbors.

    Source: van der Maaten 2014, "Accelerating t-SNE using Tree-Based Algorithms";
    scikit-learn's implementation.
    """
    from scipy.sparse import csr_array
    from sklearn.manifold import TSNE

    n = len(neighbors.ids)
    perplexity = min(perplexity, (n - 1) / 3)
    depth = min(_tsne_depth(perplexity), n - 1)
    _check(neighbors, start, depth, dims)
    # scikit-learn expects each word as its own first neighbor, at distance zero.
    own = np.arange(n, dtype=np.int32)[:, np.newaxis]
    columns = np.hstack([own, neighbors.ids[:, :depth]])  # (n, depth + 1)
    distances = np.hstack([np.zeros((n, 1)), neighbors.distances[:, :depth]])
    ends = np.arange(0, columns.size + 1, depth + 1)
    graph = csr_array((distances.ravel(), columns.ravel(), ends), shape=(n, n))
    model = TSNE(
        n_components=dims,
        perplexity=perplexity,
        metric="precomputed",
        # A standard deviation of 1e-4 is small enough to forget its own shape.
        init=(1e-4 * _spread(start, dims, seed, "tsne")).astype(np.float32),
        # N / α, α being the exaggeration of 12 (Belkina et al. 2019), in scikit-learn's
        # unit. Its "auto" is at least 50, with which 80 words in 3D fly apart.
        learning_rate=n / 12 / 4,
        max_iter=iterations,
        angle=_ANGLE[dims],
        random_state=0,  # draws nothing, since the start is given
        n_jobs=1,
    )
    with one_thread():
        layout: Floats = model.fit_transform(graph).astype(np.float32)
    return layout


def fuzzy_graph(neighbors: Neighbors, count: int) -> "csr_array":
    """Return UMAP's graph: how surely two words belong together.

    Word i reaches its neighbor j with strength exp(-(d_ij - ρ_i)⁺ / σ_i), where ρ_i
    is the distance of its nearest distinct neighbor and σ_i makes the strengths of
    its neighbors sum to log2(count). Two directions a and b join as a + b - ab.

    It is umap-learn's `fuzzy_simplicial_set` for exact neighbors, in NumPy: that
    one compiles for six seconds in every process.

    Args:
        neighbors: Of n words, at least min(count, n) - 1 deep.
        count: Neighbors that count, each word itself included; ≥ 2.

    Returns:
        Shape (n, n), symmetric, float32, entries in (0, 1].

    Source: McInnes, Healy and Melville 2018, "UMAP", algorithms 2 and 3.
    """
    from scipy.sparse import csr_array

    n = len(neighbors.ids)
    count = min(count, n)
    distances = neighbors.distances[:, : count - 1]  # (n, count - 1)
    apart = np.where(distances > 0, distances, np.inf).min(axis=1)
    nearest_apart = np.where(np.isfinite(apart), apart, 0)  # ρ, (n,)
    beyond = np.maximum(distances - nearest_apart[:, np.newaxis], 0)
    # The means are over `count` words: each is its own neighbor at distance zero.
    own_mean = distances.sum(axis=1) / count
    floor = np.where(nearest_apart > 0, own_mean, own_mean.mean()) * _BANDWIDTH_FLOOR
    width = np.maximum(_bandwidths(beyond, np.log2(count)), floor)[:, np.newaxis]
    reached = np.divide(beyond, width, out=np.zeros_like(beyond), where=beyond > 0)
    ends = np.arange(0, distances.size + 1, count - 1)
    columns = neighbors.ids[:, : count - 1]
    one_way = csr_array((np.exp(-reached).ravel(), columns.ravel(), ends), (n, n))
    both = one_way + one_way.T - one_way.multiply(one_way.T)
    both.eliminate_zeros()
    return both.tocsr().astype(np.float32)


def umap(
    graph: "csr_array",
    start: Doubles,
    *,
    dims: int,
    min_dist: float,
    epochs: int,
    seed: int,
) -> Floats:
    """Lay words out by UMAP, from its graph.

    Args:
        graph: Of n ≥ `FEWEST_WORDS` words, from `fuzzy_graph`.
        start: Shape (n, ≥ dims). The layout begins with these axes. Principal
            components do as well here as umap-learn's spectral start (Kobak and
            Linderman 2021), and always exist.
        dims: 2 or 3.
        min_dist: How close two words may come, in units of the map, within [0, 1].
        epochs: Passes over the edges of the graph.
        seed: The run's seed.

    Returns:
        Shape (n, dims), float32.

    Raises:
        ShapeError: if there are too few words, or the start is of other words.

    Source: McInnes, Healy and Melville 2018, "UMAP", algorithm 5; umap-learn's
    implementation.
    """
    from sklearn.utils import check_random_state

    n = graph.shape[0]
    if n < FEWEST_WORDS or start.shape[0] != n or start.shape[1] < dims:
        raise ShapeError(
            f"UMAP in {dims} dimensions needs at least {FEWEST_WORDS} words and a "
            f"start of shape (n, ≥ {dims}), found {n} words and {start.shape}"
        )
    library = umap_learn()
    slope, power = library.find_ab_params(1.0, min_dist)
    seed_of_layout = int(generator(seed, "visualize", "umap", dims).integers(2**32))
    with one_thread():
        layout, _ = library.simplicial_set_embedding(
            None,  # the vectors, which a start that is given makes needless
            graph.copy(),  # umap-learn drops weak edges in place
            n_components=dims,
            initial_alpha=1.0,
            a=slope,
            b=power,
            gamma=1.0,
            negative_sample_rate=5,
            n_epochs=epochs,
            init=_spread(start, dims, seed, "umap").astype(np.float32),
            random_state=check_random_state(seed_of_layout),
            metric="euclidean",
            metric_kwds={},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
            parallel=False,  # two threads would write the same word at once
        )
    return np.ascontiguousarray(layout, np.float32)


def neighbors_kept(neighbors: Neighbors, layout: Floats, depth: int) -> Doubles:
    """Return how far each word's place on a map can be trusted.

    The share of its nearest words that are also its nearest on the map.

    Args:
        neighbors: In the original space, of n words.
        layout: Shape (n, dims). Their places.
        depth: Neighbors compared; at most as many as there are.

    Returns:
        Shape (n,), in [0, 1]; a single word keeps all of its none: 1.
    """
    from scipy.spatial import KDTree

    n = len(layout)
    depth = min(depth, neighbors.ids.shape[1])
    if depth == 0:
        return np.ones(n)
    _, found = KDTree(layout).query(layout, k=depth + 1)  # itself among them
    near = found[:, np.newaxis, :] == neighbors.ids[:, :depth, np.newaxis]
    return np.asarray(near.any(axis=2).mean(axis=1))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP use one thread inside the block."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _tsne_depth(perplexity: float) -> int:
    return int(3 * perplexity + 1)  # as scikit-learn reckons it


def _check(neighbors: Neighbors, start: Doubles, depth: int, dims: int) -> None:
    n, found = neighbors.ids.shape
    if n < FEWEST_WORDS or found < depth:
        raise ShapeError(
            f"t-SNE needs at least {FEWEST_WORDS} words with {depth} neighbors each, "
            f"found {n} words with {found}. Build the graph with graph_depth()."
        )
    if start.shape[0] != n or start.shape[1] < dims:
        raise ShapeError(f"start: expected shape ({n}, ≥ {dims}), found {start.shape}")


def _spread(start: Doubles, dims: int, seed: int, method: str) -> Doubles:
    """Return the first axes with a little noise, the first of deviation 1."""
    noise = generator(seed, "visualize", method, "start", dims)
    scale = float(start[:, 0].std())
    # Below rounding there is no shape to keep, and dividing would make one up.
    axes = start[:, :dims] / scale if scale > 1e-7 else np.zeros((len(start), dims))
    return axes + _NOISE * noise.standard_normal((len(start), dims))


def _bandwidths(beyond: Doubles, target: float) -> Doubles:
    """Return σ with Σ_j exp(-beyond_ij / σ_i) = target, row by row, by bisection."""
    low = np.zeros(len(beyond))
    high = np.full(len(beyond), np.inf)
    width = np.ones(len(beyond))
    for _ in range(_HALVINGS):
        total = np.exp(-beyond / width[:, np.newaxis]).sum(axis=1)
        above = total > target
        high = np.where(above, width, high)
        low = np.where(above, low, width)
        middle = np.where(np.isfinite(high), (low + high) / 2, width * 2)
        width = np.where(np.abs(total - target) < _CLOSE_ENOUGH, width, middle)
    return width


def umap_learn() -> ModuleType:
    """Return umap-learn; its import takes seconds, and is not for two threads."""
    with warnings.catch_warnings():
        # On import it always says that it goes without its Tensorflow variant.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        import umap.umap_

    module: ModuleType = umap.umap_
    return module
