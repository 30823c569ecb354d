"""Order, run, skip and explain stages; know them only by their signatures.

A stage is `name(config, <inputs>, *, workspace, report) -> outputs`: its inputs
are the artifacts its parameters are named after, its outputs are those that the
DAG says it gives. What a stage receives always comes out of the cache, so that it
cannot matter whether the stage before it ran or was found there.
"""

import dataclasses
import errno
import inspect
import json
import logging
import math
import shutil
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.artifacts import file_digest
from pipeline.cache import Cache, Ingredients, Record
from pipeline.earlier import find_earlier, take_over
from pipeline.errors import CacheError, ConfigError, DataError, StorageError
from pipeline.fields import OfGroup, ReadsFiles, Unkeyed
from pipeline.report import Report
from pipeline.sources import describe

log = logging.getLogger(__name__)

# A metric as it is kept while a stage works: name, value, step.
_POINT = TypeAdapter(
    tuple[str, float, int | None], config=ConfigDict(allow_inf_nan=False)
)


@dataclass(frozen=True)
class Stage:
    """A node of the DAG.

    Attributes:
        function: The stage; its name is the stage's name.
        gives: Names of the artifacts it returns, in order.
        on_request: Whether it runs only where it is a target, or one needs it.
    """

    function: Callable[..., object]
    gives: tuple[str, ...]
    on_request: bool = False

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.function.__name__

    @cached_property
    def takes(self) -> Mapping[str, type]:
        """Input artifact -> type, from the parameters after the config."""
        hints = typing.get_type_hints(self.function)
        names = [
            p.name
            for p in inspect.signature(self.function).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        return {name: hints[name] for name in names[1:]}

    @cached_property
    def kinds(self) -> Mapping[str, type]:
        """Output artifact -> type, from the return annotation."""
        returned = typing.get_type_hints(self.function)["return"]
        many = typing.get_origin(returned) is tuple
        kinds = typing.get_args(returned) if many else (returned,)
        return dict(zip(self.gives, kinds, strict=True))


@dataclass(frozen=True)
class StageResult:
    """How one stage of a run went.

    Attributes:
        name: The stage.
        record: What the cache holds of it.
        cached: Whether the result was found instead of computed.
        seconds: Time spent on it in this run.
    """

    name: str
    record: Record
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Explanation:
    """Why a stage will or will not run.

    Attributes:
        name: The stage.
        state: `hit`, `miss`, or `waits` where it hangs on a stage that misses.
        reasons: What changed, in words.
    """

    name: str
    state: str
    reasons: tuple[str, ...]


class Observer(Protocol):
    """What the engine tells while it works."""

    def begin(self, stage: str) -> Report:
        """Take notice that a stage is looked at; give it its report."""
        ...

    def finish(
        self, result: StageResult, artifacts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Take a stage's result; `artifacts` reads its outputs when called."""
        ...


def check(stages: Sequence[Stage]) -> None:
    """Check that every input is given by an earlier stage, with the same type.

    Raises:
        TypeError: if the DAG does not hold together.
    """
    given: dict[str, type] = {}
    for stage in stages:
        for name, kind in stage.takes.items():
            if name not in given:
                message = f"{stage.name} takes {name!r}, which no stage before it gives"
                raise TypeError(message)
            if given[name] is not kind:
                raise TypeError(
                    f"{stage.name} takes {name!r} as {kind.__name__}, "
                    f"but it is given as {given[name].__name__}"
                )
        given |= stage.kinds


def select(stages: Sequence[Stage], targets: Sequence[str]) -> tuple[Stage, ...]:
    """Return the targets and all stages they need, in order.

    If none is named, all are targets but those that run on request.

    Raises:
        ConfigError: if a target is not a stage.
    """
    legal = [stage.name for stage in stages]
    for target in targets:
        if target not in legal:
            raise ConfigError(f"targets: expected some of {legal}, found {target!r}")
    wanted = targets or [stage.name for stage in stages if not stage.on_request]
    needed: set[str] = set()
    chosen: list[Stage] = []
    for stage in reversed(stages):
        if stage.name in wanted or needed & set(stage.gives):
            chosen.append(stage)
            needed |= set(stage.takes)
    return tuple(reversed(chosen))


def run(
    stages: Sequence[Stage],
    configs: Mapping[str, object],
    cache: Cache,
    observer: Observer,
    *,
    mode: str,
) -> dict[str, StageResult]:
    """Run stages in order, each at most once for the same ingredients.

    Args:
        stages: What `select` gave.
        configs: Stage name -> its config.
        cache: Where results are kept.
        observer: Is told of each stage.
        mode: `use`, `refresh` or `verify` (see `cache.CacheConfig`).

    Returns:
        Stage name -> result.

    Raises:
        W2VError: what a stage raised. Stages finished before stay in the cache.
    """
    for stage in stages:
        # As the code is now: what is edited while an earlier stage runs is not what
        # this process has loaded.
        describe(stage.function.__module__)
    digests: dict[str, str] = {}
    results: dict[str, StageResult] = {}
    for stage in stages:
        with _resource_errors(stage.name):
            result = _run_stage(
                stage, configs[stage.name], digests, cache, observer=observer, mode=mode
            )
            digests |= result.record.outputs
            results[stage.name] = result
            observer.finish(result, _reader(stage, result.record, cache))
    return results


def explain(
    stages: Sequence[Stage], configs: Mapping[str, object], cache: Cache
) -> list[Explanation]:
    """Say for each stage whether it is in the cache, and if not, what changed."""
    digests: dict[str, str] = {}
    answers = []
    for stage in stages:
        unknown = [name for name in stage.takes if name not in digests]
        if unknown:
            waits = f"waits for {', '.join(unknown)}"
            answers.append(Explanation(stage.name, "waits", (waits,)))
            continue
        ingredients = _ingredients(stage, configs[stage.name], digests)
        record = _find(stage, ingredients.key, cache)
        found = None if record else find_earlier(cache, stage.name, ingredients.key)
        record = found[1] if found else record
        if record:
            digests |= record.outputs
            answers.append(Explanation(stage.name, "hit", ()))
        else:
            reasons = _differences(ingredients, cache)
            answers.append(Explanation(stage.name, "miss", reasons))
    return answers


def _run_stage(
    stage: Stage,
    config: object,
    digests: Mapping[str, str],
    cache: Cache,
    *,
    observer: Observer,
    mode: str,
) -> StageResult:
    started = time.perf_counter()
    report = observer.begin(stage.name)
    ingredients = _ingredients(stage, config, digests)
    key = ingredients.key
    with cache.lock(stage.name, key):
        known = _find(stage, key, cache) if mode != "refresh" else None
        if cache.earlier and not known and mode == "use":
            take_over(cache, stage.name, key)
            known = _find(stage, key, cache)
        if known and mode == "use":
            seconds = time.perf_counter() - started
            return StageResult(stage.name, known, cached=True, seconds=seconds)
        inputs: list[object] = [
            cache.load(digests[name], kind) for name, kind in stage.takes.items()
        ]
        workspace = cache.workspace(stage.name, key)
        recorder = _Recorder(report, workspace / "reported.jsonl")
        outputs = stage.function(config, *inputs, workspace=workspace, report=recorder)
        named = outputs if isinstance(outputs, tuple) else (outputs,)
        seconds = time.perf_counter() - started
        try:
            record = cache.store(
                ingredients,
                dict(zip(stage.gives, named, strict=True)),
                recorder.series(),
                seconds,
                expected=known.outputs if known else None,
            )
        except CacheError:  # they differ: the next time begins anew
            shutil.rmtree(workspace)
            raise
        shutil.rmtree(workspace)
    return StageResult(stage.name, record, cached=False, seconds=seconds)


def _find(stage: Stage, key: str, cache: Cache) -> Record | None:
    """Return the record of a key, if it is of just what the stage gives."""
    record = cache.find(stage.name, key)
    if record and set(record.outputs) != set(stage.gives):
        log.warning(
            "the cache record of %s, key %s, names %s: expected %s; it is computed "
            "again",
            stage.name,
            key[:12],
            ", ".join(sorted(record.outputs)) or "no outputs",
            ", ".join(stage.gives),
        )
        return None
    return record


def _reader(
    stage: Stage, record: Record, cache: Cache
) -> Callable[[], Mapping[str, object]]:
    def read() -> Mapping[str, object]:
        return {
            name: cache.load(record.outputs[name], kind)
            for name, kind in stage.kinds.items()
        }

    return read


class _Recorder(Report):
    """Pass a stage's words on, and keep its metrics beside its checkpoints.

    A stage that was killed and goes on finds there what it reported before.
    """

    def __init__(self, report: Report, path: Path) -> None:
        self._report = report
        self._path = path
        self._values = dict(_read_series(path))

    def start(self, total: int | None, unit: str) -> None:
        self._report.start(total, unit)

    def advance(self, amount: int, shown: str = "") -> None:
        self._report.advance(amount, shown)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                where = f" at step {step}" if step is not None else ""
                raise DataError(f"{name} is {value}{where}: expected a finite number")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n")  # ends a line that a kill cut off
            for name, value in values.items():
                self._values[name, step] = float(value)
                file.write(json.dumps([name, float(value), step]) + "\n")
        self._report.metrics(values, step)

    def series(self) -> list[tuple[str, float, int | None]]:
        return [(name, value, step) for (name, step), value in self._values.items()]


def _read_series(path: Path) -> Iterator[tuple[tuple[str, int | None], float]]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            point = _POINT.validate_json(line, strict=True)
        except ValidationError:  # a line cut off by a kill; it is reported again
            continue
        name, value, step = point
        yield (name, step), value


def _ingredients(
    stage: Stage, config: object, digests: Mapping[str, str]
) -> Ingredients:
    files = config.input_files() if isinstance(config, ReadsFiles) else {}
    source = describe(stage.function.__module__)
    return Ingredients(
        stage=stage.name,
        code=source.definitions,
        config=dict(_keyed(config, stage.name)),
        inputs={name: digests[name] for name in stage.takes if name in digests},
        files={label: _digest_of_input(path) for label, path in files.items()},
        versions=source.versions,
    )


def _digest_of_input(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _keyed(config: Any, group: str) -> Iterator[tuple[str, object]]:
    """Yield full key and plain JSON value of a config's keyed fields."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        marks = getattr(hints[field.name], "__metadata__", ())
        if any(isinstance(mark, Unkeyed) for mark in marks):
            continue
        value = getattr(config, field.name)
        elsewhere = any(isinstance(mark, OfGroup) for mark in marks)
        name = field.name if elsewhere else f"{group}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _keyed(value, name)
        else:
            yield name, _jsonable(value)


def _jsonable(value: Any) -> object:
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, tuple):
        return [_jsonable(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _jsonable(v) for k, v in value.items()}
    return value


def _differences(wanted: Ingredients, cache: Cache) -> tuple[str, ...]:
    """Say how a stage's ingredients differ from those of the nearest result."""
    records = cache.records(wanted.stage)
    if not records:
        return ("never run",)
    if any(record.ingredients.key == wanted.key for record in records):
        return ("its cache object is damaged",)
    return min((_changed(r.ingredients, wanted) for r in records), key=len)


def _changed(old: Ingredients, wanted: Ingredients) -> tuple[str, ...]:
    return (
        *_changes(old.code, wanted.code, "{name} {what}"),
        *_changes(old.config, wanted.config, "{name}: {pair}"),
        *_changes(old.inputs, wanted.inputs, "input {name} {what}"),
        *_changes(old.files, wanted.files, "file {name} {what}"),
        *_changes(old.versions, wanted.versions, "{name} {pair}"),
    ) or ("the order of its files changed",)


def _changes(
    old: Mapping[str, object], new: Mapping[str, object], form: str
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            what = "added"
        elif name not in new:
            what = "removed"
        elif old[name] != new[name]:
            what = "changed"
        else:
            continue
        pair = f"{old.get(name, 'none')} -> {new.get(name, 'none')}"
        yield form.format(name=name, what=what, pair=pair)


_STORAGE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


@contextmanager
def _resource_errors(stage: str) -> Iterator[None]:
    """Say in our own words when memory or the disk is full, or not to be written."""
    try:
        yield
    except MemoryError as error:
        raise StorageError(
            f"{stage}: not enough memory: {error}. Make its sizes smaller, such as "
            "train.dim, train.replicas or vocab.max_size; finished stages are kept"
        ) from error
    except OSError as error:
        if error.errno not in _STORAGE_ERRNOS:
            raise
        raise StorageError(
            f"{stage}: cannot write {error.filename or 'to disk'}: {error.strerror}. "
            "Free space, or set home to a folder on another disk; finished stages "
            "are kept"
        ) from error
