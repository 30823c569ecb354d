import numpy as np
import pyarrow as pa
import pytest
from seqeval.metrics import classification_report

from pipeline.core.probe_scores import score_probe
from pipeline.core.similarity import unit_vectors
from pipeline.core.types import Controls, Corpus, EncodedCorpus, EncodedSplit
from pipeline.errors import DataError

WORDS = ("in", "says", "oslo", "rome", "anna", "bela", "pretty")
TAGS = dict(
    zip(WORDS, ["O", "O", "B-LOC", "B-LOC", "B-PER", "B-PER", "O"], strict=True)
)
SETTINGS = {"train": "train", "scored": {"probe": "valid"}, "window": 1}


def corpus_of(**splits):
    """Return splits of (word, tag) sentences, also encoded; other words are unknown."""
    tables, encoded = {}, {}
    for name, sentences in splits.items():
        columns = {"tokens": 0, "ner": 1}
        tables[name] = pa.table(
            {
                column: pa.array(
                    [[token[i] for token in s] for s in sentences],
                    pa.list_(pa.string()),
                )
                for column, i in columns.items()
            }
        )
        ids = [WORDS.index(w) if w in WORDS else -1 for s in sentences for w, _ in s]
        offsets = np.cumsum([0, *map(len, sentences)])
        encoded[name] = EncodedSplit(np.array(ids, np.int32), offsets)
    return Corpus(tables), EncodedCorpus(encoded, ("train",))


def text(rng, sentences, *, mistakes=0.0):
    """Return sentences whose words have their tags, but for some."""
    written = []
    for _ in range(sentences):
        words = rng.choice(WORDS, rng.integers(1, 8)).tolist()
        wrong = rng.random(len(words)) < mistakes
        tags = [
            "I-PER" if w else TAGS[word] for word, w in zip(words, wrong, strict=True)
        ]
        written.append(list(zip(words, tags, strict=True)))
    return written


def probe(corpus, encoded, **changes):
    unit = unit_vectors(np.eye(len(WORDS), dtype=np.float32) + 0.1)
    settings = {"shrinkage": 1e-4, "controls": Controls({}, 1), "seed": 1} | changes
    return score_probe(corpus, encoded, unit, **SETTINGS | settings)


def test_words_that_vectors_tell_apart_have_all_their_entities_found(rng):
    found = probe(*corpus_of(train=text(rng, 200), valid=text(rng, 50)))

    assert found.scores["probe/f1"] == 1
    assert found.scores["probe/f1_low"] == 1
    assert found.scores["probe/unknown"] == 0
    assert {f"probe/f1/{kind}" for kind in ("LOC", "PER")} <= set(found.scores)


def test_scores_equal_seqevals_of_the_entities_listed(rng):
    sentences = text(rng, 60, mistakes=0.3)
    corpus, encoded = corpus_of(train=text(rng, 100, mistakes=0.3), valid=sentences)

    found = probe(corpus, encoded)

    sides = {}
    for side in ("gold", "found"):
        tags = [["O"] * len(sentence) for sentence in sentences]
        for row in found.tables["probe_entities"].to_pylist():
            if row[side]:
                start, kind = row["token"], row[side]
                spell = [f"B-{kind}"] + [f"I-{kind}"] * (row["tokens"] - 1)
                tags[row["sentence"]][start : start + row["tokens"]] = spell
        sides[side] = tags
    report = classification_report(
        sides["gold"], sides["found"], output_dict=True, zero_division=0
    )
    names = {"f1": "f1-score", "precision": "precision", "recall": "recall"}
    for measure, theirs in names.items():
        for kind in ("LOC", "PER"):
            known = report[kind][theirs]
            assert found.scores[f"probe/{measure}/{kind}"] == pytest.approx(known)
        known = report["micro avg"][theirs]
        assert found.scores[f"probe/{measure}"] == pytest.approx(known)
    assert 0.1 < found.scores["probe/f1"] < 1
    assert found.scores["probe/f1_low"] < found.scores["probe/f1"]
    assert found.scores["probe/f1_high"] > found.scores["probe/f1"]


