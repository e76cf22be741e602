// The round pictures of people.

import { el, icon } from "./dom.js";
import { nameOf, phonesOf, store } from "./store.js";

const HUES = 6;

/** Return the picture of a customer, or of one of the staff. */
export function avatar(somebody) {
  const name = nameOf(somebody);
  const letters = /[\u4e00-\u9fff]/.test(name) ? name.slice(-1) : name.slice(0, 1).toUpperCase();
  const hue = store.staff.has(somebody.userid) ? "staff" : String(Math.max(0, placeOf(somebody)) % HUES);
  return el("span", { class: "avatar", "aria-hidden": "true", data: { hue }, text: letters });
}

/** Return the picture of the machine. */
export function machine() {
  return el("span", { class: "avatar app", "aria-hidden": "true" }, icon("bell"));
}

function placeOf(somebody) {
  return phonesOf(somebody.channel).findIndex((phone) => phone.userid === somebody.userid);
}
