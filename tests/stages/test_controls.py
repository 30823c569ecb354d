"""Random vectors, scored as trained ones are."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter

from pipeline.core.similarity import random_vectors
from pipeline.core.types import (
    Controls,
    Corpus,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Normalization,
    Vocab,
)
from pipeline.core.wordlists import CATEGORIES
from pipeline.report import Report
from pipeline.stages.controls import ControlsConfig, Width, controls
from pipeline.stages.evaluate import EvaluateConfig, evaluate
from pipeline.stages.vector_controls import VectorControlsConfig, vector_controls

DIM = 6


@pytest.fixture
def asked(pytestconfig, tmp_path) -> EvaluateConfig:
    """The default lists, few analogies, and a file of word pairs."""
    (tmp_path / "pairs.txt").write_text("france germany 9\nmonday paris 1\nyen may 2\n")
    default = OmegaConf.load(
        pytestconfig.rootpath / "conf" / "evaluate" / "default.yaml"
    )
    whole = OmegaConf.create({"seed": 1, "home": "runs", "evaluate": default})
    values = OmegaConf.to_container(whole, resolve=True)["evaluate"] | {
        "similarity_files": [str(tmp_path / "pairs.txt")],
        "builtin_analogies": False,
    }
    return TypeAdapter(EvaluateConfig).validate_json(json.dumps(values), strict=True)


@pytest.fixture
def tagged(rng) -> tuple[Corpus, EncodedCorpus, Vocab]:
    """Sentences of the words of the built-in categories; the first few are entities."""
    listed = dict.fromkeys(w.lower() for words in CATEGORIES.values() for w in words)
    words = tuple(listed)
    tables, encoded = {}, {}
    for name in ("train", "valid"):
        drawn = rng.geometric(0.08, (150, 5)) - 1
        ids = np.minimum(drawn, len(words) - 1).astype(np.int32)
        tags = np.where(ids < DIM, "B-PER", "O")
        tables[name] = pa.table(
            {"tokens": np.array(words)[ids].tolist(), "ner": tags.tolist()}
        )
        encoded[name] = EncodedSplit(ids.ravel(), np.arange(0, ids.size + 1, 5))
    counts = np.arange(len(words), 0, -1)
    vocab = Vocab(words, counts, Normalization(lowercase=True, digits="keep"))
    return Corpus(tables), EncodedCorpus(encoded, ("train",)), vocab


def config_of(asked: EvaluateConfig, dim: int = DIM) -> ControlsConfig:
    return ControlsConfig(seed=3, train=Width(dim), evaluate=asked.scored)


def test_each_control_is_the_score_of_random_vectors(asked, tagged, tmp_path):
    """That of random vectors put in the place of trained ones."""
    corpus, encoded, vocab = tagged
    vectors = random_vectors(len(vocab.words), DIM, 3)
    random = Embeddings(vocab.words, vectors, vectors[:, :0], vocab.normalization)
    around = {"workspace": tmp_path, "report": Report()}

    found = controls(config_of(asked), *tagged, **around)
    metrics, tables = evaluate(
        replace(asked, seed=3),
        *(corpus, encoded, vocab, random, Controls({}, 3)),
        **around,
    )

    scored = {
        row["metric"]: row["value"] for row in tables.tables["scores"].to_pylist()
    }
    defined = {name: value for name, value in scored.items() if value is not None}
    assert {"similarity/pairs", "category/purity", "probe/f1"} <= set(defined)
    assert found.seed == 3
    assert found.scores == defined | {
        "probe/f1_onehot": found.scores["probe/f1_onehot"]
    }
    assert metrics.values["probe/f1"] == found.scores["probe/f1"]


def test_frequent_words_are_told_apart_as_far_as_there_are_dims(
    asked, tagged, tmp_path
):
    around = {"workspace": tmp_path, "report": Report()}

    of_all, of_half = (
        controls(config_of(asked, dim), *tagged, **around) for dim in (DIM, DIM // 2)
    )

    # The entities are the first words, and with as many dims all are known.
    assert of_all.scores["probe/f1_onehot"] == 1
    assert of_half.scores["probe/f1_onehot"] < 1


def test_vectors_from_elsewhere_have_the_controls_of_their_width(
    asked, tagged, tmp_path
):
    *_, vocab = tagged
    center = np.ones((len(vocab.words), DIM), np.float32)
    theirs = Embeddings(vocab.words, center, center[:, :0], vocab.normalization)
    around = {"workspace": tmp_path, "report": Report()}

    found = vector_controls(
        VectorControlsConfig(seed=3, evaluate=asked.scored), *tagged, theirs, **around
    )

    assert found == controls(config_of(asked), *tagged, **around)


def test_controls_stand_beside_the_scores_of_an_evaluation(asked, tagged, tmp_path):
    corpus, encoded, vocab = tagged
    vectors = np.random.default_rng(5).normal(size=(len(vocab.words), DIM))
    center = vectors.astype(np.float32)
    trained = Embeddings(vocab.words, center, center[:, :0], vocab.normalization)
    around = {"workspace": tmp_path, "report": Report()}
    chance = controls(config_of(asked), *tagged, **around)

    metrics, tables = evaluate(asked, corpus, encoded, vocab, trained, chance, **around)

    for row in tables.tables["scores"].to_pylist():
        name = row["metric"]
        if name not in ("geometry/isotropy", "geometry/norm_frequency"):
            assert row["random"] == chance.scores[name], name
    for name in ("similarity/pairs", "category/purity", "probe/f1"):
        assert metrics.values[f"{name}_random"] == chance.scores[name]
    assert metrics.values["probe/f1_onehot"] == chance.scores["probe/f1_onehot"]
