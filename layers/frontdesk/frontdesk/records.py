"""What is kept of a conversation: its sessions, their turns, and the replies that were given.

Plain frozen values, so that storage can write them down and read them without knowing what they are for.
Times: ``…_at`` is epoch seconds, ``…_at_ms`` epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.messages import Pause, Placeholders


@dataclass(frozen=True, slots=True)
class Pending:
    """A pause that waits for the customer: the form fields filled so far, and whether it was asked twice."""

    pause: Pause
    filled: tuple[tuple[str, str], ...] = ()
    asked_again: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What a customer said and what the machine said to it.

    ``kind`` is answer, choices, fallback, blocked, handoff, unsupported, welcome or reset. ``question_id`` is the
    id of the first of the messages that were taken together.
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
    ``placeholders`` are what the model was given in place of personal data.
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
    placeholders: Placeholders = ()


@dataclass(frozen=True, slots=True)
class SealedSession:
    """A session as the archiver sees it: its words stay sealed, so it needs no key and knows none.

    ``words`` is ``{"sealed": token}``; what a release before sealing saved has ``customer`` and ``turns`` instead.
    """

    conversation: str
    session_id: str
    channel: str
    opened_at: int
    last_activity_at: int
    version: int
    archived_version: int
    turns_dropped: int
    words: Mapping[str, Any]


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
    placeholders: Placeholders = ()
    sent: int = 0

    @property
    def question_id(self) -> str:
        """The id of the first message."""
        return self.message_ids[0]

    @property
    def complete(self) -> bool:
        """Whether every segment is known to be sent."""
        return self.sent >= len(self.segments)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that the audit keeps: who did what, to which words, in which conversation.

    ``kind`` is generated, filtered, tagged, unmasked, truncated, said (a sentence of the machine's own), interim,
    fallback, handoff; and of people's acts shown, erased, exported, reviewed, resealed, rotated, retired or rules.
    ``actor`` is ``fastgpt:<app id>@<host>``, ``rule:<rule id>@<rules version>``, ``frontdesk`` or
    ``operator:<name>``. ``about`` is the id of the question. ``before`` and ``after`` are words, kept sealed;
    ``details`` are codes and ids, kept readable.
    """

    kind: str
    actor: str
    at_ms: int
    about: str = ""
    before: str = ""
    after: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A happening as kept: the ``seq``-th of its conversation (from 1), chained to the one before by its hash.

    ``sealed`` holds before and after. ``previous`` is the hash of record ``seq - 1``; ``hash`` is over all other
    fields. Both are SM3, 64 hex digits, and can be checked without any key. ``day`` is the writer's UTC date.
    """

    conversation: str
    seq: int
    day: str
    kind: str
    actor: str
    at_ms: int
    about: str
    details: Mapping[str, str]
    sealed: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """The data keys of one customer, wrapped by the keyring: ``wrapped`` by key id, ``current`` seals.

    ``retired_at`` is set while an erasure waits until no process seals under an old key any more;
    ``destroyed`` are the key ids that are gone for good, with when (epoch seconds) and by whom.
    """

    conversation: str
    current: str
    wrapped: Mapping[str, str]
    retired_at: int | None = None
    destroyed: tuple[tuple[str, int, str], ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """Something a review found: one audit record, the rules it breaks today, and what people made of it.

    ``state`` is open, upheld or dismissed; ``decided_by`` and ``decided_at`` say by whom and when.
    """

    conversation: str
    seq: int
    day: str
    rule_ids: tuple[str, ...]
    rules_version: str
    found_at: int
    state: str = "open"
    decided_by: str = ""
    decided_at: int | None = None
    note: str = ""
