"""What a member can say to the app: messages and events, read from JSON and laid out as callback elements.

Field names and their order follow WeCom developer docs, paths 90239 (messages) and 90240 (events). A kind that is
not in the tables is allowed as well: a bot must acknowledge kinds that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.wecom.jsonfields import Fields
    from simulators.wecom.xmltext import Elements

_REQUIRED = object()

# For each kind: JSON name, XML name, and what stands there when the caller leaves it out.
_MESSAGE_FIELDS: Mapping[str, tuple[tuple[str, str, object], ...]] = {
    "text": (("content", "Content", _REQUIRED),),
    "image": (
        ("pic_url", "PicUrl", "https://wework.example.com/picture/0"),
        ("media_id", "MediaId", "1exampleMediaId_picture"),
    ),
    "voice": (("media_id", "MediaId", "1exampleMediaId_voice"), ("format", "Format", "amr")),
    "video": (
        ("media_id", "MediaId", "1exampleMediaId_video"),
        ("thumb_media_id", "ThumbMediaId", "1exampleMediaId_thumb"),
    ),
    "location": (
        ("latitude", "Location_X", 31.230416),
        ("longitude", "Location_Y", 121.473701),
        ("scale", "Scale", 16),
        ("label", "Label", ""),
        ("app_type", "AppType", "wxwork"),
    ),
    "link": (
        ("title", "Title", "Title"),
        ("description", "Description", ""),
        ("url", "Url", "https://example.com/"),
        ("pic_url", "PicUrl", ""),
    ),
}
_EVENT_FIELDS = (
    ("event_key", "EventKey"),
    ("task_id", "TaskId"),
    ("card_type", "CardType"),
    ("response_code", "ResponseCode"),
    ("change_type", "ChangeType"),
    ("latitude", "Latitude"),
    ("longitude", "Longitude"),
    ("precision", "Precision"),
    ("app_type", "AppType"),
)
_EVENTS_WITH_KEY = frozenset(
    {
        "enter_agent", "click", "view", "view_miniprogram", "scancode_push", "scancode_waitmsg", "pic_sysphoto",
        "pic_photo_or_album", "pic_weixin", "location_select", "template_card_event", "template_card_menu_event",
    }
)  # fmt: skip
_EVENTS_WITH_REPLY = frozenset(
    {
        "subscribe", "enter_agent", "LOCATION", "click", "view", "view_miniprogram", "scancode_waitmsg",
        "template_card_event", "template_card_menu_event",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MemberMessage:
    """One thing a member did: `elements` are the parts of the callback that depend on its kind."""

    msgtype: str
    content: str
    elements: Elements
    event: str = ""

    @property
    def has_msgid(self) -> bool:
        """Events have no MsgId (docs, path 90240)."""
        return self.msgtype != "event"

    @property
    def allows_reply(self) -> bool:
        """Tell whether the platform reads a passive reply to it (docs, path 90241)."""
        return self.has_msgid or self.event in _EVENTS_WITH_REPLY


def read_message(fields: Fields) -> MemberMessage:
    """Take the fields of one message out of `fields`; `fields.fields` adds elements under their XML names.

    Raises `FieldError` when a field is missing or of the wrong type.
    """
    msgtype = fields.text("msgtype", "text")
    if msgtype == "event":
        return _read_event(fields)
    elements = [
        (xml, fields.text(name) if default is _REQUIRED else _typed(fields, name, default))
        for name, xml, default in _MESSAGE_FIELDS.get(msgtype, ())
    ]
    content = str(elements[0][1]) if msgtype == "text" else ""
    elements += fields.mapping("fields").items()
    return MemberMessage(msgtype=msgtype, content=content, elements=elements)


def _read_event(fields: Fields) -> MemberMessage:
    event = fields.text("event")
    elements: list[tuple[str, object]] = [("Event", event)]
    for name, xml in _EVENT_FIELDS:
        if name in fields:
            elements.append((xml, fields.take(name)))
        elif name == "event_key" and event in _EVENTS_WITH_KEY:
            elements.append((xml, ""))
    elements += fields.mapping("fields").items()
    return MemberMessage(msgtype="event", content=event, elements=elements, event=event)


def _typed(fields: Fields, name: str, default: object) -> object:
    if isinstance(default, str):
        return fields.text(name, default)
    if isinstance(default, int):
        return fields.whole(name, default)
    return fields.number(name, default) if isinstance(default, float) else default
