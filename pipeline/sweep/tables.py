"""A report's tables as rows of text, for the page and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.core.labels import shown
from pipeline.sweep.findings import Findings, Judged
from pipeline.sweep.words import label, number, p_value, short_names, span, written


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere, if there is somewhere to lead to."""

    text: str
    address: str | None


@dataclass(frozen=True)
class Table:
    """Rows of text under headings.

    Attributes:
        headings: One for each column.
        numeric: Whether a column's texts are numbers, set flush right.
        rows: Each cell one text, or several links.
        marked: Rows to set off: those that cannot be told from the best.
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str | tuple[Link, ...], ...], ...]
    marked: frozenset[int] = frozenset()


def run_link(text: str, address: str | None) -> Link:
    """Return a link to a page of the web; of any other address the text alone."""
    if address is None or any(ord(c) <= 0x20 or 0xD800 <= ord(c) < 0xE000
                              for c in address):  # fmt: skip
        return Link(text, None)
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        scheme = ""
    return Link(text, address if scheme in ("http", "https") else None)


def ranking(found: Findings, judged: Judged) -> Table:
    """Return the cells, the best first, with what tells them from it."""
    comparison = judged.comparison
    names = short_names(list(found.factors))
    tied = () if comparison.untested else comparison.tied
    with_overlap = any(each is not None for each in found.overlaps)
    with_words = len(found.vocabularies) > 1
    letters = {d: chr(65 + i % 26) for i, d in enumerate(found.vocabularies)}
    headings = ["", *names.values(), shown(judged.metric, 40), "95% interval", "seeds"]
    numeric = [True, *(_is_numeric(found, key) for key in names), True, True, True]
    headings += ["p against the best", "best?"]
    numeric += [True, False]
    if with_overlap:
        headings.append("neighbor overlap")
        numeric.append(True)
    if with_words:
        headings.append("vocabulary")
        numeric.append(False)
    headings += ["seconds", "runs"]
    numeric += [True, False]
    rows: list[tuple[str | tuple[Link, ...], ...]] = []
    marked = set()
    for place, c in enumerate(comparison.order):
        cell = found.cells[c]
        if c in tied:
            marked.add(place)
        row: list[str | tuple[Link, ...]] = [
            str(place + 1),
            *(written(cell.values.get(key)) for key in names),
            number(float(comparison.means[c])),
            span(judged.intervals[c]),
            str(int((judged.scores[c] == judged.scores[c]).sum())),
            "" if place == 0 else p_value(float(comparison.p_values[c])),
            _standing(judged, c),
        ]
        if with_overlap:
            row.append(number(found.overlaps[c]))
        if with_words:
            own = {t.vocab_digest for t in cell.finished if t.vocab_digest is not None}
            row.append(" ".join(sorted(letters[digest] for digest in own)))
        row.append(number(cell.seconds))
        row.append(tuple(run_link(str(t.number), t.run_address) for t in cell.finished))
        rows.append(tuple(row))
    return Table(tuple(headings), tuple(numeric), tuple(rows), frozenset(marked))


def _is_numeric(found: Findings, key: str) -> bool:
    return all(
        isinstance(cell.values.get(key), int | float)
        and not isinstance(cell.values.get(key), bool)
        for cell in found.cells
    )


def _standing(judged: Judged, cell: int) -> str:
    comparison = judged.comparison
    if comparison.untested:
        return "not tested"
    if comparison.winner == cell:
        return "winner"
    return "maybe" if cell in comparison.tied else "no"


def effects(found: Findings, judged: Judged) -> Table:
    """Return the main effects, the largest first."""
    names = short_names(list(found.factors))
    by_size = sorted(judged.effects.by_name.items(), key=lambda each: -each[1].spread)
    return Table(
        ("hyperparameter", "value", "marginal mean", "95% interval", "cells"),
        (False, False, True, True, True),
        tuple(
            (names[key], shown(text, 40), number(each.mean), span(each), str(cells))
            for key, effect in by_size
            for text, each, cells in zip(
                effect.labels, effect.intervals, effect.cells, strict=True
            )
        ),
    )


def front(found: Findings, judged: Judged) -> Table:
    """Return the cells that no other beats in both score and wall time."""
    return Table(
        ("seconds", shown(judged.metric, 40), "configuration"),
        (True, True, False),
        tuple(
            (
                number(found.cells[c].seconds),
                number(float(judged.comparison.means[c])),
                label(found, found.cells[c]),
            )
            for c in judged.front
        ),
    )


def unfinished(found: Findings) -> Table:
    """Return the trials that did not finish, with the first line of their errors."""
    return Table(
        ("trial", "status", "configuration", "seed", "error"),
        (True, False, False, True, False),
        tuple(
            (
                (run_link(str(trial.number), trial.run_address),),
                trial.status,
                label(found, cell),
                str(trial.seed),
                " ".join(error_lines(trial.error)[:1]),
            )
            for cell in found.cells
            for trial in cell.trials
            if trial.status != "finished"
        ),
    )


def error_lines(error: str) -> Sequence[str]:
    """Return an error's lines that are not blank, fit to be shown."""
    # Cut first: an error may be as long as what caused it.
    return [shown(line, 300) for line in error[:10_000].splitlines() if line.strip()]
