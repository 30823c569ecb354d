// What colors mean, and which words are shown.
const OUTLINES = {circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", diamond: "M0-6 6 0 0 6-6 0z",
  square: "M-5-5h10v10h-10z", cross: "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z"};
const swatch = (color, shape) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "-7 -7 14 14");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", OUTLINES[shape]);
  path.setAttribute("fill", color);
  svg.append(path);
  return svg;
};
const legend = byId("legend"), scale = byId("scale");
const filter = () => timed("filter", () => {
  for (const button of legend.querySelectorAll("[data-label]"))
    button.setAttribute("aria-pressed", String(!state.hidden.has(+button.dataset.label)));
  const all = legend.querySelector(".all");
  if (all) all.hidden = !state.hidden.size;
  showLeast();
  redraw();
  noteView();
});
const showLegend = () => {
  const grouping = currentGrouping();
  legend.hidden = !grouping;
  scale.hidden = Boolean(grouping);
  if (!grouping) return showScale(currentMeasure());
  const sizes = new Map();
  for (const label of grouping.of) sizes.set(label, (sizes.get(label) || 0) + 1);
  const present = [...sizes.keys()].sort((a, b) =>
    (a === NONE) - (b === NONE) || a - b);
  const buttons = present.map(label => {
    const rest = label === NONE, {color, shape} = rest ? {} : grouping.marks[label];
    const name = rest ? grouping.rest : grouping.labels[label];
    const button = element("button", {type: "button", "data-label": label,
      "aria-pressed": String(!state.hidden.has(label)),
      title: `${name}: ${counted(sizes.get(label), "word")}`},
      rest ? swatch(inkOf("quiet"), "circle") : swatch(markColor({color}), state.dims === 2 ? shape : "circle"),
      element("span", {}, name));
    button.addEventListener("click", event => {
      const {hidden} = state, others = present.filter(each => each !== label);
      const alone = !hidden.has(label) && others.every(each => hidden.has(each));
      if (event.shiftKey) state.hidden = new Set(alone ? [] : others);
      else if (!hidden.delete(label)) hidden.add(label);
      filter();
    });
    return button;
  });
  const all = element("button", {type: "button", class: "all"}, "Show all");
  all.addEventListener("click", () => {
    state.hidden = new Set();
    filter();
  });
  all.hidden = !state.hidden.size;
  legend.replaceChildren(...buttons, all);
};
const showScale = measure => {
  const bar = scale.querySelector("canvas"), brush = bar.getContext("2d");
  for (let k = 0; k < bar.width; k++) {
    brush.fillStyle = scaleColor(k / (bar.width - 1));
    brush.fillRect(k, 0, 1, 1);
  }
  const text = measure.key === "trust" ? shareOf : numberOf;
  const ends = scale.querySelectorAll("span");
  limitsOf(measure).forEach((value, k) => {
    ends[k].textContent = text(value);
  });
};

// The slider's places follow the logarithm of the count.
const countLimits = () => [Math.min(...counts), Math.max(...counts)];
const leastOf = place => {
  const [low, high] = countLimits().map(Math.log1p);
  return place === 0 ? 0 : Math.round(Math.expm1(low + (high - low) * place / 100));
};
const showLeast = () => {
  let shown = 0;
  for (let i = 0; i < n; i++) shown += isShown(i);
  const from = state.least ? `seen at least ${counted(state.least, "time")}` : "all";
  byId("leastShown").textContent = `${from}: ${counted(shown, "word")} on the map`;
};
const placeOf = least => {
  const [low, high] = countLimits().map(Math.log1p);
  return least && high > low
    ? Math.round(100 * (Math.log1p(least) - low) / (high - low)) : 0;
};

const showColors = () => {
  const options = (name, list) => {
    const group = element("optgroup", {label: name});
    for (const each of list) group.append(element("option", {value: each.key}, each.name));
    return group;
  };
  byId("color").replaceChildren(...groupings.length ? [options("Groups", groupings)] : [],
    options("Numbers", measures.filter(({scored}) => !scored)),
    ...scores.length ? [options("Scores of the evaluation", scores)] : []);
  byId("color").value = state.color;
};
// What an evaluation of the same run found for single words, if there was one.
const placeOfText = new Map(words.map((word, i) => [word, i]));
const scores = JSON.parse(byId("scores").textContent).measures.map(each => {
  const values = new Float32Array(n).fill(NaN);
  for (const [word, score] of each.scores) {
    const i = placeOfText.get(word);
    if (i !== undefined) values[i] = score;
  }
  return {...each, values, scored: true};
}).filter(({values}) => values.some(value => !Number.isNaN(value)));
const startLegend = () => {
  measures.push(...scores);
  showColors();
  byId("color").addEventListener("change", event => timed("color", () => {
    state.color = event.target.value;
    state.hidden = new Set();
    showLegend();
    showLeast();
    redraw();
    noteView();
  }));
  byId("least").addEventListener("input", event => {
    state.least = leastOf(+event.target.value);
    filter();
  });
  byId("table").addEventListener("change", async event => {
    const [file] = event.target.files;
    if (file) byId("said").textContent = addTable(file.name, await file.text());
    event.target.value = ""; // so that the same file can be chosen again
  });
};

// Numbers for words from a table as MLflow keeps it: {columns, data}.
const addTable = (name, text) => {
  const {columns, data} = attempt(() => JSON.parse(text), null) || {};
  const place = Array.isArray(columns) && Array.isArray(data) ? columns.indexOf("word") : -1;
  if (place === -1) return `${name}: expected a table with a column “word”.`;
  const index = new Map(words.map((word, i) => [word, i])), added = [];
  columns.forEach((column, k) => {
    const values = new Float32Array(n).fill(NaN);
    for (const row of data) {
      const i = index.get(row[place]);
      if (i !== undefined && typeof row[k] === "number") values[i] = row[k];
    }
    if (k !== place && values.some(value => !Number.isNaN(value)))
      added.push({key: `table-${column}`, name: `${column} (${name})`, short: column,
        values, logarithmic: false});
  });
  for (const each of added) {
    const old = measures.findIndex(({key}) => key === each.key);
    if (old !== -1) measures.splice(old, 1);
    measures.push(each);
  }
  showColors();
  return added.length ? `Now among the colors: ${added.map(each => each.name).join(", ")}.`
    : `${name}: no numbers for words of this page.`;
};
