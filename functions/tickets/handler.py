"""The tickets function: a batch of requests in, tickets out: numbered, shown to people, told to the company's system.

What is asked for one conversation is done in order, different conversations side by side. A request that is not done
is reported as failed, and made visible sooner than the queue would. What comes after it does not wait for it: held back
it would use up its attempts with it, and each request says all there is to say about its ticket.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import ErasedError, FrontdeskError, MalformedMessageError, UnopenableError
from frontdesk.redelivery import attempt_of, partial_response, wait_s

if TYPE_CHECKING:
    from frontdesk.conversation.ticketing import TicketOutcome

_BATCH = 10
_RESERVE_S = 2.0  # for what follows the last call: saving, the queue, the metrics
_UNOPENED = {UnopenableError.code, ErasedError.code}
_log = telemetry.build_logger()
_workers = ThreadPoolExecutor(max_workers=_BATCH, thread_name_prefix="tickets")
if bootstrap.in_lambda():
    bootstrap.tickets()


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return which records of the batch must come again (partial batch response)."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _RESERVE_S
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in event["Records"]:
        groups[record["attributes"]["MessageGroupId"]].append(record)
    failed = [each for group in _workers.map(lambda group: _work(group, deadline), groups.values()) for each in group]
    return partial_response(failed, bootstrap.tickets().retry_later)


def _work(group: list[dict[str, Any]], deadline: float) -> list[tuple[dict[str, Any], int]]:
    """Do what the records of one group ask for; return those that come again, each with its wait in seconds."""
    waits = [(record, _take(record, deadline)) for record in group]
    return [(record, seconds) for record, seconds in waits if seconds is not None]


def _take(record: dict[str, Any], deadline: float) -> int | None:
    """Do what one record asks for; return after how many seconds it shall come again, nothing when it is done."""
    tickets = bootstrap.tickets()
    attempt = attempt_of(record)
    last = attempt >= tickets.max_receives
    try:
        request = tickets.read(record)
    except MalformedMessageError as error:
        # It will never be readable: let it use up its attempts at once and join the dead letters.
        _log.error("ticket request malformed", exc_info=error, extra={"code": error.code})
        return 0
    except FrontdeskError as error:
        _log.error("ticket request not read", exc_info=error, extra={"code": error.code})
        if error.code in _UNOPENED:
            telemetry.emit_metrics("system", {"Unopened": [1]})
        return wait_s(attempt, last=last)
    outcome = tickets.ticketing.take(request, deadline=deadline)
    _count(outcome)
    if outcome.handled:
        return None
    return max(wait_s(attempt, last=last), ceil(outcome.retry_after_s))


def _count(outcome: TicketOutcome) -> None:
    if outcome.code in _UNOPENED:
        telemetry.emit_metrics("system", {"Unopened": [1]})
    if not outcome.channel:
        return
    counted = {"TicketOpened": outcome.opened, "TicketWebhookFailed": outcome.webhook_failed}
    telemetry.emit_metrics(outcome.channel, {name: [1] for name, happened in counted.items() if happened})
