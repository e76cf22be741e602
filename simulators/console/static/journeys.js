// The way of each message: its stages with what each took, attempts, duplicates, errors.

import { byId, el, fill, icon } from "./dom.js";
import { avatar } from "./faces.js";
import { clock, day, duration, since } from "./format.js";
import { has, language, t } from "./language.js";
import { KF, nameOf, selectedCustomer, store } from "./store.js";

const STAGES = ["received", "verified", "queued", "asked", "first_words", "sent", "archived"];
const AT_THE_DOOR = new Set(["received", "verified", "queued"]);
const SHOWN = 60;
const SILENT_MS = 8000; // after which an event that got no reply will not get one
const GIVEN_UP_MS = 5 * 60 * 1000;
const PRESSED = new Set(["template_card_event", "template_card_menu_event"]);
const cards = new Map();
let everyone = false;

/** Connect the choice of whose messages are shown, and let what is under way tick. */
export function startJourneys() {
  byId("scope-one").addEventListener("click", () => setScope(false));
  byId("scope-all").addEventListener("click", () => setScope(true));
  setInterval(tick, 250);
}

/** Show the messages of whoever is looked at, the newest first. */
export function showJourneys() {
  byId("scope-one").textContent = nameOf(selectedCustomer()) || "–";
  byId("scope-one").setAttribute("aria-pressed", String(!everyone));
  byId("scope-all").setAttribute("aria-pressed", String(everyone));
  byId("legend").replaceChildren(
    ...STAGES.slice(0, 6).map((stage) => el("span", { data: { stage }, text: t(`stage_${stage}`) })),
  );
  const rows = shownRows();
  const list = byId("journeys");
  const keep = new Set(rows.map((row) => row.key));
  for (const [key, card] of cards) {
    if (keep.has(key)) continue;
    card.node.remove();
    cards.delete(key);
  }
  rows.forEach((row, place) => {
    const card = cardOf(row);
    if (list.children[place] !== card.node) list.insertBefore(card.node, list.children[place] ?? null);
  });
  list.querySelector(".journeys-empty")?.remove();
  if (!rows.length) list.append(el("li", { class: "journeys-empty", text: t("journeys_empty") }));
}

function setScope(all) {
  everyone = all;
  showJourneys();
}

function tick() {
  const rows = new Map(shownRows().map((row) => [row.key, row]));
  for (const [key, card] of cards) if (card.moving && rows.has(key)) cardOf(rows.get(key), true);
}

function shownRows() {
  const customer = selectedCustomer();
  const delivered = new Set();
  for (const row of store.messages.values()) {
    if (row.seq !== null && row.journey) delivered.add(`${row.conversation}/${row.journey.message_id}`);
  }
  return [...store.messages.values()]
    .filter((row) => row.seq !== null || !delivered.has(row.key))
    .filter((row) => everyone || row.userid === store.selected || (row.conversation && row.conversation === customer?.conversation))
    .sort((a, b) => b.at_ms - a.at_ms || (b.seq ?? 0) - (a.seq ?? 0))
    .slice(0, SHOWN);
}

/** Return the card of a row, drawn anew when anything it shows has changed. */
function cardOf(row, again = false) {
  const first = firstOf(row);
  const drawnFrom = JSON.stringify([row, first?.journey, language(), everyone]);
  let card = cards.get(row.key);
  if (!card) {
    card = { node: el("li", { class: "journey" }), drawnFrom: "", moving: false, open: false };
    cards.set(row.key, card);
  }
  if (again || card.drawnFrom !== drawnFrom) {
    const hadFocus = card.node.contains(document.activeElement);
    card.moving = draw(card, row, first);
    card.drawnFrom = drawnFrom;
    if (hadFocus) card.node.querySelector("button")?.focus();
  }
  return card;
}

/** Return the row whose reply answers this one too, if there is one. */
function firstOf(row) {
  const id = row.journey?.answered_with;
  if (!id) return null;
  return [...store.messages.values()].find((each) => each.conversation === row.conversation && each.journey?.message_id === id) ?? null;
}

