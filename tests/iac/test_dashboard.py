"""The dashboard: what it draws exists, what customers got comes first, and nothing lies over something else."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from frontdesk.channels import wecom_app, wecom_kf
from ops.costs import Prices
from ops.deployment import ROOT
from tests.iac.test_alarms import FUNCTIONS, PUBLISHED, SYSTEM
from tests.unit.test_docs import rows, section

COLUMNS = 24
# With which dimensions a metric is published that no alarm watches; Lambda's are published per function, too.
ALSO_PUBLISHED = {
    ("AWS/SQS", "NumberOfMessagesSent"): {"QueueName"},
    ("AWS/SQS", "NumberOfMessagesReceived"): {"QueueName"},
    ("AWS/SQS", "NumberOfMessagesDeleted"): {"QueueName"},
    ("AWS/SQS", "NumberOfEmptyReceives"): {"QueueName"},
    ("AWS/DynamoDB", "ConsumedReadCapacityUnits"): {"TableName"},
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): {"TableName"},
    ("AWS/ApiGateway", "Count"): {"ApiId", "Stage"},
    ("AWS/ApiGateway", "4xx"): {"ApiId", "Stage"},
    **{("AWS/Lambda", name): {"FunctionName"} for name in ("Errors", "Throttles", "Duration", "Invocations")},
}
FIRST = ("Conversations", "Answered by the machine", "Availability", "First response", "Satisfaction", "Cost")
OPERATORS = re.compile(r"[-+*/() ,]|\bFILL\b|\b\d+(\.\d+)?\b")


@pytest.fixture
def written(resources: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the body as it is in the template, and what is put in for its names beside references."""
    text, given = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return text, given


@pytest.fixture
def widgets(written: tuple[str, dict[str, Any]], template: dict[str, Any]) -> list[dict[str, Any]]:
    text, given = written
    for name, found in given.items():
        mapping, region, key = found["Fn::FindInMap"]
        text = text.replace(f"${{{name}}}", template["Mappings"][mapping][region][key])
    body: dict[str, Any] = json.loads(text)
    assert set(body) == {"widgets"}
    listed: list[dict[str, Any]] = body["widgets"]
    return listed


def charts(widgets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["properties"] for each in widgets if each["type"] == "metric"]


