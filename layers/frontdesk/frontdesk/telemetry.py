"""Logger, metrics and redaction: the only module that knows Powertools' core.

Every log line is one JSON object. It may hold digests, ids, codes and durations; never a secret, a customer's
words or a customer's id. Two walls keep that true: code logs only fields it names, and an exception is logged
by type and place, its text only when it is one of ours (`FrontdeskError` texts hold nothing of that kind).
"""

from __future__ import annotations

import logging
import os
import traceback
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

NAMESPACE = "Frontdesk"
LOGGER_NAME = "frontdesk"
_MILLISECONDS = frozenset({"FirstResponseTime", "ResponseTime", "ModelTime"})


class SafeFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON lines, with exceptions told by type and place only."""

    def serialize(self, log: Any) -> str:
        """Return ``log`` as JSON. An exception's notes are left out: anybody can put anything into them."""
        log.pop("exception_notes", None)
        line: str = super().serialize(log)
        return line

    def formatException(  # noqa: N802  # the standard library's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return where ``ei`` came from, without any exception's text unless it is one of ours."""
        if ei[1] is None:
            return ""
        return "\nwhich led to\n".join("\n".join(_described(error)) for error in reversed(_chain(ei[1])))


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
    return logging.getLogger(LOGGER_NAME)


def emit_metrics(channel: str, values: Mapping[str, Iterable[float]]) -> None:
    """Write one EMF line: each metric in ``values`` with its samples, dimension ``channel``.

    Counts are given as samples too, one a unit of work. Metrics without a sample are left out.
    """
    metrics = Metrics(namespace=NAMESPACE)
    metrics.set_default_dimensions()
    metrics.clear_metrics()
    metrics.add_dimension("channel", channel)
    for name, samples in values.items():
        unit = MetricUnit.Milliseconds if name in _MILLISECONDS else MetricUnit.Count
        for sample in samples:
            metrics.add_metric(name=name, unit=unit, value=sample)
    if metrics.metric_set:  # Powertools has written full sets by itself
        metrics.flush_metrics()
