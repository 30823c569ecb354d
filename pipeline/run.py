"""One run: run the stages, show progress, keep the record, publish to tracking."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm.contrib.logging import logging_redirect_tqdm

from pipeline import engine, provenance
from pipeline.artifacts import json_digest
from pipeline.cache import Cache
from pipeline.config import Config, to_yaml
from pipeline.core.checkpoint import save_checkpoint
from pipeline.core.files import make_folder
from pipeline.core.interrupts import held_interrupts
from pipeline.core.types import Metrics
from pipeline.dag import STAGES
from pipeline.engine import StageResult
from pipeline.errors import StorageError, W2VError
from pipeline.records import (
    GitRecord,
    RunRecord,
    StageRecord,
    Status,
    TrackingRecord,
    now,
    save_record,
    this_process,
)
from pipeline.report import Report
from pipeline.stages.train import last_checkpoint
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import Tracker, open_tracker, params_of

log = logging.getLogger(__name__)

_CODE_DIGITS = 12  # of a definition's digest: to tell two apart, not to prove one


def run_pipeline(
    config: Config,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    on_end: Callable[[RunRecord], None],
    cache: Cache | None = None,
    repeats: str | None = None,
) -> RunRecord:
    """Run the configured stages as one tracked run.

    Args:
        config: The checked configuration.
        values: The same as plain values, for the record.
        overrides: The command line's overrides, as typed.
        on_end: Is given the record when the run ends, however it ends.
        cache: Where results are kept; by default the one below home.
        repeats: The run that this one is to repeat, if any.

    Returns:
        The record of the finished run.

    Raises:
        ConfigError: if a target is no stage; no run is made then.
        W2VError: what a stage raised; the run is marked FAILED with its message.
        KeyboardInterrupt: if interrupted; the run is marked KILLED.
    """
    engine.check(STAGES)
    stages = engine.select(STAGES, config.targets)
    home = config.home_folder
    make_folder(home)
    # Where matplotlib keeps its list of fonts; by default that is outside home.
    if not os.environ.get("MPLCONFIGDIR"):
        os.environ["MPLCONFIGDIR"] = str(home / "cache" / "matplotlib")
    git = provenance.git_state()
    environment = provenance.environment()
    watcher = None
    status: Status = "KILLED"
    message = "interrupted"
    try:
        # A run that is begun in the store is a run that will be ended there.
        with held_interrupts():
            tracker = _open_tracker(config, values, git, repeats)
            record = _first_record(
                tracker, config, values, overrides, git=git, environment=environment
            )
            record = replace(record, repeats=repeats)
            watcher = _Watcher(tracker, config, record)
        logs = home / "logs" / f"{tracker.run_id}.log"
        with _log_file(logs), logging_redirect_tqdm():
            watcher.begin_run(values, git)
            cache = cache or Cache(home / "cache")
            engine.run(stages, config.stages, cache, watcher, mode=config.cache.mode)
        status, message = "FINISHED", ""
    except Exception as error:
        status, message = "FAILED", _message(error)
        raise
    finally:
        if watcher:
            with held_interrupts():
                watcher.end(status, message)
                on_end(watcher.record)
    return watcher.record


class _Watcher:
    """Pass what the engine tells to the progress bar, the record and the tracker."""

    def __init__(self, tracker: Tracker, config: Config, record: RunRecord) -> None:
        self.record = record
        self._tracker = tracker
        self._config = config
        self._artifacts: dict[str, Any] = {}
        self._report: _StageReport | None = None

    def begin_run(self, values: Mapping[str, Any], git: provenance.Git | None) -> None:
        """Log what is known before the first stage."""
        self._save()
        self._tracker.log_params(self.record.params)
        self._tracker.log_bytes(to_yaml(values).encode(), "config.yaml")
        environment = json.dumps(asdict(self.record.environment), indent=1)
        self._tracker.log_bytes(environment.encode(), "environment.json")
        if git and git.dirty:
            self._tracker.log_bytes(git.diff, "uncommitted.diff")

    def begin(self, stage: str) -> Report:
        """Give a stage its progress bar."""
        self._report = _StageReport(stage, self._tracker)
        return self._report

    def finish(
        self, result: StageResult, artifacts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Publish what a stage gave, computed now or found in the cache."""
        self._close_bar()
        name, record = result.name, result.record
        if result.cached:
            log.info("%s: found in the cache", name)
            self._tracker.log_series(record.metrics)
        values = {metric: value for metric, value, _ in record.metrics}
        values |= {
            f"stage/{name}_seconds": result.seconds,
            f"stage/{name}_cached": float(result.cached),
        }
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
        ingredients = record.ingredients
        stage = StageRecord(
            key=ingredients.key,
            digest=record.digest,
            cached=result.cached,
            seconds=result.seconds,
            outputs=record.outputs,
            files=ingredients.files,
            code={k: v[:_CODE_DIGITS] for k, v in ingredients.code.items()},
            versions=ingredients.versions,
        )
        self.record = replace(
            self.record,
            metrics={**self.record.metrics, **values},
            stages={**self.record.stages, name: stage},
        )
        self._save()

    def end(self, status: Status, message: str) -> None:
        """Close the run in the tracking store and in its record."""
        self._close_bar()
        self.record = replace(self.record, status=status, message=message, ended=now())
        try:
            try:
                self._tracker.end(status, message)
            finally:
                self._save()
        except W2VError as error:
            if status == "FINISHED":
                raise
            # What ended the run is the error to tell, and it is on its way.
            log.error("%s", error)  # noqa: TRY400 - a trace would bury it

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

    def _save(self) -> None:
        self.record = replace(
            self.record,
            artifacts=self._tracker.artifacts,
            artifact_digests=self._tracker.artifact_digests,
        )
        save_record(self._config.home_folder, self.record)


class _StageReport(Report):
    """Draw a progress bar on stderr and log metrics live."""

    def __init__(self, stage: str, tracker: Tracker) -> None:
        self._stage = stage
        self._tracker = tracker
        self._bar: Any = None

    def start(self, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        self.close()
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

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _open_tracker(
    config: Config,
    values: Mapping[str, Any],
    git: provenance.Git | None,
    repeats: str | None,
) -> Tracker:
    tags = {"config": json_digest(values)[:12]}
    if repeats:
        tags["repeats"] = repeats
    if git:
        tags |= {"git.commit": git.commit, "git.dirty": str(git.dirty).lower()}
    return open_tracker(
        config.tracking, config.home_folder, run_name=_run_name(config), tags=tags
    )


def _first_record(
    tracker: Tracker,
    config: Config,
    values: Mapping[str, Any],
    overrides: Sequence[str],
    *,
    git: provenance.Git | None,
    environment: provenance.Environment,
) -> RunRecord:
    return RunRecord(
        run_id=tracker.run_id,
        name=_run_name(config),
        status="RUNNING",
        message="",
        started=now(),
        ended=None,
        overrides=tuple(overrides),
        config=dict(values),
        params=params_of(values),
        metrics={},
        stages={},
        artifact_uri=tracker.artifact_uri,
        artifacts=(),
        tracking=TrackingRecord(config.tracking.backend, tracker.uri),
        git=GitRecord(git.commit if git else None, bool(git and git.dirty)),
        environment=environment,
        process=this_process(),
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
