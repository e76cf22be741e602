"""`python -m ops.capacity`: what limits at 10, 1,000 and 100,000 messages a minute, and the setting to change.

Each number comes from one of three places: what was measured here (`Measured`), what the template deploys (`Deployed`),
and what AWS, WeCom and FastGPT allow (`Quotas`). The page docs/capacity.md holds what this prints.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.deployment import ROOT
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RATES = (10, 1_000, 100_000)
"""Messages of customers a minute."""

_MINUTE_S = 60
_BATCH = 10  # what SQS hands out of a FIFO queue at once, at the most
_OVER = "**over**"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one message takes.

    - ``answer_s``: seconds that a responder is busy with a batch: the slowest of its conversations. FastGPT's own time
      but for some 60 ms (`make bench ARGS=answer`); an assumption, and the one to replace by one's own `ModelTime`.
    - ``callback_s``: seconds of the callback, warm (`make bench ARGS=acknowledge`).
    - ``segments``: messages to the customer for one of theirs: answers of two messages and interim notices counted in.
    - ``reads``, ``writes``: DynamoDB's units for one question: the calls are those that `make bench ARGS=answer` names,
      the sizes of the items those of the local run; the page has the sum. A transaction costs twice.
    - ``index_writes``: those of them in the index that is written most, `idle` of the sessions.
    - ``circuit_reads_s``: how often a responder reads the shared state of FastGPT's endpoint, in a second.
    - ``log_bytes``: what all functions and the API log for it at LOG_LEVEL INFO (counted on the local run).
    - ``secrets``: secrets that a responder reads while it starts.
    - ``peak``: how much busier the busiest seconds are than the minute.
    - ``busy_hours``: hours a day at the given rate, for quotas of a day.
    """

    answer_s: float = 6.0
    callback_s: float = 0.02
    segments: float = 1.3
    reads: float = 8.0
    writes: float = 30.0
    index_writes: float = 4.0
    circuit_reads_s: float = 0.2
    log_bytes: int = 3_100
    secrets: int = 3
    peak: float = 3.0
    busy_hours: float = 8.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """What `template.yaml` sets where nobody chooses otherwise."""

    responders: int
    callback_rate: int
    index_shards: int = 16

    @classmethod
    def of(cls, template: Mapping[str, Any]) -> Deployed:
        """Return the defaults of ``template``."""
        defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
        return cls(int(defaults["ResponderConcurrency"]), int(defaults["CallbackRateLimit"]))


