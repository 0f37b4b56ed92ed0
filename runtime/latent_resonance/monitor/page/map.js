// A map of the pack's sounds: what a finger touches sounds, and places are kept as anchors.

import { at, button, element, rebuild, setText } from "/page/dom.js";
import { t } from "/page/text.js";

const SVG = "http://www.w3.org/2000/svg";
const EVERY_MS = 100; // between two places that are sent while the finger moves
const KEY_STEP = 0.05; // of the map's radius
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function setUpMap(teach) {
  const map = at("map");
  let present = [0, 0];
  let waiting = null; // the place to send next
  let sending = false;

  // Send the newest place only, and one at a time.
  async function goTo(x, y) {
    waiting = present = within([x, y]);
    setCircle(at("here"), present);
    if (sending) return;
    sending = true;
    while (waiting) {
      const [toX, toY] = waiting;
      waiting = null;
      await Promise.all([teach({ do: "map", x: toX, y: toY }), pause(EVERY_MS)]);
    }
    sending = false;
  }

  function followFinger(event) {
    if (at("mapping").disabled || event.buttons === 0) return;
    const point = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(map.getScreenCTM().inverse());
    goTo(point.x, -point.y);
  }

  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    followFinger(event);
  });
  map.addEventListener("pointermove", followFinger);
  map.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step || at("mapping").disabled) return;
    event.preventDefault();
    goTo(present[0] + KEY_STEP * step[0], present[1] + KEY_STEP * step[1]);
  });
  at("open-map").addEventListener("click", async () => {
    at("open-map").disabled = true;
    setText(at("map-progress"), t("map_computing"));
    await teach({ do: "open map" });
    at("open-map").disabled = false;
    setText(at("map-progress"), "");
  });
  at("keep-place").addEventListener("click", () => {
    teach({ do: "keep place", name: at("place-name").value });
    at("place-name").value = "";
  });

  return ({ map: state, walking }) => {
    const known = "anchors" in state;
    at("open-map").hidden = known;
    map.toggleAttribute("hidden", !known);
    at("map-hint").hidden = !known;
    at("keep-place").disabled = !walking;
    rebuild(at("places"), state.places.map(({ name }) => name), (name, i) => placeItem(name, i, teach));
    if (!known) return;
    rebuild(at("anchors"), state.anchors, (place) => circle(place, 0.025));
    rebuild(at("kept"), state.places.map((place) => place.at), (place) => circle(place, 0.075));
    if (!sending) {
      present = state.present;
      setCircle(at("here"), present);
    }
  };
}

function placeItem(name, index, teach) {
  const n = index + 1;
  return element("li", {},
    element("div", { className: "row named" },
      element("span", {}, name || t("place", { n })),
      button(t("play"), () => teach({ do: "play place", index }), t("play_place", { n })),
      button(t("forget"), () => teach({ do: "forget place", index }), t("forget_place", { n })),
    ));
}

// The nearest place within the rim.
function within([x, y]) {
  const outside = Math.max(1, Math.hypot(x, y));
  return [x / outside, y / outside];
}

function circle(place, radius) {
  const made = document.createElementNS(SVG, "circle");
  made.setAttribute("r", radius);
  setCircle(made, place);
  return made;
}

function setCircle(shape, [x, y]) {
  shape.setAttribute("cx", x.toFixed(3));
  shape.setAttribute("cy", (-y).toFixed(3));
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
