"""message/send: what the platform checks, whom it reaches, and what it silently does not deliver.

Source: WeCom developer docs, paths 90236 (sending), 90312 (frequency) and 90455 (errors).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom import errcodes
from simulators.wecom.cards import INTERACTIVE_CARDS, NOTICE_CARDS, Card, is_well_formed
from simulators.wecom.errcodes import ApiError
from simulators.wecom.quotas import DEFAULT_INTERVAL_S
from simulators.wecom.settings import OverlongText
from simulators.wecom.timeline import Direction, Entry

if TYPE_CHECKING:
    from simulators.wecom.state import PlatformState

MAX_TEXT_BYTES = 2048
_MAX_USERIDS = 1000
_MAX_ARTICLES = 8
_MEDIA_KINDS = frozenset({"image", "voice", "video", "file"})
_REQUIRED_TEXTS = {"textcard": ("title", "description", "url"), "miniprogram_notice": ("appid", "title")}
_OTHER_KINDS = frozenset({"news", "mpnews", "template_card"})
# An escaped backslash before the u is a backslash and the letter u: only an odd number of backslashes escapes.
_UNICODE_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True)
class _Content:
    """What the recipients get to see, after the platform's own cuts."""

    msgtype: str
    text: str
    body: object
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _Recipients:
    known: tuple[str, ...]
    unknown: tuple[str, ...]


def parse_send(body: bytes) -> dict[str, object]:
    """Return the request object, or raise `ApiError` when it is no JSON object or escapes its characters."""
    if _UNICODE_ESCAPE.search(body):
        raise ApiError(errcodes.ESCAPED_TEXT)
    try:
        document = json.loads(body)
    except ValueError as exc:
        raise ApiError(errcodes.NOT_JSON) from exc
    if not isinstance(document, dict):
        raise ApiError(errcodes.NOT_JSON)
    return document


def recipients_of(document: dict[str, object]) -> tuple[str, ...]:
    """Return the userids in `touser`, as written."""
    touser = document.get("touser", "")
    return tuple(filter(None, touser.split("|"))) if isinstance(touser, str) else ()


def send_message(state: PlatformState, body: bytes) -> dict[str, object]:
    """Process one message/send and return its JSON; raises `ApiError` for a refusal.

    An accepted message goes to the timeline of every valid recipient, marked when it was dropped or suppressed.
    """
    document = parse_send(body)
    with state.lock:
        check_agent(state, document)
        content = _check_content(state, document)
        recipients = _check_recipients(state, document)
        now = state.clock()
        interval = _duplicate_interval(document)
        earlier = state.duplicates.earlier_answer(body, now, interval) if interval else None
        answer = earlier or _answer(state, document, content, recipients)
        shown: dict[str, Entry] = {}
        for userid in recipients.known:
            limits = (state.behaviour.sends_per_minute, state.behaviour.sends_per_hour)
            dropped = earlier is None and not state.quota.admit(userid, now, *limits)
            shown[userid] = state.timeline.append(
                Entry(
                    userid=userid,
                    direction=Direction.OUTBOUND,
                    msgtype=content.msgtype,
                    content=content.text,
                    at_ms=state.now_ms(),
                    msgid=str(answer["msgid"]),
                    via="send",
                    body=content.body,
                    truncated=content.truncated,
                    dropped=dropped,
                    suppressed=earlier is not None,
                )
            )
        if content.msgtype == "template_card" and earlier is None:
            state.cards.keep(Card(str(answer["msgid"]), shown), str(answer["response_code"]), now)
        if interval and earlier is None:
            state.duplicates.remember(body, now, answer)
    return answer


def check_agent(state: PlatformState, document: dict[str, object]) -> None:
    """Raise `ApiError` unless `agentid` is the integer of the token's app."""
    agent_id = document.get("agentid")
    if not isinstance(agent_id, int) or isinstance(agent_id, bool):
        raise ApiError(errcodes.BAD_AGENTID)
    if agent_id != state.settings.agent_id:
        raise ApiError(errcodes.FOREIGN_AGENT)


def _check_recipients(state: PlatformState, document: dict[str, object]) -> _Recipients:
    userids = recipients_of(document)
    elsewhere = [name for name in ("toparty", "totag") if document.get(name)]
    if not userids and not elsewhere:
        raise ApiError(errcodes.NO_RECIPIENT)
    if len(userids) > _MAX_USERIDS:
        raise ApiError(errcodes.TOO_MANY_USERIDS)
    if "@all" in userids:
        userids = tuple(member.userid for member in state.members.all())
    # A userid named twice is one recipient; userids are not case-sensitive and come back in lower case.
    lowered = tuple(dict.fromkeys(userid.lower() for userid in userids))
    known = tuple(u for u in lowered if (member := state.members.find(u)) is not None and member.reachable)
    if not known:
        raise ApiError(errcodes.ALL_RECIPIENTS_INVALID)
    return _Recipients(known, tuple(u for u in lowered if u not in known))


