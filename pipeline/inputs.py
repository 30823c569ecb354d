"""Check the files that a run is to read: that they are there, and what they were."""

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.config import AnyConfig, Config
from pipeline.dag import SCORING, STAGES
from pipeline.engine import select
from pipeline.errors import ConfigError, DataError
from pipeline.fields import ReadsFiles
from pipeline.records import RunRecord

# Keys of stages that name files to read.
FILE_KEYS = (
    *("path", "splits", "similarity_files", "analogy_files", "category_files"),
    *("against", "word_classes"),
)

# Stages that read the files that `evaluate` names.
_SAME_AS_EVALUATE = {"controls", "vector_controls"}


def check_files(config: AnyConfig) -> None:
    """Check that the files are there that the stages to be run will read.

    They are looked for again when their stage begins; but that may be hours later.

    Raises:
        ConfigError: naming the key, and the file or pattern that is none.
    """
    dag = STAGES if isinstance(config, Config) else SCORING
    for stage in select(dag, config.targets):
        settings = config.stages[stage.name]
        if not isinstance(settings, ReadsFiles):
            continue
        try:
            files = settings.input_files()
        except DataError as error:
            raise ConfigError(str(error)) from error
        for label, path in files.items():
            # Unlike Path.is_file, also where no file could have such a name.
            if not os.path.isfile(path):  # noqa: PTH113
                key = f"{stage.name}.{label}" if hasattr(settings, label) else label
                raise ConfigError(f"{key}: expected a file, found none at {path}")


def named_by_user(values: Mapping[str, Any], changes: Sequence[str]) -> set[str]:
    """Return the stages all of whose files the user named, and not the record.

    Args:
        values: The config, with the changes made.
        changes: What the user set, as `KEY=VALUE`.
    """
    keys = {change.partition("=")[0] for change in changes}
    named = set()
    for stage, group in values.items():
        if isinstance(group, Mapping):
            naming = {f"{stage}.{key}" for key in FILE_KEYS if group.get(key)}
            if naming and naming <= keys:
                named.add(stage)
    return named


def input_files(config: AnyConfig) -> dict[str, Mapping[str, Path]]:
    """Return stage -> label -> file, of the stages that are configured to read files.

    Raises:
        DataError: if a file is not there.
    """
    found = {}
    for name, stage in config.stages.items():
        if isinstance(stage, ReadsFiles) and name not in _SAME_AS_EVALUATE:
            try:
                found[name] = stage.input_files()
            except DataError as error:
                raise DataError(f"{error}. {_hint(name)}") from error
    return found


def check_inputs(
    recorded: RunRecord, found: Mapping[str, Mapping[str, Path]], named: Set[str]
) -> None:
    """Check that the files a record names are those that it was computed from.

    Args:
        recorded: The record.
        found: Stage -> label -> file, of the stages that read files.
        named: Stages whose files the user named: theirs are not checked.

    Raises:
        DataError: naming the first that is not there or has other content.
    """
    for name, files in found.items():
        if name in named:
            continue
        known = recorded.stages[name].files if name in recorded.stages else {}
        # The names first: where they are not the same, nothing needs to be read.
        gone, more = [*known.keys() - files.keys()], [*files.keys() - known.keys()]
        if gone or more:
            what = f"no {min(gone)}" if gone else f"{min(more)}, which it did not"
            raise DataError(
                f"{name}: expected the files that run {recorded.run_id} read, found "
                f"{what}. {_hint(name)}"
            )
        for label, path in files.items():
            try:
                digest = file_digest(path)
            except OSError as error:
                message = f"{path}: cannot be read: {error.strerror}"
                raise DataError(message) from error
            if digest != known[label]:
                raise DataError(
                    f"{name}: input changed: {path} is not what run "
                    f"{recorded.run_id} read: expected sha256 {known[label]}, found "
                    f"{digest}. {_hint(name)}"
                )


def _hint(stage: str) -> str:
    keys = {"ingest": "ingest.path", "tag": "tag.word_classes"}
    key = keys.get(stage, f"{stage}.similarity_files")
    return (
        f"Bring them back, or name others, such as with --set {key}=PATH: then the "
        "rerun goes on, and the verdict says what differs"
    )
