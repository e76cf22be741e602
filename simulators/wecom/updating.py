"""What an app can still do about a message it has sent: change the card, or recall the message.

Source: WeCom developer docs, paths 94888 (message/update_template_card) and 94867 (message/recall).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError
from simulators.wecom.sending import check_agent, parse_send

if TYPE_CHECKING:
    from simulators.wecom.cards import Card
    from simulators.wecom.state import PlatformState

RECALL_LIMIT_S = 24 * 3600


def update_card(state: PlatformState, body: bytes) -> dict[str, object]:
    """Process one message/update_template_card and return its JSON; raises `ApiError` for a refusal.

    The code is used up by an accepted call only. Members who do not have the card come back as `invaliduser`.
    """
    document = parse_send(body)
    with state.lock:
        check_agent(state, document)
        card = state.cards.card_of(document.get("response_code"), state.clock())
        asked = _recipients(document, card)
        change, closing = _change(document)
        reached = [userid for userid in asked if userid.lower() in card.shown]
        for userid in {userid.lower() for userid in reached}:
            _show(state, card, userid, change, closing=closing)
        state.cards.use_up(document.get("response_code"))
    return {"errcode": 0, "errmsg": "ok", "invaliduser": [userid for userid in asked if userid not in reached]}


def recall_message(state: PlatformState, body: bytes) -> dict[str, object]:
    """Process one message/recall and return its JSON; raises `ApiError` for an unknown or too old message."""
    msgid = parse_send(body).get("msgid")
    with state.lock:
        sent = [entry for entry in state.timeline.all() if entry.via == "send" and entry.msgid == msgid]
        if not sent or state.now_ms() - sent[0].at_ms > RECALL_LIMIT_S * 1000:
            raise ApiError(errcodes.BAD_PARAMETER)
        for entry in sent:
            state.timeline.amend(entry, recalled=True)
    return {"errcode": 0, "errmsg": "ok"}


def _recipients(document: dict[str, object], card: Card) -> list[str]:
    if document.get("atall") == 1:
        return list(card.shown)
    userids = document.get("userids", [])
    if not isinstance(userids, list) or not all(isinstance(userid, str) for userid in userids):
        raise ApiError(errcodes.BAD_PARAMETER)
    # This enterprise has neither departments nor tags to reach.
    if not userids and not document.get("partyids") and not document.get("tagids"):
        raise ApiError(errcodes.NO_RECIPIENT)
    return userids


def _change(document: dict[str, object]) -> tuple[dict[str, object], bool]:
    """Return what changes on the card, and whether its buttons are gone afterwards."""
    button, face = document.get("button"), document.get("template_card")
    if isinstance(button, dict) and isinstance(button.get("replace_name"), str) and button["replace_name"]:
        return {"button": button}, True
    if isinstance(face, dict) and isinstance(face.get("card_type"), str) and face["card_type"]:
        return face, bool(face.get("replace_text"))
    raise ApiError(errcodes.BAD_PARAMETER)


def _show(state: PlatformState, card: Card, userid: str, change: dict[str, object], *, closing: bool) -> None:
    held = card.face(userid)
    # A card is replaced whole, but for the task it stands for; a button changes and leaves the rest as it was.
    kept = held if "button" in change else {name: held[name] for name in ("task_id",) if name in held}
    card.shown[userid] = state.timeline.amend(card.shown[userid], body={**kept, **change}, updated=True)
    if closing:
        card.closed.add(userid)
