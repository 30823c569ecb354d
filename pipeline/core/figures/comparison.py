"""Two runs side by side: maps laid on each other, what moved, and the scores."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.comparison import Comparison
from pipeline.core.figures.document import document, marks_of
from pipeline.core.figures.script import SMALL
from pipeline.core.figures.style import GRID, MUTED, PALETTE, counted
from pipeline.core.labels import shown
from pipeline.core.types import Floats, Ids

_LISTED = 30  # words that moved most


@dataclass(frozen=True)
class Score:
    """A metric of two runs.

    Attributes:
        name: Such as `probe/f1`.
        a: Its value in a; None where a has none.
        b: Its value in b.
        interval_a: Its 95% interval in a, if it has one.
        interval_b: In b.
    """

    name: str
    a: float | None
    b: float | None
    interval_a: tuple[float, float] | None = None
    interval_b: tuple[float, float] | None = None

    @property
    def headline(self) -> bool:
        """Whether it is a score of a whole set, not of a part or beside another."""
        whole = self.name.count("/") == 1 + self.name.endswith("/total")
        return whole and not self.name.endswith(("coverage", "_zero", "_random"))

    @property
    def apart(self) -> bool:
        """Whether both have an interval, and these do not meet."""
        if self.interval_a is None or self.interval_b is None:
            return False
        return (
            self.interval_a[1] < self.interval_b[0]
            or self.interval_b[1] < self.interval_a[0]
        )


def comparison_html(
    found: Comparison,
    titles: tuple[str, str],
    names: tuple[str, str],
    groups: Sequence[str],
    group: Ids,
    *,
    scores: Sequence[Score],
) -> bytes:
    """Draw a comparison as a page: what is chosen on one map is so on the other.

    Args:
        found: Of n words.
        titles: Short names of a and b, as they are to be read.
        names: Long ones.
        groups: Names of all groups; a group's place in it gives its mark.
        group: Shape (n,). Each word's group or -1.
        scores: Metrics that either has.
    """
    legend, marks = marks_of(groups, group)
    a, b = (html.escape(shown(name, 60)) for name in names)
    depth = found.near_a.shape[1]
    values = {
        "words": [shown(word) for word in found.words],
        "group": group.tolist(),
        "marks": marks,
        "places": [_places(found.map_a), _places(found.map_b)],
        "near": [found.near_a.tolist(), found.near_b.tolist()],
        "cosines": [
            np.round(each, 2).tolist() for each in (found.cosines_a, found.cosines_b)
        ],
        "moved": np.round(found.moved, 3).tolist(),
        "kept": found.kept.tolist(),
        "most_moved": found.most_moved[:_LISTED].tolist(),
        "shares": np.bincount(found.kept, minlength=depth + 1).tolist(),
        "headlines": [_row(score) for score in scores if score.headline],
        "others": [_row(score) for score in scores if not score.headline],
    }
    return document(
        f"{shown(titles[0], 40)} and {shown(titles[1], 40)}",
        comparison_notes(found),
        _BODY.format(a=a, b=b, legend=legend, depth=depth),
        values,
        script=_SCRIPT,
        style=_STYLE,
    )


def comparison_notes(found: Comparison) -> list[str]:
    """Say in words what is compared, and how."""
    n, depth = len(found.words), found.near_a.shape[1]
    which = "All" if n == found.shared else f"The {n:,} most frequent of"
    notes = [
        f"{which} {counted(found.shared, 'word')} that both hold (a: "
        f"{found.sizes[0]:,}, b: {found.sizes[1]:,}). Of a word's {depth} nearest "
        f"among them, {found.share_kept:.0%} are the same in both, on average.",
        "Moved: 1 - cosine of a word's two vectors, once b is turned onto a as well "
        "as one rotation can (orthogonal Procrustes). The maps are by t-SNE, b's laid "
        "out from a's and turned onto it.",
    ]
    if found.dims[0] != found.dims[1]:
        notes.append(
            f"The vectors have {found.dims[0]} and {found.dims[1]} dimensions: the "
            "narrower are widened by zeros, so that one can be turned onto the other. "
            "Neighbors do not depend on that."
        )
    return notes


def _places(layout: Floats) -> list[list[float]]:
    return [[float(f"{value:.4g}") for value in axis] for axis in layout.T]


def _row(score: Score) -> list[Any]:
    """Return name, a, b, difference and whether they are apart, to be shown."""
    change = "" if score.a is None or score.b is None else _signed(score.b - score.a)
    return [
        score.name,
        _value(score.a, score.interval_a),
        _value(score.b, score.interval_b),
        change,
        score.apart,
    ]


def _value(value: float | None, interval: tuple[float, float] | None) -> list[str]:
    """Return a value and its interval as text."""
    if value is None:
        return ["", ""]
    between = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
    return [_number(value), between]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{_number(value)}" if value else "0"


_BODY = """<main>
<div id="maps">
<figure><figcaption><b>a</b> {a}</figcaption><div class="board" id="a"></div></figure>
<figure><figcaption><b>b</b> {b}</figcaption><div class="board" id="b"></div></figure>
</div>
{legend}
<div id="parts">
<section aria-label="Chosen word">
<div id="box"><input id="search" type="search" placeholder="Find a word"
 aria-label="Find a word" autocomplete="off"><div id="found" hidden></div></div>
