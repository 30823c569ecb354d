"""Read what can be read of a file of vectors that may be damaged.

What is given here is not believed by anyone: it is shown, beside the name of the
damage. Files are read from their start on, as far as they make sense; memory goes
with the file's size, whatever its headers claim.
"""

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, BinaryIO, cast

import numpy as np

from pipeline.core import npz
from pipeline.core.formats.reading import Form
from pipeline.core.formats.rows import NUMBER
from pipeline.core.text import LONGEST_LINE
from pipeline.core.types import Floats

# The header before each file in a zip: signature, versions, flags, method, time and
# date, CRC-32, both sizes, lengths of name and extra field.
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ZIP64, _ZIP64_SIZE = 1, 0xFFFFFFFF
_STREAMED = 0x08  # the flag of a file whose size stands behind it


@dataclass(frozen=True)
class Member:
    """An array of an .npz, as far as it is there.

    Attributes:
        name: Its name, without `.npy`.
        dtype: As its header claims.
        shape: As its header claims.
        array: Its whole rows; None if it is of no use.
        damage: What is wrong with it; empty if nothing is.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    array: npz.Array | None
    damage: str


def read_members(file: BinaryIO) -> Iterator[Member]:
    """Yield the arrays of an .npz up to the first that cannot be found.

    The directory at a zip's end, which a file cut short has lost, is not looked at.

    Args:
        file: Stands at the first array; is read, never searched.
    """
    while True:
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGNATURE):
            return
        _, _, flags, method, _, _, crc, _, size, name_length, extra_length = (
            _LOCAL.unpack(header)
        )
        name = file.read(name_length).decode(errors="replace").removesuffix(".npy")
        extra = file.read(extra_length)
        if size == _ZIP64_SIZE and len(extra) >= 12 and extra[0] == _ZIP64:
            size = int.from_bytes(extra[4:12], "little")
        if method != 0 or flags & _STREAMED:
            yield Member(name, "", (), None, "is compressed")
            return
        yield _read_member(file, name, size, crc)


def _read_member(file: BinaryIO, name: str, size: int, crc: int) -> Member:
    counted = _Counted(file, size)
    try:
        kind, shape = npz.read_header(cast(IO[bytes], counted), name)
    except ValueError as error:
        counted.read(size)
        wrong = str(error).removeprefix(f"{name} ")  # damage is told after the name
        return Member(name, "", (), None, f"{wrong:.200}")
    content = counted.read(size)
    claimed = shape[0] if shape else 1
    row = kind.itemsize * math.prod(shape[1:])
    rows = min(len(content) // row if row else 0, claimed)
    try:
        whole = np.frombuffer(content, kind, rows * row // kind.itemsize)
        array = whole.reshape(rows, *shape[1:])
    except ValueError:  # too many dimensions, or too large ones
        return Member(name, kind.str, shape, None, "has a shape that makes no sense")
    if rows < claimed and row:
        damage = f"holds {rows:,} of {claimed:,} rows"
    elif counted.crc != crc:
        damage = "does not have the checksum written beside it"
    elif len(content) != rows * row:
        damage = f"holds {len(content) - rows * row:,} bytes more than its shape"
    else:
        damage = ""
    return Member(name, kind.str, shape, array, damage)


class _Counted:
    """A part of a file: so many bytes, and their CRC-32 as far as they are read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left, self.crc = file, size, 0

    def read(self, size: int) -> bytes:
        """Read as much as there is, at most `size` bytes."""
        # Never asked of the file at once: a size may be any number.
        pieces = []
        left = max(0, min(size, self._left))
        while left and (piece := self._file.read(min(left, 1 << 20))):
            self.crc = zlib.crc32(piece, self.crc)
            left -= len(piece)
            self._left -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)


def words_of(arrays: Mapping[str, npz.Array]) -> tuple[str, ...] | None:
    """Return the words of an .npz as far as they make sense; None if none do."""
    text, offsets = arrays.get("words_utf8"), arrays.get("words_offsets")
    if text is None or offsets is None or offsets.ndim != 1 or offsets.dtype != "<i8":
        return None
    joined = text.tobytes()
    words: list[str] = []
    bounds = offsets.tolist()
    for start, end in pairwise(bounds):
        if not 0 <= start <= end <= len(joined):
            break
        if end - start > LONGEST_LINE:
            break
        words.append(joined[start:end].decode(errors="replace"))
    return tuple(words)


def read_rows(file: BinaryIO, form: Form) -> tuple[Sequence[str], Floats]:
    """Read words and vectors of word2vec's forms or GloVe's, up to the first damage.

    Args:
        file: Stands at the first word.
        form: What the file says it is.

    Returns:
        R words, and float32 of shape (R, d); R may be 0.
    """
    read = _binary_rows if form.kind == "word2vec binary" else _text_rows
    words: list[str] = []
    numbers = bytearray()
    try:
        for word, row in read(file, form.dim):
            if form.count is not None and len(words) == form.count:
                break
            words.append(word.decode(errors="replace"))
            numbers += row
    except (EOFError, OSError, zlib.error):  # the rest of a packed file
        pass
    count = len(words)
    width = form.dim if count else 0  # a header may claim any width
    vectors = np.frombuffer(numbers, "<f4").astype(np.float32).reshape(count, width)
    return words, vectors


def _text_rows(file: BinaryIO, dim: int) -> Iterator[tuple[bytes, bytes]]:
    while line := file.readline(LONGEST_LINE):
        fields = line.rstrip(b" \t\r\n").rsplit(b" ", min(dim, LONGEST_LINE))
        if len(fields) != dim + 1 or not all(map(NUMBER.fullmatch, fields[1:])):
            return
        with np.errstate(over="ignore"):
            row = np.array([float(field) for field in fields[1:]]).astype("<f4")
        yield fields[0], row.tobytes()


def _binary_rows(file: BinaryIO, dim: int) -> Iterator[tuple[bytes, bytes]]:
    while True:
        word = bytearray()
        while (byte := file.read(1)) != b" ":
            word += byte
            if not byte or len(word) > LONGEST_LINE:
                return
        row = _Counted(file, 4 * dim).read(4 * dim)
        if len(row) < 4 * dim:
            return
        yield bytes(word.lstrip(b"\n")), row
