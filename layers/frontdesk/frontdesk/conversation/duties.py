"""What a person of the company is doing: how it begins, and by what name people are known.

A duty says what somebody meant to do. Whether it still counts is decided by the record that it is about.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from frontdesk.messages import Charge
from frontdesk.records import Duty

if TYPE_CHECKING:
    from frontdesk.messages import Inbound
    from frontdesk.records import Attendance

ATTEND = "attend"
REPLY = "reply"


def begun(kind: str, about: str, by: Inbound) -> Duty:
    """Return the duty that begins with the message ``by`` of the person."""
    return Duty(
        conversation=by.conversation,
        kind=kind,
        about=about,
        begun_by=by.message_id,
        begun_at_ms=by.received_at_ms,
        response_code=by.details.get("response_code", ""),
    )


def plain(text: str) -> str:
    """Return a word or a user id as it is compared: in either case, of either width."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def same_person(one: str, other: str) -> bool:
    """Return whether two user ids are one person's: WeCom knows no difference between cases (path 90236)."""
    return bool(one) and plain(one) == plain(other)


def attends(attendance: Attendance, userid: str) -> bool:
    """Return whether the customer is this person's."""
    return attendance.state == Charge.PERSON and same_person(attendance.agent, userid)
