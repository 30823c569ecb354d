"""The fast trainer: skip-gram with negative sampling in explicit SIMD.

A pair (w_I, w_O) of the paper: the input vector of a word predicts the output vector
of a word near it. As in word2vec.c, the loop goes by w_O. Each word of the text in turn
is the center of a window and is what is predicted: every neighbor in the window gives
its input vector, the center and the K negatives give their output vectors. Over a text
these are the pairs of the paper. `inputs` is `Embeddings.center`, `outputs` is
`Embeddings.context`.

What differs from word2vec.c is who sees which negatives, and when:

- A *group* of adjacent centers (two by default) draws one set of K negatives. One that
  is drawn m times counts m times. One that is itself a center of the group is no
  negative in that center's window, only in the others'.
- Each neighbor of a group is taken once, against all its centers and negatives, whose
  output rows stay in the first-level cache meanwhile.
- Neighbors are trained in twos. Both see the output rows as they were before either,
  and an output row takes both steps at once.

Logarithms would take a tenth of the time. In a long text, therefore, one group of
`loss_every`, drawn at random, counts in the loss; there it is exact.

Each neighbor is one example: its gradient in its input row, a sum over the output rows,
and in each output row are clipped to a norm, one by one.

`pipeline.core.plain_kernel` is the slow and obvious twin. How the arithmetic gives the
same bits on every processor: `pipeline.core.simd`.

Why it is fast. Output rows are scored four at a time, so that 8 sums stay in registers
while rows pass by. Slopes are computed for all rows at once, and all steps are taken in
one pass over the floats of a row, in which the neighbors' steps stay in registers. The
rows that the next group needs are prefetched while this one is trained, some with each
two neighbors. A row that is left over, as of three centers and ten negatives, is scored
and stepped by itself; where groups have none, that is not compiled.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.groups import (
    REACH,
    TILE,
    Noise,
    Scratch,
    Settings,
    draw_group,
    list_neighbors,
    make_scratch,
    random,
    read_words,
)
from pipeline.core.jit import Boolean, Integer, compiled, inlined
from pipeline.core.simd import (
    LANES,
    Eight,
    accumulate,
    add,
    aligned,
    any_above,
    clip,
    divide,
    exp,
    fma,
    fours,
    lane,
    larger,
    load,
    load_eight,
    log,
    multiply,
    negate,
    prefetch,
    splat,
    splat_eight,
    store,
    subtract,
    sums_of_eight,
    sums_of_two,
)
from pipeline.core.types import Counts, Doubles, Floats, Ids

ZERO, ONE = np.float32(0), np.float32(1)

AHEAD = 6  # output rows of the next group that are prefetched with each two neighbors

Compiled = Any  # None where something is left out of the compiled code

# In what follows, x and y are the places of two neighbors' input rows. Output rows are
# taken from place j of a list, `TILE` at a time, and `slopes` holds 8 floats for
# these: x's in 0-3, y's in 4-7.


@inlined
def in_tiles(rows: Counts, left_over: Compiled) -> Integer:
    """Return how many of these rows are taken `TILE` at a time."""
    if left_over is None:
        return len(rows)
    return len(rows) // TILE * TILE


@inlined
def score(
    inputs: Floats,
    x: Integer,
    y: Integer,
    outputs: Floats,
    rows: Counts,
    j: Integer,
    width: Integer,
) -> Eight:
    """Return the products of x with four output rows in lanes 0-3, of y in 4-7."""
    r0, r1, r2, r3 = rows[j], rows[j + 1], rows[j + 2], rows[j + 3]
    x0 = x1 = x2 = x3 = y0 = y1 = y2 = y3 = splat(ZERO)
    for d in range(0, width, LANES):
        g, h = load(inputs, x + d), load(inputs, y + d)
        u = load(outputs, r0 + d)
        x0, y0 = fma(g, u, x0), fma(h, u, y0)
        u = load(outputs, r1 + d)
        x1, y1 = fma(g, u, x1), fma(h, u, y1)
        u = load(outputs, r2 + d)
        x2, y2 = fma(g, u, x2), fma(h, u, y2)
        u = load(outputs, r3 + d)
        x3, y3 = fma(g, u, x3), fma(h, u, y3)
    return sums_of_eight(x0, x1, x2, x3, y0, y1, y2, y3)


@inlined
def score_one(
    inputs: Floats,
    x: Integer,
    y: Integer,
    outputs: Floats,
    row: Integer,
    width: Integer,
) -> Eight:
    """Return the product of x with an output row in lanes 0-3, of y in 4-7."""
    a = b = splat(ZERO)
    for d in range(0, width, LANES):
        u = load(outputs, row + d)
        a, b = fma(load(inputs, x + d), u, a), fma(load(inputs, y + d), u, b)
    return sums_of_two(a, b)


@inlined
def slope(
    scores: Eight,
    label: Eight,
    times: Eight,
    windows: Eight,
    rate: np.float32,
    counted: Boolean,
    settings: Settings,
    loss: Doubles,
) -> Eight:
    """Return the step of each score, and add to the loss if it is `counted`.

    For a neighbor in n windows of the group, and an output row that is the center of
    one of them (label 1, else 0) and a negative m times in each of the others:

        weight  w = label + (n - label) m
        loss    -label log(σ(s) + ε) - (w - label) log(σ(-s) + ε)
        step    rate (label - w σ(s))

    with s the score, clipped. The step follows the loss without ε, and is not zero
    beyond the clip.
    """
    s = clip(scores, splat_eight(settings.score_clip))
    e = exp(negate(s))
    sigma = divide(splat_eight(ONE), add(splat_eight(ONE), e))
    weight = fma(subtract(windows, label), times, label)
    if counted:
        epsilon = splat_eight(settings.log_epsilon)
        own = multiply(label, log(add(sigma, epsilon)))
        others = multiply(subtract(weight, label), log(fma(e, sigma, epsilon)))
        accumulate(loss, negate(add(own, others)))
    return multiply(splat_eight(rate), fma(negate(weight), sigma, label))


@inlined
def update(
    inputs: Floats,
    x: Integer,
    y: Integer,
    outputs: Floats,
    rows: Counts,
    width: Integer,
    slopes: Floats,
    steps: Floats,
    left_over: Compiled,
    clipped: Compiled,
) -> tuple[Eight, Eight]:
    """Take the steps of all output rows, and of x and y.

    output row ← output row + slope_x · x + slope_y · y
    step of x  = Σ slope_x · output row, as it was before
    x          ← x + step of x, and y likewise

    Returns:
        If clipped: the squared norms of the steps of x and y, and of x and y before
        them: x's in lanes 0-3, y's in 4-7.
    """
    step_x = step_y = size_x = size_y = splat(ZERO)
    full = in_tiles(rows, left_over)
    for d in range(0, width, LANES):
        g, h = load(inputs, x + d), load(inputs, y + d)
        e = f = splat(ZERO)
        for j in range(0, full, TILE):
            k = 2 * j
            row = rows[j] + d
            u, a, b = load(outputs, row), splat(slopes[k]), splat(slopes[k + 4])
            e, f = fma(a, u, e), fma(b, u, f)
            store(outputs, row, fma(b, h, fma(a, g, u)))
            row = rows[j + 1] + d
            u, a, b = load(outputs, row), splat(slopes[k + 1]), splat(slopes[k + 5])
            e, f = fma(a, u, e), fma(b, u, f)
            store(outputs, row, fma(b, h, fma(a, g, u)))
            row = rows[j + 2] + d
            u, a, b = load(outputs, row), splat(slopes[k + 2]), splat(slopes[k + 6])
            e, f = fma(a, u, e), fma(b, u, f)
            store(outputs, row, fma(b, h, fma(a, g, u)))
            row = rows[j + 3] + d
            u, a, b = load(outputs, row), splat(slopes[k + 3]), splat(slopes[k + 7])
            e, f = fma(a, u, e), fma(b, u, f)
            store(outputs, row, fma(b, h, fma(a, g, u)))
        if left_over is not None and full < len(rows):
            k = 2 * full
            row = rows[full] + d
            u, a, b = load(outputs, row), splat(slopes[k]), splat(slopes[k + 4])
            e, f = fma(a, u, e), fma(b, u, f)
            store(outputs, row, fma(b, h, fma(a, g, u)))
        if clipped is not None:
            store(steps, d, e)
            store(steps, width + d, f)
            step_x, step_y = fma(e, e, step_x), fma(f, f, step_y)
            size_x, size_y = fma(g, g, size_x), fma(h, h, size_y)
        store(inputs, x + d, add(g, e))
        store(inputs, y + d, add(h, f))
    return sums_of_two(step_x, step_y), sums_of_two(size_x, size_y)


@inlined
def shorten(
    inputs: Floats,
    row: Integer,
    steps: Floats,
    at: Integer,
    width: Integer,
    scale: np.float32,
) -> None:
    """Take back a part of the step of an input row: row ← row + (scale - 1) · step."""
    part = splat(scale - ONE)
    for d in range(0, width, LANES):
        new = fma(part, load(steps, at + d), load(inputs, row + d))
        store(inputs, row + d, new)


@inlined
def shorten_outputs(
    inputs: Floats,
    row: Integer,
    steps: Floats,
    at: Integer,
    outputs: Floats,
    rows: Counts,
    width: Integer,
    slopes: Floats,
    lane: Integer,
    longest: np.float32,
) -> None:
    """Take back a part of the steps slope · x of output rows: what is over the clip.

    output row ← output row + (clipped slope - slope) · x, with x the input row before
    its own step
    """
    for j in range(len(rows)):
        slope = slopes[2 * j - j % TILE + lane]
        if abs(slope) > longest:
            part = splat((longest if slope > 0 else -longest) - slope)
            for d in range(0, width, LANES):
                old = subtract(load(inputs, row + d), load(steps, at + d))
                store(outputs, rows[j] + d, fma(part, old, load(outputs, rows[j] + d)))


@inlined
def train_two(
    two: Integer,
    slot: Integer,
    inputs: Floats,
    outputs: Floats,
    rows: Counts,
    width: Integer,
    rate: np.float32,
    counted: Boolean,
    settings: Settings,
    scratch: Scratch,
    left_over: Compiled,
    clipped: Compiled,
) -> None:
    """Train two neighbors of a group against its output rows.

    Args:
        two: Where they stand in `scratch.neighbors`.
        slot: Where the group lies in scratch.
        inputs: As for `train_share`.
        outputs: As for `train_share`.
        rows: The group's output rows: a multiple of `TILE`, or one more.
        width: Floats in a row.
        rate: Learning rate.
        counted: Whether they count in the loss.
        settings: As for `train_share`.
        scratch: As for `train_share`.
        left_over: As for `train_share`.
        clipped: As for `train_share`.
    """
    slopes, steps = scratch.slopes, scratch.steps
    times, labels = scratch.times[slot], scratch.labels[two]
    x, y = scratch.neighbors[two]
    windows = fours(scratch.windows[two, 0], scratch.windows[two, 1])
    largest = splat_eight(ZERO)
    full = in_tiles(rows, left_over)
    # First all scores: of what a slope takes, each operation waits for the one before,
    # and those of all rows pass side by side.
    for j in range(0, full, TILE):
        store(slopes, 2 * j, score(inputs, x, y, outputs, rows, j, width))
    if left_over is not None and full < len(rows):
        last = score_one(inputs, x, y, outputs, rows[full], width)
        store(slopes, 2 * full, last)
    for j in range(0, len(rows), TILE):
        k = 2 * j
        label = load_eight(labels, k) if k < len(labels) else splat_eight(ZERO)
        step = slope(
            load_eight(slopes, k),
            label,
            load_eight(times, k),
            windows,
            rate,
            counted,
            settings,
            scratch.loss,
        )
        store(slopes, k, step)
        largest = larger(largest, multiply(step, step))
    moved, sizes = update(
        inputs, x, y, outputs, rows, width, slopes, steps, left_over, clipped
    )
    if clipped is None:
        return
    limit = settings.gradient_clip * rate
    square = splat_eight(limit * limit)
    # The gradient in an output row is slope · x.
    if any_above(multiply(largest, sizes), square):
        for k, row in ((0, x), (1, y)):
            longest = limit / np.sqrt(lane(sizes, TILE * k))
            shorten_outputs(
                inputs,
                row,
                steps,
                k * width,
                outputs,
                rows,
                width,
                slopes,
                TILE * k,
                longest,
            )
    if any_above(moved, square):
        for k, row in ((0, x), (1, y)):
            norm = np.sqrt(lane(moved, TILE * k))
            if norm > limit:
                shorten(inputs, row, steps, k * width, width, limit / norm)


def train_share(
    ids: Ids,
    offsets: Counts,
    start: Integer,
    inputs: Floats,
    outputs: Floats,
    width: Integer,
    noise: Noise,
    settings: Settings,
    scratch: Scratch,
    left_over: Compiled,
    clipped: Compiled,
) -> tuple[Integer, Integer]:
    """Train on some consecutive sentences; see `compile_kernel`.

    Modifies both matrices, and adds the loss to `scratch.loss`.

    Args:
        ids: Shape (n,), int32. Tokens; `UNKNOWN` ones count as absent.
        offsets: Shape (S + 1,), int64. Sentence s is ids[offsets[s]:offsets[s + 1]].
        start: How many tokens training went through before, other epochs included.
        inputs: Shape ((V + 1) · width,). Input vectors, then a row of zeros; `aligned`.
        outputs: Shape ((V + 3) · width,). Output vectors, then three rows of zeros;
            `aligned`.
        width: Floats in a row, a multiple of 16.
        noise: What is drawn.
        settings: What shapes the result.
        scratch: Made for these settings, this width and at least n tokens.
        left_over: Not None to take a row that fills no tile by itself. It changes the
            time alone.
        clipped: Not None to clip gradients. None is faster where nothing can be
            clipped, and else wrong.

    Returns:
        The number of words, and of pairs that count in the loss.
    """
    zeros = len(noise.columns) * width
    uncounted = np.uint64(settings.loss_every - 1)
    n = read_words(ids, offsets, start, width, noise, settings, scratch)
    # The first group trained is empty, from 0 to 0.
    pairs = first = stop = size = slot = np.int64(0)
    while first < n:
        # The next group is drawn before this one is trained, to prefetch its rows.
        coming, next_stop, next_size = 1 - slot, n, np.int64(0)
        if stop < n:
            next_stop, next_size = draw_group(
                stop, width, noise, settings, scratch, coming
            )
            reach = settings.window
            for i in range(min(n, stop + reach), min(n, next_stop + reach)):
                for d in range(0, width, LANES):
                    prefetch(inputs, scratch.words[i] + d)
        gone = scratch.position[first] / settings.tokens
        rate = np.float32(settings.lr + (settings.lr_min - settings.lr) * gone)
        twos, found = list_neighbors(first, stop, zeros, scratch)
        bits = random(settings.key, scratch.position[first], REACH)
        counted = pairs == 0 or bits & uncounted == 0
        pairs += found if counted else 0
        length = -(-size // TILE) * TILE
        if left_over is not None and size % TILE == 1:
            length = size
        rows = scratch.rows[slot, :length]
        fetched = np.int64(0)
        for two in range(twos):
            soon: Integer = min(next_size, AHEAD * (two + 1))
            while fetched < soon:
                for d in range(0, width, LANES):
                    prefetch(outputs, scratch.rows[coming, fetched] + d)
                fetched += 1
            train_two(
                two,
                slot,
                inputs,
                outputs,
                rows,
                width,
                rate,
                counted,
                settings,
                scratch,
                left_over,
                clipped,
            )
        slot, first, stop, size = coming, stop, next_stop, next_size
    return n, pairs


def compile_kernel(
    cache: Path | None, *, left_over: bool, clipped: bool
) -> Callable[..., tuple[int, int]]:
    """Return `train_share` compiled, from the cache if it is there.

    Args:
        cache: Folder for compiled code; None: compile each time.
        left_over: Whether to take a row that fills no tile by itself: faster where most
            groups have one, slower where few do; the same bits.
        clipped: Whether to clip gradients.
    """
    noise = Noise(np.zeros(1, np.int64), np.zeros((1, 2), np.uint32))
    one = np.float32(1)
    settings = Settings(1, 1, 1, one, one, one, 1.0, 1.0, 1, 1, np.uint64(0))
    scratch = make_scratch(settings, words=1, width=LANES, tokens=0)
    nothing, offsets = np.zeros(0, np.int32), np.zeros(1, np.int64)
    matrix = aligned(4 * LANES)
    # What only stands where an argument is not None is left out by the compiler.
    form = (True if left_over else None, True if clipped else None)
    example = (
        nothing, offsets, 0, matrix, matrix, LANES, noise, settings, scratch, *form
    )  # fmt: skip
    train: Callable[..., tuple[int, int]] = compiled(train_share, example, cache)
    return lambda *arguments: train(*arguments, *form)
