"""Checks request bodies as FastGPT's zod schemas do, and reads a completions body into `Ask`.

Source: labring/FastGPT `packages/global/openapi/core/chat/completion/api.ts`. Fields that are null count as not sent;
unknown fields are ignored. Issues have zod 4's shape (`code`, `path`, `message`, `expected`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.fastgpt.errors import ApiError, refused_body

Issue = dict[str, Any]

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_ROLES = ("system", "user", "assistant", "tool", "function", "developer")
_PART_FIELDS = {
    "text": ("text", str),
    "image_url": ("image_url", dict),
    "file_url": ("url", str),
    "input_audio": ("input_audio", dict),
    "video_url": ("video_url", dict),
}
_TYPES: dict[str, tuple[type, str]] = {
    "appId": (str, "string"),
    "chatId": (str, "string"),
    "messages": (list, "array"),
    "stream": (bool, "boolean"),
    "detail": (bool, "boolean"),
    "responseChatItemId": (str, "string"),
    "variables": (dict, "object"),
    "customUid": (str, "string"),
    "metadata": (dict, "object"),
    "retainDatasetCite": (bool, "boolean"),
    "showSkillReferences": (bool, "boolean"),
    "outLinkAuthData": (dict, "object"),
    "authProxy": (dict, "object"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One element of `messages`: its role and its text parts joined."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A completions body, read. Absent texts are empty."""

    app_id: str = ""
    chat_id: str = ""
    messages: tuple[Message, ...] = ()
    stream: bool = False
    detail: bool = False
    item_id: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    custom_uid: str = ""
    retain_citations: bool = False
    by_share_link: bool = False
    by_proxy: bool = False

    @property
    def question(self) -> str:
        """The text of the last message."""
        return self.messages[-1].text if self.messages else ""


def read_ask(body: Any, *, strict: bool) -> Ask:
    """Read a body.

    `strict` refuses every field of a wrong type with code 400; without it, as before 4.15, values are taken by their
    truth and only `messages` has to be a list. Raises ApiError.
    """
    if strict:
        issues = _issues(body)
        if issues:
            raise refused_body(issues)
    elif not isinstance(body, dict) or not isinstance(body.get("messages", []), list | None):
        raise ApiError("messages is not array")
    return lenient_ask(body)


def lenient_ask(body: Any) -> Ask:
    """Read what can be read; never raises. Used for the log of runs, and by versions that do not validate."""
    fields = body if isinstance(body, dict) else {}
    variables = fields.get("variables")
    messages = fields.get("messages")
    return Ask(
        app_id=_text(fields.get("appId")),
        chat_id=_text(fields.get("chatId")).strip(),
        messages=tuple(_message(each) for each in messages) if isinstance(messages, list) else (),
        stream=bool(fields.get("stream")),
        detail=bool(fields.get("detail")),
        item_id=_text(fields.get("responseChatItemId")),
        variables=dict(variables) if isinstance(variables, dict) else {},
        custom_uid=_text(fields.get("customUid")),
        retain_citations=bool(fields.get("retainDatasetCite")),
        by_share_link=isinstance(fields.get("outLinkAuthData"), dict),
        by_proxy=isinstance(fields.get("authProxy"), dict),
    )


def require(fields: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a body or query that lacks one of those texts. Raises ApiError with code 400."""
    issues = [
        _wrong_type(name, "string", fields.get(name))
        for name in names
        if not isinstance(fields.get(name), str) or not fields[name].strip()
    ]
    if issues:
        raise refused_body(issues)


def allow_text(fields: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a body where one of those is there and no text; null counts as not sent. Raises ApiError with code 400."""
    issues = [
        _wrong_type(name, "string", fields[name])
        for name in names
        if fields.get(name) is not None and not isinstance(fields[name], str)
    ]
    if issues:
        raise refused_body(issues)


def _issues(body: Any) -> list[Issue]:
    if not isinstance(body, dict):
        return [_wrong_type(None, "object", body)]
    issues = []
    for name, (kind, spelled) in _TYPES.items():
        value = body.get(name)
        if value is not None and not isinstance(value, kind):
            issues.append(_wrong_type(name, spelled, value))
    app_id = body.get("appId")
    if isinstance(app_id, str) and not _OBJECT_ID.fullmatch(app_id):
        issues.append(
            {
                "origin": "string",
                "code": "invalid_format",
                "format": "regex",
                "pattern": "/^[0-9a-fA-F]{24}$/",
                "path": ["appId"],
                "message": "Invalid string: must match pattern /^[0-9a-fA-F]{24}$/",
            }
        )
    for name in ("chatId", "customUid"):
        value = body.get(name)
        if isinstance(value, str) and len(value) > 1024:
            issues.append(
                {
                    "origin": "string",
                    "code": "too_big",
                    "maximum": 1024,
                    "inclusive": True,
                    "path": [name],
                    "message": "Too big: expected string to have <=1024 characters",
                }
            )
    messages = body.get("messages")
    if isinstance(messages, list):
        for index, message in enumerate(messages):
            issues.extend(_message_issues(index, message))
    return issues


def _message_issues(index: int, message: Any) -> list[Issue]:
    path: list[str | int] = ["messages", index]
    if not isinstance(message, dict):
        return [_wrong_type(path, "object", message)]
    if message.get("role") not in _ROLES:
        expected = "|".join(f'"{role}"' for role in _ROLES)
        return [
            {
                "code": "invalid_value",
                "values": list(_ROLES),
                "path": [*path, "role"],
                "message": f"Invalid option: expected one of {expected}",
            }
        ]
    content = message.get("content")
    if isinstance(content, str) or (content is None and message["role"] == "assistant"):
        return []
    if isinstance(content, list):
        wrong = [place for place, part in enumerate(content) if not _is_part(part)]
        return [_no_variant([*path, "content", place]) for place in wrong]
    return [_no_variant([*path, "content"])]


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict) or part.get("type") not in _PART_FIELDS:
        return False
    name, kind = _PART_FIELDS[part["type"]]
    return isinstance(part.get(name), kind)


def _no_variant(path: list[str | int]) -> Issue:
    return {"code": "invalid_union", "errors": [], "path": path, "message": "Invalid input"}


def _wrong_type(path: str | list[str | int] | None, expected: str, value: Any) -> Issue:
    where: list[str | int] = path if isinstance(path, list) else [path] if path else []
    return {
        "expected": expected,
        "code": "invalid_type",
        "path": where,
        "message": f"Invalid input: expected {expected}, received {_spelled(value)}",
    }


def _spelled(value: Any) -> str:
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "number", float: "number", list: "array"}
    return names.get(type(value), "object")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _message(message: Any) -> Message:
    if not isinstance(message, dict):
        return Message("user", "")
    content = message.get("content")
    if isinstance(content, list):
        texts = [_text(part.get("text")) for part in content if _is_part(part) and part["type"] == "text"]
        return Message(_text(message.get("role")), "\n".join(texts))
    return Message(_text(message.get("role")), _text(content))
