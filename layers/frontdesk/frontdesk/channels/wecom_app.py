"""The self-built app (自建应用): its callback, read into Inbound.

Source: WeCom developer docs, paths 90238 (receiving), 90239 (messages), 90240 (events).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from frontdesk.channels.envelope import query_values
from frontdesk.errors import MalformedCallbackError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from frontdesk.channels.envelope import Envelope

CHANNEL = "wecom_app"
MAX_BODY_BYTES = 1024 * 1024  # real callbacks are a few KiB

_SYSTEM_SENDER = "sys"  # contact jobs and the like: never to be answered
_GREETED_EVENTS = frozenset({"enter_agent", "subscribe"})
_DETAILS = {
    Kind.IMAGE: ("PicUrl", "MediaId"),
    Kind.VOICE: ("MediaId", "Format"),
    Kind.VIDEO: ("MediaId", "ThumbMediaId"),
    Kind.LOCATION: ("Location_X", "Location_Y", "Scale", "Label"),
    Kind.LINK: ("Title", "Description", "Url", "PicUrl"),
}
_NUMBER = re.compile(r"[0-9]{1,20}")
_EVENT_NAME = re.compile(r"[0-9A-Za-z_]{1,64}")
# What XML 1.0 forbids but phones can produce. The envelope is authentic by then, and dropping an
# unprintable character is better than losing the message.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _parse(body: bytes | str, what: str) -> Element:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException:
        raise MalformedCallbackError(f"the {what} has a document type", code="xml_forbidden") from None
    except (ParseError, ValueError, LookupError):
        # LookupError: an encoding declaration that nobody knows
        raise MalformedCallbackError(f"the {what} is not XML", code="xml_broken") from None
    return root


def _text(root: Element, tag: str) -> str:
    return (root.findtext(tag) or "").strip()


class WecomAppCallback:
    """Reads the callbacks of one self-built app."""

    channel = CHANNEL

    def __init__(self, envelope: Envelope, *, conversation_of: Callable[[str], str]) -> None:
        """``conversation_of`` turns a user id into the keyed digest that names the conversation."""
        self._envelope = envelope
        self._conversation_of = conversation_of

    def check_url(self, raw_query: str) -> bytes:
        """Return the bytes that WeCom's URL check expects as the whole answer.

        Raises `RejectedCallbackError`.
        """
        query = query_values(raw_query)
        echo = query.get("echostr", "")
        self._envelope.verify(query, echo)
        return self._envelope.decrypt(echo)

    def open(self, raw_query: str, body: bytes) -> bytes:
        """Return the authentic XML inside a callback; raises `RejectedCallbackError`.

        Of the body only the outer element is read before its signature has been checked.
        """
        if len(body) > MAX_BODY_BYTES:
            raise MalformedCallbackError("the body is over 1 MiB", code="body_too_large")
        encrypted = _text(_parse(body, "body"), "Encrypt")
        if not encrypted:
            raise MalformedCallbackError("there is nothing encrypted in the body", code="encrypt_missing")
        self._envelope.verify(query_values(raw_query), encrypted)
        return self._envelope.decrypt(encrypted)

    def read(self, message: bytes, *, received_at_ms: int) -> Inbound | None:
        """Return the inbound message that ``message`` (decrypted XML) holds, ``None`` when nobody is to be answered.

        ``None`` stands for system events, events without an effect here, and kinds that did not exist when
        this was written: they must be acknowledged. Raises `MalformedCallbackError`.
        """
        root = _parse(_UNPRINTABLE.sub("", message.decode(errors="replace")), "message")
        sender = _text(root, "FromUserName")
        if not sender or sender == _SYSTEM_SENDER:
            return None
        sent_at = _text(root, "CreateTime")
        if not _NUMBER.fullmatch(sent_at):
            raise MalformedCallbackError("CreateTime is not a number", code="create_time_broken")
        conversation = self._conversation_of(sender)
        kind = _kind(root)
        if kind is None:
            return None
        return Inbound(
            channel=CHANNEL,
            conversation=conversation,
            message_id=_message_id(root, conversation, sent_at),
            sender=sender,
            kind=kind,
            sent_at=int(sent_at),
            received_at_ms=received_at_ms,
            text=root.findtext("Content") or "" if kind is Kind.TEXT else "",
            details={tag: value for tag in _DETAILS.get(kind, ()) if (value := _text(root, tag))},
        )


def _kind(root: Element) -> Kind | None:
    message_type = _text(root, "MsgType")
    if message_type == "event":
        return Kind.ENTERED if _text(root, "Event") in _GREETED_EVENTS else None
    try:
        kind = Kind(message_type)
    except ValueError:
        return None
    return None if kind is Kind.ENTERED else kind


def _message_id(root: Element, conversation: str, sent_at: str) -> str:
    """Return what is the same for every delivery of one message, and for no other message.

    Messages have a MsgId. Events have none: WeCom's rule is FromUserName + CreateTime (path 90930), to which
    the event's name is added so that two events of one second survive. The digest stands for FromUserName.
    """
    message_id = _text(root, "MsgId")
    if _NUMBER.fullmatch(message_id):
        return message_id
    name = _text(root, "Event") or _text(root, "MsgType")
    return f"{conversation}-{sent_at}-{name if _EVENT_NAME.fullmatch(name) else 'other'}"
