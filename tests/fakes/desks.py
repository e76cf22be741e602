"""A desk whose people do what a test says: the fake that stands for those of a channel."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.errors import NobodyError
from frontdesk.messages import Charge

if TYPE_CHECKING:
    from frontdesk.records import Attendance


class ScriptedDesk:
    """Who is in charge of each conversation is in ``charges``, the machine where nothing is said of one.

    ``people`` receive customers, the first one of them; with ``queue`` customers wait first. ``called``, ``briefed``,
    ``reminded`` and ``given_back`` hold what was asked for, in order. ``failures`` are raised in turn, one a call of
    any method; ``None`` lets one pass. ``code`` is what giving back returns, and ``after_giving_back`` who is in
    charge then.
    """

    def __init__(
        self,
        *people: str,
        queue: bool = False,
        code: str = "",
        after_giving_back: Charge = Charge.BOT,
    ) -> None:
        self.people = list(people)
        self.charges: dict[str, Charge] = {}
        self.called: list[Attendance] = []
        self.briefed: list[Attendance] = []
        self.passed_on: dict[str, str] = {}
        self.reminded: list[tuple[Attendance, bool]] = []
        self.given_back: list[Attendance] = []
        self.failures: deque[Exception | None] = deque()
        self._queue = queue
        self._code = code
        self._after_giving_back = after_giving_back

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:
        """Return who is in charge now."""
        self._fail()
        return self.charges.get(conversation, Charge.BOT)

    def available(self, customer: str, *, deadline: float) -> bool:
        """Return whether there are people."""
        self._fail()
        return bool(self.people)

    def call(self, attendance: Attendance, *, deadline: float) -> Attendance:
        """Give the customer to the first of the people, or let them wait; who has a person keeps them."""
        self._fail()
        self.called.append(attendance)
        charge = self.charges.get(attendance.conversation, Charge.BOT)
        if charge not in {Charge.WAITING, Charge.PERSON}:
            if not self.people:
                raise NobodyError("nobody is there")
            charge = Charge.WAITING if self._queue else Charge.PERSON
            self.charges[attendance.conversation] = charge
        return replace(attendance, state=charge.value, agent=self.people[0] if charge is Charge.PERSON else "")

    def brief(self, attendance: Attendance, *, deadline: float) -> None:
        """Note what the person in charge could read."""
        self._fail()
        self.briefed.append(attendance)

    def pass_on(self, attendance: Attendance, text: str, *, name: str, deadline: float) -> None:
        """Note what the person in charge could read, each message once."""
        self._fail()
        self.passed_on[name] = text

    def remind(self, attendance: Attendance, *, everybody: bool, deadline: float) -> None:
        """Note who was reminded of what."""
        self._fail()
        self.reminded.append((attendance, everybody))

    def give_back(self, attendance: Attendance, *, deadline: float) -> str:
        """Take the customer from the people."""
        self._fail()
        self.given_back.append(attendance)
        self.charges[attendance.conversation] = self._after_giving_back
        return self._code

    def _fail(self) -> None:
        failure = self.failures.popleft() if self.failures else None
        if failure is not None:
            raise failure
