"""Keep what a tracking store did not take, so that it can be sent later.

    <home>/runs/<run_id>/unsent.jsonl     one entry a line, in the order logged
    <home>/runs/<run_id>/unsent/          the files among them
    <home>/runs/<run_id>/refused.jsonl    what the store answered no to

An entry says all that sending it takes, its time included: sent a day later, or
twice, it gives the same run.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Lt
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.core.files import write_atomically
from pipeline.errors import StorageError
from pipeline.tracking.files import artifact_path

log = logging.getLogger(__name__)


# What a store keeps of an integer.
Int64 = Annotated[int, Ge(-(2**63)), Lt(2**63)]


@dataclass(frozen=True)
class Params:
    """Params: name -> value."""

    values: Mapping[str, str]
    kind: Literal["params"] = "params"


Point = tuple[str, float, Int64, Int64]  # name, value, step, unix milliseconds


@dataclass(frozen=True)
class Points:
    """Measured values."""

    points: tuple[Point, ...]
    kind: Literal["points"] = "points"


@dataclass(frozen=True)
class Tags:
    """Tags: name -> value."""

    values: Mapping[str, str]
    kind: Literal["tags"] = "tags"


@dataclass(frozen=True)
class File:
    """A file: where it lies now, and its artifact path."""

    local: Path
    path: str
    kind: Literal["file"] = "file"


@dataclass(frozen=True)
class Model:
    """A file of vectors to be served as the run's model.

    Attributes:
        local: Where it lies now.
        path: Where it is kept while it waits; no artifact path.
        register_as: The registered model to make it a version of, if any.
    """

    local: Path
    path: str
    register_as: str | None
    kind: Literal["model"] = "model"


@dataclass(frozen=True)
class Dataset:
    """A dataset input, in the words of MLflow's `Dataset`."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str
    kind: Literal["dataset"] = "dataset"


@dataclass(frozen=True)
class End:
    """The end of the run, in unix milliseconds."""

    status: Literal["FINISHED", "FAILED", "KILLED"]
    ended: Int64
    kind: Literal["end"] = "end"


Entry = Params | Points | Tags | File | Model | Dataset | End

_ENTRY: TypeAdapter[Entry] = TypeAdapter(
    Annotated[Entry, Field(discriminator="kind")],
    config=ConfigDict(extra="forbid", allow_inf_nan=False),
)


class Outbox:
    """The unsent entries of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "unsent.jsonl"
        self._files = folder / "unsent"
        self._refused = folder / "refused.jsonl"

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._path.exists()

    def add(self, entry: Entry) -> None:
        """Keep an entry behind those that wait; a file's content is kept with it.

        Raises:
            StorageError: if it cannot be written.
        """
        _append(self._path, self._with_content(entry))

    def refuse(self, entry: Entry) -> None:
        """Set an entry aside that the store does not accept.

        Raises:
            StorageError: if it cannot be written.
        """
        _append(self._refused, self._with_content(entry))

    def entries(self) -> list[Entry]:
        """Return what waits, in the order logged.

        A line that a kill cut short is named in a warning and left out.
        """
        if self.empty:
            return []
        found: list[Entry] = []
        for number, line in enumerate(self._path.read_bytes().splitlines(), start=1):
            if not line:
                continue
            try:
                entry = _ENTRY.validate_json(line, strict=True)
            except ValidationError:
                log.warning("%s:%d: damaged, not sent", self._path, number)
                continue
            if isinstance(entry, File | Model):
                # Where the line says that it lies is not looked at: it might name
                # any file of this machine.
                if artifact_path(entry.path) != entry.path:
                    log.warning("%s:%d: no artifact, not sent", self._path, number)
                    continue
                entry = replace(entry, local=self._files / entry.path)
            found.append(entry)
        return found

    def keep_only(self, entries: Sequence[Entry]) -> None:
        """Forget all entries but these."""
        if entries:
            write_atomically(self._path, b"".join(_line(e) for e in entries))
        else:
            self._path.unlink(missing_ok=True)
            # What was refused may still need its file.
            if not self._refused.exists():
                shutil.rmtree(self._files, ignore_errors=True)

    def _with_content(self, entry: Entry) -> Entry:
        if not isinstance(entry, File | Model):
            return entry
        if entry.local.is_relative_to(self._files):
            return entry
        kept = self._files / entry.path
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry.local, kept)
        except OSError as error:
            raise _cannot_write(kept, error) from error
        return replace(entry, local=kept)


def _append(path: Path, entry: Entry) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            # On a line of its own, even behind one that a kill cut short.
            file.write(b"\n" + _line(entry))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _cannot_write(path, error) from error


def _line(entry: Entry) -> bytes:
    # Text is ASCII here, so that no line separator of Unicode ends a line.
    text = json.dumps(asdict(entry), default=str, ensure_ascii=True, allow_nan=False)
    return f"{text}\n".encode("ascii")


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot keep what the tracking store did not take in {path}: "
        f"{error.strerror}. Free space, or set home to a folder that can be written"
    )
