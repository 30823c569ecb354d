"""Check that the files a record names are still what they were."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.config import AnyConfig
from pipeline.errors import DataError
from pipeline.fields import ReadsFiles
from pipeline.records import RunRecord

# Keys of stages that name files to read.
FILE_KEYS = (
    *("path", "splits", "similarity_files", "analogy_files", "category_files"),
    *("against", "word_classes"),
)

# Stages that read the files that `evaluate` names.
_SAME_AS_EVALUATE = {"controls", "vector_controls"}


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
