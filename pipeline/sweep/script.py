"""What runs in a sweep's report: it draws the charts and follows the choices."""

SCRIPT = """
"use strict";
(() => {
const spec = JSON.parse(document.getElementById("spec").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const small = window.matchMedia("(max-width: 699px)");
const byId = id => document.getElementById(id);
const choice = byId("metric"), kind = byId("loss-kind");
const config = {responsive: true, displayModeBar: false, displaylogo: false,
  showSendToCloud: false, plotlyServerURL: ""};
let ink = {}, scale = [], metric, values;

const theme = () => {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "grid", "paper", "strong", "quiet"])
    ink[name] = style.getPropertyValue("--" + name).trim();
  ink.lines = [1, 2, 3, 4, 5].map(i => style.getPropertyValue("--line" + i).trim());
  scale = [0, 1, 2, 3].map(i => [i / 3, style.getPropertyValue("--scale" + i).trim()]);
  ink.heat = [0, 1].map(i => [i, style.getPropertyValue("--heat" + i).trim()]);
  if (!metric.maximize)  // stronger is better
    for (const stops of [scale, ink.heat]) {
      const colors = stops.map(stop => stop[1]).reverse();
      stops.forEach((stop, i) => { stop[1] = colors[i]; });
    }
};
const axis = (title, more) => ({gridcolor: ink.grid, linecolor: ink.grid,
  zeroline: false, automargin: true, color: ink.muted, fixedrange: true,
  title: {text: title, font: {size: 12, color: ink.muted}, standoff: 8}, ...more});
const layout = more => ({
  font: {family: getComputedStyle(document.body).fontFamily, size: 12,
    color: ink.ink},
  paper_bgcolor: ink.paper, plot_bgcolor: ink.paper, showlegend: false,
  margin: {l: 8, r: 16, t: 8, b: 8}, dragmode: false,
  hoverlabel: {bgcolor: ink.paper, bordercolor: ink.grid, align: "left",
    font: {color: ink.ink, size: 12}}, ...more});
const draw = (id, traces, more) =>
  Plotly.react(byId(id), traces, layout(more), config);
const put = value => value === null || value === undefined ? "—"
  : String(Number(value.toPrecision(4)));
const spread = (mean, low, high) => ({type: "data", symmetric: false, thickness: 1.5,
  width: 4, array: mean.map((v, i) => high[i] === null ? 0 : high[i] - v),
  arrayminus: mean.map((v, i) => low[i] === null ? 0 : v - low[i])});
const range = all => {
  const known = all.filter(v => v !== null);
  const low = Math.min(...known), high = Math.max(...known);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
};
// An entity is one letter. A word longer than a line is cut into lines.
const letters = text => text.match(/&\\w+;|./gsu) ?? [];
const cut = (text, most) => letters(text).length <= most ? text
  : letters(text).slice(0, most - 1).join("") + "…";
const wrap = (text, width) => {
  const lines = [];
  for (const word of text.split(" ")) {
    const rest = letters(word);
    if (lines.length && lines.at(-1).length + 1 + rest.length <= width)
      lines.at(-1).push(" ", ...rest);
    else while (rest.length) lines.push(rest.splice(0, width));
  }
  return lines.map(line => line.join("")).join("<br>");
};

const ranking = () => {
  const shown = metric.order.slice(0, spec.most);
  const names = shown.map(c => wrap(spec.cells[c].label, small.matches ? 22 : 60));
  const places = shown.map((_, i) => i);
  const pick = from => shown.map(c => from[c]);
  const seeds = {x: [], y: []};
  shown.forEach((c, i) => metric.scores[c].forEach(score => {
    if (score !== null) { seeds.x.push(score); seeds.y.push(i); }
  }));
  const means = pick(metric.means);
  const bars = spread(means, pick(metric.low), pick(metric.high));
  const groups = [true, false].map(tied => {
    const at = places.filter(i => metric.tied[shown[i]] === tied);
    return {type: "scatter", mode: "markers", x: at.map(i => means[i]), y: at,
      marker: {size: 10, color: tied ? ink.strong : ink.muted,
        symbol: tied ? "diamond" : "circle"},
      error_x: {...bars, array: at.map(i => bars.array[i]),
        arrayminus: at.map(i => bars.arrayminus[i]),
        color: tied ? ink.strong : ink.muted},
      hoverinfo: "text", hovertext: at.map(i => spec.cells[shown[i]].label + "<br>mean "
        + put(means[i]) + (metric.low[shown[i]] === null ? "" : "<br>95% interval "
        + put(metric.low[shown[i]]) + " to " + put(metric.high[shown[i]])))};
  });
  const lines = Math.max(1, ...names.map(name => name.split("<br>").length));
  const height = 76 + Math.max(40, shown.length * (8 + 14 * lines));
  byId("ranking").style.height = height + "px";
  return draw("ranking", [...groups, {type: "scatter", mode: "markers", ...seeds,
    marker: {size: 8, color: ink.muted, symbol: "line-ns-open"}, hoverinfo: "skip"}], {
    yaxis: axis("", {tickvals: places, ticktext: names, color: ink.ink,
      range: [shown.length - 0.4, -0.6], showgrid: false, ticksuffix: " "}),
    xaxis: axis(cut(metric.name, 44), {nticks: small.matches ? 4 : 8})});
};

const parallel = () => {
  const cells = metric.order, n = cells.length;
  const size = small.matches ? 10 : 12;
  const axes = spec.axes.map(each => {
    const at = cells.map(c => each.at[c]);
    const most = small.matches ? 9 : 18;
    const texts = each.texts.map(text =>
      text.length > most ? text.slice(0, most - 1) + "…" : text);
    return {label: cut(each.name, small.matches ? 12 : 30), values: at,
      ...each.ticks.length ? {tickvals: each.ticks, ticktext: texts} : {}};
  });
  const means = cells.map(c => metric.means[c]);
  axes.push({label: cut(metric.name.split("/").at(-1), small.matches ? 12 : 30),
    values: means, tickformat: ".3~g", ...n === 1 ? {range: range(means)} : {}});
  // Better ones above the others.
  const order = [...cells.keys()].reverse();
  const line = {color: order.map(i => means[i]), colorscale: scale, showscale: false};
  for (const each of axes) each.values = order.map(i => each.values[i]);
  const side = small.matches ? 34 : 60;
  const letters = Math.max(0, ...(axes[0].ticktext ?? []).map(text => text.length));
  return draw("parallel", [{type: "parcoords", dimensions: axes, line,
    labelfont: {size, color: ink.ink}, tickfont: {size, color: ink.ink},
    rangefont: {size: 1, color: "rgba(0,0,0,0)"}, labelangle: 0,
    unselected: {line: {color: ink.grid, opacity: 0.4}}}],
    {margin: {l: Math.max(side, size * 0.62 * letters), r: side, t: 44, b: 20}});
};

const effects = () => {
  const all = Object.values(metric.effects)
    .flatMap(each => [...each.mean, ...each.low, ...each.high]);
  return Object.keys(spec.names).map((key, i) => {
    const each = metric.effects[key] ?? {labels: [], mean: [], low: [], high: [],
      cells: []};
    return draw("effect-" + i, [{type: "scatter", mode: "lines+markers",
      x: each.labels.map((_, place) => place), y: each.mean,
      line: {color: ink.quiet, width: 1.5},
      marker: {size: 9, color: ink.strong},
      error_y: {...spread(each.mean, each.low, each.high), color: ink.strong},
      hoverinfo: "text", hovertext: each.labels.map((text, at) => spec.names[key]
        + " = " + text + "<br>" + put(each.mean[at]) + (each.low[at] === null ? ""
        : "<br>95% interval " + put(each.low[at]) + " to " + put(each.high[at]))
        + "<br>cells: " + each.cells[at])}], {
      xaxis: axis(cut(spec.names[key], 30), {tickvals: each.labels.map((_, at) => at),
        ticktext: each.labels.map(text => wrap(cut(text, 36), 12)),
        range: [-0.4, each.labels.length - 0.6], showgrid: false}),
      yaxis: axis("", {range: all.length ? range(all) : [0, 1], nticks: 6})});
  });
};

const heatmaps = () => {
  const all = metric.heat.flat(2).filter(v => v !== null);
  const [zmin, zmax] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
  return spec.pairs.map(([first, second], i) => {
    const rows = spec.levels[first], columns = spec.levels[second];
    const z = metric.heat[i];
    const few = rows.length <= 8 && columns.length <= 8;
    const ticks = texts => texts.map(text => wrap(cut(text, 24), 12));
    return draw("heat-" + i, [{type: "heatmap", z, zmin, zmax, colorscale: ink.heat,
      x: columns.map((_, at) => at), y: rows.map((_, at) => at),
      showscale: false, xgap: 2, ygap: 2, hoverongaps: false, hoverinfo: "text",
      text: z.map(row => row.map(v => v === null ? "" : put(v))),
      ...few ? {texttemplate: "%{text}", textfont: {size: 12, color: ink.ink}} : {},
      hovertext: z.map((row, r) => row.map((v, c) => spec.names[first] + " = "
        + rows[r] + "<br>" + spec.names[second] + " = " + columns[c] + "<br>"
        + put(v)))}], {
      xaxis: axis(cut(spec.names[second], 30), {tickvals: columns.map((_, at) => at),
        ticktext: ticks(columns), showgrid: false, ticks: ""}),
      yaxis: axis(cut(spec.names[first], 30), {tickvals: rows.map((_, at) => at),
        ticktext: ticks(rows), showgrid: false, ticks: ""})});
  });
};

const losses = () => {
  if (!kind) return [];
  const curves = spec.losses[kind.selectedIndex].curves;
  const have = metric.order.filter(c => curves.some(each => each.cell === c));
  const top = have.slice(0, 5);
  const strokes = ["solid", "dash", "dot", "dashdot", "longdash"];
  const series = (which, more) => {
    const trace = {type: "scatter", mode: "lines", x: [], y: [], hovertext: [],
      hoverinfo: "text", ...more};
    for (const each of curves.filter(which)) {
      if (each.loss.length === 1) trace.mode = "lines+markers";
      each.loss.forEach((loss, epoch) => {
        trace.x.push(epoch + 1); trace.y.push(loss);
        trace.hovertext.push(spec.cells[each.cell].label + "<br>trial " + each.trial
          + ", seed " + each.seed + (each.status === "finished" ? ""
          : " (" + each.status + ")") + "<br>epoch " + (epoch + 1) + ": " + put(loss));
      });
      trace.x.push(null); trace.y.push(null); trace.hovertext.push("");
    }
    return trace;
  };
  const traces = [series(each => !top.includes(each.cell),
    {name: "other trials", line: {color: ink.quiet, width: 1}, opacity: 0.7})];
  if (!traces[0].x.length) traces.pop();
  const name = i =>
    cut((i + 1) + ". " + spec.cells[top[i]].label, small.matches ? 44 : 120);
  [...top.keys()].reverse().forEach(i => traces.push(series(
    each => each.cell === top[i], {name: name(i), legendrank: 10 + i,
      line: {color: ink.lines[i], width: 2, dash: strokes[i]}})));
  const rows = traces.length;
  const longest = Math.max(...curves.map(each => each.loss.length));
  // Few epochs would have places between them, under the same rounded names.
  const ticks = longest <= 10 ? {dtick: 1} : {nticks: 10};
  byId("losses").style.height = (small.matches ? 300 : 380) + 20 * rows + "px";
  return draw("losses", traces, {showlegend: true, legend: {orientation: "h", x: 0,
    y: 1.02, yanchor: "bottom", entrywidthmode: "fraction",
    entrywidth: 1, font: {size: small.matches ? 11 : 12, color: ink.ink}},
    xaxis: axis("epoch", {tickformat: ",d", ...ticks}),
    yaxis: axis(kind.selectedOptions[0].textContent + " (nats per pair)")});
};

const time = () => {
  const cells = metric.order.filter(c => spec.cells[c].seconds !== null);
  const front = new Set(metric.front);
  const at = which => cells.filter(c => front.has(c) === which);
  const points = (which, more) => {
    const some = at(which), means = some.map(c => metric.means[c]);
    return {type: "scatter", mode: "markers", x: some.map(c => spec.cells[c].seconds),
      y: means, hoverinfo: "text", hovertext: some.map(c => spec.cells[c].label
        + "<br>" + put(metric.means[c]) + " in " + put(spec.cells[c].seconds)
        + " s a trial"), ...more};
  };
  const steps = metric.front;
  return draw("time", [
    {type: "scatter", mode: "lines", x: steps.map(c => spec.cells[c].seconds),
      y: steps.map(c => metric.means[c]), hoverinfo: "skip",
      line: {shape: "hv", color: ink.strong, width: 1.5, dash: "dot"}},
    points(false, {marker: {size: 8, color: ink.quiet}}),
    points(true, {marker: {size: 11, color: ink.strong, symbol: "diamond"}})], {
    xaxis: axis("seconds a trial", {nticks: small.matches ? 5 : 10}),
    yaxis: axis(cut(metric.name, 44))});
};

const say = (id, text) => byId(id)?.setAttribute("aria-label", text);
const all = () => {
  const name = choice.value;
  metric = spec.metrics[name];
  theme();
  for (const part of document.querySelectorAll("[data-metric]"))
    part.hidden = part.dataset.metric !== name;
  for (const id of ["ranking", "parallel", "time"])
    say(id, byId(id)?.dataset.title + ": " + metric.verdict);
  const some = metric.order.length > 0;
  byId("charts").hidden = !some;
  if (!some) return losses();
  return Promise.all([ranking(), spec.axes.length && byId("parallel") && parallel(),
    ...effects(), ...heatmaps(), losses(), time()]);
};
const start = () => Promise.resolve(all()).then(() => {
  document.documentElement.dataset.drawn = choice.value;
});
choice.addEventListener("change", start);
kind?.addEventListener("change", losses);
dark.addEventListener("change", start);
small.addEventListener("change", start);
start();
})();
"""
