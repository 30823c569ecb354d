"""The ledger of a sweep: what was to be tried, and what came of it.

    <home>/sweeps/<name>/sweep.json           what was fixed when it began
    <home>/sweeps/<name>/uncommitted.diff     code that differed from the commit then
    <home>/sweeps/<name>/trials/000012.json   a trial: its configuration, its outcome
    <home>/sweeps/<name>/locks/

Files are replaced whole. Whoever plans trials holds the sweep's lock, and whoever
runs one holds the trial's: several processes can share a sweep, and a kill leaves
nothing that holds another up.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.core.files import write_atomically
from pipeline.errors import StorageError, SweepError
from pipeline.locks import Lock, held, is_held, try_lock
from pipeline.records import GitRecord, Timestamp, TrackingRecord
from pipeline.sweep.config import SweepConfig

log = logging.getLogger(__name__)

# A trial that is stopped, at the end of train.time_budget, is gone on with.
Outcome = Literal["planned", "finished", "failed", "pruned", "stopped"]

DIFF = "uncommitted.diff"


@dataclass(frozen=True)
class SweepRecord:
    """What holds for all trials of a sweep.

    Attributes:
        name: Its name.
        began: When it was begun, UTC.
        space: Key -> values, as last typed.
        overrides: What is the same in all trials, as first typed.
        config: How it searches.
        base: The resolved configuration without a cell's values.
        code: Stage -> digest of all code that it can reach.
        definitions: `file: function` -> start of its digest, to name what changed.
        versions: Python and the libraries which that code imports -> version.
        git: Which code it began with.
        tracking: Where its runs are tracked.
        run_id: The parent of its runs in the tracking store, if there is one.
        experiment: Id of the group of runs there, if there is one.
        best_trial: The trial whose vectors were drawn at the end.
        best_run: The run that drew them.
    """

    name: str
    began: Timestamp
    space: Mapping[str, str]
    overrides: tuple[str, ...]
    config: SweepConfig
    base: Mapping[str, Any]
    code: Mapping[str, str]
    definitions: Mapping[str, str]
    versions: Mapping[str, str]
    git: GitRecord
    tracking: TrackingRecord
    run_id: str | None = None
    experiment: str | None = None
    best_trial: int | None = None
    best_run: str | None = None

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: Its number in the sweep, from 0; it never changes.
        index: Number of its cell.
        cell: Swept key -> value, without the seed.
        seed: Its seed.
        overrides: The same, as overrides.
        config: Its resolved configuration.
        outcome: How it ended; `planned` until then.
        error: Why it did not finish.
        metrics: Last value by name.
        history: Metric -> its value after each epoch.
        seconds: How long it took.
        run_id: Its run.
        artifact_uri: Where the run's artifacts lie.
        digests: Stage -> digest of its outputs.
    """

    number: int
    index: int
    cell: Mapping[str, str | int | float | bool | None]
    seed: int
    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    outcome: Outcome = "planned"
    error: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seconds: float = 0.0
    run_id: str | None = None
    artifact_uri: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to run of it."""
        return self.outcome in ("finished", "pruned")


R = TypeVar("R", SweepRecord, TrialRecord)
_SWEEP = TypeAdapter(SweepRecord)
_TRIAL = TypeAdapter(TrialRecord)


class Ledger:
    """The files of one sweep.

    Args:
        home: The folder that holds all that runs write; absolute.
        name: The sweep's name.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.home, self.name = home, name
        self.folder = home / "sweeps" / name

    def exists(self) -> bool:
        """Say whether the sweep was begun."""
        return (self.folder / "sweep.json").is_file()

    def sweep(self) -> SweepRecord:
        """Read what holds for all trials.

        Raises:
            SweepError: if there is no such sweep, or its file is damaged.
        """
        if not self.exists():
            raise SweepError(_no_sweep(self.home, self.name))
        return _read(self.folder / "sweep.json", _SWEEP)

    def save_sweep(self, record: SweepRecord) -> None:
        """Write what holds for all trials."""
        _write(self.folder / "sweep.json", _SWEEP.dump_python(record, mode="json"))

    def save_diff(self, diff: bytes) -> None:
        """Keep how the code differed from its commit."""
        write_atomically(self.folder / DIFF, diff)

    def diff(self) -> bytes:
        """Return how the code differed from its commit; empty where it did not."""
        path = self.folder / DIFF
        return path.read_bytes() if path.is_file() else b""

    def trials(self) -> list[TrialRecord]:
        """Read all trials, by number.

        Raises:
            SweepError: if a file is damaged.
        """
        paths = sorted((self.folder / "trials").glob("[0-9]*.json"))
        return [self._read_trial(path) for path in paths]

    def trial(self, number: int) -> TrialRecord:
        """Read a trial.

        Raises:
            SweepError: if there is no such trial, or its file is damaged.
        """
        return self._read_trial(self._trial_path(number))

    def save_trial(self, record: TrialRecord) -> None:
        """Write a trial."""
        plain = _TRIAL.dump_python(record, mode="json")
        _write(self._trial_path(record.number), plain)

    def lock(self) -> AbstractContextManager[None]:
        """Hold the sweep, to plan trials or to change what holds for all."""
        path = self.folder / "locks" / "sweep.lock"
        return held(path, f"sweep {self.name}: waits for another process")

    def try_trial(self, number: int) -> Lock | None:
        """Take a trial to run it; None if another process has it.

        Raises:
            StorageError: if the ledger cannot be written.
        """
        path = self._lock_path(number)
        try:
            return try_lock(path)
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be written: {error.strerror}. Free some space, or "
                "set home to a folder that can be written"
            ) from error

    def hold_trial(self, number: int) -> AbstractContextManager[None]:
        """Hold a trial; wait while another process runs it."""
        return held(self._lock_path(number))

    def is_running(self, number: int) -> bool:
        """Say whether some process runs a trial now."""
        return is_held(self._lock_path(number))

    def _trial_path(self, number: int) -> Path:
        return self.folder / "trials" / f"{number:06d}.json"

    def _lock_path(self, number: int) -> Path:
        return self.folder / "locks" / f"trial-{number:06d}.lock"

    def _read_trial(self, path: Path) -> TrialRecord:
        record = _read(path, _TRIAL)
        if path != self._trial_path(record.number):
            raise SweepError(f"{path} is damaged: it is of trial {record.number}")
        return record


