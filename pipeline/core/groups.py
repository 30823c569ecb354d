"""What the fast trainer trains on: kept words, groups, negatives and neighbors.

All but `make_scratch` and `make_noise` are compiled into `kernel.train_share`. Their
twin is in `pipeline.core.plain_kernel`; the terms are explained in
`pipeline.core.kernel`.

A word stands in these arrays as the place of its row in a flat matrix: id · width.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.jit import Integer, inlined
from pipeline.core.sampling import AliasTable
from pipeline.core.simd import aligned, splat_eight, store
from pipeline.core.types import Counts, Doubles, Floats, Ids

Flags = npt.NDArray[np.uint8]

TILE = 4  # output rows in registers at a time
COIN = 2**32  # probabilities are thresholds of 32 random bits

_KEEP, REACH, _NEGATIVE = np.int64(0), np.int64(1), np.int64(2)
_NOWHERE = np.int64(-1)
_HALF = np.uint64(32)


class Noise(NamedTuple):
    """Which words are kept and drawn, as integers.

    Attributes:
        keep: Shape (V,), int64. A token is kept if 32 random bits are below.
        columns: Shape (V, 2), uint32. A negative is the column drawn if 32 random bits
            are below the first number, and the word of the second one otherwise.
    """

    keep: Counts
    columns: npt.NDArray[np.uint32]


def make_noise(table: AliasTable, keep: Doubles) -> Noise:
    """Return integers for probabilities, rounded to multiples of 2^-32.

    Args:
        table: The distribution of the negatives.
        keep: Shape (V,), float64. Probability of keeping a word.
    """
    own = np.arange(len(table.alias))
    threshold = np.rint(table.threshold * COIN)
    full = threshold >= COIN  # which uint32 does not hold; the word is its own alias
    pairs = np.where(full, 0, threshold), np.where(full, own, table.alias)
    return Noise(
        keep=np.rint(keep * COIN).astype(np.int64),
        columns=np.stack(pairs, axis=1).astype(np.uint32),
    )


class Settings(NamedTuple):
    """What shapes the result, beside the text and the noise.

    Attributes:
        window: Largest radius, ≥ 1.
        negatives: K, 1..65,000.
        shared_centers: Adjacent centers that share K negatives, ≥ 1.
        score_clip: Largest size of a score before the sigmoid, float32, 0..80.
        gradient_clip: Largest norm of a row's gradient, float32; inf: not clipped.
        log_epsilon: Added inside the logarithms of the loss, float32.
        lr: First learning rate, float64.
        lr_min: Learning rate behind the last token, float64.
        tokens: Tokens that training goes through, in all epochs together.
        loss_every: Of so many groups, one counts in the loss; a power of two.
        key: Names the random numbers, uint64.
    """

    window: int
    negatives: int
    shared_centers: int
    score_clip: np.float32
    gradient_clip: np.float32
    log_epsilon: np.float32
    lr: float
    lr_min: float
    tokens: int
    loss_every: int
    key: np.uint64


class Scratch(NamedTuple):
    """Memory that one call of the kernel uses; two at a time need one each.

    n tokens at most in a call; T tiles of four output rows and P neighbors at most in a
    group. Groups lie in two slots: one is trained, the next is drawn meanwhile.

    Attributes:
        words: Shape (n,), int64. The words that are kept.
        radius: Shape (n,), int64. Reach of the window around each.
        position: Shape (n,), int64. Where each stood among all tokens.
        begin: Shape (n,), int64. Its sentence is words[begin:end].
        end: Shape (n,), int64.
        rows: Shape (2, 4T), int64. Output rows: centers, negatives, rows of zeros.
        times: Shape (2, 8T). How often each row is a negative: 8 floats for four rows,
            of which 0-3 are for one neighbor and 4-7 for the other; row j's are the
            floats 2j - j mod 4 and, for the other, the one 4 further on.
        neighbors: Shape (P, 2), int64. Input rows in twos, a row of zeros where there
            is no second.
        windows: Shape (P, 2). How many windows of the group a neighbor is in.
        labels: Shape (P, 8 ⌈centers / 4⌉). One where it is in this center's window;
            laid out as `times`.
        slopes: Shape (8T,). The scores, then the learning rate times -∂L/∂score, laid
            out likewise.
        steps: Shape (2 width,). What is added to the two input rows.
        loss: Shape (8,), float64. Partial sums, in nats.
        input_used: Shape (V,), uint8. One for a word whose input row was changed.
        output_used: Shape (V,), uint8. One for a word whose output row was changed.
    """

    words: Counts
    radius: Counts
    position: Counts
    begin: Counts
    end: Counts
    rows: Counts
    times: Floats
    neighbors: Counts
    windows: Floats
    labels: Floats
    slopes: Floats
    steps: Floats
    loss: Doubles
    input_used: Flags
    output_used: Flags


def make_scratch(settings: Settings, words: int, width: int, tokens: int) -> Scratch:
    """Return scratch for V words, rows of `width` floats, and n tokens a call."""
    tiles = -(-(settings.shared_centers + settings.negatives) // TILE)
    center_tiles = -(-settings.shared_centers // TILE)
    neighbors = settings.shared_centers + 2 * settings.window
    return Scratch(
        words=np.zeros(tokens, np.int64),
        radius=np.zeros(tokens, np.int64),
        position=np.zeros(tokens, np.int64),
        begin=np.zeros(tokens, np.int64),
        end=np.zeros(tokens, np.int64),
        rows=np.zeros((2, TILE * tiles), np.int64),
        times=aligned((2, 2 * TILE * tiles)),
        neighbors=np.zeros((neighbors, 2), np.int64),
        windows=np.zeros((neighbors, 2), np.float32),
        labels=aligned((neighbors, 2 * TILE * center_tiles)),
        slopes=aligned(2 * TILE * tiles),
        steps=aligned(2 * width),
        loss=aligned(8, np.float64),
        input_used=np.zeros(words, np.uint8),
        output_used=np.zeros(words, np.uint8),
    )


@inlined
def random(key: np.uint64, token: Integer, number: Integer) -> np.uint64:
    """Return 64 random bits that depend on the arguments alone.

    Number 0 of a token says whether it is kept, 1 how far its window reaches and, in
    its lower half, whether the group that it begins counts in the loss; from 2 on come
    that group's negatives.

    Source: SplitMix64 (Steele et al. 2014, "Fast Splittable Pseudorandom Number
    Generators"), entered at step 2^16 · token + number.
    """
    step = (np.uint64(token) << np.uint64(16)) + np.uint64(number)
    z = key + step * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inlined
def draw_negative(noise: Noise, bits: np.uint64) -> Integer:
    """Return a word of the noise; the upper bits draw a column, the lower its coin."""
    column = np.int64((bits >> _HALF) * np.uint64(len(noise.columns)) >> _HALF)
    # Loaded in any case, so that LLVM selects: it would mispredict a branch on a coin.
    alias = np.int64(noise.columns[column, 1])
    return column if np.uint32(bits) < noise.columns[column, 0] else alias


@inlined
def read_words(
    ids: Ids,
    offsets: Counts,
    start: Integer,
    width: Integer,
    noise: Noise,
    settings: Settings,
    scratch: Scratch,
) -> Integer:
    """List the words that are known and kept, and return their number."""
    n = 0
    for s in range(len(offsets) - 1):
        begin = n
        for i in range(offsets[s], offsets[s + 1]):
            word = ids[i]
            token = start + i
            if word < 0:
                continue
            if noise.keep[word] < COIN:
                bits = random(settings.key, token, _KEEP)
                if np.int64(bits >> _HALF) >= noise.keep[word]:
                    continue
            bits = random(settings.key, token, REACH) >> _HALF
            reach = np.int64(bits * np.uint64(settings.window) >> _HALF)
            scratch.input_used[word] = scratch.output_used[word] = 1
            scratch.words[n] = np.int64(word) * width
            scratch.radius[n] = 1 + reach
            scratch.position[n] = token
            scratch.begin[n] = begin
            n += 1
        for i in range(begin, n):
            scratch.end[i] = n
    return n


@inlined
def draw_group(
    first: Integer,
    width: Integer,
    noise: Noise,
    settings: Settings,
    scratch: Scratch,
    slot: Integer,
) -> tuple[Integer, Integer]:
    """Form the group that begins with a word, and draw its negatives.

    A group ends early where its sentence does, or where a word would be a center twice.

    Returns:
        Where it ends, and the number of its output rows.
    """
    rows, times = scratch.rows[slot], scratch.times[slot]
    for i in range(0, len(times), 2 * TILE):
        store(times, i, splat_eight(np.float32(0)))
    n, stop = np.int64(0), first
    last = min(scratch.end[first], first + settings.shared_centers)
    while stop < last and find(scratch.words[stop], rows, n) == n:
        rows[n] = scratch.words[stop]
        n += 1
        stop += 1
    token = scratch.position[first]
    for k in range(settings.negatives):
        word = draw_negative(noise, random(settings.key, token, _NEGATIVE + k))
        scratch.output_used[word] = 1
        row = word * width
        j = find(row, rows, n)
        # Written again if it is there: cheaper than a branch that is mispredicted.
        rows[j] = row
        n = max(n, j + 1)
        lane = 2 * j - j % TILE
        times[lane] += np.float32(1)
        times[lane + TILE] += np.float32(1)
    for j in range(n, -(-n // TILE) * TILE):
        rows[j] = (len(noise.columns) + j - n) * width  # zeros, behind the words' rows
    return stop, n


@inlined
def find(row: Integer, rows: Counts, n: Integer) -> Integer:
    """Return where a row stands among the first n, which differ; or n."""
    found = n
    for j in range(n):
        if rows[j] == row:
            found = j
    return found


@inlined
def list_neighbors(
    first: Integer, stop: Integer, zeros: Integer, scratch: Scratch
) -> tuple[Integer, Integer]:
    """List the words in the windows of a group's centers, in twos and in text order.

    The same word twice makes no two: they are one row.

    Args:
        first: The group's first center.
        stop: Behind its last.
        zeros: A row of zeros.
        scratch: Its `neighbors`, `windows` and `labels` are filled.

    Returns:
        The number of twos, and of (neighbor, center) pairs.
    """
    neighbors, windows, labels = scratch.neighbors, scratch.windows, scratch.labels
    radius = scratch.radius
    begin, end = first, stop
    for center in range(first, stop):
        begin = min(begin, center - radius[center])
        end = max(end, center + radius[center] + 1)
    begin, end = max(begin, scratch.begin[first]), min(end, scratch.end[first])
    twos = pairs = np.int64(0)
    half = np.int64(1)  # the second place of the last two is taken
    for i in range(begin, end):
        if stop - first == 1 and i == first:
            continue  # the only word of this range that is in no window
        row = scratch.words[i]
        half = np.int64(half == 0 and neighbors[twos - 1, 0] != row)
        if half == 0:
            twos += 1
            neighbors[twos - 1, 1] = zeros
            windows[twos - 1, 1] = np.float32(0)
            for k in range(0, labels.shape[1], 2 * TILE):
                store(labels[twos - 1], k, splat_eight(np.float32(0)))
        inside = np.int64(0)
        for center in range(first, stop):
            near = np.int64(0 < abs(i - center) <= radius[center])
            k = center - first
            labels[twos - 1, 2 * k - k % TILE + TILE * half] = np.float32(near)
            inside += near
        neighbors[twos - 1, half] = row
        windows[twos - 1, half] = np.float32(inside)
        pairs += inside
    return twos, pairs
