"""Vectors of another program, and a corpus in their words."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline import engine
from pipeline.core.types import UNKNOWN, Corpus, Normalization
from pipeline.dag import SCORING, STAGES
from pipeline.report import Report
from pipeline.stages.encode import EncodeConfig, encode
from pipeline.stages.vectors import VectorsConfig, vectors


class Heard(Report):
    def __init__(self) -> None:
        self.values = {}

    def metrics(self, values, step=None) -> None:
        self.values |= values


def read(tmp_path, content, **changes):
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    config = VectorsConfig(str(path), **{"lowercase": None, "digits": None, **changes})
    heard = Heard()
    found = vectors(config, workspace=tmp_path, report=heard)
    return (*found, heard.values)


def test_words_keep_their_order_and_have_no_counts(tmp_path):
    vocab, embeddings, metrics = read(tmp_path, "zebra 1 2\nant 3 4\n")

    assert vocab.words == embeddings.words == ("zebra", "ant")
    assert vocab.counts.tolist() == [0, 0]
    assert vocab.counts.dtype == np.int64
    np.testing.assert_array_equal(embeddings.center, [[1, 2], [3, 4]])
    assert metrics == {"vectors/words": 2, "vectors/dim": 2}


@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        ("ant 1\n", {}, Normalization(True, "keep")),
        ("Ant 1\n", {}, Normalization(False, "keep")),
        ("ant 1\n", {"lowercase": False}, Normalization(False, "keep")),
        ("Ant 1\n", {"lowercase": True, "digits": "zero"}, Normalization(True, "zero")),
    ],
)
def test_how_words_are_looked_up_is_told_or_seen(tmp_path, content, changes, expected):
    vocab, embeddings, _ = read(tmp_path, content, **changes)

    assert vocab.normalization == embeddings.normalization == expected


def test_a_corpus_is_encoded_with_the_words_of_the_vectors(tmp_path):
    vocab, _, _ = read(tmp_path, "zebra 1 2\nant 3 4\n")
    splits = {
        "train": pa.table({"tokens": [["Ant", "bee"], ["ZEBRA"]]}),
        "valid": pa.table({"tokens": pa.array([], pa.list_(pa.string()))}),
    }
    heard = Heard()

    found = encode(
        EncodeConfig(), Corpus(splits), vocab, workspace=tmp_path, report=heard
    )

    assert found.splits["train"].ids.tolist() == [1, UNKNOWN, 0]
    assert found.splits["train"].offsets.tolist() == [0, 2, 3]
    assert found.splits["valid"].ids.tolist() == []
    assert found.train_splits == ()
    assert heard.values == {"vocab/coverage/train": pytest.approx(2 / 3)}


@pytest.mark.parametrize("stages", [STAGES, SCORING])
def test_the_dags_hold_together(stages):
    engine.check(stages)


def test_the_corpus_is_encoded_only_for_a_stage_that_takes_it():
    chosen = {stage.name for stage in engine.select(SCORING, ["evaluate"])}
    (evaluate,) = [stage for stage in SCORING if stage.name == "evaluate"]

    assert {"vectors", "evaluate"} <= chosen
    assert ("encode" in chosen) == ("encoded" in evaluate.takes)
