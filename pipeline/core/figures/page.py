"""One HTML file around one Plotly figure: it needs no server and no network."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.figures.script import FONT, SCRIPT, SMALL
from pipeline.core.figures.style import GRID, INK, MUTED, PALETTE, Mark

# Marks as SVG paths, in a square from -6 to 6.
OUTLINES = {
    "circle": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "diamond": "M0-6 6 0 0 6-6 0z",
    "square": "M-5-5h10v10h-10z",
    "cross": "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
}


@dataclass(frozen=True)
class Entry:
    """A legend's line about a trace; to click it hides or shows the trace.

    Attributes:
        name: As it is to be read: no markup.
        mark: How the trace's points are drawn.
    """

    name: str
    mark: Mark


def page(
    title: str,
    notes: Sequence[str],
    traces: Sequence[Mapping[str, Any]],
    layout: Mapping[str, Any],
    *,
    small: Mapping[str, Any],
    portrait: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a self-contained page that fills its window with a figure.

    Args:
        title: The heading.
        notes: Lines below it.
        traces: Plotly traces.
        layout: Plotly layout.
        small: What differs in windows below 700 × 640 px, as `relayout` takes it:
            dotted key -> value, for keys that `layout` gives a value to.
        portrait: What differs besides in small windows higher than wide.
    """
    from plotly.graph_objects import Figure
    from plotly.offline import get_plotlyjs

    base = {
        "template": {},  # Plotly's own takes 6 kB and is overridden anyway
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hoverlabel": {
            "align": "left",
            "bgcolor": "white",
            "font": {"family": FONT, "size": 13, "color": INK},
        },
    }
    # Plotly's classes check every key and value.
    figure = Figure(list(traces), {**base, **layout})
    spec = {
        "figure": json.loads(figure.to_json(engine="json")),
        "small": dict(small),
        "portrait": dict(portrait or {}),
        "config": {
            "responsive": True,
            "displaylogo": False,
            "displayModeBar": False,
            # Two defaults that would send the words to a server of Plotly's.
            "showSendToCloud": False,
            "plotlyServerURL": "",
        },
    }
    return _PAGE.format(
        title=html.escape(title),
        notes=notes_html(notes),
        style=_STYLE,
        library=get_plotlyjs(),
        spec=script_json(spec),
        script=SCRIPT,
    ).encode()


def script_json(values: Mapping[str, Any]) -> str:
    """Return values as JSON that can stand in a script element.

    No text can close the element it stands in: `<` becomes an escape, and all that
    is not ASCII too, lone surrogates included.
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def notes_html(notes: Sequence[str]) -> str:
    """Return what a page says below its heading; in a small window it folds."""
    if not notes:
        return ""
    lines = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return f"<details open><summary>Notes</summary><div>{lines}</div></details>"


def legend_html(entries: Sequence[Entry]) -> str:
    """Return buttons, one for each entry, that hide and show what they name."""
    if not entries:
        return ""
    buttons = "".join(
        '<button type="button" aria-pressed="true"><svg viewBox="-7 -7 14 14" '
        f'aria-hidden="true"><path d="{OUTLINES[entry.mark.shape]}" '
        f'fill="{entry.mark.color}"/></svg><span>{html.escape(entry.name)}</span>'
        "</button>"
        for entry in entries
    )
    return (
        '<div id="legend" role="group" aria-label="Words shown" title="Click to hide '
        'or show; double-click or Shift and click to show only this">'
        f"{buttons}</div>"
    )


# The policy lets nothing be fetched: the page could not phone home if it tried.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>{notes}</header>
<main><div id="figure" role="img" aria-label="{title}"></div></main>
<noscript>This picture is drawn with JavaScript, which is turned off.</noscript>
<script>{library}</script>
<script type="application/json" id="spec">{spec}</script>
<script>{script}</script>
</body>
</html>
"""

_STYLE = f"""
html, body {{ height: 100%; margin: 0; background: white; }}
body {{ display: flex; flex-direction: column; height: 100dvh; color: {INK};
  font-family: {FONT}; }}
header {{ position: relative; z-index: 1; padding: 14px 20px 6px;
  border-bottom: 1px solid {GRID}; background: white; }}
h1 {{ margin: 0 0 4px; font-size: 20px; font-weight: 600; line-height: 1.25; }}
header p {{ margin: 0 0 4px; font-size: 13px; line-height: 1.4; color: {MUTED}; }}
summary {{ display: none; cursor: pointer; font-size: 12px; line-height: 24px;
  color: {MUTED}; }}
main {{ position: relative; z-index: 0; flex: 1; min-height: 0; overflow: hidden; }}
#figure {{ position: absolute; inset: 0; width: 100%; height: 100%; }}
:focus-visible {{ outline: 2px solid {PALETTE[0]}; outline-offset: -2px; }}
@media {SMALL} {{
  header {{ display: flex; align-items: baseline; justify-content: space-between;
    padding: 6px 12px 4px; }}
  h1 {{ margin: 0; font-size: 16px; }}
  summary {{ display: list-item; margin-left: 12px; white-space: nowrap; }}
  details > div {{ position: absolute; top: 100%; left: 0; right: 0;
    padding: 8px 12px 4px; border-bottom: 1px solid {GRID}; background: white;
    box-shadow: 0 4px 8px rgba(0, 0, 0, 0.12); }}
  header p {{ font-size: 12px; }}
}}
"""
