"""UMAP's descent, compiled: the one slow loop of its layout.

umap-learn's own compiles for ten seconds in every process, on import and at the first
call, because it serves every metric, thread count and variant. This one does what a
layout from a graph needs, and compiles in about one.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import compiled
from pipeline.core.types import Doubles, Floats, Ids

if TYPE_CHECKING:
    from collections.abc import Callable

Draws = npt.NDArray[np.int64]

# All three are umap-learn's.
NEGATIVES = 5  # words pushed away for each pull
_SOFT = 0.001  # keeps a distance near zero from an endless push
_BITS = 0xFFFFFFFF  # of a draw
_SIGN = 0x80000000
_STEEPEST = 4.0  # a step's longest component, before the learning rate


def descend(
    layout: Floats,
    heads: Ids,
    tails: Ids,
    every: Doubles,
    draws: Draws,
    *,
    slope: float,
    power: float,
    epochs: int,
) -> None:
    """Move words by gradient descent on UMAP's cross entropy; writes into `layout`.

    An edge that is due pulls its two words together, and pushes the first away from
    words drawn at random, `NEGATIVES` for each pull: with s = |x - y|², by
    2ab sᵇ⁻¹ / (1 + a sᵇ) and by 2b / ((ε + s)(1 + a sᵇ)). The learning rate falls
    from 1 to 0.

    Args:
        layout: Shape (n, dims), float32, C order.
        heads: Shape (m,). One end of each edge.
        tails: Shape (m,). Its other end.
        every: Shape (m,). Epochs from one pull of an edge to the next, ≥ 1.
        draws: Shape (n, 3), int64, of 32-bit numbers: the state of each word's random
            draws, changed.
        slope: a, of the curve that distances follow.
        power: b, of the same.
        epochs: Passes over the edges.

    Source: McInnes, Healy and Melville 2018, "UMAP", algorithm 5; step by step as
    umap-learn's `_optimize_layout_euclidean_single_epoch`, Tausworthe draws included.
    """
    _kernel()(
        layout,
        np.ascontiguousarray(heads, np.int32),
        np.ascontiguousarray(tails, np.int32),
        np.ascontiguousarray(every, np.float64),
        every.astype(np.float64),
        every.astype(np.float64) / NEGATIVES,
        draws,
        float(slope),
        float(power),
        epochs,
    )


@cache
def _kernel() -> "Callable[..., None]":
    nothing = np.zeros(0)
    example = (
        np.zeros((1, 2), np.float32),
        *(np.zeros(0, np.int32), np.zeros(0, np.int32)),
        *(nothing, nothing, nothing),
        np.zeros((1, 3), np.int64),
        *(1.0, 1.0, 0),
    )
    return compiled(_descend, example, None)


def _descend(  # noqa: PLR0917  # what is compiled takes arrays, one by one
    layout: Floats,
    heads: Ids,
    tails: Ids,
    every: Doubles,
    due: Doubles,
    pushed: Doubles,
    draws: Draws,
    slope: float,
    power: float,
    epochs: int,
) -> None:
    """Do what `descend` says; also changes the epochs kept of each edge, shape (m,).

    `due` is that of its next pull, `pushed` that up to which its pushes are done.
    """
    n, dims = layout.shape
    for epoch in range(epochs):
        rate = 1.0 - max(epoch - 1, 0) / epochs
        for edge in range(len(heads)):
            if due[edge] > epoch:
                continue
            head, tail = heads[edge], tails[edge]
            square = 0.0
            for i in range(dims):
                difference = layout[head, i] - layout[tail, i]
                square += difference * difference
            force = 0.0
            if square > 0.0:
                raised = slope * square**power
                force = -2.0 * power * raised / (square * (raised + 1.0))
            for i in range(dims):
                step = force * (layout[head, i] - layout[tail, i])
                step = rate * min(max(step, -_STEEPEST), _STEEPEST)
                layout[head, i] += step
                layout[tail, i] -= step
            due[edge] += every[edge]
            gap = every[edge] / NEGATIVES
            pushes = int((epoch - pushed[edge]) / gap)
            pushed[edge] += pushes * gap
            for _ in range(pushes):
                x, y, z = draws[head, 0], draws[head, 1], draws[head, 2]
                x = (((x & 0xFFFFFFFE) << 12) & _BITS) ^ (
                    (((x << 13) & _BITS) ^ x) >> 19
                )
                y = (((y & 0xFFFFFFF8) << 4) & _BITS) ^ ((((y << 2) & _BITS) ^ y) >> 25)
                z = (((z & 0xFFFFFFF0) << 17) & _BITS) ^ (
                    (((z << 3) & _BITS) ^ z) >> 11
                )
                draws[head, 0], draws[head, 1], draws[head, 2] = x, y, z
                drawn = x ^ y ^ z
                # As a signed number, which umap-learn takes it for.
                other = (drawn - ((drawn & _SIGN) << 1)) % n
                square = 0.0
                for i in range(dims):
                    difference = layout[head, i] - layout[other, i]
                    square += difference * difference
                if square > 0.0:
                    force = 2.0 * power
                    force /= (_SOFT + square) * (slope * square**power + 1.0)
                    for i in range(dims):
                        step = force * (layout[head, i] - layout[other, i])
                        step = min(max(step, -_STEEPEST), _STEEPEST)
                        layout[head, i] += rate * step
