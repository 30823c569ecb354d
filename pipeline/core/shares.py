"""Text by shares: what a replica trains on between two merges."""

from collections.abc import Sequence

import numpy as np

from pipeline.core.memory import release
from pipeline.core.sampling import LONGEST_SENTENCE, cut_sentences
from pipeline.core.types import Counts, EncodedSplit, Ids


class Text:
    """Splits one after another, divided into shares at the borders of sentences.

    A sentence longer than `LONGEST_SENTENCE` is cut. Nothing is held but the splits,
    which may be memory-mapped.

    Args:
        splits: What is trained on, in this order.
    """

    def __init__(self, splits: Sequence[EncodedSplit]) -> None:
        self._splits = tuple(splits)
        self._starts = np.cumsum([0, *(len(split.ids) for split in splits)]).tolist()
        self.tokens: int = self._starts[-1]

    def read(self, begin: int, end: int) -> tuple[Ids, Counts, int]:
        """Return the sentences that begin at tokens `begin` to `end` - 1.

        Returns:
            Their ids, int32[n]; their offsets, int64[S + 1], from 0 to n; and how many
            tokens come before them.
        """
        ids, bounds = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for split, start in zip(self._splits, self._starts, strict=False):
            found = _sentences(split.offsets, begin - start, end - start)
            release(split.offsets)
            if len(found) > 1:
                ids.append(np.array(split.ids[found[0] : found[-1]], np.int32))
                bounds.append(found[:-1] + start)
                last = found[-1:] + start
                release(split.ids)
        if len(bounds) == 1:
            return ids[0], np.zeros(1, np.int64), begin
        offsets = np.concatenate([*bounds, last])
        return np.concatenate(ids), offsets - offsets[0], int(offsets[0])


def _sentences(offsets: Counts, begin: int, end: int) -> Counts:
    """Return the bounds of the sentences, cut where long, that begin in a range."""
    # One before the first may be cut within the range.
    first = max(0, int(np.searchsorted(offsets, begin)) - 1)
    last = int(np.searchsorted(offsets, end))
    bounds = cut_sentences(
        np.array(offsets[first : last + 1], np.int64), LONGEST_SENTENCE
    )
    inside = np.flatnonzero((begin <= bounds[:-1]) & (bounds[:-1] < end))
    return bounds[inside[0] : inside[-1] + 2] if len(inside) else bounds[:0]
