// The points: one trace of Plotly, in WebGL. Lines, rings and labels are drawn above it.
let shownIds = [];
const SIZES = {circle: 1, square: 0.85, diamond: 0.9, cross: 1.15}; // that look alike

const isShown = i => {
  if (counts[i] < state.least) return false;
  const grouping = currentGrouping();
  return !grouping || !state.hidden.has(grouping.of[i]);
};
const limitsOf = measure => {
  let low = Infinity, high = -Infinity;
  for (const value of measure.values) {
    if (Number.isNaN(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 0];
};
// Return the color of each word and the shape of its mark.
const paints = () => {
  const grouping = currentGrouping(), quiet = inkOf("quiet");
  if (grouping) {
    const colors = grouping.marks.map(markColor);
    return i => {
      const label = grouping.of[i];
      return label === NONE ? [quiet, "circle", 0.75]
        : [colors[label], grouping.marks[label].shape, 1];
    };
  }
  const measure = currentMeasure(), log = measure.logarithmic;
  const [low, high] = limitsOf(measure).map(x => log ? Math.log1p(x) : x);
  const steps = Array.from({length: 65}, (_, k) => scaleColor(k / 64));
  return i => {
    const value = log ? Math.log1p(measure.values[i]) : measure.values[i];
    if (Number.isNaN(value)) return [quiet, "circle", 0.75];
    const share = high > low ? (value - low) / (high - low) : 1;
    return [steps[Math.round(64 * share)], "circle", 1];
  };
};
const trace = () => {
  const {places} = currentMap(), {dims} = state, paint = paints();
  const grouped = Boolean(currentGrouping());
  shownIds = [];
  for (let i = 0; i < n; i++) if (isShown(i)) shownIds.push(i);
  // What is of no group lies below what is of one.
  const of = currentGrouping()?.of;
  if (of) shownIds.sort((i, j) => (of[i] !== NONE) - (of[j] !== NONE) || i - j);
  const base = (dims === 2 ? 9 : 6.5) * Math.min(1.2, Math.max(0.5, (1500 / n) ** 0.25));
  const axes = [0, 1, 2].slice(0, dims).map(k =>
    Float32Array.from(shownIds, i => places[i * dims + k]));
  const painted = shownIds.map(paint);
  return {
    type: dims === 2 ? "scattergl" : "scatter3d",
    mode: "markers",
    hoverinfo: "skip",
    x: axes[0], y: axes[1], ...dims === 3 && {z: axes[2]},
    marker: {
      color: painted.map(([color]) => color),
      size: painted.map(([, shape, share]) => base * (dims === 2 ? SIZES[shape] : 1) * share),
      // In 3D other shapes are thin lines, and slow.
      symbol: grouped && dims === 2 ? painted.map(([, shape]) => shape) : "circle",
      opacity: 0.9,
      line: {width: dims === 2 ? 0.7 : 0, color: inkOf("paper")},
    },
  };
};
const axis = {visible: false, showgrid: false, zeroline: false, fixedrange: false};
const layout = numbers => {
  const paper = inkOf("paper");
  const common = {
    paper_bgcolor: paper, plot_bgcolor: paper, showlegend: false, hovermode: false,
    margin: {l: 0, r: 0, t: 0, b: 0}, dragmode: state.dims === 2 ? "pan" : "orbit",
  };
  if (state.dims === 2) {
    const [x0, x1, y0, y1] = numbers || homeNumbers();
    return {...common, xaxis: {...axis, range: [x0, x1]},
      yaxis: {...axis, range: [y0, y1], scaleanchor: "x"}};
  }
  const {"scene.camera": camera} = viewLayout(numbers || [1.4, 1.4, 0.8, 0, 0, 0, 0, 0, 1]);
  // The same box whichever words are shown: the camera's place is told in its sides.
  const deep = ([low, high]) => ({visible: false, showspikes: false,
    range: low < high ? [low, high] : [low - 1, high + 1]});
  const [xaxis, yaxis, zaxis] = extent(currentMap().places, 3, 0).map(deep);
  return {...common, scene: {xaxis, yaxis, zaxis, aspectmode: "data", bgcolor: paper,
    camera}};
};
const CONFIG = {displayModeBar: false, scrollZoom: true, responsive: true, doubleClick: false,
  showSendToCloud: false, plotlyServerURL: ""};

// In 3D Plotly draws all points a second time, unseen, to know which is below the
// pointer, and stands still until that picture is read: most of the time of a change.
// This page looks for itself. Objects without slots are left out of it.
const dropPicking = () => {
  const {glplot} = scene();
  for (const object of [...glplot.objects]) {
    if (!object.pickSlots) continue;
    glplot.remove(object);
    object.pickSlots = 0;
    glplot.add(object);
  }
};

let drawnDims = 0, drawing = Promise.resolve();
// Draw the map anew, looking from where `numbers` say, or so that all is seen.
const draw = numbers => {
  cancelAnimationFrame(flight);
  trust.values.set(Array.from(currentMap().kept, kept => kept / spec.keptDepth));
  const act = async () => {
    if (drawnDims && drawnDims !== state.dims) Plotly.purge(figure);
    drawnDims = state.dims;
    await Plotly.react(figure, [trace()], layout(numbers), CONFIG);
    figure.append(byId("overlay"));
    while (!ready()) await new Promise(requestAnimationFrame);
    if (state.dims === 3) dropPicking();
    if (state.dims === 3 && !numbers) await lookAt(homeNumbers());
    repaint();
  };
  drawing = drawing.then(act);
  return drawing;
};
// Paint other points or colors on the same map from the same place. What stays is not
// given: with all of a marker given Plotly takes twice the time.
const redraw = () => {
  const before = shownIds, {x, y, z, marker} = trace(), {color, size, symbol} = marker;
  const change = {"marker.color": [color], "marker.size": [size],
    "marker.symbol": [symbol]};
  const same = before.length === shownIds.length
    && before.every((id, k) => id === shownIds[k]);
  if (!same) Object.assign(change, {x: [x], y: [y]}, z && {z: [z]});
  const act = async () => {
    await Plotly.restyle(figure, change, [0]);
    if (drawnDims === 3) dropPicking();  // points are made anew where there were none
  };
  drawing = drawing.then(act);
  repaint();
  return drawing;
};
