"""Run a sweep: plan its trials, launch what is missing, say what came of it."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import provenance
from pipeline.config import check_config
from pipeline.core.files import scratch_of
from pipeline.core.interrupts import held_interrupts
from pipeline.core.score_files import named_files
from pipeline.core.word_pairs import WordPair, read_pairs
from pipeline.dead_runs import close_runs_of
from pipeline.errors import StoppedError, SweepError, W2VError
from pipeline.records import GitRecord, RunRecord, Status, TrackingRecord, now
from pipeline.run import run_pipeline
from pipeline.sweep.config import SweepConfig, read_sweep
from pipeline.sweep.frozen import check_code, loaded_code
from pipeline.sweep.ledger import Ledger, SweepRecord, TrialRecord
from pipeline.sweep.parent import Parent, open_parent
from pipeline.sweep.plan import (
    Planner,
    Space,
    check_same_base,
    check_same_search,
    default_name,
    longest_first,
    read_space,
)
from pipeline.sweep.results import (
    SweepResults,
    best_trial,
    best_values,
    read_results,
    swept_params,
)
from pipeline.sweep.space import split_overrides
from pipeline.sweep.trial import Membership, code_of, run_config
from pipeline.sweep.workers import started, trials_end_first
from pipeline.tracking.tracker import prepare_tracking

if TYPE_CHECKING:
    from pipeline.sweep.launch import HydraLaunch

log = logging.getLogger(__name__)


def run_sweep(launch: "HydraLaunch", overrides: Sequence[str]) -> Ledger:
    """Run what is missing of the sweep that overrides describe.

    Args:
        launch: What Hydra gave.
        overrides: The command line's, in Hydra's grammar.

    Returns:
        The sweep's ledger.

    Raises:
        ConfigError: if they describe no sweep, or one that differs from that of
            its name; nothing is run then.
        SweepError: if the code differs from that which the sweep began with, or
            trials failed; the others have run then.
        StoppedError: if trials were stopped at their time budget, and none failed.
        KeyboardInterrupt: if interrupted; the same command goes on.
    """
    from pipeline.sweep.launch import Composer

    config = read_sweep(launch.sweep)
    axes, typed = split_overrides(overrides, config.space)
    fixed = tuple(
        t for t in typed if not t.lstrip("+").startswith(("sweep=", "sweep."))
    )
    space = read_space(axes, config, int(launch.master.seed))
    name = config.name or default_name(axes, fixed, config)
    ledger = Ledger(launch.home, name)
    swept = [axis.name for axis in axes]
    compose = Composer(launch, fixed, swept).values
    planner = Planner(ledger, space, config, compose)
    with ExitStack() as processes:
        # A sweep that is gone on with may have nothing left to run.
        most = 0 if ledger.exists() else planner.cells * len(space.seeds)
        ready = processes.enter_context(
            started(launch.launcher, launch.targets, tracked=launch.tracked, most=most)
        )
        planner.check()
        parent: Parent | None = None
        status: Status = "KILLED"
        message = "interrupted"
        try:
            with ledger.lock():
                record = _begin(ledger, planner, space, config, fixed)
                chosen = check_config(record.base)
                prepare_tracking(chosen.tracking, launch.home)
                # A run that is begun in the store is a run that will be ended there.
                with held_interrupts():
                    parent = open_parent(ledger, record, chosen.tracking)
                    record = replace(
                        record,
                        run_id=parent.run_id,
                        experiment=parent.experiment,
                        tracking=replace(record.tracking, uri=parent.uri),
                    )
                    ledger.save_sweep(record)
            failed, stopped = _run_batches(launch, ledger, planner, parent, ready)
            processes.close()
            if not launch.targets_given and not stopped:
                _draw_best(ledger, parent)
            _report(ledger, parent)
            status, message = "FINISHED", ""
        except Exception as error:
            status, message = "FAILED", str(error)
            raise
        finally:
            if parent:
                with held_interrupts():
                    parent.end(status, message)
    if failed:
        raise SweepError(
            f"{len(failed)} of {planner.cells * len(space.seeds)} trials failed, such "
            f"as {failed[0].number}: {failed[0].error}. w2v sweep show {name} lists "
            "them; the same command runs them again"
        )
    if stopped:
        raise StoppedError(
            f"{len(stopped)} of {planner.cells * len(space.seeds)} trials of sweep "
            f"{name} stopped at train.time_budget: the same command goes on with them"
        )
    return ledger


def _begin(
    ledger: Ledger,
    planner: Planner,
    space: Space,
    config: SweepConfig,
    fixed: Sequence[str],
) -> SweepRecord:
    """Return the record of a sweep: a new one, or that which it began with."""
    values = planner.first_values()
    code = loaded_code(tuple(values["targets"]))
    shown = {axis.name: axis.text for axis in space.axes}
    shown["seed"] = ",".join(map(str, space.seeds))
    if ledger.exists():
        record = ledger.sweep()
        check_same_search(record.config, config, record.name)
        check_same_base(record, values, [*record.space, *space.keys])
        check_code(record.name, code_of(record), code)
        return replace(record, space={**record.space, **shown}, config=config)
    git = provenance.git_state(scratch=scratch_of(ledger.home))
    ledger.save_diff(git.diff if git else b"")
    return SweepRecord(
        name=ledger.name,
        began=now(),
        space=shown,
        overrides=tuple(fixed),
        config=config,
        base=values,
        code=code.stages,
        definitions=code.definitions,
        versions=code.versions,
        git=GitRecord(git.commit if git else None, bool(git and git.dirty)),
        tracking=TrackingRecord(values["tracking"]["backend"], ""),
    )


def _run_batches(
    launch: "HydraLaunch",
    ledger: Ledger,
    planner: Planner,
    parent: Parent,
    ready: Callable[[], None],
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Run what has not ended, batch by batch; return what failed and what stopped.

    A batch that learns from one with trials that were stopped waits for them.
    """
    failed: list[TrialRecord] = []
    for batch in planner.batches:
        with ledger.lock():
            trials = planner.plan(batch)
        waiting = [trial for trial in trials if not trial.ended]
        if waiting:
            log.info(
                "sweep %s: %d trials, %d of them ended before",
                *(ledger.name, len(trials), len(trials) - len(waiting)),
            )
            if not launch.one_by_one:
                waiting = longest_first(waiting)
            ready()
            _launch(launch, ledger, waiting, wait=False)
            # Those that another process had.
            busy = [t for t in waiting if ledger.trial(t.number).outcome == "planned"]
            if busy:
                _launch(launch, ledger, busy, wait=True)
            results = read_results(ledger)
            parent.log(best_values(results))
            parent.keep_view(
                swept_params(results), results.objective, maximize=results.maximize
            )
        ended = [ledger.trial(trial.number) for trial in trials]
        failed += [trial for trial in ended if trial.outcome == "failed"]
        stopped = [trial for trial in ended if trial.outcome == "stopped"]
        if stopped:
            return failed, stopped
    return failed, []