def _check_content(state: PlatformState, document: dict[str, object]) -> _Content:
    msgtype = document.get("msgtype")
    if not isinstance(msgtype, str) or not msgtype:
        raise ApiError(errcodes.BAD_MSGTYPE)
    body = document.get(msgtype)
    if msgtype in {"text", "markdown"}:
        return _check_text(state, msgtype, body)
    if msgtype not in _MEDIA_KINDS | _REQUIRED_TEXTS.keys() | _OTHER_KINDS:
        raise ApiError(errcodes.BAD_MSGTYPE)
    if not isinstance(body, dict):
        raise ApiError(errcodes.BAD_PARAMETER)
    if msgtype in _MEDIA_KINDS and not body.get("media_id"):
        raise ApiError(errcodes.BAD_MEDIA)
    if any(not isinstance(body.get(name), str) or not body[name] for name in _REQUIRED_TEXTS.get(msgtype, ())):
        raise ApiError(errcodes.BAD_PARAMETER)
    if msgtype in {"news", "mpnews"}:
        _check_articles(body.get("articles"))
    if msgtype == "template_card":
        _check_card(state, body)
    return _Content(msgtype, str(body.get("title", "")), body)


def _check_text(state: PlatformState, msgtype: str, body: object) -> _Content:
    text = body.get("content") if isinstance(body, dict) else None
    if text is not None and not isinstance(text, str):
        raise ApiError(errcodes.BAD_PARAMETER)
    if not text:
        raise ApiError(errcodes.EMPTY_TEXT)
    kept = truncate(text)
    # Only for text does the documentation speak of truncation; a longer markdown is refused.
    if kept != text and (msgtype == "markdown" or state.behaviour.overlong_text == OverlongText.REFUSE):
        raise ApiError(errcodes.TOO_LARGE)
    return _Content(msgtype, kept, {"content": kept}, truncated=kept != text)


def _check_articles(articles: object) -> None:
    if not isinstance(articles, list) or not articles:
        raise ApiError(errcodes.BAD_PARAMETER)
    if len(articles) > _MAX_ARTICLES:
        raise ApiError(errcodes.TOO_MANY_ARTICLES)


def _check_card(state: PlatformState, card: dict[str, object]) -> None:
    kind = card.get("card_type")
    if not isinstance(kind, str) or kind not in INTERACTIVE_CARDS | NOTICE_CARDS:
        raise ApiError(errcodes.BAD_PARAMETER)
    if kind in INTERACTIVE_CARDS and not state.settings.callback_url:
        raise ApiError(errcodes.CALLBACK_NEEDED)
    if kind in NOTICE_CARDS and not isinstance(card.get("card_action"), dict):
        raise ApiError(errcodes.CARD_ACTION_MISSING)
    if not is_well_formed(card):
        raise ApiError(errcodes.BAD_PARAMETER)


def truncate(text: str) -> str:
    """Return `text` cut to 2048 bytes of UTF-8, at the boundary of a character."""
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def _duplicate_interval(document: dict[str, object]) -> int:
    """Return the seconds inside which an identical body is a duplicate; 0 when it did not ask for the check."""
    if document.get("enable_duplicate_check") != 1:
        return 0
    interval = document.get("duplicate_check_interval", DEFAULT_INTERVAL_S)
    if not isinstance(interval, int) or isinstance(interval, bool) or interval < 0:
        raise ApiError(errcodes.BAD_PARAMETER)
    return interval


def _answer(
    state: PlatformState, document: dict[str, object], content: _Content, recipients: _Recipients
) -> dict[str, object]:
    card = content.body if isinstance(content.body, dict) else {}
    interactive = content.msgtype == "template_card" and card.get("card_type") in INTERACTIVE_CARDS
    return {
        "errcode": 0,
        "errmsg": "ok",
        "invaliduser": "|".join(recipients.unknown),
        # This enterprise has neither departments nor tags to send to.
        "invalidparty": str(document.get("toparty", "")),
        "invalidtag": str(document.get("totag", "")),
        "unlicenseduser": "",
        "msgid": f"m{state.rng.getrandbits(160):040x}",
        "response_code": state.cards.draw_code() if interactive else "",
    }
