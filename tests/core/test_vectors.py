import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import npz
from pipeline.core.types import Embeddings, Normalization
from pipeline.core.vectors import (
    LAYOUT,
    load_first,
    load_vectors,
    pack_embeddings,
    save_vectors,
)
from pipeline.errors import DataError

NORMALIZATION = Normalization(lowercase=True, digits="zero")


def embeddings_of(words=("paris", "rome", "οδός"), d=3):
    center = np.arange(len(words) * d, dtype=np.float32).reshape(-1, d)
    return Embeddings(tuple(words), center, -center, NORMALIZATION)


@given(
    words=st.lists(st.text(st.characters(codec="utf-8")), unique=True, max_size=9),
    d=st.integers(1, 4),
)
def test_vectors_come_back_as_they_were(tmp_path_factory, words, d):
    path = tmp_path_factory.getbasetemp() / "vectors.npz"
    embeddings = embeddings_of(words, d)

    save_vectors(path, embeddings)

    found = load_vectors(path)
    assert found.words == embeddings.words
    assert found.normalization == embeddings.normalization
    np.testing.assert_array_equal(found.center, embeddings.center)
    np.testing.assert_array_equal(found.context, embeddings.context)


def test_the_file_is_compact_and_numpy_reads_it(tmp_path):
    path = tmp_path / "vectors.npz"
    words = [f"w{i}" for i in range(1000)]

    save_vectors(path, embeddings_of(words, 50))

    with np.load(path, allow_pickle=False) as file:
        assert file["center"].shape == file["context"].shape == (1000, 50)
        assert file["words_utf8"].tobytes().decode() == "".join(words)
        settings = json.loads(file["settings"].tobytes())
    assert settings["normalization"] == {"lowercase": True, "digits": "zero"}
    # Two float32 matrices, some bytes a word and a little frame.
    assert path.stat().st_size < 2 * 1000 * 50 * 4 + 1000 * 12 + 3000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"context": np.zeros((3, 4))}, r"3 words with center vectors \(3, 3\)"),
        ({"center": np.zeros((2, 3)), "context": np.zeros((2, 3))}, "3 words with"),
        ({"center": np.full((3, 3), np.nan)}, "not finite"),
        ({"context": np.full((3, 3), np.inf)}, "not finite"),
        ({"words_offsets": np.array([0, 9, 5, 13])}, "word offsets"),
        ({"settings": npz.pack_json({})}, "normalization None"),
        (
            {"settings": npz.pack_json({"normalization": {"lowercase": 1}})},
            "normalization {'lowercase': 1}",
        ),
        (
            {
                "settings": npz.pack_json(
                    {"normalization": {"lowercase": True, "digits": "drop"}}
                )
            },
            "normalization",
        ),
    ],
)
def test_vectors_that_do_not_fit_together_are_refused(tmp_path, changed, message):
    path = tmp_path / "vectors.npz"
    arrays = pack_embeddings(embeddings_of(), {}) | changed
    npz.write_arrays(path, arrays, LAYOUT)

    with pytest.raises(DataError, match=rf"vectors\.npz: .*{message}"):
        load_vectors(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "vectors.npz"
    path.write_text("3 2\nparis 0.1 0.2\n")

    with pytest.raises(DataError, match="not a sound file of this program"):
        load_vectors(path)


def test_the_first_words_are_read_as_they_are_in_the_whole(tmp_path, rng):
    words = ("a", "bé", "", "d" * 300, "e")
    center, context = rng.normal(size=(2, 5, 3)).astype(np.float32)
    path = tmp_path / "vectors.npz"
    save_vectors(
        path,
        Embeddings(words, center, context, Normalization(True, "keep")),
        synced=False,
    )
    whole = load_vectors(path)

    for most in (1, 3, 5, 9):
        first = load_first(path, most)
        assert first.words == whole.words[:most]
        np.testing.assert_array_equal(first.center, whole.center[:most])
        assert first.normalization == whole.normalization


def test_the_first_words_of_a_damaged_file_are_an_error_of_ours(tmp_path):
    path = tmp_path / "vectors.npz"
    path.write_bytes(b"broken")

    with pytest.raises(DataError, match="not a sound file"):
        load_first(path, 3)
