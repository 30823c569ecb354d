"""Arrays in one file that checks itself: a plain .npz, sealed with SHA-256.

A file is an uncompressed zip of .npy members, so that `np.load(path,
allow_pickle=False)` reads it anywhere. Beyond that convention, the last member
`sha256` digests the names and bytes of all others, and reading trusts nothing: the
layout is known beforehand, a header is matched and never evaluated, and no array is
made before its size is known to lie within the file.
"""

import hashlib
import io
import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipeline.core.files import replacing
from pipeline.errors import DataError

Array = npt.NDArray[Any]

# Member name -> (dtype string, number of dimensions).
Layout = Mapping[str, tuple[str, int]]

SEAL = "sha256"
_SEAL_LAYOUT = ("|u1", 1)

# The oldest date a zip can hold. A real one would make equal content differ.
_DATE = (1980, 1, 1, 0, 0, 0)

# The header of .npy format 1.0, exactly as NumPy writes it for the dtypes used here.
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<|][fiu][1248])', 'fortran_order': False, "
    rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18})+)\), \} *\n"
)

_CHUNK = 2**20  # bytes read at a time

# What zipfile raises, as found by feeding it damaged archives.
_MALFORMED = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,  # a compression or version unknown to it
    RuntimeError,  # an encrypted member
    EOFError,
    KeyError,
    OverflowError,
    ValueError,  # among them a name that is no text
    struct.error,
)


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the first bytes of a .npy file, up to its elements."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


def map_array(path: Path) -> Array:
    """Map a .npy file into memory, read-only.

    NumPy's own reader takes as much memory as a damaged header claims to be long.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not the whole of an array as NumPy writes it.
    """
    with path.open("rb") as file:
        dtype, shape = read_header(file, path.name)
        start = file.tell()
        left = path.stat().st_size - start
    if math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"{path.name} claims shape {shape} but has {left} bytes")
    return np.memmap(path, dtype, "r", start, shape)


def write_arrays(
    path: Path, arrays: Mapping[str, Array], layout: Layout, *, synced: bool = True
) -> None:
    """Write a sealed .npz; equal arrays give equal bytes.

    Args:
        path: File to write or replace, atomically.
        arrays: One array for each name of `layout`, convertible to its dtype.
        layout: What the file holds.
        synced: See `files.replacing`.

    Raises:
        StorageError: if it cannot be written.
    """
    seal = hashlib.sha256()
    with (
        replacing(path, synced=synced) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for name, (dtype, _) in layout.items():
            array = np.ascontiguousarray(arrays[name], dtype=dtype)
            header = npy_header(dtype, array.shape)
            elements = array.reshape(-1).view(np.uint8).data
            seal.update(_label(name) + header)
            seal.update(elements)
            _write_member(archive, name, header, elements)
        digest = np.frombuffer(seal.digest(), np.uint8)
        header = npy_header(_SEAL_LAYOUT[0], digest.shape)
        _write_member(archive, SEAL, header, digest.data)


def _write_member(
    archive: zipfile.ZipFile, name: str, header: bytes, elements: memoryview
) -> None:
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=_DATE)
    entry.external_attr = 0o644 << 16  # readable when unzipped
    with archive.open(entry, "w", force_zip64=True) as member:
        member.write(header)
        member.write(elements)


def _label(name: str) -> bytes:
    """Return a name so that no two sequences of members look alike to the seal."""
    return name.encode() + b"\0"


def read_arrays(
    path: Path,
    layout: Layout,
    content: BinaryIO | None = None,
    *,
    check_seal: bool = True,
    most: Mapping[str, int] | None = None,
) -> dict[str, Array]:
    """Read a sealed .npz that has at least this layout.

    Memory is bounded by the file's size, whatever its headers claim.

    Args:
        path: The file.
        layout: What it must hold.
        content: Its content, seekable, where it is not what lies at `path`.
        check_seal: Whether to read all of it, to know that it is whole.
        most: Name -> how many rows to read of it, where not all.

    Returns:
        Name -> array, writable and C-contiguous, for each name of `layout`.

    Raises:
        DataError: if the file is missing, damaged, sealed wrongly or holds
            something else.
    """
    try:
        with ExitStack() as stack:
            file = content or stack.enter_context(path.open("rb"))
            archive = stack.enter_context(zipfile.ZipFile(file))
            size = file.seek(0, os.SEEK_END)
            entries = _check_entries(archive.infolist(), layout, size)
            if check_seal:
                _check_seal(archive, entries)
            return {
                name: _read_array(
                    archive, entries[name], *layout[name], most=(most or {}).get(name)
                )
                for name in layout
            }
    except (OSError, *_MALFORMED) as error:
        # zipfile tells the whole of a name, and a damaged one can be long.
        raise unsound(path, f"{error!s:.300}" or type(error).__name__) from error


def unsound(path: Path, found: str) -> DataError:
    """Return the error for a file that does not hold what it should."""
    return DataError(
        f"{path}: not a sound file of this program: {found}. It may be damaged, of "
        "another version or something else; use another file or make it again."
    )


