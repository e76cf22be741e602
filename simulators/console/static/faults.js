// Lets the simulated vendors fail, to see what customers notice of it.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { t } from "./language.js";
import { store } from "./store.js";

const FASTGPT = "/fastgpt/_control";
const WECOM = "/wecom/_control";
// How the control APIs say "until it is cleared".
const ALWAYS = { fastgpt: null, wecom: 0 };

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
    token: null,
    down_wecom: { path: "message/send", status: 502 },
    lost: { path: "message/send", drop: "after" },
    ip: { path: "message/send", errcode: 60020 },
  },
};
let always = false;
let waiting = { fastgpt: [], wecom: [] };

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
    const answer = await call("GET", `${vendor === "fastgpt" ? FASTGPT : WECOM}/faults`);
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
    ...vendors().map((vendor) =>
      el(
        "div",
        { class: "faults-row" },
        el("h3", { text: t(`faults_${vendor}`) }),
        el("div", { class: "faults-list" }, ...Object.keys(FAULTS[vendor]).map((name) => faultButton(vendor, name))),
      ),
    ),
  );
}

function vendors() {
  return ["fastgpt", "wecom"].filter((vendor) => store.facts[vendor].simulated);
}

function faultButton(vendor, name) {
  const armed = waiting[vendor].some((fault) => matches(fault, FAULTS[vendor][name]));
  return el(
    "button",
    { type: "button", class: "fault", "aria-pressed": armed, data: { fault: name }, on: { click: () => arm(vendor, name) } },
    el("strong", { text: t(`fault_${name}`) }),
    el("small", { text: armed ? t("fault_armed") : t(`fault_${name}_what`) }),
  );
}

function matches(waitingFault, fault) {
  return fault !== null && Object.entries(fault).every(([key, value]) => waitingFault[key] === value);
}

function choice(text, pressed, listener) {
  return el("button", { type: "button", "aria-pressed": pressed, text, on: { click: listener } });
}

function setAlways(value) {
  always = value;
  showFaults();
}

async function arm(vendor, name) {
  const fault = FAULTS[vendor][name];
  if (fault === null) {
    await call("POST", `${WECOM}/tokens/revoke`, {});
  } else {
    await call("POST", `${vendor === "fastgpt" ? FASTGPT : WECOM}/faults`, { ...fault, times: always ? ALWAYS[vendor] : 1 });
  }
  await refreshFaults();
}

async function clear() {
  for (const vendor of vendors()) await call("DELETE", `${vendor === "fastgpt" ? FASTGPT : WECOM}/faults`);
  await refreshFaults();
}
