import gzip
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import text
from pipeline.core.text import read_text, tokenize
from pipeline.errors import DataError

# White space and line ends that only Unicode, or Python, knows; and characters of
# two to four bytes.
ODD = "\u00a0\u2028\u2029\u0085\u3000\u1680\x1c\x1d\x1e\x1f\ufeff" + "é€😀\x00"


def sentences(path):
    return [s for batch in read_text(path) for s in batch["tokens"].to_pylist()]


def test_a_line_is_a_sentence_and_blank_lines_are_none(tmp_path):
    file = tmp_path / "corpus.txt"
    file.write_bytes(b"The cat sat .\n\n  \t \nIt  slept\ttoo \n")

    assert sentences(file) == [["The", "cat", "sat", "."], ["It", "slept", "too"]]


@settings(max_examples=200, deadline=None)
@given(
    content=st.text(alphabet="ab \t\r\n\v\f" + ODD, max_size=60),
    block=st.integers(1, 9),
)
def test_only_ascii_white_space_separates_wherever_blocks_are_cut(
    tmp_path_factory, content, block
):
    file = tmp_path_factory.mktemp("text") / "corpus.txt"
    file.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        found = sentences(file)

    written = content.removeprefix("\ufeff")  # at the very start, a byte order mark
    lines = [re.findall("[^ \t\r\n\v\f]+", line) for line in written.split("\n")]
    assert found == [line for line in lines if line]


@pytest.mark.parametrize(
    "content",
    [
        b"one two\nthree\n",
        b"one two\nthree",
        b"one two\r\nthree\r\n",
        b"\xef\xbb\xbfone two\nthree\n",
        gzip.compress(b"one two\nthree\n"),
        gzip.compress(b"one two\n") + gzip.compress(b"three\n"),
    ],
    ids=["plain", "no last line end", "crlf", "byte order mark", "gzip", "two gzips"],
)
def test_the_same_text_in_any_form_reads_the_same(tmp_path, content):
    file = tmp_path / "corpus"  # the name says nothing
    file.write_bytes(content)

    assert sentences(file) == [["one", "two"], ["three"]]


def test_an_empty_file_has_no_sentences(tmp_path):
    (tmp_path / "empty").touch()

    assert sentences(tmp_path / "empty") == []


@pytest.mark.parametrize("start", [0, 1, 5, 6, 7, 4000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_that_is_not_utf8_is_named(tmp_path, monkeypatch, start, mark, pack):
    monkeypatch.setattr(text, "BLOCK", 6)
    good = (b"na\xc3\xafve\n" * 600)[:start].removesuffix(b"\xc3")
    file = tmp_path / "latin.txt"
    file.write_bytes(pack(mark + good + b"\xe9t\xe9 \n"))

    position = len(mark) + len(good)
    with pytest.raises(
        DataError, match=rf"latin\.txt: byte {position}: expected UTF-8, found 0xe9"
    ):
        sentences(file)


def test_a_line_that_never_ends_is_refused_before_it_fills_memory(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(text, "BLOCK", 1 << 10)
    monkeypatch.setattr(text, "LONGEST_LINE", 1 << 20)
    file = tmp_path / "text8"
    file.write_bytes(b"one\ntwo\n" + b"anarchism " * (1 << 17))

    with pytest.raises(DataError, match=r"text8:3: .* over 1 MiB without a line end"):
        sentences(file)


def test_a_line_as_long_as_allowed_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 8)
    monkeypatch.setattr(text, "LONGEST_LINE", 40)
    file = tmp_path / "long.txt"
    file.write_bytes(b"abc " * 10 + b"\nnext\n")

    assert sentences(file) == [["abc"] * 10, ["next"]]


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt: cannot be read: No such file"):
        sentences(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        sentences(tmp_path)


def test_a_damaged_gzip_file_is_named(tmp_path, rng):
    packed = gzip.compress(rng.bytes(1000).hex().encode())
    file = tmp_path / "corpus.gz"

    file.write_bytes(packed[:-20])  # cut off
    with pytest.raises(DataError, match=r"corpus\.gz: expected a sound gzip file"):
        sentences(file)

    file.write_bytes(packed[:500] + b"\x00\x00\x00" + packed[503:])
    with pytest.raises(DataError, match=r"corpus\.gz: expected a sound gzip file"):
        sentences(file)


def test_tokenize_leaves_out_null_and_blank_lines():
    lines = pa.array([" a b", None, "", "\t ", "c"])

    assert tokenize(lines).to_pylist() == [["a", "b"], ["c"]]
    assert tokenize(pa.array([], pa.string())).to_pylist() == []
