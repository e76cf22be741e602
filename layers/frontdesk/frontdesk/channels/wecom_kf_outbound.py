"""The way out to a customer of 微信客服, as the conversation sees it.

WeCom allows five messages since the customer's newest one, within 48 hours of it, and tells nobody how many are left
(WeCom developer docs, path 94677). So each message is claimed from an allowance before it is sent; where that is kept
is given from outside. Nothing here knows who is in charge of the customer.
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from frontdesk.channels import wecom_text
from frontdesk.channels.printable import printable
from frontdesk.channels.wecom_kf import parts_of
from frontdesk.channels.wecom_kf_api import (
    MAX_ITEM_ID_BYTES,
    MAX_ITEM_TEXT_BYTES,
    MAX_ITEMS,
    MAX_MENU_TEXT_BYTES,
    MAX_TEXT_BYTES,
)
from frontdesk.errors import AllowanceError, PermanentError, TransientError
from frontdesk.messages import Choice, Kind

if TYPE_CHECKING:
    from frontdesk.channels.wecom_kf_api import WecomKfApi
    from frontdesk.messages import Inbound, Outbound
    from frontdesk.records import Claim

log = logging.getLogger(__name__)

_MESSAGE_ID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_FROM_CUSTOMERS = frozenset(
    {Kind.TEXT, Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK, Kind.OTHER}
)
_ABOVE_MENU = "请选择："
_MOST_CHARACTERS = 30_000  # several times what the longest answer shows; hostile markdown takes more than linear time


class Allowance(Protocol):
    """How many messages the vendor still takes. Every method raises `TransientError` when the store is out of reach.

    Counted are the claims since the customer's newest message; 48 hours after it nothing is left.
    """

    def left(self, conversation: str, *, customer_at: int) -> int:
        """Return how many messages are left; ``customer_at`` is noted when it is the customer's newest message."""

    def claim(self, conversation: str, message_id: str, *, keep: int) -> Claim:
        """Take one message, unless no more than ``keep`` are left. One claimed before is granted, and counts once."""

    def give_back(self, conversation: str, message_id: str) -> None:
        """Undo the claim for ``message_id``: it was not sent."""


