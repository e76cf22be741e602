"""The people behind the self-built app: colleagues who get a card with buttons, of whom one presses it.

WeCom knows nothing of who is in charge here. That is kept in the attendance, which is given from outside.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.channels import cards, desk_words, wecom_text
from frontdesk.channels.desk_people import DUPLICATE_WINDOW_S, DeskPeople, note_refusal
from frontdesk.errors import ChargeUnknownError, NobodyError, PermanentError, TransientError
from frontdesk.messages import Charge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.records import Attendance

# How the lines of a brief begin that have a place of their own on the card.
_QUESTION, _CONFIDENCE = "当前问题：", "机器人把握："
_SHOWN_ELSEWHERE = (_QUESTION, _CONFIDENCE, "【转人工】")
# From the first number on `wecom_text.distinct` writes each in the same few invisible characters.
_TWINS = range(700, 65_536)
_CHINA = timezone(timedelta(hours=8))  # the whole of it, and without summer time


class KeptAttendances(Protocol):
    """Where it is kept who attends to whom."""

    def get(self, conversation: str) -> Attendance | None:
        """Return what is kept of ``conversation``; raises `TransientError`."""


class AppDesk:
    """Offers customers to the agents. Its deadlines are on the monotonic clock."""

    def __init__(
        self,
        app: WecomApi,
        *,
        attendances: KeptAttendances,
        agents: Sequence[str],
        clock: Callable[[], float],
    ) -> None:
        """``agents`` are user ids within the app's visible range; ``clock`` returns epoch seconds."""
        self._app = app
        self._attendances = attendances
        self._people = DeskPeople(app, agents)
        self._clock = clock

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:  # noqa: ARG002  # the port's
        """Return who is in charge, the machine where nothing is kept; raises `ChargeUnknownError`."""
        try:
            attendance = self._attendances.get(conversation)
        except TransientError as error:
            raise ChargeUnknownError(
                f"the attendance cannot be read ({error.code})", retry_after_s=error.retry_after_s
            ) from error
        try:
            return Charge(attendance.state) if attendance else Charge.BOT
        except ValueError:
            raise ChargeUnknownError("the attendance has a state that nobody knows") from None

    def available(self, customer: str, *, deadline: float) -> bool:  # noqa: ARG002  # the port's
        """Return whether there are agents at all: WeCom does not tell who of them is there."""
        return bool(self._people.agents)

    def call(self, attendance: Attendance, *, deadline: float) -> Attendance:
        """Offer the customer to all agents on a card, and return the attendance of a customer who waits.

        The same card again shows nothing twice for four hours. Raises `TransientError`, and `NobodyError` when no
        agent can be reached.
        """
        if not self._people.agents:
            raise NobodyError("there are no agents")
        card = self._card(attendance)
        try:
            self._app.send_card(self._people.agents, card, duplicate_window_s=DUPLICATE_WINDOW_S, deadline=deadline)
        except PermanentError as error:
            note_refusal("the card reached nobody", error)
            raise NobodyError("no agent is reached through the app", code=error.code) from error
        return replace(attendance, state=Charge.WAITING.value, agent="")

    def brief(self, attendance: Attendance, *, deadline: float) -> None:
        """Let the agent in charge read the whole brief, and give them the button with which to give the customer back.

        Who may still accept has the beginning of the brief on the card. Raises `TransientError`.
        """
        if not attendance.agent:
            return
        for text in desk_words.briefing(attendance):
            self._people.tell((attendance.agent,), text, deadline=deadline)
        task_id = cards.handoff_task_id("attend", attendance.conversation, attendance.question_id, attendance.agent)
        card = cards.attending_card(attendance.conversation, task_id=task_id)
        try:
            self._app.send_card((attendance.agent,), card, duplicate_window_s=DUPLICATE_WINDOW_S, deadline=deadline)
        except PermanentError as error:
            note_refusal("the card reached nobody", error)

    def pass_on(self, attendance: Attendance, text: str, *, name: str, deadline: float) -> None:
        """Let the agent in charge read what the customer wrote in the application's chat; raises `TransientError`.

        The message ``name`` again shows nothing twice for four hours; another one with the same words is shown.
        """
        for number, part in enumerate(wecom_text.split(f"客户：{text}")):
            twin = wecom_text.distinct(part, _twin(f"{name} {number}"))
            self._people.tell((attendance.agent,), twin, deadline=deadline)

    def remind(self, attendance: Attendance, *, everybody: bool, deadline: float) -> None:
        """Tell the agent in charge that the customer waits; with ``everybody``, or where there is none, all agents.

        Raises `TransientError`.
        """
        if told := self._people.concerned(attendance, everybody=everybody):
            self._people.tell(told, desk_words.reminder(attendance), deadline=deadline)

    def give_back(self, attendance: Attendance, *, deadline: float) -> str:  # noqa: ARG002  # the port's
        """Return "": WeCom has nothing to change, so the machine may speak as soon as the attendance says so."""
        return ""

    def _card(self, attendance: Attendance) -> dict[str, Any]:
        since = datetime.fromtimestamp(attendance.called_at or self._clock(), _CHINA)
        waiting = cards.Waiting(
            conversation=attendance.conversation,
            reason=attendance.reason,
            brief="\n".join(line for line in attendance.brief.splitlines() if not line.startswith(_SHOWN_ELSEWHERE)),
            question=_line_of(attendance.brief, _QUESTION),
            confidence=_line_of(attendance.brief, _CONFIDENCE),
            since=f"{since:%H:%M}",
        )
        shown = json.dumps(cards.handoff_card(waiting, task_id=""), sort_keys=True)
        task_id = cards.handoff_task_id("handoff", attendance.conversation, attendance.question_id, shown)
        return cards.handoff_card(waiting, task_id=task_id)


def _twin(name: str) -> int:
    """Return by which of its twins a message is told apart, always the same for one ``name``."""
    return _TWINS.start + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % len(_TWINS)


def _line_of(brief: str, name: str) -> str:
    """Return what a brief says under ``name``, "" where it does not say it."""
    return next((line.removeprefix(name) for line in brief.splitlines() if line.startswith(name)), "")
