"""Give artifacts names and forms that every store and file system takes."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline.core.files import scratch_folder
from pipeline.errors import StorageError, TrackingError

# A file system takes 255 bytes; what writes a file beside it needs some of them.
_LONGEST_NAME = 180
_LONGEST_SUFFIX = 12


def artifact_path(path: str) -> str:
    """Return a path that every file system and store takes, below its root.

    Letters, digits, `.`, `_`, `-` and `/` stay. Where anything else had to go, a
    digest of the whole keeps two such paths apart.
    """
    parts = [_clean(part) for part in path.split("/")]
    if "/".join(parts) != path:
        raw = path.encode("utf-8", "backslashreplace")
        mark = hashlib.sha256(raw).hexdigest()[:8]
        parts[-1] = _fitted(parts[-1], f"-{mark}")
    return "/".join(parts)


def check_file(local: Path) -> None:
    """Check that there is a file to log.

    Raises:
        TrackingError: if there is not.
    """
    if not local.is_file():
        raise TrackingError(f"cannot log {local}: expected a file, found none")


@contextmanager
def written(content: bytes, path: str, scratch: Path) -> Iterator[tuple[Path, str]]:
    """Hold content as a file for a moment: (local path, artifact folder).

    Raises:
        StorageError: if it cannot be written.
    """
    folder, _, name = artifact_path(path).rpartition("/")
    with scratch_folder(scratch) as held:
        local = held / name
        try:
            local.write_bytes(content)
        except OSError as error:
            raise StorageError(
                f"cannot write {local}: {error.strerror}. Free space, or set home to "
                "a folder that can be written"
            ) from error
        yield local, folder


def table_json(table: pa.Table) -> bytes:
    """Return a table as MLflow shows it: {"columns": [...], "data": [[...], ...]}.

    Numbers that are not finite become null, as JSON has none of them; values
    without a JSON form become their text.
    """
    columns = [_plain(column) for column in table.columns]
    content = {"columns": table.column_names, "data": list(zip(*columns, strict=True))}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, default=str)
    return text.encode()


def _plain(column: pa.ChunkedArray) -> list[object]:
    values: list[object] = column.to_pylist()
    if not pa.types.is_floating(column.type):
        return values
    return [
        None if isinstance(v, float) and not math.isfinite(v) else v for v in values
    ]


def _clean(part: str) -> str:
    name = re.sub(r"[^\w.\-]", "_", part)
    if not name.strip("."):  # empty, this folder, the one above
        name = f"_{name}"
    return _fitted(name)


def _fitted(name: str, mark: str = "") -> str:
    """Return a name that is not too long, with a mark before its suffix."""
    whole = Path(name)
    short = len(whole.suffix.encode()) <= _LONGEST_SUFFIX
    stem, suffix = (whole.stem, whole.suffix) if short else (name, "")
    room = _LONGEST_NAME - len(suffix.encode()) - len(mark)
    return stem.encode()[:room].decode(errors="ignore") + mark + suffix
