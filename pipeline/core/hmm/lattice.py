"""Which states each token may have, and how well it goes with them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Counts, Doubles
from pipeline.errors import ShapeError


@dataclass(frozen=True)
class Lattice:
    """Sentences as the states that their tokens may have.

    Attributes:
        offsets: Shape (S + 1,), int64. Sentence s is tokens offsets[s]:offsets[s + 1].
        states: Shape (N, C), int16. Possible states, ascending; C is the most that a
            token has.
        counts: Shape (N,), int16. How many of them a token has, at least 1.
        scores: Shape (N, C). log p(token | state), up to a number for each token.
    """

    offsets: Counts
    states: npt.NDArray[np.int16]
    counts: npt.NDArray[np.int16]
    scores: Doubles

    @property
    def tokens(self) -> int:
        """N."""
        return len(self.counts)

    @property
    def sentences(self) -> int:
        """S."""
        return len(self.offsets) - 1

    @property
    def longest(self) -> int:
        """Tokens of the longest sentence, at least 1."""
        return max(1, int(np.diff(self.offsets).max(initial=0)))

    @property
    def most(self) -> int:
        """C."""
        return int(self.states.shape[1])


def build_lattice(emissions: Doubles, offsets: Counts, beam: float | None) -> Lattice:
    """Return the lattice of sentences.

    Args:
        emissions: Shape (N, K). log p(token | state).
        offsets: Shape (S + 1,).
        beam: How far, in nats, a state may lie below the best of its token and still
            be possible; None for any distance.

    Raises:
        ShapeError: if there is no state, or the offsets are not of these tokens.
    """
    tokens, size = emissions.shape
    if not size or offsets[-1] != tokens or offsets[0]:
        raise ShapeError(
            f"expected scores of {int(offsets[-1])} tokens in 1 state or more, found "
            f"shape {emissions.shape}"
        )
    offsets = np.array(offsets, np.int64)
    if beam is None:
        states = np.tile(np.arange(size, dtype=np.int16), (tokens, 1))
        counts = np.full(tokens, size, np.int16)
        return Lattice(offsets, states, counts, np.array(emissions, np.float64))
    best = emissions.max(axis=1, keepdims=True)
    # Where every score is -inf, all states are as good.
    possible = (emissions >= best - beam) | np.isneginf(best)
    counts = possible.sum(axis=1).astype(np.int16)
    width = int(counts.max(initial=1))
    # Possible states first, each group in ascending order.
    order = np.argsort(~possible, axis=1, kind="stable")[:, :width]
    scores = np.take_along_axis(np.asarray(emissions, np.float64), order, axis=1)
    return Lattice(
        offsets, order.astype(np.int16), counts, np.ascontiguousarray(scores)
    )
