import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import analogy, analogy_kernel, similarity
from pipeline.core.analogy import (
    Question,
    first_answers,
    ordered_questions,
    read_questions,
    solve,
    word_analogy,
)
from pipeline.core.analogy_kernel import BLOCK, find_first, lay_out
from pipeline.core.similarity import unit_vectors
from pipeline.core.types import UNKNOWN, Embeddings, Normalization
from pipeline.errors import ConfigError, DataError

LOWER = Normalization(lowercase=True, digits="keep")

# Rounding of unit vectors moves a cosine by 1e-8 or so; 3CosMul's quotients and
# float32 oracles stay within some 1e-6.
SCORE = {"rtol": 2e-6, "atol": 1e-6}


def embeddings_of(vectors, words=None):
    center = np.array(vectors, np.float32)
    words = tuple(words or (f"w{i}" for i in range(len(center))))
    return Embeddings(words, center, np.zeros_like(center), LOWER)


def gensim_of(embeddings):
    vectors = KeyedVectors(embeddings.center.shape[1])
    vectors.add_vectors(list(embeddings.words), embeddings.center)
    return vectors


def naive_scores(vectors, query, method):
    """Score every word by the formulas as the papers write them."""
    vectors = vectors.astype(np.float64)
    unit = [v / np.linalg.norm(v) if v.any() else v for v in vectors]
    a, b, c = (unit[i] for i in query)
    if method == "add":
        target = b - a + c
        norm = np.linalg.norm(target)
        return [x @ target / norm if norm else 0.0 for x in unit]
    shifted = [[(1 + x @ y) / 2 for y in (a, b, c)] for x in unit]
    return [sb * sc / (sa + 1e-6) for sa, sb, sc in shifted]


@pytest.mark.parametrize("method", ["add", "mul"])
def test_answers_equal_a_naive_loop(rng, method):
    vectors = rng.normal(size=(80, 6)).astype(np.float32)
    queries = rng.integers(0, 80, size=(40, 3)).astype(np.int32)

    ids, scores = solve(unit_vectors(vectors), queries, method=method, top_k=5)

    for query, found, score in zip(queries, ids, scores, strict=True):
        naive = naive_scores(vectors, query, method)
        order = sorted(set(range(80)) - set(query.tolist()), key=lambda i: -naive[i])
        assert found.tolist() == order[:5]
        np.testing.assert_allclose(score, [naive[i] for i in order[:5]], **SCORE)


@pytest.mark.parametrize("method", ["add", "mul"])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-7, 0.0])
def test_the_first_answer_is_that_of_the_ranking_however_near_others_are(
    rng, kernel_cache, method, spread
):
    # Words of a few directions, moved a little: single precision cannot tell them.
    vectors = rng.normal(size=(6, 8))[rng.integers(0, 6, size=300)]
    vectors += spread * rng.normal(size=(300, 8))
    unit = unit_vectors(vectors.astype(np.float32))
    queries = rng.integers(0, 300, size=(200, 3)).astype(np.int32)
    queries[50:120, :2] = queries[50, :2]  # with the same a and b

    first = first_answers(unit, unit.astype(np.float32), [queries], kernel_cache)[
        method
    ]

    ranked, _ = solve(unit, queries, method=method, top_k=2)
    np.testing.assert_array_equal(first, ranked[:, 0])


@pytest.mark.parametrize("words", [1, 3, 15, 16, 17, BLOCK, BLOCK + 1, 2 * BLOCK + 40])
def test_first_answers_are_found_in_every_block_of_words(rng, kernel_cache, words):
    unit = unit_vectors(rng.normal(size=(words, 5)).astype(np.float32))
    queries = rng.integers(0, words, size=(150, 3)).astype(np.int32)

    first = first_answers(unit, unit.astype(np.float32), [queries], kernel_cache)

    for method in analogy.METHODS:
        ids, _ = solve(unit, queries, method=method)
        np.testing.assert_array_equal(first[method], ids[:, 0])


@pytest.mark.parametrize("method", ["add", "mul"])
def test_first_answers_of_opposite_and_zero_vectors_are_those_of_the_ranking(
    rng, kernel_cache, method
):
    # A quotient by σ = 0 leaves nothing to single precision.
    vectors = np.concatenate([np.eye(4), -np.eye(4), np.zeros((3, 4))])
    unit = unit_vectors(vectors.astype(np.float32))
    queries = rng.integers(0, len(unit), size=(300, 3)).astype(np.int32)

    first = first_answers(unit, unit.astype(np.float32), [queries], kernel_cache)[
        method
    ]

    ranked, _ = solve(unit, queries, method=method)
    np.testing.assert_array_equal(first, ranked[:, 0])


