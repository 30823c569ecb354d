"""One run: run the stages, show progress, keep the record, publish to tracking."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline import engine, provenance, resume, unsent
from pipeline.artifacts import json_digest
from pipeline.cache import Cache
from pipeline.config import Config, to_yaml
from pipeline.core.checkpoint import save_checkpoint
from pipeline.core.files import make_folder
from pipeline.core.interrupts import held_interrupts
from pipeline.core.types import Metrics
from pipeline.dag import STAGES
from pipeline.engine import StageResult
from pipeline.errors import PrunedError, RunGoneError, StorageError, W2VError
from pipeline.records import (
    GitRecord,
    RunRecord,
    StageRecord,
    Status,
    TrackingRecord,
    hold_run,
    now,
    process_tag,
    save_record,
    this_process,
)
from pipeline.report import Report
from pipeline.stages.train import last_checkpoint
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import Tracker, open_tracker, params_of

log = logging.getLogger(__name__)


class Part(Protocol):
    """A run's place in a sweep.

    Attributes:
        tags: Besides the run's own.
        git: Which code runs; the sweep knows what it began with.
    """

    tags: dict[str, str]
    git: provenance.Git | None

    def metrics(self, values: Mapping[str, float], step: int | None) -> None:
        """Take what a stage reports while it works.

        Raises:
            PrunedError: to end the run.
        """
        ...

    def finish(self, result: StageResult) -> None:
        """Take notice of a stage's end."""
        ...


def run_pipeline(
    config: Config,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    on_end: Callable[[RunRecord], None],
    part: Part | None = None,
) -> RunRecord:
    """Run the configured stages as one tracked run.

    Args:
        config: The checked configuration.
        values: The same as plain values, for the record.
        overrides: The command line's overrides, as typed.
        on_end: Is given the record when the run ends, however it ends.
        part: Its place in a sweep; it draws no progress bar then.

    Returns:
        The record of the finished run.

    Raises:
        ConfigError: if a target is no stage; no run is made then.
        W2VError: what a stage raised; the run is marked FAILED with its message.
        PrunedError: if `part` ended the run; it is marked KILLED.
        KeyboardInterrupt: if interrupted; the run is marked KILLED.
    """
    engine.check(STAGES)
    stages = engine.select(STAGES, config.targets)
    home = config.home_folder
    make_folder(home)
    # Where matplotlib keeps its list of fonts; by default that is outside home.
    if not os.environ.get("MPLCONFIGDIR"):
        os.environ["MPLCONFIGDIR"] = str(home / "cache" / "matplotlib")
    git = part.git if part else provenance.git_state()
    environment = provenance.environment()
    task = resume.task_digest(stages, config.stages, values)
    watcher = None
    status: Status = "KILLED"
    message, again = "interrupted", True
    with ExitStack() as locks:
        try:
            # A run that is begun in the store is a run that will be ended there.
            with held_interrupts():
                tracker, earlier = _open_run(
                    *(config, values, git, task),
                    locks=locks,
                    more_tags=part.tags if part else {},
                )
                record = _first_record(
                    *(tracker, config, values, overrides),
                    git=git,
                    environment=environment,
                    task=task,
                    earlier=earlier,
                )
                watcher = _Watcher(tracker, config, record, part)
                watcher.save()
            logs = home / "logs" / f"{tracker.run_id}.log"
            with _log_file(logs), logging_redirect_tqdm():
                if earlier:
                    log.info("going on with run %s (%s)", *_how(earlier))
                if config.tracking.backend != "off":
                    unsent.send_all(home)
                watcher.begin_run(values, git)
                cache, mode = Cache(home / "cache"), config.cache.mode
                engine.run(stages, config.stages, cache, watcher, mode=mode)
            status, message, again = "FINISHED", "", False
        except PrunedError as error:
            message, again = str(error), False
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


