"""How a process begins and ends without walking through all that it has imported.

MLflow and what it needs are 2,500 modules. Python's garbage collector looks through
them again and again while they are imported (half a second of two) and once more as
the process ends (another one): it never finds anything there.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Import much, with the garbage collector at rest."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def leave_memory_to_the_system() -> None:
    """Have this process end without collecting what the system frees at once."""
    atexit.register(gc.freeze)
