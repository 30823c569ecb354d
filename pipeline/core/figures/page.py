"""One HTML file around one Plotly figure: it needs no server and no network."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.core.figures.style import GRID, INK, MUTED, QUIET

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"


@dataclass(frozen=True)
class Labels:
    """The words to write beside a trace's points, where there is room for them.

    Attributes:
        trace: Which trace, counted from 0.
        texts: One label for each of its points, as it is to be read: no markup.
        priority: One number for each; the lowest are written first.
        from_zoom: Written once the view is this many times closer than at first.
    """

    trace: int
    texts: Sequence[str]
    priority: Sequence[int]
    from_zoom: float


def page(
    title: str,
    notes: Sequence[str],
    traces: Sequence[Mapping[str, Any]],
    layout: Mapping[str, Any],
    *,
    narrow: Mapping[str, Any],
    labels: Sequence[Labels] = (),
    navigable: bool = False,
) -> bytes:
    """Return a self-contained page that fills its window with a figure.

    Args:
        title: The heading.
        notes: Lines below it.
        traces: Plotly traces.
        layout: Plotly layout.
        narrow: What differs in windows below 700 px, as `relayout` takes it:
            dotted key -> value, for keys that `layout` gives a value to.
        labels: Words to write beside points, in 2D and 3D maps.
        navigable: Zoom with the wheel, and show the buttons that go back.
    """
    from plotly.graph_objects import Figure
    from plotly.offline import get_plotlyjs

    base = {
        "template": {},  # Plotly's own takes 6 kB and is overridden anyway
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "modebar": {"color": QUIET, "activecolor": MUTED, "bgcolor": "white"},
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
        "narrow": dict(narrow),
        "labels": [vars(each) for each in labels],
        "config": {
            "responsive": True,
            "displaylogo": False,
            "scrollZoom": navigable,
            "displayModeBar": navigable,
            # Two defaults that would send the words to a server of Plotly's.
            "showSendToCloud": False,
            "plotlyServerURL": "",
            # The image it saves would lack heading and labels.
            "modeBarButtonsToRemove": ["toImage", "select2d", "lasso2d"],
        },
    }
    # No text can close the element it stands in: `<` becomes an escape, and all
    # that is not ASCII too, lone surrogates included.
    text = json.dumps(spec, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c")
    return _PAGE.format(
        title=html.escape(title),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in notes),
        style=_STYLE,
        library=get_plotlyjs(),
        spec=text,
        script=_SCRIPT,
    ).encode()


# The policy lets nothing be fetched: the page could not phone home if it tried.
# Plotly's 3D compiles its shader glue at run time, hence unsafe-eval.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; \
img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>{notes}</header>
<main><div id="figure" role="img" aria-label="{title}"></div>\
<canvas id="labels" aria-hidden="true"></canvas></main>
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
header {{ padding: 14px 20px 6px; border-bottom: 1px solid {GRID}; }}
h1 {{ margin: 0 0 4px; font-size: 20px; font-weight: 600; line-height: 1.25; }}
header p {{ margin: 0 0 4px; font-size: 13px; line-height: 1.4; color: {MUTED}; }}
main {{ position: relative; flex: 1; min-height: 0; }}
#figure, #labels {{ position: absolute; inset: 0; width: 100%; height: 100%; }}
#labels {{ pointer-events: none; }}
@media (max-width: 699px) {{
  header {{ padding: 10px 12px 4px; }}
  h1 {{ font-size: 17px; }}
  header p {{ font-size: 12px; }}
}}
"""

