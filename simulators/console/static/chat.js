// The phone: who is looked at, and what stands in the chat.

import { addCustomer } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { clock } from "./format.js";
import { language, t } from "./language.js";
import { nameOf, select, selectedCustomer, store } from "./store.js";
import { wecomText } from "./wecom-text.js";

const PAUSE_MS = 5 * 60 * 1000; // after which a chat shows the time again
const HUES = 6;
let shownFor = "";
let shownIn = "";
let shownUpTo = 0;
let lastAt = 0;

/** Connect the phone's own controls. */
export function startChat() {
  const dialog = byId("newcomer");
  byId("newcomer-open").addEventListener("click", () => dialog.showModal());
  byId("newcomer-cancel").addEventListener("click", () => dialog.close());
  byId("newcomer-userid").addEventListener("input", (event) => event.target.setCustomValidity(""));
  byId("newcomer-form").addEventListener("submit", addNewcomer);
  byId("people").addEventListener("keydown", walkTabs);
}

/** Show who there is. */
export function showPeople() {
  const hadFocus = document.activeElement?.closest("#people") !== null;
  const tabs = [...store.customers.values()].map((customer, place) => {
    const chosen = customer.userid === store.selected;
    const unread = store.unread.get(customer.userid) ?? 0;
    return el(
      "button",
      {
        type: "button",
        role: "tab",
        class: "tab",
        "aria-selected": chosen,
        "aria-controls": "device",
        tabindex: chosen ? 0 : -1,
        title: customer.userid,
        data: { userid: customer.userid },
        on: { click: () => select(customer.userid) },
      },
      avatar(customer, place),
      el("span", { class: "tab-name", text: nameOf(customer) }),
      unread ? el("b", { class: "unread", text: unread, "aria-label": t("unread", { count: unread }) }) : null,
    );
  });
  byId("people").replaceChildren(...tabs);
  const chosen = byId("people").querySelector('[aria-selected="true"]');
  chosen?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (hadFocus) chosen?.focus();
}

/** Show the chat of whoever is looked at; only what is new, when the same chat was shown before. */
export function showTalk() {
  const customer = selectedCustomer();
  const talk = byId("talk");
  byId("app-name").textContent = store.facts.company || t("app_name");
  byId("device-who").textContent = customer ? t("writes_as", { name: nameOf(customer), userid: customer.userid }) : "";
  const entries = customer
    ? [...store.entries.values()].filter((entry) => entry.userid === customer.userid).sort((a, b) => a.seq - b.seq)
    : [];
  const sameChat = shownFor === store.selected && shownIn === language() && entries.some((entry) => entry.seq === shownUpTo);
  if (!sameChat) {
    talk.replaceChildren();
    [shownFor, shownIn, shownUpTo, lastAt] = [store.selected, language(), 0, 0];
    if (!entries.length) talk.append(el("p", { class: "talk-empty", text: t("talk_empty") }));
  }
  const fresh = entries.filter((entry) => entry.seq > shownUpTo);
  for (const entry of fresh) {
    if (entry.at_ms - lastAt > PAUSE_MS) talk.append(el("time", { text: clock(entry.at_ms, false) }));
    talk.append(entryNode(entry, customer));
    [shownUpTo, lastAt] = [entry.seq, entry.at_ms];
  }
  if (fresh.length) talk.scrollTo({ top: talk.scrollHeight, behavior: sameChat ? "smooth" : "instant" });
}

/** Return the round picture of a customer. */
export function avatar(customer, place = [...store.customers.keys()].indexOf(customer.userid)) {
  const name = nameOf(customer);
  const letters = /[\u4e00-\u9fff]/.test(name) ? name.slice(-1) : name.slice(0, 1).toUpperCase();
  return el("span", { class: "avatar", "aria-hidden": "true", data: { hue: String(place % HUES) }, text: letters });
}

function entryNode(entry, customer) {
  if (entry.msgtype === "event") {
    const known = entry.content === "enter_agent" || entry.content === "subscribe";
    const text = known ? t("entered", { name: nameOf(customer) }) : t("event", { event: entry.content });
    return el("p", { class: "happened", text });
  }
  const mine = entry.direction === "inbound";
  const face = mine ? avatar(customer) : el("span", { class: "avatar app", "aria-hidden": "true" }, icon("bell"));
  const bubble = el("div", { class: `bubble ${entry.msgtype}`, title: clock(entry.at_ms) }, ...content(entry));
  return el("div", { class: mine ? "said mine" : "said", data: { seq: String(entry.seq) } }, face, bubble);
}

function content(entry) {
  const body = entry.body ?? {};
  switch (entry.msgtype) {
    case "text":
      return wecomText(entry.content);
    case "image":
      return [icon("image"), el("span", { class: "hidden", text: t("kind_image") })];
    case "voice":
      return [icon("voice"), el("span", { text: t("voice_seconds", { seconds: 3 }) })];
    case "video":
      return [icon("video"), el("span", { class: "hidden", text: t("kind_video") })];
    case "location":
      return [icon("place"), el("span", { text: body.Label || t("kind_location") })];
    case "link":
      return [el("strong", { text: body.Title || t("kind_link") }), el("span", { text: body.Description || "" }), icon("link")];
    default:
      return [el("span", { text: `[${entry.msgtype}]` })];
  }
}

async function addNewcomer(event) {
  event.preventDefault();
  const [name, userid] = [byId("newcomer-name").value.trim(), byId("newcomer-userid").value.trim()];
  const field = byId("newcomer-userid");
  if (store.customers.has(userid.toLowerCase())) {
    field.setCustomValidity(t("newcomer_taken"));
    field.reportValidity();
    return;
  }
  try {
    await addCustomer(userid, name);
  } catch (error) {
    field.setCustomValidity(error.message);
    field.reportValidity();
    return;
  }
  store.customers.set(userid.toLowerCase(), { userid: userid.toLowerCase(), name, place: store.customers.size, conversation: "" });
  byId("newcomer").close();
  event.target.reset();
  select(userid.toLowerCase());
  byId("words").focus();
}

function walkTabs(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  const userids = [...store.customers.keys()];
  if (step === undefined || !userids.length) return;
  event.preventDefault();
  const place = userids.indexOf(store.selected) + step;
  select(userids[Math.max(0, Math.min(userids.length - 1, place))]);
}
