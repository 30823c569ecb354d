"""What runs in a page: it draws the figure, its legend and its labels."""

from pipeline.core.figures.style import INK, MUTED

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"

# Windows with room for little: phones, and frames in other pages.
SMALL = "(max-width: 699px), (max-height: 639px)"

# Labels are written on a canvas above the points, most important first, each where
# it covers neither a label nor a marked point; anew whenever the view moves.
SCRIPT = (
    """
"use strict";
(() => {
const spec = JSON.parse(document.getElementById("spec").textContent);
const figure = document.getElementById("figure");
const canvas = document.getElementById("labels");
const pen = canvas.getContext("2d");
const isSmall = window.matchMedia("SMALL");
const isPortrait = window.matchMedia("(orientation: portrait)");
const notes = document.querySelector("details");
const entries = [...document.querySelectorAll("#legend button")];
const pressed = () =>
  entries.map(entry => entry.getAttribute("aria-pressed") === "true");

// Draw anew where the window asks for another form: Plotly cannot turn a color bar.
let first = null, fitted = null, form = "", ready = false;
const draw = () => {
  const small = isSmall.matches;
  if (notes && form[0] !== String(+small)) notes.open = !small;
  const changes = {...small && spec.small,
    ...small && isPortrait.matches && spec.portrait};
  const now = +small + JSON.stringify(changes);
  if (now === form) return;
  form = now;
  const {data, layout} = structuredClone(spec.figure);
  for (const [key, value] of Object.entries(changes)) {
    const names = key.split("."), last = names.pop();
    names.reduce((part, name) => part[name] ??= {}, layout)[last] = value;
  }
  const visible = pressed();
  data.forEach((trace, i) => {
    if (small && trace.marker) trace.marker.size *= 0.75;
    if (entries.length) trace.visible = visible[i];
  });
  first = fitted = null;
  ready = false;
  return Plotly.newPlot(figure, data, layout, spec.config).then(() => {
    // Above the points and below what hovers.
    figure.querySelector(".hoverlayer").closest("svg").before(canvas);
    ready = true;
  });
};
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && notes && isSmall.matches) notes.open = false;
});

const show = visible => {
  entries.forEach((entry, i) => entry.setAttribute("aria-pressed", visible[i]));
  return Plotly.restyle(figure, {visible});
};
const only = chosen => {
  const alone = pressed().every((shown, i) => shown === (i === chosen));
  show(entries.map((_, i) => alone || i === chosen));
};
entries.forEach((entry, chosen) => {
  entry.addEventListener("click", event => {
    if (event.shiftKey) only(chosen);
    else show(pressed().map((shown, i) => shown !== (i === chosen)));
  });
  entry.addEventListener("dblclick", event => event.shiftKey || only(chosen));
});

// Where a point of a trace is on the screen, in pixels of the figure.
const flat = () => {
  const {xaxis: x, yaxis: y} = figure._fullLayout;
  return {
    left: x._offset, top: y._offset,
    right: x._offset + x._length, bottom: y._offset + y._length,
    view: [x.range, y.range].join(),
    extent: x.range[1] - x.range[0],
    first: x.autorange,
    place: (trace, i) => [x._offset + x.d2p(trace.x[i]),
      y._offset + y.d2p(trace.y[i]), 0],
  };
};
const times = (m, v) => [0, 1, 2, 3].map(row =>
  m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
const world = (scene, trace, i) => {
  const [x, y, z] = scene.dataScale;
  const point = [trace.x[i] * x, trace.y[i] * y, trace.z[i] * z, 1];
  return times(scene.glplot.cameraParams.model, point);
};
const deep = () => {
  const scene = figure._fullLayout.scene._scene;
  const {projection, view, model} = scene.glplot.cameraParams;
  const box = scene.container.getBoundingClientRect();
  const own = figure.getBoundingClientRect();
  const left = box.left - own.left, top = box.top - own.top;
  const {eye, center} = scene.getCamera();
  const moved = fitted && Math.hypot(
    eye.x - fitted.eye.x, eye.y - fitted.eye.y, eye.z - fitted.eye.z);
  return {
    left, top, right: left + box.width, bottom: top + box.height,
    view: [...view, ...model, ...projection, box.width, box.height].join(),
    extent: Math.hypot(eye.x - center.x, eye.y - center.y, eye.z - center.z),
    first: fitted && moved < 1e-3,
    place: (trace, i) => {
      const v = times(projection, times(view, world(scene, trace, i)));
      return [left + box.width * (0.5 + 0.5 * v[0] / v[3]),
        top + box.height * (0.5 - 0.5 * v[1] / v[3]), v[3]];
    },
  };
};
// Bring the camera as near as shows all points, with room for labels at the sides.
// A point at (a, b, c) along right, above and toward the eye is seen from (s, t, d)
// where |a - s| <= k (d - c): each side's outermost point gives one bound.
const fit = () => {
  const scene = figure._fullLayout.scene._scene;
  const {width, height} = scene.container.getBoundingClientRect();
  const {x, y, z} = spec.figure.layout.scene.camera.eye;
  const long = Math.hypot(x, y, z), flat = Math.hypot(x, y);
  const toward = [x / long, y / long, z / long];
  const right = [-y / flat, x / flat, 0];
  const above = [-z * x / long / flat, -z * y / long / flat, flat / long];
  const {projection} = scene.glplot.cameraParams;
  const focal = projection[5];
  const traces = figure._fullData.filter(trace => trace.visible === true);
  // Nothing to fit, or not yet drawn at this size.
  if (!traces.length || !(Math.abs(focal / projection[0] * height / width - 1) < 0.05))
    return false;
  const kx = (width - 90) / height / focal, ky = (height - 36) / height / focal;
  const along = (axis, v) => axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2];
  const most = [-Infinity, -Infinity, -Infinity, -Infinity];
  let nearest = -Infinity;
  for (const trace of traces) {
    for (let i = 0; i < trace.x.length; i++) {
      const v = world(scene, trace, i);
      const a = along(right, v), b = along(above, v), c = along(toward, v);
      [a + kx * c, kx * c - a, b + ky * c, ky * c - b].forEach((bound, side) => {
        most[side] = Math.max(most[side], bound);
      });
      nearest = Math.max(nearest, c);
    }
  }
  const s = (most[0] - most[1]) / 2, t = (most[2] - most[3]) / 2;
  const d = Math.max((most[0] + most[1]) / 2 / kx, (most[2] + most[3]) / 2 / ky,
    nearest + 0.3);
  const mix = (i, depth) => s * right[i] + t * above[i] + depth * toward[i];
  const center = {x: mix(0, 0), y: mix(1, 0), z: mix(2, 0)};
  fitted = {center, eye: {x: mix(0, d), y: mix(1, d), z: mix(2, d)},
    up: {x: 0, y: 0, z: 1}};
  Plotly.relayout(figure, {"scene.camera": fitted});
  return true;
};
const look = () => figure._fullLayout.scene ? deep() : flat();

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
  const size = isSmall.matches ? 11 : 12;
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

if (spec.figure.layout.scene) {
  spec.config.modeBarButtonsToAdd = [
    {name: "home", title: "First view", icon: Plotly.Icons.home, click: fit}];
}
draw().then(() => {
  window.addEventListener("resize", draw);
  if (!spec.labels.length) return;
  let last = "", room = "";
  const watch = () => {
    if (!ready) return requestAnimationFrame(watch);
    let now = look();
    const size = [now.right - now.left, now.bottom - now.top].join();
    // A view that nobody has moved yet follows the window.
    const due = figure._fullLayout.scene && (!fitted || size !== room && now.first);
    if (!due) room = size;
    else if (fit()) {
      room = size;
      now = look();
    }
    if (now.first) first = now.extent;
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
    .replace("SMALL", SMALL)
)
