// Labels, messages and numbers in the language of the page; all of them are in strings.json.

const LANGUAGE = document.documentElement.lang;
const { labels, messages } = await (await fetch(`/page/strings-${LANGUAGE}.json`)).json();
const patterns = messages.map(([english, own]) => [patternOf(english), own]);

// The label of a key, with its {name}s replaced.
export function t(key, values = {}) {
  if (!(key in labels)) throw new Error(`no label ${key} in strings.json`);
  return filled(labels[key], values);
}

// A message of the voice or the monitor, which are in English; one that is not known stays so.
export function translated(message) {
  for (const [pattern, own] of patterns) {
    const found = pattern.exec(message);
    if (found) return filled(own, mapValues(found.groups ?? {}, translated));
  }
  return message;
}

export function number(value, digits = 0) {
  return value.toLocaleString(LANGUAGE, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function patternOf(english) {
  const escaped = english.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\{(\w+)\}/g, "(?<$1>.+)")}$`);
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}
