"""Alarms: each watches a series that exists, tells somebody, and has its page."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest

from frontdesk import telemetry
from frontdesk.channels.wecom_app import CHANNEL
from ops.deployment import ROOT
from tests.iac.alarm_model import Point, parts_of, state

# Which dimensions a metric is published with, from AWS's metric references; an alarm on any other combination
# watches a series that has no points, and never fires.
PUBLISHED = {
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/Lambda", "Errors"): {"FunctionName", "Resource"},
    # Of one version behind a weighted alias.
    ("AWS/Lambda", "Errors of a version"): {"FunctionName", "Resource", "ExecutedVersion"},
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
    ("Frontdesk", "ResponseTime"): {"channel"},
    ("Frontdesk", "FirstResponseTime"): {"channel"},
    ("Frontdesk", "Unserved"): {"channel"},
    ("Frontdesk", "UntrustedAddress"): {"channel"},
    ("Frontdesk", "TokenRefused"): {"channel"},
    ("Frontdesk", "QuotaSpent"): {"channel"},
    ("Frontdesk", "KeyringInvalid"): {"channel"},
    ("Frontdesk", "EndpointOpened"): {"channel"},
    ("Frontdesk", "EndpointOpen"): {"channel"},
    ("Frontdesk", "OutOfPoints"): {"channel"},
    ("Frontdesk", "AnswersInvalid"): {"channel"},
    ("Frontdesk", "ArchiveLag"): {"channel"},
    ("Frontdesk", "Accepted"): {"channel"},
    ("Frontdesk", "Notified"): {"channel"},
    ("Frontdesk", "BusinessOpen"): {"channel"},
    # Written by filters on the logs, which cannot name a fixed dimension.
    ("Frontdesk", "ErrorLines"): set(),
}
# What belongs to no channel: a metric has one dimension, so it is written with this one.
SYSTEM = "system"
OF_THE_SYSTEM = {
    *("Unopened", "RulesInvalid", "AuditBroken", "Suspicious", "Unserved", "UntrustedAddress", "TokenRefused"),
    *("QuotaSpent", "KeyringInvalid", "ArchiveLag", "BusinessOpen"),
    *("EndpointOpened", "EndpointOpen", "OutOfPoints", "AnswersInvalid"),
}
# Customer service counts by itself: an alarm has one dimension, so each channel that counts a metric has its own.
CUSTOMER_SERVICE = "wecom_kf"
ON_BOTH_CHANNELS = {
    *("Failed", "Fallback", "Misconfigured", "StateUnread", "HandoffUnanswered", "TicketWebhookFailed"),
    *("ResponseTime", "FirstResponseTime"),
}
# The application has one callback for both, which counts news of accounts under its own channel; a member of the company can be written to without limit and reads what
# was sent; and the application has no accounts.
ON_ONE_CHANNEL = {
    "Rejected": CHANNEL,
    "Accepted": CHANNEL,
    "Notified": CHANNEL,
    "AllowanceSpent": CUSTOMER_SERVICE,
    "Undelivered": CUSTOMER_SERVICE,
    "AccountUnreadable": CUSTOMER_SERVICE,
}
FUNCTIONS = (
    "CallbackFunction",
    "CollectorFunction",
    "ResponderFunction",
    "TicketsFunction",
    "AlarmTicketsFunction",
    "SweepFunction",
    "ArchiverFunction",
    "ArchiverStreamFunction",
    "AuditorFunction",
    "ReviewerFunction",
    "DoctorFunction",
)
DAY_S = 86_400
# Where no figure at all is the failure. Everywhere else a minute without one is a minute in which nothing happened.
ERROR_LINES = '{ ($.level = "ERROR") || ($.level = "CRITICAL") }'
SILENCE_IS_BAD = {
    "SweepSilentAlarm": "it runs each minute",
    "ArchiverSilentAlarm": "it runs each minute",
    "AuditorSilentAlarm": "it runs each night",
    "ReviewerSilentAlarm": "it runs each night",
    "AcceptedSilentAlarm": "a part of the alarm about silence, which asks whether customers are expected at all",
    "NotifiedSilentAlarm": "as the other; a company may use one of the two ways only",
}
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FIVE_PARTS = ("Means", "First query", "Usual causes", "Stop the bleeding", "Undo")
MONTH_H = 30 * 24
BUDGET = 0.001  # 99.9 % of the messages


@pytest.fixture
def every_alarm(resources: dict[str, Any]) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}


@pytest.fixture
def alarms(every_alarm: dict[str, Any]) -> dict[str, Any]:
    """Return those of the whole service; those of a canary have a second dimension, and a test of their own."""
    return {name: each for name, each in every_alarm.items() if not name.endswith("CanaryAlarm")}


@pytest.fixture
def composites(resources: dict[str, Any]) -> dict[str, Any]:
    """Return the alarms that are raised when others are."""
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::CompositeAlarm"}


@pytest.fixture
def parts(composites: dict[str, Any]) -> set[str]:
    """Return the alarms that tell nobody by themselves."""
    return {part for composite in composites.values() for part in parts_of(composite)}


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}


def page_of(alarm: dict[str, Any]) -> str:
    """Return the heading of the alarm's entry in the runbook."""
    named = re.fullmatch(r".+\. Runbook: docs/operations\.md#([a-z-]+)", alarm["AlarmDescription"])
    assert named, alarm["AlarmDescription"]
    return named[1]


