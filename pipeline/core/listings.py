"""List what lies near words, and what answers analogies, for people to read."""

from collections.abc import Sequence

import numpy as np

from pipeline.core.analogy import METHODS, solve
from pipeline.core.findings import Findings, Row, findings
from pipeline.core.similarity import named, nearest, word_ids
from pipeline.core.types import UNKNOWN, Counts, Doubles, Embeddings


def list_neighbors(
    embeddings: Embeddings,
    unit: Doubles,
    words: Sequence[str],
    *,
    counts: Counts,
    top_k: int,
) -> Findings:
    """List the nearest neighbors of words.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        words: One that the vocabulary lacks has a row without neighbor.
        counts: Shape (V,). Occurrences, shown beside the neighbors; all 0 where they
            are not known.
        top_k: How many neighbors.
    """
    # "Germany" and "germany" may be one word.
    words = tuple(dict.fromkeys(map(embeddings.normalization, words)))
    ids = word_ids(embeddings, words)
    known = ids != UNKNOWN
    neighbors, cosines = nearest(unit, ids[known], top_k)
    found = zip(neighbors, cosines, strict=True)
    counted = bool(counts.any())
    rows: list[Row] = []
    for word, is_known in zip(words, known, strict=True):
        if not is_known:
            rows.append({"word": word})
            continue
        near, scores = next(found)
        ranked = enumerate(named(embeddings, near, scores), 1)
        rows += [
            {"word": word, "rank": rank, "neighbor": neighbor, "cosine": cosine}
            | {"count": int(counts[near[rank - 1]]) if counted else None}
            for rank, (neighbor, cosine) in ranked
        ]
    return findings({}, {"neighbors": rows})


def list_answers(
    embeddings: Embeddings,
    unit: Doubles,
    queries: Sequence[tuple[str, str, str]],
    *,
    top_k: int,
) -> Findings:
    """List the best answers to analogies a : b = c : ? by each method.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        queries: The words a, b and c; where the vocabulary lacks one, a row
            without answer names it.
        top_k: How many answers.
    """
    ids = [word_ids(embeddings, query) for query in queries]
    known = [i for i, each in enumerate(ids) if UNKNOWN not in each]
    asked = np.array([ids[i] for i in known], np.int32).reshape(-1, 3)
    solved = {
        method: solve(unit, asked, method=method, top_k=top_k) for method in METHODS
    }
    rows: list[Row] = []
    for i, query in enumerate(queries):
        words: Row = dict(zip("abc", query, strict=True))
        if i not in known:
            lacking = zip(query, ids[i], strict=True)
            missing = [word for word, each in lacking if each == UNKNOWN]
            rows.append(words | {"missing": " ".join(missing)})
            continue
        for method, (answers, scores) in solved.items():
            row = known.index(i)
            left = answers[row] != UNKNOWN
            best = named(embeddings, answers[row, left], scores[row, left])
            rows += [
                words
                | {"method": method, "rank": rank, "answer": answer, "score": score}
                for rank, (answer, score) in enumerate(best, 1)
            ]
    return findings({}, {"analogies": rows})
