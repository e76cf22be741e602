// What the server has told so far, and which customer is looked at. Tells its listeners what changed.

/** The page's one store. Maps are by key; `people` are the customers, in the order of their appearance. */
export const store = {
  facts: null,
  customers: new Map(),
  entries: new Map(),
  messages: new Map(),
  sessions: new Map(),
  problem: "",
  selected: "",
  unread: new Map(),
};

const KEYS = { customers: "userid", entries: "seq", messages: "key", sessions: "conversation" };
const listeners = [];
let run = "";

/** Call `listener` with the set of topics that changed. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Look at another customer. */
export function select(userid) {
  if (store.selected === userid) return;
  store.selected = userid;
  store.unread.delete(userid);
  notify(new Set(["selected"]));
}

/** Return the customer looked at, `null` when there is none. */
export function selectedCustomer() {
  return store.customers.get(store.selected) ?? null;
}

/** Return the name to call somebody by. */
export function nameOf(customer) {
  return customer?.name || customer?.userid || "";
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
  if (changes.customers) {
    store.customers = new Map([...store.customers].sort(([, one], [, other]) => one.place - other.place));
  }
  for (const status of changes.status ?? []) store.problem = status.problem;
  if (!store.facts.wecom.simulated) meetStrangers(topics);
  if (!store.customers.has(store.selected)) {
    store.selected = store.customers.keys().next().value ?? "";
    topics.add("selected");
  }
  notify(topics);
}

function put(topic, key, value, first) {
  const isNew = !store[topic].has(key);
  store[topic].set(key, value);
  if (topic === "entries" && isNew && !first && value.direction === "outbound" && value.userid !== store.selected) {
    store.unread.set(value.userid, (store.unread.get(value.userid) ?? 0) + 1);
  }
}

/** With the real WeCom customers are known by their conversation only, which is named after its digest. */
function meetStrangers(topics) {
  for (const { conversation } of store.messages.values()) {
    if (store.customers.has(conversation)) continue;
    store.customers.set(conversation, { userid: conversation, name: conversation.slice(0, 6), place: store.customers.size, conversation });
    topics.add("customers");
  }
}

function notify(topics) {
  for (const listener of listeners) listener(topics);
}
