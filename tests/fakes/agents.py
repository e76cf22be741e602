"""The people of a company in the application's chat, in memory: what they read, the cards before them, what they do."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from frontdesk.conversation.agents import Agents
from frontdesk.errors import PermanentError
from frontdesk.messages import Kind
from tests.factories import NOW_MS, attendance, inbound, received, ticket
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crashing
from tests.fakes.duties import InMemoryDuties
from tests.fakes.inbox import InMemoryInbox
from tests.fakes.stores import InMemorySessions
from tests.fakes.tickets import InMemoryTicketRequests, InMemoryTickets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from frontdesk.messages import Inbound
    from frontdesk.records import Attendance, Ticket

ZHOU, WU = "zhou.min", "wu.tao"
TIMEOUT_S = 180
NEVER = 10**9
TIME_LEFT_S = 60.0


def chat_of(person: str) -> str:
    """Return the conversation that a person of the company has with the application."""
    return f"chat-of-{person.lower()}"


class RecordingStaff:
    """Writes down what each person was told, and what took the place of a card's buttons, for whom.

    A code changes a card once, and is refused the second time, as WeCom does. ``failures`` are raised in turn, one a
    call; ``None`` lets one pass.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.replaced: list[tuple[tuple[str, ...], str, str]] = []
        self.failures: deque[Exception | None] = deque()
        self._used: set[str] = set()

    def tell(self, userid: str, text: str, *, deadline: float) -> None:
        """Let one of them read ``text``."""
        self._fail()
        self.told.append((userid, text))

    def replace_card(self, userids: Sequence[str], response_code: str, text: str, *, deadline: float) -> None:
        """Let ``text`` take the place of a card's buttons."""
        self._fail()
        if response_code in self._used:
            raise PermanentError("the code was used before", code="wecom_60140")
        self._used.add(response_code)
        self.replaced.append((tuple(userids), response_code, text))

    def read_by(self, userid: str) -> list[str]:
        """Return what one of them was told, in order."""
        return [text for each, text in self.told if each == userid]

    def _fail(self) -> None:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure


class RecordingCards:
    """Writes down each ticket's card: number, state, to whom; the same on the same occasion once.

    ``failures`` are raised in turn, one a call.
    """

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, tuple[str, ...]]] = []
        self.failures: deque[Exception] = deque()
        self._occasions: set[tuple[str, str]] = set()

    def show(self, ticket: Ticket, userids: Sequence[str], *, occasion: str, deadline: float) -> None:
        """Send the card."""
        if self.failures:
            raise self.failures.popleft()
        if (ticket.number, occasion) not in self._occasions:
            self._occasions.add((ticket.number, occasion))
            self.shown.append((ticket.number, ticket.state, tuple(userids)))


class RecordingTicketSystem:
    """The company's ticket system: ``heard`` holds event, number and state, in order.

    ``failures`` are raised in turn, one a call.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self.failures: deque[Exception] = deque()

    def post(self, event: str, ticket: Ticket, *, deadline: float) -> None:
        """Take note of the ticket, or fail as told."""
        if self.failures:
            raise self.failures.popleft()
        self.heard.append((event, ticket.number, ticket.state))


class Office:
    """The people at work over the in-memory stores; what is kept outlives each process that serves them."""

    def __init__(self, *agents: str) -> None:
        self.clock = FakeClock()
        self.agents = agents or (ZHOU, WU)
        self.attendances: Any = InMemoryAttendances()
        self.duties = InMemoryDuties(clock=self.clock)
        self.tickets: Any = InMemoryTickets()
        self.requests = InMemoryTicketRequests()
        self.cards = RecordingCards()
        self.sessions = InMemorySessions()
        self.inbox = InMemoryInbox()
        self.staff = RecordingStaff()
        self._count = 0

    def process(self, crashing: Crashing | None = None) -> Agents:
        """Return a new process that serves them."""
        around = (crashing or Crashing(NEVER)).around
        return Agents(
            attendances=around(self.attendances),
            duties=around(self.duties),
            tickets=around(self.tickets),
            ticket_requests=around(self.requests),
            cards=around(self.cards),
            sessions=around(self.sessions),
            queue=around(self.inbox),
            staff=around(self.staff),
            agents=self.agents,
            handoff_timeout_s=TIMEOUT_S,
            clock=self.clock,
        )

    # -- what happens before they act --------------------------------------------------------------------------

    def waits(self, conversation: str, **differently: Any) -> Attendance:
        """Let a customer wait for a person."""
        stored = self.attendances.kept.get(conversation)
        values = {"channel": "wecom_app", "customer": f"customer-{conversation}", "state": "waiting", "agent": ""}
        version = stored.version if stored else 0
        saved: Attendance = self.attendances.save(
            attendance(conversation=conversation, **values | {"version": version} | differently)
        )
        return saved

    def opened(self, **differently: Any) -> Ticket:
        """Return an open ticket."""
        asked = ticket(**{"request_id": f"request-{len(self.tickets.kept)}", **differently})
        opened: Ticket = self.tickets.open(asked, day="2026-11-28")
        return opened

    # -- what they do ------------------------------------------------------------------------------------------

    def press(self, person: str, key: str, **differently: Any) -> Inbound:
        """Return the message that a button pressed by ``person`` makes."""
        name = self._name()
        details = {"key": key, "task_id": "a-task", "response_code": f"code-{name}"}
        return self._from(person, name, kind=Kind.PRESSED, text="", details=details, **differently)

    def text(self, person: str, words: str, **differently: Any) -> Inbound:
        """Return the message that ``person`` types."""
        return self._from(person, self._name(), text=words, **differently)

    def deliver(self, message: Inbound, *, crashing: Crashing | None = None) -> bool:
        """Hand a message to a new process; return whether it was one for the people, and so taken."""
        process = self.process(crashing)
        if not process.concerns(message):
            return False
        process.take(received(**_values(message)), deadline=self.clock.monotonic() + TIME_LEFT_S)
        return True

    def presses(self, person: str, key: str) -> Inbound:
        """Press a button, and return the message that came of it."""
        message = self.press(person, key)
        assert self.deliver(message)
        return message

    def types(self, person: str, words: str) -> Inbound:
        """Type something while there is a duty, and return the message that came of it."""
        message = self.text(person, words)
        assert self.deliver(message)
        return message

    def put(self, kind: Kind) -> list[Inbound]:
        """Return what came into customers' conversations, of one kind, in order."""
        return [each for each in self.inbox.taken if each.kind is kind]

    def _name(self) -> str:
        self._count += 1
        return f"m{self._count}"

    def _from(self, person: str, name: str, **values: Any) -> Inbound:
        at_ms = NOW_MS + int((self.clock.now * 1000) - NOW_MS)
        message = {
            "channel": "wecom_app",
            "conversation": chat_of(person),
            "sender": person,
            "message_id": name,
            "sent_at": int(self.clock.now),
            "received_at_ms": at_ms,
        }
        return inbound(**message | values)


def _values(message: Inbound) -> dict[str, Any]:
    names: Iterable[str] = message.__slots__
    return {name: getattr(message, name) for name in names}