def test_entities_are_listed_as_written_with_both_types():
    train = [[(word, TAGS[word]) for word in WORDS]] * 9
    valid = [[("in", "O"), ("rome", "B-PER")], [("bela", "B-PER"), ("x", "I-PER")]]

    table = probe(*corpus_of(train=train, valid=valid), window=0).tables[
        "probe_entities"
    ]

    place = {"split": "valid", "sentence": 1, "token": 0}
    assert table.to_pylist() == [
        {"split": "valid", "sentence": 0, "token": 1, "tokens": 1, "text": "rome"}
        | {"gold": "PER", "found": "LOC"},
        place | {"tokens": 1, "text": "bela", "gold": None, "found": "PER"},
        place | {"tokens": 2, "text": "bela x", "gold": "PER", "found": None},
    ]


def test_unknown_words_are_counted_and_scored(rng):
    valid = [[("rome", "B-LOC"), ("x", "B-LOC"), ("in", "O"), ("y", "O")]]

    found = probe(*corpus_of(train=text(rng, 200), valid=valid))

    assert found.scores["probe/unknown"] == 0.5
    (row,) = (
        row for row in found.tables["scores"].to_pylist() if row["metric"] == "probe/f1"
    )
    assert (row["asked"], row["found"], row["coverage"]) == (4, 2, 0.5)
    assert row["note"].endswith("2 gold")


def test_the_final_split_has_metrics_of_its_own(rng):
    splits = {name: text(rng, 40) for name in ("train", "valid", "test")}
    both = {"probe": "valid", "probe/test": "test"}

    found = probe(*corpus_of(**splits), scored=both)

    once = probe(*corpus_of(**splits))
    assert once.scores.items() <= found.scores.items()
    assert "probe/test/f1/PER" in found.scores
    splits = found.tables["probe_entities"].column("split").to_pylist()
    assert set(splits) == {"valid", "test"}


def test_controls_stand_beside_the_scores_that_they_are_of(rng):
    names = ("probe/f1", "probe/recall/PER", "probe/f1_onehot")
    controls = Controls(dict(zip(names, (0.25, 0.5, 0.75), strict=True)), 1)

    found = probe(
        *corpus_of(train=text(rng, 60), valid=text(rng, 50)), controls=controls
    )

    rows = {row["metric"]: row for row in found.tables["scores"].to_pylist()}
    assert found.scores["probe/f1_random"] == rows["probe/f1"]["random"] == 0.25
    assert rows["probe/recall/PER"]["random"] == 0.5
    assert found.scores["probe/f1_onehot"] == 0.75
    # Random vectors that find nothing where there is nothing have no score, or 0.
    assert rows["probe/recall/LOC"]["random"] == 0


def test_a_split_without_entities_has_no_f1(rng):
    train = [[("in", "O"), ("says", "O")]] * 3

    found = probe(*corpus_of(train=train, valid=train))

    assert found.scores == {"probe/unknown": 0}
    assert "probe_entities" not in found.tables


def test_tags_and_words_that_do_not_line_up_are_refused(rng):
    corpus, encoded = corpus_of(train=text(rng, 5), valid=text(rng, 5))
    other = {**encoded.splits, "valid": EncodedSplit(np.zeros(2, np.int32), [0, 2])}

    with pytest.raises(
        DataError, match="split valid: expected a tag for each of its 2"
    ):
        probe(corpus, EncodedCorpus(other, ("train",)))


def test_the_same_seed_gives_the_same_bits(rng):
    corpus = corpus_of(train=text(rng, 50, mistakes=0.2), valid=text(rng, 50))

    first, second = probe(*corpus), probe(*corpus)

    assert first == second
