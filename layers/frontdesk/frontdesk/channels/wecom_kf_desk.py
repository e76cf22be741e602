"""The people of 微信客服: WeCom's own service state says who is in charge, and its servicers are who can be called.

Source: WeCom developer docs, paths 94669 (service_state) and 94645 (servicer/list). Who may change what is drawn there
in a picture; that 1→4 and 2→4 are allowed is known from the field only.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from frontdesk.channels import desk_words
from frontdesk.channels.desk_people import DeskPeople, note_refusal
from frontdesk.channels.wecom_kf import parts_of
from frontdesk.channels.wecom_kf_api import BOT_STATES, ENDED, POOL, SERVICER
from frontdesk.errors import (
    ChargeUnknownError,
    FrontdeskError,
    NobodyError,
    PermanentError,
    TransientError,
)
from frontdesk.messages import Charge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.channels.wecom_kf_api import ServiceState, WecomKfApi
    from frontdesk.records import Attendance

log = logging.getLogger(__name__)

_CHARGES = {
    **dict.fromkeys(BOT_STATES, Charge.BOT),
    POOL: Charge.WAITING,
    SERVICER: Charge.PERSON,
    ENDED: Charge.CLOSED,
}
_ILLEGAL_CHANGE = "wecom_95016"


class KfDesk:
    """Gives customers to servicers and takes them back. Its deadlines are on the monotonic clock."""

    def __init__(
        self, kf: WecomKfApi, app: WecomApi, *, to: Literal["servicer", "queue"], agents: Sequence[str] = ()
    ) -> None:
        """Reach people through ``app``: servicers within its visible range, and ``agents`` when nobody answers.

        Customers are given to a servicer, or ``to`` the queue that servicers take them from.
        """
        self._kf = kf
        self._people = DeskPeople(app, agents)
        self._to = to

    def charge(self, conversation: str, customer: str, *, deadline: float) -> Charge:  # noqa: ARG002  # the port's
        """Return who is in charge of ``customer``, a reply address; raises `ChargeUnknownError` for whatever failed."""
        try:
            state = self._state(customer, deadline)
        except FrontdeskError as error:
            wait_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
            raise ChargeUnknownError(
                f"the service state cannot be read ({error.code})", retry_after_s=wait_s
            ) from error
        charge = _CHARGES.get(state.number)
        if charge is None:
            raise ChargeUnknownError("the service state is none that is documented")
        return charge

    def available(self, customer: str, *, deadline: float) -> bool:
        """Return whether a servicer of the customer's account receives customers now; raises `TransientError`."""
        try:
            return bool(self._kf.receiving(parts_of(customer)[0], deadline=deadline))
        except PermanentError as error:
            note_refusal("servicers cannot be read", error)
            return False

    def call(self, attendance: Attendance, *, deadline: float) -> Attendance:
        """Give the customer to a servicer who receives, or to the queue of them, and return who attends now.

        A customer who waits or has a person already is left where they are, so calling again changes nothing. Raises
        `TransientError`, and `NobodyError` when no servicer takes the customer, or WeCom does not let us give them.
        """
        try:
            return self._attended(attendance, deadline) or self._give(attendance, deadline)
        except NobodyError:
            raise
        except PermanentError as error:
            note_refusal("a customer cannot be given to anybody", error)
            raise NobodyError("WeCom does not let the customer be given to anybody", code=error.code) from error

    def brief(self, attendance: Attendance, *, deadline: float) -> None:
        """Let the servicer in charge read the brief; raises `TransientError`.

        Nobody does while the customer waits in the queue. A servicer whom the app cannot reach reads the chat itself:
        that is logged, and no failure.
        """
        if not attendance.agent:
            return
        for text in desk_words.briefing(attendance, nickname=self._nickname(attendance, deadline)):
            if not self._people.tell((attendance.agent,), text, deadline=deadline):
                return

    def pass_on(self, attendance: Attendance, text: str, *, name: str, deadline: float) -> None:
        """Do nothing: WeCom shows a customer's messages to the servicer in charge itself."""

    def remind(self, attendance: Attendance, *, everybody: bool, deadline: float) -> None:
        """Tell the servicer in charge that the customer waits; with ``everybody``, or where there is none, the agents.

        Raises `TransientError`.
        """
        text = desk_words.reminder(attendance, nickname=self._nickname(attendance, deadline))
        for member in self._people.concerned(attendance, everybody=everybody):
            self._people.tell((member,), text, deadline=deadline)  # servicers may be outside of what the app sees

    def give_back(self, attendance: Attendance, *, deadline: float) -> str:
        """End the session with the servicer, or in the queue, and return the code for one message within 20 seconds.

        "" stands for a session that nobody had any more: the machine may speak, unless it has ended. Raises
        `TransientError`, and `PermanentError` when WeCom does not let us.
        """
        account, customer = parts_of(attendance.customer)
        try:
            return self._kf.transfer(account, customer, ENDED, deadline=deadline)
        except PermanentError as error:
            if error.code != _ILLEGAL_CHANGE or self._state(attendance.customer, deadline).number in {POOL, SERVICER}:
                raise
            return ""

    def _state(self, customer: str, deadline: float) -> ServiceState:
        account, external_userid = parts_of(customer)
        return self._kf.service_state(account, external_userid, deadline=deadline)

    def _attended(self, attendance: Attendance, deadline: float) -> Attendance | None:
        """Return the attendance of a customer who waits or has a person, ``None`` for any other."""
        state = self._state(attendance.customer, deadline)
        if state.number == SERVICER:
            return replace(attendance, state=Charge.PERSON.value, agent=state.servicer)
        return replace(attendance, state=Charge.WAITING.value, agent="") if state.number == POOL else None

    def _give(self, attendance: Attendance, deadline: float) -> Attendance:
        account, customer = parts_of(attendance.customer)
        receiving = self._kf.receiving(account, deadline=deadline)
        for target in _in_turn(receiving, attendance.conversation):
            state, servicer = (POOL, "") if self._to == "queue" else (SERVICER, target)
            try:
                self._kf.transfer(account, customer, state, servicer=servicer, deadline=deadline)
            except NobodyError:
                continue  # stopped receiving since the list was read, or never activated the account
            except PermanentError as error:
                attended = self._attended(attendance, deadline) if error.code == _ILLEGAL_CHANGE else None
                if attended is None:
                    raise
                return attended  # somebody was faster, or an attempt of ours whose answer was lost
            return replace(attendance, state=_CHARGES[state].value, agent=servicer)
        raise NobodyError("no servicer takes the customer")

    def _nickname(self, attendance: Attendance, deadline: float) -> str:
        """Return what the customer is called; people can do without it."""
        try:
            return self._kf.nickname(parts_of(attendance.customer)[1], deadline=deadline)
        except FrontdeskError as error:
            log.info("no nickname", extra={"code": error.code, "conversation": attendance.conversation})
            return ""


def _in_turn(servicers: Sequence[str], conversation: str) -> Sequence[str]:
    """Return them in a turn of the conversation's own, so that not always the same one is asked first."""
    if not servicers:
        return ()
    first = int(hashlib.sha256(conversation.encode()).hexdigest()[:8], 16) % len(servicers)
    return [*servicers[first:], *servicers[:first]]
