"""A full disk and a cache that can only be read, as real mounts."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import forks
import pytest

SMOKE = ("experiment=smoke", "visualize.projections=[]")


def w2v(*arguments: str, home: Path) -> subprocess.CompletedProcess:
    return forks.run(*arguments, env=os.environ | {"W2V_HOME": str(home)})


def records(home: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Mount as told, or skip where that is refused; all is unmounted afterwards."""
    program, unmounter = shutil.which("mount"), shutil.which("umount")
    with ExitStack() as mounted:

        def do(*arguments: str | Path) -> None:
            if not program or not unmounter:
                pytest.skip("needs mount and umount")
            done = subprocess.run(
                [program, *map(str, arguments)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"mounting is refused here: {done.stderr.strip()}")
            if "remount" not in str(arguments[1]):
                place = str(arguments[-1])
                mounted.callback(
                    subprocess.run, [unmounter, "--lazy", place], check=True
                )

        yield do


@pytest.mark.slow
@pytest.mark.parametrize("tracking", ["off", "local"])
def test_a_disk_that_fills_up_keeps_a_checkpoint_to_go_on_from(
    tmp_path, mount, tracking
):
    home = tmp_path / "home"
    home.mkdir()
    # One checkpoint takes 2.3 MB; the second does not fit beside it.
    size = "4m" if tracking == "off" else "5m"
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", home)
    arguments = (*SMOKE, "train.dim=200", "train.epochs=4", f"tracking={tracking}")
    arguments += ("train.checkpoint_share=1", "targets=[train]")

    full = w2v("run", *arguments, home=home)
    assert full.returncode == 1, full.stderr
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert "defect" not in full.stderr
    checkpoints = list(home.glob("cache/workspaces/train-*/checkpoint-*.npz"))
    assert checkpoints

    mount("-o", "remount,size=100m", home)
    again = w2v("run", *arguments, home=home)
    assert again.returncode == 0, again.stderr
    assert "going on from" in again.stderr
    (record,) = records(home)
    assert f"going on with run {record['run_id']}" in again.stderr
    assert record["status"] == "FINISHED"

    never = tmp_path / "never full"
    assert w2v("run", *arguments, "tracking=off", home=never).returncode == 0
    (other,) = records(never)
    for stage in ("ingest", "vocab", "train"):
        assert record["stages"][stage]["digest"] == other["stages"][stage]["digest"]


@pytest.mark.slow
def test_a_cache_that_can_only_be_read_is_read(tmp_path, mount):
    first = w2v("run", *SMOKE, "tracking=off", home=tmp_path)
    assert first.returncode == 0, first.stderr
    cache = tmp_path / "cache"
    mount("--bind", cache, cache)
    mount("-o", "remount,ro,bind", cache)

    again = w2v("run", *SMOKE, "tracking=off", home=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(" cached ") == 6

    other = w2v("run", *SMOKE, "train.dim=12", "tracking=off", home=tmp_path)
    assert other.returncode == 1
    assert "Read-only file system" in other.stderr.splitlines()[-1]
    assert str(cache) in other.stderr.splitlines()[-1]
    assert "Traceback" not in other.stderr

    for command in (("doctor", "--fix"), ("cache", "ls")):
        assert w2v(*command, home=tmp_path).returncode == 0
    pruned = w2v("cache", "prune", "--keep", "0", home=tmp_path)
    assert pruned.returncode == 1
    assert "Read-only file system" in pruned.stderr
    assert "defect" not in pruned.stderr
