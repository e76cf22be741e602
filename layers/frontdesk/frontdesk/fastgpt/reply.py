"""Reads the body of a completions reply, as it comes in, into an answer or the error that it means.

Whether the body is a stream of events or one JSON object shows in its first bytes; the header lies when an
error comes before the run (FastGPT 4.16 source, packages/service/common/response/sse.ts). Both forms end in the same
judgement: HTTP 200 does not mean answered.

``[DONE]`` comes before the node results up to 4.14.10 and after them since, so nothing but the end of the body
ends the reading. A stream that ends without it is incomplete, with one exception: a pause that arrived is
complete in itself, and asking again would be taken for the customer's answer to it. A run that ends without a word
has failed, unless it paused or wants a person to go on.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from frontdesk.errors import FrontdeskError, PermanentError, TransientError
from frontdesk.fastgpt import answer_text, interactive, nodes, own_word, untrusted
from frontdesk.fastgpt.errors_table import Refusal, classify, listed
from frontdesk.fastgpt.sse import Event, EventParser
from frontdesk.messages import ModelAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_LIMIT_BYTES = 256 * 1024
BODY_LIMIT_BYTES = 16 * 1024 * 1024

_DONE = "[DONE]"
_TEXT_EVENTS = ("", "answer", "fastAnswer")  # without detail the events have no name
_STREAM_STARTS = (b"event:", b"data:", b"id:", b"retry:", b":")
_BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Form(enum.Enum):
    UNDECIDED = enum.auto()
    STREAM = enum.auto()
    JSON = enum.auto()
    FOREIGN = enum.auto()


def _form_of(head: bytes) -> _Form:
    """Tell the form from the first bytes, or that more are needed."""
    if _BYTE_ORDER_MARK.startswith(head[:3]) and len(head) < 3:
        return _Form.UNDECIDED
    start = head.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    if start.startswith((b"{", b"[")):
        return _Form.JSON
    if start.startswith(_STREAM_STARTS):
        return _Form.STREAM
    return _Form.UNDECIDED if any(known.startswith(start) for known in _STREAM_STARTS) else _Form.FOREIGN


class ReplyReader:
    """Takes a body in pieces of any size; `finish` gives the answer or raises what went wrong.

    ``http_status`` and ``retry_after_s`` are the reply's own. ``has_output`` turns true with the first
    words or the first pause, ``is_complete`` once nothing that an answer needs is missing, ``is_foreign`` when the
    body is neither form and reading on is of no use.
    """

    def __init__(self, *, http_status: int = 200, retry_after_s: float = 0.0) -> None:
        self.has_output = False
        self._http_status = http_status
        self._retry_after_s = retry_after_s
        self._size = 0
        self._form = _Form.UNDECIDED
        self._body = bytearray()
        self._events = EventParser()
        self._text: list[str] = []
        self._text_size = 0
        self._nodes: list[Any] = []
        self._variables: dict[str, Any] = {}
        self._interactive: Mapping[str, Any] = {}
        self._error: Refusal | None = None
        self._done = False
        self._damaged = False

    @property
    def is_complete(self) -> bool:
        """Whether the end mark of a stream was seen."""
        return self._done

    @property
    def is_foreign(self) -> bool:
        """Whether the body is none of FastGPT's."""
        return self._form is _Form.FOREIGN

    def feed(self, piece: bytes) -> None:
        """Take the next bytes. Raises `PermanentError` when body or text outgrow their limits."""
        self._size += len(piece)
        if self._size > BODY_LIMIT_BYTES:
            raise PermanentError("the reply outgrew its limit", code="fastgpt_reply_too_large")
        if self._form is _Form.STREAM:
            self._take_events(self._events.feed(piece))
            return
        self._body += piece
        if self._form is _Form.UNDECIDED:
            self._form = _form_of(bytes(self._body[:1024]))
            if self._form is _Form.STREAM:
                self._take_events(self._events.feed(bytes(self._body)))
                self._body.clear()

    def finish(self) -> ModelAnswer:
        """Return the answer, durations and id left out. Raises the error that the whole reply means."""
        if self._form is _Form.STREAM:
            self._take_events(self._events.close())
            return self._finish_stream()
        return self._finish_body()

    def _finish_stream(self) -> ModelAnswer:
        if not 200 <= self._http_status < 300:
            raise classify(self._error or self._refusal(None))
        if self._error is not None and not (self._done and answer_text.visible("".join(self._text))):
            raise classify(self._error)
        paused = interactive.is_payment(self._interactive) or interactive.read_pause(self._interactive)
        if self._damaged or not (self._done or paused):
            raise TransientError("the answer broke off before its end", code="fastgpt_answer_incomplete")
        return self._judge(self._error)

    def _finish_body(self) -> ModelAnswer:
        if self._form is _Form.UNDECIDED and 200 <= self._http_status < 300:
            raise TransientError("the answer broke off before its start", code="fastgpt_answer_incomplete")
        body = untrusted.mapping(untrusted.parsed(bytes(self._body)) if self._form is _Form.JSON else None)
        choices = untrusted.sequence(body.get("choices"))
        if not choices or not 200 <= self._http_status < 300:
            raise classify(self._refusal(body))
        self._take_content(untrusted.mapping(untrusted.mapping(choices[0]).get("message")).get("content"))
        self._nodes.extend(untrusted.sequence(body.get("responseData")))
        self._variables.update(untrusted.mapping(body.get("newVariables")))
        return self._judge(self._refusal(body["error"]) if body.get("error") else None)

    def _refusal(self, entry: Any) -> Refusal:
        return Refusal.read(entry, http_status=self._http_status, retry_after_s=self._retry_after_s)

    def _take_events(self, events: list[Event]) -> None:
        for event in events:
            self._take_event(event)

    def _take_event(self, event: Event) -> None:
        if event.name in _TEXT_EVENTS:
            self._take_chunk(event.data)
        elif event.name == "interactive":
            self._take_interactive(untrusted.mapping(untrusted.parsed(event.data)).get("interactive"))
        elif event.name == "flowResponses":
            self._nodes.extend(untrusted.sequence(untrusted.parsed(event.data)))
        elif event.name == "flowNodeResponse":
            self._nodes.append(untrusted.parsed(event.data))
        elif event.name == "updateVariables":
            self._variables.update(untrusted.mapping(untrusted.parsed(event.data)))
        elif event.name == "error":
            self._error = self._refusal(untrusted.parsed(event.data))

    def _take_chunk(self, data: str) -> None:
        if data.strip() == _DONE:
            self._done = True
            return
        chunk = untrusted.parsed(data)
        if chunk is untrusted.MALFORMED:
            self._damaged = True  # words may be missing, and nobody could tell which
            return
        for choice in untrusted.sequence(untrusted.mapping(chunk).get("choices"))[:1]:
            self._take_text(untrusted.mapping(untrusted.mapping(choice).get("delta")).get("content"))

    def _take_content(self, content: Any) -> None:
        """Take a whole message: a text, or the list of parts that detail=true gives.

        Parts stand on lines of their own, as FastGPT joins them where it gives one text.
        """
        if isinstance(content, str):
            self._take_text(content)
            return
        for part in map(untrusted.mapping, untrusted.sequence(content)):
            words = untrusted.fragment(untrusted.mapping(part.get("text")).get("content"))
            self._take_text("\n" + words if words and self._text else words)
            if part.get("interactive"):
                self._take_interactive(part["interactive"])

    def _take_text(self, content: Any) -> None:
        words = untrusted.fragment(content)
        if not words:
            return  # a heartbeat, or the chunk that ends a node
        self._text_size += len(words.encode("utf-8", "surrogatepass"))
        if self._text_size > TEXT_LIMIT_BYTES:
            raise PermanentError("the answer's text outgrew its limit", code="fastgpt_answer_too_large")
        self._text.append(words)
        self.has_output = self.has_output or answer_text.has_words("".join(self._text))

    def _take_interactive(self, value: Any) -> None:
        self._interactive = interactive.deepest(value)
        if interactive.read_pause(self._interactive) is not None:
            self.has_output = True

    def _judge(self, run_error: Refusal | None) -> ModelAnswer:
        """Return what the finished run gave, or raise why it gave nothing.

        ``run_error`` is the run's own error: it may stand beside an answer, even one that a catch branch gave.
        """
        if interactive.is_payment(self._interactive):
            raise classify(Refusal(status_text="aiPointsNotEnough"))
        answer = answer_text.visible("".join(self._text))
        pause = interactive.read_pause(self._interactive)
        trouble = self._trouble(run_error)
        wants_person = own_word.wants_person(self._variables, self._nodes)
        if not answer and pause is None and not wants_person:
            raise trouble or TransientError("the run ended without an answer", code="fastgpt_empty_answer")
        own = own_word.confidence(self._variables, self._nodes)
        return ModelAnswer(
            text=answer,
            pause=pause,
            confidence=nodes.best_score(self._nodes) if own is None else own,
            wants_person=wants_person,
            partial_failure=trouble.code if trouble else "",
        )

    def _trouble(self, run_error: Refusal | None) -> FrontdeskError | None:
        """Return what went wrong in the run, the most telling first, or None.

        A node's free text is the vendor's, its model's or its tool's: it is compared with names and goes no further.
        """
        if self._interactive and interactive.read_pause(self._interactive) is None:
            return PermanentError("the run paused in a way that no chat can offer", code="fastgpt_pause_unknown")
        failed = nodes.failures(self._nodes)
        for refusal in (*failed, *([run_error] if run_error else ())):
            if listed(refusal) is not None:
                return classify(refusal)
        if failed:
            return TransientError("a node of the workflow failed", code="fastgpt_node_failed")
        return TransientError("the run failed", code="fastgpt_run_failed") if run_error else None
