"""A run is repeated with the code and the libraries of then."""

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import checkout, exact, provenance
from pipeline.checkout import find_python, make_checkout
from pipeline.errors import ConfigError, TrackingError
from pipeline.provenance import git_state
from pipeline.records import RunRecord, load_record, load_records, save_record
from pipeline.rerun import rerun

ROOT = Path(__file__).resolve().parent.parent
TINY = ("experiment=smoke", "targets=[train]", "train.kernel=numpy")
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    """A checkout of two commits, in a folder whose name has a blank."""
    top = tmp_path / "my project"
    (top / "pipeline").mkdir(parents=True)
    (top / "pipeline" / "provenance.py").write_text("A = 1\n")
    git(tmp_path, "init", "-q", str(top))
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    (top / "pipeline" / "provenance.py").write_text("A = 2\n")
    git(top, "commit", "-q", "-a", "-m", "second")
    return top


def files_of(top: Path) -> dict[str, bytes]:
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(top).parts
    }


@needs_git
def test_a_checkout_holds_the_commit_and_leaves_the_repository_alone(
    repository, tmp_path
):
    commit = git(repository, "rev-parse", "HEAD~1")
    before = sorted(repository.rglob("*"))

    make_checkout(repository, commit, b"", tmp_path / "code")

    assert files_of(tmp_path / "code") == {"pipeline/provenance.py": b"A = 1\n"}
    state = git_state(tmp_path / "code")
    assert state is not None
    assert (state.commit, state.dirty) == (commit, False)
    assert sorted(repository.rglob("*")) == before


@needs_git
def test_a_checkout_holds_the_changes_on_top_of_the_commit(repository, tmp_path):
    (repository / "pipeline" / "provenance.py").write_text("A = 3\n")
    (repository / "pipeline" / "new é.py").write_bytes(b"B = '\xff'\n")
    state = git_state(repository)
    assert state is not None

    make_checkout(repository, state.commit, state.diff, tmp_path / "code")

    assert files_of(tmp_path / "code") == files_of(repository)


@needs_git
def test_a_commit_of_a_branch_that_is_gone_is_found(repository, tmp_path):
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "reset", "-q", "--hard", "HEAD~1")

    make_checkout(repository, commit, b"", tmp_path / "code")

    assert files_of(tmp_path / "code") == {"pipeline/provenance.py": b"A = 2\n"}


@needs_git
def test_hooks_and_filters_of_the_user_do_not_run(repository, tmp_path, monkeypatch):
    hooks = tmp_path / "templates" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-checkout").write_text("#!/bin/sh\ntouch ran\n")
    (hooks / "post-checkout").chmod(0o755)
    (tmp_path / "config").write_text(
        f"[init]\n\ttemplateDir = {hooks.parent}\n[core]\n\thooksPath = {hooks}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    make_checkout(
        repository, git(repository, "rev-parse", "HEAD"), b"", tmp_path / "code"
    )

    assert not (tmp_path / "code" / "ran").exists()


@needs_git
@pytest.mark.parametrize(
    ("commit", "message"),
    [
        ("a" * 40, "commit a{40} is not in the repository .* Fetch it"),
        ("HEAD", "expected the full hash of a commit, found 'HEAD'"),
        ("--upload-pack=x", "expected the full hash of a commit"),
    ],
)
def test_a_commit_that_is_not_there_is_one_clear_error(
    repository, tmp_path, commit, message
):
    with pytest.raises(TrackingError, match=message):
        make_checkout(repository, commit, b"", tmp_path / "code")


@needs_git
@pytest.mark.parametrize(
    "target", ["../outside.py", "/tmp/outside.py", ".git/hooks/post-checkout"]
)
def test_a_patch_that_leaves_the_checkout_is_refused(repository, tmp_path, target):
    patch = (
        f"diff --git a/{target} b/{target}\nnew file mode 100755\n--- /dev/null\n"
        f"+++ b/{target}\n@@ -0,0 +1 @@\n+x\n"
    )

    with pytest.raises(TrackingError, match="cannot check out commit"):
        make_checkout(
            repository,
            git(repository, "rev-parse", "HEAD"),
            patch.encode(),
            tmp_path / "code",
        )
    assert not (tmp_path / "outside.py").exists()


