from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.conlleval import find_entities, read_tags
from pipeline.core.hmm.states import plain_states, span_sequence, span_states

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
TAGSET = read_tags(TAGS)

sentences = st.lists(st.lists(st.sampled_from(range(5)), max_size=8), max_size=5)
schemes = pytest.mark.parametrize("scheme", ["bioes", "iob2"])


def flat(texts):
    codes = np.array([tag for text in texts for tag in text], np.int32)
    return codes, np.cumsum([0, *map(len, texts)])


def spelled(space, states):
    return [space.tags[state] for state in states]


def test_spans_are_spelled_by_where_they_begin_and_end():
    space = span_states(TAGSET, "bioes")
    text = ["B-PER", "I-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-LOC", "O"]
    codes, offsets = flat([[TAGS.index(tag) for tag in text]])

    found = span_sequence(space, TAGSET, codes, offsets)

    names = [space.states[state] for state in found]
    assert names == ["B-PER", "I-PER", "E-PER", "O", "S-LOC", "B-LOC", "E-LOC", "O"]
    assert spelled(space, found) == text


@schemes
@given(texts=sentences)
def test_states_spell_the_spans_of_any_tags_by_allowed_steps(scheme, texts):
    space = span_states(TAGSET, scheme)
    codes, offsets = flat(texts)

    found = span_sequence(space, TAGSET, codes, offsets)

    again = np.array([TAGS.index(tag) for tag in spelled(space, found)], np.int32)
    spans = [find_entities(TAGSET, c, offsets) for c in (codes, again)]
    for field in ("starts", "ends", "kinds"):
        assert getattr(spans[0], field).tolist() == getattr(spans[1], field).tolist()
    edge = len(space.states)
    for begin, end in pairwise(offsets):
        path = [edge, *found[begin:end].tolist(), edge]
        assert all(space.allowed[u, v] for u, v in pairwise(path))


@schemes
@given(choices=st.lists(st.integers(0, 10**6), max_size=10))
def test_every_allowed_path_is_sound_iob2(scheme, choices):
    space = span_states(TAGSET, scheme)
    edge, path = len(space.states), []
    for choice in choices:
        legal = np.flatnonzero(space.allowed[path[-1] if path else edge, :edge])
        path.append(int(legal[choice % len(legal)]))

    tags = ["O", *spelled(space, path)]
    for before, tag in pairwise(tags):
        if tag.startswith("I-"):
            assert before[2:] == tag[2:]
            assert before != "O"


def test_a_sentence_cannot_end_inside_a_span_nor_begin_there():
    space = span_states(TAGSET, "bioes")
    edge = len(space.states)

    ends = {space.states[u] for u in np.flatnonzero(space.allowed[:edge, edge])}
    begins = {space.states[v] for v in np.flatnonzero(space.allowed[edge, :edge])}

    assert ends == {"O", "S-LOC", "E-LOC", "S-PER", "E-PER"}
    assert begins == {"O", "S-LOC", "B-LOC", "S-PER", "B-PER"}


def test_a_text_without_spans_has_one_state():
    tagset = read_tags(["O"])
    space = span_states(tagset, "bioes")

    found = span_sequence(space, tagset, np.zeros(3, np.int32), np.array([0, 3]))

    assert space.states == ("O",)
    assert found.tolist() == [0, 0, 0]


def test_plain_tags_may_follow_one_another_in_any_order():
    space = plain_states(["DT", "NN"])

    assert space.states == space.tags == ("DT", "NN")
    assert space.allowed.all()
    assert space.allowed.shape == (3, 3)
