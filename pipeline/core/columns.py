"""Read word lists: lines, and columns, of small UTF-8 files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.core.text import BLOCK, decode, open_text, quoted
from pipeline.errors import DataError

# Bytes of a word list, unpacked: a hundred times Google's analogies.
_LONGEST_LIST = 1 << 26

_NAMES = {"\t": "tabs", ",": "commas", None: "white space"}


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file, plain or gzip, past a byte order mark.

    Raises:
        DataError: if the file cannot be read, is not UTF-8 or too large to be a
            word list.
    """
    with open_text(path) as file:
        position = file.tell()
        content = bytearray()
        while block := file.read(BLOCK):
            content += block
            if len(content) > _LONGEST_LIST:
                raise DataError(
                    f"{path}: expected a word list, found over "
                    f"{_LONGEST_LIST >> 20} MiB"
                )
        text = decode(bytes(content), path, position)
    # Not splitlines(): it also breaks at characters that words may hold.
    return [line.removesuffix("\r") for line in text.split("\n")]


def read_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a file of columns, each with its number from 1.

    The separator is that of the first line: a tab, else a comma (fields may be
    quoted), else white space. Blank lines and lines that start with # are skipped.

    Args:
        path: UTF-8, plain or gzip.
        names: What the columns hold, for errors; those named `word` must not be
            empty.

    Raises:
        DataError: if the file cannot be read, is not UTF-8 or has a line of
            another number of columns (file and line are named).
    """
    separator: str | None = None
    first = True
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if first:
            separator = next((mark for mark in "\t," if mark in line), None)
            first = False
        place = f"{path}:{number}"
        fields = _fields(line, separator, place)
        if len(fields) != len(names) or not all(
            field or name != "word" for name, field in zip(names, fields, strict=True)
        ):
            raise DataError(
                f"{place}: expected {len(names)} columns ({', '.join(names)}) "
                f"separated by {_NAMES[separator]}, found {len(fields)}: {quoted(line)}"
            )
        yield number, fields


def _fields(line: str, separator: str | None, place: str) -> list[str]:
    if separator != ",":
        return [field.strip() for field in line.split(separator)]
    try:
        (fields,) = csv.reader([line], skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise DataError(
            f"{place}: expected CSV, found {quoted(line)}: {error}"
        ) from error
    return [field.strip() for field in fields]
