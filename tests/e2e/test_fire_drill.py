"""The fire drill: every alarm of the deployed stack is raised, by its real cause where that is possible here.

What the local AWS (ministack 1.5.33) does of CloudWatch, and what the drill does about the rest:

- It makes no metrics of the EMF lines that functions write. The drill reads the very line from the function's log, and
  puts what it says: that metric, that dimension, those samples.
- It has no metrics of SQS, API Gateway and DynamoDB, and of Lambda's it leaves the alias out. A queue's figure is read
  from the queue; the others are put by hand, as the series that the alarm names.
- It evaluates when something is put, over all points of the metric's name within Period x EvaluationPeriods: neither by
  dimension nor by period, and missing data is nothing. So the same points go through `tests.iac.alarm_model` too, which
  does all three; points are put into each of the periods that the alarm asks for, with moments of the past.
- It makes nothing of filters on logs, and drops what a function writes before it fails to start.
- What is to be silent never is here, because it adds up the invocations of all functions. The alarms of that kind are
  raised as a copy: the deployed definition, changed only in its namespace.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from frontdesk.messages import Inbound, Kind
from frontdesk.storage.inbox import encode
from ops.template import load_template
from tests.e2e.driver import ROOT, Kf, Wecom, logged, wait_for
from tests.iac.alarm_model import parts_of, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws

RESOURCES = load_template(ROOT / "template.yaml")["Resources"]
ALARMS = sorted(name for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm")
COMPOSITES = sorted(name for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::CompositeAlarm")
PARTS = {part for name in COMPOSITES for part in parts_of(RESOURCES[name]["Properties"])}
POISONED = 3  # as many as a burn rate asks for at least

# What is done to the deployed stack, and in whose log the figure is then found. One line is put as often as the alarm's
# threshold asks for: that fifty callbacks are fifty lines needs no proof, but for these, which are cheap.
BY_ITS_CAUSE = {
    "RejectedAlarm": "fifty forged callbacks",
    "InboxDeadLettersAlarm": "messages that no release wrote, until the queue gives them up",
    "BurnFastLongAlarm": "the same messages, given up unread",
    "BurnFastShortAlarm": "the same messages, given up unread",
    "BurnSlowLongAlarm": "the same messages, given up unread",
    "BurnSlowShortAlarm": "the same messages, given up unread",
    "UnservedSeveralAlarm": "the same messages, given up unread",
    "UnopenedAlarm": "a message whose words were sealed for another one",
    "UntrustedAddressAlarm": "WeCom answers 60020",
    "TokenRefusedAlarm": "WeCom takes no access token, however new",
    "QuotaSpentAlarm": "WeCom answers 45009",
    "MisconfiguredAlarm": "WeCom answers 60020",
    "FailedAlarm": "a customer who cannot be written to",
    "FallbackAlarm": "FastGPT refuses the question",
    "KfFallbackAlarm": "FastGPT refuses the question",
    "KfMisconfiguredAlarm": "FastGPT's team has no points left",
    "ResponseTimeAlarm": "FastGPT answers after nine seconds",
    "FirstResponseAlarm": "FastGPT answers after nine seconds, the notice comes after eight",
    "KfResponseTimeAlarm": "FastGPT answers after nine seconds",
    "KfFirstResponseAlarm": "FastGPT answers after nine seconds, the notice comes after eight",
    "KfStateUnreadAlarm": "WeCom does not tell who is in charge",
    "OutOfPointsAlarm": "FastGPT's team has no points left",
    "EndpointOpenedAlarm": "FastGPT's team has no points left, and neither has the standby's",
    "EndpointOpenAlarm": "the next question after that",
    "RulesInvalidAlarm": "a broken rules file in the bucket",
    "AlarmTicketsErrorsAlarm": "a call that is none of CloudWatch's",
    "ErrorLinesAlarm": "the error lines of all of this, as the filter's pattern finds them in the log",
}
_MINUTES = "its cause takes longer than the drill may: "
_OWN_AWS = "the local AWS has no such metric"
# What is put as the very series that the alarm names, and why.
BY_ITS_SERIES = {
    "AnswersInvalidAlarm": "as its sister's, the rules",
    "KeyringInvalidAlarm": "the local AWS drops what a function writes before it fails to start: test_keyring_counted.py",
    "ArchiveLagAlarm": "its cause is a bucket that refuses for minutes, which the other tests need",
    "AuditBrokenAlarm": "its cause is a record altered behind the functions' back: tests/unit/test_auditing.py",
    "SuspiciousAlarm": _MINUTES + "a run of the review on a finished day",
    "StateUnreadAlarm": "its cause is a table out of reach, which the other tests need",
    "HandoffUnansweredAlarm": _MINUTES + "three reminders, each after HANDOFF_TIMEOUT_SECONDS",
    "KfHandoffUnansweredAlarm": _MINUTES + "three reminders, each after HANDOFF_TIMEOUT_SECONDS",
    "KfFailedAlarm": "as its sister's",
    "KfAllowanceSpentAlarm": "ten customers with six answers each",
    "KfUndeliveredAlarm": "tests/e2e/test_customer_service.py sees to the event itself",
    "KfAccountUnreadableAlarm": "its account would not be fetched any more for the other tests",
    "TicketWebhookFailedAlarm": "the stack of these tests has no ticket system",
    "KfTicketWebhookFailedAlarm": "the stack of these tests has no ticket system",
    "CustomersExpectedAlarm": "the stack of these tests has no business hours",
    "ApiServerErrorsAlarm": _OWN_AWS,
    "InboxWaitingAlarm": _OWN_AWS,
    "PullsWaitingAlarm": _OWN_AWS,
    "PullsDeadLettersAlarm": _MINUTES + "five attempts, as the inbox's show",
    "TicketQueueDeadLettersAlarm": _MINUTES + "five attempts, as the inbox's show",
    "ArchiverStreamDeadLettersAlarm": "the local AWS writes no stream of what time-to-live removed",
    "ArchiverStreamBehindAlarm": _OWN_AWS,
    **{name: _OWN_AWS for name in ALARMS if RESOURCES[name]["Properties"]["Namespace"] == "AWS/DynamoDB"},
    **{name: _OWN_AWS for name in ALARMS if name.endswith(("NearTimeoutAlarm", "SlowAlarm", "ReleaseAlarm"))},
    "CanaryAlarm": "no customer of this stack is the canary's, whose share is 0",
    "KfCanaryAlarm": "no customer of this stack is the canary's, whose share is 0",
    **{
        name: "a failing or throttled function is the same series for each; one is raised by its cause"
        for name in ALARMS
        if name.endswith(("ErrorsAlarm", "ThrottlesAlarm"))
        and RESOURCES[name]["Properties"]["Namespace"] == "AWS/Lambda"
        and name not in BY_ITS_CAUSE
    },
}
# As above, but as a copy in a namespace of its own.
AS_A_COPY = {
    name: "the local AWS adds up what all functions and channels count"
    for name in ALARMS
    if RESOURCES[name]["Properties"]["ComparisonOperator"] == "LessThanThreshold"
}


def test_the_drill_names_every_alarm_once() -> None:
    assert sorted([*BY_ITS_CAUSE, *BY_ITS_SERIES, *AS_A_COPY]) == ALARMS


@dataclass
class Heard:
    """What the stack counted of what was done to it: samples by metric and channel."""

    samples: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def of(self, alarm: dict[str, Any]) -> list[float]:
        """Return the samples of the series that ``alarm`` names."""
        channel = next((each["Value"] for each in alarm["Dimensions"] if each["Name"] == "channel"), "")
        return self.samples[alarm["MetricName"], channel]


class Drill:
    """Does to the stack what raises alarms, and watches them."""

    def __init__(self, stack: LocalStack, aws: Aws) -> None:
        self.stack = stack
        self._aws = aws
        self._cloudwatch = aws.client("cloudwatch")
        self._sqs = aws.client("sqs")
        self._began_ms = time.time() * 1000
        self._told: dict[str, int] = defaultdict(int)
        self._ear = self._sqs.create_queue(QueueName=f"fire-drill-{uuid4().hex[:8]}")["QueueUrl"]
        self._listen()

    def _listen(self) -> None:
        arn = self._sqs.get_queue_attributes(QueueUrl=self._ear, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._ear, Attributes={"Policy": policy})
        topic = self.stack.resources["AlarmTopic"]
        self._aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def definition(self, logical_id: str) -> dict[str, Any]:
        """Return the alarm as it is deployed."""
        name = self.stack.resources[logical_id]
        (found,) = self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        alarm: dict[str, Any] = found
        return alarm

    def copy_of(self, logical_id: str) -> dict[str, Any]:
        """Return a copy of the deployed alarm that differs in its namespace only, so that it counts alone."""
        asked = (
            *("AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "MetricName", "Statistic"),
            *("Dimensions", "Period", "EvaluationPeriods", "Threshold", "ComparisonOperator", "TreatMissingData"),
        )
        deployed = self.definition(logical_id)
        copy = {name: deployed[name] for name in asked if name in deployed}
        name = f"copy-of-{deployed['AlarmName']}"
        self._cloudwatch.put_metric_alarm(AlarmName=name, Namespace=f"Drill/{logical_id}", **copy)
        (found,) = self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        alarm: dict[str, Any] = found
        return alarm

    def raise_by(self, alarm: dict[str, Any], samples: Sequence[float]) -> None:
        """Put ``samples`` into the alarm's series, in as many periods as it asks for, and see it raised and told."""
        name = alarm["AlarmName"]
        self._cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the drill begins")
        self._hear()
        before, now = self._told[name], time.time()
        asked = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
        moments = [now - (number + 0.5) * alarm["Period"] for number in range(asked)]
        times = _times(alarm, samples)
        points = [(moment, sample) for moment in moments for sample in samples for _ in range(min(times, 1000))]
        assert state(alarm, [], now=now) in {"OK", "ALARM"}
        assert state(alarm, points, now=now) == "ALARM", name
        self._cloudwatch.put_metric_data(
            Namespace=alarm["Namespace"],
            MetricData=[
                {
                    "MetricName": alarm["MetricName"],
                    "Dimensions": alarm["Dimensions"],
                    "Timestamp": datetime.fromtimestamp(moment, UTC),
                    "Values": [sample],
                    "Counts": [times],
                }
                for moment in moments
                for sample in samples
            ],
        )
        assert self.is_raised(name), name
        if alarm.get("AlarmActions"):
            wait_for(f"the topic hears of {name}", lambda: self._hear()[name] > before, seconds=20)

    def is_raised(self, name: str) -> bool:
        """Return whether the alarm ``name``, of either kind, is raised."""
        types = ["MetricAlarm", "CompositeAlarm"]
        found = self._cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=types, StateValue="ALARM")
        return bool(found["MetricAlarms"] or found["CompositeAlarms"])

    def told(self, name: str) -> bool:
        """Return whether the topic has heard of the alarm ``name``."""
        return self._hear()[name] > 0

    def _hear(self) -> dict[str, int]:
        while True:
            letters = self._sqs.receive_message(QueueUrl=self._ear, MaxNumberOfMessages=10).get("Messages", [])
            for letter in letters:
                news = json.loads(json.loads(letter["Body"])["Message"])
                if news["NewStateValue"] == "ALARM":
                    self._told[news["AlarmName"]] += 1
                self._sqs.delete_message(QueueUrl=self._ear, ReceiptHandle=letter["ReceiptHandle"])
            if not letters:
                return self._told

    def counted(self, group: str, metric: str, channel: str, *, since_ms: float = 0) -> list[float]:
        """Return the samples of a metric that a function has written since the drill began, or later."""
        since_ms = max(since_ms, self._began_ms)
        found: list[float] = []
        for line in logged(self.stack, self._aws, group, channel=channel):
            if metric in line and line.get("_aws", {}).get("Timestamp", 0) >= since_ms:
                (written,) = line["_aws"]["CloudWatchMetrics"]
                assert (written["Namespace"], written["Dimensions"]) == ("Frontdesk", [["channel"]])
                found += line[metric] if isinstance(line[metric], list) else [line[metric]]
        return found

    def set(self, logical_id: str, value: str) -> None:
        """Put an alarm into a state by hand."""
        name = self.stack.resources[logical_id]
        self._cloudwatch.set_alarm_state(AlarmName=name, StateValue=value, StateReason="the drill")

    def close(self) -> None:
        """Leave no alarm raised and no letter behind."""
        for name in (*(self.stack.resources[each] for each in ALARMS), *(self.stack.resources[c] for c in COMPOSITES)):
            self._cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="the drill is over")
        self._sqs.purge_queue(QueueUrl=self.stack.resources["InboxDeadLetters"])
        self._sqs.delete_queue(QueueUrl=self._ear)


