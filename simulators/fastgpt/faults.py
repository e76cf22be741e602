"""Faults asked for over /_control/faults: what they may say, which one meets a call, and how they bend a run.

Every kind takes `match` (part of the question or of the chatId; "" meets all), `app` (main, the default, lite, canary,
or any), `times` (how often it strikes, default 1, null for always), `path` (part of the URL path, default the
completions endpoint), the delays `headers_ms` (before the response begins), `first_ms` (before the first words) and
`between_ms` (between pieces of text), and `split_bytes` (the body of a stream leaves in writes of that many bytes).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from starlette.responses import Response

from simulators.fastgpt import nodes
from simulators.fastgpt.dialect import Dialect
from simulators.fastgpt.errors import LISTED_STATUS_TEXTS, ApiError, failed, json_response, listed, team_limit
from simulators.fastgpt.settings import APPS
from simulators.fastgpt.steps import Breaks, Cuts, FallsSilent, NodeEnds, Spills, Step, Words, spoken
from simulators.fastgpt.workflow import Inquiry

KINDS = {
    "error": "one of FastGPT's errors, in the form its version and the call give it",
    "error_event": "an error event in a stream, whatever the error; JSON otherwise",
    "json_error": "an error envelope in JSON, also to a caller who wants a stream",
    "status": "a bare HTTP status with any body",
    "html": "a proxy's HTML page",
    "cut": "the connection drops, or the answer just ends, after some words",
    "silence": "nothing comes any more, not even heartbeats",
    "empty": "a normal end without any text",
    "node_error": "the model failed: no text, the reason in a node result",
    "slow": "only the delays",
    "garbage": "bytes that are no part of the protocol",
}

_COMPLETIONS = "/v1/chat/completions"
_GARBAGE = 'event: answer\ndata: {"id":"","choices":[{"delta":{"content":"\n\n\ufffd\ufffd data data:\n\n'
_PAGE = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>"
    "\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Temporarily Unavailable"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was asked for. Times ending in `_ms` are milliseconds."""

    kind: str
    match: str = ""
    app: str = "main"
    path: str = _COMPLETIONS
    times: int | None = 1
    headers_ms: int = 0
    first_ms: int | None = None
    between_ms: int | None = None
    split_bytes: int | None = None
    after_chunks: int | None = None
    """How many pieces of text come before it."""
    statusText: str = ""  # noqa: N815  (FastGPT's own spelling)
    code: int | None = None
    message: str = ""
    status: int | None = None
    body: str = ""
    content_type: str = "text/plain"
    text: str = ""
    """node_error: the words that came before the model failed."""
    clean: bool = False
    """cut: the response ends properly, without its last events."""
    seconds: float | None = None
    """silence: how long; None until the caller leaves."""
    before: str = "words"
    """silence: `headers` or `words`."""
    heartbeats: bool = False
    """silence: whether heartbeats go on."""

    @property
    def delay_s(self) -> float | None:
        """Seconds before the first words, if it says so."""
        return None if self.first_ms is None else self.first_ms / 1000

    def error(self) -> ApiError:
        """Return the error it stands for: listed by `statusText`, or free text with `code`."""
        if self.statusText in LISTED_STATUS_TEXTS:
            return listed(self.statusText, self.message or None)
        code = self.code or 500
        if code == 429 and not self.message:
            return team_limit(5000, 30)
        text = self.message or ("Data validation error" if code == 400 else "Connection error.")
        return ApiError(text, code=code, http_status=self.status or 500)

    def response(self, dialect: Dialect, *, stream: bool) -> Response | None:
        """Return what it answers in place of a run; None if the run begins."""
        if self.kind == "status":
            return Response(self.body, self.status or 503, media_type=self.content_type)
        if self.kind == "html":
            status = self.status or 502
            page = self.body or _PAGE.format(status=status, reason=_REASONS.get(status, "Gateway Time-out"))
            return Response(page, status, media_type="text/html")
        if self.kind == "json_error":
            error = self.error()
            return json_response(error.envelope(dialect), self.status or error.http_status(dialect))
        if self.after_chunks is None and self.kind in {"error", "error_event"}:
            error = self.error()
            if self.kind == "error_event" and stream:
                data = json.dumps(error.event(), ensure_ascii=False, separators=(",", ":"))
                return Response(f"event: error\ndata: {data}\n\n")
            return failed(error, dialect, stream=stream)
        return None

    def bend(self, steps: Sequence[Step], inquiry: Inquiry) -> list[Step]:
        """Return the steps of a run that meets this fault."""
        if (end := self._end()) is not None:
            return [*steps[: _after_words(steps, self._words_before())], end]
        if self.kind == "silence" and self.before == "words":
            place = _after_words(steps, self.after_chunks or 0)
            return [*steps[:place], FallsSilent(self.seconds, self.heartbeats), *steps[place:]]
        if self.kind == "empty":
            return [step for step in steps if not isinstance(step, Words)]
        if self.kind == "node_error":
            message = self.message or "Connection error."
            reason = nodes.chat_node(
                inquiry.question,
                inquiry.context,
                self.text,
                error={"message": message},
                errorText=message,
                finishReason="error",
            )
            return [*steps[: _after_words(steps, 0)], *spoken(self.text), NodeEnds(reason)]
        return list(steps)

    def as_json(self) -> dict[str, Any]:
        """Return it as /_control/faults shows it, defaults left out."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name == "kind" or getattr(self, each.name) != each.default
        }

    def _end(self) -> Step | None:
        """Return the step that ends a run early, for the kinds that do."""
        if self.kind in {"error", "error_event"}:
            return Breaks(self.error())
        if self.kind == "cut":
            return Cuts(self.clean)
        if self.kind == "garbage":
            return Spills((self.body or _GARBAGE).encode())
        return None

    def _words_before(self) -> int:
        if self.after_chunks is not None:
            return self.after_chunks
        return 3 if self.kind == "cut" else 0


def read_fault(raw: Any) -> Fault:
    """Read a fault. Raises ValueError that says what is wrong with it."""
    if not isinstance(raw, Mapping) or raw.get("kind") not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    known = {each.name for each in fields(Fault)}
    if unknown := sorted(set(raw) - known):
        raise ValueError(f"unknown: {', '.join(unknown)}; a fault may say {', '.join(sorted(known))}")
    for name in ("times", "headers_ms", "first_ms", "between_ms", "split_bytes", "after_chunks", "code", "status"):
        if not isinstance(raw.get(name), int | None) or (raw.get(name) or 0) < 0:
            raise ValueError(f"{name} must be a whole number, 0 or more")
    if raw.get("app", "main") not in APPS:
        raise ValueError(f"app must be one of {', '.join(APPS)}")
    fault = Fault(**raw)
    if fault.statusText not in {"", "error", *LISTED_STATUS_TEXTS}:
        raise ValueError(f"statusText must be error or one of {', '.join(sorted(LISTED_STATUS_TEXTS))}")
    return fault


OUTAGES = {
    "cut": Fault("cut", app="any", path="/", times=None, after_chunks=0),
    "hang": Fault("silence", app="any", path="/", times=None, before="headers"),
    "503": Fault("status", app="any", path="/", times=None, status=503),
}
"""What a whole server can be: each connection cut, nothing ever coming, or its proxy's answer."""


