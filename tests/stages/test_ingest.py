import gzip
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import DataError
from pipeline.report import Report
from pipeline.stages import ingest as stage
from pipeline.stages.ingest import IngestConfig, ingest

ROOT = Path(__file__).resolve().parents[2]
READERS = ("conll2003", "conll_files", "hub", "text_files", "newswire")

TRAIN = """\
-DOCSTART- -X- O O

NATO NNP I-NP I-ORG
waits VBZ I-VP O

Rome NNP I-NP I-LOC
"""
VALID = "Monday NNP I-NP O\n"
TEST = "a DT I-NP O\nb NN B-NP O\n"


class Recorder(Report):
    """Keep what a stage reports."""

    def __init__(self):
        self.total, self.done, self.values = None, 0, {}

    def start(self, total, unit):
        self.total = total

    def advance(self, amount, shown=""):
        self.done += amount

    def metrics(self, values, step=None):
        self.values |= values


def configure(reader, **values):
    """Return a reader's config as its YAML has it, with some values replaced."""
    text = (ROOT / "conf" / "ingest" / f"{reader}.yaml").read_text("utf-8")
    plain = yaml.safe_load(text.replace("${seed}", "1")) | values
    plain = json.loads(json.dumps(plain, default=str))
    return TypeAdapter(IngestConfig).validate_json(json.dumps(plain), strict=True)


def run(config, workspace, report=None):
    """Return the corpus as split -> field -> sentences."""
    workspace.mkdir(exist_ok=True)
    corpus = ingest(config, workspace=workspace, report=report or Report())
    return {split: table.to_pydict() for split, table in corpus.splits.items()}


def lay_out(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


ORIGINAL = {"eng.train": TRAIN, "eng.testa": VALID, "eng.testb": TEST}
LATER = {"train.txt": TRAIN, "valid.txt": VALID, "test.txt": TEST}


# --- conll_files -----------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        ORIGINAL,
        LATER,
        {"train.txt": TRAIN, "dev.txt": VALID, "test.txt": TEST},
        {f"{name}.gz": gzip.compress(s.encode()) for name, s in ORIGINAL.items()},
        {f"{name}.gz": gzip.compress(s.encode()) for name, s in LATER.items()},
    ],
    ids=["original", "later", "dev", "original.gz", "later.gz"],
)
def test_both_distributions_names_are_found(tmp_path, files):
    folder = lay_out(tmp_path / "corpus", files | {"README": "by the way"})

    corpus = run(configure("conll_files", path=folder), tmp_path / "work")

    assert list(corpus) == ["train", "valid", "test"]
    assert corpus["train"] == {
        "tokens": [["NATO", "waits"], ["Rome"]],
        "pos": [["NNP", "VBZ"], ["NNP"]],
        "chunk": [["B-NP", "B-VP"], ["B-NP"]],
        "ner": [["B-ORG", "O"], ["B-LOC"]],
    }
    assert corpus["valid"]["tokens"] == [["Monday"]]
    assert corpus["test"]["chunk"] == [["B-NP", "B-NP"]]


def test_files_can_be_named_one_by_one(tmp_path):
    folder = lay_out(tmp_path, {"a.conll": "x 1\n", "b.conll": "y 2\n"})
    splits = {"heldout": folder / "b.conll", "train": folder / "a.conll"}
    config = configure("conll_files", splits=splits, columns=["token", "_"])

    assert run(config, tmp_path / "work") == {
        "heldout": {"tokens": [["y"]]},
        "train": {"tokens": [["x"]]},
    }


def test_a_folder_of_one_split_is_a_corpus(tmp_path):
    folder = lay_out(tmp_path / "corpus", {"train.txt": TRAIN})

    assert list(run(configure("conll_files", path=folder), tmp_path / "w")) == ["train"]


def test_labels_of_files_do_not_depend_on_where_they_lie(tmp_path, monkeypatch):
    here = lay_out(tmp_path / "here", LATER)
    shutil.copytree(here, tmp_path / "a" / "there")
    labels = ["train/train.txt", "valid/valid.txt", "test/test.txt"]

    monkeypatch.chdir(tmp_path / "a")
    for path in (here, tmp_path / "a" / "there", Path("there")):
        files = configure("conll_files", path=path).input_files()
        assert list(files) == labels
        assert files["test/test.txt"].read_text() == TEST


