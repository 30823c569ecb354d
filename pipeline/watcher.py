"""What a run does with what the engine tells it."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from pipeline import provenance
from pipeline.cache import Record
from pipeline.config import AnyConfig, Config, to_yaml
from pipeline.core.checkpoint import save_checkpoint
from pipeline.core.figures.explorer.scores import with_scores
from pipeline.core.files import scratch_folder
from pipeline.core.types import Figures, Metrics, Tables, Vocab
from pipeline.engine import StageResult
from pipeline.errors import W2VError
from pipeline.records import RunRecord, StageRecord, Status, now, save_record
from pipeline.report import Report
from pipeline.stages.train import TrainConfig, last_checkpoint
from pipeline.tracking.publish import publish
from pipeline.tracking.tracker import Tracker

log = logging.getLogger(__name__)

_EXPLORER = "explorer.html"  # among the figures

_CODE_DIGITS = 12  # of a definition's digest: to tell two apart, not to prove one


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


class Watcher:
    """Pass what the engine tells to the progress bar, the record and the tracker."""

    def __init__(
        self,
        tracker: Tracker,
        config: AnyConfig,
        record: RunRecord,
        part: Part | None = None,
    ) -> None:
        self.record = record
        self._part = part
        self._tracker = tracker
        self._config = config
        self._artifacts: dict[str, Any] = {}
        self._reports: dict[str, StageReport] = {}

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
        self._close_bar(stage)
        self._reports[stage] = StageReport(stage, self._tracker, self._part)
        return self._reports[stage]

    def finish(
        self, result: StageResult, artifacts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Publish what a stage gave, computed now or found in the cache."""
        name, record = result.name, result.record
        self._close_bar(name)
        if self._part:
            self._part.finish(result)
        stage = self._stage_record(result)
        values = {metric: value for metric, value, _ in record.metrics}
        values |= {
            f"stage/{name}_seconds": stage.seconds,
            f"stage/{name}_cached": float(stage.cached),
        }
        if name == "vectors":
            self._note_source(record)
        loaded = artifacts()
        self._artifacts |= loaded
        said = {f"stage/{name}_seconds", f"stage/{name}_cached"}
        for artifact in loaded.values():
            if isinstance(artifact, Metrics):
                values |= artifact.values
                said |= set(artifact.values)
        # Before any of it is logged: a run that is gone on with logs the same.
        self._note(name, stage, values)
        points: list[tuple[str, float, int | None]] = []
        if result.cached:
            log.info("%s: found in the cache", name)
            points += record.metrics
        points += [(k, v, None) for k, v in values.items() if k in said]
        self._tracker.log_series(points)
        for artifact_name, found in loaded.items():
            artifact = self._with_scores(found)
            publish(
                self._tracker,
                artifact_name,
                artifact,
                digest=record.outputs[artifact_name],
                config=self.record.config.get(name, {}),
            )
        if isinstance(self._config, Config) and name == "train":
            self._publish_checkpoint(self._config.train)

    def end(self, status: Status, message: str, *, again: bool) -> None:
        """Close the run in the tracking store and in its record.

        Args:
            status: How it ended.
            message: Why it did not finish.
            again: Whether another run may go on with it.
        """
        for stage in list(self._reports):
            self._close_bar(stage)
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
        digests = {**self.record.artifact_digests, **self._tracker.artifact_digests}
        self.record = replace(
            self.record, artifacts=self._tracker.artifacts, artifact_digests=digests
        )
        save_record(self._config.home_folder, self.record)

    def _stage_record(self, result: StageResult) -> StageRecord:
        """Return how a stage went; as before, if this run had finished it."""
        ingredients = result.record.ingredients
        fresh = StageRecord(
            key=ingredients.key,
            digest=result.record.digest,
            cached=result.cached,
            seconds=result.seconds,
            outputs=result.record.outputs,
            files=ingredients.files,
            code={k: v[:_CODE_DIGITS] for k, v in ingredients.code.items()},
            versions=ingredients.versions,
        )
        before = self.record.stages.get(result.name)
        done = before and (before.key, before.digest) == (fresh.key, fresh.digest)
        return before if before and done else fresh

    def _with_scores(self, artifact: object) -> object:
        """Give an explorer the scores of words that this run's evaluation found."""
        tables, vocab = (self._artifacts.get(name) for name in ("tables", "vocab"))
        if not (
            isinstance(artifact, Figures)
            and isinstance(tables, Tables)
            and isinstance(vocab, Vocab)
        ):
            return artifact
        files = dict(artifact.files)
        if _EXPLORER in files:
            files[_EXPLORER] = with_scores(files[_EXPLORER], tables.tables, vocab.words)
        return Figures(files)

    def _note(self, name: str, stage: StageRecord, values: Mapping[str, float]) -> None:
        self.record = replace(
            self.record,
            metrics={**self.record.metrics, **values},
            stages={**self.record.stages, name: stage},
        )
        self.save()

    def _note_source(self, record: Record) -> None:
        """Say what is known of vectors from elsewhere, as params to compare by."""
        measured = {name: f"{value:.0f}" for name, value, _ in record.metrics}
        params = {
            "vectors.sha256": record.ingredients.files["vectors"],
            "vectors.words": measured["vectors/words"],
            "vectors.dim": measured["vectors/dim"],
        }
        self._tracker.log_params(params)
        self.record = replace(self.record, params={**self.record.params, **params})

    def _publish_checkpoint(self, config: TrainConfig) -> None:
        """Log the checkpoint that training ended with, to go on or start from."""
        names = ("encoded", "vocab", "embeddings", "history", "snapshots")
        results = {name: self._artifacts[name] for name in names}
        checkpoint = last_checkpoint(config, **results)
        with scratch_folder(self._tracker.scratch) as folder:
            path = save_checkpoint(folder, checkpoint, synced=False)
            self._tracker.log_file(path, "checkpoints")

    def _close_bar(self, stage: str) -> None:
        report = self._reports.pop(stage, None)
        if report:
            report.close()
            for line, other in enumerate(self._reports.values()):
                other.move(line)


class StageReport(Report):
    """Draw a progress bar on stderr and log metrics live."""

    def __init__(self, stage: str, tracker: Tracker, part: Part | None = None) -> None:
        self._stage = stage
        self._tracker = tracker
        self._part = part
        self._bar: Any = None

    def start(self, total: int | None, unit: str) -> None:
        """Draw a bar of this length."""
        from tqdm import tqdm

        self.close()
        if self._part:  # bars of trials side by side would overwrite each other
            return
        # Where no terminal rewrites the lines, one now and then is enough, and a second
        # bar, of a stage that runs beside, has no line below the first to move to.
        rewritten = sys.stderr.isatty()
        self._bar = tqdm(
            desc=self._stage,
            total=total,
            unit=f" {unit}",
            unit_scale=True,
            mininterval=0.2 if rewritten else 10.0,
            position=None if rewritten else 0,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def advance(self, amount: int, shown: str = "") -> None:
        """Move it on."""
        if self._bar is not None:
            if shown:
                self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(amount)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics."""
        self._tracker.log_metrics(values, step)
        if self._part:
            self._part.metrics(values, step)

    def move(self, line: int) -> None:
        """Draw it on another line, once one above it has come to rest."""
        if self._bar is not None and sys.stderr.isatty():
            self._bar.clear()
            self._bar.pos = line
            self._bar.refresh()

    def close(self) -> None:
        """Let it rest as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
