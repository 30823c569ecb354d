"""Run a stage in a process of its own, beside stages that do not need it.

The process is a new interpreter that runs `pipeline.companion`: it imports its
libraries by itself and has its own lock and threads, so that nothing beside it can
change a bit of its result. Job and answers are lines of JSON:

    to its stdin         the job; the pipe stays open for as long as the process is
                         wanted. At its end it stops, also where this one was killed.
    from a pipe back     ["start", total, unit]  ["advance", amount, shown]
                         ["metrics", values, step]  ["log", logger, level, text]
                         and last one of ["done", cached]  ["other code"]
                         ["failed", type, text, trace]  ["interrupted"]
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter

from pipeline import errors
from pipeline.cache import Cache, Ingredients
from pipeline.graph import Stage
from pipeline.report import Report

log = logging.getLogger(__name__)

# How long a process may take to end in an orderly way once it is not wanted.
GRACE_SECONDS = 3.0

_LAST = ("done", "failed", "other code", "interrupted")


@dataclass(frozen=True)
class Job:
    """What a stage's own process is to do.

    Attributes:
        module: The stage's module, by its dotted name.
        function: The stage.
        gives: Names of the artifacts that it returns.
        config: Its config as plain values.
        inputs: Artifact -> digest.
        key: The cache key that these must come to.
        cache: The cache's folder.
        earlier: Those of the caches that are only read.
        mode: See `engine.run`.
    """

    module: str
    function: str
    gives: tuple[str, ...]
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    key: str
    cache: str
    earlier: tuple[str, ...]
    mode: str


@dataclass(frozen=True)
class Answer:
    """How a stage went in its own process.

    Attributes:
        cached: Whether its result was found instead of computed.
        seconds: From the start of the process to the result.
    """

    cached: bool
    seconds: float


class Companion:
    """A stage at work in a process of its own; as a context, it is stopped at the end.

    Args:
        stage: The stage.
        config: Its config.
        ingredients: All that goes into its result.
        cache: Where its inputs lie, and its result is kept.
        mode: See `engine.run`.
        report: Takes what it says, from a thread.

    Attributes:
        key: The cache key of its result.
    """

    def __init__(
        self,
        stage: Stage,
        config: object,
        ingredients: Ingredients,
        cache: Cache,
        *,
        mode: str,
        report: Report,
    ) -> None:
        self.key = ingredients.key
        self._stage, self._report = stage.name, report
        self._last: list[Any] = []
        self._trouble: Exception | None = None
        self._ended = threading.Event()
        self._began = self._seconds = time.perf_counter()
        self._process: subprocess.Popen[bytes] | None = None
        job = Job(
            module=stage.function.__module__,
            function=stage.name,
            gives=stage.gives,
            config=TypeAdapter(stage.config_type).dump_python(config, mode="json"),
            inputs=ingredients.inputs,
            key=ingredients.key,
            cache=str(cache.root),
            earlier=tuple(str(other.root) for other in cache.earlier),
            mode=mode,
        )
        try:
            self._start(job)
        except OSError as error:  # such as too little memory for two
            log.info("%s waits for its turn: %s", stage.name, error.strerror)

    def wait(self) -> Answer | None:
        """Wait for the stage's end.

        Returns:
            None if its process could not do it: the code was edited after this process
            loaded it, or it could not be started.

        Raises:
            W2VError: what the stage raised, with the same text.
            StorageError: if its process was killed.
            RuntimeError: if the stage raised anything else.
            KeyboardInterrupt: if its process was interrupted.
        """
        if self._process is None:
            return None
        self._ended.wait()
        if self._trouble:
            raise self._trouble
        match self._last:
            case ["done", cached]:
                return Answer(cached, self._seconds - self._began)
            case ["other code"]:
                log.info("%s waits for its turn: its code was edited", self._stage)
                return None
            case ["failed", kind, text, trace]:
                raise _error(kind, text, trace)
            case ["interrupted"]:
                raise KeyboardInterrupt
            case _:
                raise _killed(self._stage, self._process.wait())

    def close(self) -> None:
        """Let the process end, and see to it that it does."""
        if self._process is None:
            return
        self._hang_up()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        finally:  # a second Ctrl-C does not wait
            self._process.kill()
            self._process.wait()
        # Not for ever: what a library left running may hold the pipe.
        self._listener.join(GRACE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self, job: Job) -> None:
        ours, its = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-c", _program(its)],
                stdin=subprocess.PIPE,
                pass_fds=(its,),
                process_group=0,  # Ctrl-C is this process's to pass on
            )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(its)
        self._listener = threading.Thread(
            target=self._listen, args=(ours,), name=self._stage, daemon=True
        )
        self._listener.start()
        with suppress(BrokenPipeError):  # it has ended; the listener says how
            self._stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            self._stdin.flush()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin if self._process else None

    def _hang_up(self) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()

    def _listen(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n") or self._trouble:
                    continue  # cut off by a kill, or not wanted any more
                try:
                    self._take(json.loads(line))
                except Exception as error:  # raised where the result is waited for
                    self._trouble = error
                    self._hang_up()
        self._ended.set()

    def _take(self, message: list[Any]) -> None:
        match message:
            case ["start", total, unit]:
                self._report.start(total, unit)
            case ["advance", amount, shown]:
                self._report.advance(amount, shown)
            case ["metrics", values, step]:
                self._report.metrics(values, step)
            case ["log", name, level, text]:
                logger = logging.getLogger(name)
                if logger.isEnabledFor(level):
                    logger.handle(logger.makeRecord(name, level, "", 0, text, (), None))
            case [last, *_] if last in _LAST:
                self._seconds = time.perf_counter()
                self._last = message
                self._ended.set()


def _program(pipe: int) -> str:
    """Return what the new interpreter runs: the same modules, from the same places."""
    return (
        f"import sys; sys.path[:] = {[p for p in sys.path if isinstance(p, str)]!r}; "
        f"from pipeline.companion import main; main({pipe})"
    )


def _error(kind: str, text: str, trace: str) -> Exception:
    """Return an error as it was raised in the other process."""
    known = getattr(errors, kind, None)
    ours = isinstance(known, type) and issubclass(known, errors.W2VError)
    error = known(text) if known and ours else RuntimeError(f"{kind}: {text}")
    error.add_note(trace)  # shown by W2V_DEBUG=1
    return error


def _killed(stage: str, code: int) -> BaseException:
    """Return the error of a process that ended without a word."""
    if code >= 0:
        message = f"{stage}: its process ended with exit code {code}, and said no more"
        return RuntimeError(message)
    if -code in (signal.SIGINT, signal.SIGTERM):  # before it could handle them
        return KeyboardInterrupt()
    known = {number.value: number.name for number in signal.Signals}
    name = known.get(-code, f"signal {-code}")
    why = (
        "as the system does where memory is full. Make its sizes smaller, such as "
        f"those of the group {stage}; finished stages are kept"
        if -code == signal.SIGKILL
        else "which is a defect of the program or of a library"
    )
    return errors.StorageError(f"{stage}: its process was killed by {name}, {why}")
