const buttons = (box, pairs, choose) => {
  for (const [value, name] of pairs) {
    const button = element("button", {type: "button", "data-value": value}, name);
    button.addEventListener("click", () => choose(value));
    box.append(button);
  }
};
const press = (box, value) => {
  for (const button of box.children)
    button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
};
const showMap = () => {
  press(byId("methods"), state.method);
  press(byId("dims"), state.dims);
  const {kept, name, dims, note} = currentMap();
  const mean = kept.reduce((sum, x) => sum + x, 0) / n / spec.keptDepth;
  byId("trust").replaceChildren(`${name} in ${dims}D keeps ${shareOf(mean)} of a `
    + `word's ${spec.keptDepth} nearest words. `, element("span", {}, note));
};
// Show all that the state says.
const showAll = numbers => {
  showTheme();
  showMap();
  const drawn = draw(numbers);
  byId("color").value = state.color;
  byId("least").value = placeOf(state.least);
  showLegend();
  showLeast();
  showWord();
  byId("find").value = state.word === NONE ? "" : words[state.word];
  return drawn;
};
const choose = change => timed("map", () => {
  Object.assign(state, change);
  if (!currentMap()) state.dims = maps.find(map => map.key === state.method).dims;
  showAll().then(() => {
    if (state.word !== NONE) flyTo(closeNumbers(state.word));
    noteView();
  });
});

const moveMap = (across, up, zoom) => {
  const now = viewNumbers();
  if (state.dims === 2) {
    const [x, y] = [(now[1] - now[0]) / 2, (now[3] - now[2]) / 2];
    const [cx, cy] = [now[0] + x + across * x / 3, now[2] + y + up * y / 3];
    return lookAt([cx - x * zoom, cx + x * zoom, cy - y * zoom, cy + y * zoom]);
  }
  const [x, y, z] = [0, 1, 2].map(k => now[k] - now[3 + k]);
  const far = Math.hypot(x, y, z) * zoom, turn = Math.atan2(y, x) + across * 0.15;
  const rise = Math.max(-1.5, Math.min(1.5, Math.asin(z / Math.hypot(x, y, z)) + up * 0.15));
  const eye = [Math.cos(rise) * Math.cos(turn), Math.cos(rise) * Math.sin(turn),
    Math.sin(rise)].map((part, k) => now[3 + k] + far * part);
  return lookAt([...eye, ...now.slice(3, 6), 0, 0, 1]);
};
const MOVES = {ArrowLeft: [-1, 0, 1], ArrowRight: [1, 0, 1], ArrowUp: [0, 1, 1],
  ArrowDown: [0, -1, 1], "+": [0, 0, 0.8], "=": [0, 0, 0.8], "-": [0, 0, 1.25]};
const startKeys = () => {
  mapBox.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !ready()) return;
    if (event.key === "0") flyTo(homeNumbers());
    else if (MOVES[event.key]) moveMap(...MOVES[event.key]);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && state.word !== NONE) select(NONE);
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(event.target.tagName)) {
      byId("find").select();
      event.preventDefault();
    }
  });
};
const share = async () => {
  const link = location.href.split("#")[0] + addressOf();
  const said = byId("said");
  try {
    await navigator.clipboard.writeText(link);
    said.textContent = "Copied.";
  } catch {
    said.textContent = link; // a frame or a file may not use the clipboard
  }
};

const methods = [...new Map(maps.map(map => [map.key, map.name]))];
buttons(byId("methods"), methods, method => choose({method}));
buttons(byId("dims"), [...new Set(maps.map(map => map.dims))].sort()
  .map(dims => [dims, dims + "D"]), dims => choose({dims}));
byId("home").addEventListener("click", () => flyTo(homeNumbers()));
byId("share").addEventListener("click", share);
byId("share").hidden = window.top !== window; // a frame has no address to share
byId("theme").addEventListener("click", () => {
  chosenTheme = isDark() ? "light" : "dark";
  attempt(() => localStorage.setItem("w2v-theme", chosenTheme), null);
  showAll(viewNumbers());
});
wantsDark.addEventListener("change", () => showAll(ready() ? viewNumbers() : undefined));
window.addEventListener("hashchange", () => {
  // What it says wrongly is put right, also where the view does not move.
  if (location.hash !== written) showAll(readAddress(location.hash)).then(noteView);
});
startPanel();
startLegend();
startKeys();
watchPointer();
const looked = readAddress(location.hash);
showAll(looked).then(() => {
  if (state.word !== NONE && !looked) flyTo(closeNumbers(state.word));
  watch();
  document.documentElement.dataset.ready = "true";
});
