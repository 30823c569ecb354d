"""The commands that look after a home: `w2v doctor` and `w2v cache`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.commands import options
from pipeline.core.labels import visible


@click.command()
@click.option("--fix", is_flag=True, help="Mend what is found.")
@options.as_json
@options.home
def doctor(fix: bool, as_json: bool, home: Path) -> None:
    """Find what killed processes and bad disks left; mend it with --fix.

    Runs still RUNNING whose process is gone, locks and temporary files of dead
    processes, damaged or orphaned cache objects, metrics that were not sent. What a
    live process works with is never touched. Exit code 0 if all is well or mended,
    1 if something remains.
    """
    from pipeline.doctor.examination import mend, report
    from pipeline.errors import ConfigError
    from pipeline.sizes import show_size

    if not home.is_dir():
        found = "a file" if home.exists() else "nothing there"
        raise ConfigError(
            f"{home}: expected the folder that holds the runs, found {found}. Name it "
            "with --home or W2V_HOME"
        )
    outcomes = (mend if fix else report)(home)
    remains = [o for o in outcomes if o.state in ("found", "left")]
    if as_json:
        plain = [
            {
                "kind": o.finding.kind,
                "what": o.finding.what,
                "bytes": o.finding.bytes,
                "state": o.state,
                "remedy": o.finding.remedy,
                "reason": o.reason,
            }
            for o in outcomes
        ]
        click.echo(json.dumps({"home": str(home), "findings": plain}, indent=2))
    else:
        for o in outcomes:
            size = show_size(o.finding.bytes)
            what = visible(o.finding.what)
            click.echo(f"{o.state:<7}{size:>9}  {o.finding.kind}: {what}")
            said = visible(o.reason or o.finding.remedy)
            would = "with --fix: " if o.state == "found" and o.finding.mend else ""
            click.echo(f"{'':<18}{would}{said}")
        mended = sum(o.state == "mended" for o in outcomes)
        click.echo(f"{home}: {_counted(len(remains), mended)}")
    if remains:
        sys.exit(1)


def _counted(remains: int, mended: int) -> str:
    if not remains:
        return f"{mended} mended, all is well" if mended else "all is well"
    return f"{mended} mended, {remains} to mend"


@click.group()
def cache() -> None:
    """List what the cache holds, and make room in it."""


@cache.command("ls")
@options.as_json
@options.home
def list_cache(as_json: bool, home: Path) -> None:
    """List results and unfinished stages, least recently used first."""
    from pipeline.cache import Cache
    from pipeline.pruning import list_entries
    from pipeline.sizes import show_size

    entries = list_entries(Cache(home / "cache"))
    if as_json:
        plain = [
            {
                "kind": entry.kind,
                "name": entry.name,
                "holds": entry.holds,
                "bytes": entry.bytes,
                "used": _time(entry.used),
                "in_use": entry.in_use,
            }
            for entry in entries
        ]
        click.echo(json.dumps(plain, indent=2))
        return
    for entry in entries:
        stage, _, key = entry.name.rpartition("-")
        name = f"{stage}-{key[:12]}" if stage else key[:12]
        click.echo(
            f"{show_size(entry.bytes):>9}  {_time(entry.used)[:16]}  "
            f"{'in use' if entry.in_use else '':<7} {name:<24} "
            f"{entry.holds or 'nothing that a run can find'}"
        )
    total = show_size(sum(entry.bytes for entry in entries))
    click.echo(f"{total:>9}  in all, {len(entries)} entries in {home / 'cache'}")


@cache.command("prune")
@click.option("--keep", required=True, metavar="SIZE", help="Such as 5GB or 500MB.")
@options.as_json
@options.home
def prune_cache(keep: str, as_json: bool, home: Path) -> None:
    """Remove what was least recently used until SIZE remains.

    What a run works with now is never removed; pruning while runs work is safe.
    """
    from pipeline.cache import Cache
    from pipeline.pruning import list_entries, prune
    from pipeline.sizes import parse_size, show_size

    room = Cache(home / "cache")
    removed = prune(room, parse_size(keep))
    left = sum(entry.bytes for entry in list_entries(room))
    freed = sum(entry.bytes for entry in removed)
    if as_json:
        sizes = {"removed": len(removed), "freed_bytes": freed, "left_bytes": left}
        click.echo(json.dumps(sizes))
        return
    click.echo(
        f"removed {len(removed)} entries, {show_size(freed)}; "
        f"{show_size(left)} left in {room.root}"
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
