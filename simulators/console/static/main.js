// Starts the page and keeps its parts up to date.

import { call } from "./api.js";
import { showTalk, startChat } from "./chat.js";
import { showComposer, startComposer } from "./composer.js";
import { byId, el } from "./dom.js";
import { faultsMatter, refreshFaults, showFaults, startFaults } from "./faults.js";
import { showJourneys, startJourneys } from "./journeys.js";
import { onLanguage, switchLanguage, t, translatePage } from "./language.js";
import { showPeople, startPeople } from "./people.js";
import { showSession, startSession } from "./session.js";
import { showStaff, startStaff } from "./staff.js";
import { follow, onChange, store } from "./store.js";

const VIEWS = ["chat", "staff", "desk"];
const narrow = matchMedia("(width < 860px)"); // as in console.css
let connected = true;

async function start() {
  translatePage();
  store.facts = await call("GET", "/console/api/state");
  const simulated = store.facts.wecom.simulated;
  byId("device").hidden = !simulated;
  byId("newcomer-open").hidden = !simulated;
  byId("elsewhere").hidden = simulated;
  byId("view-staff").hidden = !simulated;
  byId("staff").hidden = !simulated;
  byId("callback-url").textContent = store.facts.callback_url;
  byId("language").addEventListener("click", switchLanguage);
  for (const name of VIEWS) byId(`view-${name}`).addEventListener("click", () => view(name));
  view(narrow.matches ? "chat" : "desk");
  // With room for the phone beside it, the phone is no view of its own.
  narrow.addEventListener("change", () => document.body.dataset.view === "chat" && view("desk"));
  startPeople();
  startChat();
  startComposer();
  startStaff();
  startJourneys();
  startSession();
  startFaults();
  onLanguage(showAll);
  onChange(update);
  showAll();
  follow((stands) => {
    connected = stands;
    showLine();
  });
}

function update(topics) {
  const any = (...names) => names.some((name) => topics.has(name));
  const people = any("customers", "staff", "attendances", "selected");
  if (people || any("entries")) showPeople();
  if (people || any("entries")) showTalk();
  if (any("selected", "customers")) showComposer();
  if (people || any("entries", "colleague")) showStaff();
  if (any("messages", "selected", "customers", "staff")) showJourneys();
  if (any("sessions", "messages", "selected", "customers")) showSession();
  if (any("status")) showLine();
  if (any("messages") && faultsMatter()) refreshFaults();
}

function showAll() {
  showPeople();
  showTalk();
  showComposer();
  showStaff();
  showJourneys();
  showSession();
  showFaults();
  showParts();
  showLine();
}

function showParts() {
  const { wecom, fastgpt, aws } = store.facts;
  const parts = [
    [t("part_wecom"), wecom.simulated ? t("simulated") : t("real"), !wecom.simulated],
    [t("part_fastgpt"), fastgpt.simulated ? t("simulated") : t("real"), !fastgpt.simulated],
    [t("part_aws"), aws.local ? t("local") : aws.region, !aws.local],
  ];
  byId("parts").replaceChildren(
    ...parts.map(([name, kind, real]) => el("li", { data: { real: String(real) } }, el("span", { text: name }), el("b", { text: kind }))),
  );
  byId("language").textContent = t("other_language");
}

function showLine() {
  byId("line").dataset.state = connected ? "ok" : "lost";
  byId("line").textContent = t(connected ? "line_ok" : "line_lost");
  byId("problem").hidden = !store.problem;
  byId("problem").textContent = store.problem ? t("problem", { problem: store.problem }) : "";
}

/** Where there is no room for all, what stands beside the phone, or in its place, is chosen. */
function view(name) {
  document.body.dataset.view = name;
  for (const each of VIEWS) byId(`view-${each}`).setAttribute("aria-pressed", String(each === name));
}

start();
