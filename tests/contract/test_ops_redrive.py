"""Dead letters go back into their queue in order and once, whatever breaks on the way; nothing else is touched."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from ops.__main__ import main
from ops.cli.redriving import Redrive, Wanted
from ops.desk import OPERATIONS, Deployment
from tests.contract.desk_in_memory import Functions, clients_in_memory, deployment, desk_of
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.cli.frame import Wanted as WantedDesk
    from ops.desk import Desk
    from tests.contract.desk_in_memory import Clients

STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/s/stream/2026-09-21T00:00:00.000"


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with clients_in_memory() as made:
        yield made


@pytest.fixture
def where(clients: Clients) -> Iterator[Deployment]:
    with deployment(clients) as made:
        yield made


class Queue:
    """A queue and its dead letters, as whoever stands beside them sees them."""

    def __init__(self, where: Deployment, *, name: str = "Inbox") -> None:
        self.sqs = where.client("sqs")
        self.url = where.resources[name]
        self.letters = where.resources[f"{name}DeadLetters"]

    def bury(self, group: str, *bodies: str, **more: Any) -> None:
        """Let letters of ``group`` lie among the dead."""
        for body in bodies:
            self.sqs.send_message(
                QueueUrl=self.letters,
                MessageBody=body,
                MessageGroupId=group,
                MessageDeduplicationId=f"{group}-{body}",
                **more,
            )

    def taken(self) -> list[dict[str, Any]]:
        """Take what the source queue has, in its order."""
        return _drain(self.sqs, self.url)

    def dead(self) -> list[str]:
        """Return the bodies among the dead letters, in order; they are gone then."""
        return [each["Body"] for each in _drain(self.sqs, self.letters)]


def _drain(sqs: Any, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        if not answer.get("Messages"):
            return found
        for message in answer["Messages"]:
            found.append(message)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def inbox(where: Deployment) -> Queue:
    return Queue(where)


@pytest.fixture
def ops(where: Deployment) -> Callable[..., dict[str, Any]]:
    """Return what types a command and gives back its facts."""

    def run(*arguments: str, status: int = 0) -> dict[str, Any]:
        def opened(wanted: WantedDesk) -> Desk:
            return desk_of(where, by=wanted.by)

        typed = [*arguments, "--by", "chen.yu", "--json"]
        result = CliRunner().invoke(main, typed, obj=opened, catch_exceptions=False)
        assert result.exit_code == status, result.output
        facts: dict[str, Any] = json.loads(result.stdout) if status < 2 else {"usage": result.output}
        return facts

    return run


def acts(where: Deployment) -> list[tuple[str, dict[str, str]]]:
    return [(each.kind, dict(each.details)) for each in desk_of(where).audit.of(OPERATIONS)]


# -- FIFO ------------------------------------------------------------------------------------------------------------


def test_letters_go_back_with_body_group_and_attributes_in_the_order_of_their_conversation(
    inbox: Queue, ops: Callable[..., dict[str, Any]]
):
    mark = {"trace": {"DataType": "String", "StringValue": "t-1"}}
    inbox.bury(CONVERSATION, "first", "second", "third", MessageAttributes=mark)
    inbox.bury(ANOTHER_CONVERSATION, "other")

    facts = ops("redrive", "inbox")

    taken = inbox.taken()
    theirs = [each["Body"] for each in taken if each["Attributes"]["MessageGroupId"] == CONVERSATION]
    assert theirs == ["first", "second", "third"]
    assert sorted(each["Body"] for each in taken) == ["first", "other", "second", "third"]
    assert {each["MessageAttributes"]["trace"]["StringValue"] for each in taken if "MessageAttributes" in each} == {
        "t-1"
    }
    assert inbox.dead() == []
    assert facts["redriven"] == 4
    assert {each["group"]: each["letters"] for each in facts["groups"]} == {CONVERSATION: 3, ANOTHER_CONVERSATION: 1}


def test_a_letter_is_not_swallowed_as_the_repetition_of_its_first_self(
    inbox: Queue, ops: Callable[..., dict[str, Any]]
):
    inbox.sqs.send_message(
        QueueUrl=inbox.url, MessageBody="x", MessageGroupId=CONVERSATION, MessageDeduplicationId=f"{CONVERSATION}-x"
    )
    assert [each["Body"] for each in inbox.taken()] == ["x"]
    inbox.bury(CONVERSATION, "x")

    ops("redrive", "inbox")

    assert [each["Body"] for each in inbox.taken()] == ["x"]


def test_more_letters_of_one_conversation_than_are_shown_at_once_keep_their_order(
    inbox: Queue, ops: Callable[..., dict[str, Any]]
):
    bodies = [f"{number:02}" for number in range(25)]
    inbox.bury(CONVERSATION, *bodies)

    assert ops("redrive", "inbox")["redriven"] == 25

    assert [each["Body"] for each in inbox.taken()] == bodies


class Breaking:
    """SQS, of which some calls fail. The rest goes through."""

    def __init__(self, sqs: Any, *, send: Callable[[str], bool], delete: Callable[[], bool] = lambda: False) -> None:
        self._sqs = sqs
        self._send = send
        self._delete = delete

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def send_message(self, **request: Any) -> Any:
        """Send, unless the body is one of those that fail."""
        if self._send(request["MessageBody"]):
            raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "m"}}, "SendMessage")
        return self._sqs.send_message(**request)

    def delete_message(self, **request: Any) -> Any:
        """Delete, unless that fails."""
        if self._delete():
            raise KeyboardInterrupt
        return self._sqs.delete_message(**request)


def redrive_of(inbox: Queue, sqs: Any) -> Redrive:
    return Redrive(sqs, name="inbox", letters_url=inbox.letters, queue_url=inbox.url, wait_s=0)


def test_a_conversation_stops_at_its_first_failure_and_the_others_go_on(inbox: Queue):
    inbox.bury(CONVERSATION, "a1", "a2", "a3")
    inbox.bury(ANOTHER_CONVERSATION, "b1", "b2")

    done = redrive_of(inbox, Breaking(inbox.sqs, send=lambda body: body == "a2")).run(Wanted())

    assert (done[CONVERSATION].count, done[CONVERSATION].code) == (1, "inbox_failed")
    assert (done[ANOTHER_CONVERSATION].count, done[ANOTHER_CONVERSATION].code) == (2, "")
    assert sorted(each["Body"] for each in inbox.taken()) == ["a1", "b1", "b2"]
    assert inbox.dead() == ["a2", "a3"], "what came later waits behind it, in order"


def test_a_command_that_is_broken_off_between_sending_and_deleting_doubles_nothing(inbox: Queue):
    inbox.bury(CONVERSATION, "a1", "a2")
    with pytest.raises(KeyboardInterrupt):
        redrive_of(inbox, Breaking(inbox.sqs, send=lambda _: False, delete=lambda: True)).run(Wanted())

    assert redrive_of(inbox, inbox.sqs).run(Wanted())[CONVERSATION].count == 2

    assert [each["Body"] for each in inbox.taken()] == ["a1", "a2"]
    assert inbox.dead() == []


def test_one_conversation_alone_is_redriven_and_the_others_stay_visible(
    inbox: Queue, ops: Callable[..., dict[str, Any]]
):
    inbox.bury(CONVERSATION, "a1", "a2")
    inbox.bury(ANOTHER_CONVERSATION, "b1", "b2")

    facts = ops("redrive", "inbox", "--conversation", CONVERSATION)

    assert [each["group"] for each in facts["groups"]] == [CONVERSATION]
    assert [each["Body"] for each in inbox.taken()] == ["a1", "a2"]
    assert inbox.dead() == ["b1", "b2"]


def test_letters_of_another_time_stay(inbox: Queue, ops: Callable[..., dict[str, Any]]):
    inbox.bury(CONVERSATION, "a1")

    assert ops("redrive", "inbox", "--until", "2020-01-01")["redriven"] == 0
    assert ops("redrive", "inbox", "--since", "2999-01-01T10:00")["redriven"] == 0
    assert ops("redrive", "inbox", "--since", "2020-01-01", "--until", "2999-01-01")["redriven"] == 1


def test_a_limit_lets_one_try_out_whether_the_cause_is_mended(inbox: Queue, ops: Callable[..., dict[str, Any]]):
    inbox.bury(CONVERSATION, "a1", "a2", "a3")

    assert ops("redrive", "inbox", "--limit", "1")["redriven"] == 1

    assert [each["Body"] for each in inbox.taken()] == ["a1"]
    assert inbox.dead() == ["a2", "a3"]


def test_a_dry_run_tells_and_changes_nothing(where: Deployment, inbox: Queue, ops: Callable[..., dict[str, Any]]):
    inbox.bury(CONVERSATION, "a1", "a2")

    facts = ops("redrive", "inbox", "--dry-run")

    assert (facts["redriven"], facts["found_waiting"], facts["groups"][0]["letters"]) == (0, 2, 2)
    assert inbox.taken() == []
    assert inbox.dead() == ["a1", "a2"], "they are visible again at once"
    assert acts(where) == []


def test_what_was_asked_for_is_on_record_without_words(where: Deployment, ops: Callable[..., dict[str, Any]]):
    Queue(where, name="TicketQueue").bury(CONVERSATION, "hush")

    ops("redrive", "tickets", "--conversation", CONVERSATION, "--limit", "3")

    assert acts(where) == [("redriven", {"queue": "tickets", "waiting": "1", "group": CONVERSATION, "limit": "3"})]


def test_an_empty_queue_is_said_to_be_so(ops: Callable[..., dict[str, Any]]):
    assert ops("redrive", "pulls")["groups"] == []


def test_no_conversation_can_be_named_where_letters_have_none(ops: Callable[..., dict[str, Any]]):
    for arguments in (("pulls", "--conversation", CONVERSATION), ("inbox", "--conversation", "lin.mei")):
        assert "--conversation is 32 hex digits" in ops("redrive", *arguments, status=2)["usage"]


# -- the stream ------------------------------------------------------------------------------------------------------


class Reader(Functions):
    """The function that reads the stream, as Lambda invokes it."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.fails = False

    def invoke(self, **request: Any) -> dict[str, Any]:
        """Take the records, or report the first as failed."""
        assert (request["FunctionName"], request["Qualifier"]) == ("stream-reader", "live")
        records = json.loads(request["Payload"])["Records"]
        self.records += records
        failed = [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}] if self.fails else []
        return {"Payload": _Body(json.dumps({"batchItemFailures": failed}))}


