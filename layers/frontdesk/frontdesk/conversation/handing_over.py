"""The hand-over: when a person is to go on, who that is, and what happens while the customer is theirs.

The states are bot → waiting → person → bot. For customer service WeCom's own service state is the truth; for the
self-built app it is the attendance kept here. Whatever changes them for a customer is done in that customer's group
of the inbox, one message after the other, but for one thing: a colleague's pressing of a card's button. So every
change is saved against the version that was read.

Each step can be repeated: a process may die between any two, and the queue hands the message out again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from frontdesk.conversation import briefs
from frontdesk.conversation.duties import attends, same_person
from frontdesk.conversation.journey import log, name_of
from frontdesk.conversation.session import turn_of
from frontdesk.conversation.trail import FRONTDESK, Trail
from frontdesk.errors import ConflictError, FrontdeskError, NobodyError, PermanentError, TransientError
from frontdesk.messages import Charge, Question
from frontdesk.records import Attendance, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.conversation.guarding import Guard
    from frontdesk.conversation.outcomes import Progress
    from frontdesk.conversation.ports import Attendances, Desk, Ledger, Model, Sessions, TicketRequests
    from frontdesk.conversation.speaking import Speaker
    from frontdesk.messages import Inbound, Sentences
    from frontdesk.records import Reply, Session

TICKET = "ticket:"
"""Before the reason of a `Reply.handoff`: nobody is there, so a ticket is opened instead."""

_SUMMARY_S = 6.0  # the customer has been told that somebody comes; a summary is worth a short wait
_NO_HISTORY = "NO_RECORD_HISTORIES"  # FastGPT runs, and keeps nothing (its source, chat/utils/prepare.ts)
_SAVE_TRIES = 4
_REMINDERS = 2  # the first to the person alone, the second to everybody; then the customer is taken back
_WELCOME_AGAIN_S = 48 * 3600  # WeCom's own measure of a customer who comes back (path 95122)
_RATE_AGAIN_S = 24 * 3600
CODE_WITHIN_S = 18
"""For how long WeCom's code for a welcome or a good-bye is used: it is valid for 20 s (path 95122)."""
_FOLLOWED_UP = frozenset({"0", "12", "13"})  # unknown, forbidden kind, security: waiting helps with none of them


class Hours(Protocol):
    """When people are there."""

    def is_open(self, now: float) -> bool:
        """Return whether it is business time."""

    def next_opening(self, now: float) -> float | None:
        """Return when business begins next (epoch seconds), ``None`` for never."""

    def said(self, now: float, moment: float) -> str:
        """Return how a customer is told of ``moment``."""


@dataclass(frozen=True, slots=True)
class HandoverPolicy:
    """What the company wants. ``triggers`` are asked, confidence, intent, repeated, anger, rule, failed."""

    triggers: frozenset[str]
    threshold: float
    timeout_s: int
    rating_channels: frozenset[str]


