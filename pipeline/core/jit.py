"""Compile with Numba, and keep what was compiled."""

import gc
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import llvmlite
import numba
from filelock import FileLock
from numba.core.registry import cpu_target

from pipeline.core.files import write_atomically
from pipeline.errors import StorageError

_log = logging.getLogger(__name__)

# Without the interpreter's lock, bounds checks, a check of each division, and Numba's
# memory management: functions compiled so allocate nothing. Without what takes time to
# compile and is not used: what C could call, and rewriting of whole-array expressions.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
    "no_rewrites": True,
}

# All that `inlined` functions are in, or are called from.
_SOURCES = (
    "analogy_kernel.py",
    "groups.py",
    "heldout_kernel.py",
    "kernel.py",
    "replicas.py",
    "simd.py",
)

# Jitted code does not tell int from np.int64, nor bool from np.bool.
Integer = Any
Boolean = Any

_config: Any = numba.config  # its attributes are made when it is loaded

Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """Compile a function into whatever jitted code calls it, and nowhere else.

    Without what would make it callable from Python, the kernel compiles in three
    quarters of the time.
    """
    options = {**_OPTIONS, "no_cpython_wrapper": True, "forceinline": True}
    return cast(Function, numba.njit(**options)(function))


def compiled(
    function: Function, example: tuple[Any, ...], cache: Path | None
) -> Function:
    """Return a function compiled for this processor and the types of an example.

    A function may have several forms, which differ in what is None.

    Processes may share a cache and start at once: one compiles, and the others wait and
    load what it wrote. Each processor, each version of Numba and of this code has a
    folder of its own.

    Args:
        function: A function of a module, not of another function: Numba keeps no other.
        example: Arguments that the function is called with, to compile it.
        cache: Folder for compiled code, or None to keep it in memory only. One that
            cannot be written costs time, not more.
    """
    if cache is None:
        return _compile(function, example, None)
    folder = cache / _fingerprint()
    # Numba lists all forms of a function in one file. One listed anew, and not sealed
    # before a process is killed, would look like damage: each has a folder.
    form = folder / "".join("01"[value is not None] for value in example)
    with _alone_in(folder):
        jitted = _compile(function, example, form)
        _seal(form, function)
    return jitted


def _compile(
    function: Function, example: tuple[Any, ...], folder: Path | None
) -> Function:
    jitted = numba.njit(**_OPTIONS)(function)
    if folder is not None and _drop_unsound(folder, function):
        _enable_cache(jitted, folder)
    with _without_collection():
        try:
            jitted(*example)
        except OSError as error:  # such as a full disk
            _log.warning("cannot keep compiled code in %s: %s", folder, error)
            jitted = numba.njit(**_OPTIONS)(function)
            jitted(*example)
    return cast(Function, jitted)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let no other process or thread read or write a folder of compiled code.

    Where there can be no lock, nothing new is kept either, or it is made twice.
    """
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        _log.debug("no lock in %s: %s", folder, error)
    try:
        yield
    finally:
        lock.release()


def _files(folder: Path, function: Callable[..., Any]) -> list[Path]:
    """Return what Numba keeps of a function: an index, and machine code."""
    name = f".{function.__qualname__}-"
    return [path for path in folder.rglob("*.nb[ic]") if name in path.name]


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _drop_unsound(folder: Path, function: Callable[..., Any]) -> bool:
    """Remove files that are not as they were sealed, and say whether all could be.

    Numba would run what lies there: a file that a crash cut short, or a bad disk
    changed, would end the process, or give other vectors.
    """
    for path in _files(folder, function):
        try:
            seal = _seal_of(path)
            # Without one, the process that writes it was killed, or is not done.
            if seal.exists() and seal.read_text("ascii") == _digest(path):
                continue
            if seal.exists():
                _log.warning("damaged compiled code is made anew: %s", path)
            path.unlink()
        except FileNotFoundError:  # another process has removed it
            continue
        except (OSError, ValueError) as error:
            _log.warning("compiled code in %s is not used: %s", folder, error)
            return False
    return True


def _seal(folder: Path, function: Callable[..., Any]) -> None:
    """Write beside each file what it must be when it is used again."""
    for path in _files(folder, function):
        try:
            write_atomically(_seal_of(path), _digest(path).encode("ascii"))
        except FileNotFoundError:  # another process has removed it
            continue
        except (OSError, StorageError) as error:  # such as a read-only folder
            _log.warning("cannot seal compiled code in %s: %s", folder, error)
            return


@contextmanager
def _without_collection() -> Iterator[None]:
    """Let no garbage be collected: it takes a sixth of compiling, and finds nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _enable_cache(jitted: Any, folder: Path) -> None:
    """Let Numba keep a function in a folder, if that can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.warning("cannot keep compiled code in %s: %s", folder, error)
        return
    if not os.access(folder, os.W_OK):  # else Numba would look for another folder
        _log.debug("compiled code is not kept in %s, which is read-only", folder)
        return
    # Numba reads this setting here and nowhere else. Without it, it would choose a
    # folder itself, beside the source or in the home directory.
    before, _config.CACHE_DIR = _config.CACHE_DIR, str(folder)
    try:
        jitted.enable_caching()
    finally:
        _config.CACHE_DIR = before


def _fingerprint() -> str:
    """Return a name for all that compiled code depends on.

    Numba itself looks at the file of the function, but not at what is inlined.
    """
    digest = hashlib.sha256()
    target = cpu_target.target_context.codegen().magic_tuple()
    for part in (target, sys.version, numba.__version__, llvmlite.__version__):
        digest.update(repr(part).encode())
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()[:16]
