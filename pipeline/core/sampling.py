"""What skip-gram trains on: blocks of sentences, their pairs and drawn negatives."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.core.memory import release
from pipeline.core.types import UNKNOWN, Counts, Doubles, EncodedSplit, Ids
from pipeline.errors import DataError

Indices = npt.NDArray[np.intp]

# A block is what is drawn at once and one random stream covers. Larger ones mix
# pairs more widely; this one holds about 50,000 pairs at window 5, some megabytes.
BLOCK_TOKENS = 10_000

# Longer sentences are cut, which loses the few pairs across the cut, so that a text
# without line ends needs no more memory than others (word2vec.c cuts at 1,000).
LONGEST_SENTENCE = 10_000


@dataclass(frozen=True)
class AliasTable:
    """A discrete distribution that is drawn from in constant time.

    Column i holds outcome i with probability threshold[i] and alias[i] otherwise;
    a draw takes a column uniformly and tosses its coin.

    Attributes:
        threshold: Shape (V,), float64, in 0..1.
        alias: Shape (V,), int32.

    Source: Walker 1977, "An Efficient Method for Generating Discrete Random
    Variables with General Distributions".
    """

    threshold: Doubles
    alias: Ids

    def probabilities(self) -> Doubles:
        """Return the probability of each outcome that the table implies.

        p_i = (threshold_i + Σ_{j: alias_j = i} (1 - threshold_j)) / V
        """
        size = len(self.threshold)
        given = np.bincount(self.alias, 1 - self.threshold, minlength=size)
        return (self.threshold + given) / size

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Ids:
        """Return independent outcomes, int32, of a shape."""
        columns = rng.integers(len(self.threshold), size=shape)
        own = rng.random(shape) < self.threshold[columns]
        return np.where(own, columns, self.alias[columns]).astype(np.int32)


def build_alias_table(weights: Doubles) -> AliasTable:
    """Return the alias table of a distribution proportional to weights.

    Exact but for float64 rounding; takes O(V).

    Args:
        weights: Shape (V,), float64, positive and finite, V ≥ 1.

    Source: Vose 1991, "A Linear Algorithm for Generating Random Numbers with a
    Given Distribution".
    """
    if len(weights) == 0 or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError("expected at least one weight, all positive and finite")
    # Summed exactly, since the order of NumPy's sums is its own affair.
    height = (weights * (len(weights) / math.fsum(weights.tolist()))).tolist()  # mean 1
    threshold = np.ones(len(weights))
    alias = np.arange(len(weights), dtype=np.int32)
    low = [i for i, h in enumerate(height) if h < 1]
    high = [i for i, h in enumerate(height) if h >= 1]
    while low and high:
        poor, rich = low.pop(), high[-1]
        threshold[poor], alias[poor] = height[poor], rich
        # In this order, and not height - (1 - height), the least is rounded away.
        height[rich] = (height[rich] + height[poor]) - 1
        if height[rich] < 1:
            low.append(high.pop())
    # What is left has a height of 1 up to rounding, and keeps the threshold 1.
    return AliasTable(threshold, alias)


def noise_weights(counts: Counts, power: float) -> Doubles:
    """Return f^power for each word, the weights by which negatives are drawn.

    Rounded once from 40 digits: the powers of NumPy and of C differ in the last bit
    from one processor and library to another, and so would the negatives.

    Source: Mikolov et al. 2013, section 2.2, with power = 3/4.
    """
    different, where = np.unique(counts, return_inverse=True)
    exponent = Decimal(power)
    with localcontext(prec=40):
        powers = [float(Decimal(count) ** exponent) for count in different.tolist()]
    return np.array(powers, np.float64)[where]


def keep_probabilities(counts: Counts, threshold: float) -> Doubles:
    """Return the probability with which each occurrence of a word is kept.

    p = min(1, √(threshold / f)) with f the word's share of all occurrences;
    1 for all words if the threshold is 0.

    Source: Mikolov et al. 2013, eq. 5. (word2vec.c keeps slightly more: there,
    p = √(threshold / f) + threshold / f.)
    """
    if threshold == 0:
        return np.ones(len(counts))
    share: Doubles = counts / counts.sum()
    return np.minimum(1.0, np.sqrt(threshold / share))


@dataclass(frozen=True)
class Block:
    """Some consecutive sentences of a split.

    Attributes:
        split: Where they lie.
        first: Index of the first sentence.
        last: Index behind the last one.
    """

    split: EncodedSplit
    first: int
    last: int

    def read(self) -> tuple[Ids, Ids]:
        """Return the known tokens, as if the others were not there.

        Returns:
            ids and, for each, the number of its sentence within the block:
            both of shape (n,), int32, n the tokens in the vocabulary.
        """
        offsets = np.asarray(self.split.offsets[self.first : self.last + 1])
        ids = np.asarray(self.split.ids[offsets[0] : offsets[-1]])
        numbers = np.arange(self.last - self.first, dtype=np.int32)
        sentences = np.repeat(numbers, np.diff(offsets))
        known = ids != UNKNOWN
        return ids[known], sentences[known]


def blocks(splits: Sequence[EncodedSplit]) -> list[Block]:
    """Divide splits into blocks of about `BLOCK_TOKENS` tokens.

    Borders are sentence borders and depend on the sentences alone. No block has
    more than `BLOCK_TOKENS` + `LONGEST_SENTENCE` tokens.
    """
    return [block for split in splits for block in _blocks_of(split)]


def _blocks_of(split: EncodedSplit) -> Iterator[Block]:
    split = EncodedSplit(split.ids, cut_sentences(split.offsets, LONGEST_SENTENCE))
    tokens = len(split.ids)
    # The first sentence that starts at or behind each multiple of BLOCK_TOKENS.
    starts = np.searchsorted(split.offsets, np.arange(0, tokens, BLOCK_TOKENS))
    bounds = np.unique(np.append(starts, len(split.offsets) - 1)).tolist()
    for first, last in pairwise(bounds):
        yield Block(split, first, last)


def cut_sentences(offsets: Counts, longest: int) -> Counts:
    """Return offsets with borders added wherever a sentence is longer.

    Args:
        offsets: Shape (S + 1,), int64.
        longest: Tokens at which a sentence is cut.
    """
    lengths = np.diff(offsets)
    if len(lengths) == 0 or lengths.max() <= longest:
        return offsets
    pieces = np.maximum(1, -(-lengths // longest))
    piece = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(offsets[:-1], pieces) + piece * longest
    return np.append(starts, offsets[-1])


def draw_pairs(
    ids: Ids, sentences: Ids, window: int, keep: Doubles, rng: np.random.Generator
) -> tuple[Ids, Ids]:
    """Return the (center, context) pairs of a block, in random order.

    Frequent words are dropped first, so that windows reach further; then each
    center draws its radius from 1..window. The order is random because pairs that
    are neighbors in the text share words: a minibatch of them would move few rows
    far, with gradients taken at the same stale point.

    Args:
        ids: Shape (n,), int32. Known tokens.
        sentences: Shape (n,), int32, ascending. The sentence of each.
        window: Largest radius, ≥ 1.
        keep: Shape (V,), float64. Probability of keeping each word.
        rng: Draws n coins, if any word may be dropped; then a radius for each token
            left; then the order.

    Returns:
        centers and contexts, both of shape (P,), int32.

    Source: Mikolov et al. 2013; the radius as in word2vec.c.
    """
    if (keep < 1).any():
        kept = rng.random(len(ids)) < keep[ids]
        ids, sentences = ids[kept], sentences[kept]
    radius = rng.integers(1, window, endpoint=True, size=len(ids))
    center, context = window_pairs(sentences, radius)
    order = rng.permutation(len(center))
    return ids[center[order]], ids[context[order]]


def window_pairs(sentences: Ids, radius: Counts) -> tuple[Indices, Indices]:
    """Return the positions of all centers and contexts, in the order of the text.

    Position j is a context of i if 0 < |i - j| ≤ radius[i] in the same sentence.

    Args:
        sentences: Shape (n,), ascending. The sentence of each position.
        radius: Shape (n,), int64, ≥ 1. Each center's reach on either side.
    """
    if len(sentences) == 0:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    position = np.arange(len(sentences))[:, np.newaxis]  # (n, 1)
    # A radius far beyond the longest sentence must not cost memory.
    reach = min(radius.max(), np.bincount(sentences - sentences[0]).max() - 1)
    distance = np.arange(-reach, reach + 1)
    distance = distance[distance != 0]  # (2 reach,)
    other = position + distance  # (n, 2 reach)
    inside = (other >= 0) & (other < len(sentences))
    other = np.clip(other, 0, len(sentences) - 1)
    valid = (
        inside
        & (np.abs(distance) <= radius[:, np.newaxis])
        & (sentences[other] == sentences[position])
    )
    return np.nonzero(valid)[0], other[valid]


def draw_targets(
    contexts: Ids, negatives: int, noise: AliasTable, rng: np.random.Generator
) -> Ids:
    """Return each pair's context and its private negatives.

    Returns:
        Shape (P, K + 1), int32: the observed context first. A negative may equal
        it; such a one has no weight in the loss.
    """
    targets = np.empty((len(contexts), negatives + 1), np.int32)
    targets[:, 0] = contexts
    targets[:, 1:] = noise.draw(rng, (len(contexts), negatives))
    return targets


def check_split(name: str, split: EncodedSplit, words: int) -> int:
    """Return how many tokens of a split are in the vocabulary.

    Raises:
        DataError: if ids are out of range or offsets do not divide them.
    """
    offsets, ids = split.offsets, split.ids
    if (
        len(offsets) == 0
        or offsets[0] != 0
        or offsets[-1] != len(ids)
        or (np.diff(offsets) < 0).any()
    ):
        raise DataError(
            f"split {name!r}: expected offsets that rise from 0 to {len(ids)} tokens, "
            f"found {offsets[:1]} to {offsets[-1:]}. Encode the corpus again."
        )
    known = 0
    for first in range(0, len(ids), 2**20):
        piece = np.asarray(ids[first : first + 2**20])
        if piece.min() < UNKNOWN or piece.max() >= words:
            raise DataError(
                f"split {name!r}: expected ids from {UNKNOWN} to {words - 1}, found "
                f"{piece.min()} to {piece.max()}. Encode the corpus again with this "
                "vocabulary."
            )
        known += int(np.count_nonzero(piece != UNKNOWN))
        release(ids)
    return known