<div id="word" aria-live="polite"></div>
</section>
<section><h2>Moved most</h2><table id="moved"></table></section>
<section><h2>Neighbors kept</h2>
<p class="muted">Words by how many of their {depth} nearest are the same in a and b.
Click a bar to list some.</p><div id="shares"></div></section>
<section id="wide"><h2>Scores</h2><p class="muted">With 95% intervals where a run has
them; bold where the two intervals do not meet.</p>
<div class="scroll"><table id="scores"></table></div>
<details><summary>All other metrics</summary><div class="scroll"><table id="others">
</table></div></details></section>
</div>
</main>"""

_STYLE = f"""
main {{ padding: 8px 20px 24px; }}
#maps {{ display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }}
figure {{ margin: 0; min-width: 0; }}
figcaption {{ padding: 4px 0; font-size: 13px; overflow-wrap: anywhere; }}
.board {{ height: min(60vh, 36vw); min-height: 320px; border: 1px solid {GRID};
  border-radius: 4px; }}
.board canvas {{ touch-action: pan-y; }}
#legend {{ margin: 6px 0 14px; }}
#parts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr));
  gap: 20px 32px; align-items: start; }}
#wide {{ grid-column: 1 / -1; }}
section {{ min-width: 0; }}
section p {{ margin: 0 0 8px; font-size: 13px; }}
#box {{ position: relative; margin-bottom: 10px; }}
#found {{ position: absolute; z-index: 4; left: 0; right: 0; display: flex;
  flex-direction: column; padding: 4px; border: 1px solid {GRID}; border-radius: 4px;
  background: white; box-shadow: 0 4px 8px rgba(0, 0, 0, 0.12); }}
#found[hidden] {{ display: none; }}
#found button {{ padding: 4px 6px; }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }}
.pair ol {{ margin: 2px 0; padding: 0; list-style: none; font-size: 13px; }}
.pair li {{ display: flex; gap: 6px; align-items: baseline; }}
.pair li span {{ color: {MUTED}; font-variant-numeric: tabular-nums; }}
.pair li.both button {{ font-weight: 700; }}
#moved {{ width: 100%; font-size: 13px; }}
#moved tbody {{ display: block; max-height: 340px; overflow-y: auto; }}
#moved tr {{ display: grid; grid-template-columns: 1fr 60px 76px; }}
#shares > button {{ display: grid; grid-template-columns: 24px 1fr; gap: 8px;
  width: 100%; align-items: center; padding: 1px 0; border: 0; background: none;
  font: inherit;
  font-size: 13px; text-align: left; cursor: pointer; }}
#shares i {{ display: inline-block; min-width: 1px; height: 14px; margin-right: 6px;
  background: {PALETTE[0]}; vertical-align: -2px; }}
#shares .words {{ padding: 2px 0 6px 32px; font-size: 13px; }}
.scroll {{ overflow-x: auto; }}
#wide table {{ font-size: 13px; }}
#wide summary {{ padding: 8px 0; cursor: pointer; color: {PALETTE[0]}; }}
#wide td, #wide th {{ padding: 2px 18px 2px 0; border-bottom: 1px solid {GRID};
  white-space: nowrap; }}
