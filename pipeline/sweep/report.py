"""A sweep's report: one offline page with its charts, and a table in Markdown."""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.core.figures.script import FONT
from pipeline.core.figures.style import counted
from pipeline.core.files import write_atomically
from pipeline.core.labels import shown
from pipeline.core.word_pairs import WordPair
from pipeline.sweep import tables
from pipeline.sweep.charts import MOST_HEATMAPS, MOST_RANKED, heatmap_pairs, spec
from pipeline.sweep.config import loss_keys
from pipeline.sweep.findings import Findings, Judged, find
from pipeline.sweep.markdown import markdown
from pipeline.sweep.results import SweepResults
from pipeline.sweep.script import SCRIPT
from pipeline.sweep.tables import Link, Table
from pipeline.sweep.words import cautions, method, short_names, verdict


def write_report(
    results: SweepResults,
    folder: Path,
    *,
    pairs: Mapping[str, Sequence[WordPair]] | None = None,
) -> tuple[Path, Path]:
    """Write `report.html` and `report.md`; equal results give equal bytes.

    Args:
        results: Those of the sweep.
        folder: Where to; it is made if it is not there.
        pairs: Set -> word pairs with human scores. Where trials have different
            vocabularies, they are scored on the pairs that all of them cover.

    Returns:
        The page and the Markdown file.

    Raises:
        StorageError: if they cannot be written.
    """
    found = find(results, pairs)
    paths = folder / "report.html", folder / "report.md"
    for path, content in zip(paths, (page(found), markdown(found)), strict=True):
        write_atomically(path, content.encode())
    return paths


def page(found: Findings) -> str:
    """Return the report as a page that needs no server and no network."""
    from plotly.offline import get_plotlyjs

    results = found.results
    finished = sum(trial.status == "finished" for trial in results.trials)
    link = tables.run_link("Compare the runs in MLflow", results.ui_address)
    return _PAGE.format(
        title=f"Sweep {_text(shown(results.name, 80))}",
        facts=f"{counted(len(found.cells), 'configuration')}, "
        f"{counted(len(found.seeds), 'seed')}, {finished} of "
        f"{counted(len(results.trials), 'trial')} finished"
        + (f" · {_cell((link,))}" if link.address else ""),
        options="".join(
            f'<option value="{html.escape(_ascii(name))}">{_text(shown(name, 80))}'
            "</option>"
            for name in found.judged
        ),
        verdicts=_each(found, _verdict),
        cautions=_list(cautions(found)),
        ranking=_each(found, lambda f, j: _table(tables.ranking(f, j))),
        more=_more(len(found.cells)),
        parallel=_PARALLEL if found.factors else "",
        effects=_effects(found),
        heatmaps=_heatmaps(found),
        losses=_losses(found),
        unfinished=_unfinished(found),
        method=_each(found, lambda f, j: _list(method(f, j))),
        style=_STYLE,
        library=get_plotlyjs(),
        spec=spec(found),
        script=SCRIPT,
    )


def _text(text: str) -> str:
    return html.escape(text)


def _ascii(name: str) -> str:
    """Return a metric's name so that the page can be encoded whatever it holds."""
    return name.encode("utf-8", "backslashreplace").decode()


def _each(found: Findings, build: Callable[[Findings, Judged], str]) -> str:
    """Return a part for each metric, of which the page shows the one chosen."""
    return "".join(
        f'<div data-metric="{html.escape(_ascii(metric))}"'
        f"{'' if metric == found.results.objective else ' hidden'}>"
        f"{build(found, judged)}</div>"
        for metric, judged in found.judged.items()
    )


def _verdict(found: Findings, judged: Judged) -> str:
    first, *rest = verdict(found, judged)
    return f'<p class="verdict">{_text(first)}</p>' + "".join(
        f"<p>{_text(line)}</p>" for line in rest
    )


