// A chat as a list of what was said: new things are put at its end, and what has changed is drawn anew where it stands.

import { el } from "./dom.js";
import { clock } from "./format.js";
import { language } from "./language.js";

const NEAR_PX = 12;
const PAUSE_MS = 5 * 60 * 1000; // after which a chat shows the time again

/**
 * Return a function that shows a chat in `box`: `(chat, entries, draw, empty)`. `chat` names it, `draw` returns the node
 * of an entry, given the one before it, and `empty` is what is said of an empty one.
 */
export function transcript(box) {
  let shown = "";
  let drawn = new Map();
  stayAtEnd(box);

  return (chat, entries, draw, empty) => {
    const asked = `${chat} ${language()}`;
    const same = shown === asked && entries.length > 0 && drawn.has(entries[0].key);
    if (!same) {
      [shown, drawn] = [asked, new Map()];
      box.replaceChildren(...(entries.length ? [] : [el("p", { class: "talk-empty", text: empty })]));
    }
    let fresh = false;
    let before = null;
    for (const entry of entries) {
      const held = drawn.get(entry.key);
      if (held?.entry !== entry) {
        const node = draw(entry, before);
        const parts = [node];
        if (held) {
          held.node.replaceWith(node);
        } else {
          if (entry.at_ms - (before?.at_ms ?? 0) > PAUSE_MS) parts.unshift(el("time", { text: clock(entry.at_ms, false) }));
          if (before) drawn.get(before.key).node.after(...parts);
          else box.prepend(...parts);
          fresh = true;
        }
        drawn.set(entry.key, { entry, node });
      }
      before = entry;
    }
    if (fresh) toEnd(box, same);
  };
}

/** Say in a chat that something went wrong. */
export function complain(box, text) {
  box.append(el("p", { class: "happened bad", text }));
  toEnd(box, true);
}

/** Keep the end of a chat in sight when its box becomes larger, smaller or visible, unless somebody scrolled back. */
function stayAtEnd(box) {
  let atEnd = true;
  box.addEventListener("scroll", () => {
    atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - NEAR_PX;
  });
  new ResizeObserver(() => atEnd && toEnd(box)).observe(box);
}

/** Scroll a chat to its end. */
export function toEnd(box, smoothly = false) {
  box.scrollTo({ top: box.scrollHeight, behavior: smoothly ? "smooth" : "instant" });
}