def entry(page: str) -> str:
    """Return what the runbook says under this heading."""
    found = re.search(rf"^### {page}$\n(.*?)(?=^#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert found, page
    return found[1]


def test_each_watches_a_series_that_exists(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        of_a_version = " of a version" if name.endswith("ReleaseAlarm") else ""
        assert set(dimensions(alarm)) == PUBLISHED[(alarm["Namespace"], alarm["MetricName"] + of_a_version)], name


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


def test_each_metric_of_ours_is_watched_once_on_each_channel_that_counts_it(
    alarms: dict[str, Any], parts: set[str]
) -> None:
    watched = [
        (alarm["MetricName"], dimensions(alarm)["channel"])
        for alarm in alarms.values()
        if alarm["Namespace"] == "Frontdesk" and dimensions(alarm)
    ]
    # The share of the unserved is looked at over several windows at once.
    for name in parts - {"BurnFastLongAlarm"}:
        if alarms[name]["MetricName"] == "Unserved":
            watched.remove(("Unserved", SYSTEM))
    expected = {(metric, SYSTEM) for metric in OF_THE_SYSTEM} | set(ON_ONE_CHANNEL.items())
    expected |= {(metric, channel) for metric in ON_BOTH_CHANNELS for channel in (CHANNEL, CUSTOMER_SERVICE)}
    assert sorted(watched) == sorted(expected)


def test_an_alarm_of_customer_service_says_so_in_its_name_and_is_as_strict_as_the_applications(
    alarms: dict[str, Any],
) -> None:
    for name, alarm in alarms.items():
        if alarm["Namespace"] == "Frontdesk" and dimensions(alarm):
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
    watched = {a["MetricName"] for a in alarms.values() if a["Namespace"] == "Frontdesk" and dimensions(a)}
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
        if alarm["Namespace"] == "Frontdesk" and dimensions(alarm):
            assert f'"{alarm["MetricName"]}"' in emitting, alarm["MetricName"]


def test_the_error_lines_of_every_function_are_counted(alarms: dict[str, Any], resources: dict[str, Any]) -> None:
    filters = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Logs::MetricFilter"]
    assert {each["LogGroupName"]["Ref"] for each in filters} == {
        f"{function.removesuffix('Function')}Logs" for function in FUNCTIONS
    }
    watched = alarms["ErrorLinesAlarm"]
    for each in filters:
        (written,) = each["MetricTransformations"]
        assert (written["MetricNamespace"], written["MetricName"]) == (watched["Namespace"], watched["MetricName"])
        assert (written["MetricValue"], written.get("Dimensions")) == ("1", None)
        assert each["FilterPattern"] == ERROR_LINES


@pytest.mark.parametrize(
    ("level", "counted"), [("DEBUG", 0), ("INFO", 0), ("WARNING", 0), ("ERROR", 1), ("CRITICAL", 1)]
)
def test_the_filter_counts_the_lines_that_our_formatter_writes_as_errors(level: str, counted: int) -> None:
    record = logging.LogRecord("frontdesk", logging.getLevelName(level), "a.py", 1, "attempt failed", None, None)
    line = telemetry.SafeFormatter(serialize_stacktrace=False).format(record)
    # A filter of JSON compares the values that it names; these are all there are in it.
    wanted = re.findall(r'\$\.(\w+) = "(\w+)"', ERROR_LINES)
    assert sum(json.loads(line).get(name) == value for name, value in wanted) == counted


def test_over_a_hundred_error_lines_in_a_day_open_a_ticket_in_every_partition(alarms: dict[str, Any]) -> None:
    alarm = alarms["ErrorLinesAlarm"]
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", DAY_S, 1)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 100)
    assert {"Ref": "AlarmTicketTopic"} in alarm["AlarmActions"]


def test_each_tells_the_topic_when_it_starts_and_when_it_ends(
    alarms: dict[str, Any], composites: dict[str, Any], parts: set[str]
) -> None:
    for name, alarm in (alarms | composites).items():
        if name in parts:  # the alarm that they are parts of tells
            assert not {"AlarmActions", "OKActions", "InsufficientDataActions"} & set(alarm), name
        else:
            assert alarm["AlarmActions"][0] == {"Ref": "AlarmTopic"}, name
            assert alarm["OKActions"] == [{"Ref": "AlarmTopic"}], name


def test_beside_the_topic_an_alarm_opens_a_ticket_or_an_item_in_opscenter_and_nothing_else(
    alarms: dict[str, Any], composites: dict[str, Any]
) -> None:
    categories = "Availability|Cost|Performance|Recovery|Security"
    for name, alarm in (alarms | composites).items():
        for action in alarm.get("AlarmActions", [])[1:]:
            if action == {"Ref": "AlarmTicketTopic"}:
                continue
            condition, opened, otherwise = action["Fn::If"]
            assert (condition, otherwise) == ("OpsItemsAreOpened", {"Ref": "AWS::NoValue"}), name
            arn = r"arn:\$\{AWS::Partition\}:ssm:\$\{AWS::Region\}:\$\{AWS::AccountId\}:opsitem"
            assert re.fullmatch(rf"{arn}:[1-4]#CATEGORY=({categories})", opened["Fn::Sub"]), name


def test_opscenter_is_used_where_there_is_one_and_it_is_wanted(template: dict[str, Any]) -> None:
    wanted, there = template["Conditions"]["OpsItemsAreOpened"]["Fn::And"]
    assert wanted == {"Fn::Equals": [{"Ref": "OpsItems"}, "on"]}
    assert there == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws"]}
    assert template["Parameters"]["OpsItems"]["Default"] == "on"


def test_each_names_its_page_and_every_page_has_its_alarm(
    every_alarm: dict[str, Any], composites: dict[str, Any]
) -> None:
    alarms = every_alarm
    pages = re.findall(r"^### ([a-z-]+)$", RUNBOOK, re.MULTILINE)
    assert sorted(pages) == sorted({page_of(alarm) for alarm in (alarms | composites).values()})


def test_each_page_says_what_it_means_asks_first_causes_it_stops_it_and_undoes_that(
    alarms: dict[str, Any], composites: dict[str, Any]
) -> None:
    for page in {page_of(alarm) for alarm in (alarms | composites).values()}:
        text = entry(page)
        if not all(f"**{part}.**" in text for part in FIVE_PARTS):
            # What it leaves out is as on the page that it names first.
            named = re.search(r"[Aa]s \[[a-z-]+\]\(#([a-z-]+)\)", text)
            assert named, page
            text += entry(named[1])
        assert [part for part in FIVE_PARTS if f"**{part}.**" not in text] == [], page


def test_silence_is_good_news_but_where_it_is_the_failure(alarms: dict[str, Any]) -> None:
    breaching = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == set(SILENCE_IS_BAD)
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
        a
        for a in alarms.values()
        if a["MetricName"] == metric
        and dimensions(a)["FunctionName"] == {"Ref": function}
        and "ExecutedVersion" not in dimensions(a)
    ]
    assert len(watched) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_run_near_the_functions_own_time_limit_is_noticed(
    alarms: dict[str, Any], resources: dict[str, Any], function: str
) -> None:
    near = alarms[f"{function.removesuffix('Function')}NearTimeoutAlarm"]
    assert dimensions(near)["FunctionName"] == {"Ref": function}
    assert (near["MetricName"], near["Statistic"]) == ("Duration", "Maximum")
    assert near["Threshold"] == resources[function]["Properties"]["Timeout"] * 1000 * 0.9


# -- the promise -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "pace"), [("BurnFastAlarm", 14.4), ("BurnSlowAlarm", 6.0)])
def test_two_windows_must_agree_that_the_promise_is_used_up_too_fast(
    alarms: dict[str, Any], composites: dict[str, Any], name: str, pace: float
) -> None:
    long, short, several = (alarms[part] for part in parts_of(composites[name]))
    for window in (long, short):
        assert (window["MetricName"], window["Statistic"], window["EvaluationPeriods"]) == ("Unserved", "Average", 1)
        assert window["Threshold"] == pytest.approx(pace * BUDGET)
        assert dimensions(window) == {"channel": SYSTEM}
    assert short["Period"] == long["Period"] / 12
    assert (several["Statistic"], several["Threshold"]) == ("Sum", 3)
    assert several["Period"] >= long["Period"]


@pytest.mark.parametrize(("name", "spent"), [("BurnFastAlarm", 0.02), ("BurnSlowAlarm", 0.05)])
def test_what_the_long_window_lets_pass_is_a_known_share_of_the_months_budget(
    alarms: dict[str, Any], composites: dict[str, Any], name: str, spent: float
) -> None:
    long = alarms[parts_of(composites[name])[0]]
    assert long["Threshold"] / BUDGET * (long["Period"] / 3600) / MONTH_H == pytest.approx(spent)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ((1000, 0, 60), ("OK", "OK")),
        ((1000, 1, 60), ("OK", "OK")),  # within the promise
        ((1000, 10, 300), ("OK", "ALARM")),  # 1 %, for hours
        ((1000, 20, 60), ("ALARM", "ALARM")),  # 2 %, within the hour
        ((20, 1, 5), ("OK", "OK")),  # one of few, at night
        ((20, 3, 5), ("ALARM", "ALARM")),
    ],
)
def test_the_promise_is_watched_as_the_budget_says(
    alarms: dict[str, Any],
    composites: dict[str, Any],
    messages: tuple[int, int, int],
    expected: tuple[str, str],
) -> None:
    """Of so many served and unserved messages, evenly over so many minutes until now."""
    served, unserved, minutes = messages
    total = served + unserved
    points: list[Point] = []
    for number in range(total):
        failed = (number + 1) * unserved // total > number * unserved // total
        points.append((-minutes * 60 * (total - number) / (total + 1), float(failed)))
    for name, wanted in zip(("BurnFastAlarm", "BurnSlowAlarm"), expected, strict=True):
        states = {state(alarms[part], points, now=0) for part in parts_of(composites[name])}
        assert ("ALARM" if states == {"ALARM"} else "OK") == wanted, name


