"""What is to be done with a batch of one conversation's messages: which are taken together, in which order."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from frontdesk.messages import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from frontdesk.messages import Received
    from frontdesk.records import Reply

_RESET = frozenset({"/reset", "reset", "重置", "/重置"})


class Task(Enum):
    """What a step does."""

    RESUME = auto()  # a reply is on record: send what is missing of it
    ASK = auto()
    RESET = auto()
    EXPLAIN = auto()  # say what can be sent
    WELCOME = auto()
    TAP = auto()  # an item of a menu was tapped
    PERSON = auto()  # a person wrote
    NOTE = auto()  # something happened to the conversation
    DROP = auto()  # its writer took it back before anybody read it


_BY_KIND = {
    Kind.ENTERED: Task.WELCOME,
    Kind.PRESSED: Task.TAP,
    Kind.PERSON: Task.PERSON,
    Kind.RECALLED: Task.NOTE,
    Kind.UNDELIVERED: Task.NOTE,
    Kind.STATE: Task.NOTE,
    Kind.DUE: Task.NOTE,
    Kind.TICKET: Task.NOTE,
}
_FROM_CUSTOMERS = frozenset({Task.ASK, Task.EXPLAIN, Task.RESET})
_ALONE = frozenset({Task.TAP, Task.PERSON, Task.NOTE})


@dataclass(slots=True)
class Step:
    """Messages that get one reply together."""

    task: Task
    received: list[Received] = field(default_factory=list)
    reply: Reply | None = None

    @property
    def text(self) -> str:
        """The words of all its messages, each once, in order."""
        return "\n".join({each.inbound.message_id: each.inbound.text for each in self.received}.values())

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The ids of its messages, each once, in order."""
        return tuple(dict.fromkeys(each.inbound.message_id for each in self.received))


def plan(batch: Iterable[Received], replies: Mapping[str, Reply]) -> list[Step]:
    """Return the steps for ``batch``, in the order of its messages. ``replies`` are those on record, by message id.

    Neighbours of the same kind are taken together: several short texts are one question, several pictures get
    one explanation.
    """
    batch = list(batch)
    taken_back = {each.inbound.details.get("recalled_id") for each in batch if each.inbound.kind is Kind.RECALLED}
    steps: list[Step] = []
    for received in batch:
        reply = replies.get(received.inbound.message_id)
        task = Task.RESUME if reply else _task(received)
        if task in _FROM_CUSTOMERS and received.inbound.message_id in taken_back:
            task = Task.DROP
        last = steps[-1] if steps else None
        if last is None or last.task is not task or last.reply != reply or task in _ALONE:
            last = Step(task, reply=reply)
            steps.append(last)
        last.received.append(received)
    return steps


def _task(received: Received) -> Task:
    inbound = received.inbound
    task = _BY_KIND.get(inbound.kind)
    if task is not None:
        return task
    if inbound.details.get("menu_id"):
        return Task.TAP
    if inbound.kind is not Kind.TEXT or not inbound.text.strip():
        return Task.EXPLAIN
    return Task.RESET if _is_reset(inbound.text) else Task.ASK


def _is_reset(text: str) -> bool:
    return unicodedata.normalize("NFKC", text).strip().casefold() in _RESET