class Handover:
    """Gives customers to people and takes them back; one instance serves many threads."""

    def __init__(
        self,
        *,
        attendances: Attendances,
        desks: Mapping[str, Desk],
        tickets: TicketRequests,
        sessions: Sessions,
        ledger: Ledger,
        speaker: Speaker,
        guard: Guard,
        summariser: Model | None,
        hours: Hours,
        sentences: Sentences,
        policy: HandoverPolicy,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """``desks`` by channel; ``summariser`` is the light app, if the company has one."""
        self._attendances = attendances
        self._desks = desks
        self._tickets = tickets
        self._sessions = sessions
        self._ledger = ledger
        self._speaker = speaker
        self._guard = guard
        self._summariser = summariser
        self._hours = hours
        self._sentences = sentences
        self._clock = clock
        self._monotonic = monotonic
        self.policy = policy

    # -- before a reply is composed ----------------------------------------------------------------------------

    def wanted(self, channel: str, trigger: str) -> bool:
        """Return whether ``trigger`` calls a person on ``channel``; never where there are none."""
        return channel in self._desks and trigger in self.policy.triggers

    def has_people(self, channel: str) -> bool:
        """Return whether there are people behind ``channel``."""
        return channel in self._desks

    def announcement(self, inbound: Inbound, reason: str, *, deadline: float) -> tuple[str, str]:
        """Return the sentence that announces the hand-over, and what `Reply.handoff` has to say of it."""
        now = self._clock()
        if self._hours.is_open(now) and self._desks[inbound.channel].available(inbound.sender, deadline=deadline):
            return self._sentences.handoff, reason
        return self._nobody(now), TICKET + reason

    def take_notice(self, inbound: Inbound) -> str:
        """Return what the customer is still to be told, "" for nothing; it stays to be told until `noticed`."""
        attendance = self._attendances.get(inbound.conversation) if self.has_people(inbound.channel) else None
        return attendance.notice if attendance else ""

    def noticed(self, inbound: Inbound, said: str) -> None:
        """Note that the customer was told, if what was to be told stands at the beginning of ``said``."""
        if self.has_people(inbound.channel):
            words = _visible(said)
            self._change(
                inbound, lambda each: replace(each, notice="") if words.startswith(_visible(each.notice)) else each
            )

    def may_welcome(self, inbound: Inbound) -> bool:
        """Return whether this customer is to be welcomed, and count it as done; for the same message it is the same."""
        welcome = False

        def claim(attendance: Attendance) -> Attendance:
            nonlocal welcome
            welcome = _is_time(attendance.welcomed_at, inbound, _WELCOME_AGAIN_S)
            return replace(attendance, welcomed_at=inbound.sent_at) if welcome else attendance

        self._change(inbound, claim)
        return welcome

    def may_rate(self, inbound: Inbound, session: Session | None) -> bool:
        """Return whether the customer is to be asked how the session was, and count it as asked.

        For the same message it is the same.
        """
        if session is None or inbound.channel not in self.policy.rating_channels:
            return False
        answered = next((turn for turn in reversed(session.turns) if turn.kind in {"answer", "person"}), None)
        if answered is None:
            return False
        said = (turn for turn in reversed(session.turns) if turn.attempt_id and turn.kind in {"answer", "choices"})
        model_turn = next(said, None)
        if "code" in inbound.details and self._clock() - inbound.sent_at > CODE_WITHIN_S:
            return False
        ask = False

        def claim(attendance: Attendance) -> Attendance:
            nonlocal ask
            ask = _is_time(attendance.rating_asked_at, inbound, _RATE_AGAIN_S)
            rated = (session.session_id, f"{session.chat_no}", model_turn.attempt_id if model_turn else "")
            return replace(attendance, rating_asked_at=inbound.sent_at, rated=rated) if ask else attendance

        self._change(inbound, claim)
        return ask

    def rated(self, inbound: Inbound) -> tuple[str, str, str]:
        """Return which session the customer was asked about: its id, its chat number, the model's last answer."""
        attendance = self._attendances.get(inbound.conversation)
        return attendance.rated if attendance else ("", "", "")

    def address(self, inbound: Inbound) -> str:
        """Return the reply address of the conversation, "" where none is known."""
        attendance = self._attendances.get(inbound.conversation)
        if attendance is not None:
            return attendance.customer
        session = self._sessions.latest(inbound.conversation)
        return session.customer if session else ""

    # -- when a reply has been said ----------------------------------------------------------------------------

    def carry_out(self, reply: Reply, inbound: Inbound, progress: Progress, *, deadline: float) -> None:
        """Do what ``reply.handoff`` announced. Once it is done, nothing happens any more."""
        if reply.handoff.startswith(TICKET):
            self._open_ticket(inbound, reply.handoff.removeprefix(TICKET), reply.question_id, reply.question)
            return
        self.call(inbound, reply.handoff, reply.question_id, reply.session_id, progress, deadline=deadline)

    def call(
        self,
        inbound: Inbound,
        reason: str,
        question_id: str,
        session_id: str,
        progress: Progress,
        *,
        deadline: float,
    ) -> None:
        """Call a person to the customer; where none takes them, the customer is told so and a ticket opened.

        Once it is done, nothing happens any more.
        """
        attendance = self._attendances.get(inbound.conversation)
        begun = attendance is not None and attendance.question_id == question_id
        if attendance is not None and begun and attendance.called_at:
            return
        session = self._sessions.get(inbound.conversation, session_id) if session_id else None
        turn = turn_of(session, question_id) if session else None
        question = turn.question if turn else inbound.text
        now = int(self._clock())
        if attendance is None or not begun:
            brief = self._brief(session, reason, question, turn.confidence if turn else None, deadline)

            def called(each: Attendance) -> Attendance:
                return replace(
                    each,
                    state=Charge.WAITING if each.state == Charge.BOT else each.state,
                    reason=reason,
                    question_id=question_id,
                    session_id=session_id,
                    called_at=0,
                    due_at=now + self.policy.timeout_s,
                    reminders=0,
                    brief=brief,
                )

            # Saved before anybody is called: a colleague may press the card's button the moment it is there.
            attendance = self._change(inbound, called)
        try:
            attended = self._called(attendance, deadline)
        except NobodyError:
            self._without_people(
                inbound,
                reason=reason,
                question_id=question_id,
                question=question,
                progress=progress,
                deadline=deadline,
            )
            return
        self._audit(inbound, f"handed#{question_id}", "state", change="called", reason=reason, state=attended.state)
        log.info("handed over", extra={**name_of(inbound), "reason": reason, "state": str(attended.state)})
        self._let_read(self._desks[inbound.channel], attended, inbound, deadline)
        hosted = self._speaker.channel(inbound.channel).hosted

        def taken(each: Attendance) -> Attendance:
            if each.state == Charge.PERSON and not hosted:  # the button was pressed meanwhile
                return replace(each, called_at=now)
            return replace(each, state=attended.state, agent=attended.agent, called_at=now)

        self._change(inbound, taken)

    def _called(self, attendance: Attendance, deadline: float) -> Attendance:
        """Return who attends to the customer now; raises `NobodyError`, outside business hours always."""
        if not self._hours.is_open(self._clock()):
            raise NobodyError("it is no business time")
        if attendance.state == Charge.PERSON and not self._speaker.channel(attendance.channel).hosted:
            return attendance
        return self._desks[attendance.channel].call(attendance, deadline=deadline)

    def _without_people(
        self, inbound: Inbound, *, reason: str, question_id: str, question: str, progress: Progress, deadline: float
    ) -> None:
        """Open a ticket in place of a person, and tell the customer; the call counts as done only after that."""
        self._change(inbound, lambda each: replace(each, state=Charge.BOT))
        self._open_ticket(inbound, reason, question_id, question)
        words, what = self._nobody(self._clock()), f"nobody#{question_id}"
        try:
            self._speaker.say_once(inbound, what, words, progress, deadline=deadline, kind="said")
        except FrontdeskError as error:  # then the ticket is what tells
            log.warning("not told that nobody is there", extra={"code": error.code, **name_of(inbound)})
        self._change(inbound, lambda each: replace(_left(each), called_at=int(self._clock())))

    def spent(
        self, inbound: Inbound, question_id: str, session_id: str, progress: Progress, *, deadline: float
    ) -> None:
        """Call a person because the vendor takes no more messages of the machine."""
        if self.has_people(inbound.channel):
            self.call(inbound, "allowance", question_id, session_id, progress, deadline=deadline)

    # -- what people and time do -------------------------------------------------------------------------------

    def customer_wrote(self, inbound: Inbound, charge: Charge, text: str, *, deadline: float) -> None:
        """Let the person in charge read what the customer wrote, and note that they are to answer in time."""
        due_at = int(self._clock()) + self.policy.timeout_s

        def waits(each: Attendance) -> Attendance:
            state = charge if charge is not Charge.CLOSED else Charge.BOT
            if charge is Charge.CLOSED or (each.state == state and each.due_at is not None):
                return each
            return replace(each, state=state, due_at=due_at, reminders=0)

        attendance = self._change(inbound, waits)
        if charge is Charge.PERSON:
            self._desks[inbound.channel].pass_on(attendance, text, name=inbound.message_id, deadline=deadline)

    def person_wrote(self, inbound: Inbound) -> bool:
        """Note that a person answered: nothing is due until the customer writes again.

        Return whether the line is theirs to say; where the vendor hosts the talk, it has been said already.
        """
        agent = inbound.details.get("servicer", "")
        hosted = self._speaker.channel(inbound.channel).hosted
        theirs = hosted

        def answered(each: Attendance) -> Attendance:
            nonlocal theirs
            theirs = hosted or each.state == Charge.BOT or attends(each, agent)
            if not theirs or each.state == Charge.BOT:  # a line from before the customer was given or taken back
                return each
            return replace(each, state=Charge.PERSON, agent=agent or each.agent, due_at=None, reminders=0)

        self._change(inbound, answered)
        return theirs

    def changed_hands(self, inbound: Inbound, session: Session | None, progress: Progress, *, deadline: float) -> None:
        """Note who has the customer now, and let a person who took them over read the brief."""
        change, servicer = inbound.details.get("change", ""), inbound.details.get("servicer", "")
        progress.trail.add("state", f"person:{servicer}" if servicer else FRONTDESK, change=change)
        desk = self._desks.get(inbound.channel)
        if desk is None:
            return
        if change == "ended":
            self._change(inbound, lambda each: self._ended(each, servicer))
            return
        charge = desk.charge(inbound.conversation, inbound.sender, deadline=deadline)
        now = int(self._clock())
        known = self._attendances.get(inbound.conversation)
        brief = known.brief if known and known.brief else self._brief(session, "taken", "", None, deadline)

        hosted = self._speaker.channel(inbound.channel).hosted

        def taken(each: Attendance) -> Attendance:
            if charge not in {Charge.PERSON, Charge.WAITING} or not (hosted or attends(each, servicer)):
                return each  # somebody else has the customer by now
            agent = servicer if charge is Charge.PERSON else ""
            return replace(
                each,
                state=charge,
                agent=agent or each.agent,
                due_at=now + self.policy.timeout_s,
                reminders=0,
                brief=brief,
            )

        attendance = self._change(inbound, taken)
        if charge is not Charge.PERSON or not (hosted or attends(attendance, servicer)):
            return
        self._let_read(desk, attendance, inbound, deadline)
        for turn in session.turns if session else ():
            if turn.kind == "to_person" and turn.asked_at_ms >= attendance.called_at * 1000:
                desk.pass_on(attendance, turn.question, name=turn.question_id, deadline=deadline)

    def _ended(self, attendance: Attendance, servicer: str) -> Attendance:
        """Return the attendance after ``servicer`` gave the customer back, unless somebody was called or came since.

        Where the vendor hosts the talk, its news come in the order of what happened.
        """
        hosted = self._speaker.channel(attendance.channel).hosted
        others = attendance.state == Charge.PERSON and not same_person(attendance.agent, servicer)
        if not hosted and servicer and (attendance.state == Charge.WAITING or others):
            return attendance
        return _left(attendance)

    def due(self, inbound: Inbound, progress: Progress, *, deadline: float) -> tuple[str, str]:
        """Do what is due when nobody acted: remind, then tell everybody, then take the customer back.

        Return what the customer is told when taken back, and the code for saying it; "" for nothing.
        """
        attendance = self._attendances.get(inbound.conversation)
        desk = self._desks.get(inbound.channel)
        if attendance is None or desk is None or str(attendance.due_at) != inbound.details.get("at"):
            return "", ""
        charge = desk.charge(inbound.conversation, attendance.customer, deadline=deadline)
        exhausted = attendance.reminders >= _REMINDERS
        if charge in {Charge.WAITING, Charge.PERSON}:
            if exhausted:
                return self._take_back(desk, inbound, attendance, deadline)
            self._remind(desk, inbound, attendance, deadline)
            progress.counted.append("HandoffUnanswered")
            return "", ""
        taken_back = exhausted and attendance.state == Charge.BOT  # by an attempt that came no further
        if taken_back or attendance.state == Charge.WAITING:  # nobody came, and the vendor does not wait any more
            self._change(inbound, lambda each: replace(each, state=Charge.BOT, agent="", reminders=_REMINDERS))
            if attendance.reminders <= _REMINDERS:
                self._unanswered(inbound)
            return self._sentences.given_back, ""
        self._change(inbound, _left)
        return "", ""

    def seen_to(self, inbound: Inbound) -> None:
        """Note that what was due at the moment of ``inbound`` is done, and on record what is said of it."""
        self._change(inbound, lambda each: _left(each) if str(each.due_at) == inbound.details.get("at") else each)

    def _remind(self, desk: Desk, inbound: Inbound, attendance: Attendance, deadline: float) -> None:
        """Remind the person, the second time everybody, and wait once more."""
        try:
            desk.remind(attendance, everybody=bool(attendance.reminders), deadline=deadline)
        except PermanentError as error:  # who cannot be reminded must not keep the customer
            log.error("nobody reminded", exc_info=error, extra={"code": error.code, **name_of(inbound)})
        self._wait_again(inbound, attendance)

    def _take_back(self, desk: Desk, inbound: Inbound, attendance: Attendance, deadline: float) -> tuple[str, str]:
        """Take the customer back, and return what is to be said and the code for it; "" if somebody was faster."""
        # Saved first: a colleague who presses the button now comes too late, and is told so.
        taken_back = self._change(
            inbound,
            lambda each: replace(each, state=Charge.BOT, agent="") if each.due_at == attendance.due_at else each,
        )
        if taken_back.due_at != attendance.due_at:
            return "", ""
        if attendance.reminders == _REMINDERS:
            self._unanswered(inbound)
        try:
            code = desk.give_back(attendance, deadline=deadline)
        except PermanentError as error:  # the person still has the customer: it is tried again later
            log.error("customer not taken back", exc_info=error, extra={"code": error.code, **name_of(inbound)})
            self._wait_again(inbound, attendance)
            return "", ""
        return self._sentences.given_back, code

    def _wait_again(self, inbound: Inbound, attendance: Attendance) -> None:
        """Let the same be due once more later, after one more reminder than ``attendance`` tells of."""
        later = int(self._clock()) + self.policy.timeout_s

        def waits(each: Attendance) -> Attendance:
            if each.due_at != attendance.due_at:
                return each
            state, agent = attendance.state, attendance.agent
            return replace(each, state=state, agent=agent, due_at=later, reminders=attendance.reminders + 1)

        self._change(inbound, waits)

    def keep_notice(self, inbound: Inbound, text: str) -> None:
        """Keep ``text`` for when the machine may speak to this customer again, and let a person in charge read it."""
        attendance = self._change(inbound, lambda each: replace(each, notice=_with(each.notice, text)))
        desk = self._desks.get(inbound.channel)
        if desk and attendance.state == Charge.PERSON:
            self._let_read(desk, replace(attendance, brief=text), inbound, self._monotonic() + _SUMMARY_S)

    def undelivered(self, inbound: Inbound, question: str) -> None:
        """See to it that somebody follows up what WeCom did not show, where waiting does not help."""
        if inbound.details.get("fail_type", "") in _FOLLOWED_UP and self.has_people(inbound.channel):
            self._open_ticket(inbound, "undelivered", inbound.message_id, question)

    # -- pieces ------------------------------------------------------------------------------------------------

    def _unanswered(self, inbound: Inbound) -> None:
        session = self._sessions.latest(inbound.conversation)
        asked = [turn.question for turn in session.turns if turn.question] if session else []
        self._open_ticket(inbound, "unanswered", inbound.message_id, asked[-1] if asked else "")

    def _open_ticket(self, inbound: Inbound, reason: str, request_id: str, question: str) -> None:
        now = int(self._clock())
        session = self._sessions.latest(inbound.conversation)
        self._tickets.put(
            Ticket(
                number="",
                request_id=f"{inbound.conversation}-{request_id}",
                conversation=inbound.conversation,
                channel=inbound.channel,
                customer=inbound.sender,
                reason=reason,
                question=question,
                brief=briefs.brief(session, reason=reason, summary="", now=now) if session else question,
                opened_at=now,
            )
        )
        self._audit(inbound, f"ticket#{request_id}", "ticket", reason=reason)

    def _audit(self, inbound: Inbound, what: str, kind: str, **details: str) -> None:
        """Let the audit keep that something happened, once."""
        trail = Trail(inbound.message_id, lambda: int(self._clock() * 1000))
        trail.add(kind, FRONTDESK, **details)
        self._ledger.first_time(inbound.conversation, what, trail.happenings)

    def _nobody(self, now: float) -> str:
        opening = None if self._hours.is_open(now) else self._hours.next_opening(now)
        when = self._sentences.soon if opening is None else f"在{self._hours.said(now, opening)}"
        return self._sentences.nobody.format(when=when)

    def _brief(
        self, session: Session | None, reason: str, question: str, confidence: float | None, deadline: float
    ) -> str:
        """Return what the person is to read: the light app's summary, or else the last turns."""
        if session is None:
            return question
        return briefs.brief(
            session,
            reason=reason,
            summary=self._summary(session, deadline),
            now=self._clock(),
            question=question,
            confidence=confidence,
        )

    def _summary(self, session: Session, deadline: float) -> str:
        if self._summariser is None:
            return ""
        covered = self._guard.cover(briefs.summary_prompt(session), session.placeholders)
        question = Question(
            chat_id=_NO_HISTORY,
            attempt_id=f"brief-{session.session_id}-{len(session.turns)}",
            customer=session.conversation,
            text=covered.text,
        )
        until = min(deadline, self._monotonic() + _SUMMARY_S)
        try:
            answer = self._summariser.ask(question, deadline=until, on_first_words=lambda: None)
        except FrontdeskError as error:
            log.warning("no summary", extra={"code": error.code, "conversation": session.conversation})
            return ""
        return self._guard.uncover(answer.text, covered.placeholders)

    def _let_read(self, desk: Desk, attendance: Attendance, inbound: Inbound, deadline: float) -> None:
        try:
            desk.brief(attendance, deadline=deadline)
        except FrontdeskError as error:
            # The customer is with the person already, who can read the chat itself.
            log.warning("brief not sent", exc_info=error, extra=name_of(inbound))

    def _change(self, inbound: Inbound, change: Callable[[Attendance], Attendance]) -> Attendance:
        """Return the attendance as saved after ``change``, made again on what somebody else saved first."""
        for _ in range(_SAVE_TRIES):
            attendance = self._attendances.get(inbound.conversation) or Attendance(
                inbound.conversation, inbound.channel, inbound.sender
            )
            changed = change(attendance)
            if changed == attendance:
                return attendance
            try:
                return self._attendances.save(changed)
            except ConflictError:
                continue
        raise TransientError("the attendance kept changing", code="attendance_contended")


def _is_time(last: int, inbound: Inbound, again_after_s: int) -> bool:
    """Return whether it may be done again, or was done because of this very message."""
    return inbound.sent_at == last or inbound.sent_at - last >= again_after_s


def _left(attendance: Attendance) -> Attendance:
    """Return the attendance of a customer whom nobody attends to any more but the machine."""
    return replace(attendance, state=Charge.BOT, agent="", due_at=None, reminders=0, brief="", reason="")


def _with(notice: str, text: str) -> str:
    """Return what is to be told when ``text`` is, too; each once, however often it is asked for."""
    if text in notice or notice in text:
        return max(notice, text, key=len)
    return f"{notice}\n\n{text}"


def _visible(text: str) -> str:
    """Return ``text`` without what a channel may change of it: blanks, ends of lines, marks that nobody sees."""
    return "".join(character for character in text if character.isprintable() and not character.isspace())
