"""What a deployment costs: amounts used, times list prices. A pure model: no free tier, no discount, no tax.

Prices are linear here, so a bill of two loads is the sum of their bills. What has no price is named and not guessed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

PRICES = Path(__file__).with_name("prices.yaml")
DAYS_A_MONTH = 30.4
HOURS_A_MONTH = 730.0
Usage = dict[str, float]
"""Amounts by the unit's name in `prices.yaml`."""

# A function that waits for messages asks the queue all the time: Lambda begins with five pollers (developer guide,
# "Scaling behavior for Amazon SQS"), and our queues let each wait for 20 s.
_POLLERS = 5
_POLL_S = 20
# Two of them, so that one may fail, with a load balancer in front: what a container that is always there begins with.
_LEAST_TASKS = 2
_TASK_VCPU = 0.5
_TASK_GB = 1.0
# Of its processors a service that has to answer in time uses no more than this in its busiest minute.
_BUSY = 0.6


class PricesError(FrontdeskError):
    """The price table is of no use; the message says why."""

    code = "prices_unusable"


@dataclass(frozen=True, slots=True)
class Prices:
    """The list prices of one region, by unit. ``as_of`` is the year that they were taken down in."""

    region: str
    currency: str
    as_of: str
    units: Mapping[str, str]
    prices: Mapping[str, float]

    @classmethod
    def read(cls, region: str, file: Path = PRICES) -> Prices:
        """Return the prices of ``region``; raises `PricesError` for one that is not there, and for a broken file."""
        try:
            whole: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
            units, regions = whole["units"], whole["regions"]
            if region not in regions:
                raise PricesError(f"{file.name} has no prices of {region}, only of {', '.join(regions)}")
            found = regions[region]
            prices = {str(name): float(price) for name, price in found["prices"].items()}
            currency, as_of = str(found["currency"]), str(found["as_of"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
            raise PricesError(f"{file} is no price table: see ops/prices.yaml") from None
        if strange := sorted(set(prices) - set(units)):
            raise PricesError(f"{file.name} has prices of unknown units: {', '.join(strange)}")
        if any(price < 0 for price in prices.values()):
            raise PricesError(f"{file.name} has a price below nothing")
        return cls(region, currency, as_of, units, prices)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill. ``cost`` is None where there is no price."""

    unit: str
    amount: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class Bill:
    """What an amount of everything costs."""

    lines: tuple[Line, ...]

    @classmethod
    def of(cls, usage: Mapping[str, float], prices: Prices) -> Bill:
        """Return the bill; what was not used has no line."""
        return cls(
            tuple(
                Line(unit, amount, amount * prices.prices[unit] if unit in prices.prices else None)
                for unit, amount in sorted(usage.items())
                if amount
            )
        )

    @property
    def total(self) -> float:
        """The sum of what has a price."""
        return sum(line.cost for line in self.lines if line.cost is not None)

    @property
    def missing(self) -> tuple[str, ...]:
        """The units without a price: with one of them the total is too low."""
        return tuple(line.unit for line in self.lines if line.cost is None)


def added(*usages: Mapping[str, float]) -> Usage:
    """Return what is used in all."""
    whole: Counter[str] = Counter()
    for usage in usages:
        for unit, amount in usage.items():
            whole[unit] += amount  # type: ignore[assignment]  # a Counter adds what a number can
    return dict(whole)


def times(usage: Mapping[str, float], factor: float) -> Usage:
    """Return ``usage`` so many times."""
    return {unit: amount * factor for unit, amount in usage.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """A load: conversations a day, the questions in each, and how many times the average the busiest minute brings.

    The last one costs a container something, because it has to be there before; and nothing else.
    """

    name: str
    conversations_a_day: float
    questions: float
    busiest: float

    @property
    def busiest_questions_a_second(self) -> float:
        """How many questions a second have to be answered in the busiest minute."""
        return self.conversations_a_day * self.questions * self.busiest / 86_400


SHAPES = (
    Shape("quiet shop, 300 a day", 300, 4, busiest=6),
    Shape("busy, 5,000 a day with bursts", 5_000, 4, busiest=20),
    Shape("100,000 a day", 100_000, 4, busiest=4),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one conversation: used for each question, and once for the session.

    ``processor_s`` is the processor time of one question, on a core like those that the container would have.
    """

    question: Mapping[str, float]
    session: Mapping[str, float]
    processor_s: float
    notes: tuple[str, ...] = field(default=())

    def month(self, shape: Shape) -> Usage:
        """Return what a month of ``shape`` uses, without what is used whatever comes."""
        conversations = shape.conversations_a_day * DAYS_A_MONTH
        return added(times(self.question, shape.questions * conversations), times(self.session, conversations))


def fixed_month(
    template: Mapping[str, Any],
    *,
    there: Container[str] | None = None,
    architecture: str = "arm64",
    sweep_s: float = 0.0,
) -> Usage:
    """Return what a month of the deployment in ``template`` uses when nobody writes.

    ``there`` are the logical ids that were deployed; by default what hangs on no condition. ``sweep_s`` is how long one
    run of a function lasts that comes by the minute.
    """
    resources = [
        each
        for name, each in template["Resources"].items()
        if (name in there if there is not None else "Condition" not in each)
    ]
    count = Counter(each["Type"] for each in resources)
    functions = [each["Properties"] for each in resources if each["Type"] == "AWS::Serverless::Function"]
    events = [(each, event) for each in functions for event in each.get("Events", {}).values()]
    by_the_minute = [
        each["MemorySize"] / 1024
        for each, event in events
        if event["Properties"].get("ScheduleExpression") == "rate(1 minute)"
    ]
    waiting = sum(event["Type"] == "SQS" for _, event in events)
    runs = HOURS_A_MONTH * 60
    return {
        "alarms": count["AWS::CloudWatch::Alarm"],
        "dashboards": count["AWS::CloudWatch::Dashboard"],
        "secrets": count["AWS::SecretsManager::Secret"],
        "kms_keys": count["AWS::KMS::Key"],
        "nat_hours": count["AWS::EC2::NatGateway"] * HOURS_A_MONTH,
        "ipv4_hours": count["AWS::EC2::EIP"] * HOURS_A_MONTH,
        "lambda_requests": len(by_the_minute) * runs,
        "scheduler_invocations": len(by_the_minute) * runs,
        f"lambda_{architecture}_gb_s": sum(by_the_minute) * runs * sweep_s,
        "sqs_fifo_requests": waiting * _POLLERS * HOURS_A_MONTH * 3600 / _POLL_S,
    }


def container_month(shape: Shape, processor_s: float, *, architecture: str = "arm64") -> Usage:
    """Return what a container uses in a month that is there for 24 hours and answers the same load.

    So many tasks that the busiest minute's questions, of ``processor_s`` each, keep them six tenths busy, and two at
    least. It takes the place of Lambda, the HTTP API and the waiting at queues; tables, archive, logs and alarms stay.
    """
    tasks = max(_LEAST_TASKS, ceil(shape.busiest_questions_a_second * processor_s / (_TASK_VCPU * _BUSY)))
    return {
        f"fargate_{architecture}_vcpu_hours": tasks * _TASK_VCPU * HOURS_A_MONTH,
        f"fargate_{architecture}_gb_hours": tasks * _TASK_GB * HOURS_A_MONTH,
        "ipv4_hours": 2 * HOURS_A_MONTH,
        "alb_hours": HOURS_A_MONTH,
        # One LCU is 25 new connections a second, among others (Elastic Load Balancing pricing).
        "alb_lcu_hours": max(1.0, shape.busiest_questions_a_second / 25) * HOURS_A_MONTH,
    }


_OF_FUNCTIONS = ("lambda_", "http_api_", "sqs_", "scheduler_")


def beside_functions(usage: Mapping[str, float]) -> Usage:
    """Return what is used beside functions, their queues and their API: a container uses it, too."""
    return {unit: amount for unit, amount in usage.items() if not unit.startswith(_OF_FUNCTIONS)}
