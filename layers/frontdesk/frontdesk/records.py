"""What is kept of a conversation: its sessions, their turns, and the replies that were given.

Plain frozen values, so that storage can write them down and read them without knowing what they are for.
Times: ``…_at`` is epoch seconds, ``…_at_ms`` epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdesk.messages import Pause


@dataclass(frozen=True, slots=True)
class Pending:
    """A pause that waits for the customer: the form fields filled so far, and whether it was asked twice."""

    pause: Pause
    filled: tuple[tuple[str, str], ...] = ()
    asked_again: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What a customer said and what the machine said to it.

    ``kind`` is answer, choices, fallback, unsupported, welcome or reset. ``question_id`` is the id of the first
    of the messages that were taken together.
    """

    question_id: str
    kind: str
    question: str
    answer: str
    asked_at_ms: int
    answered_at_ms: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of talk with one customer. ``version`` 0 has never been saved; ``customer`` is the reply address.

    What has been archived is remembered by version, so a session that comes back is archived again. ``chat_no``
    counts the fresh starts within it, ``turns_dropped`` the old turns that made room for new ones.
    """

    conversation: str
    session_id: str
    channel: str
    customer: str
    opened_at: int
    last_activity_at: int
    expires_at: int
    version: int = 0
    archived_version: int = 0
    chat_no: int = 0
    welcomed: bool = False
    pending: Pending | None = None
    turns: tuple[Turn, ...] = ()
    turns_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The one reply to one question. ``message_ids`` are the messages it answers; the first names it.

    Its segments are fixed once and for all, so whoever sends it, however often, sends the same words under the
    same identity; ``sent`` counts those known to be sent. ``chat_no`` and ``pending`` are the session's state
    after it; ``opens_session`` tells that its session had not been saved yet when it was composed.
    """

    conversation: str
    message_ids: tuple[str, ...]
    channel: str
    recipient: str
    session_id: str
    kind: str
    question: str
    segments: tuple[str, ...]
    asked_at_ms: int
    answered_at_ms: int
    confidence: float | None = None
    chat_no: int = 0
    pending: Pending | None = None
    opens_session: bool = False
    sent: int = 0

    @property
    def question_id(self) -> str:
        """The id of the first message."""
        return self.message_ids[0]

    @property
    def complete(self) -> bool:
        """Whether every segment is known to be sent."""
        return self.sent >= len(self.segments)
