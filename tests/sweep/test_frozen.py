"""What is edited in mid-sweep changes no later trial, or is refused."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import SMALL, alike, trials_of

from pipeline.errors import SweepError
from pipeline.sweep.frozen import Code, check_code

ROOT = Path(__file__).resolve().parents[2]
GRID = ("run", "-m", *SMALL, "sweep.name=grid", "train.dim=8,12,16")

# Runs the command, and an edit once the first trial has ended.
DRIVER = """
import sys
from pathlib import Path
from pipeline.sweep.ledger import Ledger

save, edits = Ledger.save_trial, [Path(sys.argv[1]), *sys.argv[2:4]]

def saving(self, trial):
    save(self, trial)
    path, old, new = edits
    if trial.ended and old in path.read_text():
        path.write_text(path.read_text().replace(old, new))

Ledger.save_trial = saving
sys.argv = ["w2v", *sys.argv[4:]]
from pipeline.cli import main
main()
"""


@pytest.fixture
def tree(tmp_path) -> Path:
    """A copy of the code, to edit."""
    for folder in ("pipeline", "conf", "hydra_plugins"):
        shutil.copytree(
            ROOT / folder,
            tmp_path / "tree" / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return tmp_path / "tree"


def run(tree: Path, home: Path, *command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,  # goes before PYTHONPATH
        env=os.environ | {"W2V_HOME": str(home), "PYTHONPATH": str(tree)},
        timeout=250,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("conf/train/default.yaml", "epochs: 15", "epochs: 3"),
        ("conf/config.yaml", "defaults:", "defaults: ["),
        # Loaded by the first trial only where it trains.
        ("pipeline/core/replicas.py", "import numpy as np", "import numpi as np"),
    ],
)
def test_an_edit_in_mid_sweep_changes_no_later_trial(tree, tmp_path, file, old, new):
    settings = [a for a in GRID if not a.startswith("experiment")]
    settings += ["ingest=newswire", "ingest.valid_sentences=40", "train.epochs=2"]
    if "train" in file:
        settings.remove("train.epochs=2")
    done = run(tree, tmp_path / "whole", "-m", "pipeline", *settings)
    assert done.returncode == 0, done.stderr

    edit = (str(tree / file), old, new)
    done = run(tree, tmp_path / "edited", "-c", DRIVER, *edit, *settings)

    assert done.returncode == 0, done.stderr
    assert new in (tree / file).read_text()
    whole, edited = (trials_of(tmp_path / name, "grid") for name in ("whole", "edited"))
    assert list(map(alike, edited)) == list(map(alike, whole))
    assert {trial["outcome"] for trial in edited} == {"finished"}


@pytest.mark.slow
def test_a_sweep_is_not_gone_on_with_by_other_code(tree, tmp_path):
    home = tmp_path / "home"
    assert run(tree, home, "-m", "pipeline", *GRID).returncode == 0
    vocab = tree / "pipeline" / "core" / "vocab.py"

    vocab.write_text(vocab.read_text() + "\n# a comment changes nothing\n")
    assert run(tree, home, "-m", "pipeline", *GRID).returncode == 0

    vocab.write_text(vocab.read_text() + "\n\ndef other() -> int:\n    return 1\n")
    before = trials_of(home, "grid")
    done = run(tree, home, "-m", "pipeline", *GRID, "train.window=2,3")

    assert done.returncode == 1, done.stderr
    assert "began with other code: pipeline/core/vocab.py: other changed" in done.stderr
    assert trials_of(home, "grid") == before


CODE = Code({"train": "a"}, {"f.py: one": "1", "f.py: two": "2"}, {"numpy": "2.0"})


def test_the_same_code_is_let_through():
    check_code("grid", CODE, replace(CODE))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"definitions": {"f.py: one": "1", "f.py: two": "3"}}, "f.py: two changed"),
        ({"definitions": {"f.py: one": "1"}}, "f.py: two changed"),
        ({"versions": {"numpy": "2.1"}}, "numpy changed"),
        (
            {"definitions": {f"f.py: {i}": "1" for i in range(6)}},
            "f.py: 3 and 4 more changed",
        ),
    ],
)
def test_other_code_is_refused_by_name(changes, said):
    now = replace(CODE, stages={"train": "b"}, **changes)

    with pytest.raises(SweepError, match=said):
        check_code("grid", CODE, now)
