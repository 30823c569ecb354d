// Where words are on the screen, and how to look elsewhere. In 2D the view is two axis
// ranges, in 3D a camera; a word's place in the window follows from either.
const figure = byId("figure");
const FAR = 1e6; // where what is not to be seen is

const times = (m, v) => [0, 1, 2, 3].map(row =>
  m[row] * v[0] + m[4 + row] * v[1] + m[8 + row] * v[2] + m[12 + row] * v[3]);
const scene = () => figure._fullLayout?.scene?._scene;
const world = (drawn, places, i) => {
  const [x, y, z] = drawn.dataScale;
  return times(drawn.glplot.cameraParams.model,
    [places[3 * i] * x, places[3 * i + 1] * y, places[3 * i + 2] * z, 1]);
};

// The view as a text that changes when it does, and all words' places in pixels of
// the figure: [x, y, x, y, ...].
const positions = new Float32Array(2 * n);
const lookFlat = places => {
  const {xaxis: x, yaxis: y} = figure._fullLayout;
  const sx = x._length / (x.range[1] - x.range[0]);
  const sy = y._length / (y.range[1] - y.range[0]);
  for (let i = 0; i < n; i++) {
    positions[2 * i] = x._offset + (places[2 * i] - x.range[0]) * sx;
    positions[2 * i + 1] = y._offset + y._length - (places[2 * i + 1] - y.range[0]) * sy;
  }
};
const lookDeep = places => {
  const drawn = scene(), {projection, view, model} = drawn.glplot.cameraParams;
  const {width, height} = drawn.container.getBoundingClientRect();
  // One matrix for all: projection · view · model, and the scale of the data.
  const columns = [0, 1, 2, 3].map(k =>
    times(projection, times(view, model.slice(4 * k, 4 * k + 4))));
  const [a, b, c, d] = columns, [sx, sy, sz] = drawn.dataScale;
  for (let i = 0; i < n; i++) {
    const x = places[3 * i] * sx, y = places[3 * i + 1] * sy, z = places[3 * i + 2] * sz;
    const w = a[3] * x + b[3] * y + c[3] * z + d[3];
    const across = (a[0] * x + b[0] * y + c[0] * z + d[0]) / w;
    const up = (a[1] * x + b[1] * y + c[1] * z + d[1]) / w;
    positions[2 * i] = w > 0 ? width * (0.5 + 0.5 * across) : -FAR;
    positions[2 * i + 1] = w > 0 ? height * (0.5 - 0.5 * up) : -FAR;
  }
};
const ready = () => {
  if (state.dims === 2) return Boolean(figure._fullLayout?.xaxis?._length);
  return Boolean(scene()?.glplot?.cameraParams?.projection);
};
const viewText = () => {
  const size = [figure.clientWidth, figure.clientHeight, window.devicePixelRatio];
  if (state.dims === 2) {
    const {xaxis: x, yaxis: y} = figure._fullLayout;
    return [...x.range, ...y.range, ...size].join();
  }
  const {view, model, projection} = scene().glplot.cameraParams;
  return [...view, ...model, ...projection, ...size].join();
};

// The view as numbers, for addresses, and back.
const viewNumbers = () => {
  if (state.dims === 2) {
    const {xaxis: x, yaxis: y} = figure._fullLayout;
    return [...x.range, ...y.range];
  }
  const {eye, center, up} = scene().getCamera();
  return [eye, center, up].flatMap(({x, y, z}) => [x, y, z]);
};
const viewLayout = numbers => {
  if (state.dims === 2)
    return {"xaxis.range": numbers.slice(0, 2), "yaxis.range": numbers.slice(2, 4)};
  const [eye, center, up] = [0, 3, 6].map(k =>
    ({x: numbers[k], y: numbers[k + 1], z: numbers[k + 2]}));
  return {"scene.camera": {eye, center, up}};
};

