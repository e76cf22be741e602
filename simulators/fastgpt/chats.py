"""The chats a server keeps: items, variables, a pending pause, and the lock of a chat that is generating.

A chat is found by (app, chatId). Nothing is ever deleted but by `clear`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from simulators.fastgpt.interactive import Interactive

NOT_RECORDED = "NO_RECORD_HISTORIES"
"""The chatId that runs without being stored (labring/FastGPT `packages/service/core/chat/utils/prepare.ts`)."""

_CITATION = re.compile(r"\[[0-9a-f]{24}\]\(CITE\)")


@dataclass(slots=True)
class Item:
    """One side of a round."""

    data_id: str
    speaker: Literal["Human", "AI"]
    parts: list[dict[str, Any]]
    at: datetime
    node_results: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    duration_s: float = 0.0
    good_feedback: str | None = None
    bad_feedback: str | None = None

    @property
    def text(self) -> str:
        """Its words, without citation marks."""
        return without_citations("\n".join(texts_of(self.parts)))


@dataclass(slots=True)
class Chat:
    """One conversation on the server."""

    app_id: str
    chat_id: str
    items: list[Item] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    pending: Interactive | None = None
    paused_question: str = ""
    generating: bool = False
    failed: bool = False
    updated_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def generate_status(self) -> int:
        """FastGPT's `chatGenerateStatus`: 0 generating, 1 done, 2 error."""
        return 0 if self.generating else 2 if self.failed else 1

    def holds(self, data_id: str) -> bool:
        """Return whether an item has that id."""
        return any(item.data_id == data_id for item in self.items)

    def last_answer(self) -> Item | None:
        """Return the newest answer."""
        return next((item for item in reversed(self.items) if item.speaker == "AI"), None)

    def answer(self, data_id: str) -> Item | None:
        """Return the answer with that id."""
        return next((item for item in self.items if item.speaker == "AI" and item.data_id == data_id), None)

    def history(self, rounds: int) -> list[tuple[str, str]]:
        """Return the last rounds as (`Human` or `AI`, text), oldest first."""
        return [(item.speaker, item.text) for item in self.items[-2 * rounds :]] if rounds else []


class ChatStore:
    """All chats of one server."""

    def __init__(self) -> None:
        self._chats: dict[tuple[str, str], Chat] = {}

    def find(self, app_id: str, chat_id: str) -> Chat | None:
        """Return a chat that exists."""
        return self._chats.get((app_id, chat_id))

    def open(self, app_id: str, chat_id: str) -> Chat:
        """Return a chat, made if it is new."""
        return self._chats.setdefault((app_id, chat_id), Chat(app_id, chat_id))

    def of_app(self, app_id: str) -> Iterator[Chat]:
        """Yield an app's chats, newest first."""
        yield from sorted(
            (chat for chat in self._chats.values() if chat.app_id == app_id),
            key=lambda chat: chat.updated_at,
            reverse=True,
        )

    def clear(self) -> None:
        """Forget all chats."""
        self._chats.clear()


def texts_of(parts: list[dict[str, Any]]) -> list[str]:
    """Return the texts among an item's parts, empty ones left out."""
    return [content for part in parts if (content := (part.get("text") or {}).get("content"))]


def without_citations(text: str) -> str:
    """Return the text without marks of the form `[<24hex>](CITE)`."""
    return _CITATION.sub("", text)
