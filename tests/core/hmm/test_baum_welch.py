import numpy as np
import pytest
from hmmlearn.hmm import CategoricalHMM
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.hmm.baum_welch import SymbolModel, learn
from pipeline.errors import ShapeError

OFFSETS = np.array([0, 7, 7, 20])


def random_model(rng, *, states=2, symbols=4):
    return SymbolModel(
        rng.dirichlet(np.ones(states)),
        rng.dirichlet(np.ones(states), size=states),
        rng.dirichlet(np.ones(symbols), size=states),
    )


def test_a_fit_equals_hmmlearns(rng):
    model = random_model(rng, states=3)
    symbols = rng.integers(0, 4, 20)
    other = CategoricalHMM(3, n_iter=4, tol=-np.inf, init_params="")
    other.startprob_, other.transmat_ = model.start, model.transition
    other.emissionprob_ = model.emission

    found, likelihoods = learn(model, symbols, OFFSETS, passes=4)

    other.fit(symbols[:, np.newaxis], [7, 13])
    np.testing.assert_allclose(likelihoods[:-1], other.monitor_.history, rtol=1e-10)
    np.testing.assert_allclose(found.start, other.startprob_, atol=1e-9)
    np.testing.assert_allclose(found.transition, other.transmat_, atol=1e-9)
    np.testing.assert_allclose(found.emission, other.emissionprob_, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_the_likelihood_never_falls_and_probabilities_sum_to_one(seed):
    rng = np.random.default_rng(seed)
    symbols = rng.integers(0, 4, 20)

    found, likelihoods = learn(random_model(rng), symbols, OFFSETS, passes=5)

    # Rounding, once the model has settled.
    assert (np.diff(likelihoods) >= -1e-9).all()
    for table in (found.start, found.transition, found.emission):
        np.testing.assert_allclose(table.sum(axis=-1), 1, rtol=1e-12)


def test_it_finds_the_model_that_made_a_text(rng):
    # Two states that stay, each with a symbol of its own most of the time.
    truth = SymbolModel(
        np.array([0.5, 0.5]),
        np.array([[0.9, 0.1], [0.1, 0.9]]),
        np.array([[0.95, 0.05], [0.05, 0.95]]),
    )
    state, symbols = 0, []
    for _ in range(3000):
        state = rng.choice(2, p=truth.transition[state])
        symbols.append(rng.choice(2, p=truth.emission[state]))
    start = SymbolModel(
        truth.start,
        np.array([[0.6, 0.4], [0.4, 0.6]]),
        np.array([[0.7, 0.3], [0.3, 0.7]]),
    )

    found, _ = learn(start, np.array(symbols), np.array([0, 3000]), passes=40)

    # Three standard errors of a share of 0.1 among 1500.
    np.testing.assert_allclose(found.transition, truth.transition, atol=0.03)
    np.testing.assert_allclose(found.emission, truth.emission, atol=0.03)


def test_a_state_that_is_never_expected_keeps_its_probabilities():
    model = SymbolModel(np.array([1.0, 0.0]), np.eye(2), np.full((2, 2), 0.5))

    found, _ = learn(model, np.array([0, 1, 1]), np.array([0, 3]), passes=2)

    np.testing.assert_allclose(found.emission, [[1 / 3, 2 / 3], [0.5, 0.5]])
    assert found.transition.tolist() == model.transition.tolist()


def test_no_text_teaches_nothing(rng):
    model = random_model(rng)

    found, likelihoods = learn(model, np.zeros(0, int), np.array([0, 0]), passes=1)

    assert likelihoods.tolist() == [0, 0]
    assert found.emission.tolist() == model.emission.tolist()


@pytest.mark.parametrize(
    ("symbols", "states", "message"),
    [
        ([0, 4], 2, "symbols from 0 to 3, found 0 to 4"),
        ([-1], 2, "found -1"),
        ([0], 3, "transitions of 2 states"),
    ],
)
def test_what_does_not_fit_is_refused(rng, symbols, states, message):
    model = random_model(rng)
    wrong = SymbolModel(np.ones(states) / states, model.transition, model.emission)

    with pytest.raises(ShapeError, match=message):
        learn(wrong, np.array(symbols), np.array([0, len(symbols)]), passes=1)
