import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from pipeline.core.similarity import unit_vectors
from pipeline.core.types import UNKNOWN
from pipeline.core.word_pairs import WordPair, read_pairs, score_pairs
from pipeline.errors import DataError


def mean_ranks(values):
    """Rank from 1; equal values share the mean of their ranks."""
    return [
        sum(other < value for other in values)
        + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


# Files of word pairs


@pytest.mark.parametrize(
    "text",
    [
        "tiger\tcat\t7.35\nstock\tegg\t1.81\n",
        "tiger,cat,7.35\nstock,egg,1.81\n",
        '"tiger", "cat", 7.35\n"stock", "egg", 1.81',
        "tiger cat  7.35\nstock egg 1.81",
        "tiger\tcat\t7.35\r\nstock\tegg\t1.81\r\n",
        "\ufefftiger\tcat\t7.35\nstock\tegg\t1.81\n",
    ],
)
def test_pairs_are_read_whatever_separates_them(tmp_path, text):
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.encode())

    assert read_pairs(path) == (
        WordPair(1, "tiger", "cat", 7.35),
        WordPair(2, "stock", "egg", 1.81),
    )


@pytest.mark.parametrize(
    "header",
    ["word1\tword2\tSimLex999", "Word 1\tWord 2\tHuman (mean)"],
)
def test_a_header_is_skipped_and_lines_are_counted_from_the_top(tmp_path, header):
    path = tmp_path / "pairs.txt"
    path.write_text(f"# note\n\n{header}\nold\tnew\t-1.5\n")

    assert read_pairs(path) == (WordPair(4, "old", "new", -1.5),)


def test_pairs_are_read_from_gzip(tmp_path):
    path = tmp_path / "pairs.txt.gz"
    path.write_bytes(gzip.compress(b"old new 1"))

    assert read_pairs(path) == (WordPair(1, "old", "new", 1.0),)


def test_words_may_hold_spaces_between_tabs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("ice cream\tsnow\t3\n")

    assert read_pairs(path)[0].first == "ice cream"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\t1\na\tb\n", r":2: expected 3 columns .* tabs, found 2: 'a\\tb'"),
        ("a b 1\na b c 1\n", r":2: expected 3 columns .* white space, found 4"),
        ("a,b,1\na b 1\n", r":2: expected 3 columns .* commas, found 1"),
        ("a\tb\t1\n\tb\t1\n", r":2: expected 3 columns"),
        ("a\tb\t7.35x\n", r":1: expected a number as the score, found '7\.35x'"),
        ("a\tb\t1\na\tb\tmany\n", r":2: expected a number as the score, found 'many'"),
        ("a\tb\t1\na\tb\tnan\n", r":2: expected a number as the score, found 'nan'"),
        ("a\tb\t1\na\tb\t1e999\n", r":2: expected a number"),
        ('a,b,1\n"a,b,1\n', r":2: expected CSV"),
        ("", r"pairs\.txt: expected lines of word, word, score, found none"),
        ("word1\tword2\tscore\n", r"pairs\.txt: expected lines .* found none"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    path = tmp_path / "pairs.txt"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_pairs(path)


def test_a_byte_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"a\tb\t1\ncaf\xe9\tb\t1\n")

    with pytest.raises(DataError, match=r"pairs\.txt: byte 9: expected UTF-8"):
        read_pairs(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read_pairs(tmp_path / "none.txt")


# Correlation with people


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)),
        min_size=2,
        max_size=30,
    )
)
def test_spearman_equals_pearson_of_mean_ranks(items):
    vectors = [[1, 0], [0, 1], [1, 1], [-1, 2], [0, 0], [1, 0]]
    unit = unit_vectors(np.array(vectors, np.float32))
    pairs = np.array([(a, b) for a, b, _ in items], np.int32)
    human = [float(score) for *_, score in items]

    result = score_pairs(unit, pairs, np.array(human))

    cosine = cosine_similarity(vectors)[pairs[:, 0], pairs[:, 1]]
    # The rounding of unit vectors moves a cosine by at most √d · 2⁻²⁶.
    np.testing.assert_allclose(result.cosines, cosine, rtol=0, atol=5e-7)
    if len(set(human)) == 1 or len(set(result.cosines)) == 1:
        assert result.spearman is None
        assert "all equal" in result.note
    else:
        expected = np.corrcoef(mean_ranks(list(result.cosines)), mean_ranks(human))
        assert result.spearman == pytest.approx(expected[0, 1], abs=1e-12)
        assert result.note == ""


def test_spearman_of_a_hand_worked_case_with_ties():
    # Cosines with the first: 1, 0.8, 0.8, 0, so mean ranks 4, 2.5, 2.5, 1; human
    # ranks 4, 3, 2, 1. Deviations 1.5 0 0 -1.5 and 1.5 .5 -.5 -1.5:
    # 4.5 / √(4.5 · 5) = √0.9.
    vectors = np.array([[5, 0], [4, 3], [4, -3], [0, 5], [1, 0]], np.float32)
    pairs = np.array([[0, 4], [0, 1], [0, 2], [0, 3]], np.int32)

    result = score_pairs(unit_vectors(vectors), pairs, np.array([9.0, 5, 3, 1]))

    assert result.spearman == pytest.approx(0.9**0.5, abs=1e-12)


def test_words_beside_themselves_tie_at_one_unless_they_are_zero(rng):
    vectors = rng.normal(size=(50, 30)).astype(np.float32)
    vectors[49] = 0
    pairs = np.repeat(np.arange(50, dtype=np.int32), 2).reshape(50, 2)

    result = score_pairs(unit_vectors(vectors), pairs, np.arange(50.0))

    assert result.cosines.tolist() == [1.0] * 49 + [0.0]


def test_pairs_that_the_vocabulary_lacks_count_only_against_coverage():
    unit = unit_vectors(np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    pairs = np.array([[0, 2], [0, UNKNOWN], [0, 1], [UNKNOWN, UNKNOWN]], np.int32)

    result = score_pairs(unit, pairs, np.array([3.0, 99, 1, -99]))

    assert result.found.tolist() == [True, False, True, False]
    assert result.coverage == 0.5
    assert result.spearman == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("covered", [0, 1])
def test_spearman_of_fewer_than_two_pairs_is_not_defined(covered):
    unit = unit_vectors(np.eye(2, dtype=np.float32))
    pairs = np.full((3, 2), UNKNOWN, np.int32)
    pairs[:covered] = [0, 1]

    result = score_pairs(unit, pairs, np.arange(3.0))

    assert result.spearman is None
    assert result.note == f"needs at least 2 covered pairs, found {covered}"


@pytest.mark.parametrize("score", ["1_0", "\u0661", "nan", "inf", "-Infinity", "1e999"])
def test_a_number_is_written_plainly(tmp_path, score):
    """float() reads the first two as 10 and 1; a header is no broken score."""
    path = tmp_path / "pairs.txt"
    path.write_text(f"a b 1\nc d {score}\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"pairs.txt:2: expected a number"):
        read_pairs(path)


def test_a_broken_first_score_is_no_header(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("a b nan\nc d 2\n")

    with pytest.raises(DataError, match=r"pairs.txt:1: expected a number"):
        read_pairs(path)
