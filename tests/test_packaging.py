"""What a user installs is whole."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = "Scripts" if os.name == "nt" else "bin"


def call(*command: object, **options) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", folder, ROOT),
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """A bare venv that holds the wheel; its dependencies come from ours."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    call(
        *(sys.executable, "-m", "pip", "--python", folder / BIN / "python"),
        *("install", "--no-deps", "--no-index", "--quiet", wheel),
    )
    (site,) = folder.glob("lib/python*/site-packages")
    # A path line adds our libraries without our own .pth files, so that the
    # checkout itself stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_holds_every_module_every_yaml_and_every_part_of_a_page(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())

    for folder in ("pipeline", "hydra_plugins"):
        for kind in ("*.py", "*.html", "*.css", "*.js"):
            for path in (ROOT / folder).rglob(kind):
                assert path.relative_to(ROOT).as_posix() in names
    assert "pipeline/core/figures/explorer/main.js" in names
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"pipeline/{path.relative_to(ROOT).as_posix()}" in names


def test_the_wheel_holds_nothing_else(wheel):
    for name in zipfile.ZipFile(wheel).namelist():
        assert name.startswith(
            ("pipeline/", "hydra_plugins/w2v_sweeper/", "w2v_pipeline-")
        ), name


def test_an_installed_w2v_runs_outside_the_checkout(installed, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = {"cwd": tmp_path, "env": environment}

    place = call(
        *(
            installed / BIN / "python",
            "-c",
            "import pipeline; print(pipeline.__file__)",
        ),
        **where,
    )
    assert str(installed) in place

    out = call(
        *(installed / BIN / "w2v", "run", "experiment=smoke"),
        *("tracking=off", "targets=[train]"),
        **where,
    )
    assert out.splitlines()[-1].startswith("run_id: ")
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "Makefile"])
def test_no_file_names_an_index_or_a_place_on_a_machine(name):
    text = (ROOT / name).read_text(encoding="utf-8")

    for forbidden in ("index-url", "find-links", "http://", "https://", "file://"):
        assert forbidden not in text


def test_the_lock_pins_every_dependency():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] not in "#- "]

    assert len(lines) > 100
    assert all("==" in line for line in lines)


def test_the_top_level_holds_what_it_should():
    listed = call("git", "ls-files", cwd=ROOT).split()
    top = {name.split("/")[0] for name in listed}

    assert {name for name in top if not name.startswith(".")} <= {
        *("conf", "pipeline", "hydra_plugins", "experiments", "tests"),
        *("pyproject.toml", "requirements.lock", "Makefile"),
        *("README.md", "CHANGELOG.md"),
    }
