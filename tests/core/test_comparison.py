"""Two trainings: what moved, what stayed, whatever their widths and vocabularies."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from pipeline.core.comparison import compare
from pipeline.core.types import Embeddings, Normalization
from pipeline.errors import DataError

LOWER = Normalization(lowercase=True, digits="keep")


def embed(vectors, words=None):
    center = np.asarray(vectors, np.float32)
    words = words or [f"w{i}" for i in range(len(center))]
    return Embeddings(tuple(words), center, np.empty((len(center), 0), "f4"), LOWER)


@pytest.fixture
def pair(rng):
    """Thirty words, and the same turned, with three words that are others."""
    first = rng.normal(size=(30, 6))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    second = first @ turn
    second[[4, 11, 20]] = rng.normal(size=(3, 6))
    return first, second


def test_a_turned_copy_has_not_moved(rng):
    first = rng.normal(size=(30, 6))
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))

    found = compare(embed(first), embed(3 * first @ turn), 100)

    # Float32 and the rounding of unit vectors: 1e-7 each.
    np.testing.assert_allclose(found.moved, 0, atol=1e-6)
    assert (found.kept == 10).all()
    assert found.share_kept == 1


def test_words_that_changed_moved_most(pair):
    found = compare(*map(embed, pair), 100)

    assert set(found.most_moved[:3]) == {4, 11, 20}


def test_moved_is_by_scipys_procrustes(pair):
    found = compare(*map(embed, pair), 100)

    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in pair)
    turn, _ = orthogonal_procrustes(b, a)
    np.testing.assert_allclose(found.moved, 1 - (a * (b @ turn)).sum(axis=1), atol=1e-6)


def test_neighbors_are_by_brute_force(pair):
    found = compare(*map(embed, pair), 100)

    lists = []
    for vectors in pair:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosine = unit @ unit.T
        np.fill_diagonal(cosine, -np.inf)
        lists.append(np.argsort(-cosine, axis=1)[:, :10])
    np.testing.assert_array_equal(found.near_a, lists[0])
    np.testing.assert_array_equal(found.near_b, lists[1])
    kept = [len(set(a) & set(b)) for a, b in zip(*lists, strict=True)]
    assert found.kept.tolist() == kept
    assert found.share_kept == pytest.approx(np.mean(kept) / 10)


def test_only_shared_words_are_compared_in_the_order_of_the_first(pair):
    first, second = pair
    words = [f"w{i}" for i in range(30)]
    other = ["new", *words[:2:-1]]  # backward, without three, with another

    found = compare(
        embed(first, words), embed(np.vstack([second[:1], second[:2:-1]]), other), 20
    )

    assert found.words == tuple(words[3:23])
    assert (found.shared, found.sizes) == (27, (30, 28))
    whole = compare(embed(first[3:23]), embed(second[3:23]), 100)
    np.testing.assert_array_equal(found.moved, whole.moved)
    np.testing.assert_array_equal(found.map_b, whole.map_b)


@pytest.mark.parametrize("swapped", [False, True])
def test_vectors_of_other_widths_are_compared(rng, swapped):
    first = rng.normal(size=(30, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(9, 9)))
    both = [embed(first), embed(np.pad(first, ((0, 0), (0, 5))) @ turn)]

    found = compare(*(both[::-1] if swapped else both), 100)

    assert found.dims == ((9, 4) if swapped else (4, 9))
    np.testing.assert_allclose(found.moved, 0, atol=1e-6)
    assert (found.kept == 10).all()


def test_too_few_shared_words_are_refused(rng):
    first = embed(rng.normal(size=(9, 4)))
    second = embed(rng.normal(size=(6, 4)), ["w1", "W2", "W3", "w4", "x", "y" * 99])

    with pytest.raises(DataError, match=r"found 2: 9 words and 6, such as w1, W2"):
        compare(first, second, 100)


def test_vectors_that_are_not_finite_are_refused(rng):
    broken = rng.normal(size=(9, 4))
    broken[3] = np.nan

    with pytest.raises(DataError, match="finite"):
        compare(embed(broken), embed(broken), 100)


def test_words_without_direction_are_compared():
    found = compare(embed(np.zeros((8, 3))), embed(np.ones((8, 3))), 100)

    assert np.isfinite(found.map_b).all()
    np.testing.assert_allclose(found.moved, 1)
