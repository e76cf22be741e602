"""The way out to a WeCom member, as the conversation sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.channels import wecom_text

if TYPE_CHECKING:
    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.messages import Outbound

DUPLICATE_WINDOW_S = 3600
"""For how long the same text to the same member is shown once: longer than any retry of a message takes, shorter than
the time for which the conversation counts the twins that it tells apart by `WecomOutbound.distinct`."""

# Several times what the longest answer shows. Reading hostile markdown takes more than linear time, and an answer
# may have 256 KiB: ten seconds of a customer's patience would go into words that nobody is shown.
_MOST_CHARACTERS = 30_000


class WecomOutbound:
    """Sends texts of one self-built application to its members."""

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

    def deliver(self, outbound: Outbound, *, deadline: float) -> None:
        """Return when WeCom has the message; ``deadline`` is on the monotonic clock.

        Raises `TransientError`, `PermanentError` when this customer cannot be reached, and `MisconfiguredError`
        when nobody can.
        """
        self._api.send_text(
            outbound.recipient, outbound.text, duplicate_window_s=self._duplicate_window_s, deadline=deadline
        )
