"""The held-out loss in explicit SIMD: two pairs, each against four targets at a time.

The pairs, and what is summed, are those of `sgns.batch_loss`; the same bits on every
processor, as `pipeline.core.simd` explains.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.core.groups import TILE
from pipeline.core.jit import Integer, compiled, inlined
from pipeline.core.simd import (
    LANES,
    Eight,
    accumulate,
    add,
    aligned,
    clip,
    divide,
    exp,
    fma,
    load,
    load_eight,
    log,
    multiply,
    negate,
    prefetch,
    splat,
    splat_eight,
    sums_of_eight,
)
from pipeline.core.types import Doubles, Floats, Ids

ZERO, ONE = np.float32(0), np.float32(1)


@inlined
def score_targets(
    inputs: Floats,
    x: Integer,
    y: Integer,
    outputs: Floats,
    t: Ids,
    u: Ids,
    j: Integer,
    width: Integer,
) -> Eight:
    """Return the products of x with targets t[j : j + 4], then of y with those of u."""
    t0, t1, t2, t3 = t[j] * width, t[j + 1] * width, t[j + 2] * width, t[j + 3] * width
    u0, u1, u2, u3 = u[j] * width, u[j + 1] * width, u[j + 2] * width, u[j + 3] * width
    x0 = x1 = x2 = x3 = y0 = y1 = y2 = y3 = splat(ZERO)
    for d in range(0, width, LANES):
        g, h = load(inputs, x + d), load(inputs, y + d)
        x0 = fma(g, load(outputs, t0 + d), x0)
        y0 = fma(h, load(outputs, u0 + d), y0)
        x1 = fma(g, load(outputs, t1 + d), x1)
        y1 = fma(h, load(outputs, u1 + d), y1)
        x2 = fma(g, load(outputs, t2 + d), x2)
        y2 = fma(h, load(outputs, u2 + d), y2)
        x3 = fma(g, load(outputs, t3 + d), x3)
        y3 = fma(h, load(outputs, u3 + d), y3)
    return sums_of_eight(x0, x1, x2, x3, y0, y1, y2, y3)


def add_loss(
    centers: Ids,
    targets: Ids,
    inputs: Floats,
    outputs: Floats,
    width: Integer,
    score_clip: np.float32,
    log_epsilon: np.float32,
    weights: Floats,
    signs: Floats,
    loss: Doubles,
) -> None:
    """Add the loss of pairs to 8 partial sums; compiled.

    Args:
        centers: Shape (2B,), int32. Input rows; V, a row of zeros, for no pair.
        targets: Shape (2B, 4T), int32. Output rows: the context, the negatives, and V,
            a row of zeros, for none.
        inputs: Shape ((V + 1) · width,), `aligned`.
        outputs: Shape at least ((V + 1) · width,), `aligned`.
        width: Floats in a row, a multiple of 16.
        score_clip: Largest size of a score.
        log_epsilon: Added inside the logarithms.
        weights: Shape (8,), `aligned`. Scratch.
        signs: Shape (8,), `aligned`. Scratch.
        loss: Shape (8,), float64, `aligned`. Added to.
    """
    zeros = len(inputs) // width - 1
    epsilon = splat_eight(log_epsilon)
    for p in range(0, len(centers), 2):
        ahead = min(p + 2, len(centers) - 2)
        for j in range(0, targets.shape[1], TILE):
            for i in range(ahead, ahead + 2):
                for k in range(j, j + TILE):
                    for d in range(0, width, LANES):
                        prefetch(outputs, targets[i, k] * width + d)
            scores = score_targets(
                inputs,
                centers[p] * width,
                centers[p + 1] * width,
                outputs,
                targets[p],
                targets[p + 1],
                j,
                width,
            )
            for k in range(TILE):
                for i in range(2):
                    target, context = targets[p + i, j + k], targets[p + i, 0]
                    counts = target != zeros and (j + k == 0 or target != context)
                    weights[TILE * i + k] = ONE if counts else ZERO
                    # The score of the observed context counts as it is, others
                    # with the other sign.
                    signs[TILE * i + k] = ONE if j + k == 0 else -ONE
            s = clip(scores, splat_eight(score_clip))
            e = exp(multiply(negate(s), load_eight(signs, 0)))
            sigma = divide(splat_eight(ONE), add(splat_eight(ONE), e))
            terms = multiply(load_eight(weights, 0), log(add(sigma, epsilon)))
            accumulate(loss, negate(terms))


def lay_out(centers: Ids, targets: Ids, zeros: int) -> tuple[Ids, Ids]:
    """Return pairs as `add_loss` takes them.

    Args:
        centers: Shape (B,), int32.
        targets: Shape (B, K + 1), int32.
        zeros: Number of the row of zeros.
    """
    pairs, columns = targets.shape
    shape = pairs + pairs % 2, -(-columns // TILE) * TILE
    rows, more = np.full(shape[0], zeros, np.int32), np.full(shape, zeros, np.int32)
    rows[:pairs], more[:pairs, :columns] = centers, targets
    return rows, more


def compile_heldout(cache: Path | None) -> Callable[..., None]:
    """Return `add_loss` compiled, from the cache if it is there."""
    rows, targets = np.zeros(0, np.int32), np.zeros((0, TILE), np.int32)
    matrix, scratch, loss = aligned(LANES), aligned(8), aligned(8, np.float64)
    one = np.float32(1)
    example = (rows, targets, matrix, matrix, LANES, one, one, scratch, scratch, loss)
    return compiled(add_loss, example, cache)
