"""Send what a run logs to an MLflow store, entry by entry."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.files import scratch_folder
from pipeline.tracking import mlflow_model
from pipeline.tracking.mlflow_store import reason_of
from pipeline.tracking.outbox import (
    Dataset,
    End,
    Entry,
    File,
    Model,
    Outbox,
    Params,
    Points,
    Tags,
)
from pipeline.tracking.placing import keep_file, local_folder
from pipeline.tracking.sender import Refused, Sender, Unreachable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

_AGAIN_LATER = (408, 429)  # HTTP: too slow, too many requests


def mlflow_sender(
    client: "MlflowClient",
    store: str,
    run_id: str,
    *,
    artifact_uri: str,
    outbox: Outbox,
    scratch: Path,
    pause: float = 0.0,
) -> Sender:
    """Return what sends a run's entries to a store, and keeps them while it is away.

    Args:
        client: The store.
        store: Its address, for messages.
        run_id: The run.
        artifact_uri: Where its artifacts lie.
        outbox: Where entries wait.
        scratch: Folder for files that are needed for a moment.
        pause: See `Sender`.
    """
    from mlflow.exceptions import MlflowException

    folder = local_folder(artifact_uri)

    def deliver(entry: Entry) -> None:
        try:
            if folder is not None and isinstance(entry, File):
                # MLflow would copy it: at dim 200, 34 MB twice a run.
                keep_file(entry.local, folder / entry.path, scratch)
            else:
                _deliver(client, run_id, entry, scratch)
        # An upload that fails raises requests' errors, which are OSErrors.
        except (MlflowException, OSError) as error:
            kind = Refused if _is_refusal(error) else Unreachable
            raise kind(reason_of(error)) from error

    return Sender(deliver, outbox, store, pause=pause)


def _deliver(client: "MlflowClient", run_id: str, entry: Entry, scratch: Path) -> None:
    from mlflow import entities as e

    match entry:
        case Params(values):
            params = [e.Param(k, v) for k, v in values.items()]
            client.log_batch(run_id, params=params, synchronous=True)
        case Points(points):
            metrics = [e.Metric(n, value, at, step) for n, value, step, at in points]
            client.log_batch(run_id, metrics=metrics, synchronous=True)
        case Tags(values):
            tags = [e.RunTag(k, v) for k, v in values.items()]
            client.log_batch(run_id, tags=tags, synchronous=True)
        case File(local, path):
            folder, _, _ = path.rpartition("/")
            with _named(local, path, scratch) as file:
                client.log_artifact(run_id, str(file), folder or None)
        case Model(local, _, register_as):
            mlflow_model.log_model(client, run_id, local, scratch, register_as)
        case Dataset(name, digest, source_type, source, schema, profile):
            dataset = e.Dataset(name, digest, source_type, source, schema, profile)
            context = e.InputTag("mlflow.data.context", "training")
            _log_input(client, run_id, e.DatasetInput(dataset, [context]))
        case End(status, ended):
            client.set_terminated(run_id, status, ended)


def _log_input(client: "MlflowClient", run_id: str, given: "DatasetInput") -> None:
    """Log a dataset, which trials side by side may all be about to add.

    MLflow looks for it and then adds it, in two steps: who comes second is refused,
    and finds it when it looks again.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.log_inputs(run_id, [given])
    except MlflowException as error:
        if not _is_refusal(error):
            raise
        client.log_inputs(run_id, [given])


@contextmanager
def _named(local: Path, path: str, scratch: Path) -> Iterator[Path]:
    """Show a file under the last name of an artifact path: MLflow keeps names."""
    name = path.rpartition("/")[2]
    if local.name == name:
        yield local
        return
    with scratch_folder(scratch) as folder:
        renamed = folder / name
        renamed.symlink_to(local)
        yield renamed


def _is_refusal(error: Exception) -> bool:
    """Say whether the store answered no, rather than not at all."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:
        status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in _AGAIN_LATER
