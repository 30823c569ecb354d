"""Choose the words that are drawn."""

from dataclasses import dataclass

import numpy as np

from pipeline.core.figures.maps import NO_GROUP, MapWords
from pipeline.core.figures.style import counted
from pipeline.core.labels import shown
from pipeline.core.types import UNKNOWN, Ids, Vocab
from pipeline.core.wordlists import CATEGORIES

# Words asked for but not found that are named.
_NAMED = 5


@dataclass(frozen=True)
class Drawn:
    """The words that are drawn.

    Attributes:
        ids: Shape (n,). Theirs in the vocabulary, rising.
        words: As maps name and mark them.
        chosen: Which they are, in words.
    """

    ids: Ids
    words: MapWords
    chosen: str


def map_choice(vocab: Vocab, group: Ids, words: int | None) -> Drawn:
    """Choose the words of the maps.

    Args:
        vocab: Of V words.
        group: Shape (V,). From `category_of`; all that are of a category are drawn.
        words: This many of the most frequent; None for all.
    """
    total = len(vocab.words)
    frequent = total if words is None else min(words, total)
    ids = np.flatnonzero((np.arange(total) < frequent) | (group != NO_GROUP))
    more = len(ids) - frequent
    chosen = (
        f"The vocabulary of {counted(total, 'word')}"
        if frequent == total
        else f"The {frequent:,} most frequent of {total:,} words"
    )
    if more:
        chosen += f" and {more:,} more of the categories"
    chosen += f", from {counted(int(vocab.counts.sum()), 'token')}."
    named = MapWords(
        words=tuple(vocab.words[i] for i in ids),
        ranks=ids.astype(np.int32),
        groups=tuple(CATEGORIES),
        group=group[ids],
    )
    return Drawn(ids.astype(np.int32), named, chosen)


def category_of(vocab: Vocab, min_count: int) -> Ids:
    """Return each word's category, shape (V,), or `NO_GROUP` for rarer and others."""
    group = np.full(len(vocab.words), NO_GROUP, np.int32)
    # A word of two categories belongs to the first.
    for number, members in reversed(list(enumerate(CATEGORIES.values()))):
        ids = _ids(vocab, members)
        ids = ids[ids != UNKNOWN]
        group[ids[vocab.counts[ids] >= min_count]] = number
    return group


def _ids(vocab: Vocab, words: tuple[str, ...]) -> Ids:
    return np.array(
        [vocab.ids.get(vocab.normalization(word), UNKNOWN) for word in words], np.int32
    )


def heatmap_choice(
    vocab: Vocab, group: Ids, words: tuple[str, ...], per_category: int
) -> tuple[Ids, list[str]]:
    """Choose the heatmap's words.

    Args:
        vocab: Of V words.
        group: Shape (V,). From `category_of`.
        words: Those asked for, if any are.
        per_category: How many of each category there are otherwise.

    Returns:
        Their ids, and what to say of them.
    """
    asked = _ids(vocab, words)
    found = np.array(list(dict.fromkeys(asked[asked != UNKNOWN].tolist())), np.int32)
    missing = [
        shown(word)
        for word, i in zip(words, asked.tolist(), strict=True)
        if i == UNKNOWN
    ]
    if len(found):
        which = "Cosines of the words asked for"
    elif (group != NO_GROUP).any():
        each = per_category
        which = f"Cosines of the {each} most frequent words of each category"
        found = np.concatenate(
            [np.flatnonzero(group == g)[:each] for g in range(len(CATEGORIES))]
        ).astype(np.int32)
    else:
        which = "Cosines of the most frequent words"
        most = per_category * len(CATEGORIES)
        found = np.arange(min(most, len(vocab.words)), dtype=np.int32)
    notes = [
        f"{which}, ordered by clustering: the tree joins what is alike, by average "
        "distance."
    ]
    if missing:
        more = len(missing) - _NAMED
        names = [*missing[:_NAMED], *([f"{more} more"] if more > 0 else [])]
        notes.append(f"Not in the vocabulary: {', '.join(names)}.")
    return found, notes