def _check_entries(
    entries: list[zipfile.ZipInfo], layout: Layout, size: int
) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name; ValueError says what is wrong."""
    by_name = {entry.filename.removesuffix(".npy"): entry for entry in entries}
    missing = [name for name in (*layout, SEAL) if name not in by_name]
    if missing:
        raise ValueError(f"it holds no {', '.join(missing)}")
    if len(by_name) != len(entries):
        raise ValueError("two of its arrays have the same name")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size:
            raise ValueError(
                f"{entry.filename[:50]!r} is compressed or larger than the file"
            )
    return by_name


def _check_seal(
    archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]
) -> None:
    """Raise ValueError unless the content has the digest written beside it.

    All is read once for this and a second time, from the page cache, as arrays:
    so that nothing is interpreted before it is known to be whole.
    """
    seal = hashlib.sha256()
    for name, entry in entries.items():
        if name != SEAL:
            seal.update(_label(name))
            with archive.open(entry) as member:
                while chunk := member.read(_CHUNK):
                    seal.update(chunk)
    if _read_array(archive, entries[SEAL], *_SEAL_LAYOUT).tobytes() != seal.digest():
        raise ValueError("its content does not have the SHA-256 written in it")


def _read_array(
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    dtype: str,
    ndim: int,
    *,
    most: int | None = None,
) -> Array:
    """Read one .npy member, or its first rows; ValueError says what is wrong."""
    name = entry.filename
    with archive.open(entry) as member:
        found, shape = read_header(member, name)
        if found != dtype or len(shape) != ndim:
            raise ValueError(
                f"{name}: expected {ndim} dimensions of {dtype}, found shape {shape} "
                f"of {found.str}"
            )
        left = entry.file_size - member.tell()
        if math.prod(shape) * found.itemsize != left:
            raise ValueError(f"{name} claims shape {shape} but has {left} bytes")
        if most is not None:
            shape = (min(most, shape[0]), *shape[1:])
        array = np.empty(shape, dtype)
        rest = array.reshape(-1).view(np.uint8).data
        while rest and (chunk := member.read(min(_CHUNK, len(rest)))):
            rest[: len(chunk)] = chunk
            rest = rest[len(chunk) :]
        if rest:
            raise ValueError(f"{name} ends {len(rest)} bytes early")
        return array


def read_header(file: IO[bytes], name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read a .npy file up to its elements; evaluate nothing.

    Returns:
        The dtype and the shape that it claims.

    Raises:
        ValueError: naming `name`, if it is not as this program writes it.
    """
    prefix = file.read(len(_NPY_MAGIC) + 2)
    if len(prefix) != len(_NPY_MAGIC) + 2 or not prefix.startswith(_NPY_MAGIC):
        raise ValueError(f"{name} is not an array of .npy format 1.0")
    header = file.read(int.from_bytes(prefix[-2:], "little"))
    match = _NPY_HEADER.fullmatch(header)
    if match is None:
        raise ValueError(f"{name} has an unexpected header: {header[:100]!r}")
    shape = tuple(int(n) for n in re.findall(rb"\d+", match[2]))
    try:
        return np.dtype(match[1].decode()), shape
    except TypeError as error:  # <f1 looks like one, and is none
        raise ValueError(f"{name} has elements of no type: {match[1]!r}") from error


def pack_words(words: Iterable[str]) -> tuple[Array, Array]:
    """Return words as UTF-8 bytes, shape (bytes,), and offsets, shape (V + 1,)."""
    encoded = [word.encode() for word in words]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


def unpack_words(path: Path, text: Array, offsets: Array) -> tuple[str, ...]:
    """Return the words that `pack_words` packed.

    Raises:
        DataError: naming `path`, if offsets do not rise from 0 to the last byte,
            bytes are not UTF-8 or a word comes twice.
    """
    if (
        len(offsets) == 0
        or offsets[0] != 0
        or offsets[-1] != len(text)
        or (offsets[1:] < offsets[:-1]).any()
    ):
        raise unsound(path, "word offsets that do not fit the text")
    joined, bounds = text.tobytes(), offsets.tolist()
    try:
        words = tuple(joined[a:b].decode() for a, b in pairwise(bounds))
    except UnicodeDecodeError as error:
        raise unsound(path, f"words that are not UTF-8: {error}") from error
    if len(set(words)) != len(words):
        raise unsound(path, "a word that comes twice")
    return words


def pack_json(values: Mapping[str, Any]) -> Array:
    """Return a JSON object as UTF-8 bytes, keys sorted."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return np.frombuffer(text.encode(), np.uint8)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def unpack_json(path: Path, text: Array) -> dict[str, Any]:
    """Return the JSON object that `pack_json` packed.

    Raises:
        DataError: naming `path`, if it is not a JSON object.
    """
    try:
        values = json.loads(text.tobytes().decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise unsound(path, f"settings that are not JSON: {error}") from error
    if not isinstance(values, dict):
        raise unsound(path, f"settings that are no JSON object: {values!r:.50}")
    return values
