"""Locks that the operating system frees when their holder dies.

A lock is a file that a process holds while it works. The file goes when it is
released, so that only a kill leaves one; such a file holds nobody up.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class Lock:
    """A lock that is held.

    Args:
        lock: The same, as the library has it.
    """

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let it go."""
        # Removed while it is held: whoever waited for this file sees that it has
        # lost its name, and begins anew (filelock looks at its link count).
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def try_lock(path: Path) -> Lock | None:
    """Take a lock if nobody holds it.

    Raises:
        OSError: if the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return Lock(lock)


def is_held(path: Path) -> bool:
    """Say whether somebody holds a lock; its file is neither made nor removed."""
    try:
        return is_locked(path)
    except FileNotFoundError:  # it may have gone just now
        return False


def is_locked(path: Path) -> bool:
    """Say whether any process has locked a file, alone or with others."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@contextmanager
def held(path: Path, busy: str = "") -> Iterator[None]:
    """Hold a lock; wait while somebody else has it.

    On a disk that cannot be written nobody works, and no lock is taken.

    Args:
        path: The lock's file.
        busy: Is logged before a wait.

    Raises:
        OSError: if the file cannot be made, on a full disk for one.
    """
    try:
        lock = try_lock(path) or _wait(path, busy)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        lock = None
    try:
        yield
    finally:
        if lock:
            lock.release()


def _wait(path: Path, busy: str) -> Lock:
    if busy:
        log.info(busy)
    lock = FileLock(path)
    lock.acquire()
    return Lock(lock)