def test_the_interpreter_that_fits_is_this_one(tmp_path):
    found = find_python(provenance.environment(), tmp_path, tmp_path / "environment")

    assert found == Path(sys.executable)


def test_packages_for_development_need_not_fit(tmp_path):
    now = provenance.environment()
    assert "ruff" not in provenance.runtime_packages()
    then = replace(now, packages={**now.packages, "ruff": "0.0.1"})

    assert find_python(then, tmp_path, tmp_path / "x") == Path(sys.executable)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("CPython 3.99.1", r"python3\.99 is not on the PATH"),
        ("PyPy 3.11.1", "expected CPython"),
        ("CPython ../../evil", "expected CPython"),
    ],
)
def test_a_python_that_is_not_there_is_one_clear_error(tmp_path, python, message):
    then = replace(provenance.environment(), python=python)

    with pytest.raises(TrackingError, match=message):
        find_python(then, tmp_path, tmp_path / "environment")


@pytest.fixture
def calls(monkeypatch) -> list[list[str]]:
    """Commands that would have made an environment; they only make its python."""
    made: list[list[str]] = []

    def call(command: list[str], _purpose: str) -> None:
        made.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("")

    monkeypatch.setattr(checkout, "_call", call)
    return made


def test_another_version_is_installed_as_it_was(tmp_path, calls, caplog):
    now = provenance.environment()
    then = replace(now, packages={**now.packages, "numpy": "2.0.1"})
    with caplog.at_level(logging.INFO):
        found = find_python(then, ROOT, tmp_path / "environment")

    assert found == tmp_path / "environment" / "bin" / "python"
    _, install = calls
    pins = Path(install[install.index("--constraint") + 1]).read_text().splitlines()
    assert "numpy==2.0.1" in pins
    assert f"numba=={now.packages['numba']}" in pins
    assert any(part.startswith("numpy>=") for part in install)
    assert f"numpy 2.0.1, here {now.packages['numpy']}" in caplog.text


def test_a_record_cannot_give_pip_orders(tmp_path, calls):
    now = provenance.environment()
    evil = {
        "numpy": "2.0.1\n--index-url=http://evil.example",
        "numba @ http://evil.example/x.whl ": "1",
        "--extra-index-url": "1",
        "scipy": "1.17.1 --hash=x",
        "tqdm": "4.0",
    }
    find_python(replace(now, packages=evil), ROOT, tmp_path / "environment")

    pins = (tmp_path / "environment" / "recorded.txt").read_text()
    assert pins == "tqdm==4.0\n"


@pytest.mark.slow
def test_a_version_that_cannot_be_had_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(checkout, "_pins", lambda _: ["numpy==0.0.0\n"])
    (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = ['numpy>=0']\n")

    with pytest.raises(TrackingError, match="cannot install the versions that the run"):
        checkout._make_environment(
            sys.executable,
            provenance.environment(),
            tmp_path,
            tmp_path / "environment",
        )


VALUES = {
    "home": "/elsewhere",
    "tracking": {"backend": "server"},
    "train": {"kernel_cache": "/elsewhere/compiled", "dim": 3},
    "evaluate": {"kernel_cache": "/elsewhere/compiled", "top_k": 3},
}


def test_the_old_code_writes_below_its_own_home_only(tmp_path):
    own = exact._own_values(VALUES, tmp_path)

    assert own == {
        "home": str(tmp_path),
        "tracking": {"backend": "off"},
        "train": {"kernel_cache": str(tmp_path / "cache" / "numba"), "dim": 3},
        "evaluate": {"kernel_cache": str(tmp_path / "cache" / "numba"), "top_k": 3},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"hydra": {"launcher": {"_target_": "os.system"}}},
        {"defaults": [{"override hydra/launcher": "evil"}]},
        {"seed": "${oc.env:HOME}"},
        {"train": {"${oc.env:HOME}": 1}},
    ],
)
def test_what_hydra_would_obey_is_refused(tmp_path, change):
    with pytest.raises(TrackingError, match="the run's config"):
        exact._own_values({**VALUES, **change}, tmp_path)


