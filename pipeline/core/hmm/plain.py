"""Every path, one by one: the slow twin of `viterbi` and `forward_backward`.

For a few tokens and states: a sentence of n tokens has C^n paths.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from pipeline.core.hmm.forward_backward import Sums
from pipeline.core.hmm.lattice import Lattice
from pipeline.core.types import Doubles, Ids


@dataclass(frozen=True)
class Path:
    """A path through a sentence.

    Attributes:
        choices: For each token, which of its possible states.
        states: Those states, between two boundaries before and one after.
        score: In nats.
    """

    choices: tuple[int, ...]
    states: tuple[int, ...]
    score: float


def list_paths(lattice: Lattice, sentence: int, transitions: Doubles) -> list[Path]:
    """Return every path of a sentence, with its score summed from left to right.

    Args:
        lattice: Sentences, and the states that their tokens may have.
        sentence: Which one.
        transitions: Shape (K + 1, K + 1, K + 1).
    """
    edge = len(transitions) - 1
    begin, end = lattice.offsets[sentence : sentence + 2].tolist()
    paths = []
    for choices in itertools.product(
        *(range(lattice.counts[i]) for i in range(begin, end))
    ):
        chosen = [int(lattice.states[begin + i, c]) for i, c in enumerate(choices)]
        states = (edge, edge, *chosen, edge)
        score = 0.0
        for i, choice in enumerate(choices):
            score += float(transitions[states[i : i + 3]])
            score += float(lattice.scores[begin + i, choice])
        score += float(transitions[states[-3:]])
        paths.append(Path(choices, states, score))
    return paths


def best_paths(lattice: Lattice, transitions: Doubles) -> tuple[Ids, Doubles]:
    """Do what `viterbi.best_paths` does, where each sentence has a possible path."""
    found: list[int] = []
    scores = np.zeros(lattice.sentences)
    for s in range(lattice.sentences):
        paths = list_paths(lattice, s, transitions)
        # Of equal ones, that with the lowest states at its end.
        best = min(paths, key=lambda path: (-path.score, path.choices[::-1]))
        found += best.states[2:-1]
        scores[s] = best.score
    return np.array(found, np.int32), scores


def sum_paths(lattice: Lattice, transitions: Doubles) -> Sums:
    """Do what `forward_backward.sum_paths` does."""
    posteriors = np.zeros(lattice.scores.shape)
    likelihoods = np.zeros(lattice.sentences)
    expected = np.zeros(transitions.shape)
    for s in range(lattice.sentences):
        paths = list_paths(lattice, s, transitions)
        likelihoods[s] = np.logaddexp.reduce([path.score for path in paths])
        if np.isneginf(likelihoods[s]) or lattice.offsets[s] == lattice.offsets[s + 1]:
            continue
        for path in paths:
            share = np.exp(path.score - likelihoods[s])
            for i, choice in enumerate(path.choices):
                posteriors[lattice.offsets[s] + i, choice] += share
            for i in range(len(path.states) - 2):
                expected[path.states[i : i + 3]] += share
    return Sums(posteriors, likelihoods, expected)
