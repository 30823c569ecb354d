"""A training that its time budget stopped goes on, also in another home."""

import contextlib
import logging
import os
from pathlib import Path

import forks
import pytest

from pipeline.engine import explain
from pipeline.errors import StoppedError
from pipeline.records import RunRecord, load_record, load_records

TINY = (
    *("experiment=smoke", "tracking=off", "targets=[train]", "train.kernel=numpy"),
    *("train.epochs=3", "ingest.sentences=100"),
)
SOON = "train.time_budget=1e-9"


@pytest.fixture(scope="module")
def whole(make_run, tmp_path_factory) -> RunRecord:
    """The run that was not stopped."""
    return make_run(tmp_path_factory.mktemp("whole"), *TINY)


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def losses(record: RunRecord) -> dict[str, float]:
    return {k: v for k, v in record.metrics.items() if k.endswith("loss")}


def test_the_same_command_goes_on_to_the_same_bits(make_run, whole, tmp_path):
    stops = []
    while True:
        with contextlib.suppress(StoppedError):
            make_run(tmp_path, *TINY, SOON)
        done = load_record(tmp_path, "last")
        if done.status == "FINISHED" or len(stops) == 5:
            break
        assert done.status == "KILLED"
        assert "train" not in done.stages
        stops.append(done.message)

    # Each went on by an epoch, which here is one block.
    assert [stop[:21] for stop in stops] == [
        "stopped after epoch 1",
        "stopped after epoch 2",
    ]
    assert "of 3, at train.time_budget=1e-09 seconds; the same command" in stops[0]
    assert done.stages["train"].outputs == whole.stages["train"].outputs
    assert done.stages["train"].key == whole.stages["train"].key
    assert losses(done) == losses(whole)
    assert [r.run_id for r in load_records(tmp_path)] == [done.run_id]  # one run


def test_another_home_goes_on_from_an_earlier_one(make_run, whole, tmp_path, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    earlier = tmp_path / "input" / "version-1" / "runs"
    with pytest.raises(StoppedError):
        make_run(earlier, *TINY, SOON)
    before = contents(earlier)
    homes = f"cache.earlier=['{tmp_path}/input/*/runs','{tmp_path}/none/*']"

    done = make_run(tmp_path / "working", *TINY, homes)

    states = {name: stage.cached for name, stage in done.stages.items()}
    assert states == {"ingest": True, "vocab": True, "train": False}
    assert done.stages["train"].outputs == whole.stages["train"].outputs
    assert losses(done) == losses(whole)
    assert "checkpoint-0001.npz, after epoch 1" in caplog.text
    assert contents(earlier) == before


def test_a_link_in_an_earlier_home_is_not_followed(make_run, whole, tmp_path, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    earlier = tmp_path / "earlier"
    with pytest.raises(StoppedError):
        make_run(earlier, *TINY, SOON)
    (workspace,) = earlier.glob("cache/workspaces/train-*")
    (tmp_path / "secret").write_text("not for this home")
    (workspace / "checkpoint-0009.npz").symlink_to(tmp_path / "secret")

    done = make_run(tmp_path / "working", *TINY, f"cache.earlier=['{earlier}']")

    assert "checkpoint-0001.npz" in caplog.text
    assert "checkpoint-0009.npz" not in caplog.text
    assert done.stages["train"].outputs == whole.stages["train"].outputs


def test_of_several_earlier_homes_the_furthest_counts(
    make_run, whole, tmp_path, caplog
):
    caplog.set_level(logging.INFO, "pipeline")
    for version, settings in (("b", (SOON,)), ("a", (SOON, "cache.earlier=[HOME/b]"))):
        given = [s.replace("HOME", str(tmp_path)) for s in settings]
        with pytest.raises(StoppedError):
            make_run(tmp_path / version, *TINY, *given)
    earlier = f"cache.earlier=['{tmp_path}/[ab]']"

    done = make_run(tmp_path / "c", *TINY, earlier)

    assert done.stages["train"].outputs == whole.stages["train"].outputs
    assert "checkpoint-0002.npz, after epoch 2" in caplog.text


@pytest.mark.parametrize("harm", ["checkpoint", "object", "record"])
def test_what_is_damaged_in_an_earlier_home_is_computed_again(
    make_run, whole, tmp_path, harm
):
    earlier = tmp_path / "earlier"
    with pytest.raises(StoppedError):
        make_run(earlier, *TINY, SOON)
    pattern = {
        "checkpoint": "cache/workspaces/*/checkpoint-*.npz",
        "object": "cache/objects/*/splits/train.arrow",
        "record": "cache/records/ingest/*.json",
    }[harm]
    (path,) = earlier.glob(pattern)
    path.write_bytes(path.read_bytes()[:-20])

    done = make_run(tmp_path / "home", *TINY, f"cache.earlier=['{earlier}']")

    assert done.stages["train"].outputs == whole.stages["train"].outputs
    assert done.stages["ingest"].cached == (harm == "checkpoint")


def test_a_finished_result_is_taken_over_and_explained(make_run, whole, tmp_path):
    from pipeline.cache import Cache
    from pipeline.config import check_config
    from pipeline.dag import STAGES
    from pipeline.earlier import earlier_caches
    from pipeline.engine import select

    earlier = str(whole.config["home"])
    config = check_config(whole.config)
    stages = select(STAGES, config.targets)
    cache = Cache(tmp_path / "cache", earlier_caches([earlier]))
    answers = explain(stages, config.stages, cache)
    assert [answer.state for answer in answers] == ["hit", "hit", "hit"]
    assert not (tmp_path / "cache").exists()

    again = make_run(tmp_path, *TINY, f"cache.earlier=['{earlier}']")
    alone = make_run(tmp_path, *TINY)  # it is this home's own now

    for done in (again, alone):
        assert all(stage.cached for stage in done.stages.values())
        assert losses(done) == losses(whole)


def test_a_rerun_has_no_time_budget(make_run, whole, tmp_path):
    from pipeline.rerun import rerun

    make_run(tmp_path, *TINY, "train.time_budget=1e6")

    result = rerun(tmp_path, "last", tracking="off")

    assert result.same
    assert result.again.config["train"]["time_budget"] is None


def test_the_command_line_ends_with_its_own_code(tmp_path):
    environment = os.environ | {"W2V_HOME": str(tmp_path)}
    done = forks.run("run", *TINY, SOON, env=environment)

    assert done.returncode == 75, done.stderr
    assert "\nKILLED: stopped after epoch 1 of 3, at train.time_budget" in done.stdout
    assert "error" not in done.stderr
