"""Projections: right against other implementations, and the same every time."""

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from pipeline.core import projection
from pipeline.core.projection import (
    FEWEST_WORDS,
    Neighbors,
    fuzzy_graph,
    graph_depth,
    neighbor_graph,
    neighbors_kept,
    pca,
    tsne,
    umap,
)
from pipeline.core.similarity import unit_vectors
from pipeline.errors import ShapeError

TSNE = {"perplexity": 15, "iterations": 300, "seed": 7}
UMAP = {"min_dist": 0.1, "epochs": 150, "seed": 7}
CLUSTERS = 4
DEPTH = graph_depth(TSNE["perplexity"], 15)


def clustered(rng, words=160, dims=24):
    """Unit vectors around four directions, and which each belongs to."""
    centers = 3 * rng.normal(size=(CLUSTERS, dims))
    label = np.arange(words) % CLUSTERS
    points = centers[label] + rng.normal(size=(words, dims))
    return unit_vectors(points.astype(np.float32)), label


def lay_out(method, unit, dims, **changed):
    graph, start = neighbor_graph(unit, DEPTH), pca(unit, 3)
    if method == "tsne":
        return tsne(graph, start, dims=dims, **TSNE | changed)
    return umap(fuzzy_graph(graph, 15), start, dims=dims, **UMAP | changed)


every_map = pytest.mark.parametrize(
    ("method", "dims"), [("tsne", 2), ("tsne", 3), ("umap", 2), ("umap", 3)]
)


class TestPCA:
    def test_components_are_those_of_scikit_learn_up_to_sign(self, rng):
        vectors = rng.normal(size=(40, 12)) * np.arange(1, 13)

        found = pca(vectors, 3)
        expected = PCA(3, svd_solver="full").fit_transform(vectors)

        np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)

    def test_components_are_those_of_the_singular_value_decomposition(self, rng):
        vectors = rng.normal(size=(7, 30))  # more dimensions than words
        centered = vectors - vectors.mean(axis=0)
        left, values, _ = np.linalg.svd(centered, full_matrices=False)

        found = pca(vectors, 2)

        np.testing.assert_allclose(np.abs(found), np.abs(left * values)[:, :2])

    def test_each_axis_is_turned_so_that_its_largest_entry_is_positive(self, rng):
        vectors = rng.normal(size=(50, 6)) * np.arange(1, 7)
        centered = vectors - vectors.mean(axis=0)

        axes, *_ = np.linalg.lstsq(centered, pca(vectors, 3))

        largest = np.abs(axes).argmax(axis=0)
        assert (axes[largest, range(3)] > 0).all()

    def test_components_beyond_the_dimensions_are_zero(self, rng):
        vectors = rng.normal(size=(9, 1))

        found = pca(vectors, 3)

        np.testing.assert_allclose(found[:, 0], vectors[:, 0] - vectors.mean())
        assert not found[:, 1:].any()

    def test_bits_do_not_depend_on_the_number_of_threads(self, rng):
        vectors = rng.normal(size=(600, 100))

        with threadpool_limits(1):
            first = pca(vectors, 3)
        with threadpool_limits(2):
            second = pca(vectors, 3)

        assert first.tobytes() == second.tobytes()

    @pytest.mark.parametrize("words", [1, 2, 10])
    def test_equal_rows_lie_at_the_origin(self, words):
        assert not pca(np.ones((words, 5)), 2).any()


class TestNeighborGraph:
    def test_neighbors_are_those_of_scikit_learn(self, rng):
        unit, _ = clustered(rng)

        graph = neighbor_graph(unit, 12)
        oracle = NearestNeighbors(n_neighbors=12, algorithm="brute").fit(unit)
        distances, ids = oracle.kneighbors()

        np.testing.assert_array_equal(graph.ids, ids)
        # Distances come from 2 - 2 cos, which loses half the digits: 1e-8.
        np.testing.assert_allclose(graph.distances, distances, atol=1e-7)

    def test_no_word_has_more_neighbors_than_there_are_others(self, rng):
        unit, _ = clustered(rng, words=5)

        assert neighbor_graph(unit, 50).ids.shape == (5, 4)
        assert neighbor_graph(unit[:1], 50).ids.shape == (1, 0)

    def test_the_depth_is_just_what_tsne_needs(self, rng):
        unit, _ = clustered(rng)
        need = graph_depth(TSNE["perplexity"], 2)
        start = pca(unit, 2)

        tsne(neighbor_graph(unit, need), start, dims=2, **TSNE)
        with pytest.raises(ShapeError, match=f"with {need} neighbors each, found"):
            tsne(neighbor_graph(unit, need - 1), start, dims=2, **TSNE)

    def test_the_depth_is_enough_for_umap(self):
        assert graph_depth(perplexity=1, umap_neighbors=40) == 39


