from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline.core import jit
from pipeline.core.replicas import _compile_merge


def kept(folder):
    return sorted(path for kind in ("*.nbi", "*.nbc") for path in folder.rglob(kind))


def seals(folder):
    return {path.name for path in folder.rglob("*.sha256")}


@pytest.fixture
def folder(tmp_path):
    _compile_merge(tmp_path)
    assert len(kept(tmp_path)) == 2
    assert seals(tmp_path) == {f"{path.name}.sha256" for path in kept(tmp_path)}
    return tmp_path


def test_sound_code_is_used_again(folder):
    before = [path.stat().st_mtime_ns for path in kept(folder)]
    _compile_merge(folder)
    assert [path.stat().st_mtime_ns for path in kept(folder)] == before


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("damage", ["empty", "cut", "flip", "other"])
def test_damaged_code_is_named_and_made_anew(folder, which, damage, caplog):
    path = kept(folder)[which]
    whole = path.read_bytes()
    at = len(whole) // 2
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    path.write_bytes(
        {"empty": b"", "cut": whole[:100], "flip": flipped, "other": b"\x80" * 50}[
            damage
        ]
    )

    _compile_merge(folder)

    assert f"damaged compiled code is made anew: {path}" in caplog.text
    caplog.clear()
    _compile_merge(folder)
    assert caplog.text == ""
    assert len(kept(folder)) == len(seals(folder)) == 2


def test_code_without_a_seal_is_made_anew(folder, caplog):
    for seal in folder.rglob("*.sha256"):
        seal.unlink()

    _compile_merge(folder)

    assert caplog.text == ""
    assert len(seals(folder)) == 2


def test_one_compiles_while_others_wait_for_what_it_writes(folder):
    (index,) = folder.rglob("*.nbi")
    with ThreadPoolExecutor(1) as threads:
        with FileLock(index.parents[2] / "lock"):
            index.with_name(f"{index.name}.sha256").unlink()  # it is being written
            other = threads.submit(_compile_merge, folder)
            with pytest.raises(NotDone):
                other.result(timeout=1)
            assert index.exists()
        other.result()
    assert len(kept(folder)) == len(seals(folder)) == 2


def count(a, more):
    return a + 1 if more is not None else a


def test_a_form_that_was_not_sealed_is_no_damage_to_others(
    tmp_path, monkeypatch, caplog
):
    assert jit.compiled(count, (1, None), tmp_path)(1, None) == 1
    with monkeypatch.context() as patch:
        patch.setattr(jit, "_seal", lambda *_: None)  # as if killed before
        assert jit.compiled(count, (1, True), tmp_path)(1, True) == 2

    again = jit.compiled(count, (1, None), tmp_path)

    assert again.stats.cache_hits
    assert jit.compiled(count, (1, True), tmp_path)(1, True) == 2
    assert caplog.text == ""


def test_beside_a_folder_that_is_read_only_nothing_is_kept_elsewhere(
    tmp_path, monkeypatch
):
    source = Path(jit.__file__).parent
    before = kept(source)
    monkeypatch.setattr(jit.os, "access", lambda *_: False)

    _compile_merge(tmp_path)

    assert kept(tmp_path) == []
    assert kept(source) == before
