"""How sessions and replies are written down: DynamoDB items with plain ids and numbers, and the words sealed.

``sealed`` is a token over one JSON object with everything that a customer said, was told or is called. An item
that has it is read from it alone; one without it is of a release before sealing, and has the same as plain attributes.

Readers accept what other releases wrote, earlier or, while a new one is rolled out, later: what is absent means
its default, what is unknown is not read. That holds for the attributes and for the structures inside them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from frontdesk.messages import Choice, Field, Pause
from frontdesk.records import Pending, Reply, SealedSession, Session, Turn
from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

    from frontdesk.messages import Placeholders
    from frontdesk.storage.seals import Seals

_SEALED = "sealed"
_SESSION_TEXTS = ("conversation", "session_id", "channel")
_SESSION_TEXTS_ONCE_LEFT_OUT = ("rating",)
_SESSION_FLAGS = ("welcomed", "clarified")
_SESSION_NUMBERS = (
    "opened_at",
    "last_activity_at",
    "expires_at",
    "version",
    "archived_version",
    "chat_no",
    "turns_dropped",
)
_ARCHIVED_NUMBERS = ("opened_at", "last_activity_at", "version", "archived_version", "turns_dropped")
_NUMBERS_ONCE_LEFT_OUT = ("version", "archived_version", "turns_dropped")
_REPLY_TEXTS = ("conversation", "channel", "session_id", "kind")
_REPLY_TEXTS_ONCE_LEFT_OUT = ("attempt_id", "handoff")
_REPLY_FLAGS = ("opens_session", "clarified", "silent")
_REPLY_NUMBERS = ("asked_at_ms", "answered_at_ms", "chat_no", "sent")


def from_session(session: Session, seals: Seals) -> dict[str, Value]:
    """Return the item that holds ``session``, without the attributes of its index."""
    texts = _SESSION_TEXTS + _SESSION_TEXTS_ONCE_LEFT_OUT
    item: dict[str, Value] = {name: {"S": getattr(session, name)} for name in texts}
    item |= {name: {"N": str(getattr(session, name))} for name in _SESSION_NUMBERS}
    item |= {name: {"BOOL": getattr(session, name)} for name in _SESSION_FLAGS}
    words = {
        "customer": session.customer,
        "turns": [asdict(turn) for turn in session.turns],
        "pending": _from_pending(session.pending),
        "placeholders": session.placeholders,
    }
    place = session_place(session.conversation, session.session_id)
    item[_SEALED] = {"S": seals.seal(session.conversation, compact_json(words), *place)}
    return item


def to_session(item: Mapping[str, Any], seals: Seals) -> Session:
    """Return the session in ``item``; raises `UnopenableError` when its words do not open."""
    plain = _plain(item, _SESSION_TEXTS, _SESSION_NUMBERS)
    if _SEALED in item:
        words = _opened(item, seals, session_place(plain["conversation"], plain["session_id"]))
    else:
        words = _session_words_before_sealing(item)
    return Session(
        **plain,
        **_texts(item, _SESSION_TEXTS_ONCE_LEFT_OUT),
        **_flags(item, _SESSION_FLAGS),
        customer=words["customer"],
        pending=_to_pending(words.get("pending")),
        turns=_turns(words["turns"]),
        placeholders=_placeholders(words),
    )


def to_sealed_session(item: Mapping[str, Any]) -> SealedSession:
    """Return the session in ``item``, also in the form that a table's stream has, with its words left as they are."""
    if _SEALED in item:
        words = {_SEALED: item[_SEALED]["S"]}
    else:
        before = _session_words_before_sealing(item)
        words = {"customer": before["customer"], "turns": [asdict(turn) for turn in _turns(before["turns"])]}
    plain = dict.fromkeys(_NUMBERS_ONCE_LEFT_OUT, 0) | _plain(item, _SESSION_TEXTS, _ARCHIVED_NUMBERS)
    return SealedSession(**plain, **_texts(item, _SESSION_TEXTS_ONCE_LEFT_OUT), words=words)


