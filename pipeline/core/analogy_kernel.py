"""The best answers to analogies in explicit SIMD, by both methods in one pass.

What takes time is not arithmetic but memory: the cosines of a section's words are 10 MB
and more. So all questions are asked about some words before the next words are looked
at: the cosines of these stay in the second-level cache.

Scores are in single precision. Which words it is safe to leave out by them, and the
answers, are `pipeline.core.analogy`'s.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from pipeline.core.jit import Integer, compiled, inlined
from pipeline.core.simd import (
    LANES,
    Builder,
    Definition,
    Lanes,
    Value,
    add,
    aligned,
    any_above,
    divide,
    fma,
    larger,
    load,
    multiply,
    operation,
    padded,
    splat,
    store,
    subtract,
)
from pipeline.core.types import UNKNOWN, Floats, Ids

# Words looked at together: 4 KiB of a row of cosines, so that those of 120 words, a
# large section's, take half of a second-level cache of 1 MiB.
BLOCK = 1024

# Questions asked together; what they keep of each block is 32 KiB.
_ASKED = 2**12

_HALF = np.float32(0.5)
_LEAST = np.float32(-np.inf)


@operation
def highest(typing: Any, x: Any) -> Definition:
    """Return the highest lane of x, a float32; no lane is NaN."""

    def emit(context: Any, b: Builder, signature: Any, values: Any) -> Value:
        (x,) = values
        apart = LANES // 2
        while apart:
            order = [k ^ apart for k in range(LANES)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)
            other = b.shuffle_vector(x, x, mask)
            x = b.select(b.fcmp_ordered(">", x, other), x, other)
            apart //= 2
        return b.extract_element(x, ir.IntType(32)(0))

    return types.float32(x), emit


@inlined
def shifted(x: Lanes) -> Lanes:
    """Return (1 + x) / 2."""
    return fma(x, splat(_HALF), splat(_HALF))


@inlined
def quotient(a: Lanes, b: Lanes, epsilon: np.float32) -> Lanes:
    """Return what 3CosMul multiplies σ(x, c) by."""
    return divide(shifted(b), add(shifted(a), splat(epsilon)))


@inlined
def first_above(
    rows: Floats,
    x: Integer,
    y: Integer,
    z: Integer,
    words: tuple[Integer, Integer],
    method: Integer,
    bound: np.float32,
    epsilon: np.float32,
    scratch: Floats,
) -> tuple[Integer, Integer]:
    """Return the first of some words whose score is above a bound, and how many are.

    The cosines of a, b and c begin at rows[x], [y] and [z].
    """
    first: Integer = np.int64(UNKNOWN)
    found: Integer = np.int64(0)
    for i in range(words[0], words[1], LANES):
        a, b, c = load(rows, x + i), load(rows, y + i), load(rows, z + i)
        if method == 0:
            score = add(subtract(b, a), c)
        else:
            score = multiply(quotient(a, b, epsilon), shifted(c))
        if any_above(score, splat(bound)):
            store(scratch, 0, score)
            for k in range(LANES):
                if scratch[k] > bound:
                    first = i + k if found == 0 else first
                    found += 1
    return first, found


def find_near(
    rows: Floats,
    width: Integer,
    places: npt.NDArray[np.intp],
    slack: Floats,
    epsilon: np.float32,
    maxima: Floats,
    scratch: Floats,
    ids: Ids,
    near: Ids,
    bounds: Floats,
) -> None:
    """Find words that may answer each question; compiled. See `find_first`.

    Args:
        rows: Shape (W · width,), `aligned`. A score with a NaN in it is none.
        width: Floats in a row, a multiple of 16.
        places: Shape (Q, 3).
        slack: Shape (W, 2).
        epsilon: See `analogy.solve`.
        maxima: Shape (blocks, at least Q, 2). Scratch: the highest score among the
            words of a block, by method.
        scratch: Shape (2 · BLOCK,), `aligned`.
        ids: Shape (Q, 2). Set.
        near: Shape (Q, 2). Set.
        bounds: Shape (Q, 2). Set.
    """
    for block in range(len(maxima)):
        start = block * BLOCK
        size: Integer = min(BLOCK, width - start)
        a = b = np.int64(-1)
        for q in range(len(places)):
            if places[q, 0] != a or places[q, 1] != b:
                a, b = places[q, 0], places[q, 1]
                for i in range(0, size, LANES):
                    x = load(rows, a * width + start + i)
                    y = load(rows, b * width + start + i)
                    store(scratch, i, subtract(y, x))
                    store(scratch, BLOCK + i, quotient(x, y, epsilon))
            c = places[q, 2] * width + start
            # `larger` returns its second if one is NaN.
            sums = products = splat(_LEAST)
            for i in range(0, size, LANES):
                z = load(rows, c + i)
                sums = larger(add(load(scratch, i), z), sums)
                product = multiply(load(scratch, BLOCK + i), shifted(z))
                products = larger(product, products)
            maxima[block, q, 0] = highest(sums)
            maxima[block, q, 1] = highest(products)
    for q in range(len(places)):
        a, b, c = places[q, 0], places[q, 1], places[q, 2]
        for method in range(2):
            top = _LEAST
            for block in range(len(maxima)):
                top = max(top, maxima[block, q, method])
            bound = top - slack[a, method]
            bounds[q, method] = bound
            ids[q, method], near[q, method] = UNKNOWN, 0
            for block in range(len(maxima)):
                if maxima[block, q, method] > bound:
                    first, found = first_above(
                        rows,
                        a * width,
                        b * width,
                        c * width,
                        (block * BLOCK, min(block * BLOCK + BLOCK, width)),
                        method,
                        bound,
                        epsilon,
                        scratch,
                    )
                    if near[q, method] == 0:
                        ids[q, method] = first
                    near[q, method] += found


@cache
def compile_near(folder: Path | None) -> Callable[..., None]:
    """Return `find_near` compiled, from a cache if it is there; once a process."""
    matrix, scratch = aligned(LANES), aligned(2 * BLOCK)
    places, two = np.zeros((0, 3), np.intp), np.zeros((0, 2), np.int32)
    slack, maxima = np.zeros((1, 2), np.float32), np.zeros((0, 0, 2), np.float32)
    epsilon = np.float32(1)
    example = (
        matrix, LANES, places, slack, epsilon, maxima, scratch, two, two, slack
    )  # fmt: skip
    return compiled(find_near, example, folder)


def lay_out(narrow: Floats, words: Ids) -> tuple[Floats, Floats]:
    """Return the cosines of some words with all, as `find_first` takes them.

    Args:
        narrow: Shape (V, d), float32. Vectors of length 1.
        words: Shape (W,). Ids.

    Returns:
        Shape (W, width), `aligned`, with NaN past the last word; and the same memory
        without that, shape (W, V).
    """
    rows = aligned((len(words), padded(len(narrow))))
    rows[:, len(narrow) :] = np.nan
    cosines = rows[:, : len(narrow)]
    np.matmul(narrow[words], narrow.T, out=cosines)
    return rows, cosines


def find_first(
    rows: Floats,
    places: npt.NDArray[np.intp],
    slack: Floats,
    epsilon: np.float32,
    folder: Path | None,
) -> tuple[Ids, Ids, Floats]:
    """Return the words that may answer each question by 3CosAdd and by 3CosMul.

    These are all whose score is near the highest. What is NaN is no answer.

    Args:
        rows: Shape (W, width), float32, from `lay_out`. Cosines of W words.
        places: Shape (Q, 3). Rows of a, b and c.
        slack: Shape (W, 2), float32, above 0. How far below the highest a score is
            near, by row of a and by method.
        epsilon: See `analogy.solve`.
        folder: For compiled code, or None; see `jit.compiled`.

    Returns:
        By question and method, shape (Q, 2) each: the first word near the highest,
        int32, `UNKNOWN` where there is none; how many there are, int32; and the number,
        float32, that their scores are above.
    """
    ids = np.empty((len(places), 2), np.int32)
    near, bounds = np.empty_like(ids), np.empty(ids.shape, np.float32)
    width, scratch = rows.shape[1], aligned(2 * BLOCK)
    maxima = np.empty((-(-width // BLOCK), _ASKED, 2), np.float32)
    find = compile_near(folder)
    for start in range(0, len(places), _ASKED):
        asked = slice(start, start + _ASKED)
        find(
            rows.ravel(),
            width,
            places[asked],
            slack,
            epsilon,
            maxima,
            scratch,
            ids[asked],
            near[asked],
            bounds[asked],
        )
    return ids, near, bounds
