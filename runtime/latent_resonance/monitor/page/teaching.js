// Teaching: hold a face, choose a sound, keep the pair; and the list of what is kept.

import { at, button, element, rebuild, save, setText } from "/page/dom.js";
import { number, t, translated } from "/page/text.js";

const RENEW_MS = 10000; // the monitor lets go after 45 s, as when this page is closed
const RELEASING = ["let go"];
// Steps after which this page holds what it held before.
const KEEPING = ["nothing", "renew", "name", "forget", "remove face", "forget place", "open map", "undo"];

// Set up the controls; `post` sends a step and returns the answer, or null. Returns the function
// that carries out a step, and the one that shows a state.
export function setUpTeaching(post, showState) {
  let holds = false; // whether this page holds a face or a sound, and renews that

  async function teach(step) {
    if (RELEASING.includes(step.do)) holds = false;
    else if (!KEEPING.includes(step.do)) holds = true;
    const answer = await post("/teach", step);
    if (answer) showState(await answer.json());
  }

  function show(teaching) {
    holds = holds && (teaching.holding || teaching.walking);
    at("hold").setAttribute("aria-pressed", String(teaching.holding));
    at("keep").disabled = teaching.why_not_keep !== "";
    setText(at("why-not-keep"), translated(teaching.why_not_keep));
    at("undo").disabled = !teaching.can_undo;
    showLease(teaching, holds);
    setText(at("teaching-problem"), translated(teaching.problem));
    showDirections(teaching.directions);
    showExamples(teaching, teach);
  }

  at("hold").addEventListener("click", () => teach({ do: "hold" }));
  at("letgo").addEventListener("click", () => teach({ do: "let go" }));
  at("keep").addEventListener("click", () => teach({ do: "keep" }));
  at("undo").addEventListener("click", () => teach({ do: "undo" }));
  for (const each of document.querySelectorAll("[data-walk]")) {
    each.addEventListener("click", () => teach({ do: each.dataset.walk }));
  }
  at("amount").addEventListener("change", () => {
    const index = Number(at("direction").value || 1) - 1;
    teach({ do: "direction", index, amount: Number(at("amount").value) });
  });
  setUpFiles(post, showState);
  setInterval(() => holds && teach({ do: "renew" }), RENEW_MS);
  return { teach, show };
}

// The seconds that are left are no live region; only the beginning and the end are announced.
function showLease({ holding, walking, lease_s }, byThisPage) {
  const left = t(byThisPage ? "held_for" : "held_by_other", { n: number(lease_s) });
  setText(at("lease"), lease_s ? left : "");
  const key = holding && walking ? "holds_both" : holding ? "holds_face" : walking ? "holds_sound" : "";
  setText(at("held"), key ? t(key) : "");
}

function showDirections(count) {
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  rebuild(at("direction"), numbers, (each) => new Option(each));
}

function showExamples({ examples, holding }, teach) {
  const fixed = examples.map(({ name, faces }) => ({ name, faces }));
  rebuild(at("examples"), fixed, (each, index) => exampleItem(each, index, teach));
  examples.forEach(({ share }, index) => {
    at(`share-${index}`).value = share;
    setText(at(`share-value-${index}`), t("share", { n: number(100 * share) }));
  });
  for (const each of document.querySelectorAll("[data-needs-face]")) each.disabled = !holding;
}

function exampleItem({ name, faces }, index, teach) {
  const n = index + 1;
  const input = element("input", { type: "text", maxLength: 40, value: name, ariaLabel: t("name_of", { n }) });
  input.addEventListener("change", () => teach({ do: "name", index, name: input.value }));
  const share = element("meter", { id: `share-${index}`, min: 0, max: 1, ariaLabel: t("share_of", { n }) });
  const add = button(t("add_face"), () => teach({ do: "add face", index }), t("add_face_to", { n }));
  add.dataset.needsFace = "";
  const forget = button(t("forget"), () => teach({ do: "forget", index }), t("forget_pair", { n }));
  const play = button(t("play"), () => teach({ do: "play", index }), t("play_pair", { n }));
  return element("li", {},
    element("div", { className: "row named" }, input, play),
    element("div", { className: "row share" }, share, element("small", { id: `share-value-${index}` })),
    element("ul", { className: "faces" },
      ...faces.map((face, i) => faceItem(face, faces.length > 1, () => teach({ do: "remove face", index, face: i })))),
    element("div", { className: "row" }, add, forget),
  );
}

function faceItem(features, removable, remove) {
  const named = features.map(([name, value]) => `${t(`feature_${name}`)} ${number(value, 2)}`);
  const text = named.join(", ");
  const item = element("li", {}, text);
  if (removable) item.append(button(t("remove_face"), remove, `${t("remove_face")}: ${text}`));
  return item;
}

function setUpFiles(post, showState) {
  at("export").addEventListener("click", async () => {
    const answer = await post("/examples");
    if (!answer) return;
    save(await answer.blob(), `examples-${at("pack").value}.json`);
  });
  at("import").addEventListener("click", () => at("file").click());
  at("file").addEventListener("change", async () => {
    const [file] = at("file").files;
    const answer = file && (await post("/examples", file));
    at("file").value = "";
    if (answer) showState(await answer.json());
  });
}
