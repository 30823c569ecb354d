"""Runs that are killed at random moments go on, and end with the same bits.

A run is killed with SIGKILL from inside, at a moment that a seed chose: before
the n-th change to a file under home, within the writing of a checkpoint, or some
milliseconds into a stage; where a stage ends before that, at its end. The same
command is repeated until it finishes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import forks
import pytest

STAGES = ("ingest", "vocab", "train", "controls", "evaluate", "visualize")
SETTINGS = (
    "experiment=smoke",
    "train.epochs=3",
    "train.checkpoint_share=1",
    "visualize.projections=[]",
)

# Runs the command in a process that kills itself at the moment it was told.
DRIVER = """
import json, os, signal, sys, threading
from pathlib import Path

plan = json.loads(os.environ["W2V_CRASH"])
home, log = os.environ["W2V_HOME"], Path(os.environ["W2V_CRASH_LOG"])
place, counts = "start", {}

def die():
    log.write_text(json.dumps(plan["place"]))
    os.kill(os.getpid(), signal.SIGKILL)

def reach(name):
    counts[name] = counts.get(name, 0) + 1
    if (name, counts[name]) == (plan.get("place"), plan.get("count")):
        die()

def watch(event, arguments):
    writes = event == "open" and arguments[1] and set(str(arguments[1])) & set("wax+")
    if writes or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
        if str(arguments[0]).startswith(home):
            reach(place)

from pipeline import engine
from pipeline.core import checkpoint, npz

run_stage, write_member, save = (
    engine.run_stage, npz._write_member, checkpoint.save_checkpoint
)

def entering(stage, *arguments, **options):
    global place
    if plan.get("place") == place == "start":
        die()  # a run that goes on has less to do than was counted
    place = stage.name
    if plan.get("place") == place and "delay" in plan:
        threading.Timer(plan["delay"], die).start()
    try:
        return run_stage(stage, *arguments, **options)
    finally:
        # So has a stage that goes on from a checkpoint.
        if plan.get("place") in (place, "checkpoint" if place == "train" else place):
            die()
        place = f"after {stage.name}"

def writing(archive, *arguments):
    write_member(archive, *arguments)
    archive.fp.flush()
    if place == "train":
        reach("checkpoint")

engine.run_stage, npz._write_member = entering, writing
os.sched_getaffinity = lambda _: {0}  # so that all stages run in this process
sys.addaudithook(watch)
sys.argv = ["w2v", "run", *sys.argv[1:]]
try:
    from pipeline.cli import main
    main()
finally:
    log.write_text(json.dumps(counts))
"""


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit status, and where it was killed, or its counts."""

    status: int
    log: object
    errors: str


def run(home: Path, plan: dict, *overrides: str) -> Ending:
    log = home.with_name(f"{home.name}.log")
    log.unlink(missing_ok=True)
    environment = {
        "W2V_HOME": str(home),
        "W2V_CRASH": json.dumps(plan),
        "W2V_CRASH_LOG": str(log),
    }
    done = forks.run(
        *(*SETTINGS, *overrides), env=os.environ | environment, code=DRIVER
    )
    return Ending(done.returncode, json.loads(log.read_text()), done.stderr)


def record_of(home: Path) -> dict:
    """Return the record of the one run of a home."""
    (path,) = home.glob("runs/*/run.json")
    return json.loads(path.read_text())