class _Body:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> bytes:
        return self._text.encode()


class Stream:
    """A shard of six records, handed out in two pages with an empty one between them."""

    numbers = ("100", "101", "102", "103", "104", "105")

    def __init__(self) -> None:
        self.trimmed = False

    def get_shard_iterator(self, **request: str) -> dict[str, str]:
        """Return where reading begins."""
        assert (request["StreamArn"], request["ShardId"]) == (STREAM_ARN, "shardId-1")
        assert request["ShardIteratorType"] == "AT_SEQUENCE_NUMBER"
        if self.trimmed:
            raise ClientError({"Error": {"Code": "TrimmedDataAccessException", "Message": "m"}}, "GetShardIterator")
        return {"ShardIterator": f"{self.numbers.index(request['SequenceNumber'])}:0"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        """Return a page."""
        start, page = map(int, ShardIterator.split(":"))
        if page == 1:
            return {"Records": [], "NextShardIterator": f"{start}:2"}
        some = self.numbers[start:][:2] if page == 0 else self.numbers[start:][2:]
        return {"Records": [_record(each) for each in some], "NextShardIterator": f"{start}:{page + 1}"}


def _record(number: str) -> dict[str, Any]:
    change = {
        "ApproximateCreationDateTime": datetime(2026, 9, 21, tzinfo=UTC),
        "SequenceNumber": number,
        "OldImage": {"id": {"S": number}, "blob": {"B": b"\x00\xff"}},
    }
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    return {"eventName": "REMOVE", "dynamodb": change, "userIdentity": identity}


class Streamed:
    """A deployment whose stream has letters."""

    def __init__(self, where: Deployment, url: str) -> None:
        self.sqs, self.url = where.client("sqs"), url
        self.stream, self.reader = Stream(), Reader()
        ours = {"dynamodbstreams": self.stream, "lambda": self.reader}
        resources = {**where.resources, "ArchiverStreamDeadLetters": url, "ArchiverStreamFunction": "stream-reader"}
        self.where = Deployment("frontdesk", resources, lambda name: ours.get(name) or where.client(name))

    def letter(self, first: str, last: str) -> None:
        """Let the reader have given up a batch."""
        place = {
            "shardId": "shardId-1",
            "startSequenceNumber": first,
            "endSequenceNumber": last,
            "streamArn": STREAM_ARN,
        }
        body = {"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": place}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def redrive(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Type the command; return its status and facts."""
        typed = ["redrive", "stream", "--json", "--by", "chen.yu", *arguments]
        result = CliRunner().invoke(main, typed, obj=lambda _: desk_of(self.where), catch_exceptions=False)
        return result.exit_code, json.loads(result.stdout)

    def left(self) -> int:
        """Return how many letters can be received."""
        answer = self.sqs.receive_message(QueueUrl=self.url, VisibilityTimeout=0, MaxNumberOfMessages=10)
        return len(answer.get("Messages", []))


@pytest.fixture
def streamed(where: Deployment) -> Iterator[Streamed]:
    sqs = where.client("sqs")
    url = sqs.create_queue(QueueName="stream-letters")["QueueUrl"]
    yield Streamed(where, url)
    sqs.delete_queue(QueueUrl=url)


def test_the_records_that_a_letter_names_are_read_again_and_no_others(streamed: Streamed):
    streamed.letter("101", "104")

    status, facts = streamed.redrive()

    assert (status, facts["redriven"], streamed.left()) == (0, 1, 0)
    records = streamed.reader.records
    assert [each["dynamodb"]["SequenceNumber"] for each in records] == ["101", "102", "103", "104"]
    assert records[0] == {
        "eventName": "REMOVE",
        "eventSourceARN": STREAM_ARN,
        "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2026, 9, 21, tzinfo=UTC).timestamp(),
            "SequenceNumber": "101",
            "OldImage": {"id": {"S": "101"}, "blob": {"B": "AP8="}},
        },
    }


def test_a_letter_whose_records_fail_again_stays(streamed: Streamed):
    streamed.reader.fails = True
    streamed.letter("100", "100")

    status, facts = streamed.redrive()

    assert (status, facts["groups"]) == (1, [{"group": "shardId-1", "letters": 0, "code": "rescue_failed"}])
    assert streamed.left() == 1


def test_a_letter_whose_records_are_gone_from_the_stream_stays_and_is_told(streamed: Streamed):
    streamed.stream.trimmed = True
    streamed.letter("100", "101")

    status, facts = streamed.redrive()

    assert (status, facts["groups"][0]["code"], streamed.left()) == (1, "records_gone", 1)


def test_letters_of_the_stream_are_limited_and_dry_as_others_are(streamed: Streamed):
    streamed.letter("100", "100")
    streamed.letter("101", "101")

    assert streamed.redrive("--dry-run")[1]["groups"][0]["letters"] == 2
    assert (streamed.reader.records, streamed.left()) == ([], 2)
    assert streamed.redrive("--until", "2020-01-01")[1]["redriven"] == 0
    assert streamed.redrive("--limit", "1")[1]["redriven"] == 1
    assert streamed.left() == 1


def test_a_letter_that_names_no_records_stays_and_is_told(streamed: Streamed):
    streamed.sqs.send_message(QueueUrl=streamed.url, MessageBody="{}")

    status, facts = streamed.redrive()

    assert (status, facts["groups"][0]["code"], streamed.left()) == (1, "letter_malformed", 1)
