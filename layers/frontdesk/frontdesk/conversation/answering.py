"""One question, one answer: from a batch of waiting messages of one customer to what the customer reads.

The order of the steps is the promise. The answer is put on record before anything of it is sent; each segment is
sent under an identity that does not change when it is sent again; the session is saved last, and only then is a person
called, where one is to go on. Wherever the process dies, the next attempt finds on record how far this one
came, and goes on from there.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.conversation.composing import Composer
from frontdesk.conversation.events import Events
from frontdesk.conversation.journey import log, name_of
from frontdesk.conversation.outcomes import Outcome, Progress, Result
from frontdesk.conversation.plan import Step, Task, plan
from frontdesk.conversation.session import after, reopen_session, turn_of
from frontdesk.conversation.trail import FRONTDESK, Trail
from frontdesk.errors import (
    AllowanceError,
    ConflictError,
    FrontdeskError,
    MisconfiguredError,
    PermanentError,
    TakenOverError,
    TransientError,
    UnopenableError,
)
from frontdesk.messages import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.conversation.agents import Agents
    from frontdesk.conversation.guarding import Guard
    from frontdesk.conversation.handing_over import Handover
    from frontdesk.conversation.ports import Ledger, Model, Sessions
    from frontdesk.conversation.speaking import Speaker
    from frontdesk.messages import Inbound, Received, Sentences
    from frontdesk.records import Reply, Session

_SAVE_TRIES = 4
_WITHOUT_APOLOGY = frozenset({Task.WELCOME, Task.PERSON, Task.NOTE, Task.DROP})  # nobody waits for an answer to it
_COURTESIES = frozenset({"welcome", "rating", "thanks", "notice"})  # no reason to call a person when they are not said
_RESULTS = {  # by kind of reply
    "fallback": Result.FALLBACK,
    "blocked": Result.BLOCKED,
    "handoff": Result.HANDOFF,
    "person": Result.RECORDED,
    "to_person": Result.RECORDED,
    "noted": Result.RECORDED,
    "rating": Result.RECORDED,
}


class Answering:
    """Answers the waiting messages of one conversation at a time; one instance serves many threads."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        ledger: Ledger,
        model: Model,
        guard: Guard,
        speaker: Speaker,
        handover: Handover,
        agents: Agents | None,
        sentences: Sentences,
        session_ttl_s: int,
        interim_after_s: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        variant_of: Callable[[str], str] = lambda _conversation: "",
    ) -> None:
        """``interim_after_s`` 0 turns the interim notice off; ``clock`` returns epoch seconds.

        ``variant_of`` tells which version of the model's app a conversation's questions go to.
        ``agents`` does what the company's own people ask for in the application's chat, where there are such people.
        """
        self._sessions = sessions
        self._ledger = ledger
        self._speaker = speaker
        self._handover = handover
        self._agents = agents
        self._sentences = sentences
        self._session_ttl_s = session_ttl_s
        self._clock = clock
        self._composer = Composer(
            sessions=sessions,
            ledger=ledger,
            model=model,
            guard=guard,
            speaker=speaker,
            handover=handover,
            events=Events(sessions=sessions, ledger=ledger, speaker=speaker, handover=handover, sentences=sentences),
            sentences=sentences,
            session_ttl_s=session_ttl_s,
            interim_after_s=interim_after_s,
            clock=clock,
            monotonic=monotonic,
            variant_of=variant_of,
        )

    def answer(self, batch: Sequence[Received], *, deadline: float) -> list[Outcome]:
        """Return one outcome a message. ``batch`` is of one conversation, in order; ``deadline`` is monotonic.

        Never raises an `Exception`: whatever goes wrong becomes an outcome, and a log line.
        """
        conversation = batch[0].inbound.conversation
        outcomes: list[Outcome] = []
        try:
            replies = self._ledger.find(conversation, [each.inbound.message_id for each in batch])
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            # What is on record is unknown, so nothing may be said but an apology at the very end.
            unknown = plan(batch, {})
            return [outcome for step in unknown for outcome in self._failed(step, self._start(step), error, deadline)]
        done: set[str] = set()
        for step in plan(batch, replies):
            failed = next((each for each in outcomes if each.result is Result.RETRY), None)
            if failed:
                # A customer's messages stay in order: what comes after a failed one waits with it.
                outcomes += [replace(failed, received=each, code="held_back") for each in step.received]
            elif done.issuperset(step.message_ids):
                # The queue has it twice, and what was found on record is older than what was just made of it.
                outcomes += [Outcome(each, Result.DUPLICATE) for each in step.received]
            else:
                taken = self._take(step, deadline)
                outcomes += taken
                done.update(each.received.inbound.message_id for each in taken if each.handled)
        return outcomes

    def _start(self, step: Step) -> Progress:
        return Progress(Trail(step.received[0].inbound.message_id, self._now_ms), reply=step.reply)

    def _take(self, step: Step, deadline: float) -> list[Outcome]:
        progress = self._start(step)
        try:
            if self._agents is not None and step.reply is None and self._agents.concerns(step.received[0].inbound):
                for each in step.received:
                    self._agents.take(each, deadline=deadline)
                return [Outcome(each, Result.RECORDED) for each in step.received]
            if progress.reply is None:
                self._composer.compose(step, progress, deadline)
            reply = progress.reply
            if reply is None:
                return [Outcome(each, Result.SILENT) for each in step.received]
            result = Result.DUPLICATE if step.reply is not None and reply.complete else None
            said = self._say(step, reply, progress, deadline)
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            return self._failed(step, progress, error, deadline)
        return [progress.outcome(each, result or said) for each in step.received]

    # -- saying -------------------------------------------------------------------------------------------------

    def _say(self, step: Step, reply: Reply, progress: Progress, deadline: float) -> Result:
        """Send what is missing of ``reply``, remember it, and call a person where it says so."""
        first = replace(step.received[0].inbound, sender=reply.recipient)
        if first.kind is Kind.DUE:
            self._handover.seen_to(first)
        if reply.settled:
            return Result.DUPLICATE
        try:
            if step.reply is not None and not reply.complete:
                self._require_not_given_up(reply, progress)
            self._speaker.deliver(reply, first, progress, deadline=deadline)
        except TakenOverError as error:
            # Said later it would come out of nowhere, so it is not said at all.
            self._give_up(reply, first, progress, "withheld", error)
            self._settle(reply)
            return Result.WITHHELD
        except AllowanceError as error:
            log.warning("the vendor takes no more messages", extra={"code": error.code, **name_of(first)})
            self._give_up(reply, first, progress, "unsent", error)
            self._without_allowance(reply, first, progress, deadline)
            self._settle(reply)
            return Result.UNSENT
        if reply.segments and progress.notice != "":
            words = reply.segments[:-1] if reply.rest else reply.segments  # the last one says that there is a rest
            self._handover.noticed(first, "".join((*words, reply.rest if reply.menu else "")))
        self._remember(first, reply, progress.session)
        if reply.handoff:
            self._handover.carry_out(reply, first, progress, deadline=deadline)
            self._settle(reply)
            return Result.HANDOFF
        return _RESULTS.get(reply.kind, Result.ANSWERED)

    def _require_not_given_up(self, reply: Reply, progress: Progress) -> None:
        """Raise again what an earlier attempt gave ``reply`` up for: then the session has its turn already."""
        session = progress.session = self._sessions.get(reply.conversation, reply.session_id)
        if session is None or turn_of(session, reply.question_id) is None:
            return
        if self._ledger.first_time(reply.conversation, f"unsent#{reply.question_id}", ()):
            raise TakenOverError("it was withheld before")
        raise AllowanceError("it was refused before")

    def _give_up(self, reply: Reply, first: Inbound, progress: Progress, how: str, error: FrontdeskError) -> None:
        """Remember ``reply`` as far as it was said; the audit keeps what was not, and a ticket's news is said later.

        ``how`` is withheld or unsent.
        """
        reply = self._ledger.find(reply.conversation, [reply.question_id]).get(reply.question_id, reply)
        unsaid = "\n".join(reply.segments[reply.sent :])
        trail = Trail(reply.question_id, self._now_ms)
        said_words, words = "\n".join(reply.segments[: reply.sent]), "\n".join(reply.segments)
        trail.add("withheld", FRONTDESK, before=words, after=said_words, code=error.code)
        self._ledger.first_time(reply.conversation, f"{how}#{reply.question_id}", trail.happenings)
        if first.kind is Kind.TICKET:
            self._handover.keep_notice(first, unsaid)
        elif reply.sent:
            self._handover.noticed(first, "".join(reply.segments[: reply.sent]))
        if not reply.sent and reply.kind in _COURTESIES:
            return
        said = replace(
            reply,
            kind=reply.kind if reply.sent else "withheld",
            segments=reply.segments[: reply.sent] or reply.segments,
            # What the customer did not read they cannot choose from, but the model waits for it: it starts afresh.
            chat_no=reply.chat_no + (reply.pending is not None),
            pending=None,
            clarified=False,
        )
        self._remember(first, said, progress.session)

    def _without_allowance(self, reply: Reply, first: Inbound, progress: Progress, deadline: float) -> None:
        """Let a person go on with a customer to whom the vendor takes no more messages of the machine."""
        if reply.code:  # it came too late, which is no loss but of politeness
            return
        progress.counted.append("AllowanceSpent")
        if reply.handoff:
            self._handover.carry_out(reply, first, progress, deadline=deadline)
        elif reply.kind not in _COURTESIES:
            self._handover.spent(first, reply.question_id, reply.session_id, progress, deadline=deadline)

    def _settle(self, reply: Reply) -> None:
        """Note that nothing is left to be done about ``reply``, whenever its message should come again."""
        with suppress(ConflictError):  # the record is gone: its customer was erased meanwhile
            self._ledger.mark_sent(reply, len(reply.segments) + 1)

    # -- remembering -------------------------------------------------------------------------------------------

    def _remember(self, first: Inbound, reply: Reply, session: Session | None) -> None:
        """Save the session that ``reply`` belongs to; ``session`` is its state as read in this attempt, if it was."""
        now = self._clock()
        for _ in range(_SAVE_TRIES):
            if session is None:
                session = self._sessions.get(reply.conversation, reply.session_id)
            if session is None:
                opened = reopen_session(reply, first, now=now, ttl_s=self._session_ttl_s)
                session = self._sessions.get(opened.conversation, opened.session_id) or opened
            changed = after(session, reply, now=now, ttl_s=self._session_ttl_s)
            if changed is session:
                return
            try:
                self._sessions.save(changed)
            except ConflictError:
                session = None
            else:
                return
        raise TransientError("the session kept changing", code="session_contended")

    # -- failing -----------------------------------------------------------------------------------------------

    def _failed(self, step: Step, progress: Progress, error: Exception, deadline: float) -> list[Outcome]:
        """Return the outcomes of a step that ended in ``error``; on the last attempt the customer is told first."""
        first = step.received[0].inbound
        code = error.code if isinstance(error, FrontdeskError) else "unexpected"
        progress.misconfigured |= isinstance(error, MisconfiguredError) or (
            isinstance(error, TransientError) and error.misconfigured
        )
        log.error(
            "attempt failed",
            exc_info=error,
            extra={"code": code, "attempt": step.received[0].attempt, **_key_of(error), **name_of(first)},
        )
        if progress.reply and isinstance(error, PermanentError) and not isinstance(error, MisconfiguredError):
            # What cannot even be composed is another matter: somebody has to see it among the dead letters.
            return [progress.outcome(each, Result.UNDELIVERABLE, code) for each in step.received]
        dying = [each for each in step.received if each.last_attempt]
        if (
            dying
            and progress.reply is None
            and step.task not in _WITHOUT_APOLOGY
            and not isinstance(error, ConflictError)
        ):
            # (A conflict means that another worker has a reply on record, and sends it.)
            self._apologise(dying[0].inbound, progress, deadline)
            self._hand_over(dying[0].inbound, progress, deadline)
            self._keep_placeholders(dying[0].inbound, progress)
        wait_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        return [
            progress.outcome(each, Result.DEAD, code)
            if each.last_attempt
            else Outcome(
                each, Result.RETRY, code, wait_s, misconfigured=progress.misconfigured, variant=progress.variant
            )
            for each in step.received
        ]

    def _apologise(self, first: Inbound, progress: Progress, deadline: float) -> None:
        """Say the fallback sentence, once a question. The question stays open: a redrive may still answer it."""
        what = f"fallback#{first.message_id}"
        try:
            self._speaker.say_once(
                first, what, self._sentences.fallback, progress, deadline=deadline, kind="fallback", insist=True
            )
            progress.told = True
        except TakenOverError as error:
            # The person in charge sees what the customer wrote.
            log.warning("fallback not sent", extra={"code": error.code, **name_of(first)})
            progress.told = True
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            log.error("fallback not sent", exc_info=error, extra=name_of(first))

    def _hand_over(self, first: Inbound, progress: Progress, deadline: float) -> None:
        """Call a person to a customer whom the machine has failed for good."""
        if not self._handover.wanted(first.channel, "failed"):
            return
        session_id = progress.session.session_id if progress.session and progress.session.version else ""
        try:
            self._handover.call(first, "failed", first.message_id, session_id, progress, deadline=deadline)
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            log.error("nobody called", exc_info=error, extra=name_of(first))

    def _keep_placeholders(self, first: Inbound, progress: Progress) -> None:
        """Save what the model was given in place of personal data, though it did not answer.

        It remembers the chat: the same placeholder must not mean something else in it.
        """
        session = progress.session
        if session is None or not session.version or not session.placeholders:
            return
        try:
            self._sessions.save(session)
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            log.warning("placeholders not kept", exc_info=error, extra=name_of(first))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _key_of(error: Exception) -> dict[str, str]:
    """Return the log field that names the key which a value could not be opened with."""
    return {"key_id": error.key_id} if isinstance(error, UnopenableError) else {}
