"""A file is whole whenever it is read."""

import errno
import os

import pytest

from pipeline.core.files import replacing, write_atomically
from pipeline.errors import StorageError


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_a_write_that_is_interrupted_leaves_the_old_file_alone(tmp_path, interruption):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def write():
        with replacing(path) as file:
            file.write(b"new")
            raise interruption

    with pytest.raises(interruption):
        write()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_synced_before_it_takes_its_name_and_its_folder_after(
    tmp_path, monkeypatch
):
    path, order = tmp_path / "x", []
    fsync, replace = os.fsync, type(path).replace
    monkeypatch.setattr(os, "fsync", lambda d: (order.append("sync"), fsync(d)))
    monkeypatch.setattr(
        type(path), "replace", lambda *a: (order.append("rename"), replace(*a))
    )

    with replacing(path) as file:
        file.write(b"new")

    assert order == ["sync", "rename", "sync"]
    assert path.read_bytes() == b"new"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "x"

    with replacing(path, shared=True) as one, replacing(path, shared=True) as two:
        one.write(b"one")
        two.write(b"two")

    assert path.read_bytes() == b"one"  # renamed last
    assert list(tmp_path.iterdir()) == [path]


def test_an_atomic_write_makes_its_folder_and_replaces_whole_files(tmp_path):
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")

    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_is_full_is_named(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StorageError, match="x: cannot be written: No space left"):
        write_atomically(tmp_path / "x", b"one")
    assert list(tmp_path.iterdir()) == []
