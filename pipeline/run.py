"""One run: run the stages, show progress, keep the record, publish to tracking."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline import engine, provenance, resume, unsent
from pipeline.artifacts import json_digest
from pipeline.cache import Cache
from pipeline.config import AnyConfig, Config
from pipeline.core.files import make_folder, scratch_of
from pipeline.core.interrupts import held_interrupts
from pipeline.dag import SCORING, STAGES
from pipeline.earlier import earlier_caches
from pipeline.errors import (
    PrunedError,
    RunGoneError,
    StoppedError,
    StorageError,
    W2VError,
)
from pipeline.logs import LogFile
from pipeline.records import (
    GitRecord,
    RunRecord,
    Status,
    TrackingRecord,
    hold_run,
    now,
    process_tag,
    save_record,
    this_process,
)
from pipeline.tracking.tracker import (
    Tracker,
    open_tracker,
    params_of,
    prepare_tracking,
)
from pipeline.watcher import Part, Watcher

log = logging.getLogger(__name__)

# A trial's epochs may be short, and to send their values one by one takes as long.
_TRIAL_PAUSE = 1.0  # seconds; a launcher leaves a worker about as long after Ctrl-C


def run_pipeline(
    config: AnyConfig,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    on_end: Callable[[RunRecord], None],
    cache: Cache | None = None,
    repeats: str | None = None,
    part: Part | None = None,
) -> RunRecord:
    """Run the configured stages as one tracked run.

    Args:
        config: The checked configuration.
        values: The same as plain values, for the record.
        overrides: The command line's overrides, as typed.
        on_end: Is given the record when the run ends, however it ends.
        cache: Where results are kept; by default the one below home.
        repeats: The run that this one is to repeat, if any.
        part: Its place in a sweep; it draws no progress bar then.

    Returns:
        The record of the finished run.

    Raises:
        ConfigError: if a target is no stage; no run is made then.
        W2VError: what a stage raised; the run is marked FAILED with its message.
        PrunedError: if `part` ended the run; it is marked KILLED.
        StoppedError: at the end of train.time_budget; it is marked KILLED, and the
            same command goes on with it.
        KeyboardInterrupt: if interrupted; the run is marked KILLED.
    """
    dag = STAGES if isinstance(config, Config) else SCORING
    engine.check(dag)
    stages = engine.select(dag, config.targets)
    home = config.home_folder
    make_folder(home)
    # Where matplotlib keeps its list of fonts; by default that is outside home.
    if not os.environ.get("MPLCONFIGDIR"):
        os.environ["MPLCONFIGDIR"] = str(home / "cache" / "matplotlib")
    git = part.git if part else provenance.git_state(scratch=scratch_of(home))
    environment = provenance.environment()
    task = resume.task_digest(stages, config.stages, values, repeats)
    watcher = None
    status: Status = "KILLED"
    message, again = "interrupted", True
    with ExitStack() as locks:
        try:
            prepare_tracking(config.tracking, home)
            # A run that is begun in the store is a run that will be ended there.
            with held_interrupts():
                tags = _tags(values, git, task, repeats) | (part.tags if part else {})
                pause = _TRIAL_PAUSE if part else 0.0
                tracker, earlier = _open_run(config, tags, task, locks, pause)
                record = _first_record(
                    *(tracker, config, values, overrides),
                    git=git,
                    environment=environment,
                    task=task,
                    repeats=repeats,
                    earlier=earlier,
                )
                watcher = Watcher(tracker, config, record, part)
                watcher.save()
            logs = home / "logs" / f"{tracker.run_id}.log"
            with _log_file(logs), logging_redirect_tqdm():
                if earlier:
                    log.info("going on with run %s (%s)", *_how(earlier))
                if config.tracking.backend != "off":
                    unsent.send_all(home)
                watcher.begin_run(values, git)
                earlier_homes = earlier_caches(config.cache.earlier)
                cache = cache or Cache(home / "cache", earlier_homes)
                mode = config.cache.mode
                engine.run(
                    *(stages, config.stages, cache, watcher),
                    mode=mode,
                    # Trials of a sweep run side by side as they are.
                    beside=part is None and provenance.usable_threads() > 1,
                )
            status, message, again = "FINISHED", "", False
        except (PrunedError, StoppedError) as error:
            message, again = str(error), isinstance(error, StoppedError)
            raise
        except Exception as error:
            status, message = "FAILED", _message(error)
            # A full disk can be cleared; other errors come again.
            again = isinstance(error, StorageError)
            raise
        finally:
            if watcher:
                with held_interrupts():
                    watcher.end(status, message, again=again)
                    on_end(watcher.record)
    return watcher.record


def _tags(
    values: Mapping[str, Any],
    git: provenance.Git | None,
    task: str,
    repeats: str | None,
) -> dict[str, str]:
    """Return what the tracking store is to know of a run from its start."""
    tags = {
        "config": json_digest(values)[:12],
        "task": task,
        "process": process_tag(),
    }
    if repeats:
        tags["repeats"] = repeats
    if git:
        tags |= {"git.commit": git.commit, "git.dirty": str(git.dirty).lower()}
    return tags


def _open_run(
    config: AnyConfig,
    tags: Mapping[str, str],
    task: str,
    locks: ExitStack,
    pause: float,
) -> tuple[Tracker, resume.Earlier | None]:
    """Go on with the run of a process that died, or begin one; hold its lock."""
    home = config.home_folder
    open_it = partial(
        open_tracker,
        *(config.tracking, home),
        run_name=config.run_name,
        tags=tags,
        pause=pause,
    )
    earlier = resume.take_over(config.tracking, home, task)
    if earlier:
        locks.callback(earlier.lock.release)
        try:
            tracker = open_it(run_id=earlier.run_id)
        except RunGoneError as error:
            log.warning("%s: it is not gone on with", error)
            if earlier.record:
                save_record(home, replace(earlier.record, task=""))
        else:
            tracker.set_tags(tags)
            return tracker, earlier
    tracker = open_it()
    lock = hold_run(home, tracker.run_id)
    if lock:
        locks.callback(lock.release)
    return tracker, None


def _how(earlier: resume.Earlier) -> tuple[str, str]:
    record = earlier.record
    if record is None:
        return earlier.run_id, "its process was killed as it began"
    if record.status == "RUNNING":
        return earlier.run_id, "its process was killed"
    return earlier.run_id, f"{record.status}: {record.message}"


def _first_record(
    tracker: Tracker,
    config: AnyConfig,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    git: provenance.Git | None,
    environment: provenance.Environment,
    task: str,
    repeats: str | None,
    earlier: resume.Earlier | None,
) -> RunRecord:
    before = earlier.record if earlier else None
    return RunRecord(
        run_id=tracker.run_id,
        name=config.run_name,
        status="RUNNING",
        message="",
        started=before.started if before else now(),
        ended=None,
        overrides=tuple(overrides),
        config=dict(values),
        params=params_of(values),
        metrics=before.metrics if before else {},
        stages=before.stages if before else {},
        artifact_uri=tracker.artifact_uri,
        artifacts=(),
        tracking=TrackingRecord(config.tracking.backend, tracker.uri),
        git=GitRecord(git.commit if git else None, bool(git and git.dirty)),
        environment=environment,
        process=this_process(),
        task=task,
        repeats=repeats,
    )


def _message(error: BaseException) -> str:
    known = isinstance(error, W2VError)
    return str(error) if known else f"{type(error).__name__}: {error}"


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Keep what is logged during a run in a file of its own."""
    make_folder(path.parent)
    try:
        handler = LogFile(path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}. Set home to another"
        raise StorageError(f"{message} folder") from error
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
