"""The responder function: a batch of the inbox in, answers to customers out.

One conversation's messages are worked on in order, different conversations side by side. A message that must come
again is reported as failed and made visible sooner than the queue would; the others of the batch are done.
"""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from frontdesk import bootstrap, telemetry
from frontdesk.conversation.outcomes import Result
from frontdesk.errors import ChargeUnknownError, ErasedError, FrontdeskError, MalformedMessageError, UnopenableError
from frontdesk.redelivery import attempt_of, partial_response, wait_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from frontdesk.conversation.outcomes import Outcome
    from frontdesk.messages import Received

_BATCH = 10
_COUNTED = {
    Result.ANSWERED: "Answered",
    Result.FALLBACK: "Fallback",
    Result.BLOCKED: "Blocked",
    Result.HANDOFF: "Handoff",
    Result.WITHHELD: "Withheld",
    Result.DUPLICATE: "Duplicate",
    Result.UNDELIVERABLE: "Failed",
    Result.DEAD: "Failed",
}
_RUNGS = {
    "primary": "AnsweredPrimary",
    "standby": "AnsweredStandby",
    "lite": "AnsweredLite",
    "canary": "AnsweredCanary",
    "cached": "AnsweredCached",
}
_BY_THE_MODEL = {Result.ANSWERED, Result.HANDOFF}
_GAVE_UP = {Result.FALLBACK, Result.DEAD, Result.UNDELIVERABLE}
# What is counted a second time, under the version of the app, where two are compared.
_COMPARED = {"Answered", "Fallback", "Handoff", "Failed", "SatisfactionGood", "SatisfactionBad"}
_UNOPENED = {UnopenableError.code, ErasedError.code}
_log = telemetry.build_logger()
_workers = ThreadPoolExecutor(max_workers=_BATCH, thread_name_prefix="conversation")
if bootstrap.in_lambda():
    bootstrap.responder()


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return which records of the batch must come again (partial batch response)."""
    responder = bootstrap.responder()
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    failed: list[tuple[dict[str, Any], int]] = []
    records: dict[int, dict[str, Any]] = {}
    conversations: dict[str, list[Received]] = defaultdict(list)
    for record in event["Records"]:
        try:
            received = responder.read(record)
        except MalformedMessageError as error:
            # It will never be readable: let it use up its attempts at once and join the dead letters.
            _log.error("message malformed", exc_info=error, extra={"code": error.code})
            failed.append((record, 0))
            continue
        except UnopenableError as error:
            # Its key may come back within its attempts; then it is answered, and if not it is a dead letter.
            _log.error("message unopened", exc_info=error, extra={"code": error.code, "key_id": error.key_id})
            telemetry.emit_metrics("system", {"Unopened": [1]})
            failed.append((record, _unread_wait_s(record, responder.max_receives)))
            continue
        except FrontdeskError as error:
            # The keyring could not be read again, e.g.: no reason to keep the other messages from their answers.
            _log.error("message not read", exc_info=error, extra={"code": error.code})
            failed.append((record, _unread_wait_s(record, responder.max_receives)))
            continue
        records[id(received)] = record
        conversations[received.inbound.conversation].append(received)
    answered = _workers.map(lambda batch: responder.answering.answer(batch, deadline=deadline), conversations.values())
    outcomes = [outcome for each in answered for outcome in each]
    # What could not be read has no outcome: its customer hears nothing, once it has become a dead letter.
    lost = sum(attempt_of(record) >= responder.max_receives for record, _ in failed)
    failed += [(records[id(each.received)], _wait_s(each)) for each in outcomes if not each.handled]
    _count(outcomes, lost=lost)
    return partial_response(failed, responder.retry_later)


def _wait_s(outcome: Outcome) -> int:
    """Return after how many seconds the queue shall hand the message out again."""
    dead = outcome.result is Result.DEAD
    return wait_s(outcome.received.attempt, last=dead, at_least_s=outcome.retry_after_s)


def _unread_wait_s(record: dict[str, Any], max_receives: int) -> int:
    """Return the wait of a message that could not be read, and so has no outcome."""
    attempt = attempt_of(record)
    return wait_s(attempt, last=attempt >= max_receives)


def _answered_by(outcome: Outcome) -> tuple[str, ...]:
    """Return the metric of the rung that gave the answer, if one did."""
    return (_RUNGS[outcome.rung],) if outcome.rung and outcome.result in _BY_THE_MODEL else ()


def _count(outcomes: Sequence[Outcome], *, lost: int) -> None:
    """Write what became of the messages; ``lost`` of them were given up unread."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    samples = [each for outcome in outcomes for each in _samples(outcome)]
    for channel, name, sample in samples + _promise("system", served=False) * lost:
        values[channel][name].append(sample)
    for outcome in outcomes:
        _compare(outcome)
    for channel, metrics in values.items():
        telemetry.emit_metrics(channel, metrics)


def _samples(outcome: Outcome) -> Iterable[tuple[str, str, float]]:
    """Yield what one message adds to the metrics: channel, name and sample."""
    channel = outcome.received.inbound.channel
    happened = {
        _COUNTED.get(outcome.result, ""): outcome.result in _COUNTED,
        "Misconfigured": outcome.misconfigured,
        "StateUnread": outcome.code == ChargeUnknownError.code,
    }
    yield from ((channel, name, 1) for name, so in happened.items() if so)
    yield from ((channel, name, 1) for name in (*outcome.counted, *_answered_by(outcome)))
    if outcome.code in _UNOPENED:
        yield "system", "Unopened", 1
    if outcome.served is not None:
        # The promise is the whole service's too, whatever way the message came.
        yield from _promise(channel, served=outcome.served) + _promise("system", served=outcome.served)
    times = {
        "FirstResponseTime": outcome.first_response_ms,
        "ResponseTime": outcome.response_ms,
        "ModelTime": outcome.model_ms,
    }
    yield from ((channel, name, sample) for name, sample in times.items() if sample is not None)


def _promise(channel: str, *, served: bool) -> list[tuple[str, str, float]]:
    """Return the samples of one message of which it is decided now: both names get one, so an average is a share."""
    return [(channel, "Served", int(served)), (channel, "Unserved", int(not served))]


def _compare(outcome: Outcome) -> None:
    """Count a message under the version of the app that its customer has, where two are compared.

    One line a message, with the conversation beside it: customers are what is compared. What comes again is counted
    when it is done.
    """
    if not outcome.variant or outcome.result is Result.RETRY:
        return
    counts: dict[str, list[float]] = {name: [1] for name in outcome.counted if name in _COMPARED}
    if outcome.model_ms is not None or outcome.result in _GAVE_UP:
        helped = outcome.result in _BY_THE_MODEL and outcome.rung not in {"", outcome.variant}
        counts |= {"Asked": [1], "Missed": [float(helped or outcome.result in _GAVE_UP)]}
        named = _COUNTED.get(outcome.result)
        counts |= {named: [1]} if named in _COMPARED else {}
        for name, sample in (
            ("Confidence", outcome.confidence),
            ("FirstResponseTime", outcome.first_response_ms),
            ("ModelTime", outcome.model_ms),
        ):
            counts |= {} if sample is None else {name: [sample]}
    inbound = outcome.received.inbound
    telemetry.emit_metrics(inbound.channel, counts, variant=outcome.variant, conversation=inbound.conversation)