// On each axis, the ends between which all words lie but so many at either.
const extent = (places, dims, strays) => Array.from({length: dims}, (_, k) => {
  const along = Float32Array.from({length: n}, (_, i) => places[i * dims + k]).sort();
  return [along[strays], along[n - 1 - strays]];
});
// The first view is fitted to all but one word in a hundred, so that a stray does not
// shrink the others.
const core = (places, dims) => extent(places, dims, Math.floor(n / 200));
const homeFlat = () => {
  const {width, height} = figure.getBoundingClientRect();
  const [[x0, x1], [y0, y1]] = core(currentMap().places, 2);
  const low = [x0, y0], high = [x1, y1];
  // Units as large across as up, as Plotly's own axes would have it.
  const unit = Math.max((high[0] - low[0]) / Math.max(width - 80, 50),
    (high[1] - low[1]) / Math.max(height - 60, 50)) || 1;
  const [x, y] = [0, 1].map(k => (low[k] + high[k]) / 2);
  return [x - unit * width / 2, x + unit * width / 2,
    y - unit * height / 2, y + unit * height / 2];
};
// The camera comes as near as shows all: a point at (a, b, c) along right, above and
// toward the eye is seen from (s, t, d) where |a - s| <= k (d - c).
const homeDeep = () => {
  const drawn = scene(), {places} = currentMap();
  const {width, height} = drawn.container.getBoundingClientRect();
  const toward = [0.66, 0.66, 0.36].map(x => x / Math.hypot(0.66, 0.66, 0.36));
  const flat = Math.hypot(toward[0], toward[1]);
  const right = [-toward[1] / flat, toward[0] / flat, 0];
  const above = [-toward[2] * toward[0] / flat, -toward[2] * toward[1] / flat, flat];
  const focal = drawn.glplot.cameraParams.projection[5];
  const kx = Math.max(width - 80, 50) / height / focal;
  const ky = Math.max(height - 60, 50) / height / focal;
  const along = (axis, v) => axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2];
  const most = [-Infinity, -Infinity, -Infinity, -Infinity];
  const ends = core(places, 3);
  const isStray = i => ends.some(([low, high], k) =>
    places[3 * i + k] < low || places[3 * i + k] > high);
  let nearest = -Infinity;
  for (let i = 0; i < n; i++) {
    if (isStray(i)) continue;
    const v = world(drawn, places, i);
    const a = along(right, v), b = along(above, v), c = along(toward, v);
    [a + kx * c, kx * c - a, b + ky * c, ky * c - b].forEach((bound, side) => {
      most[side] = Math.max(most[side], bound);
    });
    nearest = Math.max(nearest, c);
  }
  const s = (most[0] - most[1]) / 2, t = (most[2] - most[3]) / 2;
  const d = Math.max((most[0] + most[1]) / 2 / kx, (most[2] + most[3]) / 2 / ky,
    nearest + 0.3);
  const mix = depth => [0, 1, 2].map(k => s * right[k] + t * above[k] + depth * toward[k]);
  return [...mix(d), ...mix(0), 0, 0, 1];
};
const homeNumbers = () => state.dims === 2 ? homeFlat() : homeDeep();

// A word in the middle, and most of its neighbors around it.
const closeNumbers = word => {
  const {places} = currentMap(), now = viewNumbers(), home = homeNumbers();
  const flat = state.dims === 2, drawn = scene();
  const at = i => flat ? [places[2 * i], places[2 * i + 1]]
    : world(drawn, places, i).slice(0, 3);
  const center = at(word), apart = neighborsOf(word)
    .map(near => Math.hypot(...at(near.word).map((x, k) => x - center[k])))
    .sort((a, b) => a - b);
  const reach = 1.3 * (apart[Math.floor(apart.length * 0.8)] ?? 0);
  if (flat) {
    const [x, y] = [(home[1] - home[0]) / 2, (home[3] - home[2]) / 2];
    const zoom = Math.max(1 / 12, Math.min(0.4, reach / Math.min(x, y)));
    return [center[0] - x * zoom, center[0] + x * zoom,
      center[1] - y * zoom, center[1] + y * zoom];
  }
  const gap = v => [0, 1, 2].map(k => v[k] - v[3 + k]);
  const away = gap(now), long = Math.hypot(...away), whole = Math.hypot(...gap(home));
  const near = Math.max(whole / 6, Math.min(whole / 2, 3 * reach));
  return [...center.map((x, k) => x + away[k] / long * near), ...center, 0, 0, 1];
};

let flight = 0;
const FLIGHT = 450; // milliseconds
const lookAt = numbers => Plotly.relayout(figure, viewLayout(numbers));
const flyTo = numbers => {
  cancelAnimationFrame(flight);
  const from = viewNumbers(), start = performance.now();
  if (motionless.matches || !from.every(Number.isFinite)) return lookAt(numbers);
  const step = () => {
    const share = Math.min((performance.now() - start) / FLIGHT, 1);
    const eased = share * share * (3 - 2 * share);
    lookAt(numbers.map((x, k) => from[k] * (1 - eased) + x * eased));
    if (share < 1) flight = requestAnimationFrame(step);
  };
  step();
};
