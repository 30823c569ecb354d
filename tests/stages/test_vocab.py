import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pydantic import TypeAdapter

from pipeline.core.types import UNKNOWN, Corpus, Normalization
from pipeline.errors import ConfigError, DataError, StorageError
from pipeline.report import Report
from pipeline.stages.vocab import VocabConfig, vocab

ROOT = Path(__file__).resolve().parents[2]
CONFIG = VocabConfig(
    splits=("train",), lowercase=True, digits="keep", min_count=0, max_size=None
)
SPLITS = {
    "train": [["The", "cat", "sat"], ["the", "dog"]],
    "valid": [["THE", "cow"], [], ["Cat", "sat"]],
    "test": [],
}


class Recorder(Report):
    def __init__(self):
        self.total, self.done, self.values = None, 0, {}

    def start(self, total, unit):
        self.total = (total, unit)

    def advance(self, amount, shown=""):
        self.done += amount

    def metrics(self, values, step=None):
        self.values.update(values)


def corpus_of(splits):
    kind = pa.list_(pa.string())
    return Corpus(
        {name: pa.table({"tokens": pa.array(s, kind)}) for name, s in splits.items()}
    )


def run(tmp_path, corpus=None, report=None, **changes):
    return vocab(
        dataclasses.replace(CONFIG, **changes),
        corpus or corpus_of(SPLITS),
        workspace=tmp_path,
        report=report or Report(),
    )


def test_one_split_is_counted_and_every_split_encoded(tmp_path):
    words, encoded = run(tmp_path)

    assert words.words == ("the", "cat", "dog", "sat")
    assert words.counts.tolist() == [2, 1, 1, 1]
    assert words.normalization == Normalization(lowercase=True, digits="keep")
    assert encoded.train_splits == ("train",)
    assert list(encoded.splits) == ["train", "valid", "test"]
    assert encoded.splits["train"].ids.tolist() == [0, 1, 3, 0, 2]
    assert encoded.splits["valid"].ids.tolist() == [0, UNKNOWN, 1, 3]
    assert encoded.splits["valid"].offsets.tolist() == [0, 2, 2, 4]
    assert encoded.splits["test"].ids.tolist() == []
    assert encoded.splits["test"].offsets.tolist() == [0]


def test_metrics_are_words_kept_tokens_and_coverage(tmp_path):
    report = Recorder()

    run(tmp_path, report=report, min_count=2)

    # Only "the" is left; the empty split has no coverage.
    assert report.values == {
        "vocab/words": 1,
        "vocab/tokens": 2,
        "vocab/coverage/valid": 1 / 4,
    }


def test_progress_counts_each_token_where_it_is_read(tmp_path):
    report = Recorder()

    run(tmp_path, report=report)

    # Train is counted and encoded, valid encoded.
    assert report.total == (5 + 5 + 4, "tokens")
    assert report.done == 14


def test_several_splits_are_counted_together(tmp_path):
    report = Recorder()

    words, encoded = run(tmp_path, report=report, splits=("train", "valid"))

    assert dict(zip(words.words, words.counts.tolist(), strict=True)) == {
        "the": 3,
        "cat": 2,
        "sat": 2,
        "cow": 1,
        "dog": 1,
    }
    assert encoded.train_splits == ("train", "valid")
    assert "vocab/coverage/valid" not in report.values


def test_max_size_leaves_the_others_unknown(tmp_path):
    words, encoded = run(tmp_path, max_size=2)

    assert words.words == ("the", "cat")
    assert encoded.splits["train"].ids.tolist() == [0, 1, UNKNOWN, 0, UNKNOWN]


def test_normalization_is_configured(tmp_path):
    corpus = corpus_of({"train": [["Oct", "1996", "oct", "1997"]]})

    words, _ = run(tmp_path, corpus, lowercase=False, digits="zero")

    assert words.words == ("0000", "Oct", "oct")


def test_a_vocabulary_that_filters_to_nothing_names_the_most_frequent_word(tmp_path):
    with pytest.raises(ConfigError, match=r"min_count=3: .* train .* 'the' .* 2 times"):
        run(tmp_path, min_count=3)


@pytest.mark.parametrize("sentences", [[], [[]]])
def test_splits_without_tokens_are_refused(tmp_path, sentences):
    with pytest.raises(DataError, match="expected tokens in train, found none"):
        run(tmp_path, corpus_of({"train": sentences}))


def test_a_split_that_does_not_exist_is_refused_naming_those_that_do(tmp_path):
    with pytest.raises(ConfigError, match=r"no split trian, only train, valid, test"):
        run(tmp_path, splits=("trian",))


def test_a_split_named_twice_is_refused():
    with pytest.raises(ValueError, match=r"splits=\[train,train\] must not"):
        dataclasses.replace(CONFIG, splits=("train", "train"))


def test_a_workspace_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"file/train.ids.npy: cannot be written"):
        run(tmp_path / "file")


def test_the_defaults_are_legal():
    text = (ROOT / "conf/vocab/default.yaml").read_text(encoding="utf-8")

    assert TypeAdapter(VocabConfig).validate_python(yaml.safe_load(text)) == CONFIG


def test_conll_2003_has_its_published_size(tmp_path, shared):
    lines = (shared / "data/conll2003/train.txt").read_text("utf-8").split("\n")
    sentences = [[]]
    for line in lines:
        if line.strip() and not line.startswith("-DOCSTART-"):
            sentences[-1].append(line.split(" ")[0])
        elif sentences[-1]:
            sentences.append([])

    words, encoded = run(tmp_path, corpus_of({"train": sentences}))

    assert len(words.words) == 21_009
    assert words.counts.sum() == len(encoded.splits["train"].ids) == 203_621
    ids = encoded.splits["train"].ids
    np.testing.assert_array_equal(np.bincount(ids), words.counts)
