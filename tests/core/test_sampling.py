import tracemalloc
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pipeline.core import sampling
from pipeline.core.sampling import (
    blocks,
    build_alias_table,
    check_split,
    cut_sentences,
    draw_pairs,
    draw_targets,
    keep_probabilities,
    noise_weights,
    window_pairs,
)
from pipeline.core.types import UNKNOWN, EncodedSplit
from pipeline.errors import DataError

counts_of_words = st.lists(st.integers(1, 10**9), min_size=1, max_size=300)
lengths_of_sentences = st.lists(st.integers(0, 40), max_size=30)


def split_of(lengths, ids=None):
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    if ids is None:
        ids = np.arange(offsets[-1])
    return EncodedSplit(np.asarray(ids, np.int32), offsets)


@given(counts=counts_of_words, power=st.sampled_from([0.0, 0.75, 1.0]))
def test_the_table_implies_exactly_the_noise_distribution(counts, power):
    weights = noise_weights(np.array(counts), power)

    table = build_alias_table(weights)

    expected = np.array([count**power for count in counts])
    np.testing.assert_allclose(
        table.probabilities(), expected / expected.sum(), rtol=0, atol=1e-12
    )
    assert ((table.threshold >= 0) & (table.threshold <= 1)).all()


@given(counts_of_words)
def test_noise_weights_are_rounded_once_whatever_the_processor(counts):
    for count, weight in zip(
        counts, noise_weights(np.array(counts), 0.75), strict=True
    ):
        # The halfway points to the next floats enclose the power, in whole numbers.
        low, high = (
            (Fraction(float(weight)) + Fraction(float(np.nextafter(weight, to)))) / 2
            for to in (0, np.inf)
        )
        assert low**4 <= count**3 <= high**4


def test_rare_words_are_exact_beside_very_frequent_ones():
    counts = np.array([10**9, 10**6, *[1] * 50_000])
    weights = noise_weights(counts, 0.75)

    implied = build_alias_table(weights).probabilities()

    # Here relative to each probability, of which the least are 2e-8.
    np.testing.assert_allclose(implied, weights / weights.sum(), rtol=1e-12)


def test_draws_follow_the_table(rng):
    counts = np.array([5000, 900, 40, 40, 7, 1, 1])
    weights = noise_weights(counts, 0.75)

    drawn = build_alias_table(weights).draw(rng, (400, 500))

    assert (drawn.shape, drawn.dtype) == ((400, 500), np.int32)
    seen = np.bincount(drawn.ravel(), minlength=len(counts))
    expected = weights / weights.sum() * drawn.size
    # Seeded: one fixed outcome, which a right table fails once in a thousand seeds.
    assert chisquare(seen, expected).pvalue > 1e-3


def test_draws_are_independent_of_each_other(rng):
    drawn = build_alias_table(np.array([3.0, 2.0, 1.0])).draw(rng, (60_000, 2))

    seen = np.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=9)
    share = np.array([3, 2, 1]) / 6
    expected = np.outer(share, share).ravel() * len(drawn)
    assert chisquare(seen, expected).pvalue > 1e-3


def test_a_single_word_is_always_drawn(rng):
    table = build_alias_table(np.array([0.3]))

    assert table.probabilities().tolist() == [1.0]
    assert not table.draw(rng, (100,)).any()


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0], [1.0, np.inf]])
def test_weights_that_are_no_distribution_are_refused(weights):
    with pytest.raises(ValueError, match="all positive and finite"):
        build_alias_table(np.array(weights))


def test_keep_probability_is_the_papers():
    counts = np.array([900, 99, 1])

    kept = keep_probabilities(counts, 0.01)

    # √(0.01 / 0.9), √(0.01 / 0.099); the rare word is below the threshold.
    np.testing.assert_allclose(kept, [0.105409255, 0.317820863, 1.0], rtol=1e-8)


def test_no_threshold_keeps_every_token():
    assert keep_probabilities(np.array([900, 99, 1]), 0.0).tolist() == [1, 1, 1]