def series(chart: dict[str, Any]) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Return namespace, metric, dimensions and options of what a chart draws from metrics."""
    found = []
    for entry in chart["metrics"]:
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        if "expression" not in options:
            namespace, metric, *named = [each for each in entry if isinstance(each, str)]
            found.append((namespace, metric, dict(zip(named[::2], named[1::2], strict=True)), options))
    return found


def expressions(chart: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry[0] for entry in chart["metrics"] if isinstance(entry[0], dict)]


def test_widgets_fit_the_width_and_do_not_overlap(widgets: list[dict[str, Any]]) -> None:
    for each in widgets:
        assert each["x"] >= 0
        assert each["x"] + each["width"] <= COLUMNS
    for one, other in combinations(widgets, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or above, (one, other)


def test_what_customers_got_comes_first_and_the_resources_last(widgets: list[dict[str, Any]]) -> None:
    ordered = sorted(widgets, key=lambda each: (each["y"], each["x"]))
    titles = [each["properties"].get("title") or each["properties"]["markdown"] for each in ordered]
    assert titles[0] == "# Business: what customers got"
    assert [title.startswith(begins) for title, begins in zip(titles[1:7], FIRST, strict=True)] == [True] * len(FIRST)
    assert titles.index("# Resources") > titles.index("# What became of messages") > 6


def test_every_metric_is_one_that_is_published_with_these_dimensions(widgets: list[dict[str, Any]]) -> None:
    described = {row[0].strip("`") for row in rows(section("## Metrics"))}
    for chart in charts(widgets):
        for namespace, metric, dimensions, _ in series(chart):
            if namespace == "Frontdesk":
                assert metric in described, metric
                assert set(dimensions) == PUBLISHED.get((namespace, metric), {"channel"}), metric
                assert dimensions.get("channel", SYSTEM) in {wecom_app.CHANNEL, wecom_kf.CHANNEL, SYSTEM}
            else:
                expected = ALSO_PUBLISHED.get((namespace, metric)) or PUBLISHED[namespace, metric]
                assert set(dimensions) == expected, metric


def test_every_resource_is_one_of_this_stack_and_every_region_its_own(
    widgets: list[dict[str, Any]], resources: dict[str, Any]
) -> None:
    for chart in charts(widgets):
        assert chart["region"] == "${AWS::Region}"
        for _, _, dimensions, _ in series(chart):
            for name, value in dimensions.items():
                if name != "channel":
                    found = re.fullmatch(r"\$\{(\w+)(\.QueueName)?\}", value)
                    assert found, value
                    assert found[1] in resources


def test_every_expression_is_made_of_series_that_its_chart_has(widgets: list[dict[str, Any]]) -> None:
    for chart in charts(widgets):
        named = [options["id"] for *_, options in series(chart) if "id" in options]
        for entry in expressions(chart):
            unknown = OPERATORS.sub(" ", entry["expression"]).split()
            assert set(unknown) <= set(named), entry["label"]
            named.append(entry.get("id", entry["label"]))
        assert len(named) == len(set(named)), chart["title"]
        assert all(
            re.fullmatch(r"[a-z][A-Za-z0-9_]*", options["id"]) for *_, options in series(chart) if "id" in options
        )


def test_the_cost_is_made_of_all_functions_tables_and_queues(
    widgets: list[dict[str, Any]], resources: dict[str, Any]
) -> None:
    (cost,) = [chart for chart in charts(widgets) if chart["title"].startswith("Cost")]
    counted = {value for _, _, dimensions, _ in series(cost) for value in dimensions.values()}
    kinds = {"AWS::DynamoDB::Table": "${%s}", "AWS::Lambda::Function": "${%s}"}
    expected = {kinds[each["Type"]] % name for name, each in resources.items() if each["Type"] in kinds}
    expected -= {"${ReleaseFunction}"}  # some seconds a release are no cost to look at
    assert expected <= counted
    assert {f"${{{queue}.QueueName}}" for queue in ("Inbox", "Pulls", "TicketQueue")} <= counted
    (compute,) = [entry["expression"] for entry in expressions(cost) if entry["label"] == "Lambda"]
    for number, function in enumerate(_in_order(cost)):
        share = resources[function]["Properties"]["MemorySize"] / 1024
        assert f"FILL(d{number}, 0) * {share:g}" in compute, function


def _in_order(cost: dict[str, Any]) -> list[str]:
    """Return the functions as the chart numbers them."""
    runs = [dimensions for _, metric, dimensions, _ in series(cost) if metric == "Duration"]
    names = [dimensions["FunctionName"].strip("${}") for dimensions in runs]
    assert sorted(names) == sorted(FUNCTIONS)
    return names


def test_a_line_that_an_alarm_is_about_is_drawn_at_its_threshold(
    widgets: list[dict[str, Any]], resources: dict[str, Any]
) -> None:
    drawn = {
        chart["title"]: line["value"]
        for chart in charts(widgets)
        for line in chart.get("annotations", {}).get("horizontal", [])
        if line["label"] in {"alarm", "ticket"}
    }
    thresholds = {
        "First response, ms": "FirstResponseAlarm",
        "Answer complete, ms on average": "ResponseTimeAlarm",
        "Oldest message in a queue, s": "InboxWaitingAlarm",
        "Error lines, per day": "ErrorLinesAlarm",
    }
    assert drawn == {title: resources[alarm]["Properties"]["Threshold"] for title, alarm in thresholds.items()}


def test_the_prices_are_those_of_the_one_table(template: dict[str, Any]) -> None:
    units = {
        "LambdaGbSecond": ("lambda_arm64_gb_s", 1),
        "LambdaRequestMillion": ("lambda_requests", 1e6),
        "DynamoDbWriteMillion": ("dynamodb_write_units", 1e6),
        "DynamoDbReadMillion": ("dynamodb_read_units", 1e6),
        "SqsFifoMillion": ("sqs_fifo_requests", 1e6),
        "HttpApiMillion": ("http_api_requests", 1e6),
    }
    for region, written in template["Mappings"]["Prices"].items():
        listed = Prices.read(region)
        assert listed.currency == "USD"
        assert set(written) == set(units)
        for name, (unit, each) in units.items():
            assert float(written[name]) == pytest.approx(listed.prices[unit] * each), name


def test_it_is_drawn_once_in_the_docs() -> None:
    assert (ROOT / "docs" / "dashboard.png").is_file()
    assert "](dashboard.png)" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
