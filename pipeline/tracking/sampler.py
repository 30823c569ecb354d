"""Sample the memory and CPU use of this process and its children, now and then."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from pipeline.errors import StorageError


class Sampler:
    """Measure in a thread of its own, and once more when it is stopped.

    Args:
        log: Takes the values and their step: seconds since `began`, so that the
            steps of a run that is continued go on.
        began: Unix time in seconds at which the run began.
        seconds: Time between two samples; 0 takes none.
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, float], int], None],
        began: float,
        seconds: float,
    ) -> None:
        self._log = log
        self._began = began
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._seconds:
            self._thread.start()

    def stop(self) -> None:
        """Take a last sample and end; a second call does nothing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        import psutil

        process = psutil.Process()
        # The first call of each begins its measurement.
        known = {process.pid: process}
        process.cpu_percent()
        last = False
        while not last:
            last = self._stop.wait(self._seconds)
            memory = percent = 0.0
            for found in (process, *process.children(recursive=True)):
                member = known.setdefault(found.pid, found)
                with suppress(psutil.NoSuchProcess):  # it has just ended
                    memory += member.memory_info().rss / 1e6
                    percent += member.cpu_percent()
            values = {
                "system/process_memory_megabytes": memory,
                "system/process_cpu_percent": percent,
            }
            # That the disk is full is the main thread's to say.
            with suppress(StorageError):
                self._log(values, round(time.time() - self._began))
