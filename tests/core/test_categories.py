import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline.core.categories import (
    adjusted_rand,
    cluster,
    crossed,
    neighbor_precision,
    purity,
    read_categories,
)
from pipeline.core.similarity import unit_vectors
from pipeline.errors import DataError


def ring(*degrees):
    angles = np.radians(degrees)
    return unit_vectors(np.column_stack([np.cos(angles), np.sin(angles)]).astype("f4"))


def ids(*values):
    return np.array(values, np.int32)


def table_of(classes, clusters):
    cells, shape = crossed(np.asarray(classes), np.asarray(clusters))
    return cells.sum(axis=0).reshape(shape)


def test_precision_of_a_hand_worked_case():
    # Words 0, 2 and 3 are the category; each has its two nearest counted.
    unit = ring(0, 5, 11, 18, 90)

    neighbors, shares = neighbor_precision(unit, {"x": ids(0, 2, 3)})["x"]

    assert neighbors.tolist() == [[1, 2], [1, 3], [2, 1]]
    assert shares.tolist() == [0.5, 0.5, 0.5]


def test_precision_counts_ten_neighbors_of_a_large_category():
    unit = ring(*range(12), 180)

    neighbors, shares = neighbor_precision(unit, {"x": ids(*range(12))})["x"]

    assert neighbors.shape == (12, 10)
    assert shares.tolist() == [1.0] * 12


def test_a_category_of_two_can_reach_one():
    _, shares = neighbor_precision(ring(0, 1, 50, 51), {"x": ids(0, 1)})["x"]

    assert shares.tolist() == [1, 1]


@pytest.mark.parametrize("members", [ids(), ids(2)])
def test_a_category_of_fewer_than_two_words_has_no_precision(members):
    neighbors, shares = neighbor_precision(ring(0, 1, 50), {"x": members})["x"]

    assert neighbors.size == shares.size == 0


def test_a_vocabulary_of_one_word_has_no_precision():
    assert neighbor_precision(ring(0), {"x": ids(0)})["x"][1].size == 0


def test_a_category_of_the_whole_vocabulary_is_all_inside(rng):
    unit = unit_vectors(rng.normal(size=(7, 3)).astype(np.float32))

    _, shares = neighbor_precision(unit, {"x": np.arange(7, dtype=np.int32)})["x"]

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

    theirs = contingency_matrix(classes, clusters)  # classes × clusters
    table = table_of(classes, clusters)
    assert purity(table) == theirs.max(axis=0).sum() / theirs.sum()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_adjusted_rand_equals_scikit_learns(items):
    classes, clusters = np.array(items, np.int32).T
    table = table_of(classes, clusters)

    known = adjusted_rand_score(classes, clusters)
    assert adjusted_rand(table, table) == pytest.approx(known, abs=1e-12)


points = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3))


@given(st.lists(points, min_size=2, max_size=12))
def test_adjusted_rand_of_a_resample_leaves_out_pairs_of_a_point_with_itself(items):
    classes, clusters, times = np.array(items, np.int32).T.astype(np.int32)
    cells, shape = crossed(classes, clusters)
    tables = (times @ cells).reshape(shape), (times**2 @ cells).reshape(shape)

    found = float(adjusted_rand(*tables))

    both = rows = columns = every = 0
    for i in range(len(items)):
        for j in range(i):
            pairs = int(times[i]) * int(times[j])
            together = bool(clusters[i] == clusters[j]), bool(classes[i] == classes[j])
            every += pairs
            rows += pairs * together[0]
            columns += pairs * together[1]
            both += pairs * all(together)
    expected = rows * columns / max(every, 1)
    possible = (rows + columns) / 2 - expected
    naive = (both - expected) / possible if possible > 1e-9 else 1
    assert found == pytest.approx(naive, abs=1e-9)


def test_purity_of_a_hand_worked_case():
    # The example of Manning, Raghavan and Schütze, figure 16.4: 12 of 17.
    clusters = np.repeat([0, 1, 2], [6, 6, 5])
    classes = np.array([0] * 5 + [1] + [0] + [1] * 4 + [2] + [0] * 2 + [2] * 3)

    assert purity(table_of(classes, clusters)) == pytest.approx(12 / 17)


# Files


SECTIONS = ": fruit\n# all of them\napple  pear\nplum apple\n\n: tools\nhammer\n"


@pytest.mark.parametrize(
    "text",
    [
        SECTIONS,
        "apple fruit\npear fruit\nplum fruit\nhammer tools\n",
        "Word\tCategory\napple\tfruit\npear\tfruit\nplum\tfruit\nhammer\ttools",
        '"apple","fruit"\npear, fruit\nplum,fruit\napple,fruit\nhammer,tools\n',
        "category,word\nfruit,apple\nfruit,pear\nfruit,plum\ntools,hammer\n",
        "Class\tConcept\r\nfruit\tapple\r\nfruit\tpear\r\nfruit\tplum\r\ntools\thammer",
        "# two\nfruit: apple pear plum\n\ntools: hammer\n",
        "fruit: apple, pear,plum\ntools:  hammer,\nfruit: pear\n",
    ],
)
def test_categories_are_read_in_any_of_the_forms(tmp_path, text):
    path = tmp_path / "groups.txt"
    path.write_text(text)

    found = read_categories(path)

    assert found == {"fruit": ("apple", "pear", "plum"), "tools": ("hammer",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected words with their categories, found none"),
        ("# none\n\n", "expected words with their categories"),
        (": empty\n", "expected words with their categories"),
        (":\na b", r"groups\.txt:1: expected a name after the colon"),
        ("a b\nc d e", r"groups\.txt:2: expected 2 columns \(word, category\)"),
        ("a\tb\nc\t", r"groups\.txt:2: expected a category of 'c'"),
        ("a\tb\n\tc", r"groups\.txt:2: expected 2 columns"),
        ("a: b c\nd e", r"groups\.txt:2: expected 'category: word word', found 'd e'"),
        ("a: b c\nd:", r"groups\.txt:2: expected 'category: word word', found 'd:'"),
        ("category,word\na,", r"groups\.txt:2: expected a word of 'a'"),
        ("fruit apple\nfruit pear\ntools saw", "one word in each. Is the category the"),
    ],
)
def test_a_malformed_category_file_is_named(tmp_path, text, message):
    path = tmp_path / "groups.txt"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_categories(path)
