"""The audit over DynamoDB: records that follow each other, whoever writes at the same time."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError

from frontdesk.errors import ConflictError, ErasedError, MisconfiguredError, TransientError, UnopenableError
from frontdesk.protection import chain
from frontdesk.storage import audit
from frontdesk.storage.audit import ChainHeads, DynamoAudit, Head, from_record, shard_of, to_record
from tests.contract.audit_in_memory import AUDIT, DAY, create_audit, dynamo_audit, happening
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW, NOW_MS
from tests.fakes.audit import InMemoryAuditRecords
from tests.fakes.clock import FakeClock
from tests.fakes.seals import FakeSeals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

DAY_S = 86_400


@pytest.fixture
def client(dynamodb: DynamoDBClient) -> Iterator[DynamoDBClient]:
    create_audit(dynamodb)
    yield dynamodb
    dynamodb.delete_table(TableName=AUDIT)


@pytest.fixture
def store(client: DynamoDBClient) -> DynamoAudit:
    return dynamo_audit(client)


class BulkySeals(FakeSeals):
    """Seals whose tokens are as long as real ones: base64 over UTF-8."""

    def seal(self, conversation: str, words: str, *place: str) -> str:
        return urlsafe_b64encode(words.encode(errors="surrogatepass") + bytes(28)).decode()

    def open(self, conversation: str, token: str, *place: str) -> str:
        return urlsafe_b64decode(token)[:-28].decode(errors="surrogatepass")


def bulky(client: DynamoDBClient) -> DynamoAudit:
    return DynamoAudit(client, AUDIT, seals=BulkySeals(), chain=chain, clock=FakeClock(NOW))


def seqs(store: DynamoAudit, conversation: str = CONVERSATION) -> list[int]:
    return [record.seq for record in store.of(conversation)]


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_what_happened_is_kept_in_order_and_chained(store: DynamoAudit):
    store.append(CONVERSATION, [happening(1), happening(2)])
    store.append(CONVERSATION, [happening(3)])
    store.append(ANOTHER_CONVERSATION, [happening(4)])

    records = list(store.of(CONVERSATION))
    assert [(record.seq, record.at_ms) for record in records] == [(n, NOW_MS + n) for n in (1, 2, 3)]
    assert chain.check(CONVERSATION, records) == []
    assert chain.check(ANOTHER_CONVERSATION, store.of(ANOTHER_CONVERSATION)) == []
    assert {record.day for record in records} == {DAY}
    first = records[0]
    given = happening(1)
    assert (first.kind, first.actor, first.about, first.details) == (
        given.kind,
        given.actor,
        given.about,
        given.details,
    )


def test_words_are_sealed_at_their_place_and_open_there_only(store: DynamoAudit):
    store.append(CONVERSATION, [happening(1), happening(2)])

    one, two = store.of(CONVERSATION)
    assert store.opened(one) == (happening(1).before, happening(1).after)
    assert FakeSeals().open(CONVERSATION, two.sealed, "audit", CONVERSATION, "2")
    with pytest.raises(UnopenableError):
        store.opened(replace(one, sealed=two.sealed))


def test_words_that_were_erased_stay_chained_and_do_not_open(client: DynamoDBClient):
    seals = FakeSeals()
    store = DynamoAudit(client, AUDIT, seals=seals, chain=chain)
    store.append(CONVERSATION, [happening()])
    seals.erased.add(CONVERSATION)

    records = list(store.of(CONVERSATION))
    assert chain.check(CONVERSATION, records) == []
    with pytest.raises(ErasedError):
        store.opened(records[0])


def test_what_has_no_words_has_no_seal(store: DynamoAudit):
    store.append(CONVERSATION, [happening(before="", after=""), happening(before=""), happening(after="")])

    records = list(store.of(CONVERSATION))
    assert [bool(record.sealed) for record in records] == [False, True, True]
    assert [store.opened(record) for record in records] == [
        ("", ""),
        ("", happening().after),
        (happening().before, ""),
    ]


def test_no_word_stands_readable_in_the_table(client: DynamoDBClient, store: DynamoAudit):
    store.append(CONVERSATION, [happening(before="林梅的电话", after="已处理")])

    stored = str(client.scan(TableName=AUDIT)["Items"])
    assert "林梅的电话" not in stored
    assert "已处理" not in stored


def test_a_record_is_kept_a_month_longer_than_the_export(client: DynamoDBClient):
    store = DynamoAudit(client, AUDIT, seals=FakeSeals(), chain=chain, retention_days=200)
    store.append(CONVERSATION, [happening(0)])

    (item,) = client.scan(TableName=AUDIT)["Items"]
    assert int(item["expires_at"]["N"]) == NOW + 230 * DAY_S


def test_words_too_long_for_an_item_are_cut_and_told_of(client: DynamoDBClient):
    store = bulky(client)
    text = "长" * 200_000
    store.append(CONVERSATION, [happening(before=text, after='"' * 99_999 + "\ud83d")])

    (record,) = store.of(CONVERSATION)
    before, after = store.opened(record)
    assert text.startswith(before)
    assert 90_000 < len(before.encode()) <= audit.LONGEST_WORDS_BYTES
    assert record.details["before_bytes"] == "600000"
    assert record.details["before_sm3"] == chain.sm3(text.encode())
    assert after == '"' * len(after)
    assert 90_000 < len(json.dumps(after)) <= audit.LONGEST_WORDS_BYTES
    assert record.details["after_bytes"] == str(99_999 + 3)
    assert record.details["action"] == "mask"


def test_words_as_long_as_fit_are_kept_whole(client: DynamoDBClient):
    store = bulky(client)
    text = "a" * (audit.LONGEST_WORDS_BYTES - 2)
    store.append(CONVERSATION, [happening(before=text, after="half a pair: \ud83d")])

    (record,) = store.of(CONVERSATION)
    assert store.opened(record) == (text, "half a pair: \ud83d")
    assert record.details == {"action": "mask"}


def test_as_many_records_of_the_greatest_size_as_go_at_once_fit_into_a_transaction(client: DynamoDBClient):
    words = "长" * 200_000
    writes, _ = bulky(client).puts(
        CONVERSATION, [happening(before=words, after=words)] * audit.MOST_AT_ONCE, Head(0, "0" * 64)
    )

    sizes = [len(str(each["Put"]["Item"]).encode()) for each in writes]
    assert max(sizes) < 400_000
    assert sum(sizes) + 400_000 < 4_000_000


def test_more_than_go_at_once_are_all_written_in_order(store: DynamoAudit):
    store.append(CONVERSATION, [happening(n) for n in range(30)])

    records = list(store.of(CONVERSATION))
    assert [record.at_ms - NOW_MS for record in records] == list(range(30))
    assert chain.check(CONVERSATION, records) == []


# -- reading ---------------------------------------------------------------------------------------------------------


def test_the_records_of_a_day_are_found_in_the_shard_of_their_conversation(client: DynamoDBClient):
    clock = FakeClock(NOW)
    store = dynamo_audit(client, clock=clock)
    store.append(CONVERSATION, [happening(1)])
    store.append(ANOTHER_CONVERSATION, [happening(2)])
    clock.advance(DAY_S)
    store.append(CONVERSATION, [happening(3)])

    found = {
        (day, record.conversation, record.seq, shard)
        for day in (DAY, "2026-09-22")
        for shard in range(store.shards)
        for record in store.of_day(day, shard)
    }
    assert found == {
        (DAY, CONVERSATION, 1, shard_of(CONVERSATION)),
        (DAY, ANOTHER_CONVERSATION, 1, shard_of(ANOTHER_CONVERSATION)),
        ("2026-09-22", CONVERSATION, 2, shard_of(CONVERSATION)),
    }


def test_many_records_are_read_page_by_page(client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit, "_PAGE", 4)
    store = dynamo_audit(client)
    store.append(CONVERSATION, [happening(n) for n in range(11)])

    assert seqs(store) == list(range(1, 12))
    assert len(list(store.of_day(DAY, shard_of(CONVERSATION)))) == 11


def test_one_record_is_found_by_its_number(store: DynamoAudit):
    store.append(CONVERSATION, [happening(1), happening(2)])

    assert store.get(CONVERSATION, 2) == list(store.of(CONVERSATION))[1]
    assert store.get(CONVERSATION, 3) is None
    assert store.get(ANOTHER_CONVERSATION, 1) is None


def test_the_end_of_a_chain_is_its_last_record(store: DynamoAudit):
    assert store.head(CONVERSATION) == Head(0, chain.genesis(CONVERSATION), "")

    end = store.append(CONVERSATION, [happening(1), happening(2)])

    assert store.head(CONVERSATION) == end == Head(2, list(store.of(CONVERSATION))[1].hash, DAY)


def test_a_record_that_was_tampered_with_is_read_and_does_not_hold(client: DynamoDBClient, store: DynamoAudit):
    store.append(CONVERSATION, [happening(1)])
    (item,) = client.scan(TableName=AUDIT)["Items"]
    for name in sorted(item.keys() - {"conversation", "seq", "expires_at", "day_shard"}):
        for value in (None, {"S": "x"}, {"N": "7"}, {"M": {"action": {"N": "1"}}}):
            changed = {each: kept for each, kept in item.items() if each != name} | ({name: value} if value else {})
            record = to_record(changed)
            assert record.hash != chain.hash_of(record), (name, value)
    assert to_record(item | {"seq": {"N": "1.5"}}).seq == 1


def test_an_item_is_read_as_it_was_written(store: DynamoAudit):
    store.append(CONVERSATION, [happening()])
    (record,) = store.of(CONVERSATION)

    assert to_record(from_record(record)) == record


# -- several writers -------------------------------------------------------------------------------------------------


class Overtaken:
    """A client before whose every transaction somebody else writes, ``times`` times."""

    def __init__(self, client: DynamoDBClient, overtake: Callable[[], object], times: int) -> None:
        self._client = client
        self._overtake = overtake
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        if self._times:
            self._times -= 1
            self._overtake()
        return self._client.transact_write_items(**request)


def test_who_comes_second_at_the_end_of_the_chain_links_anew(client: DynamoDBClient, store: DynamoAudit):
    overtaken = Overtaken(client, lambda: store.append(CONVERSATION, [happening(1)]), 3)

    dynamo_audit(overtaken).append(CONVERSATION, [happening(8), happening(9)])  # type: ignore[arg-type]

    records = list(store.of(CONVERSATION))
    assert [record.at_ms - NOW_MS for record in records] == [1, 1, 1, 8, 9]
    assert chain.check(CONVERSATION, records) == []
    assert store.opened(records[3]) == (happening(8).before, happening(8).after)


def test_an_end_that_is_believed_and_wrong_is_read_anew(store: DynamoAudit):
    store.append(CONVERSATION, [happening(1)])

    end = store.append(CONVERSATION, [happening(2)], head=Head(0, chain.genesis(CONVERSATION)))

    assert end.seq == 2
    assert chain.check(CONVERSATION, store.of(CONVERSATION)) == []


def test_an_end_that_never_stops_moving_is_tried_again_later(client: DynamoDBClient, store: DynamoAudit):
    overtaken = Overtaken(client, lambda: store.append(CONVERSATION, [happening(1)]), 99)

    with pytest.raises(TransientError) as caught:
        dynamo_audit(overtaken).append(CONVERSATION, [happening(9)])  # type: ignore[arg-type]

    assert caught.value.code == "audit_contended"
    assert NOW_MS + 9 not in [record.at_ms for record in store.of(CONVERSATION)]


class OneAtATime:
    """A client that makes a transaction whole before the next begins, as DynamoDB does and moto does not."""

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        with self._lock:
            return self._client.transact_write_items(**request)


def test_many_writers_at_once_make_one_chain(client: DynamoDBClient):
    store = dynamo_audit(OneAtATime(client))  # type: ignore[arg-type]
    with ThreadPoolExecutor(3) as pool:
        # Nobody can lose as often as there are tries: the others together write seven times.
        list(pool.map(lambda n: store.append(CONVERSATION, [happening(n)]), range(8)))

    records = list(store.of(CONVERSATION))
    assert sorted(record.at_ms - NOW_MS for record in records) == list(range(8))
    assert chain.check(CONVERSATION, records) == []


class Cancelling:
    """A client whose transactions are cancelled for these reasons, one list a call, before they pass."""

    def __init__(self, client: DynamoDBClient, *reasons: list[str]) -> None:
        self._client = client
        self._reasons = list(reasons)
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        self.calls += 1
        if not self._reasons:
            return self._client.transact_write_items(**request)
        codes = [{"Code": code} for code in self._reasons.pop(0)]
        error = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": codes}
        raise self._client.exceptions.TransactionCanceledException(error, "TransactWriteItems")  # type: ignore[arg-type]


OTHER_WRITE: Any = {"Put": {"TableName": AUDIT, "Item": {"conversation": {"S": "other"}, "seq": {"N": "1"}}}}


@pytest.mark.parametrize(
    "reasons", [["None", "ConditionalCheckFailed"], ["TransactionConflict", "None"], ["None", "TransactionConflict"]]
)
def test_a_transaction_that_met_another_at_the_chain_is_tried_again(client: DynamoDBClient, reasons: list[str]):
    cancelling = Cancelling(client, reasons)

    dynamo_audit(cancelling).append(CONVERSATION, [happening()], along_with=[OTHER_WRITE])  # type: ignore[arg-type]

    assert cancelling.calls == 2
    assert seqs(dynamo_audit(client)) == [1]


@pytest.mark.parametrize(
    "reasons",
    [
        ["ConditionalCheckFailed", "None"],
        ["ConditionalCheckFailed", "ConditionalCheckFailed"],
        ["ConditionalCheckFailed", "TransactionConflict"],
    ],
)
def test_a_condition_of_what_is_written_along_is_a_conflict(client: DynamoDBClient, reasons: list[str]):
    cancelling = Cancelling(client, reasons)

    with pytest.raises(ConflictError) as caught:
        dynamo_audit(cancelling).append(  # type: ignore[arg-type]
            CONVERSATION, [happening()], along_with=[OTHER_WRITE], service="ledger"
        )

    assert caught.value.code == "ledger_conflict"
    assert cancelling.calls == 1


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"])
def test_a_transaction_that_a_busy_table_refused_is_tried_again_after_growing_pauses(
    client: DynamoDBClient, reason: str
):
    pauses: list[float] = []
    cancelling = Cancelling(client, *([reason, "None"],) * 5)

    dynamo_audit(cancelling, pause=pauses.append).append(CONVERSATION, [happening()])  # type: ignore[arg-type]

    assert cancelling.calls == 6
    assert all(0.02 <= pause <= 0.02 * 2**n for n, pause in enumerate(pauses))
    assert len(pauses) == 5


def test_a_table_that_stays_busy_is_told_in_the_end(client: DynamoDBClient):
    cancelling = Cancelling(client, *(["ThrottlingError"],) * 99)

    with pytest.raises(TransientError) as caught:
        dynamo_audit(cancelling).append(CONVERSATION, [happening()])  # type: ignore[arg-type]

    assert (caught.value.code, cancelling.calls) == ("audit_contended", 8)


def test_a_transaction_that_was_cancelled_for_another_reason_is_left_to_a_later_attempt(client: DynamoDBClient):
    cancelling = Cancelling(client, ["ValidationError", "None"])

    with pytest.raises(TransientError):
        dynamo_audit(cancelling).append(CONVERSATION, [happening()])  # type: ignore[arg-type]

    assert cancelling.calls == 1


def test_a_transaction_whose_answer_was_lost_is_repeated_under_the_same_token(
    client: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
):
    # With one token DynamoDB does a transaction once (API reference, TransactWriteItems: ClientRequestToken).
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    tokens: list[str] = []

    def lose(request: Any, **_: Any) -> None:
        tokens.append(json.loads(request.body)["ClientRequestToken"])
        if len(tokens) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register_first("before-send.dynamodb.TransactWriteItems", lose)
    try:
        dynamo_audit(client).append(CONVERSATION, [happening()])
    finally:
        client.meta.events.unregister("before-send.dynamodb.TransactWriteItems", lose)

    assert len(tokens) == 2
    assert tokens[0] == tokens[1]


# -- silence for longer than the retention ---------------------------------------------------------------------------


def test_a_record_tells_when_the_one_before_it_may_be_gone(client: DynamoDBClient):
    clock = FakeClock(NOW)
    store = dynamo_audit(client, clock=clock)
    store.append(CONVERSATION, [happening(1)])
    clock.advance(180 * DAY_S)
    store.append(CONVERSATION, [happening(2)])
    clock.advance(181 * DAY_S)
    store.append(CONVERSATION, [happening(3), happening(4)])

    resumes = [record.details.get("resumes") for record in store.of(CONVERSATION)]
    assert resumes == [None, None, "2027-03-20", None]
    assert chain.check(CONVERSATION, store.of(CONVERSATION)) == []


# -- ends that are read ahead ----------------------------------------------------------------------------------------


def at_once(call: Callable[..., Head], *args: Any) -> Future[Head]:
    future: Future[Head] = Future()
    try:
        future.set_result(call(*args))
    except (LookupError, TransientError) as error:
        future.set_exception(error)
    return future


def test_an_end_that_is_expected_is_read_once_and_taken_once():
    asked: list[str] = []

    def read(conversation: str) -> Head:
        asked.append(conversation)
        return Head(3, "aa")

    ends = ChainHeads(read, submit=at_once)
    ends.expect("a")

    assert [ends.take("a"), ends.take("a"), ends.take("b")] == [Head(3, "aa"), None, None]
    assert asked == ["a"]


def test_an_end_that_became_known_takes_the_place_of_an_older_one():
    ends = ChainHeads(lambda _: Head(3, "aa"), submit=at_once)
    ends.expect("a")
    ends.keep("a", Head(5, "bb"))

    assert ends.take("a") == Head(5, "bb")


def test_an_end_that_could_not_be_read_is_not_known():
    def read(conversation: str) -> Head:
        raise TransientError("throttled")

    ends = ChainHeads(read, submit=at_once)
    ends.expect("a")

    assert ends.take("a") is None


def test_a_mistake_in_reading_is_not_hidden():
    def read(conversation: str) -> Head:
        raise LookupError

    ends = ChainHeads(read, submit=at_once)
    ends.expect("a")

    with pytest.raises(LookupError):
        ends.take("a")


def test_the_oldest_ends_are_forgotten_first():
    ends = ChainHeads(lambda conversation: Head(1, conversation), submit=at_once, most=2)
    for conversation in ("a", "b", "a", "c"):
        ends.expect(conversation)

    assert [ends.take("a"), ends.take("b"), ends.take("c")] == [Head(1, "a"), None, Head(1, "c")]


def test_ends_are_read_by_other_threads_when_nothing_else_is_said():
    ends = ChainHeads(lambda conversation: Head(1, conversation))
    ends.expect("a")

    assert ends.take("a") == Head(1, "a")


def test_a_table_that_is_not_there_is_a_mistake_in_the_deployment(client: DynamoDBClient):
    store = DynamoAudit(client, "another-table", seals=FakeSeals(), chain=chain)

    for call in (
        lambda: store.get(CONVERSATION, 1),
        lambda: list(store.of(CONVERSATION)),
        lambda: list(store.of_day(DAY, 1)),
        lambda: store.head(CONVERSATION),
        lambda: store.append(CONVERSATION, [happening()]),
        lambda: store.append(CONVERSATION, [happening()], head=Head(0, "")),
    ):
        with pytest.raises(MisconfiguredError):
            call()


def test_the_fake_of_the_table_reads_as_the_real_one_does(client: DynamoDBClient):
    store = dynamo_audit(client)
    fake = InMemoryAuditRecords(shards=store.shards)
    for conversation in (CONVERSATION, ANOTHER_CONVERSATION):
        store.append(conversation, [happening(3), happening(1), happening(2)])
        fake.kept |= {(conversation, record.seq): record for record in store.of(conversation)}

    for shard in range(store.shards):
        for day in (DAY, "2026-09-22"):
            assert list(fake.of_day(day, shard)) == list(store.of_day(day, shard))
    assert [fake.get(CONVERSATION, seq) for seq in (0, 1, 3, 4)] == [store.get(CONVERSATION, n) for n in (0, 1, 3, 4)]