@pytest.fixture
def recorded(make_run, tmp_path) -> RunRecord:
    """A finished run of this code, as it is, changes on top of the commit and all."""
    return make_run(tmp_path / "home", *TINY, "tracking=off")


def test_only_settings_that_steer_threads_are_taken_from_a_record(
    recorded, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONSTARTUP", "/x")
    settings = {
        "NUMBA_NUM_THREADS": "2",
        "LD_PRELOAD": "/evil.so",
        "PATH": "/evil",
        "PYTHONHASHSEED": "0\n",
    }
    then = replace(recorded.environment, settings=settings)

    made = exact._environment(replace(recorded, environment=then), tmp_path)

    assert made["NUMBA_NUM_THREADS"] == "2"
    assert made["PYTHONPATH"] == str(tmp_path)
    assert made["PATH"] == os.environ["PATH"]
    assert not made.keys() & {
        *("OMP_NUM_THREADS", "LD_PRELOAD", "PYTHONSTARTUP", "PYTHONHASHSEED")
    }


def dirty(record: RunRecord, home: Path, patch: bytes | None) -> RunRecord:
    """Return a record with changes on top of its commit, and keep the patch."""
    digests = dict(record.artifact_digests)
    digests.pop("uncommitted.diff", None)
    if patch is not None:
        digests["uncommitted.diff"] = hashlib.sha256(patch).hexdigest()
        folder = Path(record.artifact_uri.removeprefix("file://"))
        (folder / "uncommitted.diff").write_bytes(patch)
    git_record = replace(record.git, commit="a" * 40, dirty=True)
    changed = replace(record, git=git_record, artifact_digests=digests)
    save_record(home, changed)
    return changed


def test_changes_that_were_tampered_with_are_not_run(recorded, tmp_path):
    home = tmp_path / "home"
    changed = dirty(recorded, home, b"the patch")
    assert exact._changes(home, changed) == b"the patch"
    folder = Path(recorded.artifact_uri.removeprefix("file://"))
    (folder / "uncommitted.diff").write_bytes(b"another patch")

    with pytest.raises(TrackingError, match="it was changed since, and is not run"):
        rerun(home, recorded.run_id, exact=True)
    assert len(load_records(home)) == 1


def test_changes_without_a_digest_are_not_run(recorded, tmp_path):
    dirty(recorded, tmp_path / "home", None)

    with pytest.raises(TrackingError, match="its record holds no digest of them"):
        rerun(tmp_path / "home", recorded.run_id, exact=True)


def test_a_run_outside_git_cannot_be_exact(recorded, tmp_path):
    home = tmp_path / "home"
    save_record(home, replace(recorded, git=replace(recorded.git, commit=None)))

    with pytest.raises(TrackingError, match="names no commit"):
        rerun(home, recorded.run_id, exact=True)


def test_a_bad_store_is_an_error_before_anything_is_done(recorded, tmp_path):
    with pytest.raises(ConfigError, match=r"tracking\.uri: expected|uri: expected"):
        rerun(tmp_path / "home", recorded.run_id, exact=True, tracking="nowhere")


# The whole of it, on a small repository that holds this very code.


def w2v(code: Path, *arguments: str, home: Path, **options):
    return subprocess.run(
        [sys.executable, "-P", "-m", "pipeline", *arguments],
        env=os.environ | {"PYTHONPATH": str(code), "W2V_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        **options,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with this code, committed."""
    top = tmp_path_factory.mktemp("repository")
    for name in ("pipeline", "conf"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, top / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", top)
    (top / ".gitignore").write_text("__pycache__/\n")
    git(top.parent, "init", "-q", str(top))
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "first")
    return top


def scale_start(top: Path, factor: str) -> None:
    """Edit how vectors start, which changes every result after it."""
    path = top / "pipeline" / "stages" / "train.py"
    text = path.read_text()
    end = "    return Checkpoint(\n        epoch=0,"
    assert end in text
    path.write_text(
        text.replace(end, f"    center = center * np.float32({factor})\n{end}")
    )


@pytest.mark.slow
@needs_git
def test_old_code_with_changes_on_top_comes_out_identical(project, tmp_path):
    home = tmp_path / "home"
    text = tmp_path / "here" / "text.txt"
    text.parent.mkdir()
    text.write_text("the cat sat on the mat and the dog sat too\n" * 100)
    scale_start(project, "0.5")
    made = w2v(
        project,
        *("run", "ingest=text_files", "ingest.path=text.txt", "tracking=off"),
        *("targets=[train]", "train.kernel=numpy", "train.dim=8", "train.epochs=2"),
        home=home,
        cwd=text.parent,
    )
    assert made.returncode == 0, made.stderr
    first = load_record(home, "last")
    assert first.git.dirty
    # A month later: the change was thrown away, another one committed.
    git(project, "checkout", "-q", ".")
    scale_start(project, "0.25")
    git(project, "commit", "-q", "-a", "-m", "second")

    today = w2v(project, "rerun", first.run_id, home=home, cwd=text.parent)
    assert today.returncode == 1, today.stderr
    assert "pipeline/stages/train.py: _begin" in today.stdout
    assert "  commit: " in today.stdout

    then = w2v(project, "rerun", first.run_id, "--exact", home=home, cwd=text.parent)
    assert then.returncode == 0, then.stderr
    again = load_record(home, "last")
    assert again.git == first.git
    assert (again.repeats, again.status) == (first.run_id, "FINISHED")
    assert {n: s.digest for n, s in again.stages.items()} == {
        n: s.digest for n, s in first.stages.items()
    }
    assert again.artifact_digests.keys() == first.artifact_digests.keys()
    assert again.tracking.backend == "local"
    assert list((home / "reruns").iterdir()) == []

    from pipeline.tracking.mlflow_store import import_mlflow

    import_mlflow()  # without the warnings that are its own
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    stored = client.get_run(again.run_id)
    assert (stored.info.status, stored.data.tags["repeats"]) == (
        "FINISHED",
        first.run_id,
    )
    assert stored.data.metrics["train/loss"] == first.metrics["train/loss"]
    history = client.get_metric_history(again.run_id, "train/loss")
    assert [point.step for point in history] == [1, 2]


@pytest.mark.slow
@needs_git
def test_the_old_code_refuses_a_changed_input_and_a_bad_config(project, tmp_path):
    home = tmp_path / "home"
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat and the dog sat too\n" * 100)
    made = w2v(
        project,
        *("run", "ingest=text_files", f"ingest.path={text}", "tracking=off"),
        *("targets=[train]", "train.kernel=numpy", "train.dim=8", "train.epochs=1"),
        home=home,
    )
    assert made.returncode == 0, made.stderr
    first = load_record(home, "last")

    text.write_text(text.read_text().replace("cat", "cow"))
    changed = w2v(project, "rerun", "last", "--exact", home=home)
    assert changed.returncode == 1
    assert "input changed" in changed.stderr

    config = json.loads(json.dumps(first.config))
    config["train"]["_target_"] = "os.system"
    save_record(home, replace(first, config=config))
    refused = w2v(project, "rerun", "last", "--exact", home=home)
    assert refused.returncode == 1
    assert "refuses the run's config: train._target_: no such key" in refused.stderr
    for done in (changed, refused):
        assert "Traceback" not in done.stderr
    assert len(load_records(home)) == 1
