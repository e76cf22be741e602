"""What can be found out about one FastGPT app: whether it answers, to whom, how soon, and whether there are points.

The probe asks for what a new chat begins with, which costs nothing. Points cannot be seen without a question that runs
the model: FastGPT tells of them only where it refuses one. (There is an address that tells the use of a key, but it
takes the key in its query, which every proxy on the way writes down.)
"""

from __future__ import annotations

import statistics
import time
import uuid
from typing import TYPE_CHECKING

from frontdesk.errors import FrontdeskError
from frontdesk.fastgpt.client import NOT_RECORDED
from frontdesk.messages import Question
from frontdesk.records import Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontdesk.fastgpt.client import FastGptClient

NAMES = ("fastgpt", "latency", "points")
SLOW_MS = 1000
"""A probe runs no model; slower than this, the way or the server is what customers wait for."""

_SAMPLES = 3
_PROBE_S = 5.0
_ASK_S = 25.0
_QUESTION = "你好"


def examine(
    client: FastGptClient, about: str, *, ask: bool, clock: Callable[[], float] = time.monotonic
) -> Iterator[Checked]:
    """Yield what is found about the app called ``about``. With ``ask``, one question is put, which costs points.

    ``clock`` counts seconds and is the one of ``client``.
    """
    samples = []
    for _ in range(_SAMPLES):
        began = clock()
        try:
            client.probe(_PROBE_S)
        except FrontdeskError as error:
            yield Checked("fastgpt", "failed", code=error.code, about=about)
            return
        samples.append(round((clock() - began) * 1000))
    yield Checked("fastgpt", "ok", about=about)
    median = round(statistics.median(samples))
    seen = {"median_ms": median, "first_ms": samples[0]}  # the first one has opened the connection
    if median > SLOW_MS:
        yield Checked("latency", "warning", code="fastgpt_slow", about=about, seen=seen)
    else:
        yield Checked("latency", "ok", about=about, seen=seen)
    yield _points(client, about, clock) if ask else Checked("points", "not_run", code="not_asked", about=about)


def _points(client: FastGptClient, about: str, clock: Callable[[], float]) -> Checked:
    question = Question(
        chat_id=NOT_RECORDED, attempt_id=f"doctor-{uuid.uuid4().hex}", customer="frontdesk-doctor", text=_QUESTION
    )
    try:
        answer = client.ask(question, deadline=clock() + _ASK_S, on_first_words=lambda: None)
    except FrontdeskError as error:
        return Checked("points", "failed", code=error.code, about=about)
    seen = {"first_words_ms": answer.first_words_ms, "total_ms": answer.total_ms}
    return Checked("points", "ok", about=about, seen=seen)
