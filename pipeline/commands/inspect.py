"""`w2v inspect`: what a checkpoint or a file of vectors holds."""

import json
import math
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import options
from pipeline.core.labels import shown, visible

if TYPE_CHECKING:
    from pipeline.core.inspection import Inspection

_LABEL, _LINE = 14, 88  # columns before what is told, and in all
_ENDS = 10  # words told of, from the vocabulary's head and from its tail
_WORD = 24  # characters of a word that are shown
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLOT_ROWS, _PLOT_COLUMNS = 4, 60
_LONGEST = 500  # characters of one line of damage


@click.command()
@click.argument("what", metavar="PATH|RUN")
@options.as_json
@options.home
def inspect(what: str, as_json: bool, home: Path) -> None:
    """Show what a checkpoint or vectors file holds, and whether it is sound.

    PATH is a checkpoint, vectors in any form that w2v evaluate reads, an artifact's
    folder or an object of the cache; of a folder of checkpoints, the furthest is
    shown. Of a RUN it is the checkpoint that it ended with. Whatever is there is read
    without running any of it. Exit code 0 if it is sound, 1 if it is damaged (what
    can be read is shown all the same), 2 if there is nothing of that name.
    """
    from pipeline import inspection

    found = inspection.inspect(what, home)
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2, allow_nan=False))
    else:
        for line in _lines(found):
            click.echo(line)
    if not found.sound:
        sys.exit(options.EXIT_FAILED)


def _plain(found: "Inspection") -> dict[str, Any]:
    """Return what --json promises; what is not known is null."""
    settings = dict(found.settings or {})
    words, counts = found.words, found.counts
    vocabulary = None
    if words is not None:
        numbers = [*(counts or ()), *[None] * len(words)][: len(words)]
        pairs = [{"word": w, "count": c} for w, c in zip(words, numbers, strict=True)]
        vocabulary = {
            "words": len(words),
            "head": pairs[:_ENDS],
            "tail": pairs[max(_ENDS, len(pairs) - _ENDS) :],
            "normalization": settings.pop("normalization", None),
        }
    return {
        "path": str(found.path),
        "kind": found.kind,
        "sound": found.sound,
        "damage": list(found.damage),
        "bytes": found.bytes,
        "sha256": found.sha256,
        "arrays": {
            name: {"dtype": dtype, "shape": list(shape)}
            for name, (dtype, shape) in (found.arrays or {}).items()
        },
        "epoch": settings.pop("epoch", None),
        "begun": settings.pop("begun", None),
        "words_done": settings.pop("words_done", None),
        "hyperparameters": settings.pop("hyperparameters", None),
        "settings": settings,
        "history": {
            name: [value if math.isfinite(value) else None for value in series]
            for name, series in (found.series or {}).items()
        },
        "vocabulary": vocabulary,
        "norms": {name: asdict(norms) for name, norms in (found.norms or {}).items()},
    }


def _lines(found: "Inspection") -> list[str]:
    """Tell people."""
    told = _plain(found)
    lines = [_row(found.kind, str(found.path))]
    lines.append(_row("sound", "yes" if found.sound else "NO"))
    lines += [_row("damage", text[:_LONGEST]) for text in found.damage]
    if found.bytes is not None:
        lines.append(_row("size", f"{found.bytes:,} bytes"))
    if found.sha256 is not None:
        lines.append(_row("sha256", found.sha256))
    if told["epoch"] is not None:
        lines.append(_row("position", _position(told)))
    for name, (dtype, shape) in (found.arrays or {}).items():
        size = " x ".join(f"{n:,}" for n in shape)
        lines.append(_row("array", f"{name:<14} {dtype}  {size}"))
    for name, norms in (found.norms or {}).items():
        lengths = "no finite row"
        if norms.mean is not None:
            lengths = f"mean {norms.mean:.4g}, {norms.low:.4g} to {norms.high:.4g}"
        lines.append(
            _row(
                "norms",
                f"{name:<14} {lengths}; {norms.zero:.2%} zero, "
                f"{norms.not_finite:.2%} not finite",
            )
        )
    settings = ", ".join(f"{n} {json.dumps(v)}" for n, v in _settings(told).items())
    if settings:
        wrapped = textwrap.wrap(visible(settings[: 4 * _LONGEST]), _LINE - _LABEL)
        lines += [f"{label:<{_LABEL}}{text}" for label, text in _labeled(wrapped)]
    for name, series in told["history"].items():
        lines += _plot(name, series)
    return lines + _vocabulary(told["vocabulary"])


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{visible(text)}"


def _position(told: Mapping[str, Any]) -> str:
    begun = told["begun"]
    within = ""
    if isinstance(begun, dict) and "blocks" in begun:
        blocks = "block" if begun["blocks"] == 1 else "blocks"
        within = f" and {begun['blocks']} {blocks} of the next"
    return f"after epoch {told['epoch']}{within}; words done: {told['words_done']}"


def _settings(told: Mapping[str, Any]) -> dict[str, Any]:
    chosen = told["hyperparameters"]
    return {**told["settings"], **(chosen if isinstance(chosen, dict) else {})}


def _labeled(wrapped: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from zip(("settings", *[""] * len(wrapped)), wrapped, strict=False)


def _plot(name: str, values: Sequence[float | None]) -> list[str]:
    """Draw a series in blocks, an epoch a column, or the means of some."""
    if len(values) > _PLOT_COLUMNS:
        step = len(values) / _PLOT_COLUMNS
        ends = [round(i * step) for i in range(_PLOT_COLUMNS + 1)]
        parts = [[v for v in values[a:b] if v is not None] for a, b in pairwise(ends)]
        values = [sum(part) / len(part) if part else None for part in parts]
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = min(known), max(known)
    # In eighths of a row; the lowest value is one high, so that it is seen.
    most = _PLOT_ROWS * 8 - 1
    scale = most / (high - low) if high > low and math.isfinite(high - low) else 0.0
    heights = [None if v is None else 1 + round((v - low) * scale) for v in values]
    lines = []
    for row in reversed(range(_PLOT_ROWS)):
        bars = "".join(
            " " if h is None else _BLOCKS[max(0, min(8, h - 8 * row))] for h in heights
        )
        label = {_PLOT_ROWS - 1: f"{high:.4g}", 0: f"{low:.4g}"}.get(row, "")
        title = name if row == _PLOT_ROWS - 1 else ""
        lines.append(f"{title:<{_LABEL}}{label:>9} {bars}".rstrip())
    return lines


def _vocabulary(told: Mapping[str, Any] | None) -> list[str]:
    if told is None:
        return []

    def listed(rows: Sequence[Mapping[str, Any]]) -> str:
        # A word may hold anything: what steers a terminal, or a megabyte.
        return ", ".join(
            shown(row["word"], _WORD)
            + ("" if row["count"] is None else f" ({row['count']:,})")
            for row in rows
        )

    lines = [_row("words", f"{told['words']:,}")]
    for label in ("head", "tail"):
        if told[label]:
            lines.append(f"{label:<{_LABEL}}{listed(told[label])}")
    return lines
