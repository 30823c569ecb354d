"""The commonest tag of each word: as counted by hand, and by Python's own counter."""

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest

from pipeline.core.types import UNKNOWN, Corpus, EncodedCorpus, EncodedSplit
from pipeline.core.word_tags import entity, majority, part_of_speech


def encoded(sentences, **columns):
    """A corpus of one split, in Arrow chunks of two sentences, and its ids."""
    table = pa.table({"tokens": [[str(i) for i in s] for s in sentences]} | columns)
    chunks = [table.slice(i, 2) for i in range(0, len(sentences), 2)]
    flat = np.array([i for s in sentences for i in s], np.int32)
    offsets = np.cumsum([0, *map(len, sentences)])
    corpus = Corpus({"train": pa.concat_tables(chunks) if chunks else table})
    split = EncodedSplit(flat, offsets)
    return corpus, EncodedCorpus({"train": split}, ("train",))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ""), ("B-LOC", "LOC"), ("I-PER", "PER"), ("B-A-B", "A-B"), ("LOC", "LOC"),
        ("O-X", "O-X"), ("", ""), ("B-", ""),
    ],
)  # fmt: skip
def test_an_entity_tag_counts_as_its_type(tag, expected):
    assert entity(tag) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("NNS", "noun"), ("NNPS", "proper noun"), ("VBD", "verb"), ("VERB", "VERB")],
)
def test_a_part_of_speech_counts_as_its_class(tag, expected):
    assert part_of_speech(tag) == expected


def test_the_commonest_wins_and_of_equals_the_first():
    sentences = [[0, 1], [0, 2], [0, UNKNOWN, 1]]
    tags = [["B-LOC", "B-PER"], ["B-LOC", "O"], ["O", "B-LOC", "B-LOC"]]

    labels, of = majority(*encoded(sentences, ner=tags), np.arange(4), "ner")

    assert labels == ("", "LOC", "PER")
    assert of.tolist() == [1, 1, 0, UNKNOWN]  # the last never occurs


def test_words_not_asked_for_are_left_out():
    corpus = encoded([[5, 3, 9]], pos=[["NN", "VB", "JJ"]])

    labels, of = majority(*corpus, np.array([3, 5], np.int32), "pos")

    assert [labels[i] for i in of] == ["verb", "noun"]


def test_it_is_that_of_a_counter(rng):
    sentences = [rng.integers(-1, 30, rng.integers(1, 9)).tolist() for _ in range(90)]
    tags = [[f"T{rng.integers(5)}" for _ in s] for s in sentences]
    counts = defaultdict(Counter)
    for sentence, row in zip(sentences, tags, strict=True):
        for word, tag in zip(sentence, row, strict=True):
            counts[word][tag] += 1

    labels, of = majority(*encoded(sentences, pos=tags), np.arange(30), "pos")

    for word in range(30):
        expected = min(counts[word].items(), key=lambda item: (-item[1], item[0]))[0]
        assert labels[of[word]] == expected


def test_a_corpus_without_tags_has_none():
    assert majority(*encoded([[0]]), np.arange(1), "ner") is None


def test_no_sentence_and_no_word_have_no_tags():
    assert majority(*encoded([[]], ner=[[]]), np.arange(2), "ner")[1].tolist() == [
        UNKNOWN, UNKNOWN
    ]  # fmt: skip
    assert not len(majority(*encoded([[0]], ner=[["O"]]), np.arange(0), "ner")[1])
