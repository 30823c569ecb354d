"""List what the cache holds, and make room in it.

What is counted are the results of stages and the folders of unfinished ones.
Compiled code and the like, which lie there too, are small and stay.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.cache import MANIFEST, Cache, read_record
from pipeline.errors import CacheError, StorageError
from pipeline.locks import is_held, is_locked, try_lock
from pipeline.sizes import size_on_disk


@dataclass(frozen=True)
class Entry:
    """Something that takes space in the cache.

    Attributes:
        kind: `object`: a result; `workspace`: what an unfinished stage keeps to go
            on from; `leftover`: what a killed process was writing.
        name: An object's digest, or the name of a folder.
        holds: Stage and artifact, such as `train: embeddings`; empty for an object
            that no record speaks of.
        bytes: Its size.
        used: Unix time in seconds at which it was last used.
        in_use: Whether a process works with it now.
    """

    kind: Literal["object", "workspace", "leftover"]
    name: str
    holds: str
    bytes: int
    used: float
    in_use: bool

    @property
    def useless(self) -> bool:
        """Whether no run can ever find it."""
        return self.kind == "leftover" or not self.holds


def list_entries(cache: Cache) -> list[Entry]:
    """Return what the cache holds, in the order in which it is pruned.

    What nobody can find comes first, then what was least recently used.
    """
    found = [*_objects(cache), *_workspaces(cache), *_leftovers(cache)]
    return sorted(found, key=lambda e: (not e.useless, e.used, e.name))


def prune(cache: Cache, keep: int) -> list[Entry]:
    """Remove entries until the rest takes `keep` bytes at most; return the removed.

    Nothing in use is removed, so that more may stay.

    Raises:
        StorageError: if the cache cannot be written.
    """
    try:
        return _prune(cache, keep)
    except OSError as error:
        raise StorageError(
            f"{cache.root}: cannot make room: {error.strerror or error}. Call it where "
            "the cache can be written"
        ) from error


def _prune(cache: Cache, keep: int) -> list[Entry]:
    entries = list_entries(cache)
    total = sum(entry.bytes for entry in entries)
    removed = []
    for entry in entries:
        if total <= keep:
            break
        if remove(cache, entry):
            removed.append(entry)
            total -= entry.bytes
    # A result's parts are of use together only.
    if removed:
        for entry in list_entries(cache):
            if entry.useless and remove(cache, entry):
                removed.append(entry)
    return removed


def remove(cache: Cache, entry: Entry) -> bool:
    """Remove an entry; False if it is in use.

    Raises:
        OSError: if the cache cannot be written.
    """
    if entry.kind == "object":
        return cache.remove(entry.name)
    lock = try_lock(cache.lock_path(_lock_name(entry)))
    if lock is None:
        return False
    try:
        if _folder(cache, entry).exists():  # not gone since it was listed
            shutil.rmtree(_folder(cache, entry))
    finally:
        lock.release()
    return True


def outputs(cache: Cache) -> dict[str, list[str]]:
    """Return object digest -> what records call it, such as `train: embeddings`."""
    names: dict[str, list[str]] = {}
    for path in cache.record_paths():
        with suppress(CacheError):
            for artifact, digest in read_record(path).outputs.items():
                label = f"{path.parent.name}: {artifact}"
                names.setdefault(digest, [])
                if label not in names[digest]:
                    names[digest].append(label)
    return names


def _objects(cache: Cache) -> Iterator[Entry]:
    names = outputs(cache)
    for folder in (cache.root / "objects").glob("*"):
        manifest = folder / MANIFEST
        with suppress(FileNotFoundError):  # removed while we look
            there = manifest.exists()
            yield Entry(
                kind="object",
                name=folder.name,
                holds=", ".join(names.get(folder.name, ())),
                bytes=size_on_disk(folder),
                used=(manifest if there else folder).stat().st_mtime,
                in_use=there and is_locked(manifest),
            )


def _workspaces(cache: Cache) -> Iterator[Entry]:
    for folder in (cache.root / "workspaces").glob("*"):
        with suppress(FileNotFoundError):
            times = [path.stat().st_mtime for path in (folder, *folder.iterdir())]
            yield Entry(
                kind="workspace",
                name=folder.name,
                holds=f"{folder.name.rpartition('-')[0]}, unfinished",
                bytes=size_on_disk(folder),
                used=max(times),
                in_use=is_held(cache.lock_path(folder.name)),
            )


def _leftovers(cache: Cache) -> Iterator[Entry]:
    for folder in (cache.root / "tmp").glob("*"):
        with suppress(FileNotFoundError):
            yield Entry(
                kind="leftover",
                name=folder.name,
                holds="",
                bytes=size_on_disk(folder),
                used=folder.stat().st_mtime,
                in_use=is_held(cache.lock_path(f"tmp-{folder.name}")),
            )


def _lock_name(entry: Entry) -> str:
    return entry.name if entry.kind == "workspace" else f"tmp-{entry.name}"


def _folder(cache: Cache, entry: Entry) -> Path:
    place = "workspaces" if entry.kind == "workspace" else "tmp"
    return cache.root / place / entry.name
