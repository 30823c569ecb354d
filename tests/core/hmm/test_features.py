import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.hmm.features import NOTHING, TokenFeatures, fold, shape_of


def read(texts, ids=None, **settings):
    """Return the features of sentences of words, separated by spaces."""
    words = [text.split() for text in texts]
    flat = [word for text in words for word in text]
    reader = TokenFeatures(**{"suffix": 2, "word_class": None} | settings)
    return reader.read(
        pa.table({"tokens": pa.array(words, pa.list_(pa.string()))}),
        np.arange(len(flat)) if ids is None else np.array(ids),
        np.cumsum([0, *map(len, words)]),
    )


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        ("said", "a"),
        ("anti-war", "a-"),
        ("Oslo", "Aa"),
        ("Anglo-dutch", "Aa-"),
        ("O'neill", "Aa'"),
        ("Mr.", "Aa."),
        ("McCain", "AaA"),
        ("eBay", "aA"),
        ("LONDON", "AA"),
        ("UK-US", "AA-"),
        ("I", "A"),
        ("J.", "A."),
        ("U.S.", "A.A."),
        ("1996", "4 digits"),
        ("22", "2 digits"),
        ("7", "digits"),
        ("3-1", "0-"),
        ("1/2", "0/"),
        ("1,000", "0,"),
        ("0.5", "0."),
        ("11:30", "0:"),
        ("5%", "0?"),
        ("4th", "0a"),
        ("F-16", "0a-"),
        ("...", "sign"),
        ("日本", "AA"),  # neither case
    ],
)
def test_a_shape_says_what_a_token_looks_like(token, shape):
    assert shape_of(token) == shape


def test_folding_leaves_neither_case_nor_digits():
    assert fold("F-16") == fold("f-99") == "f-00"


def test_equal_tokens_have_equal_features_and_words_keep_their_ids():
    split = read(["Anna saw Anna", "saw"], ids=[4, -1, 4, -1])

    assert split.columns["word"].tolist() == [4, NOTHING, 4, NOTHING]
    for name in ("shape", "suffix1", "suffix2", "prefix1", "form"):
        a, b, again, other = split.columns[name].tolist()
        assert a == again != b == other


def test_suffixes_and_prefixes_are_of_the_folded_token():
    split = read(["Oslo MOLO x19"])

    assert split.columns["suffix2"][0] == split.columns["suffix2"][1]
    assert split.columns["prefix2"][0] != split.columns["prefix2"][1]
    assert "suffix3" not in split.columns


def test_codes_are_shared_by_splits_and_new_tokens_get_new_ones():
    reader = TokenFeatures(1, None)
    table = pa.table({"tokens": pa.array([["a", "b"]])})
    other = pa.table({"tokens": pa.array([["c", "a"]])})
    ids, offsets = np.arange(2), np.array([0, 2])

    first, second = (reader.read(t, ids, offsets) for t in (table, other))

    a, b = first.columns["form"].tolist()
    assert second.columns["form"].tolist()[1] == a
    assert second.columns["form"].tolist()[0] not in (a, b)


def test_the_first_token_and_sentences_in_capitals_are_told_apart():
    split = read(["He left", "OSLO WINS 3-1", "UN ends", "NATO", "3 - 1"])

    assert split.columns["place"].tolist() == [1, 0, 2, 2, 2, 1, 0, 1, 1, 0, 0]


def test_neighbors_end_with_their_sentence():
    split = read(["a b", "c"], ids=[0, NOTHING, 2])

    assert split.beside("word", 0).tolist() == [1, NOTHING, 3]
    assert split.beside("word", 1).tolist() == [NOTHING, 0, 0]
    assert split.beside("word", -1).tolist() == [0, 1, 0]
    assert split.beside("word", 2).tolist() == [0, 0, 0]
    for found, known in zip(
        split.crossed(["word", "word-1"]), ([1, -1, 3], [0, 1, 0]), strict=True
    ):
        assert found.tolist() == known


def test_patterns_tell_sentences_and_places_apart():
    columns = read(["Oslo 3 Rome 1", "Bonn 2 Kiev 0", "Oslo said"]).columns

    first, second = columns["pattern"][:4].tolist(), columns["pattern"][4:8].tolist()
    assert first == second
    assert len(set(first)) == 4
    assert columns["pattern"][8] not in first


def test_word_classes_are_a_column_of_their_own():
    classes = {"a": 7}
    split = read(["a b"], word_class=lambda token: classes.get(token, NOTHING))

    assert split.columns["class"].tolist() == [7, NOTHING]


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_tokens_have_no_features(texts):
    split = read(texts)

    assert split.tokens == 0
    assert all(len(column) == 0 for column in split.columns.values())