class TestFuzzyGraph:
    def test_it_is_that_ofumap_learn(self, rng, monkeypatch):
        unit, _ = clustered(rng, words=60)
        unit[7] = unit[3]  # a distance of zero
        library = projection.umap_learn()
        # As plain Python: compiling these two takes six seconds.
        for name in ("smooth_knn_dist", "compute_membership_strengths"):
            monkeypatch.setattr(library, name, getattr(library, name).py_func)
        graph = neighbor_graph(unit, 9)
        own = np.arange(60)[:, np.newaxis]

        expected, _, _ = library.fuzzy_simplicial_set(
            unit,
            10,
            None,
            "euclidean",
            knn_indices=np.hstack([own, graph.ids]),
            knn_dists=np.hstack([np.zeros((60, 1)), graph.distances]),
        )
        found = fuzzy_graph(graph, 10)

        # Both stop bisecting at 1e-5, on differently rounded distances.
        np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-4)

    def test_each_words_strengths_sum_to_the_logarithm_of_its_neighbors(self, rng):
        unit, _ = clustered(rng, words=30)
        graph = neighbor_graph(unit, 7)
        beyond = graph.distances - graph.distances[:, :1]

        def strengths(i):
            row = beyond[i]
            width = brentq(lambda w: np.exp(-row / w).sum() - np.log2(8), 1e-6, 1e3)
            return np.exp(-row / width)

        one_way = np.zeros((30, 30))
        for i in range(30):
            one_way[i, graph.ids[i]] = strengths(i)
        expected = one_way + one_way.T - one_way * one_way.T

        found = fuzzy_graph(graph, 8).toarray()
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_equally_near_words_belong_together_wholly(self):
        ids = np.array([[1, 2], [0, 2], [0, 1]], np.int32)
        graph = Neighbors(ids, np.full((3, 2), 0.5))

        found = fuzzy_graph(graph, 3).toarray()

        np.testing.assert_array_equal(found, 1 - np.eye(3))


