"""Write word vectors in the forms that other programs read."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.files import replacing
from pipeline.core.text import quoted
from pipeline.core.types import Floats
from pipeline.errors import DataError

_ROWS = 4096  # written at a time: 12 MB of text at 300 numbers a row

# White space of ASCII: what separates words from numbers, or rows, for some reader.
_SPACE = re.compile(r"[ \t\n\v\f\r]")

# A spreadsheet takes what begins so for a formula, or for the start of a longer cell.
_ACTIVE = ("=", "+", "-", "@", '"')


def write_word2vec_text(path: Path, words: Sequence[str], vectors: Floats) -> None:
    """Write word2vec's text form: a line `V d`, then word and numbers in each line.

    Numbers are the shortest that read back as the same float32.

    Args:
        path: The file to write or replace.
        words: V words, as `plain_words` gives them.
        vectors: Shape (V, d), float32.

    Raises:
        StorageError: if the file cannot be written.
    """
    with replacing(path) as file:
        file.write(b"%d %d\n" % vectors.shape)
        for start, rows in _text_rows(vectors, " "):
            named = pa.array(words[start : start + len(rows)], pa.string())
            lines = pc.binary_join_element_wise(named, rows, " ")
            file.write(_joined(lines))


def write_word2vec_binary(path: Path, words: Sequence[str], vectors: Floats) -> None:
    """Write word2vec's binary form: a line `V d`, then word, space and d float32.

    No line end follows the numbers: gensim writes and reads it so, and the original
    program reads it too.

    Args:
        path: The file to write or replace.
        words: V words, as `plain_words` gives them.
        vectors: Shape (V, d), float32.

    Raises:
        StorageError: if the file cannot be written.
    """
    with replacing(path) as file:
        file.write(b"%d %d\n" % vectors.shape)
        for word, row in zip(words, vectors.astype("<f4", copy=False), strict=True):
            file.write(word.encode() + b" " + row.tobytes())


def plain_words(words: Sequence[str]) -> tuple[list[str], int]:
    """Return words as word2vec's forms can hold them, and how many had to change.

    There a space or line end closes a word: each is written as `_`, as the original
    program writes phrases (New_York), and an empty word as `_` too.

    Raises:
        DataError: if two words become the same.
    """
    plain = [_SPACE.sub("_", word) or "_" for word in words]
    changed = [i for i, word in enumerate(words) if plain[i] != word]
    if changed:
        first: dict[str, str] = {}
        for word, written in zip(words, plain, strict=True):
            if first.setdefault(written, word) != word:
                raise DataError(
                    f"words {quoted(first[written])} and {quoted(word)} would both be "
                    f"written {quoted(written)}, as this form has no white space in "
                    "words. Export as npz or projector"
                )
    return plain, len(changed)


def write_projector(folder: Path, words: Sequence[str], vectors: Floats) -> None:
    """Write the two files that the TensorFlow Embedding Projector loads.

        vectors.tsv     d numbers in each line, with tabs between
        metadata.tsv    the word of each line, by `label`; no header, as the
                        projector wants none of a single column

    Args:
        folder: Where to write or replace them; it must exist.
        words: V words.
        vectors: Shape (V, d), float32.

    Raises:
        StorageError: if a file cannot be written.
    """
    with replacing(folder / "vectors.tsv") as file:
        for _, rows in _text_rows(vectors, "\t"):
            file.write(_joined(rows))
    with replacing(folder / "metadata.tsv") as file:
        for word in words:
            file.write(label(word).encode() + b"\n")


def label(word: str) -> str:
    r"""Return a word as a cell that no reader takes for more than that.

    What is not printable, tabs and line ends among it, is written as Python escapes
    (`\t`, `\u2028`); a word that a spreadsheet would take for a formula or an open
    quote (it begins with = + - @ or ") gets an apostrophe in front; an empty word is
    two of them.
    """
    text = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in word
    )
    return f"'{text}" if text.startswith(_ACTIVE) else text or "''"


def _text_rows(vectors: Floats, separator: str) -> Iterator[tuple[int, pa.Array]]:
    """Yield the first row's number and string[R]: rows as text, some at a time."""
    count, dim = vectors.shape
    for start in range(0, count, _ROWS):
        part = np.ascontiguousarray(vectors[start : start + _ROWS], np.float32)
        numbers = pc.cast(pa.array(part.reshape(-1)), pa.string())
        offsets = pa.array(np.arange(len(part) + 1) * dim, pa.int32())
        rows = pa.ListArray.from_arrays(offsets, numbers)
        yield start, pc.binary_join(rows, separator)


def _joined(lines: pa.Array) -> bytes:
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()
