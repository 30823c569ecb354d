"""Ctrl-C that waits for a good moment."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells say it

Handler = Callable[[int, FrameType | None], Any]

_HELD = (signal.SIGINT, signal.SIGTERM)

_IMPORTS = "<frozen importlib"  # how the files begin of what imports modules
_AGAIN_SECONDS = 0.02
_raised: list[int] = []  # the signal that was raised last


def allow_interrupts() -> None:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt, but for while modules load.

    What a module calls while it loads may lose or disguise the exception: pydantic
    wraps it in an error of its own, and Python drops it where a lock is collected. So
    the signal comes again until a module's own lines are at work, or the import is
    over. A second one takes effect at once. It comes again, too, where Python drops an
    exception: as a collected object's `__del__` and a weak reference's callback do.

    Ctrl-C stays ignored where a shell had it so, as for what runs in its background.
    """
    handle_interrupt(signal.SIGTERM)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        handle_interrupt(signal.SIGINT)


def handle_interrupt(number: int) -> None:
    """Have a signal raise KeyboardInterrupt, as `allow_interrupts` says."""
    signal.signal(number, interrupt)
    before = sys.unraisablehook
    if getattr(before, "interrupts", False):
        return

    def tell(dropped: "sys.UnraisableHookArgs") -> None:
        if dropped.exc_type is KeyboardInterrupt and _raised:
            _come_again(_raised[-1])
        else:
            before(dropped)

    tell.interrupts = True  # type: ignore[attr-defined]  # how it is known again
    sys.unraisablehook = tell


def leave_at_interrupts(code: int) -> None:
    """Have Ctrl-C and SIGTERM end this process at once, as its work is done.

    Args:
        code: What it exits with then.
    """
    signal.setitimer(signal.ITIMER_REAL, 0)  # one that was to come again
    for number in _HELD:
        if signal.getsignal(number) is interrupt:
            signal.signal(number, lambda *_: os._exit(code))


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, once it will not be lost; handles a signal."""
    second = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    signal.setitimer(signal.ITIMER_REAL, 0)
    if second or not _may_be_lost(frame):
        _raised[:] = [number]
        raise KeyboardInterrupt
    _come_again(number)


def _come_again(number: int) -> None:
    # No thread: to start one here might wait for a lock that this one holds.
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)


def _may_be_lost(frame: FrameType | None) -> bool:
    """Say whether modules load, and something else than their own lines is at work."""
    while frame and frame.f_code.co_filename == __file__:  # had the signal come again
        frame = frame.f_back
    called = frame is not None and frame.f_code.co_name != "<module>"
    while frame:
        if not frame.f_code.co_filename.startswith(_IMPORTS):
            called |= frame.f_code.co_name != "<module>"
        elif called:
            return True
        frame = frame.f_back
    return False


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
    before = _handlers()

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            release()

    def release() -> None:
        if held:
            number, frame = held[-1]
            held.clear()
            before[signal.Signals(number)](number, frame)

    with _handled(before, hold):
        yield release
    release()


@contextmanager
def before_interrupts(do: Callable[[], None]) -> Iterator[None]:
    """Do something before SIGINT or SIGTERM takes effect; a second does so at once.

    Args:
        do: Is called once, in the midst of whatever this process does.

    Of threads and of ignored signals the same holds as for `held_interrupts`.
    """
    before = _handlers()

    def do_first(number: int, frame: FrameType | None) -> None:
        for other, handler in before.items():
            signal.signal(other, handler)
        do()
        before[signal.Signals(number)](number, frame)

    with _handled(before, do_first):
        yield


def _handlers() -> dict[signal.Signals, Handler]:
    """Return what handles interrupts in this thread now, besides the system."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {s: h for s in _HELD if callable(h := signal.getsignal(s))}


@contextmanager
def _handled(before: Mapping[signal.Signals, Handler], now: Handler) -> Iterator[None]:
    for number in before:
        signal.signal(number, now)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
