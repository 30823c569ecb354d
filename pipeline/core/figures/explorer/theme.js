// Light and dark: the colors of CSS, and of what is drawn.
const DARK = ["#4da3e0", "#ff6699", "#f0b429", "#7fd6ff", "#2ec4ad", "#d17ab0",
  "#e8e8e8", "#b59a5b", "#9a8cf0", "#e0866a"];
// Viridis (van der Walt and Smith 2015) without the end that each paper would swallow.
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89",
  "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const wantsDark = window.matchMedia("(prefers-color-scheme: dark)");
const motionless = window.matchMedia("(prefers-reduced-motion: reduce)");
let chosenTheme = attempt(() => localStorage.getItem("w2v-theme"), null);
const isDark = () => chosenTheme ? chosenTheme === "dark" : wantsDark.matches;
const inkOf = name =>
  getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const markColor = ({color}) =>
  isDark() ? DARK[spec.palette.indexOf(color)] : color;
// A color between two of the scale's; `share` is in [0, 1].
const scaleColor = share => {
  const colors = isDark() ? VIRIDIS.slice(2) : VIRIDIS.slice(0, 9).reverse();
  const at = Math.max(0, Math.min(1, share)) * (colors.length - 1);
  const low = Math.min(Math.floor(at), colors.length - 2), part = at - low;
  const channel = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mix = [0, 1, 2].map(k => Math.round(
    channel(colors[low], k) * (1 - part) + channel(colors[low + 1], k) * part));
  return "rgb(" + mix.join() + ")";
};
const showTheme = () => {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  byId("theme").textContent = isDark() ? "Light" : "Dark";
};
