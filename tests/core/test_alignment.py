"""Turning vectors onto others, and maps that move only where neighbors change."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import TSNE, trustworthiness

from pipeline.core.alignment import (
    _affinities,
    aligned_layouts,
    layout_depth,
    procrustes,
    widened,
)
from pipeline.core.projection import neighbor_graph, pca
from pipeline.core.similarity import unit_vectors
from pipeline.errors import ShapeError


def clusters(rng, noise=0.3, words=60):
    """Unit vectors around six directions, and which each is of."""
    label = np.arange(words) % 6
    points = np.eye(6)[label] + noise * rng.normal(size=(words, 6))
    return unit_vectors(points.astype(np.float32)), label


def graph_of(unit, perplexity=8.0):
    return neighbor_graph(unit, layout_depth(len(unit), perplexity))


class TestProcrustes:
    def test_it_is_that_of_scipy(self, rng):
        source, target = rng.normal(size=(2, 40, 7))

        expected, _ = orthogonal_procrustes(source, target)
        np.testing.assert_allclose(procrustes(source, target), expected, atol=1e-12)

    def test_a_turned_and_mirrored_matrix_is_turned_back(self, rng):
        target = rng.normal(size=(40, 7))
        turn, _ = np.linalg.qr(rng.normal(size=(7, 7)))

        found = procrustes(target @ turn, target)

        np.testing.assert_allclose(target @ turn @ found, target, atol=1e-12)

    def test_no_random_turn_brings_them_nearer(self, rng):
        source, target = rng.normal(size=(2, 20, 4))
        best = np.linalg.norm(source @ procrustes(source, target) - target)

        for _ in range(50):
            turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
            assert np.linalg.norm(source @ turn - target) >= best

    def test_other_shapes_are_refused(self):
        with pytest.raises(ShapeError, match=r"\(3, 2\) and \(3, 4\)"):
            procrustes(np.ones((3, 2)), np.ones((3, 4)))

    def test_widening_keeps_dot_products(self, rng):
        rows = rng.normal(size=(5, 3))

        wide = widened(rows, 8)

        assert wide.shape == (5, 8)
        np.testing.assert_array_equal(wide @ wide.T, rows @ rows.T)


class TestMaps:
    def test_the_affinities_have_the_perplexity_asked_for(self, rng):
        unit, _ = clusters(rng)
        graph = graph_of(unit)

        found = _affinities(graph, 60, 8.0).astype(float)

        assert found.sum() == pytest.approx(1, rel=1e-5)
        np.testing.assert_array_equal(found, found.T)
        assert (np.diag(found) == 0).all()
        # Naively, one word at a time: p_j|i at the precision that has the entropy.
        square = squareform(pdist(unit, "sqeuclidean"))
        one_way = np.zeros((60, 60))
        for i in range(60):
            near = graph.ids[i, : layout_depth(60, 8.0)]
            low, high = 1e-6, 1e6
            for _ in range(200):
                beta = np.sqrt(low * high)
                p = np.exp(-beta * (square[i, near] - square[i, near].min()))
                p /= p.sum()
                entropy = -(p * np.log(np.maximum(p, 1e-300))).sum()
                low, high = (beta, high) if entropy > np.log(8) else (low, beta)
            one_way[i, near] = p
        expected = (one_way + one_way.T) / 120
        np.testing.assert_allclose(found, expected, atol=2e-6)

    def test_a_map_is_as_trustworthy_as_that_of_scikit_learn(self, rng):
        unit, _ = clusters(rng, words=120)

        (found,) = aligned_layouts([graph_of(unit)], pca(unit, 2), 8.0)

        other = TSNE(perplexity=8, random_state=0, n_jobs=1).fit_transform(unit)
        ours, theirs = (trustworthiness(unit, each) for each in (found, other))
        assert ours > theirs - 0.02
        assert ours > 0.9

    def test_the_same_neighbors_stay_where_they_are(self, rng):
        unit, _ = clusters(rng)
        graph = graph_of(unit)

        first, second, third = aligned_layouts([graph] * 3, pca(unit, 2), 8.0)

        size = first.std()
        assert np.linalg.norm(second - first, axis=1).mean() < 0.2 * size
        assert np.linalg.norm(third - second, axis=1).mean() < 0.1 * size

    def test_words_that_change_their_neighbors_move_most(self, rng):
        unit, _ = clusters(rng, noise=0.15)
        moved = np.array([0, 7, 14])
        after = unit.copy()
        after[moved] = unit[[3, 10, 17]]  # into the clusters of others

        before_map, after_map = aligned_layouts(
            [graph_of(unit), graph_of(after)], pca(unit, 2), 8.0
        )

        way = np.linalg.norm(after_map - before_map, axis=1)
        assert set(np.argsort(-way)[:3]) == set(moved)

    def test_each_map_lies_on_the_one_before(self, rng):
        unit, _ = clusters(rng)
        other, _ = clusters(rng)

        first, second = aligned_layouts(
            [graph_of(unit), graph_of(other)], pca(unit, 2), 8.0
        )

        for layout in (first, second):
            np.testing.assert_allclose(layout.mean(axis=0), 0, atol=1e-3)
        turn, _ = orthogonal_procrustes(
            second.astype(np.float64), first.astype(np.float64)
        )
        np.testing.assert_allclose(turn, np.eye(2), atol=1e-3)

    def test_the_same_words_give_the_same_bytes(self, rng):
        unit, _ = clusters(rng)
        graphs, start = [graph_of(unit)] * 2, pca(unit, 2)

        one, other = (aligned_layouts(graphs, start, 8.0) for _ in range(2))

        assert [a.tobytes() for a in one] == [b.tobytes() for b in other]

    @pytest.mark.parametrize("words", [2, 3, 5])
    @pytest.mark.parametrize("vectors", ["zero", "equal", "apart"])
    def test_few_and_equal_words_have_a_map(self, words, vectors):
        unit = {
            "zero": np.zeros((words, 3)),
            "equal": np.tile([1.0, 0, 0], (words, 1)),
            "apart": np.eye(words, 5),
        }[vectors]

        maps = aligned_layouts([graph_of(unit)] * 2, pca(unit, 2), 30.0)

        assert all(np.isfinite(each).all() for each in maps)
        assert all(each.shape == (words, 2) for each in maps)

    def test_too_shallow_a_graph_is_refused(self, rng):
        unit, _ = clusters(rng)

        with pytest.raises(ShapeError, match="expected 25 neighbors of each of 60"):
            aligned_layouts([neighbor_graph(unit, 5)], pca(unit, 2), 8.0)
