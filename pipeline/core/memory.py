"""Memory that belongs to files."""

import mmap
from typing import Any


def release(array: Any) -> None:
    """Let go of the pages of a file that lies in memory; they can be read again.

    Does nothing for an array that is not memory-mapped.
    """
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    if array is not None and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)
