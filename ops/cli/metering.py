"""What a deployment used in a time, read from CloudWatch: amounts by the units of the price table.

What CloudWatch does not know is named. The local AWS has no metrics of AWS's own services.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from frontdesk.storage.aws import translated
from frontdesk.telemetry import NAMESPACE
from ops.costs import DAYS_A_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.costs import Usage
    from ops.desk import Desk

_DAY_S = 86_400
_GB = 1024**3
_MOST_AT_ONCE = 500  # CloudWatch API reference, GetMetricData
_CHANNELS = ("wecom_app", "wecom_kf")
_OUR_COUNTS = ("Accepted", "Collected", "Answered", "Archived")
NO_METRIC = (
    "calls of S3 and KMS: CloudWatch counts none unless it is told to, and asks money for it",
    "calls of Secrets Manager: each start of a function reads two to five secrets",
    "data sent to the internet: what WeCom, FastGPT and a NAT gateway are sent has no metric of the deployment's own",
)


@dataclass(frozen=True, slots=True)
class Query:
    """One sum over the time asked for: a metric, and the unit that it counts. ``factor`` makes units of its numbers."""

    unit: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    factor: float = 1.0


@dataclass(slots=True)
class Metered:
    """What was used, and our own counts. ``unread`` are units for which CloudWatch had not one number."""

    usage: Usage = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)


def metered(desk: Desk, *, days: int) -> Metered:
    """Return what the deployment used in the last ``days``; raises `TransientError` or `MisconfiguredError`."""
    end = desk.clock()
    cloudwatch = desk.client("cloudwatch")
    found = Metered()
    ours = [Query(name, NAMESPACE, name, {"channel": channel}) for name in _OUR_COUNTS for channel in _CHANNELS]
    told: set[str] = set()
    for queries, into in ((list(_queries(desk)), found.usage), (ours, found.counts)):
        for query, value in _values(cloudwatch, queries, end - days * _DAY_S, end):
            into[query.unit] = into.get(query.unit, 0.0)
            if value is not None:
                told.add(query.unit)
                into[query.unit] += value * query.factor
    found.unread = found.usage.keys() - told
    for unit in found.unread:
        del found.usage[unit]
    return found


def custom_metrics(desk: Desk) -> int:
    """Return how many metrics of our own were there in the last days: a metric is a name with its dimensions."""
    with translated("cloudwatch"):
        pages = desk.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
        return sum(len(page["Metrics"]) for page in pages)


def _queries(desk: Desk) -> Iterator[Query]:
    yield from _functions(desk)
    yield Query("http_api_requests", "AWS/ApiGateway", "Count", {"ApiId": desk.resource("HttpApi")})
    yield from _queues(desk)
    yield from _tables(desk)
    for group in desk.resources("Logs").values():
        yield Query("logs_gb", "AWS/Logs", "IncomingBytes", {"LogGroupName": group}, 1 / _GB)
    for bucket in desk.resources("Bucket").values():
        yield Query(
            "s3_gb_months",
            "AWS/S3",
            "BucketSizeBytes",
            {"BucketName": bucket, "StorageType": "StandardStorage"},
            1 / _GB / DAYS_A_MONTH,
        )


def _functions(desk: Desk) -> Iterator[Query]:
    functions = desk.client("lambda")
    for name in desk.resources("Function").values():
        with translated("lambda"):
            configured = functions.get_function_configuration(FunctionName=name)
        architecture = configured.get("Architectures", ["x86_64"])[0]  # as Lambda has it where nothing is said
        of = {"FunctionName": name}
        yield Query("lambda_requests", "AWS/Lambda", "Invocations", of)
        gb = configured["MemorySize"] / 1024
        yield Query(f"lambda_{architecture}_gb_s", "AWS/Lambda", "Duration", of, gb / 1000)


def _queues(desk: Desk) -> Iterator[Query]:
    queues = [*desk.resources("Inbox").values(), *desk.resources("Pulls").values(), *desk.resources("Queue").values()]
    for url in [*queues, *desk.resources("DeadLetters").values()]:
        name = url.rpartition("/")[2]
        unit = "sqs_fifo_requests" if name.endswith(".fifo") else "sqs_requests"
        # A call that brings or takes ten messages counts ten here, so this is the most that it can have been.
        for metric in ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted"):
            yield Query(unit, "AWS/SQS", metric, {"QueueName": name})
        yield Query(unit, "AWS/SQS", "NumberOfEmptyReceives", {"QueueName": name})


def _tables(desk: Desk) -> Iterator[Query]:
    for name in TABLES:
        table = desk.resource(name)
        with translated("dynamodb"):
            told = desk.dynamodb.describe_table(TableName=table)["Table"]
        for index in ("", *(each["IndexName"] for each in told.get("GlobalSecondaryIndexes", []))):
            of = {"TableName": table, **({"GlobalSecondaryIndexName": index} if index else {})}
            yield Query("dynamodb_read_units", "AWS/DynamoDB", "ConsumedReadCapacityUnits", of)
            yield Query("dynamodb_write_units", "AWS/DynamoDB", "ConsumedWriteCapacityUnits", of)


TABLES = ("Sessions", "Ledger", "Accounts", "Attendance", "CustomerKeys", "Tickets", "Audit", "Reviews")


def stored(desk: Desk, days: int) -> Usage:
    """Return what the tables held for ``days``, as DynamoDB tells it (every six hours), backups included."""
    size = 0
    for name in TABLES:
        with translated("dynamodb"):
            size += desk.dynamodb.describe_table(TableName=desk.resource(name))["Table"].get("TableSizeBytes", 0)
    months = size / _GB * days / DAYS_A_MONTH
    return {"dynamodb_gb_months": months, "dynamodb_backup_gb_months": months}


def _values(
    cloudwatch: Any, queries: list[Query], start_s: float, end_s: float
) -> Iterator[tuple[Query, float | None]]:
    """Yield for each query the sum over the time; None where CloudWatch has no number."""
    for first in range(0, len(queries), _MOST_AT_ONCE):
        some = queries[first : first + _MOST_AT_ONCE]
        sums: dict[str, list[float]] = {}
        with translated("cloudwatch"):
            pages = cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[_asked(number, query) for number, query in enumerate(some)],
                StartTime=datetime.fromtimestamp(start_s, UTC),
                EndTime=datetime.fromtimestamp(end_s, UTC),
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    sums.setdefault(result["Id"], []).extend(result["Values"])
        for number, query in enumerate(some):
            values = sums.get(f"q{number}")
            yield query, sum(values) if values else None


def _asked(number: int, query: Query) -> dict[str, Any]:
    metric = {
        "Namespace": query.namespace,
        "MetricName": query.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions.items()],
    }
    stat = "Average" if query.metric == "BucketSizeBytes" else "Sum"
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": _DAY_S, "Stat": stat}}
