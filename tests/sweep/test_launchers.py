"""Trials run side by side by whatever launcher come out as they do one by one."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sweeps import alike, start, trials_of, w2v

from pipeline.tracking.addresses import view_key

SETTINGS = (
    *("experiment=smoke", "ingest.sentences=200", "targets=[train]"),
    *("sweep.name=grid", "train.dim=8,12", "train.window=2,3"),
)


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory) -> list[dict]:
    home = tmp_path_factory.mktemp("basic") / "home"
    w2v(home, "run", "-m", *SETTINGS, "hydra/launcher=basic", "tracking=off")
    return trials_of(home, "grid")


def computed(home: Path, stage: str) -> int:
    """Return how many runs computed a stage."""
    records = [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]
    assert {record["status"] for record in records} == {"FINISHED"}
    return sum(not record["stages"][stage]["cached"] for record in records)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        ("hydra/launcher=submitit_local",),
    ],
    ids=lambda launcher: launcher[0],
)
def test_side_by_side_is_as_one_by_one(launcher, one_by_one, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    home = tmp_path / "home"

    w2v(home, "run", "-m", *SETTINGS, *launcher, "tracking=off")

    trials = trials_of(home, "grid")
    assert list(map(alike, trials)) == list(map(alike, one_by_one))
    # One thread each, unless they run one by one.
    assert {trial["config"]["train"]["threads"] for trial in trials} == {1}
    assert {t["config"]["train"]["threads"] for t in one_by_one} == {"auto"}
    assert [computed(home, stage) for stage in ("ingest", "vocab", "train")] == [
        1,
        1,
        4,
    ]
    assert {path.name for path in home.parent.iterdir()} == {"home"}


@pytest.mark.slow
def test_two_commands_share_a_sweep(one_by_one, tmp_path):
    home = tmp_path / "home"
    arguments = ("run", "-m", *SETTINGS, "hydra/launcher=basic", "tracking=off")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [start(home, *arguments, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=250) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], said
    trials = trials_of(home, "grid")
    assert list(map(alike, trials)) == list(map(alike, one_by_one))
    assert computed(home, "train") == len(list(home.glob("runs/*/run.json"))) == 4


@pytest.mark.slow
def test_a_sweep_of_several_processes_killed_over_and_over_ends_alike(
    one_by_one, tmp_path, record_property
):
    home = tmp_path / "home"
    arguments = ("run", "-m", *SETTINGS, "hydra.launcher.n_jobs=2", "tracking=off")
    kills = 0
    for number in range(3):
        process = start(home, *arguments)
        # Until some trial has begun, then a little longer each time.
        while process.poll() is None and not list(home.glob("cache/locks/train-*")):
            time.sleep(0.01)
        time.sleep(0.2 * number)
        os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait(60) == -signal.SIGKILL
    w2v(home, *arguments)

    record_property("kills of a sweep tried", kills)
    assert kills >= 2
    trials = trials_of(home, "grid")
    assert list(map(alike, trials)) == list(map(alike, one_by_one))
    assert computed(home, "train") <= 4
    assert len(list(home.glob("runs/*/run.json"))) == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sqlite_holds_four_trials_at_once_and_a_parent_stands_over_them(tmp_path):
    from pipeline.tracking.mlflow_store import import_mlflow

    home = tmp_path / "home"
    space = ("train.dim=8,12,16,20", "sweep.seeds=2", "sweep.name=wide")
    settings = ("experiment=smoke", "ingest.sentences=200", "targets=[train]")
    command = ("run", "-m", *settings, *space, "hydra.launcher.n_jobs=4")
    done = w2v(home, *command)

    assert "WARNING" not in done.stderr
    assert not list(home.glob("runs/*/unsent*"))
    import_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    (group,) = client.search_experiments(filter_string="name = 'word2vec'")
    runs = {run.info.run_id: run for run in client.search_runs([group.experiment_id])}
    sweep = json.loads((home / "sweeps" / "wide" / "sweep.json").read_text())
    parent = runs.pop(sweep["run_id"])
    assert len(runs) == 8
    assert {run.info.status for run in (parent, *runs.values())} == {"FINISHED"}
    trials = trials_of(home, "wide")
    assert {trial["run_id"] for trial in trials} == set(runs)
    for trial in trials:
        run = runs[trial["run_id"]]
        assert run.data.tags["mlflow.parentRunId"] == sweep["run_id"]
        assert run.data.tags["sweep"] == "wide"
        assert run.data.params["train.dim"] == str(trial["cell"]["train.dim"])
        assert run.data.params["seed"] == str(trial["seed"])
        assert run.data.metrics.items() >= trial["metrics"].items()
        assert len(run.inputs.dataset_inputs) == 1
    losses = [trial["metrics"]["train/heldout_loss"] for trial in trials]
    assert parent.data.metrics["train/heldout_loss"] == min(losses)
    assert parent.data.params["train.dim"] == "8,12,16,20"
    assert parent.data.params["seed"] == "1,2"

    # The UI's view of the sweep finds its trials, and names what was swept.
    view = json.loads(group.tags[f"mlflow.sharedViewState.{view_key('wide')}"])
    found = client.search_runs([group.experiment_id], view["searchFilter"])
    assert {run.info.run_id for run in found} == set(runs)
    (chart,) = view["compareRunCharts"]
    assert chart["selectedParams"] == ["train.dim", "seed"]
    assert chart["selectedMetrics"] == ["train/heldout_loss"]

    # Gone on with, the parent is the same run.
    w2v(home, *command, "train.window=5")
    w2v(home, *command[:-1], "hydra/launcher=basic", "+train.nope=1", code=2)
    assert len(client.search_runs([group.experiment_id])) == 9
