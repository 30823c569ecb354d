"""A sweep's report as Markdown."""

import re

from pipeline.core.labels import shown
from pipeline.sweep import tables
from pipeline.sweep.findings import Findings
from pipeline.sweep.tables import Link, Table
from pipeline.sweep.words import cautions, method, verdict

# What Markdown, or the HTML in it, would read as more than text.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$!&@])")


def markdown(found: Findings) -> str:
    """Return the report: the verdict and the tables, for the objective."""
    results = found.results
    judged = found.judged[results.objective]
    parts = [f"# Sweep {_plain(shown(results.name, 80))}"]
    first, *rest = verdict(found, judged)
    parts.append(" ".join([f"**{_plain(first)}**", *map(_plain, rest)]))
    known = cautions(found)
    if known:
        parts.append("\n".join(f"- {_plain(line)}" for line in known))
    link = tables.run_link("Compare the runs in MLflow", results.ui_address)
    if link.address:
        parts.append(_cell((link,)))
    for title, table in (
        ("Ranking", tables.ranking(found, judged)),
        ("Main effects", tables.effects(found, judged)),
        ("Wall time against score: the Pareto front", tables.front(found, judged)),
        ("Trials that did not finish", tables.unfinished(found)),
    ):
        if table.rows:
            parts += [f"## {title}", _table(table)]
    parts += ["## How to read it", "\n".join(f"- {_plain(x)}" for x in
                                             method(found, judged))]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _table(table: Table) -> str:
    rule = ["--:" if numeric else "---" for numeric in table.numeric]
    lines = [[_plain(heading) for heading in table.headings], rule]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: str | tuple[Link, ...]) -> str:
    if isinstance(cell, str):
        return _plain(cell)
    return " ".join(
        f"[{_plain(link.text)}](<{_address(link.address)}>)"
        if link.address
        else _plain(link.text)
        for link in cell
    )


def _address(address: str) -> str:
    for character in '<>|\\"':
        address = address.replace(character, f"%{ord(character):02X}")
    return address
