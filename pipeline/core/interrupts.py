"""Ctrl-C that waits for a good moment."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_interrupts() -> Iterator[Callable[[], None]]:
    """Hold SIGINT and SIGTERM back; a second one takes effect at once.

    Yields:
        A function that lets one that came take effect, as it would have without. So
        does the end of the context.

    In a thread other than the main one signals do not arrive, and nothing is held. Nor
    is a signal that is ignored or handled by the operating system.
    """
    held: list[tuple[int, FrameType | None]] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {s: h for s in _HELD if callable(h := signal.getsignal(s))}

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            release()

    def release() -> None:
        if held:
            number, frame = held[-1]
            held.clear()
            before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, hold)
    try:
        yield release
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    release()
