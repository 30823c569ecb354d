import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.core.correlation import spearman, spearman_interval
from pipeline.core.intervals import resamples
from pipeline.core.randomness import generator

# Few values, so that ties are common.
points = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2)


def oracle(x, y):
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return spearmanr(x, y).statistic


@given(points)
def test_the_correlation_equals_scipys(items):
    x, y = np.array(items, float).T

    assert spearman(x, y) == pytest.approx(oracle(x, y), abs=1e-12)


def test_a_hand_worked_case_with_ties():
    # Ranks 1 2.5 2.5 4 and 1 2 3 4: 4.5 / √(4.5 · 5).
    rho = spearman(np.array([0, 5.0, 5, 9]), np.array([1.0, 2, 3, 4]))

    assert rho == pytest.approx(0.9**0.5, abs=1e-15)


def test_equal_orders_correlate_at_one_and_opposite_ones_at_minus_one(rng):
    x = rng.normal(size=2001)

    assert spearman(x, np.exp(x)) == 1
    assert spearman(x, -x) == -1


@pytest.mark.parametrize("size", [0, 1, 5])
def test_what_does_not_vary_has_no_correlation(size, rng):
    x = np.zeros(size)

    assert spearman(x, np.arange(size, dtype=float)) is None
    assert spearman_interval(rng, x, np.arange(size, dtype=float)) is None


def test_the_interval_is_that_of_scipys_correlations_of_the_resamples(rng):
    x, y = rng.integers(0, 9, size=(2, 20)).astype(float)

    low, high = spearman_interval(generator(1, "x"), x, y)

    drawn = [
        np.repeat(np.arange(20), times)
        for batch in resamples(generator(1, "x"), 20)
        for times in batch
    ]
    values = sorted(spearmanr(x[rows], y[rows]).statistic for rows in drawn)
    assert (low, high) == pytest.approx((values[25], values[-26]), abs=1e-9)
