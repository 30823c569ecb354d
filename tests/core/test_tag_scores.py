import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score

from pipeline.core.tag_scores import Tagged, score_tags

TAGS = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")

tag = st.sampled_from(TAGS)
texts = st.lists(
    st.lists(st.tuples(tag, tag), min_size=1, max_size=6), min_size=1, max_size=5
)


def tagged(sentences, *, tags=TAGS, known=None):
    """Return a split of sentences of (gold, found)."""
    gold = [tags.index(g) for text in sentences for g, _ in text]
    found = [tags.index(f) for text in sentences for _, f in text]
    words = [[f"w{i}" for i in range(len(text))] for text in sentences]
    return Tagged(
        split="valid",
        table=pa.table({"tokens": pa.array(words, pa.list_(pa.string()))}),
        offsets=np.cumsum([0, *map(len, sentences)]),
        tags=tags,
        gold=np.array(gold, np.int32),
        found=np.array(found, np.int32),
        confidence=np.linspace(0, 1, len(gold)),
        known=np.ones(len(gold), bool) if known is None else np.array(known, bool),
        likelihoods=-np.arange(1.0, len(sentences) + 1),
    )


@given(texts)
def test_scores_equal_seqevals_in_all_and_by_type(sentences):
    found = score_tags(tagged(sentences), spans=True, seed=1).scores

    sides = [[[pair[i] for pair in text] for text in sentences] for i in (0, 1)]
    if any(tag != "O" for side in sides for text in side for tag in text):
        known = f1_score(*sides, zero_division=0)
        assert found["tag/valid/f1"] == pytest.approx(known, abs=1e-12)
        report = classification_report(*sides, output_dict=True, zero_division=0)
        for kind in {"LOC", "PER"} & report.keys():
            for ours, theirs in (("f1", "f1-score"), ("recall", "recall")):
                assert found[f"tag/valid/{ours}/{kind}"] == pytest.approx(
                    report[kind][theirs], abs=1e-12
                )
    pairs = [pair for text in sentences for pair in text]
    right = sum(gold == guess for gold, guess in pairs)
    assert found["tag/valid/accuracy"] == right / len(pairs)


def test_tags_that_are_no_spans_are_scored_by_accuracy_alone():
    sentences = [[("NN", "NN"), ("DT", "NN")], [("DT", "DT"), ("NN", "DT")]]
    split = tagged(sentences, tags=("DT", "NN"), known=[1, 1, 0, 0])

    scores = score_tags(split, spans=False, seed=1).scores

    assert scores["tag/valid/accuracy"] == 0.5
    assert scores["tag/valid/accuracy_unknown"] == 0.5
    assert scores["tag/valid/unknown"] == 0.5
    assert not any("f1" in name for name in scores)


def test_headlines_stand_between_the_ends_of_their_intervals(rng):
    pairs = [
        (str(g), str(g) if rng.random() < 0.8 else "O") for g in rng.choice(TAGS, 300)
    ]
    sentences = [pairs[i : i + 6] for i in range(0, 300, 6)]

    scores = score_tags(tagged(sentences), spans=True, seed=1).scores

    for name in ("tag/valid/f1", "tag/valid/accuracy"):
        assert scores[f"{name}_low"] < scores[name] < scores[f"{name}_high"]


def test_confusions_and_sentences_and_tokens_are_listed():
    sentences = [[("B-PER", "B-PER"), ("O", "I-PER")], [("O", "O")]]

    tables = score_tags(tagged(sentences, known=[1, 0, 1]), spans=True, seed=1).tables

    assert tables["tag_confusion"].to_pylist() == [
        {"split": "valid", "gold": "B-PER", "found": "B-PER", "tokens": 1},
        {"split": "valid", "gold": "O", "found": "I-PER", "tokens": 1},
        {"split": "valid", "gold": "O", "found": "O", "tokens": 1},
    ]
    first, second = tables["tag_sentences"].to_pylist()
    assert first == {
        "split": "valid",
        "sentence": 0,
        "tokens": 2,
        "wrong": 1,
        "log_likelihood": -1,
        "correct": 0,
        "found": 1,
        "gold": 1,
    }
    assert (second["wrong"], second["gold"]) == (0, 0)
    assert tables["tag_tokens"].to_pylist()[1] == {
        "split": "valid",
        "sentence": 0,
        "token": 1,
        "text": "w1",
        "gold": "O",
        "found": "I-PER",
        "confidence": 0.5,
        "known": False,
    }


def test_a_split_without_tokens_has_no_scores():
    found = score_tags(tagged([]), spans=True, seed=1)

    assert (found.scores, found.tables) == ({}, {})
