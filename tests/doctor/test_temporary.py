"""What killed processes were writing goes; what live ones write is left."""

import os
import time
from pathlib import Path

from ailing import found, put, save, states

from pipeline.doctor.examination import examine, mend
from pipeline.locks import held, is_held
from pipeline.records import run_folder, this_process


def leave_temporary_files(home: Path) -> list[Path]:
    """Leave what killed processes do, each kind once."""
    key, _ = put(home)
    old = time.time() - 7_200
    paths = [
        home / "cache" / "tmp" / "abc" / "half.npy",
        home / "cache" / "records" / "toy" / "k.json.0123.part",
        home / "cache" / "workspaces" / "train-k" / "checkpoint-0003.npz.part",
        home / "cache" / "workspaces" / f"toy-{key}" / "reported.jsonl",
        home / "cache" / "numba" / "x" / "kernel.nbi.tmp.0123456789abcdef",
        home / "runs" / ("a" * 32) / "run.json.0123.part",
        home / "runs" / ("a" * 32) / "tmp0123" / "vectors.npz",
        home / "artifacts" / "off" / ("a" * 32) / "artifacts" / f".loss.{'0' * 32}",
        home / "tmp" / "tmp0123" / "vectors.npz",
        home / ".mlflow.db.new",
        home / "artifacts" / "1" / ("a" * 32) / "artifacts" / "x" / f".y.{'0' * 32}",
        home / "artifacts" / "1" / "models" / "m-1" / "artifacts" / f".y.{'0' * 32}",
    ]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (old, old))
        os.utime(path.parent, (old, old))
    return paths


def test_temporary_files_and_stale_locks_go(tmp_path):
    save(tmp_path, "a" * 32, status="FINISHED", task="")
    paths = leave_temporary_files(tmp_path)
    stale = tmp_path / "cache" / "locks" / "train-k.lock"
    stale.touch()

    findings = [finding for finding in examine(tmp_path) if not finding.note]
    assert len(findings) == len(paths) + 1
    assert sum(finding.bytes for finding in findings) == 4 * len(paths)
    assert set(states(tmp_path).values()) == {"mended", "note"}

    assert not any(path.exists() for path in [*paths, stale])
    assert (tmp_path / "cache" / "workspaces" / "train-k").exists()
    assert found(tmp_path) == []


def test_what_a_live_process_writes_is_left(tmp_path):
    save(tmp_path, "a" * 32, process=this_process())
    paths = leave_temporary_files(tmp_path)
    (toy,) = (tmp_path / "cache" / "workspaces").glob("toy-*")
    locks = tmp_path / "cache" / "locks"
    names = ("tmp-abc", "toy-k", "train-k", toy.name)
    with (
        held(locks / f"{names[0]}.lock"),
        held(locks / f"{names[1]}.lock"),
        held(locks / f"{names[2]}.lock"),
        held(locks / f"{names[3]}.lock"),
        held(run_folder(tmp_path, "a" * 32) / "run.lock"),
        held(tmp_path / ".mlflow.db.lock"),
    ):
        # These have no lock, and are new.
        for path in (paths[4], paths[6].parent, paths[8].parent, paths[-1]):
            os.utime(path)
        assert found(tmp_path) == []
        mend(tmp_path)
        assert all(path.exists() for path in paths)
        assert all(is_held(locks / f"{name}.lock") for name in names)
