import numpy as np
import pytest
from scipy.stats import norm

from pipeline.core.intervals import (
    RESAMPLES,
    interval_of,
    ratio_interval,
    ratios,
    resampled_sums,
    resamples,
    whole_sums,
)
from pipeline.core.randomness import generator


def test_a_resample_draws_as_many_items_as_there_are(rng):
    batches = list(resamples(rng, 7))

    assert sum(map(len, batches)) == RESAMPLES
    assert all((batch.sum(axis=1) == 7).all() for batch in batches)
    # Each item is drawn about once: the mean of 1,000 has a deviation of 0.03.
    assert np.concatenate(batches).mean(axis=0) == pytest.approx(1, abs=0.15)


def test_many_items_are_drawn_in_batches_that_bound_memory(rng):
    sizes = [batch.size for batch in resamples(rng, 100_000)]

    assert max(sizes) <= 2**21
    assert sum(sizes) == RESAMPLES * 100_000


@pytest.mark.parametrize("items", [999, 1000, 3000])  # from 1,000 on they are kept
@pytest.mark.parametrize("before", [0, 1])
def test_a_stream_gives_the_same_resamples_each_time(items, before):
    oracle = generator(1, "x")
    oracle.integers(5, size=before)
    rows = oracle.integers(items, size=(RESAMPLES, items))
    counted = [np.bincount(row, minlength=items) for row in rows]
    next_ones = oracle.integers(items, size=9)

    for _ in range(2):
        rng = generator(1, "x")
        rng.integers(5, size=before)
        batches = list(resamples(rng, items))
        assert (np.concatenate(batches) == counted).all()
        assert (rng.integers(items, size=9) == next_ones).all()


def test_one_stream_is_not_taken_for_another():
    first, *others = (
        np.concatenate(list(resamples(generator(*name), items)))
        for *name, items in [(1, "x", 1000), (2, "x", 1000), (1, "y", 1000)]
    )

    assert not any((first == other).all() for other in others)


def test_what_a_caller_does_to_resamples_stays_with_it():
    for batch in resamples(generator(1, "x"), 1000):
        np.negative(batch, out=batch)

    assert all(
        (batch.sum(axis=1) == 1000).all()
        for batch in resamples(generator(1, "x"), 1000)
    )


def test_sums_are_those_of_the_items_drawn():
    columns = np.array([[1, 10], [2, 20], [3, 30]])

    sums = resampled_sums(generator(1, "x"), columns)

    drawn = np.concatenate(list(resamples(generator(1, "x"), 3)))
    assert (sums == drawn @ columns).all()
    assert (sums[:, 1] == 10 * sums[:, 0]).all()


def test_sums_of_whole_numbers_are_exact(rng):
    times = rng.integers(0, 9, size=(20, 300))
    columns = rng.integers(-(2**40), 2**40, size=(300, 3))

    assert (whole_sums(times, columns) == times @ columns).all()


def test_the_interval_of_a_share_is_about_the_normal_one(rng):
    right = rng.random(400) < 0.3
    share = right.mean()

    low, high = ratio_interval(rng, right.astype(int), np.ones(400, int))

    width = norm.ppf(0.975) * np.sqrt(share * (1 - share) / 400)
    # 1,000 resamples place an end within about a tenth of the half width.
    assert low == pytest.approx(share - width, abs=0.2 * width)
    assert high == pytest.approx(share + width, abs=0.2 * width)


def test_groups_that_hang_together_make_the_interval_wider(rng):
    right = (rng.random(40) < 0.5).repeat(10)
    one, many = np.ones(400, int), np.full(40, 10)

    alone = ratio_interval(rng, right.astype(int), one)
    groups = ratio_interval(rng, right.reshape(40, 10).sum(axis=1), many)

    assert groups[1] - groups[0] > 2 * (alone[1] - alone[0])


def test_the_middle_95_percent_are_kept():
    assert interval_of(np.arange(1000.0)[::-1]) == (25, 974)


def test_resamples_without_a_score_are_left_out():
    assert ratios(np.array([1, 0]), np.array([2, 0])).tolist()[0] == 0.5
    assert interval_of(np.array([np.nan, 2, np.nan, 1])) == (1, 2)
    assert interval_of(np.array([np.nan])) is None


def test_nothing_has_no_interval(rng):
    none = np.empty(0, int)

    assert ratio_interval(rng, none, none) is None
    assert ratio_interval(rng, np.zeros(3, int), np.zeros(3, int)) is None


def test_one_item_has_an_interval_of_no_width(rng):
    assert ratio_interval(rng, np.array([1]), np.array([2])) == (0.5, 0.5)