class _Watcher:
    """Pass what the engine tells to the progress bar, the record and the tracker."""

    def __init__(
        self, tracker: Tracker, config: Config, record: RunRecord, part: Part | None
    ) -> None:
        self.record = record
        self._part = part
        self._tracker = tracker
        self._config = config
        self._artifacts: dict[str, Any] = {}
        self._report: _StageReport | None = None

    def begin_run(self, values: Mapping[str, Any], git: provenance.Git | None) -> None:
        """Log what is known before the first stage."""
        self._tracker.log_params(self.record.params)
        self._tracker.log_bytes(to_yaml(values).encode(), "config.yaml")
        environment = json.dumps(asdict(self.record.environment), indent=1)
        self._tracker.log_bytes(environment.encode(), "environment.json")
        if git and git.dirty:
            self._tracker.log_bytes(git.diff, "uncommitted.diff")

    def begin(self, stage: str) -> Report:
        """Give a stage its progress bar."""
        self._report = _StageReport(stage, self._tracker, self._part)
        return self._report

    def finish(
        self, result: StageResult, artifacts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Publish what a stage gave, computed now or found in the cache."""
        self._close_bar()
        name, record = result.name, result.record
        if self._part:
            self._part.finish(result)
        stage = self._stage_record(result)
        values = {metric: value for metric, value, _ in record.metrics}
        values |= {
            f"stage/{name}_seconds": stage.seconds,
            f"stage/{name}_cached": float(stage.cached),
        }
        # Before any of it is logged: a run that is gone on with logs the same.
        self._note(name, stage, values)
        if result.cached:
            log.info("%s: found in the cache", name)
            self._tracker.log_series(record.metrics)
        self._tracker.log_metrics(
            {k: v for k, v in values.items() if k.startswith("stage/")}
        )
        loaded = artifacts()
        self._artifacts |= loaded
        for artifact_name, artifact in loaded.items():
            publish(
                self._tracker,
                artifact_name,
                artifact,
                digest=record.outputs[artifact_name],
                config=self.record.config[name],
            )
            if isinstance(artifact, Metrics):
                values |= artifact.values
        if name == "train":
            self._publish_checkpoint()
        self._note(name, stage, values)

    def end(self, status: Status, message: str, *, again: bool) -> None:
        """Close the run in the tracking store and in its record.

        Args:
            status: How it ended.
            message: Why it did not finish.
            again: Whether another run may go on with it.
        """
        self._close_bar()
        self.record = replace(
            self.record,
            status=status,
            message=message,
            ended=now(),
            task=self.record.task if again else "",
        )
        try:
            try:
                self._tracker.end(status, message)
            finally:
                self.save()
        except W2VError as error:
            if status == "FINISHED":
                raise
            # What ended the run is the error to tell, and it is on its way.
            log.error("%s", error)  # noqa: TRY400 - a trace would bury it

    def save(self) -> None:
        """Write the record."""
        self.record = replace(self.record, artifacts=self._tracker.artifacts)
        save_record(self._config.home_folder, self.record)

    def _stage_record(self, result: StageResult) -> StageRecord:
        """Return how a stage went; as before, if this run had finished it."""
        fresh = StageRecord(
            key=result.record.ingredients.key,
            digest=result.record.digest,
            cached=result.cached,
            seconds=result.seconds,
        )
        before = self.record.stages.get(result.name)
        done = before and (before.key, before.digest) == (fresh.key, fresh.digest)
        return before if before and done else fresh

    def _note(self, name: str, stage: StageRecord, values: Mapping[str, float]) -> None:
        self.record = replace(
            self.record,
            metrics={**self.record.metrics, **values},
            stages={**self.record.stages, name: stage},
        )
        self.save()

    def _publish_checkpoint(self) -> None:
        """Log the checkpoint that training ended with, to go on or start from."""
        names = ("encoded", "vocab", "embeddings", "history")
        checkpoint = last_checkpoint(
            self._config.train, *(self._artifacts[name] for name in names)
        )
        with tempfile.TemporaryDirectory() as scratch:
            path = save_checkpoint(Path(scratch), checkpoint)
            self._tracker.log_file(path, "checkpoints")

    def _close_bar(self) -> None:
        if self._report:
            self._report.close()
            self._report = None


class _StageReport(Report):
    """Draw a progress bar on stderr and log metrics live."""

    def __init__(self, stage: str, tracker: Tracker, part: Part | None) -> None:
        self._stage = stage
        self._tracker = tracker
        self._part = part
        self._bar: Any = None

    def start(self, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        self.close()
        if self._part:  # bars of trials side by side would overwrite each other
            return
        # Where no terminal rewrites the line, a line now and then is enough.
        interval = 0.2 if sys.stderr.isatty() else 10.0
        self._bar = tqdm(
            desc=self._stage,
            total=total,
            unit=f" {unit}",
            unit_scale=True,
            mininterval=interval,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def advance(self, amount: int, shown: str = "") -> None:
        if self._bar is not None:
            if shown:
                self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(amount)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        self._tracker.log_metrics(values, step)
        if self._part:
            self._part.metrics(values, step)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _open_run(
    config: Config,
    values: Mapping[str, Any],
    git: provenance.Git | None,
    task: str,
    *,
    locks: ExitStack,
    more_tags: Mapping[str, str],
) -> tuple[Tracker, resume.Earlier | None]:
    """Go on with the run of a process that died, or begin one; hold its lock."""
    home = config.home_folder
    tags = {
        "config": json_digest(values)[:12],
        "task": task,
        "process": process_tag(),
    }
    tags |= more_tags
    if git:
        tags |= {"git.commit": git.commit, "git.dirty": str(git.dirty).lower()}
    open_it = partial(
        open_tracker, config.tracking, home, run_name=_run_name(config), tags=tags
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
    config: Config,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    git: provenance.Git | None,
    environment: provenance.Environment,
    task: str,
    earlier: resume.Earlier | None,
) -> RunRecord:
    before = earlier.record if earlier else None
    return RunRecord(
        run_id=tracker.run_id,
        name=_run_name(config),
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
    )


def _run_name(config: Config) -> str:
    """Name a run by what runs differ in most."""
    train = config.train
    return (
        f"{config.ingest.reader} d{train.dim} w{train.window} n{train.negatives} "
        f"e{train.epochs} s{config.seed}"
    )


def _message(error: BaseException) -> str:
    known = isinstance(error, W2VError)
    return str(error) if known else f"{type(error).__name__}: {error}"


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Keep what is logged during a run in a file of its own."""
    make_folder(path.parent)
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}. Set home to another"
        raise StorageError(f"{message} folder") from error
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
