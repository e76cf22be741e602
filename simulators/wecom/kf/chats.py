"""What stands in a customer's chat with an account, for people and tests to look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.wecom.timeline import Direction


class Speaker(StrEnum):
    """Who wrote an entry: the customer, the bot (send_msg, or send_msg_on_event), or one of the staff."""

    CUSTOMER = "customer"
    MACHINE = "machine"
    EVENT_MESSAGE = "event_message"
    SERVICER = "servicer"


@dataclass(frozen=True, slots=True)
class ChatEntry:
    """One thing said.

    `body` is the kind's own object. `recalled`: withdrawn by whoever wrote it. `failed`: accepted by the API and yet
    never shown to the customer (msg_send_fail). `truncated`: the platform cut the text at 2048 bytes.
    """

    open_kfid: str
    external_userid: str
    direction: Direction
    by: Speaker
    msgtype: str
    content: str
    at_ms: int
    msgid: str
    body: dict[str, object]
    servicer_userid: str = ""
    truncated: bool = False
    recalled: bool = False
    failed: bool = False
    seq: int = 0

    @property
    def chat(self) -> str:
        """The chat that the entry belongs to."""
        return chat_of(self.open_kfid, self.external_userid)

    def to_json(self) -> dict[str, object]:
        """Return the entry as the control API shows it."""
        return {
            "seq": self.seq,
            "open_kfid": self.open_kfid,
            "external_userid": self.external_userid,
            "direction": self.direction,
            "by": self.by,
            "servicer_userid": self.servicer_userid,
            "msgtype": self.msgtype,
            "content": self.content,
            "at_ms": self.at_ms,
            "msgid": self.msgid,
            "body": self.body,
            "truncated": self.truncated,
            "recalled": self.recalled,
            "failed": self.failed,
        }


def chat_of(open_kfid: str, external_userid: str) -> str:
    """Return the name of the chat between an account and a customer."""
    return f"{open_kfid} {external_userid}"