/** Draw a card; return whether time alone will change it. */
function draw(card, row, first) {
  const { node } = card;
  const journey = row.journey;
  const stages = { ...(first?.journey?.stages ?? {}), ...(journey?.stages ?? {}) };
  const outcome = outcomeOf(row, stages, first);
  const shown = stagesOf(row, stages, outcome);
  const withSteps = shown.length > 0 && outcome.state !== "rejected";
  const start = row.at_ms;
  const end = stages.sent ?? (outcome.moving ? Date.now() : Math.max(start, ...STAGES.slice(0, 6).map((stage) => stages[stage] ?? 0)));
  node.dataset.state = outcome.state;
  fill(
    node,
    el(
      "div",
      { class: "journey-top" },
      everyone ? avatar(store.customers.get(row.userid) ?? { userid: row.userid, name: row.userid || row.conversation }) : icon(iconOf(row)),
      el("span", { class: "journey-text", text: textOf(row), title: textOf(row) }),
      el("time", { class: "journey-clock", text: clock(start) }),
      el("span", { class: "outcome", text: outcome.text }),
      el("span", { class: "took", text: withSteps ? duration(Math.max(0, end - start)) : "" }),
      toggle(card),
    ),
    withSteps ? bar(shown, stages, journey, start, Math.max(end, start + 1), outcome.moving) : null,
    withSteps ? steps(shown, stages, journey, start, outcome.moving) : null,
    badges(row, journey, first),
    details(row, journey, card.open),
  );
  return outcome.moving;
}

/**
 * Return the stages to show. A message of 微信客服 is fetched, not delivered: what the door tells of it is shown where it
 * was logged. What is for a person goes no further, and what nobody sent, a call for a rating e.g., has no way at all.
 */
function stagesOf(row, stages, outcome) {
  if (row.seq === null && !stages.queued && !stages.asked) return [];
  const ended = outcome.state === "handed" && !stages.sent;
  return STAGES.filter((stage) => stage in stages || (!ended && (row.channel !== KF || !AT_THE_DOOR.has(stage))));
}

function outcomeOf(row, stages, first) {
  const attempts = row.delivery?.attempts ?? [];
  const last = attempts.at(-1);
  if (row.delivery?.tampered && last) return { state: "rejected", text: t("rejected", { status: last.status ?? "" }), moving: false };
  if (stages.sent) {
    const kind = (first ?? row).journey.reply_kind;
    const state = kind === "fallback" ? "sorry" : kind === "handoff" ? "handed" : "done";
    return { state, text: t(has(`reply_${kind}`) ? `reply_${kind}` : "reply_answer"), moving: false };
  }
  if (row.delivery?.done && last && last.status !== 200) return { state: "failed", text: t("undelivered"), moving: false };
  if (row.to_person && !stages.asked) return { state: "handed", text: t("to_person"), moving: false };
  const age = Date.now() - row.at_ms;
  // What one of the staff presses or types goes to a customer, or to a ticket: nobody is asked, and no reply is due.
  const byStaff = store.staff.has(row.userid) && !stages.asked;
  if (byStaff && age > SILENT_MS) return { state: "handed", text: t("by_staff"), moving: false };
  const isEvent = row.msgtype === "event" || row.journey?.kind === "entered";
  if (isEvent && age > SILENT_MS) return { state: "done", text: t("silent"), moving: false };
  if (age > GIVEN_UP_MS) return { state: "failed", text: t("no_answer"), moving: false };
  return { state: "moving", text: t("under_way"), moving: true };
}

/** The waterfall: one part for each stage, as wide as the time it took. */
function bar(shown, stages, journey, start, end, moving) {
  const share = (ms) => `${(100 * Math.max(0, Math.min(ms, end) - start)) / (end - start)}%`;
  const parts = [];
  let from = start;
  for (const stage of shown) {
    const at = stages[stage];
    if (at === undefined || stage === "archived") continue;
    const to = Math.max(from, at);
    parts.push(el("i", { data: { stage }, title: `${t(`stage_${stage}`)} ${duration(to - from)}`, style: { "--from": share(from), "--to": share(to) } }));
    from = to;
  }
  if (moving) parts.push(el("i", { class: "open", style: { "--from": share(from), "--to": "100%" } }));
  for (const attempt of journey?.attempts ?? []) {
    if (attempt.failed_at_ms && attempt.failed_at_ms < end) {
      parts.push(el("b", { class: "miss", title: attempt.code, style: { "--from": share(attempt.failed_at_ms) } }));
    }
  }
  return el("div", { class: "bar", "aria-hidden": "true" }, ...parts);
}

/** The stages by name, each with what it took since the one before. */
function steps(shown, stages, journey, start, moving) {
  const unasked = stages.sent !== undefined && stages.asked === undefined; // a sentence of the machine's own
  let before = start;
  let next = moving;
  return el(
    "ol",
    { class: "steps", style: { "--steps": shown.length } },
    ...shown.map((stage) => {
      const at = stages[stage];
      const needless = at === undefined && unasked && (stage === "asked" || stage === "first_words");
      let state = "todo";
      let took = "–";
      if (at !== undefined) {
        state = "done";
        took = since(Math.max(0, at - before));
        before = Math.max(before, at);
      } else if (needless) {
        state = "needless";
      } else if (next && stage !== "archived") {
        [state, next] = ["next", false];
        took = "…";
      }
      const spoken = needless ? t("not_needed") : at === undefined ? t("not_yet") : took;
      return el(
        "li",
        { data: { stage, state }, title: t(`about_${stage}`) },
        el("span", { class: "step-name", text: t(`stage_${stage}`) }),
        el("span", { class: "step-took", "aria-hidden": "true", text: took }),
        el("span", { class: "hidden", text: spoken }),
      );
    }),
  );
}

