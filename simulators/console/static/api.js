// Calls to the simulators' control APIs, which are served by the same process as this page.

import { KF } from "./store.js";

/** Send JSON and return the JSON answered; throws an Error with the server's reason. */
export async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `HTTP ${response.status}`);
  return answer;
}

const control = (path, body) => call("POST", `/wecom/_control/${path}`, body);
const named = encodeURIComponent;
const inKf = (customer, what, body) => control(`kf/customers/${named(customer.external_userid)}/${what}`, { open_kfid: customer.open_kfid, ...body });

/** Let somebody send a message; returns once it has left, not once it is answered. */
export function write(customer, message) {
  if (customer.channel === KF) return inKf(customer, "messages", { ...message, wait: false });
  return control(`members/${named(customer.userid)}/messages`, { ...message, wait: false });
}

/** Let somebody send several messages, one right after the other. */
export async function writeMany(customer, messages) {
  if (customer.channel === KF) {
    for (const message of messages) await write(customer, message);
    return;
  }
  await control("batch", { messages: messages.map((message) => ({ ...message, userid: customer.userid })), wait: false });
}

/** Let the next message that the machine sends to a customer of 微信客服 be taken, and not arrive. */
export function failNext() {
  return control("kf/failures", { fail_type: 13 });
}

/** Let every access token be good for nothing. */
export function revokeTokens() {
  return control("tokens/revoke", {});
}

/** Add somebody: to the enterprise, or to those who write to 微信客服 from WeChat. */
export function addCustomer(phone, id) {
  return phone.channel === KF ? control("kf/customers", { external_userid: id, nickname: phone.name }) : control("members", { userid: id, name: phone.name });
}

/** Let a member press a button of a card. */
export function press(userid, msgid, key) {
  return control(`members/${named(userid)}/press`, { msgid, key, wait: false });
}

/** Let a customer of 微信客服 open the chat. */
export function enter(customer) {
  return inKf(customer, "enter", {});
}

/** Let a customer of 微信客服 tap an item of a menu. */
export function tap(customer, menuId) {
  return inKf(customer, "tap", { menu_id: menuId });
}

/** Let a customer of 微信客服 take a message back. */
export function recall(customer, msgid) {
  return inKf(customer, "recall", { msgid });
}

/** Let one of the staff begin to receive customers, or stop. */
export function setDuty(person, on) {
  return control(`kf/servicers/${named(person.userid)}`, { status: on ? 0 : 1 });
}

const session = (what, customer, body) =>
  control(`kf/sessions/${what}`, { open_kfid: customer.open_kfid, external_userid: customer.external_userid, ...body });

/** Let one of the staff take a customer who waits. */
export function takeSession(customer, me) {
  return session("take", customer, { servicer_userid: me.userid });
}

/** Let a customer's servicer give the customer to another. */
export function transferSession(customer, other) {
  return session("transfer", customer, { servicer_userid: other.userid });
}

/** Let a customer's servicer end the session. */
export function endSession(customer) {
  return session("end", customer, {});
}

/** Let one of the staff write to a customer. */
export function answer(customer, me, words) {
  return session("say", customer, { servicer_userid: me.userid, content: words });
}

/** Let the staff take back what they wrote. */
export function recallAnswer(customer, msgid) {
  return session("recall", customer, { msgid });
}
