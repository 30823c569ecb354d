"""`w2v sweep`: what came of sweeps."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import as_json, home

if TYPE_CHECKING:
    from pipeline.errors import StoppedError
    from pipeline.sweep.ledger import Ledger, TrialRecord
    from pipeline.sweep.results import SweepResults, TrialResult

_by = click.option(
    "--by", metavar="METRIC", help="Judge by this metric, not by the sweep's own."
)


@click.group()
def sweep() -> None:
    """Look at sweeps: w2v run -m begins one and goes on with it.

    SWEEP is a sweep's name, the start of one, or `last`.
    """


@sweep.command("ls")
@as_json
@home
def list_sweeps(as_json: bool, home: Path) -> None:
    """List all sweeps, the one begun last first."""
    from pipeline.sweep.ledger import Ledger, sweep_names
    from pipeline.sweep.results import ranked_cells, read_results

    rows: list[dict[str, object]] = []
    shown = []
    for name in sweep_names(home):
        ledger = Ledger(home, name)
        results = read_results(ledger)
        cells = ranked_cells(results)
        statuses = [trial.status for trial in results.trials]
        score = cells[0].mean if cells else None
        sweep = ledger.sweep()
        rows.append(
            {
                "name": name,
                "began": sweep.began,
                "search": sweep.config.search,
                "trials": dict(Counter(statuses)),
                "objective": results.objective,
                "best": score,
            }
        )
        shown.append(
            f"{sweep.began[:16]}  {name:<40}  {sweep.config.search:<7} "
            f"{_counted(statuses)}  {results.objective}"
            + ("" if score is None else f"  best {score:.4f}")
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"no sweeps in {home}; w2v run -m begins one")
    for line in shown:
        click.echo(line)


@sweep.command("show")
@click.argument("sweep")
@_by
@as_json
@home
def show_sweep(sweep: str, by: str | None, as_json: bool, home: Path) -> None:
    """Show the trials of SWEEP, and where the UI compares them."""
    from pipeline.sweep.ledger import find_ledger
    from pipeline.sweep.results import read_results

    results = read_results(find_ledger(home, sweep), objective=by)
    if as_json:
        click.echo(json.dumps(_plain(results), indent=2))
    else:
        print_results(results)


@sweep.command("best")
@click.argument("sweep")
@_by
@as_json
@home
def best_of_sweep(sweep: str, by: str | None, as_json: bool, home: Path) -> None:
    """Show the cell of SWEEP with the best mean, and its best run."""
    from pipeline.errors import SweepError
    from pipeline.sweep.ledger import find_ledger
    from pipeline.sweep.results import best_trial, ranked_cells, read_results

    ledger = find_ledger(home, sweep)
    results = read_results(ledger, objective=by)
    best = best_trial(results)
    if best is None:
        raise SweepError(
            f"sweep {results.name}: no trial that finished has {results.objective}"
        )
    cell = ranked_cells(results)[0]
    drawn = ledger.sweep()
    run_id = drawn.best_run if drawn.best_trial == best.number else best.run_id
    if as_json:
        plain = {
            "cell": dict(cell.cell),
            "mean": cell.mean,
            "seeds": [trial.seed for trial in cell.trials],
            "objective": results.objective,
            "trial": best.number,
            "run_id": run_id,
        }
        click.echo(json.dumps(plain, indent=2))
        return
    click.echo(_shown(cell.cell))
    click.echo(
        f"{results.objective} {cell.mean:.4f}, mean over {len(cell.trials)} of "
        "the seeds; w2v sweep report says what is within the noise"
        if len(cell.trials) > 1
        else f"{results.objective} {cell.mean:.4f}, with one seed: that says little "
        "about noise (sweep.seeds)"
    )
    _print_caution(results)
    click.echo(f"run_id: {run_id}")


@sweep.command("report")
@click.argument("sweep")
@_by
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.")
@home
def report_sweep(sweep: str, by: str | None, out: Path | None, home: Path) -> None:
    """Write the report of SWEEP: which cell wins, if one does."""
    from pipeline.sweep.ledger import find_ledger
    from pipeline.sweep.results import read_results
    from pipeline.sweep.sweeper import write_report_files

    ledger = find_ledger(home, sweep)
    folder = out or ledger.folder / "report"
    results = read_results(ledger, objective=by)
    for path in write_report_files(ledger, results, folder):
        click.echo(path)


def print_trial(trial: "TrialRecord") -> None:
    """Print how a trial ended, on one line."""
    loss = trial.metrics.get("train/heldout_loss")
    score = "" if loss is None else f"  held-out loss {loss:.4f}"
    error = f"  {trial.error.splitlines()[0]}" if trial.error else ""
    shown = " ".join(trial.overrides)
    click.echo(
        f"trial {trial.number:<4} {trial.outcome:<9}{trial.seconds:>7.1f} s  "
        f"{shown}{score}{error}"
    )


def print_summary(ledger: "Ledger") -> None:
    """Print what a sweep came to; the last line names it for scripts."""
    from pipeline.sweep.results import ranked_cells, read_results

    results = read_results(ledger)
    click.echo(f"\n{_counted(trial.status for trial in results.trials)}")
    for cell in ranked_cells(results)[:1]:
        click.echo(f"best {results.objective} {cell.mean:.4f}: {_shown(cell.cell)}")
        _print_caution(results)
    click.echo(f"sweep: {results.name}")


def print_stopped(stop: "StoppedError") -> None:
    """Say which trials are to be gone on with."""
    click.echo(f"\n{stop}")


def _print_caution(results: "SweepResults") -> None:
    """Say where the objective cannot tell which cell is the best."""
    from pipeline.sweep.config import loss_keys
    from pipeline.sweep.results import swept_params

    changing = loss_keys(results.objective, swept_params(results))
    if changing:
        click.echo(
            f"no winner: a loss is another quantity at each value of "
            f"{' and of '.join(changing)}; judge by a score of the vectors "
            "(--by METRIC, sweep.objective)"
        )


def print_results(results: "SweepResults") -> None:
    """Print all trials of a sweep; the last lines say what to do next."""
    counted = _counted(trial.status for trial in results.trials)
    click.echo(f"sweep {results.name}: {counted}")
    better = "more" if results.maximize else "less"
    click.echo(f"objective {results.objective}, {better} is better")
    click.echo()
    for trial in results.trials:
        click.echo(_row(trial, results.objective))
    if results.ui_address:
        click.echo()
        click.echo(f"compare (w2v ui): {results.ui_address}")


def _row(trial: "TrialResult", objective: str) -> str:
    value = trial.metrics.get(objective)
    score = f"{value:>10.4f}" if value is not None else " " * 10
    said = f"  {trial.error.splitlines()[0]}" if trial.error else ""
    run = (trial.run_id or "")[:8]
    return (
        f"{trial.number:>4}  {trial.status:<9}{score}{trial.seconds:>8.1f} s  {run:<9} "
        f"{_shown(trial.cell)} seed={trial.seed}{said}"
    )


def _shown(cell: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in cell.items())


def _counted(statuses: Iterable[str]) -> str:
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {status}" for status in sorted(counts))


def _plain(results: "SweepResults") -> dict[str, object]:
    return {
        "name": results.name,
        "objective": results.objective,
        "maximize": results.maximize,
        "ui_address": results.ui_address,
        "trials": [_plain_trial(trial) for trial in results.trials],
    }


def _plain_trial(trial: "TrialResult") -> dict[str, object]:
    return {
        "number": trial.number,
        "cell": dict(trial.cell),
        "seed": trial.seed,
        "status": trial.status,
        "error": trial.error,
        "metrics": dict(trial.metrics),
        "seconds": trial.seconds,
        "run_id": trial.run_id,
        "run_address": trial.run_address,
    }