def test_a_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    lay_out(tmp_path / "corpus", LATER)

    assert len(configure("conll_files", path="~/corpus").input_files()) == 3
    assert len(configure("text_files", path="~/corpus/*.txt").input_files()) == 3


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"expected one of eng\.train, train\.txt, .* found none of them"),
        (
            {"eng.train": TRAIN, "train.txt.gz": b""},
            r"one file of the split train, found eng\.train, train\.txt\.gz\. Name",
        ),
        ({"train.txt": "\n"}, r"train\.txt: expected sentences, found none"),
    ],
)
def test_a_folder_that_is_no_corpus_is_refused(tmp_path, files, message):
    folder = lay_out(tmp_path / "corpus", files)

    with pytest.raises(DataError, match=message):
        run(configure("conll_files", path=folder), tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_missing_folder_or_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"ingest\.path: expected a folder, .*nowhere"):
        configure("conll_files", path=tmp_path / "nowhere").input_files()
    with pytest.raises(DataError, match=r"ingest\.splits\.train: .* none at .*none\.x"):
        configure("conll_files", splits={"train": tmp_path / "none.x"}).input_files()


def test_the_public_corpus_has_its_published_counts(shared, tmp_path):
    report = Recorder()
    config = configure("conll_files", path=shared / "data" / "conll2003")

    run(config, tmp_path, report)

    assert report.values == {
        "corpus/sentences": 20_744,
        "corpus/tokens": 301_418,
        "corpus/train/sentences": 14_041,
        "corpus/train/tokens": 203_621,
        "corpus/valid/sentences": 3_250,
        "corpus/valid/tokens": 51_362,
        "corpus/test/sentences": 3_453,
        "corpus/test/tokens": 46_435,
    }
    assert report.done == 20_744


# --- text_files ------------------------------------------------------------------


def test_every_nth_sentence_over_all_files_is_held_out(tmp_path):
    lines = [f"sentence {i}\n" for i in range(1, 21)]
    folder = lay_out(
        tmp_path / "text",
        {
            "a.txt": "\n".join(lines[:7]),
            "b.txt.gz": gzip.compress("".join(lines[7:9]).encode()),
            "c.txt": "".join(lines[9:]),
        },
    )
    config = configure("text_files", path=str(folder / "*"), heldout_every=5)

    corpus = run(config, tmp_path / "work")

    numbers = {s: [int(t[1]) for t in c["tokens"]] for s, c in corpus.items()}
    assert numbers == {
        "train": [i for i in range(1, 21) if i % 5 != 2],
        "valid": [2, 7, 12, 17],
    }


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (0, {"train": [["one"], ["two"]]}),
        (3, {"train": [["one"]], "valid": [["two"]]}),
    ],
)
def test_two_sentences_give_both_splits_unless_none_is_held_out(
    tmp_path, every, expected
):
    folder = lay_out(tmp_path / "text", {"a.txt": "one\ntwo\n"})
    config = configure("text_files", path=str(folder / "a.txt"), heldout_every=every)

    corpus = run(config, tmp_path / "work")

    assert {split: columns["tokens"] for split, columns in corpus.items()} == expected


TREE = {
    "b.txt": "1",
    "a/z.txt": "2",
    "a.txt": "3",
    "a/b/c.txt": "4",
    "a-b.txt": "5",
    ".hidden.txt": "6",
    "[1].txt": "7",
}


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        ("*.txt", ["[1].txt", "a-b.txt", "a.txt", "b.txt"]),
        ("a.txt", ["a.txt"]),
        ("[1].txt", ["[1].txt"]),
        ("a/*.txt", ["z.txt"]),
        ("*/*.txt", ["a/z.txt"]),
        (
            "**/*.txt",
            ["[1].txt", "a/b/c.txt", "a/z.txt", "a-b.txt", "a.txt", "b.txt"],
        ),
        (["b.txt", "a/*"], ["0/b.txt", "1/z.txt"]),
        (["b.txt", "?.txt"], ["0/b.txt", "1/a.txt"]),  # b.txt is read once
    ],
)
def test_patterns_give_files_in_an_order_of_their_own(
    tmp_path, monkeypatch, paths, labels
):
    for place in ("here", "else/where"):
        folder = lay_out(tmp_path / place, TREE)
        wanted = [paths] if isinstance(paths, str) else paths
        absolute = [str(folder / path) for path in wanted]
        files = configure("text_files", path=absolute).input_files()
        assert list(files) == labels

        monkeypatch.chdir(folder)  # and relative to where one stands
        assert list(configure("text_files", path=paths).input_files()) == labels
        for label, path in files.items():
            assert TREE[path.relative_to(folder).as_posix()] == path.read_text()
            assert path.name == label.rpartition("/")[2]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere.txt", r"no file fits '.*nowhere\.txt', looked for from"),
        ("*.text", r"ingest\.path: no file fits '.*\*\.text'"),
        ("", r"found the folder .*such as with .*/\*\.txt"),
    ],
)
def test_a_pattern_without_files_is_named(tmp_path, pattern, message):
    lay_out(tmp_path, {"a.txt": "x"})

    with pytest.raises(DataError, match=message):
        configure("text_files", path=str(tmp_path / pattern)).input_files()