def _list(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"<ul>{''.join(f'<li>{_text(line)}</li>' for line in lines)}</ul>"


def _table(table: Table, kind: str = "") -> str:
    if not table.rows:
        return ""
    head = "".join(
        f'<th scope="col"{_aligned(numeric)}>{_text(heading)}</th>'
        for heading, numeric in zip(table.headings, table.numeric, strict=True)
    )
    rows = "".join(
        f"<tr{' class=tied' if place in table.marked else ''}>"
        + "".join(
            f"<td{_aligned(numeric)}>{_cell(cell)}</td>"
            for cell, numeric in zip(row, table.numeric, strict=True)
        )
        + "</tr>"
        for place, row in enumerate(table.rows)
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
        f"<table{kind and f' class={kind}'}>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _aligned(numeric: bool) -> str:
    return " class=n" if numeric else ""


def _cell(cell: str | tuple[Link, ...]) -> str:
    if isinstance(cell, str):
        return _text(cell)
    return " ".join(
        f'<a href="{html.escape(link.address)}" rel="noreferrer">{_text(link.text)}</a>'
        if link.address
        else _text(link.text)
        for link in cell
    )


def _more(cells: int) -> str:
    if cells <= MOST_RANKED:
        return ""
    return f" The picture shows the best {MOST_RANKED}; the table has all {cells}."


def _effects(found: Findings) -> str:
    if not found.factors:
        return ""
    names = short_names(list(found.factors)).values()
    charts = "".join(
        f'<div class="chart low" id="effect-{i}" role="img" '
        f'aria-label="Main effect of {_text(name)}"></div>'
        for i, name in enumerate(names)
    )
    tables_ = _each(
        found,
        lambda f, j: (
            f"<details><summary>As a table</summary>{_table(tables.effects(f, j))}"
            "</details>"
        ),
    )
    return (
        "<section><h2>Main effects</h2><p>The score at each value of a hyperparameter, "
        "averaged over the others, with its 95% interval.</p>"
        f'<div class="grid">{charts}</div>{tables_}</section>'
    )


def _heatmaps(found: Findings) -> str:
    pairs = heatmap_pairs(found)
    if not pairs:
        return ""
    names = short_names(list(found.factors))
    charts = "".join(
        f'<div class="chart square" id="heat-{i}" role="img" aria-label="Mean score by '
        f'{_text(names[first])} and {_text(names[second])}"></div>'
        for i, (first, second) in enumerate(pairs)
    )
    n = len(found.factors)
    cut = n * (n - 1) // 2 > MOST_HEATMAPS
    note = f" The first {MOST_HEATMAPS} pairs are shown." if cut else ""
    return (
        "<section><h2>Pairs of hyperparameters</h2><p>The mean score at each pair of "
        f"values; stronger is better.{note}</p>"
        f'<div class="grid">{charts}</div></section>'
    )


def _losses(found: Findings) -> str:
    names = [
        name
        for name, metric in (
            ("held-out loss", "train/heldout_loss"),
            ("training loss", "train/loss"),
        )
        if any(trial.history.get(metric) for trial in found.results.trials)
    ]
    if not names:
        return ""
    options = "".join(f"<option>{name}</option>" for name in names)
    changing = loss_keys("loss", found.factors)
    caution = (
        f" Compare curves only at equal {' and '.join(map(shown, changing))}: a loss "
        "is another quantity at each value."
        if changing
        else ""
    )
    return (
        "<section><h2>Loss curves</h2><p>Every trial that has one; those of the five "
        f"best configurations in color.{_text(caution)}</p>"
        f'<p><label>Loss <select id="loss-kind">{options}</select></label></p>'
        '<div class="chart" id="losses" role="img" aria-label="Loss by epoch of all '
        'trials"></div></section>'
    )


def _unfinished(found: Findings) -> str:
    table = tables.unfinished(found)
    if not table.rows:
        return ""
    errors = [
        (trial.number, lines)
        for trial in found.results.trials
        if len(lines := tables.error_lines(trial.error)) > 1
    ]
    details = "".join(
        f"<details><summary>Trial {number}: the whole error</summary><pre>"
        f"{_text(chr(10).join(lines))}</pre></details>"
        for number, lines in errors
    )
    return (
        "<section><h2>Trials that did not finish</h2>"
        f"{_table(table, 'errors')}{details}</section>"
    )


_PARALLEL = """<section><h2>Parallel coordinates</h2><p>One line a configuration; \
stronger is better. Drag along an axis to choose a range, click it to let go.</p>\
<div class="chart" id="parallel" role="img" data-title="Parallel coordinates"></div>\
</section>"""

# The policy lets nothing be fetched. Plotly's parallel coordinates compile their
# drawing at run time, hence unsafe-eval.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{facts}</p></header>
<main>
<p><label>Judge by <select id="metric">{options}</select></label></p>
<section class="summary">{verdicts}{cautions}</section>
<noscript><p>The charts are drawn with JavaScript, which is turned off; the tables \
hold the same numbers.</p></noscript>
<div id="charts">
<section><h2>Ranking</h2><p>Means with their 95% intervals; ticks are single seeds. \
Diamonds cannot be told from the best.{more}</p>
<div class="chart" id="ranking" role="img" data-title="Ranking"></div>
{ranking}</section>
{parallel}
{effects}
{heatmaps}
<section><h2>Wall time against score</h2><p>Diamonds are the Pareto front: no other \
configuration is both quicker and better.</p>
<div class="chart" id="time" role="img" data-title="Wall time against score"></div>
</section>
</div>
{losses}
{unfinished}
<section><h2>How to read it</h2>{method}</section>
</main>
<script>{library}</script>
<script type="application/json" id="spec">{spec}</script>
<script>{script}</script>
</body>
</html>
"""

# Contrast with the paper of text and muted text: 14.7 and 5.9 in the light, 13.5 and
# 7.4 in the dark.
_STYLE = f"""
:root {{ --paper: #ffffff; --ink: #1f2933; --muted: #5b6673; --grid: #e8ebef;
  --strong: #0072b2; --quiet: #aeb7c2; --tied: #eef6fb;
  --line1: #0072b2; --line2: #d81b60; --line3: #b97700; --line4: #00806f;
  --line5: #882255;
  --scale0: #c6d0da; --scale1: #8dbadb; --scale2: #2f86be; --scale3: #003f66;
  --heat0: #eef2f6; --heat1: #6db1dc; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #14191f; --ink: #e4e9ee; --muted: #a3aeba; --grid: #2a323b;
    --strong: #5cb8f0; --quiet: #647180; --tied: #17293a;
    --line1: #5cb8f0; --line2: #ff7eb0; --line3: #f2b441; --line4: #45d0b8;
    --line5: #d99be0;
    --scale0: #46525f; --scale1: #3b6d91; --scale2: #459bd1; --scale3: #b5e1ff;
    --heat0: #1d262f; --heat1: #266a99; }}
}}
* {{ box-sizing: border-box; }}
html {{ background: var(--paper); color: var(--ink); font: 15px/1.5 {FONT}; }}
body {{ max-width: 1180px; margin: 0 auto; padding: 0 20px 40px;
  overflow-wrap: anywhere; font-family: {FONT}; }}
header {{ padding: 18px 0 4px; border-bottom: 1px solid var(--grid); }}
h1 {{ margin: 0; font-size: 22px; font-weight: 600; line-height: 1.25; }}
h2 {{ margin: 36px 0 4px; font-size: 17px; font-weight: 600; }}
p {{ margin: 4px 0; color: var(--muted); font-size: 14px; max-width: 80ch; }}
.summary {{ margin: 14px 0; padding: 12px 16px; border: 1px solid var(--grid);
  border-left: 4px solid var(--strong); border-radius: 4px; }}
.summary p {{ color: var(--ink); }}
.summary .verdict {{ font-size: 17px; font-weight: 600; }}
ul {{ margin: 6px 0 0; padding-left: 20px; color: var(--muted); font-size: 14px; }}
li {{ margin: 2px 0; max-width: 85ch; }}
a {{ display: inline-block; line-height: 24px; color: var(--strong); }}
label {{ color: var(--ink); }}
select {{ max-width: 100%; min-height: 32px; padding: 2px 6px; font: inherit;
  color: var(--ink); background: var(--paper); border: 1px solid var(--quiet);
  border-radius: 4px; }}
.chart {{ width: 100%; height: 380px; margin: 8px 0; }}
.chart.low {{ height: 240px; }}
.chart.square {{ height: 300px; }}
.grid {{ display: grid; gap: 12px 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }}
.grid > * {{ min-width: 0; }}
.scroll {{ overflow: auto; max-height: 640px; margin: 8px 0;
  border: 1px solid var(--grid); border-radius: 4px; }}
table {{ width: 100%; border-collapse: collapse; font-size: 13px;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }}
th, td {{ padding: 3px 10px; text-align: left; white-space: nowrap;
  vertical-align: baseline;
  border-bottom: 1px solid var(--grid); }}
td:last-child {{ white-space: normal; min-width: 90px; overflow-wrap: anywhere; }}
.errors td:last-child {{ min-width: 300px; }}
th {{ position: sticky; top: 0; background: var(--paper); color: var(--muted);
  font-weight: 500; }}
.n {{ text-align: right; }}
tr.tied td {{ background: var(--tied); }}
a + a {{ margin-left: 6px; }}
summary {{ cursor: pointer; min-height: 24px; color: var(--muted); font-size: 14px; }}
pre {{ margin: 4px 0; padding: 8px 12px; overflow-x: auto; font-size: 12px;
  border: 1px solid var(--grid); border-radius: 4px; white-space: pre-wrap; }}
:focus-visible {{ outline: 2px solid var(--strong); outline-offset: 2px; }}
[hidden] {{ display: none; }}
@media (max-width: 699px) {{
  body {{ padding: 0 12px 32px; }}
  th, td {{ padding: 4px 8px; }}
}}
"""
