"""Viterbi and forward-backward against every path, and against hmmlearn."""

import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.core.hmm import forward_backward, plain, viterbi
from pipeline.core.hmm.lattice import build_lattice
from pipeline.errors import ShapeError

# Few distinct scores, so that paths tie.
score = st.sampled_from([0.0, -0.5, -1.0, -3.0, -np.inf])


@st.composite
def problems(draw):
    size = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    tokens = sum(lengths)

    def array(*shape):
        cells = int(np.prod(shape))
        drawn = draw(st.lists(score, min_size=cells, max_size=cells))
        return np.array(drawn).reshape(shape)

    beam = draw(st.sampled_from([None, 0.7, 2.0]))
    lattice = build_lattice(array(tokens, size), np.cumsum([0, *lengths]), beam)
    return lattice, array(size + 1, size + 1, size + 1)


def random_problem(rng, *, states=4, lengths=(3, 1, 0, 5)):
    scores = rng.normal(size=(sum(lengths), states))
    lattice = build_lattice(scores, np.cumsum([0, *lengths]), None)
    return lattice, rng.normal(size=(states + 1,) * 3)


@given(problems())
def test_the_best_path_is_the_best_of_all_bit_for_bit(problem):
    _, likelihoods = plain.best_paths(*problem)
    assume(np.isfinite(likelihoods).all())

    states, scores = viterbi.best_paths(*problem)

    known, best = plain.best_paths(*problem)
    assert states.tolist() == known.tolist()
    assert scores.tolist() == best.tolist()


@given(problems())
def test_sums_over_paths_are_those_of_a_list_of_all(problem):
    found, known = forward_backward.sum_paths(*problem), plain.sum_paths(*problem)

    # Sums of at most 81 terms between 1e-16 and 1, in another order.
    for field in ("log_likelihoods", "posteriors", "transitions"):
        np.testing.assert_allclose(
            getattr(found, field), getattr(known, field), rtol=1e-9, atol=1e-12
        )


@given(problems())
def test_posteriors_sum_to_one_or_to_nothing(problem):
    lattice, _ = problem
    sums = forward_backward.sum_paths(*problem)

    possible = np.repeat(np.isfinite(sums.log_likelihoods), np.diff(lattice.offsets))
    np.testing.assert_allclose(sums.posteriors.sum(axis=1), possible, atol=1e-9)


def test_longer_sentences_agree_with_all_paths(rng):
    problem = random_problem(rng)

    states, scores = viterbi.best_paths(*problem)
    known, best = plain.best_paths(*problem)
    sums, listed = forward_backward.sum_paths(*problem), plain.sum_paths(*problem)

    assert states.tolist() == known.tolist()
    assert scores.tolist() == best.tolist()
    np.testing.assert_allclose(sums.posteriors, listed.posteriors, rtol=1e-9)
    np.testing.assert_allclose(sums.transitions, listed.transitions, atol=1e-12)


def test_of_equal_paths_that_with_the_lowest_states_at_its_end_wins():
    lattice = build_lattice(np.zeros((3, 2)), np.array([0, 3]), None)

    states, _ = viterbi.best_paths(lattice, np.zeros((3, 3, 3)))

    assert states.tolist() == [0, 0, 0]


def test_a_sentence_without_a_possible_path_is_told_apart():
    scores = np.array([[0.0, -1.0], [-2.0, -1.0]])
    lattice = build_lattice(scores, np.array([0, 2]), None)
    transitions = np.full((3, 3, 3), -np.inf)

    states, totals = viterbi.best_paths(lattice, transitions)
    sums = forward_backward.sum_paths(lattice, transitions)

    # Each token by itself.
    assert states.tolist() == [0, 1]
    assert np.isneginf(totals).all()
    assert np.isneginf(sums.log_likelihoods).all()
    assert not sums.posteriors.any()


def test_an_empty_sentence_has_the_score_of_its_boundaries():
    lattice = build_lattice(np.zeros((0, 2)), np.array([0, 0]), None)
    transitions = np.arange(27.0).reshape(3, 3, 3)

    states, totals = viterbi.best_paths(lattice, transitions)

    assert len(states) == 0
    assert totals.tolist() == [26]
    assert forward_backward.sum_paths(lattice, transitions).log_likelihoods == [26]


def test_no_sentence_has_no_path():
    lattice = build_lattice(np.zeros((0, 2)), np.array([0]), None)

    states, totals = viterbi.best_paths(lattice, np.zeros((3, 3, 3)))

    assert (len(states), len(totals)) == (0, 0)


@given(st.lists(st.lists(score, min_size=3, max_size=3), max_size=5))
def test_a_beam_keeps_the_best_states_in_order(rows):
    scores = np.array(rows).reshape(-1, 3)

    lattice = build_lattice(scores, np.array([0, len(scores)]), 0.7)

    for i, row in enumerate(scores):
        kept = [s for s in range(3) if row[s] >= row.max() - 0.7]
        kept = kept if np.isfinite(row.max()) else [0, 1, 2]
        assert lattice.states[i, : lattice.counts[i]].tolist() == kept
        assert lattice.scores[i, : lattice.counts[i]].tolist() == row[kept].tolist()


@pytest.mark.parametrize("offsets", [[0, 3], [1, 2]])
def test_offsets_of_other_tokens_are_refused(offsets):
    with pytest.raises(ShapeError, match=r"found shape \(2, 4\)"):
        build_lattice(np.zeros((2, 4)), np.array(offsets), None)


def test_paths_and_posteriors_equal_hmmlearns(rng):
    model = CategoricalHMM(3)
    model.startprob_ = rng.dirichlet(np.ones(3))
    model.transmat_ = rng.dirichlet(np.ones(3), size=3)
    model.emissionprob_ = rng.dirichlet(np.ones(5), size=3)
    symbols, lengths = rng.integers(0, 5, 40), [10, 1, 29]
    pairs = np.ones((4, 4))
    pairs[:3, :3], pairs[3, :3] = model.transmat_, model.startprob_
    transitions = np.broadcast_to(np.log(pairs), (4, 4, 4))
    scores = np.log(model.emissionprob_).T[symbols]
    lattice = build_lattice(scores, np.cumsum([0, *lengths]), None)

    states, totals = viterbi.best_paths(lattice, transitions)
    sums = forward_backward.sum_paths(lattice, transitions)

    likelihood, path = model.decode(symbols[:, np.newaxis], lengths)
    assert states.tolist() == path.tolist()
    assert totals.sum() == pytest.approx(likelihood, rel=1e-12)
    whole, posteriors = model.score_samples(symbols[:, np.newaxis], lengths)
    assert sums.log_likelihoods.sum() == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(sums.posteriors, posteriors, atol=1e-12)
