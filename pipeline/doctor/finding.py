"""What is not as it should be, and how such files are taken away."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.cache import Cache
from pipeline.locks import try_lock
from pipeline.pruning import Entry, remove


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: What it is, in a few words.
        what: Which one.
        bytes: What it takes on disk.
        remedy: What mending does, or what to do by hand.
        mend: Mends it, and says whether it did; None where only a person can.
        note: Whether it is all right, and named for its size only.
    """

    kind: str
    what: str
    bytes: int
    remedy: str
    mend: Callable[[], bool] | None
    note: bool = False


def leftover(cache: Cache, entry: Entry, what: str) -> Finding:
    """Return the finding that an entry of the cache was left by a killed process."""
    return Finding(
        kind="leftover of a killed process",
        what=what,
        bytes=entry.bytes,
        remedy="removed",
        mend=partial(remove, cache, entry),
    )


def unlink(path: Path, lock_path: Path | None) -> bool:
    """Remove a file or folder while nobody writes it."""
    lock = try_lock(lock_path) if lock_path else None
    if lock_path and lock is None:
        return False
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)  # noqa: PTH108 - as rmtree: no error is passed over
    finally:
        if lock:
            lock.release()
    return True
