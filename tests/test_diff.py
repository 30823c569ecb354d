"""In what two runs differ."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.diff import differences, not_recorded
from pipeline.records import RunRecord, save_record

TINY = ("experiment=smoke", "tracking=off", "targets=[train]", "train.kernel=numpy")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(make_run, home) -> RunRecord:
    return make_run(home, *TINY)


def found(first: RunRecord, second: RunRecord) -> set[tuple]:
    return {(d.section, d.name, d.first, d.second) for d in differences(first, second)}


def show(home, *runs: str, **options):
    return CliRunner().invoke(cli, ["diff", *runs, "--home", str(home)], **options)


def test_two_runs_of_one_config_do_not_differ(make_run, run, home, tmp_path):
    again = make_run(home, *TINY)
    elsewhere = make_run(tmp_path, *TINY, "train.kernel_cache=null")

    assert differences(run, again) == []
    assert differences(run, elsewhere) == []  # places are no part of a result


def test_nothing_different_says_so_and_exits_with_0(run, home):
    done = show(home, run.run_id, run.run_id[:8])

    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "nothing differs"


def test_another_config_differs_in_its_key_and_in_what_follows(make_run, run, home):
    other = make_run(home, *TINY, "train.window=2")
    rows = differences(run, other)

    assert [(d.name, d.first, d.second) for d in rows if d.section == "config"] == [
        ("train.window", "5", "2")
    ]
    assert [d.name for d in rows if d.section == "stages"] == ["train"]
    names = {d.name for d in rows if d.section == "metrics"}
    assert {"train/loss", "train/heldout_loss"} <= names
    assert not {n for n in names if "second" in n or n.startswith(("corpus", "stage"))}
    assert "vectors/vectors.npz" in {d.name for d in rows if d.section == "artifacts"}
    assert {d.section for d in rows} == {"config", "stages", "metrics", "artifacts"}


def test_runs_that_differ_exit_with_1_and_fit_on_one_screen(make_run, run, home):
    other = make_run(home, *TINY, "train.window=2")
    packages = dict.fromkeys(other.environment.packages, "1")
    environment = replace(other.environment, packages=packages, threads=99)
    save_record(home, replace(other, environment=environment))

    done = show(home, run.run_id, other.run_id)

    assert done.exit_code == 1
    assert "  train.window: 5 -> 2" in done.output.splitlines()
    assert "more (--json lists all)" in done.output
    assert len(done.output.splitlines()) < 60


def test_json_lists_all(make_run, run, home):
    other = make_run(home, *TINY, "train.window=2")
    save_record(home, replace(other, environment=replace(other.environment, threads=9)))

    done = show(home, run.run_id, other.run_id, "--json", catch_exceptions=False)

    plain = json.loads(done.output)
    assert plain["runs"] == [run.run_id, other.run_id]
    assert {
        "section": "config",
        "name": "train.window",
        "first": "5",
        "second": "2",
        "stages": [],
    } in plain["differences"]
    assert "machine" in {row["section"] for row in plain["differences"]}


def test_changed_code_is_named_once_with_the_stages_that_reach_it(run):
    name = "pipeline/core/types.py: Vocab"
    stages = {
        stage: replace(result, code={**result.code, name: "changed"})
        for stage, result in run.stages.items()
    }
    was = run.stages["train"].code[name]

    (row,) = differences(run, replace(run, stages=stages))

    assert (row.section, row.name) == ("code", name)
    assert (row.first, row.second) == (was, "changed")
    assert row.stages == ("ingest", "vocab", "train")


def test_code_is_told_apart_by_commit_and_by_changes_on_top(run):
    digests = {**run.artifact_digests, "uncommitted.diff": "d" * 64}
    clean = replace(run.git, commit="a" * 40, dirty=False)
    dirty = replace(run.git, commit="b" * 40, dirty=True)
    first = replace(run, git=clean)
    second = replace(run, git=dirty, artifact_digests=digests)

    assert {row for row in found(first, second) if row[0] == "code"} == {
        ("code", "commit", "a" * 40, "b" * 40),
        ("code", "changes since the commit", None, "d" * 64),
    }


def test_inputs_versions_and_the_machine_count(run):
    ingest = run.stages["ingest"]
    first = replace(run, stages={"ingest": replace(ingest, files={"a.txt": "1"})})
    environment = replace(
        run.environment,
        python="CPython 3.13.0",
        processor="another",
        packages={**run.environment.packages, "numpy": "1.0", "ruff": "0"},
        settings={"OMP_NUM_THREADS": "3"},
    )
    second = replace(
        run,
        stages={"ingest": replace(ingest, files={"a.txt": "2"})},
        environment=environment,
    )
    now = run.environment

    assert found(first, second) == {
        ("inputs", "ingest: a.txt", "1", "2"),
        ("versions", "python", now.python, "CPython 3.13.0"),
        ("versions", "numpy", now.packages["numpy"], "1.0"),
        ("machine", "processor", now.processor, "another"),
        ("machine", "OMP_NUM_THREADS", now.settings.get("OMP_NUM_THREADS"), "3"),
    }


def test_what_an_old_record_does_not_hold_is_said(run, home):
    stages = {
        name: replace(stage, code={}, files={}, outputs={}, versions={})
        for name, stage in run.stages.items()
    }
    run = replace(run, git=replace(run.git, dirty=False))
    old = replace(run, run_id="0" * 32, stages=stages, artifact_digests={})
    save_record(home, old)

    assert not_recorded(run) == ()
    assert len(not_recorded(old)) == 2
    assert differences(old, run) == differences(run, old) == []
    shown = show(home, "0" * 32, run.run_id).output
    assert "not compared: the digests of its artifacts" in shown


def test_an_escape_sequence_in_a_record_does_not_reach_the_terminal(run, home):
    evil = replace(run, run_id="e" * 32, metrics={"\x1b[2J": 1.0})
    save_record(home, evil)

    done = show(home, run.run_id, evil.run_id, "--json")
    assert done.exit_code == 1
    assert "\x1b" not in show(home, run.run_id, evil.run_id).output
    assert "\x1b" not in done.output


FORGED = "a run\nrun_id: forged\x1b[2J"


@pytest.mark.parametrize("command", ["show", "diff", "doctor"])
def test_a_record_forges_no_line_of_what_is_shown(run, tmp_path, command):
    evil = replace(
        run,
        run_id="e" * 32,
        name=FORGED,
        status="RUNNING",
        message=FORGED,
        stages={FORGED: replace(run.stages["ingest"], key="\nrun_id: f")},
        metrics={f"category/{FORGED}": 1.0},
        artifacts=("figures/a.png",),
        artifact_uri=f"/{FORGED}",
        process=replace(run.process, started=1.0),
    )
    save_record(tmp_path, evil)
    ids = {"show": ["last"], "diff": ["last", "last"], "doctor": []}[command]

    done = CliRunner().invoke(cli, [command, *ids, "--home", str(tmp_path)])

    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    told = [line for line in lines if line.startswith("run_id: ")]
    assert told == ([f"run_id: {'e' * 32}"] if command == "show" else [])
    assert any("e" * 32 in line for line in lines)
