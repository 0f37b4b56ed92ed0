// The staff page: meters, state, controls, teaching. It receives numbers only, never an image.

import { at, element, rebuild, setText } from "/page/dom.js";
import { setUpMaintenance } from "/page/maintenance.js";
import { setUpMap } from "/page/map.js";
import { listen } from "/page/socket.js";
import { setUpTakes } from "/page/takes.js";
import { setUpTeaching } from "/page/teaching.js";
import { number, t, translated } from "/page/text.js";

const TONE_S = 2;
const RANGES = {
  mouth_open: [0, 1], mouth_width: [-1, 1], jaw_open: [0, 1], brow_raise: [0, 1],
  brow_tension: [0, 1], eye_open: [0, 1], head_yaw: [-1.57, 1.57], head_pitch: [-1.57, 1.57],
  head_roll: [-1.57, 1.57], yaw_velocity: [-5, 5], pitch_velocity: [-5, 5], roll_velocity: [-5, 5],
  mouth_velocity: [-10, 10], brow_velocity: [-10, 10], motion: [0, 1], stillness: [0, 1],
};
let token = tokenOfLink() ?? sessionStorage.getItem("token") ?? "";
let report = null;
let moving = false; // while the volume slider is in use

// The token in the link that `perform --monitor` prints; it does not stay in the address bar.
function tokenOfLink() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found !== null) history.replaceState(null, "", location.pathname);
  return found;
}

// POST an object as JSON, or a file as it is; GET without either. Null if it is refused.
async function post(path, body) {
  const isFile = body instanceof Blob;
  let answer;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        "Content-Type": isFile ? "application/octet-stream" : "application/json",
        Authorization: `Bearer ${token}`,
      },
      body: isFile ? body : JSON.stringify(body),
    });
  } catch {
    showError(t("unreachable"));
    return null;
  }
  if (answer.status === 401) unlock(false);
  showError(answer.ok ? "" : translated((await answer.text()).trim()));
  return answer.ok ? answer : null;
}

const control = (kind, value) => post("/ask", { [kind]: value });

function showTeaching(state) {
  if (!state) return;
  teaching.show(state);
  showMap(state);
}

const teaching = setUpTeaching(post, showTeaching);
const showMap = setUpMap(teaching.teach);
const showMaintenance = setUpMaintenance(post);
const showTakes = setUpTakes(post);

function showError(text) {
  at("answer").textContent = text;
  at("answer").className = text ? "bad" : "";
}

function unlock(open) {
  for (const each of document.querySelectorAll("fieldset[data-locked]")) each.disabled = !open;
  at("key").hidden = open;
  if (open) {
    sessionStorage.setItem("token", token);
    sendToken();
  } else sessionStorage.removeItem("token");
}

// Meters and state need the token too. The page sends it again whenever the socket reconnects.
function sendToken() {
  if (!at("controls").disabled) send(`Bearer ${token}`);
}

at("key").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = at("token").value.trim();
  if (await tokenAccepted()) {
    at("token").value = "";
    unlock(true);
  }
});

// A step without effect shows whether the token is right, and what teaching is about to show.
async function tokenAccepted() {
  const answer = await post("/teach", { do: "nothing" });
  if (answer) showTeaching(await answer.json());
  return answer !== null;
}

function showList(list, entries) {
  rebuild(list, entries, ([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: value }),
  ]);
}

function showEnergies({ features, level_db, latency_s, present }) {
  for (const [name, value] of Object.entries({ ...features, level: level_db })) {
    const meter = at(`meter-${name}`);
    if (!meter) continue;
    meter.value = value;
    at(`value-${name}`).textContent = number(value, name === "level" ? 0 : 2);
  }
  at("value-latency").textContent = latency_s === null ? "–" : `${Math.round(1000 * latency_s)} ms`;
  at("value-present").textContent = t(present ? "face" : "no_face");
}

// Numbers that change all the time are in no <output>, which is a live region.
function buildMeters() {
  const rows = [["level", [-80, 0]], ...Object.entries(RANGES)].flatMap(([name, [low, high]]) => {
    const label = document.createElement("label");
    label.textContent = name === "level" ? t("level") : t(`feature_${name}`);
    label.htmlFor = `meter-${name}`;
    const meter = document.createElement("meter");
    Object.assign(meter, { id: `meter-${name}`, min: low, max: high, value: low });
    return [label, meter, element("span", { id: `value-${name}`, className: "value" })];
  });
  const names = [["visitor", "present"], ["latency", "latency"]];
  const extra = names.flatMap(([key, id]) => {
    const label = document.createElement("span");
    label.textContent = t(key);
    return [label, element("span"), element("span", { id: `value-${id}`, className: "value" })];
  });
  at("energies").replaceChildren(...extra, ...rows);
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return t("duration", { hours, minutes: String(minutes % 60).padStart(2, "0") });
}

