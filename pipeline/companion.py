"""The process of a stage that runs beside others: see `pipeline.beside`."""

import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.beside import GRACE_SECONDS, Job
from pipeline.cache import Cache
from pipeline.core.interrupts import handle_interrupt
from pipeline.engine import resource_errors, run_stage
from pipeline.graph import Stage
from pipeline.ingredients import ingredients_of
from pipeline.report import Report


def main(pipe: int) -> None:
    """Do the job that comes on stdin, and end the process.

    Args:
        pipe: The file descriptor that answers go to.
    """
    # However it was started: a shell may have had it ignored.
    handle_interrupt(signal.SIGINT)
    handle_interrupt(signal.SIGTERM)
    words = _Words(pipe)
    done, unwanted = threading.Event(), threading.Event()
    try:
        job = _read_job(sys.stdin.buffer.readline())
        threading.Thread(target=_watch, args=(done, unwanted), daemon=True).start()
        logging.basicConfig(level=logging.WARNING, handlers=[_LogWords(words)])
        logging.getLogger("pipeline").setLevel(logging.INFO)
        logging.captureWarnings(True)
        last = _work(job, words)
        done.set()
        words.say(*last)
        unwanted.wait()  # its objects are in use until the other process has them
    except KeyboardInterrupt:
        words.say("interrupted")
    except BaseException as error:  # told as it would be in the other process
        words.say("failed", type(error).__name__, str(error), traceback.format_exc())
    finally:
        # Threads of libraries may still be at work on what nobody wants any more.
        os._exit(0)


def _read_job(line: bytes) -> Job:
    """Read a job without pydantic, which refuses folders whose names are no UTF-8."""
    values = json.loads(line)
    values |= {name: tuple(values[name]) for name in ("gives", "earlier")}
    return Job(**values)


def _work(job: Job, words: "_Words") -> tuple[object, ...]:
    """Run the stage; return what is to be said of it."""
    function = getattr(importlib.import_module(job.module), job.function)
    stage = Stage(function, job.gives)
    config = TypeAdapter(stage.config_type).validate_json(
        json.dumps(job.config), strict=True
    )
    cache = Cache(Path(job.cache), [Cache(Path(e)) for e in job.earlier])
    with resource_errors(stage.name):
        if ingredients_of(stage, config, job.inputs).key != job.key:
            return ("other code",)
        report = _Remote(words)
        result = run_stage(stage, config, job.inputs, cache, report, mode=job.mode)
    return "done", result.cached


def _watch(done: threading.Event, unwanted: threading.Event) -> None:
    """Interrupt the stage when stdin ends, and end the process if it goes on."""
    sys.stdin.buffer.read()
    unwanted.set()
    main_thread = threading.main_thread().ident
    if not done.is_set() and main_thread is not None:
        # Not `interrupt_main`, which does not wake one that waits.
        signal.pthread_kill(main_thread, signal.SIGINT)
        time.sleep(GRACE_SECONDS)
        os._exit(1)


class _Words:
    """The way back: lines of JSON, from any thread."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, *message: object) -> None:
        """Send a line; nobody may be there any more to read it."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._pipe, line) :]
            except BrokenPipeError:
                pass


class _Remote(Report):
    """Send a stage's words."""

    def __init__(self, words: _Words) -> None:
        self._words = words

    def start(self, total: int | None, unit: str) -> None:
        """Open the progress bar."""
        self._words.say("start", total, unit)

    def advance(self, amount: int, shown: str = "") -> None:
        """Move it on."""
        self._words.say("advance", amount, shown)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Send values."""
        plain = {name: float(value) for name, value in values.items()}
        self._words.say("metrics", plain, step)


class _LogWords(logging.Handler):
    """Send what is logged."""

    def __init__(self, words: _Words) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        """Send an entry; times and places are those of the other process."""
        try:
            self._words.say("log", record.name, record.levelno, self.format(record))
        except Exception:  # as all handlers do
            self.handleError(record)
