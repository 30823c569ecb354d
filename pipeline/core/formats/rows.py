"""Rows of text: a word, then its numbers, separated by single spaces."""

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.text import LONGEST_LINE, cut, decode, quoted, whole_lines
from pipeline.core.types import Floats
from pipeline.errors import DataError

# As programs write them, and the names of those that are not finite.
NUMBER = re.compile(
    rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE
)


def read_rows(
    file: BinaryIO, path: Path, *, line: int, dim: int, count: int | None
) -> tuple[list[str], Floats]:
    """Read words and vectors, a line each.

    A word may hold spaces (GloVe's `. . .` does): the last `dim` fields of a line are
    the numbers, and all before them is the word.

    Args:
        file: Stands at the first row.
        path: The file's name, for errors.
        line: The first row's line number.
        dim: Numbers in each row, d ≥ 1.
        count: How many rows there must be, V; None for any number.

    Returns:
        V words, and float32 of shape (V, d).

    Raises:
        DataError: naming the line.
    """
    if dim > LONGEST_LINE:
        raise DataError(
            f"{path}:1: expected numbers that fit a line of {LONGEST_LINE >> 20} MiB, "
            f"found a header that gives {dim:,} for each word"
        )
    words: list[str] = []
    parts: list[Floats] = []
    position, ended = file.tell(), 0  # the blank line after which nothing may come
    for block in whole_lines(file, path, "a word and its numbers in each line"):
        decode(block, path, position)  # Arrow itself would not look
        position += len(block)
        lines = pc.ascii_rtrim(cut(block), " \t\r\n")
        blank = pc.equal(pc.binary_length(lines), 0).to_numpy(zero_copy_only=False)
        filled = len(lines) - int(blank.sum())
        if filled and (ended or blank[:filled].any()):
            blank_line = ended or line + int(blank.argmax())
            raise DataError(
                f"{path}:{blank_line}: expected a word and {dim} numbers, found a "
                "blank line"
            )
        if filled < len(lines) and not ended:
            ended = line + filled
        if filled:
            rows = _Rows(path, line, dim, lines[:filled])
            found = rows.words()
            if count is not None and len(words) + len(found) > count:
                raise DataError(
                    f"{path}:{line + count - len(words)}: expected the {count:,} words "
                    "that the first line gives, found more"
                )
            words += found
            parts.append(rows.numbers())
        line += len(lines)
    if count is not None and len(words) < count:
        raise DataError(
            f"{path}:{line}: expected the {count:,} words that the first line gives, "
            f"found the end of the file after {len(words):,}. Fetch it again"
        )
    return words, np.concatenate(parts)


class _Rows:
    """Some lines of a file.

    Args:
        path: The file's name, for errors.
        line: The first one's number.
        dim: Numbers in each.
        lines: string[R], without line ends; none is blank.
    """

    def __init__(self, path: Path, line: int, dim: int, lines: pa.StringArray) -> None:
        self._path, self._line, self._dim = path, line, dim
        parts = pc.split_pattern(lines, " ", max_splits=dim, reverse=True)
        lengths = parts.value_lengths().to_numpy()
        short = np.flatnonzero(lengths != dim + 1)
        if short.size:
            row = int(short[0])
            raise self._error(
                row,
                f"found only {lengths[row]} fields: {quoted(lines[row].as_py())}",
            )
        fields = parts.flatten()
        is_word = np.arange(len(fields)) % (dim + 1) == 0
        self._words = fields.filter(pa.array(is_word))
        self._numbers = fields.filter(pa.array(~is_word))

    def words(self) -> list[str]:
        """Return R words."""
        words: list[str] = self._words.to_pylist()
        spaced = pc.match_substring(self._words, " ").to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(spaced).tolist():
            if NUMBER.fullmatch(words[row].rpartition(" ")[2].encode()):
                raise self._error(row, f"found more of them after {quoted(words[row])}")
        return words

    def numbers(self) -> Floats:
        """Return their numbers, float32 of shape (R, d)."""
        try:
            flat: Floats = pc.cast(self._numbers, pa.float32()).to_numpy()
        except pa.ArrowInvalid:
            raise self._no_number() from None
        numbers = flat.reshape(-1, self._dim)
        finite: npt.NDArray[np.bool_] = np.isfinite(numbers)
        if not finite.all():
            place = int(finite.argmin())
            raise self._error(
                place // self._dim,
                f"found {quoted(self._numbers[place].as_py())}, which is not finite as "
                "float32",
            )
        return numbers

    def _no_number(self) -> DataError:
        """Return the error for the first field that is no number."""
        fields: list[str] = self._numbers.to_pylist()
        place = next(i for i, field in enumerate(fields) if not _is_float(field))
        which = f"as number {place % self._dim + 1}"
        row = place // self._dim
        return self._error(row, f"found {quoted(fields[place])} {which}")

    def _error(self, row: int, found: str) -> DataError:
        return DataError(
            f"{self._path}:{self._line + row}: expected a word and {self._dim} numbers "
            f"with a space between two, {found}"
        )


def _is_float(text: str) -> bool:
    try:
        pc.cast(pa.array([text]), pa.float32())
    except pa.ArrowInvalid:
        return False
    return True
