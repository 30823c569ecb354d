"""The processes of Hydra's joblib launcher: how they begin, and how they end.

A process that runs trials first imports what they need. Here that goes on beside the
planning, and is over when the first trial is launched: joblib keeps its processes from
one call to the next, where both ask for the same kind.

Joblib kills them where it is interrupted. So they leave Ctrl-C to the process that
started them, which has their trials end in order first, by SIGTERM. Where that process
is killed, they notice, and end by themselves.
"""

import gc
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from pipeline.core.interrupts import (
    before_interrupts,
    handle_interrupt,
    held_interrupts,
)
from pipeline.processes import importing

_LAUNCHER = "JoblibLauncher"

# Joblib ends a process that has grown by 300 MB since its first task. That one only
# imports here: a trial's matrices and what compiles its kernel are no leak.
_MOST_GROWTH = 2_000_000_000  # bytes

# Joblib's thread does not say when it has taken up what it was given: stopped before,
# it would fail. And a trial that was just handed out takes its lock no sooner.
_TAKE_UP_SECONDS = 0.05
_LOOK_SECONDS = 0.5  # between two looks at whether a worker's parent lives
# What a trial may take to end in order: until then an interrupt waits for it, and
# when its parent is dead, where nobody waits.
_END_SECONDS, _ORPHAN_SECONDS = 2.0, 30.0
_STAY_SECONDS = 5.0  # until a worker that is not to work any more must be dead


@contextmanager
def started(
    launcher: Mapping[str, Any], targets: Sequence[str], *, tracked: bool, most: int
) -> Iterator[Callable[[], None]]:
    """Start the launcher's processes; let them end, in their own time, afterwards.

    Args:
        launcher: Its configuration. Those of other launchers start theirs.
        targets: The stages that trials run.
        tracked: Whether trials use MLflow.
        most: How many processes to prepare; 0 starts none before they are waited for.

    Yields:
        What waits until they are prepared.
    """
    if not str(launcher.get("_target_")).endswith(_LAUNCHER):
        yield _nothing
        return
    from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.externals.loky import get_reusable_executor

    options = {key: value for key, value in launcher.items() if key != "_target_"}
    process_joblib_cfg(options)
    processes = effective_n_jobs(options.get("n_jobs", -1))
    if processes == 1:  # trials are run in this process then
        yield _nothing
        return
    options |= {"backend": "loky", "return_as": "generator_unordered"}
    loads: Any = None
    begun = 0.0

    def begin(number: int) -> None:
        nonlocal loads, begun
        # An interrupt in the midst would leave processes that nobody knows of.
        with held_interrupts(), _deaf_children():
            loads = Parallel(**options)(
                delayed(_load)(tuple(targets), tracked) for _ in range(number)
            )
            begun = time.monotonic()

    def wait() -> None:
        if loads is None:
            begin(processes)
        for _ in loads:
            pass

    try:
        if most:
            begin(min(processes, most))
        yield wait
    finally:
        if loads is not None:
            time.sleep(max(0, begun + _TAKE_UP_SECONDS - time.monotonic()))
            with warnings.catch_warnings():
                # Where nothing is launched, it ends them at once, and says so.
                warnings.simplefilter("ignore", UserWarning)
                loads.close()
            get_reusable_executor(reuse=True).shutdown(wait=False)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, from their very beginning."""
    resource_tracker.ensure_running()  # to start it later would undo this
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def trials_end_first(are_running: Callable[[], bool]) -> Iterator[None]:
    """Have an interrupt wait for trials that run in other processes to end in order.

    Args:
        are_running: Says whether any still runs.
    """

    def end() -> None:
        workers = multiprocessing.active_children()
        for worker in workers:
            worker.terminate()
        if workers:
            time.sleep(_TAKE_UP_SECONDS)
        deadline = time.monotonic() + _END_SECONDS
        with suppress(OSError):  # a lock that cannot be looked at is not waited for
            while workers and are_running() and time.monotonic() < deadline:
                time.sleep(0.02)

    with before_interrupts(end):
        yield


@contextmanager
def interruptible_trial() -> Iterator[None]:
    """Let SIGTERM interrupt the trial of this process, if it is a launcher's.

    One that was interrupted takes no other trial.
    """
    follower = _settle()
    if follower is None:
        yield
        return
    try:
        follower.has_trial = True
        handle_interrupt(signal.SIGTERM)
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, _stay)
        follower.has_trial = False
        _stay()
    finally:
        signal.signal(signal.SIGTERM, _stay)
        follower.has_trial = False


class _Follower(threading.Thread):
    """End this process once its parent is dead, and its trial in order before.

    Attributes:
        has_trial: Whether a trial runs, which SIGTERM interrupts.
    """

    def __init__(self, parent: int | None) -> None:
        super().__init__(daemon=True)
        self._parent = parent
        self.has_trial = False

    def run(self) -> None:
        """Look whether the parent lives, until it does not."""
        # No PR_SET_PDEATHSIG: it comes as well when the thread ends that started us.
        while os.getppid() == self._parent:
            time.sleep(_LOOK_SECONDS)
        main_thread = threading.main_thread().ident
        if self.has_trial and main_thread is not None:
            signal.pthread_kill(main_thread, signal.SIGTERM)
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while self.has_trial and time.monotonic() < deadline:
            time.sleep(0.05)
        os._exit(1)


def _settle() -> _Follower | None:
    """Have this process leave Ctrl-C to its parent, and end soon after that one.

    Returns:
        What looks after the parent; None in a process that no launcher started.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return None
    for thread in threading.enumerate():
        if isinstance(thread, _Follower):
            return thread
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stay)
    follower = _Follower(parent.pid)
    follower.start()
    return follower


def _stay(*_: object) -> None:
    """Take no further trial: wait to be killed, or to find that the parent is dead."""
    time.sleep(_STAY_SECONDS)
    os._exit(1)


def _nothing() -> None:
    """Wait for nothing."""


def _load(targets: tuple[str, ...], tracked: bool) -> None:
    """Import what trials need; what goes wrong in it, the first trial tells."""
    _settle()
    with suppress(Exception), importing():
        from pipeline.sweep.frozen import loaded_code
        from pipeline.sweep.trial import run_trial  # noqa: F401 - for what it imports

        loaded_code(targets)
        if tracked:
            from pipeline.tracking.mlflow_store import import_mlflow

            import_mlflow()
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = _MOST_GROWTH
    gc.freeze()  # modules stay: they need not be looked through again
