"""Logger, metrics and redaction: the only module that knows Powertools' core.

Every log line is one JSON object. It may hold digests, ids, codes and durations; never a secret, a customer's
words or a customer's id. Three walls keep that true: code logs only fields it names; an exception is logged by type
and place, its text only when it is one of ours (`FrontdeskError` texts hold nothing of that kind); and whatever is
about to be written passes through `redact`, but for the fields that hold ids by design.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from frontdesk.errors import FrontdeskError
from frontdesk.protection.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

NAMESPACE = "Frontdesk"
LOGGER_NAME = "frontdesk"
_HTTP_LIBRARY = "urllib3.connection"
_one_line_at_a_time = threading.Lock()  # all instances of Powertools' Metrics share one set
_UNITS = {  # all others are counts
    "FirstResponseTime": MetricUnit.Milliseconds,
    "ResponseTime": MetricUnit.Milliseconds,
    "ModelTime": MetricUnit.Milliseconds,
    "ArchiveLag": MetricUnit.Seconds,
    "Confidence": MetricUnit.NoUnit,
}
# Ids and times by design. A message id has 19 digits and can pass for a bank card.
_AS_THEY_ARE = frozenset(
    {
        "at_ms",
        "build",
        "cold_start",
        "conversation",
        "function_arn",
        "function_memory_size",
        "function_name",
        "function_request_id",
        "location",
        "message_id",
        "question_id",
        "session_id",
        "timestamp",
        "xray_trace_id",
    }
)
_DEEPEST = 8  # levels of what is logged; below, and in what holds itself, a value is told by its text
_FEWEST_DIGITS = 10**10


class SafeFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON lines, redacted, with exceptions told by type and place only."""

    def serialize(self, log: Any) -> str:
        """Return ``log`` as JSON. An exception's notes are left out: anybody can put anything into them."""
        safe = {
            redact(name): value if name in _AS_THEY_ARE and isinstance(value, str | int) else _redacted(value)
            for name, value in log.items()
            if name != "exception_notes"
        }
        line: str = super().serialize(safe)
        return line

    def formatException(  # noqa: N802  # the standard library's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return where ``ei`` came from, without any exception's text unless it is one of ours."""
        if ei[1] is None:
            return ""
        return "\nwhich led to\n".join("\n".join(_described(error)) for error in reversed(_chain(ei[1])))


def _redacted(value: Any, depth: int = 0) -> Any:
    """Return ``value`` for JSON, each text in it redacted, at whatever depth."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        written = redact(str(value)) if abs(value) >= _FEWEST_DIGITS else ""
        return written if written.startswith("[") else value
    if isinstance(value, BaseException):
        return redact(list(_described(value))[-1])
    if depth < _DEEPEST and isinstance(value, dict):
        return {redact(str(name)): _redacted(each, depth + 1) for name, each in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_redacted(each, depth + 1) for each in value]
    return redact(str(value))


def _chain(error: BaseException) -> list[BaseException]:
    """Return ``error`` and what it came from, the last first; each once, should they point at each other."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return chain


def _described(error: BaseException) -> Iterable[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{frame.filename}:{frame.lineno} in {frame.name}"
    text = f": {error}" if isinstance(error, FrontdeskError) else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{text}"


def build_logger(environ: Mapping[str, str] = os.environ) -> logging.Logger:
    """Return the logger of this process, after attaching JSON lines to it. ``BUILD_ID`` becomes ``build``.

    The package itself logs through `logging.getLogger(LOGGER_NAME)` and needs no Powertools for it.
    """
    Logger(
        service=LOGGER_NAME,
        name=LOGGER_NAME,
        level=environ.get("POWERTOOLS_LOG_LEVEL", "INFO"),
        logger_formatter=SafeFormatter(serialize_stacktrace=False),
        build=environ.get("BUILD_ID", "unknown"),
        log_uncaught_exceptions=False,
    )
    # Of an answer whose head it cannot read it warns with that head and the address, which Lambda would show as it is.
    logging.getLogger(_HTTP_LIBRARY).setLevel(logging.ERROR)
    return logging.getLogger(LOGGER_NAME)


def emit_metrics(
    channel: str, values: Mapping[str, Iterable[float]], *, variant: str = "", conversation: str = ""
) -> None:
    """Write one EMF line: each metric in ``values`` with its samples, dimension ``channel``.

    Counts are given as samples too, one a unit of work. Metrics without a sample are left out. ``variant`` is a second
    dimension where it is given. ``conversation`` is no dimension: it stands in the line only, for those who count
    customers.
    """
    with _one_line_at_a_time:
        metrics = Metrics(namespace=NAMESPACE)
        metrics.set_default_dimensions()
        metrics.clear_metrics()
        metrics.add_dimension("channel", channel)
        if variant:
            metrics.add_dimension("variant", variant)
        if conversation:
            metrics.add_metadata("conversation", conversation)
        for name, samples in values.items():
            for sample in samples:
                metrics.add_metric(name=name, unit=_UNITS.get(name, MetricUnit.Count), value=sample)
        if metrics.metric_set:  # Powertools has written full sets by itself
            metrics.flush_metrics()