def _times(alarm: dict[str, Any], samples: Sequence[float]) -> int:
    """Return how often ``samples`` are put: for a sum as often as the threshold asks for, else often enough to count."""
    if alarm.get("Statistic") == "Sum" and sum(samples):
        return max(
            1, math.ceil((alarm["Threshold"] + (alarm["ComparisonOperator"] == "GreaterThanThreshold")) / sum(samples))
        )
    return 10_000 if "ExtendedStatistic" in alarm else 1


class Causes:
    """What can go wrong, made to."""

    def __init__(self, drill: Drill, desk: Desk, wecom: Wecom, models: Sequence[httpx.Client]) -> None:
        self._drill, self._desk, self._wecom, self._models = drill, desk, wecom, models
        self._kf = Kf(wecom)
        self._stack = drill.stack
        self.heard = Heard()

    def all(self) -> Heard:
        """Let everything go wrong, and return what was counted."""
        self._break_the_rules()
        self._fill_the_inbox()
        self._forge_callbacks()
        self._refuse_at_wecom()
        self._refuse_and_delay_at_fastgpt()
        last = ("KfMisconfiguredAlarm", "OutOfPointsAlarm", "EndpointOpenedAlarm", "EndpointOpenAlarm")
        for name in BY_ITS_CAUSE:
            if name not in last:
                self._wait(name)
        # It opens circuits, and what comes after it is answered otherwise.
        self._run_out_of_points()
        for name in last:
            self._wait(name)
        return self.heard

    def _break_the_rules(self) -> None:
        self._desk.client("s3").put_object(
            Bucket=self._stack.resources["RulesBucket"], Key="rules/rules.yaml", Body=b"version: broken\nrules: ["
        )

    def _fill_the_inbox(self) -> None:
        for number in range(POISONED):
            self._queue("written by no release", f"poison-{number}")
        one, other = (_inbound() for _ in range(2))
        moved = {**json.loads(encode(one, self._desk.keyring))}
        moved["sealed"] = json.loads(encode(other, self._desk.keyring))["sealed"]
        self._queue(json.dumps(moved), one.conversation)

    def _queue(self, body: str, group: str) -> None:
        self._desk.client("sqs").send_message(
            QueueUrl=self._stack.resources["Inbox"],
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=uuid4().hex,
        )

    def _forge_callbacks(self) -> None:
        bundle = self._stack.aws.ca_bundle
        tls = ssl.create_default_context(cafile=str(bundle)) if bundle else True
        with httpx.Client(timeout=30, verify=tls) as anybody:
            for _ in range(50):
                assert anybody.post(self._stack.callback_url, content=b"<xml/>").status_code in {400, 403}

    def _refuse_at_wecom(self) -> None:
        refused = {"drill-address": 60020, "drill-token": 42001, "drill-quota": 45009, "drill-gone": 81013}
        for customer, errcode in refused.items():
            self._wecom.post("faults", {"path": "message/send", "userid": customer, "errcode": errcode, "times": 0})
            self._wecom.says(customer, "怎么退货？")
        self._wecom.post("faults", {"path": "kf/service_state/get", "errcode": 48002, "times": 1})
        self._kf.says("wmDrillState", "怎么退货？")

    def _refuse_and_delay_at_fastgpt(self) -> None:
        self._fault(kind="error", statusText="unAuthChat", match="演习拒绝")
        self._fault(kind="slow", first_ms=9000, match="演习慢")
        for customer, words in (("refused", "演习拒绝"), ("slow", "演习慢")):
            self._wecom.says(f"drill-{customer}", words)
            self._kf.says(f"wmDrill{customer}", words)

    def _run_out_of_points(self) -> None:
        self._fault(kind="error", statusText="aiPointsNotEnough", app="any", match="演习点数")
        self._kf.says("wmDrillPoints", "演习点数")
        self._wait("OutOfPointsAlarm")
        self._wecom.says("drill-open", "怎么退货？")

    def _fault(self, **what: Any) -> None:
        for model in self._models:
            model.post("/faults", json={**what, "times": None}).raise_for_status()

    def _wait(self, name: str) -> None:
        """Wait for the figure that a cause is to have: what is bad of it, where the statistic is of single samples."""
        alarm = self._drill.definition(name)
        if alarm["Namespace"] != "Frontdesk" or not alarm["Dimensions"]:
            return
        metric, channel = alarm["MetricName"], alarm["Dimensions"][0]["Value"]
        if metric == "RulesInvalid":  # they are read again with the next question
            self._wecom.says("drill-rules", "怎么退货？")
        group = "CallbackLogs" if metric == "Rejected" else "ResponderLogs"
        enough = {"Unserved": POISONED, "Rejected": 50}.get(metric, 1)

        def look() -> list[float] | None:
            found = self._drill.counted(group, metric, channel)
            if metric.endswith("Time"):
                return [sample for sample in found if sample > alarm["Threshold"]] or None
            return found if sum(found) >= enough else None

        self.heard.samples[metric, channel] = wait_for(f"{metric} of {channel}", look, seconds=120)

    def mended(self) -> None:
        """Put right what was broken, and wait until every circuit is closed again."""
        self._wecom.clear_faults()
        for model in self._models:
            model.delete("/faults")
        self._desk.client("s3").delete_object(Bucket=self._stack.resources["RulesBucket"], Key="rules/rules.yaml")
        since_ms, asked = time.time() * 1000, itertools.count()
        asked_at = 0.0

        def answered() -> list[float]:
            nonlocal asked_at
            if time.monotonic() - asked_at > 2:  # a question every two seconds is enough
                asked_at = time.monotonic()
                self._wecom.says(f"drill-mended-{next(asked)}", "怎么退货？")
            return self._drill.counted("ResponderLogs", "AnsweredPrimary", "wecom_app", since_ms=since_ms)

        wait_for("the first endpoint answers again", answered, seconds=90)


