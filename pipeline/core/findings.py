"""What an evaluation finds: scores by flat name, and the items behind them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from pipeline.core.intervals import Interval

Row = dict[str, object]

# Name of a column -> its values, one for each row.
Columns = Mapping[str, Sequence[object] | pa.Array | npt.NDArray[Any]]

_TEXT, _INT, _BOOL, _FLOAT = pa.string(), pa.int64(), pa.bool_(), pa.float64()

# Table -> columns.
_SCHEMAS: Mapping[str, pa.Schema] = {
    name: pa.schema(columns.items())
    for name, columns in {
        "scores": {
            "metric": _TEXT,
            "value": _FLOAT,  # null where it is not defined
            "low": _FLOAT,  # ends of the 95% interval
            "high": _FLOAT,
            "random": _FLOAT,  # what random vectors of the same shape score
            "unit": _TEXT,  # of the next two: pairs, questions, words, tokens
            "asked": _INT,
            "found": _INT,  # those that the vocabulary covers
            "coverage": _FLOAT,
            "note": _TEXT,
        },
        "neighbors": {
            "word": _TEXT,
            "rank": _INT,  # null, like what follows, where the vocabulary lacks it
            "neighbor": _TEXT,
            "cosine": _FLOAT,
            "count": _INT,  # occurrences of the neighbor; null where not known
        },
        "analogies": {
            "a": _TEXT,
            "b": _TEXT,
            "c": _TEXT,
            "method": _TEXT,
            "rank": _INT,
            "answer": _TEXT,
            "score": _FLOAT,
            "missing": _TEXT,  # those of a, b, c that the vocabulary lacks
        },
        "similarity": {
            "set": _TEXT,
            "asked": _INT,
            "found": _INT,
            "coverage": _FLOAT,
            "spearman": _FLOAT,
            "low": _FLOAT,  # ends of its 95% interval
            "high": _FLOAT,
            "random": _FLOAT,  # what random vectors have
            "spearman_zero": _FLOAT,  # over all pairs, 0 where one is not found
            "note": _TEXT,  # why spearman is null
        },
        "similarity_pairs": {
            "set": _TEXT,
            "line": _INT,
            "first": _TEXT,
            "second": _TEXT,
            "human": _FLOAT,
            "found": _BOOL,
            "cosine": _FLOAT,  # null where the vocabulary lacks a word
        },
        "analogy_sections": {
            "set": _TEXT,
            "section": _TEXT,
            "asked": _INT,
            "found": _INT,
            "coverage": _FLOAT,
            "accuracy_add": _FLOAT,  # of the questions found
            "accuracy_mul": _FLOAT,
        },
        "analogy_questions": {
            "set": _TEXT,
            "section": _TEXT,
            "a": _TEXT,
            "b": _TEXT,
            "c": _TEXT,
            "expected": _TEXT,
            "found": _BOOL,
            "answer_add": _TEXT,
            "answer_mul": _TEXT,
            "correct_add": _BOOL,  # null where not found
            "correct_mul": _BOOL,
        },
        "categories": {
            "set": _TEXT,
            "category": _TEXT,
            "asked": _INT,
            "found": _INT,
            "coverage": _FLOAT,
            "precision_at_10": _FLOAT,  # null below two words found
        },
        "category_words": {
            "set": _TEXT,
            "category": _TEXT,
            "word": _TEXT,
            "found": _BOOL,
            "precision_at_10": _FLOAT,
            "neighbors": _TEXT,  # nearest first, separated by spaces
            "cluster": _INT,  # null for a word of several categories
        },
        "geometry_words": {
            "word": _TEXT,
            "count": _INT,
            "norm": _FLOAT,
            "neighbor_of": _INT,  # words that have it among their ten nearest
        },
        "geometry_norms": {
            "count_from": _INT,
            "count_below": _INT,
            "words": _INT,
            "mean_norm": _FLOAT,
        },
        "stability_words": {
            "word": _TEXT,
            "overlap": _FLOAT,
            "neighbors": _TEXT,  # nearest first, separated by spaces
            "neighbors_there": _TEXT,  # in the other run
        },
        "probe_entities": {
            "split": _TEXT,
            "sentence": _INT,  # from 0, like the tokens in it
            "token": _INT,  # the entity's first
            "tokens": _INT,
            "text": _TEXT,
            "gold": _TEXT,  # its type; null where the corpus has no such entity
            "found": _TEXT,  # its type by the probe; null where it found none
        },
    }.items()
}


# Endings of the metrics that stand beside a headline's.
LOW, HIGH, RANDOM = "_low", "_high", "_random"


@dataclass(frozen=True)
class Score:
    """A number and what it takes to trust it: a row of the table `scores`.

    Attributes:
        value: None where it is not defined.
        unit: What is counted by `asked` and `found`: pairs, words, tokens.
        asked: How many items there are.
        found: How many of them the vocabulary covers.
        interval: The 95% interval, if it has one.
        random: The same score of random vectors of the same shape.
        note: Why it is not defined, or what it is of.
        headline: Whether interval and control are metrics too.
    """

    value: float | None
    unit: str
    asked: int
    found: int
    interval: Interval | None = None
    random: float | None = None
    note: str = ""
    headline: bool = False

    @property
    def coverage(self) -> float | None:
        """Items found / items asked."""
        return share(self.found, self.asked)


@dataclass(frozen=True)
class Findings:
    """Scores and the items behind them.

    Attributes:
        scores: Metric name -> value; finite.
        tables: Table name -> rows, in the columns of that table's schema.
    """

    scores: Mapping[str, float]
    tables: Mapping[str, pa.Table]


def put_together(parts: Sequence[Findings]) -> Findings:
    """Return all scores, and the rows of each table one below the other."""
    tables: dict[str, list[pa.Table]] = {}
    for part in parts:
        for name, table in part.tables.items():
            tables.setdefault(name, []).append(table)
    return Findings(
        {name: value for part in parts for name, value in part.scores.items()},
        {name: pa.concat_tables(found) for name, found in tables.items()},
    )


def findings(
    scores: Mapping[str, Score | float | None],
    rows: Mapping[str, Sequence[Row] | Columns] | None = None,
) -> Findings:
    """Return findings without undefined scores and empty tables.

    Args:
        scores: Metric name -> score, or a plain value that needs no row in the
            table of scores; None where it is not defined.
        rows: Table name -> rows, a column that a row lacks being null there; or where
            there are many, columns, one that is lacking being null.
    """
    values: dict[str, float | None] = {}
    audited: list[Row] = []
    for name, score in scores.items():
        if not isinstance(score, Score):
            values[name] = score
            continue
        low, high = score.interval or (None, None)
        values[name] = score.value
        if score.headline and score.value is not None:
            values |= {name + LOW: low, name + HIGH: high, name + RANDOM: score.random}
        audited.append(
            {
                "metric": name,
                "value": score.value,
                "low": low,
                "high": high,
                "random": score.random,
                "unit": score.unit,
                "asked": score.asked,
                "found": score.found,
                "coverage": score.coverage,
                "note": score.note,
            }
        )
    tables = {
        name: _table(content, _SCHEMAS[name])
        for name, content in {"scores": audited, **(rows or {})}.items()
        if content
    }
    return Findings(
        {name: value for name, value in values.items() if value is not None},
        {name: table for name, table in tables.items() if table.num_rows},
    )


def _table(content: Sequence[Row] | Columns, schema: pa.Schema) -> pa.Table:
    if not isinstance(content, Mapping):
        return pa.Table.from_pylist(content, schema)
    rows = len(next(iter(content.values())))
    columns = [
        pa.array(content[field.name], field.type)
        if field.name in content
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def share(part: int, whole: int) -> float | None:
    """Return part / whole, None where there is no whole."""
    return part / whole if whole else None


def slug(text: str) -> str:
    """Return text as part of a metric name: word characters and dashes."""
    return re.sub(r"[^\w-]+", "_", text.lower()).strip("_")
