"""How far trainings agree: neighbors across seeds, scores across vocabularies."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.similarity import nearest, unit_vectors
from pipeline.core.types import Doubles, Embeddings, Ids
from pipeline.core.word_pairs import PairScores

# The words asked for and those looked among: rare words have no stable neighbors in
# any model, and 50 ms a trial leave a sweep's report quick.
_ASKED = 200
AMONG = 4000
TOP_K = 10


@dataclass(frozen=True)
class NeighborLists:
    """The nearest neighbors of some words.

    Attributes:
        words: The words looked among; those asked for are at equal steps of them.
        ids: Shape (Q, K), int32. Neighbors' places in `words`.
    """

    words: tuple[str, ...]
    ids: Ids


def neighbor_lists(embeddings: Embeddings) -> NeighborLists:
    """Return the 10 nearest neighbors of 200 words among the 4,000 most frequent.

    The words asked for are spread evenly over the ranks of frequency. A smaller
    vocabulary is taken whole.
    """
    words = embeddings.words[:AMONG]
    asked = np.unique(np.linspace(0, len(words) - 1, min(_ASKED, len(words))).round())
    unit = unit_vectors(embeddings.center[: len(words)])
    ids, _ = nearest(unit, asked.astype(np.int32), TOP_K)
    return NeighborLists(words, ids)


def neighbor_overlap(lists: Sequence[NeighborLists]) -> float | None:
    """Return the share of neighbors that two trainings have in common.

    It is the mean over all pairs of trainings and all words asked for, in [0, 1].

    Returns:
        None where there are fewer than two trainings, their words differ, or there
        is but one word.
    """
    same = all(each.words == lists[0].words for each in lists)
    if len(lists) < 2 or not same or not lists[0].ids.size:
        return None
    shares = [
        (a.ids[:, :, np.newaxis] == b.ids[:, np.newaxis, :]).sum() / a.ids.size
        for a, b in itertools.combinations(lists, 2)
    ]
    return float(np.mean(shares))


def shared_spearman(
    scores: Sequence[PairScores], human: Doubles
) -> tuple[list[float | None], int]:
    """Correlate with human scores over the pairs that every vocabulary covers.

    Vocabularies that cover other pairs are asked other questions: a score on them
    alone says as much about the vocabulary as about the vectors.

    Args:
        scores: Of each training on the same P pairs.
        human: Shape (P,).

    Returns:
        Spearman's ρ of each training, None where it is not defined, and the number
        of pairs shared.
    """
    from scipy.stats import spearmanr

    shared = np.logical_and.reduce([each.found for each in scores])
    judged = human[shared]
    found: list[float | None] = []
    for each in scores:
        cosines = each.cosines[shared]
        defined = len(judged) > 1 and np.ptp(judged) > 0 and np.ptp(cosines) > 0
        rho = float(spearmanr(cosines, judged).statistic) if defined else None
        found.append(rho)
    return found, int(shared.sum())
