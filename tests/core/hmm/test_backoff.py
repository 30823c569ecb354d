import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.hmm.backoff import Chain, Index, Level
from pipeline.core.hmm.features import SplitFeatures

codes = st.lists(
    st.tuples(st.integers(-1, 3), st.integers(-1, 2), st.integers(0, 2)), max_size=12
)


def split_of(**columns):
    """Return a split of one sentence with some columns."""
    arrays = {name: np.array(column, np.int64) for name, column in columns.items()}
    tokens = len(next(iter(arrays.values())))
    return SplitFeatures(arrays, np.array([0, tokens]))


def chain_of(levels, split, states, size=2, rare=None):
    rare = np.ones(len(states), bool) if rare is None else np.array(rare, bool)
    return Chain(levels, split, np.array(states), rare, size)


def probabilities(chain, split, given=0):
    ratios = chain.log_ratios(split, given)
    return np.exp(ratios) * chain.prior if not given else np.exp(ratios)


@given(codes)
def test_an_index_numbers_the_rows_that_it_was_made_of(rows):
    columns = [np.array([row[i] for row in rows], np.int64) for i in range(3)]

    numbers = Index(columns)(columns).tolist()

    known = sorted({row for row in rows if -1 not in row})
    assert numbers == [known.index(row) if row in known else -1 for row in rows]


def test_an_index_does_not_know_other_rows():
    index = Index([np.array([1, 2]), np.array([1, 2])])

    assert index([np.array([1, 1, 5]), np.array([1, 2, 5])]).tolist() == [0, -1, -1]
    assert index.size == 2


def test_levels_lean_on_those_before_them():
    split = split_of(shape=[0, 0, 0, 1], word=[0, 1, 1, 2])
    chain = chain_of(
        [Level(("shape",), 2.0), Level(("word",), 1.0)], split, [0, 1, 1, 1]
    )

    found = probabilities(chain, split_of(shape=[0, 0, 5], word=[1, 9, 9]))

    prior = np.array([2 / 6, 4 / 6])  # one more of each
    shape = (np.array([1, 2]) + 2 * prior) / 5
    word = (np.array([0, 2]) + shape) / 3
    np.testing.assert_allclose(found, [word, shape, prior], rtol=1e-12)


def test_theta_leans_by_the_same_share_whatever_the_count():
    split = split_of(shape=[0, 0, 0, 1])
    chain = chain_of([Level(("shape",), None)], split, [0, 1, 1, 1])

    found = probabilities(chain, split_of(shape=[0]))

    prior = np.array([2 / 6, 4 / 6])
    theta = np.std(prior, ddof=1)
    known = (np.array([1, 2]) / 3 + theta * prior) / (1 + theta)
    np.testing.assert_allclose(found, [known], rtol=1e-12)


def test_only_rare_words_are_counted_where_unknown_ones_are_meant():
    split = split_of(shape=[0, 0, 0])
    chain = chain_of(
        [Level(("shape",), 1e-9, rare=True)], split, [0, 1, 1], rare=[1, 0, 0]
    )

    np.testing.assert_allclose(
        probabilities(chain, split_of(shape=[0])), [[1, 0]], atol=1e-8
    )


def test_without_strength_a_state_never_seen_is_impossible():
    split = split_of(word=[0, 0, 1])
    chain = chain_of([Level(("word",), 0.0)], split, [0, 0, 1])

    ratios = chain.log_ratios(split_of(word=[0, 7]), 0)

    assert np.isneginf(ratios[0, 1])
    np.testing.assert_allclose(ratios[1], 0, atol=1e-12)


def test_what_is_given_is_taken_out_again():
    split = split_of(shape=[0, 0, 1, 1], word=[0, 1, 2, 2])
    levels = [Level(("shape",), 2.0), Level(("word",), 1.0)]
    chain = chain_of(levels, split, [0, 1, 1, 1])
    seen = split_of(shape=[0, 1], word=[1, 9])

    ratios = chain.log_ratios(seen, 1)

    both = probabilities(chain, seen)
    shape = probabilities(chain_of(levels[:1], split, [0, 1, 1, 1]), seen)
    np.testing.assert_allclose(ratios, np.log(both / shape), atol=1e-12)
    np.testing.assert_allclose(ratios[1], 0, atol=1e-12)


@pytest.mark.parametrize("strength", [0.5, None])
@given(
    shapes=hnp.arrays(np.int64, 9, elements=st.integers(-1, 2)),
    states=hnp.arrays(np.int64, 9, elements=st.integers(0, 2)),
    rare=hnp.arrays(np.bool_, 9),
)
def test_probabilities_of_states_sum_to_one(strength, shapes, states, rare):
    split = split_of(shape=shapes, word=np.arange(9) % 4)
    chain = chain_of(
        [Level(("shape",), strength, rare=True), Level(("shape", "word"), strength)],
        split,
        states,
        size=3,
        rare=rare,
    )

    np.testing.assert_allclose(probabilities(chain, split).sum(axis=1), 1, rtol=1e-12)


def test_one_state_is_certain():
    split = split_of(shape=[0, 0])
    chain = chain_of([Level(("shape",), None)], split, [0, 0], size=1)

    assert probabilities(chain, split).tolist() == [[1], [1]]
