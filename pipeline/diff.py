"""Say in what two runs differ: what went into them, and what came out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline import provenance
from pipeline.records import RunRecord
from pipeline.tracking.tracker import params_of

Section = Literal[
    "config",
    "code",
    "inputs",
    "versions",
    "machine",
    "stages",
    "metrics",
    "artifacts",
]

# Keys that say where things lie and how a run is kept. No result depends on them.
_PLACES = re.compile(r"(home|cache\..*|(train|evaluate)\.kernel_cache|tracking\..*)")
# Metrics that measure time, or are taken when some time has passed.
_TIMED = re.compile(r"(system|stage)/.*|train/live_.*|.*words_per_second|.*_seconds")
# Artifacts that say what went into a run; that is compared by itself.
_ABOUT_THE_RUN = {"config.yaml", "environment.json", "uncommitted.diff"}

UNCOMMITTED = "uncommitted.diff"  # the artifact that holds changes since the commit


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not share.

    Attributes:
        section: What kind of thing.
        name: Its name.
        first: What it is in the first run; None where that has none.
        second: What it is in the second run; None where that has none.
        stages: Of code, the stages that can reach it; empty otherwise.
    """

    section: Section
    name: str
    first: str | None
    second: str | None
    stages: tuple[str, ...] = ()


def differences(first: RunRecord, second: RunRecord) -> list[Difference]:
    """Return what differs between two runs, section by section.

    Keys of the config that say where things lie (home, tracking, cache,
    train.kernel_cache) are left out, as are metrics that measure time, packages
    that the pipeline does not need, and what `not_recorded` names of either run.
    """
    old = not_recorded(first) or not_recorded(second)
    return [
        *_rows("config", _config(first), _config(second)),
        *_code(first, second),
        *(() if old else _rows("inputs", inputs(first), inputs(second))),
        *_rows("versions", _versions(first), _versions(second)),
        *_rows("machine", _machine(first), _machine(second)),
        *_rows("stages", digests(first), digests(second)),
        *_rows("metrics", measures(first.metrics), measures(second.metrics)),
        *(() if old else _rows("artifacts", artifacts(first), artifacts(second))),
    ]


def not_recorded(record: RunRecord) -> tuple[str, ...]:
    """Name what a record of before it was kept does not hold."""
    missing = []
    if record.stages and not any(stage.code for stage in record.stages.values()):
        missing.append("the code and the input files of its stages")
    if record.artifacts and not record.artifact_digests:
        missing.append("the digests of its artifacts")
    return tuple(missing)


def measures(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that do not measure time."""
    return {k: v for k, v in metrics.items() if not _TIMED.fullmatch(k)}


def digests(record: RunRecord) -> dict[str, str]:
    """Return stage -> digest of its outputs."""
    return {name: stage.digest for name, stage in record.stages.items()}


def artifacts(record: RunRecord) -> dict[str, str]:
    """Return path -> sha256 of the artifacts that are results."""
    return {
        path: digest
        for path, digest in record.artifact_digests.items()
        if path not in _ABOUT_THE_RUN
    }


def inputs(record: RunRecord) -> dict[str, str]:
    """Return `stage: label` -> sha256 of the files that a run read."""
    return {
        f"{name}: {label}": digest
        for name, stage in record.stages.items()
        for label, digest in stage.files.items()
    }


def _code(first: RunRecord, second: RunRecord) -> list[Difference]:
    reached: dict[Difference, list[str]] = {}
    for stage in first.stages:
        if stage not in second.stages:
            continue
        one, other = first.stages[stage].code, second.stages[stage].code
        if one and other:  # both are of a time when code was recorded
            for row in _rows("code", one, other):
                reached.setdefault(row, []).append(stage)
    return [
        *_rows("code", _git(first), _git(second)),
        *(
            replace(row, stages=tuple(stages))
            for row, stages in sorted(reached.items(), key=lambda item: item[0].name)
        ),
    ]


def _git(record: RunRecord) -> dict[str, str]:
    found = {"commit": record.git.commit or "none"}
    if record.git.dirty:
        digest = record.artifact_digests.get(UNCOMMITTED, "not recorded")
        found["changes since the commit"] = digest
    return found


def _config(record: RunRecord) -> dict[str, str]:
    flat = params_of(record.config)
    return {k: v for k, v in flat.items() if not _PLACES.fullmatch(k)}


def _versions(record: RunRecord) -> dict[str, str]:
    needed = provenance.runtime_packages()
    packages = record.environment.packages
    return {
        "python": record.environment.python,
        **{name: packages[name] for name in packages if name in needed},
    }


def _machine(record: RunRecord) -> dict[str, str]:
    environment = record.environment
    return {
        "system": environment.system,
        "processor": environment.processor,
        "vector features": " ".join(environment.vector_features),
        "threads": str(environment.threads),
        **environment.settings,
    }


def _rows(
    section: Section, first: Mapping[str, object], second: Mapping[str, object]
) -> Iterator[Difference]:
    """Yield what is not equal, in the first's order."""
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one != other:
            yield Difference(section, name, _text(one), _text(other))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
