"""Train on several threads with a result that does not depend on their number.

The text of an epoch is divided into blocks, and a block into as many shares as there
are replicas. Each replica has both matrices to itself and trains its share as one
thread would; then the replicas are merged, row by row, and the next block begins. So
the number of replicas shapes the result, as a batch size does; the number of threads
that work on them does not, and neither does where training is entered: a block needs
the merged matrices and its number, nothing else.

Merging. A row's new value is its old one plus a part of the sum of what the replicas
changed. For rare words that is the whole sum, as if their updates had been made one
after another. A frequent word's row settles within a block, in every replica alike,
and the sum would overshoot; there it is the mean. In between:

    row ← row + s Σ_p (row of replica p - row),   s = (1 + u) / (1 + u P)

for P replicas and u the number of times a word occurs in a share, over `SETTLED`.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.core.groups import TILE, Flags, Settings, make_noise, make_scratch
from pipeline.core.heldout import Heldout
from pipeline.core.heldout_kernel import compile_heldout, lay_out
from pipeline.core.jit import compiled
from pipeline.core.kernel import compile_kernel
from pipeline.core.randomness import generator
from pipeline.core.sampling import LONGEST_SENTENCE, AliasTable
from pipeline.core.shares import Text
from pipeline.core.simd import (
    LANES,
    add,
    aligned,
    fma,
    load,
    padded,
    splat,
    store,
    subtract,
)
from pipeline.core.trainer import Progress
from pipeline.core.types import UNKNOWN, Counts, Doubles, EncodedSplit, Floats, Ids
from pipeline.errors import ShapeError

SETTLED = 50.0

# An epoch is divided into at least about so many parts, whatever the staleness: a short
# text's replicas would drift too far apart.
MEETINGS = 12

# From so many tokens in an epoch on, one group of `LOSS_EVERY` counts in the loss, some
# 70,000 pairs at least: a standard error of 0.005 nats where it is about 2. All of them
# would take a tenth of the time.
LONG_TEXT = 100_000
LOSS_EVERY = 8

# Bytes of held-out pairs, about, that are drawn once and kept; the others are drawn
# anew after each epoch, which takes longer than measuring their loss.
KEPT_HELDOUT = 50_000_000


@dataclass(frozen=True)
class Method:
    """Skip-gram with negative sampling, as the fast kernel trains it.

    Attributes:
        epochs: Passes over the text.
        window: Largest radius; each center draws its own from 1..window.
        negatives: K, 1..65,000.
        shared_centers: Adjacent centers that share K negatives, ≥ 1.
        lr: First learning rate; it falls linearly with the tokens gone through.
        lr_min: Learning rate behind the last token.
        score_clip: Largest size of a score before the sigmoid, > 0 and ≤ 80.
        gradient_clip: Largest norm of an example's gradient in a row; inf: no clipping.
        log_epsilon: Added inside the logarithms of the loss.
        replicas: Copies that are trained side by side and merged, ≥ 1.
        staleness: Tokens that a replica does not see before the next merge, ≥ 1:
            those of the others. Fewer where an epoch is short.
        seed: The run's seed.
    """

    epochs: int
    window: int
    negatives: int
    shared_centers: int
    lr: float
    lr_min: float
    score_clip: float
    gradient_clip: float
    log_epsilon: float
    replicas: int
    staleness: int
    seed: int

    def __post_init__(self) -> None:
        # Beyond 80, e^s leaves float32; beyond 65,000, random numbers would repeat.
        if not 0 < self.score_clip <= 80:
            raise ValueError(f"score_clip={self.score_clip:g}: expected at most 80")
        if not 1 <= self.negatives <= 65_000:
            raise ValueError(f"negatives={self.negatives}: expected at most 65,000")
        for name in ("epochs", "window", "shared_centers", "replicas", "staleness"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")


def merge_rows(
    merged: Floats,
    copies: Floats,
    used: Flags,
    parts: Floats,
    width: int,
    first: int,
    last: int,
) -> None:
    """Merge some rows of the replicas; compiled.

    Args:
        merged: Shape (rows · width,). The matrix before the block, modified.
        copies: Shape (P, rows · width). The replicas', after it; become the same.
        used: Shape (P, V). Which rows each of them changed; becomes zero.
        parts: Shape (V,). Of the sum of the changes, the part that is taken.
        width: Floats in a row.
        first: First row.
        last: Behind the last row.
    """
    for row in range(first, last):
        changed = False
        for p in range(len(copies)):
            changed |= used[p, row] > 0
            used[p, row] = 0
        if not changed:
            continue
        part = splat(parts[row])
        for i in range(row * width, (row + 1) * width, LANES):
            old = load(merged, i)
            change = subtract(load(copies[0], i), old)
            for p in range(1, len(copies)):
                change = add(change, subtract(load(copies[p], i), old))
            new = fma(part, change, old)
            store(merged, i, new)
            for p in range(len(copies)):
                store(copies[p], i, new)


class ReplicaTrainer:
    """Train two matrices block by block on several threads; see `Trainer`.

    Holds the matrices (replicas + 1) times, or once if there is one replica; rows are
    padded to 16 floats inside. A context manager: leaving it ends its threads.

    Args:
        method: What shapes the result.
        splits: What is trained on, in this order; may be memory-mapped.
        center: Shape (V, d), float32. Input vectors to begin with; copied.
        context: Shape (V, d), float32. Output vectors to begin with; copied.
        counts: Shape (V,), int64. How often each word occurs.
        noise: The distribution of the negatives.
        keep: Shape (V,), float64. Probability of keeping each word.
        heldout: What the held-out loss is measured on.
        threads: How many replicas are trained at a time, ≥ 1.
        cache: Folder for compiled code; None: compile each time.

    Raises:
        ShapeError: if the matrices, counts and probabilities do not fit together.
    """

    def __init__(
        self,
        method: Method,
        splits: Sequence[EncodedSplit],
        center: Floats,
        context: Floats,
        *,
        counts: Counts,
        noise: AliasTable,
        keep: Doubles,
        heldout: Heldout,
        threads: int,
        cache: Path | None,
    ) -> None:
        shapes = {center.shape, context.shape}
        sizes = {len(center), len(counts), len(noise.alias), len(keep)}
        if len(shapes) != 1 or len(sizes) != 1 or center.ndim != 2:
            raise ShapeError(
                "expected two matrices of one shape (V, d) and V counts, columns and "
                f"probabilities, found {center.shape}, {context.shape}, "
                f"{counts.shape}, {noise.alias.shape} and {keep.shape}"
            )
        self._method, self._text = method, Text(splits)
        words, self._dim = center.shape
        self._width = padded(self._dim)
        self._noise = make_noise(noise, keep)
        self._shares = method.replicas * self.blocks
        self._settings = _settings(method, self._text.tokens)
        longest = -(-self._text.tokens // self._shares) + LONGEST_SENTENCE
        self._scratch = [
            make_scratch(
                self._settings, words, self._width, min(longest, self._text.tokens)
            )
            for _ in range(method.replicas)
        ]
        self._merged = [
            _pad(matrix, self._width, zeros)
            for matrix, zeros in ((center, 1), (context, 3))
        ]
        self._copies = [matrix[np.newaxis] for matrix in self._merged]
        if method.replicas > 1:
            self._copies = [_repeat(m, method.replicas) for m in self._merged]
        self._used = [
            np.zeros((method.replicas, words), np.uint8) for _ in self._merged
        ]
        self._scratch = [
            scratch._replace(input_used=self._used[0][p], output_used=self._used[1][p])
            for p, scratch in enumerate(self._scratch)
        ]
        share = counts / max(counts.sum(), 1) * self._text.tokens / self._shares
        settled = share / SETTLED
        self._parts = ((1 + settled) / (1 + method.replicas * settled)).astype(
            np.float32
        )
        rows = method.shared_centers + method.negatives
        self._train = compile_kernel(cache, left_over=rows % TILE == 1)
        self._merge = _compile_merge(cache)
        self._add_loss = compile_heldout(cache)
        self._heldout = heldout
        self._laid_out: dict[int, tuple[Ids, Ids, int]] = {}
        threads = min(threads, method.replicas)
        self._threads = ThreadPoolExecutor(threads, "train")
        self._rows = np.linspace(0, words, threads + 1).astype(np.int64).tolist()

    @property
    def blocks(self) -> int:
        """Blocks in an epoch, at least 1."""
        stale = min(self._method.staleness, self._text.tokens / MEETINGS)
        # Of a block's tokens, a replica sees one share; one alone has no others.
        unseen = 1 - 1 / max(2, self._method.replicas)
        return max(1, round(self._text.tokens * unseen / max(stale, 1)))

    @property
    def center(self) -> Floats:
        """Input vectors, shape (V, d): a view that the next block changes."""
        return self._view(0)

    @property
    def context(self) -> Floats:
        """Output vectors, shape (V, d): a view that the next block changes."""
        return self._view(1)

    def train_block(self, epoch: int, block: int) -> Progress:
        """Train on a block, and merge; both numbers count from 0."""
        first = block * self._method.replicas
        numbers = range(first, first + self._method.replicas)
        done = list(self._threads.map(lambda n: self._train_share(epoch, n), numbers))
        if self._method.replicas > 1:
            list(self._threads.map(self._merge_rows, self._rows[:-1], self._rows[1:]))
        tokens = self._border(first + self._method.replicas)
        gone = (epoch * self._text.tokens + tokens) / self._settings.tokens
        method = self._method
        return Progress(
            loss=math.fsum(loss for loss, _, _ in done),
            pairs=sum(pairs for _, pairs, _ in done),
            words=sum(words for _, _, words in done),
            rate=method.lr + (method.lr_min - method.lr) * gone,
        )

    def heldout_loss(self) -> tuple[float, int]:
        """Return the loss of the held-out pairs in nats, summed, and their number."""
        numbers = range(len(self._heldout.blocks))
        done = list(self._threads.map(self._measure, numbers))
        return math.fsum(loss for loss, _ in done), sum(pairs for _, pairs in done)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _view(self, which: int) -> Floats:
        rows = self._merged[which].reshape(-1, self._width)
        return rows[: len(self._parts), : self._dim]

    def _border(self, share: int) -> int:
        """Return the token at which a share begins."""
        return self._text.tokens * share // self._shares

    def _train_share(self, epoch: int, share: int) -> tuple[float, int, int]:
        replica = share % self._method.replicas
        ids, offsets, start = self._text.read(
            self._border(share), self._border(share + 1)
        )
        scratch = self._scratch[replica]
        scratch.loss[:] = 0
        _, pairs = self._train(
            ids,
            offsets,
            epoch * self._text.tokens + start,
            self._copies[0][replica],
            self._copies[1][replica],
            self._width,
            self._noise,
            self._settings,
            scratch,
        )
        known = int(np.count_nonzero(ids != UNKNOWN))
        return math.fsum(scratch.loss), pairs, known

    def _measure(self, number: int) -> tuple[float, int]:
        """Return the summed loss of a held-out block, and the number of its pairs."""
        rows, targets, pairs = self._laid_out.get(number) or self._lay_out(number)
        loss = aligned(8, np.float64)
        self._add_loss(
            rows,
            targets,
            *self._merged,
            self._width,
            self._settings.score_clip,
            self._settings.log_epsilon,
            aligned(8),
            aligned(8),
            loss,
        )
        return math.fsum(loss), pairs

    def _lay_out(self, number: int) -> tuple[Ids, Ids, int]:
        """Draw a held-out block's pairs; those of the first blocks are kept."""
        batches = list(self._heldout.batches(number))
        if not batches:
            return np.empty(0, np.int32), np.empty((0, TILE), np.int32), 0
        centers = np.concatenate([centers for centers, _ in batches])
        targets = np.concatenate([targets for _, targets in batches])
        laid_out = (*lay_out(centers, targets, len(self._parts)), len(centers))
        if number * laid_out[1].nbytes < KEPT_HELDOUT:
            self._laid_out[number] = laid_out
        return laid_out

    def _merge_rows(self, first: int, last: int) -> None:
        for merged, copies, used in zip(
            self._merged, self._copies, self._used, strict=True
        ):
            self._merge(merged, copies, used, self._parts, self._width, first, last)


