// Elements of a page that is updated twice a second: what has not changed is left alone, so that
// neither the focus nor a screen reader is disturbed.

export const at = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

// Make the children of a list anew, but only when its content has changed.
export function rebuild(list, content, make) {
  const key = JSON.stringify(content);
  if (list.dataset.content === key) return;
  list.dataset.content = key;
  list.replaceChildren(...content.flatMap(make));
}

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function button(text, onClick, label = text) {
  const made = element("button", { type: "button", textContent: text, ariaLabel: label });
  made.addEventListener("click", onClick);
  return made;
}

// Have the browser save a blob as a file.
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