def compared(record: dict) -> dict:
    """Return what two runs of the same command have in common."""
    timed = ("_seconds", "_cached", "words_per_second")
    return {
        "status": record["status"],
        "digests": {name: stage["digest"] for name, stage in record["stages"].items()},
        "keys": {name: stage["key"] for name, stage in record["stages"].items()},
        "metrics": {
            name: value
            for name, value in record["metrics"].items()
            if not name.endswith(timed) and not name.startswith("train/live")
        },
        # Whether a file beside the code is edited meanwhile says nothing here.
        "artifacts": [a for a in record["artifacts"] if a != "uncommitted.diff"],
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[dict, dict[str, int]]:
    """A run that nobody interrupts: its record, and how often it reached a place."""
    home = tmp_path_factory.mktemp("whole") / "home"
    done = run(home, {}, "tracking=off")
    assert done.status == 0, done.errors
    assert isinstance(done.log, dict)
    assert set(STAGES) < set(done.log), "the driver saw no change to files"
    return record_of(home), done.log


def plans(seed: int, counts: dict[str, int], each: int) -> list[dict]:
    """Return moments, in the order in which a run comes by them."""
    rng = random.Random(seed)
    found: list[dict] = []
    for place in ("start", *STAGES):
        for _ in range(each):
            found.append({"place": place, "count": rng.randint(1, counts[place])})
        if place == "train":
            members = counts["checkpoint"]
            within = [{"place": "checkpoint", "count": rng.randint(1, 7)}]
            later = {"place": "checkpoint", "count": rng.randint(8, members)}
            found[-each:-each] = [*within, later][:each]
        if place != "start":
            found.append({"place": place, "delay": rng.uniform(0.0, 0.03)})
    return found


def kill_and_repeat(home: Path, moments: list[dict], *overrides: str) -> Counter[str]:
    """Kill a run at each moment, then let it finish; return the kills by place."""
    killed: Counter[str] = Counter()
    for moment in moments:
        ending = run(home, moment, *overrides)
        assert ending.status == -signal.SIGKILL, ending.errors
        killed[str(ending.log)] += 1
    ending = run(home, {}, *overrides)
    assert ending.status == 0, ending.errors
    return killed


def tell(record_property, killed: Counter[str]) -> None:
    for place, count in killed.items():
        record_property(f"kills in {place} tried", count)


def test_a_run_killed_in_every_stage_ends_with_the_same_bits(
    whole, tmp_path, record_property
):
    expected, counts = whole
    rng = random.Random(1)
    # One in the writing of a checkpoint, and one somewhere in each long stage.
    moments = [
        {"place": "vocab", "count": rng.randint(1, counts["vocab"])},
        {"place": "checkpoint", "count": rng.randint(1, 7)},
        {"place": "train", "count": rng.randint(1, counts["train"])},
        {"place": "evaluate", "count": rng.randint(1, counts["evaluate"])},
    ]
    killed = kill_and_repeat(tmp_path / "home", moments, "tracking=off")

    tell(record_property, killed)
    assert compared(record_of(tmp_path / "home")) == compared(expected)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [2, 3])
def test_any_kill_is_survived(whole, tmp_path, record_property, seed):
    expected, counts = whole
    moments = plans(seed, counts, each=2)
    killed = kill_and_repeat(tmp_path / "home", moments, "tracking=off")

    tell(record_property, killed)
    assert killed.total() == len(moments) == 22
    assert set(killed) == {"start", *STAGES, "checkpoint"}
    assert compared(record_of(tmp_path / "home")) == compared(expected)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_killed_over_and_over_is_one_run_in_mlflow(
    whole, tmp_path, record_property
):
    expected, counts = whole
    home = tmp_path / "home"
    moments = plans(4, counts, each=1)
    killed = kill_and_repeat(home, moments, "tracking=local")
    tell(record_property, killed)
    assert killed.total() == len(moments) == 14

    record = record_of(home)
    ours, theirs = compared(record), compared(expected)
    for one in (ours, theirs):
        one.pop("keys")
    assert ours == theirs
    run_of_mlflow_is_sound(home, record)


def run_of_mlflow_is_sound(home: Path, record: dict) -> None:
    """Check that a home's store holds one run, FINISHED, that repeats no step."""
    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    groups = [group.experiment_id for group in client.search_experiments()]
    (stored,) = client.search_runs(groups)
    assert stored.info.run_id == record["run_id"]
    assert stored.info.status == "FINISHED"
    assert len(stored.inputs.dataset_inputs) == 1
    assert "message" not in stored.data.tags
    assert stored.data.metrics.keys() >= record["metrics"].keys()
    for name in stored.data.metrics:
        history = client.get_metric_history(record["run_id"], name)
        steps = [point.step for point in history]
        assert len(steps) == len(set(steps)), name
        if name in record["metrics"]:
            assert history[-1].value == record["metrics"][name]
    history = client.get_metric_history(record["run_id"], "train/loss")
    assert [point.step for point in history] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_from_outside_at_any_time_is_survived(whole, tmp_path, record_property):
    expected, _ = whole
    home, rng = tmp_path / "home", random.Random(5)
    command = (sys.executable, "-m", "pipeline", "run", *SETTINGS, "tracking=off")
    killed: Counter[str] = Counter()
    for stage in (*STAGES, "train"):
        process = subprocess.Popen(
            command,
            env=os.environ | {"W2V_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not list(home.glob(f"cache/locks/{stage}-*")):
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        if process.wait(60) != -signal.SIGKILL:
            break  # it had finished
        stages = record_of(home)["stages"] if list(home.glob("runs/*/run.json")) else {}
        killed[next((name for name in STAGES if name not in stages), "end")] += 1
    ending = run(home, {}, "tracking=off")
    assert ending.status == 0, ending.errors

    tell(record_property, killed)
    assert killed.total() >= 3
    records = [json.loads(p.read_text()) for p in home.glob("runs/*/run.json")]
    assert {record["status"] for record in records} == {"FINISHED"}
    for record in records:
        assert compared(record) == compared(expected)
