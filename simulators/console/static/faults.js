// Lets the simulated vendors fail, to see what customers notice of it.

import { call, failNext, revokeTokens } from "./api.js";
import { byId, el } from "./dom.js";
import { t } from "./language.js";
import { store } from "./store.js";

const FASTGPT = "/fastgpt/_control";
const WECOM = "/wecom/_control";
const CONTROL = { fastgpt: FASTGPT, wecom: WECOM, kf: WECOM };
// How the control APIs say "until it is cleared".
const ALWAYS = { fastgpt: null, wecom: 0, kf: 0 };

const FAULTS = {
  fastgpt: {
    slow: { kind: "slow", first_ms: 9000 },
    down: { kind: "status", status: 503 },
    cut: { kind: "cut", after_chunks: 6 },
    empty: { kind: "empty" },
    key: { kind: "error", statusText: "unAuthApiKey" },
    points: { kind: "error", statusText: "aiPointsNotEnough" },
  },
  wecom: {
    45009: { path: "message/send", errcode: 45009 },
    token: revokeTokens,
    down_wecom: { path: "message/send", status: 502 },
    lost: { path: "message/send", drop: "after" },
    ip: { path: "message/send", errcode: 60020 },
  },
  kf: {
    kf_sync: { path: "kf/sync_msg", status: 503 },
    kf_state: { path: "kf/service_state/get", status: 503 },
    kf_send: { path: "kf/send_msg", errcode: 45009 },
    kf_lost: { path: "kf/send_msg", drop: "after" },
    kf_failed: failNext,
  },
};
let always = false;
const waiting = { fastgpt: [], wecom: [] };

/** Connect the panel; it is not there when there is nobody to let fail. */
export function startFaults() {
  const toggle = byId("faults-toggle");
  toggle.hidden = !vendors().length;
  toggle.addEventListener("click", () => {
    const open = byId("faults").hidden;
    byId("faults").hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    if (open) refreshFaults();
  });
}

/** Tell whether a message may have changed what the page shows about faults. */
export function faultsMatter() {
  return !byId("faults").hidden || waiting.fastgpt.length + waiting.wecom.length > 0;
}

/** Ask the simulators which faults still wait for a call, and show it. */
export async function refreshFaults() {
  for (const vendor of vendors()) {
    const answer = await call("GET", `${CONTROL[vendor]}/faults`);
    waiting[vendor] = answer.faults.filter((fault) => !fault.spent);
  }
  showFaults();
}

/** Show the panel. */
export function showFaults() {
  const count = waiting.fastgpt.length + waiting.wecom.length;
  byId("faults-count").hidden = !count;
  byId("faults-count").textContent = count;
  byId("faults").replaceChildren(
    el(
      "div",
      { class: "faults-head" },
      el("p", { class: "small", text: t("faults_hint") }),
      el(
        "div",
        { class: "scope", role: "group", "aria-label": t("faults_how_long") },
        choice(t("faults_once"), !always, () => setAlways(false)),
        choice(t("faults_always"), always, () => setAlways(true)),
      ),
      el("button", { type: "button", class: "plain", disabled: !count, text: t("faults_clear"), on: { click: clear } }),
    ),
    ...groups().map((group) =>
      el(
        "div",
        { class: "faults-row" },
        el("h3", { text: t(`faults_${group}`) }),
        el("div", { class: "faults-list" }, ...Object.keys(FAULTS[group]).map((name) => faultButton(group, name))),
      ),
    ),
  );
}

function vendors() {
  return ["fastgpt", "wecom"].filter((vendor) => store.facts[vendor].simulated);
}

/** WeCom's two ways in are one vendor, and meet different faults. */
function groups() {
  return Object.keys(FAULTS).filter((group) => store.facts[group === "kf" ? "wecom" : group].simulated);
}

function faultButton(group, name) {
  const armed = waiting[group === "kf" ? "wecom" : group].some((fault) => matches(fault, FAULTS[group][name]));
  return el(
    "button",
    { type: "button", class: "fault", "aria-pressed": armed, data: { fault: name }, on: { click: () => arm(group, name) } },
    el("strong", { text: t(`fault_${name}`) }),
    el("small", { text: armed ? t("fault_armed") : t(`fault_${name}_what`) }),
  );
}

function matches(waitingFault, fault) {
  return typeof fault === "object" && Object.entries(fault).every(([key, value]) => waitingFault[key] === value);
}

function choice(text, pressed, listener) {
  return el("button", { type: "button", "aria-pressed": pressed, text, on: { click: listener } });
}

function setAlways(value) {
  always = value;
  showFaults();
}

async function arm(group, name) {
  const fault = FAULTS[group][name];
  if (typeof fault === "function") {
    await fault();
  } else {
    await call("POST", `${CONTROL[group]}/faults`, { ...fault, times: always ? ALWAYS[group] : 1 });
  }
  await refreshFaults();
}

async function clear() {
  for (const vendor of vendors()) await call("DELETE", `${CONTROL[vendor]}/faults`);
  await refreshFaults();
}
