"""The way out to a WeCom member, as the conversation sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.channels import cards, wecom_text

if TYPE_CHECKING:
    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.messages import Inbound, Outbound

DUPLICATE_WINDOW_S = 3600
"""For how long the same text to the same member is shown once: longer than any retry of a message takes, shorter than
the time for which the conversation counts the twins that it tells apart by `WecomOutbound.distinct`."""

# Several times what the longest answer shows. Reading hostile markdown takes more than linear time, and an answer
# may have 256 KiB: ten seconds of a customer's patience would go into words that nobody is shown.
_MOST_CHARACTERS = 30_000


class WecomOutbound:
    """Sends texts, and cards with choices, of one self-built application to its members."""

    hosted = False

    def __init__(self, api: WecomApi, *, duplicate_window_s: int = DUPLICATE_WINDOW_S) -> None:
        """``duplicate_window_s`` is at most 4 hours."""
        self._api = api
        self._duplicate_window_s = duplicate_window_s

    def render(self, markdown: str) -> str:
        """Return ``markdown``, or the first 30,000 characters of it, as a WeCom text shows it."""
        return wecom_text.render(markdown[:_MOST_CHARACTERS])

    def split(self, text: str) -> tuple[str, ...]:
        """Return a rendered ``text`` as text messages; none for a blank one."""
        return tuple(wecom_text.split(text))

    def distinct(self, text: str, n: int) -> str:
        """Return ``text`` made different from its ``n`` earlier twins, without a visible change."""
        return wecom_text.distinct(text, n)

    def room(self, inbound: Inbound) -> None:  # noqa: ARG002  # the port asks for it
        """Return ``None``: WeCom counts no messages to members that a conversation would notice."""
        return

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when WeCom has the message; ``deadline`` is on the monotonic clock.

        A menu becomes the buttons of a card, below a text message where the card cannot hold the text. One that no
        card can hold is left out: the customer still reads the words, and can write.

        Raises `TransientError`, `PermanentError` when this customer cannot be reached, and `MisconfiguredError`
        when nobody can.
        """
        on_card = cards.can_choose(outbound.menu)
        whole = on_card and cards.can_hold(outbound.text)
        if not whole:
            self._api.send_text(
                outbound.recipient, outbound.text, duplicate_window_s=self._duplicate_window_s, deadline=deadline
            )
        if on_card:
            task_id = cards.choice_task_id(outbound.conversation, outbound.message_id)
            card = cards.choice_card(outbound.text if whole else "", outbound.menu, task_id=task_id)
            self._api.send_card(
                (outbound.recipient,), card, duplicate_window_s=self._duplicate_window_s, deadline=deadline
            )
