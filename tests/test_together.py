"""Runs that start at once share what they compute."""

import json
import os
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import forks
import pytest

from pipeline.doctor.examination import examine

STAGES = ("ingest", "vocab", "train", "controls", "evaluate", "visualize")


def at_once(number: int, home: Path, *overrides: str) -> list[tuple[str, str]]:
    """Start one command many times at the same moment; return (stdout, stderr)."""
    processes = [
        forks.start(
            *("run", "experiment=smoke", *overrides),
            env=os.environ | {"W2V_HOME": str(home)},
        )
        for _ in range(number)
    ]
    done = [process.communicate(timeout=500) for process in processes]
    for process, (_, errors) in zip(processes, done, strict=True):
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
    return done


def check(home: Path, done: list[tuple[str, str]], stages: tuple[str, ...]) -> None:
    """Check that each stage was computed once, and that all runs finished alike."""
    states = Counter(
        found
        for out, _ in done
        for found in re.findall(r"^(\w+) +(computed|cached) ", out, re.MULTILINE)
    )
    for stage in stages:
        assert states[stage, "computed"] == 1
        assert states[stage, "cached"] == len(done) - 1
    records = [json.loads(path.read_text()) for path in home.glob("runs/*/run.json")]
    assert len(records) == len(done)
    assert {record["status"] for record in records} == {"FINISHED"}
    for stage in stages:
        assert len({record["stages"][stage]["digest"] for record in records}) == 1
    assert [finding.kind for finding in examine(home) if not finding.note] == []


def test_two_at_once_compute_each_stage_once(tmp_path):
    done = at_once(2, tmp_path, "targets=[train]", "tracking=off", "train.epochs=40")

    check(tmp_path, done, ("ingest", "vocab", "train"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_at_once_on_an_empty_home_all_finish(tmp_path):
    done = at_once(8, tmp_path, "visualize.projections=[]", "tracking=local")

    check(tmp_path, done, STAGES)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        statuses = store.execute("SELECT status, count(*) FROM runs GROUP BY status")
        assert statuses.fetchall() == [("FINISHED", 8)]
