"""Track runs with MLflow.

Runs are addressed by their id throughout and MLflow's global "active run" is
never touched, so that several runs in one process cannot mix.
"""

import getpass
import json
import logging
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts import file_digest
from pipeline.core.files import scratch_of
from pipeline.errors import TrackingError
from pipeline.records import RunRecord, Status, check_finite, run_folder
from pipeline.tracking import mlflow_model
from pipeline.tracking.files import artifact_path, check_file, table_json, written
from pipeline.tracking.mlflow_begin import (
    NOTE_TAG,
    existing_run,
    experiment_id,
    history_of,
    note,
    reopen,
)
from pipeline.tracking.mlflow_delivery import mlflow_sender
from pipeline.tracking.mlflow_limits import (
    LONGEST_NAME,
    LONGEST_TAG,
    name_for_mlflow,
    params_for_mlflow,
    tags_for_mlflow,
    text_for_mlflow,
)
from pipeline.tracking.mlflow_store import (
    import_mlflow,
    probe,
    ready_store,
    reason_of,
)
from pipeline.tracking.outbox import (
    Dataset,
    End,
    File,
    Model,
    Outbox,
    Params,
    Points,
    Tags,
)
from pipeline.tracking.sampler import Sampler
from pipeline.tracking.sender import Sender

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

_DIGEST_SHOWN = 12  # of 36 that MLflow takes; more hides the rest in a list of runs

_TABLES_TAG = "mlflow.loggedArtifacts"  # JSON files that the UI draws as tables


def open_mlflow(
    uri: str | None,
    home: Path,
    experiment: str,
    *,
    run_name: str,
    tags: Mapping[str, str],
    run_id: str | None,
    system_seconds: float,
    register_as: str | None,
    pause: float,
) -> "MlflowTracker":
    """Begin a run, or go on with one.

    Args:
        uri: Address of a tracking server; None for this project's own store.
        home: The folder that holds all that runs write; absolute.
        experiment: Name of the group of runs; made if it is not there.
        run_name: The run's readable name.
        tags: Its first tags.
        run_id: A run of the same store to go on with.
        system_seconds: Time between samples of memory and CPU; 0 takes none.
        register_as: The registered model that the run's model becomes a version of.
        pause: Seconds within which measured values are gathered, to be sent at once.

    Raises:
        TrackingError: if the store cannot be used; for a server that cannot be
            reached, within about 10 s.
        RunGoneError: if the run to go on with is not there or was deleted.
        StorageError: if home cannot be written.
    """
    if uri is None:
        store = ready_store(home)
        artifacts = (home / "artifacts" / artifact_path(experiment)).as_uri()
    else:
        store, artifacts = uri.rstrip("/"), None
        probe(store)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(store)
        if run_id is None:
            group = experiment_id(client, text_for_mlflow(experiment), artifacts)
            first = tags_for_mlflow({**_source_tags(tags), **tags})
            name = text_for_mlflow(run_name)
            run = client.create_run(group, tags=first, run_name=name)
        else:
            run = existing_run(client, run_id)
        outbox = Outbox(run_folder(home, run.info.run_id))
        sender = mlflow_sender(
            *(client, store, run.info.run_id),
            artifact_uri=run.info.artifact_uri,
            outbox=outbox,
            scratch=scratch_of(home),
            pause=pause,
        )
        known: dict[tuple[str, int], float] = {}
        if run_id is not None:
            sender.flush()
            run = reopen(client, run_id)
            known = history_of(client, run, outbox)
    except MlflowException as error:
        raise TrackingError(f"tracking store {store}: {reason_of(error)}") from error
    return MlflowTracker(
        sender,
        store,
        run,
        known,
        scratch=scratch_of(home),
        system_seconds=system_seconds,
        register_as=register_as,
    )


def send_unsent(home: Path, record: RunRecord) -> int:
    """Send what a run's store did not take; return how many entries still wait.

    Raises:
        TrackingError: if the store cannot be reached.
    """
    if record.tracking.backend == "local":
        store = ready_store(home)
    else:
        store = record.tracking.uri
        probe(store)
    from mlflow import MlflowClient

    outbox = Outbox(run_folder(home, record.run_id))
    client = MlflowClient(store)
    sender = mlflow_sender(
        *(client, store, record.run_id),
        artifact_uri=record.artifact_uri,
        outbox=outbox,
        scratch=scratch_of(home),
    )
    sender.flush()
    return sender.waiting


def download(home: Path, record: RunRecord, path: str) -> Path:
    """Return a run's artifact as a local file, fetched once if it is on a server.

    Raises:
        TrackingError: if it cannot be had.
    """
    folder = run_folder(home, record.run_id)
    fetched = folder / "fetched" / path
    for here in (folder / "unsent" / path, fetched):
        if here.is_file():
            return here
    import_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            found = download_artifacts(
                artifact_uri=f"{record.artifact_uri}/{path}",
                dst_path=scratch,
                tracking_uri=record.tracking.uri,
            )
            fetched.parent.mkdir(parents=True, exist_ok=True)
            return Path(found).rename(fetched)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"cannot fetch {path} of run {record.run_id} from {record.tracking.uri}: "
            f"{reason_of(error)}"
        ) from error


