import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity
from threadpoolctl import threadpool_limits

from pipeline.core import similarity
from pipeline.core.similarity import (
    best,
    cosines,
    find_most_similar,
    nearest,
    nearest_sets,
    unit_vectors,
    word_ids,
)
from pipeline.core.types import UNKNOWN, Embeddings, Normalization
from pipeline.errors import ConfigError, DataError

LOWER = Normalization(lowercase=True, digits="keep")

# The rounding of unit vectors moves a cosine by at most √d · 2⁻²⁶; float32
# oracles add their own error of some 1e-7.
COSINE = {"rtol": 0, "atol": 5e-7}


def embeddings_of(vectors, words=None, normalization=LOWER):
    center = np.array(vectors, np.float32)
    words = tuple(words or (f"w{i}" for i in range(len(center))))
    return Embeddings(words, center, np.zeros_like(center), normalization)


def gensim_of(embeddings):
    vectors = KeyedVectors(embeddings.center.shape[1])
    vectors.add_vectors(list(embeddings.words), embeddings.center)
    return vectors


def brute_force_order(scores):
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


# Unit vectors and cosines


def test_unit_vectors_have_norm_one_and_the_direction_of_the_rows(rng):
    vectors = rng.normal(size=(20, 7)).astype(np.float32)

    unit = unit_vectors(vectors)

    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    # Half a step of the grid.
    np.testing.assert_allclose(unit, vectors / norms, rtol=0, atol=2.0**-27)


def test_unit_vectors_survive_the_largest_and_smallest_floats():
    vectors = np.array([[3e38, 0], [0, 1e-45]], np.float32)

    np.testing.assert_array_equal(unit_vectors(vectors), np.eye(2))


def test_unit_vectors_do_not_change_their_argument(rng):
    vectors = rng.normal(size=(3, 4)).astype(np.float32)
    before = vectors.copy()

    unit_vectors(vectors)

    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(bad):
    vectors = np.array([[1, 2], [bad, 0], [bad, 1]], np.float32)

    with pytest.raises(DataError, match="in 2 of 3 rows, first in row 1"):
        unit_vectors(vectors)


def test_cosines_equal_scikit_learns(rng):
    vectors = rng.normal(size=(40, 200)).astype(np.float32)

    found = cosines(unit_vectors(vectors), np.arange(40, dtype=np.int32))

    np.testing.assert_allclose(found, cosine_similarity(vectors), **COSINE)


def test_cosines_are_exact_sums_of_the_rounded_components(rng):
    unit = unit_vectors(rng.normal(size=(12, 300)).astype(np.float32))

    found = cosines(unit, np.arange(12, dtype=np.int32))

    whole = [[int(x) for x in row * 2**26] for row in unit]  # Python's own integers
    for i, left in enumerate(whole):
        for j, right in enumerate(whole):
            exact = sum(x * y for x, y in zip(left, right, strict=True))
            assert found[i, j] * 2**52 == min(exact, 2**52)


def test_cosines_are_the_same_bits_for_any_number_of_threads_and_order_of_dims(rng):
    vectors = rng.normal(size=(1500, 100)).astype(np.float32)
    rows = np.arange(300, dtype=np.int32)
    unit = unit_vectors(vectors)
    with threadpool_limits(1):
        one = cosines(unit, rows)
    with threadpool_limits(2):
        two = cosines(unit, rows)
    shuffled = np.ascontiguousarray(unit[:, rng.permutation(100)])

    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, cosines(shuffled, rows))


def test_equal_vectors_have_equal_cosines_wherever_they_stand(rng):
    vectors = np.tile(rng.normal(size=50), (1001, 1)).astype(np.float32)
    vectors[0] = rng.normal(size=50)

    (row,) = cosines(unit_vectors(vectors), np.array([0], np.int32))

    assert len(set(row[1:])) == 1


def test_zero_vectors_have_cosine_zero():
    unit = unit_vectors(np.array([[0, 0], [1, 0], [0, 0]], np.float32))

    found = cosines(unit, np.arange(3, dtype=np.int32))

    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


# The best, the nearest


@pytest.mark.parametrize("levels", [3, 40, 10**6])
@pytest.mark.parametrize("size", [1_279, 1_280, 3_001, 21_009])
def test_the_best_of_many_scores_are_those_of_a_stable_sort(rng, size, levels):
    scores = rng.integers(0, levels, size).astype(np.float64)
    scores[rng.integers(0, size, 5)] = -np.inf

    for top_k in (1, 2, 10, 50, size):
        found = best(scores, top_k)
        assert found.tolist() == np.argsort(-scores, kind="stable")[:top_k].tolist()


@given(st.lists(st.integers(-3, 3)), st.integers(0, 40))
def test_best_orders_by_score_then_id(scores, top_k):
    found = best(np.array(scores, np.float64), top_k)

    assert found.tolist() == brute_force_order(scores)[:top_k]


def test_nearest_equals_a_full_sort_of_each_row(rng):
    # Small whole components: many exact ties.
    unit = unit_vectors(rng.integers(-1, 2, size=(60, 3)).astype(np.float32))

    ids, scores = nearest(unit, np.arange(60, dtype=np.int32), 59)

    full = cosines(unit, np.arange(60, dtype=np.int32))
    for i in range(60):
        order = [j for j in brute_force_order(full[i]) if j != i]
        assert ids[i].tolist() == order
        np.testing.assert_array_equal(scores[i], full[i, order])


