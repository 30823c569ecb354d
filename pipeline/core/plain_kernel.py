"""The slow and obvious twin of `pipeline.core.kernel`.

The same words, groups, negatives and steps, one NumPy row at a time. Random numbers are
the same integers; vectors agree up to the rounding of float32, since sums here run in
NumPy's order.
"""

# ruff: noqa: PLR0917 - the twin takes what its original takes.

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.core.groups import COIN, Noise, Settings
from pipeline.core.types import Counts, Floats, Ids

_MASK = 2**64 - 1


@dataclass(frozen=True)
class Word:
    """A word that is known and kept.

    Attributes:
        word: Its id.
        token: Where it stood among all tokens of all epochs.
        radius: How far its window reaches.
    """

    word: int
    token: int
    radius: int


def train_share(
    ids: Ids,
    offsets: Counts,
    start: int,
    inputs: Floats,
    outputs: Floats,
    noise: Noise,
    settings: Settings,
) -> tuple[float, int, int]:
    """Train on some consecutive sentences.

    Args:
        ids: Shape (n,), int32. Tokens; `UNKNOWN` ones count as absent.
        offsets: Shape (S + 1,), int64. Sentence s is ids[offsets[s]:offsets[s + 1]].
        start: How many tokens training went through before, other epochs included.
        inputs: Shape (V, d), float32. Modified.
        outputs: Shape (V, d), float32. Modified.
        noise: What is drawn.
        settings: What shapes the result.

    Returns:
        The loss in nats, the number of words, and of pairs that count in the loss.
    """
    loss, words, pairs = 0.0, 0, 0
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        sentence = list(read_words(ids[begin:end], start + begin, noise, settings))
        words += len(sentence)
        first = 0
        while first < len(sentence):
            stop = group_end(sentence, first, settings.shared_centers)
            negatives = draw_negatives(sentence[first].token, noise, settings)
            rate = learning_rate(sentence[first].token, settings)
            group = range(first, stop)
            counted = pairs == 0 or is_counted(sentence[first].token, settings)
            for two in neighbors_in_twos(sentence, group, settings.window):
                of_two = train_two(
                    sentence, group, two, negatives, rate, inputs, outputs, settings
                )
                if counted:
                    loss += of_two
                    pairs += sum(len(windows(sentence, group, i)) for i in two)
            first = stop
    return loss, words, pairs


def random(key: int, token: int, number: int) -> int:
    """Return SplitMix64's output at step 2^16 · token + number."""
    z = (key + ((token << 16) + number) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def read_words(
    ids: Ids, start: int, noise: Noise, settings: Settings
) -> Iterator[Word]:
    """Yield the words of a sentence that are known and kept."""
    key = int(settings.key)
    for token, word in enumerate(ids.tolist(), start):
        if word >= 0 and (random(key, token, 0) >> 32) < noise.keep[word]:
            reach = (random(key, token, 1) >> 32) * settings.window >> 32
            yield Word(word, token, 1 + reach)


def group_end(sentence: list[Word], first: int, shared_centers: int) -> int:
    """Return where the group ends that starts at `first`: its centers are distinct."""
    stop = first
    seen: set[int] = set()
    while (
        stop < min(len(sentence), first + shared_centers)
        and sentence[stop].word not in seen
    ):
        seen.add(sentence[stop].word)
        stop += 1
    return stop


def draw_negatives(token: int, noise: Noise, settings: Settings) -> list[int]:
    """Return K words, some perhaps more than once."""
    words = []
    for k in range(settings.negatives):
        bits = random(int(settings.key), token, 2 + k)
        column = (bits >> 32) * len(noise.columns) >> 32
        threshold, alias = noise.columns[column].tolist()
        words.append(column if bits % COIN < threshold else alias)
    return words


def is_counted(token: int, settings: Settings) -> bool:
    """Return whether the group that begins with a token is drawn for the loss."""
    return random(int(settings.key), token, 1) % settings.loss_every == 0


def learning_rate(token: int, settings: Settings) -> np.float32:
    """Return the rate after a number of tokens: it falls linearly."""
    gone = token / settings.tokens
    return np.float32(settings.lr + (settings.lr_min - settings.lr) * gone)


def windows(sentence: list[Word], group: range, i: int) -> list[int]:
    """Return the centers of a group in whose window word i is."""
    return [c for c in group if 0 < abs(i - c) <= sentence[c].radius]


def neighbors_in_twos(
    sentence: list[Word], group: range, window: int
) -> Iterator[tuple[int, ...]]:
    """Yield a group's neighbors in text order, two at a time or one, never one word."""
    begin = max(0, group.start - window)
    end = min(len(sentence), group.stop + window)
    waiting: tuple[int, ...] = ()
    for i in range(begin, end):
        if not windows(sentence, group, i):
            continue
        if waiting and sentence[waiting[0]].word != sentence[i].word:
            yield (*waiting, i)
            waiting = ()
        else:
            if waiting:
                yield waiting
            waiting = (i,)
    if waiting:
        yield waiting


def train_two(
    sentence: list[Word],
    group: range,
    two: tuple[int, ...],
    negatives: list[int],
    rate: np.float32,
    inputs: Floats,
    outputs: Floats,
    settings: Settings,
) -> float:
    """Train one or two neighbors at the same point, and return their loss in nats.

    For each window that a neighbor is in: the center is positive, and each negative
    that is not the center is negative.
    """
    loss = 0.0
    steps: list[tuple[Floats, int, Floats]] = []  # matrix, row, step
    for i in two:
        row = sentence[i].word
        slopes: dict[int, float] = {}  # output row -> -∂L/∂score, summed over windows
        for center in windows(sentence, group, i):
            positive = sentence[center].word
            targets = [(positive, 1.0)]
            targets += [(word, 0.0) for word in negatives if word != positive]
            for word, label in targets:
                bound = float(settings.score_clip)
                score = float(np.clip(inputs[row] @ outputs[word], -bound, bound))
                sigma = 1 / (1 + np.exp(-score))
                likelihood = sigma if label else 1 / (1 + np.exp(score))
                loss -= np.log(likelihood + float(settings.log_epsilon))
                slopes[word] = slopes.get(word, 0.0) + label - sigma
        for word, slope in slopes.items():
            gradient = np.float32(slope) * inputs[row]
            steps.append((outputs, word, clipped(gradient, settings.gradient_clip)))
        gradient = sum(
            np.float32(slope) * outputs[word] for word, slope in slopes.items()
        )
        steps.append((inputs, row, clipped(gradient, settings.gradient_clip)))
    for matrix, row, gradient in steps:
        matrix[row] += rate * gradient
    return loss


def clipped(gradient: Floats, longest: np.float32) -> Floats:
    """Return a gradient, shortened to a norm if it is longer."""
    if np.isinf(longest):  # a training that nothing clips may grow beyond squares
        return gradient
    norm = np.linalg.norm(gradient)
    return gradient * np.float32(longest / norm) if norm > longest else gradient
