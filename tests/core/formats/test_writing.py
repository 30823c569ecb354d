"""Vectors for other programs: each form is read back by whom it is for."""

import csv
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.formats.pickled import write_pickle
from pipeline.core.formats.reading import read_vectors
from pipeline.core.formats.writing import (
    label,
    plain_words,
    write_projector,
    write_word2vec_binary,
    write_word2vec_text,
)
from pipeline.errors import DataError

NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
WRITERS = {False: write_word2vec_text, True: write_word2vec_binary}


@st.composite
def tables(draw: st.DrawFn, **limits):
    characters = st.characters(codec="utf-8", **limits)
    words = draw(st.lists(st.text(characters), unique=True, min_size=1, max_size=8))
    shape = (len(words), draw(st.integers(1, 6)))
    return words, draw(hnp.arrays(np.float32, shape, elements=NUMBERS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vectors")


@pytest.mark.parametrize("binary", [False, True])
@given(table=tables())
def test_gensim_and_we_read_what_we_write_to_the_bit(folder, binary, table):
    from gensim.models import KeyedVectors

    words, vectors = table
    try:
        plain, changed = plain_words(words)
    except DataError:
        return  # two would become the same: see below
    path = folder / "vectors"
    WRITERS[binary](path, plain, vectors)

    theirs = KeyedVectors.load_word2vec_format(str(path), binary=binary)
    ours = read_vectors(path)

    assert theirs.index_to_key == list(ours.words) == plain
    assert theirs.vectors.tobytes() == ours.center.tobytes() == vectors.tobytes()
    assert changed == sum(a != b for a, b in zip(words, plain, strict=True))


def test_many_rows_are_written_in_order(tmp_path, rng):
    vectors = rng.normal(size=(9001, 2)).astype(np.float32)
    words = [f"w{i}" for i in range(9001)]

    write_word2vec_text(tmp_path / "vectors.txt", words, vectors)

    found = read_vectors(tmp_path / "vectors.txt")
    assert found.words == tuple(words)
    np.testing.assert_array_equal(found.center, vectors)


def test_text_is_short_and_plain(tmp_path):
    vectors = np.array([[0.1, -2], [1e-7, 0]], np.float32)

    write_word2vec_text(tmp_path / "vectors.txt", ["the", "of"], vectors)

    assert (tmp_path / "vectors.txt").read_text() == "2 2\nthe 0.1 -2\nof 1e-7 0\n"


def test_white_space_in_words_becomes_an_underscore():
    assert plain_words(["New York", "a\tb\n", "", "\u00a0"]) == (
        ["New_York", "a_b_", "_", "\u00a0"],
        3,
    )


def test_words_that_would_become_the_same_are_refused():
    with pytest.raises(DataError, match=r"'New_York' and 'New York' would both be"):
        plain_words(["New_York", "New York"])


@given(table=tables())
def test_the_projector_finds_a_row_for_each_word(folder, table):
    words, vectors = table

    write_projector(folder, words, vectors)

    # As the projector splits them: at line ends, then at tabs.
    rows = (folder / "vectors.tsv").read_text("utf-8").split("\n")
    names = (folder / "metadata.tsv").read_text("utf-8").split("\n")
    assert rows.pop() == names.pop() == ""
    found = np.array([row.split("\t") for row in rows], np.float32)
    assert found.tobytes() == vectors.tobytes()
    assert len(names) == len(words)
    assert all("\t" not in name and name for name in names)
    # As a spreadsheet does: cells that open with a quote may run over lines.
    with (folder / "metadata.tsv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file, delimiter="\t"))
    assert [name for (name,) in cells] == names
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names)


def test_labels_show_what_a_word_holds():
    words = ["=1+1", "-", '"', "it's", "a\tb\nc", "\u2028", "naïve", "", "@x", "+"]

    assert list(map(label, words)) == [
        *("'=1+1", "'-", "'\"", "it's", r"a\tb\nc", r"\u2028", "naïve", "''"),
        *("'@x", "'+"),
    ]


def test_the_pickle_is_the_notebooks_dictionary_and_calls_arrays_only(tmp_path):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = tmp_path / "vectors.pkl"

    write_pickle(path, ("a", "b", "c"), vectors)

    content = pickle.loads(path.read_bytes())
    assert list(content) == ["embeddings", "word2idx", "idx2word"]
    np.testing.assert_array_equal(content["embeddings"], vectors)
    assert content["word2idx"] == {"a": 0, "b": 1, "c": 2}
    assert content["idx2word"] == {0: "a", 1: "b", 2: "c"}
    strings = [arg for op, arg, _ in pickletools.genops(path.read_bytes()) if arg]
    assert not any("pipeline" in str(arg) for arg in strings)


def test_nothing_of_ours_reads_a_pickle():
    """The one module that imports pickle uses `dump` and nothing else of it."""
    import ast
    from pathlib import Path

    from pipeline.core.formats import pickled

    tree = ast.parse(Path(pickled.__file__).read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "pickle"
    }
    assert used == {"dump"}
