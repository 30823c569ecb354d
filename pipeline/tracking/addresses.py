"""Where MLflow's UI shows runs.

Its pages are parts of the address behind the #, which MLflow documents nowhere; they
are those of `mlflow/server/js/src/experiment-tracking/routes.ts` (3.17).
"""

import hashlib

from pipeline.records import TrackingRecord
from pipeline.tracking.ui import ui_address


def run_address(
    tracking: TrackingRecord, experiment: str | None, run_id: str | None, port: int
) -> str | None:
    """Return where a run is shown; None if it is not tracked."""
    if experiment is None or run_id is None:
        return None
    return f"{_server(tracking, port)}/#/experiments/{experiment}/runs/{run_id}"


def view_key(sweep: str) -> str:
    """Return the key of the view that compares a sweep's trials."""
    return f"sweep-{hashlib.sha256(sweep.encode()).hexdigest()[:16]}"


def view_address(
    tracking: TrackingRecord, experiment: str | None, key: str, port: int
) -> str | None:
    """Return where runs are compared as a kept view says.

    Args:
        tracking: Where they are tracked.
        experiment: Id of their group; None if they are not tracked.
        key: The view's (see `mlflow_views`).
        port: Port of `w2v ui`; a server has its own.
    """
    if experiment is None:
        return None
    return (
        f"{_server(tracking, port)}/#/experiments/{experiment}/runs"
        f"?viewStateShareKey={key}&compareRunsMode=CHART"
    )


def _server(tracking: TrackingRecord, port: int) -> str:
    if tracking.backend == "server":
        return tracking.uri
    return ui_address(port).partition("/#")[0]
