"""Answer analogies: a is to b as c is to which word."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.core.columns import read_lines
from pipeline.core.similarity import (
    batch_rows,
    best,
    check_top_k,
    cosines,
    named,
    slack_of,
    unit_vectors,
    word_id,
)
from pipeline.core.text import quoted
from pipeline.core.types import UNKNOWN, Doubles, Embeddings, Floats, Ids
from pipeline.errors import DataError

Places = npt.NDArray[np.intp]

Method = Literal["add", "mul"]
METHODS: tuple[Method, ...] = ("add", "mul")

# Keeps 3CosMul's denominator from 0. Levy and Goldberg write 0.001; this is
# gensim's value, so that scores can be compared with those of gensim.
_EPSILON = 1e-6

# What single precision may be wrong by, of a score that is at most about 1, until it
# is left to doubles at once.
_VAGUE = 0.01

# Scores held at a time while first answers are sought: 4 MiB.
_SCORES = 2**20


@dataclass(frozen=True)
class Question:
    """An analogy with its answer: a is to b as c is to expected.

    Attributes:
        section: Name of the relation asked about.
        words: a, b, c and the expected word, as written.
    """

    section: str
    words: tuple[str, str, str, str]


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read analogies in Google's format.

    A line `: name` opens a section; any other holds four words. Blank lines and
    lines that start with // (the original's copyright line) are skipped.

    Raises:
        DataError: if the file cannot be read, is not UTF-8, has a line of
            another form (file and line are named), or holds no question.

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in
    Vector Space", section 4.1.
    """
    questions: list[Question] = []
    section = ""
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words or line.startswith("//"):
            continue
        if line.startswith(":"):
            section = line.removeprefix(":").strip()
            if not section:
                raise DataError(f"{path}:{number}: expected a name after the colon")
            continue
        if len(words) != 4:
            raise DataError(
                f"{path}:{number}: expected 4 words, found {len(words)}: {quoted(line)}"
            )
        if not section:
            raise DataError(
                f"{path}:{number}: expected a section line such as ': currency' "
                f"before the first question, found {quoted(line)}"
            )
        a, b, c, expected = words
        questions.append(Question(section, (a, b, c, expected)))
    if not questions:
        raise DataError(f"{path}: expected lines of four words, found none")
    return tuple(questions)


def ordered_questions(
    section: str, pairs: tuple[tuple[str, str], ...]
) -> tuple[Question, ...]:
    """Return each pair of a relation asked by each other pair.

    Two pairs that share a word (France : euro and Spain : euro) make no question:
    the answer would be among the words asked with, which are never answers.
    """
    return tuple(
        Question(section, (a, b, c, expected))
        for a, b in pairs
        for c, expected in pairs
        if len({a, b, c, expected}) == 4
    )


def solve(
    unit: Doubles, queries: Ids, *, method: Method, top_k: int = 1
) -> tuple[Ids, Doubles]:
    """Answer analogies among all words but the three asked with.

    With unit vectors and σ(x, y) = (1 + cos(x, y)) / 2, the answer maximizes

        add:  cos(x, b - a + c)
        mul:  σ(x, b) σ(x, c) / (σ(x, a) + 1e-6)

    Both are sums or products of three rows of cosines, so a batch of questions
    computes each row of its words once, instead of one product per question:
    questions of one relation should stand together. Beside `unit` this holds at
    most 128 MiB whatever the number of questions (six rows of V doubles where
    those are more).

    Args:
        unit: Shape (V, d), from `unit_vectors`. Answers come from these rows.
        queries: Shape (Q, 3). Ids of a, b and c.
        method: `add` is 3CosAdd, `mul` 3CosMul.
        top_k: How many answers to each.

    Returns:
        Ids, shape (Q, K), and scores, shape (Q, K), best first, ties by id;
        K = min(top_k, V). Where no word is left, the id is `UNKNOWN` and the
        score 0.

    Source: Levy and Goldberg 2014, "Linguistic Regularities in Sparse and
    Explicit Word Representations", eqs. 3 and 4.
    """
    top_k = min(top_k, len(unit))
    ids = np.empty((len(queries), top_k), np.int32)
    scores = np.empty((len(queries), top_k))
    for batch, rows, places in _batches(unit, queries):
        if method == "mul":
            _shift(rows)
        ids[batch], scores[batch] = _rank(rows, places, queries[batch], method, top_k)
    if method == "add":
        # So far x·(b - a + c); its cosine divides by the query's norm.
        scores /= _query_norms(unit, queries)
    return ids, scores


