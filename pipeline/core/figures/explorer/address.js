// The view in the address, so that a link leads to it. A frame of MLflow has no address
// to write to: there it is kept in the page only.
const rounded = x => +x.toPrecision(5);
const addressOf = () => {
  const address = new URLSearchParams({map: state.method, dims: state.dims,
    color: state.color});
  if (state.word !== NONE) address.set("word", words[state.word]);
  if (state.least) address.set("least", state.least);
  if (state.hidden.size) address.set("hide", [...state.hidden].sort((a, b) => a - b).join());
  if (ready()) address.set("view", viewNumbers().map(rounded).join());
  return "#" + address;
};
let noted = 0, written = location.hash;
const noteView = () => {
  clearTimeout(noted);
  noted = setTimeout(() => {
    written = addressOf();
    attempt(() => history.replaceState(null, "", written), null);
  }, 250);
};
// Take over what an address says; what it does not say, or says wrongly, stays. Returns
// the numbers of its view, or undefined.
const readAddress = text => {
  const address = new URLSearchParams(text.replace(/^#/, ""));
  const said = name => address.get(name) ?? "";
  const found = maps.find(map => map.key === said("map") && map.dims === +said("dims"));
  if (found) [state.method, state.dims] = [found.key, found.dims];
  if ([...groupings, ...measures].some(each => each.key === said("color")))
    state.color = said("color");
  const labels = currentGrouping()?.labels.length ?? 0;
  state.hidden = new Set(said("hide").split(",").filter(Boolean).map(Number)
    .filter(label => Number.isInteger(label) && label >= NONE && label < labels));
  const least = +said("least");
  state.least = Number.isFinite(least) ? Math.max(0, least) : 0;
  state.word = said("word") ? wordOf(said("word")) : NONE;
  const numbers = said("view").split(",").map(Number);
  const whole = numbers.length === (state.dims === 2 ? 4 : 9);
  return found && whole && numbers.every(Number.isFinite) ? numbers : undefined;
};