function badges(row, journey, first) {
  const said = [];
  const copies = row.delivery?.attempts.length ?? 0;
  if (first) said.push(["", t("together", { text: textOf(first) })]);
  const tries = Math.max(0, ...(journey?.attempts ?? []).map((attempt) => attempt.number));
  if (tries > 1) said.push(["warn", t("attempts", { count: tries })]);
  for (const code of new Set((journey?.attempts ?? []).map((attempt) => attempt.code).filter(Boolean))) said.push(["bad", code]);
  if (copies > 1) said.push(["warn", t("deliveries", { count: copies })]);
  if (journey?.duplicates) said.push(["", t("duplicates", { count: journey.duplicates })]);
  if (has(`rung_${journey?.rung}`)) said.push(["warn", t(`rung_${journey.rung}`)]);
  if (journey?.called) said.push(["handed", t("called", { reason: has(`reason_${journey.called}`) ? t(`reason_${journey.called}`) : journey.called })]);
  if (journey?.messages > 1) said.push(["", t("merged", { count: journey.messages })]);
  if (journey?.segments > 1) said.push(["", t("segments", { count: journey.segments })]);
  if (typeof journey?.confidence === "number") said.push(["", t("confidence", { value: journey.confidence.toFixed(2) })]);
  if (!said.length) return null;
  return el("ul", { class: "badges" }, ...said.map(([tone, text]) => el("li", { data: { tone }, text })));
}

function details(row, journey, open) {
  const channel = row.channel || journey?.channel;
  const rows = [[t("detail_time"), `${day(row.at_ms)} ${clock(row.at_ms)}`]];
  if (has(`channel_${channel}`)) rows.push([t("detail_channel"), t(`channel_${channel}`)]);
  if (journey) rows.push([t("detail_message"), journey.message_id], [t("detail_conversation"), journey.conversation]);
  if (journey?.session_id) rows.push([t("detail_session"), journey.session_id]);
  if (journey?.model_ms) rows.push([t("detail_model_time"), duration(journey.model_ms)]);
  for (const attempt of row.delivery?.attempts ?? []) rows.push([t("detail_delivery"), deliveryLine(attempt, row.delivery.copies)]);
  for (const attempt of journey?.attempts ?? []) rows.push([t("detail_model"), attemptLine(attempt)]);
  return el(
    "dl",
    { class: "details", hidden: !open },
    ...rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]),
  );
}

function toggle(card) {
  const button = el(
    "button",
    { type: "button", class: "toggle", "aria-expanded": card.open, title: t("details") },
    icon("chevron"),
    el("span", { class: "hidden", text: t("details") }),
  );
  button.addEventListener("click", () => {
    card.open = !card.open;
    button.setAttribute("aria-expanded", String(card.open));
    card.node.querySelector(".details").hidden = !card.open;
  });
  return button;
}

function deliveryLine(attempt, copies) {
  const outcome = attempt.status === null ? t(`error_${attempt.error}`) : `HTTP ${attempt.status}`;
  const values = { number: attempt.number, copy: attempt.copy, outcome, time: duration(attempt.milliseconds) };
  return t(copies > 1 ? "delivery_copy" : "delivery_line", values);
}

function attemptLine(attempt) {
  const { number, code } = attempt;
  if (code) return t("attempt_failed", { number, code });
  if (!attempt.answered_at_ms) return t("attempt_open", { number });
  return t("attempt_ok", { number, time: duration(attempt.answered_at_ms - attempt.asked_at_ms) });
}

function textOf(row) {
  if (row.content && row.msgtype === "text") return row.content;
  if (PRESSED.has(row.content)) return t("kind_pressed");
  const kind = row.msgtype === "event" ? "entered" : row.msgtype || row.journey?.reply_kind;
  return t(has(`kind_${kind}`) ? `kind_${kind}` : "kind_unknown");
}

function iconOf(row) {
  const icons = { image: "image", voice: "voice", video: "video", location: "place", link: "link", file: "file", event: "enter", entered: "enter" };
  if (row.delivery?.tampered) return "forged";
  if (PRESSED.has(row.content) || row.journey?.reply_kind === "person") return "person";
  return icons[row.msgtype] ?? "text";
}
