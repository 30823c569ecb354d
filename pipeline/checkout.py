"""Bring back the code of a commit and the libraries that it ran with."""

import logging
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from pipeline import provenance
from pipeline.core.files import make_folder
from pipeline.errors import TrackingError
from pipeline.provenance import Environment, call_git

log = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")  # SHA-1, or SHA-256
_PYTHON = re.compile(r"CPython (\d+\.\d+)\.\w+")
# What pip takes as a pinned version, and nothing else that it might obey.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+_-]*")


def make_checkout(top: Path, commit: str, diff: bytes, folder: Path) -> None:
    """Make a clean checkout of a commit, with changes applied to it.

    It borrows the objects of the repository, in which nothing is written.

    Args:
        top: A checkout of the repository that holds the commit.
        commit: The commit's full hash.
        diff: Patch to apply, as `provenance.git_state` gives it; may be empty.
        folder: Where; must not exist.

    Raises:
        TrackingError: if the repository does not hold the commit, or the patch
            does not fit it.
        StorageError: if it cannot be written.
    """
    if not _COMMIT.fullmatch(commit):
        raise TrackingError(f"expected the full hash of a commit, found {commit!r}")
    git = shutil.which("git")
    if git is None:
        raise TrackingError("git is not installed: it is needed to check out old code")
    try:
        call_git(git, top, "cat-file", "-e", f"{commit}^{{commit}}")
    except (subprocess.SubprocessError, OSError) as error:
        raise TrackingError(
            f"commit {commit} is not in the repository {top}. Fetch it (git fetch), or "
            "run today's code without --exact"
        ) from error
    objects = call_git(git, top, "rev-parse", "--git-path", "objects").decode().strip()
    make_folder(folder)
    try:
        # Neither templates nor hooks: nothing but the commit's files.
        call_git(git, folder, "init", "--quiet", "--template=")
        alternates = folder / ".git" / "objects" / "info" / "alternates"
        make_folder(alternates.parent)
        alternates.write_text(f"{(top / objects).resolve()}\n", encoding="utf-8")
        call_git(git, folder, "checkout", "--quiet", "--detach", commit)
        if diff:
            call_git(git, folder, "apply", "--whitespace=nowarn", "-", text=diff)
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise TrackingError(
            f"cannot check out commit {commit[:12]} with its changes: {said or error}"
        ) from error


def find_python(environment: Environment, code: Path, folder: Path) -> Path:
    """Return an interpreter whose libraries have the versions of an environment.

    That is this one if it fits; else a new virtual environment is made.

    Args:
        environment: What to match.
        code: Checkout whose pyproject.toml names the libraries.
        folder: Where a virtual environment may be made; must not exist.

    Raises:
        TrackingError: if a version, or the version of Python, cannot be had.
    """
    minor = _PYTHON.fullmatch(environment.python)
    if not minor:
        raise TrackingError(
            f"the run used {environment.python}: expected CPython, as this project does"
        )
    differing = _differing(environment)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if minor[1] == here and not differing:
        log.info("the environment of the run is this one")
        return Path(sys.executable)
    python = sys.executable if minor[1] == here else shutil.which(f"python{minor[1]}")
    if python is None:
        raise TrackingError(
            f"the run used {environment.python}, and python{minor[1]} is not on the "
            "PATH. Install it, or run today's code without --exact"
        )
    log.info(
        "making an environment of its own (%s): that takes minutes", _reason(differing)
    )
    return _make_environment(python, environment, code, folder)


def _differing(environment: Environment) -> list[str]:
    now = provenance.environment().packages
    return [
        f"{name} {environment.packages.get(name, 'missing')}, here {now[name]}"
        for name in sorted(provenance.runtime_packages())
        if now[name] != environment.packages.get(name)
    ]


def _reason(differing: list[str]) -> str:
    if not differing:
        return "another Python"
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"{'; '.join(differing[:3])}{more}"


def _make_environment(
    python: str, environment: Environment, code: Path, folder: Path
) -> Path:
    make_folder(folder.parent)
    _call([python, "-m", "venv", str(folder)], "make a virtual environment")
    inside = next(
        path
        for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe")
        if path.exists()
    )
    pins = folder / "recorded.txt"
    pins.write_text("".join(_pins(environment.packages.items())), encoding="ascii")
    project = tomllib.loads((code / "pyproject.toml").read_text(encoding="utf-8"))
    _call(
        [
            *(str(inside), "-m", "pip", "install", "--disable-pip-version-check"),
            *("--constraint", str(pins), "--", *project["project"]["dependencies"]),
        ],
        "install the versions that the run used",
    )
    return inside


def _pins(packages: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Yield a line of a constraints file for each package."""
    for name, version in packages:
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            yield f"{name}=={version}\n"
        else:  # what it pins is compared in the end all the same
            log.warning("passed over the package %r of version %r", name, version)


def _call(command: list[str], purpose: str) -> None:
    # Progress goes to stderr: stdout is for results.
    done = subprocess.run(  # noqa: S603  the arguments are checked or our own
        command, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise TrackingError(
            f"cannot {purpose}: the reason stands above. Run today's code without "
            "--exact, or bring the environment back by hand"
        )