def _inbound() -> Inbound:
    return Inbound(
        channel="wecom_app",
        conversation=uuid4().hex,
        message_id=str(uuid4().int)[:18],
        sender="drill-sealed",
        kind=Kind.TEXT,
        sent_at=int(time.time()),
        received_at_ms=int(time.time() * 1000),
        text="怎么退货？",
    )


@pytest.fixture(scope="module")
def drill(stack: LocalStack, aws: Aws) -> Iterator[Drill]:
    """Return what watches the alarms."""
    drill = Drill(stack, aws)
    yield drill
    drill.close()


@pytest.fixture(scope="module")
def heard(drill: Drill, desk: Desk) -> Iterator[Heard]:
    """Let everything go wrong once, and return what the stack counted of it."""
    console = drill.stack.console_url
    wecom = Wecom(f"{console}wecom")
    with (
        httpx.Client(base_url=f"{console}fastgpt/_control", timeout=20) as fastgpt,
        httpx.Client(base_url=f"{console}fastgpt-standby/_control", timeout=20) as standby,
    ):
        causes = Causes(drill, desk, wecom, (fastgpt, standby))
        try:
            yield causes.all()
        finally:
            causes.mended()
            wecom.close()


OTHERWISE = {"InboxDeadLettersAlarm", "AlarmTicketsErrorsAlarm", "ErrorLinesAlarm"}  # no EMF line: see below


