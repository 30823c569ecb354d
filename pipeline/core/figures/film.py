"""Training as a film: how words drift from noise to meaning."""

from dataclasses import dataclass

import numpy as np

from pipeline.core.figures.document import document, marks_of
from pipeline.core.figures.script import SMALL
from pipeline.core.figures.style import GRID, INK, MUTED, PALETTE, counted
from pipeline.core.labels import shown
from pipeline.core.types import Counts, Doubles, Floats, Ids


@dataclass(frozen=True)
class Film:
    """The words of a film, and where they are in each of its frames.

    Attributes:
        words: W words.
        counts: Shape (W,). Occurrences.
        groups: Names of all groups; a group's place in this tuple gives its mark.
        group: Shape (W,). Each word's group or -1.
        epochs: Shape (F,), F ≥ 2. Epochs done at each frame, from 0.
        layouts: Shape (F, W, 2). Maps that are turned onto each other.
        neighbors: Shape (F, W, K). Nearest of the W words in the original space.
        cosines: Shape (F, W, K). Theirs.
        loss: Shape (E,). Training loss of each epoch, nats per pair.
    """

    words: tuple[str, ...]
    counts: Counts
    groups: tuple[str, ...]
    group: Ids
    epochs: Ids
    layouts: Floats
    neighbors: Ids
    cosines: Doubles
    loss: Doubles


def film_html(film: Film) -> bytes:
    """Draw a film as a page: play it, move through it, follow a word."""
    frames, words, depth = film.neighbors.shape
    legend, marks = marks_of(film.groups, film.group)
    last = int(film.epochs[-1])
    same = film.neighbors[:-1, :, :, np.newaxis] == film.neighbors[1:, :, np.newaxis]
    kept = same.any(axis=3).mean(axis=(1, 2))  # (F - 1,)
    values = {
        "words": [shown(word) for word in film.words],
        "counts": film.counts.tolist(),
        "group": film.group.tolist(),
        "marks": marks,
        "epochs": film.epochs.tolist(),
        "places": [
            [[float(f"{value:.4g}") for value in axis] for axis in layout.T]
            for layout in film.layouts
        ],
        "near": film.neighbors.tolist(),
        # In hundredths: one number of a hundred thousand each.
        "cosines": np.rint(100 * film.cosines).astype(int).tolist(),
        "kept": [None, *np.round(kept, 3).tolist()],
        "loss": [None, *(_loss(film, int(epoch)) for epoch in film.epochs[1:])],
    }
    when = "each" if frames == last + 1 else str(frames - 1)
    notes = [
        f"The {counted(words, 'word')} seen most, after {when} of "
        f"{counted(last, 'epoch')}. Epoch 0 is the random start.",
        "Each frame is a t-SNE map of its own epoch's vectors, laid out from the frame "
        "after it and turned onto that (Procrustes), so that what moves did change its "
        "neighbors. Near words are alike; axes have no unit.",
        f"Nearest words are by cosine in the original space, among these words: "
        f"{depth} of each.",
    ]
    return document(
        "Training as a film",
        notes,
        _BODY.format(legend=legend, last=frames - 1),
        values,
        script=_SCRIPT,
        style=_STYLE,
    )


def _loss(film: Film, epoch: int) -> float | None:
    value = film.loss[epoch - 1] if epoch <= len(film.loss) else np.nan
    return float(f"{value:.4g}") if np.isfinite(value) else None


_BODY = """<main>
<div id="stage">
<div class="board" id="map"></div>
<div id="controls">
<button type="button" id="play" aria-label="Play">
<svg viewBox="0 0 16 16" aria-hidden="true"><path id="sign" d=""/></svg></button>
<input type="range" id="epoch" min="0" max="{last}" step="1" value="{last}"
 aria-label="Epoch">
<output id="now" for="epoch"></output>
</div>
{legend}
</div>
<aside>
<div id="box"><input id="search" type="search" placeholder="Follow a word"
 aria-label="Follow a word" autocomplete="off"><div id="found" hidden></div></div>
<div id="word"></div>
</aside>
</main>"""

