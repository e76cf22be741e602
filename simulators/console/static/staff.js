// The people of the company: who is on duty, the customers of 微信客服 that wait or are theirs, and what the app tells them.

import { answer, endSession, recallAnswer, setDuty, takeSession, transferSession, write } from "./api.js";
import { marksOf, said, summaryOf } from "./bubbles.js";
import { changeOfHands, faceOf, inApp, showService, speaker, speakerOf } from "./chat.js";
import { byId, el, fill } from "./dom.js";
import { avatar } from "./faces.js";
import { t } from "./language.js";
import { showTabs, walkTabs } from "./people.js";
import { KF, colleague, entriesOf, nameOf, phonesOf, selectColleague, serviceOf, store } from "./store.js";
import { complain, transcript } from "./talk.js";
import { wordsField } from "./words-field.js";

let showCustomer = null;
let showApp = null;
const served = new Map(); // by colleague: the customer looked at

/** Connect the colleagues, their bench of 微信客服 and their chat with the app. */
export function startStaff() {
  showCustomer = transcript(byId("bench-talk"));
  showApp = transcript(byId("staff-talk"));
  byId("colleagues").addEventListener("keydown", (event) => walkTabs(event, [...store.staff.values()], store.colleague, selectColleague));
  byId("duty").addEventListener("change", (event) => attempt("bench-talk", () => setDuty(colleague(), event.target.checked)));
  wordsField(byId("bench-composer"), byId("bench-words"), (words) => attempt("bench-talk", () => answer(current(), colleague(), words)));
  wordsField(byId("staff-composer"), byId("staff-words"), (words) =>
    attempt("staff-talk", () => write(store.customers.get(store.colleague), { msgtype: "text", content: words })),
  );
  for (const bench of ["kf", "app"]) byId(`bench-${bench}-show`).addEventListener("click", () => showBench(bench));
  showBench("kf");
}

/** Show whoever of the staff is looked at. */
export function showStaff() {
  const me = colleague();
  const count = ({ userid }) => (store.unread.get(userid) ?? 0) + unanswered(userid).length;
  showTabs(byId("colleagues"), [...store.staff.values()], store.colleague, "benches", selectColleague, count);
  showWaiting();
  byId("staff-nobody").hidden = me !== null;
  byId("benches").hidden = me === null;
  byId("duty").disabled = me === null;
  if (!me) return;
  byId("duty").checked = me.on_duty;
  byId("duty-name").textContent = t(me.on_duty ? "on_duty" : "off_duty", { name: nameOf(me) });
  showQueue(me);
  showServed(me);
  byId("staff-who").textContent = t("writes_as", { name: nameOf(me), userid: me.userid });
  byId("staff-words").placeholder = t("words", { name: nameOf(me) });
  const member = store.customers.get(me.userid) ?? me;
  showApp(me.userid, entriesOf(me.userid), (entry) => inApp(entry, member, byId("staff-talk")), t("staff_talk_empty"));
}

/** Tell beside the view's name how many customers wait for a word of a person. */
function showWaiting() {
  const waiting = phonesOf(KF).filter((customer) => serviceOf(customer)?.state === "waiting").length;
  const count = waiting + [...store.staff.keys()].reduce((sum, userid) => sum + unanswered(userid).length, 0);
  byId("staff-waiting").hidden = !count;
  byId("staff-waiting").textContent = count;
}

/** Return the customers of one of the staff whose words were the last. */
function unanswered(userid) {
  return customersOf(userid).filter((customer) => lastSaid(customer)?.by === "customer");
}

function lastSaid(customer) {
  return entriesOf(customer.userid).findLast((entry) => entry.by);
}

function customersOf(userid) {
  return phonesOf(KF).filter((customer) => customer.service?.state === "person" && customer.service.agent === userid);
}

/** Return who stands on the bench of one of the staff: their own, who waits, and who else is looked at. */
function queueOf(me) {
  const waiting = phonesOf(KF).filter((customer) => customer.service?.state === "waiting" && me.accounts.includes(customer.open_kfid));
  const before = store.customers.get(served.get(me.userid));
  const all = new Set([...customersOf(me.userid), ...waiting]);
  if (before) all.add(before);
  return [...all];
}

