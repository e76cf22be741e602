"""One question, one answer: from a batch of waiting messages of one customer to what the customer reads.

The order of the steps is the promise. The answer is put on record before anything of it is sent; each segment is
sent under an identity that does not change when it is sent again; the session is saved last. Wherever the process
dies, the next attempt finds on record how far this one came, and goes on from there.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import uuid4

from frontdesk.conversation.journey import log, name_of, reached
from frontdesk.conversation.pauses import Abandoned, StillPending, offer, resolve
from frontdesk.conversation.plan import Step, Task, plan
from frontdesk.conversation.session import after, alive, chat_id, open_session, reopen_session
from frontdesk.conversation.trail import FRONTDESK, Trail
from frontdesk.errors import (
    ConflictError,
    FrontdeskError,
    MisconfiguredError,
    PermanentError,
    TransientError,
    UnopenableError,
)
from frontdesk.messages import ModelAnswer, Outbound, Question
from frontdesk.records import Pending, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from frontdesk.conversation.guarding import Guard
    from frontdesk.conversation.ports import Channel, Ledger, Model, Sessions
    from frontdesk.messages import Inbound, Received, Sentences
    from frontdesk.records import Session

MAX_SEGMENTS = 10  # WeCom drops, without a word, what one member gets beyond 30 messages a minute (path 90236)
_TRUNCATED = "……（内容较长，以上为主要部分）"
# What must still fit after the model's time: its last silence (25 s between bytes), the sends, the session.
FINISH_RESERVE_S = 35.0
_LEAST_ASKING_S = 5.0
_SAVE_TRIES = 4


class Result(StrEnum):
    """What became of a message."""

    ANSWERED = "answered"
    FALLBACK = "fallback"  # the model cannot answer this; the customer was told so
    BLOCKED = "blocked"  # a rule said its own sentence instead
    HANDOFF = "handoff"  # a rule wants a person to go on; the customer was told so
    SILENT = "silent"  # nothing was due, e.g. a second welcome
    DUPLICATE = "duplicate"  # everything had been sent before
    UNDELIVERABLE = "undeliverable"  # this customer cannot be written to
    RETRY = "retry"  # the queue shall hand it out again
    DEAD = "dead"  # no attempt is left: the queue moves it to the dead letters


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt at one message. Times in milliseconds, ``None`` where it never came so far.

    ``first_response_ms`` and ``response_ms`` count from the callback to the first and the last visible message.
    """

    received: Received
    result: Result
    code: str = ""
    retry_after_s: float = 0.0
    misconfigured: bool = False  # a person must change something before this can go well again
    first_response_ms: int | None = None
    response_ms: int | None = None
    model_ms: int | None = None

    @property
    def handled(self) -> bool:
        """Whether the queue may forget the message."""
        return self.result not in {Result.RETRY, Result.DEAD}


_RESULTS = {"fallback": Result.FALLBACK, "blocked": Result.BLOCKED, "handoff": Result.HANDOFF}  # by kind of reply


@dataclass(slots=True)
class _Progress:
    """What one attempt at one step has reached; for the audit and the outcome's figures."""

    trail: Trail
    reply: Reply | None = None
    session: Session | None = None
    first_visible_ms: int | None = None
    last_visible_ms: int | None = None
    model_ms: int | None = None
    misconfigured: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, at_ms: int) -> None:
        """Note that the customer got something to read."""
        with self.lock:
            self.first_visible_ms = self.first_visible_ms or at_ms
            self.last_visible_ms = at_ms


