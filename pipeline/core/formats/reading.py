"""Read word vectors of whichever form: the content tells which, never the name.

    word2vec text      a line `V d`, then a line for each word: word and d numbers
    word2vec binary    a line `V d`, then for each word: word, space, d float32
    GloVe              word2vec text without its first line
    .npz               this project's own, with both matrices

Each may be packed with gzip. What a header claims is compared with what is there and
never believed: memory goes with the file's size.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from pipeline.core.formats.binary import read_binary
from pipeline.core.formats.rows import NUMBER, read_rows
from pipeline.core.text import BLOCK, LONGEST_LINE, open_text, quoted, read_line
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import load_vectors
from pipeline.errors import DataError

FORMS = "word2vec text or binary, GloVe text, or this project's .npz"

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"  # no text begins so: it starts no UTF-8 sequence
_HEADER = re.compile(rb"[ \t]*(\d{1,40})[ \t]+(\d{1,40})[ \t\r]*\n?")

# Bytes that numbers in binary form have and lines of text do not.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SAMPLE = 4096  # bytes looked through for them
_LONGEST_NUMBER = 32  # as printed, with a space


@dataclass(frozen=True)
class Form:
    """What a file of vectors says it is.

    Attributes:
        kind: Its form.
        dim: Numbers of each word, d ≥ 1; 0 for .npz, which says so itself.
        count: Words, V ≥ 1, as its first line claims; None where none does.
    """

    kind: Literal["npz", "word2vec text", "word2vec binary", "GloVe text"]
    dim: int = 0
    count: int | None = None

    @property
    def first_line(self) -> int:
        """The line number of the first word, in a form of lines."""
        return 1 if self.count is None else 2


def read_vectors(path: Path) -> Embeddings:
    """Read a file of word vectors.

    Returns:
        The words in the file's order. A file of another program holds one matrix:
        `context` is of shape (V, 0), and words count as lower-cased if all of them
        are.

    Raises:
        DataError: if it cannot be read or holds something else: with the line or
            byte, what was expected, what was found and what to do.
    """
    with open_text(path) as file:
        form = sniff(file, path)
        if form.kind == "npz":
            return _read_npz(file, path)
        if form.kind == "word2vec binary":
            count = form.count or 0
            words, vectors = read_binary(file, path, dim=form.dim, count=count)
        else:
            words, vectors = read_rows(
                file, path, line=form.first_line, dim=form.dim, count=form.count
            )
    _check_words(path, words)
    normalization = Normalization(
        lowercase=all(word == word.lower() for word in words), digits="keep"
    )
    none = np.empty((len(words), 0), np.float32)
    return Embeddings(tuple(words), vectors, none, normalization)


def sniff(file: BinaryIO, path: Path) -> Form:
    """Tell the form of a file, and go to its first word.

    Args:
        file: As `open_text` gives it; of an .npz it stands at the start after.
        path: Its name, for errors.

    Raises:
        DataError: if it is of no form that is read.
    """
    start = file.tell()
    if file.read(len(_ZIP)) == _ZIP:
        file.seek(start)
        return Form("npz")
    file.seek(start)
    first = read_line(file, f"{path}:1")
    if first.startswith(_PICKLE):
        raise DataError(
            f"{path}: expected {FORMS}, found a pickle, which can run code and is "
            "never read. Save it anew, such as with gensim's "
            "save_word2vec_format"
        )
    header = _HEADER.fullmatch(first)
    if header is None:
        dim = _count_numbers(first)
        if dim == 0:
            raise DataError(
                f"{path}:1: expected {FORMS}, found "
                f"{quoted(first.decode(errors='replace'))}. Is it the right file?"
            )
        file.seek(start)
        return Form("GloVe text", dim)
    count, dim = int(header[1]), int(header[2])
    _check_header(path, count, dim)
    below = file.tell()
    binary = _is_binary(file, count, dim)
    file.seek(below)
    return Form("word2vec binary" if binary else "word2vec text", dim, count)


def _read_npz(file: BinaryIO, path: Path) -> Embeddings:
    if isinstance(file, io.BufferedReader):
        return load_vectors(path)
    # Packed again with gzip: a zip's directory is at its end.
    content = io.BytesIO()
    while block := file.read(BLOCK):
        content.write(block)
    return load_vectors(path, content)


def _check_header(path: Path, count: int, dim: int) -> None:
    if count == 0 or dim == 0:
        raise DataError(
            f"{path}:1: expected at least one word of at least one number, found "
            f"{count} words of {dim}"
        )


def _is_binary(file: BinaryIO, count: int, dim: int) -> bool:
    """Say whether what follows the header is binary; reads some of it."""
    line = file.readline(min(_SAMPLE + _LONGEST_NUMBER * dim, LONGEST_LINE))
    fields = line.rstrip(b" \t\r\n").rsplit(b" ", min(dim, LONGEST_LINE))
    if len(fields) == dim + 1 and all(map(NUMBER.fullmatch, fields[1:])):
        return False
    content = line + file.read(_SAMPLE)
    sample = content[:_SAMPLE]
    if _CONTROLS.search(sample):
        return True
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.end < len(sample)  # and not just cut within a character
    # A few numbers may happen to be letters all.
    return len(content) < _SAMPLE and _is_packed(content, count, dim)


def _is_packed(content: bytes, count: int, dim: int) -> bool:
    """Say whether content is just `count` words, each with 4 · `dim` bytes."""
    at = 0
    for _ in range(count):
        space = content.find(b" ", at)
        if space < 0:
            return False
        at = space + 1 + 4 * dim
        at += content[at : at + 1] == b"\n"  # which gensim leaves out
    return at == len(content)


def _count_numbers(line: bytes) -> int:
    """Return how many numbers a line ends with; its first field is none of them."""
    fields = line.rstrip(b" \t\r\n").split(b" ")
    numbers = 0
    for field in reversed(fields[1:]):
        if not NUMBER.fullmatch(field):
            break
        numbers += 1
    return numbers


def _check_words(path: Path, words: Sequence[str]) -> None:
    if len(set(words)) == len(words):
        return
    seen: dict[str, int] = {}
    for number, word in enumerate(words, 1):
        if (first := seen.setdefault(word, number)) != number:
            raise DataError(
                f"{path}: expected each word once, found {quoted(word)} as word "
                f"{first:,} and as word {number:,}. Remove one of them"
            )
