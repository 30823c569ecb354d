import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.core.categories import cluster, neighbor_precision, purity
from pipeline.core.similarity import unit_vectors


def ring(*degrees):
    angles = np.radians(degrees)
    return unit_vectors(np.column_stack([np.cos(angles), np.sin(angles)]).astype("f4"))


def ids(*values):
    return np.array(values, np.int32)


def test_precision_of_a_hand_worked_case():
    # Words 0, 2 and 3 are the category; each has its two nearest counted.
    unit = ring(0, 5, 11, 18, 90)

    neighbors, shares = neighbor_precision(unit, ids(0, 2, 3))

    assert neighbors.tolist() == [[1, 2], [1, 3], [2, 1]]
    assert shares.tolist() == [0.5, 0.5, 0.5]


def test_precision_counts_ten_neighbors_of_a_large_category():
    unit = ring(*range(12), 180)

    neighbors, shares = neighbor_precision(unit, ids(*range(12)))

    assert neighbors.shape == (12, 10)
    assert shares.tolist() == [1.0] * 12


def test_a_category_of_two_can_reach_one():
    _, shares = neighbor_precision(ring(0, 1, 50, 51), ids(0, 1))

    assert shares.tolist() == [1, 1]


@pytest.mark.parametrize("members", [ids(), ids(2)])
def test_a_category_of_fewer_than_two_words_has_no_precision(members):
    neighbors, shares = neighbor_precision(ring(0, 1, 50), members)

    assert neighbors.size == shares.size == 0


def test_a_vocabulary_of_one_word_has_no_precision():
    assert neighbor_precision(ring(0), ids(0))[1].size == 0


def test_a_category_of_the_whole_vocabulary_is_all_inside(rng):
    unit = unit_vectors(rng.normal(size=(7, 3)).astype(np.float32))

    _, shares = neighbor_precision(unit, np.arange(7, dtype=np.int32))

    assert shares.tolist() == [1.0] * 7


def test_k_means_finds_groups_that_lie_apart():
    points = ring(0, 120, 2, 240, 121, 241, 1)

    assert cluster(points, 3, seed=5).tolist() == [0, 1, 0, 2, 1, 2, 0]


def test_k_means_repeats_with_its_seed_for_any_number_of_threads(rng):
    points = unit_vectors(rng.normal(size=(700, 5)).astype(np.float32))
    with threadpool_limits(1):
        one = cluster(points, 9, seed=3)

    np.testing.assert_array_equal(one, cluster(points, 9, seed=3))
    assert one.tolist() != cluster(points, 9, seed=4).tolist()


def test_k_means_adds_up_on_one_thread(monkeypatch):
    threads = []

    def fit(model, points):
        threads.extend(pool["num_threads"] for pool in threadpool_info())
        return original(model, points)

    original = KMeans.fit
    monkeypatch.setattr(KMeans, "fit", fit)
    cluster(ring(0, 90), 2, seed=1)

    assert set(threads) == {1}


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.ones((1, 2))])
def test_k_means_of_fewer_distinct_points_than_clusters_makes_fewer(points):
    assert set(cluster(points, 3, seed=1)) == {0}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_purity_equals_that_of_scikit_learns_contingency_table(items):
    classes, clusters = np.array(items, np.int32).T

    table = contingency_matrix(classes, clusters)  # classes × clusters
    assert purity(classes, clusters) == table.max(axis=0).sum() / table.sum()


def test_purity_of_a_hand_worked_case():
    # The example of Manning, Raghavan and Schütze, figure 16.4: 12 of 17.
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    classes = np.array([0] * 5 + [1] + [0] + [1] * 4 + [2] + [0] * 2 + [2] * 3)

    assert purity(classes, clusters) == pytest.approx(12 / 17)
