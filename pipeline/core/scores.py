"""Score vectors on named sets of words.

Each function here scores one thing and returns its `Findings`; put together, they
are the metrics and tables of an evaluation. A score that is not defined (no item
covered) is left out: NaN never enters the metrics.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from pipeline.core.analogy import METHODS, Method, Question, solve
from pipeline.core.categories import cluster, neighbor_precision, purity
from pipeline.core.findings import Findings, Row, findings, slug
from pipeline.core.similarity import WordPair, named, nearest, score_pairs, word_ids
from pipeline.core.types import UNKNOWN, Counts, Doubles, Embeddings, Ids
from pipeline.errors import DataError

_PREFIXES: Mapping[Method, str] = {"add": "analogy", "mul": "analogy_mul"}
_RESERVED_SECTIONS = ("total", "coverage")


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
        counts: Shape (V,). Occurrences, shown beside the neighbors.
        top_k: How many neighbors.
    """
    # "Germany" and "germany" may be one word.
    words = tuple(dict.fromkeys(map(embeddings.normalization, words)))
    ids = word_ids(embeddings, words)
    known = ids != UNKNOWN
    neighbors, cosines = nearest(unit, ids[known], top_k)
    found = zip(neighbors, cosines, strict=True)
    rows: list[Row] = []
    for word, is_known in zip(words, known, strict=True):
        if not is_known:
            rows.append({"word": word})
            continue
        near, scores = next(found)
        ranked = enumerate(named(embeddings, near, scores), 1)
        rows += [
            {"word": word, "rank": rank, "neighbor": neighbor, "cosine": cosine}
            | {"count": int(counts[near[rank - 1]])}
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
    rows: list[Row] = []
    for query in queries:
        asked: Row = dict(zip("abc", query, strict=True))
        ids = word_ids(embeddings, query)
        missing = [word for word, i in zip(query, ids, strict=True) if i == UNKNOWN]
        if missing:
            rows.append(asked | {"missing": " ".join(missing)})
            continue
        for method in METHODS:
            (answers,), (scores,) = solve(
                unit, ids[np.newaxis], method=method, top_k=top_k
            )
            left = answers != UNKNOWN
            ranked = enumerate(named(embeddings, answers[left], scores[left]), 1)
            rows += [
                asked
                | {"method": method, "rank": rank, "answer": answer, "score": score}
                for rank, (answer, score) in ranked
            ]
    return findings({}, {"analogies": rows})


def score_similarity(
    embeddings: Embeddings, unit: Doubles, name: str, pairs: Sequence[WordPair]
) -> Findings:
    """Score a set of word pairs: `similarity/<name>` and its coverage.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        name: The set's part of the metric name.
        pairs: At least one.
    """
    words = [word for pair in pairs for word in (pair.first, pair.second)]
    ids = word_ids(embeddings, words).reshape(-1, 2)
    result = score_pairs(unit, ids, np.array([pair.score for pair in pairs]))
    total: Row = {
        "set": name,
        "asked": len(pairs),
        "found": int(result.found.sum()),
        "coverage": result.coverage,
        "spearman": result.spearman,
        "note": result.note,
    }
    scored = zip(pairs, result.found.tolist(), result.cosines.tolist(), strict=True)
    rows: list[Row] = [
        {
            "set": name,
            "line": pair.line,
            "first": pair.first,
            "second": pair.second,
            "human": pair.score,
            "found": found,
            "cosine": cosine if found else None,
        }
        for pair, found, cosine in scored
    ]
    return findings(
        {
            f"similarity/{name}": result.spearman,
            f"similarity/{name}_coverage": result.coverage,
        },
        {"similarity": [total], "similarity_pairs": rows},
    )


def by_section(
    source: str, questions: Iterable[Question]
) -> Mapping[str, tuple[Question, ...]]:
    """Group questions by their section's part of the metric name.

    Args:
        source: Where they are from, for the error.
        questions: Those of a section need not stand together.

    Raises:
        DataError: if two sections, or a section and the total, share that part.
    """
    parts: dict[str, list[Question]] = {}
    for question in questions:
        part = slug(question.section)
        together = parts.setdefault(part, [])
        together.append(question)
        taken = together[0].section != question.section
        taken = taken or part.endswith("_coverage")
        if taken or part in ("", *_RESERVED_SECTIONS):
            raise DataError(
                f"{source}: section {question.section!r} would have the metric name "
                f"{part!r}, which is empty or taken. Rename the section."
            )
    return {part: tuple(together) for part, together in parts.items()}


def score_analogies(
    embeddings: Embeddings,
    unit: Doubles,
    name: str,
    sections: Mapping[str, Sequence[Question]],
    *,
    advance: Callable[[int, str], None],
) -> Findings:
    """Score a set of analogies by section and in total.

    `analogy/<name>/<section>` and `/total` are those of 3CosAdd, `analogy_mul/...`
    those of 3CosMul. An accuracy is that of the questions whose four words are
    covered: `analogy/<name>/<section>_coverage` and `/coverage` of them, for both.

    Args:
        embeddings: Word vectors.
        unit: Shape (K, d), K ≤ V. The first K of their `unit_vectors`; only
            those words are asked with and answered.
        name: The set's part of the metric name.
        sections: From `by_section`; none of them empty.
        advance: Takes each section's number of questions, and what to show.
    """
    scores: dict[str, float | None] = {}
    totals: list[Row] = []
    rows: list[Row] = []
    correct = dict.fromkeys(METHODS, 0)
    asked, found = 0, 0
    for part, questions in sections.items():
        words = [word for question in questions for word in question.words]
        ids = word_ids(embeddings, words).reshape(-1, 4)
        covered = ((ids != UNKNOWN) & (ids < len(unit))).all(axis=1)  # (Q,)
        count = int(covered.sum())
        asked, found = asked + len(questions), found + count
        title: Row = {"set": name, "section": questions[0].section}
        total = title | {"asked": len(questions), "found": count}
        total |= {"coverage": count / len(questions)}
        scores[f"analogy/{name}/{part}_coverage"] = count / len(questions)
        items: list[Row] = [
            title
            | dict(zip(("a", "b", "c", "expected"), question.words, strict=True))
            | {"found": is_covered}
            for question, is_covered in zip(questions, covered.tolist(), strict=True)
        ]
        for method in METHODS:
            answers = np.full(len(questions), UNKNOWN)
            solved, _ = solve(unit, ids[covered, :3], method=method)
            answers[covered] = solved[:, 0]
            right = covered & (answers == ids[:, 3])
            correct[method] += int(right.sum())
            accuracy = _share(int(right.sum()), count)
            scores[f"{_PREFIXES[method]}/{name}/{part}"] = accuracy
            total |= {f"accuracy_{method}": accuracy}
            for i in np.flatnonzero(covered):
                answer = embeddings.words[answers[i]] if answers[i] >= 0 else None
                items[i] |= {f"answer_{method}": answer}
                items[i] |= {f"correct_{method}": bool(right[i])}
        totals.append(total)
        rows += items
        advance(len(questions), f"{name}: {questions[0].section}")
    for method in METHODS:
        scores[f"{_PREFIXES[method]}/{name}/total"] = _share(correct[method], found)
    scores[f"analogy/{name}/coverage"] = _share(found, asked)
    return findings(scores, {"analogy_sections": totals, "analogy_questions": rows})


def _share(part: int, whole: int) -> float | None:
    """Return part / whole, None where there is no whole."""
    return part / whole if whole else None


def score_categories(
    embeddings: Embeddings,
    unit: Doubles,
    groups: Mapping[str, Sequence[str]],
    *,
    seed: int,
) -> Findings:
    """Score how well words of a category lie together.

    `category/precision_at_10` is the mean over words of `neighbor_precision`,
    `category/<category>/precision_at_10` that of one category's words,
    `category/purity` that of k-means with as many clusters as categories.

    Args:
        embeddings: Word vectors.
        unit: Shape (V, d). Their `unit_vectors`.
        groups: Category -> its words.
        seed: The run's seed.
    """
    scores: dict[str, float | None] = {}
    totals: list[Row] = []
    rows: list[Row] = []
    # Words that differ only in what the vocabulary ignores are one.
    words = {
        group: tuple(dict.fromkeys(map(embeddings.normalization, listed)))
        for group, listed in groups.items()
    }
    ids = {group: word_ids(embeddings, listed) for group, listed in words.items()}
    members = {group: found[found != UNKNOWN] for group, found in ids.items()}
    clusters, scores["category/purity"] = _cluster(unit, members.values(), seed)
    all_shares: list[float] = []
    for group, listed in words.items():
        neighbors, shares = neighbor_precision(unit, members[group])
        all_shares += shares.tolist()
        precision = float(shares.mean()) if len(shares) else None
        scores[f"category/{slug(group)}/precision_at_10"] = precision
        found = len(members[group])
        coverage = _share(found, len(listed))
        scores[f"category/{slug(group)}/coverage"] = coverage
        totals.append(
            {
                "category": group,
                "asked": len(listed),
                "found": found,
                "coverage": coverage,
                "precision_at_10": precision,
            }
        )
        for word, i in zip(listed, ids[group].tolist(), strict=True):
            row: Row = {"category": group, "word": word, "found": i != UNKNOWN}
            rows.append(row | {"cluster": clusters.get(i)})
        # Shares and neighbors are those of the words found, in the same order.
        known = [row for row in rows[-len(listed) :] if row["found"]]
        for row, share, near in zip(known, shares.tolist(), neighbors, strict=False):
            row["precision_at_10"] = share
            row["neighbors"] = " ".join(embeddings.words[i] for i in near)
    if all_shares:
        scores["category/precision_at_10"] = float(np.mean(all_shares))
    scores["category/coverage"] = _share(
        sum(map(len, members.values())), sum(map(len, ids.values()))
    )
    return findings(scores, {"categories": totals, "category_words": rows})


def _cluster(
    unit: Doubles, members: Iterable[Ids], seed: int
) -> tuple[Mapping[int, int], float | None]:
    """Return the k-means cluster of category words by id, and the purity.

    A word of several categories has no one right cluster and is left out. A
    single category is pure however it is clustered: then there is no score.
    """
    parts = list(members)
    rows, times = np.unique(np.concatenate(parts), return_counts=True)
    several = rows[times > 1]
    parts = [part[~np.isin(part, several)] for part in parts]
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return {}, None
    points = np.concatenate(parts)
    sizes = [len(part) for part in parts]
    classes = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
    labels = cluster(unit[points], len(parts), seed)
    by_id = dict(zip(points.tolist(), labels.tolist(), strict=True))
    return by_id, purity(classes, labels)
