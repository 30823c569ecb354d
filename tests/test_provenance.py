"""What is recorded of the code and of the machine."""

import importlib.metadata
import logging
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import provenance
from pipeline.provenance import environment, git_state, usable_threads

GIT = shutil.which("git") or ""
needs_git = pytest.mark.skipif(not GIT, reason="needs git")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        [GIT, *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with this package's layout, committed."""
    top = tmp_path / "check out"
    (top / "pipeline").mkdir(parents=True)
    (top / "conf" / "train").mkdir(parents=True)
    (top / "pipeline" / "provenance.py").write_text("A = 1\n")
    (top / "conf" / "train" / "default.yaml").write_text("dim: 200\n")
    (top / ".gitignore").write_text("runs/\n__pycache__/\n")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    return top


@needs_git
def test_a_clean_checkout_gives_its_commit_and_no_diff(checkout):
    state = git_state(checkout)

    assert state is not None
    assert state.commit == git(checkout, "rev-parse", "HEAD")
    assert (state.dirty, state.diff) == (False, b"")


def change(top: Path) -> None:
    (top / "pipeline" / "provenance.py").write_text("A = 2\n")


def stage(top: Path) -> None:
    change(top)
    git(top, "add", "-A")


def add(top: Path) -> None:
    (top / "pipeline" / "core").mkdir()
    (top / "pipeline" / "core" / "new é.py").write_bytes(b"B = '\xff'\n")
    (top / "conf" / "extra.yaml").write_text("x: 1\n")


def remove(top: Path) -> None:
    (top / "conf" / "train" / "default.yaml").unlink()


def rename(top: Path) -> None:
    git(top, "mv", "conf/train/default.yaml", "conf/train/other.yaml")


def make_binary(top: Path) -> None:
    (top / "conf" / "train" / "default.yaml").write_bytes(bytes(range(256)))


@needs_git
@pytest.mark.parametrize("edit", [change, stage, add, remove, rename, make_binary])
def test_the_diff_applied_to_the_commit_gives_the_files_as_they_were(
    checkout, tmp_path, edit
):
    edit(checkout)

    state = git_state(checkout)

    assert state is not None
    assert state.dirty
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(checkout), str(again))
    (tmp_path / "diff").write_bytes(state.diff)
    git(again, "apply", str(tmp_path / "diff"))
    assert files_of(again) == files_of(checkout)


def files_of(top: Path) -> dict[str, bytes]:
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(top).parts
    }


@needs_git
def test_runs_notes_and_ignored_files_do_not_make_the_code_dirty(checkout):
    (checkout / "runs").mkdir()
    (checkout / "runs" / "mlflow.db").write_text("x")
    (checkout / "notes.txt").write_text("not read by any run")
    (checkout / "pipeline" / "__pycache__").mkdir()
    (checkout / "pipeline" / "__pycache__" / "a.py").write_text("x")

    state = git_state(checkout)

    assert state is not None
    assert not state.dirty


@needs_git
def test_asking_changes_nothing_in_the_checkout(checkout):
    add(checkout)
    change(checkout)
    before = {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()}

    git_state(checkout)

    assert {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()} == before


@needs_git
def test_a_users_git_settings_do_not_change_what_is_recorded(
    checkout, tmp_path, monkeypatch
):
    change(checkout)
    plain = git_state(checkout)
    config = tmp_path / "gitconfig"
    config.write_text(
        "[color]\n ui = always\n[diff]\n external = false\n noprefix = true\n"
        " renames = copies\n context = 0\n[core]\n pager = false\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")

    assert git_state(checkout) == plain


@needs_git
def test_another_checkout_named_in_the_environment_is_not_asked(
    checkout, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit = git(checkout, "rev-parse", "HEAD")
    # As in a hook of that other checkout.
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))

    state = git_state(checkout)

    assert state is not None
    assert state.commit == commit


@needs_git
def test_a_worktree_gives_its_own_commit(checkout, tmp_path):
    tree = tmp_path / "tree"
    git(checkout, "worktree", "add", "-q", "-b", "side", str(tree))
    git(tree, "commit", "-q", "--allow-empty", "-m", "second")
    change(tree)

    state = git_state(tree)

    assert state is not None
    assert state.commit == git(tree, "rev-parse", "HEAD")
    assert state.commit != git(checkout, "rev-parse", "HEAD")
    assert b"+A = 2" in state.diff


@needs_git
def test_a_package_installed_inside_a_foreign_checkout_has_no_commit(checkout):
    site = checkout / "venv" / "site-packages"
    (site / "pipeline").mkdir(parents=True)
    (site / "pipeline" / "provenance.py").write_text("A = 1\n")

    assert git_state(site) is None


@needs_git
def test_before_the_first_commit_there_is_none(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "provenance.py").write_text("")
    git(tmp_path, "add", ".")

    assert git_state(tmp_path) is None


def test_outside_git_there_is_no_commit(tmp_path, caplog):
    assert git_state(tmp_path) is None
    assert caplog.text == ""


def test_a_machine_without_git_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert git_state() is None


@needs_git
def test_a_git_that_hangs_is_left_and_said(checkout, tmp_path, monkeypatch, caplog):
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(provenance, "_GIT_SECONDS", 0.2)

    with caplog.at_level(logging.WARNING):
        assert git_state(checkout) is None

    assert "git commit is not recorded" in caplog.text


def test_packages_are_those_that_python_would_import():
    found = environment().packages

    assert found["numpy"] == np.__version__
    assert found["pyarrow"] == importlib.metadata.version("pyarrow")
    assert list(found) == sorted(found)
    assert all(name == name.lower() and "_" not in name for name in found)


def test_the_machine_is_described():
    found = environment()

    assert found.python == f"CPython {platform.python_version()}"
    assert platform.system() in found.system
    assert found.processor
    assert found.threads == usable_threads() >= 1


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="needs processor affinity"
)
def test_threads_are_those_this_process_may_use():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from pipeline.provenance import usable_threads; print(usable_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "1"


def test_settings_that_steer_threads_are_recorded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HOME_SECRET", "not this")

    found = environment().settings

    assert found["OMP_NUM_THREADS"] == "1"
    assert "HOME_SECRET" not in found
