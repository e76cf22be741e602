"""微信客服: one entry of an account's messages, as kf/sync_msg gives it, read into Inbound.

Source: WeCom developer docs, path 94670. Every field is untrusted: an entry that is not as documented is skipped, and
never stops those after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from frontdesk.channels.printable import printable
from frontdesk.errors import PermanentError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHANNEL = "wecom_kf"

_CUSTOMER, _SYSTEM, _PERSON = 3, 4, 5  # origin
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_USER_ID = re.compile(r"[0-9A-Za-z_.@-]{1,64}")
_MESSAGE_ID = re.compile(r"[!-~]{1,128}")  # what the queue takes as the name of a message
_LATEST = 2**40
_KINDS = {
    kind.value: kind for kind in (Kind.TEXT, Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.FILE, Kind.LOCATION, Kind.LINK)
} | dict.fromkeys(
    (
        *("business_card", "miniprogram", "msgmenu", "merged_msg"),
        *("channels", "channels_shop_product", "channels_shop_order"),
    ),
    Kind.OTHER,
)
_DETAILS = {
    "text": ("menu_id",),
    "image": ("media_id",),
    "voice": ("media_id",),
    "video": ("media_id",),
    "file": ("media_id",),
    "location": ("latitude", "longitude", "name", "address"),
    "link": ("title", "desc", "url", "pic_url"),
    "miniprogram": ("title",),
    "merged_msg": ("title",),
    "channels": ("title",),
    "channels_shop_product": ("title",),
}
# How a person's message that is no text stands in the record of the conversation.
_LABELS = {
    "image": "[图片]",
    "voice": "[语音]",
    "video": "[视频]",
    "file": "[文件]",
    "location": "[位置]",
    "link": "[链接]",
    "business_card": "[名片]",
    "miniprogram": "[小程序]",
    "msgmenu": "[菜单]",
    "merged_msg": "[聊天记录]",
    "channels": "[视频号]",
    "channels_shop_product": "[商品]",
    "channels_shop_order": "[订单]",
}
_ANY_LABEL = "[消息]"
_CHANGES = {1: "taken", 2: "transferred", 3: "ended", 4: "reentered"}


def address_of(open_kfid: str, external_userid: str) -> str:
    """Return the reply address of a customer of an account."""
    return f"{open_kfid}:{external_userid}"


def parts_of(address: str) -> tuple[str, str]:
    """Return the account and the customer of a reply address; raises `PermanentError` for any other text."""
    account, _, customer = address.partition(":")
    if not (_ID.fullmatch(account) and _ID.fullmatch(customer)):
        raise PermanentError("not the address of a customer of 微信客服", code="kf_address")
    return account, customer


def read(item: object, *, account: str, conversation_of: Callable[[str], str], received_at_ms: int) -> Inbound | None:
    """Return what ``item`` of the account's messages means, ``None`` for what means nothing here: skipped, and counted.

    ``conversation_of`` turns a reply address into the keyed digest that names the conversation. Beside unknown kinds
    and malformed entries, two events mean nothing: servicer_status_change is about no customer, and who receives is
    asked for when somebody is needed; reject_customer_msg_switch_change lets a servicer refuse a customer's messages,
    which WeCom sees to, and changes nothing about who is in charge.
    """
    fields = _Fields.of(item)
    origin, message_type = fields.number("origin"), fields.text("msgtype")
    if origin == _SYSTEM and message_type == "event":
        about = fields.inner("event")
        meant = _event(about)
    elif origin == _CUSTOMER:
        about = fields
        meant = _message(message_type, fields)
    elif origin == _PERSON and message_type not in {"", "event"}:
        about = fields
        meant = _persons(message_type, fields)
    else:
        return None
    customer, message_id, sent_at = about.text("external_userid"), fields.text("msgid"), fields.number("send_time")
    if meant is None or not _ID.fullmatch(customer) or not _MESSAGE_ID.fullmatch(message_id):
        return None
    if sent_at is None or not 0 < sent_at < _LATEST:
        return None
    own_account = about.text("open_kfid")
    address = address_of(own_account if _ID.fullmatch(own_account) else account, customer)
    return Inbound(
        channel=CHANNEL,
        conversation=conversation_of(address),
        message_id=message_id,
        sender=address,
        kind=meant.kind,
        sent_at=sent_at,
        received_at_ms=received_at_ms,
        text=meant.text,
        details={name: value for name, value in meant.details.items() if value},
    )


@dataclass(frozen=True, slots=True)
class _Meant:
    """What an entry means; empty details are left out later."""

    kind: Kind
    details: Mapping[str, str]
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Fields:
    """An untrusted JSON object: a field of another type than asked for is not there."""

    fields: Mapping[str, Any]

    @classmethod
    def of(cls, value: object) -> _Fields:
        return cls(value if isinstance(value, dict) else {})

    def inner(self, name: str) -> _Fields:
        return _Fields.of(self.fields.get(name))

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return printable(value) if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def words(self, name: str) -> str:
        """Return a text, or a number as it is written."""
        value = self.fields.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LATEST
        return str(value) if is_number else self.text(name)


def _message(message_type: str, fields: _Fields) -> _Meant | None:
    kind = _KINDS.get(message_type)
    if kind is None:
        return None
    body = fields.inner(message_type)
    details = {name: body.words(name) for name in _DETAILS.get(message_type, ())}
    if kind is Kind.OTHER:
        details["msgtype"] = message_type
    return _Meant(kind, details, text=body.text("content") if kind is Kind.TEXT else "")


def _persons(message_type: str, fields: _Fields) -> _Meant:
    words = fields.inner("text").text("content") if message_type == "text" else _LABELS.get(message_type, _ANY_LABEL)
    return _Meant(Kind.PERSON, {"servicer": _user_id(fields, "servicer_userid")}, text=words)


def _event(event: _Fields) -> _Meant | None:
    match event.text("event_type"):
        case "enter_session":
            details = {"code": event.text("welcome_code")}
            return _Meant(Kind.ENTERED, details | {name: event.text(name) for name in ("scene", "scene_param")})
        case "msg_send_fail":
            fail_type = event.number("fail_type")
            details = {"failed_id": _id(event, "fail_msgid"), "fail_type": "" if fail_type is None else str(fail_type)}
            return _Meant(Kind.UNDELIVERED, details)
        case "session_status_change":
            change = _CHANGES.get(event.number("change_type") or 0)
            details = {"servicer": _user_id(event, "new_servicer_userid"), "code": event.text("msg_code")}
            return _Meant(Kind.STATE, details | {"change": change}) if change else None
        case "user_recall_msg":
            return _Meant(Kind.RECALLED, {"recalled_id": _id(event, "recall_msgid"), "by": "customer"})
        case "servicer_recall_msg":
            details = {"recalled_id": _id(event, "recall_msgid"), "by": "person"}
            return _Meant(Kind.RECALLED, details | {"servicer": _user_id(event, "servicer_userid")})
        case _:
            return None


def _id(fields: _Fields, name: str) -> str:
    """Return the id of a message; what is none stays out, as ids are kept readable."""
    message_id = fields.text(name)
    return message_id if _MESSAGE_ID.fullmatch(message_id) else ""


def _user_id(fields: _Fields, name: str) -> str:
    """Return a member's user id: what a message may be sent to, and nothing that stands for several members."""
    user_id = fields.text(name)
    return user_id if _USER_ID.fullmatch(user_id) else ""