class MlflowTracker:
    """A run in an MLflow store (see `tracking.Tracker`).

    A store that fails in mid-run does not stop the run: one warning is logged,
    and what the store did not take waits in the run's folder until it answers.
    """

    def __init__(
        self,
        sender: Sender,
        store: str,
        run: "Run",
        known: Mapping[tuple[str, int], float],
        *,
        scratch: Path,
        system_seconds: float,
        register_as: str | None,
    ) -> None:
        self.scratch = scratch
        self.run_id: str = run.info.run_id
        self.uri = store
        self.artifact_uri: str = run.info.artifact_uri
        self.experiment: str | None = run.info.experiment_id
        self._sender = sender
        self._register_as = register_as
        self._files: dict[str, str] = {}  # path -> sha256
        tables = json.loads(run.data.tags.get(_TABLES_TAG, "[]"))
        self._tables = [table["path"] for table in tables]
        self._known = dict(known)  # (metric, step) -> value of all logged so far
        self._lock = threading.Lock()
        began = run.info.start_time / 1_000
        self._sampler = Sampler(self.log_metrics, began, system_seconds)
        self._sampler.start()

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Paths of the artifacts logged so far, relative to `artifact_uri`."""
        return tuple(sorted(self._files))

    @property
    def artifact_digests(self) -> Mapping[str, str]:
        """Path -> sha256 of the content, of the artifacts logged so far."""
        return dict(sorted(self._files.items()))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log params; a value too long for MLflow is cut, with its digest."""
        self._sender.send(Params(params_for_mlflow(params)))

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log values measured now."""
        self.log_series([(name, value, step) for name, value in values.items()])

    def log_series(self, points: Sequence[tuple[str, float, int | None]]) -> None:
        """Log many values at once, leaving out what the run has already."""
        now = _now_ms()
        fresh: list[tuple[str, float, int, int]] = []
        with self._lock:
            for raw, number, step in points:
                check_finite({raw: number})
                name, value = name_for_mlflow(raw), float(number)
                known = self._known.get((name, step or 0))
                # An epoch is measured once. A value of no epoch may change.
                if known is None or (step is None and known != value):
                    self._known[name, step or 0] = value
                    fresh.append((name, value, step or 0, now))
        if fresh:
            self._sender.send(Points(tuple(fresh)))

    def log_file(self, local: Path, folder: str = "") -> None:
        """Keep a copy of a file."""
        check_file(local)
        path = artifact_path(f"{folder}/{local.name}" if folder else local.name)
        digest = file_digest(local)
        self._sender.send(File(local.absolute(), path))
        self._files[path] = digest

    def log_model(self, local: Path) -> None:
        """Log the run's model, and register it if that is configured."""
        check_file(local)
        path = f"{mlflow_model.NAME}/{local.name}"
        self._sender.send(Model(local.absolute(), path, self._register_as))

    def log_bytes(self, content: bytes, path: str) -> None:
        """Keep a file with this content."""
        with written(content, path, self.scratch) as (local, folder):
            self.log_file(local, folder)

    def log_table(self, table: pa.Table, path: str) -> None:
        """Keep a table as JSON; once the run ends, the UI draws it as a table."""
        path = artifact_path(f"{path}.json")
        self.log_bytes(table_json(table), path)
        shown = [*self._tables, path] if path not in self._tables else self._tables
        if len(_tables_tag(shown)) <= LONGEST_TAG:  # some 100; the rest is plain JSON
            self._tables = shown

    def log_corpus(
        self,
        name: str,
        digest: str,
        source: Mapping[str, object],
        splits: Mapping[str, pa.Table],
    ) -> None:
        """Log the corpus as a dataset input."""
        sizes = {
            split: (table.num_rows, _token_count(table))
            for split, table in splits.items()
        }
        profile = {
            "num_rows": sum(sentences for sentences, _ in sizes.values()),
            "num_elements": sum(tokens for _, tokens in sizes.values()),
            **{k: f"{s:,} sentences, {t:,} tokens" for k, (s, t) in sizes.items()},
        }
        columns = next(iter(splits.values())).column_names if splits else []
        strings = {"type": "array", "items": {"type": "string"}, "required": True}
        schema = {"mlflow_colspec": [{"name": c, **strings} for c in columns]}
        self._sender.send(
            Dataset(
                name=text_for_mlflow(name)[:LONGEST_NAME],
                digest=digest[:_DIGEST_SHOWN],
                source_type="ingest",
                source=_json({"digest": digest, **source}),
                schema=_json(schema),
                profile=_json(profile),
            )
        )

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        self._sender.send(Tags(tags_for_mlflow(tags)))

    def end(self, status: Status, message: str = "") -> None:
        """Close the run, after a last attempt to send what waits."""
        if status != "FINISHED":  # who interrupts may not wait for long
            self._sender.flush()
        self._sampler.stop()
        if self._tables:
            self._sender.send(Tags({_TABLES_TAG: _tables_tag(self._tables)}))
        if message:
            self.set_tags({"message": message, NOTE_TAG: note(message)})
        if status != "RUNNING":
            self._sender.send(End(status, _now_ms()))
        self._sender.flush()
        if self._sender.waiting:
            log.warning(
                "%d entries of run %s were not sent to %s; they wait to be sent",
                self._sender.waiting,
                self.run_id,
                self.uri,
            )


def _tables_tag(paths: Sequence[str]) -> str:
    return json.dumps([{"path": path, "type": "table"} for path in paths])


def _source_tags(tags: Mapping[str, str]) -> dict[str, str]:
    own = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "w2v"}
    if "git.commit" in tags:
        own["mlflow.source.git.commit"] = tags["git.commit"]
    with suppress(OSError, KeyError):  # a container may run an id without a name
        own["mlflow.user"] = getpass.getuser()
    return own


def _token_count(table: pa.Table) -> int:
    lengths = pc.list_value_length(table["tokens"])
    return int(pc.sum(lengths, min_count=0).as_py())


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)


def _now_ms() -> int:
    return round(time.time() * 1_000)