def first_answers(
    unit: Doubles, narrow: Floats, queries: Ids, methods: Sequence[Method]
) -> Mapping[Method, Ids]:
    """Return the best answer to each analogy by each method, as `solve` finds it.

    Single precision says which words may be the answer, mostly one; doubles decide
    among them. Questions that share a and b should stand together: what these two
    give is worked out once for all of them.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        narrow: Shape (V, d). The same in single precision.
        queries: Shape (Q, 3). Ids of a, b and c. Few words are quicker than many: the
            cosines of a section's stay in a cache.
        methods: See `solve`.

    Returns:
        Method -> shape (Q,), int32; `UNKNOWN` where no word is left.
    """
    answers = {method: np.empty(len(queries), np.int32) for method in methods}
    limit = max(3, 2 * batch_rows(len(unit)))
    for start, stop in _ranges(queries, limit):
        asked = queries[start:stop]
        words, inverse = np.unique(asked, return_inverse=True)
        places = inverse.reshape(-1, 3)
        rows = narrow[words] @ narrow.T  # (words of the batch, V)
        for method in sorted(methods):  # mul last: it shifts the cosines in place
            if method == "mul":
                _shift(rows)
            answers[method][start:stop] = _first(unit, rows, places, asked, method)
    return answers


def _shift(rows: Doubles | Floats) -> None:
    """Move cosines to [0, 1], in place."""
    rows *= 0.5
    rows += 0.5


def _rank(
    rows: Doubles, places: Places, asked: Ids, method: Method, top_k: int
) -> tuple[Ids, Doubles]:
    """Return the best answers to questions, and their scores.

    Args:
        rows: Shape (W, V). Cosines of W words, shifted to [0, 1] for `mul`.
        places: Shape (Q, 3). Rows of a, b and c.
        asked: Shape (Q, 3). Their ids, which are no answers.
        method: How rows are combined.
        top_k: K.

    Returns:
        Shapes (Q, K); `UNKNOWN` and 0 where no word is left.
    """
    ids = np.full((len(asked), top_k), UNKNOWN, np.int32)
    scores = np.zeros((len(asked), top_k))
    for i, (a, b, c) in enumerate(places):
        score = _combine(rows[a], rows[b], rows[c], method)  # (V,)
        score[asked[i]] = -np.inf
        top = best(score, top_k)
        top = top[score[top] > -np.inf]
        ids[i, : len(top)] = top
        scores[i, : len(top)] = score[top]
    return ids, scores


