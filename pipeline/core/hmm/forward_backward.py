"""How probable each state of each token is, all paths taken together.

    f_i(u, v) = log Σ_t exp(f_{i-1}(t, u) + log p(v | t, u)) + log p(token i | v)
    b_i(u, v) = log Σ_w exp(log p(w | u, v) + log p(token i+1 | w) + b_{i+1}(v, w))

Source: Rabiner 1989, section III.A, over pairs of states.
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.
# ruff: noqa: PLR0912, PLR0915 - nor do they call others for nothing.

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.core.hmm.lattice import Lattice
from pipeline.core.jit import compiled
from pipeline.core.types import Counts, Doubles

Small = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Sums:
    """What all paths of some sentences say together.

    Attributes:
        posteriors: Shape (N, C). How probable each possible state of each token is;
            they sum to 1, or to 0 where a sentence has no possible path.
        log_likelihoods: Shape (S,), nats. Of each sentence, up to the numbers that the
            lattice leaves open; -inf where no path is possible.
        transitions: Shape (K + 1, K + 1, K + 1). How often each triple of states is
            expected.
    """

    posteriors: Doubles
    log_likelihoods: Doubles
    transitions: Doubles


def sum_paths(lattice: Lattice, transitions: Doubles) -> Sums:
    """Sum over the paths of each sentence.

    Args:
        lattice: Sentences, and the states that their tokens may have.
        transitions: Shape (K + 1, K + 1, K + 1), from `transition_scores`.
    """
    size = lattice.longest, lattice.most, lattice.most
    sums = Sums(
        np.zeros(lattice.scores.shape),
        np.zeros(lattice.sentences),
        np.zeros(transitions.shape),
    )
    _compiled()(
        lattice.offsets,
        lattice.states,
        lattice.counts,
        lattice.scores,
        np.array(transitions, order="C"),  # writable: another type is compiled anew
        np.zeros(size),
        np.zeros(size),
        sums.posteriors,
        sums.log_likelihoods,
        sums.transitions,
    )
    return sums


def add_paths(
    offsets: Counts,
    states: Small,
    counts: Small,
    scores: Doubles,
    transitions: Doubles,
    forward: Doubles,
    backward: Doubles,
    posteriors: Doubles,
    totals: Doubles,
    expected: Doubles,
) -> None:
    """Sum over the paths of each sentence; writes the last three.

    Args:
        offsets: Shape (S + 1,), int64.
        states: Shape (N, C), int16. States that a token may have.
        counts: Shape (N,), int16. How many of them there are.
        scores: Shape (N, C). Of the token in each of those states.
        transitions: Shape (K + 1, K + 1, K + 1), by [t, u, v].
        forward: Shape (tokens of the longest sentence, C, C). Scratch.
        backward: The same.
        posteriors: Shape (N, C), all 0. Modified.
        totals: Shape (S,). Modified.
        expected: Shape (K + 1, K + 1, K + 1). Added to.
    """
    edge = transitions.shape[0] - 1
    for s in range(len(offsets) - 1):
        begin, end = offsets[s], offsets[s + 1]
        if begin == end:
            totals[s] = transitions[edge, edge, edge]
            continue
        for j in range(counts[begin]):
            v = states[begin, j]
            forward[0, 0, j] = transitions[edge, edge, v] + scores[begin, j]
        for i in range(begin + 1, end):
            wide = counts[i - 2] if i >= begin + 2 else 1
            for h in range(counts[i - 1]):
                u = states[i - 1, h]
                for j in range(counts[i]):
                    v = states[i, j]
                    top = -np.inf
                    for g in range(wide):
                        t = states[i - 2, g] if i >= begin + 2 else edge
                        top = max(
                            top, forward[i - 1 - begin, g, h] + transitions[t, u, v]
                        )
                    total = 0.0
                    if top > -np.inf:
                        for g in range(wide):
                            t = states[i - 2, g] if i >= begin + 2 else edge
                            score = forward[i - 1 - begin, g, h] + transitions[t, u, v]
                            total += math.exp(score - top)
                        top += math.log(total)
                    forward[i - begin, h, j] = top + scores[i, j]
        last = end - 1 - begin
        wide = counts[end - 2] if last else 1
        top = -np.inf
        for h in range(wide):
            u = states[end - 2, h] if last else edge
            for j in range(counts[end - 1]):
                v = states[end - 1, j]
                backward[last, h, j] = transitions[u, v, edge]
                top = max(top, forward[last, h, j] + backward[last, h, j])
        totals[s] = top
        if top == -np.inf:
            continue
        total = 0.0
        for h in range(wide):
            for j in range(counts[end - 1]):
                total += math.exp(forward[last, h, j] + backward[last, h, j] - top)
        likelihood = top + math.log(total)
        totals[s] = likelihood
        for i in range(end - 2, begin - 1, -1):
            wide = counts[i - 1] if i > begin else 1
            for h in range(wide):
                u = states[i - 1, h] if i > begin else edge
                for j in range(counts[i]):
                    v = states[i, j]
                    top = -np.inf
                    for k in range(counts[i + 1]):
                        score = transitions[u, v, states[i + 1, k]] + scores[i + 1, k]
                        top = max(top, score + backward[i + 1 - begin, j, k])
                    total = 0.0
                    if top > -np.inf:
                        for k in range(counts[i + 1]):
                            w = states[i + 1, k]
                            score = transitions[u, v, w] + scores[i + 1, k]
                            score += backward[i + 1 - begin, j, k]
                            total += math.exp(score - top)
                        top += math.log(total)
                    backward[i - begin, h, j] = top
        for i in range(begin, end):
            wide = counts[i - 1] if i > begin else 1
            for h in range(wide):
                u = states[i - 1, h] if i > begin else edge
                for j in range(counts[i]):
                    v = states[i, j]
                    after = backward[i - begin, h, j] - likelihood
                    share = math.exp(forward[i - begin, h, j] + after)
                    posteriors[i, j] += share
                    if i == begin:
                        expected[edge, edge, v] += share
                    if i == end - 1:
                        expected[u, v, edge] += share
                    if i > begin:
                        before = counts[i - 2] if i >= begin + 2 else 1
                        for g in range(before):
                            t = states[i - 2, g] if i >= begin + 2 else edge
                            score = forward[i - 1 - begin, g, h] + transitions[t, u, v]
                            expected[t, u, v] += math.exp(score + scores[i, j] + after)


@cache
def _compiled() -> Callable[..., None]:
    """Return `add_paths` compiled, once for a process."""
    offsets = np.zeros(1, np.int64)
    few, table, cells = np.zeros(0, np.int16), np.zeros((0, 1)), np.zeros((1, 1, 1))
    example = (
        *(offsets, few.reshape(0, 1), few, table, cells, cells, cells),
        *(table, np.zeros(0), cells),
    )
    return compiled(add_paths, example, None)
