"""Asks the company's FastGPT app one question and gives back its whole answer; tells it later whether that was good.

POST {base}/v1/chat/completions with stream=true and detail=true (FastGPT API documentation, "Chat"; v1, because a v1
run stops when we hang up, so that a function which runs out of time frees the chat). The stream is read to
its end before anything is shown: the caller learns early only *that* words come.

Nothing is retried here but what a dead kept connection swallowed: all else is the queue's to decide.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError
from frontdesk.fastgpt import envelope
from frontdesk.fastgpt.errors_table import LONGEST_WAIT_S, Refusal, classify
from frontdesk.fastgpt.reply import ReplyReader
from frontdesk.fastgpt.transport import SILENCE_S, DeadlineError, Exchange, Line, StaleConnectionError
from frontdesk.fastgpt.watched import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from frontdesk.messages import ModelAnswer, Question

NOT_RECORDED = "NO_RECORD_HISTORIES"
"""The chat id under which FastGPT answers without keeping a record (packages/service/core/chat/utils/prepare.ts)."""

_PROBE_LIMIT_BYTES = 4 * 1024 * 1024  # an app's whole configuration comes with the reply
_log = logging.getLogger(__name__)

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_REQUEST_ID = re.compile(r"[0-9a-fA-F-]{8,64}")


class FastGptClient:
    """One app of one FastGPT. May be shared by threads: each keeps a connection of its own.

    ``base_url`` is the address that ends in ``/api`` (added when left out); ``identity`` tells the audit which app
    answered, and where. Raises `MisconfiguredError`
    when address or key cannot be sent at all. ``clock`` counts seconds; ``silence_s`` is how long the server may
    send nothing, heartbeats included.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        app_id: str,
        clock: Callable[[], float] = time.monotonic,
        silence_s: float = SILENCE_S,
    ) -> None:
        if not _VISIBLE.fullmatch(api_key):
            raise MisconfiguredError("the FastGPT API key is malformed", code="fastgpt_key_malformed")
        self._base = _api_base(base_url)
        self.identity = f"fastgpt:{app_id}@{urlsplit(self._base).hostname}"
        self._api_key = api_key
        self._app_id = app_id
        self._clock = clock
        self._silence_s = silence_s
        self._of_thread = threading.local()

    def ask(
        self,
        question: Question,
        *,
        deadline: float,
        on_first_words: Callable[[], None],
        watch: Watch | None = None,
    ) -> ModelAnswer:
        """Return the answer to ``question``, or raise `TransientError` or `PermanentError` by ``deadline``.

        ``deadline`` is a moment on the client's clock. ``on_first_words`` is called once, in this thread, when the
        first words or the first pause arrive; what it raises ends the call. A second try after a dead kept
        connection goes out as ``<attempt_id>-b``, because FastGPT refuses an id that it has seen; the answer tells
        its id. What follows a pause is kept by FastGPT under the id of the answer that paused, whatever id it got.
        Cutting the ``watch`` from another thread ends the call as its deadline would.
        """
        asked_at = self._clock()
        watch = watch or Watch()
        try:
            return self._ask_once(question, asked_at, deadline, on_first_words, watch)
        except StaleConnectionError:
            self._line().drop()
        again = dataclasses.replace(question, attempt_id=f"{question.attempt_id}-b")
        return self._ask_once(again, asked_at, deadline, on_first_words, watch)

    def probe(self, within_s: float) -> None:
        """Return when FastGPT answers, knows the key, and lets it use the app; raises what `ask` raises.

        It costs no points and starts no run (FastGPT API documentation, "Chat", GET core/chat/init).
        """
        query = {"appId": self._app_id, "chatId": "probe"}
        with (
            self._line().get(f"{self._base}/core/chat/init", query, left_s=within_s) as exchange,
            _noted(exchange) as note,
        ):
            _check(exchange, _PROBE_LIMIT_BYTES)
            note.outcome = "ok"

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Return when FastGPT has noted that the answer kept as ``attempt_id`` was good, or that it was not.

        The later word replaces the earlier one. Raises `PermanentError` with the code ``fastgpt_answer_unknown`` when
        the chat has no such answer, and otherwise what `ask` raises.
        """
        try:
            self._judge_once(chat_id, attempt_id, good=good, deadline=deadline)
        except StaleConnectionError:
            self._line().drop()
        else:
            return
        self._judge_once(chat_id, attempt_id, good=good, deadline=deadline)

    def _judge_once(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        body = {
            "appId": self._app_id,
            "chatId": chat_id,
            "dataId": attempt_id,
            # FastGPT clears the one that is not sent; its own page says "yes" for good, and shows the other as it is.
            **({"userGoodFeedback": "yes"} if good else {"userBadFeedback": "no"}),
        }
        with self._post("/core/chat/feedback/updateUserFeedback", body, deadline) as exchange, _noted(exchange) as note:
            _check(exchange)
            note.outcome = "ok"

    def _ask_once(
        self,
        question: Question,
        asked_at: float,
        deadline: float,
        on_first_words: Callable[[], None],
        watch: Watch,
    ) -> ModelAnswer:
        body = {
            "appId": self._app_id,
            "chatId": question.chat_id,
            "customUid": question.customer,
            "responseChatItemId": question.attempt_id,
            "stream": True,
            "detail": True,
            # FastGPT keeps the history by chatId and would append whatever else were sent.
            "messages": [{"role": "user", "content": question.text}],
        }
        with self._post("/v1/chat/completions", body, deadline, watch) as exchange, _noted(exchange) as note:
            reading = _Reading(exchange, self._clock, deadline, on_first_words)
            answer = reading.run()
            note.outcome = answer.partial_failure or "ok"
        return dataclasses.replace(
            answer,
            attempt_id="" if question.chat_id == NOT_RECORDED else question.attempt_id,
            first_words_ms=_milliseconds(reading.first_words_at - asked_at),
            total_ms=_milliseconds(self._clock() - asked_at),
        )

    def _post(
        self, path: str, body: Mapping[str, Any], deadline: float, watch: Watch | None = None
    ) -> AbstractContextManager[Exchange]:
        """Send ``body`` and hand out the reply; everything is over at ``deadline``."""
        left_s = deadline - self._clock()
        if left_s <= 0:
            raise DeadlineError
        return self._line().post(self._base + path, body, left_s=left_s, watch=watch)

    def _line(self) -> Line:
        line: Line | None = getattr(self._of_thread, "line", None)
        if line is None:
            line = self._of_thread.line = Line(api_key=self._api_key, silence_s=self._silence_s)
        return line


class _Reading:
    """Reads one reply to its end, watching the clock and telling about the first words."""

    def __init__(
        self,
        exchange: Exchange,
        clock: Callable[[], float],
        deadline: float,
        on_first_words: Callable[[], None],
    ) -> None:
        self.first_words_at = 0.0
        self._exchange = exchange
        self._clock = clock
        self._deadline = deadline
        self._on_first_words = on_first_words
        self._told = False
        self._reader = ReplyReader(http_status=exchange.status, retry_after_s=_seconds(exchange.header("Retry-After")))

    def run(self) -> ModelAnswer:
        """Return the answer, or raise what the reply means."""
        if 300 <= self._exchange.status < 400:
            raise classify(Refusal(http_status=self._exchange.status))
        self._read()
        answer = self._reader.finish()
        self._tell()
        return answer

    def _read(self) -> None:
        """Read until the server closes, or until more can make no difference."""
        end_expected = False
        pieces = self._exchange.pieces()
        while piece := self._next(pieces):
            self._reader.feed(piece)
            if self._reader.has_output:
                self._tell()
            if self._reader.is_foreign:
                return
            if self._clock() >= self._deadline:
                if self._reader.is_complete:
                    return
                raise DeadlineError
            if self._reader.is_complete and not end_expected:
                end_expected = True
                self._exchange.expect_end()

    def _next(self, pieces: Iterator[bytes]) -> bytes:
        """Return the next bytes, none at the end. What breaks after a stream's end mark takes nothing from it."""
        try:
            return next(pieces, b"")
        except TransientError:
            if self._reader.is_complete:
                return b""
            raise

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self.first_words_at = self._clock()
            self._on_first_words()


