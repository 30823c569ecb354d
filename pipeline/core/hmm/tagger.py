"""Learn a tagger from tagged sentences, and tag others with it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.hmm.backoff import Chain
from pipeline.core.hmm.features import SplitFeatures
from pipeline.core.hmm.forward_backward import sum_paths
from pipeline.core.hmm.lattice import Lattice, build_lattice
from pipeline.core.hmm.states import StateSpace
from pipeline.core.hmm.streams import Stream
from pipeline.core.hmm.transitions import (
    Order,
    Smoothing,
    count_transitions,
    transition_scores,
)
from pipeline.core.hmm.viterbi import best_paths
from pipeline.core.types import Counts, Doubles, Ids


@dataclass(frozen=True)
class Settings:
    """What shapes a tagger.

    Attributes:
        order: How many states the next one depends on.
        smoothing: Of transitions.
        amount: What `additive` smoothing adds.
        weights: Stream -> weight; one that is not named has none.
        rare: Words with at most this many tokens are what unknown ones are like.
        beam: How far below its best state, in nats, a token's states may lie; None
            for any distance.
    """

    order: Order
    smoothing: Smoothing
    amount: float
    weights: Mapping[str, float]
    rare: int
    beam: float | None


@dataclass(frozen=True)
class Labels:
    """What a tagger says of a split.

    Attributes:
        states: Shape (N,), int32. The most probable path of each sentence.
        confidence: Shape (N,), in [0, 1]. How probable the tags of those states are,
            all paths taken together.
        likelihoods: Shape (S,), nats. Of each sentence, up to a number that does not
            depend on states.
    """

    states: Ids
    confidence: Doubles
    likelihoods: Doubles


class Tagger:
    """A model that was learned."""

    def __init__(
        self,
        settings: Settings,
        space: StateSpace,
        streams: Mapping[str, Stream],
        split: SplitFeatures,
        states: Ids,
    ) -> None:
        """Count, and smooth what was counted.

        Args:
            settings: What shapes it.
            space: Its states.
            streams: What states emit; those without a weight are not counted.
            split: What is learned from.
            states: Shape (N,). Its states.
        """
        words = split.columns["word"]
        known = words >= 0
        counts = np.bincount(words[known], minlength=1)
        rare = np.ones(len(words), np.bool_)
        rare[known] = counts[words[known]] <= settings.rare
        self._settings = settings
        self._space = space
        self._streams = streams
        self._learned_words = np.flatnonzero(counts)
        self._chains = {
            name: Chain(streams[name].levels, split, states, rare, len(space.states))
            for name, weight in settings.weights.items()
            if weight
        }
        self._counts = count_transitions(states, split.offsets, len(space.states))
        self._transitions = self._smoothed(self._counts)

    def _smoothed(self, counts: Counts | Doubles) -> Doubles:
        return transition_scores(
            counts,
            self._space.allowed,
            order=self._settings.order,
            smoothing=self._settings.smoothing,
            amount=self._settings.amount,
        )

    def knows(self, split: SplitFeatures) -> npt.NDArray[np.bool_]:
        """Return for each token whether its word was learned from: shape (N,)."""
        return np.isin(split.columns["word"], self._learned_words)

    def lattice(self, split: SplitFeatures) -> Lattice:
        """Return the states that each token may have, with their scores."""
        total: Doubles = np.zeros((split.tokens, len(self._space.states)))
        for name, chain in self._chains.items():
            ratios = chain.log_ratios(split, self._streams[name].given)
            total += self._settings.weights[name] * ratios
        return build_lattice(total, split.offsets, self._settings.beam)

    def learn_order(self, lattices: list[Lattice], passes: int) -> list[float]:
        """Learn transitions from text without tags too, by Baum and Welch's way.

        What is expected there is added to what was counted.

        Args:
            lattices: Of the text.
            passes: How many.

        Returns:
            The text's log-likelihood before each pass, in nats.
        """
        likelihoods = []
        for _ in range(passes):
            expected = self._counts.astype(np.float64)
            likelihood = 0.0
            for lattice in lattices:
                sums = sum_paths(lattice, self._transitions)
                expected += sums.transitions
                possible = np.isfinite(sums.log_likelihoods)
                likelihood += float(sums.log_likelihoods[possible].sum())
            likelihoods.append(likelihood)
            self._transitions = self._smoothed(expected)
        return likelihoods

    def tag(self, lattice: Lattice) -> Labels:
        """Return the most probable states, and how sure they are.

        Args:
            lattice: Of the split.
        """
        states, _ = best_paths(lattice, self._transitions)
        sums = sum_paths(lattice, self._transitions)
        tags = {tag: i for i, tag in enumerate(dict.fromkeys(self._space.tags))}
        tag_of = np.array([tags[tag] for tag in self._space.tags])
        same = tag_of[lattice.states] == tag_of[states][:, np.newaxis]  # (N, C)
        inside = np.arange(lattice.most) < lattice.counts[:, np.newaxis]
        confidence = np.where(same & inside, sums.posteriors, 0.0).sum(axis=1)
        return Labels(states, np.clip(confidence, 0, 1), sums.log_likelihoods)