@st.composite
def positions(draw):
    lengths = draw(st.lists(st.integers(0, 12), max_size=8))
    sentences = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    radius = draw(
        st.lists(st.integers(1, 9), min_size=len(sentences), max_size=len(sentences))
    )
    return sentences, np.array(radius, np.int64)


@given(positions())
def test_window_pairs_are_those_of_a_double_loop(given_positions):
    sentences, radius = given_positions

    centers, contexts = window_pairs(sentences, radius)

    n = len(sentences)
    assert list(zip(centers.tolist(), contexts.tolist(), strict=True)) == [
        (i, j)
        for i in range(n)
        for j in range(n)
        if sentences[i] == sentences[j] and 0 < abs(i - j) <= radius[i]
    ]


def test_a_wide_window_on_short_sentences_costs_no_memory():
    sentences = np.repeat(np.arange(2_000, dtype=np.int32), 3)

    tracemalloc.start()
    centers, _ = window_pairs(sentences, np.full(6_000, 10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(centers) == 2_000 * 6
    # One byte for each position and each of 20,000 distances would be 120 MB.
    assert peak < 5e6


def test_the_radius_is_uniform_in_one_to_window(rng):
    n, window = 40_000, 5
    ids, sentences = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)

    centers, contexts = draw_pairs(ids, sentences, window, np.ones(n), rng)

    radius = np.zeros(n, int)
    np.maximum.at(radius, centers, np.abs(centers - contexts))
    # Away from the ends, where the window is cut.
    seen = np.bincount(radius[window:-window], minlength=window + 1)
    assert seen[0] == 0
    assert chisquare(seen[1:]).pvalue > 1e-3


def test_pairs_come_in_random_order_and_none_is_lost(rng):
    n = 200
    ids, sentences = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)

    centers, contexts = draw_pairs(ids, sentences, 1, np.ones(n), rng)

    pairs = list(zip(centers.tolist(), contexts.tolist(), strict=True))
    expected = [(i, j) for i in range(n) for j in (i - 1, i + 1) if 0 <= j < n]
    assert pairs != expected
    assert sorted(pairs) == expected
    assert centers.dtype == contexts.dtype == np.int32


def test_windows_close_over_dropped_words(rng):
    ids = np.array([7, 0, 0, 8, 9], np.int32)
    keep = np.ones(10)
    keep[0] = 0.0

    centers, contexts = draw_pairs(ids, np.array([0, 0, 0, 0, 1]), 1, keep, rng)

    pairs = sorted(zip(centers.tolist(), contexts.tolist(), strict=True))
    assert pairs == [(7, 8), (8, 7)]


def test_frequent_words_are_kept_as_often_as_asked(rng):
    # Sentences of a frequent and a rare word: a pair is left if the frequent stays.
    n, keep = 20_000, np.array([0.3, 1.0])
    ids = np.tile(np.array([0, 1], np.int32), n)
    sentences = np.repeat(np.arange(n, dtype=np.int32), 2)

    centers, _ = draw_pairs(ids, sentences, 5, keep, rng)

    kept = len(centers) // 2
    assert chisquare([kept, n - kept], [0.3 * n, 0.7 * n]).pvalue > 1e-3


def test_no_tokens_give_no_pairs(rng):
    empty = np.empty(0, np.int32)

    centers, contexts = draw_pairs(empty, empty, 5, np.ones(3), rng)

    assert len(centers) == len(contexts) == 0


def test_targets_are_the_context_and_then_its_own_negatives(rng):
    noise = build_alias_table(np.array([1.0, 2.0, 3.0]))
    contexts = np.array([2, 0, 1, 1] * 5_000, np.int32)

    targets = draw_targets(contexts, 3, noise, rng)

    assert (targets.shape, targets.dtype) == ((20_000, 4), np.int32)
    np.testing.assert_array_equal(targets[:, 0], contexts)
    seen = np.bincount(targets[:, 1:].ravel(), minlength=3)
    assert chisquare(seen, np.array([1, 2, 3]) / 6 * 60_000).pvalue > 1e-3
    # Drawn for each pair anew.
    assert len(np.unique(targets[:, 1:], axis=0)) == 27


