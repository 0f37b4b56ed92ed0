// The piece's picture: columns of what is heard, scrolling with the sound. Of the visitor it knows
// nothing: only columns come here.

import { listen } from "/page/socket.js";
import { NAMES, palette } from "/page/palettes.js";

const SECONDS = 12; // from edge to edge
const BEHIND_S = 0.2; // what is kept in hand, so that a late message does not stop the picture
const SHOWN_MS = 3000; // for which tools stay after the mouse has moved
const BRIGHTER = 1.35; // nothing played is nearer to full scale than some 20 dB
const CALM_MS = 500; // between two pictures, for those who want no motion
const canvas = document.getElementById("picture");
const pen = canvas.getContext("2d", { alpha: false });
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const strip = document.createElement("canvas"); // a ring of columns, one pixel wide each
const stripPen = strip.getContext("2d", { alpha: false, willReadFrequently: false });
let rate = 46.875; // columns a second
let bands = 256;
let colours = palette(localStorage.getItem("palette"));
let received = 0; // columns so far
let shown = 0; // up to which column the right edge has come
let heardAt = 0;
let before = performance.now();
let calmAt = 0;

function resize() {
  const dots = Math.min(devicePixelRatio, 1.5);
  canvas.width = Math.round(innerWidth * dots);
  canvas.height = Math.round(innerHeight * dots);
}

function clear() {
  strip.width = Math.ceil((SECONDS + 2) * rate);
  strip.height = bands;
  stripPen.fillRect(0, 0, strip.width, strip.height);
  shown = received;
}

function add(levels) {
  if (levels.length !== bands) {
    bands = levels.length;
    clear();
  }
  const image = stripPen.createImageData(1, bands);
  for (let band = 0; band < bands; band++) {
    const at = 4 * (bands - 1 - band);
    const colour = 4 * Math.min(255, Math.round(BRIGHTER * levels[band]));
    image.data.set(colours.subarray(colour, colour + 4), at);
  }
  stripPen.putImageData(image, received % strip.width, 0);
  received++;
}

// The right edge follows what is received, evenly: it catches up slowly, and leaps if far away.
function follow(seconds, now) {
  if (now - heardAt > 1000) {
    for (let n = Math.ceil(seconds * rate); n > 0; n--) add(new Uint8Array(bands)); // gone: dark
  }
  shown += seconds * rate;
  const error = received - BEHIND_S * rate - shown;
  shown = Math.abs(error) > rate ? shown + error : shown + error * Math.min(1, 1.5 * seconds);
  shown = Math.min(shown, received);
}

function draw(now) {
  requestAnimationFrame(draw);
  const seconds = Math.min((now - before) / 1000, 0.5);
  before = now;
  follow(seconds, now);
  if (calm.matches && now - calmAt < CALM_MS) return;
  calmAt = now;
  const visible = Math.floor(SECONDS * rate);
  const wide = canvas.width / visible;
  const edge = calm.matches ? Math.floor(shown) : shown;
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  let column = Math.max(0, Math.floor(edge) - visible);
  while (column < edge) {
    const from = column % strip.width;
    const count = Math.min(strip.width - from, Math.ceil(edge) - column);
    const x = canvas.width - (edge - column) * wide;
    pen.drawImage(strip, from, 0, count, bands, x, 0, count * wide, canvas.height);
    column += count;
  }
}

function setFrame(frame) {
  if (frame.columns_per_s && frame.columns_per_s !== rate) {
    rate = frame.columns_per_s;
    clear();
  }
  if (frame.hz) label(frame.hz);
}

function label(hz) {
  const list = document.getElementById("scale");
  list.replaceChildren(
    ...[100, 250, 500, 1000, 2000, 4000, 8000].map((tick) => {
      const item = document.createElement("li");
      item.textContent = tick < 1000 ? `${tick} Hz` : `${tick / 1000} kHz`;
      const band = hz.findIndex((centre) => centre >= tick);
      item.style.setProperty("bottom", `${(100 * band) / hz.length}%`);
      return item;
    }),
  );
}

function choose(name) {
  localStorage.setItem("palette", name);
  colours = palette(name);
  for (const button of document.querySelectorAll("#palettes button")) {
    button.setAttribute("aria-pressed", String(button.textContent === name));
  }
}

function offerPalettes() {
  const group = document.getElementById("palettes");
  NAMES.forEach((name, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.title = String(i + 1);
    button.addEventListener("click", () => choose(name));
    group.append(button);
  });
  const asked = new URLSearchParams(location.search).get("palette");
  const kept = localStorage.getItem("palette");
  choose([asked, kept].find((name) => NAMES.includes(name)) ?? NAMES[0]);
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

let hiding = 0;
function showTools() {
  document.body.classList.add("used");
  clearTimeout(hiding);
  hiding = setTimeout(() => document.body.classList.remove("used"), SHOWN_MS);
}

function pressed({ key, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey) return;
  const wanted = key.toLowerCase();
  if (wanted === "f") fullScreen();
  else if (wanted === "s") location.href = "/staff";
  else if (NAMES[Number(wanted) - 1]) choose(NAMES[Number(wanted) - 1]);
  showTools();
}

addEventListener("resize", resize);
addEventListener("keydown", pressed);
for (const kind of ["pointermove", "pointerdown", "focusin"]) addEventListener(kind, showTools);
document.getElementById("full").addEventListener("click", fullScreen);
offerPalettes();
resize();
clear();
listen("/picture", {
  onText: setFrame,
  onColumns: (columns) => {
    heardAt = performance.now();
    columns.forEach(add);
  },
  onLink: (up) => {
    document.getElementById("said").textContent = up ? "" : "looking for the instrument …";
  },
});
requestAnimationFrame(draw);
