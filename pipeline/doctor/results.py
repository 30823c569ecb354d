"""Results in the cache that are damaged or lost, and work that was not finished."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.cache import Cache, read_record
from pipeline.core.checkpoint import find_checkpoints, load_checkpoint
from pipeline.doctor.finding import Finding, leftover, unlink
from pipeline.errors import CacheError, DataError
from pipeline.locks import is_held
from pipeline.pruning import list_entries, outputs
from pipeline.sizes import size_on_disk


def check_records(cache: Cache) -> Iterator[Finding]:
    """Find records that are damaged or speak of objects that are not there."""
    for path in cache.record_paths():
        name = f"{path.parent.name}-{path.stem}"
        if is_held(cache.lock_path(name)):
            continue
        try:
            digests = read_record(path).outputs.values()
        except CacheError:
            kind = "damaged cache record"
        else:
            if all(cache.object_folder(digest).exists() for digest in digests):
                continue
            kind = "cache record without its objects"
        yield Finding(
            kind=kind,
            what=str(path.relative_to(cache.root)),
            bytes=size_on_disk(path),
            remedy="removed; its stage is computed again when it is needed",
            mend=partial(unlink, path, cache.lock_path(name)),
        )


def check_objects(cache: Cache) -> Iterator[Finding]:
    """Find objects that are damaged, or that no record speaks of."""
    known = outputs(cache)
    for entry in list_entries(cache):
        if entry.kind != "object":
            continue
        try:
            cache.check(entry.name)
        except (CacheError, OSError):
            kind = "damaged cache object"
        else:
            if entry.name in known or entry.in_use:
                continue
            kind = "orphaned cache object"
        yield Finding(
            kind=kind,
            what=f"objects/{entry.name[:12]}  {entry.holds}".rstrip(),
            bytes=entry.bytes,
            remedy="removed; its stage is computed again when it is needed"
            if entry.holds
            else "removed",
            mend=partial(cache.remove, entry.name),
        )


def check_workspaces(cache: Cache) -> Iterator[Finding]:
    """Find what stages that were killed left to go on from."""
    for entry in list_entries(cache):
        if entry.kind != "workspace" or entry.in_use:
            continue
        stage, _, key = entry.name.rpartition("-")
        folder = cache.root / "workspaces" / entry.name
        if (cache.root / "records" / stage / f"{key}.json").exists():
            yield leftover(cache, entry, f"workspaces/{entry.name}  (it finished)")
            continue
        for path in find_checkpoints(folder):
            try:
                load_checkpoint(path)
            except DataError as error:
                yield Finding(
                    kind="damaged checkpoint",
                    what=str(error),
                    bytes=size_on_disk(path),
                    remedy="removed; training goes on from the one before",
                    mend=partial(unlink, path, cache.lock_path(entry.name)),
                )
        yield Finding(
            kind="unfinished stage",
            what=f"workspaces/{entry.name[: len(stage) + 13]}",
            bytes=entry.bytes,
            remedy="kept; the same command goes on from it (w2v cache prune removes)",
            mend=None,
            note=True,
        )


def check_reruns(home: Path, cache: Cache) -> Iterator[Finding]:
    """Find what reruns that were killed left to go on from."""
    for folder in sorted((home / "reruns").glob("*")):
        if not is_held(cache.lock_path(f"rerun-{folder.name}")):
            yield Finding(
                kind="unfinished rerun",
                what=f"reruns/{folder.name}",
                bytes=size_on_disk(folder),
                remedy=f"kept; w2v rerun {folder.name[:12]} goes on from it",
                mend=None,
                note=True,
            )
