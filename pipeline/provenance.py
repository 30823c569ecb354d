"""Say which code runs, and on what: all that a result may hang on.

Git is asked with its configuration for users and machines switched off, so that
an alias, a pager or an external diff of theirs cannot change what is recorded.
"""

import importlib.metadata
import logging
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.core.files import scratch_folder
from pipeline.errors import StorageError

log = logging.getLogger(__name__)

_GIT_SECONDS = 20  # a checkout on a slow network disk; not a hang
# What a run may read from the checkout without git knowing it.
_SOURCES = (":(glob)pipeline/**/*.py", ":(glob)conf/**/*.yaml")
# Settings that libraries read at import and that change how they add up.
SETTINGS = (
    "MKL_NUM_THREADS",
    "NUMBA_DISABLE_JIT",
    "NUMBA_NUM_THREADS",
    "NUMBA_THREADING_LAYER",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)


@dataclass(frozen=True)
class Git:
    """The state of a checkout.

    Attributes:
        commit: Full hash of HEAD.
        diff: Patch from that commit to the files as they are, untracked source
            files included, for `git apply`; empty where nothing differs.
    """

    commit: str
    diff: bytes

    @property
    def dirty(self) -> bool:
        """Whether the code differs from the commit."""
        return bool(self.diff)


@dataclass(frozen=True)
class Environment:
    """What the code runs on.

    Attributes:
        python: Implementation and version, such as `CPython 3.11.9`.
        system: Operating system with its version.
        processor: Model name of the processor.
        vector_features: Instruction sets that NumPy found on it.
        threads: Processors that this process may use.
        settings: Environment variables that steer threads and compilation.
        packages: Normalized name -> version of every installed package.
    """

    python: str
    system: str
    processor: str
    vector_features: tuple[str, ...]
    threads: int
    settings: Mapping[str, str]
    packages: Mapping[str, str]


def git_state(folder: Path | None = None, *, scratch: Path | None = None) -> Git | None:
    """Return the state of the checkout that holds this package.

    Args:
        folder: Top of the checkout; by default the folder around `pipeline`.
        scratch: Where an index is held for a moment; by default the system's folder
            for such files.

    Returns:
        None where the code is not in git: installed from a wheel, or before the
        first commit, or on a machine without git.
    """
    top = folder or Path(__file__).resolve().parent.parent
    git = shutil.which("git")
    if git is None:
        return None
    try:
        # An installed package may lie inside an unrelated checkout; there this
        # file is not tracked.
        call_git(git, top, "ls-files", "--error-unmatch", "pipeline/provenance.py")
        commit = call_git(git, top, "rev-parse", "HEAD").decode().strip()
    except (subprocess.CalledProcessError, OSError):
        return None
    except subprocess.TimeoutExpired as error:
        log.warning("the git commit is not recorded: %s", error)
        return None
    try:
        return Git(commit, _diff(git, top, scratch))
    except (subprocess.SubprocessError, OSError, StorageError) as error:
        log.warning("changes since commit %s are not recorded: %s", commit[:12], error)
        return None


def environment() -> Environment:
    """Return what this process runs on."""
    import numpy as np

    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.platform(),
        processor=_processor(),
        vector_features=(*simd.get("baseline", ()), *simd.get("found", ())),
        threads=usable_threads(),
        settings={name: os.environ[name] for name in SETTINGS if name in os.environ},
        packages=_packages(),
    )


def runtime_packages() -> frozenset[str]:
    """Return the normalized names of all installed packages that this one needs.

    Packages for development are left out. Where this one is not installed itself,
    which are needed is not known, and all count.
    """
    needed: set[str] = set()
    waiting = ["w2v-pipeline"]
    while waiting:
        name = waiting.pop()
        try:
            requirements = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            if name == "w2v-pipeline":
                return frozenset(_packages())
            continue  # needed on another system only
        needed.add(name)
        for requirement in requirements:
            found = re.match(r"[\w.-]+", requirement)
            if found and "extra ==" not in requirement:
                dependency = _normalized(found[0])
                if dependency not in needed:
                    waiting.append(dependency)
    return frozenset(needed - {"w2v-pipeline"})


def usable_threads() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _diff(git: str, top: Path, scratch: Path | None) -> bytes:
    """Return the patch from HEAD to the working tree.

    An index and an object store of its own let untracked files take part while
    the checkout itself stays untouched.
    """
    objects = call_git(git, top, "rev-parse", "--git-path", "objects").decode().strip()
    with scratch_folder(scratch or Path(tempfile.gettempdir())) as held:
        aside = {
            "GIT_INDEX_FILE": str(held / "index"),
            "GIT_OBJECT_DIRECTORY": str(held),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(top / objects),
        }
        call_git(git, top, "read-tree", "HEAD", aside=aside)
        call_git(git, top, "add", "--update", ":/", aside=aside)
        listing = ("ls-files", "-z", "--others", "--exclude-standard")
        untracked = call_git(git, top, *listing, *_SOURCES, aside=aside)
        if untracked:
            arguments = ("update-index", "--add", "-z", "--stdin")
            call_git(git, top, *arguments, aside=aside, text=untracked)
        return call_git(
            git,
            top,
            "diff",
            "--cached",
            "--binary",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "HEAD",
            aside=aside,
        )


def call_git(
    git: str,
    top: Path,
    *arguments: str,
    aside: Mapping[str, str] | None = None,
    text: bytes = b"",
) -> bytes:
    """Return what a git command prints, asked as the module says.

    Args:
        git: The program.
        top: The checkout to work in.
        arguments: The command and its arguments.
        aside: More environment variables.
        text: Its standard input.

    Raises:
        CalledProcessError: if it fails; TimeoutExpired: after 20 s.
    """
    # GIT_DIR and its like are set where a hook runs us: they name another
    # checkout than ours.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
    # Git refuses a checkout that belongs to another user (a container's, say), to
    # protect from hooks in it. We already run code from this one.
    safe = ("-c", f"safe.directory={top}", "-c", "core.fsmonitor=false")
    return subprocess.run(  # noqa: S603  the arguments are our own
        [git, *safe, *arguments],
        cwd=top,
        env={**inherited, **own, **(aside or {})},
        input=text,
        capture_output=True,
        check=True,
        timeout=_GIT_SECONDS,
    ).stdout


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    sysctl = shutil.which("sysctl") if platform.system() == "Darwin" else None
    if sysctl:
        command = [sysctl, "-n", "machdep.cpu.brand_string"]
        answer = subprocess.run(  # noqa: S603  the arguments are our own
            command, capture_output=True, text=True, check=False, timeout=_GIT_SECONDS
        )
        if answer.stdout.strip():
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


@cache
def _packages() -> Mapping[str, str]:
    """Return what is installed, as it was when this process first asked."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        described = package.metadata  # parsed anew each time that it is asked for
        name = described["Name"]
        if name:  # None where an uninstall left an empty folder behind
            # The first on the path is the one that is imported.
            found.setdefault(_normalized(name), described["Version"])
    return dict(sorted(found.items()))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