def _first(
    unit: Doubles, rows: Floats, places: Places, asked: Ids, method: Method
) -> Ids:
    """Return the best answer to questions; `UNKNOWN` where no word is left.

    Args:
        unit: Shape (V, d).
        rows: Shape (W, V). Cosines of W words in single precision, shifted to [0, 1]
            for `mul`.
        places: Shape (Q, 3). Rows of a, b and c.
        asked: Shape (Q, 3). Their ids, which are no answers.
        method: How rows are combined.

    Returns:
        Shape (Q,).
    """
    ids = np.full(len(asked), UNKNOWN, np.int32)
    combine = np.add if method == "add" else np.multiply
    held = max(1, _SCORES // rows.shape[1])
    scores = np.empty((held, rows.shape[1]), np.float32)
    for start, stop in _alike(places[:, :2], held):
        a, b = (rows[place] for place in places[start, :2])
        shared = b - a if method == "add" else b / (a + np.float32(_EPSILON))  # (V,)
        slack = _slack_of(method, unit.shape[1], float(a.min()))
        block = scores[: stop - start]  # (questions, V)
        for score, c in zip(block, places[start:stop, 2].tolist(), strict=True):
            combine(shared, rows[c], out=score)
        each = np.arange(stop - start)
        block[each[:, np.newaxis], asked[start:stop]] = -np.inf
        top = block.argmax(axis=1)
        highest = block[each, top]
        ids[start:stop] = top
        # All but the highest: where one comes near it, doubles decide.
        block[each, top] = -np.inf
        least = highest - slack
        for i in np.flatnonzero(block.max(axis=1) >= least).tolist():
            block[i, top[i]] = highest[i]
            near = np.flatnonzero(block[i] >= least[i])  # by id
            ids[start + i] = _best_of(unit, near, asked[start + i], method)
    return ids


def _slack_of(method: Method, dim: int, least: float) -> np.float32:
    """Return twice what a score in single precision may be wrong by.

    Args:
        method: How three cosines make it.
        dim: d; see `similarity.slack_of`.
        least: The least σ(x, a), by which `mul` divides.
    """
    cosine = slack_of(dim)
    if method == "add":
        return np.float32(4 * cosine)
    least = max(least, 0) + _EPSILON
    slack = cosine * (1 / least + 1 / least**2)
    return np.float32(slack if slack < _VAGUE else np.inf)


def _best_of(unit: Doubles, near: Places, asked: Ids, method: Method) -> int:
    """Return the best answer to a question among words that may be none.

    Args:
        unit: Shape (V, d).
        near: Ids of the words, ascending.
        asked: Shape (3,). Words that are no answers, though they may be near.
        method: See `solve`.
    """
    near = near[~np.isin(near, asked)]
    if not len(near):
        return UNKNOWN
    exact = np.clip(unit[asked] @ unit[near].T, -1, 1)  # (3, words)
    if method == "mul":
        _shift(exact)
    a, b, c = exact
    return int(near[_combine(a, b, c, method).argmax()])


def _alike(pairs: Places, limit: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most `limit` equal rows."""
    changes = np.flatnonzero((pairs[1:] != pairs[:-1]).any(axis=1)) + 1
    ends = [0, *changes.tolist(), len(pairs)]
    for start, stop in itertools.pairwise(ends):
        for first in range(start, stop, limit):
            yield first, min(stop, first + limit)


def _combine(a: Doubles, b: Doubles, c: Doubles, method: Method) -> Doubles:
    if method == "add":
        score = b + c
        score -= a
        return score
    score = b * c
    score /= a + _EPSILON
    return score


def _query_norms(unit: Doubles, queries: Ids) -> Doubles:
    """Return |b - a + c| of each question, or 1 for the zero vector; shape (Q, 1)."""
    a, b, c = unit[queries.T]
    target = b - a + c  # (Q, d)
    norms: Doubles = np.sqrt(np.square(target).sum(axis=1, keepdims=True))
    norms[norms == 0] = 1
    return norms


def _batches(unit: Doubles, queries: Ids) -> Iterator[tuple[slice, Doubles, Places]]:
    """Yield questions that ask with few enough words, and those words' cosines.

    Yields:
        Which questions; cosines of W words, shape (W, V); and the rows there of each
        question's a, b and c, shape (questions, 3).
    """
    limit = max(3, batch_rows(len(unit)))
    for start, stop in _ranges(queries, limit):
        words, inverse = np.unique(queries[start:stop], return_inverse=True)
        yield slice(start, stop), cosines(unit, words), inverse.reshape(-1, 3)


def _ranges(queries: Ids, limit: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of questions that ask with at most `limit` words."""
    start = 0
    words: set[int] = set()
    for i, query in enumerate(queries.tolist()):
        more = words.union(query)
        if len(more) > limit:
            yield start, i
            start, more = i, set(query)
        words = more
    if len(queries):
        yield start, len(queries)


def word_analogy(
    embeddings: Embeddings,
    a: str,
    b: str,
    c: str,
    *,
    top_k: int = 10,
    method: Method = "add",
) -> list[tuple[str, float]]:
    """Return the words that are to c as b is to a, best first.

    Args:
        embeddings: Word vectors.
        a: Normalized as the vocabulary was, like b and c.
        b: What a is to, as in France : Paris.
        c: What the answer is to.
        top_k: How many; fewer when the vocabulary has no more.
        method: `add` is 3CosAdd, `mul` 3CosMul (see `solve`).

    Returns:
        Pairs of word and score; a, b and c are not among them.

    Raises:
        DataError: if a word is not in the vocabulary.
        ConfigError: if top_k is below 1.
    """
    check_top_k(top_k)
    query = np.array([[word_id(embeddings, word) for word in (a, b, c)]], np.int32)
    unit = unit_vectors(embeddings.center)
    (ids,), (scores,) = solve(unit, query, method=method, top_k=top_k)
    known = ids != UNKNOWN
    return named(embeddings, ids[known], scores[known])
