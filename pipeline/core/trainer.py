"""What a trainer of skip-gram is, whatever computes it."""

from dataclasses import dataclass
from typing import Protocol

from pipeline.core.types import Floats


@dataclass(frozen=True)
class Progress:
    """What training on a block came to.

    Attributes:
        loss: Nats, float64, summed over pairs, each before the step it takes part in.
        pairs: (center, context) pairs that the loss is summed over: all, or some drawn
            at random; at least one if there is any.
        words: Known words gone through, whether subsampling kept them or not.
        rate: Learning rate at the block's end, or in all of it where it is constant.
    """

    loss: float
    pairs: int
    words: int
    rate: float


class Trainer(Protocol):
    """Two matrices, and the means to train them block by block.

    A block can be trained given the matrices after the one before it and its number:
    a trainer keeps nothing else from block to block.
    """

    @property
    def blocks(self) -> int:
        """Blocks in an epoch, at least 1."""
        ...

    @property
    def center(self) -> Floats:
        """Input vectors, shape (V, d), float32; the next block changes them."""
        ...

    @property
    def context(self) -> Floats:
        """Output vectors, shape (V, d), float32; the next block changes them."""
        ...

    def train_block(self, epoch: int, block: int) -> Progress:
        """Train on a block; both numbers count from 0."""
        ...

    def heldout_loss(self) -> tuple[float, int]:
        """Return the loss of the held-out pairs in nats, summed, and their number."""
        ...

    def close(self) -> None:
        """Give back threads and memory."""
        ...
