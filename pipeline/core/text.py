"""Plain text as Arrow lists of tokens, in bounded memory.

A sentence is a line, a token is what stands between ASCII white space. Files are
UTF-8, plain or gzip. Neither Unicode's own spaces (U+00A0) nor its line
separators (U+2028, U+0085) separate anything: they occur inside tokens.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError

BLOCK = 1 << 20  # bytes read at a time: 0.2 million English tokens
LONGEST_LINE = 1 << 24  # bytes; what a line may take of memory

_SHOWN = 80  # characters of a line that an error shows

_GZIP_MAGIC = b"\x1f\x8b"  # 0x8b starts no UTF-8 sequence: text never begins so
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """Open a text file as bytes, decompressed and past a byte order mark.

    Whether it is gzip is told from its first bytes, not its name, so that the
    content alone decides what is read.

    Raises:
        DataError: if it cannot be opened, read or decompressed.
    """
    try:
        with ExitStack() as stack:
            file: BinaryIO = stack.enter_context(path.open("rb"))
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if packed:
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=file))
                file = cast(BinaryIO, unpacked)
            if file.read(3) != _BYTE_ORDER_MARK:
                file.seek(0)
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: expected a sound gzip file, found a damaged one ({error}). "
            "Fetch or pack it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def decode(raw: bytes, path: Path, position: int) -> str:
    """Decode UTF-8 that stands at byte `position` of a file.

    Raises:
        DataError: naming the first byte that is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {position + error.start}: expected UTF-8, found "
            f"0x{raw[error.start]:02x} ({error.reason}). Convert the file first, "
            f"such as with: iconv -f LATIN1 -t UTF-8"
        ) from error


def quoted(line: str) -> str:
    """Return a line as an error shows it: quoted, on one line, its start only."""
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}...")


def read_line(file: BinaryIO, place: str) -> bytes:
    """Return the next line with its end, or nothing at the end of the file.

    Raises:
        DataError: naming `place`, if it exceeds `LONGEST_LINE`.
    """
    line = file.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise DataError(
            f"{place}: expected lines, found over {LONGEST_LINE >> 20} MiB without a "
            "line end. Is it the right file?"
        )
    return line


def tokenize(lines: pa.Array) -> pa.ListArray:
    """Split lines at ASCII white space; those without a token are left out.

    Args:
        lines: string[L], null for no line.

    Returns:
        list<string>[S], S ≤ L.
    """
    trimmed = pc.ascii_trim_whitespace(lines)
    written = trimmed.filter(pc.greater(pc.binary_length(trimmed), 0))
    return pc.ascii_split_whitespace(written)


def read_text(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the sentences of a file, a sentence per line.

    Yields:
        Batches of one column, `tokens`: list<string>, none of them empty.

    Raises:
        DataError: if a byte is not UTF-8 or a line exceeds `LONGEST_LINE`.
    """
    with open_text(path) as file:
        position = file.tell()
        for block in whole_lines(file, path, "a sentence per line"):
            decode(block, path, position)  # Arrow itself would not look
            position += len(block)
            tokens = tokenize(cut(block))
            if len(tokens):
                yield pa.record_batch({"tokens": tokens})


def whole_lines(file: BinaryIO, path: Path, expected: str) -> Iterator[bytes]:
    """Yield a file in blocks that end where a line does.

    Args:
        file: Where to go on.
        path: Its name, for errors.
        expected: What it is made of, for errors.

    Raises:
        DataError: if a line exceeds `LONGEST_LINE`.
    """
    line, rest = 1, b""
    while block := file.read(BLOCK):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            line += block.count(b"\n")
            rest = block[end:]
        else:
            rest += block
        if len(rest) > LONGEST_LINE:
            raise DataError(
                f"{path}:{line}: expected {expected}, found over "
                f"{LONGEST_LINE >> 20} MiB without a line end. Break the line "
                "first, such as with: fold -s -w 8000"
            )
    if rest:
        yield rest


def cut(text: bytes) -> pa.StringArray:
    """Return the lines of text with their ends, string[L], without copying it."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] < len(text):
        ends = np.append(ends, len(text))
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    return pa.StringArray.from_buffers(
        len(ends), pa.py_buffer(offsets), pa.py_buffer(text)
    )
