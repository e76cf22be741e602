"""Whose the simulated phones are, and what left them: a member's with the app, or a WeChat customer's with 微信客服.

Plain values that the board publishes. A phone is named by its reply address: a member's user id in lower case, or
`<open_kfid>:<external_userid>`.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from simulators.wecom.kf.sessions import MOST_MESSAGES, ServiceState

if TYPE_CHECKING:
    from simulators.wecom.deliveries import Delivery
    from simulators.wecom.kf.chats import ChatEntry
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.timeline import Entry

APP, KF = "wecom_app", "wecom_kf"
_PRESSED = "template_card_event"
_STATES = {
    ServiceState.NEW: "bot",
    ServiceState.MACHINE: "bot",
    ServiceState.POOL: "waiting",
    ServiceState.SERVICER: "person",
    ServiceState.ENDED: "ended",
}


def address_of(open_kfid: str, external_userid: str) -> str:
    """Return the reply address of a customer of an account."""
    return f"{open_kfid}:{external_userid}"


@dataclass(frozen=True, slots=True)
class Service:
    """Who has a customer of 微信客服: bot, waiting, person or ended; ``agent`` is the person's user id.

    ``used`` of ``allowed`` messages were sent since the customer's newest one.
    """

    state: str
    agent: str
    used: int
    allowed: int = MOST_MESSAGES

    @classmethod
    def of(cls, session: Session) -> Service:
        """Return what a session of the simulated WeCom says."""
        return cls(_STATES[session.state], session.servicer_userid.lower(), session.used)


@dataclass(frozen=True, slots=True)
class Phone:
    """Somebody's chat. ``account`` and ``service`` belong to 微信客服; a customer who never wrote has no service."""

    userid: str
    name: str
    channel: str = APP
    external_userid: str = ""
    open_kfid: str = ""
    account: str = ""
    service: Service | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the phone as the page gets it."""
        return asdict(self)


class Sent(Protocol):
    """One message that left a phone."""

    @property
    def key(self) -> str:
        """What it is called on the page."""

    @property
    def userid(self) -> str:
        """The reply address of the phone."""

    def message_id(self, conversation: str) -> str:
        """Return what the functions call the message, when it belongs to ``conversation``."""

    def to_json(self) -> dict[str, Any]:
        """Return what the page gets to know of it."""


@dataclass(frozen=True, slots=True)
class FromMember:
    """What a member did, and how its delivery goes."""

    delivery: Delivery
    entry: Entry

    @property
    def key(self) -> str:
        """What it is called on the page."""
        return f"d{self.delivery.seq}"

    @property
    def userid(self) -> str:
        """The reply address of the phone."""
        return self.delivery.userid.lower()

    def message_id(self, conversation: str) -> str:
        """Return its MsgId; an event has none, and is named after its conversation, time and kind.

        Of a pressed button the kind has the card and the key with it, as their digest.
        """
        what = self.delivery.message.event
        if what == _PRESSED:
            parts = dict(self.delivery.message.elements)
            pressed = f"{parts.get('TaskId', '')}\0{parts.get('EventKey', '')}"
            what = f"pressed-{hashlib.sha256(pressed.encode()).hexdigest()[:16]}"
        return self.delivery.msgid or f"{conversation}-{self.delivery.create_time}-{what}"

    def to_json(self) -> dict[str, Any]:
        """Return what the page gets to know of it."""
        delivery = self.delivery
        return {
            "key": self.key,
            "seq": delivery.seq,
            "userid": self.userid,
            "channel": APP,
            "msgtype": delivery.message.msgtype,
            "content": self.entry.content,
            "at_ms": delivery.sent_at_ms or self.entry.at_ms,
            "delivery": {
                "attempts": [attempt.to_json() for attempt in delivery.attempts],
                "copies": delivery.options.copies,
                "tampered": delivery.options.tamper.value if delivery.options.tamper else "",
                "done": delivery.done,
            },
        }


@dataclass(frozen=True, slots=True)
class FromCustomer:
    """What a WeChat customer said.

    It has no delivery of its own: WeCom only tells that there is something to fetch.
    """

    entry: ChatEntry

    @property
    def key(self) -> str:
        """What it is called on the page."""
        return f"k{self.entry.seq}"

    @property
    def userid(self) -> str:
        """The reply address of the phone."""
        return address_of(self.entry.open_kfid, self.entry.external_userid)

    def message_id(self, conversation: str) -> str:  # noqa: ARG002  # the protocol's
        """Return its msgid, which is the same everywhere."""
        return self.entry.msgid

    def to_json(self) -> dict[str, Any]:
        """Return what the page gets to know of it."""
        return {
            "key": self.key,
            "seq": self.entry.seq,
            "userid": self.userid,
            "channel": KF,
            "msgtype": self.entry.msgtype,
            "content": self.entry.content,
            "at_ms": self.entry.at_ms,
            "delivery": None,
        }


def member_entry(entry: Entry) -> dict[str, Any]:
    """Return what stands in a member's chat as the page gets it."""
    return {"key": f"m{entry.seq}", "channel": APP, **entry.to_json()}


def customer_entry(entry: ChatEntry) -> dict[str, Any]:
    """Return what stands in a customer's chat with an account as the page gets it."""
    address = address_of(entry.open_kfid, entry.external_userid)
    return {"key": f"k{entry.seq}", "channel": KF, "userid": address, **entry.to_json()}


def change_of_hands(number: int, userid: str, state: str, agent: str, *, at_ms: int) -> dict[str, Any]:
    """Return the line that tells who has a customer of 微信客服 from now on."""
    return {
        "key": f"h{number}",
        "seq": number,
        "channel": KF,
        "userid": userid,
        "direction": "",
        "by": "",
        "msgtype": "event",
        "content": state,
        "servicer_userid": agent,
        "at_ms": at_ms,
    }