def _settings(method: Method, tokens: int) -> Settings:
    """Return the kernel's form of a method."""
    key = generator(method.seed, "train", "kernel").integers(2**64, dtype=np.uint64)
    return Settings(
        window=method.window,
        negatives=method.negatives,
        shared_centers=method.shared_centers,
        score_clip=np.float32(method.score_clip),
        gradient_clip=np.float32(method.gradient_clip),
        log_epsilon=np.float32(method.log_epsilon),
        lr=method.lr,
        lr_min=method.lr_min,
        tokens=max(1, tokens * method.epochs),
        loss_every=1 if tokens < LONG_TEXT else LOSS_EVERY,
        key=np.uint64(key),
    )


def _pad(matrix: Floats, width: int, zeros: int) -> Floats:
    """Return a flat copy with rows of `width` floats, and rows of zeros behind."""
    rows, dim = matrix.shape
    result = aligned((rows + zeros, width))
    result[:rows, :dim] = matrix
    return result.reshape(-1)


def _repeat(flat: Floats, times: int) -> Floats:
    """Return copies, shape (times, len(flat))."""
    result = aligned((times, len(flat)))
    result[:] = flat
    return result


def _compile_merge(cache: Path | None) -> Callable[..., None]:
    """Return `merge_rows` compiled, from the cache if it is there."""
    matrix, used = aligned(LANES), np.zeros((1, 1), np.uint8)
    parts = np.zeros(1, np.float32)
    example = (matrix, matrix[np.newaxis], used, parts, LANES, 0, 0)
    return compiled(merge_rows, example, cache)
