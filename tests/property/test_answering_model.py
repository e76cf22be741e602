"""Answering against everything that can come in between: crashes, repetitions, failures, time and the archiver.

The machine below is the queue, the operator and the clock. It hands messages to the real use cases over the
in-memory stores, one process after the other, and looks at what three customers read.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from frontdesk.conversation.archiving import Archiving, document_name
from frontdesk.conversation.outcomes import Result
from frontdesk.errors import PermanentError, TransientError
from frontdesk.messages import Choice, Kind, ModelAnswer, Pause, Received
from tests.factories import SENTENCES, inbound
from tests.fakes.channel import CUT, TWIN_MARK
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import NEVER, Desk
from tests.fakes.seals import words_in
from tests.fakes.stores import InMemoryArchive

if TYPE_CHECKING:
    from typing import Any

    from frontdesk.messages import Inbound, Question

CUSTOMERS = ("anna", "bo", "chen")
IDLE_S = 600
MAX_RECEIVES = 5
PLENTY_S = 60.0
# The queue's own time-out bounds how late a retry can be, and the vendor's window is longer than all of them.
LONGEST_RETRY_S = 3000
SELECT = Pause("哪一个？", choices=(Choice("甲", "value-a"), Choice("乙", "value-b")))

customers = st.sampled_from(CUSTOMERS)
crashes = st.none() | st.builds(Crashing, st.integers(1, 16), before=st.booleans())
model_faults = st.sampled_from(
    [None, None, None, TransientError("busy"), PermanentError("refused"), ValueError("unforeseen"), SELECT]
)
channel_faults = st.lists(st.sampled_from([None, None, TransientError("busy")]), max_size=3)


@dataclass(eq=False)
class Waiting:
    """A message in the queue."""

    inbound: Inbound
    receives: int = 0
    since: float = 0.0


@dataclass
class Line:
    """One customer's group of the queue, and the letters that died of it."""

    waiting: list[Waiting] = field(default_factory=list)
    dead: list[Inbound] = field(default_factory=list)
    sent: list[Inbound] = field(default_factory=list)
    buried: int = 0
    silent: set[str] = field(default_factory=set)
    redriven: set[str] = field(default_factory=set)


def numbered(question: Question) -> ModelAnswer:
    """Answer each line of the question by a segment of its own."""
    return ModelAnswer(text=CUT.join(f"答：{line}" for line in question.text.split("\n")))