_STYLE = f"""
html, body {{ height: 100%; }}
body {{ display: flex; flex-direction: column; height: 100dvh; }}
main {{ flex: 1; min-height: 0; display: flex; }}
#stage {{ flex: 1; min-width: 0; display: flex; flex-direction: column; }}
#stage .board {{ flex: 1; min-height: 0; }}
#controls {{ display: flex; align-items: center; gap: 12px; padding: 8px 16px;
  border-top: 1px solid {GRID}; }}
#play {{ flex: none; width: 40px; height: 40px; padding: 0; border: 0;
  border-radius: 50%; background: {PALETTE[0]}; cursor: pointer; }}
#play svg {{ display: block; width: 16px; height: 16px; margin: 12px; fill: white; }}
#epoch {{ flex: 1; min-width: 80px; height: 28px; accent-color: {PALETTE[0]}; }}
#now {{ flex: none; width: 210px; font-size: 13px;
  font-variant-numeric: tabular-nums; }}
#now b {{ font-size: 15px; }}
#legend {{ padding: 0 12px 8px; }}
aside {{ flex: none; width: 320px; padding: 12px 16px; overflow-y: auto;
  border-left: 1px solid {GRID}; }}
#box {{ position: relative; margin-bottom: 10px; }}
#found {{ position: absolute; z-index: 4; left: 0; right: 0; display: flex;
  flex-direction: column; padding: 4px; border: 1px solid {GRID}; border-radius: 4px;
  background: white; box-shadow: 0 4px 8px rgba(0, 0, 0, 0.12); }}
#found[hidden] {{ display: none; }}
#found button {{ padding: 4px 6px; }}
aside p {{ margin: 0 0 8px; font-size: 13px; }}
aside ol {{ margin: 0 0 10px; padding: 0; list-style: none; font-size: 13px; }}
aside li {{ display: grid; grid-template-columns: 34px 1fr auto; align-items: baseline;
  font-variant-numeric: tabular-nums; }}
aside h3 {{ margin: 10px 0 4px; font-size: 13px; font-weight: 600; color: {MUTED}; }}
.new {{ padding: 0 5px; border-radius: 8px; background: #d9f0e4; color: #00563f;
  font-size: 11px; }}
.left button.word {{ color: {MUTED}; text-decoration: line-through; }}
#history {{ width: 100%; font-size: 12px; table-layout: fixed; }}
#history th, #history td {{ padding: 0; }}
#history th:first-child {{ width: 92px; }}
#history td.cell {{ height: 16px; border: 1px solid white; background: #eef1f4; }}
#history td.in {{ background: {PALETTE[0]}; }}
#history td.now {{ outline: 2px solid {INK}; outline-offset: -2px; }}
#history .word {{ display: block; width: 100%; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }}
#epochs {{ width: 100%; font-size: 13px; }}
#epochs td, #epochs th {{ padding: 1px 0; }}
#epochs tr {{ cursor: pointer; }}
#epochs tr.now td {{ background: #dcecf7; font-weight: 600; }}
@media {SMALL} {{
  aside {{ width: 260px; padding: 8px 12px; }}
  #controls {{ padding: 6px 12px; gap: 8px; }}
  #now {{ width: auto; font-size: 12px; }}
  #now .more {{ display: none; }}
  #legend {{ flex-wrap: nowrap; overflow-x: auto; padding: 0 8px 4px;
    scrollbar-width: none; }}
  #legend span {{ white-space: nowrap; }}
}}
@media (orientation: portrait) {{
  main {{ flex-direction: column; }}
  aside {{ width: auto; height: 34%; border-left: 0; border-top: 1px solid {GRID}; }}
}}
"""

