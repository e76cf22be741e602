"""What people of the company get to see in the application's chat when they press or type something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.conversation.journey import log
from frontdesk.errors import MisconfiguredError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.conversation.ports import Staff, TicketCards
    from frontdesk.messages import Inbound
    from frontdesk.records import Ticket


class StaffChat:
    """Tells, and changes and shows cards. What one person cannot be shown keeps nobody's work from being done.

    Each method raises `TransientError`, and `MisconfiguredError` when nobody can be shown anything.
    """

    def __init__(self, *, staff: Staff, cards: TicketCards, agents: Sequence[str]) -> None:
        """``agents`` are the user ids of all who get the cards."""
        self._staff = staff
        self._cards = cards
        self._agents = agents

    def tell(self, inbound: Inbound, text: str, *, deadline: float) -> None:
        """Let the one who pressed or typed ``inbound`` read ``text``."""
        _if_possible(lambda: self._staff.tell(inbound.sender, text, deadline=deadline))

    def close_everybodys_card(self, press: Inbound, text: str, *, deadline: float) -> None:
        """Let ``text`` take the place of the buttons of the card that was pressed, wherever it was sent to."""
        self._close(self._agents, press.details.get("response_code", ""), text, deadline)

    def close_own_card(self, inbound: Inbound, text: str, *, code: str = "", deadline: float) -> None:
        """Let ``text`` take the place of the buttons of the person's card: of the one pressed, or that of ``code``."""
        self._close([inbound.sender], code or inbound.details.get("response_code", ""), text, deadline)

    def show(self, ticket: Ticket, *, occasion: str, deadline: float) -> None:
        """Send the ticket's card to the one who has claimed it."""
        _if_possible(lambda: self._cards.show(ticket, [ticket.assignee], occasion=occasion, deadline=deadline))

    def _close(self, userids: Sequence[str], code: str, text: str, deadline: float) -> None:
        if code:  # what is typed changes no card
            _if_possible(lambda: self._staff.replace_card(userids, code, text, deadline=deadline))


def _if_possible(show: Callable[[], None]) -> None:
    try:
        show()
    except MisconfiguredError:
        raise
    except PermanentError as error:
        # A code that was used by an earlier attempt, e.g.; what was to be done is done.
        log.warning("not shown to a person of the company", extra={"code": error.code})