# Labels are written on a canvas above the points, most important first, each where
# it covers neither a label nor a marked point; anew whenever the view moves.
_SCRIPT = (
    """
"use strict";
(() => {
const spec = JSON.parse(document.getElementById("spec").textContent);
const figure = document.getElementById("figure");
const canvas = document.getElementById("labels");
const pen = canvas.getContext("2d");
const wide = {};
for (const key of Object.keys(spec.narrow)) {
  wide[key] = key.split(".").reduce(
    (part, name) => part === undefined ? part : part[name], spec.figure.layout);
}
let isNarrow = false;
const adapt = () => {
  const now = window.innerWidth < 700;
  if (now === isNarrow) return;
  isNarrow = now;
  const traces = spec.figure.data;
  const marked = Object.keys(traces).map(Number).filter(i => traces[i].marker);
  const sizes = marked.map(i => traces[i].marker.size * (now ? 0.75 : 1));
  const restyled = marked.length ? {"marker.size": sizes} : {};
  Plotly.update(figure, restyled, now ? spec.narrow : wide, marked);
};

// Where a point of a trace is on the screen, in pixels of the figure.
const flat = () => {
  const {xaxis: x, yaxis: y} = figure._fullLayout;
  return {
    left: x._offset, top: y._offset,
    right: x._offset + x._length, bottom: y._offset + y._length,
    view: [x.range, y.range].join(),
    extent: x.range[1] - x.range[0],
    place: (trace, i) => [x._offset + x.d2p(trace.x[i]),
      y._offset + y.d2p(trace.y[i]), 0],
  };
};
const deep = () => {
  const scene = figure._fullLayout.scene._scene;
  const {projection, view, model} = scene.glplot.cameraParams;
  const box = scene.container.getBoundingClientRect();
  const own = figure.getBoundingClientRect();
  const left = box.left - own.left, top = box.top - own.top;
  const times = (m, v) => [0, 1, 2, 3].map(row =>
    m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
  const scale = scene.dataScale;
  const {eye, center} = scene.getCamera();
  return {
    left, top, right: left + box.width, bottom: top + box.height,
    view: [...view, ...model, ...projection, box.width, box.height].join(),
    extent: Math.hypot(eye.x - center.x, eye.y - center.y, eye.z - center.z),
    place: (trace, i) => {
      const v = times(projection, times(view, times(model,
        [trace.x[i] * scale[0], trace.y[i] * scale[1], trace.z[i] * scale[2], 1])));
      return [left + box.width * (0.5 + 0.5 * v[0] / v[3]),
        top + box.height * (0.5 - 0.5 * v[1] / v[3]), v[3]];
    },
  };
};
const look = () => figure._fullLayout.scene ? deep() : flat();

let first = null;
const write = now => {
  const ratio = window.devicePixelRatio || 1;
  const width = figure.clientWidth, height = figure.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  const zoom = first / now.extent;
  const items = [], taken = [];
  for (const set of spec.labels) {
    const trace = figure._fullData[set.trace];
    if (trace.visible !== true) continue;
    const quiet = set.from_zoom > 1;
    if (zoom < set.from_zoom) continue;
    for (let i = 0; i < set.texts.length; i++) {
      const [x, y, depth] = now.place(trace, i);
      if (!(x > now.left && x < now.right && y > now.top && y < now.bottom)) continue;
      if (!quiet) taken.push([x - 4, y - 4, x + 4, y + 4]);
      items.push({x, y, quiet, text: set.texts[i], priority: set.priority[i], depth});
    }
  }
  items.sort((a, b) => a.quiet - b.quiet || a.priority - b.priority);
  const size = isNarrow ? 11 : 12;
  let written = 0;
  for (const item of items) {
    if (written >= 400) break;
    pen.font = (item.quiet ? "" : "500 ") + size + "px FAMILY";
    const w = pen.measureText(item.text).width + 2, h = size + 2;
    const spots = [[item.x + 6, item.y - h / 2], [item.x - 6 - w, item.y - h / 2],
      [item.x - w / 2, item.y - 6 - h], [item.x - w / 2, item.y + 6]];
    for (const [x, y] of spots) {
      if (x < now.left || x + w > now.right || y < now.top || y + h > now.bottom)
        continue;
      if (taken.some(t => x < t[2] && x + w > t[0] && y < t[3] && y + h > t[1]))
        continue;
      taken.push([x, y, x + w, y + h]);
      pen.lineWidth = 3;
      pen.strokeStyle = "rgba(255, 255, 255, 0.85)";
      pen.strokeText(item.text, x + 1, y + h / 2);
      pen.fillStyle = item.quiet ? "MUTED" : "INK";
      pen.fillText(item.text, x + 1, y + h / 2);
      written += 1;
      break;
    }
  }
};

Plotly.newPlot(figure, spec.figure.data, spec.figure.layout, spec.config).then(() => {
  adapt();
  window.addEventListener("resize", adapt);
  if (!spec.labels.length) return;
  // Above the points and below what hovers.
  figure.querySelector(".hoverlayer").closest("svg").before(canvas);
  let last = "";
  const watch = () => {
    const now = look();
    if (first === null) first = now.extent;
    const seen = now.view + figure._fullData.map(trace => trace.visible).join()
      + [figure.clientWidth, figure.clientHeight, window.devicePixelRatio].join();
    if (seen !== last) {
      last = seen;
      write(now);
    }
    requestAnimationFrame(watch);
  };
  watch();
});
})();
""".replace("FAMILY", FONT.replace('"', "'"))
    .replace("MUTED", MUTED)
    .replace("INK", INK)
)
