// What a customer can send: words, common questions, and everything else a phone or a network can do.

import { write, writeMany } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { language, t } from "./language.js";
import { nameOf, selectedCustomer, store } from "./store.js";

const text = (content) => ({ msgtype: "text", content });
const SAMPLE = "包邮吗";

// In the order they are shown: what is sent for each.
const DEEDS = {
  image: (userid) => write(userid, { msgtype: "image" }),
  voice: (userid) => write(userid, { msgtype: "voice" }),
  video: (userid) => write(userid, { msgtype: "video" }),
  location: (userid) => write(userid, { msgtype: "location", label: t("place_name") }),
  link: (userid) => write(userid, { msgtype: "link", title: t("link_title"), description: t("link_description") }),
  enter: (userid) => write(userid, { msgtype: "event", event: "enter_agent" }),
  reset: (userid) => write(userid, text("重置")),
  burst: (userid) => writeMany(userid, ["你好", "多久能发货", SAMPLE].map(text)),
  twice: (userid) => write(userid, { ...text(takeWords() || SAMPLE), copies: 2 }),
  forged: (userid) => write(userid, { ...text(takeWords() || SAMPLE), tamper: "signature" }),
};

/** Connect the composer. */
export function startComposer() {
  const words = byId("words");
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    sendWords();
  });
  words.addEventListener("keydown", (event) => {
    // While an input method is composing, Enter picks a word; 229 is how Safari says so after the fact.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    sendWords();
  });
  words.addEventListener("input", fit);
  byId("more").addEventListener("click", () => openTray(byId("tray").hidden));
  byId("tray").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    openTray(false);
    byId("more").focus();
  });
}

/** Show the composer in the current language, for the customer looked at. */
export function showComposer() {
  const customer = selectedCustomer();
  byId("words").placeholder = customer ? t("words", { name: nameOf(customer) }) : t("words_nobody");
  byId("tray").replaceChildren(
    ...Object.keys(DEEDS).map((deed) =>
      el(
        "button",
        { type: "button", class: "deed", title: t(`what_${deed}`), data: { deed }, on: { click: () => attempt(DEEDS[deed]) } },
        icon(deed === "location" ? "place" : deed),
        el("span", { text: t(`do_${deed}`) }),
      ),
    ),
  );
  byId("suggestions").replaceChildren(
    ...suggested().map((question) =>
      el("button", { type: "button", class: "chip", text: question, on: { click: () => attempt((userid) => write(userid, text(question))) } }),
    ),
  );
}

/** Questions in the page's language come first. */
function suggested() {
  const latin = (question) => /^[\x20-\x7e]+$/.test(question);
  const own = language() === "zh" ? (question) => !latin(question) : latin;
  const questions = store.facts.suggestions;
  return [...questions.filter(own), ...questions.filter((question) => !own(question))];
}

function sendWords() {
  if (!selectedCustomer()) return;
  const said = takeWords();
  if (said) attempt((userid) => write(userid, text(said)));
}

function takeWords() {
  const field = byId("words");
  const said = field.value.trim();
  field.value = "";
  fit();
  return said;
}

async function attempt(deed) {
  const customer = selectedCustomer();
  if (!customer) return;
  try {
    await deed(customer.userid);
  } catch (error) {
    byId("talk").append(el("p", { class: "happened bad", text: t("not_sent", { reason: error.message }) }));
    byId("talk").scrollTo({ top: byId("talk").scrollHeight });
  }
}

function openTray(open) {
  byId("tray").hidden = !open;
  byId("more").setAttribute("aria-expanded", String(open));
  byId("talk").scrollTo({ top: byId("talk").scrollHeight });
}

function fit() {
  const field = byId("words");
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${Math.min(field.scrollHeight, 120)}px`);
}
