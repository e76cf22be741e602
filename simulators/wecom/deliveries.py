"""What a member's message becomes: delivery options, the attempts made, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.wecom.callback import Tamper
from simulators.wecom.jsonfields import FieldError

if TYPE_CHECKING:
    from simulators.wecom.courier import Attempt
    from simulators.wecom.jsonfields import Fields
    from simulators.wecom.messages import MemberMessage


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """How a message travels.

    `copies`: delivered that many times, each copy with its own attempts, even when an earlier one was acknowledged.
    `delay_ms`: written now, first sent that much later. `tamper`: damaged on purpose, sent once and not repeated.
    `pad` (1 to 32): fixes the pad byte. `msgid` and `create_time` (epoch seconds): set instead of given out, so that
    two messages can share them.
    """

    copies: int = 1
    delay_ms: int = 0
    tamper: Tamper | None = None
    pad: int | None = None
    msgid: str | None = None
    create_time: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be sent."""
        if self.pad is not None and not 1 <= self.pad <= 32:
            raise FieldError("pad: 1 to 32 is expected")
        if self.pad == 1 and self.tamper is Tamper.PADDING:
            raise FieldError("pad: a single pad byte cannot contradict itself")
        if self.msgid is not None and not self.msgid.isdecimal():
            raise FieldError("msgid: decimal digits are expected")


@dataclass(slots=True)
class Delivery:
    """One message on its way; `attempts` grows while it travels.

    `sent_at_ms` is when the first request left, `accepted_at_ms` when the first HTTP 200 arrived (epoch milliseconds);
    both are `None` before. `done` tells that no further attempt will be made.
    """

    userid: str
    message: MemberMessage
    options: DeliveryOptions
    seq: int
    msgid: str | None
    create_time: int
    attempts: list[Attempt] = field(default_factory=list)
    sent_at_ms: int | None = None
    accepted_at_ms: int | None = None
    done: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the delivery as the control API shows it."""
        return {
            "userid": self.userid,
            "msgtype": self.message.msgtype,
            "seq": self.seq,
            "msgid": self.msgid,
            "create_time": self.create_time,
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "sent_at_ms": self.sent_at_ms,
            "accepted_at_ms": self.accepted_at_ms,
            "done": self.done,
        }


def read_options(fields: Fields) -> DeliveryOptions:
    """Take the delivery options out of `fields`; raises `FieldError` for a bad one."""
    tamper = fields.choice("tamper", tuple(Tamper), "")
    return DeliveryOptions(
        copies=fields.whole("copies", 1, least=1),
        delay_ms=fields.whole("delay_ms", 0),
        tamper=Tamper(tamper) if tamper else None,
        pad=fields.whole("pad", 1, least=1) if "pad" in fields else None,
        msgid=fields.text("msgid") if "msgid" in fields else None,
        create_time=fields.whole("create_time", 0) if "create_time" in fields else None,
    )