class Answering:
    """Answers the waiting messages of one conversation at a time; one instance serves many threads."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        ledger: Ledger,
        model: Model,
        guard: Guard,
        channel: Channel,
        sentences: Sentences,
        session_ttl_s: int,
        interim_after_s: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``interim_after_s`` 0 turns the interim notice off; ``clock`` returns epoch seconds."""
        self._sessions = sessions
        self._ledger = ledger
        self._model = model
        self._guard = guard
        self._channel = channel
        self._sentences = sentences
        self._session_ttl_s = session_ttl_s
        self._interim_after_s = interim_after_s
        self._clock = clock
        self._monotonic = monotonic

    def answer(self, batch: Sequence[Received], *, deadline: float) -> list[Outcome]:
        """Return one outcome a message. ``batch`` is of one conversation, in order; ``deadline`` is monotonic.

        Never raises an `Exception`: whatever goes wrong becomes an outcome, and a log line.
        """
        conversation = batch[0].inbound.conversation
        try:
            replies = self._ledger.find(conversation, [each.inbound.message_id for each in batch])
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            # What is on record is unknown, so nothing may be said but an apology at the very end.
            unknown = plan(batch, {})
            return [outcome for step in unknown for outcome in self._failed(step, self._start(step), error, deadline)]
        outcomes: list[Outcome] = []
        for step in plan(batch, replies):
            failed = next((each for each in outcomes if each.result is Result.RETRY), None)
            if failed:
                # A customer's messages stay in order: what comes after a failed one waits with it.
                outcomes += [replace(failed, received=each, code="held_back") for each in step.received]
            else:
                outcomes += self._take(step, deadline)
        return outcomes

    def _start(self, step: Step) -> _Progress:
        return _Progress(Trail(step.received[0].inbound.message_id, self._now_ms), reply=step.reply)

    def _take(self, step: Step, deadline: float) -> list[Outcome]:
        progress = self._start(step)
        try:
            if progress.reply is None:
                self._compose(step, progress, deadline)
            reply = progress.reply
            if reply is None:
                return [Outcome(each, Result.SILENT) for each in step.received]
            already_complete = reply.complete
            self._deliver(step, reply, progress, deadline)
            self._remember(step.received[0].inbound, reply, progress.session)
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            return self._failed(step, progress, error, deadline)
        if already_complete:
            return [Outcome(each, Result.DUPLICATE) for each in step.received]
        result = _RESULTS.get(reply.kind, Result.ANSWERED)
        return [self._outcome(each, result, progress) for each in step.received]

    # -- composing ---------------------------------------------------------------------------------------------

    def _compose(self, step: Step, progress: _Progress, deadline: float) -> None:
        """Put the reply to ``step`` on record, and into ``progress``; nothing when none is due."""
        first = step.received[0].inbound
        session = None if step.task is Task.RESET else self._sessions.latest(first.conversation)
        if session is None or not alive(session, self._clock()):
            session = open_session(first, now=self._clock(), ttl_s=self._session_ttl_s)
        progress.session = session
        match step.task:
            case Task.RESET:
                self._record_sentence(step, progress, "reset", self._sentences.reset)
            case Task.EXPLAIN:
                self._record_sentence(step, progress, "unsupported", self._sentences.unsupported, session.pending)
            case Task.WELCOME:
                if self._sentences.welcome and not session.welcomed:
                    self._record_sentence(step, progress, "welcome", self._sentences.welcome, session.pending)
            case _:
                self._compose_answer(step, session, progress, deadline)

    def _record_sentence(
        self, step: Step, progress: _Progress, kind: str, sentence: str, pending: Pending | None = None
    ) -> None:
        progress.trail.add("said", FRONTDESK, after=sentence, sentence=kind)
        self._record(step, progress, kind, sentence, pending=pending)

    def _compose_answer(self, step: Step, session: Session, progress: _Progress, deadline: float) -> None:
        heard = self._guard.hear(step.text, session.placeholders, progress.trail)
        if heard.stopped:
            self._record(step, progress, heard.stopped, heard.text, pending=session.pending)
            return
        text = heard.text
        session = progress.session = replace(session, placeholders=heard.placeholders)
        if session.pending is not None:
            meaning = resolve(session.pending, text)
            if isinstance(meaning, StillPending):
                words = self._channel.render(meaning.text)
                progress.trail.add("said", FRONTDESK, after=words, sentence="choices")
                self._record_said(step, progress, "choices", words, pending=meaning.pending)
                return
            if isinstance(meaning, Abandoned):
                session = progress.session = replace(session, chat_no=session.chat_no + 1)
            else:
                text = meaning.text
        try:
            answer = self._ask(step, session, text, progress, deadline)
        except PermanentError as error:
            # No later attempt can do better, so the apology is the answer. People hear of it by the log and the alarm.
            log.error("question cannot be answered", extra={"code": error.code, **name_of(step.received[0].inbound)})
            progress.misconfigured = isinstance(error, MisconfiguredError)
            if session.pending or not progress.misconfigured:
                # The talk at the model may be stuck in a pause that nobody can answer: the next question starts afresh.
                progress.session = replace(session, chat_no=session.chat_no + 1)
            progress.trail.add("fallback", FRONTDESK, after=self._sentences.fallback, code=error.code)
            self._record(step, progress, "fallback", self._sentences.fallback)
            return
        pending = Pending(answer.pause) if answer.pause else None
        written = "\n\n".join(part for part in (answer.text, offer(pending) if pending else "") if part)
        # The rules have to judge what the customer reads: marks inside a word would hide it from them.
        words = self._channel.render(written)
        progress.trail.add("generated", self._model.identity, before=written if written != words else "", after=words)
        kind = "choices" if pending else "answer"
        self._record_said(step, progress, kind, words, pending=pending, confidence=answer.confidence)

    def _record_said(
        self,
        step: Step,
        progress: _Progress,
        kind: str,
        words: str,
        *,
        pending: Pending | None,
        confidence: float | None = None,
    ) -> None:
        """Put on record what the guard lets through of ``words``."""
        session = progress.session
        assert session is not None  # noqa: S101  # for the type checker: `_compose` set it
        said = self._guard.say(words, session.placeholders, progress.trail)
        if said.stopped:
            # The model would remember what the customer must not read, and wait for what they did not see.
            progress.session = replace(session, chat_no=session.chat_no + 1)
            pending = None
        self._record(step, progress, said.stopped or kind, said.text, pending=pending, confidence=confidence)

    def _ask(self, step: Step, session: Session, text: str, progress: _Progress, deadline: float) -> ModelAnswer:
        first = step.received[0].inbound
        asking_until = deadline - FINISH_RESERVE_S
        if asking_until - self._monotonic() < _LEAST_ASKING_S:
            raise TransientError("too little time is left to ask", code="no_time_left")
        question = Question(
            chat_id=chat_id(session),
            attempt_id=f"{first.message_id}-{uuid4().hex[:12]}",
            customer=first.conversation,
            text=text,
        )
        reached("asked", self._now_ms(), first, messages=len(step.received), attempt=step.received[0].attempt)
        with self._patience(step, progress, deadline):
            answer = self._model.ask(
                question, deadline=asking_until, on_first_words=lambda: reached("first_words", self._now_ms(), first)
            )
        progress.model_ms = answer.total_ms
        reached(
            "answered",
            self._now_ms(),
            first,
            model_ms=answer.total_ms,
            confidence=answer.confidence,
            partial_failure=answer.partial_failure or None,
        )
        return answer

    def _record(
        self,
        step: Step,
        progress: _Progress,
        kind: str,
        words: str,
        *,
        pending: Pending | None = None,
        confidence: float | None = None,
    ) -> None:
        first = step.received[0].inbound
        session = progress.session
        assert session is not None  # noqa: S101  # for the type checker: `_compose` set it
        reply = Reply(
            conversation=first.conversation,
            message_ids=step.message_ids,
            channel=first.channel,
            recipient=first.sender,
            session_id=session.session_id,
            kind=kind,
            question=step.text.strip() or f"[{first.kind}]",
            segments=self._segments(first, words, progress.trail),
            asked_at_ms=first.received_at_ms,
            answered_at_ms=self._now_ms(),
            confidence=confidence,
            chat_no=session.chat_no,
            pending=pending,
            opens_session=not session.version,
            placeholders=session.placeholders,
        )
        self._ledger.record(reply, progress.trail.happenings)
        progress.reply = reply

    def _segments(self, inbound: Inbound, words: str, trail: Trail) -> tuple[str, ...]:
        segments = self._channel.split(words)
        if not segments:
            raise TransientError("the answer has nothing that can be shown", code="answer_invisible")
        if len(segments) > MAX_SEGMENTS:
            segments = (*segments[: MAX_SEGMENTS - 1], _TRUNCATED)
            trail.add("truncated", FRONTDESK, before=words, after="\n".join(segments))
        return tuple(self._unique(inbound, each) for each in segments)

    def _unique(self, inbound: Inbound, text: str) -> str:
        """Return ``text`` so that it is not taken for the repetition of an earlier message with the same words."""
        return self._channel.distinct(text, self._ledger.repetitions(inbound.conversation, text))

    # -- sending -----------------------------------------------------------------------------------------------

    def _deliver(self, step: Step, reply: Reply, progress: _Progress, deadline: float) -> None:
        first = step.received[0].inbound
        for number in range(reply.sent, len(reply.segments)):
            outbound = Outbound(channel=reply.channel, recipient=reply.recipient, text=reply.segments[number])
            self._channel.deliver(outbound, deadline=deadline)
            progress.seen(self._now_ms())
            with suppress(ConflictError):  # the record is gone: its customer was erased meanwhile
                self._ledger.mark_sent(reply, number + 1)
        if not reply.complete:
            reached(
                "sent",
                self._now_ms(),
                first,
                segments=len(reply.segments),
                kind=reply.kind,
                question_id=reply.question_id,
                session_id=reply.session_id,
            )

    @contextmanager
    def _patience(self, step: Step, progress: _Progress, deadline: float) -> Iterator[None]:
        """Tell a customer who waits long that the answer is coming, once a question."""
        first = step.received[0].inbound
        if not self._interim_after_s:
            yield
            return
        waited_s = self._clock() - first.received_at_ms / 1000
        timer = threading.Timer(
            max(0.0, self._interim_after_s - waited_s), self._send_interim, (first, progress, deadline)
        )
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # a notice on its way must not arrive after the answer

    def _send_interim(self, first: Inbound, progress: _Progress, deadline: float) -> None:
        try:
            text = self._sentences.interim
            trail = Trail(first.message_id, self._now_ms)  # its own: the answer's is being written meanwhile
            trail.add("interim", FRONTDESK, after=text)
            if self._ledger.first_time(first.conversation, f"interim#{first.message_id}", trail.happenings):
                self._say(first, self._unique(first, text), progress, deadline)
        except Exception as error:  # noqa: BLE001  # the outermost line of the timer's thread
            # The answer itself is still to come, so this is a loss of politeness only.
            log.warning("interim notice not sent", exc_info=error, extra=name_of(first))

    def _say(self, inbound: Inbound, text: str, progress: _Progress, deadline: float) -> None:
        self._channel.deliver(Outbound(inbound.channel, inbound.sender, text), deadline=deadline)
        progress.seen(self._now_ms())

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

    def _failed(self, step: Step, progress: _Progress, error: Exception, deadline: float) -> list[Outcome]:
        """Return the outcomes of a step that ended in ``error``; on the last attempt the customer is told first."""
        first = step.received[0].inbound
        code = error.code if isinstance(error, FrontdeskError) else "unexpected"
        progress.misconfigured |= isinstance(error, MisconfiguredError)
        log.error(
            "attempt failed",
            exc_info=error,
            extra={"code": code, "attempt": step.received[0].attempt, **_key_of(error), **name_of(first)},
        )
        if isinstance(error, PermanentError) and not isinstance(error, MisconfiguredError):
            return [self._outcome(each, Result.UNDELIVERABLE, progress, code) for each in step.received]
        dying = [each for each in step.received if each.last_attempt]
        if dying and progress.reply is None and step.task is not Task.WELCOME and not isinstance(error, ConflictError):
            # (A conflict means that another worker has a reply on record, and sends it.)
            self._apologise(dying[0].inbound, progress, deadline)
            self._keep_placeholders(dying[0].inbound, progress)
        wait_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
        return [
            self._outcome(each, Result.DEAD, progress, code)
            if each.last_attempt
            else Outcome(each, Result.RETRY, code, wait_s, misconfigured=progress.misconfigured)
            for each in step.received
        ]

    def _apologise(self, first: Inbound, progress: _Progress, deadline: float) -> None:
        """Say the fallback sentence, once a question. The question stays open: a redrive may still answer it."""
        text = self._sentences.fallback
        try:
            trail = Trail(first.message_id, self._now_ms)
            trail.add("fallback", FRONTDESK, after=text)
            if not self._ledger.first_time(first.conversation, f"fallback#{first.message_id}", trail.happenings):
                return
            text = self._unique(first, text)
        except Exception as error:  # noqa: BLE001  # this may be what failed; then better said twice than never
            log.warning("fallback not counted", exc_info=error, extra=name_of(first))
        try:
            self._say(first, text, progress, deadline)
        except Exception as error:  # noqa: BLE001  # the outermost line of this conversation's work
            log.error("fallback not sent", exc_info=error, extra=name_of(first))

    def _keep_placeholders(self, first: Inbound, progress: _Progress) -> None:
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

    def _outcome(self, received: Received, result: Result, progress: _Progress, code: str = "") -> Outcome:
        start = received.inbound.received_at_ms
        first, last = progress.first_visible_ms, progress.last_visible_ms
        return Outcome(
            received,
            result,
            code=code,
            misconfigured=progress.misconfigured,
            first_response_ms=None if first is None else max(0, first - start),
            response_ms=None if last is None else max(0, last - start),
            model_ms=progress.model_ms,
        )

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _key_of(error: Exception) -> dict[str, str]:
    """Return the log field that names the key which a value could not be opened with."""
    return {"key_id": error.key_id} if isinstance(error, UnopenableError) else {}
