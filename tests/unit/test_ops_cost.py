"""What conversations cost is told from what CloudWatch counted; what it did not count is told as that."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ops.__main__ import main
from ops.desk import Deployment, Desk
from tests.factories import NOW
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("Sessions", "Ledger", "Accounts", "Attendance", "CustomerKeys", "Tickets", "Audit", "Reviews")
RESOURCES = {
    "InboxWaitingAlarm": "a-waiting",
    **{name: f"t-{name}" for name in TABLES},
    "HttpApi": "api1",
    "ResponderFunction": "f-responder",
    "Inbox": "https://sqs.us-east-1.amazonaws.com/123456789012/frontdesk-inbox.fifo",
    "InboxDeadLetters": "https://sqs.us-east-1.amazonaws.com/123456789012/frontdesk-dead.fifo",
    "ArchiverStreamDeadLetters": "https://sqs.us-east-1.amazonaws.com/123456789012/frontdesk-stream",
    "ResponderLogs": "g-responder",
    "ArchiveBucket": "b-archive",
}
GIB = 1024**3


class CloudWatch:
    """Has one number a day for the metrics that a test gives it, in pages of one result."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[float]] = {}
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Any:
        """Return what pages through one operation."""
        pages = {"get_metric_data": self._data, "list_metrics": self._metrics}
        return SimpleNamespace(paginate=pages[operation])

    def _metrics(self, *, Namespace: str) -> Iterator[dict[str, Any]]:  # noqa: N803  # as boto3 has it
        assert Namespace == "Frontdesk"
        yield {"Metrics": [{}] * 30}
        yield {"Metrics": [{}] * 4}

    def _data(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(request)
        for query in request["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            of = metric["Dimensions"][-1]["Value"]
            yield {
                "MetricDataResults": [{"Id": query["Id"], "Values": self.values.get((metric["MetricName"], of), [])}]
            }


class Services:
    """The rest of AWS as far as `cost` asks it."""

    def __init__(self) -> None:
        self.cloudwatch = CloudWatch()
        self.region = "us-east-1"

    def __call__(self, service: str) -> Any:
        """Return a client."""
        made: dict[str, Any] = {
            "cloudwatch": self.cloudwatch,
            "lambda": SimpleNamespace(
                get_function_configuration=lambda FunctionName: {  # noqa: N803
                    "MemorySize": 512,
                    "Architectures": ["arm64"],
                    "FunctionName": FunctionName,
                }
            ),
            "dynamodb": SimpleNamespace(
                describe_table=lambda TableName: {  # noqa: N803
                    "Table": {
                        "TableSizeBytes": GIB if TableName == "t-Audit" else 0,
                        "GlobalSecondaryIndexes": [{"IndexName": "day"}] if TableName == "t-Audit" else [],
                    }
                }
            ),
            "sqs": SimpleNamespace(meta=SimpleNamespace(region_name=self.region)),
        }
        return made[service]

    def week(self) -> None:
        """Let a week have gone by: 700 conversations of four messages."""
        self.cloudwatch.values = {
            ("Archived", "wecom_app"): [90.0] * 7,
            ("Archived", "wecom_kf"): [10.0] * 7,
            ("Accepted", "wecom_app"): [400.0] * 7,
            ("Answered", "wecom_app"): [400.0] * 7,
            ("Invocations", "f-responder"): [400.0] * 7,
            ("Duration", "f-responder"): [800_000.0] * 7,
            ("Count", "api1"): [400.0] * 7,
            ("NumberOfMessagesSent", "frontdesk-inbox.fifo"): [400.0] * 7,
            ("NumberOfEmptyReceives", "frontdesk-inbox.fifo"): [21_600.0] * 7,
            ("ConsumedWriteCapacityUnits", "t-Audit"): [1000.0] * 7,
            ("ConsumedWriteCapacityUnits", "day"): [500.0] * 7,
            ("IncomingBytes", "g-responder"): [float(GIB)] * 7,
        }


def typed(services: Services, *arguments: str) -> tuple[int, str]:
    clock = FakeClock(NOW)
    desk = Desk(
        Deployment("frontdesk", RESOURCES, services),
        by="chen.yu",
        clock=clock,
        monotonic=clock.monotonic,
        sleep=clock.advance,
    )
    result = CliRunner().invoke(main, ["cost", *arguments], obj=lambda _: desk, catch_exceptions=False)
    return result.exit_code, result.output


@pytest.fixture
def services() -> Services:
    return Services()


def test_use_is_what_was_counted_times_the_list_price(services: Services):
    services.week()

    status, told = typed(services, "--json")

    facts = json.loads(told)
    used = {line["unit"]: line for line in facts["used"]}
    assert status == 0
    assert used["lambda_arm64_gb_s"]["amount"] == pytest.approx(7 * 800 * 0.5)
    assert used["lambda_arm64_gb_s"]["cost"] == pytest.approx(7 * 800 * 0.5 * 0.0000133334)
    assert used["sqs_fifo_requests"]["amount"] == 7 * 22_000
    assert used["dynamodb_write_units"]["amount"] == 7 * 1500, "an index is written to as well"
    assert used["logs_gb"]["cost"] == pytest.approx(3.5)
    assert used["dynamodb_gb_months"]["amount"] == pytest.approx(7 / 30.4)
    assert facts["counts"]["Archived"] == 700
    assert facts["per_1000_conversations"] == pytest.approx(facts["used_total"] / 0.7)


def test_what_is_paid_whatever_comes_is_told_apart_and_shared_out(services: Services):
    services.week()

    facts = json.loads(typed(services, "--json")[1])

    fixed = {line["unit"]: line["amount"] for line in facts["fixed_month"]}
    assert fixed["custom_metrics"] == 34
    assert fixed["alarms"] == 1, "of the template's only what was deployed"
    assert facts["month"] == pytest.approx(facts["used_total"] / 7 * 30.4 + facts["fixed_month_total"])
    assert facts["whole_per_1000_conversations"] == pytest.approx(facts["month"] / (100 * 30.4 / 1000))
    assert facts["container_month"] > facts["fixed_month_total"]


def test_what_has_no_metric_or_no_number_is_told(services: Services):
    services.week()

    status, told = typed(services)

    assert status == 0
    assert "Not counted: calls of S3 and KMS" in told
    assert "No number from CloudWatch, so not in the sums: dynamodb_read_units" in told
    assert "check before relying" in told


def test_what_has_no_price_in_a_region_is_told_and_not_guessed(services: Services):
    services.week()
    services.region = "cn-north-1"

    status, told = typed(services)

    assert status == 0
    assert "No price, so not in the sums: dynamodb_write_units" in told
    assert "CNY" in told


def test_another_region_and_the_days_can_be_chosen(services: Services):
    services.week()

    facts = json.loads(typed(services, "--json", "--region", "ap-southeast-1", "--days", "30")[1])

    assert (facts["region"], facts["days"]) == ("ap-southeast-1", 30)
    (asked, _) = services.cloudwatch.asked
    assert (asked["EndTime"] - asked["StartTime"]).days == 30


def test_a_time_without_conversations_has_no_price_for_a_thousand(services: Services):
    status, told = typed(services)

    assert status == 1
    assert "there is nothing to divide by" in told
    assert "No number from CloudWatch, so not in the sums: lambda_requests" in told


def test_a_region_without_prices_is_said(services: Services):
    assert "no prices of mars-1" in typed(services, "--region", "mars-1")[1]
