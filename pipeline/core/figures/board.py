"""The script of maps on canvases: words as points, to pan, zoom and point at.

For pages whose points move: a canvas draws a thousand of them sixty times a second,
and needs no library, so that a page takes 1 MB and not 6.
"""

from pipeline.core.figures.script import FONT, SMALL
from pipeline.core.figures.style import INK, MUTED, PALETTE, QUIET

# Texts become text nodes or canvas text, never markup.
BOARD = (
    """
const spec = JSON.parse(document.getElementById("spec").textContent);
const isSmall = window.matchMedia("SMALL");
const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");

// An element with its class and its content: elements, or texts as they are.
const make = (tag, kind, ...content) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...content);
  return made;
};
const wordButton = (id, choose) => {
  const button = make("button", "word", spec.words[id]);
  button.type = "button";
  button.addEventListener("click", () => choose(id));
  return button;
};

const notes = document.querySelector("header details");
const fold = () => { if (notes) notes.open = !isSmall.matches; };
fold();
isSmall.addEventListener("change", fold);
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && notes && isSmall.matches) notes.open = false;
});

const paths = spec.marks.map(mark => new Path2D(mark.path));
const grouped = spec.group.some(group => group >= 0);
const hidden = new Set();

// Words at places (xs, ys). `chosen` and those of `near` are drawn on top of all.
class Board {
  constructor(holder, {tell, choose, point}) {
    this.canvas = make("canvas");
    this.canvas.tabIndex = 0;
    this.tip = make("div", "tip");
    this.tip.hidden = true;
    holder.append(this.canvas, this.tip);
    this.pen = this.canvas.getContext("2d");
    Object.assign(this, {tell, choose, point, xs: [], ys: [], chosen: -1, hovered: -1,
      near: [], trail: null, zoom: 1, x: 0, y: 0, kept: new Map(), widths: new Map(),
      pointers: new Map(), moved: 0});
    this.listen();
    new ResizeObserver(() => this.draw()).observe(holder);
  }

  // What shows at zoom 1: all places that the map will ever have.
  frame(left, right, low, high) {
    this.room = {x: (left + right) / 2, y: (low + high) / 2,
      width: Math.max(right - left, 1e-9), height: Math.max(high - low, 1e-9)};
    this.home();
  }
  home() {
    Object.assign(this, {zoom: 1, x: this.room.x, y: this.room.y});
    this.draw();
  }

  draw() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => { this.due = false; this.paint(); });
  }

  get scale() {
    const {clientWidth: w, clientHeight: h} = this.canvas;
    const {width, height} = this.room, pad = isSmall.matches ? 16 : 36;
    const fit = Math.min((w - 2 * pad) / width, (h - 2 * pad) / height);
    return Math.max(fit, 1e-9) * this.zoom;
  }
  place(i) { return this.screen(this.xs[i], this.ys[i]); }
  screen(x, y) {
    const {clientWidth: w, clientHeight: h} = this.canvas, scale = this.scale;
    return [w / 2 + (x - this.x) * scale, h / 2 - (y - this.y) * scale];
  }

  paint() {
    if (!this.room || !this.xs.length) return;
    const {canvas, pen} = this, ratio = window.devicePixelRatio || 1;
    const w = canvas.clientWidth, h = canvas.clientHeight;
    if (canvas.width !== Math.round(w * ratio)) canvas.width = Math.round(w * ratio);
    if (canvas.height !== Math.round(h * ratio)) canvas.height = Math.round(h * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, h);
    const n = this.xs.length, places = Array.from({length: n}, (_, i) => this.place(i));
    const top = new Set([this.chosen, ...this.near, this.hovered].filter(i => i >= 0));
    const seen = i => top.has(i) || !hidden.has(spec.group[i]);
    const inside = ([x, y]) => x > -8 && x < w + 8 && y > -8 && y < h + 8;
    const size = isSmall.matches ? 0.75 : 1;
    pen.globalAlpha = this.chosen >= 0 ? 0.35 : 0.6;
    pen.fillStyle = "QUIET";
    for (let i = 0; i < n; i++) {
      if (spec.group[i] >= 0 || top.has(i) || !seen(i) || !inside(places[i])) continue;
      pen.beginPath();
      pen.arc(places[i][0], places[i][1], 2.6 * size, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = this.chosen >= 0 ? 0.45 : 1;
    for (let i = n - 1; i >= 0; i--)
      if (spec.group[i] >= 0 && !top.has(i) && seen(i) && inside(places[i]))
        this.stamp(i, places[i], 0.8 * size);
    pen.globalAlpha = 1;
    if (this.trail) {
      pen.strokeStyle = "ACCENT";
      pen.lineWidth = 1.5;
      pen.setLineDash([2, 3]);
      pen.beginPath();
      this.trail.forEach(([x, y]) => pen.lineTo(...this.screen(x, y)));
      pen.stroke();
      pen.setLineDash([]);
    }
    if (this.chosen >= 0) {
      pen.strokeStyle = "rgba(0, 114, 178, 0.45)";
      pen.lineWidth = 1;
      for (const i of this.near) {
        pen.beginPath();
        pen.moveTo(...places[this.chosen]);
        pen.lineTo(...places[i]);
        pen.stroke();
      }
    }
    for (const i of top)
      this.stamp(i, places[i], size, i === this.chosen || i === this.hovered);
    this.label(places, top, seen, w, h);
  }

  stamp(i, [x, y], size, ring) {
    const {pen} = this, group = spec.group[i];
    pen.save();
    pen.translate(x, y);
    if (ring) {
      pen.strokeStyle = "ACCENT";
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(0, 0, 8, 0, 7);
      pen.stroke();
    }
    pen.scale(size, size);
    pen.fillStyle = group >= 0 ? spec.marks[group].color : "MUTED";
    pen.strokeStyle = "white";
    pen.lineWidth = 1;
    if (group >= 0) {
      pen.fill(paths[group]);
      pen.stroke(paths[group]);
    } else {
      pen.beginPath();
      pen.arc(0, 0, 4, 0, 7);
      pen.fill();
    }
    pen.restore();
  }

  // Labels where they cover no other: first those on top, then those that were there
  // a moment ago, so that none flickers while words move, then frequent words.
  label(places, top, seen, w, h) {
    const {pen, kept} = this, size = isSmall.matches ? 11 : 12;
    const rank = i => i === this.chosen || i === this.hovered ? 0 : top.has(i) ? 1 :
      kept.has(i) ? 2 : spec.group[i] >= 0 ? 3 : 4;
    const few = this.zoom < 1.8 && grouped;
    const items = [], taken = [], now = new Map();
    for (let i = 0; i < places.length; i++) {
      const [x, y] = places[i];
      if (!seen(i) || x < 0 || x > w || y < 0 || y > h) continue;
      if (spec.group[i] >= 0 || top.has(i)) taken.push([x - 4, y - 4, x + 4, y + 4]);
      if (top.has(i) || !few || spec.group[i] >= 0) items.push([rank(i), i]);
    }
    items.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    for (const [order, i] of items.slice(0, 1500)) {
      if (now.size >= 260) break;
      const [x, y] = places[i], text = spec.words[i];
      pen.font = (order < 2 ? "600 " : order < 4 && spec.group[i] >= 0 ? "500 " : "")
        + size + "px FAMILY";
      const key = pen.font + text;
      if (!this.widths.has(key)) this.widths.set(key, pen.measureText(text).width + 2);
      const wide = this.widths.get(key), high = size + 2;
      const spots = [[x + 6, y - high / 2], [x - 6 - wide, y - high / 2],
        [x - wide / 2, y - 6 - high], [x - wide / 2, y + 6]];
      const first = kept.get(i) ?? 0;
      for (let k = 0; k < 4; k++) {
        const spot = (first + k) % 4, [left, above] = spots[spot];
        if (left < 0 || left + wide > w || above < 0 || above + high > h) continue;
        if (order > 0 && taken.some(t => left < t[2] && left + wide > t[0]
            && above < t[3] && above + high > t[1])) continue;
        taken.push([left, above, left + wide, above + high]);
        now.set(i, spot);
        pen.lineWidth = 3;
        pen.strokeStyle = "rgba(255, 255, 255, 0.85)";
        pen.strokeText(text, left + 1, above + high / 2);
        pen.fillStyle = order < 2 || spec.group[i] >= 0 ? "INK" : "MUTED";
        pen.globalAlpha = this.chosen >= 0 && order > 1 ? 0.5 : 1;
        pen.fillText(text, left + 1, above + high / 2);
        pen.globalAlpha = 1;
        break;
      }
    }
    this.kept = now;
  }

  // The word nearest to a place on the screen, -1 if none is near.
  find(x, y, reach) {
    let found = -1, least = reach * reach;
    for (let i = 0; i < this.xs.length; i++) {
      if (hidden.has(spec.group[i])) continue;
      const [a, b] = this.place(i), d = (a - x) ** 2 + (b - y) ** 2;
      if (d < least) [found, least] = [i, d];
    }
    return found;
  }

  // Show what is told of a word beside it; -1 hides it.
  hover(i) {
    this.hovered = i;
    this.tip.hidden = i < 0;
    if (i >= 0) {
      this.tip.replaceChildren(...this.tell(i));
      const [x, y] = this.place(i), box = this.tip.getBoundingClientRect();
      const {clientWidth: w, clientHeight: h} = this.canvas;
      const left = x + 14 + box.width > w ? x - 14 - box.width : x + 14;
      const within = (at, size, most) =>
        Math.max(2, Math.min(at, most - size - 2)) + "px";
      this.tip.style.left = within(left, box.width, w);
      this.tip.style.top = within(y - box.height / 2, box.height, h);
    }
    this.draw();
  }

  magnify(factor, x, y) {
    const {clientWidth: w, clientHeight: h} = this.canvas, before = this.scale;
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.7), 40);
    const change = 1 / before - 1 / this.scale;
    this.x += (x - w / 2) * change;
    this.y -= (y - h / 2) * change;
    this.draw();
  }

  listen() {
    const {canvas, pointers} = this;
    const at = event => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, at(event));
      if (pointers.size === 1) this.moved = 0;
    });
    canvas.addEventListener("pointermove", event => {
      const now = at(event), before = pointers.get(event.pointerId);
      if (!before) {
        const found = this.find(...now, 14);
        if (found !== this.hovered) this.point(found);
        return;
      }
      const dx = now[0] - before[0], dy = now[1] - before[1];
      if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const apart = p => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        const [x, y] = [0, 1].map(axis => (now[axis] + other[axis]) / 2);
        this.magnify(apart(now) / apart(before), x, y);
        this.moved = 99;
      }
      pointers.set(event.pointerId, now);
      this.moved += Math.abs(dx) + Math.abs(dy);
      this.x -= dx / this.scale / pointers.size;
      this.y += dy / this.scale / pointers.size;
      this.draw();
    });
    const lift = event => {
      if (!pointers.delete(event.pointerId) || event.type === "pointercancel") return;
      const reach = event.pointerType === "touch" ? 24 : 14;
      if (this.moved < 6) this.choose(this.find(...at(event), reach));
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    canvas.addEventListener("pointerleave", () => this.point(-1));
    canvas.addEventListener("dblclick", () => this.home());
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      const step = event.deltaMode ? 0.05 : 0.0015;  // by lines, or by pixels
      this.magnify(Math.exp(-event.deltaY * step), ...at(event));
    }, {passive: false});
    canvas.addEventListener("keydown", event => {
      const {clientWidth: w, clientHeight: h} = canvas, step = 40 / this.scale;
      const factor = {"+": 1.3, "=": 1.3, "-": 1 / 1.3}[event.key];
      const moves = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step],
        ArrowDown: [0, -step]};
      if (event.key in moves) {
        this.x += moves[event.key][0];
        this.y += moves[event.key][1];
        this.draw();
      } else if (factor) this.magnify(factor, w / 2, h / 2);
      else if (event.key === "0") this.home();
      else if (event.key === "Escape") this.choose(-1);
      else return;
      event.preventDefault();
    });
  }
}

// Buttons that hide and show groups on all boards.
const useLegend = draw => {
  const present = [...new Set(spec.group.filter(g => g >= 0))].sort((a, b) => a - b);
  const buttons = [...document.querySelectorAll("#legend button")];
  const show = gone => {
    hidden.clear();
    gone.forEach(group => hidden.add(group));
    buttons.forEach((button, i) =>
      button.setAttribute("aria-pressed", !hidden.has(present[i])));
    draw();
  };
  buttons.forEach((button, i) => {
    const others = present.filter(group => group !== present[i]);
    const only = () => show(others.every(g => hidden.has(g)) ? [] : others);
    button.addEventListener("click", event => {
      if (event.shiftKey) only();
      else show(present.filter(g => hidden.has(g) !== (g === present[i])));
    });
    button.addEventListener("dblclick", event => event.shiftKey || only());
  });
};

// A search box with the words that begin so, or else hold what is typed.
const useSearch = choose => {
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  const folded = spec.words.map(word => word.toLowerCase());
  const match = text => {
    const typed = text.trim().toLowerCase();
    if (!typed) return [];
    const all = folded.keys(), found = [[], [], []];
    for (const i of all) {
      const word = folded[i];
      if (word === typed) found[0].push(i);
      else if (word.startsWith(typed)) found[1].push(i);
      else if (word.includes(typed)) found[2].push(i);
    }
    return found.flat();
  };
  const close = () => { list.replaceChildren(); list.hidden = true; };
  const take = id => { choose(id); box.value = spec.words[id]; close(); };
  box.addEventListener("input", () => {
    const found = match(box.value).slice(0, 8);
    list.replaceChildren(...found.map(id => wordButton(id, take)));
    if (box.value.trim() && !found.length)
      list.append(make("span", "muted", "no such word"));
    list.hidden = !list.childNodes.length;
  });
  box.addEventListener("keydown", event => {
    const [best] = match(box.value);
    if (event.key === "Enter" && best !== undefined) take(best);
    if (event.key === "Escape") { box.value = ""; close(); }
    if (event.key === "ArrowDown" && list.firstChild?.focus) {
      list.firstChild.focus();
      event.preventDefault();
    }
  });
  list.addEventListener("keydown", event => {
    const next = {ArrowDown: "nextSibling", ArrowUp: "previousSibling"}[event.key];
    if (next) { (document.activeElement[next] ?? box).focus(); event.preventDefault(); }
    if (event.key === "Escape") { close(); box.focus(); }
  });
};
""".replace("FAMILY", FONT.replace('"', "'"))
    .replace("ACCENT", PALETTE[0])
    .replace("QUIET", QUIET)
    .replace("MUTED", MUTED)
    .replace("INK", INK)
    .replace("SMALL", SMALL)
)
