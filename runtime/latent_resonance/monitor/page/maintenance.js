// Maintenance on the staff page: the settings that the staff may change, restarts, the journal.

import { at, element, setText } from "/page/dom.js";
import { t } from "/page/text.js";

// `post` sends the token with an object. Returns a function that shows what can be done here.
export function setUpMaintenance(post) {
  const maintain = async (kind, value = null) => {
    const answer = await post("/maintain", { kind, value });
    return answer && answer.json();
  };

  let saved = {}; // settings as in the file
  const showSettings = ({ settings }) => {
    saved = settings;
    at("settings").replaceChildren(
      ...Object.entries(settings).map(([key, value]) =>
        element("label", { className: "wide" }, element("code", { textContent: key }), " ",
          element("input", { type: "text", name: key, value, spellcheck: false, autocomplete: "off" })),
      ),
    );
    at("save-settings").hidden = false;
  };

  const done = (text) => setText(at("maintained"), text);

  at("read-settings").addEventListener("click", async () => {
    const answer = await maintain("read");
    if (answer) showSettings(answer);
  });

  at("save-settings").addEventListener("click", async () => {
    const fields = [...at("settings").querySelectorAll("input")];
    const changed = fields.filter(({ name, value }) => value.trim() !== saved[name]);
    if (!changed.length) return;
    const values = Object.fromEntries(changed.map(({ name, value }) => [name, value.trim()]));
    const answer = await maintain("settings", values);
    if (!answer) return;
    showSettings(answer);
    done(t("settings_saved"));
  });

  for (const button of document.querySelectorAll("[data-restart]")) {
    const part = button.dataset.restart;
    button.addEventListener("click", async () => {
      if (!confirm(t(`confirm_restart_${part}`))) return;
      if (await maintain("restart", part)) done(t("restart_requested"));
    });
  }

  at("read-journal").addEventListener("click", async () => {
    const answer = await maintain("journal");
    if (!answer) return;
    at("journal").hidden = false;
    at("journal").textContent = answer.lines.join("\n");
  });

  return (byUnit) => {
    at("by-unit").hidden = !byUnit;
    at("no-unit").hidden = byUnit;
  };
}
