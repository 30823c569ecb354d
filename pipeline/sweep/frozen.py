"""The code of a sweep: fixed when it begins, checked before each trial.

A trial must run the code that the sweep began with. A process loads all of it at
once, so that an edit while it works has no effect on it; a process that comes later
and finds other code refuses to run.
"""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pipeline.artifacts import json_digest
from pipeline.dag import STAGES
from pipeline.errors import SweepError
from pipeline.graph import select
from pipeline.processes import importing
from pipeline.sources import ROOT, describe

_DIGITS = 12  # of a definition's digest: to tell two apart
_SHOWN = 4


@dataclass(frozen=True)
class Code:
    """The code that some stages can reach.

    Attributes:
        stages: Stage -> digest of its code and of the libraries' versions.
        definitions: `file: function` -> start of its digest.
        versions: Python and the libraries -> version.
    """

    stages: Mapping[str, str]
    definitions: Mapping[str, str]
    versions: Mapping[str, str]


@cache
def loaded_code(targets: tuple[str, ...]) -> Code:
    """Load all code that the targets need, and describe it.

    The answer stays the same while the process lives, as the code in it does.

    Raises:
        SweepError: if a file was edited meanwhile.
    """
    stages = select(STAGES, targets)
    sources = {stage.name: describe(stage.function.__module__) for stage in stages}
    definitions = {
        label: digest
        for source in sources.values()
        for label, digest in source.definitions.items()
    }
    files = sorted({label.partition(": ")[0] for label in definitions})
    before = _content(files)
    with importing():
        for file in files:
            module = file.removesuffix(".py").removesuffix("/__init__")
            importlib.import_module(module.replace("/", "."))
    if _content(files) != before:
        raise SweepError("the code was edited while it was being loaded: repeat this")
    return Code(
        stages={
            name: json_digest([dict(source.definitions), dict(source.versions)])
            for name, source in sources.items()
        },
        definitions={k: v[:_DIGITS] for k, v in definitions.items()},
        versions={k: v for s in sources.values() for k, v in s.versions.items()},
    )


def check_code(name: str, then: Code, now: Code) -> None:
    """Check that the code is that which a sweep began with.

    Args:
        name: The sweep.
        then: What it began with.
        now: What this process has loaded.

    Raises:
        SweepError: naming what differs.
    """
    if then.stages == now.stages:
        return
    changed = [
        *_changed(then.definitions, now.definitions),
        *_changed(then.versions, now.versions),
    ]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    raise SweepError(
        f"sweep {name} began with other code: {', '.join(changed[:_SHOWN])}{more} "
        "changed since, and its trials would not be alike. Bring the code back to what "
        "it was, or begin another sweep (sweep.name=NAME)"
    )


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(k for k in then.keys() | now.keys() if then.get(k) != now.get(k))


def _content(files: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()
