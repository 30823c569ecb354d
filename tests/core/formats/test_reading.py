"""Vectors of other programs, read by content; gensim is the other opinion."""

import gzip
import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.formats.reading import read_vectors
from pipeline.core.text import BLOCK
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import save_vectors
from pipeline.errors import DataError

# What gensim's own readers take for part of a word: no ASCII white space.
WORDS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters=" \t\n\v\f\r"), min_size=1
    ).filter(lambda word: word == word.strip()),
    unique=True,
    min_size=1,
    max_size=8,
)
# Few of these alike: a matrix of zeros would hide rows that are swapped.
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn):
    words = draw(WORDS)
    shape = (len(words), draw(st.integers(1, 6)))
    return words, draw(hnp.arrays(np.float32, shape, elements=NUMBERS))


def saved_by_gensim(path, words, vectors, **options):
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors(words, vectors)
    keyed.save_word2vec_format(str(path), **options)


def read_by_gensim(path, **options):
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(str(path), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


FORMS = {
    "word2vec text": {"binary": False},
    "word2vec binary": {"binary": True},
    "GloVe": {"binary": False, "write_header": False},
}


@pytest.mark.parametrize("form", FORMS)
@given(table=tables(), packed=st.booleans())
@example(table=(["0"], np.frombuffer(b"!/cY!/cY", "<f4")[None]), packed=False)
def test_what_gensim_writes_is_read_to_the_bit(folder, form, table, packed):
    words, vectors = table
    path = folder / "misleading.npz"  # the name says nothing
    saved_by_gensim(path, words, vectors, **FORMS[form])
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    if form == "GloVe" and is_header(words, vectors):
        return  # it reads as `V d`, and nothing says otherwise

    found = read_vectors(path)

    assert found.words == tuple(words)
    # Text has no bits for a negative zero's sign to be lost in: -0.0 stays.
    assert found.center.tobytes() == vectors.tobytes()
    assert found.context.shape == (len(words), 0)


def is_header(words, vectors):
    """Say whether the first row of numbers is also a line of two whole numbers."""
    return vectors.shape[1] == 1 and words[0].isdecimal()


def test_the_forms_are_told_apart_by_content(tmp_path):
    words, vectors = ("the", "of"), np.array([[1, 2.5], [-3, 0]], np.float32)
    text = b"2 2\nthe 1 2.5\nof -3 0\n"
    binary = b"2 2\nthe " + vectors[0].tobytes() + b"\nof " + vectors[1].tobytes()
    own = tmp_path / "own"
    normalization = Normalization(lowercase=False, digits="zero")
    save_vectors(own, Embeddings(words, vectors, -vectors, normalization))
    contents = {
        "word2vec text": text,
        "as word2vec.c writes it": text.replace(b"\n", b" \n").replace(b"2 2 ", b"2 2"),
        "CRLF and a byte order mark": b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        "no last line end": text.rstrip(),
        "blank lines at the end": text + b"\n \n",
        "GloVe": text.partition(b"\n")[2],
        "binary": binary,
        "binary with a last line end": binary + b"\n",
        "npz": own.read_bytes(),
    }
    for (name, content), pack in itertools.product(
        contents.items(), (bytes, gzip.compress)
    ):
        path = tmp_path / "vectors"
        path.write_bytes(pack(content))

        found = read_vectors(path)

        assert found.words == words, name
        np.testing.assert_array_equal(found.center, vectors, err_msg=name)
        assert found.center.dtype == np.float32
        if name == "npz":
            np.testing.assert_array_equal(found.context, -vectors)
            assert found.normalization == normalization


def test_words_may_hold_spaces_and_controls_in_text(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text(". . . 0.5 1\nat name@x.org 1 2\n\x00\x1c\u2028 3 4\n 5 6\n")

    found = read_vectors(path)

    assert found.words == (". . .", "at name@x.org", "\x00\x1c\u2028", "")
    assert found.center[:, 0].tolist() == [0.5, 1, 3, 5]


def test_text_of_many_blocks_is_read_whole(tmp_path, rng):
    vectors = rng.normal(size=(4000, 60)).astype(np.float32)
    words = [f"w{i}" for i in range(4000)]
    path = tmp_path / "large.txt"
    saved_by_gensim(path, words, vectors)
    assert path.stat().st_size > 2 * BLOCK

    found = read_vectors(path)

    assert found.words == tuple(words)
    np.testing.assert_array_equal(found.center, vectors)


def test_binary_with_rows_larger_than_a_block_is_read_whole(tmp_path, rng):
    vectors = rng.normal(size=(3, BLOCK // 3)).astype(np.float32)
    path = tmp_path / "wide.bin"
    saved_by_gensim(path, ["a", "b", "c"], vectors, binary=True)

    np.testing.assert_array_equal(read_vectors(path).center, vectors)


def test_words_count_as_lower_cased_if_all_are(tmp_path):
    path = tmp_path / "vectors.txt"
    for first, lowercase in (("the", True), ("The", False)):
        path.write_text(f"{first} 1 2\nof 3 4\n")
        assert read_vectors(path).normalization == Normalization(lowercase, "keep")


ROW = np.array([1, 2], np.float32).tobytes()
NAN = np.array([np.nan, 2], np.float32).tobytes()

BROKEN = {
    "empty": (b"", "1: expected word2vec text or binary.* found ''"),
    "prose": (b"Call me Ishmael.\n", "1: expected word2vec text.*'Call me"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "1: expected word2vec text"),
    "a pickle": (b"\x80\x04\x95\0\0", "a pickle, which can run code"),
    "a foreign zip": (b"PK\x03\x04rest", "not a sound file"),
    "cut gzip": (gzip.compress(b"a 1 2\n" * 999)[:-9], "sound gzip file"),
    "no words": (b"0 5\n", ":1: expected at least one word .* found 0 words of 5"),
    "no numbers": (b"5 0\n", "found 5 words of 0"),
    "a header alone": (b"3 2\n", ":2: expected the 3 words .* after 0"),
    "fewer words": (b"3 2\na 1 2\n", r":3: expected the 3 words .* after 1\. Fetch"),
    "more words": (b"1 2\na 1 2\nb 1 2\n", ":3: expected the 1 words .* found more"),
    "a word twice": (b"a 1\nb 2\na 3\n", "'a' as word 1 and as word 3"),
    "a short row": (b"2 2\na 1 2\nb 1\n", ":3: .* a word and 2 numbers .* only 2 f"),
    "a long row": (b"2 2\na 1 2\nb 1 2 3\n", ":3: .* found more of them after 'b 1'"),
    "a word as a number": (b"a 1 2\nb 1 c\n", ":2: .* found 'c' as number 2"),
    "two spaces": (b"a 1 2\nb 1  2\n", ":2: .* found '' as number 1|more of them"),
    "tabs": (b"2 2\na\t1\t2\nb\t1\t2\n", r":2: .* found only 1 fields: 'a\\t1\\t2'"),
    "a comma": (b"a 1 2\nb 1 2,5\n", ":2: .* found '2,5' as number 2"),
    "nan": (b"2 2\na 1 2\nb 1 nan\n", ":3: .* found 'nan', which is not finite"),
    "too large": (b"a 1 2\nb 1e39 2\n", ":2: .* found '1e39', which is not finite"),
    "a blank line": (b"a 1 2\n\nb 1 2\n", ":2: .* found a blank line"),
    "no UTF-8": (b"a 1 2\nb\xff 1 2\n", "byte 7: expected UTF-8, found 0xff"),
    "an endless line": (b"2 2\n" + b"a" * (17 << 20), "16 MiB without"),
    "wide text": (b"2 99999999\na 1 2\n", "numbers that fit a line"),
    "binary NaN": (b"2 2\na " + ROW + b"b " + NAN, r"word 2 \('b'\).*NaN"),
    "binary cut": (b"2 2\na " + ROW + b"b " + ROW[:5], "byte 21: expected word 2 of 2"),
    "binary no UTF-8": (b"1 2\n\xff\xfe " + ROW, "byte 4: expected UTF-8"),
    "binary, more": (b"1 2\na " + ROW + b"b " + ROW, "byte 14: expected the end"),
    "binary, vast": (b"9" * 12 + b" 2\na " + ROW, "byte 25: .* word 2 of 999,999,999"),
    "binary, wide": (b"1 " + b"9" * 30 + b"\na " + ROW, "found the end of the file"),
    "binary, no space": (b"1 2\n\0" + b"a" * (17 << 20), "over 16 MiB without one"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_clear_error(tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / "vectors"
    path.write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        read_vectors(path)

    assert str(caught.value).startswith(f"{path}:")
    assert len(str(caught.value)) < 500


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: cannot be read: No such file"):
        read_vectors(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "header", [b"1000000000000 100\n", b"2 1000000000\n", b"9" * 40 + b" 2\n"]
)
@pytest.mark.parametrize("row", [b"a 1 2\n", b"a " + ROW])
def test_memory_goes_with_the_file_whatever_its_header_claims(tmp_path, header, row):
    path = tmp_path / "vectors"
    path.write_bytes(header + row)
    with pytest.raises(DataError):
        read_vectors(path)  # imports what it needs
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_vectors(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Some buffers of one block; a terabyte would be 10^12 bytes.
    assert peak < 8 * BLOCK


def test_gensim_reads_the_same_from_a_file_of_another_program(tmp_path):
    # As word2vec.c writes: fixed decimals, a space before each line end.
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"2 3\n</s> 0.001601 0.000033 -1.5 \nthe 1e-3 2 3.25 \n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = read_by_gensim(path)

    ours = read_vectors(path)

    assert list(ours.words) == theirs.index_to_key
    np.testing.assert_array_equal(ours.center, theirs.vectors)