@pytest.mark.parametrize("name", sorted(set(BY_ITS_CAUSE) - OTHERWISE))
def test_an_alarm_is_raised_by_what_the_stack_counts_of_its_cause(drill: Drill, heard: Heard, name: str) -> None:
    alarm = drill.definition(name)
    drill.raise_by(alarm, heard.of(alarm))


@pytest.mark.usefixtures("heard")
def test_a_dead_letter_raises_its_alarm(drill: Drill, aws: Aws) -> None:
    attribute, queue = "ApproximateNumberOfMessages", drill.stack.resources["InboxDeadLetters"]

    def waiting() -> int:
        answer = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[attribute])
        return int(answer["Attributes"][attribute])

    letters = wait_for("the letters", lambda: n if (n := waiting()) >= POISONED else 0, seconds=90)
    drill.raise_by(drill.definition("InboxDeadLettersAlarm"), [letters])


def test_a_function_that_fails_raises_its_alarm(drill: Drill, aws: Aws) -> None:
    function = drill.stack.resources["AlarmTicketsFunction"]
    began = datetime.now(UTC)
    answer = aws.client("lambda").invoke(FunctionName=f"{function}:live", Payload=b'{"Records": [{}]}')
    assert "FunctionError" in answer

    def errors() -> float:
        found = aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Dimensions=[{"Name": "FunctionName", "Value": function}],
            StartTime=began.replace(second=0, microsecond=0),
            EndTime=datetime.now(UTC),
            Period=60,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    drill.raise_by(drill.definition("AlarmTicketsErrorsAlarm"), [wait_for("the function's error", errors)])


