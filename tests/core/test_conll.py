import gzip
import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import conll
from pipeline.core.conll import read_conll, to_iob2
from pipeline.errors import DataError

COLUMNS = ("token", "pos", "chunk", "ner")

# The original files' form: IOB1, where B- only parts neighbors of one type.
ORIGINAL = """\
-DOCSTART- -X- O O

NATO NNP I-NP I-ORG
envoy NN I-NP O
Holm NNP I-NP I-PER
flies VBZ I-VP O
to TO I-PP O
Oslo NNP I-NP I-LOC
. . O O

Monday NNP I-NP O
Rome NNP B-NP I-LOC
Milan NNP I-NP B-LOC
"""
TOKENS = [
    ["NATO", "envoy", "Holm", "flies", "to", "Oslo", "."],
    ["Monday", "Rome", "Milan"],
]
CHUNKS = [
    ["B-NP", "I-NP", "I-NP", "B-VP", "B-PP", "B-NP", "O"],
    ["B-NP", "B-NP", "I-NP"],
]
ENTITIES = [
    ["B-ORG", "O", "B-PER", "O", "O", "B-LOC", "O"],
    ["O", "B-LOC", "B-LOC"],
]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, columns=COLUMNS):
    """Return the file as field -> sentences."""
    table = pa.Table.from_batches(read_conll(path, columns))
    return table.to_pydict()


def spans(tags):
    """Return (first, end, type) of every span, as the tasks' scorer counts them.

    Independent of the module: a span ends at O, at B-, and where the type changes.
    """
    found, start, kind = set(), None, None
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, new = tag.partition("-")
        if kind is not None and (prefix in "OB" or new != kind):
            found.add((start, i, kind))
            kind = None
        if kind is None and prefix != "O":
            start, kind = i, new
    return found


def test_the_original_files_read_as_written_with_spans_in_iob2(tmp_path):
    table = read(write(tmp_path / "eng.train", ORIGINAL))

    assert table["tokens"] == TOKENS
    assert table["chunk"] == CHUNKS
    assert table["ner"] == ENTITIES
    assert table["pos"][1] == ["NNP", "NNP", "NNP"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace("\n", "\r\n"),
        lambda s: s.rstrip("\n"),
        lambda s: "\ufeff" + s,
        lambda s: s.replace(" ", "\t"),
        lambda s: s.replace(" ", " \t "),
        lambda s: s.replace("\n", "  \n"),
        lambda s: "\n \n\t\n" + s.replace("\n\n", "\n \t\n\r\n\n"),
        lambda s: s.replace("O\n\nNATO", "O\nNATO"),
        lambda s: s.replace("-DOCSTART- -X- O O", "-DOCSTART- -X- -X- O"),
        lambda s: s.replace("-DOCSTART- -X- O O", "-DOCSTART-"),
        lambda s: s.replace("\n\nMonday", "\n-DOCSTART- -X- O O\nMonday"),
        lambda s: gzip.compress(s.encode()),
    ],
    ids=[
        "CRLF",
        "no last line end",
        "byte order mark",
        "tabs",
        "several blanks",
        "trailing blanks",
        "several blank lines",
        "no blank line after a document's start",
        "the later files' document start",
        "a bare document start",
        "a document start ends a sentence",
        "gzip",
    ],
)
def test_layout_changes_nothing(tmp_path, change):
    plain = read(write(tmp_path / "plain", ORIGINAL))
    changed = read(write(tmp_path / "changed", change(ORIGINAL)))

    assert changed == plain


@pytest.mark.parametrize(
    "token",
    ["10\u00a0000", "\u00a0", "a\u2028b", "\u0085", "x\u3000y", "\x1c", "a\vb\f", "😀"],
)
def test_unicode_spaces_and_line_ends_are_part_of_a_token(tmp_path, token):
    path = write(tmp_path / "odd.txt", f"{token} NN\nend .\n")

    assert read(path, ("token", "pos"))["tokens"] == [[token, "end"]]


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (("token", "_", "_", "_"), ["tokens"]),
        (("_", "token", "ner", "_"), ["tokens", "ner"]),
        (("token", "pos", "_", "ner"), ["tokens", "pos", "ner"]),
        (("_", "ner", "_", "token"), ["tokens", "ner"]),  # a corpus's order
    ],
)
def test_columns_say_what_is_read(tmp_path, columns, fields):
    cells = ["O", "B-PER", "O", "O"]
    path = write(tmp_path / "columns.txt", " ".join(cells) + "\n")

    table = read(path, columns)

    assert list(table) == fields
    for field in fields:
        column = columns.index("token" if field == "tokens" else field)
        assert table[field] == [[cells[column]]]


def test_long_files_come_in_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(conll, "_BATCH_TOKENS", 5)
    path = write(tmp_path / "long.txt", "\n\n".join("a\nb" for _ in range(10)))

    batches = list(read_conll(path, ("token",)))

    assert [batch.num_rows for batch in batches] == [3, 3, 3, 1]
    assert all(s == ["a", "b"] for b in batches for s in b["tokens"].to_pylist())