class Conversations(RuleBasedStateMachine):
    """Three customers write, and whatever can go wrong does."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.archive = InMemoryArchive()
        self.lines = {customer: Line() for customer in CUSTOMERS}
        self.count = 0

    # -- what happens --------------------------------------------------------------------------------------------

    @rule(customer=customers, words=st.sampled_from(["问题", "问题", "在吗", "1", "重置"]))
    def says(self, customer: str, words: str) -> None:
        """Write a text; most are unlike any other."""
        self._arrives(customer, Kind.TEXT, f"问题{self.count}" if words == "问题" else words)

    @rule(customer=customers, kind=st.sampled_from([Kind.IMAGE, Kind.ENTERED]))
    def does(self, customer: str, kind: Kind) -> None:
        """Something else than a text."""
        self._arrives(customer, kind, "")

    @rule(customer=customers, number=st.integers(0, 20))
    def comes_twice(self, customer: str, number: int) -> None:
        """Queue an old message again, later than the queue remembers it."""
        line = self.lines[customer]
        settled = [each for each in line.sent if each not in [waiting.inbound for waiting in line.waiting]]
        settled = [each for each in settled if each not in line.dead]
        if settled:
            line.waiting.append(Waiting(settled[number % len(settled)], since=self.desk.clock()))

    @rule(customer=customers, size=st.integers(1, 4), crash=crashes, model=model_faults, channel=channel_faults)
    def is_delivered(self, customer: str, size: int, crash: Crashing | None, model: Any, channel: list[Any]) -> None:
        """Hand out some messages of a customer while things go wrong."""
        self.desk.model.script.clear()
        if isinstance(model, Pause):
            self.desk.model.script.append(ModelAnswer(text="请选择。", pause=model))
        elif model is not None:
            self.desk.model.script.append(model)
        self.desk.channel.failures.extend(channel)
        self._deliver(customer, size, crash.again() if crash else None)
        self.desk.channel.failures.clear()

    @rule(customer=customers)
    def is_redriven(self, customer: str) -> None:
        """Put the dead letters back into the queue, as an operator does."""
        line = self.lines[customer]
        line.waiting.extend(Waiting(each, since=self.desk.clock()) for each in line.dead)
        line.redriven.update(each.message_id for each in line.dead)
        line.dead.clear()

    @rule(seconds=st.sampled_from([0.001, 1, 15, 120, 300, 720, 1000]))
    def time_passes(self, seconds: float) -> None:
        """Time passes, but no retry comes later than the queue makes it."""
        oldest = min((each.since for line in self.lines.values() for each in line.waiting), default=None)
        if oldest is None or self.desk.clock() + seconds - oldest < LONGEST_RETRY_S:
            self.desk.clock.advance(seconds)

    @precondition(lambda self: not any(line.waiting for line in self.lines.values()))
    @rule(seconds=st.sampled_from([3_600, 3 * 3_600]))
    def much_time_passes(self, seconds: float) -> None:
        """Let nothing happen for long."""
        self.desk.clock.advance(seconds)

    @rule(
        crash=st.none()
        | st.builds(Crashing, st.integers(1, 6), at=st.sampled_from(["put", "mark_archived"]), before=st.booleans())
    )
    def is_swept(self, crash: Crashing | None) -> None:
        """Run the archiver, which may die of it."""
        around = (crash.again() if crash else Crashing(NEVER)).around
        archiving = Archiving(
            sessions=around(self.desk.sessions), archive=around(self.archive), idle_s=IDLE_S, clock=self.desk.clock
        )
        with suppress(Crash):
            archiving.sweep(time_left=lambda: PLENTY_S)

    @rule()
    def is_tidied(self) -> None:
        """TTL removes what has expired, and the stream tells the archiver."""
        rescuer = Archiving(archive=self.archive, clock=self.desk.clock)
        for removed in self.desk.sessions.remove_expired(self.desk.clock()):
            rescuer.rescue(removed)

    # -- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_said_twice(self) -> None:
        """Each segment of each reply is visible at most once, and nothing else is but apologies."""
        for customer, line in self.lines.items():
            visible = Counter(each.text for each in self.desk.channel.shown if each.recipient == customer)
            recorded = Counter(segment for reply in self._replies(customer) for segment in reply.segments)
            beside = visible - recorded
            assert all(text.rstrip(TWIN_MARK) == SENTENCES.fallback for text in beside)
            assert beside.total() <= line.buried

    @invariant()
    def every_customer_is_answered_in_order(self) -> None:
        """Questions are answered in the order of their arrival, those that an operator put back aside."""
        for customer, line in self.lines.items():
            order = {each.text: number for number, each in enumerate(line.sent) if each.message_id not in line.redriven}
            read = [text.removeprefix("答：") for text in self.desk.channel.read_by(customer)]
            places = [order[text] for text in read if text.startswith("问题") and text in order]
            assert places == sorted(places)
            assert len(places) == len(set(places))

    @invariant()
    def a_message_has_one_reply(self) -> None:
        """No message is in two replies."""
        ids = Counter((each.conversation, one) for each in self.desk.ledger.replies for one in each.message_ids)
        assert not ids or max(ids.values()) == 1

    @invariant()
    def the_audit_has_every_reply_once(self) -> None:
        """See that what the customer was told is in the audit: once, and nothing that no reply was made of."""
        told = Counter(
            (conversation, each.about)
            for conversation, each in self.desk.ledger.trail
            if each.kind in {"generated", "said"}
        )
        replies = self.desk.ledger.replies
        assert told == Counter((each.conversation, each.question_id) for each in replies if each.kind != "fallback")

    @invariant()
    def sessions_and_archive_agree(self) -> None:
        """See that what counts as archived is in the archive in that version, and what does not is in the index."""
        for key, session in self.desk.sessions.kept.items():
            name = document_name(session)
            assert session.archived_version <= session.version
            assert (key in self.desk.sessions.unarchived) == (session.archived_version < session.version)
            if session.archived_version:
                assert self.archive.versions[name] >= session.archived_version
            if session.archived_version == session.version:
                assert len(words_in(self.archive.documents[name])["turns"]) == len(session.turns)
            assert len({turn.question_id for turn in session.turns}) == len(session.turns)
            for turn in session.turns:
                (reply,) = self.desk.ledger.find(session.conversation, [turn.question_id]).values()
                assert session.session_id in {reply.session_id, f"{reply.session_id}-late"}
            assert sum(turn.kind == "welcome" for turn in session.turns) <= 1

    # -- how it ends ---------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Once nothing goes wrong any more, everything is answered and archived."""
        self.desk.model.script.clear()
        for customer, line in self.lines.items():
            for _ in range(2):
                while line.waiting:
                    self._deliver(customer, 3, None)
                self.is_redriven(customer)
            while line.waiting:
                self._deliver(customer, 3, None)
        self.nothing_is_said_twice()
        self.every_customer_is_answered_in_order()
        self.desk.clock.advance(IDLE_S)
        Archiving(sessions=self.desk.sessions, archive=self.archive, idle_s=IDLE_S, clock=self.desk.clock).sweep(
            time_left=lambda: PLENTY_S
        )
        self.sessions_and_archive_agree()
        assert self.desk.sessions.unarchived == set()
        archived = Counter(
            (document["conversation"], turn["question_id"])
            for document in self.archive.documents.values()
            for turn in words_in(document)["turns"]
        )
        for customer, line in self.lines.items():
            replies = self._replies(customer)
            visible = Counter(each.text for each in self.desk.channel.shown if each.recipient == customer)
            assert not Counter(segment for reply in replies for segment in reply.segments) - visible
            assert all(reply.complete for reply in replies)
            answered = {message_id for reply in replies for message_id in reply.message_ids}
            assert {each.message_id for each in line.sent} <= answered | line.silent
            assert all(archived[customer, reply.question_id] for reply in replies)
        assert archived.keys() == {(each.conversation, each.question_id) for each in self.desk.ledger.replies}

    # -- the queue -----------------------------------------------------------------------------------------------

    def _arrives(self, customer: str, kind: Kind, text: str) -> None:
        message = inbound(
            conversation=customer,
            sender=customer,
            message_id=str(self.count),
            kind=kind,
            text=text,
            received_at_ms=int(self.desk.clock() * 1000),
        )
        self.count += 1
        self.lines[customer].sent.append(message)
        self.lines[customer].waiting.append(Waiting(message, since=self.desk.clock()))

    def _deliver(self, customer: str, size: int, crashing: Crashing | None) -> None:
        line = self.lines[customer]
        taken = line.waiting[:size]
        if not taken:
            return
        self.desk.model.script.extend([numbered] * size)
        for each in taken:
            each.receives += 1
        batch = [Received(each.inbound, each.receives, each.receives >= MAX_RECEIVES) for each in taken]
        try:
            outcomes = self.desk.answer(*batch, crashing=crashing)
        except Crash:
            # The queue's time-out passes. Whatever has used up its attempts is a dead letter.
            outcomes = []
        assert len(outcomes) in {0, len(batch)}
        handled = [outcome.received for outcome in outcomes if outcome.handled]
        line.silent.update(
            outcome.received.inbound.message_id for outcome in outcomes if outcome.result is Result.SILENT
        )
        for waiting, received in zip(taken, batch, strict=True):
            if received in handled:
                line.waiting.remove(waiting)
            elif received.last_attempt:
                line.waiting.remove(waiting)
                line.dead.append(waiting.inbound)
                line.buried += 1

    def _replies(self, customer: str) -> list[Any]:
        return [reply for reply in self.desk.ledger.replies if reply.conversation == customer]


TestConversations = Conversations.TestCase
TestConversations.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
