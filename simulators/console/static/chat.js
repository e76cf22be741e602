// The phone: what stands in the chat of whoever is looked at, and who has this customer.

import { press, tap } from "./api.js";
import { marksOf, said } from "./bubbles.js";
import { labelOf } from "./card.js";
import { byId, el, fill } from "./dom.js";
import { avatar, machine } from "./faces.js";
import { has, t } from "./language.js";
import { APP, KF, entriesOf, memberName, nameOf, selectedCustomer, serviceOf, store } from "./store.js";
import { complain, transcript } from "./talk.js";

const ENTERED = new Set(["enter_agent", "subscribe"]);
const PRESSED = new Set(["template_card_event", "template_card_menu_event"]);
let showOnPhone = null;

/** Connect the phone's chat. */
export function startChat() {
  showOnPhone = transcript(byId("talk"));
}

/** Show the chat of whoever is looked at. */
export function showTalk() {
  const customer = selectedCustomer();
  const ofKf = customer?.channel === KF;
  byId("app-name").textContent = store.facts.company || t("app_name");
  byId("device-who").textContent = customer ? t(ofKf ? "writes_as_kf" : "writes_as", whoIs(customer)) : "";
  byId("device").dataset.channel = customer?.channel ?? APP;
  showService(byId("service"), customer);
  const draw = ofKf ? (entry, before) => onWechat(entry, before, customer) : (entry) => inApp(entry, customer, byId("talk"));
  showOnPhone(store.selected, customer ? entriesOf(customer.userid) : [], draw, t("talk_empty"));
}

/** Say who has a customer, in `box`: nothing where nothing tells. */
export function showService(box, customer) {
  const service = serviceOf(customer);
  if (!service && customer?.channel !== KF) {
    box.replaceChildren();
    return;
  }
  const { state, agent, reason, used, allowed } = service ?? { state: "none", agent: "" };
  fill(
    box,
    el("span", { class: "state", data: { service: state }, text: t(`service_${state}`, { name: agent ? memberName(agent) : t("somebody") }) }),
    reason ? el("span", { class: "small", text: has(`reason_${reason}`) ? t(`reason_${reason}`) : reason }) : null,
    allowed === undefined || state === "person" || state === "ended"
      ? null
      : el("span", { class: "allowance", title: t("allowance_what"), data: { left: String(allowed - used) } }, t("allowance", { used, allowed })),
  );
}

/** Return the node of an entry in a member's chat with the app; what goes wrong is said in `box`. */
export function inApp(entry, member, box) {
  if (entry.recalled) return el("p", { class: "happened", text: t("app_recalled") });
  if (entry.msgtype === "event") return el("p", { class: "happened", text: event(entry, member) });
  const mine = entry.direction === "inbound";
  const onPress = async (key) => {
    try {
      await press(member.userid, entry.msgid, key);
    } catch (error) {
      complain(box, t("not_pressed", { reason: error.message }));
    }
  };
  return said(entry, { mine, face: mine ? avatar(member) : machine(), marks: marksOf(entry), onPress });
}

function onWechat(entry, before, customer) {
  if (entry.msgtype === "event") return changeOfHands(entry);
  const mine = entry.by === "customer";
  const face = mine ? avatar(customer) : faceOf(entry);
  const who = mine || speakerOf(before) === speakerOf(entry) ? "" : speaker(entry);
  const onTap = async (menuId) => {
    try {
      await tap(customer, menuId);
    } catch (error) {
      complain(byId("talk"), t("not_sent", { reason: error.message }));
    }
  };
  return said(entry, { mine, face, who, marks: marksOf(entry), onTap });
}

/** Return the line that tells who has a customer from now on. */
export function changeOfHands(entry) {
  return el("p", { class: "happened", text: t(`now_${entry.content}`, { name: memberName(entry.servicer_userid) }) });
}

/** Return the picture of whoever of the company said an entry. */
export function faceOf(entry) {
  return entry.by === "servicer" ? avatar(store.staff.get(entry.servicer_userid.toLowerCase()) ?? { userid: entry.servicer_userid }) : machine();
}

/** Return how whoever of the company said an entry is called. */
export function speaker(entry) {
  return entry.by === "servicer" ? t("by_servicer", { name: memberName(entry.servicer_userid) }) : t(`by_${entry.by}`);
}

/** Return a name for whoever said an entry, to compare: "" before the first one. */
export function speakerOf(entry) {
  return entry ? `${entry.by} ${entry.servicer_userid}` : "";
}

function event(entry, member) {
  const name = nameOf(member);
  if (ENTERED.has(entry.content)) return t("entered", { name });
  if (!PRESSED.has(entry.content)) return t("event", { event: entry.content });
  const { EventKey: key, TaskId: task } = entry.body;
  const card = entriesOf(member.userid).find((each) => each.body?.task_id === task)?.body;
  return t("pressed", { name, button: labelOf(card, key) || key });
}

function whoIs(customer) {
  return { name: nameOf(customer), userid: customer.external_userid || customer.userid, account: customer.account ?? "" };
}
