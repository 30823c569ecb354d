"""Column files of tagged sentences, as in the CoNLL shared tasks.

A token per line with its tags beside it, a blank line after each sentence:

    Oslo NNP I-NP I-LOC
    sleeps VBZ I-VP O

Chunks and entities are spans, written as tags in one of two ways. IOB1, the
original files': a span begins with I-, and with B- only where it follows a span
of its own type directly. IOB2, the later files': every span begins with B-. Here
either, or a mixture, becomes IOB2.

Source: Ramshaw and Marcus 1995, "Text Chunking using Transformation-Based
Learning" (IOB1); Tjong Kim Sang and Veenstra 1999, "Representing Text Chunks"
(IOB2); Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003
Shared Task".
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from pipeline.core.text import decode, open_text, quoted, read_line
from pipeline.errors import DataError

Column = Literal["token", "pos", "chunk", "ner", "_"]

# What a file's column is called in a corpus, in a corpus's order.
FIELDS = {"token": "tokens", "pos": "pos", "chunk": "chunk", "ner": "ner"}
SPAN_FIELDS = ("chunk", "ner")  # tagged in IOB

_DOCUMENT_START = "-DOCSTART-"
_IOB = re.compile("O|[BI]-.+", re.DOTALL)

# A batch's size: about 25 MB of Python strings before they are Arrow's.
_BATCH_TOKENS = 100_000

# Tokens without a blank line that are a file of another kind, rather than a sentence.
_LONGEST_SENTENCE = 1_000_000


def read_conll(path: Path, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Yield the sentences of a column file.

    Columns are separated by spaces or tabs and by nothing else. Lines that mark
    a document's start are left out.

    Args:
        path: UTF-8, plain or gzip.
        columns: What each column holds, from the left; `_` skips one.

    Yields:
        Batches of the columns named, as list<string>; chunk and ner in IOB2.

    Raises:
        DataError: if the file is no such file, or holds no sentence.
    """
    names = [FIELDS[column] for column in FIELDS if column in columns]
    positions = [columns.index(column) for column in FIELDS if column in columns]
    spans = [columns.index(column) for column in SPAN_FIELDS if column in columns]
    accepted: set[str] = set()  # tags seen and sound
    batch = _Batch(names)
    found = False

    for number, text in _numbered_lines(path):
        cells = _split(text)
        if not cells or _DOCUMENT_START in cells:
            batch.end_sentence()
            if batch.tokens >= _BATCH_TOKENS:
                found = True
                yield batch.take()
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"{path}:{number}: expected {len(columns)} columns "
                f"({' '.join(columns)}), found {len(cells)}: {quoted(text)}. If the "
                "file has other columns, set ingest.columns (_ skips one)"
            )
        for position in spans:
            if cells[position] not in accepted:
                place = f"{path}:{number}: column {columns[position]}"
                _check_iob(cells[position], place)
                accepted.add(cells[position])
        batch.add([cells[position] for position in positions])
        if batch.tokens - batch.whole > _LONGEST_SENTENCE:
            raise DataError(
                f"{path}:{number}: expected a blank line after each sentence, found "
                f"{_LONGEST_SENTENCE:,} tokens without one"
            )

    batch.end_sentence()
    if batch.tokens:
        yield batch.take()
    elif not found:
        raise DataError(
            f"{path}: expected sentences, found none. Is it the right file, and whole?"
        )


def _split(line: str) -> list[str]:
    """Split at spaces and tabs; `str.split` would also split at U+00A0."""
    cells = line.replace("\t", " ").split(" ")
    return [cell for cell in cells if cell] if "" in cells else cells


class _Batch:
    """Sentences on their way into Arrow."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._clear()

    def _clear(self) -> None:
        self._cells: list[list[str]] = [[] for _ in self._names]
        self._offsets = [0]

    @property
    def tokens(self) -> int:
        return len(self._cells[0])

    @property
    def whole(self) -> int:
        """Tokens of the sentences that have ended."""
        return self._offsets[-1]

    def add(self, cells: Sequence[str]) -> None:
        for column, cell in zip(self._cells, cells, strict=True):
            column.append(cell)

    def end_sentence(self) -> None:
        if self.tokens > self._offsets[-1]:
            self._offsets.append(self.tokens)

    def take(self) -> pa.RecordBatch:
        """Return the sentences so far and start anew."""
        offsets = pa.array(self._offsets, pa.int32())
        lists = {
            name: pa.ListArray.from_arrays(offsets, pa.array(cells, pa.string()))
            for name, cells in zip(self._names, self._cells, strict=True)
        }
        for name in SPAN_FIELDS:
            if name in lists:
                lists[name] = to_iob2(lists[name], name)
        self._clear()
        return pa.record_batch(lists)


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, without blanks around it.

    Lines are cut as bytes: `str.splitlines` would also cut at U+2028, U+0085
    and others that occur inside tokens.
    """
    with open_text(path) as file:
        position = file.tell()
        for number in itertools.count(1):
            raw = read_line(file, f"{path}:{number}")
            if not raw:
                return
            yield number, decode(raw, path, position).strip(" \t\r\n")
            position += len(raw)


def to_iob2(tags: pa.ListArray, place: str) -> pa.ListArray:
    """Return the tags with every span's first one written B-.

    An I- becomes B- where a sentence begins or the tag before it is O or of
    another type. All else stays.

    Args:
        tags: list<string>[S], in IOB1, IOB2 or a mixture; no nulls.
        place: Where they come from, for the error.

    Raises:
        DataError: if a tag is neither O nor B- or I- with a type.
    """
    offsets = tags.offsets.to_numpy()  # (S + 1,)
    first, last = int(offsets[0]), int(offsets[-1])
    # The distinct tags are few: what depends on a tag alone is looked up.
    encoded = tags.values.slice(first, last - first).dictionary_encode()
    codes = encoded.indices.to_numpy()  # (N,)
    names: list[str] = encoded.dictionary.to_pylist()
    for name in names:
        _check_iob(name, place)
    kinds = [name[2:] for name in names]  # empty for O
    numbers = {kind: number for number, kind in enumerate(kinds)}
    kind = np.array([numbers[kind] for kind in kinds], np.int64)[codes]  # (N,)
    inside = np.array([name.startswith("I-") for name in names], bool)[codes]

    fresh = np.ones(len(codes), bool)  # no span to go on with
    fresh[1:] = kind[1:] != kind[:-1]
    lengths = np.diff(offsets)
    fresh[(offsets[:-1] - first)[lengths > 0]] = True  # sentences begin

    # Below the tags themselves: each as it is written where a span begins.
    beginnings = [f"B-{kind}" if kind else "O" for kind in kinds]
    written = pa.array([*names, *beginnings], pa.string())
    values = written.take(pa.array(codes + len(names) * (inside & fresh)))
    return pa.ListArray.from_arrays(pa.array(offsets - first, pa.int32()), values)


def _check_iob(tag: str, place: str) -> None:
    if not _IOB.fullmatch(tag):
        raise DataError(
            f"{place}: expected a tag in IOB (O, or B- or I- with a type), "
            f"found {quoted(tag)}"
        )
