"""The ways to group words that the explorer offers."""

from collections.abc import Sequence

import numpy as np

from pipeline.core.categories import cluster
from pipeline.core.figures.explorer.page import NO_LABEL, Grouping
from pipeline.core.figures.style import PALETTE
from pipeline.core.labels import shown
from pipeline.core.types import UNKNOWN, Corpus, Doubles, EncodedCorpus, Ids
from pipeline.core.word_tags import majority

# Labels of a tag that are told apart: as many as there are colors.
_MOST_LABELS = len(PALETTE)

# Words that name a cluster, of how many of its most frequent.
_NAMED, _FREQUENT = 3, 40


def groupings(
    corpus: Corpus,
    encoded: EncodedCorpus,
    words: Sequence[str],
    ids: Ids,
    *,
    unit: Doubles,
    categories: tuple[str, ...],
    category: Ids,
    clusters: int,
    seed: int,
) -> list[Grouping]:
    """Return entity, part of speech, category and cluster, where there are such.

    Args:
        corpus: Sentences, maybe with tags.
        encoded: The same as ids.
        words: n words, most frequent first.
        ids: Shape (n,). Theirs, rising.
        unit: Shape (n, d). Their unit vectors.
        categories: Names.
        category: Shape (n,). Each word's, or `NO_LABEL`.
        clusters: How many.
        seed: Of the clusters.
    """
    found = [
        _tagged(corpus, encoded, ids, "ner", named="Entity", rest="no entity"),
        _tagged(
            corpus,
            encoded,
            ids,
            "pos",
            named="Part of speech",
            rest="other tag",
        ),
    ]
    if (category != NO_LABEL).any():
        found.append(
            Grouping(
                "category", "Category", "category", categories, category, "no category"
            )
        )
    member = cluster(unit, clusters, seed)
    names = tuple(
        _name(words, unit, np.flatnonzero(member == k).astype(np.int32))
        for k in range(int(member.max()) + 1)
    )
    found.append(Grouping("cluster", "Cluster (k-means)", "cluster", names, member, ""))
    return [grouping for grouping in found if grouping is not None]


def _name(words: Sequence[str], unit: Doubles, members: Ids) -> str:
    """Name a cluster by those of its frequent words that are nearest its middle."""
    frequent = members[:_FREQUENT]
    along = unit[frequent] @ unit[members].sum(axis=0)  # by cosine but for a factor
    # Rounded: sums of many terms end in digits that differ between processors.
    best = np.argsort(-np.round(along, 6), kind="stable")[:_NAMED]
    return ", ".join(shown(words[frequent[i]], 12) for i in best)


def _tagged(
    corpus: Corpus,
    encoded: EncodedCorpus,
    ids: Ids,
    column: str,
    *,
    named: str,
    rest: str,
) -> Grouping | None:
    tags = majority(corpus, encoded, ids, column)
    if tags is None:
        return None
    labels, of = tags
    words = np.bincount(of[of != UNKNOWN], minlength=len(labels))
    words[[not label for label in labels]] = 0
    kept = np.argsort(-words, kind="stable")[:_MOST_LABELS]  # the commonest first
    kept = kept[words[kept] > 0]
    if not len(kept):
        return None
    new = np.full(len(labels) + 1, NO_LABEL, np.int32)  # the last is for UNKNOWN
    new[kept] = np.arange(len(kept))
    return Grouping(
        column,
        f"{named}, by majority",
        named.lower(),
        tuple(labels[i] for i in kept),
        new[of],
        rest,
    )
