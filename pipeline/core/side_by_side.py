"""Run a few long computations at once, each on its own thread."""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def side_by_side(
    jobs: Sequence[Callable[[], T]], threads: int | None = None
) -> Iterator[tuple[int, T]]:
    """Yield each job's place and result, as they end; they begin in order.

    Worth it for jobs that let go of the interpreter's lock, as compiled ones do. A
    Ctrl-C is raised at once, and so is what a job raises: threads that still work
    then are left behind, and end with the process.

    Args:
        jobs: Not to depend on one another.
        threads: How many at once; by default as many as there are processors.
    """
    waiting = queue.SimpleQueue[int]()
    for place in range(len(jobs)):
        waiting.put(place)
    ended = queue.SimpleQueue[tuple[int, Future[T]]]()

    def work() -> None:
        while True:
            try:
                place = waiting.get_nowait()
            except queue.Empty:
                return
            future = Future[T]()
            try:
                future.set_result(jobs[place]())
            except BaseException as error:  # raised where it is waited for
                future.set_exception(error)
            ended.put((place, future))

    wanted = threads or os.cpu_count() or 1
    for _ in range(min(wanted, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    for _ in jobs:
        place, future = ended.get()
        yield place, future.result()
