"""Look at runs in an MLflow store from outside, and close those of the dead."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import TrackingError
from pipeline.records import Status
from pipeline.tracking.mlflow_limits import text_for_mlflow
from pipeline.tracking.mlflow_store import probe, ready_store, reason_of
from pipeline.tracking.tracker import LocalTracking, ServerTracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Tags of a run, besides what its user and MLflow give it.
TASK_TAG = "task"
PROCESS_TAG = "process"

_RUNS_A_PAGE = 1_000


@dataclass(frozen=True)
class StoreRun:
    """A run as its store has it.

    Attributes:
        run_id: Its id.
        name: Its readable name.
        status: Its status there.
        process: What its tag says of its process; empty if it has none.
    """

    run_id: str
    name: str
    status: str
    process: str


def begun_runs(
    tracking: LocalTracking | ServerTracking, home: Path, task: str
) -> list[tuple[str, str]]:
    """Return (run id, process tag) of the runs of a task that are RUNNING.

    Raises:
        TrackingError: if the store cannot be reached or used.
    """
    uri = tracking.uri if isinstance(tracking, ServerTracking) else None
    if uri is None and not (home / "mlflow.db").exists():
        return []
    with _store(home, uri) as client:
        group = client.get_experiment_by_name(text_for_mlflow(tracking.experiment))
        if group is None:
            return []
        wanted = f"attributes.status = 'RUNNING' AND tags.`{TASK_TAG}` = '{task}'"
        found = client.search_runs([group.experiment_id], wanted)
        return [(r.info.run_id, r.data.tags.get(PROCESS_TAG, "")) for r in found]


def running_runs(home: Path, uri: str | None) -> list[StoreRun]:
    """Return all runs that a store holds as RUNNING.

    Args:
        home: The folder that holds all that runs write; absolute.
        uri: A server's address; None for this project's own store.

    Raises:
        TrackingError: if the store cannot be reached or used.
    """
    if uri is None and not (home / "mlflow.db").exists():
        return []
    with _store(home, uri) as client:
        groups = [group.experiment_id for group in client.search_experiments()]
        wanted = "attributes.status = 'RUNNING'"
        found: list[Run] = []
        page: str | None = None
        while groups:
            runs = client.search_runs(
                groups, wanted, max_results=_RUNS_A_PAGE, page_token=page
            )
            found += runs
            page = runs.token
            if not page:
                break
        return [
            StoreRun(
                run_id=run.info.run_id,
                name=run.info.run_name,
                status=run.info.status,
                process=run.data.tags.get(PROCESS_TAG, ""),
            )
            for run in found
        ]


def end_run(
    home: Path, uri: str | None, run_id: str, status: Status, ended: float
) -> None:
    """Mark a run as ended.

    Args:
        home: The folder that holds all that runs write; absolute.
        uri: A server's address; None for this project's own store.
        run_id: The run.
        status: How it ended.
        ended: Unix time in seconds at which it ended.

    Raises:
        TrackingError: if the store cannot be reached or does not hold the run.
    """
    with _store(home, uri) as client:
        client.set_terminated(run_id, status, round(ended * 1_000))


@contextmanager
def _store(home: Path, uri: str | None) -> Iterator["MlflowClient"]:
    if uri is None:
        store = ready_store(home)
    else:
        store = uri.rstrip("/")
        probe(store)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        yield MlflowClient(store)
    except MlflowException as error:
        raise TrackingError(f"tracking store {store}: {reason_of(error)}") from error
