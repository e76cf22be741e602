// Starts the page and keeps its parts up to date.

import { call } from "./api.js";
import { showPeople, showTalk, startChat } from "./chat.js";
import { showComposer, startComposer } from "./composer.js";
import { byId, el } from "./dom.js";
import { faultsMatter, refreshFaults, showFaults, startFaults } from "./faults.js";
import { showJourneys, startJourneys } from "./journeys.js";
import { onLanguage, switchLanguage, t, translatePage } from "./language.js";
import { showSession, startSession } from "./session.js";
import { follow, onChange, store } from "./store.js";

let connected = true;

async function start() {
  translatePage();
  store.facts = await call("GET", "/console/api/state");
  const simulated = store.facts.wecom.simulated;
  byId("device").hidden = !simulated;
  byId("newcomer-open").hidden = !simulated;
  byId("elsewhere").hidden = simulated;
  byId("callback-url").textContent = store.facts.callback_url;
  byId("language").addEventListener("click", switchLanguage);
  byId("view-chat").addEventListener("click", () => view("chat"));
  byId("view-desk").addEventListener("click", () => view("desk"));
  view("chat");
  startChat();
  startComposer();
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
  if (any("customers", "selected", "entries")) showPeople();
  if (any("customers", "selected", "entries")) showTalk();
  if (any("selected", "customers")) showComposer();
  if (any("messages", "selected", "customers")) showJourneys();
  if (any("sessions", "messages", "selected", "customers")) showSession();
  if (any("status")) showLine();
  if (any("messages") && faultsMatter()) refreshFaults();
}

function showAll() {
  showPeople();
  showTalk();
  showComposer();
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

/** On a narrow screen one half is shown at a time. */
function view(name) {
  document.body.dataset.view = name;
  byId("view-chat").setAttribute("aria-pressed", String(name === "chat"));
  byId("view-desk").setAttribute("aria-pressed", String(name === "desk"));
}

start();