def sweep_names(home: Path) -> list[str]:
    """Return the names of all sweeps, the one that was begun last first."""
    ledgers = [
        Ledger(home, path.parent.name)
        for path in (home / "sweeps").glob("*/sweep.json")
    ]
    began = {}
    for ledger in ledgers:
        try:
            began[ledger.name] = ledger.sweep().began
        except SweepError as error:
            log.warning("%s; it is passed over", error)
    return sorted(began, key=lambda name: (began[name], name), reverse=True)


def find_ledger(home: Path, sweep: str) -> Ledger:
    """Return the ledger of a sweep.

    Args:
        home: The folder that holds all that runs write; absolute.
        sweep: A name, the start of one, or `last` for the one begun last.

    Raises:
        SweepError: if there is none, or more than one.
    """
    names = sweep_names(home)
    if sweep == "last" and names:
        return Ledger(home, names[0])
    # The text is compared with names and never made into a path.
    found = [n for n in names if n == sweep] or [
        n for n in names if n.startswith(sweep)
    ]
    if not found:
        raise SweepError(_no_sweep(home, sweep))
    if len(found) > 1:
        raise SweepError(
            f"{sweep!r} is not one sweep: {', '.join(sorted(found))} begin like that. "
            "Give more of the name"
        )
    return Ledger(home, found[0])


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values under dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _no_sweep(home: Path, sweep: str) -> str:
    names = sweep_names(home)
    if not names:
        return (
            f"no sweep {sweep!r}: there are no sweeps in {home}. Begin with w2v run "
            "-m, or set home (or W2V_HOME) to the folder that holds them"
        )
    return f"no sweep {sweep!r} in {home}; there are {', '.join(names)}"


def _read(path: Path, adapter: "TypeAdapter[R]") -> R:
    try:
        return adapter.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise SweepError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise SweepError(f"{path} is damaged: {place}: {first['msg']}") from error


def _write(path: Path, plain: Mapping[str, Any] | Sequence[Any]) -> None:
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1)
    write_atomically(path, text.encode("utf-8", errors="replace"))
