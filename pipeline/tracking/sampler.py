"""Sample the memory and CPU use of this process from time to time."""

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
        process.cpu_percent()  # the first call begins the measurement
        last = False
        while not last:
            last = self._stop.wait(self._seconds)
            values = {
                "system/process_memory_megabytes": process.memory_info().rss / 1e6,
                "system/process_cpu_percent": process.cpu_percent(),
            }
            # That the disk is full is the main thread's to say.
            with suppress(StorageError):
                self._log(values, round(time.time() - self._began))
