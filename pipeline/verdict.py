"""Judge whether a run repeated another: digest by digest, metric by metric.

On a machine like the first, with the same libraries, every bit must come again.
Where the processor or the version of a library is another one, sums may be
rounded otherwise, and training carries that on. There

- stages that only read and count (ingest, vocab) and their metrics must still be
  identical, and so must the files that were read;
- any other metric may differ by 2%, or by 0.02, whichever is more;
- a digest or a file that differs counts as within the tolerance if every metric
  is, as what it holds cannot be compared number by number.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline import provenance
from pipeline.diff import artifacts, digests, inputs, measures
from pipeline.records import RunRecord

TOLERANCE = 0.02  # relative or absolute: about what training on other rounding moves

Kind = Literal["input", "stage", "metric", "artifact"]
Verdict = Literal["identical", "within tolerance", "differs"]

# Stages and metrics of whole numbers and text: nothing in them is rounded.
_EXACT_STAGES = {"ingest", "vocab"}
_EXACT_METRICS = ("corpus/", "vocab/")


@dataclass(frozen=True)
class Judged:
    """A thing that was to come again.

    Attributes:
        kind: What kind of thing.
        name: Its name.
        verdict: Whether it did.
        recorded: Its digest or value in the record; None if it was not there.
        found: The same in the rerun.
    """

    kind: Kind
    name: str
    verdict: Verdict
    recorded: str | float | None
    found: str | float | None


def judge(recorded: RunRecord, again: RunRecord) -> list[Judged]:
    """Judge every input, stage, metric and artifact of either run.

    Artifacts are left out if the record is older than their digests. Inputs are
    named `stage: label`.
    """
    metrics = list(_judged_metrics(recorded, again))
    tolerant = bool(elsewhere(recorded, again))
    near = tolerant and all(row.verdict != "differs" for row in metrics)
    stages = _judged("stage", digests(recorded), digests(again), near)
    read = _judged("input", *_read(recorded, again), near=False)
    files = (
        _judged("artifact", artifacts(recorded), artifacts(again), near)
        if recorded.artifact_digests
        else iter(())
    )
    return [*read, *stages, *metrics, *files]


def elsewhere(recorded: RunRecord, again: RunRecord) -> tuple[str, ...]:
    """Name what may round differently: processor, Python and libraries.

    Packages that the pipeline does not need (for development) do not count.
    """
    one, other = recorded.environment, again.environment
    traits: dict[str, tuple[object, object]] = {
        "processor": (one.processor, other.processor),
        "vector features": (one.vector_features, other.vector_features),
        "python": (one.python, other.python),
        "libc": (_libc(one.system), _libc(other.system)),
    }
    traits |= {
        name: (one.packages.get(name), other.packages.get(name))
        for name in sorted(provenance.runtime_packages())
    }
    return tuple(name for name, (then, now) in traits.items() if then != now)


def _read(
    recorded: RunRecord, again: RunRecord
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the inputs of both, under one name where a stage read the same content.

    A label holds a file's name, and files of the same content in the same order are
    the same input whatever their names.
    """
    files = {name: stage.files for name, stage in again.stages.items()}
    for name, stage in recorded.stages.items():
        if list(stage.files.values()) == list(files.get(name, {}).values()):
            files[name] = stage.files
    stages = {n: replace(s, files=files[n]) for n, s in again.stages.items()}
    return inputs(recorded), inputs(replace(again, stages=stages))


def _judged(
    kind: Kind, recorded: Mapping[str, str], found: Mapping[str, str], near: bool
) -> Iterator[Judged]:
    for name in dict.fromkeys([*recorded, *found]):
        one, other = recorded.get(name), found.get(name)
        verdict: Verdict = "differs"
        if one == other:
            verdict = "identical"
        elif near and one and other and name not in _EXACT_STAGES:
            verdict = "within tolerance"
        yield Judged(kind, name, verdict, one, other)


def _judged_metrics(recorded: RunRecord, again: RunRecord) -> Iterator[Judged]:
    tolerant = bool(elsewhere(recorded, again))
    first, second = measures(recorded.metrics), measures(again.metrics)
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        verdict: Verdict = "differs"
        if one == other:
            verdict = "identical"
        elif (
            tolerant
            and one is not None
            and other is not None
            and not name.startswith(_EXACT_METRICS)
            and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        ):
            verdict = "within tolerance"
        yield Judged("metric", name, verdict, one, other)


def _libc(system: str) -> str:
    found = re.search(r"-with-(.+)$", system)
    return found[1] if found else system