@pytest.mark.parametrize("asked", [1, 7])
def test_the_compiled_search_finds_what_a_plain_one_does(
    rng, kernel_cache, monkeypatch, asked
):
    monkeypatch.setattr(analogy_kernel, "_ASKED", asked)
    narrow = unit_vectors(rng.normal(size=(90, 4)).astype(np.float32))
    words = np.arange(0, 90, 9)
    rows, cosines = lay_out(narrow.astype(np.float32), words)
    cosines[rng.random(cosines.shape) < 0.1] = np.nan
    places = rng.integers(0, len(words), size=(50, 3))
    slack = rng.uniform(1e-3, 0.3, size=(len(words), 2)).astype(np.float32)
    epsilon = np.float32(1e-6)

    ids, near, bounds = find_first(rows, places, slack, epsilon, kernel_cache)

    shifted = (1 + cosines) / 2
    for i, (a, b, c) in enumerate(places):
        add = cosines[b] - cosines[a] + cosines[c]
        mul = shifted[b] * shifted[c] / (shifted[a] + epsilon)
        for k, scores in enumerate((add, mul)):
            # Rounded in another order: a score at the very bound may fall either way.
            bound = np.nanmax(scores) - slack[a, k]
            np.testing.assert_allclose(bounds[i, k], bound, rtol=1e-5, atol=1e-6)
            found = np.flatnonzero(scores > bounds[i, k])
            assert (ids[i, k], near[i, k]) == (found[0], len(found))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_all_words_are_asked_with_there_is_no_first_answer(kernel_cache, size):
    unit = np.eye(size)
    query = np.array([[0, size // 2, size - 1]], np.int32)

    first = first_answers(unit, unit.astype(np.float32), [query], kernel_cache)

    assert {method: ids.tolist() for method, ids in first.items()} == {
        "add": [UNKNOWN],
        "mul": [UNKNOWN],
    }


@pytest.mark.parametrize("together", [1, 30 * 12, 30 * 100])
@pytest.mark.parametrize("held", [1, 2**20])
def test_first_answers_do_not_depend_on_what_is_answered_together(
    rng, kernel_cache, monkeypatch, together, held
):
    unit = unit_vectors(rng.normal(size=(30, 4)).astype(np.float32))
    relations = [
        rng.integers(i, i + 9, size=(size, 3)).astype(np.int32)
        for i, size in enumerate((40, 0, 1, 25, 30))
    ]
    monkeypatch.setattr(analogy, "_TOGETHER", together)
    monkeypatch.setattr(similarity, "_BATCH_BYTES", held)

    first = first_answers(unit, unit.astype(np.float32), relations, kernel_cache)

    for method in analogy.METHODS:
        ids, _ = solve(unit, np.concatenate(relations), method=method)
        np.testing.assert_array_equal(first[method], ids[:, 0])


def test_no_question_has_no_first_answer(kernel_cache):
    unit, queries = np.eye(4), np.empty((0, 3), np.int32)

    for relations in ([], [queries]):
        first = first_answers(unit, unit.astype(np.float32), relations, kernel_cache)
        assert [len(ids) for ids in first.values()] == [0, 0]


def test_3cosadd_equals_gensims(rng):
    embeddings = embeddings_of(rng.normal(size=(200, 20)))
    theirs = gensim_of(embeddings)

    for a, b, c in rng.choice(embeddings.words, size=(20, 3), replace=False):
        ours = word_analogy(embeddings, a, b, c, top_k=7)
        expected = theirs.most_similar(positive=[b, c], negative=[a], topn=7)

        assert [w for w, _ in ours] == [w for w, _ in expected]
        np.testing.assert_allclose(
            [s for _, s in ours], [s for _, s in expected], **SCORE
        )


# gensim calls its own deprecated method.
@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")
def test_3cosmul_equals_gensims(rng):
    embeddings = embeddings_of(rng.normal(size=(200, 20)))
    theirs = gensim_of(embeddings)

    for a, b, c in rng.choice(embeddings.words, size=(20, 3), replace=False):
        ours = word_analogy(embeddings, a, b, c, top_k=7, method="mul")
        expected = theirs.most_similar_cosmul(positive=[b, c], negative=[a], topn=7)

        assert [w for w, _ in ours] == [w for w, _ in expected]
        np.testing.assert_allclose(
            [s for _, s in ours], [s for _, s in expected], **SCORE
        )


def test_a_parallelogram_is_completed():
    # Country and capital differ by the third axis; "oslo" is nearer to paris
    # than to what France : Paris = Germany : ? asks for.
    vectors = [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1], [0.8, 0.2, 1]]
    words = ["france", "paris", "germany", "berlin", "oslo"]
    embeddings = embeddings_of(vectors, words)

    for method in analogy.METHODS:
        ((answer, _), *_) = word_analogy(
            embeddings, "France", "Paris", "Germany", method=method
        )
        assert answer == "berlin"


@pytest.mark.parametrize("method", ["add", "mul"])
def test_query_words_are_never_answers(rng, method):
    embeddings = embeddings_of(rng.normal(size=(6, 3)))

    answers = word_analogy(embeddings, "w0", "w1", "w0", top_k=99, method=method)

    assert sorted(word for word, _ in answers) == ["w2", "w3", "w4", "w5"]


@pytest.mark.parametrize("method", ["add", "mul"])
def test_equal_answers_are_ordered_by_id(method):
    vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 2, 2], [1, 1, 1]]

    answers = word_analogy(embeddings_of(vectors), "w0", "w1", "w2", method=method)

    assert [word for word, _ in answers] == ["w3", "w4", "w5"]
    assert len({score for _, score in answers}) == 1


