"""Track nowhere: keep a run's artifacts on disk, and import no MLflow."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.artifacts import file_digest
from pipeline.core.files import scratch_of
from pipeline.errors import StorageError
from pipeline.records import Status, check_finite
from pipeline.tracking.files import (
    artifact_path,
    check_file,
    table_json,
    written,
)
from pipeline.tracking.placing import keep_file


class OffTracker:
    """Keep a run's artifacts on disk, and nothing else.

    Params, metrics and tags stand in the run's record.
    """

    def __init__(self, home: Path, run_id: str | None = None) -> None:
        self.run_id = run_id or uuid.uuid4().hex
        self.uri = ""
        self.experiment: str | None = None
        self.scratch = scratch_of(home)
        self._folder = home / "artifacts" / "off" / self.run_id / "artifacts"
        self._logged: dict[str, str] = {}  # path -> sha256
        self.artifact_uri = self._folder.as_uri()

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Paths of the artifacts logged so far, relative to `artifact_uri`."""
        return tuple(sorted(self._logged))

    @property
    def artifact_digests(self) -> Mapping[str, str]:
        """Path -> sha256 of the content, of the artifacts logged so far."""
        return dict(sorted(self._logged.items()))

    def log_params(self, params: Mapping[str, str]) -> None:
        """Do nothing: the record holds them."""

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Check that the values are finite."""
        check_finite(values)

    def log_series(self, points: Sequence[tuple[str, float, int | None]]) -> None:
        """Check that the values are finite."""
        for name, value, _ in points:
            check_finite({name: value})

    def log_file(self, local: Path, folder: str = "") -> None:
        """Keep a copy of a file."""
        check_file(local)
        path = artifact_path(f"{folder}/{local.name}" if folder else local.name)
        target = self._folder / path
        try:
            keep_file(local, target, self.scratch)
            digest = file_digest(target)
        except OSError as error:
            raise StorageError(
                f"cannot write artifact {target}: {error.strerror}. Free space, or "
                "set home to a folder that can be written"
            ) from error
        self._logged[path] = digest

    def log_model(self, local: Path) -> None:
        """Do nothing: without MLflow there is no model to serve."""

    def log_bytes(self, content: bytes, path: str) -> None:
        """Write a file."""
        with written(content, path, self.scratch) as (local, folder):
            self.log_file(local, folder)

    def log_table(self, table: pa.Table, path: str) -> None:
        """Write a table as JSON."""
        self.log_bytes(table_json(table), f"{path}.json")

    def log_corpus(
        self,
        name: str,
        digest: str,
        source: Mapping[str, object],
        splits: Mapping[str, pa.Table],
    ) -> None:
        """Do nothing: the record holds the ingest config and its digest."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing: what tags say stands in the record."""

    def end(self, status: Status, message: str = "") -> None:
        """Do nothing: the record holds the status."""
