"""A winner, or none: intervals, corrections, and how often they are wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from pipeline.core.statistics import (
    Interval,
    compare_cells,
    holm,
    interval,
    mean_interval,
    pareto_front,
    seed_noise,
)
from pipeline.errors import ShapeError

some_scores = st.floats(-100, 100).map(lambda value: round(value, 3))


def table(*, cells, seeds, spread, rng, means=0.0):
    """Scores of these means, with a part of each seed that all cells share."""
    shared = rng.normal(size=seeds)
    noise = rng.normal(size=(cells, seeds)) * np.reshape(spread, (-1, 1))
    return np.reshape(means, (-1, 1)) + shared + noise


class TestIntervals:
    @given(st.lists(some_scores, min_size=2, max_size=20))
    def test_the_mean_of_seeds_has_students_interval(self, values):
        values = np.array(values)
        found = mean_interval(values)

        error = stats.sem(values)
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), error or 1)
        assert found.mean == pytest.approx(values.mean())
        if error > 1e-9:
            assert (found.low, found.high) == pytest.approx((low, high))

    def test_by_hand(self):
        # Mean 2, variance 1, so 2 ± 4.3027 / √3.
        found = mean_interval(np.array([1.0, 2.0, 3.0]))

        assert (found.low, found.high) == pytest.approx((-0.48414, 4.48414), abs=1e-5)

    def test_one_seed_has_no_interval(self):
        assert mean_interval(np.array([0.5])) == Interval(0.5, None, None)
        assert interval(0.5, 1.0, 0) == Interval(0.5, None, None)


class TestHolm:
    def test_by_hand(self):
        # 0.01 · 4, then 0.02 · 3, then 0.03 · 2 = 0.06 (no less), then 0.04 · 1.
        found = holm(np.array([0.04, 0.01, 0.03, 0.02]))

        np.testing.assert_allclose(found, [0.06, 0.04, 0.06, 0.06])

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def test_it_rejects_what_the_stepwise_procedure_rejects(self, p_values):
        p_values = np.array(p_values)
        adjusted = holm(p_values)

        for level in (0.01, 0.05, 0.3):
            rejected = set()
            for rank, i in enumerate(np.argsort(p_values, kind="stable")):
                if p_values[i] * (len(p_values) - rank) >= level:
                    break
                rejected.add(int(i))
            assert set(np.flatnonzero(adjusted < level)) == rejected
        assert (adjusted >= p_values).all()
        assert (adjusted <= 1).all()


class TestNoise:
    def test_pooled_noise_is_the_residual_of_a_two_way_analysis(self, rng):
        scores = table(cells=6, seeds=4, spread=1, rng=rng, means=np.arange(6))

        found = seed_noise(scores)

        left = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
        assert found.freedom == 5 * 3
        assert found.pooled == pytest.approx((left**2).sum() / 15)

    @given(arrays.arrays(bool, (5, 4)), st.integers(0, 1000))
    def test_with_missing_trials_it_is_that_of_least_squares(self, missing, seed):
        rng = np.random.default_rng(seed)
        scores = table(cells=5, seeds=4, spread=1, rng=rng)
        scores[missing] = np.nan
        used = np.isfinite(scores).sum(axis=1) > 1

        found = seed_noise(scores)

        cells, seeds = np.nonzero(np.isfinite(scores) & used[:, np.newaxis])
        design = np.hstack([np.eye(5)[cells], np.eye(4)[seeds]])
        y = scores[cells, seeds]
        fit, _, rank, _ = np.linalg.lstsq(design, y)
        freedom = len(y) - rank
        if used.sum() > 1 and freedom:
            assert found.freedom == freedom
            # The oracle solves a larger system; rounding of order 1e-15 remains.
            expected = ((y - design @ fit) ** 2).sum() / freedom
            assert found.pooled == pytest.approx(expected, abs=1e-9)
        elif used.sum() == 1:
            (own,) = scores[used]
            assert found.pooled == pytest.approx(np.nanvar(own, ddof=1))
        else:
            assert found is None

    def test_alike_cells_get_the_pooled_variance_and_unlike_ones_their_own(self, rng):
        alike = np.tile([1.0, -1.0, 0.0], (4, 1)) * [[1], [-1], [1], [-1]]
        found = seed_noise(alike)
        np.testing.assert_allclose(found.variances, found.pooled)
        assert (found.freedoms == found.freedom).all()

        spread = np.repeat([1, 2, 4], 10)
        unlike = seed_noise(table(cells=30, seeds=20, spread=spread, rng=rng))
        # A variance from 19 degrees of freedom is right within a factor of about 3.
        np.testing.assert_allclose(np.log(unlike.variances / spread**2), 0, atol=1.2)

    def test_no_cell_gets_less_than_its_own_variance(self, rng):
        spread = np.where(np.arange(9) == 4, 30, 1)
        scores = table(cells=9, seeds=5, spread=spread, rng=rng)

        found = seed_noise(scores)

        left = scores - scores.mean(0) - scores.mean(1, keepdims=True) + scores.mean()
        own = (left**2).sum(axis=1) / 4 * 9 / 8
        assert (found.variances >= own - 1e-9).all()

    def test_moderation_agrees_with_limma(self):
        # squeezeVar(c(1, 2, 4, 16), df = 4): solved here by plain bisection of the
        # equations in the paper, with other code than the module's.
        from scipy.optimize import brentq
        from scipy.special import digamma, polygamma

        from pipeline.core.statistics import _prior

        variances, freedom = np.array([1.0, 2.0, 4.0, 16.0]), np.full(4, 4.0)
        e = np.log(variances) - digamma(2) + np.log(2)
        excess = e.var(ddof=1) - polygamma(1, 2)
        half = brentq(lambda x: polygamma(1, x) - excess, 1e-3, 1e6)
        center = np.exp(e.mean() + digamma(half) - np.log(half))

        assert _prior(variances, freedom, 1.0) == pytest.approx((center, 2 * half))

    def test_constant_cells_prove_no_lack_of_noise(self, rng):
        scores = table(cells=8, seeds=3, spread=1, rng=rng)
        with_failed = np.vstack([scores, np.zeros((8, 3))])

        assert seed_noise(with_failed).pooled == pytest.approx(
            seed_noise(scores).pooled
        )


class TestComparison:
    @given(arrays.arrays(float, (2, 5), elements=some_scores))
    def test_two_cells_are_compared_by_the_paired_t_test(self, scores):
        found = compare_cells(scores, maximize=True)

        gaps = scores[0] - scores[1]
        moving = np.ptp(scores, axis=1) > 0
        if moving.all() and np.ptp(gaps) > 1e-6:
            expected = stats.ttest_rel(*scores).pvalue
            worse = found.order[1]
            assert found.p_values[worse] == pytest.approx(expected, abs=1e-9)
            assert (found.winner is not None) == (expected < 0.05)

    def test_clear_cells_are_told_apart_and_close_ones_are_not(self, rng):
        means = [5, 10, 10.01, 0]
        scores = table(cells=4, seeds=3, spread=0.1, rng=rng, means=means)

        found = compare_cells(scores, maximize=True)

        assert set(found.tied) == {1, 2}
        assert found.winner is None
        assert set(found.order[2:]) == {0, 3}
        assert (found.p_values[[0, 3]] < 0.01).all()

    def test_lower_is_better_where_asked(self, rng):
        scores = table(cells=3, seeds=3, spread=0.1, rng=rng, means=[5, 1, 9])

        assert compare_cells(scores, maximize=False).winner == 1
        assert compare_cells(scores, maximize=True).winner == 2

    def test_two_equal_cells_tie(self):
        found = compare_cells(np.array([[0.61, 0.63, 0.6]] * 2), maximize=True)

        assert found.tied == (0, 1)
        assert found.p_values.tolist() == [1, 1]
        assert (found.winner, found.untested) == (None, "")

    @given(
        arrays.arrays(float, (4, 3), elements=some_scores),
        st.integers(0, 3),
        st.booleans(),
    )
    def test_a_cell_under_two_names_never_wins_over_itself(
        self, scores, copied, maximize
    ):
        scores = np.vstack([scores, scores[copied]])

        found = compare_cells(scores, maximize=maximize)

        assert (copied in found.tied) == (4 in found.tied)
        assert found.winner not in (copied, 4)

    @given(
        arrays.arrays(
            float, (5, 3), elements=st.one_of(some_scores, st.just(float("nan")))
        )
    )
    def test_any_table_is_ranked_and_its_best_is_tied_with_itself(self, scores):
        found = compare_cells(scores, maximize=True)

        have = np.isfinite(scores).any(axis=1)
        assert sorted(found.order) == np.flatnonzero(have).tolist()
        assert (np.diff(found.means[list(found.order)]) <= 0).all()
        assert found.tied[:1] == found.order[:1]
        alone = len(found.tied) == 1 and not found.untested
        assert found.winner == (found.order[0] if alone else None)

    @given(
        arrays.arrays(float, (4, 3), elements=some_scores), st.permutations(range(4))
    )
    def test_the_order_of_cells_and_seeds_does_not_matter(self, scores, cells):
        found = compare_cells(scores, maximize=True)
        turned = compare_cells(scores[cells][:, ::-1], maximize=True)

        assert (found.winner is None) == (turned.winner is None)
        if found.winner is not None:
            assert cells[turned.winner] == found.winner

    @pytest.mark.parametrize(
        ("scores", "why"),
        [
            (np.empty((0, 0)), "no two cells"),
            ([[np.nan, np.nan]], "no two cells"),
            ([[1.0, 2.0, 3.0]], "no two cells"),
            ([[1.0], [2.0]], "ran with one seed"),
            ([[1.0, np.nan], [np.nan, 2.0]], "ran with one seed"),
            ([[1.0, 1.0], [2.0, 2.0]], "gave equal scores"),
            ([[1.0, 2.0, 4.0], [2.0, 3.0, 5.0]], "the same amount at every seed"),
            ([[1, 2, np.nan, np.nan], [np.nan, np.nan, 3, 5]], "too few cells"),
        ],
    )
    def test_without_a_test_there_is_no_winner_and_it_says_why(self, scores, why):
        found = compare_cells(np.array(scores, float), maximize=True)

        assert found.winner is None
        assert why in found.untested
        assert found.tied == found.order

    def test_cells_without_a_shared_seed_are_not_told_apart(self, rng):
        scores = table(cells=3, seeds=6, spread=0.1, rng=rng, means=[10, 5, 5])
        scores[:2, 3:] = np.nan
        scores[2, :3] = np.nan

        found = compare_cells(scores, maximize=True)

        assert found.tied == (0, 2)
        assert np.isnan(found.p_values[2])
        assert found.p_values[1] < 0.05

    def test_a_list_is_no_table(self):
        with pytest.raises(
            ShapeError, match=r"expected \(cells, seeds\), found \(3,\)"
        ):
            compare_cells(np.zeros(3), maximize=True)


SPREADS = {
    "alike": np.ones,
    "half of them thrice": lambda cells: np.where(np.arange(cells) % 2, 3, 1),
    "one of them tenfold": lambda cells: np.where(np.arange(cells) == 0, 10, 1),
}


class TestErrorRates:
    @pytest.mark.parametrize("spread", SPREADS)
    @pytest.mark.parametrize("cells", [2, 4, 27])
    def test_equal_cells_are_told_apart_in_one_table_of_twenty(self, cells, spread):
        rng = np.random.default_rng(cells)
        tables = 200
        apart = won = 0
        for _ in range(tables):
            scores = table(cells=cells, seeds=3, spread=SPREADS[spread](cells), rng=rng)
            found = compare_cells(scores, maximize=True)
            apart += len(found.tied) < cells
            won += found.winner is not None

        # 5%, and what 200 tables may miss it by: 3 standard errors of 1.5%.
        assert apart / tables <= 0.05 + 0.046
        assert won / tables <= 0.05 + 0.046

    def test_a_correction_for_the_best_alone_would_not_hold(self):
        rng = np.random.default_rng(0)
        tables, naive = 200, 0
        for _ in range(tables):
            scores = table(cells=27, seeds=3, spread=1, rng=rng)
            noise, means = seed_noise(scores).pooled, scores.mean(axis=1)
            gaps = np.delete(means.max() - means, means.argmax())
            p_values = 2 * stats.t.sf(gaps / np.sqrt(2 * noise / 3), 52)
            naive += (holm(p_values) < 0.05).any()

        assert naive / tables > 0.12  # 22% in the long run; the test is why

    def test_three_seeds_find_a_real_difference(self):
        """Six times the noise is found in most tables of 27 cells."""
        rng = np.random.default_rng(1)
        means = np.where(np.arange(27) < 9, 0, 6)
        found = 0
        for _ in range(40):
            scores = table(cells=27, seeds=3, spread=1, rng=rng, means=means)
            tied = set(compare_cells(scores, maximize=True).tied)
            assert tied & set(range(9, 27))
            found += sum(c not in tied for c in range(9)) / 9

        assert found / 40 > 0.7  # a paired t test of each pair by itself finds 0


class TestPareto:
    @given(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12),
    )
    def test_the_front_holds_whom_none_beats(self, points):
        costs, qualities = np.array(points, float).reshape(-1, 2).T

        front = pareto_front(costs, qualities)

        beaten = [
            any((a <= c and b > q) or (a < c and b >= q) for a, b in points)
            for c, q in points
        ]
        assert {points[i] for i in front} == {
            p for p, lost in zip(points, beaten, strict=True) if not lost
        }
        assert len({points[i] for i in front}) == len(front)
        assert list(costs[list(front)]) == sorted(costs[list(front)])
