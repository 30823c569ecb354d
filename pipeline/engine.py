"""Run stages in order, each at most once for the same ingredients.

What a stage receives always comes out of the cache, so that it cannot matter
whether the stage before it ran, was found there, or ran in another process.
"""

import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.beside import Companion
from pipeline.cache import Cache, Ingredients, Record
from pipeline.earlier import find_earlier, take_over
from pipeline.errors import CacheError, StorageError
from pipeline.explanation import Explanation, explain
from pipeline.graph import Stage, check, select
from pipeline.ingredients import find_result, ingredients_of, source_of
from pipeline.report import Report
from pipeline.reported import Recorder

__all__ = [
    "Explanation",
    "Observer",
    "Stage",
    "StageResult",
    "check",
    "explain",
    "resource_errors",
    "run",
    "run_stage",
    "select",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageResult:
    """How one stage of a run went.

    Attributes:
        name: The stage.
        record: What the cache holds of it.
        cached: Whether the result was found instead of computed.
        seconds: Time spent on it in this run.
    """

    name: str
    record: Record
    cached: bool
    seconds: float


class Observer(Protocol):
    """What the engine tells while it works, in the order of the stages.

    Only a stage that runs beside others is begun before them, and its report is then
    told from another thread.
    """

    def begin(self, stage: str) -> Report:
        """Take notice that a stage is looked at; give it its report."""
        ...

    def finish(
        self, result: StageResult, artifacts: Callable[[], Mapping[str, object]]
    ) -> None:
        """Take a stage's result; `artifacts` reads its outputs when called."""
        ...


def run(
    stages: Sequence[Stage],
    configs: Mapping[str, object],
    cache: Cache,
    observer: Observer,
    *,
    mode: str,
    beside: bool = False,
) -> dict[str, StageResult]:
    """Run stages in order, each at most once for the same ingredients.

    Args:
        stages: What `select` gave.
        configs: Stage name -> its config.
        cache: Where results are kept.
        observer: Is told of each stage.
        mode: `use`, `refresh` or `verify` (see `cache.CacheConfig`).
        beside: Whether stages that may run beside others do so; the results are the
            same either way.

    Returns:
        Stage name -> result, in order.

    Raises:
        W2VError: what a stage raised. Stages finished before stay in the cache. One
            that runs beside the stage that failed is stopped; the error of one that
            runs beside others is raised when it is its turn.
    """
    for stage in stages:
        # As the code is now: what is edited while an earlier stage runs is not what
        # this process has loaded.
        source_of(stage)
    digests: dict[str, str] = {}
    results: dict[str, StageResult] = {}
    companions: dict[str, Companion] = {}
    with ExitStack() as running:
        for place, stage in enumerate(stages):
            with resource_errors(stage.name):
                if beside and stage.name not in companions:
                    waiting = [s for s in stages[place:] if s.name not in companions]
                    for other, ingredients in _companions(
                        waiting, configs, digests, cache, mode=mode
                    ):
                        log.info("%s runs beside %s", other.name, stage.name)
                        companion = Companion(
                            *(other, configs[other.name], ingredients, cache),
                            mode=mode,
                            report=observer.begin(other.name),
                        )
                        companions[other.name] = running.enter_context(companion)
                result = None
                if stage.name in companions:
                    result = _result(stage, companions[stage.name], cache)
                if result is None:
                    report = observer.begin(stage.name)
                    config = configs[stage.name]
                    result = run_stage(stage, config, digests, cache, report, mode=mode)
                digests |= result.record.outputs
                results[stage.name] = result
                observer.finish(result, _reader(stage, result.record, cache))
    return results


def _companions(
    stages: Sequence[Stage],
    configs: Mapping[str, object],
    digests: Mapping[str, str],
    cache: Cache,
    *,
    mode: str,
) -> Iterator[tuple[Stage, Ingredients]]:
    """Yield the stages to run beside the first one, if all have to be computed."""
    first, *later = stages
    ready = [s for s in later if s.beside and s.takes.keys() <= digests.keys()]
    for stage in (first, *ready) if ready else ():
        ingredients = ingredients_of(stage, configs[stage.name], digests)
        if mode == "use" and (
            find_result(stage, ingredients.key, cache)
            or find_earlier(cache, stage.name, ingredients.key)
        ):
            if stage is first:
                return
        elif stage is not first:
            yield stage, ingredients


def _result(stage: Stage, companion: Companion, cache: Cache) -> StageResult | None:
    """Return what a stage gave in its own process; None if it is to run in this one."""
    answer = companion.wait()
    # It holds its objects in use until it is let go.
    record = find_result(stage, companion.key, cache) if answer else None
    companion.close()
    if not (answer and record):
        return None
    return StageResult(stage.name, record, answer.cached, answer.seconds)


def run_stage(
    stage: Stage,
    config: object,
    digests: Mapping[str, str],
    cache: Cache,
    report: Report,
    *,
    mode: str,
) -> StageResult:
    """Run one stage, or find what it gave before.

    Args:
        stage: The stage.
        config: Its config.
        digests: Artifact -> digest, of its inputs at least.
        cache: Where its inputs lie, and its result is kept.
        report: Takes what it says.
        mode: See `run`.

    Raises:
        W2VError: what the stage raised, and CacheError if it was to give what it
            gave before and did not.
    """
    started = time.perf_counter()
    ingredients = ingredients_of(stage, config, digests)
    key = ingredients.key
    with cache.lock(stage.name, key):
        known = find_result(stage, key, cache) if mode != "refresh" else None
        if cache.earlier and not known and mode == "use":
            take_over(cache, stage.name, key)
            known = find_result(stage, key, cache)
        if known and mode == "use":
            seconds = time.perf_counter() - started
            return StageResult(stage.name, known, cached=True, seconds=seconds)
        inputs: list[object] = [
            cache.load(digests[name], kind) for name, kind in stage.takes.items()
        ]
        workspace = cache.workspace(stage.name, key)
        recorder = Recorder(report, workspace / "reported.jsonl")
        outputs = stage.function(config, *inputs, workspace=workspace, report=recorder)
        named = outputs if isinstance(outputs, tuple) else (outputs,)
        seconds = time.perf_counter() - started
        try:
            record = cache.store(
                ingredients,
                dict(zip(stage.gives, named, strict=True)),
                recorder.series(),
                seconds,
                expected=known.outputs if known else None,
            )
        except CacheError:  # they differ: the next time begins anew
            shutil.rmtree(workspace)
            raise
        shutil.rmtree(workspace)
    return StageResult(stage.name, record, cached=False, seconds=seconds)


def _reader(
    stage: Stage, record: Record, cache: Cache
) -> Callable[[], Mapping[str, object]]:
    def read() -> Mapping[str, object]:
        return {
            name: cache.load(record.outputs[name], kind)
            for name, kind in stage.kinds.items()
        }

    return read


_STORAGE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}


@contextmanager
def resource_errors(stage: str) -> Iterator[None]:
    """Say in our own words when memory or the disk is full, or not to be written."""
    try:
        yield
    except MemoryError as error:
        raise StorageError(
            f"{stage}: not enough memory: {error}. Make its sizes smaller, such as "
            "train.dim, train.replicas or vocab.max_size; finished stages are kept"
        ) from error
    except OSError as error:
        if error.errno not in _STORAGE_ERRNOS:
            raise
        raise StorageError(
            f"{stage}: cannot write {error.filename or 'to disk'}: {error.strerror}. "
            "Free space, or set home to a folder on another disk; finished stages "
            "are kept"
        ) from error
