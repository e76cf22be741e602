"""The cards with buttons that members get: a customer who waits or is attended to, a ticket, a choice.

Pure: a card is the ``template_card`` of message/send. Once a button was pressed, a word takes the place of the buttons;
what else is on the card stays. Limits: WeCom developer docs, path 90236, card type button_interaction. Those of texts
are in characters and tell how much is shown; what is longer is cut here, so that it ends in a sign of it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdesk.channels.graphemes import is_boundary
from frontdesk.channels.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.messages import Choice
    from frontdesk.records import Ticket

MAX_TITLE = 26
MAX_SUB_TITLE = 112
MAX_QUOTE = 112
MAX_KEY_NAME = 5
MAX_VALUE = 26
MAX_ITEMS = 6
MAX_BUTTONS = 6
MAX_BUTTON_TEXT = 10
MAX_KEY_BYTES = 1024
MAX_TASK_ID_BYTES = 128

_LINK = "<a "
_BLANKS = re.compile(r"\s+")
_BLUE, _GREY = 1, 2  # button styles
_MEMBER = 3  # a field whose value is a member: WeCom shows the name
_CHOOSE = "请选择"
_HOW_TO_ATTEND = "您在这里输入的文字会转给客户。"
# As people read why one of them is called; a reason that is not here is shown as it is called.
_REASONS = {
    "asked": "客户要求人工",
    "confidence": "机器人把握不足",
    "intent": "机器人判断需要人工",
    "repeated": "客户重复提问",
    "anger": "客户情绪激动",
    "rule": "触发转人工规则",
    "failed": "机器人无法回答",
    "allowance": "微信条数用完",
    "unanswered": "转人工后无人应答",
    "undelivered": "回答没有送达客户",
    "agent": "同事登记",
    "wish": "客户要求登记",
    "errors": "多次无法回答",
    "alarm": "系统告警",
}
_TICKET_STATES = {"open": "新工单", "assigned": "处理中的工单"}
_TICKET_BUTTONS = {"open": ("claim", "close"), "assigned": ("reply", "close")}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A customer of the self-built app who waits for a person. Empty texts are not shown."""

    conversation: str
    reason: str
    brief: str = ""
    question: str = ""
    confidence: str = ""
    since: str = ""


# -- a customer waits ----------------------------------------------------------------------------------------------


def handoff_card(waiting: Waiting, *, task_id: str) -> dict[str, Any]:
    """Return the card that offers a customer who waits to all who may accept."""
    facts = [("原因", _reason(waiting.reason)), ("把握", waiting.confidence), ("等待自", waiting.since)]
    accept = _button("接入会话", f"handoff:{waiting.conversation}:accept", _BLUE)
    quote = ("当前问题", waiting.question)
    return _card("客户等待人工", waiting.brief, quote, _facts(facts), task_id) | {"button_list": [accept]}


def attending_card(conversation: str, *, task_id: str) -> dict[str, Any]:
    """Return the card with which the one who has accepted can give the customer back."""
    give_back = _button("交还智能客服", f"handoff:{conversation}:return", _GREY)
    return _card("您正在接待客户", _HOW_TO_ATTEND, ("", ""), [], task_id) | {"button_list": [give_back]}


def handoff_task_id(what: str, conversation: str, question_id: str, shown: str) -> str:
    """Return the name of a card for one call of a person; ``shown`` is what there is to read on it.

    WeCom takes a name once. So one that says something else has another, and the same one again has the same.
    """
    return f"{what}-{conversation}-{_digest(question_id)}-{_digest(shown)[:8]}"


# -- a ticket ------------------------------------------------------------------------------------------------------


