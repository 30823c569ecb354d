"""What runs in a page: it draws the figure."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"

# Windows with room for little: phones, and frames in other pages.
SMALL = "(max-width: 699px), (max-height: 639px)"

SCRIPT = """
"use strict";
(() => {
const spec = JSON.parse(document.getElementById("spec").textContent);
const figure = document.getElementById("figure");
const isSmall = window.matchMedia("SMALL");
const isPortrait = window.matchMedia("(orientation: portrait)");
const notes = document.querySelector("details");

// Draw anew where the window asks for another form: Plotly cannot turn a color bar.
let form = "";
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
  data.forEach(trace => {
    if (small && trace.marker) trace.marker.size *= 0.75;
  });
  return Plotly.newPlot(figure, data, layout, spec.config);
};
document.addEventListener("keydown", event => {
  if (event.key === "Escape" && notes && isSmall.matches) notes.open = false;
});
draw().then(() => window.addEventListener("resize", draw));
})();
""".replace("SMALL", SMALL)
