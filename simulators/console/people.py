"""Which conversation is whose.

The functions know a customer by a keyed digest only, and so do their logs. The WeCom simulator knows the user id of
whoever wrote a message, so a message that turns up in both places tells which digest is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.console.journeys import Journey
    from simulators.wecom.deliveries import Delivery


class People:
    """User ids and conversations, as far as they are known."""

    def __init__(self) -> None:
        self._conversation: dict[str, str] = {}
        self._userid: dict[str, str] = {}

    def conversation_of(self, userid: str) -> str:
        """Return the conversation of a user id, "" while it is unknown."""
        return self._conversation.get(userid.lower(), "")

    def userid_of(self, conversation: str) -> str:
        """Return the user id behind a conversation, "" while it is unknown."""
        return self._userid.get(conversation, "")

    def recognise(self, delivery: Delivery, journeys: Iterable[Journey]) -> None:
        """Learn whose conversation it is that ``delivery`` turns up in.

        A message has its MsgId everywhere. An event has none, and is named after its conversation, time and kind: when
        two people nobody knows did the same in the same second, both stay unknown until they write something.
        """
        if self.conversation_of(delivery.userid):
            return
        found = {
            journey.conversation
            for journey in journeys
            if journey.conversation not in self._userid
            and journey.message_id == message_id_of(delivery, journey.conversation)
        }
        if len(found) == 1:
            conversation = found.pop()
            self._conversation[delivery.userid.lower()] = conversation
            self._userid[conversation] = delivery.userid.lower()


def message_id_of(delivery: Delivery, conversation: str) -> str:
    """Return what the functions call the message that ``delivery`` carries."""
    return delivery.msgid or f"{conversation}-{delivery.create_time}-{delivery.message.event}"
