"""Artifacts come back from disk as they went."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.artifacts import (
    file_digest,
    file_digests,
    json_digest,
    load_artifact,
    save_artifact,
)
from pipeline.core.types import Counts, Embeddings, Floats, Normalization, Tables
from pipeline.errors import CacheError


@dataclass(frozen=True)
class Inner:
    values: Counts
    name: str


@dataclass(frozen=True)
class Everything:
    floats: Floats
    table: pa.Table
    blob: bytes
    blobs: Mapping[str, bytes]
    inners: Mapping[str, Inner]
    inner: Inner
    words: tuple[str, ...]
    numbers: Mapping[str, float]
    maybe: int | None
    mode: Literal["keep", "zero"]


def everything(words: tuple[str, ...] = ("a",)) -> Everything:
    inner = Inner(np.arange(3), "x")
    return Everything(
        floats=np.ones((2, 3), np.float32),
        table=pa.table({"tokens": [["a", "b"], []]}),
        blob=b"\x00\xff",
        blobs={"page.html": b"<p>", "z.png": b""},
        inners={"train": inner, "valid": inner},
        inner=inner,
        words=words,
        numbers={"b": 0.1, "a": 1e-300},
        maybe=None,
        mode="zero",
    )


def test_every_kind_of_field_comes_back(tmp_path):
    saved = everything()
    save_artifact(saved, tmp_path / "it")

    loaded = load_artifact(Everything, tmp_path / "it")

    np.testing.assert_array_equal(loaded.floats, saved.floats)
    assert loaded.floats.dtype == np.float32
    assert loaded.table.equals(saved.table)
    assert (loaded.blob, loaded.blobs) == (saved.blob, saved.blobs)
    assert loaded.inners.keys() == {"train", "valid"}
    np.testing.assert_array_equal(loaded.inners["valid"].values, [0, 1, 2])
    assert loaded.inner.name == "x"
    assert loaded.words == ("a",)
    assert loaded.numbers == saved.numbers
    assert (loaded.maybe, loaded.mode) == (None, "zero")


@given(words=st.lists(st.text(), max_size=5).map(tuple))
def test_any_word_comes_back(tmp_path_factory, words):
    folder = tmp_path_factory.mktemp("words") / "it"
    save_artifact(everything(words), folder)

    assert load_artifact(Everything, folder).words == words


@given(matrix=arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_any_matrix_comes_back_bit_for_bit(tmp_path_factory, matrix):
    folder = tmp_path_factory.mktemp("matrix") / "it"
    words = tuple(str(i) for i in range(len(matrix)))
    normalization = Normalization(lowercase=True, digits="keep")
    save_artifact(Embeddings(words, matrix, matrix, normalization), folder)

    loaded = load_artifact(Embeddings, folder)

    assert loaded.center.tobytes() == matrix.tobytes()
    assert loaded.center.shape == matrix.shape
    assert loaded.normalization == normalization


def test_arrays_and_tables_are_memory_mapped(tmp_path):
    save_artifact(everything(), tmp_path / "it")

    before = pa.total_allocated_bytes()
    loaded = load_artifact(Everything, tmp_path / "it")

    assert isinstance(loaded.floats, np.memmap)
    assert pa.total_allocated_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        loaded.floats[0, 0] = 2


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "nul\0"])
def test_a_key_that_cannot_be_a_file_name_is_refused(tmp_path, name):
    table = pa.table({"x": [1]})

    with pytest.raises(ValueError, match="file name"):
        save_artifact(Tables({name: table}), tmp_path / "it")


@pytest.mark.parametrize("victim", ["fields.json", "floats.npy", "table.arrow"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage"])
def test_a_damaged_file_is_a_cache_error(tmp_path, victim, damage):
    save_artifact(everything(), tmp_path / "it")
    path = tmp_path / "it" / victim
    content = path.read_bytes()
    path.unlink()
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        path.write_bytes(b"\x80\x04" + content[::-1])

    with pytest.raises(CacheError, match="does not hold a sound Everything"):
        load_artifact(Everything, tmp_path / "it")


def test_a_pickled_array_is_refused(tmp_path):
    save_artifact(everything(), tmp_path / "it")
    hostile = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "it" / "floats.npy", hostile, allow_pickle=True)

    with pytest.raises(CacheError, match="Everything"):
        load_artifact(Everything, tmp_path / "it")


def test_another_dtype_is_refused(tmp_path):
    save_artifact(everything(), tmp_path / "it")
    np.save(tmp_path / "it" / "floats.npy", np.ones((2, 3)))

    with pytest.raises(CacheError, match="expected float32, found float64"):
        load_artifact(Everything, tmp_path / "it")


def test_equal_artifacts_have_equal_files(tmp_path):
    save_artifact(everything(), tmp_path / "one")
    save_artifact(everything(), tmp_path / "two")

    assert file_digests(tmp_path / "one") == file_digests(tmp_path / "two")


def test_digests_are_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")

    # FIPS 180-2, appendix B.1.
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "a") == known


def test_a_json_digest_does_not_depend_on_key_order():
    assert json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": "1"})
    with pytest.raises(ValueError, match="JSON"):
        json_digest(json.loads("NaN"))