# -- when each is raised ---------------------------------------------------------------------------------------------


def samples(alarm: dict[str, Any], *, breaching: bool) -> list[float]:
    """Return the samples of a period that ``alarm`` takes for bad, or for good: the least bad or good there are."""
    threshold = 50.0 if isinstance(alarm["Threshold"], dict) else float(alarm["Threshold"])
    least = {
        "GreaterThanThreshold": (threshold + 0.001, threshold),
        "GreaterThanOrEqualToThreshold": (threshold, threshold - 0.001),
        "LessThanThreshold": (threshold - 0.001, threshold),
    }[alarm["ComparisonOperator"]]
    return [least[0] if breaching else least[1]]


def over(alarm: dict[str, Any], bad: set[int], good: set[int]) -> list[Point]:
    """Return points for the periods with these numbers, the newest is 0; the others have none."""
    moments = {number: -(number + 0.5) * alarm["Period"] for number in bad | good}
    return [(moments[n], each) for n in bad for each in samples(alarm, breaching=True)] + [
        (moments[n], each) for n in good for each in samples(alarm, breaching=False)
    ]


def whole(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return ``alarm`` with a number for a threshold, where a parameter has it."""
    return alarm | {"Threshold": 50} if isinstance(alarm["Threshold"], dict) else alarm


def test_each_is_raised_by_as_many_bad_periods_as_it_asks_for_and_not_by_one_fewer(alarms: dict[str, Any]) -> None:
    for name, alarm in ((name, whole(each)) for name, each in alarms.items()):
        periods = range(alarm["EvaluationPeriods"])
        asked = alarm.get("DatapointsToAlarm", len(periods))
        assert state(alarm, over(alarm, set(periods[:asked]), set(periods[asked:])), now=0) == "ALARM", name
        assert state(alarm, over(alarm, set(periods[: asked - 1]), set(periods[asked - 1 :])), now=0) == "OK", name


def test_without_any_figure_those_are_raised_whose_failure_is_silence(alarms: dict[str, Any]) -> None:
    raised = {name for name, alarm in alarms.items() if state(whole(alarm), [], now=0) == "ALARM"}
    assert raised == set(SILENCE_IS_BAD)


def test_silence_is_told_in_business_hours_only(alarms: dict[str, Any], composites: dict[str, Any]) -> None:
    accepted, notified, expected = (alarms[part] for part in parts_of(composites["SilenceAlarm"]))
    always = [(-60.0 * minute - 30, 1.0) for minute in range(120)]
    since_lunch = [(moment, float(moment > -3600)) for moment, _ in always]
    assert state(accepted, [], now=0) == state(notified, [], now=0) == "ALARM"
    assert state(accepted, [(-5000.0, 1.0)], now=0) == "OK"
    assert state(expected, always, now=0) == "ALARM"
    assert state(expected, since_lunch, now=0) == "OK"
    assert state(expected, [], now=0) == "OK"  # no business hours are set


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


@pytest.mark.parametrize("topic", ["AlarmTopic", "AlarmTicketTopic"])
def test_the_topic_is_encrypted_and_cloudwatch_may_use_its_key(resources: dict[str, Any], topic: str) -> None:
    assert resources[topic]["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": ["AlarmKey", "Arn"]}
    publishing = resources[f"{topic}Policy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert (publishing["Principal"], publishing["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    statements = resources["AlarmKey"]["Properties"]["KeyPolicy"]["Statement"]
    publishing = [s for s in statements if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert publishing[0]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert resources["AlarmMail"]["Condition"] == "AlarmsAreMailed"


@pytest.mark.parametrize(("name", "channel"), [("CanaryAlarm", CHANNEL), ("KfCanaryAlarm", CUSTOMER_SERVICE)])
def test_the_canary_is_stopped_by_the_share_that_it_misses_and_not_by_one_question(
    resources: dict[str, Any], name: str, channel: str
) -> None:
    assert resources[name]["Condition"] == "CanaryIsOn"
    alarm = resources[name]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("Frontdesk", "Missed", "Average")
    assert dimensions(alarm) == {"channel": channel, "variant": "canary"}
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0.2, "GreaterThanOrEqualToThreshold")
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, 2)
    assert alarm["TreatMissingData"] == "notBreaching"
    watching = resources["SweepFunction"]["Properties"]["Environment"]["Variables"]
    assert {"Fn::If": ["CanaryIsOn", {"Ref": name}, ""]} in watching.values()


def test_what_is_compared_is_written_with_the_variant_as_its_second_dimension(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry.emit_metrics(CHANNEL, {"Missed": [0]}, variant="canary", conversation="c" * 32)
    line = json.loads(capsys.readouterr().out)
    (written,) = line["_aws"]["CloudWatchMetrics"]
    assert written["Dimensions"] == [["channel", "variant"]]
    assert (line["variant"], line["conversation"]) == ("canary", "c" * 32)
    telemetry.emit_metrics(CHANNEL, {"Answered": [1]})
    line = json.loads(capsys.readouterr().out)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["channel"]]
    assert "conversation" not in line