@pytest.mark.usefixtures("heard")
def test_error_lines_raise_their_alarm_and_the_companys_people_get_a_ticket(
    drill: Drill, aws: Aws, wecom: Wecom
) -> None:
    pattern = RESOURCES["ResponderErrorLines"]["Properties"]["FilterPattern"]
    # The local AWS takes every line for a match of a pattern in JSON, so what the pattern names is looked for here.
    wanted = re.findall(r'\$\.(\w+) = "(\w+)"', pattern)
    assert any(logged(drill.stack, aws, "ResponderLogs", **{name: value}) for name, value in wanted)
    alarm = drill.definition("ErrorLinesAlarm")

    drill.raise_by(alarm, [1])
    card = wecom.card("zhou.min", alarm["AlarmName"][:20])

    assert "系统告警" in json.dumps(card, ensure_ascii=False)
    number = card["body"]["main_title"]["title"].split()[-1]
    for key in (f"ticket:{number}:claim", f"ticket:{number}:close"):
        wecom.press("zhou.min", wecom.card("zhou.min", key), key)
    wait_for("it is done", lambda: any(f"{number} 已办结" in text for text in wecom.read("zhou.min")))


@pytest.mark.parametrize("name", sorted(BY_ITS_SERIES))
def test_an_alarm_is_raised_by_its_series(drill: Drill, name: str) -> None:
    alarm = drill.definition(name)
    drill.raise_by(alarm, [alarm["Threshold"] + (alarm["ComparisonOperator"] == "GreaterThanThreshold")])


