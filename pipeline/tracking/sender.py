"""Send a run's entries to a store, and keep them while it does not answer."""

import logging
import threading
import time
from collections.abc import Callable

from pipeline.tracking.outbox import End, Entry, Outbox, Point, Points

log = logging.getLogger(__name__)

# A dead store is asked again after a minute, or after 20 times what the last
# attempt took: it costs a run 5% of its time at most.
_RETRY_SECONDS = 60.0
_RETRY_FACTOR = 20


class Unreachable(Exception):  # noqa: N818  says what happened
    """The store does not answer; what was to be sent must wait."""


class Refused(Exception):  # noqa: N818  says what happened
    """The store does not accept an entry, now or later."""


class Sender:
    """Pass entries to `deliver` in order, from any thread.

    Trouble with the store is logged once for each kind and never raised: the run
    goes on.

    Args:
        deliver: Sends one entry; raises `Unreachable` or `Refused`.
        outbox: Where entries wait.
        store: The store's address, for messages.
        pause: Seconds within which measured values are gathered, to be sent together
            with those that come after, or at the end: 0 sends all at once.
    """

    def __init__(
        self,
        deliver: Callable[[Entry], None],
        outbox: Outbox,
        store: str,
        *,
        pause: float = 0.0,
    ) -> None:
        self._deliver = deliver
        self._outbox = outbox
        self._store = store
        self._lock = threading.Lock()
        self._pause = pause
        self._gathered: tuple[Point, ...] = ()
        self._gather_until = 0.0
        self._retry_at = 0.0
        self._said: set[str] = set()

    @property
    def waiting(self) -> int:
        """Number of entries not sent."""
        return len(self._outbox.entries())

    def send(self, entry: Entry) -> None:
        """Send an entry after those that wait, or let it wait with them.

        Raises:
            StorageError: if it must wait and cannot be written to disk.
        """
        with self._lock:
            if isinstance(entry, Points):
                self._gathered += entry.points
                if time.monotonic() >= self._gather_until:
                    self._send_gathered()
                return
            if isinstance(entry, End):
                self._send_gathered()
            self._send(entry)

    def flush(self) -> None:
        """Try once to send what waits."""
        with self._lock:
            self._send_gathered()
            self._send_waiting()

    def _send_gathered(self) -> None:
        gathered, self._gathered = self._gathered, ()
        if gathered:
            self._send(Points(gathered))
            self._gather_until = time.monotonic() + self._pause

    def _send(self, entry: Entry) -> None:
        answers = time.monotonic() >= self._retry_at and self._send_waiting()
        if not (answers and self._try(entry)):
            self._outbox.add(entry)

    def _send_waiting(self) -> bool:
        if self._outbox.empty:
            return True
        waiting = self._outbox.entries()
        for i, entry in enumerate(waiting):
            if not self._try(entry):
                self._outbox.keep_only(waiting[i:])
                return False
        self._outbox.keep_only(())
        log.info("%s answers again: sent %d entries", self._store, len(waiting))
        return True

    def _try(self, entry: Entry) -> bool:
        """Send an entry; False if it must wait."""
        begun = time.monotonic()
        try:
            self._deliver(entry)
        except Refused as error:
            if isinstance(entry, Points) and len(entry.points) > 1:
                # One bad value does not take those with it that it was gathered with.
                return all(self._try(Points((point,))) for point in entry.points)
            self._outbox.refuse(entry)
            self._warn("refuses some of what is logged", error)
        except Unreachable as error:
            spent = time.monotonic() - begun
            pause = max(_RETRY_SECONDS, _RETRY_FACTOR * spent)
            self._retry_at = time.monotonic() + pause
            self._warn("does not take what is logged", error)
            return False
        return True

    def _warn(self, what: str, error: Exception) -> None:
        if what in self._said:
            return
        self._said.add(what)
        log.warning(
            "tracking store %s %s (%s): the run goes on, and what was not taken is "
            "kept in %s",
            self._store,
            what,
            error,
            self._outbox.folder,
        )
