// The session of the customer looked at: how long it still lives, and what became of it.

import { call } from "./api.js";
import { byId, el, fill, icon } from "./dom.js";
import { clock, countdown } from "./format.js";
import { t } from "./language.js";
import { selectedCustomer, store } from "./store.js";

/** Connect the archive's window, and let the clock run. */
export function startSession() {
  byId("document-close").addEventListener("click", () => byId("document").close());
  setInterval(tick, 500);
}

/** Show the session of the customer looked at. */
export function showSession() {
  const session = current();
  const card = byId("session");
  if (!session) {
    card.dataset.state = "none";
    fill(
      card,
      el("div", { class: "session-what" }, el("strong", { text: t("session_none") }), el("span", { class: "small", text: t("session_none_hint") })),
    );
    return;
  }
  const before = wasArchived(session);
  const archive = session.archived || (session.gone && before) ? "archived" : before ? "before" : "unarchived";
  fill(
    card,
    el(
      "div",
      { class: "session-clock" },
      el("span", { class: "small", text: t("session_left") }),
      el("output", { id: "session-left", class: "big" }),
    ),
    el(
      "div",
      { class: "session-what" },
      el(
        "div",
        { class: "session-chips" },
        el("span", { class: "state", id: "session-state" }),
        el("span", { class: "state", id: "session-archive", data: { state: archive }, text: t(`session_${archive}`) }),
        el("span", { class: "small", id: "session-idle" }),
      ),
      el("div", { class: "life", "aria-hidden": "true" }, el("i", { id: "session-life" })),
      el(
        "p",
        { class: "small session-id" },
        el("code", { text: archive === "unarchived" ? session.session_id : session.archive_name }),
        el("span", { text: t("session_opened", { time: clock(session.opened_at * 1000) }) }),
      ),
    ),
    archive === "unarchived"
      ? null
      : el(
          "button",
          { type: "button", class: "tool", id: "archive-view", on: { click: () => openArchive(session) } },
          icon("archive"),
          el("span", { text: t("archive_view") }),
        ),
  );
  tick();
}

function current() {
  const conversation = selectedCustomer()?.conversation;
  return conversation ? (store.sessions.get(conversation) ?? null) : null;
}

function tick() {
  const session = current();
  const left = byId("session-left");
  if (!session || !left) return;
  const now = Date.now() / 1000;
  const seconds = Math.max(0, session.expires_at - now);
  const state = session.gone ? "gone" : seconds > 0 ? "live" : "over";
  byId("session").dataset.state = state;
  left.textContent = countdown(session.gone ? 0 : seconds);
  byId("session-state").textContent = t(`session_${state}`);
  byId("session-state").dataset.state = state;
  byId("session-idle").textContent = state === "live" ? t("session_idle", { time: countdown(now - session.last_activity_at) }) : "";
  const whole = Math.max(1, session.expires_at - session.last_activity_at);
  byId("session-life").style.setProperty("--left", `${(100 * (session.gone ? 0 : seconds)) / whole}%`);
}

/** Tell whether some state of the session is in the archive: it may have gone on since. */
function wasArchived(session) {
  const inIt = ({ journey }) => journey?.session_id === session.session_id && "archived" in journey.stages;
  return [...store.messages.values()].some(inIt);
}

async function openArchive(session) {
  const { conversation, session_id, channel, opened_at } = session;
  const query = new URLSearchParams({ conversation, session_id, channel, near: opened_at });
  const name = byId("document-name");
  const text = byId("document-text");
  const sealed = byId("document-sealed");
  try {
    const found = await call("GET", `/console/api/archive?${query}`);
    name.textContent = found.name;
    text.textContent = JSON.stringify(found.document, null, 2);
    sealed.hidden = !("sealed" in found.document);
    byId("document-command").textContent = opening(conversation);
  } catch (error) {
    name.textContent = "";
    sealed.hidden = true;
    text.textContent = t("archive_failed", { reason: error.message });
  }
  byId("document").showModal();
}

/** Return the operator's command that shows the words of a conversation. */
function opening(conversation) {
  const where = store.facts.aws.local ? "--local " : "";
  return `make ops ARGS="audit show ${where}--conversation ${conversation}"`;
}
