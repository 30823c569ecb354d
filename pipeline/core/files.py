"""Files that are whole whenever they are read."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ConfigError, StorageError


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder that it begins with, `~` or `~user`.

    Raises:
        ConfigError: if there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{path}: expected a path or the home folder of a user, found no user of "
            "that name. For a file that begins with ~ write ./~"
        ) from error


@contextmanager
def replacing(
    path: Path, *, shared: bool = False, synced: bool = True
) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its name once written and synced.

    Whoever reads `path` sees the old content or the whole new one, whatever
    interrupts the writer.

    Args:
        path: The file to write or replace; its folder must exist.
        shared: Whether another process may write the same file at the same time.
            The file beside then has a name of its own; otherwise a fixed one, so
            that what a killed writer left is overwritten, not gathered.
        synced: Whether it must last through a power cut; what lies in a scratch
            folder need not.

    Raises:
        StorageError: if the disk is full or the folder cannot be written.
    """
    mark = f".{uuid.uuid4().hex}" if shared else ""
    beside = path.with_name(f"{path.name}{mark}.part")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            if synced:
                os.fsync(file.fileno())
        beside.replace(path)
        if synced:
            sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):  # not there, or its folder is not
            beside.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole, making its folder if it is not there.

    Raises:
        StorageError: if the disk is full or the folder cannot be written.
    """
    make_folder(path.parent)
    with replacing(path, shared=True) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if it is not there.

    Raises:
        StorageError: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def scratch_of(home: Path) -> Path:
    """Return the folder below home of files that are needed for a moment."""
    return home / "tmp"


@contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """Make a folder within `scratch` that goes at the end.

    Raises:
        StorageError: if it cannot be made.
    """
    make_folder(scratch)
    try:
        held = tempfile.TemporaryDirectory(dir=scratch)
    except OSError as error:
        raise _unwritable(scratch, error) from error
    with held as folder:
        yield Path(folder)


def sync(path: Path) -> None:
    """Make a file's content, or a folder's names, last through a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: cannot be written: {error.strerror or error}. Free some space or "
        "choose another folder; what was there before is unchanged"
    )
