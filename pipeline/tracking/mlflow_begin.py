"""Begin a run in an MLflow store, or go on with one."""

from typing import TYPE_CHECKING

from pipeline.errors import RunGoneError, TrackingError
from pipeline.tracking.mlflow_store import reason_of
from pipeline.tracking.outbox import Outbox, Points

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE_TAG = "mlflow.note.content"  # what the UI shows above a run, as Markdown


def existing_run(client: "MlflowClient", run_id: str) -> "Run":
    """Return a run that can be gone on with.

    Raises:
        RunGoneError: if it was deleted, or never was in this store.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise RunGoneError(
            f"tracking store {client.tracking_uri}: {reason_of(error)}"
        ) from error
    if run.info.lifecycle_stage == "deleted":
        message = f"tracking store {client.tracking_uri}: run {run_id} was deleted"
        raise RunGoneError(message)
    return run


def reopen(client: "MlflowClient", run_id: str) -> "Run":
    """Mark a run as running again, and take back why it had ended."""
    client.update_run(run_id, status="RUNNING")
    tags = client.get_run(run_id).data.tags
    if "message" in tags:
        if tags.get(NOTE_TAG) == note(tags["message"]):  # and nobody's own words
            client.delete_tag(run_id, NOTE_TAG)
        client.delete_tag(run_id, "message")
    return client.get_run(run_id)


def history_of(
    client: "MlflowClient", run: "Run", outbox: Outbox
) -> dict[tuple[str, int], float]:
    """Return (metric, step) -> value of all that a run has or waits to have."""
    known = {
        (name, point.step): point.value
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    }
    for entry in outbox.entries():
        if isinstance(entry, Points):
            known |= {(name, step): value for name, value, step, _ in entry.points}
    return known


def experiment_id(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    """Return the id of an experiment, which is made if it is not there.

    Args:
        client: The store.
        name: The experiment's name.
        artifacts: Where its artifacts must lie; None leaves it to the server.

    Raises:
        TrackingError: if it was deleted, or keeps its artifacts elsewhere.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            # Another process was quicker.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"experiment {name!r} was deleted in {client.tracking_uri}: restore it "
            f"there (mlflow experiments restore -x {found.experiment_id}), or set "
            "tracking.experiment to another name"
        )
    if artifacts is not None and found.artifact_location != artifacts:
        raise TrackingError(
            f"experiment {name!r} keeps its artifacts in {found.artifact_location}, "
            f"not in {artifacts}: home was moved or copied. Move it back, or set "
            "tracking.experiment to another name"
        )
    return str(found.experiment_id)


def note(message: str) -> str:
    """Return a message as the note of a run that ended early."""
    # In Markdown an indented block is literal.
    return "\n".join(f"    {line}" for line in message.splitlines())
