// The live spectrogram: columns of the sound, scrolling as it plays, and dimly behind them what is
// generated. The page receives only columns, nothing about the visitor.

import { listen } from "/page/socket.js";
import { NAMES, palette } from "/page/palettes.js";
import { t } from "/page/text.js";

const SECONDS = 12; // the width of the page
const BUFFER_S = 0.2; // of columns, so that a late message does not stop the scrolling
const TOOLS_MS = 3000; // for which tools are visible after input
const TICKS_HZ = [100, 250, 500, 1000, 2000, 4000, 8000, 16000];
const REDUCED_MS = 500; // between two frames with reduced motion
const canvas = document.getElementById("spectrogram");
const context = canvas.getContext("2d", { alpha: false });
const options = new URLSearchParams(location.search);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

const ring = document.createElement("canvas"); // ring buffer of columns, one pixel wide each
const ringContext = ring.getContext("2d", { alpha: false, willReadFrequently: false });
let rate = 46.875; // columns a second
let bands = 256; // of a column
let shownBands = 256; // from the lowest, up to the top of the axis
let brightness = { sound: new Uint8Array(256), generated: new Uint8Array(256) }; // of each level
let colours = palette();
let received = 0; // columns
let shown = 0; // columns, at the right edge
let receivedAt = 0; // ms
let frameAt = performance.now();
let drawnAt = 0;

function resize() {
  const scale = Math.min(devicePixelRatio, 1.5);
  canvas.width = Math.round(innerWidth * scale);
  canvas.height = Math.round(innerHeight * scale);
}

function clear() {
  ring.width = Math.ceil((SECONDS + 2) * rate);
  ring.height = bands;
  ringContext.fillRect(0, 0, ring.width, ring.height);
  shown = received;
}

function add([sound, generated]) {
  if (sound.length !== bands) {
    bands = sound.length;
    clear();
  }
  const image = ringContext.createImageData(1, bands);
  for (let band = 0; band < bands; band++) {
    const at = 4 * (bands - 1 - band);
    const played = brightness.sound[sound[band]];
    const colour = 4 * Math.max(played, brightness.generated[generated[band]]);
    image.data.set(colours.subarray(colour, colour + 4), at);
  }
  ringContext.putImageData(image, received % ring.width, 0);
  received++;
}

// Advance the right edge smoothly: correct a small error slowly, and jump over a large one.
function advance(seconds, now) {
  if (now - receivedAt > 1000) { // disconnected: scroll in black
    const dark = new Uint8Array(bands);
    for (let n = Math.ceil(seconds * rate); n > 0; n--) add([dark, dark]);
  }
  shown += seconds * rate;
  const error = received - BUFFER_S * rate - shown;
  shown = Math.abs(error) > rate ? shown + error : shown + error * Math.min(1, 1.5 * seconds);
  shown = Math.min(shown, received);
}

function draw(now) {
  requestAnimationFrame(draw);
  const seconds = Math.min((now - frameAt) / 1000, 0.5);
  frameAt = now;
  advance(seconds, now);
  if (reducedMotion.matches && now - drawnAt < REDUCED_MS) return;
  drawnAt = now;
  const visible = Math.floor(SECONDS * rate);
  const columnWidth = canvas.width / visible;
  const edge = reducedMotion.matches ? Math.floor(shown) : shown;
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const top = bands - shownBands;
  let column = Math.max(0, Math.floor(edge) - visible);
  while (column < edge) {
    const from = column % ring.width;
    const count = Math.min(ring.width - from, Math.ceil(edge) - column);
    const x = canvas.width - (edge - column) * columnWidth;
    const width = count * columnWidth;
    context.drawImage(ring, from, top, count, shownBands, x, 0, width, canvas.height);
    column += count;
  }
}

function setFormat(format) {
  brightness = format.brightness;
  usePaletteOfSettings(format.palette ?? "");
  if (format.columns_per_s && format.columns_per_s !== rate) {
    rate = format.columns_per_s;
    clear();
  }
  if (format.hz) setAxis(format.hz, Number(options.get("max")) || format.max_hz);
}

function setAxis(hz, maxHz) {
  shownBands = Math.max(1, hz.filter((centre) => centre <= maxHz).length);
  const visible = TICKS_HZ.filter((tick) => tick < hz[shownBands - 1]);
  document.getElementById("scale").replaceChildren(
    ...visible.map((tick) => {
      const item = document.createElement("li");
      item.textContent = tick < 1000 ? `${tick} Hz` : `${tick / 1000} kHz`;
      const band = hz.findIndex((centre) => centre >= tick);
      item.style.setProperty("bottom", `${(100 * band) / shownBands}%`);
      return item;
    }),
  );
}

function choose(name) {
  colours = palette(name);
  for (const button of document.querySelectorAll("#palettes button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === name));
  }
}

function keep(name) {
  localStorage.setItem("palette", name);
  choose(name);
}

function offerPalettes() {
  const group = document.getElementById("palettes");
  NAMES.forEach((name, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.name = name;
    button.textContent = t(`palette_${name}`);
    button.title = String(i + 1);
    button.addEventListener("click", () => keep(name));
    group.append(button);
  });
  chooseFirst();
}

// The palette of the address, else of the settings, else the one last chosen in this browser.
function chooseFirst() {
  const { palette: setting } = document.body.dataset;
  const choices = [options.get("palette"), setting, localStorage.getItem("palette")];
  choose(choices.find((name) => NAMES.includes(name)) ?? NAMES[0]);
}

// The staff may change it while this page is open.
function usePaletteOfSettings(name) {
  if (name === document.body.dataset.palette) return;
  document.body.dataset.palette = name;
  chooseFirst();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

let hideTimer = 0;
function showTools() {
  document.body.classList.add("active");
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => document.body.classList.remove("active"), TOOLS_MS);
}

// A tool that was reached with the keyboard keeps its ring when it is clicked: with it the tools
// would stay over the wall for good. The next Tab goes on from there. A key's click has no detail.
function dropFocus({ detail }) {
  if (detail > 0) document.activeElement.blur();
}

function onKey({ key, ctrlKey, altKey, metaKey }) {
  if (ctrlKey || altKey || metaKey) return;
  const pressed = key.toLowerCase();
  if (pressed === "f") fullScreen();
  else if (pressed === "s") location.href = "/staff";
  else if (NAMES[Number(pressed) - 1]) keep(NAMES[Number(pressed) - 1]);
  showTools();
}

addEventListener("resize", resize);
addEventListener("keydown", onKey);
addEventListener("click", dropFocus);
for (const kind of ["pointermove", "pointerdown", "focusin"]) addEventListener(kind, showTools);
document.getElementById("full").addEventListener("click", fullScreen);
offerPalettes();
resize();
clear();
listen("/picture", {
  onText: setFormat,
  onColumns: (columns) => {
    receivedAt = performance.now();
    columns.forEach(add);
  },
  onLink: (up) => {
    document.getElementById("status").textContent = up ? "" : t("connecting");
  },
});
requestAnimationFrame(draw);
