"""How sessions and replies are written down: DynamoDB items with plain attributes, words and structures as JSON.

Readers accept what other releases wrote, earlier or, while a new one is rolled out, later: what is absent means
its default, what is unknown is not read. That holds for the attributes and for the structures inside them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from frontdesk.messages import Choice, Field, Pause
from frontdesk.records import Pending, Reply, Session, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

_SESSION_TEXTS = ("conversation", "session_id", "channel", "customer")
_SESSION_NUMBERS = (
    "opened_at",
    "last_activity_at",
    "expires_at",
    "version",
    "archived_version",
    "chat_no",
    "turns_dropped",
)
_REPLY_TEXTS = ("conversation", "channel", "recipient", "session_id", "kind", "question")
_REPLY_NUMBERS = ("asked_at_ms", "answered_at_ms", "chat_no", "sent")


def from_session(session: Session) -> dict[str, Value]:
    """Return the item that holds ``session``, without the attributes of its index."""
    item: dict[str, Value] = {name: {"S": getattr(session, name)} for name in _SESSION_TEXTS}
    item |= {name: {"N": str(getattr(session, name))} for name in _SESSION_NUMBERS}
    item["welcomed"] = {"BOOL": session.welcomed}
    item["turns"] = {"S": _json([asdict(turn) for turn in session.turns])}
    if session.pending:
        item["pending"] = {"S": _json(asdict(session.pending))}
    return item


def to_session(item: Mapping[str, Any]) -> Session:
    """Return the session in ``item``, also in the form that a table's stream has."""
    return Session(
        **_plain(item, _SESSION_TEXTS, _SESSION_NUMBERS),
        welcomed=item.get("welcomed", {}).get("BOOL", False),
        pending=_pending(item),
        turns=tuple(Turn(**_known(Turn, turn)) for turn in json.loads(item.get("turns", {}).get("S", "[]"))),
    )


def from_reply(reply: Reply) -> dict[str, Value]:
    """Return the attributes that hold ``reply``, without its key."""
    item: dict[str, Value] = {name: {"S": getattr(reply, name)} for name in _REPLY_TEXTS}
    item |= {name: {"N": str(getattr(reply, name))} for name in _REPLY_NUMBERS}
    item["message_ids"] = {"S": _json(reply.message_ids)}
    item["segments"] = {"S": _json(reply.segments)}
    item["opens_session"] = {"BOOL": reply.opens_session}
    if reply.confidence is not None:
        item["confidence"] = {"N": str(reply.confidence)}
    if reply.pending:
        item["pending"] = {"S": _json(asdict(reply.pending))}
    return item


def to_reply(item: Mapping[str, Any]) -> Reply:
    """Return the reply in ``item``."""
    return Reply(
        **_plain(item, _REPLY_TEXTS, _REPLY_NUMBERS),
        message_ids=tuple(json.loads(item["message_ids"]["S"])),
        segments=tuple(json.loads(item["segments"]["S"])),
        confidence=float(item["confidence"]["N"]) if "confidence" in item else None,
        pending=_pending(item),
        opens_session=item.get("opens_session", {}).get("BOOL", False),
    )


def _plain(item: Mapping[str, Any], texts: tuple[str, ...], numbers: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {name: item[name]["S"] for name in texts}
    return values | {name: int(item[name]["N"]) for name in numbers if name in item}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _known(shape: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of ``value`` the dataclass ``shape`` has a field for."""
    names = {field.name for field in fields(shape)}
    return {name: each for name, each in value.items() if name in names}


def _choices(value: Mapping[str, Any]) -> tuple[Choice, ...]:
    return tuple(Choice(**_known(Choice, choice)) for choice in value.get("choices", ()))


def _pending(item: Mapping[str, Any]) -> Pending | None:
    if "pending" not in item:
        return None
    value = json.loads(item["pending"]["S"])
    pause = value["pause"]
    return Pending(
        pause=Pause(
            prompt=pause["prompt"],
            choices=_choices(pause),
            fields=tuple(
                Field(**{**_known(Field, field), "choices": _choices(field)}) for field in pause.get("fields", ())
            ),
        ),
        filled=tuple((key, text) for key, text in value.get("filled", ())),
        asked_again=value.get("asked_again", False),
    )
