"""What the functions of a local run used, read from their logs: invocations, time, and the logs themselves.

The local AWS ends each invocation with a REPORT line, as Lambda does. Its durations are this machine's, and its "Max
Memory Used" is that of the largest process ever, so that is not read.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_logs import CloudWatchLogsClient

_REPORT = re.compile(r"^REPORT .*?\tBilled Duration: ([0-9.]+) ms\tMemory Size: (\d+) MB")
_LOGS = "Logs"
_LIMIT_S = 60
_WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What one function used. ``gb_seconds`` is time by configured memory, what Lambda bills."""

    invocations: int
    gb_seconds: float
    log_bytes: int

    @classmethod
    def of(cls, lines: Iterable[str]) -> Usage:
        """Return what is told by the ``lines`` of one function's log."""
        invocations, gb_seconds, log_bytes = 0, 0.0, 0
        for line in lines:
            log_bytes += len(line.encode())
            if found := _REPORT.match(line):
                invocations += 1
                gb_seconds += float(found[1]) / 1000 * int(found[2]) / 1024
        return cls(invocations, gb_seconds, log_bytes)


def billed(usage: Mapping[str, Usage], requests: int) -> dict[str, float]:
    """Return what was used by the units of `ops/prices.yaml`; ``requests`` are those of the API."""
    return {
        "lambda_requests": sum(each.invocations for each in usage.values()),
        "lambda_arm64_gb_s": sum(each.gb_seconds for each in usage.values()),
        "logs_gb": sum(each.log_bytes for each in usage.values()) / 1e9,
        "http_api_requests": requests,
    }


def used(aws: Mapping[str, Any], since_ms: int) -> dict[str, Usage]:
    """Return what each function of the local run used since then (epoch ms), by name; nothing when it cannot be read.

    ``aws`` is the local AWS as the run describes it: endpoint_url, region and resources.
    """
    logs = boto3.client(
        "logs",
        endpoint_url=aws["endpoint_url"],
        region_name=aws["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # the local AWS takes any
        config=Config(read_timeout=_LIMIT_S, retries={"total_max_attempts": 2}, proxies={}),
    )
    found = {}
    for name, group in aws["resources"].items():
        if name.endswith(_LOGS):
            try:
                usage = Usage.of(_lines(logs, group, since_ms, int(time.time() * 1000)))
            except (BotoCoreError, ClientError):
                return {}
            if usage.log_bytes:
                found[name.removesuffix(_LOGS)] = usage
    return found


def _lines(logs: CloudWatchLogsClient, group: str, since_ms: int, until_ms: int) -> Iterator[str]:
    """Yield a log's lines, asked for by the minute: after 10,000 of them the local AWS has no next page."""
    for start_ms in range(since_ms, until_ms, _WINDOW_MS):
        end_ms = min(start_ms + _WINDOW_MS, until_ms) - 1
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms, endTime=end_ms)
        yield from (event["message"] for page in pages for event in page["events"])