types = st.sampled_from(["PER", "LOC", "MISC-X"])
tags = st.just("O") | st.builds("{}-{}".format, st.sampled_from("BI"), types)
tagged = st.lists(st.lists(tags, max_size=8), max_size=8)


@given(tagged)
def test_iob2_has_the_same_spans_each_begun_by_b(sentences):
    converted = to_iob2(pa.array(sentences, pa.list_(pa.string())), "here").to_pylist()

    for before, after in zip(sentences, converted, strict=True):
        assert spans(after) == spans(before)
        starts = {start for start, _, _ in spans(after)}
        assert {i for i, tag in enumerate(after) if tag[0] == "B"} == starts
        assert [tag[1:] for tag in after] == [tag[1:] for tag in before]


@given(tagged)
def test_iob2_stays_as_it_is(sentences):
    once = to_iob2(pa.array(sentences, pa.list_(pa.string())), "here")

    assert to_iob2(once, "here").equals(once)


@given(tagged, st.integers(0, 8), st.integers(0, 8))
def test_a_slice_converts_like_its_sentences(sentences, start, length):
    whole = pa.array(sentences, pa.list_(pa.string()))

    sliced = to_iob2(whole.slice(start, length), "here")

    assert sliced.to_pylist() == to_iob2(whole, "here").to_pylist()[start:][:length]


@pytest.mark.parametrize("tag", ["", "B", "I-", "PER", "S-PER", "b-PER", "o", "-X-"])
def test_a_tag_outside_iob_is_named_with_its_line(tmp_path, tag):
    with pytest.raises(DataError, match=f"here: expected a tag in IOB .*'{tag}'"):
        to_iob2(pa.array([["O", tag]]), "here")

    if tag:  # a cell of a file is never empty
        path = write(tmp_path / "bad.txt", f"a NN O O\n\nb NN O O\nc NN {tag} O\n")
        with pytest.raises(
            DataError, match=rf"bad\.txt:4: column chunk: expected a tag in .*'{tag}'"
        ):
            read(path)


@pytest.mark.parametrize(
    ("line", "count"), [("Anna NNP B-NP", 3), ("Anna", 1), ("a b c d e", 5)]
)
def test_a_line_with_other_columns_is_named_with_what_was_expected(
    tmp_path, line, count
):
    path = write(tmp_path / "eng.train", f"Oslo NNP I-NP I-LOC\n\n{line} \r\n")

    with pytest.raises(DataError) as caught:
        read(path)

    assert str(caught.value) == (
        f"{path}:3: expected 4 columns (token pos chunk ner), found {count}: "
        f"{line!r}. If the file has other columns, set ingest.columns (_ skips one)"
    )


@pytest.mark.parametrize("content", ["", "\n \n\r\n", "-DOCSTART- -X- O O\n\n"])
def test_a_file_without_sentences_is_refused(tmp_path, content):
    path = write(tmp_path / "none.txt", content)

    with pytest.raises(DataError, match=r"none\.txt: expected sentences, found none"):
        read(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_that_is_not_utf8_is_named(tmp_path, pack):
    path = write(tmp_path / "latin.txt", pack("é NN O O\n\nna".encode() + b"\xefve"))

    with pytest.raises(DataError, match=r"latin\.txt: byte 13: expected UTF-8.*0xef"):
        read(path)


@pytest.mark.parametrize(
    ("split", "sentences", "tokens"),
    [("train", 14_041, 203_621), ("valid", 3_250, 51_362), ("test", 3_453, 46_435)],
)
def test_the_published_counts_of_conll2003_are_found(shared, split, sentences, tokens):
    path = shared / "data" / "conll2003" / f"{split}.txt"
    batches = list(read_conll(path, COLUMNS))

    assert sum(batch.num_rows for batch in batches) == sentences
    assert sum(len(batch["tokens"].flatten()) for batch in batches) == tokens


def test_conll2003_is_the_same_from_iob1(shared, tmp_path):
    path = shared / "data" / "conll2003" / "test.txt"
    later = read(path)

    # Written back as the original files had it: B- only between like neighbors.
    def iob1(tags):
        previous = ["O", *tags]
        return [
            tag if tag[0] != "B" or previous[i][1:] == tag[1:] else f"I{tag[1:]}"
            for i, tag in enumerate(tags)
        ]

    rows = zip(*(later[f] for f in ("tokens", "pos", "chunk", "ner")), strict=True)
    lines = [
        "\n".join(map(" ".join, zip(t, p, iob1(c), iob1(n), strict=True)))
        for t, p, c, n in rows
    ]
    original = "\n\n".join(lines)
    assert not re.search(r"(^|\n\n)\S+ \S+ B-", original)

    assert read(write(tmp_path / "eng.testb", original)) == later
