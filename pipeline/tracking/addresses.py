"""Where MLflow's UI shows runs.

Its pages are parts of the address behind the #, which MLflow documents nowhere; they
are those of `mlflow/server/js/src/experiment-tracking/routes.ts` (3.17).
"""

import json
from collections.abc import Sequence
from urllib.parse import quote

from pipeline.records import TrackingRecord
from pipeline.tracking.ui import ui_address

_MOST_COMPARED = 200  # 7,000 characters, near to what servers and browsers take


def run_address(
    tracking: TrackingRecord, experiment: str | None, run_id: str | None, port: int
) -> str | None:
    """Return where a run is shown; None if it is not tracked."""
    if experiment is None or run_id is None:
        return None
    return f"{_server(tracking, port)}/#/experiments/{experiment}/runs/{run_id}"


def compare_address(
    tracking: TrackingRecord, experiment: str | None, runs: Sequence[str], port: int
) -> str | None:
    """Return where runs are compared, with parallel coordinates.

    Args:
        tracking: Where they are tracked.
        experiment: Id of their group; None if they are not tracked.
        runs: Their ids; of more than 200, the first 200.
        port: Port of `w2v ui`; a server has its own.
    """
    if experiment is None or not runs:
        return None
    query = {"runs": list(runs[:_MOST_COMPARED]), "experiments": [experiment]}
    pairs = (
        f"{key}={quote(json.dumps(value, separators=(',', ':')))}"
        for key, value in query.items()
    )
    return f"{_server(tracking, port)}/#/compare-runs?{'&'.join(pairs)}"


def _server(tracking: TrackingRecord, port: int) -> str:
    if tracking.backend == "server":
        return tracking.uri
    return ui_address(port).partition("/#")[0]
