"""`w2v rerun`: whether a run comes out the same again."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.diff import print_differences, shown
from pipeline.commands.options import EXIT_FAILED, as_json, home
from pipeline.core.labels import visible

if TYPE_CHECKING:
    from pipeline.diff import Difference
    from pipeline.rerun import Rerun


@click.command()
@click.argument("run")
@click.option(
    "--exact", is_flag=True, help="Run the commit of then, with its libraries."
)
@click.option(
    "--cache/--no-cache",
    "use_cache",
    default=False,
    help="Whether results may be taken from the cache; no: all is computed anew.",
)
@click.option(
    "--tracking",
    default="local",
    show_default=True,
    help="Where to track the rerun: local, off, or a server's address.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a config key, such as ingest.path of files that have moved.",
)
@as_json
@home
def rerun(
    run: str,
    *,
    exact: bool,
    use_cache: bool,
    tracking: str,
    changes: tuple[str, ...],
    as_json: bool,
    home: Path,
) -> None:
    """Run RUN again from its record, and judge whether it comes out the same.

    Every input, stage digest, metric and artifact is identical, within tolerance
    or differs. A tolerance (2%, or 0.02) holds only where the processor or the
    version of a library is another than then. Metrics that measure time are not
    judged.

    Exit codes: 0 if nothing differs; 1 if something does, or the run fails.
    """
    from pipeline.rerun import rerun as repeat

    if exact and use_cache:
        raise click.UsageError("--exact computes all anew: it takes no --cache")
    done = repeat(
        home,
        run,
        exact=exact,
        use_cache=use_cache,
        tracking=tracking,
        changes=changes,
    )
    if as_json:
        click.echo(json.dumps(_plain_rerun(done), indent=2))
    else:
        _print_rerun(done)
    if not done.same:
        sys.exit(EXIT_FAILED)


def _print_rerun(done: "Rerun") -> None:
    """Print the verdict for people; the last line names the new run for scripts."""
    from pipeline.diff import not_recorded

    width = max(len(visible(row.name)) for row in done.judged)
    click.echo(f"{'kind':<9} {'name':<{width}}  {'verdict':<16} {'recorded':<14}again")
    for row in done.judged:
        click.echo(
            f"{row.kind:<9} {visible(row.name):<{width}}  {row.verdict:<16} "
            f"{shown(row.recorded):<14}{shown(row.found)}"
        )
    print_differences(_other(done))
    click.echo()
    for missing in not_recorded(done.recorded):
        click.echo(f"not judged: {missing}, which the record does not hold")
    counts = Counter(row.verdict for row in done.judged)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    click.echo(f"{'the same' if done.same else 'NOT the same'}: {told}")
    click.echo(f"run_id: {done.again.run_id}")


def _plain_rerun(done: "Rerun") -> dict[str, object]:
    from pipeline.verdict import TOLERANCE, elsewhere

    other = elsewhere(done.recorded, done.again)
    return {
        "run_id": done.again.run_id,
        "repeats": done.recorded.run_id,
        "same": done.same,
        "tolerance": TOLERANCE if other else 0.0,
        "rounds_otherwise": list(other),
        "verdicts": [asdict(row) for row in done.judged],
        "differences": [asdict(row) for row in _other(done)],
    }


def _other(done: "Rerun") -> list["Difference"]:
    """Return what differs besides what is judged."""
    from pipeline.diff import differences

    judged = {"inputs", "stages", "metrics", "artifacts"}
    found = differences(done.recorded, done.again)
    return [row for row in found if row.section not in judged]
