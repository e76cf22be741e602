"""A whole answering desk in memory: what is kept outlives each process that works at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.conversation.answering import Answering
from frontdesk.conversation.guarding import Guard
from tests.factories import CONVERSATION, CUSTOMER, SENTENCES
from tests.fakes.channel import RecordingChannel
from tests.fakes.clock import FakeClock
from tests.fakes.crash import Crashing
from tests.fakes.guard import WordMasking, WordRules
from tests.fakes.model import ScriptedModel
from tests.fakes.stores import InMemoryLedger, InMemorySessions

if TYPE_CHECKING:
    from frontdesk.conversation.answering import Outcome
    from frontdesk.messages import ModelAnswer, Received, Sentences
    from frontdesk.records import Session

NEVER = 10**9
TTL_S = 900


class Desk:
    """The stores, the model, the channel and the clock, around one or more `Answering` in turn."""

    def __init__(self, *script: ModelAnswer | BaseException, sentences: Sentences = SENTENCES) -> None:
        self.clock = FakeClock()
        self.sessions = InMemorySessions()
        self.ledger = InMemoryLedger(clock=self.clock)
        self.model = ScriptedModel(*script)
        self.rules = WordRules()
        self.masking = WordMasking()
        self.channel = RecordingChannel(clock=self.clock)
        self.sentences = sentences

    def answering(self, *, crashing: Crashing | None = None, interim_after_s: float = 0) -> Answering:
        """Return a new process at this desk."""
        around = (crashing or Crashing(NEVER)).around
        return Answering(
            sessions=around(self.sessions),
            ledger=around(self.ledger),
            model=around(self.model),
            guard=Guard(rules=self.rules, masking=self.masking),
            channel=around(self.channel),
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
    def session(self) -> Session:
        """The customer's newest session."""
        session = self.sessions.latest(CONVERSATION)
        assert session is not None
        return session
