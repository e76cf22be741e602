// A template card (developer docs, path 90236), as it stands in a member's chat now: after a press a word takes the place
// of its buttons.

import { el } from "./dom.js";
import { t } from "./language.js";
import { memberName } from "./store.js";

const MEMBER = 3; // a field whose value is a member: WeCom shows the name

/** Return what the card shows. `onPress` is called with a button's key; without it nothing can be pressed. */
export function cardParts(card, onPress) {
  const { source, main_title: title, quote_area: quote, sub_title_text: below } = card;
  return [
    source?.desc ? el("small", { class: "card-source", text: source.desc }) : null,
    title?.title ? el("strong", { class: "card-title", text: title.title }) : null,
    title?.desc ? el("p", { class: "card-what", text: title.desc }) : null,
    quote?.quote_text ? el("blockquote", {}, quote.title ? el("small", { text: quote.title }) : null, el("p", { text: quote.quote_text })) : null,
    below ? el("p", { class: "card-below", text: below }) : null,
    fields(card.horizontal_content_list ?? []),
    replaced(card) ? el("p", { class: "card-done", text: replaced(card) }) : buttons(card, onPress),
  ].filter((part) => part !== null);
}

/** Return the label of the button with that key, "" when the card has none. */
export function labelOf(card, key) {
  return (card?.button_list ?? []).find((button) => button.key === key)?.text ?? "";
}

function replaced(card) {
  return card.button?.replace_name || card.replace_text || "";
}

function fields(list) {
  if (!list.length) return null;
  const value = (field) => (field.type === MEMBER && field.userid ? memberName(field.userid) : field.value);
  return el("dl", {}, ...list.flatMap((field) => [el("dt", { text: field.keyname }), el("dd", { text: value(field) ?? "" })]));
}

function buttons(card, onPress) {
  const list = card.button_list ?? [];
  if (!list.length) return null;
  const group = el("div", { class: "card-buttons", role: "group", "aria-label": t("card_buttons") });
  for (const { text, key, style } of list) {
    const press = async () => {
      for (const each of group.children) each.disabled = true;
      await onPress(key);
      for (const each of group.children) each.disabled = false;
    };
    group.append(el("button", { type: "button", data: { tone: style === 1 ? "main" : "", key }, disabled: !onPress, text, on: { click: press } }));
  }
  return group;
}