function showReport(message) {
  report = message.report;
  const r = report;
  setText(at("doing"), translated(r.doing));
  showList(at("state"), [
    [t("opening_hours"), translated(r.door)],
    [t("state_pack"), r.pack],
    [t("images_per_s"), number(r.images_per_s)],
    [t("speaker"), r.speaker || t("none")],
    [t("loudness"), r.loudness_lufs <= -70 ? t("silence") : `${number(r.loudness_lufs, 1)} LUFS`],
    [t("underflows"), number(r.underflows)],
    [t("temperature"), r.celsius === null ? t("unknown") : `${number(r.celsius)} °C`],
    [t("load"), `${number(100 * r.load)} %`],
    [t("quality"), r.tier ? t("tier", { ...r, reason: translated(r.tier_reason) }) : r.quality],
    [t("visits"), number(r.visits)],
    [t("played"), duration(r.played_s)],
    [t("uptime"), duration(r.uptime_s)],
    [t("settings"), r.refused || t("valid")],
    [t("overridden"), r.overridden.map((name) => t(`feature_${name}`)).join(", ") || t("none")],
    [t("pages_open"), number(message.watching)],
    [t("refused"), number(message.refused)],
    [t("version"), r.build],
  ]);
  const kinds = Object.entries(r.faults).map(([kind, n]) => [translated(kind), number(n)]);
  showList(at("faults"), kinds.length ? kinds : [[t("none"), ""]]);
  showLog(r.news);
  showControls(r);
  showTeaching(message.teaching);
  showTakes(message.takes);
  showMaintenance(message.by_unit);
}

function showLog(messages) {
  const recent = [...messages].reverse().map(([ago, text]) => [age(ago), text]);
  rebuild(at("log"), recent, ([ago, text]) => {
    return element("li", {}, element("time", { textContent: ago }), text);
  });
}

function age(seconds) {
  if (seconds < 90) return t("seconds_ago", { n: number(seconds) });
  return t("minutes_ago", { n: number(seconds / 60) });
}

function showControls(r) {
  for (const button of document.querySelectorAll("[data-switch]")) {
    button.setAttribute("aria-pressed", String(r[button.dataset.switch]));
  }
  if (!moving) {
    at("volume").value = r.volume_db;
    setText(at("volume-value"), `${r.volume_db} dB`);
  }
  setOptions(at("pack"), ["", ...r.packs], r.chosen_pack ?? "");
  at("next").disabled = r.packs.length < 2;
}

function setOptions(list, names, selected) {
  const current = [...list.options].map((option) => option.value);
  const options = () => names.map((name) => new Option(name || t("pack_of_settings"), name));
  if (current.join() !== names.join()) list.replaceChildren(...options());
  if (document.activeElement !== list) list.value = selected;
}

for (const button of document.querySelectorAll("[data-switch]")) {
  const kind = button.dataset.switch;
  button.addEventListener("click", () => {
    control(kind, button.getAttribute("aria-pressed") !== "true");
  });
}
at("volume").addEventListener("input", () => {
  moving = true;
  at("volume-value").textContent = `${at("volume").value} dB`;
});
at("volume").addEventListener("change", async () => {
  await control("volume_db", Number(at("volume").value));
  setTimeout(() => (moving = false), 1000);
});
at("tone").addEventListener("click", () => control("tone", TONE_S));
at("pack").addEventListener("change", () => control("pack", at("pack").value || null));
at("next").addEventListener("click", () => {
  const { packs, pack } = report;
  control("pack", packs[(packs.indexOf(pack) + 1) % packs.length]);
});
addEventListener("keydown", ({ key, target, ctrlKey, altKey, metaKey }) => {
  if (ctrlKey || altKey || metaKey || /^(INPUT|SELECT)$/.test(target.tagName)) return;
  if (key === "m" && !at("controls").disabled) document.querySelector("[data-switch=muted]").click();
  if (key === "p") location.href = "/";
});

buildMeters();
const send = listen("/state", {
  onText: (message) => {
    if (message.kind === "energies") showEnergies(message);
    else if (message.kind === "report") showReport(message);
    else if (message.kind === "public") setText(at("doing"), translated(message.state));
    else setText(at("doing"), t(message.linked ? "voice_silent" : "voice_gone"));
  },
  onLink: (up) => {
    setText(at("link"), up ? "" : t("lost"));
    if (up) sendToken();
  },
});
if (token) tokenAccepted().then(unlock);
