"""One HTML file around maps that are drawn on canvases: no library, no network."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.figures.board import BOARD
from pipeline.core.figures.page import (
    OUTLINES,
    Entry,
    legend_html,
    notes_html,
    script_json,
)
from pipeline.core.figures.script import FONT, SMALL
from pipeline.core.figures.style import GRID, INK, MUTED, PALETTE, mark
from pipeline.core.labels import shown
from pipeline.core.types import Ids


def document(
    title: str,
    notes: Sequence[str],
    body: str,
    values: Mapping[str, Any],
    *,
    script: str,
    style: str,
) -> bytes:
    """Return a self-contained page with boards.

    Args:
        title: The heading.
        notes: Lines below it.
        body: What stands below them, as HTML that holds no text from elsewhere.
        values: What the script reads, as plain JSON values; it finds them as `spec`.
        script: Draws; `Board` and what comes with it are there.
        style: CSS besides that of all pages.
    """
    return _DOCUMENT.format(
        title=html.escape(title),
        notes=notes_html(notes),
        body=body,
        style=_STYLE + style,
        spec=script_json(values),
        script=f'"use strict";\n(() => {{\n{BOARD}\n{script}\n}})();\n',
    ).encode()


def marks_of(groups: Sequence[str], group: Ids) -> tuple[str, list[dict[str, str]]]:
    """Return the legend of the groups drawn, and all groups' marks for the script.

    Args:
        groups: Names of all groups.
        group: Each word's group or -1.
    """
    present = sorted({int(g) for g in group if g >= 0})
    entries = [Entry(shown(groups[g]), mark(g)) for g in present]
    marks = [
        {
            "name": shown(name),
            "color": mark(g).color,
            "path": OUTLINES[mark(g).shape],
        }
        for g, name in enumerate(groups)
    ]
    return legend_html(entries), marks


# The policy lets nothing be fetched: the page could not phone home if it tried.
_DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>{notes}</header>
{body}
<noscript>This page is drawn with JavaScript, which is turned off.</noscript>
<script type="application/json" id="spec">{spec}</script>
<script>{script}</script>
</body>
</html>
"""

_STYLE = f"""
* {{ box-sizing: border-box; }}
html {{ color-scheme: light; }}
body {{ margin: 0; background: white; color: {INK}; font: 14px/1.4 {FONT}; }}
header {{ position: relative; z-index: 2; padding: 14px 20px 6px;
  border-bottom: 1px solid {GRID}; background: white; }}
h1 {{ margin: 0 0 4px; font-size: 20px; font-weight: 600; line-height: 1.25; }}
h2 {{ margin: 0 0 6px; font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }}
header p {{ margin: 0 0 4px; font-size: 13px; color: {MUTED}; }}
header summary {{ display: none; cursor: pointer; font-size: 12px; line-height: 24px;
  color: {MUTED}; }}
.muted {{ color: {MUTED}; }}
.board {{ position: relative; overflow: hidden; }}
.board canvas {{ position: absolute; inset: 0; width: 100%; height: 100%;
  cursor: grab; touch-action: none; }}
.tip {{ position: absolute; z-index: 3; max-width: 240px; padding: 6px 9px;
  border: 1px solid #c8ced6; border-radius: 4px; background: white; font-size: 12px;
  overflow-wrap: anywhere; pointer-events: none;
  box-shadow: 0 2px 6px rgba(0, 0, 0, 0.12); }}
.tip b {{ font-size: 13px; }}
#legend {{ display: flex; flex-wrap: wrap; gap: 0 6px; }}
#legend button {{ display: flex; align-items: center; min-height: 26px; padding: 0 5px;
  border: 0; border-radius: 3px; background: none; color: {INK}; font: 12px {FONT};
  cursor: pointer; }}
#legend button:hover {{ background: {GRID}; }}
#legend button[aria-pressed=false] {{ color: {MUTED}; text-decoration: line-through; }}
#legend [aria-pressed=false] svg {{ opacity: 0.3; }}
#legend svg {{ flex: none; width: 14px; height: 14px; margin-right: 5px; }}
input[type=search] {{ width: 100%; padding: 7px 9px; border: 1px solid #9aa4b0;
  border-radius: 4px; background: white; color: {INK}; font: 14px {FONT}; }}
button.word {{ padding: 1px 3px; border: 0; border-radius: 3px; background: none;
  color: {PALETTE[0]}; font: inherit; text-align: left; overflow-wrap: anywhere;
  cursor: pointer; }}
button.word:hover {{ background: {GRID}; }}
table {{ border-collapse: collapse; }}
th {{ font-weight: 600; text-align: left; color: {MUTED}; }}
th, td {{ padding: 2px 8px 2px 0; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
:focus-visible {{ outline: 2px solid {PALETTE[0]}; outline-offset: -2px; }}
@media {SMALL} {{
  header {{ display: flex; align-items: baseline; justify-content: space-between;
    padding: 6px 12px 4px; }}
  h1 {{ margin: 0; font-size: 16px; }}
  header summary {{ display: list-item; margin-left: 12px; white-space: nowrap; }}
  header details > div {{ position: absolute; top: 100%; left: 0; right: 0;
    padding: 8px 12px 4px; border-bottom: 1px solid {GRID}; background: white;
    box-shadow: 0 4px 8px rgba(0, 0, 0, 0.12); }}
}}
"""
