// A field that completes words: the combobox pattern of WAI-ARIA 1.2.
const folded = words.map(word => word.toLowerCase());
const MOST = 8; // completions offered
const completions = text => {
  const asked = text.trim().toLowerCase();
  if (!asked) return [];
  const ways = [[], [], []]; // whole, from the start, within
  for (let i = 0; i < n; i++) {
    const at = folded[i].indexOf(asked);
    if (at === -1) continue;
    const way = ways[folded[i] === asked ? 0 : at === 0 ? 1 : 2];
    if (way.length < MOST) way.push(i);
  }
  return ways.flat().slice(0, MOST);
};
// The word meant by a text, as it is or with its case folded; NONE for none.
const wordOf = text => {
  const exact = words.indexOf(text.trim());
  return exact !== -1 ? exact : folded.indexOf(text.trim().toLowerCase());
};

const combobox = (input, choose) => {
  const list = element("ul", {role: "listbox", id: input.id + "-list",
    "aria-label": "Words"});
  let found = [], active = NONE;
  for (const [name, value] of Object.entries({role: "combobox", "aria-expanded": "false",
    "aria-autocomplete": "list", "aria-controls": list.id}))
    input.setAttribute(name, value);
  list.hidden = true;
  input.after(list);
  const close = () => {
    list.hidden = true;
    active = NONE;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = to => {
    active = to;
    [...list.children].forEach((option, k) =>
      option.setAttribute("aria-selected", String(k === active)));
    if (active === NONE) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[active].id);
  };
  const open = () => {
    found = completions(input.value);
    const options = found.map((i, k) => {
      const option = element("li", {role: "option", id: `${list.id}-${k}`,
        "aria-selected": "false"}, element("span", {}, words[i]),
        element("span", {}, counts[i].toLocaleString("en")));
      // Before the field loses the focus.
      option.addEventListener("pointerdown", event => {
        event.preventDefault();
        take(i);
      });
      return option;
    });
    if (!found.length && input.value.trim())
      options.push(element("li", {class: "none", role: "option", "aria-disabled": "true"},
        "not among the words of this page"));
    list.replaceChildren(...options);
    list.hidden = !options.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(NONE);
  };
  const take = i => {
    input.value = words[i];
    close();
    choose(i);
  };
  input.addEventListener("input", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", event => {
    const {key} = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      if (list.hidden) open();
      if (found.length) {
        const step = key === "ArrowDown" ? 1 : -1;
        const from = active === NONE && step < 0 ? 0 : active;
        mark((from + step + found.length) % found.length);
      }
      event.preventDefault();
    } else if (key === "Enter") {
      const chosen = active !== NONE ? found[active]
        : wordOf(input.value) !== NONE ? wordOf(input.value) : completions(input.value)[0];
      if (chosen !== undefined) {
        take(chosen);
        event.preventDefault();
      }
    } else if (key === "Escape" && !list.hidden) {
      close();
      event.stopPropagation();
    }
  });
};
