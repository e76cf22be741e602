"""The picture of the dashboard: what is read from the logs, what the expressions make of it, and what is drawn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.deployment import ROOT
from ops.local.dashboard import Counted, evaluated, lines_of, page
from ops.template import load_template

AT_S = 1_790_000_000.0
EMF = {
    "_aws": {
        "Timestamp": int(AT_S * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": "Frontdesk",
                "Dimensions": [["channel"]],
                "Metrics": [{"Name": "Served", "Unit": "Count"}, {"Name": "ResponseTime", "Unit": "Milliseconds"}],
            }
        ],
    },
    "channel": "wecom_app",
    "Served": [1.0, 0.0, 1.0, 1.0],
    "ResponseTime": 1200.0,
}
REPORT = "REPORT RequestId: 0b\tDuration: 12.50 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB"


@pytest.fixture
def counted() -> Counted:
    counted = Counted()
    for message in (json.dumps(EMF), REPORT, '{"level": "ERROR", "message": "x"}', '{"level": "INFO"}', "START"):
        counted.line("frontdesk-responder", message, AT_S)
    return counted


@pytest.mark.parametrize(
    ("key", "stat", "value"),
    [
        (("Frontdesk", "Served", "wecom_app"), "Average", 0.75),
        (("Frontdesk", "Served", "wecom_app"), "SampleCount", 4.0),
        (("Frontdesk", "ResponseTime", "wecom_app"), "p95", 1200.0),
        (("Frontdesk", "ErrorLines", ""), "Sum", 1.0),
        (("AWS/Lambda", "Duration", "frontdesk-responder"), "Maximum", 12.5),
        (("AWS/Lambda", "Invocations", "frontdesk-responder"), "Sum", 1.0),
    ],
)
def test_what_the_logs_say_is_counted(counted: Counted, key: Any, stat: str, value: float):
    assert counted.series(key, stat) == {int(AT_S): value}


def test_what_nobody_counted_has_no_points(counted: Counted):
    assert counted.series(("Frontdesk", "Served", "wecom_kf"), "Sum") == {}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("100 * a / (a + b)", {0: 75.0}),
        ("FILL(a, 0) + FILL(b, 0)", {0: 4.0, 10: 5.0}),
        ("a / FILL(b, 0)", {0: 3.0}),
        ("b - 1", {0: 0.0}),
        ("a / (b - 1)", {}),
    ],
)
def test_an_expression_has_a_value_where_all_of_it_has(expression: str, values: dict[int, float]):
    assert evaluated(expression, {"a": {0: 3.0, 10: 5.0}, "b": {0: 1.0}}) == values


@pytest.mark.parametrize("expression", ["SEARCH('x', 'Sum', 60)", "a ** 2", "a if a else b", "__import__('os')"])
def test_what_is_not_drawn_here_is_refused(expression: str):
    with pytest.raises((ValueError, KeyError)):
        evaluated(expression, {"a": {0: 1.0}, "b": {0: 1.0}})


def test_every_widget_of_the_template_can_be_drawn():
    body, given = load_template(ROOT / "template.yaml")["Resources"]["Dashboard"]["Properties"]["DashboardBody"][
        "Fn::Sub"
    ]
    for name in given:
        body = body.replace(f"${{{name}}}", "0.5")
    widgets = json.loads(body)["widgets"]
    counted = Counted()
    # A run of everything there is, so that each expression has something to work with.
    for widget in widgets:
        for entry in widget["properties"].get("metrics", []):
            named = [each for each in entry if isinstance(each, str)]
            if named[:1] == ["Frontdesk"]:
                metrics = [{"Name": named[1]}]
                block = {"_aws": {"CloudWatchMetrics": [{"Metrics": metrics}]}, "channel": named[-1], named[1]: 2.0}
                counted.line("f", json.dumps(block), AT_S)
    for widget in widgets:
        if any(entry[0] == "Frontdesk" for entry in widget["properties"].get("metrics", [])):
            drawn = [series for _, series in lines_of(widget["properties"], counted)]
            assert any(drawn) or "ErrorLines" in str(widget), widget["properties"]["title"]

    html = page(widgets, counted)

    assert html.count("<section") == sum(widget["type"] == "metric" for widget in widgets)
    assert "not counted on this machine" in html