@pytest.mark.parametrize("method", ["add", "mul"])
def test_zero_vectors_give_finite_scores(method):
    vectors = np.zeros((5, 2))
    vectors[4] = [1, 0]

    answers = word_analogy(embeddings_of(vectors), "w0", "w1", "w2", method=method)

    # Each of the three cosines is 0: cos(x, 0) = 0, and ½ · ½ / ½ = ½.
    expected = {"add": 0.0, "mul": pytest.approx(0.5, abs=1e-5)}[method]
    assert answers == [("w3", expected), ("w4", expected)]


@pytest.mark.parametrize("method", ["add", "mul"])
def test_opposite_vectors_give_finite_scores(method):
    vectors = [[1, 0], [0, 1], [0, -1], [-1, 0]]

    ((word, score),) = word_analogy(
        embeddings_of(vectors), "w0", "w1", "w2", method=method
    )

    assert word == "w3"
    assert np.isfinite(score)


@pytest.mark.parametrize("method", ["add", "mul"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_vocabulary_of_only_query_words_has_no_answer(size, method):
    query = (0, size // 2, size - 1)  # every id below size is among these

    ids, scores = solve(np.eye(size), np.array([query]), method=method, top_k=9)

    assert ids.tolist() == [[UNKNOWN] * size]
    assert scores.tolist() == [[0] * size]
    words = (f"w{i}" for i in query)
    assert word_analogy(embeddings_of(np.eye(size)), *words, method=method) == []


def test_no_question_has_no_answer():
    queries = np.empty((0, 3), np.int32)

    ids, scores = solve(np.eye(4), queries, method="add")

    assert ids.shape == scores.shape == (0, 1)


@pytest.mark.parametrize("method", ["add", "mul"])
def test_answers_do_not_depend_on_the_size_of_batches(rng, monkeypatch, method):
    unit = unit_vectors(rng.normal(size=(30, 4)).astype(np.float32))
    queries = rng.integers(0, 30, size=(50, 3)).astype(np.int32)
    whole = solve(unit, queries, method=method, top_k=3)

    monkeypatch.setattr(similarity, "_BATCH_BYTES", 1)
    batched = solve(unit, queries, method=method, top_k=3)

    np.testing.assert_array_equal(whole[0], batched[0])
    np.testing.assert_array_equal(whole[1], batched[1])


@given(
    st.lists(st.tuples(*[st.integers(0, 9)] * 3), max_size=30),
    st.integers(3, 10),
)
def test_batches_hold_every_question_once_and_at_most_so_many_words(queries, limit):
    ranges = list(analogy._ranges(queries, limit))

    assert [i for start, stop in ranges for i in range(start, stop)] == list(
        range(len(queries))
    )
    for start, stop in ranges:
        assert len({i for query in queries[start:stop] for i in query}) <= limit


def test_an_unknown_word_is_named():
    with pytest.raises(DataError, match="'w9' is not among the 3 words"):
        word_analogy(embeddings_of(np.eye(3)), "w0", "w1", "w9")


def test_fewer_than_one_answer_cannot_be_asked_for():
    with pytest.raises(ConfigError, match="top_k"):
        word_analogy(embeddings_of(np.eye(4)), "w0", "w1", "w2", top_k=0)


# Questions


def test_questions_are_read_by_section(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(
        "// Copyright\n: capital\nAthens Greece Oslo Norway\r\n\n"
        ":family \nboy girl\tking  queen\n"
    )

    assert read_questions(path) == (
        Question("capital", ("Athens", "Greece", "Oslo", "Norway")),
        Question("family", ("boy", "girl", "king", "queen")),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": s\na b c\n", r":2: expected 4 words, found 3: 'a b c'"),
        (": s\na b c d e\n", r":2: expected 4 words, found 5"),
        ("a b c d\n", r":1: expected a section line .* found 'a b c d'"),
        (": s\na b c d\n:\n", r":3: expected a name after the colon"),
        (": s\n", r"questions\.txt: expected lines of four words, found none"),
        ("", r"questions\.txt: expected lines of four words, found none"),
    ],
)
def test_a_malformed_question_file_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "questions.txt"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_questions(path)


def test_a_question_file_that_is_not_utf8_is_named_with_the_byte(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_bytes(b": s\n\xff")

    with pytest.raises(DataError, match=r"questions\.txt: byte 4: expected UTF-8"):
        read_questions(path)


def test_googles_file_has_its_19544_questions(shared):
    questions = read_questions(shared / "data" / "questions-words.txt")

    assert len(questions) == 19_544
    assert len({question.section for question in questions}) == 14


def test_each_pair_is_asked_by_each_other_pair_that_shares_no_word():
    pairs = (("france", "franc"), ("japan", "yen"), ("belgium", "franc"))

    questions = ordered_questions("currency", pairs)

    assert [question.words for question in questions] == [
        ("france", "franc", "japan", "yen"),
        ("japan", "yen", "france", "franc"),
        ("japan", "yen", "belgium", "franc"),
        ("belgium", "franc", "japan", "yen"),
    ]