def _launch(
    launch: "HydraLaunch", ledger: Ledger, trials: Sequence[TrialRecord], *, wait: bool
) -> None:
    """Run trials; see `HydraLaunch.launch`."""
    jobs = [(trial.number, trial.overrides) for trial in trials]

    def are_running() -> bool:
        return any(ledger.is_running(trial.number) for trial in trials)

    try:
        with trials_end_first(are_running):
            launch.launch(ledger.name, jobs, wait=wait)
    except BaseException as error:
        # A launcher may have killed its processes, and their runs would stay open.
        configs = [run_config(ledger, trial) for trial in trials]
        interrupted = isinstance(error, KeyboardInterrupt)
        message = "interrupted" if interrupted else "its process was killed"
        close_runs_of(ledger.home, configs, message)
        raise


def _draw_best(ledger: Ledger, parent: Parent) -> None:
    """Run the best trial once more, to its pictures; the rest is in the cache."""
    best, record = best_trial(read_results(ledger)), ledger.sweep()
    if best is None or best.number == record.best_trial:
        return
    trial = ledger.trial(best.number)
    values = {**run_config(ledger, trial), "targets": []}
    part = Membership(ledger, record, trial)
    part.tags["sweep.best"] = "true"
    log.info("sweep %s: trial %d is the best; its pictures", record.name, best.number)
    runs: list[RunRecord] = []
    config = check_config(values)
    try:
        run_pipeline(config, values, trial.overrides, on_end=runs.append, part=part)
    except W2VError as error:
        # The trials stand; pictures can be had with the next command.
        log.error("no pictures of trial %d: %s", best.number, error)  # noqa: TRY400 - a trace would bury it
        return
    with ledger.lock():
        ledger.save_sweep(
            replace(ledger.sweep(), best_trial=best.number, best_run=runs[-1].run_id)
        )


def write_report_files(
    ledger: Ledger, results: SweepResults, folder: Path
) -> list[Path]:
    """Write the report of a sweep, and return its files."""
    from pipeline.sweep.report import write_report

    words = {t.vocab_digest for t in results.trials if t.status == "finished"}
    write_report(results, folder, pairs=_word_pairs(ledger) if len(words) > 1 else None)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _word_pairs(ledger: Ledger) -> dict[str, Sequence[WordPair]]:
    """Read the word pairs that the trials were scored on; none where they are gone."""
    given = ledger.sweep().base.get("evaluate", {}).get("similarity_files", ())
    try:
        files = named_files("evaluate.similarity_files", given)
        return {name: read_pairs(path) for name, path in files.items()}
    except W2VError as error:
        log.warning("the report has no scores on shared word pairs: %s", error)
        return {}


def _report(ledger: Ledger, parent: Parent) -> None:
    """Write the report, and keep it with the parent."""
    folder = ledger.folder / "report"
    files = write_report_files(ledger, read_results(ledger), folder)
    parent.log_files(
        {f"report/{p.relative_to(folder).as_posix()}": p.read_bytes() for p in files}
    )
