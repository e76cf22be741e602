"""Read what a bot answers to a callback: nothing, the word `success`, or an encrypted passive reply.

Source: WeCom developer docs, paths 90241 (formats) and 90968 (envelope).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom import envelope
from simulators.wecom.settings import aes_key_bytes
from simulators.wecom.xmltext import XmlTextError, read_document

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from simulators.wecom.settings import WecomSettings


class ReplyError(ValueError):
    """The platform cannot read the reply. The text names the part that is wrong, never its content."""


@dataclass(frozen=True, slots=True)
class PassiveReply:
    """A reply for the member: `content` of a text, and for other kinds the document as it was sent."""

    msgtype: str
    content: str
    body: str


def read_reply(settings: WecomSettings, userid: str, body: bytes) -> PassiveReply | None:
    """Return the passive reply in `body`, or `None` for an empty body and for `success`.

    Raises `ReplyError` when the body is something else, or is not addressed from the enterprise to `userid`.
    """
    if body.strip() in {b"", b"success"}:
        return None
    try:
        outer = read_document(body)
        encrypted = _text(outer, "Encrypt")
        envelope.check_signature(
            _text(outer, "MsgSignature"),
            token=settings.token,
            timestamp=_text(outer, "TimeStamp"),
            nonce=_text(outer, "Nonce"),
            encrypted=encrypted,
        )
        key = aes_key_bytes(settings.encoding_aes_key)
        document = envelope.open_sealed(key, encrypted, settings.corp_id)
        inner = read_document(document)
    except (XmlTextError, envelope.EnvelopeError) as exc:
        raise ReplyError(str(exc)) from exc
    if _text(inner, "ToUserName").lower() != userid.lower() or _text(inner, "FromUserName") != settings.corp_id:
        raise ReplyError("the reply is not addressed from the enterprise to the member")
    msgtype = _text(inner, "MsgType")
    content = _text(inner, "Content") if msgtype == "text" else ""
    return PassiveReply(msgtype, content, document.decode(errors="replace"))


def _text(parent: Element, name: str) -> str:
    child = parent.find(name)
    if child is None or child.text is None:
        raise ReplyError(f"{name} is missing or empty")
    return child.text.strip() if name != "Content" else child.text
