"""What happens to a conversation that is no question: what people and WeCom did, and moments that were waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.conversation.drafts import NOTED, RATING, RESERVE, Draft, sentence
from frontdesk.conversation.session import recalled, undelivered
from frontdesk.conversation.speaking import MAX_SEGMENTS, PERSON, segment_id
from frontdesk.conversation.trail import FRONTDESK
from frontdesk.errors import ConflictError, TransientError
from frontdesk.messages import Charge, Choice, Kind

if TYPE_CHECKING:
    from frontdesk.conversation.handing_over import Handover
    from frontdesk.conversation.outcomes import Progress
    from frontdesk.conversation.ports import Ledger, Sessions
    from frontdesk.conversation.speaking import Speaker
    from frontdesk.messages import Inbound, Sentences
    from frontdesk.records import Session


class Events:
    """Gives each event its effect, and says what is due to it; one instance serves many threads."""

    def __init__(
        self, *, sessions: Sessions, ledger: Ledger, speaker: Speaker, handover: Handover, sentences: Sentences
    ) -> None:
        """Take the collaborators of `Composer`."""
        self._sessions = sessions
        self._ledger = ledger
        self._speaker = speaker
        self._handover = handover
        self._sentences = sentences

    def person(self, first: Inbound, progress: Progress) -> Draft:
        """Return the record of a person's line; where it has yet to reach the customer, it is sent from there."""
        person = f"person:{first.details.get('servicer', '')}"
        if not self._handover.person_wrote(first):  # the customer is somebody else's since it was typed
            progress.trail.add("withheld", person, before=first.text)
            return NOTED
        progress.trail.add(PERSON, person, after=first.text)
        channel = self._speaker.channel(first.channel)
        whole = (first.text,) if channel.hosted else channel.split(first.text)
        return Draft(PERSON, whole=whole, silent=channel.hosted, question="")

    def note(self, first: Inbound, session: Session, progress: Progress, deadline: float) -> Draft | None:
        """Return what is said when something happened, or the record that it did; nothing where nothing is due."""
        match first.kind:
            case Kind.STATE:
                known = session if session.version else None
                self._handover.changed_hands(first, known, progress, deadline=deadline)
                if first.details.get("change") == "ended" and self._may_rate_now(first, known):
                    return self._rating(session, progress, first.details.get("code", ""))
            case Kind.DUE if first.details.get("what") == "rating":
                return self._rate_idle(first, session, progress, deadline)
            case Kind.DUE:
                words, code = self._handover.due(first, progress, deadline=deadline)
                if words:
                    return replace(sentence(progress.trail, "notice", words, session.pending), code=code, question="")
            case Kind.TICKET:
                return self._ticket(first, session, progress, deadline)
            case Kind.RECALLED:
                self._recall(first, progress)
            case Kind.UNDELIVERED:
                self._undelivered(first, session, progress)
        return NOTED

    def _may_rate_now(self, first: Inbound, session: Session | None) -> bool:
        """Return whether the customer of a person's session that has ended can be asked how it was."""
        speaks = "code" in first.details or not self._speaker.channel(first.channel).hosted
        return speaks and self._handover.may_rate(first, session)

    def _rate_idle(self, first: Inbound, current: Session, progress: Progress, deadline: float) -> Draft | None:
        """Ask how it was, when a session that has gone quiet is quiet still, and the customer is in no other."""
        session = self._sessions.get(first.conversation, first.details.get("session_id", ""))
        if session is None or session.last_activity_at >= first.sent_at:
            return None
        if current.version and current.session_id != session.session_id:
            return None
        progress.session = session
        if self._speaker.charge(first, deadline=deadline) is not Charge.BOT:
            return None
        room = self._speaker.channel(first.channel).room(first)
        if (room is not None and room <= RESERVE) or not self._handover.may_rate(first, session):
            return None
        return self._rating(session, progress, "")

    def _rating(self, session: Session, progress: Progress, code: str) -> Draft:
        menu = (
            Choice(self._sentences.rating_good, f"{RATING}good"),
            Choice(self._sentences.rating_bad, f"{RATING}bad"),
        )
        draft = sentence(progress.trail, "rating", self._sentences.rating, session.pending)
        return replace(draft, code=code, menu=menu, question="", whole=(self._sentences.rating,))

    def _ticket(self, first: Inbound, session: Session, progress: Progress, deadline: float) -> Draft:
        number, closed = first.details.get("number", ""), first.details.get("state") == "closed"
        template = self._sentences.ticket_closed if closed else self._sentences.ticket_opened
        words = template.format(number=number, answer=first.text).strip()
        progress.trail.add("ticket", FRONTDESK, after=words, number=number, state=first.details.get("state", ""))
        if self._speaker.charge(first, deadline=deadline) is Charge.BOT and self._fits(first, words):
            return Draft("notice", words, pending=session.pending, question="")
        self._handover.keep_notice(first, words)
        return NOTED

    def _fits(self, first: Inbound, words: str) -> bool:
        """Return whether ``words`` can be said now, together with what was kept for the customer before."""
        channel = self._speaker.channel(first.channel)
        room = channel.room(first)
        return room is None or len(channel.split(f"{self._handover.take_notice(first)}\n\n{words}")) <= room - RESERVE

    def _recall(self, first: Inbound, progress: Progress) -> None:
        """Take the words out of the session that somebody took back; the audit keeps that they were said."""
        by, recalled_id = first.details.get("by", "customer"), first.details.get("recalled_id", "")
        progress.trail.add("recalled", by, message=recalled_id)
        found = self._ledger.find(first.conversation, [recalled_id]) if recalled_id else {}
        for reply in found.values():
            session = self._sessions.get(first.conversation, reply.session_id)
            if session is not None:
                self.resave(recalled(session, reply.question_id), progress)

    def _undelivered(self, first: Inbound, session: Session, progress: Progress) -> None:
        failed_id = first.details.get("failed_id", "")
        progress.counted.append("Undelivered")
        progress.trail.add("undelivered", "customer", message=failed_id, fail_type=first.details.get("fail_type", ""))
        if not session.version:
            session = self._sessions.latest(first.conversation) or session  # it is about what was said before
        for turn in session.turns:
            ids = {segment_id(first.conversation, turn.question_id, number) for number in range(MAX_SEGMENTS)}
            if failed_id in ids:
                self.resave(undelivered(session, turn.question_id), progress)
                self._handover.undelivered(first, turn.question)
                return

    def resave(self, session: Session, progress: Progress) -> None:
        """Save ``session``, also as the one of this attempt. Raises `TransientError` when it was changed meanwhile."""
        try:
            saved = self._sessions.save(session)
        except ConflictError:
            raise TransientError("the session was changed meanwhile", code="session_contended") from None
        if progress.session is not None and progress.session.session_id == saved.session_id:
            progress.session = saved
