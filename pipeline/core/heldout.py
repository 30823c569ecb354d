"""The pairs that the held-out loss is measured on: the same after every epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.randomness import generator
from pipeline.core.sampling import AliasTable, Block, draw_pairs, draw_targets
from pipeline.core.types import Ids


@dataclass(frozen=True)
class Heldout:
    """Held-out text, and how its pairs and their private negatives are drawn.

    Each block has a random stream of its own, which neither the epoch nor the kernel
    enters, so that losses can be compared between both. No word is left out.

    Attributes:
        blocks: The text; none if nothing is held out.
        window: Largest radius.
        negatives: K.
        batch_size: Pairs whose negatives are drawn at once.
        noise: The distribution of the negatives.
        seed: The run's seed.
    """

    blocks: Sequence[Block]
    window: int
    negatives: int
    batch_size: int
    noise: AliasTable
    seed: int

    def batches(self, number: int) -> Iterator[tuple[Ids, Ids]]:
        """Yield a block's pairs, by minibatch.

        Yields:
            Centers, shape (B,), and their context followed by K negatives, shape
            (B, K + 1); both int32. A negative that equals the context does not count.
        """
        rng = generator(self.seed, "train", "heldout", number)
        every_word = np.ones(len(self.noise.alias))
        centers, contexts = draw_pairs(
            *self.blocks[number].read(), self.window, every_word, rng
        )
        for first in range(0, len(centers), self.batch_size):
            batch = slice(first, first + self.batch_size)
            targets = draw_targets(contexts[batch], self.negatives, self.noise, rng)
            yield centers[batch], targets
