"""Keep what stages computed, by the content of all that went into it.

    <root>/objects/<digest>/     an artifact's files and their manifest.json
    <root>/records/<stage>/<key>.json      what a stage gave for a key
    <root>/workspaces/<stage>-<key>/       a stage's own folder while it works
    <root>/locks/<stage>-<key>.lock
    <root>/tmp/<id>/             an object that is being written or removed

An object's digest is that of its manifest: file names and their sha256. Objects
are written beside, synced and renamed, and a record is written after all its
objects, so that a record always speaks of whole objects. On load every file is
hashed again; an object that is damaged counts as missing.

A process that uses an object holds a shared lock on its manifest for as long, and
whoever removes one takes that lock alone: what is in use stays.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from annotated_types import MinLen
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.artifacts import (
    file_digests,
    json_digest,
    load_artifact,
    save_artifact,
)
from pipeline.core.files import sync, write_atomically
from pipeline.errors import CacheError
from pipeline.locks import held

log = logging.getLogger(__name__)

A = TypeVar("A")
MANIFEST = "manifest.json"
_DIGEST = re.compile("[0-9a-f]{64}")
# The end of a record's file.
_WRITTEN = re.compile(rb'"written":\s*(\d{1,18})\s*}\s*\Z')


@dataclass(frozen=True)
class CacheConfig:
    """How the cache is used.

    Attributes:
        mode: `use` reads and writes; `refresh` computes anew and writes;
            `verify` computes hits anew and fails where the digest differs.
        earlier: Homes of earlier runs, or globs of them, whose results and unfinished
            stages are gone on with in mode `use`; nothing is written there.
    """

    mode: Literal["use", "refresh", "verify"]
    earlier: tuple[Annotated[str, MinLen(1)], ...]


@dataclass(frozen=True)
class Ingredients:
    """All that goes into a stage's result; its digest is the cache key.

    Attributes:
        stage: Name of the stage.
        code: Definition -> digest, of all code that the stage can reach.
        config: Full key -> value of the stage's config, without what cannot change a
            result.
        inputs: Artifact name -> content digest.
        files: Label -> sha256 of the files that the config names.
        versions: Python and the libraries the code imports -> version.
    """

    stage: str
    code: Mapping[str, str]
    config: Mapping[str, object]
    inputs: Mapping[str, str]
    files: Mapping[str, str]
    versions: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """The cache key: sha256 of canonical JSON."""
        # Pairs keep their order: files are read in the order in which they
        # stand, and two orders give two results.
        return json_digest({**asdict(self), "files": list(self.files.items())})


@dataclass(frozen=True)
class Record:
    """What a stage gave.

    Attributes:
        ingredients: What went in.
        outputs: Artifact name -> object digest.
        metrics: What the stage reported while it ran: name, value, step
            (None for a value that belongs to no epoch).
        seconds: How long the stage took.
        written: Counts the records of a stage, the newest being the highest.
    """

    ingredients: Ingredients
    outputs: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int | None]]
    seconds: float
    written: int

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    @property
    def digest(self) -> str:
        """The digest of all outputs together."""
        return json_digest(dict(self.outputs))


_RECORD = TypeAdapter(Record)


class Cache:
    """A folder of objects and records that several processes may share.

    The objects that it found or wrote stay in use until it is gone itself.

    Args:
        root: Its folder.
        earlier: Caches that are only read, whose results may be taken over.
    """

    def __init__(self, root: Path, earlier: Sequence["Cache"] = ()) -> None:
        self.root = root
        self.earlier = earlier
        self._used: dict[str, int] = {}  # digest -> file that holds the lock
        weakref.finalize(self, _close_all, self._used)

    def find(self, stage: str, key: str) -> Record | None:
        """Return the record of a key if all its objects are sound.

        A damaged record or object is named in a warning and counts as missing.
        """
        path = self._record_path(stage, key)
        if not path.exists():
            return None
        try:
            record = read_record(path)
            for digest in record.outputs.values():
                self._use(digest)
                self.check(digest)
        except CacheError as error:
            log.warning("%s; %s is computed again", error, stage)
            return None
        return record

    def records(self, stage: str) -> list[Record]:
        """Return the readable records of a stage, the newest first."""
        records = []
        for path in self.record_paths(stage):
            try:
                records.append(read_record(path))
            except CacheError as error:
                log.warning("%s; it is passed over", error)
        return sorted(records, key=lambda r: r.written, reverse=True)

    def record_paths(self, stage: str = "*") -> list[Path]:
        """Return the files of all records, or of those of a stage."""
        return sorted((self.root / "records").glob(f"{stage}/*.json"))

    def load(self, digest: str, kind: type[A]) -> A:
        """Read an artifact; arrays and tables come memory-mapped.

        Raises:
            CacheError: if there is no such object or it is not of this form.
        """
        return load_artifact(kind, self.object_folder(digest))

    def store(
        self,
        ingredients: Ingredients,
        outputs: Mapping[str, object],
        metrics: Sequence[tuple[str, float, int | None]],
        seconds: float,
        expected: Mapping[str, str] | None = None,
    ) -> Record:
        """Write the outputs of a stage, then the record that speaks of them.

        Raises:
            CacheError: if the outputs' digests are not those expected; the record
                that is there stays.
        """
        digests = {name: self._put(artifact) for name, artifact in outputs.items()}
        if expected is not None and digests != expected:
            changed = [name for name in digests if digests[name] != expected.get(name)]
            raise CacheError(
                f"{ingredients.stage}: computed again, {', '.join(changed)} differ "
                "from what the cache holds for the same ingredients (key "
                f"{ingredients.key[:12]}): the stage does not always give the same "
                "result. The cache is as it was"
            )
        return self._write_record(Record(ingredients, digests, metrics, seconds, 0))

    def take_over(self, other: "Cache", record: Record) -> None:
        """Copy a result that another cache found, and its objects.

        Raises:
            CacheError: if an object changes meanwhile.
        """
        for digest in record.outputs.values():
            source = other.object_folder(digest)
            with self.scratch() as fresh:
                for path in sorted(p for p in source.rglob("*") if p.is_file()):
                    target = fresh / path.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)  # not its mode: it may be read-only
                self._settle(fresh, digest)
            self.check(digest)
        self._write_record(record)

    def workspace(self, stage: str, key: str) -> Path:
        """Return the folder that belongs to a key, made if it is not there."""
        folder = self.root / "workspaces" / f"{stage}-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def lock(self, stage: str, key: str) -> Iterator[None]:
        """Hold a key: one process computes, the others wait and then read.

        The operating system frees the lock of a process that dies.
        """
        waiting = f"{stage} is being computed by another process: waiting"
        with held(self.lock_path(f"{stage}-{key}"), waiting):
            yield

    def lock_path(self, name: str) -> Path:
        """Return the lock of `<stage>-<key>`, `object-<digest>` or `tmp-<id>`."""
        return self.root / "locks" / f"{name}.lock"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Name a folder that is gone afterwards, and is seen to be in use until then.

        It is not made.
        """
        name = uuid.uuid4().hex
        with held(self.lock_path(f"tmp-{name}")):
            try:
                yield self.root / "tmp" / name
            finally:
                shutil.rmtree(self.root / "tmp" / name, ignore_errors=True)

    def remove(self, digest: str) -> bool:
        """Remove an object and the records that speak of it.

        Returns:
            False if it is in use or gone.
        """
        try:
            file = os.open(self.object_folder(digest) / MANIFEST, os.O_RDONLY)
        except FileNotFoundError:
            file = None  # half an object: nobody can be using it
        try:
            if file is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A record always speaks of whole objects: it goes first.
            for path in self.record_paths():
                with suppress(CacheError):
                    if digest in read_record(path).outputs.values():
                        path.unlink(missing_ok=True)
            with self.scratch() as folder:
                folder.parent.mkdir(parents=True, exist_ok=True)
                self.object_folder(digest).rename(folder)
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if file is not None:
                os.close(file)
        return True

    def object_folder(self, digest: str) -> Path:
        """Return where an object lies or would lie."""
        return self.root / "objects" / digest

    def _write_record(self, record: Record) -> Record:
        """Write a record as the newest of its stage."""
        ingredients = record.ingredients
        record = replace(record, written=self._newest(ingredients.stage) + 1)
        path = self._record_path(ingredients.stage, ingredients.key)
        write_atomically(path, json.dumps(asdict(record), indent=1).encode())
        return record

    def _newest(self, stage: str) -> int:
        """Return the number of a stage's newest record, which its last line says."""
        numbers = [0]
        for path in self.record_paths(stage):
            with suppress(OSError):  # it may be removed meanwhile
                if found := _WRITTEN.search(path.read_bytes()):
                    numbers.append(int(found[1]))
        return max(numbers)

    def _put(self, artifact: object) -> str:
        """Write an object and return its digest; an equal one is kept."""
        with self.scratch() as fresh:
            save_artifact(artifact, fresh)
            manifest = file_digests(fresh)
            digest = json_digest(manifest)
            (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1))
            self._settle(fresh, digest)
            return digest

    def _settle(self, fresh: Path, digest: str) -> None:
        """Sync an object that was written beside, and give it its name."""
        _sync_tree(fresh)
        # Two keys may give the same object, in two processes at once.
        with held(self.lock_path(f"object-{digest}")):
            self._place(fresh, digest)

    def _place(self, fresh: Path, digest: str) -> None:
        """Rename an object into place, unless a sound one is there."""
        target = self.object_folder(digest)
        try:
            self._use(digest)
            self.check(digest)
        except CacheError:
            self._forget(digest)
        else:
            return
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # In use before it has its name: no record speaks of it yet.
        self._used[digest] = _shared_lock(fresh / MANIFEST)
        fresh.rename(target)
        sync(target.parent)

    def _use(self, digest: str) -> None:
        """Keep an object from being removed, and note that it was used now.

        Raises:
            CacheError: if there is no such object.
        """
        manifest = self.object_folder(digest) / MANIFEST
        try:
            if digest not in self._used:
                self._used[digest] = _shared_lock(manifest)
            there, locked = manifest.stat(), os.fstat(self._used[digest])
        except OSError as error:
            message = f"cache object {manifest.parent} is damaged or missing"
            raise CacheError(message) from error
        if not os.path.samestat(there, locked):  # replaced, or removed and written
            self._forget(digest)
            self._use(digest)
            return
        with suppress(OSError):  # a cache that can only be read
            os.utime(manifest)

    def _forget(self, digest: str) -> None:
        file = self._used.pop(digest, None)
        if file is not None:
            os.close(file)

    def check(self, digest: str) -> None:
        """Hash an object again.

        Raises:
            CacheError: if it is damaged or missing.
        """
        folder = self.object_folder(digest)
        found = file_digests(folder)
        found.pop(MANIFEST, None)
        if json_digest(found) != digest:
            raise CacheError(f"cache object {folder} is damaged or missing")

    def _record_path(self, stage: str, key: str) -> Path:
        return self.root / "records" / stage / f"{key}.json"


def read_record(path: Path) -> Record:
    """Read a record's file.

    Raises:
        CacheError: if it is damaged or not there.
    """
    try:
        record = _RECORD.validate_json(path.read_bytes(), strict=True)
        key = record.ingredients.key
    except (ValidationError, ValueError, OSError) as error:
        raise CacheError(f"cache record {path} is damaged") from error
    # A digest becomes a path: nothing else may.
    if key != path.stem or not all(map(_DIGEST.fullmatch, record.outputs.values())):
        raise CacheError(f"cache record {path} is damaged: it is of other ingredients")
    return record


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync(path)


def _shared_lock(path: Path) -> int:
    """Open a file and lock it against being locked alone."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        os.close(file)
        raise
    return file


def _close_all(files: dict[str, int]) -> None:
    for file in files.values():
        os.close(file)
    files.clear()
