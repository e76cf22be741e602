// What one thing said looks like: texts, pictures and the like, menus whose items can be tapped, cards with buttons.

import { cardParts } from "./card.js";
import { el, icon } from "./dom.js";
import { clock } from "./format.js";
import { has, t } from "./language.js";
import { KF } from "./store.js";
import { lines, wecomText } from "./wecom-text.js";

/**
 * Return the node of an entry. `mine`: it stands on the right. `face` is who said it, `who` their name where it is
 * shown, `marks` what is to be known of it, `deeds` what can be done with it; `onTap` and `onPress` answer its menu and
 * its card.
 */
export function said(entry, { mine, face, who = "", marks = [], deeds = [], onTap = null, onPress = null }) {
  const kind = entry.msgtype === "template_card" ? "template" : entry.msgtype;
  const bubble = el(
    "div",
    { class: `bubble ${kind}`, title: clock(entry.at_ms), data: { gone: String(Boolean(entry.recalled || entry.failed)) } },
    ...content(entry, onTap, onPress),
  );
  const below = [...marks.map((mark) => el("small", { class: "mark", text: mark })), ...deeds];
  return el(
    "div",
    { class: mine ? "said mine" : "said", data: { seq: String(entry.seq), by: entry.by ?? "" } },
    face,
    el(
      "div",
      { class: "words" },
      who ? el("small", { class: "who", text: who }) : null,
      bubble,
      below.length ? el("div", { class: "below" }, ...below) : null,
    ),
  );
}

/** Return what is to be known of an entry beside its words. */
export function marksOf(entry) {
  return ["recalled", "failed", "truncated"].filter((what) => entry[what]).map((what) => t(`mark_${what}`));
}

/** Return an entry in one line. */
export function summaryOf(entry) {
  const kind = `kind_${entry.msgtype}`;
  return entry.msgtype !== "text" && has(kind) ? t(kind) : entry.content || `[${entry.msgtype}]`;
}

function content(entry, onTap, onPress) {
  const body = entry.body ?? {};
  switch (entry.msgtype) {
    case "text":
      return entry.channel === KF ? lines(entry.content) : wecomText(entry.content);
    case "image":
    case "video":
      return [icon(entry.msgtype), el("span", { class: "hidden", text: t(`kind_${entry.msgtype}`) })];
    case "voice":
      return [icon("voice"), el("span", { text: t("voice_seconds", { seconds: 3 }) })];
    case "location":
      return [icon("place"), el("span", { text: body.Label || body.name || t("kind_location") })];
    case "link":
      return [
        el("strong", { text: body.Title || body.title || t("kind_link") }),
        el("span", { text: body.Description || body.desc || "" }),
        icon("link"),
      ];
    case "file":
      return [icon("file"), el("span", { text: t("kind_file") })];
    case "msgmenu":
      return menu(body, onTap);
    case "template_card":
      return cardParts(body, onPress);
    default:
      return [el("span", { text: `[${entry.msgtype}]` })];
  }
}

/** A menu (developer docs, path 94677): what is clicked is said by the customer. */
function menu(body, onTap) {
  const items = (body.list ?? []).map((item) => {
    if (item.type === "click") {
      const tap = { click: () => onTap?.(item.click.id) };
      return el("button", { type: "button", class: "item", data: { menu: item.click.id }, disabled: !onTap, text: item.click.content, on: tap });
    }
    return el("span", { class: "item", text: item[item.type]?.content ?? "" });
  });
  return [
    body.head_content ? el("p", {}, ...lines(body.head_content)) : null,
    el("div", { class: "menu", role: "group", "aria-label": t("menu") }, ...items),
    body.tail_content ? el("p", {}, ...lines(body.tail_content)) : null,
  ].filter((part) => part !== null);
}
