"""What a desk says to the people behind it: the brief, and reminders. Staff read these, never a customer."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from frontdesk.channels import wecom_text
from frontdesk.channels.cards import cut

if TYPE_CHECKING:
    from frontdesk.records import Attendance

_MOST_MESSAGES = 4
_LONGEST_NAME = 20
_BLANK = "（没有可供参考的对话记录）"


def briefing(attendance: Attendance, *, nickname: str = "") -> list[str]:
    """Return the brief as text messages, at most four of them; its words are given, only its heading is not."""
    heading = f"【会话简报】{_customer(attendance, nickname)}"
    return wecom_text.split(f"{heading}\n\n{attendance.brief.strip() or _BLANK}")[:_MOST_MESSAGES]


def reminder(attendance: Attendance, *, nickname: str = "") -> str:
    """Return the next reminder of a customer whom nobody answers.

    It names its number and the conversation, so that WeCom takes no two of them for the same message sent twice.
    """
    return (
        f"【待回复提醒】{_customer(attendance, nickname)}正在等待人工回复，请尽快处理"
        f"（第 {attendance.reminders + 1} 次提醒）。"
    )


def _customer(attendance: Attendance, nickname: str) -> str:
    """Return a name of the customer for people: with what the logs call the conversation, and for which call."""
    call = hashlib.sha256(attendance.question_id.encode()).hexdigest()[:4]
    named = f"客户“{cut(nickname, _LONGEST_NAME)}”" if nickname.strip() else "客户"
    return f"{named}（会话 {attendance.conversation[:8]}-{call}）"
