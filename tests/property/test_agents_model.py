"""The people of a company against everything that can come in between: each other, time, crashes and late messages.

Two of them press and type, two customers wait and are taken back, in any order. Each person's own messages are handed
out one after the other, as the queue does; what somebody else does can come between any two looks at who attends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from frontdesk.messages import Kind
from tests.fakes.agents import WU, ZHOU, Office, chat_of
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.crash import Crash, Crashing

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound
    from frontdesk.records import Attendance

CUSTOMERS = ("anna", "bo")
PEOPLE = (ZHOU, WU)
TIME = "time"

# What happens to a customer right before the nth look at who attends, or the nth change of it.
Between = tuple[int, str, str] | None

customers = st.sampled_from(CUSTOMERS)
people = st.sampled_from(PEOPLE)
crashes = st.none() | st.none() | st.builds(Crashing, st.integers(1, 10), before=st.booleans())
between = st.none() | st.tuples(
    st.integers(1, 4),
    st.sampled_from(["other takes", "other gives back", "taken back", "taken back, other takes"]),
    customers,
)


class Watched(InMemoryAttendances):
    """Attendances that know who acts, and let ``happens`` happen right before the nth call.

    ``taken`` and ``returned`` hold customer, person and message of each change that a person made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.actor = (TIME, "")
        self.left = 0
        self.happens: Callable[[], None] | None = None
        self.taken: list[tuple[str, str, str]] = []
        self.returned: list[tuple[str, str, str]] = []

    def get(self, conversation: str) -> Attendance | None:
        self._interrupt()
        return super().get(conversation)

    def save(self, attendance: Attendance) -> Attendance:
        self._interrupt()
        before = self.kept.get(attendance.conversation)
        saved = super().save(attendance)
        person, message = self.actor
        if before and person != TIME:
            change = (saved.conversation, person, message)
            if saved.state == "person":
                assert before.state == "waiting", "a customer is taken from those who wait, not from a colleague"
                assert saved.agent == person
                self.taken.append(change)
            else:
                assert (before.state, before.agent) == ("person", person), "only who has a customer gives them back"
                self.returned.append(change)
        return saved

    def _interrupt(self) -> None:
        self.left -= 1
        if self.happens and self.left == 0:
            happens, self.happens = self.happens, None
            actor, self.actor = self.actor, (TIME, "")
            happens()
            self.actor = actor


