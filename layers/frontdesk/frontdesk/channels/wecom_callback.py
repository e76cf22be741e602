"""The one callback address of WeCom: it serves the self-built app (自建应用) and 微信客服, and tells them apart.

Source: WeCom developer docs, paths 90930 (callback), 94670 (kf_msg_or_event), 97712 (kf_account_auth_change).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from frontdesk.channels import wecom_app
from frontdesk.channels.envelope import query_values
from frontdesk.channels.printable import printable
from frontdesk.channels.wecom_xml import parse, text_of
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError
from frontdesk.messages import Pull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from xml.etree.ElementTree import Element

    from frontdesk.channels.envelope import Envelope
    from frontdesk.messages import Inbound

MAX_BODY_BYTES = 1024 * 1024  # real callbacks are a few KiB

_ACCOUNT = re.compile(r"[0-9A-Za-z_-]{1,64}")
# The elements of each event that name accounts with something to fetch. One that was withdrawn is fetched as well:
# WeCom's refusal is what tells for certain.
_ACCOUNTS_OF_EVENTS = {
    "kf_msg_or_event": ("OpenKfId",),
    "kf_account_auth_change": ("AuthAddOpenKfId", "AuthDelOpenKfId"),
}


class WecomCallback:
    """Reads what comes to the callback address."""

    channel = wecom_app.CHANNEL

    def __init__(self, envelopes: Sequence[Envelope], *, conversation_of: Callable[[str], str]) -> None:
        """``envelopes`` are the app's and, where 微信客服 has a Token and key of its own, that one.

        ``conversation_of`` turns a member's user id into the keyed digest that names the conversation.
        """
        self._envelopes = tuple(envelopes)
        self._conversation_of = conversation_of

    def check_url(self, raw_query: str) -> bytes:
        """Return the bytes that WeCom's URL check expects as the whole answer.

        Raises `RejectedCallbackError`.
        """
        query = query_values(raw_query)
        echo = query.get("echostr", "")
        return self._verified(query, echo).decrypt(echo)

    def open(self, raw_query: str, body: bytes) -> bytes:
        """Return the authentic XML inside a callback; raises `RejectedCallbackError`.

        Of the body only the outer element is read before its signature has been checked.
        """
        if len(body) > MAX_BODY_BYTES:
            raise MalformedCallbackError("the body is over 1 MiB", code="body_too_large")
        encrypted = text_of(parse(body, "body"), "Encrypt")
        if not encrypted:
            raise MalformedCallbackError("there is nothing encrypted in the body", code="encrypt_missing")
        return self._verified(query_values(raw_query), encrypted).decrypt(encrypted)

    def read(self, message: bytes, *, received_at_ms: int) -> tuple[Inbound | Pull, ...]:
        """Return what ``message`` (decrypted XML) is about: a member's message, or accounts to be fetched.

        Nothing at all stands for what must be acknowledged and has no effect. Raises `MalformedCallbackError`.
        """
        # The envelope is authentic by then: what XML cannot hold is no attack but a phone's doing.
        root = parse(printable(message.decode(errors="replace")), "message")
        if text_of(root, "MsgType") == "event" and text_of(root, "Event") in _ACCOUNTS_OF_EVENTS:
            return _pulls(root, received_at_ms)
        inbound = wecom_app.read(root, conversation_of=self._conversation_of, received_at_ms=received_at_ms)
        return () if inbound is None else (inbound,)

    def _verified(self, query: dict[str, str], encrypted: str) -> Envelope:
        """Return the envelope whose signature fits; raises `ForbiddenCallbackError` when none does."""
        refusal = ForbiddenCallbackError("the signature does not fit", code="signature_mismatch")
        for envelope in self._envelopes:
            try:
                envelope.verify(query, encrypted)
            except ForbiddenCallbackError as error:
                if error.code != refusal.code:  # its signature fits, and yet it is not to be trusted
                    raise
            else:
                return envelope
        raise refusal


def _pulls(root: Element, received_at_ms: int) -> tuple[Pull, ...]:
    """Return one pull for each account; the token is for fetching, and belongs to a single one."""
    named = [
        (each.text or "").strip() for tag in _ACCOUNTS_OF_EVENTS[text_of(root, "Event")] for each in root.iter(tag)
    ]
    accounts = [account for account in dict.fromkeys(named) if _ACCOUNT.fullmatch(account)]
    token = text_of(root, "Token")
    return tuple(Pull(account=account, noticed_at_ms=received_at_ms, token=token) for account in accounts)