def _check(exchange: Exchange, limit_bytes: int = envelope.LIMIT_BYTES) -> None:
    envelope.check(
        exchange.body(limit_bytes),
        http_status=exchange.status,
        retry_after_s=_seconds(exchange.header("Retry-After")),
    )


def _api_base(base_url: str) -> str:
    base = base_url.rstrip("/")
    try:
        parts = urlsplit(base)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise MisconfiguredError("the address of FastGPT is malformed", code="fastgpt_wrong_address")
    return base if base.endswith("/api") else base + "/api"


def _seconds(retry_after: str) -> float:
    """Read a Retry-After header in seconds; its other form, a date, is not worth a clock here."""
    return min(float(retry_after), LONGEST_WAIT_S) if re.fullmatch(r"\d{1,6}", retry_after, re.ASCII) else 0.0


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


@dataclasses.dataclass(slots=True)
class _Note:
    outcome: str = "fastgpt_aborted"


@contextmanager
def _noted(exchange: Exchange) -> Iterator[_Note]:
    """Log what becomes of a reply, and which of the server's requests it was: the only handle its operators have."""
    note = _Note()
    try:
        yield note
    except FrontdeskError as error:
        note.outcome = error.code
        raise
    finally:
        request_id = exchange.header("x-request-id")
        fields: dict[str, Any] = {
            "fastgpt_outcome": note.outcome,
            "fastgpt_http_status": exchange.status,
            "fastgpt_request_id": request_id if _REQUEST_ID.fullmatch(request_id) else "",
        }
        _log.log(logging.INFO if note.outcome == "ok" else logging.WARNING, "FastGPT replied", extra=fields)