def ticket_card(ticket: Ticket, *, task_id: str) -> dict[str, Any]:
    """Return the card of a ticket: an open one can be claimed or closed, any other one replied to or closed.

    To one without a customer there is nobody to reply.
    """
    facts = _facts([("原因", _reason(ticket.reason))])
    person = [_member("处理人", ticket.assignee)] if ticket.assignee else []
    title = f"{_TICKET_STATES.get(ticket.state, '工单')} {ticket.number}"
    quoted = ("客户的问题" if ticket.has_customer else "告警", ticket.question)
    card = _card(title, ticket.brief, quoted, [*facts, *person], task_id)
    whats = _TICKET_BUTTONS.get(ticket.state, _TICKET_BUTTONS["assigned"])
    offered = [what for what in whats if ticket.has_customer or what != "reply"]
    return card | {"button_list": [_ticket_button(ticket, what) for what in offered]}


def ticket_task_id(number: str, occasion: str) -> str:
    """Return the name of the card that shows a ticket on one occasion."""
    return f"ticket-{_digest(number)}-{_digest(occasion)}"


def _ticket_button(ticket: Ticket, what: str) -> dict[str, Any]:
    text, style = {"claim": ("领取", _BLUE), "reply": ("回复客户", _BLUE), "close": ("办结", _GREY)}[what]
    return _button(text, f"ticket:{ticket.number}:{what}", style)


# -- a choice ------------------------------------------------------------------------------------------------------


def can_choose(menu: Sequence[Choice]) -> bool:
    """Return whether a card can hold these choices as buttons."""
    return 0 < len(menu) <= MAX_BUTTONS and all(
        printable(each.label).strip()
        and printable(each.value) == each.value
        and 0 < len(each.value.encode()) <= MAX_KEY_BYTES
        for each in menu
    )


def can_hold(text: str) -> bool:
    """Return whether a card can show the whole of ``text`` above its buttons; it shows no links."""
    return len(text) <= MAX_SUB_TITLE and _LINK not in text


def choice_card(text: str, menu: Sequence[Choice], *, task_id: str) -> dict[str, Any]:
    """Return ``text`` with the choices below it; each button's key is the choice's value."""
    text = printable(text)
    shown = _BLANKS.sub(" ", text).strip()
    short = len(shown) <= MAX_TITLE and shown == text.strip()
    card = _card(shown if short and shown else _CHOOSE, "" if short else text, ("", ""), [], task_id)
    return card | {"button_list": [_button(each.label, each.value, _BLUE) for each in menu]}


def choice_task_id(conversation: str, message_id: str) -> str:
    """Return the name of the card that shows one message of a conversation."""
    return f"choice-{_digest(conversation)}-{_digest(message_id)}"


# -- pieces --------------------------------------------------------------------------------------------------------


def cut(text: str, characters: int) -> str:
    """Return ``text`` in that many characters at most, the last one "…" where something is missing."""
    text = printable(text).strip()
    if len(text) <= characters:
        return text
    end = characters - 1
    while end > 0 and not is_boundary(text, end):
        end -= 1
    return text[:end].rstrip() + "…"


def _card(
    title: str, sub_title: str, quote: tuple[str, str], fields: list[dict[str, Any]], task_id: str
) -> dict[str, Any]:
    card: dict[str, Any] = {
        "card_type": "button_interaction",
        "main_title": {"title": cut(title, MAX_TITLE)},
        "task_id": task_id,
    }
    if below := cut(sub_title, MAX_SUB_TITLE):
        card["sub_title_text"] = below
    if quoted := cut(quote[1], MAX_QUOTE):
        card["quote_area"] = {"type": 0, "title": quote[0], "quote_text": quoted}
    if fields:
        card["horizontal_content_list"] = fields[:MAX_ITEMS]
    return card


def _facts(named: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"type": 0, "keyname": name, "value": shown} for name, value in named if (shown := cut(value, MAX_VALUE))]


def _member(name: str, user_id: str) -> dict[str, Any]:
    return {"type": _MEMBER, "keyname": name, "value": cut(user_id, MAX_VALUE), "userid": user_id}


def _button(text: str, key: str, style: int) -> dict[str, Any]:
    return {"text": cut(text, MAX_BUTTON_TEXT), "style": style, "key": key}


def _reason(reason: str) -> str:
    return _REASONS.get(reason, reason)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
