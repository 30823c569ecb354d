"""How well vectors alone tell entities: a linear classifier on frozen vectors.

The classifier is linear discriminant analysis, that of normal distributions with
one mean for each tag and one covariance for all. It is in closed form, has no
step size or stopping rule to tune, and is scored as the shared task scored taggers.

    x = [v(t - w); ...; v(t); ...; v(t + w)]                    (m · d,)
    score(tag) = x · A μ - μ · A μ / 2 + log p,   A = (Σ + ε I)⁻¹

The covariance Σ needs all products of two vectors of a window. Each is that of two
words, and most pairs of words come often or never: so they are summed over pairs
of words with their counts, and not token by token. Two places of a window hold the
same pairs of words as any two that are as far apart, but for a few at the ends of
sentences: so there is one large sum for each distance, and small ones to take from it.

Source: Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical
Learning", section 4.3; the measure is that of Tjong Kim Sang and De Meulder 2003.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.conlleval import Tagset
from pipeline.core.types import UNKNOWN, Counts, Doubles, EncodedSplit, Ids

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Numbers that a kept `Training` may have: some 50 MB.
_MOST_KEPT = 2**22


@dataclass(frozen=True)
class Windows:
    """The words around each token of a split.

    Attributes:
        ids: Shape (m, N), int32, m = 2 · window + 1. Row j holds the word at
            distance j - window; `UNKNOWN` past the sentence and for words that
            have no vector.
        before: Shape (N,), int64. Tokens of the sentence before this one.
        after: Shape (N,), int64. Tokens of the sentence after this one.
    """

    ids: Ids
    before: Counts
    after: Counts


def windows_of(split: EncodedSplit, window: int) -> Windows:
    """Return the words around each token, within its sentence."""
    ids, offsets = np.asarray(split.ids), np.asarray(split.offsets)
    tokens, lengths = len(ids), np.diff(offsets)
    before = np.arange(tokens) - np.repeat(offsets[:-1], lengths)
    after = np.repeat(lengths, lengths) - 1 - before
    rows = np.full((2 * window + 1, tokens), UNKNOWN, np.int32)
    for row, distance in zip(rows, range(-window, window + 1), strict=True):
        left, right = max(0, -distance), max(0, min(tokens, tokens - distance))
        here = slice(left, max(left, right))
        there = slice(left + distance, max(left, right) + distance)
        inside = after[here] >= distance if distance > 0 else before[here] >= -distance
        row[here] = np.where(inside, ids[there], UNKNOWN)
    return Windows(rows, before, after)


@dataclass(frozen=True)
class Classifier:
    """A linear classifier of windows.

    Attributes:
        scores: Shape (m, V + 1, T), float64. What a word at a place of the window
            adds to each tag's score; the last row is that of no word, all zero.
        bias: Shape (T,), float64.
    """

    scores: Doubles
    bias: Doubles

    def tag(self, windows: Windows) -> Ids:
        """Return the best tag of each token, shape (N,); of equals the first."""
        total = np.tile(self.bias, (windows.ids.shape[1], 1))  # (N, T)
        for place, ids in zip(self.scores, windows.ids, strict=True):
            total += place[ids]  # UNKNOWN, -1, is the last row
        tags: Ids = total.argmax(axis=1).astype(np.int32)
        return tags


class _Pairs:
    """How often pairs of words occur.

    Args:
        left: Shape (n,). A word of each pair; `UNKNOWN` where there is none.
        right: Shape (n,). The other.
        words: V, how many words there are.
    """

    def __init__(self, left: Ids, right: Ids, words: int) -> None:
        both = (left != UNKNOWN) & (right != UNKNOWN)
        left, right = left[both], right[both]
        # A pair counts as one of its more frequent word, of the lower id: that gives
        # few words with many pairs, where half of all words have one pair or two.
        first = left <= right
        self._left = _counts(left[first], right[first], words)
        self._right = _counts(right[~first], left[~first], words)

    def products(self, vectors: Doubles) -> Doubles:
        """Return Σ count(a, b) v(a) v(b)ᵀ, shape (d, d); `vectors` is (V, d)."""
        (left, after), (right, before) = self._left, self._right
        result: Doubles = vectors[left].T @ (after @ vectors)
        result += (before @ vectors).T @ vectors[right]
        return result


def _counts(ids: Ids, others: Ids, words: int) -> tuple[Counts, "csr_array"]:
    """Return which words are in some pair, and how often each is with each other.

    Returns:
        Ids, shape (n,), ascending; and counts, shape (n, words).
    """
    from scipy.sparse import csr_array

    places = (ids, others)
    counts = csr_array((np.ones(len(ids)), places), (words, words))  # adds them up
    (some,) = np.diff(counts.indptr).nonzero()
    return some, counts[some]


def _tagged(ids: Ids, tags: Ids, words: int, count: int) -> Doubles:
    """Return how often each word has each tag, shape (words, count)."""
    known = ids != UNKNOWN  # the vector of no word is zero
    places = ids[known] * np.int64(count) + tags[known]
    times = np.bincount(places, minlength=words * count)
    return times.reshape(words, count).astype(np.float64)


class _Words:
    """How often words occur: pairs of a word with itself.

    Args:
        ids: Shape (n,). `UNKNOWN` where there is none.
    """

    def __init__(self, ids: Ids) -> None:
        counts = np.bincount(ids[ids != UNKNOWN])
        self._ids = np.flatnonzero(counts)
        self._roots = np.sqrt(counts[self._ids])[:, np.newaxis]

    def products(self, vectors: Doubles) -> Doubles:
        """Return Σ count(a) v(a) v(a)ᵀ, shape (d, d); `vectors` is (V, d)."""
        scaled = vectors[self._ids]
        scaled *= self._roots
        result: Doubles = scaled.T @ scaled
        return result


class Training:
    """Windows to train on, counted: once for all vectors that are tried.

    Args:
        windows: Of the training split.
        tags: Shape (N,). Positions in `tagset.tags`.
        tagset: Of the tags.
        words: V, how many words have vectors.
    """

    def __init__(self, windows: Windows, tags: Ids, tagset: Tagset, words: int) -> None:
        ids, window = windows.ids, len(windows.ids) // 2
        self.tag_counts = np.bincount(tags, minlength=len(tagset.tags))  # (T,)
        self._tagged = [_tagged(here, tags, words, len(tagset.tags)) for here in ids]
        # Two places on both sides of a token, itself included, hold all pairs of words
        # of one sentence at their distance.
        self._apart: list[_Pairs | _Words] = [_Words(ids[window])]
        for distance in range(1, len(ids)):
            right = min(window + distance, len(ids) - 1)
            self._apart.append(_Pairs(ids[right - distance], ids[right], words))
        # Two places after a token do not hold the pairs that begin with the first words
        # of a sentence, nor two before it those that end with the last ones.
        self._missing: dict[tuple[int, int], _Pairs | _Words] = {}
        center = ids[window]
        for near in range(1, window + 1):
            first, last = windows.before < near, windows.after < near
            i, j = window + near, window - near
            self._missing[i, i] = _Words(center[first])
            self._missing[j, j] = _Words(center[last])
            for distance in range(1, window + 1 - near):
                pairs = _Pairs(center[first], ids[window + distance, first], words)
                self._missing[i, i + distance] = pairs
                pairs = _Pairs(ids[window - distance, last], center[last], words)
                self._missing[j - distance, j] = pairs

    def fit(self, vectors: Doubles, shrinkage: float) -> Classifier:
        """Return the classifier of these vectors.

        Vectors are centered at the mean of the tokens trained on, which takes
        nothing from a linear classifier and gives zero, the vector of no word,
        a meaning: a word of which nothing is known.

        Args:
            vectors: Shape (V, d). Not changed.
            shrinkage: ε over the mean square of a centered component, above 0.
        """
        from threadpoolctl import threadpool_limits

        middle = len(self._tagged) // 2
        counts = self._tagged[middle].sum(axis=1)  # (V,) of the tokens themselves
        known = max(1.0, float(counts.sum()))
        # With one thread BLAS adds up in one order.
        with threadpool_limits(1):
            centered = vectors - (counts @ vectors) / known  # (V, d)
            return self._solve(centered, shrinkage)

    def _solve(self, vectors: Doubles, shrinkage: float) -> Classifier:
        dim, places = vectors.shape[1], len(self._tagged)
        width = places * dim
        tokens = float(self.tag_counts.sum())
        seen = np.maximum(self.tag_counts, 1)
        means = np.concatenate([(of.T @ vectors).T for of in self._tagged])
        means /= seen  # (m · d, T)
        within = np.empty((width, width))
        apart = [pairs.products(vectors) for pairs in self._apart]
        for i in range(places):
            for j in range(i, places):
                block = apart[j - i]  # (d, d)
                if (i, j) in self._missing:
                    block = block - self._missing[i, j].products(vectors)
                rows, columns = (slice(k * dim, (k + 1) * dim) for k in (i, j))
                within[rows, columns] = block
                within[columns, rows] = block.T
        # Not that within tags, which is zero where vectors tell tags apart wholly.
        spread = float(np.trace(within)) / tokens / width
        within -= (means * self.tag_counts) @ means.T
        within /= tokens
        # Vectors that are all equal have no spread; any ε will do for them.
        within[np.diag_indices(width)] += shrinkage * spread if spread > 0 else 1.0
        weights = np.linalg.solve(within, means)  # (m · d, T)
        bias = np.log(seen / tokens) - (means * weights).sum(axis=0) / 2
        bias[self.tag_counts == 0] = -np.inf  # nothing is known of what it marks
        scores = np.zeros((places, len(vectors) + 1, len(self.tag_counts)))
        for place, part in zip(scores, np.split(weights, places), strict=True):
            np.matmul(vectors, part, out=place[:-1])
        return Classifier(scores, bias)


def count_windows(
    split: EncodedSplit, tags: Ids, tagset: Tagset, *, window: int, words: int
) -> Training:
    """Return a split's windows, counted; unless they are many, the last are kept.

    All trials of a sweep, and their controls, learn from the same windows.

    Args:
        split: The training split.
        tags: Shape (N,), int32. Positions in `tagset.tags`.
        tagset: Of the tags.
        window: Words at each side of a token.
        words: V, how many words have vectors.
    """
    places = 2 * window + 1
    numbers = places * (len(tags) + words * len(tagset.tags))
    if numbers > _MOST_KEPT:
        return Training(windows_of(split, window), tags, tagset, words)
    return _kept(_Counting(split, tags, tagset, window, words))


class _Counting:
    """What is to be counted; equal to all that gives the same counts."""

    def __init__(
        self, split: EncodedSplit, tags: Ids, tagset: Tagset, window: int, words: int
    ) -> None:
        self._split, self._tags, self._tagset = split, tags, tagset
        self._window, self._words = window, words
        content = hashlib.sha256()
        for array in (split.ids, tags, split.offsets):
            content.update(np.ascontiguousarray(array).data)
        self._key = content.digest(), len(tags), len(tagset.tags), window, words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Counting) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def count(self) -> Training:
        windows = windows_of(self._split, self._window)
        return Training(windows, self._tags, self._tagset, self._words)


@lru_cache(1)
def _kept(counting: _Counting) -> Training:
    return counting.count()