@given(first=lengths_of_sentences, second=lengths_of_sentences)
def test_blocks_hold_every_known_token_once_and_in_order(first, second):
    splits = [split_of(first), split_of(second)]
    for split in splits:
        split.ids[::3] = UNKNOWN
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "BLOCK_TOKENS", 50)
        patch.setattr(sampling, "LONGEST_SENTENCE", 16)
        read = [block.read() for block in blocks(splits)]

    ids = [i for block, _ in read for i in block.tolist()]
    assert ids == [i for s in splits for i in s.ids.tolist() if i != UNKNOWN]
    assert all(len(block) < 50 + 16 for block, _ in read)


def test_blocks_keep_sentences_apart_and_whole():
    split = split_of([3, 0, 2, 4], [5, UNKNOWN, 6, 7, 8, UNKNOWN, UNKNOWN, 9, 1])

    (block,) = blocks([split])

    ids, sentences = block.read()
    assert ids.tolist() == [5, 6, 7, 8, 9, 1]
    assert sentences.tolist() == [0, 0, 2, 2, 3, 3]
    assert ids.dtype == sentences.dtype == np.int32


def test_a_text_without_line_ends_is_divided_all_the_same(monkeypatch):
    monkeypatch.setattr(sampling, "BLOCK_TOKENS", 50)
    monkeypatch.setattr(sampling, "LONGEST_SENTENCE", 16)

    sizes = [len(block.read()[0]) for block in blocks([split_of([1000])])]

    assert sum(sizes) == 1000
    assert max(sizes) < 50 + 16


def test_an_empty_split_has_no_blocks():
    assert blocks([split_of([])]) == []
    assert blocks([split_of([0, 0])]) == []


def test_blocks_have_about_their_size(monkeypatch):
    monkeypatch.setattr(sampling, "BLOCK_TOKENS", 100)
    split = split_of([30] * 100)

    sizes = Counter(len(block.read()[0]) for block in blocks([split]))

    # 3,000 tokens: a block ends with the sentence that reaches the next hundred.
    assert sizes == {90: 20, 120: 10}


def test_long_sentences_are_cut_evenly_at_the_limit():
    offsets = np.array([0, 3, 28, 28, 38], np.int64)

    assert cut_sentences(offsets, 10).tolist() == [0, 3, 13, 23, 28, 28, 38]
    assert cut_sentences(offsets, 25) is offsets


@given(lengths=lengths_of_sentences, longest=st.integers(1, 12))
def test_cut_sentences_keep_all_borders_and_none_is_longer(lengths, longest):
    offsets = np.cumsum([0, *lengths])

    cut = cut_sentences(offsets, longest)

    assert set(offsets.tolist()) <= set(cut.tolist())
    assert (cut[0], cut[-1]) == (0, offsets[-1])
    assert ((np.diff(cut) >= 0) & (np.diff(cut) <= longest)).all()
    # As few cuts as do it, and empty sentences stay.
    assert len(cut) - 1 == sum(max(1, -(-n // longest)) for n in lengths)


def test_known_tokens_are_counted():
    assert check_split("x", split_of([2, 3], [0, UNKNOWN, 4, 4, UNKNOWN]), 5) == 3
    assert check_split("x", split_of([]), 5) == 0


@pytest.mark.parametrize("bad", [5, -2])
def test_ids_beyond_the_vocabulary_are_refused(bad):
    with pytest.raises(DataError, match=r"'x': expected ids from -1 to 4, found .*"):
        check_split("x", split_of([3], [0, bad, 4]), 5)


@pytest.mark.parametrize("offsets", [[], [1, 3], [0, 2], [0, 2, 1, 3]])
def test_offsets_that_do_not_divide_the_ids_are_refused(offsets):
    split = EncodedSplit(np.zeros(3, np.int32), np.array(offsets, np.int64))

    with pytest.raises(DataError, match="expected offsets that rise from 0 to 3"):
        check_split("x", split, 5)
