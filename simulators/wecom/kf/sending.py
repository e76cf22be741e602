"""kf/send_msg and kf/send_msg_on_event: what the platform checks, and what the customer gets to see.

Source: WeCom developer docs, paths 94677 and 95122. Errcode 0 is no delivery: msg_send_fail may follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError
from simulators.wecom.kf.chats import ChatEntry, Speaker
from simulators.wecom.kf.sessions import LIFETIME_S, MOST_MESSAGES, ServiceState
from simulators.wecom.sending import parse_send, truncate
from simulators.wecom.settings import OverlongText
from simulators.wecom.timeline import Direction

if TYPE_CHECKING:
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.state import PlatformState

_MSGID = re.compile(r"[0-9a-zA-Z_-]{0,32}")
_MEDIA = frozenset({"image", "voice", "video", "file"})
_REQUIRED = {
    "link": ("title", "url", "thumb_media_id"),
    "miniprogram": ("appid", "title", "thumb_media_id", "pagepath"),
    "location": (),
    "ca_link": ("link_url",),
}
_MOST_BYTES = {"link": {"title": 128, "desc": 512, "url": 2048}, "miniprogram": {"title": 64}}
_MOST_ITEMS = 10
_MENU_TEXT_BYTES = 1024
_ITEM_TEXTS = {
    "click": {"id": 128, "content": 128},
    "view": {"url": 2048, "content": 1024},
    "miniprogram": {"appid": 32, "pagepath": 1024, "content": 1024},
    "text": {"content": 256},
}


@dataclass(frozen=True, slots=True)
class _Content:
    """What the customer gets to see: kind, words, and the kind's own object."""

    msgtype: str
    text: str
    body: dict[str, object]
    truncated: bool = False


def send_message(state: PlatformState, body: bytes) -> dict[str, object]:
    """Process one kf/send_msg and return its JSON; raises `ApiError` for a refusal."""
    document = parse_send(body)
    with state.lock:
        account = state.kf.accounts.asked(document.get("open_kfid"))
        customer = state.kf.customers.find(document.get("touser"))
        if customer is None:
            raise ApiError(errcodes.BAD_EXTERNAL_USERID)
        msgid = _msgid(state, account.open_kfid, document)
        content = _content(state, document, only=None)
        session = state.kf.sessions.of(account.open_kfid, customer.external_userid, state.clock())
        _check_session(session, state.clock())
        if session.state is ServiceState.NEW:
            session.become(ServiceState.MACHINE)
        session.used += 1
        _show(state, session, Speaker.MACHINE, content, msgid)
    return {"msgid": msgid}


def send_on_event(state: PlatformState, body: bytes) -> dict[str, object]:
    """Process one kf/send_msg_on_event and return its JSON; it counts against nothing. Raises `ApiError`."""
    document = parse_send(body)
    with state.lock:
        code = state.kf.codes.find(document.get("code"), state.clock())
        if code is None:
            raise ApiError(errcodes.BAD_EVENT_CODE)
        session = code.session
        state.kf.accounts.asked(session.open_kfid)
        msgid = _msgid(state, session.open_kfid, document)
        content = _content(state, document, only=code.msgtypes)
        state.kf.codes.use_up(document.get("code"))
        if code.state is None:
            session.last_welcome_at = state.clock()
        _show(state, session, Speaker.EVENT_MESSAGE, content, msgid)
    return {"msgid": msgid}


def _check_session(session: Session, now: float) -> None:
    # After 48 hours the session has ended as well, and either number is documented for it: the more telling one first.
    if session.last_customer_at is not None and now - session.last_customer_at >= LIFETIME_S:
        raise ApiError(errcodes.KF_TIME_IS_OVER)
    if session.state not in {ServiceState.NEW, ServiceState.MACHINE}:
        raise ApiError(errcodes.STATE_FORBIDS_SENDING)
    if session.used >= MOST_MESSAGES:
        raise ApiError(errcodes.TOO_MANY_KF_MESSAGES)


def _msgid(state: PlatformState, open_kfid: str, document: dict[str, object]) -> str:
    """Return the message's id, its own or one that is given; refuse one that was used before."""
    msgid = document.get("msgid", "")
    if not isinstance(msgid, str) or _MSGID.fullmatch(msgid) is None:
        raise ApiError(errcodes.BAD_PARAMETER)
    if not msgid:
        return state.kf.new_msgid()
    if (open_kfid, msgid) in state.kf.sent_msgids:
        raise ApiError(state.behaviour.repeated_msgid_errcode)
    return msgid


