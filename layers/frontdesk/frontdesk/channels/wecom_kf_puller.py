"""What the accounts of 微信客服 have received, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontdesk.channels import wecom_kf
from frontdesk.messages import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.channels.wecom_kf_api import WecomKfApi


class KfPuller:
    """Fetches pages and reads them."""

    def __init__(self, api: WecomKfApi, *, conversation_of: Callable[[str], str], clock: Callable[[], float]) -> None:
        """``conversation_of`` turns a reply address into the digest that names the conversation; ``clock`` is epoch."""
        self._api = api
        self._conversation_of = conversation_of
        self._clock = clock

    def page(self, account: str, *, cursor: str, token: str, deadline: float) -> Page:
        """Return the next page, in the order in which WeCom has it; entries that mean nothing here are counted.

        Raises `TransientError`; `MisconfiguredError` when no account can be fetched before a person changes something,
        and a plain `PermanentError` when this one cannot: it was deleted, or withdrawn from us.
        """
        synced = self._api.sync_msg(account, cursor=cursor, token=token, deadline=deadline)
        received_at_ms = int(self._clock() * 1000)
        read = [
            wecom_kf.read(item, account=account, conversation_of=self._conversation_of, received_at_ms=received_at_ms)
            for item in synced.items
        ]
        inbounds = tuple(inbound for inbound in read if inbound is not None)
        return Page(inbounds, synced.cursor, more=synced.more, skipped=len(read) - len(inbounds))