_SCRIPT = """
const SECONDS = 0.9;  // for an epoch, when it plays
const last = spec.epochs.length - 1;
const slider = document.getElementById("epoch");
const play = document.getElementById("play");
const panel = document.getElementById("word");
let time = last, playing = false, chosen = -1, told = "";

const board = new Board(document.getElementById("map"), {
  tell: i => {
    const frame = Math.round(time);
    const kind = spec.group[i] >= 0 ? spec.marks[spec.group[i]].name + " \\u00b7 " : "";
    return [make("b", "", spec.words[i]), make("br"),
      kind + spec.counts[i].toLocaleString("en") + " times", make("br"),
      spec.near[frame][i].slice(0, 5).map(j => spec.words[j]).join(", ")];
  },
  choose: i => choose(i),
  point: i => board.hover(i),
});

// Where word i is at a time between two frames; it starts and ends slowly.
const between = (axis, i, at) => {
  const first = Math.floor(at), next = Math.min(first + 1, last), part = at - first;
  const eased = part * part * (3 - 2 * part);
  return spec.places[first][axis][i] * (1 - eased) + spec.places[next][axis][i] * eased;
};
const go = at => {
  time = Math.min(Math.max(at, 0), last);
  const ids = spec.words.keys();
  board.xs = [];
  board.ys = [];
  for (const i of ids) {
    board.xs.push(between(0, i, time));
    board.ys.push(between(1, i, time));
  }
  const frame = Math.round(time);
  if (chosen >= 0) {
    board.near = spec.near[frame][chosen];
    board.trail = spec.epochs.slice(0, Math.ceil(time)).map((_, f) =>
      [spec.places[f][0][chosen], spec.places[f][1][chosen]]);
    board.trail.push([board.xs[chosen], board.ys[chosen]]);
  }
  slider.value = frame;
  tellEpoch(frame);
  board.draw();
};

const percent = share => Math.round(100 * share) + "%";
const tellEpoch = frame => {
  const now = frame + ":" + chosen;
  if (now === told) return;
  told = now;
  const epoch = spec.epochs[frame], end = spec.epochs[last];
  slider.setAttribute("aria-valuetext", "epoch " + epoch + " of " + end);
  const loss = spec.loss[frame];
  document.getElementById("now").replaceChildren(make("b", "", "epoch " + epoch),
    " of " + end, make("span", "more", frame === 0 ? " \\u00b7 random start"
      : loss === null ? "" : " \\u00b7 loss " + loss.toFixed(3)));
  if (chosen < 0) tellAll(frame);
  else tellWord(frame);
};

const jump = frame => { stop(); glide(frame); };
const tellAll = frame => {
  const table = make("table");
  table.id = "epochs";
  const head = make("tr", "", make("th", "", "epoch"), make("th", "number", "loss"),
    make("th", "number", "neighbors kept"));
  table.append(head);
  spec.epochs.forEach((epoch, f) => {
    const kept = spec.kept[f], loss = spec.loss[f];
    const row = make("tr", f === frame ? "now" : "", make("td", "", String(epoch)),
      make("td", "number", loss === null ? "" : loss.toFixed(3)),
      make("td", "number", kept === null ? "" : percent(kept)));
    row.addEventListener("click", () => jump(f));
    table.append(row);
  });
  panel.replaceChildren(make("p", "muted", "Click a word, or search for one, to follow "
    + "it. Kept: how many of a word's nearest were so an epoch before."), table);
};

const tellWord = frame => {
  const near = spec.near[frame][chosen];
  const before = frame ? spec.near[frame - 1][chosen] : [];
  const list = make("ol");
  near.forEach((j, rank) => {
    const cosine = (spec.cosines[frame][chosen][rank] / 100).toFixed(2);
    const fresh = frame && !before.includes(j) ? make("span", "new", "new") : "";
    const about = make("span", "muted", cosine);
    list.append(make("li", "", about, wordButton(j, choose), fresh));
  });
  const gone = before.filter(j => !near.includes(j));
  const left = make("p", "left", make("span", "muted", "left: "));
  gone.forEach(j => left.append(wordButton(j, choose)));
  const back = make("button", "word", "all words");
  back.type = "button";
  back.addEventListener("click", () => choose(-1));
  const heading = make("h2", "", spec.words[chosen]);
  const group = spec.group[chosen];
  const kind = group >= 0 ? spec.marks[group].name + ", " : "";
  const times = spec.counts[chosen].toLocaleString("en");
  const about = kind + "seen " + times + " times \\u00b7 ";
  panel.replaceChildren(heading, make("p", "muted", about, back),
    make("h3", "", "Nearest after epoch " + spec.epochs[frame]), list);
  if (gone.length) panel.append(left);
  panel.append(make("h3", "", "When its last neighbors came"), history(frame));
};
const history = frame => {
  const table = make("table");
  table.id = "history";
  const head = make("tr", "", make("th"));
  spec.epochs.forEach(() => head.append(make("th")));
  table.append(head);
  for (const j of spec.near[last][chosen]) {
    const row = make("tr", "", make("td", "", wordButton(j, choose)));
    spec.epochs.forEach((epoch, f) => {
      const inside = spec.near[f][chosen].includes(j);
      const cell = make("td", "cell");
      cell.classList.toggle("in", inside);
      cell.classList.toggle("now", f === frame);
      cell.title = "epoch " + epoch;
      cell.addEventListener("click", () => jump(f));
      row.append(cell);
    });
    table.append(row);
  }
  return table;
};

const choose = i => {
  chosen = i;
  board.chosen = i;
  if (i < 0) {
    board.near = [];
    board.trail = null;
  }
  board.hover(-1);
  go(time);
};

// Run `step` with the seconds since the last frame of the screen until it says no.
let running = 0;
const run = step => {
  const mine = ++running;
  let then = performance.now();
  const tick = now => {
    if (mine !== running) return;
    const seconds = Math.min((now - then) / 1000, 0.25);
    then = now;
    if (step(seconds)) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
};
const show = () => {
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
  document.getElementById("sign").setAttribute("d",
    playing ? "M3 2h4v12h-4zM9 2h4v12h-4z" : "M4 1.5v13l10-6.5z");
};
const stop = () => { playing = false; running++; show(); };
const start = () => {
  playing = true;
  show();
  board.hover(-1);
  if (time >= last) go(0);
  let waited = 0;
  run(seconds => {
    waited += seconds;
    if (isStill.matches) {  // frame after frame, without motion
      if (waited < SECONDS) return true;
      waited = 0;
      go(Math.floor(time) + 1);
    } else go(time + seconds / SECONDS);
    if (time < last) return true;
    stop();
    return false;
  });
};
const glide = frame => {
  if (isStill.matches) return go(frame);
  const from = time;
  let part = 0;
  run(seconds => {
    part = Math.min(part + seconds / 0.35, 1);
    go(from + (frame - from) * part);
    return part < 1;
  });
};
play.addEventListener("click", () => playing ? stop() : start());
slider.addEventListener("input", () => jump(Number(slider.value)));
document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, button, summary");
  if (event.key === " " && !typing) {
    event.preventDefault();
    play.click();
  }
});

const [xs, ys] = [0, 1].map(axis => spec.places.flatMap(places => places[axis]));
board.frame(Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys));
useLegend(() => board.draw());
useSearch(choose);
show();
go(last);
"""
