"""Gathers what a run says, and shapes the non-stream answer out of it."""

import time
from collections.abc import Sequence
from typing import Any

from simulators.fastgpt.chats import texts_of, without_citations
from simulators.fastgpt.interactive import Interactive, trimmed
from simulators.fastgpt.steps import NodeEnds, NodeStarts, Pauses, Step, ToolRuns, VariablesChange, Words


class Transcript:
    """Everything said so far. Feed it the steps of a run."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.parts: list[dict[str, Any]] = []
        self.node_results: list[dict[str, Any]] = []
        self.variables = dict(variables)
        self.interactive: Interactive | None = None
        self._part_is_open = False
        self._node_began = time.monotonic()

    def take(self, step: Step) -> None:
        """Add a step."""
        match step:
            case NodeStarts():
                self._part_is_open = False
            case Words(text, channel):
                self._say(text, "reasoning" if channel == "reasoning" else "text")
            case ToolRuns(tool):
                self._part_is_open = False
                self.parts.append({"tools": [tool], "type": "tool"})
            case NodeEnds(result):
                now = time.monotonic()
                result["runningTime"] = round(now - self._node_began, 2)
                self._node_began = now
                self.node_results.append(result)
                self._part_is_open = False
            case VariablesChange(values):
                self.variables.update(values)
            case Pauses(interactive):
                self.interactive = interactive
                self.parts.append({"interactive": trimmed(interactive), "type": "interactive"})
            case _:
                pass

    @property
    def text(self) -> str:
        """The answer's words."""
        return "\n".join(texts_of(self.parts))

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of the last failed node at the top level."""
        for result in reversed(self.node_results):
            if result.get("error") or result.get("errorText"):
                return {"message": str(result.get("errorText") or result["error"])}
        return None

    def message(self, *, detail: bool, retain_citations: bool, reasoning: bool) -> dict[str, Any]:
        """Return `choices[0].message`.

        `content` is a text; with detail a list when there are several parts or one that is no text; and it is missing
        when the only part has no text and no detail was asked for.
        """
        message: dict[str, Any] = {"role": "assistant"}
        thought = "".join((part.get("reasoning") or {}).get("content", "") for part in self.parts)
        if reasoning and thought:
            message["reasoning_content"] = thought
        parts = self.parts if retain_citations else [_uncited(part) for part in self.parts]
        texts = texts_of(parts)
        only_text = len(parts) == 1 and bool(texts)
        if detail and parts and not only_text:
            message["content"] = parts
        elif len(parts) != 1 or texts:
            message["content"] = "\n".join(texts)
        return message

    def _say(self, text: str, field: str) -> None:
        if not self._part_is_open:
            self.parts.append({"type": "text"})
            self._part_is_open = True
        held = self.parts[-1].setdefault(field, {"content": ""})
        held["content"] += text


def completion(chat_id: str, message: dict[str, Any], extra: Sequence[tuple[str, Any]] = ()) -> dict[str, Any]:
    """Return the body of a non-stream answer; `extra` are the fields that only some answers have."""
    body: dict[str, Any] = {name: value for name, value in extra if value is not None}
    body["id"] = chat_id
    body["model"] = ""
    body["usage"] = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1}
    body["choices"] = [{"message": message, "finish_reason": "stop", "index": 0}]
    return body


def _uncited(part: dict[str, Any]) -> dict[str, Any]:
    if "text" not in part:
        return part
    return {**part, "text": {"content": without_citations(part["text"]["content"])}}
