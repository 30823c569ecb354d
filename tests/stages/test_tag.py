import json

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf
from pydantic import TypeAdapter
from seqeval.metrics import f1_score

from pipeline.core.types import (
    Corpus,
    Embeddings,
    EncodedCorpus,
    EncodedSplit,
    Normalization,
)
from pipeline.core.vectors import save_vectors
from pipeline.dag import STAGES
from pipeline.engine import select
from pipeline.errors import ConfigError, DataError
from pipeline.report import Report
from pipeline.stages.tag import TagConfig, tag

FRAMES = (
    "the team of {} won in {} .",
    "{} said that {} was cold .",
    "{} spoke in {} .",
    "{} , {}",
)
PLACES = ("Oslo", "Rome", "New York", "Santa Fe", "Lima")
PEOPLE = ("Anna Berg", "Ben Carr", "Cy", "Dora Ek")
POS = {"the": "DT", "of": "IN", "in": "IN", ".": ".", ",": ",", "that": "IN"}


def config_of(root, **changes):
    """Return the default config with some keys changed, checked as in a run."""
    default = OmegaConf.load(root / "conf" / "tag" / "default.yaml")
    whole = OmegaConf.create({"seed": 7, "tag": default})
    for key, value in changes.items():
        OmegaConf.update(whole.tag, key.replace("__", "."), value)
    values = OmegaConf.to_container(whole, resolve=True)["tag"]
    return TypeAdapter(TagConfig).validate_json(json.dumps(values), strict=True)


@pytest.fixture
def config(pytestconfig):
    return lambda **changes: config_of(pytestconfig.rootpath, **changes)


def sentence(rng):
    """Return a sentence as (word, part of speech, entity tag)."""
    names = [
        [(name, "PER") for name in rng.choice(PEOPLE, 1)],
        [(name, "LOC") for name in rng.choice(PLACES, 1)],
    ]
    found, frame = [], str(rng.choice(FRAMES))
    for word in frame.split():
        if word == "{}":
            (name, kind) = names.pop(0)[0]
            parts = str(name).split()
            found += [
                (part, "NNP", f"{'I' if i else 'B'}-{kind}")
                for i, part in enumerate(parts)
            ]
        else:
            found.append((word, POS.get(word, "VB"), "O"))
    return found


def corpus_of(**splits):
    """Return splits of (word, pos, ner) sentences, also encoded by those of train."""
    words = sorted({w for text in splits["train"] for w, _, _ in text})
    ids = {word: i for i, word in enumerate(words)}
    tables, encoded = {}, {}
    for name, texts in splits.items():
        tables[name] = pa.table(
            {
                column: pa.array(
                    [[token[i] for token in text] for text in texts],
                    pa.list_(pa.string()),
                )
                for i, column in enumerate(("tokens", "pos", "ner"))
            }
        )
        flat = [ids.get(w, -1) for text in texts for w, _, _ in text]
        offsets = np.cumsum([0, *map(len, texts)])
        encoded[name] = EncodedSplit(np.array(flat, np.int32), offsets)
    return Corpus(tables), EncodedCorpus(encoded, ("train",))


@pytest.fixture
def corpus(rng):
    sizes = {"train": 150, "valid": 40, "test": 30}
    return corpus_of(**{n: [sentence(rng) for _ in range(s)] for n, s in sizes.items()})


def run(config, corpus, tmp_path):
    metrics, tables = tag(config, *corpus, workspace=tmp_path, report=Report())
    return metrics.values, tables.tables


def test_names_in_known_frames_are_found(config, corpus, tmp_path):
    metrics, tables = run(config(), corpus, tmp_path)

    assert metrics["tag/valid/f1"] > 0.95
    assert metrics["tag/valid/f1/PER"] > 0.95
    assert set(tables) == {"tag_scores", "tag_confusion", "tag_sentences", "tag_tokens"}
    assert not any(name.startswith("tag/test") for name in metrics)


def test_f1_is_that_of_the_tokens_listed(config, corpus, tmp_path):
    metrics, tables = run(config(final=True), corpus, tmp_path)

    for split in ("valid", "test"):
        sides = {"gold": {}, "found": {}}
        for row in tables["tag_tokens"].to_pylist():
            if row["split"] == split:
                for side, sentences in sides.items():
                    sentences.setdefault(row["sentence"], []).append(row[side])
        known = f1_score(*(list(side.values()) for side in sides.values()))
        assert metrics[f"tag/{split}/f1"] == pytest.approx(known, abs=1e-12)


def test_a_name_never_seen_is_known_by_its_frame(config, rng, tmp_path):
    train = [sentence(rng) for _ in range(150)]
    words = ["Cy", "spoke", "in", "Zyxgard", "."]
    valid = [[(word, "X", "O") for word in words]]

    _, tables = run(config(), corpus_of(train=train, valid=valid), tmp_path)

    row = tables["tag_tokens"].to_pylist()[3]
    assert (row["text"], row["found"], row["known"]) == ("Zyxgard", "B-LOC", False)


def test_parts_of_speech_are_tagged_with_the_same_code(config, corpus, tmp_path):
    metrics, tables = run(config(column="pos"), corpus, tmp_path)

    assert metrics["tag/valid/accuracy"] > 0.99
    assert "tag/valid/f1" not in metrics
    assert {row["gold"] for row in tables["tag_confusion"].to_pylist()} >= {"NNP"}


