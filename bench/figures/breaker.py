"""What a circuit breaker costs a call while all is well: ours, none, and Powertools' over the same emulated DynamoDB.

Powertools reads the shared state in front of a call, at most every five seconds; ours has it read beside the call.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence

from bench.sampling import MeasurementError, in_turns, median
from bench.table import Goal, Row
from frontdesk.fastgpt.breaker import FRESH_S, Breaker
from frontdesk.storage.circuits import DynamoCircuits

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lab import Lab

_ROUNDS = 41
_CALLS = 2_000  # in one sample
_STALE_ROUNDS = 41
_TABLE = "Circuits"
_BARE = "baseline: the same call without a breaker"
_POWERTOOLS = "baseline: Powertools' breaker over the same emulated table"


class _Clock:
    """Epoch seconds that a measurement may move."""

    def __init__(self) -> None:
        self.moved_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved_s


class _CountingClient:
    """A DynamoDB client that counts what is asked of it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(**request: Any) -> Any:
            self.calls += 1
            return method(**request)

        return call


def measure(lab: Lab) -> list[Row]:
    """Return the rows: processor time of a call in between, and what the one call waits that finds its copy stale."""
    client = lab.aws.client("dynamodb")
    ours_client, theirs_client = _CountingClient(client), _CountingClient(client)
    clock = _Clock()
    with ThreadPoolExecutor(1) as background:
        breaker = Breaker(
            "primary",
            circuits=DynamoCircuits(ours_client, lab.resources["Ledger"]),  # type: ignore[arg-type]
            probe=lambda _seconds: None,
            on_opened=lambda: None,
            submit=background.submit,
            clock=clock,
        )
        breaker.refresh()
        theirs = _powertools(lab, theirs_client, cached_s=3600)
        always_stale = _powertools(lab, theirs_client, cached_s=0)
        theirs()
        ours_client.calls = theirs_client.calls = 0
        fresh = in_turns(
            {
                "ours": partial(_microseconds, partial(_guarded, breaker)),
                "bare": partial(_microseconds, _work),
                "theirs": partial(_microseconds, theirs),
            },
            rounds=_ROUNDS,
        )
        if theirs_client.calls:
            raise MeasurementError("Powertools read the table although its copy was fresh")

        def stale() -> float:
            background.submit(lambda: None).result()  # the read before this one is over
            clock.moved_s += FRESH_S
            return _milliseconds(partial(_guarded, breaker))

        waited = in_turns(
            {"ours": stale, "theirs": partial(_milliseconds, always_stale), "bare": partial(_milliseconds, _work)},
            rounds=_STALE_ROUNDS,
        )
        background.submit(lambda: None).result()
        if ours_client.calls < _STALE_ROUNDS:
            raise MeasurementError("our copy was not read again each time that it was stale")
    return [
        _row("breaker: a call through a closed circuit", "µs", fresh["ours"], fresh["bare"], _BARE),
        _row("  against Powertools'", "µs", fresh["ours"], fresh["theirs"], _POWERTOOLS),
        _row("  the call that finds its copy 5 s old", "ms", waited["ours"], waited["bare"], _BARE, Goal(1.0)),
        _row("    against Powertools'", "ms", waited["ours"], waited["theirs"], _POWERTOOLS, Goal(1.0, of="ratio")),
    ]


def _work() -> int:
    return 7


def _guarded(breaker: Breaker) -> None:
    leave = breaker.admit()
    if leave is None:
        raise MeasurementError("the circuit is not closed")
    _work()
    breaker.succeeded(leave)


def _powertools(lab: Lab, client: Any, *, cached_s: int) -> Callable[[], int]:
    tables = lab.aws.client("dynamodb")
    if _TABLE not in tables.list_tables()["TableNames"]:
        tables.create_table(
            TableName=_TABLE,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    store = CircuitBreakerDynamoDBPersistence(table_name=_TABLE, boto3_client=client)
    config = CircuitBreakerConfig(local_cache_max_age=cached_s)
    guarded: Callable[[], int] = circuit_breaker(name=f"primary-{cached_s}", persistence_store=store, config=config)(
        _work
    )
    return guarded


def _microseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(_CALLS):
        work()
    return (time.process_time() - start) / _CALLS * 1e6


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _row(figure: str, unit: str, ours: tuple[float, ...], baseline: tuple[float, ...], note: str, *goals: Goal) -> Row:
    return Row(
        figure=figure,
        ours=median(ours),
        baseline=median(baseline),
        unit=unit,
        goals=goals,
        note=note,
        ours_samples=ours,
        baseline_samples=baseline,
    )
