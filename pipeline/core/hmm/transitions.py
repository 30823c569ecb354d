"""How probable a state is after the two before it: counted, smoothed, constrained.

All is held for three states t, u, v, of which v comes last: shape (K + 1, K + 1,
K + 1), where K is the boundary of a sentence. The first state of a sentence follows
(K, K), and the sentence ends with v = K. A model of the first order is one whose
probabilities do not depend on t.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.types import Counts, Doubles, Ids

Order = Literal[1, 2]
Smoothing = Literal["interpolation", "additive"]


def count_transitions(states: Ids, offsets: Counts, size: int) -> Counts:
    """Count the triples of sentences.

    Args:
        states: Shape (N,).
        offsets: Shape (S + 1,). Sentence s is states[offsets[s]:offsets[s + 1]]. An
            empty one counts for nothing.
        size: K.

    Returns:
        Shape (K + 1, K + 1, K + 1), int64.
    """
    lengths = np.diff(offsets)
    filled = lengths > 0
    # Every sentence between two boundaries before it and one after it.
    starts = np.cumsum(lengths[filled] + 3) - (lengths[filled] + 3)
    padded = np.full(len(states) + 3 * int(filled.sum()), size, np.int64)
    inside = np.ones(len(padded), np.bool_)
    for shift in (0, 1):
        inside[starts + shift] = False
    inside[starts + lengths[filled] + 2] = False
    padded[inside] = states
    third = np.ones(len(padded), np.bool_)  # what follows two of its own sentence
    third[starts], third[starts + 1] = False, False
    last = np.flatnonzero(third)
    base = size + 1
    codes = (padded[last - 2] * base + padded[last - 1]) * base + padded[last]
    return np.bincount(codes, minlength=base**3).reshape(base, base, base)


def deleted_interpolation(counts: Counts | Doubles) -> tuple[float, float, float]:
    """Return how much to trust one, two and three states: weights that sum to 1.

    Each triple votes, as often as it was counted, for the order that would predict it
    best had it been seen once less.

    Args:
        counts: Shape (K + 1, K + 1, K + 1), or (1, K + 1, K + 1) where the first state
            does not matter: no triple votes for three states then, as two say as much.

    Source: Brants 2000, figure 1.
    """
    pairs = counts.sum(axis=0)
    single = pairs.sum(axis=0)
    t, u, v = np.nonzero(counts)
    seen = counts[t, u, v]
    held_out = np.stack(
        [
            _ratio(single[v] - 1.0, single.sum() - 1.0),
            _ratio(pairs[u, v] - 1.0, pairs.sum(axis=1)[u] - 1.0),
            _ratio(seen - 1.0, counts.sum(axis=2)[t, u] - 1.0),
        ]
    )
    votes = np.bincount(held_out.argmax(axis=0), seen, minlength=3)
    total = votes.sum()
    if not total:
        return 1.0, 0.0, 0.0
    one, two, three = (votes / total).tolist()
    return one, two, three


def transition_scores(
    counts: Counts | Doubles,
    allowed: npt.NDArray[np.bool_],
    *,
    order: Order,
    smoothing: Smoothing,
    amount: float,
) -> Doubles:
    """Return the logarithms of smoothed transition probabilities.

        interpolation   λ1 p(v) + λ2 p(v | u) + λ3 p(v | t, u)
        additive        (n(t, u, v) + a) / (n(t, u) + a · states that may follow u)

    What is not allowed has probability 0, and the rest is scaled to sum to 1 again.
    Where nothing allowed was counted at all, all that is allowed is as probable.

    Args:
        counts: Shape (K + 1, K + 1, K + 1).
        allowed: Shape (K + 1, K + 1). Whether v may follow u.
        order: 1 leaves t out.
        smoothing: How counts become probabilities.
        amount: The a of `additive`.

    Returns:
        Shape (K + 1, K + 1, K + 1); rows sum to 1 after exp, and -inf where a
        transition is not allowed.
    """
    shape = counts.shape
    if order == 1:
        counts = counts.sum(axis=0, keepdims=True)
    if smoothing == "additive":
        probable = np.where(allowed, counts + amount, 0.0)
    else:
        weights = deleted_interpolation(counts)
        pairs = counts.sum(axis=0)
        single = pairs.sum(axis=0)
        parts = (
            _ratio(single, single.sum()),
            _ratio(pairs, pairs.sum(axis=1, keepdims=True)),
            _ratio(counts, counts.sum(axis=2, keepdims=True)),
        )
        mixed = sum(w * part for w, part in zip(weights, parts, strict=True))
        probable = np.where(allowed, mixed, 0.0)
    mass = probable.sum(axis=2, keepdims=True)
    probable = np.where(mass > 0, probable, allowed)
    with np.errstate(divide="ignore"):
        scores: Doubles = np.log(probable / probable.sum(axis=2, keepdims=True))
    return np.broadcast_to(scores, shape)


def _ratio(parts: npt.ArrayLike, wholes: npt.ArrayLike) -> Doubles:
    """Return parts / wholes, 0 where there is no whole."""
    parts, wholes = np.broadcast_arrays(
        np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    )
    result: Doubles = np.zeros(parts.shape)
    np.divide(parts, wholes, out=result, where=wholes > 0)
    return result