def test_blank_files_are_no_corpus(tmp_path):
    folder = lay_out(tmp_path / "text", {"a.txt": "\n \n", "b.txt": ""})

    message = r"text_files\): expected sentences, found none in .*a\.txt"
    with pytest.raises(DataError, match=message):
        run(configure("text_files", path=str(folder / "*")), tmp_path / "work")


def test_wikitext_has_its_published_number_of_tokens(shared, tmp_path):
    report = Recorder()
    pattern = shared / "data" / "wikitext2" / "*.txt"

    run(configure("text_files", path=pattern), tmp_path, report)

    assert report.values["corpus/tokens"] == 455_097


def test_ten_times_the_text_takes_no_more_memory(tmp_path):
    random_ = random.Random(1)
    words = [f"w{random_.randrange(50_000)}" for _ in range(500_000)]
    lines = (" ".join(words[i : i + 25]) for i in range(0, len(words), 25))
    text = "\n".join(lines) + "\n"
    lay_out(tmp_path, {"small.txt": text, "large.txt": text * 10})
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from pipeline.report import Report\n"
        "from pipeline.stages.ingest import TextFilesConfig, ingest\n"
        "config = TextFilesConfig('text_files', sys.argv[1], 100)\n"
        "ingest(config, workspace=Path(sys.argv[2]), report=Report())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(name):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name), str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        unit = 1 if sys.platform == "darwin" else 1024
        return int(done.stdout) * unit

    # Five million tokens are 60 MB on disk, 300 MB as Python strings in lists.
    assert peak("large.txt") - peak("small.txt") < 30e6


# --- hub and conll2003 -----------------------------------------------------------


POS, CHUNK = ("NNP", "VBZ", "DT", "NN"), ("O", "I-NP", "I-VP", "B-NP")
NER = ("O", "I-ORG", "I-LOC")


