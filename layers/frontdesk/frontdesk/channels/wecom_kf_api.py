"""The calls of WeCom's server API that Frontdesk makes for 微信客服.

Source: WeCom developer docs, paths 94670 (sync_msg), 94677 (send_msg), 95122 (send_msg_on_event), 94669
(service_state), 94645 (servicer/list), 94661 (account/list) and 95159 (customer/batchget).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdesk.channels.printable import printable
from frontdesk.channels.wecom_calls import garbled
from frontdesk.channels.wecom_errcodes import is_explained
from frontdesk.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontdesk.channels.wecom_calls import WecomCalls
    from frontdesk.messages import Choice

MAX_TEXT_BYTES = 2048
MAX_MENU_TEXT_BYTES = 1024
MAX_ITEMS = 10
MAX_ITEM_TEXT_BYTES = 128
MAX_ITEM_ID_BYTES = 64
"""The newer text of path 94677 says 128; whether it holds everywhere is not known."""

BOT_STATES = frozenset({0, 1})  # new; in the care of the assistant
POOL, SERVICER, ENDED = 2, 3, 4

_PAGE = 200  # of at most 1000: soon in the inbox, so that little is fetched again after a crash
_MOST_ACCOUNTS_A_CALL = 100
_RECEIVING = 0
_SPENT_TOKEN = "wecom_95007"  # noqa: S105  # an error's code
_SPENT_CODE = "wecom_41050"


@dataclass(frozen=True, slots=True)
class Synced:
    """A page of an account's messages, each as it came."""

    items: Sequence[object]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class ServiceState:
    """WeCom's state of a customer's session, from 0 to 4; ``servicer`` is a user id in state 3, else empty."""

    number: int
    servicer: str = ""


