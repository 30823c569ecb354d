"""Look at all below home, and mend what is asked for.

Nothing is touched that a live process works with: runs, keys, objects and folders
that are being written are locked by those who use them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.cache import Cache
from pipeline.doctor.finding import Finding
from pipeline.doctor.results import (
    check_objects,
    check_records,
    check_reruns,
    check_workspaces,
)
from pipeline.doctor.runs import check_runs, check_store_runs, check_unsent
from pipeline.doctor.temporary import check_locks, check_temporary
from pipeline.errors import W2VError

State = Literal["found", "mended", "left", "note"]

# An object that goes may leave others without a record, and these are found then.
_PASSES = 3


@dataclass(frozen=True)
class Outcome:
    """A finding, and what became of it.

    Attributes:
        finding: What was found.
        state: `found`: not mended, as nobody asked; `mended`; `left`: could not be
            mended; `note`: need not be.
        reason: Why it was left.
    """

    finding: Finding
    state: State
    reason: str = ""


def examine(home: Path) -> list[Finding]:
    """Return all that is not as it should be below home, changing nothing.

    Reads every object of the cache.
    """
    cache = Cache(home / "cache")
    checks: Sequence[Iterator[Finding]] = (
        check_runs(home),
        check_store_runs(home),
        check_unsent(home),
        check_records(cache),
        check_objects(cache),
        check_workspaces(cache),
        check_reruns(home, cache),
        check_temporary(home, cache),
        check_locks(home, cache),
    )
    return [finding for check in checks for finding in check]


def mend(home: Path) -> list[Outcome]:
    """Mend what can be mended."""
    mended: list[Outcome] = []
    for _ in range(_PASSES):
        outcomes = [_mend(finding) for finding in examine(home)]
        fresh = [o for o in outcomes if o.state == "mended"]
        if not fresh:
            return mended + outcomes
        mended += fresh
    return mended + report(home)


def report(home: Path) -> list[Outcome]:
    """Return what is found, as it is."""
    return [Outcome(f, "note" if f.note else "found") for f in examine(home)]


def _mend(finding: Finding) -> Outcome:
    if finding.note:
        return Outcome(finding, "note")
    if finding.mend is None:
        return Outcome(finding, "left", "not to be mended here")
    try:
        done = finding.mend()
    except (W2VError, OSError) as error:
        return Outcome(finding, "left", str(error))
    return Outcome(finding, "mended") if done else Outcome(finding, "left", "in use")
