"""Names and forms of artifacts that every store and file system takes."""

import errno
import json
import math
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import StorageError, TrackingError
from pipeline.tracking.files import artifact_path, check_file, table_json, written

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a//b",
    "a/../../b",
    "a\\..\\b",
    "a\0b",
    "a\nb",
    "</script>",
    "=cmd|x",
    "\u202egnp.exe",
    "x" * 1_000,
    "é" * 200 + ".html",
    "a" * 300 + "." + "b" * 300,
    "C:\\nul",
    "%2e%2e/x#y?z",
    "\udc80",
]


@pytest.mark.parametrize(
    "path", ["config.yaml", "figures/tsne_2d.html", "tables/ws-353.json", "né/日本.png"]
)
def test_a_harmless_path_stays_as_it_is(path):
    assert artifact_path(path) == path


@given(st.text(max_size=300) | st.sampled_from(HOSTILE))
@example("a/" * 30)
@settings(max_examples=200, deadline=None)
def test_any_text_becomes_a_path_below_its_root(text):
    clean = artifact_path(text)

    for part in clean.split("/"):
        assert part not in ("", ".", "..")
        assert len(part.encode()) <= 200
        assert not set(part) & set('\\\0\n:*?"<>|%#')
    assert artifact_path(clean) == clean


@pytest.mark.parametrize("path", [p for p in HOSTILE if p.count("/") < 1])
def test_a_file_system_takes_the_path(path, tmp_path):
    (tmp_path / artifact_path(path)).write_text("here")

    assert [p.read_text() for p in tmp_path.iterdir()] == ["here"]


def test_paths_that_clean_to_the_same_stay_apart():
    given_paths = ["a b", "a\tb", "a_b", "a?b", "x" * 400, "x" * 401, "../a_b"]

    assert len({artifact_path(p) for p in given_paths}) == len(given_paths)


@pytest.mark.parametrize("path", ["a b.html", "é" * 200 + ".html", "<x>.html"])
def test_a_changed_name_keeps_its_suffix_for_viewers(path):
    assert artifact_path(path).endswith(".html")


def test_content_is_a_file_for_as_long_as_it_is_needed(tmp_path):
    with written(b"hello", "figures/a b.html", tmp_path / "tmp") as (local, folder):
        assert local.is_relative_to(tmp_path / "tmp")
        assert local.read_bytes() == b"hello"
        assert folder == "figures"
        assert f"{folder}/{local.name}" == artifact_path("figures/a b.html")

    assert not local.exists()


def test_no_room_for_content_is_a_storage_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"a\.txt: No space .* set home to"):
        written(b"x", "a.txt", tmp_path).__enter__()
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(StorageError, match=f"{tmp_path}: cannot be written: No space"):
        written(b"x", "a.txt", tmp_path).__enter__()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrackingError, match=r"no_such\.npz: expected a file"):
        check_file(tmp_path / "no_such.npz")
    with pytest.raises(TrackingError, match="expected a file"):
        check_file(tmp_path)


CELLS = {
    "word": ["</script>", '"\\\n\t', "=1+1", "日本", ""],
    "id": [0, 1, -(2**63), 2**63 - 1, None],
    "cosine": [0.1, -0.0, math.nan, math.inf, None],
    "known": [True, False, None, True, False],
}


def test_a_table_reads_back_from_its_json_by_column_and_row():
    table = pa.table(CELLS)

    content = json.loads(table_json(table))

    assert content["columns"] == ["word", "id", "cosine", "known"]
    columns = list(zip(*content["data"], strict=True))
    assert list(columns[0]) == CELLS["word"]
    assert list(columns[1]) == CELLS["id"]
    assert list(columns[2]) == [0.1, 0.0, None, None, None]
    assert list(columns[3]) == CELLS["known"]


def test_an_empty_table_keeps_its_columns():
    table = pa.table({"a": pa.array([], pa.string())})

    assert json.loads(table_json(table)) == {"columns": ["a"], "data": []}
