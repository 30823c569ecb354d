"""What a run tells a tracking store, whichever it is.

    local     MLflow on this project's own SQLite store
    server    an MLflow tracking server
    off       artifacts and the run's record on disk; MLflow is not imported

Tracking is a view: the cache and the run's record hold the truth, and a run can
be published again from them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
from pydantic import Field

from pipeline.fields import NonNegativeFloat
from pipeline.records import Status

# What MLflow's registry takes: an address models:/<name>/<version> is cut at / and :.
ModelName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^/:\s'\"]+$")
]


@dataclass(frozen=True)
class LocalTracking:
    """Track in `<home>/mlflow.db`, with the artifacts below `<home>/artifacts`.

    Attributes:
        experiment: Name of the group of runs.
        system_seconds: Time between two samples of memory and CPU; 0 takes none.
        register_as: Registered model that a run's model becomes a version of.
    """

    backend: Literal["local"]
    experiment: Annotated[str, Field(min_length=1, max_length=200)]
    system_seconds: NonNegativeFloat
    register_as: ModelName | None


@dataclass(frozen=True)
class ServerTracking:
    """Track on an MLflow server.

    Attributes:
        experiment: Name of the group of runs.
        uri: Address of the server.
        system_seconds: Time between two samples of memory and CPU; 0 takes none.
        register_as: Registered model that a run's model becomes a version of.
    """

    backend: Literal["server"]
    experiment: Annotated[str, Field(min_length=1, max_length=200)]
    uri: str
    system_seconds: NonNegativeFloat
    register_as: ModelName | None

    def __post_init__(self) -> None:
        try:
            address = urlsplit(self.uri)
        except ValueError as error:
            raise ValueError(f"uri is no address: {error}") from error
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(
                "uri: expected the address of an MLflow server such as "
                f"http://127.0.0.1:5000, found {self.uri!r}"
            )
        if address.username or address.password:
            # Not shown again: it would end up in logs and in the run's record.
            raise ValueError(
                "uri holds a user name or password; give them in "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


@dataclass(frozen=True)
class OffTracking:
    """Track nowhere."""

    backend: Literal["off"]


TrackingConfig = Annotated[
    LocalTracking | ServerTracking | OffTracking, Field(discriminator="backend")
]


class Tracker(Protocol):
    """One run in a tracking store.

    Artifact paths are relative and with slashes; characters that some file
    system or store refuses are replaced.
    """

    @property
    def run_id(self) -> str:
        """The run's id, given by the store."""
        ...

    @property
    def uri(self) -> str:
        """The store's address."""
        ...

    @property
    def artifact_uri(self) -> str:
        """Where the run's artifacts lie."""
        ...

    @property
    def scratch(self) -> Path:
        """Folder below home for files that are about to be logged."""
        ...

    @property
    def experiment(self) -> str | None:
        """Id of the run's group in the store; None where there are none."""
        ...

    @property
    def artifacts(self) -> tuple[str, ...]:
        """Paths of the artifacts logged so far, relative to `artifact_uri`."""
        ...

    @property
    def artifact_digests(self) -> Mapping[str, str]:
        """Path -> sha256 of the content, of the artifacts logged so far."""
        ...

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log values that stay the same throughout the run."""
        ...

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log values measured now; `step` counts epochs from 1.

        A step that a metric has already is not logged again.

        Raises:
            TrackingError: if a value is not finite.
        """
        ...

    def log_series(self, points: Sequence[tuple[str, float, int | None]]) -> None:
        """Log many (name, value, step) at once, as `log_metrics` does."""
        ...

    def log_file(self, local: Path, folder: str = "") -> None:
        """Keep a copy of a file, under its own name, in a folder.

        Raises:
            TrackingError: if there is no such file.
        """
        ...

    def log_model(self, local: Path) -> None:
        """Log a model that answers requests with vectors.

        Args:
            local: An .npz that `pipeline.core.vectors` wrote.

        Raises:
            TrackingError: if there is no such file.
        """
        ...

    def log_bytes(self, content: bytes, path: str) -> None:
        """Keep a file with this content."""
        ...

    def log_table(self, table: pa.Table, path: str) -> None:
        """Keep a table in the form the store shows as one; adds `.json`."""
        ...

    def log_corpus(
        self,
        name: str,
        digest: str,
        source: Mapping[str, object],
        splits: Mapping[str, pa.Table],
    ) -> None:
        """Log what the run was trained on.

        Args:
            name: The corpus's name.
            digest: Digest of its content.
            source: Where it comes from: the ingest stage's config.
            splits: Split name -> table, one row per sentence.
        """
        ...

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same name."""
        ...

    def end(self, status: Status, message: str = "") -> None:
        """Close the run; `message` says why it did not finish."""
        ...


def open_tracker(
    config: LocalTracking | ServerTracking | OffTracking,
    home: Path,
    *,
    run_name: str,
    tags: Mapping[str, str],
    run_id: str | None = None,
    pause: float = 0.0,
) -> Tracker:
    """Begin a run.

    Args:
        config: Where to track.
        home: The folder that holds all that runs write; absolute.
        run_name: The run's readable name.
        tags: Its first tags. `git.commit` is shown as the run's source version.
        run_id: A run of the same store to go on with instead of a new one.
        pause: Seconds within which measured values are gathered, to be sent at once;
            0 sends each as it comes.

    Raises:
        TrackingError: if the store cannot be reached or used.
        StorageError: if home cannot be written.
    """
    match config:
        case OffTracking():
            from pipeline.tracking.off_tracker import OffTracker

            return OffTracker(home, run_id)
        case LocalTracking():
            uri = None
        case ServerTracking():
            uri = config.uri
    from pipeline.tracking.mlflow_tracker import open_mlflow

    return open_mlflow(
        uri,
        home,
        config.experiment,
        run_name=run_name,
        tags=tags,
        run_id=run_id,
        system_seconds=config.system_seconds,
        register_as=config.register_as,
        pause=pause,
    )


def prepare_tracking(
    config: LocalTracking | ServerTracking | OffTracking, home: Path
) -> None:
    """Import what tracking takes and make its store: a matter of seconds.

    Raises:
        TrackingError: if the store cannot be used.
        StorageError: if home cannot be written.
    """
    if isinstance(config, OffTracking):
        return
    from pipeline.tracking.mlflow_store import import_mlflow, ready_store

    if isinstance(config, LocalTracking):
        ready_store(home)
    else:
        import_mlflow()


def params_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a resolved config as flat dotted names with text values.

    {"train": {"dim": 200, "splits": ["train"]}, "seed": None} becomes
    {"train.dim": "200", "train.splits": '["train"]', "seed": "null"}.
    """
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= {f"{key}.{inner}": v for inner, v in params_of(value).items()}
        elif isinstance(value, str):
            flat[str(key)] = value
        else:
            flat[str(key)] = json.dumps(value, ensure_ascii=False, default=str)
    return flat