class People(RuleBasedStateMachine):
    """Two people, two customers, and whatever can come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(*PEOPLE)
        self.attendances = self.office.attendances = Watched()
        self.waiting: dict[str, list[Inbound]] = {person: [] for person in PEOPLE}
        self.dead: list[Inbound] = []
        self.given_up: set[str] = set()
        self.undone: set[str] = set()
        self.cut_off: set[str] = set()
        self.meant: dict[str, set[str]] = {}
        for customer in CUSTOMERS:
            self.office.waits(customer)

    # -- what happens --------------------------------------------------------------------------------------------

    @rule(person=people, customer=customers, crash=crashes, between=between)
    def takes_over(self, person: str, customer: str, crash: Crashing | None, between: Between) -> None:
        """Press the button by which a customer is taken over, however old its card is."""
        self._comes(self.office.press(person, f"handoff:{customer}:accept"), crash, between)

    @rule(person=people, customer=customers, crash=crashes, between=between)
    def gives_back(self, person: str, customer: str, crash: Crashing | None, between: Between) -> None:
        """Press the button by which a customer is given back, however old its card is."""
        self._comes(self.office.press(person, f"handoff:{customer}:return"), crash, between)

    @rule(person=people, words=st.sampled_from(["您好", "请稍等", "交还"]), crash=crashes, between=between)
    def types(self, person: str, words: str, crash: Crashing | None, between: Between) -> None:
        """Type something, for whichever customer the person has now."""
        self._comes(self.office.text(person, words), crash, between)

    @rule(person=people, crash=crashes)
    def comes_again(self, person: str, crash: Crashing | None) -> None:
        """Hand out once more what a process died of."""
        self._deliver(person, crash.again() if crash else None)

    @rule(person=people)
    def is_given_up(self, person: str) -> None:
        """Move what a process died of to the dead letters."""
        if self.waiting[person]:
            message = self.waiting[person].pop(0)
            self.dead.append(message)
            self.given_up.add(message.message_id)

    @rule(number=st.integers(0, 10))
    def is_redriven(self, number: int) -> None:
        """Put a dead letter back into the queue, as an operator does."""
        if self.dead:
            message = self.dead.pop(number % len(self.dead))
            self.waiting[message.sender].append(message)

    @rule(customer=customers, again=st.booleans())
    def is_taken_back_or_waits(self, customer: str, *, again: bool) -> None:
        """Let the machine take a customer back whom nobody answered in time, and call a person to one it has."""
        self.is_taken_back(customer)
        if again:
            self.office.waits(customer)

    def is_taken_back(self, customer: str) -> None:
        """Take a customer back. Whoever had just taken them over may not have come to say so."""
        kept = self.attendances.kept[customer]
        self.undone |= {message for each, _, message in self.attendances.taken if each == customer}
        if kept.state != "bot":
            self.attendances.save(replace(kept, state="bot", agent="", due_at=None))

    # -- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def nobody_has_two_customers(self) -> None:
        """See that a person attends to one customer at most."""
        attended = [each.agent for each in self.attendances.kept.values() if each.state == "person"]
        assert len(attended) == len(set(attended))

    @invariant()
    def who_has_a_customer_writes_to_that_customer(self) -> None:
        """See that what a person is doing is what the customer's attendance says."""
        for person in PEOPLE:
            for customer in self._customers_of(person):
                duty = self.office.duties.get(chat_of(person))
                assert duty is not None
                assert duty.about == customer

    @invariant()
    def a_line_goes_to_the_right_customer_or_nowhere(self) -> None:
        """See that each line is, once, in the conversation of the customer for whom it was typed."""
        lines = self.office.put(Kind.PERSON)
        assert all(line.conversation in self.meant[line.message_id] for line in lines)
        assert not [line for line in lines if line.text == "交还"]
        assert len({line.message_id for line in lines}) == len(lines)

    @invariant()
    def a_customer_is_told_of_the_people_there_were(self) -> None:
        """See that each change of hands is told under the name of the message that made it, and no other is told.

        What a process died of may be told though time did it meanwhile: nobody knows how far that process came.
        """
        made = {"taken": self.attendances.taken, "ended": self.attendances.returned}
        for each in self.office.put(Kind.STATE):
            message = each.message_id.removeprefix("s-")
            change = (each.conversation, each.details["servicer"], message)
            assert change in made[each.details["change"]] or (
                each.details["change"] == "ended" and message in self.cut_off
            )

    # -- the queue -----------------------------------------------------------------------------------------------

    def _comes(self, message: Inbound, crash: Crashing | None, between: Between) -> None:
        """Put a message behind the person's others, and hand out what is there until a process dies of it."""
        person = message.sender
        self.office.clock.advance(0.001)
        self.waiting[person].append(message)
        if between:
            nth, what, customer = between
            self.attendances.left, self.attendances.happens = nth, lambda: self._meanwhile(person, what, customer)
        crashing = crash.again() if crash else None
        while self._deliver(person, crashing):
            pass
        self.attendances.happens = None

    def _deliver(self, person: str, crashing: Crashing | None = None) -> bool:
        """Hand out the person's next message; return whether the one after it may follow."""
        if not self.waiting[person]:
            return False
        message = self.waiting[person][0]
        # It is typed for whom its writer has when it comes out of the queue for the first time.
        self.meant.setdefault(f"p-{message.message_id}", set(self._customers_of(person)))
        if not self._handed_out(message, crashing):
            return False
        self.waiting[person].pop(0)
        return True

    def _handed_out(self, message: Inbound, crashing: Crashing | None = None) -> bool:
        self.attendances.actor = (message.sender, message.message_id)
        try:
            self.office.deliver(message, crashing=crashing)
        except Crash:
            self.cut_off.add(message.message_id)
            return False
        finally:
            self.attendances.actor = (TIME, "")
        return True

    def _meanwhile(self, person: str, what: str, customer: str) -> None:
        other = PEOPLE[1 - PEOPLE.index(person)]
        if what.startswith("taken back"):
            self.is_taken_back(customer)
            self.office.waits(customer)
        if what.endswith("takes") and not self.waiting[other]:
            self._handed_out(self.office.press(other, f"handoff:{customer}:accept"))
        if what == "other gives back" and not self.waiting[other]:
            self._handed_out(self.office.press(other, f"handoff:{customer}:return"))

    def _customers_of(self, person: str) -> list[str]:
        kept = self.attendances.kept.values()
        return [each.conversation for each in kept if each.state == "person" and each.agent == person]

    def _state(self, customer: str) -> str:
        return str(self.attendances.kept[customer].state)

    # -- how it ends ---------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Once nothing goes wrong any more, every change was told, and every button works."""
        for person in PEOPLE:
            while self._deliver(person):
                pass
        told = {each.message_id for each in self.office.put(Kind.STATE)}
        taken = {message for _, _, message in self.attendances.taken} - self.undone
        returned = {message for _, _, message in self.attendances.returned}
        assert {f"s-{message}" for message in (taken | returned) - self.given_up} <= told
        for person, customer in zip(PEOPLE, CUSTOMERS, strict=True):
            self.is_taken_back(customer)
            self.is_taken_back(CUSTOMERS[1 - CUSTOMERS.index(customer)])
            self.office.clock.advance(1)
            self.office.waits(customer)
            assert self._handed_out(self.office.press(person, f"handoff:{customer}:accept"))
            line = self.office.text(person, "您好")
            assert self._handed_out(line)
            (read,) = [each for each in self.office.put(Kind.PERSON) if each.message_id == f"p-{line.message_id}"]
            assert read.conversation == customer
            assert self._handed_out(self.office.press(person, f"handoff:{customer}:return"))
            assert self._state(customer) == "bot"


TestPeople = People.TestCase
TestPeople.settings = settings(
    max_examples=400, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