@pytest.mark.parametrize("name", sorted(AS_A_COPY))
def test_an_alarm_about_silence_is_raised_by_it(drill: Drill, name: str) -> None:
    assert state(drill.definition(name), [], now=time.time()) == "ALARM"
    drill.raise_by(drill.copy_of(name), [0])


@pytest.mark.parametrize("name", ["BurnFastAlarm", "BurnSlowAlarm"])
def test_a_composite_is_raised_with_its_parts_and_ends_with_one_of_them(drill: Drill, heard: Heard, name: str) -> None:
    for part in parts_of(RESOURCES[name]["Properties"]):
        alarm = drill.definition(part)
        drill.raise_by(alarm, heard.of(alarm))

    composite = drill.stack.resources[name]
    assert drill.is_raised(composite)
    assert wait_for("the topic hears of it", lambda: drill.told(composite), seconds=20)

    drill.set(parts_of(RESOURCES[name]["Properties"])[1], "OK")
    assert not drill.is_raised(composite)


def test_silence_is_told_when_it_is_open_and_nothing_came(drill: Drill) -> None:
    """Its two silent parts are set, because the local AWS never sees silence; see above."""
    accepted, notified, expected = parts_of(RESOURCES["SilenceAlarm"]["Properties"])
    drill.set(accepted, "ALARM")
    drill.set(notified, "ALARM")
    drill.raise_by(drill.definition(expected), [1])

    assert drill.is_raised(drill.stack.resources["SilenceAlarm"])
    drill.set(notified, "OK")
    assert not drill.is_raised(drill.stack.resources["SilenceAlarm"])