def read_outage(raw: Any) -> Fault:
    """Read an outage. Raises ValueError that says what there is."""
    kind = raw.get("kind") if isinstance(raw, Mapping) else None
    if kind not in OUTAGES:
        raise ValueError(f"kind must be one of {', '.join(OUTAGES)}")
    return OUTAGES[kind]


class FaultBook:
    """The faults that wait for a call, in the order they were asked for, and the outage that goes before them all."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, list[int | None]]] = []
        self.outage: Fault | None = None

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its call."""
        self._waiting.append((fault, [fault.times]))

    def take(self, path: str, texts: Sequence[str], app: str) -> Fault | None:
        """Return the first fault that meets a call of that app and path with those texts, and count it down."""
        if self.outage:
            return self.outage
        for waiting in self._waiting:
            fault, left = waiting
            if fault.app not in {app, "any"} or fault.path not in path:
                continue
            if fault.match and not any(fault.match in text for text in texts):
                continue
            if left[0] is not None:
                left[0] -= 1
                if left[0] <= 0:
                    self._waiting.remove(waiting)
            return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the waiting faults with what is left of their times."""
        return [{**fault.as_json(), "times": left[0]} for fault, left in self._waiting]

    def clear(self) -> None:
        """Forget all faults, and an outage."""
        self._waiting.clear()
        self.outage = None


def _after_words(steps: Sequence[Step], count: int) -> int:
    """Return the place behind that many pieces of text; before the first one for 0."""
    seen = 0
    for place, step in enumerate(steps):
        if isinstance(step, Words):
            if seen == count:
                return place
            seen += 1
    return len(steps)
