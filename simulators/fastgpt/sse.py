"""Writes the events of a completions stream, byte for byte as FastGPT frames them.

Source: labring/FastGPT `packages/service/common/response/sse.ts`, `packages/global/core/workflow/runtime/sse.ts`.
"""

import json
from typing import Any

from simulators.fastgpt.dialect import Dialect
from simulators.fastgpt.interactive import trimmed, untrimmed
from simulators.fastgpt.steps import NodeStarts, Pauses, Step, ToolRuns, VariablesChange, Words

HEADERS = {
    "Content-Type": "text/event-stream;charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "keep-alive",
    "Access-Control-Allow-Origin": "*",
}
DONE = "[DONE]"


def frame(data: Any, event: str | None = None) -> bytes:
    """Return one event; `data` is JSON, or the text `[DONE]`."""
    line = data if data == DONE else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {line}\n\n".encode()


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """Return an answer chunk; its id, object and model are always empty."""
    choice = {"delta": {"role": "assistant", **delta}, "index": 0, "finish_reason": finish_reason}
    return {"id": "", "object": "", "created": 0, "model": "", "choices": [choice]}


class Framer:
    """Turns steps into events for a caller with or without detail."""

    def __init__(self, dialect: Dialect, *, detail: bool) -> None:
        self._dialect = dialect
        self._detail = detail

    def step(self, step: Step) -> list[bytes]:
        """Return the events a step causes; none for what this caller is not shown."""
        if isinstance(step, Words):
            field = "reasoning_content" if step.channel == "reasoning" else "content"
            return [self._answer(chunk({field: step.text}), "fastAnswer" if step.channel == "fixed" else "answer")]
        return [frame(data, event) for event, data in self._details(step)] if self._detail else []

    def heartbeat(self) -> bytes:
        """Return the empty answer that keeps a connection alive."""
        return self._answer(chunk({"content": ""}))

    def end(self, node_results: list[dict[str, Any]], title: str | None, seconds: float) -> list[bytes]:
        """Return the last events, in the order of the version."""
        stop = self._answer(chunk({"content": None}, "stop"))
        done = frame(DONE, "answer" if self._detail else None)
        if not self._detail:
            return [stop, done]
        lead = [frame({"title": title}, "chatTitle")] if title else []
        lead.append(frame({"durationSeconds": round(seconds, 2)}, "workflowDuration"))
        results = frame(node_results, "flowResponses")
        return [*lead, stop, results, done] if self._dialect.done_last else [*lead, stop, done, results]

    def _details(self, step: Step) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of a step that only a caller with detail sees, as (event, data)."""
        match step:
            case NodeStarts(name):
                return [("flowNodeStatus", {"status": "running", "name": name})]
            case ToolRuns(tool):
                return [
                    ("toolCall", {"tool": {**tool, "params": "", "response": ""}}),
                    ("toolParams", {"tool": {"id": tool["id"], "params": tool["params"]}}),
                    ("toolResponse", {"tool": {"id": tool["id"], "response": tool["response"]}}),
                ]
            case VariablesChange(values):
                return [("updateVariables", values)]
            case Pauses(interactive):
                shown = untrimmed(interactive) if self._dialect.done_last else trimmed(interactive)
                return [("interactive", {"interactive": shown})]
            case _:
                return []

    def _answer(self, data: dict[str, Any], event: str = "answer") -> bytes:
        return frame(data, event if self._detail else None)
