"""Answer analogies: a is to b as c is to which word."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.core.similarity import (
    batch_rows,
    best,
    check_top_k,
    cosines,
    named,
    read_lines,
    unit_vectors,
    word_id,
)
from pipeline.core.text import quoted
from pipeline.core.types import UNKNOWN, Doubles, Embeddings, Ids
from pipeline.errors import DataError

Method = Literal["add", "mul"]
METHODS: tuple[Method, ...] = ("add", "mul")

# Keeps 3CosMul's denominator from 0. Levy and Goldberg write 0.001; this is
# gensim's value, so that scores can be compared with those of gensim.
_EPSILON = 1e-6


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
    ids = np.full((len(queries), top_k), UNKNOWN, np.int32)
    scores = np.zeros((len(queries), top_k))
    for start, stop in _batches(queries, max(3, batch_rows(len(unit)))):
        words, places = np.unique(queries[start:stop], return_inverse=True)
        rows = cosines(unit, words)  # (words of the batch, V)
        if method == "mul":
            rows += 1
            rows /= 2
        for i, (a, b, c) in enumerate(places.reshape(-1, 3), start):
            score = _combine(rows[a], rows[b], rows[c], method)  # (V,)
            score[queries[i]] = -np.inf
            top = best(score, top_k)
            top = top[score[top] > -np.inf]
            ids[i, : len(top)] = top
            scores[i, : len(top)] = score[top]
            if method == "add":
                # So far x·(b - a + c); its cosine divides by the query's norm.
                scores[i] /= _query_norm(unit[queries[i]])
    return ids, scores


def _combine(a: Doubles, b: Doubles, c: Doubles, method: Method) -> Doubles:
    if method == "add":
        score = b + c
        score -= a
        return score
    score = b * c
    score /= a + _EPSILON
    return score


def _query_norm(vectors: Doubles) -> float:
    """Return |b - a + c|, or 1 for the zero vector; `vectors` has shape (3, d)."""
    a, b, c = vectors
    return math.sqrt(np.square(b - a + c).sum()) or 1.0


def _batches(queries: Ids, limit: int) -> Iterator[tuple[int, int]]:
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
