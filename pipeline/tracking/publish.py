"""How each artifact is logged: in the form its type is looked at."""

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch

import numpy as np
import pyarrow as pa

from pipeline.core.files import scratch_folder
from pipeline.core.types import (
    Controls,
    Corpus,
    Embeddings,
    EncodedCorpus,
    Figures,
    Metrics,
    Snapshots,
    Tables,
    TrainingHistory,
    Vocab,
)
from pipeline.tracking.tracker import Tracker

# Rows of the vocabulary table, about 2 MB: what a browser loads at once. All words
# come with the vectors.
_VOCAB_ROWS = 50_000


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
        Embeddings       vectors/vectors.npz, and the model
        Snapshots        nothing: the film is made of them
        Controls         nothing: they stand beside the metrics
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
    table = pa.table({"id": np.arange(len(counts)), "word": words})
    if counts.any() or not counts.size:  # where they are known
        table = table.append_column("count", pa.array(counts))
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

    with scratch_folder(tracker.scratch) as folder:
        path = folder / "vectors.npz"
        save_vectors(path, embeddings, synced=False)
        tracker.log_file(path, "vectors")
        # It answers with the center vectors; the others would double it.
        none = np.empty((len(embeddings.words), 0), np.float32)
        save_vectors(path, replace(embeddings, context=none), synced=False)
        tracker.log_model(path)


@_publish.register
def _(snapshots: Snapshots, *_: object) -> None:
    """Publish nothing: they are there for the film."""


@_publish.register
def _(controls: Controls, *_: object) -> None:
    """Publish nothing: each stands beside the metric that it is of."""


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
