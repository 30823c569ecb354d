"""word2vec's binary form: a word, a space and d float32 numbers, V times."""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from pipeline.core.text import BLOCK, LONGEST_LINE, decode, quoted
from pipeline.core.types import Floats
from pipeline.errors import DataError

_FLOAT = np.dtype("<f4")


def read_binary(
    file: BinaryIO, path: Path, *, dim: int, count: int
) -> tuple[list[str], Floats]:
    """Read words and vectors.

    A word ends at its first space, so it can hold none. Line ends before a word are
    left out: the original program writes one after each vector, gensim does not.

    Args:
        file: Stands behind the header.
        path: The file's name, for errors.
        dim: Numbers of each word, d ≥ 1.
        count: How many words there must be, V ≥ 1.

    Returns:
        V words, and float32 of shape (V, d).

    Raises:
        DataError: naming the byte; of a packed file, that of its content.
    """
    width = dim * _FLOAT.itemsize
    base = file.tell()  # the byte at which `buffer` begins
    buffer, start = bytearray(), 0
    words: list[str] = []
    vectors = bytearray()
    while len(words) < count:
        space = buffer.find(b" ", start)
        # As much as is there; a header can ask for more than any memory holds.
        while space < 0 or len(buffer) < space + 1 + width:
            if space < 0 and len(buffer) - start > LONGEST_LINE:
                raise DataError(
                    f"{path}: byte {base + start}: expected a word and a space, found "
                    f"over {LONGEST_LINE >> 20} MiB without one. Is it the right file?"
                )
            block = file.read(BLOCK)
            if not block:
                raise DataError(
                    f"{path}: byte {base + len(buffer)}: expected word "
                    f"{len(words) + 1:,} of {count:,} with {dim:,} numbers, as the "
                    "first line gives, found the end of the file. Fetch it again"
                )
            base += start
            del buffer[:start]
            space -= start if space >= 0 else 0
            start = 0
            searched = len(buffer)
            buffer += block
            if space < 0:
                space = buffer.find(b" ", searched)
        word = bytes(buffer[start:space])
        words.append(decode(word, path, base + start).lstrip("\n"))
        vectors += buffer[space + 1 : space + 1 + width]
        start = space + 1 + width
    rest = bytes(buffer[start:]) + file.read(BLOCK)
    if rest.strip(b"\r\n"):
        raise DataError(
            f"{path}: byte {base + start}: expected the end of the file after the "
            f"{count:,} words that the first line gives, found more"
        )
    numbers = np.frombuffer(vectors, _FLOAT).reshape(count, dim)
    broken = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if broken.size:
        number = int(broken[0])
        raise DataError(
            f"{path}: word {number + 1:,} ({quoted(words[number])}): expected finite "
            "numbers, found NaN or infinity"
        )
    return words, numbers.astype(np.float32, copy=False)
