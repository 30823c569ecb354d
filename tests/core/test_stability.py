"""Neighbors across seeds, and scores on the pairs that vocabularies share."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pipeline.core.similarity import unit_vectors
from pipeline.core.stability import neighbor_lists, neighbor_overlap, shared_spearman
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.word_pairs import score_pairs


def embeddings(center, words=None):
    words = words or tuple(f"w{i}" for i in range(len(center)))
    center = center.astype(np.float32)
    return Embeddings(words, center, center, Normalization(True, "keep"))


def naive_overlap(centers, k):
    """Sets of neighbors by a sort of all cosines."""
    sets = []
    for center in centers:
        unit = center / np.linalg.norm(center, axis=1, keepdims=True)
        near = unit @ unit.T
        np.fill_diagonal(near, -2)
        sets.append([set(row[:k]) for row in np.argsort(-near, axis=1)])
    shares = [
        len(a & b) / k
        for i, first in enumerate(sets)
        for second in sets[:i]
        for a, b in zip(first, second, strict=True)
    ]
    return np.mean(shares)


class TestOverlap:
    def test_it_is_that_of_sets(self, rng):
        base = rng.normal(size=(60, 8))
        centers = [base + 0.5 * rng.normal(size=base.shape) for _ in range(3)]

        found = neighbor_overlap([neighbor_lists(embeddings(c)) for c in centers])

        assert found == pytest.approx(naive_overlap(centers, 10))
        assert 0.2 < found < 0.9

    def test_a_turned_space_has_the_same_neighbors(self, rng):
        center = rng.normal(size=(40, 6))
        turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))

        lists = [neighbor_lists(embeddings(c)) for c in (center, center @ turn)]

        assert neighbor_overlap(lists) == 1

    def test_unrelated_spaces_share_what_chance_gives(self, rng):
        lists = [
            neighbor_lists(embeddings(rng.normal(size=(400, 20)))) for _ in range(4)
        ]

        # 10 of 399; the mean over 6 pairs of 200 words has an error of about 0.001.
        assert neighbor_overlap(lists) == pytest.approx(10 / 399, abs=0.01)

    def test_words_are_spread_over_the_most_frequent_4000(self, rng):
        lists = neighbor_lists(embeddings(rng.normal(size=(6000, 4))))

        assert lists.ids.shape == (200, 10)
        assert lists.words[-1] == "w3999"
        assert lists.ids.max() < 4000

    def test_with_one_training_or_other_words_there_is_none(self, rng):
        center = rng.normal(size=(20, 4))
        first = neighbor_lists(embeddings(center))
        other = neighbor_lists(embeddings(center, tuple(f"x{i}" for i in range(20))))
        word = neighbor_lists(embeddings(center[:1]))

        assert neighbor_overlap([first]) is None
        assert neighbor_overlap([first, other]) is None
        assert neighbor_overlap([word, word]) is None
        assert neighbor_overlap([]) is None


class TestSharedPairs:
    def test_only_pairs_that_all_cover_count(self, rng):
        human = rng.normal(size=8)
        pairs = np.arange(16, dtype=np.int32).reshape(8, 2)
        lacking = pairs.copy()
        lacking[2, 1] = -1
        units = [unit_vectors(rng.normal(size=(16, 5)).astype("f4")) for _ in range(2)]
        scores = [
            score_pairs(unit, ids, human)
            for unit, ids in zip(units, (pairs, lacking), strict=True)
        ]

        found, shared = shared_spearman(scores, human)

        assert shared == 7
        keep = np.arange(8) != 2
        for unit, rho in zip(units, found, strict=True):
            cosines = (unit[pairs[keep, 0]] * unit[pairs[keep, 1]]).sum(axis=1)
            assert rho == pytest.approx(spearmanr(cosines, human[keep]).statistic)

    def test_too_few_shared_pairs_give_no_score(self, rng):
        unit = unit_vectors(rng.normal(size=(4, 5)).astype("f4"))
        human = np.array([1.0, 2.0])
        scores = [
            score_pairs(unit, np.array(ids, np.int32), human)
            for ids in ([[0, 1], [2, -1]], [[0, -1], [2, 3]])
        ]

        assert shared_spearman(scores, human) == ([None, None], 0)
