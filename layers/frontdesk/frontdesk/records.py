"""What is kept of a conversation: its sessions, their turns, and the replies that were given; and what a release is.

Plain frozen values, so that storage can write them down and read them without knowing what they are for.
Times: ``…_at`` is epoch seconds, ``…_at_ms`` epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.messages import Choice, Pause, Placeholders


@dataclass(frozen=True, slots=True)
class Pending:
    """A pause that waits for the customer: the form fields filled so far, and whether it was asked twice."""

    pause: Pause
    filled: tuple[tuple[str, str], ...] = ()
    asked_again: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What a customer said and what was said to it.

    ``kind`` is answer, choices, clarify, fallback, blocked, handoff, unsupported, welcome, reset, more, rating, thanks
    or notice, which the machine says; person, a line of a person (``question`` is empty); to_person, said while a
    person was in charge (``answer`` is empty); or withheld, an answer that was not said, because a person took over or
    the vendor took no more messages.
    ``question_id`` is the id of the first of the messages that were taken together, ``attempt_id`` the model's name of
    the answer. ``undelivered`` tells that the vendor took it and did not show it.
    """

    question_id: str
    kind: str
    question: str
    answer: str
    asked_at_ms: int
    answered_at_ms: int
    confidence: float | None = None
    attempt_id: str = ""
    undelivered: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of talk with one customer. ``version`` 0 has never been saved; ``customer`` is the reply address.

    What has been archived is remembered by version, so a session that comes back is archived again. ``chat_no``
    counts the fresh starts within it, ``turns_dropped`` the old turns that made room for new ones.
    ``placeholders`` are what the model was given in place of personal data. ``clarified`` tells that the customer was
    asked to say more, after an answer of little confidence. ``rating`` is what the customer says of it: good or bad.
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
    clarified: bool = False
    rating: str = ""


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
    rating: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The one reply to one question. ``message_ids`` are the messages it answers; the first names it.

    Its segments are fixed once and for all, so whoever sends it, however often, sends the same words under the
    same identity; ``sent`` counts those known to be sent, and one more when nothing is left to be done about it: a
    person is called, or it is given up. ``chat_no`` and ``pending`` are the session's state
    after it; ``opens_session`` tells that its session had not been saved yet when it was composed.

    ``menu`` stands below the last segment. ``rest`` is what did not fit into what the vendor allows; the customer can
    ask for it. ``handoff`` is why a person is to go on once it is said, ``code`` the vendor's permission to say it.
    ``silent`` replies are a record only: nothing of them is to be sent.
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
    attempt_id: str = ""
    clarified: bool = False
    menu: tuple[Choice, ...] = ()
    rest: str = ""
    handoff: str = ""
    code: str = ""
    silent: bool = False

    @property
    def question_id(self) -> str:
        """The id of the first message."""
        return self.message_ids[0]

    @property
    def complete(self) -> bool:
        """Whether every segment is known to be sent, or none is to be."""
        return self.silent or self.sent >= len(self.segments)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be done about it, whoever finds it on record."""
        return self.sent > len(self.segments)


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who attends to a customer, and what is due there. One a conversation; ``version`` 0 has never been saved.

    ``state`` is bot, waiting (for a person) or person. For customer service WeCom's own state goes before it.
    ``reason`` and ``question_id`` tell why and by which question a person was called, at ``called_at``; ``agent`` is
    the person's user id. ``due_at`` is the next moment at which something has to happen if nobody acts (``None``:
    never), ``reminders`` how often it did. ``welcomed_at`` and ``rating_asked_at`` are when the customer was last
    welcomed and asked, ``rated`` the session that the latter is about and the model's names of its last answer.
    ``customer`` is the reply address, ``brief`` what the person is told, ``notice`` what the customer is still to be
    told as soon as the machine may speak; they are kept sealed.
    """

    conversation: str
    channel: str
    customer: str
    state: str = "bot"
    reason: str = ""
    question_id: str = ""
    session_id: str = ""
    called_at: int = 0
    agent: str = ""
    due_at: int | None = None
    reminders: int = 0
    welcomed_at: int = 0
    rating_asked_at: int = 0
    rated: tuple[str, str, str] = ("", "", "")
    brief: str = ""
    notice: str = ""
    version: int = 0


