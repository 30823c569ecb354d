"""Put an evaluation's scores of single words among the colors of an explorer.

The page is drawn while the vectors are evaluated, so that it cannot hold them from
the beginning: they go into a place of it that was left for them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.figures.explorer.page import LONGEST
from pipeline.core.figures.page import script_json
from pipeline.core.labels import shown

_OPEN, _CLOSE = '<script type="application/json" id="scores">', "</script>"
NO_SCORES = f'{_OPEN}{{"measures":[]}}{_CLOSE}'  # as it stands in explorer.html


@dataclass(frozen=True)
class _Source:
    """Where a word's score stands; of several rows their mean is taken.

    Attributes:
        table: The table; see `pipeline.core.findings`.
        word: Its column of words.
        value: Its column of numbers, or of truth.
        name: As it is to be read.
        short: The same beside a word's own number.
        logarithmic: Colors follow the logarithm.
    """

    table: str
    word: str
    value: str
    name: str
    short: str
    logarithmic: bool = False


_SOURCES = (
    _Source(
        *("category_words", "word", "precision_at_10"),
        "Nearest that are of its category",
        "nearest of its category",
    ),
    _Source(
        *("analogy_questions", "expected", "correct_add"),
        "Analogies rightly answered by it",
        "analogies right",
    ),
    _Source(
        *("geometry_words", "word", "neighbor_of"),
        "Hubness, in the evaluation",
        "nearest of, in evaluation",
        True,
    ),
    _Source(
        *("stability_words", "word", "overlap"),
        "Nearest shared with the other run",
        "nearest in the other run",
    ),
)


def with_scores(
    page: bytes, tables: Mapping[str, pa.Table], words: Collection[str]
) -> bytes:
    """Return an explorer with the scores that the tables hold for single words.

    Args:
        page: From `explorer_html`, with no scores yet.
        tables: An evaluation's, by name.
        words: The vocabulary. What a table has in another case, as it was asked, is
            the word that it was answered with.
    """
    vocabulary = frozenset(words)
    measures = [
        {
            "key": f"{source.table}-{source.value}",
            "name": source.name,
            "short": source.short,
            "logarithmic": source.logarithmic,
            "scores": scores,
        }
        for source in _SOURCES
        if source.table in tables
        and (scores := _means(tables[source.table], source, vocabulary))
    ]
    filled = f"{_OPEN}{script_json({'measures': measures})}{_CLOSE}"
    # The first is that of the page: no word stands before it, nor with a `<` at all.
    return page.replace(NO_SCORES.encode(), filled.encode(), 1)


def _means(
    table: pa.Table, source: _Source, vocabulary: frozenset[str]
) -> list[list[object]]:
    """Return pairs of a word and its score."""
    asked = table[source.word].to_pylist()
    found = [w if w is None or w in vocabulary else w.lower() for w in asked]
    columns = {
        "word": pa.array([w if w in vocabulary else None for w in found], pa.string()),
        "score": pc.cast(table[source.value], pa.float32()),
    }
    known = pa.table(columns).drop_null()
    means = known.group_by("word", use_threads=False).aggregate([("score", "mean")])
    words, scores = means["word"].to_pylist(), means["score_mean"].to_pylist()
    return [
        [shown(word, LONGEST), round(score, 4)]
        for word, score in zip(words, scores, strict=True)
    ]
