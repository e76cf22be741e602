"""What the bot is told of 微信客服: that an account has news, or that one was granted or withdrawn.

Source: WeCom developer docs, paths 94670 (kf_msg_or_event) and 97712 (kf_account_auth_change). A notification has no
content and no sender; its Token is for sync_msg alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from simulators.wecom.courier import Attempt
    from simulators.wecom.settings import WecomSettings
    from simulators.wecom.xmltext import Elements


@dataclass(slots=True)
class Notice:
    """One notification on its way; `elements` are the parts behind the event's name. See `Delivery` for the times.

    `journey` is the task that carries it, where one does so in the background.
    """

    event: str
    elements: Elements
    create_time: int
    copies: int = 1
    delay_ms: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    sent_at_ms: int | None = None
    accepted_at_ms: int | None = None
    done: bool = False
    journey: asyncio.Task[None] | None = None

    def document(self, settings: WecomSettings) -> Elements:
        """Return the decrypted document: no FromUserName, no MsgId, no AgentID."""
        return [
            ("ToUserName", settings.corp_id),
            ("CreateTime", self.create_time),
            ("MsgType", "event"),
            ("Event", self.event),
            *self.elements,
        ]

    def to_json(self) -> dict[str, object]:
        """Return what became of it, as the control API shows it."""
        return {
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "sent_at_ms": self.sent_at_ms,
            "accepted_at_ms": self.accepted_at_ms,
            "done": self.done,
        }
