"""What is said to a question, or to something that happened: decided once, and put on record before it is sent."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from frontdesk.conversation import wishes
from frontdesk.conversation.briefs import background_of, context_of
from frontdesk.conversation.drafts import NOTED, RATING, RESERVE, Draft, sentence
from frontdesk.conversation.fitting import fit
from frontdesk.conversation.handing_over import CODE_WITHIN_S, TICKET
from frontdesk.conversation.journey import log, name_of, reached
from frontdesk.conversation.pauses import Abandoned, StillPending, offer, resolve
from frontdesk.conversation.plan import Task
from frontdesk.conversation.session import alive, chat_id, chat_id_of, last_attempt, open_session
from frontdesk.conversation.speaking import MAX_SEGMENTS
from frontdesk.conversation.trail import FRONTDESK
from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.messages import Afresh, Charge, Choice, Kind, Question, rung_of
from frontdesk.records import Pending, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from frontdesk.conversation.events import Events
    from frontdesk.conversation.guarding import Guard
    from frontdesk.conversation.handing_over import Handover
    from frontdesk.conversation.outcomes import Progress
    from frontdesk.conversation.plan import Step
    from frontdesk.conversation.ports import Ledger, Model, Sessions
    from frontdesk.conversation.speaking import Speaker
    from frontdesk.messages import Inbound, ModelAnswer, Sentences
    from frontdesk.records import Session

# What must still fit after the model's time: its last silence (25 s between bytes), the sends, the session.
FINISH_RESERVE_S = 35.0
_LEAST_ASKING_S = 5.0
_TRUNCATED = "……（内容较长，以上为主要部分）"
_MOST_ITEMS = 10  # a menu of WeCom's (path 94677)
_LONGEST_ITEM_BYTES = 128
_MORE = "more:"
_ALLOWANCE = "allowance"
_ENDS_CLARIFYING = frozenset({"answer", "handoff", "person", "to_person"})  # nothing else tells that it is cleared up
_WISH = "person"
_TICKET_WISHES = frozenset({"工单", "提工单", "提交工单", "我要提工单", "留言", "我要留言"})


class Composer:
    """Decides what is said; one instance serves many threads."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        ledger: Ledger,
        model: Model,
        guard: Guard,
        speaker: Speaker,
        handover: Handover,
        events: Events,
        sentences: Sentences,
        session_ttl_s: int,
        interim_after_s: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        variant_of: Callable[[str], str],
    ) -> None:
        """``interim_after_s`` 0 turns the interim notice off; ``clock`` returns epoch seconds.

        ``variant_of`` tells which version of the model's app a conversation's questions go to.
        """
        self._sessions = sessions
        self._ledger = ledger
        self._model = model
        self._guard = guard
        self._speaker = speaker
        self._handover = handover
        self._events = events
        self._sentences = sentences
        self._session_ttl_s = session_ttl_s
        self._interim_after_s = interim_after_s
        self._clock = clock
        self._monotonic = monotonic
        self._variant_of = variant_of

    def compose(self, step: Step, progress: Progress, deadline: float) -> None:
        """Put the reply to ``step`` on record, and into ``progress``; nothing when none is due."""
        first = self._addressed(step.received[0].inbound)
        session = self._open(first) if step.task is Task.RESET else self._going_on(first)
        progress.session = session
        match step.task:
            case Task.NOTE:
                draft = self._events.note(first, session, progress, deadline)
            case Task.PERSON:
                _leave_pause(progress)
                draft = self._events.person(first, progress)
            case Task.WELCOME:
                draft = self._welcome(first, session, progress, deadline)
            case Task.DROP:
                draft = NOTED  # on record, or it would be answered when the queue hands it out without the recall
            case Task.TAP if _item(first).startswith(RATING):
                draft = self._rated(first, session, progress, deadline)
            case _:
                draft = self._answer_or_leave(step, session, progress, deadline)
        if draft is None:
            return
        alone = draft.silent or draft.whole or draft.code or draft.handoff  # nothing else fits into it
        progress.notice = self._handover.take_notice(first) if draft.words and not alone else ""
        if progress.notice:
            draft = replace(draft, words=f"{progress.notice}\n\n{draft.words}")
        self._record(step, first, progress, draft)

    def _addressed(self, inbound: Inbound) -> Inbound:
        """Return ``inbound`` with the customer's address, which a moment that has come does not bring along."""
        if inbound.kind is not Kind.DUE:
            return inbound
        customer = self._handover.address(inbound)
        return replace(inbound, sender=customer) if customer else inbound

    def _going_on(self, first: Inbound) -> Session:
        """Return the session that the customer is in, or a new one."""
        session = self._sessions.latest(first.conversation)
        return session if session is not None and alive(session, self._clock()) else self._open(first)

    def _open(self, first: Inbound) -> Session:
        return open_session(first, now=self._clock(), ttl_s=self._session_ttl_s)

    # -- what a customer sent ----------------------------------------------------------------------------------

    def _answer_or_leave(self, step: Step, session: Session, progress: Progress, deadline: float) -> Draft:
        """Return what is said to the customer: nothing, where a person is in charge."""
        first = step.received[0].inbound
        charge = self._speaker.charge(first, deadline=deadline)
        if charge is not Charge.BOT:
            if step.task is Task.RESET:  # not even that is for the machine
                progress.session = self._going_on(first)
            _leave_pause(progress)
            self._handover.customer_wrote(first, charge, _words(step), deadline=deadline)
            return Draft("to_person", silent=True)
        room = self._speaker.channel(first.channel).room(first)
        if room is not None and room <= RESERVE and self._handover.has_people(first.channel):
            # What is left says that a colleague goes on; where nothing is left, the colleague just goes on.
            _leave_pause(progress)
            progress.counted.append("AllowanceSpent")
            words = self._sentences.colleague if room else ""
            return Draft("handoff", words, handoff=_ALLOWANCE, silent=not room)
        match step.task:
            case Task.RESET:
                return sentence(progress.trail, "reset", self._sentences.reset)
            case Task.EXPLAIN:
                return sentence(progress.trail, "unsupported", self._sentences.unsupported, session.pending)
            case Task.TAP:
                return self._tapped(step, session, progress, deadline)
            case _:
                return self._answer(step, session, progress, deadline)

    def _welcome(self, first: Inbound, session: Session, progress: Progress, deadline: float) -> Draft | None:
        if not self._sentences.welcome or session.welcomed:
            return None
        draft = sentence(progress.trail, "welcome", self._sentences.welcome, session.pending)
        if not self._speaker.channel(first.channel).hosted:
            return draft if self._speaker.charge(first, deadline=deadline) is Charge.BOT else None
        code = first.details.get("code", "")
        if not code or self._clock() - first.sent_at > CODE_WITHIN_S or not self._handover.may_welcome(first):
            return None
        return replace(draft, code=code)

    def _tapped(self, step: Step, session: Session, progress: Progress, deadline: float) -> Draft:
        first = step.received[0].inbound
        item = _item(first)
        if item == _WISH and self._handover.has_people(first.channel):
            _leave_pause(progress)
            return self._hand_over(first, "asked", progress, deadline)
        if item.startswith(_MORE):
            earlier = self._ledger.find(first.conversation, [item.removeprefix(_MORE)])
            for reply in earlier.values():
                if reply.rest:
                    # The choices stood below the whole of it, and so they do now.
                    return Draft("more", reply.rest, pending=session.pending, menu=_menu(session.pending))
        return NOTED if first.kind is Kind.PRESSED else self._answer(step, session, progress, deadline)

    def _rated(self, first: Inbound, session: Session, progress: Progress, deadline: float) -> Draft:
        session_id, chat_no, attempt_id = self._handover.rated(first)
        good = _item(first) == f"{RATING}good"
        progress.variant = self._variant_of(first.conversation)
        progress.counted.append("SatisfactionGood" if good else "SatisfactionBad")
        progress.trail.add("rated", "customer", rating="good" if good else "bad", session=session_id)
        rated = session if session.session_id == session_id else self._sessions.get(first.conversation, session_id)
        if rated is not None and rated.version:
            self._events.resave(replace(rated, rating="good" if good else "bad"), progress)
        if attempt_id:
            talk = chat_id_of(first.conversation, session_id, int(chat_no or 0))
            try:
                self._model.feedback(talk, attempt_id, good=good, deadline=min(deadline, self._monotonic() + 10))
            except FrontdeskError as error:
                # The company's own count has it; the model's is a courtesy to those who look after the app.
                log.warning("feedback not given", extra={"code": error.code, **name_of(first)})
        room = self._speaker.channel(first.channel).room(first)
        spent = room is not None and room <= RESERVE
        if spent or self._speaker.charge(first, deadline=deadline) is not Charge.BOT:
            return NOTED
        menu = () if good or not self._handover.has_people(first.channel) else (self._wish,)
        return replace(sentence(progress.trail, "thanks", self._sentences.thanks, session.pending), menu=menu)

    @property
    def _wish(self) -> Choice:
        return Choice(self._sentences.to_person, _WISH)

    # -- answers -----------------------------------------------------------------------------------------------

    def _answer(self, step: Step, session: Session, progress: Progress, deadline: float) -> Draft:
        first = step.received[0].inbound
        wished = self._wished(first, step.text, progress, deadline)
        if wished is not None:
            return wished
        heard = self._guard.hear(step.text, session.placeholders, progress.trail)
        if heard.stopped:
            draft = Draft(heard.stopped, heard.text, pending=session.pending)
            return self._stopped(first, draft, progress, deadline)
        reason = self._weary(step.text, session, first.channel)
        if reason:
            _leave_pause(progress)
            return self._hand_over(first, reason, progress, deadline)
        text = heard.text
        session = progress.session = replace(session, placeholders=heard.placeholders)
        if session.pending is not None:
            meaning = resolve(session.pending, text)
            if isinstance(meaning, StillPending):
                words = self._speaker.channel(first.channel).render(meaning.text)
                progress.trail.add("said", FRONTDESK, after=words, sentence="choices")
                return self._said(first, progress, Draft("choices", words, pending=meaning.pending), deadline)
            if isinstance(meaning, Abandoned):
                session = progress.session = replace(session, chat_no=session.chat_no + 1)
            else:
                text = meaning.text
        try:
            answer = self._ask(step, text, heard.text, progress, deadline)
        except PermanentError as error:
            return self._unanswerable(step, session, error, progress, deadline)
        return self._answered(first, session, answer, progress, deadline)

    def _wished(self, first: Inbound, text: str, progress: Progress, deadline: float) -> Draft | None:
        """Return what is said to a customer who asks for a person, or for a ticket; nothing to all others."""
        if self._handover.wanted(first.channel, "asked") and wishes.wants_person(text):
            _leave_pause(progress)
            return self._hand_over(first, "asked", progress, deadline)
        if self._handover.has_people(first.channel) and text.strip() in _TICKET_WISHES:
            _leave_pause(progress)
            return self._ticket_instead(progress, "wish")
        return None

    def _weary(self, text: str, session: Session, channel: str) -> str:
        """Return why a customer who was answered before should not be answered by the machine again, or "" ."""
        answered = [turn for turn in session.turns if turn.kind in {"answer", "clarify"}]
        if not answered:
            return ""
        earlier = [turn.question for turn in answered[-3:]]
        if self._handover.wanted(channel, "repeated") and wishes.repeats(text, earlier):
            return "repeated"
        return "anger" if self._handover.wanted(channel, "anger") and wishes.is_angry(text) else ""

    def _unanswerable(
        self, step: Step, session: Session, error: PermanentError, progress: Progress, deadline: float
    ) -> Draft:
        """Return the apology, which is the answer: no later attempt can do better. People hear of it by the alarm."""
        first = step.received[0].inbound
        log.error("question cannot be answered", extra={"code": error.code, **name_of(first)})
        progress.misconfigured = isinstance(error, MisconfiguredError)
        if session.pending or not progress.misconfigured:
            # The talk at the model may be stuck in a pause that nobody can answer: the next question starts afresh.
            _leave_chat(progress)
        apology = self._apology(progress, error.code)
        if self._handover.wanted(first.channel, "failed"):
            progress.counted.append("Fallback")
            return _followed(apology, self._hand_over(first, "failed", progress, deadline))
        if self._handover.has_people(first.channel) and any(turn.kind == "fallback" for turn in session.turns):
            progress.counted.append("Fallback")
            return _followed(apology, self._ticket_instead(progress, "errors"))
        return apology

    def _apology(self, progress: Progress, code: str) -> Draft:
        progress.trail.add("fallback", FRONTDESK, after=self._sentences.fallback, code=code)
        return Draft("fallback", self._sentences.fallback)

    def _ticket_instead(self, progress: Progress, reason: str) -> Draft:
        draft = sentence(progress.trail, "handoff", self._sentences.nobody_needed)
        return replace(draft, handoff=TICKET + reason)

    def _answered(
        self, first: Inbound, session: Session, answer: ModelAnswer, progress: Progress, deadline: float
    ) -> Draft:
        pending = Pending(answer.pause) if answer.pause else None
        channel = self._speaker.channel(first.channel)
        menu = _menu(pending) if channel.hosted else ()
        offered = "" if pending is None else pending.pause.prompt if menu else offer(pending)
        written = "\n\n".join(part for part in (answer.text, offered) if part)
        if not written and pending is None:
            return replace(self._wordless(first, progress, deadline), attempt_id=answer.attempt_id)
        written = written or self._sentences.choose
        # The rules have to judge what the customer reads: marks inside a word would hide it from them.
        words = channel.render(written)
        identity = answer.identity or self._model.identity
        progress.trail.add("generated", identity, before=written if written != words else "", after=words)
        draft = Draft(
            "choices" if pending else "answer",
            words,
            pending=pending,
            confidence=answer.confidence,
            attempt_id=answer.attempt_id,
            menu=menu,
        )
        # Whatever becomes of it: whoever gave it is the one who knows the talk now.
        said = replace(self._said(first, progress, draft, deadline), attempt_id=answer.attempt_id)
        if said.kind not in {"answer", "choices"}:
            return said  # a rule had its say
        if answer.wants_person and self._handover.wanted(first.channel, "intent"):
            called = self._hand_over(first, "intent", progress, deadline)
            return replace(_followed(said, called, "\n\n"), menu=())
        return said if pending else self._sure(first, session, said, progress, deadline)

    def _wordless(self, first: Inbound, progress: Progress, deadline: float) -> Draft:
        """Return what is said when all that the model says is that it wants a person."""
        if self._handover.wanted(first.channel, "intent"):
            return self._hand_over(first, "intent", progress, deadline)
        return self._apology(progress, "wants_person")

    def _sure(self, first: Inbound, session: Session, said: Draft, progress: Progress, deadline: float) -> Draft:
        """Return ``said`` if the model is sure enough of it; else the customer is asked once to say more."""
        low = said.confidence is not None and said.confidence < self._handover.policy.threshold
        if not low or not self._handover.wanted(first.channel, "confidence"):
            return said
        # The rules of a later day are not to judge as told what nobody was told.
        progress.trail.add("withheld", FRONTDESK, before=said.words, reason="confidence")
        if session.clarified:
            instead, clarified = self._hand_over(first, "confidence", progress, deadline), False
        else:
            instead, clarified = sentence(progress.trail, "clarify", self._sentences.clarify), True
        return replace(instead, confidence=said.confidence, attempt_id=said.attempt_id, clarified=clarified)

    def _said(self, first: Inbound, progress: Progress, draft: Draft, deadline: float) -> Draft:
        """Return ``draft`` with what the guard lets through of its words."""
        session = progress.session
        assert session is not None  # noqa: S101  # for the type checker: `compose` set it
        said = self._guard.say(draft.words, session.placeholders, progress.trail)
        if said.stopped:
            # The model would remember what the customer must not read, and wait for what they did not see.
            progress.session = replace(session, chat_no=session.chat_no + 1)
            stopped = Draft(said.stopped, said.text, confidence=draft.confidence)
            return self._stopped(first, stopped, progress, deadline)
        return replace(draft, words=said.text)

    def _stopped(self, first: Inbound, draft: Draft, progress: Progress, deadline: float) -> Draft:
        """Return ``draft``, a rule's sentence; where the rule wants a person, with what comes of that."""
        if draft.kind != "handoff" or not self._handover.wanted(first.channel, "rule"):
            return draft
        words, handoff = self._handover.announcement(first, "rule", deadline=deadline)
        if handoff == "rule":  # the rule says already that somebody comes; only that nobody is there is news
            return replace(draft, handoff=handoff)
        return _followed(draft, replace(sentence(progress.trail, "handoff", words), handoff=handoff))

    def _hand_over(self, first: Inbound, reason: str, progress: Progress, deadline: float) -> Draft:
        words, handoff = self._handover.announcement(first, reason, deadline=deadline)
        return replace(sentence(progress.trail, "handoff", words), handoff=handoff)

    def _ask(self, step: Step, text: str, words: str, progress: Progress, deadline: float) -> ModelAnswer:
        """Return the answer to ``text``; ``words`` are what the customer wrote, which ``text`` is the meaning of."""
        first, session = step.received[0].inbound, progress.session
        assert session is not None  # noqa: S101  # for the type checker: `compose` set it
        asking_until = deadline - FINISH_RESERVE_S
        if asking_until - self._monotonic() < _LEAST_ASKING_S:
            raise TransientError("too little time is left to ask", code="no_time_left")
        between = context_of(session)
        if between:
            # The model was not there while the customer talked with a person.
            covered = self._guard.cover(between, session.placeholders)
            session = progress.session = replace(session, placeholders=covered.placeholders)
            text = f"{covered.text}\n{text}"
        # Each attempt has another one: what an earlier attempt left there may be a pause that waits for an answer.
        fresh_no = session.chat_no + step.received[0].attempt

        def afresh() -> Afresh:
            told = self._guard.cover(background_of(session), session.placeholders)
            # Whatever becomes of the question, these have been given to a model from now on.
            progress.session = replace(session, placeholders=told.placeholders)
            chat = chat_id(replace(session, chat_no=fresh_no))
            return Afresh(chat, f"{told.text}\n{words}" if told.text else words)

        question = Question(
            chat_id=chat_id(session),
            attempt_id=f"{first.message_id}-{uuid4().hex[:12]}",
            customer=first.conversation,
            text=text,
            words=words,
            last_attempt=last_attempt(session),
            paused=session.pending is not None,
            afresh=afresh,
        )
        progress.variant = self._variant_of(first.conversation)
        reached("asked", self._now_ms(), first, messages=len(step.received), attempt=step.received[0].attempt)
        with self._patience(step, progress, deadline):
            answer = self._model.ask(
                question, deadline=asking_until, on_first_words=lambda: reached("first_words", self._now_ms(), first)
            )
        if answer.afresh:
            progress.session = replace(progress.session or session, chat_no=fresh_no)
        progress.misconfigured |= answer.misconfigured
        progress.model_ms = answer.total_ms
        reached(
            "answered",
            self._now_ms(),
            first,
            model_ms=answer.total_ms,
            rung=rung_of(answer.attempt_id or question.attempt_id),
            confidence=answer.confidence,
            partial_failure=answer.partial_failure or None,
        )
        return answer if answer.attempt_id else replace(answer, attempt_id=question.attempt_id)

    @contextmanager
    def _patience(self, step: Step, progress: Progress, deadline: float) -> Iterator[None]:
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

    def _send_interim(self, first: Inbound, progress: Progress, deadline: float) -> None:
        try:
            room = self._speaker.channel(first.channel).room(first)
            if room is not None and room <= RESERVE + 1:
                return  # the answer needs what is left
            what = f"interim#{first.message_id}"
            self._speaker.say_once(first, what, self._sentences.interim, progress, deadline=deadline, kind="interim")
        except Exception as error:  # noqa: BLE001  # the outermost line of the timer's thread
            # The answer itself is still to come, so this is a loss of politeness only.
            log.warning("interim notice not sent", exc_info=error, extra=name_of(first))

    # -- the record --------------------------------------------------------------------------------------------

    def _record(self, step: Step, first: Inbound, progress: Progress, draft: Draft) -> None:
        session = progress.session
        assert session is not None  # noqa: S101  # for the type checker: `compose` set it
        if not draft.whole and (draft.words or not draft.silent):
            draft = self._fitted(first, draft, progress)
        segments = draft.whole
        if not draft.silent:
            segments = tuple(self._speaker.distinct(first.channel, first.conversation, each) for each in segments)
        question = _words(step) if draft.question is None else draft.question
        reply = Reply(
            conversation=first.conversation,
            message_ids=step.message_ids,
            channel=first.channel,
            recipient=first.sender,
            session_id=session.session_id,
            kind=draft.kind,
            question=question,
            segments=segments,
            asked_at_ms=first.received_at_ms,
            answered_at_ms=self._now_ms(),
            confidence=draft.confidence,
            chat_no=session.chat_no,
            pending=draft.pending,
            opens_session=not session.version,
            placeholders=session.placeholders,
            attempt_id=draft.attempt_id,
            clarified=draft.clarified or (session.clarified and draft.kind not in _ENDS_CLARIFYING),
            menu=draft.menu,
            rest=draft.rest,
            handoff=draft.handoff,
            code=draft.code,
            silent=draft.silent,
        )
        self._ledger.record(reply, progress.trail.happenings)
        progress.reply = reply

    def _fitted(self, first: Inbound, draft: Draft, progress: Progress) -> Draft:
        """Return ``draft`` as the messages that say it, with what does not fit into what the vendor allows."""
        channel = self._speaker.channel(first.channel)
        segments = channel.split(draft.words)
        if not segments:
            raise TransientError("the answer has nothing that can be shown", code="answer_invisible")
        room = None if draft.code else channel.room(first)
        if room is not None and not draft.handoff:
            allowed = max(1, room - RESERVE)
            if len(segments) + bool(draft.menu) > allowed:  # a menu may be a message of its own
                return self._cut(first, draft, segments, allowed)
        most = MAX_SEGMENTS if room is None else min(MAX_SEGMENTS, max(1, room))
        if len(segments) > most:
            # That somebody comes is said last, and goes before what else there is to say.
            last = segments[-1] if draft.handoff else _TRUNCATED
            segments = (*segments[: most - 1], last)
            progress.trail.add("truncated", FRONTDESK, before=draft.words, after="\n".join(segments))
        return replace(draft, whole=segments)

    def _cut(self, first: Inbound, draft: Draft, segments: Sequence[str], allowed: int) -> Draft:
        """Return as much of ``segments`` as ``allowed`` messages can hold, and a way to get at the rest.

        Tapping the menu is a message of the customer: it makes room. Where there is no room even for the menu, the last
        message that the vendor allows says that a colleague goes on.
        """
        split = self._speaker.channel(first.channel).split
        fitted = fit(segments, room=max(1, allowed - 1), most=MAX_SEGMENTS, split=split)
        if not fitted.rest:
            return replace(draft, whole=fitted.segments)
        if allowed > 1:
            menu = (Choice(self._sentences.more_item, f"{_MORE}{first.message_id}"),)
            return replace(draft, whole=(*fitted.segments, self._sentences.more), rest=fitted.rest, menu=menu)
        if not self._handover.has_people(first.channel):
            return replace(draft, whole=fitted.segments, rest=fitted.rest)
        whole = (*fitted.segments, self._sentences.colleague)
        return replace(draft, whole=whole, rest=fitted.rest, menu=(), handoff=_ALLOWANCE)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _words(step: Step) -> str:
    """Return what the customer wrote, or which kind of thing was sent."""
    return step.text.strip() or f"[{step.received[0].inbound.kind}]"