def _content(state: PlatformState, document: dict[str, object], *, only: frozenset[str] | None) -> _Content:
    """Return the message as the customer will see it."""
    msgtype = document.get("msgtype")
    if not isinstance(msgtype, str) or (only is not None and msgtype not in only):
        raise ApiError(errcodes.BAD_MSGTYPE)
    body = document.get(msgtype)
    if msgtype not in {"text", "msgmenu"} | _MEDIA | _REQUIRED.keys():
        raise ApiError(errcodes.BAD_MSGTYPE)
    if not isinstance(body, dict):
        raise ApiError(errcodes.BAD_PARAMETER)
    if msgtype == "text":
        return _text(state, body)
    if msgtype == "msgmenu":
        _check_menu(body)
        return _Content(msgtype, str(body.get("head_content", "")), body)
    media_id = body.get("media_id")
    if msgtype in _MEDIA and not (isinstance(media_id, str) and media_id):
        raise ApiError(errcodes.BAD_MEDIA)
    if any(not isinstance(body.get(name), str) or not body[name] for name in _REQUIRED.get(msgtype, ())):
        raise ApiError(errcodes.BAD_PARAMETER)
    _check_own(msgtype, body)
    return _Content(msgtype, str(body.get("title", "")), body)


def _check_own(msgtype: str, body: dict[str, object]) -> None:
    """Raise `ApiError` for a text that is too long, a link without a scheme, and a place without coordinates."""
    for name, most in _MOST_BYTES.get(msgtype, {}).items():
        text = body.get(name, "")
        if not isinstance(text, str) or len(text.encode()) > most:
            raise ApiError(errcodes.BAD_PARAMETER)
    if msgtype == "link" and not str(body["url"]).startswith(("http://", "https://")):
        raise ApiError(errcodes.BAD_PARAMETER)
    if msgtype == "location" and not all(_is_number(body.get(name)) for name in ("latitude", "longitude")):
        raise ApiError(errcodes.BAD_PARAMETER)


def _text(state: PlatformState, body: dict[str, object]) -> _Content:
    text = body.get("content")
    if not isinstance(text, str):
        raise ApiError(errcodes.BAD_PARAMETER)
    if not text:
        raise ApiError(errcodes.EMPTY_TEXT)
    kept = truncate(text)
    if kept != text and state.behaviour.overlong_text == OverlongText.REFUSE:
        raise ApiError(errcodes.TOO_LARGE)
    return _Content("text", kept, {"content": kept}, truncated=kept != text)


def _check_menu(body: dict[str, object]) -> None:
    for name in ("head_content", "tail_content"):
        text = body.get(name, "")
        if not isinstance(text, str) or len(text.encode()) > _MENU_TEXT_BYTES:
            raise ApiError(errcodes.BAD_PARAMETER)
    items = body.get("list", [])
    if not isinstance(items, list):
        raise ApiError(errcodes.BAD_PARAMETER)
    if len(items) > _MOST_ITEMS:
        raise ApiError(errcodes.TOO_MANY_MENU_ITEMS)
    for item in items:
        _check_item(item)


def _check_item(item: object) -> None:
    kind = item.get("type") if isinstance(item, dict) else None
    # A kind that is no text cannot even be looked up.
    if not isinstance(item, dict) or not isinstance(kind, str) or kind not in _ITEM_TEXTS:
        raise ApiError(errcodes.BAD_MENU_ITEM)
    parts = item.get(kind)
    if not isinstance(parts, dict):
        raise ApiError(errcodes.BAD_MENU_ITEM)
    if parts.get("no_newline", 0) not in (0, 1):
        raise ApiError(errcodes.BAD_PARAMETER)
    for name, most in _ITEM_TEXTS[kind].items():
        text = parts.get(name, "")
        if not isinstance(text, str) or len(text.encode()) > most or (name == "content" and not text):
            raise ApiError(errcodes.BAD_PARAMETER)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _show(state: PlatformState, session: Session, by: Speaker, content: _Content, msgid: str) -> None:
    """Put an accepted message into the chat, or let it fail as it was told to."""
    state.kf.sent_msgids.add((session.open_kfid, msgid))
    now = state.clock()
    session.touch(now)
    fail_type = state.kf.failures.take(session.external_userid)
    state.kf.chats.append(
        ChatEntry(
            open_kfid=session.open_kfid,
            external_userid=session.external_userid,
            direction=Direction.OUTBOUND,
            by=by,
            msgtype=content.msgtype,
            content=content.text,
            at_ms=state.now_ms(),
            msgid=msgid,
            body=content.body,
            truncated=content.truncated,
            failed=fail_type is not None,
        )
    )
    if fail_type is not None:
        state.kf.log_event(
            session.open_kfid,
            "msg_send_fail",
            now,
            external_userid=session.external_userid,
            fail_msgid=msgid,
            fail_type=fail_type,
        )
