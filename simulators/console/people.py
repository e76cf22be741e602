"""Which conversation is whose.

The functions know a customer by a keyed digest only, and so do their logs. The WeCom simulator knows the phone that
a message came from, so a message that turns up in both places tells which digest is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.console.journeys import Journey
    from simulators.console.phones import Sent


class People:
    """Phones and conversations, as far as they are known."""

    def __init__(self) -> None:
        self._conversation: dict[str, str] = {}
        self._userid: dict[str, str] = {}

    def conversation_of(self, userid: str) -> str:
        """Return the conversation of a phone, "" while it is unknown."""
        return self._conversation.get(userid, "")

    def userid_of(self, conversation: str) -> str:
        """Return the phone behind a conversation, "" while it is unknown."""
        return self._userid.get(conversation, "")

    def recognise(self, sent: Sent, journeys: Iterable[Journey]) -> None:
        """Learn whose conversation it is that ``sent`` turns up in.

        A message has its id everywhere. A member's event has none, and is named after its conversation, time and kind:
        when two people nobody knows did the same in the same second, both stay unknown until they write something.
        """
        if self.conversation_of(sent.userid):
            return
        found = {
            journey.conversation
            for journey in journeys
            if journey.conversation not in self._userid and journey.message_id == sent.message_id(journey.conversation)
        }
        if len(found) == 1:
            conversation = found.pop()
            self._conversation[sent.userid] = conversation
            self._userid[conversation] = sent.userid