#wide tr.apart td {{ font-weight: 700; }}
@media {SMALL} {{ main {{ padding: 4px 12px 20px; }} }}
@media (max-width: 699px) {{
  #maps {{ grid-template-columns: 1fr; gap: 4px; }}
  .board {{ height: 44vh; min-height: 260px; }}
}}
"""

_SCRIPT = """
const sides = ["a", "b"];
let chosen = -1;
const boards = sides.map((name, side) => {
  const board = new Board(document.getElementById(name), {
    tell: i => tell(i, side),
    choose: i => choose(i),
    point: i => boards.forEach(each => each.hover(i)),
  });
  [board.xs, board.ys] = spec.places[side];
  return board;
});
const frame = () => {
  for (const board of boards) {
    const [xs, ys] = [0, 1].map(axis => spec.places.flatMap(places => places[axis]));
    board.frame(Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys));
  }
};
const tell = (i, side) => {
  const kind = spec.group[i] >= 0 ? " \\u00b7 " + spec.marks[spec.group[i]].name : "";
  const near = spec.near[side][i].slice(0, 5).map(j => spec.words[j]).join(", ");
  return [make("b", "", spec.words[i]), kind, make("br"), near, make("br"),
    "moved " + spec.moved[i].toFixed(2) + ", " + spec.kept[i] + " neighbors kept"];
};
const choose = i => {
  chosen = i;
  boards.forEach((board, side) => {
    board.chosen = i;
    board.near = i < 0 ? [] : spec.near[side][i];
    board.hover(-1);
  });
  const panel = document.getElementById("word");
  if (i < 0) {
    panel.replaceChildren(make("p", "muted",
      "Choose a word on a map, below, or by search: its nearest words in each run."));
    return;
  }
  const lists = sides.map((name, side) => {
    const list = make("ol");
    spec.near[side][i].forEach((j, rank) => {
      const both = spec.near[1 - side][i].includes(j);
      const cosine = make("span", "", spec.cosines[side][i][rank].toFixed(2));
      list.append(make("li", both ? "both" : "", cosine, wordButton(j, choose)));
    });
    return make("div", "", make("b", "", name), list);
  });
  panel.replaceChildren(make("h2", "", spec.words[i]),
    make("p", "muted", "moved " + spec.moved[i].toFixed(3) + "; " + spec.kept[i]
      + " of " + spec.near[0][i].length + " nearest words are the same (bold)"),
    make("div", "pair", ...lists));
};

const moved = document.getElementById("moved");
const body = make("tbody");
body.append(make("tr", "", make("th", "", "word"), make("th", "number", "moved"),
  make("th", "number", "kept")));
for (const i of spec.most_moved)
  body.append(make("tr", "", make("td", "", wordButton(i, choose)),
    make("td", "number", spec.moved[i].toFixed(2)),
    make("td", "number", spec.kept[i] + " of " + spec.near[0][i].length)));
moved.append(body);

const shares = document.getElementById("shares");
const most = Math.max(...spec.shares);
spec.shares.forEach((count, kept) => {
  const bar = make("i");
  bar.style.width = 70 * count / most + "%";
  const words = make("div", "words");
  words.hidden = true;
  const line = make("button", "", make("span", "", String(kept)),
    make("span", "", bar, count.toLocaleString("en")));
  line.type = "button";
  line.setAttribute("aria-expanded", "false");
  line.addEventListener("click", () => {
    words.hidden = !words.hidden;
    line.setAttribute("aria-expanded", String(!words.hidden));
    const some = [...spec.kept.keys()].filter(i => spec.kept[i] === kept).slice(0, 20);
    words.replaceChildren(...some.map(i => wordButton(i, choose)));
  });
  shares.append(line, words);
});

const cell = ([value, between]) =>
  make("td", "number", value, make("div", "muted", between));
const fill = (table, rows) => {
  const names = make("tr", "", make("th", "", "metric"));
  for (const name of [...sides, "b - a"]) names.append(make("th", "number", name));
  table.append(names);
  for (const [name, a, b, change, apart] of rows)
    table.append(make("tr", apart ? "apart" : "", make("td", "", name), cell(a),
      cell(b), make("td", "number", change)));
};
fill(document.getElementById("scores"), spec.headlines);
fill(document.getElementById("others"), spec.others);
if (!spec.headlines.length && !spec.others.length)
  document.getElementById("wide").remove();

useLegend(() => boards.forEach(board => board.draw()));
useSearch(choose);
frame();
choose(-1);
"""
