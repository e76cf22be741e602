"""The people of the company in the chat of the self-built app: what they are told, and the cards before them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from frontdesk.channels import cards, wecom_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.records import Ticket

_DUPLICATE_WINDOW_S = 4 * 3600
# From the first number on `wecom_text.distinct` writes each in the same few invisible characters.
_TWINS = (700, 65_535)


class WecomStaff:
    """Tells, changes cards and shows tickets. Safe to use from several threads.

    Everything raises `TransientError`, `PermanentError` when it reaches none of those it is for, and
    `MisconfiguredError` when it could reach nobody. Deadlines are on the monotonic clock.
    """

    def __init__(self, api: WecomApi, *, rng: random.Random | None = None) -> None:
        """Draw from ``rng`` what tells two messages with the same words apart."""
        self._api = api
        self._rng = rng or random.SystemRandom()

    def tell(self, userid: str, text: str, *, deadline: float) -> None:
        """Let one of them read ``text``, also when the same words went to them a moment ago."""
        for segment in wecom_text.split(text):
            twin = wecom_text.distinct(segment, self._rng.randint(*_TWINS))
            self._api.send_text(userid, twin, duplicate_window_s=_DUPLICATE_WINDOW_S, deadline=deadline)

    def replace_card(self, userids: Sequence[str], response_code: str, text: str, *, deadline: float) -> None:
        """Let ``text`` take the place of the buttons of the card that ``response_code`` stands for.

        Raises `PermanentError` when the code was used before or is too old.
        """
        self._api.update_card(userids, response_code, text, deadline=deadline)

    def show(self, ticket: Ticket, userids: Sequence[str], *, occasion: str, deadline: float) -> None:
        """Send the card of a ticket; the same one again on the same ``occasion`` shows nothing twice for four hours."""
        card = cards.ticket_card(ticket, task_id=cards.ticket_task_id(ticket.number, occasion))
        self._api.send_card(userids, card, duplicate_window_s=_DUPLICATE_WINDOW_S, deadline=deadline)