@dataclass(frozen=True, slots=True)
class Quotas:
    """What others allow. AWS's are the defaults of an account that is not new; WeCom's and FastGPT's are documented."""

    lambda_concurrency: int = 1_000
    api_requests_s: int = 10_000
    fifo_sends_s: int = 300
    fifo_in_flight: int = 20_000
    dynamodb_new_writes_s: int = 4_000
    dynamodb_table_s: int = 40_000
    dynamodb_partition_writes_s: int = 1_000
    dynamodb_partition_reads_s: int = 3_000
    secret_reads_s: int = 10_000
    fastgpt_questions_min: int = 5_000
    kf_calls_min: int = 10_000
    kf_calls_hour: int = 150_000
    app_sends_a_member_day: int = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One resource: what is needed of it at a rate, how much there is, and what to change when that is too little.

    ``limit`` is none where nothing is refused and the number itself is what matters.
    """

    name: str
    needed: Callable[[float], float]
    limit: float | None
    source: str
    change: str


def rows(measured: Measured, deployed: Deployed, quotas: Quotas) -> tuple[Row, ...]:
    """Return the whole arithmetic; each ``needed`` takes messages a minute."""
    m = measured

    def a_second(rate: float) -> float:
        return rate / _MINUTE_S

    def talking(rate: float) -> float:
        """Return conversations that are being answered at the same time (Little's law)."""
        return a_second(rate) * m.answer_s

    return (
        Row(
            "callback requests a second, at the peak",
            lambda rate: a_second(rate) * m.peak,
            deployed.callback_rate,
            "`CALLBACK_RATE_LIMIT`",
            "`CALLBACK_RATE_LIMIT` and `CALLBACK_BURST_LIMIT`, up to 10,000 and 5,000; beyond, AWS's quota of the API",
        ),
        Row(
            "callbacks at once, at the peak",
            lambda rate: a_second(rate) * m.peak * m.callback_s,
            quotas.lambda_concurrency,
            "Lambda, the account",
            "the account's quota; provisioned concurrency against cold starts",
        ),
        Row(
            "responders at once, batches full",
            lambda rate: talking(rate) / _BATCH,
            deployed.responders,
            "`RESPONDER_CONCURRENCY`",
            "`RESPONDER_CONCURRENCY`, up to 1,000; then a second stack",
        ),
        Row(
            "responders at once, a message a batch",
            talking,
            deployed.responders,
            "`RESPONDER_CONCURRENCY`",
            "nothing: with fewer responders than this the batches fill up, and a message waits for a batch at most",
        ),
        Row(
            "responders and callbacks at once",
            lambda rate: talking(rate) / _BATCH + a_second(rate) * m.peak * m.callback_s,
            quotas.lambda_concurrency,
            "Lambda, the account (10 where it is new)",
            "Service Quotas → Lambda → Concurrent executions",
        ),
        Row(
            "messages into the inbox a second",
            a_second,
            quotas.fifo_sends_s,
            "FIFO queue, of one partition",
            "nothing: high-throughput mode adds partitions by conversation; the region's own quota is 2,400 to 70,000",
        ),
        Row(
            "messages in flight",
            talking,
            quotas.fifo_in_flight,
            "FIFO queue",
            "shorter answers; a second stack",
        ),
        Row(
            "questions to FastGPT a minute",
            lambda rate: rate,
            quotas.fastgpt_questions_min,
            "FastGPT, `CHAT_MAX_QPM` of a team",
            "`CHAT_MAX_QPM` on one's own FastGPT, or the plan; a standby of another team has a limit of its own",
        ),
        Row(
            "streams from FastGPT at once",
            talking,
            None,
            "the model behind it",
            "the model's own limit of concurrent requests",
        ),
        Row(
            "members the application's quota needs",
            lambda rate: rate * m.segments * _MINUTE_S * m.busy_hours / quotas.app_sends_a_member_day,
            None,
            "WeCom: 200 messages a day for each account of the company's cap",
            "shorter answers; `INTERIM_AFTER_SECONDS=0`; a larger cap",
        ),
        Row(
            "kf/send_msg a minute",
            lambda rate: rate * m.segments,
            quotas.kf_calls_min,
            "WeCom, an API of a company",
            "shorter answers; there is no setting beyond that",
        ),
        Row(
            "kf/send_msg an hour",
            lambda rate: rate * m.segments * _MINUTE_S,
            quotas.kf_calls_hour,
            "WeCom, an API of a company",
            "shorter answers; there is no setting beyond that",
        ),
        Row(
            "DynamoDB, units written a second, all tables",
            lambda rate: a_second(rate) * m.writes,
            quotas.dynamodb_new_writes_s,
            "a new on-demand table",
            "warm throughput of `Ledger`, `Audit` and `Sessions`; by itself a table doubles within half an hour",
        ),
        Row(
            "DynamoDB, units read a second, all tables",
            lambda rate: a_second(rate) * m.reads,
            quotas.dynamodb_table_s,
            "a table, the account's quota",
            "Service Quotas → DynamoDB",
        ),
        Row(
            "DynamoDB, units written a second, hottest index part",
            lambda rate: a_second(rate) * m.index_writes / deployed.index_shards,
            quotas.dynamodb_partition_writes_s,
            "a partition",
            "`SHARDS` of the index in the code; DynamoDB also splits what stays hot",
        ),
        Row(
            "DynamoDB, reads a second of one endpoint's circuit",
            lambda rate: talking(rate) / _BATCH * m.circuit_reads_s,
            quotas.dynamodb_partition_reads_s,
            "a partition",
            "nothing",
        ),
        Row(
            "secrets read a second, when all responders start at once",
            lambda rate: talking(rate) / _BATCH * m.secrets,
            quotas.secret_reads_s,
            "Secrets Manager",
            "nothing",
        ),
        Row(
            "logs, GB a day",
            lambda rate: rate * m.log_bytes * _MINUTE_S * m.busy_hours / 1e9,
            None,
            "CloudWatch Logs takes it, and bills it",
            "`LOG_LEVEL=WARNING` keeps the metrics and leaves out the way of each message",
        ),
    )


def table(found: Sequence[Row]) -> str:
    """Return the rows as a Markdown table; what is needed and not there is marked."""
    lines = [
        f"| needed | {' | '.join(f'{rate:,} a minute' for rate in RATES)} | there is | of | to change |",
        f"| --- | {' | '.join('---:' for _ in RATES)} | ---: | --- | --- |",
    ]
    for row in found:
        cells = [_number(row.needed(rate)) + (f" {_OVER}" if _is_over(row, rate) else "") for rate in RATES]
        there = "–" if row.limit is None else _number(row.limit)
        lines.append(f"| {row.name} | {' | '.join(cells)} | {there} | {row.source} | {row.change} |")
    return "\n".join(lines)


def _is_over(row: Row, rate: float) -> bool:
    return row.limit is not None and row.needed(rate) > row.limit


def _number(value: float) -> str:
    """Return ``value`` with two digits that count, and whole where it has more."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def main() -> int:
    """Print the table; return the exit status."""
    print(table(rows(Measured(), Deployed.of(load_template(ROOT / "template.yaml")), Quotas())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
