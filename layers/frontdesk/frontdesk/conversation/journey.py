"""The way of one message, told in log lines: what happened to it and when.

Each line has `stage`, one of queued · asked · first_words · answered · sent · archived, and `at_ms` (epoch
milliseconds); the line of `queued` also tells when the message was received and verified. The page of the local
run and the log queries of the runbook read them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontdesk.messages import Inbound

log = logging.getLogger("frontdesk.conversation")


def reached(stage: str, at_ms: int, inbound: Inbound, **more: str | float | bool | None) -> None:
    """Log that ``inbound`` reached ``stage``. ``more`` holds durations, counts and codes, never content."""
    log.info("message %s", stage, extra={"stage": stage, "at_ms": at_ms, **name_of(inbound), **more})


def name_of(inbound: Inbound) -> dict[str, str]:
    """Return the fields by which a log line names a message."""
    return {
        "channel": inbound.channel,
        "conversation": inbound.conversation,
        "message_id": inbound.message_id,
    }
