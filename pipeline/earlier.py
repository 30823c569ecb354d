"""Go on with what another home holds: results, and stages that were not finished.

Where a machine is given up after each session, and what a session wrote is mounted
read-only in the next, the next one's home is a new folder. What is taken over has the
same key: the same code, config, inputs and libraries.
"""

import glob
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.cache import Cache, Record
from pipeline.core.files import expanded, replacing

log = logging.getLogger(__name__)


def earlier_caches(patterns: Sequence[str]) -> list[Cache]:
    """Return the caches of earlier homes, ordered by name.

    Args:
        patterns: Homes, or globs of them. One that matches nothing, or folders that
            hold no cache, is none: there is no earlier home in a first session.

    Raises:
        ConfigError: if one begins with a user's home that there is not.
    """
    folders = {
        Path(found) / "cache"
        for pattern in patterns
        for found in glob.glob(str(expanded(pattern)))  # noqa: PTH207 - absolute ones too
    }
    return [Cache(f) for f in sorted(folders) if (f / "records").is_dir()]


def find_earlier(cache: Cache, stage: str, key: str) -> tuple[Cache, Record] | None:
    """Return the first earlier cache that has a sound result, and the result."""
    for other in cache.earlier:
        record = other.find(stage, key)
        if record:
            return other, record
    return None


def take_over(cache: Cache, stage: str, key: str) -> None:
    """Copy a stage's result, or else what it left unfinished, from earlier caches.

    Of two files of one name, the longer is taken: what a stage reports grows, and
    checkpoints of one name are the same.

    Raises:
        CacheError: if a result changes while it is copied.
        StorageError: if the cache cannot be written.
    """
    found = find_earlier(cache, stage, key)
    if found:
        other, record = found
        cache.take_over(other, record)
        log.info("%s: taken over from %s", stage, other.root)
        return
    workspace = cache.workspace(stage, key)
    if any(workspace.iterdir()):  # this home's own has been begun
        return
    for other in cache.earlier:
        # Not by Cache.workspace, which would make it.
        left = other.root / "workspaces" / workspace.name
        for path in sorted(p for p in left.glob("*") if _is_plain(p)):
            target = workspace / path.name
            if target.exists() and target.stat().st_size >= path.stat().st_size:
                continue
            with path.open("rb") as source, replacing(target) as file:
                shutil.copyfileobj(source, file)
            log.info("%s: goes on from %s", stage, path)


def _is_plain(path: Path) -> bool:
    """Say whether a path is a file itself: a link could lead to any other."""
    return path.is_file() and not path.is_symlink()
