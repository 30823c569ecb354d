"""`w2v show`, `similar` and `analogy`: what a finished run holds."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands.options import as_json as as_json_option
from pipeline.commands.options import home as home_option
from pipeline.core.labels import shown, visible

if TYPE_CHECKING:
    from pipeline.records import RunRecord

_LONGEST_WORD = 80  # characters that a table for people shows

# Shown after a run, where it has them; the rest is in `w2v show` and the UI.
_HEADLINES = (
    "corpus/tokens",
    "vocab/words",
    "train/loss",
    "train/heldout_loss",
    "train/words_per_second",
    "probe/f1",
    "probe/test/f1",
    "category/",
    "similarity/",
    "analogy/",
    "geometry/",
    "stability/",
    *("tag/valid/f1", "tag/valid/f1/", "tag/valid/accuracy"),
    *("tag/test/f1", "tag/test/f1/", "tag/test/accuracy"),
)

_COUNTS = ("corpus/tokens", "vocab/words")

# Endings of the metrics that are shown beside the one they are of.
_BESIDE = ("_low", "_high", "_random")


@click.command()
@click.argument("run")
@as_json_option
@home_option
def show(run: str, as_json: bool, home: Path) -> None:
    """Show a run: params, metrics, stages and artifacts."""
    from pipeline.records import load_record

    record = load_record(home, run)
    if as_json:
        click.echo(json.dumps(_plain(record), indent=2))
    else:
        print_record(record)


@click.command()
@click.argument("word")
@click.option("--run", default="last", show_default=True, help="Run, or vectors file.")
@click.option("--top-k", default=10, show_default=True, type=click.IntRange(1))
@as_json_option
@home_option
def similar(word: str, run: str, top_k: int, as_json: bool, home: Path) -> None:
    """List the nearest neighbors of WORD."""
    from pipeline.core.similarity import find_most_similar
    from pipeline.loading import load

    _print_answers(find_most_similar(load(run, home), word, top_k=top_k), as_json)


@click.command()
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("--run", default="last", show_default=True, help="Run, or vectors file.")
@click.option("--top-k", default=5, show_default=True, type=click.IntRange(1))
@click.option("--method", type=click.Choice(["add", "mul"]), default="add")
@as_json_option
@home_option
def analogy(
    a: str,
    b: str,
    c: str,
    *,
    run: str,
    top_k: int,
    method: Any,
    as_json: bool,
    home: Path,
) -> None:
    """Answer what D is, where A is to B as C is to D."""
    from pipeline.core.analogy import word_analogy
    from pipeline.loading import load

    answers = word_analogy(load(run, home), a, b, c, top_k=top_k, method=method)
    _print_answers(answers, as_json)


def print_record(record: "RunRecord") -> None:
    """Print a run for people; the last line names it for scripts."""
    click.echo(f"{'stage':<12}{'state':<12}{'time':>8}  {'key':<14}{'digest'}")
    for name, stage in record.stages.items():
        state = "cached" if stage.cached else "computed"
        click.echo(
            f"{visible(name):<12}{state:<12}{stage.seconds:>6.1f} s  "
            f"{visible(stage.key[:12]):<14}{visible(stage.digest[:12])}"
        )
    headlines = [
        name
        for prefix in _HEADLINES
        for name in record.metrics
        if name == prefix or _is_below(name, prefix, record.metrics)
    ]
    if headlines:
        click.echo()
    for name in headlines:
        click.echo(_headline(name, record.metrics))
    click.echo()
    if record.message:
        # Its own lines stay, indented: none reads as one of the table's.
        shown = "\n  ".join(map(visible, record.message.splitlines()))
        click.echo(f"{record.status}: {shown}")
    pictures = [path for path in record.artifacts if path.startswith("figures/")]
    if pictures:
        place = _place(record, "figures").removeprefix(f"{Path.cwd()}{os.sep}")
        click.echo(f"pictures: {visible(place)} ({len(pictures)} files)")
    click.echo(f"run_id: {visible(record.run_id)}")


def _is_below(name: str, prefix: str, metrics: Mapping[str, float]) -> bool:
    """Say whether a metric is shown for a prefix such as `similarity/`."""
    if not prefix.endswith("/") or not name.startswith(prefix):
        return False
    if name.endswith(("coverage", "_zero", *_BESIDE)):
        return False
    return name.count("/") == prefix.count("/") or _is_of_a_set(name, metrics)


def _is_of_a_set(name: str, metrics: Mapping[str, float]) -> bool:
    """Say whether a score is the whole of a set's, not of a section or category."""
    place = name.rpartition("/")[0]
    return name.endswith("/total") or f"{place}/purity" in metrics


def _headline(name: str, metrics: Mapping[str, float]) -> str:
    """Return a line: name, value, and what stands beside it to judge it by."""
    value = metrics[name]
    shown = f"{value:,.0f}" if name in _COUNTS else _number(value)
    line = f"{visible(name):<32}{shown:>12}"
    low, high, random = (metrics.get(name + ending) for ending in _BESIDE)
    if low is not None and high is not None:
        line += f"   95%: {low:.3f} to {high:.3f}"
    if random is not None:
        line += f"   random: {random:.3f}"
    for words, other in _others(name, metrics).items():
        line += f"   {words}: {other}"
    return line


def _others(name: str, metrics: Mapping[str, float]) -> Mapping[str, str]:
    """Return how much a score covers, and what it is by another rule."""
    group, _, rest = name.partition("/")
    place = name.rpartition("/")[0]
    covered = metrics.get(f"{name}_coverage", metrics.get(f"{place}/coverage"))
    if group == "probe" and f"{place}/unknown" in metrics:
        covered = 1 - metrics[f"{place}/unknown"]
    others = {
        "one-hot": metrics.get(f"{name}_onehot"),
        "missing as 0": metrics.get(f"{name}_zero"),
        "3CosMul": metrics.get(f"analogy_mul/{rest}") if group == "analogy" else None,
    }
    shown = {} if covered is None else {"covered": f"{covered:.0%}"}
    return shown | {
        words: f"{value:.3f}" for words, value in others.items() if value is not None
    }


def _place(record: "RunRecord", path: str) -> str:
    """Return where an artifact is opened: a file's path, or a server's address."""
    from pipeline.tracking.placing import local_folder

    local = local_folder(record.artifact_uri)
    return f"{record.artifact_uri}/{path}" if local is None else str(local / path)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


def _print_answers(answers: Sequence[tuple[str, float]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([{"word": w, "score": s} for w, s in answers]))
        return
    # A word may hold anything: what steers a terminal, or a megabyte.
    words = [shown(word, _LONGEST_WORD) for word, _ in answers]
    width = max(map(len, words), default=0)
    for word, (_, score) in zip(words, answers, strict=True):
        click.echo(f"{word:<{width}}  {score:.4f}")


def _plain(record: "RunRecord") -> dict[str, object]:
    """Return what `w2v show --json` promises."""
    return {
        "run_id": record.run_id,
        "status": record.status,
        "params": dict(record.params),
        "metrics": dict(record.metrics),
        "stages": {
            name: {
                "key": stage.key,
                "digest": stage.digest,
                "cached": stage.cached,
                "seconds": stage.seconds,
            }
            for name, stage in record.stages.items()
        },
        "artifacts": [_place(record, path) for path in record.artifacts],
    }
