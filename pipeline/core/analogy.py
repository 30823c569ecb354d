"""Answer analogies: a is to b as c is to which word."""

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

# Cosines in single precision that several relations have together at most: 24 MiB. The
# C library keeps what it is given back up to 32 MiB; more is cleared anew each time.
_TOGETHER = 6 * 2**20


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
    unit: Doubles, narrow: Floats, relations: Sequence[Ids], cache: Path | None
) -> Mapping[Method, Ids]:
    """Return the best answer to each analogy by each method, as `solve` finds it.

    Single precision says which words may be the answer, mostly one; doubles decide
    among them. Questions that share a and b should stand together: what these two give
    is worked out once for those that follow each other.

    Args:
        unit: Shape (V, d), from `unit_vectors`.
        narrow: Shape (V, d). The same in single precision.
        relations: Shape (Q, 3) each. Ids of a, b and c. Relations that follow each
            other share the cosines of the words that they have in common.
        cache: Folder for compiled code, or None; see `jit.compiled`.

    Returns:
        Method -> shape (ΣQ,), int32; `UNKNOWN` where no word is left.
    """
    words = [np.unique(queries).tolist() for queries in relations]
    most = max(3, 2 * batch_rows(len(unit)))
    answers = [np.empty((0, len(METHODS)), np.int32)]
    for first, last in _ranges(words, _TOGETHER // max(len(unit), 1)):
        queries = np.concatenate(relations[first:last])
        one = last - first == 1 and len(words[first]) > most
        parts = _ranges(queries.tolist(), most) if one else [(0, len(queries))]
        for start, stop in parts:
            answers.append(_first(unit, narrow, queries[start:stop], cache))
    return dict(zip(METHODS, np.concatenate(answers).T, strict=True))


def _shift(rows: Doubles) -> None:
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


def _first(unit: Doubles, narrow: Floats, asked: Ids, cache: Path | None) -> Ids:
    """Return the best answers to questions that ask with few words.

    Args:
        unit: Shape (V, d).
        narrow: Shape (V, d). The same in single precision.
        asked: Shape (Q, 3). Ids of a, b and c.
        cache: See `first_answers`.

    Returns:
        Shape (Q, 2), by question and by method.
    """
    from pipeline.core.analogy_kernel import find_first, lay_out  # which loads Numba

    words, inverse = np.unique(asked, return_inverse=True)
    places = inverse.reshape(-1, 3)
    rows, cosines = lay_out(narrow, words)
    slack = _slack(unit.shape[1], cosines.min(axis=1))
    # Nothing is above or below NaN: a word asked with is no answer.
    cosines[np.arange(len(words)), words] = np.nan
    ids, near, bounds = find_first(rows, places, slack, np.float32(_EPSILON), cache)
    for i, k in np.argwhere(near > 1).tolist():
        a, b, c = cosines[places[i]]
        if METHODS[k] == "mul":
            for x in (a, b, c):
                _shift(x)
        # Rounded in another order than there, which the slack has room for.
        score = _combine(a, b, c, METHODS[k])
        close = np.flatnonzero(score >= bounds[i, k])  # by id
        ids[i, k] = _best_of(unit, close, asked[i], METHODS[k])
    return ids


def _slack(dim: int, least: Floats) -> Floats:
    """Return twice what scores in single precision may be wrong by.

    Args:
        dim: d; see `similarity.slack_of`.
        least: Shape (W,). The least cosine of each word with any.

    Returns:
        Shape (W, 2), by the word that is a and by method.
    """
    cosine = slack_of(dim)
    divisor = np.maximum((1 + least.astype(np.float64)) / 2, 0) + _EPSILON
    product = cosine * (1 / divisor + 1 / divisor**2)
    product[product >= _VAGUE] = np.inf
    return np.stack(
        [np.full(len(least), 4 * cosine), product], axis=1, dtype=np.float32
    )


def _best_of(unit: Doubles, near: Places, asked: Ids, method: Method) -> int:
    """Return the best answer to a question among words.

    Args:
        unit: Shape (V, d).
        near: Ids of the words, ascending; at least one.
        asked: Shape (3,). Ids of a, b and c.
        method: See `solve`.
    """
    exact = np.clip(unit[asked] @ unit[near].T, -1, 1)  # (3, words)
    if method == "mul":
        _shift(exact)
    a, b, c = exact
    return int(near[_combine(a, b, c, method).argmax()])


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
    for start, stop in _ranges(queries.tolist(), limit):
        words, inverse = np.unique(queries[start:stop], return_inverse=True)
        yield slice(start, stop), cosines(unit, words), inverse.reshape(-1, 3)


def _ranges(asked: Sequence[Sequence[int]], limit: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of what asks with at most `limit` words together, or by itself."""
    start = 0
    words: set[int] = set()
    for i, some in enumerate(asked):
        more = words.union(some)
        if len(more) > limit and i > start:
            yield start, i
            start, more = i, set(some)
        words = more
    if asked:
        yield start, len(asked)


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