function current() {
  const me = colleague();
  if (!me) return null;
  const queue = queueOf(me);
  return queue.find((customer) => customer.userid === served.get(me.userid)) ?? queue[0] ?? null;
}

function showQueue(me) {
  const chosen = current();
  const rows = queueOf(me).map((customer) => {
    const last = lastSaid(customer);
    const state = customer.service?.state ?? "none";
    const mine = state === "person" && customer.service.agent === me.userid;
    const choose = () => {
      served.set(me.userid, customer.userid);
      showStaff();
      byId("queue").querySelector('[aria-pressed="true"]')?.focus();
    };
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "customer", "aria-pressed": customer === chosen, data: { userid: customer.userid, state }, on: { click: choose } },
        avatar(customer),
        el("span", { class: "customer-name", text: nameOf(customer) }),
        el("span", { class: "state", data: { service: state }, text: mine ? t("queue_mine") : t(`queue_${state}`) }),
        el("span", { class: "customer-last", text: last ? summaryOf(last) : "" }),
      ),
    );
  });
  const hadFocus = byId("queue").contains(document.activeElement);
  fill(byId("queue"), ...(rows.length ? rows : [el("li", { class: "small queue-empty", text: t("queue_empty") })]));
  if (hadFocus) byId("queue").querySelector('[aria-pressed="true"]')?.focus();
}

function showServed(me) {
  const customer = current();
  if (customer) served.set(me.userid, customer.userid);
  const service = customer?.service;
  const mine = service?.state === "person" && service.agent === me.userid;
  byId("bench-who").textContent = customer ? t("bench_customer", { name: nameOf(customer), account: customer.account }) : t("bench_nobody");
  showService(byId("bench-service"), customer);
  const draw = (entry, before) => onBench(entry, before, customer, me);
  showCustomer(`${me.userid} ${customer?.userid ?? ""}`, customer ? entriesOf(customer.userid) : [], draw, t("bench_empty"));
  byId("bench-words").disabled = !mine;
  byId("bench-send").disabled = !mine;
  byId("bench-words").placeholder = mine ? t("bench_words", { name: nameOf(customer) }) : t("bench_words_not");
  fill(byId("bench-deeds"), ...deeds(customer, me, mine));
}

function deeds(customer, me, mine) {
  const waits = customer?.service?.state === "waiting";
  const deed = (name, text, tone, act) =>
    el("button", { type: "button", class: tone, data: { act: name }, text, on: { click: () => attempt("bench-talk", act) } });
  if (waits) return [deed("take", t("take"), "strong", () => takeSession(customer, me))];
  if (!mine) return [];
  const others = [...store.staff.values()].filter((other) => other !== me && other.accounts.includes(customer.open_kfid));
  return [
    ...others.map((other) =>
      deed(`transfer-${other.userid}`, t("transfer", { name: nameOf(other) }), "tool", () => transferSession(customer, other)),
    ),
    deed("end", t("end"), "tool", () => endSession(customer)),
  ];
}

function onBench(entry, before, customer, me) {
  if (entry.msgtype === "event") return changeOfHands(entry);
  const ours = entry.by !== "customer";
  const own = entry.by === "servicer" && entry.servicer_userid.toLowerCase() === me.userid;
  const who = ours && speakerOf(before) !== speakerOf(entry) ? speaker(entry) : "";
  const recall = () => attempt("bench-talk", () => recallAnswer(customer, entry.msgid));
  const undo = el("button", { type: "button", class: "undo", text: t("recall"), on: { click: recall } });
  return said(entry, {
    mine: ours,
    face: ours ? faceOf(entry) : avatar(customer),
    who,
    marks: marksOf(entry),
    deeds: own && !entry.recalled ? [undo] : [],
  });
}

/** Where there is no room for both, one bench is shown at a time. */
function showBench(name) {
  byId("staff").dataset.bench = name;
  for (const bench of ["kf", "app"]) byId(`bench-${bench}-show`).setAttribute("aria-pressed", String(bench === name));
}

async function attempt(box, deed) {
  try {
    await deed();
  } catch (error) {
    complain(byId(box), t("not_done", { reason: error.message }));
    showStaff();
  }
}
