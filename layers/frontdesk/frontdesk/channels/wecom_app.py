"""The self-built app (自建应用): one message or event of its callback, read into Inbound.

Source: WeCom developer docs, paths 90238 (receiving), 90239 (messages), 90240 (events).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from frontdesk.channels.wecom_xml import text_of
from frontdesk.errors import MalformedCallbackError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

CHANNEL = "wecom_app"

_SYSTEM_SENDER = "sys"  # contact jobs and the like: never to be answered
_PRESSED = "template_card_event"
_KINDS_OF_EVENTS = {"enter_agent": Kind.ENTERED, "subscribe": Kind.ENTERED, _PRESSED: Kind.PRESSED}
# The documentation knows no files that members send to an app.
_KINDS_OF_MESSAGES = {
    kind.value: kind for kind in (Kind.TEXT, Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.LOCATION, Kind.LINK)
}
# The name of each detail, and the element it is in.
_DETAILS = {
    Kind.IMAGE: {"PicUrl": "PicUrl", "MediaId": "MediaId"},
    Kind.VOICE: {"MediaId": "MediaId", "Format": "Format"},
    Kind.VIDEO: {"MediaId": "MediaId", "ThumbMediaId": "ThumbMediaId"},
    Kind.LOCATION: {each: each for each in ("Location_X", "Location_Y", "Scale", "Label")},
    Kind.LINK: {each: each for each in ("Title", "Description", "Url", "PicUrl")},
    Kind.PRESSED: {"key": "EventKey", "task_id": "TaskId", "response_code": "ResponseCode"},
}
_NUMBER = re.compile(r"[0-9]{1,20}")
_EVENT_NAME = re.compile(r"[0-9A-Za-z_]{1,64}")


def read(root: Element, *, conversation_of: Callable[[str], str], received_at_ms: int) -> Inbound | None:
    """Return the inbound message that ``root`` (decrypted XML) holds, ``None`` when nobody is to be answered.

    ``None`` stands for system events, events without an effect here, and kinds that did not exist when this was
    written: they must be acknowledged. ``conversation_of`` turns a user id into the keyed digest that names the
    conversation. Raises `MalformedCallbackError`.
    """
    sender = text_of(root, "FromUserName")
    if not sender or sender == _SYSTEM_SENDER:
        return None
    sent_at = text_of(root, "CreateTime")
    if not _NUMBER.fullmatch(sent_at):
        raise MalformedCallbackError("CreateTime is not a number", code="create_time_broken")
    kind = _kind(root)
    if kind is None:
        return None
    conversation = conversation_of(sender)
    return Inbound(
        channel=CHANNEL,
        conversation=conversation,
        message_id=_message_id(root, conversation, sent_at),
        sender=sender,
        kind=kind,
        sent_at=int(sent_at),
        received_at_ms=received_at_ms,
        text=root.findtext("Content") or "" if kind is Kind.TEXT else "",
        details={name: value for name, tag in _DETAILS.get(kind, {}).items() if (value := text_of(root, tag))},
    )


def _kind(root: Element) -> Kind | None:
    message_type = text_of(root, "MsgType")
    if message_type != "event":
        return _KINDS_OF_MESSAGES.get(message_type)
    kind = _KINDS_OF_EVENTS.get(text_of(root, "Event"))
    return None if kind is Kind.PRESSED and not text_of(root, "EventKey") else kind


def _message_id(root: Element, conversation: str, sent_at: str) -> str:
    """Return what is the same for every delivery of one message, and for no other message.

    Messages have a MsgId. Events have none: WeCom's rule is FromUserName + CreateTime (path 90930), to which the
    event's name is added so that two events of one second survive, and to a pressed button its card and its key. The
    digest stands for FromUserName.
    """
    message_id = text_of(root, "MsgId")
    if _NUMBER.fullmatch(message_id):
        return message_id
    name = text_of(root, "Event") or text_of(root, "MsgType")
    what = name if _EVENT_NAME.fullmatch(name) else "other"
    if name == _PRESSED:
        pressed = f"{text_of(root, 'TaskId')}\0{text_of(root, 'EventKey')}"
        what = "pressed-" + hashlib.sha256(pressed.encode()).hexdigest()[:16]
    return f"{conversation}-{sent_at}-{what}"
