"""What tests of sweeps share."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import forks

from pipeline.records import GitRecord, TrackingRecord
from pipeline.sweep.config import SweepConfig
from pipeline.sweep.ledger import SweepRecord


def config_of(**changes) -> SweepConfig:
    """Return a sweep's configuration, with changes."""
    values = {
        "name": None,
        "search": "tpe",
        "seeds": 1,
        "trials": 40,
        "batch": 4,
        "seed": 1,
        "objective": "auto",
        "direction": "auto",
        "prune": "none",
        "prune_after": 2,
        "prune_startup": 4,
        "space": {},
    }
    return SweepConfig(**{**values, **changes})


def sweep_of(name: str, **changes) -> SweepRecord:
    """Return what holds for all trials of a sweep, with changes."""
    record = SweepRecord(
        name=name,
        began="2026-01-01T00:00:00.000000+00:00",
        space={"train.dim": "1,2"},
        overrides=(),
        config=config_of(search="grid"),
        base={"home": "/x"},
        code={},
        definitions={},
        versions={},
        git=GitRecord(None, False),
        tracking=TrackingRecord("local", "sqlite:///x"),
        run_id="p" * 32,
        experiment="1",
    )
    return replace(record, **changes)


# A trial of a second: the built-in corpus, little of it, trained on only.
SMALL = (
    *("experiment=smoke", "ingest.sentences=200", "targets=[train]"),
    *("tracking=off", "hydra/launcher=basic"),
)


def w2v(home: Path, *arguments: str, code: int = 0, **variables: str):
    """Run a command, check its exit code and return what it printed."""
    environment = os.environ | {"W2V_HOME": str(home)} | variables
    done = forks.run(*arguments, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(home: Path, *arguments: str, **options) -> subprocess.Popen:
    """Start a command, to be waited for or killed."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"W2V_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        env=environment,
        **{**quiet, "start_new_session": True, **options},
    )


def trials_of(home: Path, name: str) -> list[dict]:
    paths = sorted((home / "sweeps" / name / "trials").glob("*.json"))
    return [json.loads(path.read_text()) for path in paths]


def alike(trial: dict) -> dict:
    """Return what a trial has in common with the same one of another sweep."""
    kept = {"number", "index", "cell", "seed", "overrides", "outcome", "error"}
    timed = ("_seconds", "_cached", "words_per_second")
    return {
        **{name: trial[name] for name in kept},
        "digests": trial["digests"],
        "history": trial["history"],
        "metrics": {
            name: value
            for name, value in trial["metrics"].items()
            if not name.endswith(timed)
        },
    }
