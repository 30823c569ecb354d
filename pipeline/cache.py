"""Keep what stages computed, by the content of all that went into it.

    <root>/objects/<digest>/     an artifact's files and their manifest.json
    <root>/records/<stage>/<key>.json      what a stage gave for a key
    <root>/workspaces/<stage>-<key>/       a stage's own folder while it works
    <root>/locks/<stage>-<key>.lock

An object's digest is that of its manifest: file names and their sha256. Objects
are written beside, synced and renamed, and a record is written after all its
objects, so that a record always speaks of whole objects. On load every file is
hashed again; an object that is damaged counts as missing.
"""

import json
import logging
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

from filelock import FileLock, Timeout
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.artifacts import (
    file_digests,
    json_digest,
    load_artifact,
    save_artifact,
)
from pipeline.core.files import sync, write_atomically
from pipeline.errors import CacheError

log = logging.getLogger(__name__)

A = TypeVar("A")
_MANIFEST = "manifest.json"
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class CacheConfig:
    """How the cache is used.

    Attributes:
        mode: `use` reads and writes; `refresh` computes anew and writes;
            `verify` computes hits anew and fails where the digest differs.
    """

    mode: Literal["use", "refresh", "verify"]


@dataclass(frozen=True)
class Ingredients:
    """All that goes into a stage's result; its digest is the cache key.

    Attributes:
        stage: Name of the stage.
        code: Definition -> digest, of all code that the stage can reach.
        config: The stage's config, without what cannot change a result.
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

    @property
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
    """A folder of objects and records that several processes may share."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, stage: str, key: str) -> Record | None:
        """Return the record of a key if all its objects are sound.

        A damaged record or object is named in a warning and counts as missing.
        """
        path = self._record_path(stage, key)
        if not path.exists():
            return None
        try:
            record = _read_record(path)
            for digest in record.outputs.values():
                self._check(digest)
        except CacheError as error:
            log.warning("%s; %s is computed again", error, stage)
            return None
        return record

    def records(self, stage: str) -> list[Record]:
        """Return the readable records of a stage, the newest first."""
        records = []
        for path in sorted((self.root / "records" / stage).glob("*.json")):
            try:
                records.append(_read_record(path))
            except CacheError as error:
                log.warning("%s; it is passed over", error)
        return sorted(records, key=lambda r: r.written, reverse=True)

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
    ) -> Record:
        """Write the outputs of a stage, then the record that speaks of them."""
        digests = {name: self._put(artifact) for name, artifact in outputs.items()}
        known = self.records(ingredients.stage)
        record = Record(
            ingredients=ingredients,
            outputs=digests,
            metrics=metrics,
            seconds=seconds,
            written=known[0].written + 1 if known else 1,
        )
        path = self._record_path(ingredients.stage, ingredients.key)
        write_atomically(path, json.dumps(asdict(record), indent=1).encode())
        return record

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
        with self._held(f"{stage}-{key}", waiting):
            yield

    def object_folder(self, digest: str) -> Path:
        """Return where an object lies or would lie."""
        return self.root / "objects" / digest

    def _put(self, artifact: object) -> str:
        """Write an object and return its digest; an equal one is kept."""
        fresh = self.root / "tmp" / uuid.uuid4().hex
        try:
            save_artifact(artifact, fresh)
            manifest = file_digests(fresh)
            digest = json_digest(manifest)
            (fresh / _MANIFEST).write_text(json.dumps(manifest, indent=1))
            _sync_tree(fresh)
            # Two keys may give the same object, in two processes at once.
            with self._held(f"object-{digest}"):
                self._place(fresh, digest)
            return digest
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _place(self, fresh: Path, digest: str) -> None:
        """Rename an object into place, unless a sound one is there."""
        target = self.object_folder(digest)
        if target.exists():
            try:
                self._check(digest)
            except CacheError:
                shutil.rmtree(target)
            else:
                return
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.rename(target)
        sync(target.parent)

    @contextmanager
    def _held(self, name: str, busy: str = "") -> Iterator[None]:
        """Hold a lock; log `busy` if another process has it."""
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if busy:
                log.info(busy)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _check(self, digest: str) -> None:
        folder = self.object_folder(digest)
        found = file_digests(folder)
        found.pop(_MANIFEST, None)
        if json_digest(found) != digest:
            raise CacheError(f"cache object {folder} is damaged or missing")

    def _record_path(self, stage: str, key: str) -> Path:
        return self.root / "records" / stage / f"{key}.json"


def _read_record(path: Path) -> Record:
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