def from_reply(reply: Reply, seals: Seals) -> dict[str, Value]:
    """Return the attributes that hold ``reply``, without its key."""
    texts = _REPLY_TEXTS + _REPLY_TEXTS_ONCE_LEFT_OUT
    item: dict[str, Value] = {name: {"S": getattr(reply, name)} for name in texts}
    item |= {name: {"N": str(getattr(reply, name))} for name in _REPLY_NUMBERS}
    item |= {name: {"BOOL": getattr(reply, name)} for name in _REPLY_FLAGS}
    item["message_ids"] = {"S": compact_json(reply.message_ids)}
    if reply.confidence is not None:
        item["confidence"] = {"N": str(reply.confidence)}
    words = {
        "recipient": reply.recipient,
        "question": reply.question,
        "segments": reply.segments,
        "pending": _from_pending(reply.pending),
        "placeholders": reply.placeholders,
        "menu": [asdict(choice) for choice in reply.menu],
        "rest": reply.rest,
        "code": reply.code,
    }
    place = _reply_place(reply.conversation, reply.question_id)
    item[_SEALED] = {"S": seals.seal(reply.conversation, compact_json(words), *place)}
    return item


def to_reply(item: Mapping[str, Any], seals: Seals) -> Reply:
    """Return the reply in ``item``; raises `UnopenableError` when its words do not open."""
    plain = _plain(item, _REPLY_TEXTS, _REPLY_NUMBERS)
    message_ids = tuple(json.loads(item["message_ids"]["S"]))
    if _SEALED in item:
        words = _opened(item, seals, _reply_place(plain["conversation"], message_ids[0]))
    else:
        words = _plain(item, ("recipient", "question"), ())
        words |= {"segments": json.loads(item["segments"]["S"]), "pending": _pending_before_sealing(item)}
    return Reply(
        **plain,
        **_texts(item, _REPLY_TEXTS_ONCE_LEFT_OUT),
        **_flags(item, _REPLY_FLAGS),
        message_ids=message_ids,
        recipient=words["recipient"],
        question=words["question"],
        segments=tuple(words["segments"]),
        confidence=float(item["confidence"]["N"]) if "confidence" in item else None,
        pending=_to_pending(words.get("pending")),
        placeholders=_placeholders(words),
        menu=_choices(words.get("menu", ())),
        rest=words.get("rest", ""),
        code=words.get("code", ""),
    )


def session_place(conversation: str, session_id: str) -> tuple[str, ...]:
    """Return the place at which a session's words are sealed, in the table and in the archive."""
    return "session", conversation, session_id


def _reply_place(conversation: str, question_id: str) -> tuple[str, ...]:
    return "reply", conversation, question_id


def _opened(item: Mapping[str, Any], seals: Seals, place: tuple[str, ...]) -> dict[str, Any]:
    words: dict[str, Any] = json.loads(seals.open(item["conversation"]["S"], item[_SEALED]["S"], *place))
    return words


def _session_words_before_sealing(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "customer": item["customer"]["S"],
        "turns": json.loads(item.get("turns", {}).get("S", "[]")),
        "pending": _pending_before_sealing(item),
    }


def _pending_before_sealing(item: Mapping[str, Any]) -> Any:
    return json.loads(item.get("pending", {}).get("S", "null"))


def _plain(item: Mapping[str, Any], texts: tuple[str, ...], numbers: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {name: item[name]["S"] for name in texts}
    return values | {name: int(item[name]["N"]) for name in numbers if name in item}


def _texts(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name]["S"] for name in names if name in item}


def _flags(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name]["BOOL"] for name in names if name in item}


def _known(shape: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of ``value`` the dataclass ``shape`` has a field for."""
    names = {field.name for field in fields(shape)}
    return {name: each for name, each in value.items() if name in names}


def _turns(turns: Iterable[Mapping[str, Any]]) -> tuple[Turn, ...]:
    return tuple(Turn(**_known(Turn, turn)) for turn in turns)


def _placeholders(words: Mapping[str, Any]) -> Placeholders:
    return tuple((placeholder, text) for placeholder, text in words.get("placeholders", ()))


def _choices(values: Iterable[Mapping[str, Any]]) -> tuple[Choice, ...]:
    return tuple(Choice(**_known(Choice, choice)) for choice in values)


def _from_pending(pending: Pending | None) -> dict[str, Any] | None:
    return asdict(pending) if pending else None


def _to_pending(value: Mapping[str, Any] | None) -> Pending | None:
    if value is None:
        return None
    pause = value["pause"]
    return Pending(
        pause=Pause(
            prompt=pause["prompt"],
            choices=_choices(pause.get("choices", ())),
            fields=tuple(
                Field(**{**_known(Field, field), "choices": _choices(field.get("choices", ()))})
                for field in pause.get("fields", ())
            ),
        ),
        filled=tuple((key, text) for key, text in value.get("filled", ())),
        asked_again=value.get("asked_again", False),
    )
