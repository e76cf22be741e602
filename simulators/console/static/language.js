// The page's two languages: the browser's by default, the chosen one remembered.

import { words } from "./words.js";

const KEY = "frontdesk.language";
const listeners = [];
let current = remembered() ?? ((navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en");

/** Return "zh" or "en". */
export function language() {
  return current;
}

/** Return the words named `key`, with `{name}` filled in from `values`. */
export function t(key, values = {}) {
  const sentence = words[current][key];
  if (sentence === undefined) return key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Tell whether there are words named `key`. */
export function has(key) {
  return key in words[current];
}

/** Call `listener` whenever the language changes. */
export function onLanguage(listener) {
  listeners.push(listener);
}

/** Change to the other language. */
export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // Storage may be forbidden: then the choice holds until the page is left.
  }
  translatePage();
  for (const listener of listeners) listener();
}

/** Put the words of the current language into everything that names its words in a `data-t…` attribute. */
export function translatePage() {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  document.title = `Frontdesk · ${t("tagline")}`;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of document.querySelectorAll("[data-t-title]")) element.title = t(element.dataset.tTitle);
}

function remembered() {
  try {
    const value = localStorage.getItem(KEY);
    return value in words ? value : null;
  } catch {
    return null;
  }
}
