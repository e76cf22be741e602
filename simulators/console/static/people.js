// Who is written as: members of the enterprise with its app, or people with WeChat, who write to 微信客服.

import { addCustomer } from "./api.js";
import { byId, el } from "./dom.js";
import { avatar } from "./faces.js";
import { t } from "./language.js";
import { APP, KF, nameOf, phonesOf, select, selectChannel, selectedChannel, store } from "./store.js";

const CHANNELS = { [APP]: "channel-app", [KF]: "channel-kf" };

/** Connect the switch, the people and the window for a new one. */
export function startPeople() {
  const dialog = byId("newcomer");
  for (const [channel, id] of Object.entries(CHANNELS)) byId(id).addEventListener("click", () => selectChannel(channel));
  byId("newcomer-open").addEventListener("click", openNewcomer);
  byId("newcomer-cancel").addEventListener("click", () => dialog.close());
  byId("newcomer-userid").addEventListener("input", (event) => event.target.setCustomValidity(""));
  byId("newcomer-form").addEventListener("submit", addNewcomer);
  byId("people").addEventListener("keydown", (event) => walkTabs(event, phonesOf(selectedChannel()), store.selected, select));
}

/** Show who there is. */
export function showPeople() {
  const chosenChannel = selectedChannel();
  for (const [channel, id] of Object.entries(CHANNELS)) {
    const unread = phonesOf(channel).reduce((sum, { userid }) => sum + (store.unread.get(userid) ?? 0), 0);
    byId(id).setAttribute("aria-pressed", String(channel === chosenChannel));
    byId(`${id}-unread`).hidden = !unread || channel === chosenChannel;
    byId(`${id}-unread`).textContent = unread;
  }
  showTabs(byId("people"), phonesOf(chosenChannel), store.selected, "device", select, ({ userid }) => store.unread.get(userid) ?? 0);
}

/** Show people as tabs of `panel` in `box`; `countOf` tells how much each has not seen. */
export function showTabs(box, people, selected, panel, onSelect, countOf) {
  const hadFocus = box.contains(document.activeElement);
  const tabs = people.map((somebody) => {
    const chosen = somebody.userid === selected;
    const count = countOf(somebody);
    return el(
      "button",
      {
        type: "button",
        role: "tab",
        class: "tab",
        "aria-selected": chosen,
        "aria-controls": panel,
        tabindex: chosen ? 0 : -1,
        title: somebody.external_userid || somebody.userid,
        data: { userid: somebody.userid },
        on: { click: () => onSelect(somebody.userid) },
      },
      avatar(somebody),
      el("span", { class: "tab-name", text: nameOf(somebody) }),
      count ? el("b", { class: "unread", text: count, "aria-label": t("unread", { count }) }) : null,
    );
  });
  box.replaceChildren(...tabs);
  const chosen = box.querySelector('[aria-selected="true"]');
  chosen?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (hadFocus) chosen?.focus();
}

/** Let the arrow keys go from one tab to the next. */
export function walkTabs(event, people, selected, onSelect) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || !people.length) return;
  event.preventDefault();
  const place = people.findIndex(({ userid }) => userid === selected) + step;
  onSelect(people[Math.max(0, Math.min(people.length - 1, place))].userid);
}

const IDS = {
  [APP]: { id: "userid", pattern: "[0-9A-Za-z_.@\\-]+", hint: "newcomer_hint" },
  [KF]: { id: "external_userid", pattern: "[0-9A-Za-z_\\-]+", hint: "newcomer_hint_kf" },
};

function openNewcomer() {
  const { id, pattern, hint } = IDS[selectedChannel()];
  byId("newcomer-id").textContent = id;
  byId("newcomer-userid").pattern = pattern;
  byId("newcomer-hint").textContent = t(hint);
  byId("newcomer").showModal();
}

async function addNewcomer(event) {
  event.preventDefault();
  const field = byId("newcomer-userid");
  const [name, id] = [byId("newcomer-name").value.trim(), field.value.trim()];
  const phone = newPhone(selectedChannel(), id, name);
  if (store.customers.has(phone.userid)) {
    field.setCustomValidity(t("newcomer_taken"));
    field.reportValidity();
    return;
  }
  try {
    await addCustomer(phone, id);
  } catch (error) {
    field.setCustomValidity(error.message);
    field.reportValidity();
    return;
  }
  if (!store.customers.has(phone.userid)) store.customers.set(phone.userid, phone);
  byId("newcomer").close();
  event.target.reset();
  select(phone.userid);
  byId("words").focus();
}

/** Return the phone of somebody new: with 微信客服, a chat with the account that the others write to. */
function newPhone(channel, id, name) {
  const known = { name, channel, place: store.customers.size, conversation: "" };
  if (channel === APP) return { ...known, userid: id.toLowerCase() };
  const { open_kfid, account } = phonesOf(KF)[0];
  return { ...known, userid: `${open_kfid}:${id}`, external_userid: id, open_kfid, account, service: null };
}