class WecomKfApi:
    """All accounts of one enterprise. Safe to use from several threads. Deadlines are on the clock of ``calls``.

    Everything raises `TransientError`, `PermanentError` when this request is the reason (`AllowanceError`,
    `TakenOverError` and `NobodyError` where WeCom says so), `MisconfiguredError` when no request can pass.
    """

    def __init__(self, calls: WecomCalls) -> None:
        """Use ``calls`` made with the secret of 微信客服, or with that of the application that may do this."""
        self._calls = calls

    def sync_msg(self, account: str, *, cursor: str, token: str, deadline: float) -> Synced:
        """Return the messages after ``cursor``; without one, from the oldest of the last three days.

        Without ``token``, which a notification brings, such calls are narrowly limited; one that has ended is left
        out. A plain `PermanentError` says that WeCom refuses this very account.
        """
        document: dict[str, Any] = {"open_kfid": account, "limit": _PAGE, "voice_format": 0}
        if cursor:
            document["cursor"] = cursor
        try:
            answer = self._calls.post("kf/sync_msg", document | ({"token": token} if token else {}), deadline=deadline)
        except PermanentError as error:
            if not token or error.code != _SPENT_TOKEN:
                raise
            answer = self._calls.post("kf/sync_msg", document, deadline=deadline)
        items, more = answer.get("msg_list", []), answer.get("has_more") == 1
        next_cursor = _word(answer, "next_cursor")
        if not isinstance(items, list) or (not next_cursor and (items or more)):
            raise garbled("kf/sync_msg")
        return Synced(items, next_cursor or cursor, more)

    def send_text(
        self, account: str, customer: str, text: str, *, message_id: str, repeated: bool, deadline: float
    ) -> None:
        """Return when WeCom has taken ``text``, of 2048 bytes at most, now or by an earlier attempt.

        ``repeated`` tells that there may have been one: then a refusal that nothing explains is taken for that of a
        ``message_id`` that was accepted before.
        """
        self._send(account, customer, _text(text), message_id, deadline, repeated=repeated)

    def send_menu(
        self,
        account: str,
        customer: str,
        text: str,
        menu: Sequence[Choice],
        *,
        message_id: str,
        repeated: bool,
        deadline: float,
    ) -> None:
        """Return when WeCom has taken ``text``, of 1024 bytes at most, and up to ten choices below it."""
        self._send(account, customer, _menu(text, menu), message_id, deadline, repeated=repeated)

    def send_on_event(self, code: str, text: str, menu: Sequence[Choice], *, message_id: str, deadline: float) -> None:
        """Return when WeCom has taken the one message that ``code`` permits; raises for 41050, a code that has ended.

        A code is good for 20 seconds (welcome, end of a session) or 48 hours (pool), and for a menu only where it is
        good for 20 seconds.
        """
        document = {"code": code, "msgid": message_id, **(_menu(text, menu) if menu else _text(text))}
        self._calls.post(
            "kf/send_msg_on_event",
            document,
            deadline=deadline,
            was_done=lambda refusal: refusal.code == _SPENT_CODE or not is_explained(refusal),
        )

    def service_state(self, account: str, customer: str, *, deadline: float) -> ServiceState:
        """Return where the customer's session stands."""
        document = {"open_kfid": account, "external_userid": customer}
        answer = self._calls.post("kf/service_state/get", document, deadline=deadline)
        number = answer.get("service_state")
        if not isinstance(number, int) or isinstance(number, bool):
            raise garbled("kf/service_state/get")
        return ServiceState(number, _word(answer, "servicer_userid") if number == SERVICER else "")

    def transfer(self, account: str, customer: str, state: int, *, servicer: str = "", deadline: float) -> str:
        """Change the state of the customer's session; return the code for one message, "" where there is none.

        ``servicer`` is needed for state 3. An illegal change raises a `PermanentError` with the code ``wecom_95016``.
        """
        document: dict[str, Any] = {"open_kfid": account, "external_userid": customer, "service_state": state}
        if servicer:
            document["servicer_userid"] = servicer
        return _word(self._calls.post("kf/service_state/trans", document, deadline=deadline), "msg_code")

    def receiving(self, account: str, *, deadline: float) -> tuple[str, ...]:
        """Return the user ids of the account's servicers who receive customers now; departments have no such state."""
        answer = self._calls.get("kf/servicer/list", {"open_kfid": account}, deadline=deadline)
        found = [each for each in _objects(answer, "servicer_list") if each.get("status") == _RECEIVING]
        return tuple(dict.fromkeys(userid for each in found if (userid := _word(each, "userid"))))

    def accounts(self, *, deadline: float) -> tuple[str, ...]:
        """Return the ids of all accounts."""
        found: list[str] = []
        while True:
            page = {"offset": len(found), "limit": _MOST_ACCOUNTS_A_CALL}
            listed = _objects(self._calls.post("kf/account/list", page, deadline=deadline), "account_list")
            found += [_word(each, "open_kfid") for each in listed]
            if len(listed) < _MOST_ACCOUNTS_A_CALL:
                return tuple(dict.fromkeys(account for account in found if account))

    def nickname(self, customer: str, *, deadline: float) -> str:
        """Return what the customer is called, "" when WeCom does not tell."""
        document = {"external_userid_list": [customer], "need_enter_session_context": 0}
        answer = self._calls.post("kf/customer/batchget", document, deadline=deadline)
        names = [
            _word(each, "nickname")
            for each in _objects(answer, "customer_list")
            if each.get("external_userid") == customer
        ]
        return names[0] if names else ""

    def _send(
        self,
        account: str,
        customer: str,
        content: Mapping[str, Any],
        message_id: str,
        deadline: float,
        *,
        repeated: bool,
    ) -> None:
        document = {"touser": customer, "open_kfid": account, "msgid": message_id, **content}
        self._calls.post(
            "kf/send_msg",
            document,
            deadline=deadline,
            repeated=repeated,
            was_done=lambda refusal: not is_explained(refusal),
        )


def _text(text: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": text}}


def _menu(text: str, menu: Sequence[Choice]) -> dict[str, Any]:
    items = [{"type": "click", "click": {"id": each.value, "content": each.label}} for each in menu]
    return {"msgtype": "msgmenu", "msgmenu": {"head_content": text, "list": items}}


def _word(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return printable(value) if isinstance(value, str) else ""


def _objects(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = answer.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
