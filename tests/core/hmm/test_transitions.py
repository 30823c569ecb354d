import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.hmm.transitions import (
    count_transitions,
    deleted_interpolation,
    transition_scores,
)

ways = pytest.mark.parametrize("smoothing", ["interpolation", "additive"])
orders = pytest.mark.parametrize("order", [1, 2])
states = st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=6)


def counted(texts, size=3):
    flat = np.array([s for text in texts for s in text], np.int32)
    return count_transitions(flat, np.cumsum([0, *map(len, texts)]), size)


def naive_weights(counts):
    """Brants 2000, figure 1, triple by triple."""
    size = len(counts)
    votes = [0.0, 0.0, 0.0]
    for t, u, v in np.ndindex(size, size, size):
        if not counts[t, u, v]:
            continue
        parts = [
            (counts[:, :, v].sum() - 1, counts.sum() - 1),
            (counts[:, u, v].sum() - 1, counts[:, u].sum() - 1),
            (counts[t, u, v] - 1, counts[t, u].sum() - 1),
        ]
        ratios = [part / whole if whole else 0 for part, whole in parts]
        votes[ratios.index(max(ratios))] += counts[t, u, v]
    return [vote / sum(votes) for vote in votes] if sum(votes) else [1, 0, 0]


def test_triples_are_counted_with_the_boundaries_of_their_sentences():
    counts = counted([[0, 1], [], [2]])

    triples = {tuple(t): int(counts[tuple(t)]) for t in np.argwhere(counts)}
    assert triples == {
        (3, 3, 0): 1,
        (3, 0, 1): 1,
        (0, 1, 3): 1,
        (3, 3, 2): 1,
        (3, 2, 3): 1,
    }


def test_no_sentence_counts_nothing():
    assert counted([]).sum() == counted([[]]).sum() == 0


@given(states)
def test_a_sentence_of_n_tokens_has_n_and_one_triples(texts):
    expected = sum(len(text) + 1 for text in texts if text)
    assert counted(texts).sum() == expected


@given(states)
def test_interpolation_weights_equal_those_of_a_plain_loop(texts):
    counts = counted(texts)

    found = deleted_interpolation(counts)

    assert found == pytest.approx(naive_weights(counts), abs=1e-12)
    assert sum(found) == pytest.approx(1)


def test_a_first_order_text_trusts_two_states():
    # 0 and 1 in turn: what came before the last state says nothing more.
    one, two, three = deleted_interpolation(
        counted([[0, 1] * 20]).sum(axis=0, keepdims=True)
    )

    assert (one < 0.1, two > 0.9, three) == (True, True, 0)


@ways
@orders
@given(
    counts=hnp.arrays(np.int64, (4, 4, 4), elements=st.integers(0, 5)),
    allowed=hnp.arrays(np.bool_, (4, 4)),
)
def test_probabilities_sum_to_one_over_what_is_allowed(
    smoothing, order, counts, allowed
):
    allowed |= np.eye(4, dtype=bool)  # something may follow each state

    scores = transition_scores(
        counts, allowed, order=order, smoothing=smoothing, amount=0.5
    )

    assert scores.shape == (4, 4, 4)
    # Of 4 numbers, each rounded once or twice.
    np.testing.assert_allclose(np.exp(scores).sum(axis=2), 1, rtol=1e-12)
    assert np.isneginf(scores[:, ~allowed]).all()


@ways
def test_the_first_order_does_not_look_further_back(rng, smoothing):
    counts = rng.integers(0, 9, (4, 4, 4))

    scores = transition_scores(
        counts, np.ones((4, 4), bool), order=1, smoothing=smoothing, amount=0.1
    )

    assert (scores == scores[:1]).all()


def test_additive_smoothing_is_that_of_the_formula():
    counts = np.zeros((3, 3, 3), np.int64)
    counts[0, 1] = [3, 1, 0]
    allowed = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)

    scores = transition_scores(
        counts, allowed, order=2, smoothing="additive", amount=0.5
    )

    # What is not allowed is left out of the sum.
    np.testing.assert_allclose(np.exp(scores[0, 1]), [3.5 / 4, 0, 0.5 / 4])


def test_what_was_never_counted_is_even_over_what_is_allowed():
    allowed = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1]], bool)

    scores = transition_scores(
        np.zeros((3, 3, 3), np.int64),
        allowed,
        order=2,
        smoothing="interpolation",
        amount=0.1,
    )

    np.testing.assert_allclose(np.exp(scores[2, 0]), [0.5, 0.5, 0])
