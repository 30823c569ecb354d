import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities

from pipeline.core.conlleval import (
    count_matches,
    entity_score,
    find_entities,
    read_tags,
)
from pipeline.errors import DataError

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")

# Any tags at all: a classifier writes I- after O, and types that change midway.
tags = st.sampled_from(TAGS)
sentences = st.lists(st.lists(tags, min_size=1, max_size=8), min_size=1, max_size=6)
tokens = st.lists(st.tuples(tags, tags), min_size=1, max_size=8)
tagged_twice = st.lists(tokens, min_size=1, max_size=6)


def encode(texts):
    """Return the tagset, the tags as positions, and the offsets, of sentences."""
    tagset = read_tags(TAGS)
    flat = [TAGS.index(tag) for text in texts for tag in text]
    offsets = np.cumsum([0, *map(len, texts)])
    return tagset, np.array(flat, np.int32), offsets


def entities_of(texts):
    tagset, flat, offsets = encode(texts)
    found = find_entities(tagset, flat, offsets)
    kinds = [tagset.kinds[kind] for kind in found.kinds]
    return list(zip(kinds, found.starts.tolist(), found.ends.tolist(), strict=True))


def counted(gold, found):
    tagset, true, offsets = encode(gold)
    _, guessed, _ = encode(found)
    return count_matches(
        find_entities(tagset, true, offsets),
        find_entities(tagset, guessed, offsets),
        offsets,
        len(tagset.kinds),
    )


def test_a_hand_worked_text_has_these_entities():
    texts = [["B-PER", "I-PER", "O", "I-LOC"], ["I-LOC", "B-LOC", "I-PER", "I-PER"]]

    assert entities_of(texts) == [
        ("PER", 0, 2),
        ("LOC", 3, 4),  # I- after O starts an entity
        ("LOC", 4, 5),  # and ends with its sentence
        ("LOC", 5, 6),
        ("PER", 6, 8),  # and another type starts another
    ]


@given(sentences)
def test_entities_equal_seqevals(texts):
    for text in texts:
        known = [(kind, start, end + 1) for kind, start, end in get_entities(text)]
        assert entities_of([text]) == known


@given(tagged_twice)
def test_scores_equal_seqevals_in_all_and_by_type(texts):
    gold, found = ([[tag[side] for tag in text] for text in texts] for side in (0, 1))
    counts = counted(gold, found)

    micro = entity_score(*counts.sum(axis=(0, 1)).tolist())
    types = [entity_score(*row) for row in counts.sum(axis=0).tolist()]

    for score, name in ((f1_score, "f1"), (precision_score, "precision")):
        known = score(gold, found, zero_division=0)
        assert getattr(micro, name) == pytest.approx(known, abs=1e-12)
    present = {tag[2:] for side in (gold, found) for text in side for tag in text}
    known = recall_score(gold, found, average=None, zero_division=0)
    ours = [
        s.recall for s, t in zip(types, ("LOC", "PER"), strict=True) if t in present
    ]
    assert ours == pytest.approx(list(known), abs=1e-12)


def test_matches_are_counted_in_the_sentence_they_are_in():
    gold = [["B-PER"], ["O"], ["B-LOC", "I-LOC"]]
    found = [["B-PER"], ["B-PER"], ["B-LOC", "O"]]

    counts = counted(gold, found)

    assert counts[:, 0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 1]]  # LOC
    assert counts[:, 1].tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 0]]  # PER


def test_a_text_without_entities_scores_zero():
    assert entities_of([["O", "O"]]) == []
    score = entity_score(0, 0, 0)
    assert (score.precision, score.recall, score.f1) == (0, 0, 0)


@pytest.mark.parametrize("tag", ["PER", "E-PER", "B-", "b-PER", ""])
def test_a_tag_that_is_not_iob_is_named(tag):
    with pytest.raises(DataError, match=f"found {tag!r}"):
        read_tags(["O", tag])
