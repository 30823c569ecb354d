"""A page of MLflow's UI that opens on chosen runs, params and metrics.

The UI shares the state of its page of runs as a tag of the experiment, and reads it
from there at an address that names the tag. MLflow documents neither; they are those
of `mlflow/server/js/src/experiment-tracking/components/experiment-page` (3.17).
"""

import json
from collections.abc import Sequence

from pipeline.errors import TrackingError
from pipeline.tracking.addresses import view_key
from pipeline.tracking.mlflow_limits import name_for_mlflow
from pipeline.tracking.mlflow_store import import_mlflow, reason_of

_TAG = "mlflow.sharedViewState."
_SECTION, _CHART = "sweep-section", "sweep-parallel"


def keep_view(
    uri: str, experiment: str, sweep: str, params: Sequence[str], metrics: Sequence[str]
) -> None:
    """Keep a view of a sweep's trials: parallel coordinates of what is named.

    Args:
        uri: The store's address.
        experiment: Id of the group of runs.
        sweep: The sweep's name.
        params: Names of the axes at the left.
        metrics: Names of the axes at the right; the last one colors the lines.

    Raises:
        TrackingError: if the store does not take it.
    """
    import_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    state = {
        # Of the trials alone: the parent has no cell.
        "searchFilter": f"tags.sweep = '{sweep}' AND tags.`sweep.cell` LIKE '%'",
        "runsHiddenMode": "SHOW_ALL",
        "compareRunSections": [
            {
                "uuid": _SECTION,
                "name": f"Sweep {sweep}",
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
            }
        ],
        "compareRunCharts": [
            {
                "uuid": _CHART,
                "type": "PARALLEL",
                "metricSectionId": _SECTION,
                "deleted": False,
                "isGenerated": False,
                "showAllRuns": True,
                "selectedParams": list(map(name_for_mlflow, params)),
                "selectedMetrics": list(map(name_for_mlflow, metrics)),
            }
        ],
    }
    try:
        client = MlflowClient(uri)
        client.set_experiment_tag(
            experiment, _TAG + view_key(sweep), json.dumps(state, separators=(",", ":"))
        )
    except MlflowException as error:
        raise TrackingError(f"tracking store {uri}: {reason_of(error)}") from error
