// What a customer can send: words, common questions, and everything else a phone or a network can do.

import { enter, recall, write, writeMany } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { language, t } from "./language.js";
import { APP, KF, entriesOf, nameOf, selectedChannel, selectedCustomer, store } from "./store.js";
import { complain, toEnd } from "./talk.js";
import { wordsField } from "./words-field.js";

const text = (content) => ({ msgtype: "text", content });
const SAMPLE = "包邮吗";
const BURST = ["你好", "多久能发货", SAMPLE].map(text);

const EITHER = {
  image: (who) => write(who, { msgtype: "image" }),
  voice: (who) => write(who, { msgtype: "voice" }),
  video: (who) => write(who, { msgtype: "video" }),
};
const SAME = {
  reset: (who) => write(who, text("重置")),
  person: (who) => write(who, text("转人工")),
  burst: (who) => writeMany(who, BURST),
  twice: (who) => write(who, { ...text(takeWords() || SAMPLE), copies: 2 }),
};
// In the order they are shown: what is sent for each.
const DEEDS = {
  [APP]: {
    ...EITHER,
    location: (who) => write(who, { msgtype: "location", label: t("place_name") }),
    link: (who) => write(who, { msgtype: "link", title: t("link_title"), description: t("link_description") }),
    enter: (who) => write(who, { msgtype: "event", event: "enter_agent" }),
    ...SAME,
    forged: (who) => write(who, { ...text(takeWords() || SAMPLE), tamper: "signature" }),
  },
  [KF]: {
    ...EITHER,
    location: (who) => write(who, { msgtype: "location", body: { name: t("place_name") } }),
    link: (who) => write(who, { msgtype: "link", body: { title: t("link_title"), desc: t("link_description") } }),
    file: (who) => write(who, { msgtype: "file" }),
    enter,
    ...SAME,
    recall: takeBack,
  },
};
const ICONS = { location: "place" };
let takeWords = () => "";

/** Connect the composer. */
export function startComposer() {
  takeWords = wordsField(byId("composer"), byId("words"), (said) => attempt((who) => write(who, text(said))));
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
  const deeds = DEEDS[selectedChannel()];
  byId("words").placeholder = customer ? t("words", { name: nameOf(customer) }) : t("words_nobody");
  byId("tray").replaceChildren(
    ...Object.keys(deeds).map((deed) =>
      el(
        "button",
        { type: "button", class: "deed", title: t(`what_${deed}`), data: { deed }, on: { click: () => attempt(deeds[deed]) } },
        icon(ICONS[deed] ?? deed),
        el("span", { text: t(`do_${deed}`) }),
      ),
    ),
  );
  byId("suggestions").replaceChildren(
    ...suggested().map((question) =>
      el("button", { type: "button", class: "chip", text: question, on: { click: () => attempt((who) => write(who, text(question))) } }),
    ),
  );
}

/** Take back the customer's newest message that still stands. */
async function takeBack(customer) {
  const newest = entriesOf(customer.userid).findLast((entry) => entry.by === "customer" && !entry.recalled);
  if (newest) await recall(customer, newest.msgid);
}

/** Questions in the page's language come first. */
function suggested() {
  const latin = (question) => /^[\x20-\x7e]+$/.test(question);
  const own = language() === "zh" ? (question) => !latin(question) : latin;
  const questions = store.facts.suggestions;
  return [...questions.filter(own), ...questions.filter((question) => !own(question))];
}

async function attempt(deed) {
  const customer = selectedCustomer();
  if (!customer) return;
  try {
    await deed(customer);
  } catch (error) {
    complain(byId("talk"), t("not_sent", { reason: error.message }));
  }
}

function openTray(open) {
  byId("tray").hidden = !open;
  byId("more").setAttribute("aria-expanded", String(open));
  toEnd(byId("talk"));
}