class TestLayouts:
    @every_map
    def test_neighbors_stay_neighbors(self, rng, method, dims):
        unit, label = clustered(rng)

        layout = lay_out(method, unit, dims)

        assert layout.shape == (160, dims)
        assert layout.dtype == np.float32
        faithful = trustworthiness(unit, layout, n_neighbors=10)
        assert faithful >= 0.95  # 1 is out of reach: within a cluster all is noise
        assert faithful > trustworthiness(unit, pca(unit, dims), n_neighbors=10)
        ids = NearestNeighbors(n_neighbors=5).fit(layout).kneighbors()[1]
        assert (label[ids] == label[:, np.newaxis]).mean() >= 0.99

    @every_map
    def test_small_vocabularies_do_not_fly_apart(self, rng, method, dims):
        unit, _ = clustered(rng, words=80)

        layout = lay_out(method, unit, dims)

        # A learning rate for thousands of words leaves 0.66.
        assert trustworthiness(unit, layout, n_neighbors=10) >= 0.95

    @every_map
    def test_equal_input_gives_equal_bits_whatever_the_threads(self, rng, method, dims):
        unit, _ = clustered(rng)

        np.random.seed(1)  # noqa: NPY002  # the global stream must not be read
        with threadpool_limits(1):
            first = lay_out(method, unit, dims)
        np.random.seed(2)  # noqa: NPY002  # as above
        with threadpool_limits(2):
            second = lay_out(method, unit, dims)

        assert first.tobytes() == second.tobytes()

    @every_map
    def test_another_seed_gives_another_layout(self, rng, method, dims):
        unit, _ = clustered(rng, words=40)

        first = lay_out(method, unit, dims)
        second = lay_out(method, unit, dims, seed=8)

        assert not np.allclose(first, second)

    @every_map
    @pytest.mark.parametrize("words", [FEWEST_WORDS, 12])
    @pytest.mark.parametrize(
        "vectors",
        [
            lambda rng, n: np.zeros((n, 3)),
            lambda rng, n: np.ones((n, 3)),
            lambda rng, n: rng.normal(size=(n, 1)),
            lambda rng, n: rng.normal(size=(2, 3))[np.arange(n) % 2],
        ],
        ids=["zero", "equal", "one dimension", "two points"],
    )
    def test_degenerate_vectors_get_finite_places(
        self, rng, method, dims, words, vectors
    ):
        unit = unit_vectors(vectors(rng, words).astype(np.float32))

        layout = lay_out(method, unit, dims)

        assert layout.shape == (words, dims)
        assert np.isfinite(layout).all()

    def test_a_start_in_a_plane_does_not_keep_umap_there(self, rng):
        unit = unit_vectors(rng.normal(size=(60, 2)).astype(np.float32))
        assert not pca(unit, 3)[:, 2].any()

        spread = lay_out("umap", unit, 3).std(axis=0)

        assert spread[2] > 0.01 * spread.max()

    @every_map
    def test_too_few_words_are_refused(self, rng, method, dims):
        unit, _ = clustered(rng, words=FEWEST_WORDS - 1)

        with pytest.raises(ShapeError, match=f"at least {FEWEST_WORDS} words"):
            lay_out(method, unit, dims)

    def test_a_start_of_other_words_is_refused(self, rng):
        unit, _ = clustered(rng)
        graph, start = neighbor_graph(unit, DEPTH), pca(unit[:50], 3)

        with pytest.raises(ShapeError, match="start"):
            tsne(graph, start, dims=2, **TSNE)
        with pytest.raises(ShapeError, match="start"):
            umap(fuzzy_graph(graph, 15), start, dims=2, **UMAP)

    def test_umap_leaves_the_graph_as_it_was(self, rng):
        unit, _ = clustered(rng)
        graph = fuzzy_graph(neighbor_graph(unit, DEPTH), 15)
        before = graph.copy()

        # umap-learn drops edges weaker than 1 / epochs of the strongest.
        assert graph.data.min() < 1 / 20
        umap(graph, pca(unit, 2), dims=2, **UMAP | {"epochs": 20})

        assert (graph != before).nnz == 0

    def test_umap_is_as_faithful_asumap_learns_own(self, rng):
        unit, _ = clustered(rng)
        library = projection.umap_learn()
        start = pca(unit, 2)
        graph = fuzzy_graph(neighbor_graph(unit, DEPTH), 15)
        slope, power = library.find_ab_params(1.0, UMAP["min_dist"])

        ours = umap(graph, start, dims=2, **UMAP)
        its_own = ("spectral", np.random.RandomState(0), "euclidean", {})
        theirs, _ = library.simplicial_set_embedding(
            *(unit, graph.copy(), 2, 1.0, slope, power, 1.0, 5, UMAP["epochs"]),
            *(*its_own, False, {}, False),
        )

        faithful = [trustworthiness(unit, y, n_neighbors=10) for y in (ours, theirs)]
        # Two seeds of one method differ by about 0.01.
        assert faithful[0] >= faithful[1] - 0.02


class TestNeighborsKept:
    def test_a_map_that_is_the_space_itself_keeps_all(self, rng):
        angles = rng.uniform(0, 2 * np.pi, size=50)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        graph = neighbor_graph(unit_vectors(circle.astype(np.float32)), 10)

        kept = neighbors_kept(graph, circle.astype(np.float32), 10)

        np.testing.assert_array_equal(kept, np.ones(50))

    def test_the_share_is_that_of_a_count_by_hand(self, rng):
        unit, _ = clustered(rng, words=40)
        layout = rng.normal(size=(40, 2)).astype(np.float32)
        graph = neighbor_graph(unit, 10)

        kept = neighbors_kept(graph, layout, 6)

        for i in range(40):
            far = np.linalg.norm(layout - layout[i], axis=1)
            far[i] = np.inf
            near = set(np.argsort(far)[:6].tolist())
            assert kept[i] == len(near & set(graph.ids[i, :6].tolist())) / 6

    def test_a_single_word_keeps_all_of_its_none(self):
        graph = neighbor_graph(np.ones((1, 3)), 10)

        assert neighbors_kept(graph, np.zeros((1, 2), np.float32), 10) == 1
