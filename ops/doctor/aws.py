"""Checks of what AWS has of the deployment: queues, alarms, tables, what starts the functions, logs, and the quota.

What should be there is what this release's template says; what is there is asked of each service.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from frontdesk.records import Checked
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.doctor.ground import Ground

QUEUES = ("dead_letters", "queue_age")
STARTS = ("event_sources", "schedules")
TABLES = ("table_ttl", "table_stream", "table_backups")
ALARMS = ("alarms", "alarm_mail")
LOGS = ("log_retention",)
QUOTA = ("concurrency",)

WAITING_S = 120
"""As the alarms on the queues that customers wait for."""

_LOOK_BACK = timedelta(minutes=10)
_ALARMS_A_CALL = 100
_MAPPINGS = ("SQS", "DynamoDB")
_SCHEDULE = "ScheduleV2"
_ON = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


def queues(ground: Ground) -> Iterator[Checked]:
    """Yield whether something was given up, and whether something waits."""
    client = ground.desk.client("sqs")
    names = list(ground.of_type("AWS::SQS::Queue"))
    letters = [name for name in names if name.endswith("DeadLetters")]
    found = []
    for name in letters:
        with translated("sqs"):
            told = client.get_queue_attributes(QueueUrl=ground.desk.resource(name), AttributeNames=["All"])
        attributes = told["Attributes"]
        count = sum(
            int(attributes.get(f"ApproximateNumberOfMessages{kind}", 0)) for kind in ("", "NotVisible", "Delayed")
        )
        if count:
            found.append(Checked("dead_letters", "failed", "dead_letters_there", about=name, seen={"messages": count}))
    yield from found or [Checked("dead_letters", "ok", seen={"queues": len(letters)})]
    late = [each for name in names if name not in letters and (each := _late(ground, name))]
    yield from late or [Checked("queue_age", "ok", seen={"queues": len(names) - len(letters)})]


def _late(ground: Ground, name: str) -> Checked | None:
    """Return that the oldest message of a queue has waited long, by the metric: SQS itself does not tell."""
    now = datetime.fromtimestamp(ground.desk.clock(), UTC)
    queue = ground.desk.resource(name).rpartition("/")[2]
    with translated("cloudwatch"):
        answer = ground.desk.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            StartTime=now - _LOOK_BACK,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
    points = sorted(answer["Datapoints"], key=lambda each: each["Timestamp"])
    seconds = round(points[-1]["Maximum"]) if points else 0
    if seconds <= WAITING_S:
        return None
    return Checked("queue_age", "failed", "queue_waits", about=name, seen={"oldest_s": seconds})


def starts(ground: Ground) -> Iterator[Checked]:
    """Yield whether what calls the functions by itself is on."""
    functions, scheduler = ground.desk.client("lambda"), ground.desk.client("scheduler")
    sources = list(ground.sources())
    mappings = [each.name for each in sources if each.kind in _MAPPINGS]
    found = []
    for name in mappings:
        with translated("lambda"):
            state = functions.get_event_source_mapping(UUID=ground.desk.resource(name))["State"]
        if state not in _ON:
            found.append(Checked("event_sources", "failed", "event_source_off", about=name, seen={"state": state}))
    yield from found or [Checked("event_sources", "ok", seen={"event_sources": len(mappings)})]
    schedules = [each.name for each in sources if each.kind == _SCHEDULE]
    found = []
    for name in schedules:
        with translated("scheduler"):
            state = scheduler.get_schedule(Name=ground.desk.resource(name))["State"]
        if state != "ENABLED":
            found.append(Checked("schedules", "failed", "schedule_off", about=name, seen={"state": state}))
    yield from found or [Checked("schedules", "ok", seen={"schedules": len(schedules)})]


def tables(ground: Ground) -> Iterator[Checked]:
    """Yield whether time-to-live, streams and backups are on where the template says so."""
    wanted = ground.of_type("AWS::DynamoDB::Table")
    yield from _lifetimes(ground, {name: each for name, each in wanted.items() if "TimeToLiveSpecification" in each})
    yield from _streams(ground, {name: each for name, each in wanted.items() if "StreamSpecification" in each})
    yield from _backups(ground, wanted)


def _lifetimes(ground: Ground, tables: Mapping[str, Mapping[str, Any]]) -> list[Checked]:
    found = []
    for name, each in tables.items():
        with translated("dynamodb"):
            answer = ground.desk.dynamodb.describe_time_to_live(TableName=ground.desk.resource(name))
        told = answer["TimeToLiveDescription"]
        is_on = told.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
        if not is_on or told.get("AttributeName") != each["TimeToLiveSpecification"]["AttributeName"]:
            found.append(Checked("table_ttl", "failed", "ttl_off", about=name))
    return found or [Checked("table_ttl", "ok", seen={"tables": len(tables)})]


def _streams(ground: Ground, tables: Mapping[str, Mapping[str, Any]]) -> list[Checked]:
    found = []
    for name, each in tables.items():
        with translated("dynamodb"):
            table = ground.desk.dynamodb.describe_table(TableName=ground.desk.resource(name))["Table"]
        told = table.get("StreamSpecification", {})
        if not told.get("StreamEnabled") or told["StreamViewType"] != each["StreamSpecification"]["StreamViewType"]:
            found.append(Checked("table_stream", "failed", "stream_off", about=name))
    return found or [Checked("table_stream", "ok", seen={"tables": len(tables)})]


def _backups(ground: Ground, tables: Mapping[str, Mapping[str, Any]]) -> list[Checked]:
    found = []
    for name in tables:
        with translated("dynamodb"):
            answer = ground.desk.dynamodb.describe_continuous_backups(TableName=ground.desk.resource(name))
        told = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if told.get("PointInTimeRecoveryStatus") != "ENABLED":
            found.append(Checked("table_backups", "failed", "backups_off", about=name))
    return found or [Checked("table_backups", "ok", seen={"tables": len(tables)})]


def alarms(ground: Ground) -> Iterator[Checked]:
    """Yield which alarms ring, each with its page, and whether anybody hears them."""
    own = {ground.desk.resource(name): name for name in ground.of_type("AWS::CloudWatch::Alarm")}
    client, physical = ground.desk.client("cloudwatch"), list(own)
    found: list[Checked] = []
    for start in range(0, len(physical), _ALARMS_A_CALL):
        with translated("cloudwatch"):
            told = client.describe_alarms(
                AlarmNames=physical[start : start + _ALARMS_A_CALL], MaxRecords=_ALARMS_A_CALL
            )
        for alarm in told["MetricAlarms"]:
            name, page = own[alarm["AlarmName"]], alarm.get("AlarmDescription", "").rpartition("#")[2]
            seen = {"page": f"docs/operations.md#{page}"}
            if alarm["StateValue"] == "ALARM":
                found.append(Checked("alarms", "failed", "alarm_rings", about=name, seen=seen))
            elif not alarm.get("ActionsEnabled", True):
                found.append(Checked("alarms", "warning", "alarm_muted", about=name, seen=seen))
    yield from found or [Checked("alarms", "ok", seen={"alarms": len(own)})]
    with translated("sns"):
        listed = ground.desk.client("sns").list_subscriptions_by_topic(TopicArn=ground.desk.resource("AlarmTopic"))
    yield _listeners(listed["Subscriptions"])


def _listeners(subscriptions: list[dict[str, Any]]) -> Checked:
    pending = [each for each in subscriptions if each["SubscriptionArn"] == "PendingConfirmation"]
    seen = {"subscriptions": len(subscriptions), "pending": len(pending)}
    if pending:
        return Checked("alarm_mail", "failed", "alarm_mail_unconfirmed", seen=seen)
    if not subscriptions:
        return Checked("alarm_mail", "warning", "alarm_mail_nobody", seen=seen)
    return Checked("alarm_mail", "ok", seen=seen)


def logs(ground: Ground) -> Iterator[Checked]:
    """Yield whether every log group has an end."""
    client, groups = ground.desk.client("logs"), ground.of_type("AWS::Logs::LogGroup")
    endless = []
    for name in groups:
        physical = ground.desk.resource(name)
        with translated("logs"):
            told = client.describe_log_groups(logGroupNamePrefix=physical)["logGroups"]
        if not any(each["logGroupName"] == physical and each.get("retentionInDays") for each in told):
            endless.append(Checked("log_retention", "failed", "logs_for_ever", about=name))
    yield from endless or [Checked("log_retention", "ok", seen={"log_groups": len(groups)})]


def quota(ground: Ground) -> Iterator[Checked]:
    """Yield whether the account lets as many functions run at once as the template counts on: a new account has ten."""
    most = {each.function: each.most for each in ground.sources() if each.most is not None}
    counted = sum(int(_value(ground, each)) for each in most.values())
    # One for each of the others; the callback is done within milliseconds.
    needed = counted + len(set(ground.of_type("AWS::Serverless::Function")) - set(most))
    with translated("lambda"):
        limit = ground.desk.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    seen = {"needed": needed, "allowed": limit}
    if limit < needed:
        yield Checked("concurrency", "failed", "concurrency_small", seen=seen)
    else:
        yield Checked("concurrency", "ok", seen=seen)


def _value(ground: Ground, most: Any) -> Any:
    return ground.parameters[most["Ref"]] if isinstance(most, dict) else most
