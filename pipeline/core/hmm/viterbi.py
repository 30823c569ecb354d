"""The most probable states of a sentence, in compiled code.

δ_i(u, v) = max_t δ_{i-1}(t, u) + log p(v | t, u) + log p(token i | v)

Sums run in a fixed order, and of equal paths that with the lowest states at its end
wins: the states are the same on every processor that the scores are the same on.

Source: Viterbi 1967, "Error Bounds for Convolutional Codes"; over pairs of states as in
Thede and Harper 1999, "A Second-Order Hidden Markov Model for Part-of-Speech Tagging".
"""

# ruff: noqa: PLR0917 - jitted functions take no keyword-only arguments.
# ruff: noqa: PLR0912 - nor do they call others for nothing.

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.core.hmm.lattice import Lattice
from pipeline.core.jit import compiled
from pipeline.core.types import Counts, Doubles, Ids

Links = npt.NDArray[np.int16]


def best_paths(lattice: Lattice, transitions: Doubles) -> tuple[Ids, Doubles]:
    """Return the most probable states of each sentence.

    Args:
        lattice: Sentences, and the states that their tokens may have.
        transitions: Shape (K + 1, K + 1, K + 1), from `transition_scores`.

    Returns:
        States, shape (N,), int32; and the paths' scores in nats, shape (S,): -inf where
        no path is possible, and the states there are those that their tokens alone
        make most probable. An empty sentence scores that of its two boundaries.
    """
    sizes = lattice.longest, lattice.most
    found = np.zeros(lattice.tokens, np.int32)
    scores = np.zeros(lattice.sentences)
    _compiled()(
        lattice.offsets,
        lattice.states,
        lattice.counts,
        lattice.scores,
        # The state that is maximized over lies side by side in memory.
        np.array(transitions.transpose(1, 2, 0), order="C"),
        np.zeros((2, sizes[1], sizes[1])),
        np.zeros((sizes[0], sizes[1], sizes[1]), np.int16),
        found,
        scores,
    )
    return found, scores


def find_paths(
    offsets: Counts,
    states: Links,
    counts: Links,
    scores: Doubles,
    transitions: Doubles,
    best: Doubles,
    links: Links,
    found: Ids,
    totals: Doubles,
) -> None:
    """Find the best path of each sentence; writes `found` and `totals`.

    Args:
        offsets: Shape (S + 1,), int64.
        states: Shape (N, C), int16. States that a token may have, ascending.
        counts: Shape (N,), int16. How many of them there are.
        scores: Shape (N, C). Of the token in each of those states.
        transitions: Shape (K + 1, K + 1, K + 1), by [u, v, t].
        best: Shape (2, C, C). Scratch.
        links: Shape (tokens of the longest sentence, C, C), int16. Scratch.
        found: Shape (N,), int32. Modified.
        totals: Shape (S,). Modified.
    """
    edge = transitions.shape[0] - 1
    for s in range(len(offsets) - 1):
        begin, end = offsets[s], offsets[s + 1]
        if begin == end:
            totals[s] = transitions[edge, edge, edge]
            continue
        now = 0
        for j in range(counts[begin]):
            v = states[begin, j]
            best[now, 0, j] = transitions[edge, v, edge] + scores[begin, j]
        for i in range(begin + 1, end):
            width = counts[i - 2] if i >= begin + 2 else 1
            for h in range(counts[i - 1]):
                u = states[i - 1, h]
                for j in range(counts[i]):
                    v = states[i, j]
                    top, at = -np.inf, 0
                    for g in range(width):
                        t = states[i - 2, g] if i >= begin + 2 else edge
                        score = best[now, g, h] + transitions[u, v, t]
                        if score > top:
                            top, at = score, g
                    best[1 - now, h, j] = top + scores[i, j]
                    links[i - begin, h, j] = at
            now = 1 - now
        width = counts[end - 2] if end >= begin + 2 else 1
        top, last, before = -np.inf, 0, 0
        for j in range(counts[end - 1]):
            v = states[end - 1, j]
            for h in range(width):
                u = states[end - 2, h] if end >= begin + 2 else edge
                score = best[now, h, j] + transitions[v, edge, u]
                if score > top:
                    top, last, before = score, j, h
        totals[s] = top
        if top == -np.inf:
            for i in range(begin, end):
                at = 0
                for j in range(counts[i]):
                    if scores[i, j] > scores[i, at]:
                        at = j
                found[i] = states[i, at]
            continue
        for i in range(end - 1, begin - 1, -1):
            found[i] = states[i, last]
            if i > begin:
                last, before = before, links[i - begin, before, last]


@cache
def _compiled() -> Callable[..., None]:
    """Return `find_paths` compiled, once for a process."""
    offsets = np.zeros(1, np.int64)
    few, cells = np.zeros(0, np.int16), np.zeros((1, 1, 1))
    example = (
        *(offsets, few.reshape(0, 1), few, np.zeros((0, 1)), cells, cells),
        *(np.zeros((1, 1, 1), np.int16), np.zeros(0, np.int32), np.zeros(0)),
    )
    return compiled(find_paths, example, None)
