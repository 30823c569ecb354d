"""Learn from text without tags.

Each pass sums over all paths by the model so far, and takes what it expects to have
been counted for the next model's counts (expectation and maximization). The likelihood
of the text never falls.

Source: Baum, Petrie, Soules and Weiss 1970, "A Maximization Technique Occurring in the
Statistical Analysis of Probabilistic Functions of Markov Chains"; Rabiner 1989, section
III.C.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.core.hmm.forward_backward import sum_paths
from pipeline.core.hmm.lattice import build_lattice
from pipeline.core.types import Counts, Doubles, Ids
from pipeline.errors import ShapeError


@dataclass(frozen=True)
class SymbolModel:
    """A model of the first order whose states emit one of V symbols; no end state.

    Attributes:
        start: Shape (K,). Probability of each state at a sentence's first token.
        transition: Shape (K, K). Of state v after u, at [u, v].
        emission: Shape (K, V). Of each symbol in each state.
    """

    start: Doubles
    transition: Doubles
    emission: Doubles


def learn(
    model: SymbolModel, symbols: Ids, offsets: Counts, *, passes: int
) -> tuple[SymbolModel, Doubles]:
    """Fit a model to sentences of symbols.

    A state that is never expected keeps its probabilities.

    Args:
        model: Where to start from. One whose states are all alike stays so.
        symbols: Shape (N,), in 0 .. V - 1.
        offsets: Shape (S + 1,). Sentence s is symbols[offsets[s]:offsets[s + 1]].
        passes: How many.

    Returns:
        The fitted model, and the text's log-likelihood, in nats, before the first pass
        and after each: shape (passes + 1,).

    Raises:
        ShapeError: if a symbol is not one of the model's, or shapes do not fit.
    """
    states, size = model.emission.shape
    if model.start.shape != (states,) or model.transition.shape != (states, states):
        raise ShapeError(
            f"expected start and transitions of {states} states, found shapes "
            f"{model.start.shape} and {model.transition.shape}"
        )
    if len(symbols) and not 0 <= symbols.min() <= symbols.max() < size:
        raise ShapeError(
            f"expected symbols from 0 to {size - 1}, found {symbols.min()} to "
            f"{symbols.max()}"
        )
    likelihoods = np.zeros(passes + 1)
    for i in range(passes + 1):
        with np.errstate(divide="ignore"):
            scores = np.log(model.emission).T[symbols]  # (N, K)
        lattice = build_lattice(scores, offsets, beam=None)
        sums = sum_paths(lattice, _transitions_of(model))
        likelihoods[i] = sums.log_likelihoods.sum()
        if i < passes:
            emitted = np.zeros((size, states))
            np.add.at(emitted, symbols, sums.posteriors)
            model = SymbolModel(
                _scaled(sums.transitions[states, states, :states], model.start),
                _scaled(
                    sums.transitions.sum(axis=0)[:states, :states], model.transition
                ),
                _scaled(emitted.T, model.emission),
            )
    return model, likelihoods


def _transitions_of(model: SymbolModel) -> Doubles:
    """Return the model's transitions, in the form for three states."""
    states = len(model.start)
    pairs = np.ones((states + 1, states + 1))  # ending costs nothing
    pairs[:states, :states] = model.transition
    pairs[states, :states] = model.start
    with np.errstate(divide="ignore"):
        return np.broadcast_to(np.log(pairs), (states + 1, *pairs.shape))


def _scaled(expected: Doubles, before: Doubles) -> Doubles:
    """Return rows that sum to 1; that of before where nothing is expected."""
    total = expected.sum(axis=-1, keepdims=True)
    scaled: Doubles = np.where(
        total > 0, expected / np.where(total > 0, total, 1), before
    )
    return scaled
