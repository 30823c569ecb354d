"""`w2v diff`: in what two runs differ."""

import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import EXIT_FAILED, as_json, home
from pipeline.core.labels import visible

if TYPE_CHECKING:
    from pipeline.diff import Difference

_SHOWN = 6  # rows of a section: with all eight sections full, still one screen
_DIGEST = 12  # characters shown of a digest
_WIDEST = 40  # characters shown of a value


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@as_json
@home
def diff(run_a: str, run_b: str, *, as_json: bool, home: Path) -> None:
    """Show in what RUN_A and RUN_B differ: config, code, inputs, results.

    Left out: where things lie (home, tracking), metrics that measure time, and
    packages that the pipeline does not need.

    Exit codes: 0 if nothing differs; 1 if something does, or on an error.
    """
    from pipeline.diff import differences, not_recorded
    from pipeline.records import load_record

    first, second = load_record(home, run_a), load_record(home, run_b)
    found = differences(first, second)
    if as_json:
        rows = [asdict(row) for row in found]
        plain = {"runs": [first.run_id, second.run_id], "differences": rows}
        click.echo(json.dumps(plain, indent=2))
    else:
        click.echo(f"a: {visible(first.run_id)}  {first.status}  {visible(first.name)}")
        click.echo(
            f"b: {visible(second.run_id)}  {second.status}  {visible(second.name)}"
        )
        print_differences(found)
        if not found:
            click.echo("nothing differs")
        for record in (first, second):
            for missing in not_recorded(record):
                click.echo(
                    f"not compared: {missing} ({visible(record.run_id)} is too old)"
                )
    if found:
        sys.exit(EXIT_FAILED)


def print_differences(found: Sequence["Difference"]) -> None:
    """Print what differs, a few rows of each section."""
    for section, group in itertools.groupby(found, key=lambda row: row.section):
        rows = list(group)
        click.echo(f"\n{section}")
        for row in rows[:_SHOWN]:
            reach = f"  ({', '.join(row.stages)})" if row.stages else ""
            pair = f"{shown(row.first)} -> {shown(row.second)}"
            click.echo(f"  {visible(row.name)}: {pair}{reach}")
        if len(rows) > _SHOWN:
            click.echo(f"  and {len(rows) - _SHOWN} more (--json lists all)")


def shown(value: str | float | None) -> str:
    """Return a value as it is printed: short, and on one line."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if len(value) in (40, 64) and set(value) <= set("0123456789abcdef"):
        return value[:_DIGEST]
    plain = visible(value)
    return plain if len(plain) <= _WIDEST else f"{plain[: _WIDEST - 1]}…"
