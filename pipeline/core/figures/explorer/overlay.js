// Above the points: lines from the chosen word to its neighbors, rings, and labels,
// most important first, each where it covers no other. Anew whenever the view moves.
const canvas = byId("overlay"), pen = canvas.getContext("2d");
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";
const ROOM = 8000; // square pixels of the map for each label
const FOOT = 26; // pixels at the bottom where the map's note stands
const TRIED = 2500; // words that a label is tried for, at most
let hovered = NONE, seen = "", visible = new Uint8Array(n);
// Words in the order they are labeled: frequent ones first, and before them those of
// the groups that the colors tell apart.
const FAVOR = 6;
let inOrder = [];
const repaint = () => {
  visible = Uint8Array.from({length: n}, (_, i) => +isShown(i));
  const of = currentGrouping()?.of;
  const rank = i => (i + 1) / (of && of[i] !== NONE ? FAVOR : 1);
  inOrder = Array.from({length: n}, (_, i) => i).filter(i => visible[i])
    .sort((i, j) => rank(i) - rank(j));
  seen = "";
};

const widths = new Map();
const widthOf = (text, font) => {
  const key = font + text;
  if (!widths.has(key)) {
    pen.font = font;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
};
const inside = (x, y, width, height) => x > 0 && x < width && y > 0 && y < height;

const paintOverlay = () => {
  const ratio = window.devicePixelRatio || 1;
  const width = figure.clientWidth, height = figure.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.lineJoin = "round";
  pen.textBaseline = "middle";
  const at = i => [positions[2 * i], positions[2 * i + 1]];
  const ring = (i, radius, color, line) => {
    pen.beginPath();
    pen.arc(...at(i), radius, 0, 2 * Math.PI);
    pen.strokeStyle = color;
    pen.lineWidth = line;
    pen.stroke();
  };
  const accent = inkOf("accent"), near = [];
  if (state.word !== NONE) {
    for (const {word} of neighborsOf(state.word)) near.push(word);
    pen.strokeStyle = inkOf("link");
    pen.lineWidth = 1.5;
    for (const word of near) {
      pen.beginPath();
      pen.moveTo(...at(state.word));
      pen.lineTo(...at(word));
      pen.stroke();
    }
    for (const word of near) ring(word, 6, accent, 1.5);
    ring(state.word, 9, accent, 3);
  }
  if (hovered !== NONE) ring(hovered, 8, inkOf("ink"), 2);
  paintLabels(at, near, width, height);
};

const paintLabels = (at, near, width, height) => {
  const size = width < 500 ? 11 : 12.5;
  const plain = `500 ${size}px ${FONT}`, bold = `700 ${size + 1}px ${FONT}`;
  const ink = inkOf("ink"), paper = inkOf("paper"), accent = inkOf("accent");
  const first = state.word === NONE ? [] : [state.word, ...near];
  const set = new Set(first), most = first.length + width * height / ROOM;
  // Boxes taken, by rows as high as a label.
  const high = size + 4, rows = new Map();
  const free = (x, y, w) => {
    for (let row = Math.floor(y / high); row <= Math.floor((y + high) / high); row++)
      for (const [l, t, r, b] of rows.get(row) || [])
        if (x < r && x + w > l && y < b && y + high > t) return false;
    return true;
  };
  const take = (l, t, r, b) => {
    for (let row = Math.floor(t / high); row <= Math.floor(b / high); row++) {
      if (!rows.has(row)) rows.set(row, []);
      rows.get(row).push([l, t, r, b]);
    }
  };
  for (const i of first) {
    const [x, y] = at(i);
    take(x - 5, y - 5, x + 5, y + 5);
  }
  const texts = [], boxes = [];
  const place = i => {
    const [x, y] = at(i), strong = set.has(i);
    if (!inside(x, y, width, height)) return;
    const font = strong ? bold : plain, w = widthOf(words[i], font) + 4;
    const spots = [[x + 7, y - high / 2], [x - 7 - w, y - high / 2],
      [x - w / 2, y - 7 - high], [x - w / 2, y + 7]];
    for (const [left, top] of spots) {
      const fits = left >= 0 && left + w <= width && top >= 0
        && top + high <= height - FOOT;
      // The chosen word is named in any case.
      if (!(fits && free(left, top, w)) && i !== state.word) continue;
      // Words that were not asked for keep some distance.
      const gap = strong ? 0 : 3;
      take(left - gap, top, left + w + gap, top + high);
      boxes.push([left, top, left + w, top + high].map(x => x.toFixed(1)));
      texts.push([words[i], left + 2, top + high / 2, font,
        i === state.word ? accent : ink]);
      return;
    }
  };
  for (const i of first) place(i);
  let tried = 0;
  for (const i of inOrder) {
    if (texts.length >= most || tried >= TRIED) break;
    if (set.has(i) || !inside(...at(i), width, height)) continue;
    tried++;
    place(i);
  }
  pen.lineWidth = 3;
  pen.strokeStyle = paper;
  for (const [text, x, y, font, color] of texts) {
    pen.font = font;
    pen.globalAlpha = 0.85;
    pen.strokeText(text, x, y);
    pen.globalAlpha = 1;
    pen.fillStyle = color;
    pen.fillText(text, x, y);
  }
  canvas.dataset.labels = texts.length;
  canvas.dataset.boxes = boxes.join();
};

const watch = () => {
  if (ready()) {
    const now = viewText();
    if (now !== seen) {
      const moved = seen !== "";
      seen = now;
      (state.dims === 2 ? lookFlat : lookDeep)(currentMap().places);
      paintOverlay();
      if (moved) noteView();
    }
  }
  requestAnimationFrame(watch);
};

// The word under the pointer, if any: the nearest within reach.
const wordAt = (x, y, reach) => {
  let best = NONE, least = reach * reach;
  for (let i = 0; i < n; i++) {
    if (!visible[i]) continue;
    const across = positions[2 * i] - x, down = positions[2 * i + 1] - y;
    const square = across * across + down * down;
    if (square < least) [best, least] = [i, square];
  }
  return best;
};
const tip = byId("tip"), mapBox = byId("map");
const hover = i => {
  if (i === hovered) return;
  hovered = i;
  mapBox.classList.toggle("over", i !== NONE);
  tip.hidden = i === NONE;
  if (i !== NONE) {
    const lines = factsOf(i).map(([name, value]) =>
      element("span", {}, `${name}: ${value}`));
    tip.replaceChildren(element("strong", {}, words[i]), ...lines);
    const [x, y] = [positions[2 * i], positions[2 * i + 1]];
    const {offsetWidth: w, offsetHeight: h} = tip;
    const left = x + 14 + w < mapBox.clientWidth ? x + 14 : Math.max(4, x - 14 - w);
    tip.style.left = left + "px";
    tip.style.top = Math.max(4, Math.min(y + 12, mapBox.clientHeight - h - 4)) + "px";
  }
  seen = "";
};
const spotOf = event => {
  const box = figure.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
let pressedAt = null;
const REACH = {mouse: 9, pen: 14, touch: 20}; // pixels
const watchPointer = () => {
  mapBox.addEventListener("pointerdown", event => {
    pressedAt = [event.clientX, event.clientY];
    hover(NONE);
  }, true);
  mapBox.addEventListener("pointermove", event => {
    if (event.pointerType === "mouse" && !event.buttons)
      hover(wordAt(...spotOf(event), REACH.mouse));
  }, true);
  mapBox.addEventListener("pointerleave", () => hover(NONE));
  window.addEventListener("pointerup", event => {
    if (!pressedAt) return;
    const [x, y] = pressedAt;
    pressedAt = null;
    if (Math.hypot(event.clientX - x, event.clientY - y) > 4) return;
    const word = wordAt(...spotOf(event), REACH[event.pointerType] || 9);
    if (word !== NONE) timed("click", () => select(word));
  }, true);
};
