"""Score vectors by analogies."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core.analogy import METHODS, Method, Question, first_answers
from pipeline.core.findings import (
    HIGH,
    LOW,
    RANDOM,
    Columns,
    Findings,
    Row,
    Score,
    findings,
    share,
    slug,
)
from pipeline.core.intervals import ratio_interval
from pipeline.core.randomness import generator
from pipeline.core.similarity import word_ids
from pipeline.core.types import (
    UNKNOWN,
    Controls,
    Counts,
    Doubles,
    Embeddings,
    Ids,
)
from pipeline.errors import DataError

_PREFIXES: Mapping[Method, str] = {"add": "analogy", "mul": "analogy_mul"}
_RESERVED_SECTIONS = (
    "total",
    "coverage",
    *(f"total{ending}" for ending in (LOW, HIGH, RANDOM)),
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
    slugs: dict[str, str] = {}
    for question in questions:
        if question.section not in slugs:
            slugs[question.section] = slug(question.section)
        part = slugs[question.section]
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
    controls: Controls,
    seed: int,
    cache: Path | None,
    advance: Callable[[int, str], None],
) -> Findings:
    """Score a set of analogies by section and in total.

    `analogy/<name>/<section>` and `/total` are those of 3CosAdd, `analogy_mul/...`
    those of 3CosMul. An accuracy is that of the questions whose four words are
    covered: `analogy/<name>/<section>_coverage` and `/coverage` of them, for both.

    Intervals draw the pairs asked with (a, b) of a section, each with all its
    questions: those share words and are not independent.

    Args:
        embeddings: Word vectors.
        unit: Shape (K, d), K ≤ V. The first K of their `unit_vectors`; only
            those words are asked with and answered.
        name: The set's part of the metric name.
        sections: From `by_section`; none of them empty.
        controls: What random vectors score.
        seed: Of the intervals.
        cache: Folder for compiled code, or None; see `jit.compiled`.
        advance: Takes each section's number of questions, and what to show.
    """
    scores: dict[str, Score | float | None] = {}
    answered = _answer(embeddings, unit, list(sections.values()), cache)
    for (part, questions), section in zip(sections.items(), answered, strict=True):
        for method in METHODS:
            metric = f"{_PREFIXES[method]}/{name}/{part}"
            scores[metric] = _accuracy(metric, [section], method, controls, seed)
        scores[f"analogy/{name}/{part}_coverage"] = share(
            int(section.covered.sum()), len(questions)
        )
        advance(len(questions), f"{name}: {questions[0].section}")
    for method in METHODS:
        metric = f"{_PREFIXES[method]}/{name}/total"
        scores[metric] = total = _accuracy(metric, answered, method, controls, seed)
    scores[f"analogy/{name}/coverage"] = total.coverage
    return findings(
        scores,
        {
            "analogy_sections": [
                _summary(name, part, section, scores)
                for part, section in zip(sections, answered, strict=True)
            ],
            "analogy_questions": _columns(embeddings, name, answered),
        },
    )


@dataclass(frozen=True)
class _Section:
    """Questions of a section with their answers.

    Attributes:
        questions: Q questions.
        covered: Shape (Q,), bool. All four words have vectors.
        answers: Method -> shape (Q,), int32; `UNKNOWN` without answer.
        right: The same -> shape (Q,), bool.
        pair: Shape (Q,), int32. Which pair (a, b) of the section asks.
    """

    questions: Sequence[Question]
    covered: npt.NDArray[np.bool_]
    answers: Mapping[Method, Ids]
    right: Mapping[Method, npt.NDArray[np.bool_]]
    pair: Ids


def _answer(
    embeddings: Embeddings,
    unit: Doubles,
    sections: Sequence[Sequence[Question]],
    cache: Path | None,
) -> list[_Section]:
    """Answer all sections at once: they share words."""
    words = [w for section in sections for question in section for w in question.words]
    ids = word_ids(embeddings, words).reshape(-1, 4)
    covered = ((ids != UNKNOWN) & (ids < len(unit))).all(axis=1)  # (Q,)
    answers = {method: np.full(len(ids), UNKNOWN, np.int32) for method in METHODS}
    ends = np.cumsum([len(section) for section in sections]).tolist()
    parts = list(itertools.pairwise([0, *ends]))
    asked = [ids[start:stop][covered[start:stop], :3] for start, stop in parts]
    best = first_answers(unit, unit.astype(np.float32), asked, cache)
    for method, answer in best.items():
        answers[method][covered] = answer
    right = {
        method: covered & (given == ids[:, 3]) for method, given in answers.items()
    }
    return [
        _Section(
            questions,
            covered[start:stop],
            {method: given[start:stop] for method, given in answers.items()},
            {method: chosen[start:stop] for method, chosen in right.items()},
            _pairs(questions),
        )
        for questions, (start, stop) in zip(sections, parts, strict=True)
    ]


def _pairs(questions: Sequence[Question]) -> Ids:
    """Return which pair (a, b) of the section asks each question."""
    pairs = [question.words[:2] for question in questions]
    number = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
    return np.array([number[pair] for pair in pairs], np.int32)


def _accuracy(
    metric: str,
    sections: Sequence[_Section],
    method: Method,
    controls: Controls,
    seed: int,
) -> Score:
    asked = sum(len(section.questions) for section in sections)
    found = sum(int(section.covered.sum()) for section in sections)
    right = sum(int(section.right[method].sum()) for section in sections)
    parts = [_by_pair(section, section.right[method]) for section in sections]
    wholes = [_by_pair(section, section.covered) for section in sections]
    return Score(
        share(right, found),
        "questions",
        asked,
        found,
        interval=ratio_interval(
            generator(seed, "evaluate", "bootstrap", metric),
            np.concatenate(parts),
            np.concatenate(wholes),
        ),
        random=controls.scores.get(metric),
        note=f"{right} right",
        headline=method == "add" and metric.endswith("/total"),
    )


def _by_pair(section: _Section, chosen: npt.NDArray[np.bool_]) -> Counts:
    """Return how many of the chosen questions each pair asks."""
    pairs = int(section.pair.max()) + 1
    return np.bincount(section.pair[chosen], minlength=pairs)


def _summary(
    name: str,
    part: str,
    section: _Section,
    scores: Mapping[str, Score | float | None],
) -> Row:
    row: Row = {"set": name, "section": section.questions[0].section}
    for method in METHODS:
        score = scores[f"{_PREFIXES[method]}/{name}/{part}"]
        if isinstance(score, Score):
            row |= {"asked": score.asked, "found": score.found}
            row |= {"coverage": score.coverage, f"accuracy_{method}": score.value}
    return row


def _columns(
    embeddings: Embeddings, name: str, sections: Sequence[_Section]
) -> Columns:
    """Return a row for each question."""
    questions = [question for section in sections for question in section.questions]
    covered = np.concatenate([section.covered for section in sections])
    columns: dict[str, Sequence[object] | pa.Array | npt.NDArray[np.bool_]] = {
        "set": [name] * len(questions),
        "section": [question.section for question in questions],
        "found": covered,
    }
    words = zip(*(question.words for question in questions), strict=True)
    columns |= zip(("a", "b", "c", "expected"), words, strict=True)
    known = (*embeddings.words, None)  # the last, -1, is no answer
    for method in METHODS:
        answers = np.concatenate([section.answers[method] for section in sections])
        right = np.concatenate([section.right[method] for section in sections])
        columns[f"answer_{method}"] = [known[i] for i in answers.tolist()]
        columns[f"correct_{method}"] = pa.array(right, mask=~covered)
    return columns
