"""Marginal means of hyperparameters, in whole grids and in broken ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.core.effects import levels, main_effects
from pipeline.core.statistics import seed_noise


def grid(*sizes):
    """Factors a, b, ... of a full grid, and each cell's levels."""
    cells = np.array(list(itertools.product(*map(range, sizes))))
    return {name: levels(column.tolist()) for name, column in zip(
        "abcdef", cells.T, strict=False)}, cells  # fmt: skip


def some(factors, keep):
    """The factors of some of the cells."""
    return {
        name: type(f)(f.labels, f.of[keep]) for name, f in factors.items()
    }  # fmt: skip


class TestLevels:
    def test_numbers_stand_in_order_and_before_other_values(self):
        found = levels([10, 2.5, "cbow", None, 2, True, 10.0])

        assert found.labels == ("2", "2.5", "10", "null", "true", "cbow")
        assert found.of.tolist() == [2, 1, 5, 3, 0, 4, 2]

    def test_one_and_true_and_their_spellings_are_apart(self):
        assert len(set(levels([1, True, "1", "True"]).of.tolist())) == 4

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
    def test_many_numbers_fall_in_four_ranges_in_order(self, values):
        found = levels(values)

        distinct = len(set(values))
        assert len(found.labels) == distinct if distinct <= 8 else (
            2 <= len(found.labels) <= 4
        )  # fmt: skip
        assert sorted(set(found.of.tolist())) == list(range(len(found.labels)))
        for a, b in itertools.pairwise(np.argsort(values, kind="stable")):
            assert found.of[a] <= found.of[b]
            if values[a] == values[b]:
                assert found.of[a] == found.of[b]


class TestEffects:
    def test_in_a_whole_grid_they_are_the_plain_means(self, rng):
        factors, cells = grid(3, 3, 2)
        means = rng.normal(size=18)

        found = main_effects(factors, means, np.ones(18, int), None)

        assert found.complete
        assert found.separable
        for column, name in enumerate("abc"):
            for level, each in enumerate(found.by_name[name].intervals):
                plain = means[cells[:, column] == level].mean()
                assert each.mean == pytest.approx(plain)

    def test_intervals_are_those_of_the_seeds(self, rng):
        factors, cells = grid(2, 3)
        scores = rng.normal(size=(6, 4))
        noise = seed_noise(scores)

        found = main_effects(factors, scores.mean(1), np.full(6, 4), noise)

        # A level of `a` is the mean of 3 cells of 4 seeds.
        half = stats.t.ppf(0.975, noise.freedom) * np.sqrt(noise.pooled / 12)
        for level, each in enumerate(found.by_name["a"].intervals):
            mean = scores[cells[:, 0] == level].mean()
            assert (each.low, each.high) == pytest.approx((mean - half, mean + half))
        assert found.from_seeds

    def test_a_missing_cell_is_not_held_against_its_level(self):
        factors, cells = grid(2, 2)
        means = np.array([[1.0, 2], [11, 12]])[cells[:, 0], cells[:, 1]]
        keep = [0, 2, 3]  # (0, 1) failed: level 1 of b has only the high cell

        found = main_effects(some(factors, keep), means[keep], np.ones(3, int), None)

        assert not found.complete
        b = [each.mean for each in found.by_name["b"].intervals]
        assert b == pytest.approx([6, 7])  # plain means would be 6 and 12

    @given(st.integers(0, 10_000))
    def test_what_is_additive_is_found_whatever_cells_are_left(self, seed):
        rng = np.random.default_rng(seed)
        factors, cells = grid(3, 2, 3)
        effects = [rng.normal(size=size) for size in (3, 2, 3)]
        means = sum(e[cells[:, i]] for i, e in enumerate(effects))
        means[rng.choice(18, 5, replace=False)] = np.nan

        found = main_effects(factors, means, np.ones(18, int), None)

        if not found.separable:
            return
        for name, effect in zip("abc", effects, strict=True):
            each = found.by_name[name]
            assert each.spread == pytest.approx(np.ptp(effect))
            gaps = np.diff([i.mean for i in each.intervals])
            np.testing.assert_allclose(gaps, np.diff(effect), atol=1e-9)

    def test_with_one_seed_the_interplay_counts_as_noise(self, rng):
        factors, _ = grid(2, 3)
        means = rng.normal(size=6)

        found = main_effects(factors, means, np.ones(6, int), None)

        table = means.reshape(2, 3)
        left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        variance = (left**2).sum() / 2  # 6 cells - 4 coefficients
        half = stats.t.ppf(0.975, 2) * np.sqrt(variance / 3)
        first = found.by_name["a"].intervals[0]
        assert first.high - first.mean == pytest.approx(half)
        assert not found.from_seeds

    def test_hyperparameters_that_change_together_have_plain_means(self):
        factors = {"a": levels([1, 2, 3]), "b": levels(["x", "y", "z"])}

        found = main_effects(factors, np.array([1.0, 2, 3]), np.ones(3, int), None)

        assert not found.separable
        assert [i.mean for i in found.by_name["b"].intervals] == [1, 2, 3]
        assert found.by_name["b"].intervals[0].low is None

    def test_a_level_without_a_score_is_left_out(self):
        factors = {"a": levels([1, 2, 3])}

        found = main_effects(
            factors, np.array([1.0, np.nan, 3]), np.array([1, 0, 1]), None
        )

        assert found.by_name["a"].labels == ("1", "3")
        assert found.by_name["a"].cells == (1, 1)

    def test_no_score_gives_no_effect(self):
        found = main_effects({"a": levels([1])}, np.array([np.nan]), np.zeros(1), None)

        assert found.by_name == {}

    def test_many_hyperparameters_are_no_burden(self):
        factors = {f"p{i}": levels([0, 1] * 20) for i in range(60)}

        assert not main_effects(factors, np.arange(40.0), np.ones(40), None).complete
