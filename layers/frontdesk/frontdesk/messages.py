"""The words every part of Frontdesk speaks: what came in, what is asked, what goes out.

Plain frozen values without behaviour of any vendor. Times: ``…_at`` is epoch seconds, ``…_at_ms`` epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """What a customer sent."""

    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    LOCATION = "location"
    LINK = "link"
    ENTERED = "entered"  # the customer opened the chat, or was given access to it


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message or event of one customer, as accepted at the door.

    ``conversation`` is a keyed digest that stands for the customer on this channel: the ordering group of
    the queue, the key of the session, the only name of a customer that a log may hold. ``message_id`` is
    unique within the conversation and the same for each repeated delivery. ``sender`` is the address that
    a reply goes to.
    """

    channel: str
    conversation: str
    message_id: str
    sender: str
    kind: Kind
    sent_at: int
    received_at_ms: int
    text: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """An inbound message as the queue hands it over, for the ``attempt``-th time (1 is the first)."""

    inbound: Inbound
    attempt: int
    last_attempt: bool


@dataclass(frozen=True, slots=True)
class Outbound:
    """One visible message to a customer. Sending the same one again must show nothing twice."""

    channel: str
    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked. ``attempt_id`` is new at every attempt; ``customer`` is a digest, never a user id."""

    chat_id: str
    attempt_id: str
    customer: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to go on: ``label`` is shown, ``value`` is what the model expects back."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Field:
    """One blank of a form; ``choices`` is empty where the customer writes freely."""

    key: str
    label: str
    required: bool = True
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """The model stopped to ask the customer something: one choice, or a form with one or more fields.

    With ``choices`` the answer is one of their values. With ``fields`` it is a JSON object by field key.
    """

    prompt: str
    choices: tuple[Choice, ...] = ()
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What the model said. ``pause`` is set when it waits for the customer. Durations in milliseconds.

    ``confidence`` is the best retrieval score (0..1), 0.0 when a knowledge search found nothing and ``None``
    when the app did not search. ``partial_failure`` names an error that happened beside a usable answer.
    """

    text: str
    pause: Pause | None = None
    confidence: float | None = None
    partial_failure: str = ""
    first_words_ms: int | None = None
    total_ms: int = 0


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the machine says by itself. An empty welcome turns the welcome off."""

    welcome: str
    interim: str
    fallback: str
    unsupported: str
    reset: str


class Action(StrEnum):
    """What a rule does with words it finds, the strongest first."""

    BLOCK = "block"  # they are not passed on; a given sentence is said instead
    HANDOFF = "handoff"  # a person is to go on; a given sentence is said instead
    MASK = "mask"  # the span is made unreadable
    TAG = "tag"  # it is noted, nothing else


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that found something, at ``text[start:end]`` of what was judged. It holds no words itself."""

    rule_id: str
    action: Action
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a text. ``text`` is what may be passed on, its masked spans replaced.

    ``sentence`` is what is said instead when `decided_by` is a rule that blocks or hands over; ``rules_version``
    names the rule set that judged.
    """

    text: str
    findings: tuple[Finding, ...] = ()
    sentence: str = ""
    rules_version: str = ""

    @property
    def decided_by(self) -> Finding | None:
        """The finding that keeps the text from being passed on, if one does: blocking goes before handing over."""
        for action in (Action.BLOCK, Action.HANDOFF):
            for finding in self.findings:
                if finding.action is action:
                    return finding
        return None


# A placeholder such as ``[手机号1]`` and what it stands for, in the order of their first appearance.
Placeholders = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Masked:
    """A text whose personal data stand as placeholders; ``placeholders`` are all of the conversation so far."""

    text: str
    placeholders: Placeholders = ()
