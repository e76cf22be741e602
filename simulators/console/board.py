"""Puts together what the two sides tell of a message, and publishes it to the feed.

One side is the phones: who wrote what, and how its delivery went (the WeCom simulator). The other is the deployment:
the journey that its log lines tell of, the session, who attends to the customer, the archive. Belongs to one event
loop, and does no input or output.

Topics of the feed: `customers` (phones by reply address) · `staff` (who can take customers over, by user id) ·
`entries` (what stands in a chat) · `messages` (what became of each message) · `sessions` and `attendances` (by
conversation) · `status` (whether the deployment can be read).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.console.journeys import JourneyBook
from simulators.console.people import People

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.console.deployment import AttendanceState, SessionState
    from simulators.console.feed import Feed
    from simulators.console.journeys import Journey, LogLine
    from simulators.console.phones import Phone, Sent

_LOOKED_BACK = 500  # messages; older ones have arrived or never will
_WITH_PEOPLE = frozenset({"waiting", "person"})


class Board:
    """What is known, from both sides."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._book = JourneyBook()
        self._people = People()
        self._journeys: dict[tuple[str, str], Journey] = {}
        self._sent: dict[str, Sent] = {}
        self._to_people: dict[str, bool] = {}  # whether nobody but a person was to answer, when it was first seen
        self._phones: dict[str, Phone] = {}
        self._places: dict[str, int] = {}  # in the order in which they were first seen
        self._sessions: dict[str, SessionState] = {}
        self._attendances: dict[str, AttendanceState] = {}

    def see_phones(self, phones: Iterable[Phone]) -> None:
        """Publish who there is to write as."""
        for phone in phones:
            self._phones[phone.userid] = phone
            self._put_phone(phone.userid)

    def see_staff(self, staff: Iterable[dict[str, Any]]) -> None:
        """Publish who of the company can take customers over; each has its ``userid`` in lower case."""
        for person in staff:
            self._feed.put("staff", person["userid"], person)

    def see_entries(self, entries: Iterable[dict[str, Any]]) -> None:
        """Publish what was said, in either direction; each has its ``key``."""
        for entry in entries:
            self._feed.put("entries", entry["key"], entry)

    def see_sent(self, messages: Iterable[Sent]) -> None:
        """Publish how far what left a phone has come."""
        for message in messages:
            self._sent[message.key] = message
            self._to_people.setdefault(message.key, self._is_with_people(message.userid))
            self._put_sent(message)
        while len(self._sent) > _LOOKED_BACK:
            oldest = next(iter(self._sent))
            del self._sent[oldest], self._to_people[oldest]

    def see_lines(self, lines: Iterable[LogLine]) -> set[str]:
        """Take what the logs say, publish what follows, and return the conversations that it is about."""
        touched = self._book.take(lines)
        journeys = [journey for conversation in touched for journey in self._book.journeys(conversation)]
        for journey in journeys:
            self._journeys[journey.conversation, journey.message_id] = journey
        found = set()
        for message in self._sent.values():
            self._people.recognise(message, journeys)
            conversation = self._people.conversation_of(message.userid)
            if conversation in touched:
                found.add((conversation, message.message_id(conversation)))
                self._put_phone(message.userid)
                self._put_sent(message)
        for journey in journeys:
            if (journey.conversation, journey.message_id) not in found:
                self._feed.put("messages", f"{journey.conversation}/{journey.message_id}", self._only_logged(journey))
        return touched

    def see_session(self, session: SessionState) -> None:
        """Publish the state of a session."""
        self._sessions[session.conversation] = session
        self._feed.put("sessions", session.conversation, session.to_json())

    def see_attendance(self, attendance: AttendanceState) -> None:
        """Publish who attends to a customer."""
        self._attendances[attendance.conversation] = attendance
        self._feed.put("attendances", attendance.conversation, attendance.to_json())

    def see_status(self, problem: str) -> None:
        """Publish whether the deployment can be read; ``problem`` is empty when it can."""
        self._feed.put("status", "deployment", {"problem": problem})

    def session_of(self, conversation: str) -> SessionState | None:
        """Return the newest session of a conversation that was seen."""
        return self._sessions.get(conversation)

    def _is_with_people(self, userid: str) -> bool:
        """Return whether a customer waits for a person or has one: WeCom's word goes before the deployment's."""
        phone = self._phones.get(userid)
        known = (phone.service if phone else None) or self._attendances.get(self._people.conversation_of(userid))
        return known is not None and known.state in _WITH_PEOPLE

    def _put_phone(self, userid: str) -> None:
        phone = self._phones.get(userid)
        if phone is None:
            return
        place = self._places.setdefault(userid, len(self._places))
        known = {"place": place, "conversation": self._people.conversation_of(userid)}
        self._feed.put("customers", userid, {**phone.to_json(), **known})

    def _put_sent(self, message: Sent) -> None:
        conversation = self._people.conversation_of(message.userid)
        journey = self._journeys.get((conversation, message.message_id(conversation)))
        told = {
            "conversation": conversation,
            "to_person": self._to_people[message.key],
            "journey": journey.to_json() if journey else None,
        }
        self._feed.put("messages", message.key, {**message.to_json(), **told})

    def _only_logged(self, journey: Journey) -> dict[str, Any]:
        return {
            "key": f"{journey.conversation}/{journey.message_id}",
            "seq": None,
            "userid": self._people.userid_of(journey.conversation),
            "channel": journey.channel,
            "conversation": journey.conversation,
            "msgtype": journey.kind,
            "content": "",
            "at_ms": min(journey.stages.values(), default=0),
            "to_person": False,
            "delivery": None,
            "journey": journey.to_json(),
        }
