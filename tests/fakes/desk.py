"""A whole answering desk in memory: what is kept outlives each process that works at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontdesk.conversation.answering import Answering
from frontdesk.conversation.guarding import Guard
from frontdesk.conversation.handing_over import Handover, HandoverPolicy
from frontdesk.conversation.hours import Hours
from frontdesk.conversation.speaking import Speaker
from tests.factories import CHANNEL, CONVERSATION, CUSTOMER, SENTENCES
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.channel import RecordingChannel
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crashing
from tests.fakes.guard import WordMasking, WordRules
from tests.fakes.model import ScriptedModel
from tests.fakes.stores import InMemoryLedger, InMemorySessions
from tests.fakes.tickets import InMemoryTicketRequests

if TYPE_CHECKING:
    from frontdesk.conversation.agents import Agents
    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import ModelAnswer, Received, Sentences
    from frontdesk.records import Attendance, Session, Ticket
    from tests.fakes.desks import ScriptedDesk

NEVER = 10**9
TTL_S = 900


POLICY = HandoverPolicy(
    triggers=frozenset({"asked", "confidence", "intent", "repeated", "anger", "rule", "failed"}),
    threshold=0.8,
    timeout_s=180,
    rating_channels=frozenset({CHANNEL}),
)


def raising(error: Exception) -> Any:
    """Return what stands in for a method that fails."""

    def method(*_given: Any, **_more: Any) -> Any:
        raise error

    return method


class Desk:
    """The stores, the model, the channel, the people and the clock, around one or more `Answering` in turn.

    Without ``people`` the machine is alone. With ``left`` the channel is one that the vendor hosts.
    """

    def __init__(
        self,
        *script: ModelAnswer | BaseException,
        sentences: Sentences = SENTENCES,
        people: ScriptedDesk | None = None,
        left: int | None = None,
        business_hours: str = "",
    ) -> None:
        self.clock = FakeClock()
        self.sessions = InMemorySessions()
        self.ledger = InMemoryLedger(clock=self.clock)
        self.model = ScriptedModel(*script)
        self.rules = WordRules()
        self.masking = WordMasking()
        self.channel = RecordingChannel(clock=self.clock, left=left)
        self.people = people
        self.attendances = InMemoryAttendances()
        self.tickets = InMemoryTicketRequests()
        self.summariser: ScriptedModel | None = None
        self.hours = Hours.read(business_hours)
        self.policy = POLICY
        self.agents: Agents | None = None
        self.sentences = sentences

    def answering(self, *, crashing: Crashing | None = None, interim_after_s: float = 0) -> Answering:
        """Return a new process at this desk."""
        around = (crashing or Crashing(NEVER)).around
        sessions, ledger = around(self.sessions), around(self.ledger)
        desks = {CHANNEL: around(self.people)} if self.people else {}
        guard = Guard(rules=self.rules, masking=self.masking)
        channels = dict.fromkeys((CHANNEL, "another"), around(self.channel))
        speaker = Speaker(ledger=ledger, channels=channels, desks=desks, clock=self.clock)
        handover = Handover(
            attendances=around(self.attendances),
            desks=desks,
            tickets=around(self.tickets),
            sessions=sessions,
            ledger=ledger,
            speaker=speaker,
            guard=guard,
            summariser=self.summariser,
            hours=self.hours,
            sentences=self.sentences,
            policy=self.policy,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        return Answering(
            sessions=sessions,
            ledger=ledger,
            model=around(self.model),
            guard=guard,
            speaker=speaker,
            handover=handover,
            agents=self.agents,
            sentences=self.sentences,
            session_ttl_s=TTL_S,
            interim_after_s=interim_after_s,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def answer(
        self,
        *batch: Received,
        crashing: Crashing | None = None,
        interim_after_s: float = 0,
        time_left_s: float = 120,
    ) -> list[Outcome]:
        """Have a new process take ``batch``."""
        return self.answering(crashing=crashing, interim_after_s=interim_after_s).answer(
            batch, deadline=self.clock.monotonic() + time_left_s
        )

    @property
    def read(self) -> list[str]:
        """What the customer reads."""
        return self.channel.read_by(CUSTOMER)

    @property
    def attendance(self) -> Attendance:
        """Who attends to the customer."""
        attendance = self.attendances.get(CONVERSATION)
        assert attendance is not None
        return attendance

    @property
    def opened(self) -> list[Ticket]:
        """The tickets that were asked for."""
        return [request.ticket for request in self.tickets.requests if request.ticket]

    @property
    def session(self) -> Session:
        """The customer's newest session."""
        session = self.sessions.latest(CONVERSATION)
        assert session is not None
        return session
