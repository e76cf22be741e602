"""The words every part of Frontdesk speaks: what came in, what is asked, what goes out.

Plain frozen values without behaviour of any vendor. Times: ``…_at`` is epoch seconds, ``…_at_ms`` epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Kind(StrEnum):
    """What came in. In brackets what `Inbound.details` may hold of it, beside what the vendor calls its parts.

    Who an entry is about is always one customer; what was sent by somebody else comes in their conversation.
    """

    TEXT = "text"  # [menu_id: the item of a menu that was tapped]
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    LINK = "link"
    OTHER = "other"  # what only WeCom can show: a business card, a mini program, a forwarded chat …
    ENTERED = "entered"  # the customer opened the chat, or was given access to it [code, scene, scene_param]
    PRESSED = "pressed"  # a button of a card [key, task_id, response_code]
    PERSON = "person"  # a person of the company wrote to the customer [servicer]
    RECALLED = "recalled"  # a message was taken back [recalled_id, by: customer or person]
    UNDELIVERED = "undelivered"  # one of ours was accepted and yet did not arrive [failed_id, fail_type]
    STATE = "state"  # the customer changed hands [change: taken, transferred, ended or reentered; servicer, code]
    DUE = "due"  # a moment that was waited for has come [what: attendance or rating, at or session_id]
    TICKET = "ticket"  # a ticket of the customer was opened or closed [number, state: opened or closed]


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
class Pull:
    """The news that a customer-service account has messages to fetch.

    ``token`` is what the vendor gave for fetching them, valid for ten minutes; empty when nobody called, but a
    schedule. A pull that began after ``noticed_at_ms`` serves it too.
    """

    account: str
    noticed_at_ms: int
    token: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an account's messages, in their order. ``more`` tells that there are further ones.

    ``skipped`` counts entries that mean nothing here.
    """

    inbounds: tuple[Inbound, ...]
    cursor: str
    more: bool
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Outbound:
    """One visible message to a customer. Sending the same one again must show nothing twice.

    ``message_id`` names it: the same for each repetition, and for no other message of this conversation. ``menu`` are
    choices below the text that can be tapped. ``code`` is a vendor's permission for this one message, which counts
    against no allowance. ``last`` lets it spend the last message that the vendor allows.
    """

    channel: str
    recipient: str
    text: str
    conversation: str = ""
    message_id: str = ""
    menu: tuple[Choice, ...] = ()
    code: str = ""
    last: bool = False


class Charge(StrEnum):
    """Who is in charge of a customer."""

    BOT = "bot"
    WAITING = "waiting"  # nobody: the customer waits for a person
    PERSON = "person"
    CLOSED = "closed"  # nobody: the session has ended, and the customer has not written since


@dataclass(frozen=True, slots=True)
class Afresh:
    """The same question to one who does not know the talk: in a chat of its own, after what was said so far."""

    chat_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked. ``attempt_id`` is new at every attempt; ``customer`` is a digest, never a user id.

    ``words`` are what the customer wrote, as the model may read it, where ``text`` says more, or what it means.
    ``last_attempt`` is the model's name of its last answer in this talk, empty when it gave none: whichever of the
    model's endpoints gave that one knows the talk, and, when ``paused``, waits for this. Any other is asked ``afresh``,
    where that is given: it is composed when it is needed, by whoever asks.
    """

    chat_id: str
    attempt_id: str
    customer: str
    text: str
    words: str = ""
    last_attempt: str = ""
    paused: bool = False
    afresh: Callable[[], Afresh] | None = None


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

    ``text`` is empty only beside a pause, or when the model wants a person and says nothing itself. ``confidence`` is
    what the app says of itself or else the best retrieval score (0..1), 0.0 when a knowledge search found nothing and
    ``None`` when nothing tells. ``wants_person`` is the app's own word that a person is to go on. ``partial_failure``
    names an error that happened beside a usable answer. ``attempt_id`` is the model's name of the answer, which
    feedback needs; empty when the model keeps no record of it. ``identity`` names who answered to the audit, where that
    is not the model's own; ``afresh`` tells that it was asked afresh, ``misconfigured`` that an endpoint which was
    asked before needs a person to put it right.
    """

    text: str
    pause: Pause | None = None
    confidence: float | None = None
    wants_person: bool = False
    partial_failure: str = ""
    attempt_id: str = ""
    first_words_ms: int | None = None
    total_ms: int = 0
    identity: str = ""
    afresh: bool = False
    misconfigured: bool = False


PRIMARY = "primary"
CANARY = "canary"
RUNGS = (PRIMARY, "standby", "lite", CANARY, "cached")
"""Who can have answered: the endpoints of the model, and the approved answers."""


def rung_of(attempt_id: str) -> str:
    """Return which rung gave the answer of this name, "" for no name: the primary's names have nothing before them."""
    rung, slash, _ = attempt_id.partition("/")
    return rung if slash and rung in RUNGS else PRIMARY if attempt_id else ""


@dataclass(frozen=True, slots=True)
class Sentences:
    """What the machine says by itself. An empty welcome turns the welcome off.

    ``{when}``, ``{number}`` and ``{answer}`` stand for what is only known when it is said.
    """

    welcome: str
    interim: str
    fallback: str
    unsupported: str
    reset: str
    handoff: str = "正在为您转接人工客服，请稍候。"
    nobody: str = "现在没有同事在线，您的问题已经登记，我们会{when}与您联系。"
    soon: str = "尽快"
    nobody_needed: str = "您的问题已经登记，我们会尽快与您联系。"
    choose: str = "请选择："
    clarify: str = "抱歉，我还不能确定您的意思。能再具体说明一下吗？例如产品名称、遇到的情况，或您想办理的事项。"
    colleague: str = "后续将由我们的同事继续为您服务。"
    given_back: str = "抱歉，同事暂时没能接待您，问题已经登记，我们会尽快联系您。您也可以继续向我提问。"
    ticket_opened: str = "您的问题已登记，工单号 {number}，处理好后会在这里告诉您。"
    ticket_closed: str = "您的工单 {number} 已处理完毕。\n{answer}"
    rating: str = "本次服务您还满意吗？"
    rating_good: str = "满意"
    rating_bad: str = "不满意"
    thanks: str = "感谢您的评价！"
    to_person: str = "转人工"
    more: str = "内容较长，点击查看余下的部分："
    more_item: str = "继续查看"


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