def parquet(content, path):
    """Write a column file as the hub's Parquet copies of CoNLL-2003 are."""
    import datasets

    classes = {"pos_tags": POS, "chunk_tags": CHUNK, "ner_tags": NER}
    features = {"id": datasets.Value("string")} | {
        "tokens": datasets.Sequence(datasets.Value("string")),
        **{
            name: datasets.Sequence(datasets.ClassLabel(names=list(names)))
            for name, names in classes.items()
        },
    }
    text = re.sub("-DOCSTART-.*\n\n", "", content)
    sentences = [
        [line.split() for line in block.split("\n") if line]
        for block in text.split("\n\n")
    ]
    rows = [
        {
            "id": str(i),
            "tokens": [cells[0] for cells in sentence],
            "pos_tags": [POS.index(cells[1]) for cells in sentence],
            "chunk_tags": [CHUNK.index(cells[2]) for cells in sentence],
            "ner_tags": [NER.index(cells[3]) for cells in sentence],
        }
        for i, sentence in enumerate(sentences)
    ]
    path.parent.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    datasets.Dataset(table).cast(datasets.Features(features)).to_parquet(path)


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A hub cache that holds TRAIN, VALID and TEST as CoNLL-2003, and no network."""
    from huggingface_hub import constants

    from pipeline.core import hub

    home, commit = tmp_path / "hub", "c0ffee" * 6 + "cafe"
    repository = home / "datasets--lhoestq--conll2003"
    ref = repository / "refs" / "refs" / "convert" / "parquet"
    ref.parent.mkdir(parents=True)
    ref.write_text(commit)
    folder = repository / "snapshots" / commit
    for split, content in (("train", TRAIN), ("validation", VALID), ("test", TEST)):
        parquet(content, folder / "conll2003" / split / "0000.parquet")

    def refuse():
        raise ConnectionError("unplugged")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home))
    monkeypatch.setattr(hub, "_connect", refuse)
    return home


SENTENCES = {"train": 2, "valid": 1, "test": 1}


def test_conll2003_from_the_hub_is_conll2003_from_files_byte_for_byte(cached, tmp_path):
    report = Recorder()
    run(configure("conll2003", sentences=SENTENCES), tmp_path / "hub_work", report)
    folder = lay_out(tmp_path / "corpus", ORIGINAL)
    run(configure("conll_files", path=folder), tmp_path / "files_work")

    assert report.total == report.done == 4
    names = {"train.arrow", "valid.arrow", "test.arrow"}
    assert {path.name for path in (tmp_path / "hub_work").iterdir()} == names
    for name in names:
        written = (tmp_path / "hub_work" / name).read_bytes()
        assert written == (tmp_path / "files_work" / name).read_bytes()


def test_another_number_of_sentences_is_another_corpus(cached, tmp_path):
    config = configure("conll2003", sentences=SENTENCES | {"valid": 3250})

    with pytest.raises(
        DataError, match=r"split valid: expected 3,250 sentences, found 1\. For another"
    ):
        run(config, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_conll2003_not_cached_and_no_network_names_the_ways_on(tmp_path, cached):
    shutil.rmtree(cached)

    with pytest.raises(
        DataError,
        match=r"ingest=conll_files ingest\.path=DIR; .* HF_HOME .* ingest=newswire",
    ):
        run(configure("conll2003"), tmp_path / "work")


def test_any_dataset_of_the_hub_is_read_by_its_columns(tmp_path, monkeypatch):
    folder = lay_out(
        tmp_path / "snapshot",
        {
            "train.jsonl": '{"w": ["A", "b"], "e": ["I-X", "O"]}\n{"w": [], "e": []}',
            "dev.jsonl": '{"w": ["c"], "e": ["O"]}',
        },
    )
    asked = []

    def fetched(*arguments):
        asked.append(arguments)
        return folder

    monkeypatch.setattr(stage, "fetch", fetched)
    config = configure(
        "hub",
        dataset="owner/news",
        splits={"train": "train", "valid": "validation"},
        files=["*.jsonl"],
        tokens_column="w",
        ner_column="e",
    )

    assert run(config, tmp_path / "work") == {
        "train": {"tokens": [["A", "b"]], "ner": [["B-X", "O"]]},
        "valid": {"tokens": [["c"]], "ner": [["O"]]},
    }
    assert asked == [("owner/news", "main", ("*.jsonl",))]


# --- newswire ---------------------------------------------------------------------


def test_newswire_is_as_long_as_asked_for_and_the_same_each_time(tmp_path):
    config = configure("newswire", sentences=30, valid_sentences=20, test_sentences=0)
    report = Recorder()

    corpus = run(config, tmp_path / "one", report)
    again = run(config, tmp_path / "two")

    assert {s: len(c["tokens"]) for s, c in corpus.items()} == {
        "train": 30,
        "valid": 20,
    }
    assert list(corpus["train"]) == ["tokens", "pos", "chunk", "ner"]
    assert corpus == again
    assert corpus["train"]["tokens"][:20] != corpus["valid"]["tokens"]
    assert report.total == report.done == 50
    assert report.values["corpus/train/tokens"] == sum(
        len(tokens) for tokens in corpus["train"]["tokens"]
    )


def test_another_seed_gives_another_newswire(tmp_path):
    corpora = [
        run(configure("newswire", sentences=10, seed=seed), tmp_path / str(seed))
        for seed in (1, 2)
    ]

    assert corpora[0]["train"] != corpora[1]["train"]


# --- configs ---------------------------------------------------------------------


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_has_a_yaml_that_names_it_and_all_its_keys(reader):
    required = {"text_files": {"path": "x"}, "conll_files": {"path": "x"}}
    config = configure(reader, **required.get(reader, {}))

    assert config.reader == reader


@pytest.mark.parametrize(
    ("reader", "values", "message"),
    [
        ("conll_files", {}, "exactly one of path"),
        ("conll_files", {"path": "a", "splits": {"train": "b"}}, "exactly one of path"),
        ("conll_files", {"splits": {}}, "at least 1 item"),
        ("conll_files", {"splits": {"../x": "b"}}, "names of small letters"),
        ("conll_files", {"path": "a", "columns": ["pos", "ner"]}, "expected token"),
        ("conll_files", {"path": "a", "columns": ["token", "token"]}, "at most once"),
        ("conll_files", {"path": "a", "columns": ["word"]}, "'token', 'pos', 'chunk'"),
        ("hub", {"dataset": "a/b", "text_column": "t"}, "exactly one of tokens_column"),
        ("hub", {"dataset": "a/b", "tokens_column": None}, "exactly one of tokens"),
        (
            "hub",
            {"dataset": "b", "tokens_column": None, "text_column": "t"}
            | {"ner_column": "n"},
            "tags need tokens_column",
        ),
        ("hub", {"dataset": "a/b", "splits": {"Train": "t"}}, "names of small letters"),
        ("hub", {"dataset": "a/b", "splits": {}}, "at least 1 item"),
        ("hub", {"dataset": ""}, "at least 1 character"),
        ("text_files", {"path": "a", "heldout_every": 1}, "0 or at least 2, found 1"),
        ("text_files", {"path": []}, "at least 1 item"),
        ("conll2003", {"sentences": {"train": 1}}, "exactly train, valid, test"),
        ("newswire", {"sentences": 0}, "greater than or equal to 1"),
    ],
)
def test_values_that_contradict_are_refused(reader, values, message):
    with pytest.raises(ValidationError, match=message):
        configure(reader, **values)
