"""Write and read artifacts: a frozen dataclass is a folder of plain files.

The form follows from the fields' types, so a new artifact needs no code here:

    ndarray                 <field>.npy        read memory-mapped
    pyarrow.Table           <field>.arrow      read memory-mapped
    bytes                   <field>.bin
    Mapping[str, T]         <field>/<key>...   for any T above, or a dataclass
    nested dataclass        <field>/...
    str, int, float, bool, None, tuples and mappings of them
                            together in fields.json

Nothing is ever pickled, so that reading a file can never run code.
"""

import dataclasses
import hashlib
import json
import tokenize
import types
import typing
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.core import npz
from pipeline.errors import CacheError

A = TypeVar("A")
_FIELDS = "fields.json"
_CHUNK = 1 << 20
_SIMPLE = (str, int, float, bool, types.NoneType)

# What the readers of the standard library and NumPy raise on what is none of theirs.
_MALFORMED = (
    *(ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError),
    # By NumPy, of an array's header, or of a file that begins as a zip does.
    *(SyntaxError, tokenize.TokenError, OverflowError, zipfile.BadZipFile),
)


def save_artifact(artifact: object, folder: Path) -> None:
    """Write a dataclass instance into a new folder.

    Raises:
        TypeError: if a field's type has no form on disk.
    """
    folder.mkdir(parents=True)
    plain: dict[str, object] = {}
    for field, kind in _fields(type(artifact)):
        value = getattr(artifact, field)
        if _is_plain(kind):
            plain[field] = value
        else:
            _save(value, kind, folder, field)
    text = json.dumps(plain, ensure_ascii=True, allow_nan=False, sort_keys=True)
    (folder / _FIELDS).write_text(text, encoding="ascii")


def load_artifact(kind: type[A], folder: Path) -> A:
    """Read a dataclass of type `kind`; arrays and tables come memory-mapped.

    Raises:
        CacheError: if a file is missing or does not have the form it should.
    """
    try:
        plain = json.loads((folder / _FIELDS).read_text(encoding="ascii"))
        values = {
            field: _plain(plain[field], field_kind)
            if _is_plain(field_kind)
            else _load(field_kind, folder, field)
            for field, field_kind in _fields(kind)
        }
        return kind(**values)
    except (*_MALFORMED, OSError, pa.ArrowException) as error:
        message = f"{folder} does not hold a sound {kind.__name__}: {error}"
        raise CacheError(message) from error


def file_digests(folder: Path) -> dict[str, str]:
    """Return relative POSIX path -> sha256 of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def json_digest(value: object) -> str:
    """Return the sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _fields(kind: type) -> Iterator[tuple[str, Any]]:
    # `pipeline.core.types` names Arrow without loading it.
    hints = typing.get_type_hints(kind, localns={"pa": pa})
    for field in dataclasses.fields(kind):
        yield field.name, hints[field.name]


def _is_plain(kind: Any) -> bool:
    """Say whether a type goes into fields.json."""
    if kind in _SIMPLE:
        return True
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return True
    if origin in (tuple, types.UnionType, typing.Union):
        return all(a is Ellipsis or _is_plain(a) for a in arguments)
    if origin is Mapping:
        return _is_plain(arguments[1])
    return False


def _plain(value: Any, kind: Any) -> Any:
    """Give JSON its tuples back."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        inner = arguments[0] if arguments else Any
        if inner in _SIMPLE:  # a vocabulary's words: as they are
            return tuple(value)
        return tuple(_plain(v, inner) for v in value)
    if origin is Mapping:
        return {k: _plain(v, arguments[1]) for k, v in value.items()}
    return value


def _save(value: Any, kind: Any, folder: Path, name: str) -> None:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Mapping:
        _check_file_names(value)
        (folder / name).mkdir()
        for key, item in value.items():
            _save(item, arguments[1], folder / name, key)
    elif dataclasses.is_dataclass(kind):
        save_artifact(value, folder / name)
    elif origin is np.ndarray:
        array = np.ascontiguousarray(value)
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    elif kind is pa.Table:
        path = str(folder / f"{name}.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, value.schema) as out:
            for batch in value.to_batches():
                out.write_batch(batch)
    elif kind is bytes:
        (folder / f"{name}.bin").write_bytes(value)
    else:
        raise TypeError(f"field {name!r} of type {kind} has no form on disk")


def _load(kind: Any, folder: Path, name: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Mapping:
        inner = arguments[1]
        suffix = _suffix(inner)
        keys = sorted(
            path.name.removesuffix(suffix) for path in (folder / name).iterdir()
        )
        return {key: _load(inner, folder / name, key) for key in keys}
    if dataclasses.is_dataclass(kind):
        return load_artifact(typing.cast(type, kind), folder / name)
    if origin is np.ndarray:
        return _load_array(folder / f"{name}.npy", kind)
    if kind is pa.Table:
        source = pa.memory_map(str(folder / f"{name}.arrow"))
        return pa.ipc.open_file(source).read_all()
    if kind is bytes:
        return (folder / f"{name}.bin").read_bytes()
    raise TypeError(f"field {name!r} of type {kind} has no form on disk")


def _load_array(path: Path, kind: Any) -> Any:
    array = npz.map_array(path)
    (expected,) = typing.get_args(typing.get_args(kind)[1])
    if array.dtype != np.dtype(expected):
        raise ValueError(f"{path}: expected {np.dtype(expected)}, found {array.dtype}")
    return array


def _suffix(kind: Any) -> str:
    if kind is pa.Table:
        return ".arrow"
    if kind is bytes:
        return ".bin"
    return ".npy" if typing.get_origin(kind) is np.ndarray else ""


def _check_file_names(value: Mapping[str, object]) -> None:
    for key in value:
        if not key or key.startswith(".") or set(key) & set('/\\\0:*?"<>|'):
            raise ValueError(f"{key!r} cannot be a file name")
