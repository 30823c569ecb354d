"""What an evaluation finds: scores by flat name, and the items behind them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

Row = dict[str, object]

_TEXT, _INT, _BOOL, _FLOAT = pa.string(), pa.int64(), pa.bool_(), pa.float64()

# Table -> columns.
_SCHEMAS: Mapping[str, pa.Schema] = {
    name: pa.schema(columns.items())
    for name, columns in {
        "neighbors": {
            "word": _TEXT,
            "rank": _INT,  # null, like what follows, where the vocabulary lacks it
            "neighbor": _TEXT,
            "cosine": _FLOAT,
            "count": _INT,  # occurrences of the neighbor
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
            "category": _TEXT,
            "asked": _INT,
            "found": _INT,
            "coverage": _FLOAT,
            "precision_at_10": _FLOAT,  # null below two words found
        },
        "category_words": {
            "category": _TEXT,
            "word": _TEXT,
            "found": _BOOL,
            "precision_at_10": _FLOAT,
            "neighbors": _TEXT,  # nearest first, separated by spaces
            "cluster": _INT,  # null for a word of several categories
        },
    }.items()
}


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
    scores: Mapping[str, float | None], rows: Mapping[str, Sequence[Row]]
) -> Findings:
    """Return findings without undefined scores and empty tables.

    Args:
        scores: Metric name -> value, None where it is not defined.
        rows: Table name -> rows; a column that a row lacks is null there.
    """
    return Findings(
        {name: value for name, value in scores.items() if value is not None},
        {
            name: pa.Table.from_pylist(table, _SCHEMAS[name])
            for name, table in rows.items()
            if table
        },
    )


def slug(text: str) -> str:
    """Return text as part of a metric name: word characters and dashes."""
    return re.sub(r"[^\w-]+", "_", text.lower()).strip("_")
