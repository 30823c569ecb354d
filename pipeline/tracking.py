"""What a run tells a tracking store, whichever it is.

    local     MLflow on this project's own SQLite store
    server    an MLflow tracking server
    off       artifacts and the run's record on disk; MLflow is not imported

Tracking is a view: the cache and the run's record hold the truth, and a run can
be published again from them.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.core.types import (
    Corpus,
    Embeddings,
    EncodedCorpus,
    Figures,
    Metrics,
    Tables,
    TrainingHistory,
    Vocab,
)
from pipeline.fields import NonNegativeFloat
from pipeline.records import Status

# Rows of the vocabulary table, about 2 MB: what a browser loads at once. All words
# come with the vectors.
_VOCAB_ROWS = 50_000


@dataclass(frozen=True)
class LocalTracking:
    """Track in `<home>/mlflow.db`, with the artifacts below `<home>/artifacts`.

    Attributes:
        experiment: Name of the group of runs.
        system_seconds: Time between two samples of memory and CPU; 0 takes none.
    """

    backend: Literal["local"]
    experiment: Annotated[str, Field(min_length=1, max_length=200)]
    system_seconds: NonNegativeFloat


@dataclass(frozen=True)
class ServerTracking:
    """Track on an MLflow server.

    Attributes:
        experiment: Name of the group of runs.
        uri: Address of the server.
        system_seconds: Time between two samples of memory and CPU; 0 takes none.
    """

    backend: Literal["server"]
    experiment: Annotated[str, Field(min_length=1, max_length=200)]
    uri: str
    system_seconds: NonNegativeFloat

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
    def artifacts(self) -> tuple[str, ...]:
        """Paths of the artifacts logged so far, relative to `artifact_uri`."""
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
) -> Tracker:
    """Begin a run.

    Args:
        config: Where to track.
        home: The folder that holds all that runs write; absolute.
        run_name: The run's readable name.
        tags: Its first tags. `git.commit` is shown as the run's source version.
        run_id: A run of the same store to go on with instead of a new one.

    Raises:
        TrackingError: if the store cannot be reached or used.
        StorageError: if home cannot be written.
    """
    match config:
        case OffTracking():
            from pipeline.off_tracking import OffTracker

            return OffTracker(home, run_id)
        case LocalTracking():
            uri = None
        case ServerTracking():
            uri = config.uri
    from pipeline.mlflow_tracking import open_mlflow

    return open_mlflow(
        uri,
        home,
        config.experiment,
        run_name=run_name,
        tags=tags,
        run_id=run_id,
        system_seconds=config.system_seconds,
    )


def publish(
    tracker: Tracker,
    name: str,
    artifact: object,
    *,
    digest: str,
    config: Mapping[str, object],
) -> None:
    """Log an artifact in the form its type is looked at.

        Corpus           a dataset input
        Vocab            tables/vocab: the most frequent words
        EncodedCorpus    nothing: it follows from the two above
        TrainingHistory  curves train/..., and tables/history
        Embeddings       vectors/vectors.npz
        Metrics          metrics
        Tables           tables/<name>
        Figures          figures/<file>

    Args:
        tracker: The run.
        name: The artifact's name.
        artifact: One of the types above.
        digest: Digest of its content.
        config: Resolved config of the stage that gave it.

    Raises:
        TypeError: if its type is none of them.
    """
    _publish(artifact, tracker, name, digest, config)


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


@singledispatch
def _publish(
    artifact: object,
    tracker: Tracker,
    name: str,
    digest: str,
    config: Mapping[str, object],
) -> None:
    kind = type(artifact).__name__
    raise TypeError(f"artifact {name!r} of type {kind} has no form to be published in")


@_publish.register
def _(
    corpus: Corpus,
    tracker: Tracker,
    name: str,
    digest: str,
    config: Mapping[str, object],
) -> None:
    known_as = str(config.get("reader", name))
    tracker.log_corpus(known_as, digest, config, corpus.splits)


@_publish.register
def _(vocab: Vocab, tracker: Tracker, name: str, *_: object) -> None:
    words = pa.array(vocab.words[:_VOCAB_ROWS], pa.string())
    counts = vocab.counts[:_VOCAB_ROWS]
    table = pa.table({"id": np.arange(len(counts)), "word": words, "count": counts})
    tracker.log_table(table, f"tables/{name}")


@_publish.register
def _(encoded: EncodedCorpus, *_: object) -> None:
    """Publish nothing: the corpus and the vocabulary say it all."""


@_publish.register
def _(history: TrainingHistory, tracker: Tracker, name: str, *_: object) -> None:
    columns = {"train/loss": history.loss, "train/learning_rate": history.learning_rate}
    if history.heldout_loss.size:
        columns["train/heldout_loss"] = history.heldout_loss
    # Of a run that was watched live these are there already, and stay as they are.
    tracker.log_series(
        [
            (metric, float(value), epoch)
            for metric, values in columns.items()
            for epoch, value in enumerate(values, start=1)
        ]
    )
    short = {metric.removeprefix("train/"): v for metric, v in columns.items()}
    epochs = np.arange(1, len(history.loss) + 1)
    tracker.log_table(pa.table({"epoch": epochs, **short}), f"tables/{name}")


@_publish.register
def _(embeddings: Embeddings, tracker: Tracker, *_: object) -> None:
    from pipeline.core.vectors import save_vectors

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "vectors.npz"
        save_vectors(path, embeddings)
        tracker.log_file(path, "vectors")


@_publish.register
def _(metrics: Metrics, tracker: Tracker, *_: object) -> None:
    tracker.log_metrics(metrics.values)


@_publish.register
def _(tables: Tables, tracker: Tracker, *_: object) -> None:
    for name, table in tables.tables.items():
        tracker.log_table(table, f"tables/{name}")


@_publish.register
def _(figures: Figures, tracker: Tracker, *_: object) -> None:
    for name, content in figures.files.items():
        tracker.log_bytes(content, f"figures/{name}")