def _followed(draft: Draft, announcement: Draft, between: str = "\n") -> Draft:
    """Return ``draft`` with the announcement of a hand-over behind its words."""
    return replace(draft, words=f"{draft.words}{between}{announcement.words}", handoff=announcement.handoff)


def _item(inbound: Inbound) -> str:
    """Return the id of what was tapped: an item of a menu, or a button of a card."""
    return inbound.details.get("menu_id") or inbound.details.get("key", "")


def _menu(pending: Pending | None) -> tuple[Choice, ...]:
    """Return the choices of a pause as a menu; none where there is nothing to choose, or too much."""
    choices = pending.pause.choices if pending else ()
    if len(choices) > _MOST_ITEMS or any(len(choice.label.encode()) > _LONGEST_ITEM_BYTES for choice in choices):
        return ()
    return tuple(Choice(choice.label, f"choice:{number}") for number, choice in enumerate(choices, start=1))


def _leave_pause(progress: Progress) -> None:
    """Let the talk at the model start afresh where it waits for what the customer will not give it."""
    if progress.session is not None and progress.session.pending is not None:
        _leave_chat(progress)


def _leave_chat(progress: Progress) -> None:
    session = progress.session
    assert session is not None  # noqa: S101  # for the type checker: `compose` set it
    progress.session = replace(session, chat_no=session.chat_no + 1)