def test_nearest_does_not_depend_on_the_size_of_batches(rng, monkeypatch):
    unit = unit_vectors(rng.normal(size=(50, 5)).astype(np.float32))
    rows = rng.permutation(50)[:23].astype(np.int32)
    whole = nearest(unit, rows, 4)

    monkeypatch.setattr(similarity, "_BATCH_BYTES", 50 * 8 * 3)  # three rows
    batched = nearest(unit, rows, 4)

    np.testing.assert_array_equal(whole[0], batched[0])
    np.testing.assert_array_equal(whole[1], batched[1])


def near_directions(rng, words, spread):
    """Return unit vectors of a few directions, moved a little."""
    vectors = rng.normal(size=(6, 8))[rng.integers(0, 6, size=words)]
    vectors += spread * rng.normal(size=(words, 8))
    vectors[::7] = 0
    return unit_vectors(vectors.astype(np.float32))


@pytest.mark.parametrize("words", [1, 5, 300, 2000])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-7, 0.0])
def test_neighbors_are_those_of_exact_cosines_however_near_they_are(rng, words, spread):
    """Single precision cannot tell such words: whole rankings are the oracle."""
    unit = near_directions(rng, words, spread)
    rows = rng.permutation(words)[:90].astype(np.int32)

    ids, scores = nearest(unit, rows, 10)
    sets = nearest_sets(unit, rows, 10)

    exact = np.clip(unit[rows] @ unit.T, -1, 1)
    exact[np.arange(len(rows)), rows] = -np.inf
    order = np.argsort(-exact, axis=1, kind="stable")[:, : min(10, words - 1)]
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_array_equal(scores, np.take_along_axis(exact, order, axis=1))
    np.testing.assert_array_equal(np.sort(sets, axis=1), np.sort(order, axis=1))


def test_most_similar_equals_gensims(rng):
    embeddings = embeddings_of(rng.normal(size=(300, 40)))

    for word in embeddings.words[:20]:
        ours = find_most_similar(embeddings, word, top_k=15)
        theirs = gensim_of(embeddings).most_similar(word, topn=15)

        assert [w for w, _ in ours] == [w for w, _ in theirs]
        np.testing.assert_allclose(
            [s for _, s in ours], [s for _, s in theirs], **COSINE
        )


def test_most_similar_breaks_ties_by_id_and_leaves_out_the_word_itself():
    vectors = [[0, 1], [1, 0], [2, 0], [0, 3], [4, 0], [-1, 0]]
    embeddings = embeddings_of(vectors, "abcdef")

    assert find_most_similar(embeddings, "c", top_k=10) == [
        ("b", 1.0),
        ("e", 1.0),
        ("a", 0.0),
        ("d", 0.0),
        ("f", -1.0),
    ]


def test_a_zero_vector_is_as_near_to_every_word():
    embeddings = embeddings_of([[1, 0], [0, 0], [0, 1]], "abc")

    assert find_most_similar(embeddings, "b") == [("a", 0.0), ("c", 0.0)]


def test_a_vocabulary_of_one_word_has_no_neighbors():
    assert find_most_similar(embeddings_of([[1, 2]], "a"), "a") == []


def test_words_are_normalized_as_the_vocabulary_was():
    zeroed = Normalization(lowercase=True, digits="zero")
    embeddings = embeddings_of([[1, 0], [1, 1]], ["may-00", "b"], zeroed)

    assert find_most_similar(embeddings, "May-96")[0][0] == "b"


def test_case_counts_where_the_vocabulary_keeps_it():
    kept = Normalization(lowercase=False, digits="keep")
    embeddings = embeddings_of([[1, 0], [1, 1]], ["Germany", "France"], kept)

    with pytest.raises(DataError, match="'germany' is not among the 2 words"):
        find_most_similar(embeddings, "germany")


def test_an_unknown_word_is_named_with_close_spellings():
    words = ["germany", "german", "france", "germans", "monday", "germane", "many"]
    embeddings = embeddings_of(np.eye(7), words)

    with pytest.raises(DataError) as error:
        find_most_similar(embeddings, "Germnay")

    message = str(error.value)
    assert "'germnay' (normalized from 'Germnay')" in message
    assert "Close spellings: 'germany', 'german', 'germans'." in message


def test_an_unknown_word_unlike_all_others_has_no_close_spellings():
    with pytest.raises(DataError, match=r"of the vocabulary\.$"):
        find_most_similar(embeddings_of(np.eye(2), ["aa", "bb"]), "zz")


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_neighbor_cannot_be_asked_for(top_k):
    with pytest.raises(ConfigError, match=f"top_k: .* found {top_k}"):
        find_most_similar(embeddings_of(np.eye(2), "ab"), "a", top_k=top_k)


def test_word_ids_mark_words_that_the_vocabulary_lacks():
    embeddings = embeddings_of(np.eye(2), ["a", "b"])

    assert word_ids(embeddings, ["B", "x", "a"]).tolist() == [1, UNKNOWN, 0]
