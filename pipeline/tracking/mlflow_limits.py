"""Fit names and values into what MLflow and the databases behind it take."""

import hashlib
import re
from collections.abc import Mapping

# mlflow.utils.validation: what is longer is refused.
LONGEST_NAME = 250
LONGEST_PARAM = 6_000
LONGEST_TAG = 8_000


def name_for_mlflow(name: str) -> str:
    """Return a name of a param, metric or tag.

    Letters, digits, `_`, `.`, `-`, space and `/` stay. Where anything else had to
    go, a digest of the whole keeps two such names apart.
    """
    parts = [re.sub(r"[^\w.\- ]", "_", part) for part in name.split("/")]
    # MLflow takes a name for a path: none may be empty, here or the one above.
    parts = [part if part.strip(".") else f"_{part}" for part in parts]
    clean = "/".join(parts)
    if clean == name and len(name) <= LONGEST_NAME:
        return name
    return f"{clean[: LONGEST_NAME - 9]}-{_digest(name)}"


def params_for_mlflow(params: Mapping[str, str]) -> dict[str, str]:
    """Return params; of a value too long, the beginning and a digest."""
    return _fitted(params, LONGEST_PARAM)


def tags_for_mlflow(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags; of a value too long, the beginning and a digest."""
    return _fitted(tags, LONGEST_TAG)


def text_for_mlflow(text: str) -> str:
    """Return text without what databases refuse: NUL and lone surrogates."""
    sound = text.replace("\0", "\\0")
    return sound.encode("utf-8", "backslashreplace").decode()


def _fitted(values: Mapping[str, str], limit: int) -> dict[str, str]:
    return {
        name_for_mlflow(name): _cut(text_for_mlflow(value), limit)
        for name, value in values.items()
    }


def _cut(value: str, limit: int) -> str:
    if len(value) <= limit:
        return value
    mark = f"... ({len(value)} characters, sha256 {_digest(value)})"
    return value[: limit - len(mark)] + mark


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]