@pytest.mark.parametrize(
    "changes",
    [
        {"transitions__order": 1},
        {"transitions__smoothing": "additive"},
        {"transitions__scheme": "iob2"},
        {"transitions__unlabeled_passes": 2},
        {"emissions__affix_strength": "theta", "emissions__word_strength": 0.0},
        {"beam": None},
        {"weights__previous": 0.0, "weights__next": 0.0, "weights__pair": 0.0},
    ],
)
def test_every_choice_tags_well_and_never_writes_half_a_name(
    changes, config, corpus, tmp_path
):
    metrics, tables = run(config(**changes), corpus, tmp_path)

    assert metrics["tag/valid/f1"] > 0.9
    before = "O"
    for row in tables["tag_tokens"].to_pylist():
        before = "O" if row["token"] == 0 else before
        if row["found"].startswith("I-"):
            assert before[2:] == row["found"][2:]
        before = row["found"]
        assert 0 <= row["confidence"] <= 1


def test_passes_over_untagged_text_report_its_likelihood(config, corpus, tmp_path):
    metrics, _ = run(config(transitions__unlabeled_passes=3), corpus, tmp_path)

    found = [metrics[f"tag/likelihood/{i}"] for i in (1, 2, 3)]
    assert all(np.isfinite(found))
    assert len(set(found)) == 3


def test_word_classes_let_a_rare_word_be_what_its_neighbors_are(config, rng, tmp_path):
    # Names of one shape, told apart by their classes alone.
    people, places = ([f"{k}{i}" for i in range(40)] for k in ("Pab", "Lab"))
    vectors = {
        **{name: [1, 0, 0.1 * i % 1] for i, name in enumerate(people)},
        **{name: [0, 1, 0.1 * i % 1] for i, name in enumerate(places)},
    }
    order = rng.permutation(40)
    texts = [
        [(names[i], "NNP", f"B-{kind}"), ("ran", "VB", "O")]
        for i in order
        for names, kind in ((people, "PER"), (places, "LOC"))
    ]
    corpus = corpus_of(train=texts[:30], valid=texts[30:])
    center = np.array(list(vectors.values()), np.float32)
    path = tmp_path / "vectors.npz"
    words = tuple(name.lower() for name in vectors)
    embeddings = Embeddings(words, center, center, Normalization(True, "keep"))
    save_vectors(path, embeddings)
    # Suffixes of one character: digits, here.
    settings = {"emissions__suffix": 1, "classes": 2, "weights__prefix": 0.0}

    alone, _ = run(config(**settings), corpus, tmp_path)
    helped, _ = run(config(word_classes=str(path), **settings), corpus, tmp_path)

    assert alone["tag/valid/f1"] < 0.7
    assert helped["tag/valid/f1"] == 1
    assert config(word_classes=str(path)).input_files() == {"word_classes": path}
    assert config().input_files() == {}


def test_the_same_seed_gives_the_same_tables(config, corpus, tmp_path):
    (a, tables), (b, again) = (run(config(), corpus, tmp_path) for _ in range(2))

    assert a == b
    assert all(tables[name].equals(again[name]) for name in tables)


def test_a_tag_that_was_never_learned_counts_as_missed(config, corpus, tmp_path):
    splits = {name: t.to_pylist() for name, t in corpus[0].splits.items()}
    texts = {
        name: [
            list(zip(row["tokens"], row["pos"], row["ner"], strict=True))
            for row in rows
        ]
        for name, rows in splits.items()
    }
    texts["valid"].append([("Volvo", "NNP", "B-ORG")])

    metrics, _ = run(config(), corpus_of(**texts), tmp_path)

    assert metrics["tag/valid/recall/ORG"] == 0


def test_one_tag_and_empty_sentences_are_a_corpus_too(config, tmp_path):
    texts = [[("a", "X", "O"), ("b", "X", "O")], [], [("a", "X", "O")]]
    corpus = corpus_of(train=texts, valid=[[], *texts])

    for column in ("ner", "pos"):
        metrics, _ = run(config(column=column), corpus, tmp_path)
        assert metrics["tag/valid/accuracy"] == 1


@pytest.mark.parametrize(
    ("changes", "drop", "message"),
    [
        ({"column": "chunk"}, (), r"tag.column=chunk: .* found tokens, pos, ner"),
        ({"final": True}, ("test",), "expected a split test, .* tag.final=false"),
        ({}, ("valid",), "expected a split valid, found train, test"),
    ],
)
def test_a_corpus_without_what_is_asked_for_is_named(
    changes, drop, message, *, config, corpus, tmp_path
):
    splits = {n: t for n, t in corpus[0].splits.items() if n not in drop}

    with pytest.raises(ConfigError, match=message):
        run(config(**changes), (Corpus(splits), corpus[1]), tmp_path)


def test_a_column_that_holds_no_spans_is_named(config, tmp_path):
    text = [("a", "X", "NN")]

    with pytest.raises(DataError, match=r"found 'NN'. Is tag.column=ner the right"):
        run(config(), corpus_of(train=[text], valid=[text]), tmp_path)


def test_nothing_to_learn_from_is_said(config, tmp_path):
    with pytest.raises(DataError, match="sentences to learn from"):
        run(config(), corpus_of(train=[], valid=[]), tmp_path)


def test_it_runs_on_request_alone():
    assert "tag" not in [stage.name for stage in select(STAGES, ())]
    names = [stage.name for stage in select(STAGES, ["tag"])]
    assert names == ["ingest", "vocab", "tag"]
