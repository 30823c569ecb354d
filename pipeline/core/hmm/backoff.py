"""How probable states are, given more and more of what is seen.

A chain of levels goes from what many tokens share (their shape) to what few do (the
word itself). Each level leans on the one before it as far as it has seen too little:

    p(s | level) = (n(s) + strength · p(s | level before)) / (n + strength)

the mean under a Dirichlet prior; or, as in TnT, always by the same share θ:

    p(s | level) = (n(s) / n + θ · p(s | level before)) / (1 + θ)

Source: MacKay and Peto 1995, "A Hierarchical Dirichlet Language Model"; Brants 2000,
section 2.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.hmm.features import NOTHING, SplitFeatures
from pipeline.core.types import Counts, Doubles, Ids

# Above any code of a column, so that two codes make one number.
_BASE = np.int64(2**31)


@dataclass(frozen=True)
class Level:
    """A step of a chain.

    Attributes:
        features: What is seen: columns, with `+1`, `-2` for those of neighbors.
        strength: How many occurrences the level before is worth; None for
            TnT's θ.
        rare: Whether only tokens of rare words are counted: they are what unknown
            words are like.
    """

    features: tuple[str, ...]
    strength: float | None
    rare: bool = False


class Index:
    """Rows of several columns -> numbers from 0, those of the rows it was made of."""

    def __init__(self, columns: Sequence[Counts]) -> None:
        self._keys: list[Counts] = []
        codes = columns[0]
        for column in columns[1:]:
            pairs = _paired(codes, column)
            keys = np.unique(pairs[pairs >= 0])
            self._keys.append(keys)
            codes = _found(keys, pairs)
        keys = np.unique(codes[codes >= 0])
        self._last = keys
        self.size = len(keys)

    def __call__(self, columns: Sequence[Counts]) -> Counts:
        """Return the number of each row, `NOTHING` where it was not there."""
        codes = columns[0]
        for keys, column in zip(self._keys, columns[1:], strict=True):
            codes = _found(keys, _paired(codes, column))
        return _found(self._last, codes)


def _paired(left: Counts, right: Counts) -> Counts:
    return np.where((left < 0) | (right < 0), NOTHING, left * _BASE + right)


def _found(keys: Counts, codes: Counts) -> Counts:
    """Return the position of each code among sorted keys, `NOTHING` if it has none."""
    if not len(keys):
        return np.full(len(codes), NOTHING, np.int64)
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(keys[at] == codes, at, NOTHING)


class Chain:
    """Levels that were counted."""

    def __init__(
        self,
        levels: Sequence[Level],
        split: SplitFeatures,
        states: Ids,
        rare: npt.NDArray[np.bool_],
        size: int,
    ) -> None:
        """Count how often each state goes with what is seen.

        Args:
            levels: From the coarsest to the finest.
            split: What is learned from.
            states: Shape (N,). Its states.
            rare: Shape (N,). Which tokens are of rare words.
            size: K, the number of states.
        """
        self._levels = tuple(levels)
        counts = np.bincount(states, minlength=size)
        # One more of each, so that no state is impossible.
        self.prior: Doubles = (counts + 1) / (counts.sum() + size)
        self._theta = float(np.std(self.prior, ddof=1)) if size > 1 else 1.0
        self._indexes: list[Index] = []
        self._counts: list[Counts] = []  # (rows, K) each
        for level in levels:
            kept = rare if level.rare else np.ones(len(states), np.bool_)
            columns = [column[kept] for column in split.crossed(level.features)]
            index = Index(columns)
            rows = index(columns)
            known = rows >= 0
            cells = rows[known] * size + states[kept][known]
            table = np.bincount(cells, minlength=index.size * size)
            self._indexes.append(index)
            self._counts.append(table.reshape(index.size, size))

    def log_ratios(self, split: SplitFeatures, given: int) -> Doubles:
        """Return log p(s | all levels) - log p(s | the first `given` levels).

        By Bayes' rule that is, up to a number that is the same for all states, the
        logarithm of how probable what the later levels see is in state s, given what
        the first ones see.

        Args:
            split: Its tokens.
            given: How many levels are taken as given; 0 for the states' own share.

        Returns:
            Shape (N, K); -inf where a state was never seen and nothing is leant on.
        """
        columns = [split.crossed(level.features) for level in self._levels]
        # Tokens that look alike are computed once.
        distinct = Index([c + 1 for level in columns for c in level])
        rows = distinct([c + 1 for level in columns for c in level])
        example = np.empty(distinct.size, np.int64)
        example[rows] = np.arange(len(rows))
        probable = np.broadcast_to(self.prior, (distinct.size, len(self.prior)))
        base = probable
        for depth, level in enumerate(self._levels):
            if depth == given:
                base = probable
            seen = [column[example] for column in columns[depth]]
            probable = self._step(depth, level, seen, probable)
        if given == len(self._levels):
            base = probable
        with np.errstate(divide="ignore"):
            ratios: Doubles = np.log(probable) - np.log(base)
        return ratios[rows]

    def _step(
        self, depth: int, level: Level, seen: Sequence[Counts], before: Doubles
    ) -> Doubles:
        at = self._indexes[depth](seen)
        known = at >= 0
        counts = self._counts[depth][at[known]]
        total = counts.sum(axis=1, keepdims=True)
        lean = self._theta * total if level.strength is None else level.strength
        after: Doubles = before.copy()
        after[known] = (counts + lean * before[known]) / (total + lean)
        return after
