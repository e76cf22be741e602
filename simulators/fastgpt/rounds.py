"""One round of a chat: everything between an accepted question and its stored answer, whichever way it is sent.

`open_round` does what FastGPT does before a run (key, app, limits, lock, duplicate check, stored items), and
`Round.close` what it does after one (partial answers are stored too, and the chat is free again).
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.fastgpt.access import authorised_app
from simulators.fastgpt.answers import Answer
from simulators.fastgpt.chats import NOT_RECORDED, Chat, Item
from simulators.fastgpt.errors import ApiError, listed
from simulators.fastgpt.faults import Fault
from simulators.fastgpt.nodes import random_id
from simulators.fastgpt.schema import Ask
from simulators.fastgpt.server import Server
from simulators.fastgpt.steps import Step
from simulators.fastgpt.transcript import Transcript
from simulators.fastgpt.workflow import Inquiry

_TITLE_LENGTH = 20


@dataclass(slots=True)
class Round:
    """A round in progress. `title` is set while the chat waits for one."""

    ask: Ask
    chat: Chat
    steps: list[Step]
    transcript: Transcript
    headers: dict[str, str]
    detail: bool
    stored_answer: Item | None
    title: str | None
    closed: bool = False
    _began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._began

    def close(self, *, error: str = "") -> None:
        """Store what was said, and free the chat; only the first time counts."""
        if self.closed:
            return
        self.closed = True
        chat, item = self.chat, self.stored_answer
        chat.generating = False
        chat.failed = bool(error)
        if item is None:
            return
        chat.updated_at = datetime.now(UTC)
        chat.variables = self.transcript.variables
        chat.pending = self.transcript.interactive
        if chat.pending is not None:
            chat.paused_question = self.ask.question
        node_error = self.transcript.error
        item.parts += self.transcript.parts
        item.node_results += self.transcript.node_results
        item.error = error or (node_error["message"] if node_error else "")
        item.duration_s = round(self.seconds, 2)


def open_round(
    server: Server, ask: Ask, authorization: str | None, *, scripted: Answer | None, fault: Fault | None
) -> Round:
    """Accept a question. Raises ApiError as FastGPT would refuse it."""
    if ask.by_share_link:
        raise listed("linkUnInvalid")
    app_id = authorised_app(server, authorization, ask.app_id or None)
    if ask.by_proxy and server.dialect.call_names_app:
        raise listed("unAuthChat")
    headers = server.limit.count() if server.dialect.limits_rate else {}
    is_tool = app_id == server.settings.tool_app_id
    if not ask.messages and not is_tool:
        raise ApiError("messages is empty")

    recorded = ask.chat_id != NOT_RECORDED
    chat_id = ask.chat_id or random_id()
    chat = server.chats.open(app_id, chat_id) if recorded else Chat(app_id, chat_id)
    if chat.generating and server.dialect.locks_chats:
        raise listed("chatIsGenerating")
    pending = chat.pending
    if ask.item_id and server.dialect.unique_item_ids and pending is None and chat.holds(ask.item_id):
        raise ApiError(f"Chat dataId already exists: {ask.item_id}", user_error=True)

    inquiry = Inquiry(
        question=ask.question,
        context=_context(chat, ask, server.settings.history_rounds),
        variables={**chat.variables, **ask.variables},
        pending=pending,
        paused_question=chat.paused_question,
        cites=not ask.stream or ask.retain_citations or server.settings.citations_in_stream,
    )
    if scripted:
        steps = scripted.steps(inquiry)
    elif is_tool:
        steps = server.app.run_tool(inquiry.variables)
    elif server.settings.app_name(app_id) == "lite":
        steps = server.app.run_lite(inquiry)
    else:
        steps = server.app.run(inquiry)
    first = not chat.items
    stored = _store_question(server, chat, ask, resumes=pending is not None) if recorded else None
    if first:
        chat.title = ask.question[:_TITLE_LENGTH]
    return Round(
        ask=ask,
        chat=chat,
        steps=fault.bend(steps, inquiry) if fault else steps,
        transcript=Transcript(dict(inquiry.variables)),
        headers=headers,
        detail=ask.detail or is_tool,
        stored_answer=stored,
        title=chat.title if first and recorded and server.dialect.makes_titles else None,
    )


def _context(chat: Chat, ask: Ask, rounds: int) -> list[tuple[str, str]]:
    """Return what the model sees before the question: system texts, the stored history, then all other given messages.

    The documents say that a chat's own history replaces them; the code appends them (`concatHistories`).
    """
    speakers = {"system": "System", "developer": "System", "assistant": "AI"}
    given = [(speakers.get(message.role, "Human"), message.text) for message in ask.messages[:-1]]
    lines = [*chat.history(rounds), *given]
    return sorted(lines, key=lambda line: line[0] != "System")


def _store_question(server: Server, chat: Chat, ask: Ask, *, resumes: bool) -> Item:
    """Store the question and the empty answer before the run; a resumed pause goes on in its old answer."""
    chat.generating = True
    chat.failed = False
    chat.pending = None
    now = datetime.now(UTC)
    chat.updated_at = now
    old = chat.last_answer() if resumes else None
    if old is not None:
        _mark_submitted(old, ask.question)
        return old
    data_id = ask.item_id or random_id()
    question_id = data_id if server.dialect.unique_item_ids else random_id()
    answer = Item(data_id, "AI", [], now)
    chat.items += [Item(question_id, "Human", [_text_part(ask.question)], now), answer]
    return answer


def _mark_submitted(item: Item, reply: str) -> None:
    for part in item.parts:
        if "interactive" in part:
            params = part["interactive"].setdefault("params", {})
            params["submitted"] = True
            params["userSelectedVal"] = reply


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"content": text}}
