"""A member presses a button of a card: which event the app gets for it.

Source: WeCom developer docs, path 90240 (template_card_event, template_card_menu_event).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom.cards import keys_of
from simulators.wecom.jsonfields import FieldError, Fields
from simulators.wecom.messages import read_message

if TYPE_CHECKING:
    from simulators.wecom.messages import MemberMessage
    from simulators.wecom.state import PlatformState


@dataclass(frozen=True, slots=True)
class Press:
    """What is pressed: `key` on the card with this task id, or with this MsgId.

    `selected` has the chosen option ids by question key.
    """

    key: str
    task_id: str = ""
    msgid: str = ""
    selected: tuple[tuple[str, tuple[str, ...]], ...] = ()


def read_press(fields: Fields) -> Press:
    """Take a press out of `fields`; raises `FieldError` for a bad one."""
    press = Press(
        key=fields.text("key"),
        task_id=fields.text("task_id", ""),
        msgid=fields.text("msgid", ""),
        selected=tuple((key, _options(key, chosen)) for key, chosen in fields.mapping("selected").items()),
    )
    if not press.task_id and not press.msgid:
        raise FieldError("task_id or msgid is expected")
    return press


def press_message(state: PlatformState, userid: str, press: Press) -> MemberMessage:
    """Return the event that the press causes, or raise `FieldError` when there is nothing to press."""
    with state.lock:
        userid = userid.lower()
        card = state.cards.find(userid, task_id=press.task_id, msgid=press.msgid)
        if card is None or userid in card.closed or card.shown[userid].dropped:
            raise FieldError("the member has no such card with buttons")
        face = card.face(userid)
        event = keys_of(face).get(press.key)
        if event is None:
            raise FieldError("key: the card has no such button")
        document: dict[str, object] = {
            "msgtype": "event",
            "event": event,
            "event_key": press.key,
            "task_id": str(face.get("task_id", "")),
            "card_type": str(face.get("card_type", "")),
            "response_code": state.cards.code_of(card, state.clock()),
        }
        chosen = [{"QuestionKey": key, "OptionIds": {"OptionId": list(options)}} for key, options in press.selected]
        if chosen:
            document["fields"] = {"SelectedItems": {"SelectedItem": chosen}}
    return read_message(Fields(document))


def _options(key: str, chosen: object) -> tuple[str, ...]:
    options = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise FieldError(f"selected: {key} needs an option id or a list of them")
    return tuple(options)
