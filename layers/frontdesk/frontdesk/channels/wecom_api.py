"""The calls of WeCom's server API that Frontdesk makes as a self-built application (自建应用).

Source: WeCom developer docs, paths 90236 (message/send) and 94888 (message/update_template_card).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from frontdesk.channels.wecom_text import MAX_BYTES
from frontdesk.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontdesk.channels.wecom_calls import WecomCalls
    from frontdesk.errors import FrontdeskError

log = logging.getLogger(__name__)

_LONGEST_DUPLICATE_WINDOW_S = 4 * 3600
_MOST_MEMBERS = 1000
_EVERYBODY = "@all"
# In an answer with errcode 0: whom the message did not reach after all.
_NOT_REACHED = ("invaliduser", "unlicenseduser")
_SPENT_RESPONSE_CODE = "wecom_60140"


class WecomApi:
    """One application's way to its members. Safe to use from several threads.

    Deadlines are on the clock of ``calls``. What is sent again unchanged within ``duplicate_window_s`` (1 second to 4
    hours) shows nothing twice, so it may be repeated whenever the outcome is unknown. Everything raises
    `TransientError`, `PermanentError` when this message or its receivers are the reason, `MisconfiguredError` when no
    message can be sent.
    """

    def __init__(self, calls: WecomCalls, *, agent_id: int) -> None:
        """Use ``calls`` that are made with the secret of the application ``agent_id``."""
        self._calls = calls
        self._agent_id = agent_id

    def send_text(self, recipient: str, text: str, *, duplicate_window_s: int, deadline: float) -> None:
        """Return when WeCom has taken ``text`` for the member ``recipient``."""
        self.tell((recipient,), text, duplicate_window_s=duplicate_window_s, deadline=deadline)

    def tell(self, members: Sequence[str], text: str, *, duplicate_window_s: int, deadline: float) -> None:
        """Return when WeCom has taken ``text`` for these members, or for some of them at least."""
        if len(text.encode()) > MAX_BYTES:
            raise PermanentError("message/send: the text is too long for one message", code="wecom_text_too_long")
        self._send(members, "text", {"content": text}, duplicate_window_s, deadline)

    def send_card(
        self, members: Sequence[str], card: Mapping[str, Any], *, duplicate_window_s: int, deadline: float
    ) -> None:
        """Return when WeCom has taken ``card`` for these members, or for some of them at least."""
        self._send(members, "template_card", card, duplicate_window_s, deadline)

    def update_card(self, members: Sequence[str], response_code: str, text: str, *, deadline: float) -> None:
        """Put ``text`` in the place of the buttons of the card that ``response_code`` stands for, before these members.

        The code is good for one update within 72 hours: for a used one a `PermanentError` is raised, wecom_60140.
        """
        _check(members, "message/update_template_card")
        document = {
            "userids": list(members),
            "agentid": self._agent_id,
            "response_code": response_code,
            "button": {"replace_name": text},
        }
        self._calls.post(
            "message/update_template_card",
            document,
            deadline=deadline,
            was_done=lambda refusal: refusal.code == _SPENT_RESPONSE_CODE,
        )

    def _send(
        self, members: Sequence[str], kind: str, content: Mapping[str, Any], duplicate_window_s: int, deadline: float
    ) -> None:
        _check(members, "message/send")
        document = {
            "touser": "|".join(members),
            "msgtype": kind,
            "agentid": self._agent_id,
            kind: content,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": min(max(duplicate_window_s, 1), _LONGEST_DUPLICATE_WINDOW_S),
        }
        answer = self._calls.post("message/send", document, deadline=deadline)
        missed = _not_reached(answer, members)
        if not missed:
            return
        if len(missed) >= len({member.lower() for member in members}):
            raise next(iter(missed.values()))
        log.warning("a message did not reach everybody", extra={"call": "message/send", "count": len(missed)})


def _check(members: Sequence[str], call: str) -> None:
    """Raise `PermanentError` for what is no list of single members: a name can hold several, or stand for all."""
    if not 0 < len(members) <= _MOST_MEMBERS or any(
        not member or "|" in member or member.lower() == _EVERYBODY for member in members
    ):
        raise PermanentError(f"{call}: a message goes to single members", code="wecom_recipient")


def _not_reached(answer: Mapping[str, Any], members: Sequence[str]) -> dict[str, FrontdeskError]:
    """Return the members, in lower case as WeCom may give them, whom an accepted message did not reach, and why."""
    asked = {member.lower() for member in members}
    missed: dict[str, FrontdeskError] = {}
    for reason in _NOT_REACHED:
        names = answer.get(reason)
        for name in names.lower().split("|") if isinstance(names, str) else ():
            if name in asked:
                missed[name] = PermanentError(f"message/send: the member is in {reason}", code=f"wecom_{reason}")
    return missed
