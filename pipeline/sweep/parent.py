"""The run that stands for a whole sweep in the tracking store."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.errors import RunGoneError, TrackingError
from pipeline.records import Status, process_tag
from pipeline.sweep.ledger import Ledger, SweepRecord
from pipeline.tracking.tracker import (
    LocalTracking,
    OffTracking,
    ServerTracking,
    Tracker,
    open_tracker,
)

log = logging.getLogger(__name__)


class Parent:
    """The parent of a sweep's runs; it says nothing where nothing is tracked.

    Args:
        tracker: Its run; None if nothing is tracked.
        sweep: The sweep's name.
    """

    def __init__(self, tracker: Tracker | None, sweep: str) -> None:
        self._tracker = tracker
        self._sweep = sweep

    @property
    def run_id(self) -> str | None:
        """Its run's id."""
        return self._tracker.run_id if self._tracker else None

    @property
    def experiment(self) -> str | None:
        """Id of its group of runs."""
        return self._tracker.experiment if self._tracker else None

    @property
    def uri(self) -> str:
        """The store's address; empty if nothing is tracked."""
        return self._tracker.uri if self._tracker else ""

    def log(self, values: Mapping[str, float]) -> None:
        """Log the best value of each metric."""
        if self._tracker:
            self._tracker.log_metrics(values)

    def keep_view(self, params: Sequence[str], metric: str, *, maximize: bool) -> None:
        """Have the UI show these, where it compares the trials."""
        if self._tracker is None or self._tracker.experiment is None:
            return
        from pipeline.tracking.mlflow_views import keep_view

        place = self._tracker.uri, self._tracker.experiment
        try:
            keep_view(
                *(*place, self._sweep), params=params, metric=metric, maximize=maximize
            )
        except TrackingError as error:
            log.warning("the UI's view of the sweep was not kept: %s", error)

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Keep files of the sweep, by their path."""
        if self._tracker:
            for path, content in files.items():
                self._tracker.log_bytes(content, path)

    def end(self, status: Status, message: str = "") -> None:
        """Close the run."""
        if self._tracker:
            self._tracker.end(status, message)


def open_parent(
    ledger: Ledger,
    record: SweepRecord,
    tracking: LocalTracking | ServerTracking | OffTracking,
) -> Parent:
    """Begin the parent of a sweep's runs, or go on with it.

    Raises:
        TrackingError: if the store cannot be reached or used.
    """
    if isinstance(tracking, OffTracking):
        return Parent(None, record.name)
    tags = {"sweep": record.name, "process": process_tag()}
    if record.git.commit:
        tags |= {
            "git.commit": record.git.commit,
            "git.dirty": str(record.git.dirty).lower(),
        }
    quiet = replace(tracking, system_seconds=0.0)
    name = f"sweep {record.name}"

    def open_it(run_id: str | None) -> Tracker:
        return open_tracker(quiet, ledger.home, run_name=name, tags=tags, run_id=run_id)

    try:
        tracker = open_it(record.run_id)
    except RunGoneError as error:
        log.warning("%s: another parent is made", error)
        tracker = open_it(None)
    tracker.set_tags(tags)
    tracker.log_params(
        {
            **record.space,
            "sweep.search": record.config.search,
            "sweep.overrides": " ".join(record.overrides),
        }
    )
    return Parent(tracker, record.name)
