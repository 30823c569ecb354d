// What all parts share: the words and their numbers, the state, and how text enters
// the page. Words are hostile: they enter by textContent and append, nothing else.
const spec = JSON.parse(document.getElementById("spec").textContent);
const TYPES = {int8: Int8Array, uint8: Uint8Array, int32: Int32Array,
  float32: Float32Array, float64: Float64Array};
const unpacked = ({dtype, base64}) => {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new TYPES[dtype](bytes.buffer);
};

const words = spec.words, n = words.length;
const ranks = unpacked(spec.ranks), counts = unpacked(spec.counts);
const maps = spec.maps.map(map =>
  ({...map, places: unpacked(map.places), kept: unpacked(map.kept)}));
const groupings = spec.groupings.map(each => ({...each, of: unpacked(each.of)}));
const measures = spec.measures.map(each => ({...each, values: unpacked(each.values)}));
// How far the map on show can be trusted depends on the map: it is filled in then.
const trust = {key: "trust", name: "Trust: neighbors kept on this map",
  short: "", values: new Float32Array(n), logarithmic: false};
measures.unshift(trust);

const NONE = -1;
const state = {
  method: maps[0].key,
  dims: maps[0].dims,
  color: groupings.length ? groupings[0].key : measures[1].key,
  hidden: new Set(), // labels of the grouping on show; NONE is the rest
  least: 0, // occurrences
  word: NONE,
};

const byId = id => document.getElementById(id);
const element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const counted = (number, noun) =>
  number.toLocaleString("en") + " " + noun + (number === 1 ? "" : "s");
const currentMap = () =>
  maps.find(map => map.key === state.method && map.dims === state.dims);
const currentGrouping = () => groupings.find(each => each.key === state.color);
const currentMeasure = () => measures.find(each => each.key === state.color);

// The time from a wish to the frame that fulfills it, for whoever measures.
const timed = (name, act) => {
  const start = performance.now();
  act();
  requestAnimationFrame(() => requestAnimationFrame(() =>
    performance.measure(name, {start, end: performance.now()})));
};

// Frames of MLflow have no storage, and no address of their own.
const attempt = (act, otherwise) => {
  try {
    return act();
  } catch {
    return otherwise;
  }
};
