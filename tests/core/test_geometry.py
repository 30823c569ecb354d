import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from pipeline.core import geometry
from pipeline.core.geometry import (
    isotropy,
    mean_cosine,
    neighbor_counts,
    overlap,
    skewness,
)
from pipeline.core.similarity import unit_vectors


def naive_isotropy(vectors):
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    z = [np.exp(vectors @ (s * c)).sum() for c in directions.T for s in (1, -1)]
    return min(z) / max(z)


def test_isotropy_equals_the_ratio_of_its_definition(rng, monkeypatch):
    vectors = rng.normal(size=(50, 6)) + 0.2

    whole = isotropy(vectors)
    monkeypatch.setattr(geometry, "_ROWS", 7)
    pieces = isotropy(vectors)

    assert whole == pieces == pytest.approx(naive_isotropy(vectors), abs=1e-6)
    assert 0 < whole < 1


def test_isotropy_of_a_hand_worked_case():
    # One word (a, 0): Z is e^a and e^-a along it, and 1 across.
    assert isotropy(np.array([[0.5, 0]])) == pytest.approx(np.exp(-1), abs=1e-6)


def test_isotropy_falls_with_a_direction_that_all_words_share(rng):
    vectors = rng.normal(size=(2000, 5)) / 5

    assert isotropy(vectors) > 0.9
    assert isotropy(vectors + np.eye(5)[0]) < 0.4


def test_zero_vectors_are_isotropic_and_long_ones_do_not_overflow(rng):
    assert isotropy(np.zeros((3, 4))) == 1
    assert isotropy(1e4 * rng.normal(size=(9, 3))) == 0


def test_the_mean_cosine_is_that_of_all_pairs(rng):
    vectors = rng.normal(size=(30, 4)).astype(np.float32) + 0.5

    (found,) = mean_cosine(unit_vectors(vectors), np.ones((1, 30), np.int64))

    pairs = cosine_similarity(vectors)[np.triu_indices(30, 1)]
    # The unit vectors are rounded to 2⁻²⁶.
    assert found == pytest.approx(pairs.mean(), abs=1e-7)


def test_a_resampled_mean_cosine_leaves_out_a_word_with_itself(rng):
    vectors = rng.normal(size=(8, 3)).astype(np.float32)
    times = rng.integers(0, 4, size=(5, 8))

    found = mean_cosine(unit_vectors(vectors), times)

    cosines = cosine_similarity(vectors)
    for row, value in zip(times, found, strict=True):
        weights = np.outer(row, row) * (1 - np.eye(8))
        expected = (weights * cosines).sum() / weights.sum()
        assert value == pytest.approx(expected, abs=1e-6)


def test_one_word_has_no_mean_cosine():
    assert np.isnan(mean_cosine(np.ones((1, 1)), np.ones((1, 1), np.int64)))


def test_neighbor_counts_equal_scikit_learns(rng):
    unit = unit_vectors(rng.normal(size=(60, 5)).astype(np.float32))

    found = neighbor_counts(unit)

    theirs = (
        NearestNeighbors(n_neighbors=10).fit(unit).kneighbors(return_distance=False)
    )
    assert found.tolist() == np.bincount(theirs.ravel(), minlength=60).tolist()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), min_size=1))
def test_skewness_equals_scipys(items):
    values, times = np.array(items).T

    (found,) = skewness(values, times[np.newaxis] + 1)

    drawn = np.repeat(values, times + 1)
    if len(set(drawn.tolist())) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(skew(drawn), abs=1e-6)


def test_overlap_counts_what_two_rows_share():
    first = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    second = np.array([[3, 1, 2], [6, 0, 1], [0, 1, 2]])

    assert overlap(first, second).tolist() == [3, 1, 0]


def test_geometry_is_the_same_bits_for_any_number_of_threads(rng):
    vectors = rng.normal(size=(3000, 50)).astype(np.float32)
    unit, times = unit_vectors(vectors), rng.integers(0, 3, size=(4, 3000))

    def measures():
        raw = vectors.astype(np.float64)
        return isotropy(raw), mean_cosine(unit, times).tolist()

    with threadpool_limits(1):
        first = measures()
    assert measures() == first
