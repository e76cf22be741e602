// What the server has told so far, and who is looked at. Tells its listeners what changed.

/**
 * The page's one store. Maps are by key; `customers` are the phones, in the order of their appearance, `staff` who can
 * take customers over. `selected` is the phone looked at, `colleague` the one of the staff.
 */
export const store = {
  facts: null,
  customers: new Map(),
  staff: new Map(),
  entries: new Map(),
  messages: new Map(),
  sessions: new Map(),
  attendances: new Map(),
  problem: "",
  selected: "",
  colleague: "",
  unread: new Map(),
};

export const APP = "wecom_app";
export const KF = "wecom_kf";

const KEYS = {
  customers: "userid",
  staff: "userid",
  entries: "key",
  messages: "key",
  sessions: "conversation",
  attendances: "conversation",
};
const listeners = [];
const lastSelected = new Map();
let run = "";

/** Call `listener` with the set of topics that changed. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Look at another phone. */
export function select(userid) {
  if (store.selected === userid) return;
  look(userid);
  notify(new Set(["selected"]));
}

/** Look at the phone that was looked at last on a channel, or else at its first one. */
export function selectChannel(channel) {
  const userid = store.customers.has(lastSelected.get(channel)) ? lastSelected.get(channel) : phonesOf(channel)[0]?.userid;
  if (userid && channel !== selectedChannel()) select(userid);
}

/** Look at another one of the staff. */
export function selectColleague(userid) {
  if (store.colleague === userid) return;
  store.colleague = userid;
  store.unread.delete(userid);
  notify(new Set(["colleague"]));
}

/** Return the customer looked at, `null` when there is none. */
export function selectedCustomer() {
  return store.customers.get(store.selected) ?? null;
}

/** Return the channel of the phone looked at. */
export function selectedChannel() {
  return selectedCustomer()?.channel ?? APP;
}

/** Return the phones of a channel. The staff's own are not among them: they have a place of their own. */
export function phonesOf(channel) {
  return [...store.customers.values()].filter((phone) => phone.channel === channel && !store.staff.has(phone.userid));
}

/** Return the one of the staff who is looked at, `null` when there is none. */
export function colleague() {
  return store.staff.get(store.colleague) ?? null;
}

/** Return the name to call somebody by. */
export function nameOf(somebody) {
  return somebody?.name || somebody?.userid || "";
}

/** Return the name of a member, who may be one of the staff. */
export function memberName(userid) {
  const key = userid.toLowerCase();
  return nameOf(store.staff.get(key) ?? store.customers.get(key)) || userid;
}

/** Return what stands in the chat of a phone, the oldest first. */
export function entriesOf(userid) {
  return [...store.entries.values()].filter((entry) => entry.userid === userid).sort((a, b) => a.at_ms - b.at_ms || a.seq - b.seq);
}

/**
 * Return who has a customer: `state` bot, waiting, person or ended, `agent`, `reason`, and of 微信客服 `used` and
 * `allowed`; `null` when nothing tells.
 */
export function serviceOf(customer) {
  const attendance = store.attendances.get(customer?.conversation) ?? null;
  const service = customer?.service ?? null;
  if (!attendance && !service) return null;
  const { state, agent } = service ?? attendance;
  const called = attendance && state !== "bot" && state !== "ended" ? attendance.reason : "";
  return { state, agent, reason: called, used: service?.used, allowed: service?.allowed };
}

/** Follow the server; `onLine` is told whether the connection stands. */
export function follow(onLine) {
  const source = new EventSource("/console/api/events");
  source.addEventListener("open", () => onLine(true));
  source.addEventListener("error", () => onLine(false));
  source.addEventListener("message", (event) => take(JSON.parse(event.data)));
}

function take(changes) {
  const topics = new Set(Object.keys(changes));
  if (run && run !== changes.run) {
    // The server was started anew, and has forgotten what was said before.
    for (const topic of Object.keys(KEYS)) {
      store[topic].clear();
      topics.add(topic);
    }
    store.unread.clear();
  }
  const first = !run;
  run = changes.run;
  for (const [topic, key] of Object.entries(KEYS)) {
    for (const value of changes[topic] ?? []) put(topic, value[key], value, first);
  }
  for (const topic of ["customers", "staff"]) if (changes[topic]) inPlace(topic);
  for (const status of changes.status ?? []) store.problem = status.problem;
  if (!store.facts.wecom.simulated) meetStrangers(topics);
  if (!store.customers.has(store.selected) || store.staff.has(store.selected)) {
    look((phonesOf(APP)[0] ?? phonesOf(KF)[0])?.userid ?? "");
    topics.add("selected");
  }
  if (!store.staff.has(store.colleague)) {
    store.colleague = store.staff.keys().next().value ?? "";
    topics.add("colleague");
  }
  notify(topics);
}

function put(topic, key, value, first) {
  const isNew = !store[topic].has(key);
  store[topic].set(key, value);
  const { userid, direction } = value;
  const unseen = direction === "outbound" && userid !== store.selected && userid !== store.colleague;
  if (topic === "entries" && isNew && !first && unseen) store.unread.set(userid, (store.unread.get(userid) ?? 0) + 1);
}

function inPlace(topic) {
  store[topic] = new Map([...store[topic]].sort(([, one], [, other]) => one.place - other.place));
}

function look(userid) {
  store.selected = userid;
  store.unread.delete(userid);
  lastSelected.set(selectedChannel(), userid);
}

/** With the real WeCom customers are known by their conversation only, which is named after its digest. */
function meetStrangers(topics) {
  for (const { conversation, channel } of store.messages.values()) {
    if (store.customers.has(conversation)) continue;
    const place = store.customers.size;
    store.customers.set(conversation, { userid: conversation, name: conversation.slice(0, 6), place, conversation, channel: channel || APP });
    topics.add("customers");
  }
}

function notify(topics) {
  for (const listener of listeners) listener(topics);
}
