"""The rules of a session: when it is alive, what it is called at the model, and what a turn makes of it.

Its own clock decides whether it is alive, because DynamoDB deletes expired items late.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from frontdesk.records import Session, Turn

if TYPE_CHECKING:
    from frontdesk.messages import Inbound
    from frontdesk.records import Reply

MAX_CONTEXT_BYTES = 100_000  # DynamoDB takes items up to 400 KB; most sessions stay under 10 KB
NO_TURNS = frozenset({"noted"})
"""Kinds of reply that are a record of an event, and nothing that anybody said."""
TAKEN_BACK = "[已撤回]"
_INVISIBLE = "\u200b\u200c"  # by which a channel tells the twins of a message apart


def open_session(inbound: Inbound, *, now: float, ttl_s: int) -> Session:
    """Return a new session for the writer of ``inbound``. Session ids sort by the time of their opening."""
    return Session(
        conversation=inbound.conversation,
        session_id=f"{int(now * 1000):013d}-{secrets.token_hex(8)}",
        channel=inbound.channel,
        customer=inbound.sender,
        opened_at=int(now),
        last_activity_at=int(now),
        expires_at=int(now) + ttl_s,
    )


def reopen_session(reply: Reply, inbound: Inbound, *, now: float, ttl_s: int) -> Session:
    """Return a session for the turn of ``reply``, whose own is not stored.

    If that was never saved, it is opened under its id, and the talk at the model goes on. If it was removed, the
    archive has it under that id: the late turn gets a session beside it, which takes neither the place of that
    document nor that of a session opened since.
    """
    never_saved = reply.opens_session and now < reply.answered_at_ms // 1000 + ttl_s
    session_id = reply.session_id if never_saved else f"{reply.session_id}-late"
    return replace(open_session(inbound, now=now, ttl_s=ttl_s), session_id=session_id)


def alive(session: Session, now: float) -> bool:
    """Return whether the customer may still go on with ``session`` at ``now`` (epoch seconds)."""
    return now < session.expires_at


def chat_id(session: Session) -> str:
    """Return the model's name for this talk: unique for a customer, a session, and each fresh start in it."""
    return chat_id_of(session.conversation, session.session_id, session.chat_no)


def chat_id_of(conversation: str, session_id: str, chat_no: int) -> str:
    """Return the model's name for the talk with these names."""
    return f"frontdesk:{conversation}:{session_id}:{chat_no}"


def last_attempt(session: Session) -> str:
    """Return the model's name of its last answer in ``session``, "" when it gave none."""
    return next((turn.attempt_id for turn in reversed(session.turns) if turn.attempt_id), "")


def after(session: Session, reply: Reply, *, now: float, ttl_s: int) -> Session:
    """Return ``session`` after ``reply`` was sent; the same one when it holds that turn already, or gets none of it.

    Old turns make room when the words get over `MAX_CONTEXT_BYTES`; how many did is counted.
    """
    if reply.kind in NO_TURNS or turn_of(session, reply.question_id):
        return session
    turns = (*session.turns, _turn(reply))
    size = sum(map(_size, turns))
    dropped = 0
    while size > MAX_CONTEXT_BYTES and dropped < len(turns) - 1:
        size -= _size(turns[dropped])
        dropped += 1
    return replace(
        session,
        last_activity_at=int(now),
        expires_at=int(now) + ttl_s,
        chat_no=reply.chat_no,
        welcomed=session.welcomed or reply.kind == "welcome",
        pending=reply.pending,
        placeholders=reply.placeholders,
        turns=turns[dropped:],
        turns_dropped=session.turns_dropped + dropped,
        clarified=reply.clarified,
    )


def turn_of(session: Session, question_id: str) -> Turn | None:
    """Return the turn that begins with the message ``question_id``."""
    return next((turn for turn in session.turns if turn.question_id == question_id), None)


def recalled(session: Session, question_id: str) -> Session:
    """Return ``session`` without the words of the turn ``question_id``, which their writer took back."""
    return replace(
        session,
        turns=tuple(
            turn
            if turn.question_id != question_id
            else replace(turn, answer=TAKEN_BACK)
            if turn.kind == "person"
            else replace(turn, question=TAKEN_BACK)
            for turn in session.turns
        ),
    )


def undelivered(session: Session, question_id: str) -> Session:
    """Return ``session`` with the turn ``question_id`` marked as one that the customer did not get."""
    return replace(
        session,
        turns=tuple(
            replace(turn, undelivered=True) if turn.question_id == question_id else turn for turn in session.turns
        ),
    )


def _turn(reply: Reply) -> Turn:
    return Turn(
        question_id=reply.question_id,
        kind=reply.kind,
        question=reply.question,
        answer="\n".join(segment.rstrip(_INVISIBLE) for segment in reply.segments),
        asked_at_ms=reply.asked_at_ms,
        answered_at_ms=reply.answered_at_ms,
        confidence=reply.confidence,
        attempt_id=reply.attempt_id,
    )


def _size(turn: Turn) -> int:
    return len(turn.question.encode()) + len(turn.answer.encode())
