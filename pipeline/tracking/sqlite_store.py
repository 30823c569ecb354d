"""Make or renew an SQLite file that several processes may come to at once."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from filelock import FileLock


def ready(
    path: Path,
    *,
    current: Callable[[Path], bool],
    make: Callable[[Path], None],
    renew: Callable[[Path], None],
) -> Path | None:
    """See that a file exists and has its present form.

    One process at a time works on it while the others wait. `make` and `renew`
    are given a file beside, which takes its place when they are done: a kill
    leaves what was there before.

    Args:
        path: The file.
        current: Says whether a file has its present form.
        make: Writes a new file.
        renew: Brings a file to its present form.

    Returns:
        Where the old file is kept, if it was renewed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name beside will do: who writes it holds the lock.
    fresh = path.with_name(f".{path.name}.new")
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists() and current(path):
            return None
        fresh.unlink(missing_ok=True)
        kept = None
        if path.exists():
            kept = path.with_name(f"{path.name}.old")
            _copy(path, fresh)
            _copy(path, kept)
            renew(fresh)
        else:
            make(fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
        return kept


def _copy(source: Path, target: Path) -> None:
    # SQLite's own copy is whole even while others write to the source.
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
