"""`w2v compare`: two runs on one page."""

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands.options import home
from pipeline.core.labels import visible

if TYPE_CHECKING:
    from pipeline.core.comparison import Comparison
    from pipeline.core.figures.comparison import Score
    from pipeline.core.types import Embeddings, Ids
    from pipeline.records import RunRecord

_SHOWN = 10  # words and scores that are printed

_ID_DIGITS = 12  # of a run, in names
_FILE_DIGITS = 6  # of where a file lies: some have the same name


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; by default <home>/compare/A-B.html.",
)
@click.option(
    "--words",
    default=1000,
    show_default=True,
    type=click.IntRange(5, 3000),
    help="Words compared: the most frequent that both hold.",
)
@click.option("--force", is_flag=True, help="Overwrite the file of --output.")
@home
def compare(
    run_a: str,
    run_b: str,
    *,
    output: Path | None,
    words: int,
    force: bool,
    home: Path,
) -> None:
    """Show what RUN_A and RUN_B learned, side by side, on a page.

    Both maps, laid on each other; the words that moved most; how many nearest
    neighbors each word keeps; and the scores with their intervals. Runs may differ in
    vocabulary and width, and one may be a scoring of vectors from elsewhere, or a file
    of vectors. The page needs no network. Prints a summary and the page's path.
    """
    from pipeline.core.comparison import compare as compare_embeddings
    from pipeline.core.figures.comparison import comparison_html
    from pipeline.core.files import expanded, write_atomically
    from pipeline.core.wordlists import CATEGORIES

    if output is not None:
        output = expanded(output).absolute()
        if output.is_dir():
            raise click.UsageError(f"{output} is a folder: expected --output a file")
        if output.exists() and not force:
            raise click.UsageError(f"{output} is there: overwrite it with --force")
    record_a, first = _read(run_a, home)
    record_b, second = _read(run_b, home)
    slug_a, slug_b = _slug(run_a, record_a), _slug(run_b, record_b)
    path = output or home / "compare" / f"{slug_a}-{slug_b}.html"
    found = compare_embeddings(first, second, words)
    scores = _scores(record_a, record_b)
    titles = (_title(run_a, record_a), _title(run_b, record_b))
    names = (_name(run_a, record_a), _name(run_b, record_b))
    group = _groups(first, found)
    content = comparison_html(
        found, titles, names, tuple(CATEGORIES), group, scores=scores
    )
    write_atomically(path, content)
    _print(found, names, scores)
    click.echo(f"\npage: {path}")


def _read(run: str, home: Path) -> tuple["RunRecord | None", "Embeddings"]:
    """Return a run's record and vectors; of a file of vectors there is no record."""
    from pipeline.core.formats.reading import read_vectors
    from pipeline.loading import load, vectors_file
    from pipeline.records import load_record

    path = vectors_file(run, home)
    if path == Path(run):  # what is named is the file itself
        return None, read_vectors(path)
    record = load_record(home, run)
    return record, load(record.run_id, home)  # `last` may be another one soon


def _title(run: str, record: "RunRecord | None") -> str:
    return record.run_id[:_ID_DIGITS] if record else Path(run).name


def _name(run: str, record: "RunRecord | None") -> str:
    title = _title(run, record)
    return f"{title} ({record.name})" if record else title


def _slug(run: str, record: "RunRecord | None") -> str:
    """Return a file name's part for a run, which no other run or file has."""
    if record is not None:
        return record.run_id[:_ID_DIGITS]
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(run).stem)[:40] or "file"
    place = os.fsencode(Path(run).absolute())
    return f"{stem}_{hashlib.sha256(place).hexdigest()[:_FILE_DIGITS]}"


def _groups(embeddings: "Embeddings", found: "Comparison") -> "Ids":
    """Return each word's category, shape (n,), or -1."""
    import numpy as np

    from pipeline.core.wordlists import CATEGORIES

    number = {
        embeddings.normalization(word): i
        for i, members in reversed(list(enumerate(CATEGORIES.values())))
        for word in members
    }
    return np.array([number.get(word, -1) for word in found.words], np.int32)


def _scores(first: "RunRecord | None", second: "RunRecord | None") -> "list[Score]":
    """Return the metrics of both that are no measure of time, by name."""
    from pipeline.core.figures.comparison import Score
    from pipeline.diff import measures

    a, b = (measures(record.metrics) if record else {} for record in (first, second))

    def interval(values: dict[str, float], name: str) -> tuple[float, float] | None:
        low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
        return None if low is None or high is None else (low, high)

    return [
        Score(name, a.get(name), b.get(name), interval(a, name), interval(b, name))
        for name in sorted({*a, *b})
        if not name.endswith(("_low", "_high"))
    ]


def _print(found: "Comparison", names: tuple[str, str], scores: "list[Score]") -> None:
    from pipeline.core.figures.comparison import comparison_notes
    from pipeline.core.labels import shown

    for letter, name in zip("ab", names, strict=True):
        click.echo(f"{letter}: {visible(name)}")
    click.echo(f"\n{comparison_notes(found)[0]}")
    click.echo("\nmoved most")
    depth = found.near_a.shape[1]
    listed = found.most_moved[:_SHOWN]
    width = max(len(shown(found.words[i])) for i in listed)
    for i in listed:
        near = (
            ", ".join(shown(found.words[j], 16) for j in near[i][:3])
            for near in (found.near_a, found.near_b)
        )
        click.echo(
            f"  {shown(found.words[i]):<{width}}  {found.moved[i]:.2f}  "
            f"{found.kept[i]:>2} of {depth} kept   {' | '.join(near)}"
        )
    apart = [score for score in scores if score.apart]
    if apart:
        click.echo("\nscores whose 95% intervals do not meet")
    for score in apart[:_SHOWN]:
        click.echo(f"  {visible(score.name):<32}{score.a:>10.4f}{score.b:>10.4f}")
    if len(apart) > _SHOWN:
        click.echo(f"  and {len(apart) - _SHOWN} more on the page")
    elif not apart and any(score.interval_a and score.interval_b for score in scores):
        click.echo("\nno score differs beyond its 95% interval")
