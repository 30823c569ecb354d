"""Look into whatever a path or a run's name leads to, and say whether it is sound."""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import file_digests, json_digest, load_artifact
from pipeline.cache import MANIFEST
from pipeline.core import npz
from pipeline.core.checkpoint import find_checkpoints
from pipeline.core.files import expanded
from pipeline.core.inspection import Inspection, describe, inspect_file
from pipeline.core.types import Embeddings, TrainingHistory, Vocab
from pipeline.errors import CacheError, ConfigError, TrackingError
from pipeline.loading import fetch, why_untrained
from pipeline.records import RunRecord, load_record

# Artifact -> the files that tell it from others.
_KINDS: Mapping[str, tuple[type, frozenset[str]]] = {
    "embeddings": (Embeddings, frozenset({"center.npy", "context.npy"})),
    "history": (TrainingHistory, frozenset({"loss.npy", "learning_rate.npy"})),
    "vocab": (Vocab, frozenset({"counts.npy", "normalization/fields.json"})),
}
_MOST_FILES = 1000  # of an artifact; the figures of a run are some dozens


def inspect(run_or_path: str, home: Path) -> Inspection:
    """Inspect a file, a folder or what a run kept.

    Args:
        run_or_path: A run id, the start of one, `last`, a file or a folder.
        home: The folder that holds the runs.

    Raises:
        ConfigError: if there is nothing of that name.
        TrackingError: if the run kept no vectors, or they cannot be had.
    """
    if not run_or_path:  # as a path it would be the folder one is in
        raise ConfigError("expected a file, a folder or a run, found an empty name")
    path = expanded(run_or_path)
    if os.path.lexists(path):
        return inspect_folder(path) if path.is_dir() else inspect_file(path)
    if path.suffix or len(path.parts) > 1:
        raise ConfigError(f"{path}: expected a file, a folder or a run, found nothing")
    try:
        record = load_record(home, run_or_path)
    except TrackingError as error:
        raise ConfigError(f"no file or folder of that name, and {error}") from error
    return _inspect_run(home, record)


def _inspect_run(home: Path, record: RunRecord) -> Inspection:
    """Inspect the checkpoint that a run ended with, or else its vectors."""
    kept = [p for p in record.artifacts if p.startswith("checkpoints/")]
    kept = sorted(kept)[-1:] or [p for p in record.artifacts if p == _VECTORS]
    if not kept:
        raise TrackingError(why_untrained(record, "neither checkpoint nor vectors"))
    found = inspect_file(fetch(home, record, kept[0]))
    expected = record.artifact_digests.get(kept[0])
    if expected and found.sha256 != expected:
        wrong = f"the run's record gives its SHA-256 as {expected}"
        return replace(found, damage=(*found.damage, wrong))
    return found


_VECTORS = "vectors/vectors.npz"


def inspect_folder(path: Path) -> Inspection:
    """Look into an artifact's folder, an object of the cache, or checkpoints.

    Of checkpoints, the furthest is inspected.
    """
    try:
        names = _files(path)
    except OSError as error:
        return Inspection(path, "unknown", (f"cannot be read: {error.strerror}",))
    except ValueError as error:
        return Inspection(path, "unknown", (str(error),))
    checkpoints = find_checkpoints(path)
    if checkpoints:
        return inspect_file(checkpoints[0])
    if "fields.json" not in names:
        found = ", ".join(sorted(names)[:5]) or "nothing"
        expected = "expected an artifact or checkpoints"
        return Inspection(path, "unknown", (f"{expected}, found {found:.200}",))
    kind = next((k for k, (_, own) in _KINDS.items() if own <= names), "artifact")
    arrays: dict[str, Any] = {}
    broken: list[str] = []
    for name in sorted(n for n in names if n.endswith(".npy")):
        try:
            arrays[name.removesuffix(".npy")] = npz.map_array(path / name)
        except (OSError, ValueError) as error:
            broken.append(f"{name} cannot be read: {error!s:.200}")
    found_there = describe(path, arrays)
    if kind in _KINDS and not broken:
        try:
            broken += _faults(load_artifact(_KINDS[kind][0], path))
        except CacheError as error:
            broken.append(f"{error!s:.500}")
    digest = None
    if MANIFEST in names:
        digest, wrong = _check_manifest(path)
        broken += wrong
    size = sum((path / name).stat().st_size for name in names)
    return replace(
        found_there,
        kind=kind,
        damage=tuple(broken),
        bytes=size,
        sha256=digest,
        words=_words(path / "fields.json"),
    )


def _words(path: Path) -> list[str] | None:
    """Return the words among the plain fields of an artifact, if it has some."""
    try:
        words = json.loads(path.read_bytes())["words"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    whole = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if whole else None


def _files(path: Path) -> set[str]:
    """Return the files of a folder, relative to it.

    Raises:
        ValueError: if there are too many, or one is no plain file: it may be a pipe.
    """
    names: set[str] = set()
    for folder, _, files in os.walk(path):
        for name in files:
            file = Path(folder) / name
            if not stat.S_ISREG(file.stat().st_mode):
                raise ValueError(f"expected files, found {name!r:.80}, which is none")
            names.add(file.relative_to(path).as_posix())
            if len(names) > _MOST_FILES:
                raise ValueError(
                    f"expected an artifact, found over {_MOST_FILES} files"
                )
    return names


def _faults(artifact: object) -> list[str]:
    """Say what does not fit together in an artifact that can be read."""
    match artifact:
        case Embeddings(words=words, center=center, context=context):
            fits = center.ndim == context.ndim == 2 and len(center) == len(words)
            if not fits or context.shape not in (center.shape, (len(center), 0)):
                shapes = f"center {center.shape} and context {context.shape}"
                return [f"{len(words)} words with {shapes}"]
            if not (np.isfinite(center).all() and np.isfinite(context).all()):
                return ["a vector that is not finite"]
        case TrainingHistory(loss=loss, heldout_loss=heldout, learning_rate=rate):
            if len(rate) != len(loss) or len(heldout) not in (0, len(loss)):
                return ["series of different lengths"]
            if not all(np.isfinite(s).all() for s in (loss, heldout, rate)):
                return ["a history that is not finite"]
        case Vocab(words=words, counts=counts) if len(words) != len(counts):
            return [f"{len(words)} words with {len(counts)} counts"]
    return []


def _check_manifest(path: Path) -> tuple[str, list[str]]:
    """Hash an object of the cache again: its digest, and what differs."""
    found = file_digests(path)
    found.pop(MANIFEST, None)
    digest = json_digest(found)
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (ValueError, RecursionError):
        return digest, [f"{MANIFEST} is not JSON"]
    if not isinstance(manifest, dict):
        return digest, [f"{MANIFEST} is no list of files"]
    names = sorted({*found, *map(str, manifest)})
    changed = [name for name in names if found.get(name) != manifest.get(name)]
    if changed:
        return digest, [f"{', '.join(changed):.500} not as {MANIFEST} gives it"]
    name = path.resolve().name
    if _DIGEST.fullmatch(name) and name != digest:
        return digest, [f"its content has the digest {digest}, not that of its name"]
    return digest, []


_DIGEST = re.compile("[0-9a-f]{64}")
