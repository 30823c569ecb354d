"""Artifacts where they stay: linked from scratch, copied from elsewhere."""

import os
from pathlib import Path

import pytest
from mlflow.utils.file_utils import local_file_uri_to_path

from pipeline.tracking.placing import keep_file, local_folder


def test_what_lies_in_scratch_is_kept_without_a_copy_and_outlives_it(tmp_path):
    local, target = tmp_path / "tmp" / "a.npz", tmp_path / "artifacts" / "b.npz"
    local.parent.mkdir()
    local.write_bytes(b"vectors")

    keep_file(local, target, tmp_path / "tmp")

    assert local.samefile(target)
    local.unlink()
    assert target.read_bytes() == b"vectors"
    assert [path.name for path in target.parent.iterdir()] == ["b.npz"]


def test_a_file_from_elsewhere_is_copied_so_that_an_edit_of_it_changes_nothing(
    tmp_path,
):
    local, target = tmp_path / "mine.txt", tmp_path / "artifacts" / "mine.txt"
    local.write_text("before")

    keep_file(local, target, tmp_path / "tmp")
    local.write_text("after")

    assert target.read_text() == "before"


def test_a_file_system_without_links_gets_a_copy(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    local, target = tmp_path / "tmp" / "a", tmp_path / "artifacts" / "a"
    local.parent.mkdir()
    local.write_bytes(b"x")

    keep_file(local, target, tmp_path / "tmp")

    assert target.read_bytes() == b"x"
    assert not local.samefile(target)


def test_who_reads_the_file_that_is_replaced_keeps_the_whole_of_it(tmp_path):
    scratch, target = tmp_path / "tmp", tmp_path / "artifacts" / "a"
    scratch.mkdir()
    for content in ("old", "new", "new"):
        fresh = scratch / content
        fresh.write_text(content)
        reader = target.open() if target.exists() else None
        before = target.read_text() if reader else ""
        keep_file(fresh, target, scratch)
        assert target.read_text() == content
        if reader:
            assert reader.read() == before
            reader.close()
    assert [path.name for path in target.parent.iterdir()] == ["a"]


@pytest.mark.parametrize(
    "uri",
    [
        Path("/a b/c%").as_uri(),
        Path("/a#b/ä").as_uri(),
        "file:/a%23b/c",
        "file://localhost/a",
        "/plain",
        "/with#hash/1/ab/artifacts",
        "/with?mark/1",
        "/with%20percent and space",
        "/ä/1",
        "relative/1",
        "./relative",
        "//two/slashes",
        "//[x/y",
    ],
)
def test_a_folder_of_this_machine_is_where_mlflow_would_write(uri):
    assert local_folder(uri) == Path(local_file_uri_to_path(uri))


@pytest.mark.parametrize(
    "uri",
    ["mlflow-artifacts:/1/ab/artifacts", "s3://bucket/a", "dbfs:/a", "http://host/a#b"],
)
def test_another_address_is_no_folder(uri):
    assert local_folder(uri) is None
