"""The collector function: news of customer-service accounts in, their messages into the inbox.

The news of one account are served by one pull, different accounts side by side. What must come again is reported as
failed and made visible sooner than the queue would.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import FrontdeskError, MalformedMessageError, TransientError, UnopenableError
from frontdesk.redelivery import attempt_of, partial_response, wait_s

if TYPE_CHECKING:
    from frontdesk.conversation.collecting import Collected
    from frontdesk.messages import Pull

_BATCH = 10
_log = telemetry.build_logger()
_workers = ThreadPoolExecutor(max_workers=_BATCH, thread_name_prefix="account")
if bootstrap.in_lambda():
    bootstrap.collector()


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return which records of the batch must come again (partial batch response)."""
    collector = bootstrap.collector()
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    failed: list[tuple[dict[str, Any], int]] = []
    accounts: dict[str, list[tuple[dict[str, Any], Pull]]] = defaultdict(list)
    for record in event["Records"]:
        try:
            pull = collector.read(record)
        except FrontdeskError as error:
            _tell_unread(error)
            failed.append((record, _wait_s(record, collector.max_receives, error)))
        else:
            accounts[pull.account].append((record, pull))

    def collect(news: list[tuple[dict[str, Any], Pull]]) -> Collected | FrontdeskError:
        try:
            return collector.collecting.pull(*(pull for _, pull in news), deadline=deadline)
        except FrontdeskError as error:
            return error

    for news, outcome in zip(accounts.values(), _workers.map(collect, accounts.values()), strict=True):
        if isinstance(outcome, FrontdeskError):
            _log.warning("pull comes again", exc_info=outcome, extra={"code": outcome.code})
            failed += [(record, _wait_s(record, collector.max_receives, outcome)) for record, _ in news]
        else:
            _count(outcome, collector.channel)
    return partial_response(failed, collector.retry_later)


def _tell_unread(error: FrontdeskError) -> None:
    _log.error("pull not read", exc_info=error, extra={"code": error.code})
    if isinstance(error, UnopenableError):
        # Its key may come back within its attempts; and the sweep fetches the account without a token.
        telemetry.emit_metrics("system", {"Unopened": [1]})


def _wait_s(record: dict[str, Any], max_receives: int, error: FrontdeskError) -> int:
    """Return after how many seconds the queue shall hand ``record`` out again."""
    attempt = attempt_of(record)
    hopeless = isinstance(error, MalformedMessageError)  # its other attempts are of no use
    asked_s = error.retry_after_s if isinstance(error, TransientError) else 0.0
    return wait_s(attempt, last=hopeless or attempt >= max_receives, at_least_s=asked_s)


def _count(collected: Collected, channel: str) -> None:
    for name, put in collected.put.items():
        telemetry.emit_metrics(name, {"Collected": [put]})
    if collected.unreadable:
        # What goes for every account is a mistake in the settings, and has an alarm of its own.
        telemetry.emit_metrics(channel, {"Misconfigured" if collected.misconfigured else "AccountUnreadable": [1]})
