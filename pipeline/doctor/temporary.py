"""What killed processes were writing, and the locks they held."""

import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pipeline.cache import Cache
from pipeline.core.files import scratch_of
from pipeline.doctor.finding import Finding, leftover, unlink
from pipeline.locks import is_held, try_lock
from pipeline.pruning import list_entries
from pipeline.sizes import size_on_disk

# Files without a lock: whoever writes one is done long before.
_OLD_SECONDS = 3_600

_HIDDEN = re.compile(r"\..+\.[0-9a-f]{32}")


def check_temporary(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find what killed processes were writing."""
    for entry in list_entries(cache):
        if entry.kind == "leftover" and not entry.in_use:
            yield leftover(cache, entry, f"cache/tmp/{entry.name}")
    for path, lock in _half_written(home, cache):
        if lock is None:
            if time.time() - path.stat().st_mtime < _OLD_SECONDS:
                continue
        elif is_held(lock):
            continue
        yield Finding(
            kind="temporary file",
            what=str(path.relative_to(home)),
            bytes=size_on_disk(path),
            remedy="removed",
            mend=partial(unlink, path, lock),
        )


def _half_written(home: Path, cache: Cache) -> Iterator[tuple[Path, Path | None]]:
    """Yield temporary files and folders, with the lock that their writer holds."""
    for path in (cache.root / "records").glob("*/*.part"):
        key = path.name.partition(".")[0]
        yield path, cache.lock_path(f"{path.parent.name}-{key}")
    for folder in (cache.root / "workspaces").glob("*"):
        for path in (*folder.glob("*.part"), *folder.glob("tmp*")):
            yield path, cache.lock_path(folder.name)
    for folder in (home / "runs").glob("*"):
        for path in (*folder.glob("*.part"), *folder.glob("unsent/**/*.part")):
            yield path, folder / "run.lock"
    yield from _half_kept(home)
    for path in home.glob(".mlflow.db.new*"):
        yield path, home / ".mlflow.db.lock"
    for path in (home / "runs").glob("*/tmp*"):  # of a download, which takes no lock
        yield path, None
    for path in scratch_of(home).glob("*"):
        yield path, None
    for path in (cache.root / "numba").rglob("*.tmp.*"):
        yield path, None


def _half_kept(home: Path) -> Iterator[tuple[Path, Path | None]]:
    """Yield the same of what was becoming an artifact, or a part of a model."""
    # Of an experiment of MLflow's, or in `off`, which has no models.
    for folder in (home / "artifacts").glob("*/*/artifacts"):
        for path in _hidden(folder):
            yield path, home / "runs" / folder.parent.name / "run.lock"
    for folder in (home / "artifacts").glob("*/models/*/artifacts"):
        for path in _hidden(folder):
            yield path, None


def _hidden(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob(".*") if _HIDDEN.fullmatch(path.name))


def check_locks(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find the locks of processes that were killed: they hold nobody up."""
    paths = [*(cache.root / "locks").glob("*.lock"), *home.glob("runs/*/run.lock")]
    stale = [path for path in sorted(paths) if not is_held(path)]
    if stale:
        names = ", ".join(path.name[:24] for path in stale[:3])
        yield Finding(
            kind="stale locks",
            what=f"{len(stale)} ({names}{', ...' if len(stale) > 3 else ''})",
            bytes=sum(size_on_disk(path) for path in stale),
            remedy="removed",
            mend=partial(_unlock, stale),
        )


def _unlock(paths: Sequence[Path]) -> bool:
    done = True
    for path in paths:
        lock = try_lock(path)
        if lock:
            lock.release()
        done = done and lock is not None
    return done
