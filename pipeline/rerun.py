"""Build a run again from its record, and judge whether it came out the same.

    <home>/reruns/<run_id>/cache    what is computed for it, until it ends

By default all is computed anew, in a cache of the rerun's own: a verdict read from
the cache would prove nothing, and nothing the cache holds is replaced by a result
that differs. If the rerun is killed, the next one goes on from there.

A record is data, and may come from a stranger. Its config passes the checks that
one typed by hand passes. Whatever it says, all that is written goes below the
user's home and to the tracking store the user names; compiled code, which a
library would run, is taken from the user's home only; and a file that it names is
read into the run only if its content is what the record says, or if the user names
it too.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cache import Cache
from pipeline.config import COMPILING, check_config, check_tracking
from pipeline.core.files import make_folder
from pipeline.errors import ConfigError, TrackingError
from pipeline.inputs import check_inputs, input_files, named_by_user
from pipeline.locks import try_lock
from pipeline.records import RunRecord, load_record
from pipeline.verdict import Judged, judge

log = logging.getLogger(__name__)

_NOT_SET = (
    *("home", "cache", "tracking"),
    *(f"{group}.kernel_cache" for group in COMPILING),
)


@dataclass(frozen=True)
class Rerun:
    """A run, and how it came out again.

    Attributes:
        recorded: The run's record.
        again: The record of the run that repeated it.
        judged: What came again and what did not.
    """

    recorded: RunRecord
    again: RunRecord
    judged: Sequence[Judged]

    @property
    def same(self) -> bool:
        """Whether nothing differs by more than the tolerance, if there is one."""
        return all(row.verdict != "differs" for row in self.judged)


def rerun(
    home: Path,
    run: str,
    *,
    exact: bool = False,
    use_cache: bool = False,
    tracking: str = "local",
    changes: Sequence[str] = (),
) -> Rerun:
    """Run a recorded run again and compare.

    Args:
        home: The folder that holds the runs; absolute.
        run: A finished run: its id, the start of it, or `last`.
        exact: Whether to run the code of then, with its libraries, instead of
            today's.
        use_cache: Whether a result may be taken from the cache.
        tracking: Where to track the rerun: `local`, `off`, or a server's address.
        changes: Config keys to set, `KEY=VALUE` with the value in JSON or as
            plain text, such as for files that have moved.

    Raises:
        ConfigError: if a change names no key, or a value is not legal.
        DataError: if a file that the record names is not there or has changed.
        TrackingError: if there is no such run or it cannot be repeated.
        W2VError: what the run itself raises.
    """
    recorded = load_record(home, run)
    if recorded.status != "FINISHED":
        raise TrackingError(
            f"run {recorded.run_id} is {recorded.status}: expected a finished run, as "
            "there is no whole result to compare with. Run it with w2v run"
        )
    values = _values(recorded, home, tracking, changes)
    check_tracking(values["tracking"])
    named = named_by_user(values, changes)
    with _scratch(home, recorded.run_id) as scratch:
        if exact:
            from pipeline.exact import run_then

            again = run_then(home, recorded, values, scratch, named)
        else:
            again = _run_now(
                recorded, values, scratch, named, changes, use_cache=use_cache
            )
    return Rerun(recorded, again, judge(recorded, again))


def _run_now(
    recorded: RunRecord,
    values: Mapping[str, Any],
    scratch: Path,
    named: set[str],
    changes: Sequence[str],
    *,
    use_cache: bool,
) -> RunRecord:
    """Run today's code."""
    from pipeline.run import run_pipeline

    # Keys without effect on the result, which an older record does not have.
    values = {**values, "cache": {"earlier": [], **values["cache"]}}
    if isinstance(values.get("train"), dict):
        values["train"] = {"time_budget": None, **values["train"]}
    if isinstance(values.get("evaluate"), dict):
        values["evaluate"] = {"kernel_cache": None, **values["evaluate"]}
    try:
        config = check_config(values)
    except ConfigError as error:
        if changes:
            raise
        raise TrackingError(
            f"the config of run {recorded.run_id} does not fit today's code: {error}. "
            "Change it with --set KEY=VALUE, or run the code of then with --exact"
        ) from error
    check_inputs(recorded, input_files(config), named)
    cache = Cache(config.home_folder / "cache" if use_cache else scratch / "cache")
    overrides = (*recorded.overrides, *changes)
    return run_pipeline(
        config,
        values,
        overrides,
        on_end=lambda _: None,
        cache=cache,
        repeats=recorded.run_id,
    )


def _values(
    recorded: RunRecord, home: Path, tracking: str, changes: Sequence[str]
) -> dict[str, Any]:
    """Return a record's config with the user's places in it."""
    values: dict[str, Any] = json.loads(json.dumps(recorded.config))
    values["home"] = str(home)
    values["cache"] = {"mode": "use", **_emptied(values.get("cache"), "earlier", [])}
    values["tracking"] = _tracking(tracking, values.get("tracking"))
    train = values.get("train")
    if isinstance(train, dict):
        train |= _emptied(train, "time_budget", None)
    folder = os.environ.get("W2V_KERNEL_CACHE", str(home / "cache" / "numba"))
    for name in COMPILING:
        group = values.get(name)
        if isinstance(group, dict) and group.get("kernel_cache") is not None:
            group["kernel_cache"] = folder
    for change in changes:
        _set(values, change)
    return values


def _emptied(group: object, key: str, nothing: object) -> dict[str, object]:
    """Return a key without effect if the group has it: older code knows none."""
    return {key: nothing} if isinstance(group, dict) and key in group else {}


def _tracking(where: str, recorded: object) -> dict[str, Any]:
    if where == "off":
        return {"backend": "off"}
    then = recorded if isinstance(recorded, dict) else {}
    common = {
        "experiment": then.get("experiment", "word2vec"),
        "system_seconds": then.get("system_seconds", 10.0),
        "register_as": None,  # the same vectors once more are no new version
    }
    if where == "local":
        return {"backend": "local", **common}
    return {"backend": "server", "uri": where, **common}


def _set(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: expected KEY=VALUE, found {change!r}")
    if any(key == own or key.startswith(f"{own}.") for own in _NOT_SET):
        raise ConfigError(
            f"--set {key}: not to be set here; there are --home and --tracking"
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text  # plain text, such as a path
    except RecursionError as error:
        raise ConfigError(f"--set {key}: nested too deeply to be read") from error
    *above, last = key.split(".")
    place: Any = values
    for part in above:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        raise ConfigError(f"--set {key}: the run's config has no such key")
    if key == "seed":  # every group that was handed it is handed the new one
        for group in values.values():
            if isinstance(group, dict) and group.get("seed") == place[last]:
                group["seed"] = value
    place[last] = value


@contextmanager
def _scratch(home: Path, run_id: str) -> Iterator[Path]:
    """Give a rerun its folder, kept only if it is interrupted or killed."""
    folder, locks = home / "reruns" / run_id, home / "cache" / "locks"
    make_folder(locks)
    lock = try_lock(locks / f"rerun-{run_id}.lock")
    if lock is None:
        message = f"run {run_id} is being repeated by another process: wait for it"
        raise TrackingError(message)
    try:
        make_folder(folder)
        yield folder
    except KeyboardInterrupt:
        log.info("the next rerun of %s goes on from here", run_id)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder)
    finally:
        lock.release()
