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
    uri: str,
    experiment: str,
    sweep: str,
    *,
    params: Sequence[str],
    metric: str,
    maximize: bool,
) -> None:
    """Keep a view of a sweep's trials: parallel coordinates of what is named.

    Args:
        uri: The store's address.
        experiment: Id of the group of runs.
        sweep: The sweep's name.
        params: Names of the axes at the left.
        metric: Name of the axis at the right, which colors the lines.
        maximize: Whether more of it is better: the best runs stand first.

    Raises:
        TrackingError: if the store does not take it.
    """
    import_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    measure = name_for_mlflow(metric)
    state = {
        # Of the trials alone: the parent has no cell.
        "searchFilter": f"tags.sweep = '{sweep}' AND tags.`sweep.cell` LIKE '%'",
        # Sorted by date, which is its usual order, it folds trials below their parent
        # and draws none of them.
        "orderByKey": f"metrics.`{measure}`",
        "orderByAsc": not maximize,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # else sections are put in order by name
        "compareRunSections": [
            {
                "uuid": _SECTION,
                "name": f"Sweep {sweep}",
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
                "columns": 1,  # three would leave an axis ten pixels
                "cardHeight": 400,
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
                "selectedMetrics": [measure],
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