SYSTEM = "system"
"""The channel of what belongs to no customer."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A question that needs work later. ``number`` is what the customer is told, e.g. ``T20261128-0007``.

    ``state`` is open, assigned, answered or closed; ``assignee`` a user id. ``request_id`` names the request that
    opened it, so that a request which comes twice opens one. ``customer``, ``question``, ``brief`` and ``answer`` are
    words, kept sealed. ``done`` are the steps of opening that are behind it: carded, hooked, told.

    One about the service itself has the channel `SYSTEM`: behind it is an alarm and no customer.
    """

    number: str
    request_id: str
    conversation: str
    channel: str
    customer: str
    reason: str
    question: str
    brief: str
    opened_at: int
    state: str = "open"
    assignee: str = ""
    answer: str = ""
    offer_at: int | None = None
    closed_at: int | None = None
    done: tuple[str, ...] = ()
    version: int = 0

    @property
    def has_customer(self) -> bool:
        """Whether somebody waits for an answer to it."""
        return self.channel != SYSTEM


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """What is asked of the tickets. ``what`` is open (then ``ticket`` has all but its number), offer or changed.

    For the latter two ``number`` names the ticket, and ``event`` is what it has become: assigned, answered or closed.
    """

    what: str
    ticket: Ticket | None = None
    number: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Duty:
    """What a person of the company is doing now, by their own ``conversation`` with the application.

    ``kind`` is attend, then ``about`` is a customer's conversation, or reply, then it is a ticket's number.
    ``begun_by`` is the message it began with, at ``begun_at_ms``; what was typed before does not belong to it.
    ``ended_by`` is the message that ends it: only this one still counts, should it come again. ``response_code`` can
    change the card that was pressed, once.
    """

    conversation: str
    kind: str
    about: str
    begun_by: str
    begun_at_ms: int
    ended_by: str = ""
    response_code: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A customer-service account: how far its messages are fetched. ``cursor`` is empty before the first page.

    Messages sent before ``answer_from`` are history from before Frontdesk knew the account, and never answered.
    ``complete_from_ms`` is when the last pull that reached the end began. ``lease`` is the token of who pulls now,
    until ``leased_until_ms``. ``withdrawn`` tells that WeCom does not let us fetch it any more.
    """

    account: str
    answer_from: int
    cursor: str = ""
    complete_from_ms: int = 0
    lease: str = ""
    leased_until_ms: int = 0
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit in front of an endpoint. ``openings`` counts how often it opened since it was closed; 0 is closed.

    ``failures`` are the recent ones that no success took back, ``code`` is the error that opened it. While it is open
    it is to be probed at ``retry_at``, ``probed`` tells that this went well, and until ``taken_until`` somebody is at
    it (epoch seconds). ``version`` goes up with each change but the counting of failures.
    """

    failures: int = 0
    openings: int = 0
    code: str = ""
    retry_at: float = 0.0
    probed: bool = False
    taken_until: float = 0.0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether the vendor's allowance has room for a message. ``repeated``: it was claimed before, and counts once."""

    granted: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that the audit keeps: who did what, to which words, in which conversation.

    ``kind`` is generated, filtered, tagged, unmasked, truncated, said (a sentence of the machine's own), interim,
    fallback, handoff, withheld, person (a line of a person), recalled, undelivered, state (of who is in charge),
    ticket, rated; and of people's acts shown, erased, exported, reviewed, resealed, rotated, retired, rules or answers.
    ``actor`` is ``fastgpt:<app id>@<host>``, ``answers:<answer id>@<answers version>``,
    ``rule:<rule id>@<rules version>``, ``frontdesk``, ``customer``, ``person:<user id>`` or ``operator:<name>``.
    ``about`` is the id of the question. ``before`` and ``after`` are words, kept sealed; ``details`` are codes and ids,
    kept readable.
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


CheckResult = Literal["ok", "warning", "failed", "not_run"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a diagnosis found about one thing.

    ``code`` names what is wrong, or why nothing was looked at; it is empty where all is well. ``about`` tells several
    of one name apart, such as accounts. ``seen`` are numbers, ids and names: never a secret, nor a customer's words.
    """

    name: str
    result: CheckResult
    code: str = ""
    about: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a function, by the function's name and the version's number."""

    function: str
    number: str


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """What a version returned, whether it failed instead, and the last of what it wrote to its log."""

    value: Any
    failed: bool
    log: str
