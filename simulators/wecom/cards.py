"""The template cards that members have before them, and the codes with which the app may change them.

Source: WeCom developer docs, paths 90236 (sending), 90240 (events of a card) and 94888 (update).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from simulators.wecom.timeline import Entry

INTERACTIVE_CARDS = frozenset({"button_interaction", "vote_interaction", "multiple_interaction"})
NOTICE_CARDS = frozenset({"text_notice", "news_notice"})
CODE_LIFETIME_S = 72 * 3600
_TASK_ID = re.compile(r"[0-9A-Za-z_@-]{1,128}")
_MOST_BUTTONS = 6
_MOST_KEY_BYTES = 1024


@dataclass(slots=True)
class Card:
    """One card as it was sent; `shown` has the entry of each member's chat in which it stands.

    `closed` has the members whose card was answered: its buttons are gone.
    """

    msgid: str
    shown: dict[str, Entry]
    closed: set[str] = field(default_factory=set)

    def face(self, userid: str) -> dict[str, object]:
        """Return the card as the member sees it now."""
        body = self.shown[userid].body
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True)
class _Code:
    card: Card
    expires_at: float


class CardDesk:
    """Keeps the cards, and gives out response codes: each is good for one update within 72 hours."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._cards: list[Card] = []
        self._codes: dict[str, _Code] = {}

    def draw_code(self) -> str:
        """Return a fresh code that stands for no card yet."""
        return f"RC_{self._rng.getrandbits(160):040x}"

    def keep(self, card: Card, code: str, now: float) -> None:
        """Remember `card`; `code`, unless empty, may change it once."""
        self._cards.append(card)
        if code:
            self._codes[code] = _Code(card, now + CODE_LIFETIME_S)

    def find(self, userid: str, *, task_id: str, msgid: str) -> Card | None:
        """Return the newest card before the member that has the task id, or the MsgId when that is given."""
        for card in reversed(self._cards):
            if userid in card.shown and (card.msgid == msgid if msgid else card.face(userid).get("task_id") == task_id):
                return card
        return None

    def code_of(self, card: Card, now: float) -> str:
        """Return a code that can change `card`: the one it has, or a new one when that was used or is too old.

        Whether an event repeats the code of the sending is not documented.
        """
        for code, held in self._codes.items():
            if held.card is card and now < held.expires_at:
                return code
        code = self.draw_code()
        self._codes[code] = _Code(card, now + CODE_LIFETIME_S)
        return code

    def card_of(self, code: object, now: float) -> Card:
        """Return the card that `code` can change, or raise `ApiError` when it is unknown, used or too old."""
        held = self._codes.get(code) if isinstance(code, str) else None
        if held is None or now >= held.expires_at:
            raise ApiError(errcodes.BAD_RESPONSE_CODE)
        return held.card

    def use_up(self, code: object) -> None:
        """Let `code` be good for nothing any more."""
        self._codes.pop(str(code), None)

    def clear(self) -> None:
        """Forget every card and code."""
        self._cards.clear()
        self._codes.clear()


def is_well_formed(card: Mapping[str, object]) -> bool:
    """Tell whether the parts that a press depends on are as documented.

    Only interactive cards and cards with a menu need a task id. Which of the numbers from 42014 to 42051 stands for
    which mistake is not in any stored text, so the caller refuses all with one. Nor is it enforced that a task id is
    new: what the platform says to one that is not is unknown.
    """
    task_id, kind = card.get("task_id", ""), card.get("card_type")
    needed = kind in INTERACTIVE_CARDS or "action_menu" in card
    if not isinstance(task_id, str) or ((needed or task_id) and _TASK_ID.fullmatch(task_id) is None):
        return False
    buttons = card.get("button_list", [])
    least = 1 if kind == "button_interaction" else 0
    if not isinstance(buttons, list) or not least <= len(buttons) <= _MOST_BUTTONS:
        return False
    return all(0 < len(key.encode()) <= _MOST_KEY_BYTES for key in keys_of(card))


def keys_of(card: Mapping[str, object]) -> dict[str, str]:
    """Return what can be pressed on a card: its keys, each with the event that it causes."""
    keys = dict.fromkeys(_keys_in(card.get("button_list")), "template_card_event")
    keys |= dict.fromkeys(_keys_in([card.get("submit_button")]), "template_card_event")
    menu = card.get("action_menu")
    actions = menu.get("action_list") if isinstance(menu, dict) else None
    return keys | dict.fromkeys(_keys_in(actions), "template_card_menu_event")


def _keys_in(items: object) -> list[str]:
    pressable = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item["key"] for item in pressable if isinstance(item.get("key"), str)]
