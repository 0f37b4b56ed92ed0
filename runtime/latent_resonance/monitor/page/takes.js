// Takes of the sound on the staff page: begin and end one; list, download and delete them.

import { at, button, element, rebuild, save, setText } from "/page/dom.js";
import { number, t } from "/page/text.js";

// `post` sends the token with an object. Returns a function that shows a state.
export function setUpTakes(post) {
  let recording = false;

  const act = async (step) => {
    const answer = await post("/takes", step);
    if (answer) show(await answer.json());
  };

  const download = async (name) => {
    const answer = await post(`/takes/${name}`);
    if (answer) save(await answer.blob(), name);
  };

  function show({ seconds, limit_s, takes }) {
    recording = seconds !== null;
    setText(at("take"), t(recording ? "end_take" : "record_take"));
    at("take").setAttribute("aria-pressed", String(recording));
    setText(at("take-length"), recording ? t("take_length", { now: clock(seconds), most: clock(limit_s) }) : "");
    rebuild(at("takes"), takes, item);
  }

  function item({ name, seconds, bytes }) {
    const size = `${clock(seconds)}, ${number(bytes / 1e6, 1)} MB`;
    return element("li", {},
      element("div", {}, name, " ", element("small", { textContent: size })),
      element("div", { className: "row" },
        button(t("download"), () => download(name), `${t("download")}: ${name}`),
        button(t("delete"), () => confirm(t("confirm_delete", { name })) && act({ do: "delete", name }),
          `${t("delete")}: ${name}`)),
    );
  }

  at("take").addEventListener("click", () => act({ do: recording ? "stop" : "start" }));
  return show;
}

// 75.3 is 1:15.
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
