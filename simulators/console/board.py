"""Puts together what the two sides tell of a message, and publishes it to the feed.

One side is the phone: who wrote what, and how its delivery went (the WeCom simulator). The other is the deployment: the
journey that its log lines tell of, the session, the archive. Belongs to one event loop, and does no input or output.

Topics of the feed: `customers` (by user id) · `entries` (what stands in a chat) · `messages` (what became of each
message) · `sessions` (by conversation) · `status` (whether the deployment can be read).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.console.journeys import JourneyBook
from simulators.console.people import People, message_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.console.deployment import SessionState
    from simulators.console.feed import Feed
    from simulators.console.journeys import Journey, LogLine
    from simulators.wecom.deliveries import Delivery
    from simulators.wecom.members import Member
    from simulators.wecom.timeline import Entry

_LOOKED_BACK = 500  # deliveries; older ones have arrived or never will


class Board:
    """What is known, from both sides."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._book = JourneyBook()
        self._people = People()
        self._journeys: dict[tuple[str, str], Journey] = {}
        self._deliveries: dict[int, Delivery] = {}
        self._entries: dict[int, Entry] = {}
        self._names: dict[str, str] = {}
        self._places: dict[str, int] = {}  # in the order in which they were first seen
        self._sessions: dict[str, SessionState] = {}

    def see_customers(self, members: Iterable[Member]) -> None:
        """Publish who there is to write as."""
        for member in members:
            self._names[member.userid.lower()] = member.name
            self._put_customer(member.userid.lower())

    def see_entries(self, entries: Iterable[Entry]) -> None:
        """Publish what was said, in either direction."""
        for entry in entries:
            if entry.visible:
                self._feed.put("entries", str(entry.seq), entry.to_json())

    def see_deliveries(self, deliveries: Iterable[tuple[Delivery, Entry]]) -> None:
        """Publish how far what left a phone has come, with what stands in the chat about it."""
        for delivery, entry in deliveries:
            self._deliveries[delivery.seq] = delivery
            self._entries[delivery.seq] = entry
            self._put_delivery(delivery)
        while len(self._deliveries) > _LOOKED_BACK:
            oldest = next(iter(self._deliveries))
            del self._deliveries[oldest], self._entries[oldest]

    def see_lines(self, lines: Iterable[LogLine]) -> set[str]:
        """Take what the logs say, publish what follows, and return the conversations that it is about."""
        touched = self._book.take(lines)
        journeys = [journey for conversation in touched for journey in self._book.journeys(conversation)]
        delivered = set()
        for journey in journeys:
            self._journeys[journey.conversation, journey.message_id] = journey
        for delivery in self._deliveries.values():
            self._people.recognise(delivery, journeys)
            conversation = self._people.conversation_of(delivery.userid)
            if conversation in touched:
                delivered.add((conversation, message_id_of(delivery, conversation)))
                self._put_customer(delivery.userid.lower())
                self._put_delivery(delivery)
        for journey in journeys:
            if (journey.conversation, journey.message_id) not in delivered:
                self._feed.put("messages", f"{journey.conversation}/{journey.message_id}", self._only_logged(journey))
        return touched

    def see_session(self, session: SessionState) -> None:
        """Publish the state of a session."""
        self._sessions[session.conversation] = session
        self._feed.put("sessions", session.conversation, session.to_json())

    def see_status(self, problem: str) -> None:
        """Publish whether the deployment can be read; ``problem`` is empty when it can."""
        self._feed.put("status", "deployment", {"problem": problem})

    def session_of(self, conversation: str) -> SessionState | None:
        """Return the newest session of a conversation that was seen."""
        return self._sessions.get(conversation)

    def _put_customer(self, userid: str) -> None:
        conversation = self._people.conversation_of(userid)
        place = self._places.setdefault(userid, len(self._places))
        value = {"userid": userid, "name": self._names.get(userid, ""), "place": place, "conversation": conversation}
        self._feed.put("customers", userid, value)

    def _put_delivery(self, delivery: Delivery) -> None:
        conversation = self._people.conversation_of(delivery.userid)
        journey = self._journeys.get((conversation, message_id_of(delivery, conversation)))
        value = self._delivered(delivery, self._entries[delivery.seq], conversation, journey)
        self._feed.put("messages", f"d{delivery.seq}", value)

    def _delivered(
        self, delivery: Delivery, entry: Entry, conversation: str, journey: Journey | None
    ) -> dict[str, Any]:
        return {
            "key": f"d{delivery.seq}",
            "seq": delivery.seq,
            "userid": delivery.userid.lower(),
            "conversation": conversation,
            "msgtype": delivery.message.msgtype,
            "content": entry.content,
            "at_ms": delivery.sent_at_ms or entry.at_ms,
            "delivery": {
                "attempts": [attempt.to_json() for attempt in delivery.attempts],
                "copies": delivery.options.copies,
                "tampered": delivery.options.tamper.value if delivery.options.tamper else "",
                "done": delivery.done,
            },
            "journey": journey.to_json() if journey else None,
        }

    def _only_logged(self, journey: Journey) -> dict[str, Any]:
        return {
            "key": f"{journey.conversation}/{journey.message_id}",
            "seq": None,
            "userid": self._people.userid_of(journey.conversation),
            "conversation": journey.conversation,
            "msgtype": journey.kind,
            "content": "",
            "at_ms": min(journey.stages.values(), default=0),
            "delivery": None,
            "journey": journey.to_json(),
        }
