"""The readable trainer: minibatches of sparse products in NumPy, on one thread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.heldout import Heldout
from pipeline.core.randomness import generator
from pipeline.core.sampling import AliasTable, Block, draw_pairs
from pipeline.core.sgns import Objective, batch_loss, train_pairs
from pipeline.core.trainer import Progress
from pipeline.core.types import Doubles, Floats


@dataclass(frozen=True)
class MinibatchMethod:
    """Skip-gram with negative sampling, by minibatch.

    Attributes:
        objective: The loss, the size of a minibatch and the guards.
        epochs: Passes over the text.
        words: Known words in an epoch, before subsampling.
        window: Largest radius; each center draws its own from 1..window.
        lr: First learning rate; it falls linearly with the words gone through and is
            constant within a block.
        lr_min: Learning rate behind the last word.
        seed: The run's seed.
    """

    objective: Objective
    epochs: int
    words: int
    window: int
    lr: float
    lr_min: float
    seed: int


class MinibatchTrainer:
    """Train two matrices block by block; see `Trainer`.

    Args:
        method: What shapes the result.
        blocks: What an epoch goes through, in this order.
        center: Shape (V, d), float32. Input vectors to begin with; modified.
        context: Shape (V, d), float32. Output vectors to begin with; modified.
        noise: Negatives are drawn from it.
        keep: Shape (V,). Probability of keeping each word.
        heldout: What the held-out loss is measured on.
    """

    def __init__(
        self,
        method: MinibatchMethod,
        blocks: Sequence[Block],
        center: Floats,
        context: Floats,
        *,
        noise: AliasTable,
        keep: Doubles,
        heldout: Heldout,
    ) -> None:
        self._method, self._text = method, blocks
        self._noise, self._keep, self._heldout = noise, keep, heldout
        self.center, self.context = center, context
        # Known words before each block of an epoch.
        known = [len(block.read()[0]) for block in blocks]
        self._before = np.cumsum([0, *known]).tolist()

    @property
    def blocks(self) -> int:
        """Blocks in an epoch, at least 1."""
        return len(self._text)

    def train_block(self, epoch: int, block: int) -> Progress:
        """Train on a block; both numbers count from 0."""
        method = self._method
        # A stream of its own, so that training can be entered at any block.
        rng = generator(method.seed, "train", epoch + 1, block)
        ids, sentences = self._text[block].read()
        drawn = draw_pairs(ids, sentences, method.window, self._keep, rng)
        gone = (epoch * method.words + self._before[block]) / (
            method.words * method.epochs
        )
        rate = method.lr + (method.lr_min - method.lr) * gone
        # A step too large overflows; whoever looks at the loss finds it.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = train_pairs(
                method.objective,
                self.center,
                self.context,
                drawn,
                noise=self._noise,
                rate=rate,
                rng=rng,
            )
        return Progress(loss, len(drawn[0]), len(ids), rate)

    def heldout_loss(self) -> tuple[float, int]:
        """Return the loss of the held-out pairs in nats, summed, and their number."""
        loss, pairs = 0.0, 0
        for number in range(len(self._heldout.blocks)):
            for centers, targets in self._heldout.batches(number):
                loss += batch_loss(
                    self._method.objective, self.center, self.context, centers, targets
                )
                pairs += len(centers)
        return loss, pairs

    def close(self) -> None:
        """Give back threads and memory: there are none."""
