"""Alarms: each watches a series that exists, tells somebody, and has its page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from frontdesk import telemetry
from frontdesk.channels.wecom_app import CHANNEL
from ops.deployment import ROOT

# Which dimensions a metric is published with, from AWS's metric references; an alarm on any other combination
# watches a series that has no points, and never fires.
PUBLISHED = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/Lambda", "Errors"): {"FunctionName", "Resource"},
    ("AWS/Lambda", "Throttles"): {"FunctionName", "Resource"},
    ("AWS/Lambda", "Invocations"): {"FunctionName", "Resource"},
    ("AWS/Lambda", "Duration"): {"FunctionName", "Resource"},
    ("AWS/Lambda", "IteratorAge"): {"FunctionName", "Resource"},
    ("AWS/ApiGateway", "5xx"): {"ApiId", "Stage"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName"},
    ("AWS/DynamoDB", "WriteThrottleEvents"): {"TableName"},
    ("Frontdesk", "Rejected"): {"channel"},
    ("Frontdesk", "Failed"): {"channel"},
    ("Frontdesk", "Fallback"): {"channel"},
    ("Frontdesk", "Misconfigured"): {"channel"},
    ("Frontdesk", "StateUnread"): {"channel"},
    ("Frontdesk", "AllowanceSpent"): {"channel"},
    ("Frontdesk", "Undelivered"): {"channel"},
    ("Frontdesk", "AccountUnreadable"): {"channel"},
    ("Frontdesk", "HandoffUnanswered"): {"channel"},
    ("Frontdesk", "TicketWebhookFailed"): {"channel"},
    ("Frontdesk", "Unopened"): {"channel"},
    ("Frontdesk", "RulesInvalid"): {"channel"},
    ("Frontdesk", "AuditBroken"): {"channel"},
    ("Frontdesk", "Suspicious"): {"channel"},
}
# What belongs to no channel: a metric has one dimension, so it is written with this one.
SYSTEM = "system"
OF_THE_SYSTEM = {"Unopened", "RulesInvalid", "AuditBroken", "Suspicious"}
# Customer service counts by itself: an alarm has one dimension, so each channel that counts a metric has its own.
CUSTOMER_SERVICE = "wecom_kf"
ON_BOTH_CHANNELS = {"Failed", "Fallback", "Misconfigured", "StateUnread", "HandoffUnanswered", "TicketWebhookFailed"}
# The application has one callback for both; a member of the company can be written to without limit and reads what
# was sent; and the application has no accounts.
ON_ONE_CHANNEL = {
    "Rejected": CHANNEL,
    "AllowanceSpent": CUSTOMER_SERVICE,
    "Undelivered": CUSTOMER_SERVICE,
    "AccountUnreadable": CUSTOMER_SERVICE,
}
FUNCTIONS = (
    "CallbackFunction",
    "CollectorFunction",
    "ResponderFunction",
    "TicketsFunction",
    "SweepFunction",
    "ArchiverFunction",
    "ArchiverStreamFunction",
    "AuditorFunction",
    "ReviewerFunction",
)
DAY_S = 86_400


@pytest.fixture
def alarms(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in alarm["Dimensions"]}


def test_each_watches_a_series_that_exists(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        assert set(dimensions(alarm)) == PUBLISHED[(alarm["Namespace"], alarm["MetricName"])], name


def test_each_watches_a_resource_of_this_stack(alarms: dict[str, Any], resources: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        for dimension, value in dimensions(alarm).items():
            if dimension == "channel":
                assert value in {CHANNEL, CUSTOMER_SERVICE, SYSTEM}, name
            elif dimension == "Resource":
                assert value == {"Fn::Sub": f"${{{dimensions(alarm)['FunctionName']['Ref']}}}:live"}, name
            else:
                logical_id = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
                assert logical_id in resources, name


def test_each_metric_of_ours_is_watched_once_on_each_channel_that_counts_it(alarms: dict[str, Any]) -> None:
    watched = [
        (alarm["MetricName"], dimensions(alarm)["channel"])
        for alarm in alarms.values()
        if alarm["Namespace"] == "Frontdesk"
    ]
    expected = {(metric, SYSTEM) for metric in OF_THE_SYSTEM} | set(ON_ONE_CHANNEL.items())
    expected |= {(metric, channel) for metric in ON_BOTH_CHANNELS for channel in (CHANNEL, CUSTOMER_SERVICE)}
    assert sorted(watched) == sorted(expected)


def test_an_alarm_of_customer_service_says_so_in_its_name_and_is_as_strict_as_the_applications(
    alarms: dict[str, Any],
) -> None:
    for name, alarm in alarms.items():
        if alarm["Namespace"] == "Frontdesk":
            assert name.startswith("Kf") == (dimensions(alarm)["channel"] == CUSTOMER_SERVICE), name
            if name.startswith("Kf") and alarm["MetricName"] in ON_BOTH_CHANNELS:
                differing = {"AlarmDescription", "Dimensions"}
                own, applications = (
                    {key: value for key, value in each.items() if key not in differing}
                    for each in (alarm, alarms[name.removeprefix("Kf")])
                )
                assert own == applications, name


def test_our_own_metrics_are_written_with_the_dimensions_the_alarms_name(
    resources: dict[str, Any],
    alarms: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    variables = resources["ResponderFunction"]["Properties"]["Environment"]["Variables"]
    for name, value in variables.items():
        if isinstance(value, str):
            monkeypatch.setenv(name, value)
    watched = {a["MetricName"] for a in alarms.values() if a["Namespace"] == "Frontdesk"}
    telemetry.emit_metrics(CHANNEL, {name: [1] for name in watched})
    line = json.loads(capsys.readouterr().out)
    (written,) = line["_aws"]["CloudWatchMetrics"]
    assert written["Namespace"] == "Frontdesk"
    assert written["Dimensions"] == [["channel"]]
    assert {metric["Name"] for metric in written["Metrics"]} == watched


def test_every_metric_an_alarm_watches_is_emitted_somewhere(alarms: dict[str, Any]) -> None:
    # What is read behind a function's back, as the rules are, is counted where it is composed; and what happens beside
    # a message's result where it happens.
    package = ROOT / "layers" / "frontdesk" / "frontdesk"
    places = [*(ROOT / "functions").glob("*/*.py"), package / "bootstrap.py", *(package / "conversation").glob("*.py")]
    emitting = "\n".join(path.read_text(encoding="utf-8") for path in places)
    for alarm in alarms.values():
        if alarm["Namespace"] == "Frontdesk":
            assert f'"{alarm["MetricName"]}"' in emitting, alarm["MetricName"]


@pytest.mark.parametrize("state", ["AlarmActions", "OKActions"])
def test_each_tells_the_topic_when_it_starts_and_when_it_ends(alarms: dict[str, Any], state: str) -> None:
    assert all(alarm[state] == [{"Ref": "AlarmTopic"}] for alarm in alarms.values())


def test_each_names_its_page_and_the_page_exists(alarms: dict[str, Any]) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {
        re.fullmatch(r".+\. Runbook: docs/operations\.md#([a-z-]+)", a["AlarmDescription"]) for a in alarms.values()
    }
    assert {match[1] for match in named if match} <= set(headings)
    assert None not in named


def test_every_page_of_an_alarm_has_its_alarm(alarms: dict[str, Any]) -> None:
    pages = re.findall(r"^### ([a-z-]+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(pages) == {alarm["AlarmDescription"].rpartition("#")[2] for alarm in alarms.values()}


def test_silence_is_good_news_for_all_but_what_runs_by_the_clock(alarms: dict[str, Any]) -> None:
    breaching = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {"SweepSilentAlarm", "ArchiverSilentAlarm", "AuditorSilentAlarm", "ReviewerSilentAlarm"}
    assert all(alarm["TreatMissingData"] in {"breaching", "notBreaching"} for alarm in alarms.values())


def test_none_looks_further_back_than_cloudwatch_does(alarms: dict[str, Any]) -> None:
    """PutMetricAlarm: periods under an hour make up a day at most, longer ones seven days."""
    for name, alarm in alarms.items():
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= (DAY_S if alarm["Period"] < 3600 else 7 * DAY_S), name


@pytest.mark.parametrize("stem", ["Auditor", "Reviewer"])
def test_a_daily_run_is_missed_only_when_more_than_a_day_has_passed(alarms: dict[str, Any], stem: str) -> None:
    silent = alarms[f"{stem}SilentAlarm"]
    assert DAY_S < silent["Period"] * silent["EvaluationPeriods"] <= DAY_S + 4 * 3600
    assert (silent["Threshold"], silent["ComparisonOperator"]) == (1, "LessThanThreshold")
    assert "DatapointsToAlarm" not in silent  # every hour of them without a run, not some


@pytest.mark.parametrize("name", ["AuditBrokenAlarm", "SuspiciousAlarm"])
def test_what_is_found_once_a_day_stays_in_sight_until_the_next_run(alarms: dict[str, Any], name: str) -> None:
    found = alarms[name]
    assert DAY_S < found["Period"] * found["EvaluationPeriods"] <= DAY_S + 4 * 3600
    assert found["DatapointsToAlarm"] == 1
    assert found["Threshold"] == 0


@pytest.mark.parametrize("stem", ["Archiver", "Sweep"])
def test_what_runs_each_minute_is_missed_after_ten(alarms: dict[str, Any], stem: str) -> None:
    silent = alarms[f"{stem}SilentAlarm"]
    assert silent["Period"] * silent["EvaluationPeriods"] == 600
    assert (silent["Threshold"], silent["ComparisonOperator"]) == (1, "LessThanThreshold")


@pytest.mark.parametrize("queue", ["Inbox", "Pulls"])
def test_whoever_waits_in_a_queue_that_customers_wait_for_is_noticed(alarms: dict[str, Any], queue: str) -> None:
    waiting = alarms[f"{queue}WaitingAlarm"]
    assert dimensions(waiting) == {"QueueName": {"Fn::GetAtt": [queue, "QueueName"]}}
    assert (waiting["MetricName"], waiting["Threshold"]) == ("ApproximateAgeOfOldestMessage", 120)


def test_a_welcome_still_has_time_when_pulls_are_called_slow(alarms: dict[str, Any]) -> None:
    """WeCom takes a welcome for 20 s after the customer came (developer docs, path 95122)."""
    slow = alarms["CollectorSlowAlarm"]
    assert slow["ExtendedStatistic"] == "p99"
    assert slow["Threshold"] <= 20_000 / 2


def test_every_table_is_watched(alarms: dict[str, Any], resources: dict[str, Any]) -> None:
    tables = {name for name, each in resources.items() if each["Type"] == "AWS::DynamoDB::Table"}
    watched = {
        (dimensions(a)["TableName"]["Ref"], a["MetricName"])
        for a in alarms.values()
        if a["Namespace"] == "AWS/DynamoDB"
    }
    assert watched == {(table, f"{kind}ThrottleEvents") for table in tables for kind in ("Read", "Write")}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_is_watched(alarms: dict[str, Any], function: str, metric: str) -> None:
    watched = [
        a for a in alarms.values() if a["MetricName"] == metric and dimensions(a)["FunctionName"] == {"Ref": function}
    ]
    assert len(watched) == 1


def test_every_dead_letter_raises_an_alarm(alarms: dict[str, Any], resources: dict[str, Any]) -> None:
    letters = {
        name for name, each in resources.items() if name.endswith("DeadLetters") and each["Type"] == "AWS::SQS::Queue"
    }
    watched = {
        dimensions(alarm)["QueueName"]["Fn::GetAtt"][0]
        for alarm in alarms.values()
        # NumberOfMessagesSent does not count what the queue itself moved there.
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" and alarm["Threshold"] == 0
    }
    assert watched == letters


def test_the_topic_is_encrypted_and_cloudwatch_may_use_its_key(resources: dict[str, Any]) -> None:
    assert resources["AlarmTopic"]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlarmKey", "Arn"]}
    statements = resources["AlarmKey"]["Properties"]["KeyPolicy"]["Statement"]
    publishing = [s for s in statements if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert publishing[0]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert resources["AlarmMail"]["Condition"] == "AlarmsAreMailed"
