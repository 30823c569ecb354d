// The panel's questions: the chosen word with its neighbors, and analogies.
const shareOf = value => `${Math.round(100 * value)}%`;
const numberOf = value => Number.isInteger(value) ? value.toLocaleString("en")
  : Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
// What is told of a word: pairs of a name and a value.
const factsOf = i => {
  const facts = [["seen", `${counted(counts[i], "time")}, rank ${(ranks[i] + 1)
    .toLocaleString("en")}`]];
  for (const {short, labels, of} of groupings)
    if (of[i] !== NONE) facts.push([short, labels[of[i]]]);
  const kept = currentMap().kept[i];
  facts.push(["on this map", `${kept} of its ${spec.keptDepth} nearest are nearest`]);
  return facts;
};
const ranked = found => {
  const scale = Math.max(0.01, ...found.map(({score}) => score));
  return found.map(({word, score}) => {
    const fill = element("i", {});
    fill.style.width = shareOf(Math.max(score, 0) / Math.max(scale, 1));
    const button = element("button", {type: "button"},
      element("span", {class: "name"}, words[word]),
      element("span", {class: "bar", "aria-hidden": "true"}, fill),
      element("span", {class: "number"}, score.toFixed(2)));
    button.addEventListener("click", () => timed("neighbor", () => select(word)));
    return element("li", {}, button);
  });
};
const wordBox = byId("word");
const showWord = () => {
  const i = state.word;
  wordBox.hidden = i === NONE;
  if (i === NONE) return wordBox.replaceChildren();
  const close = element("button", {type: "button"}, "Clear");
  close.addEventListener("click", () => select(NONE));
  const facts = element("dl", {}), told = factsOf(i);
  for (const {short, values} of measures)
    if (short && !Number.isNaN(values[i])) told.push([short, numberOf(values[i])]);
  for (const [name, value] of told)
    facts.append(element("dt", {}, name), element("dd", {}, value));
  wordBox.replaceChildren(
    element("header", {}, element("h2", {}, words[i]), close),
    element("h3", {}, `Nearest in all ${spec.dim} dimensions, by cosine`),
    element("ol", {class: "ranked", id: "neighbors"}, ...ranked(neighborsOf(i))), facts);
};

// Choose a word, and look at it; NONE chooses none and looks on.
const select = (word, {fly = true} = {}) => {
  state.word = word;
  byId("find").value = word === NONE ? "" : words[word];
  hover(NONE);
  showWord();
  repaint();
  noteView();
  if (word !== NONE && fly) drawing.then(() => flyTo(closeNumbers(word)));
};

const answer = () => {
  const asked = ["a", "b", "c"].map(id => wordOf(byId(id).value));
  const list = byId("answers"), wrong = asked.indexOf(NONE);
  if (wrong !== -1) {
    const {value} = byId("abc"[wrong]);
    const said = value.trim() ? `“${value.trim()}” is not among the words of this page.`
      : "Three words are needed.";
    list.className = "";
    return list.replaceChildren(element("p", {}, said));
  }
  list.className = "ranked";
  list.replaceChildren(...ranked(analogy(...asked, 5)));
};
const startPanel = () => {
  combobox(byId("find"), i => timed("search", () => select(i)));
  const fields = ["a", "b", "c"].map(byId), ask = () => timed("analogy", answer);
  for (const field of fields) {
    combobox(field, () => fields.every(each => each.value.trim()) && ask());
    // A frame of MLflow lets no form be sent: these are fields of none.
    field.addEventListener("keydown", event => {
      if (event.key === "Enter" && !event.defaultPrevented) ask();
    });
  }
  byId("ask").addEventListener("click", ask);
  byId("find").placeholder = words.find(word => /^\p{L}{4,}$/u.test(word)) || words[0];
  const example = ["france", "paris", "germany"].map(wordOf);
  ["a", "b", "c"].forEach((id, k) => {
    if (!example.includes(NONE)) byId(id).value = words[example[k]];
  });
  const notes = spec.notes.map(note => element("p", {}, note));
  byId("notes").append(...notes, element("p", {},
    `Neighbors are the nearest of these words in all ${spec.dim} dimensions, with exact `
    + "cosines. Analogies take the word nearest to b - a + c, the three asked with "
    + "left out, from vectors of a byte a component: their cosines are within "
    + `${spec.bound} of the exact ones.`), element("p", {},
    "Keys: / finds a word; on the map, arrows move, + and - zoom, 0 shows all; Escape "
    + "clears the chosen word. In the legend, Shift and click shows one group alone."));
};