class KfOutbound:
    """Sends texts and menus to the customers of all accounts."""

    hosted = True

    def __init__(self, api: WecomKfApi, *, allowance: Allowance) -> None:
        """Count what is sent in ``allowance``."""
        self._api = api
        self._allowance = allowance

    def render(self, markdown: str) -> str:
        """Return ``markdown``, or the first 30,000 characters of it, as plain words and addresses."""
        return wecom_text.without_links(wecom_text.render(markdown[:_MOST_CHARACTERS]))

    def split(self, text: str) -> tuple[str, ...]:
        """Return a rendered ``text`` as messages of 2048 bytes at most; none for a blank one."""
        return tuple(wecom_text.split(text, MAX_TEXT_BYTES))

    def distinct(self, text: str, n: int) -> str:  # noqa: ARG002  # the port asks for it
        """Return ``text`` as it is: WeCom tells twins apart by their message ids."""
        return text

    def room(self, inbound: Inbound) -> int | None:
        """Return how many messages WeCom still takes, the last one among them, which only `Outbound.last` spends.

        What a customer sent is their newest message for it; anything else says nothing about that. Raises
        `TransientError`.
        """
        customer_at = inbound.sent_at if inbound.kind in _FROM_CUSTOMERS else 0
        return self._allowance.left(inbound.conversation, customer_at=customer_at)

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when WeCom has the message; ``deadline`` is on the monotonic clock.

        With a menu, a text that does not fit above it goes before it as messages of their own. With a code, one
        message is sent that counts against nothing, whoever is in charge.

        Raises `TransientError`, `AllowanceError` when WeCom takes no more until the customer writes again,
        `TakenOverError` when a person is in charge, `PermanentError` when this customer cannot be reached, and
        `MisconfiguredError` when nobody can.
        """
        account, customer = parts_of(outbound.recipient)
        if not _MESSAGE_ID.fullmatch(outbound.message_id):
            raise PermanentError("kf/send_msg: the message has no id of 32 characters", code="kf_message_id")
        if _size(outbound.text) > MAX_TEXT_BYTES and (outbound.code or not outbound.menu):
            raise PermanentError("kf/send_msg: the text is too long for one message", code="wecom_text_too_long")
        if outbound.code:
            menu = _fitting(outbound.menu) if _size(outbound.text) <= MAX_MENU_TEXT_BYTES else ()
            self._api.send_on_event(
                outbound.code, outbound.text, menu, message_id=outbound.message_id, deadline=deadline
            )
            return
        for piece in _pieces(outbound):
            self._send(account, customer, outbound.conversation, piece, deadline)

    def _send(self, account: str, customer: str, conversation: str, piece: _Piece, deadline: float) -> None:
        claim = self._allowance.claim(conversation, piece.message_id, keep=piece.keep)
        if not claim.granted:
            raise AllowanceError("kf/send_msg: no message is left until the customer writes again")
        try:
            if piece.menu:
                self._api.send_menu(
                    account,
                    customer,
                    piece.text,
                    piece.menu,
                    message_id=piece.message_id,
                    repeated=claim.repeated,
                    deadline=deadline,
                )
            else:
                self._api.send_text(
                    account,
                    customer,
                    piece.text,
                    message_id=piece.message_id,
                    repeated=claim.repeated,
                    deadline=deadline,
                )
        except PermanentError:
            # A refusal shows nothing, so it counts for nothing; but what was claimed before may have been shown then.
            if not claim.repeated:
                with suppress(TransientError):
                    self._allowance.give_back(conversation, piece.message_id)
            raise


@dataclass(frozen=True, slots=True)
class _Piece:
    """One message for WeCom; ``keep`` is how many of the allowance it has to leave."""

    message_id: str
    text: str
    keep: int
    menu: tuple[Choice, ...] = ()


def _pieces(outbound: Outbound) -> list[_Piece]:
    """Return the messages that show ``outbound``: one, but for a menu below a long text."""
    menu = _fitting(outbound.menu)
    texts = [outbound.text]
    if menu and not 0 < _size(outbound.text) <= MAX_MENU_TEXT_BYTES:
        texts = [*wecom_text.split(outbound.text, MAX_TEXT_BYTES), _ABOVE_MENU]
    elif _size(outbound.text) > MAX_TEXT_BYTES:
        texts = wecom_text.split(outbound.text, MAX_TEXT_BYTES)
    *before, last = texts
    return [
        *(_Piece(_derived(outbound.message_id, number), text, keep=1) for number, text in enumerate(before, start=1)),
        _Piece(outbound.message_id, last, keep=0 if outbound.last else 1, menu=menu),
    ]


def _derived(message_id: str, number: int) -> str:
    """Return the id of a message that goes before the one called ``message_id``."""
    return hashlib.sha256(f"{message_id}-{number}".encode()).hexdigest()[:32]


def _fitting(menu: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Return ``menu`` as WeCom takes it, its labels cut where they are too long; nothing of one that it does not take.

    Without a menu the customer still reads the words, and can write.
    """
    if len(menu) > MAX_ITEMS or not all(_fits(each) for each in menu):
        log.warning("a menu is left out", extra={"call": "kf/send_msg", "count": len(menu)})
        return ()
    return tuple(Choice(_shortened(printable(each.label)), each.value) for each in menu)


def _fits(choice: Choice) -> bool:
    is_whole = bool(printable(choice.label).strip()) and printable(choice.value) == choice.value
    return is_whole and 0 < _size(choice.value) <= MAX_ITEM_ID_BYTES


def _shortened(label: str) -> str:
    if _size(label) <= MAX_ITEM_TEXT_BYTES:
        return label
    return "".join(wecom_text.split(label, MAX_ITEM_TEXT_BYTES - _size("…"))[:1]) + "…"


def _size(text: str) -> int:
    return len(text.encode())
