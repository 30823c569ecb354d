"""All that goes into a stage's result, and whether the cache holds that result."""

import dataclasses
import logging
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.cache import Cache, Ingredients, Record
from pipeline.errors import DataError
from pipeline.fields import OfGroup, ReadsFiles, Unkeyed
from pipeline.graph import Stage
from pipeline.sources import Source, describe

log = logging.getLogger(__name__)


def source_of(stage: Stage) -> Source:
    """Describe a stage's code as it was when this process first asked."""
    return describe(stage.function.__module__)


def ingredients_of(
    stage: Stage, config: object, digests: Mapping[str, str]
) -> Ingredients:
    """Return what goes into a stage's result.

    Args:
        stage: The stage.
        config: Its config.
        digests: Artifact -> digest, of its inputs at least.

    Raises:
        DataError: if a file that the config names is missing or cannot be read.
    """
    files = config.input_files() if isinstance(config, ReadsFiles) else {}
    source = source_of(stage)
    return Ingredients(
        stage=stage.name,
        code=source.definitions,
        config=dict(_keyed(config, stage.name)),
        inputs={name: digests[name] for name in stage.takes if name in digests},
        files={label: _digest_of_input(path) for label, path in files.items()},
        versions=source.versions,
    )


def find_result(stage: Stage, key: str, cache: Cache) -> Record | None:
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
