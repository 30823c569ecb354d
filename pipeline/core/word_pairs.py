"""Word pairs that people judged, and how cosines order them."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.columns import read_columns
from pipeline.core.correlation import spearman
from pipeline.core.text import quoted
from pipeline.core.types import UNKNOWN, Doubles, Ids
from pipeline.errors import DataError

# As people write numbers; float() would also read 1_0 and infinity.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# What a score begins with, and the words by which a broken one is written.
_HEADED = re.compile(r"[\d+\-.]|(nan|inf|infinity)$", re.IGNORECASE)


@dataclass(frozen=True)
class WordPair:
    """Two words and how alike people find them.

    Attributes:
        line: Line of the file, from 1.
        first: As written.
        second: As written.
        score: Mean human judgment, on the file's own scale.
    """

    line: int
    first: str
    second: str
    score: float


def read_pairs(path: Path) -> tuple[WordPair, ...]:
    """Read a word similarity file: word, word, human score in each line.

    The separator is that of the first line: a tab, else a comma (fields may be
    quoted), else white space. A first line whose third field starts with neither
    a digit nor a sign, and is not nan or inf, is a header. Blank lines and lines
    that start with # are skipped.

    Raises:
        DataError: if the file cannot be read, is not UTF-8, has a line of
            another form (file and line are named), or holds no pair.
    """
    pairs: list[WordPair] = []
    columns = read_columns(path, ("word", "word", "score"))
    for i, (number, (first, second, score)) in enumerate(columns):
        header = i == 0 and not _HEADED.match(score)
        if not header:
            value = _score(score, f"{path}:{number}")
            pairs.append(WordPair(number, first, second, value))
    if not pairs:
        raise DataError(f"{path}: expected lines of word, word, score, found none")
    return tuple(pairs)


def _score(text: str, place: str) -> float:
    score = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(score):
        raise DataError(
            f"{place}: expected a number as the score, found {quoted(text)}"
        )
    return score


@dataclass(frozen=True)
class PairScores:
    """How well cosines order word pairs.

    Attributes:
        found: Shape (P,), bool. Both words are in the vocabulary.
        cosines: Shape (P,), float64; 0 where not found.
        spearman: Rank correlation over the found pairs, in [-1, 1]; None where
            it is not defined.
        note: Why spearman is None, else empty.
    """

    found: npt.NDArray[np.bool_]
    cosines: Doubles
    spearman: float | None
    note: str

    @property
    def coverage(self) -> float:
        """Pairs found / pairs asked."""
        return float(self.found.mean())


def score_pairs(unit: Doubles, pairs: Ids, human: Doubles) -> PairScores:
    """Correlate cosines with human scores by Spearman's ρ.

    ρ is Pearson's correlation of ranks, equal values sharing their mean rank,
    over the pairs that the vocabulary covers.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        pairs: Shape (P, 2), P ≥ 1. Ids, `UNKNOWN` where the vocabulary lacks one.
        human: Shape (P,).
    """
    found = (pairs != UNKNOWN).all(axis=1)
    scores = np.zeros(len(pairs))
    left, right = unit[pairs[found]].swapaxes(0, 1)  # each (found, d)
    products = np.clip((left * right).sum(axis=1), -1, 1)
    # A word beside itself (tiger, tiger) has cosine 1; the rounding, different in
    # each vector, would rank such pairs against each other.
    same = (left == right).all(axis=1) & left.any(axis=1)
    scores[found] = np.where(same, 1, products)
    covered = int(found.sum())
    note = ""
    if covered < 2:
        note = f"needs at least 2 covered pairs, found {covered}"
    elif np.ptp(human[found]) == 0:
        note = "the human scores of the covered pairs are all equal"
    elif np.ptp(scores[found]) == 0:
        note = "the cosines of the covered pairs are all equal"
    rho = spearman(scores[found], human[found])
    return PairScores(found, scores, rho, note)
