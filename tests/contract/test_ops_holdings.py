"""What is kept of one person is found and deleted in every place, and nothing of anybody else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import MisconfiguredError, TransientError
from ops.cli.holdings import (
    ArchiveObjects,
    AttendanceItems,
    DeadLetters,
    LedgerItems,
    ObjectVersion,
    SessionItems,
    TicketItem,
    TicketItems,
    archive_name,
    waiting,
)
from tests.contract.desk_in_memory import clients_in_memory, deployment, letter
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.desk import Deployment
    from tests.contract.desk_in_memory import Clients

FOLDER = "sessions/dt=2026-09-21/channel=wecom_app/"


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with clients_in_memory() as made:
        yield made


@pytest.fixture
def where(clients: Clients) -> Iterator[Deployment]:
    with deployment(clients) as made:
        yield made


# -- tables ----------------------------------------------------------------------------------------------------------


def put_session(where: Deployment, conversation: str, session_id: str) -> None:
    item = {"conversation": {"S": conversation}, "session_id": {"S": session_id}}
    where.client("dynamodb").put_item(TableName=where.resources["Sessions"], Item=item)


def put_ledger(where: Deployment, key: str) -> None:
    where.client("dynamodb").put_item(TableName=where.resources["Ledger"], Item={"key": {"S": key}})


def test_the_sessions_of_a_person_are_found_and_deleted(where: Deployment):
    for conversation, session_id in ((CONVERSATION, "1"), (CONVERSATION, "2"), (ANOTHER_CONVERSATION, "1")):
        put_session(where, conversation, session_id)
    sessions = SessionItems(where.client("dynamodb"), where.resources["Sessions"])

    found = sessions.find(CONVERSATION)
    sessions.delete(CONVERSATION, found)

    assert [item["session_id"]["S"] for item in found] == ["1", "2"]
    assert sessions.find(CONVERSATION) == []
    assert len(sessions.find(ANOTHER_CONVERSATION)) == 1


def test_everything_of_a_person_in_the_ledger_is_found_and_deleted(where: Deployment):
    theirs = [
        f"reply#{CONVERSATION}#7",
        f"once#{CONVERSATION}#interim:7",
        f"said#{CONVERSATION}#ab",
        f"allowance#{CONVERSATION}#sends",
    ]
    others = [f"reply#{ANOTHER_CONVERSATION}#7", f"once#{ANOTHER_CONVERSATION}#x#{CONVERSATION}#y", "token#wecom"]
    for key in (*theirs, *others):
        put_ledger(where, key)
    ledger = LedgerItems(where.client("dynamodb"), where.resources["Ledger"])

    found = ledger.find(CONVERSATION)
    ledger.delete(CONVERSATION, found)

    assert {item["key"]["S"] for item in found} == set(theirs)
    assert ledger.find(CONVERSATION) == []
    left = where.client("dynamodb").scan(TableName=where.resources["Ledger"])["Items"]
    assert {item["key"]["S"] for item in left} == set(others)


def put_attendance(where: Deployment, key: str) -> None:
    where.client("dynamodb").put_item(TableName=where.resources["Attendance"], Item={"conversation": {"S": key}})


def test_who_attends_to_a_person_and_what_they_do_themselves_is_found_and_deleted(where: Deployment):
    for key in (CONVERSATION, f"duty#{CONVERSATION}", ANOTHER_CONVERSATION, f"duty#{ANOTHER_CONVERSATION}"):
        put_attendance(where, key)
    items = AttendanceItems(where.client("dynamodb"), where.resources["Attendance"])

    found = items.find(CONVERSATION)
    items.delete(CONVERSATION, found)

    assert [item["conversation"]["S"] for item in found] == [CONVERSATION, f"duty#{CONVERSATION}"]
    assert items.find(CONVERSATION) == []
    assert len(items.find(ANOTHER_CONVERSATION)) == 2


def put_ticket(where: Deployment, conversation: str, number: str, state: str, **more: dict[str, str]) -> None:
    item = {"number": {"S": number}, "conversation": {"S": conversation}, "state": {"S": state}, **more}
    where.client("dynamodb").put_item(
        TableName=where.resources["Tickets"], Item={**item, "sealed": {"S": "s1.c0.AAAA"}, "version": {"N": "1"}}
    )


def tickets_of(where: Deployment) -> TicketItems:
    return TicketItems(where.client("dynamodb"), where.resources["Tickets"], clock=lambda: NOW)


def test_the_tickets_of_a_person_are_found_and_what_only_names_them_is_no_ticket(where: Deployment):
    put_ticket(where, CONVERSATION, "T20260921-0002", "open")
    put_ticket(where, CONVERSATION, "T20260921-0001", "closed", expires_at={"N": str(NOW)})
    put_ticket(where, ANOTHER_CONVERSATION, "T20260921-0003", "open")
    request = {"number": {"S": f"request#{CONVERSATION}#7"}, "conversation": {"S": CONVERSATION}}
    where.client("dynamodb").put_item(TableName=where.resources["Tickets"], Item=request)

    assert tickets_of(where).find(CONVERSATION) == [
        TicketItem("T20260921-0001", "s1.c0.AAAA", open=False),
        TicketItem("T20260921-0002", "s1.c0.AAAA", open=True),
    ]


def test_open_tickets_of_a_person_are_closed_and_nobody_is_offered_them(where: Deployment):
    offered = {"offer_shard": {"S": "1"}, "offer_at": {"N": str(NOW)}}
    put_ticket(where, CONVERSATION, "T20260921-0001", "open", **offered)
    put_ticket(where, CONVERSATION, "T20260921-0002", "closed", expires_at={"N": str(NOW)})
    tickets = tickets_of(where)

    assert tickets.close(tickets.find(CONVERSATION)) == 1

    assert not any(each.open for each in tickets.find(CONVERSATION))
    first, second = (
        where.client("dynamodb").get_item(TableName=where.resources["Tickets"], Key={"number": {"S": number}})["Item"]
        for number in ("T20260921-0001", "T20260921-0002")
    )
    assert not first.keys() & offered.keys()
    assert (first["state"]["S"], first["closed_at"]["N"], first["version"]["N"]) == ("closed", str(NOW), "2")
    assert int(first["expires_at"]["N"]) > NOW + 365 * 86_400
    assert second["version"]["N"] == "1", "what is closed stays as it is"


def test_a_ticket_that_is_gone_meanwhile_does_not_come_back(where: Deployment):
    tickets = tickets_of(where)

    tickets.close([TicketItem("T20260921-0009", "s1.c0.AAAA", open=True)])

    assert where.client("dynamodb").scan(TableName=where.resources["Tickets"])["Items"] == []


def test_more_items_than_one_page_are_found(where: Deployment):
    filler = "x" * 300_000  # four of them are more than the megabyte of a page
    for number in range(8):
        item = {"key": {"S": f"reply#{CONVERSATION}#{number}"}, "filler": {"S": filler}}
        where.client("dynamodb").put_item(TableName=where.resources["Ledger"], Item=item)
        item = {"conversation": {"S": CONVERSATION}, "session_id": {"S": str(number)}, "filler": {"S": filler}}
        where.client("dynamodb").put_item(TableName=where.resources["Sessions"], Item=item)

    assert len(LedgerItems(where.client("dynamodb"), where.resources["Ledger"]).find(CONVERSATION)) == 8
    assert len(SessionItems(where.client("dynamodb"), where.resources["Sessions"]).find(CONVERSATION)) == 8


def test_a_missing_table_is_a_misconfiguration(where: Deployment):
    with pytest.raises(MisconfiguredError):
        SessionItems(where.client("dynamodb"), "nowhere").find(CONVERSATION)


# -- archive ---------------------------------------------------------------------------------------------------------


def put_object(where: Deployment, key: str, document: Any) -> str:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = where.client("s3").put_object(Bucket=where.resources["ArchiveBucket"], Key=key, Body=body)
    version: str = answer["VersionId"]
    return version


def archive_of(where: Deployment) -> ArchiveObjects:
    return ArchiveObjects(where.client("s3"), where.resources["ArchiveBucket"])


def named(conversation: str, session_id: str) -> str:
    return f"{FOLDER}conversation={conversation}/{session_id}.json"


def test_a_name_tells_the_person_since_sealing(where: Deployment):
    name = archive_name(named(CONVERSATION, "7"))

    assert name
    assert (name.folder, name.conversation, name.session_id) == (FOLDER, CONVERSATION, "7")
    earlier = archive_name(f"{FOLDER}7.json")
    assert earlier
    assert (earlier.folder, earlier.conversation, earlier.session_id) == (FOLDER, "", "7")
    assert archive_name("sessions/readme.txt") is None


def test_every_version_of_a_persons_documents_is_found_and_deleted(where: Deployment):
    for key in (named(CONVERSATION, "1"), named(CONVERSATION, "1"), named(CONVERSATION, "2")):
        put_object(where, key, {})
    where.client("s3").delete_object(Bucket=where.resources["ArchiveBucket"], Key=named(CONVERSATION, "2"))
    put_object(where, named(ANOTHER_CONVERSATION, "1"), {})
    archive = archive_of(where)

    found = archive.find(CONVERSATION)
    archive.delete(CONVERSATION, found)

    assert [(each.key, each.marker) for each in sorted(found, key=lambda each: (each.key, each.marker))] == [
        (named(CONVERSATION, "1"), False),
        (named(CONVERSATION, "1"), False),
        (named(CONVERSATION, "2"), False),
        (named(CONVERSATION, "2"), True),
    ]
    assert [each.key for each in archive.versions()] == [named(ANOTHER_CONVERSATION, "1")]


def test_documents_under_the_names_of_a_release_before_are_found_by_what_they_say(where: Deployment):
    theirs, others = f"{FOLDER}1.json", f"{FOLDER}2.json"
    put_object(where, theirs, {"conversation": CONVERSATION, "version": 1})
    put_object(where, theirs, {"conversation": CONVERSATION, "version": 2})
    put_object(where, others, {"conversation": ANOTHER_CONVERSATION})
    put_object(where, f"{FOLDER}3.json", b"no document")
    put_object(where, f"{FOLDER}4.json", ["no object"])
    put_object(where, "sessions/readme.txt", {"conversation": CONVERSATION})
    where.client("s3").delete_object(Bucket=where.resources["ArchiveBucket"], Key=theirs)
    archive = archive_of(where)

    found = archive.find(CONVERSATION)
    archive.delete(CONVERSATION, found)

    assert [(each.key, each.marker) for each in found] == [(theirs, False), (theirs, False), (theirs, True)]
    assert theirs not in {each.key for each in archive.versions()}
    assert len(list(archive.versions())) == 4


def test_a_version_that_is_gone_reads_as_nothing(where: Deployment):
    version = put_object(where, named(CONVERSATION, "1"), {"v": 1})
    archive = archive_of(where)
    found = archive.find(CONVERSATION)
    assert archive.read(found[0]) == {"v": 1}

    archive.delete(CONVERSATION, found)

    assert archive.read(ObjectVersion(named(CONVERSATION, "1"), version)) is None


def test_a_refused_reading_is_no_absence(where: Deployment):
    with pytest.raises(MisconfiguredError):
        ArchiveObjects(where.client("s3"), "nowhere-at-all").read(ObjectVersion("sessions/x.json", "v"))


def test_nothing_to_delete_asks_nobody(where: Deployment):
    ArchiveObjects(where.client("s3"), "nowhere-at-all").delete(CONVERSATION, [])


def test_a_version_that_s3_does_not_delete_is_an_error():
    class Refusing:
        def delete_objects(self, **request: Any) -> dict[str, Any]:
            return {"Errors": [{"Key": each["Key"], "Code": "InternalError"} for each in request["Delete"]["Objects"]]}

    archive = ArchiveObjects(Refusing(), "bucket")  # type: ignore[arg-type]

    with pytest.raises(TransientError, match="2 versions were not deleted"):
        archive.delete(CONVERSATION, [ObjectVersion("a", "1"), ObjectVersion("a", "2")])


def test_more_versions_than_one_call_takes_are_deleted_in_several():
    class Counting:
        def __init__(self) -> None:
            self.sizes: list[int] = []

        def delete_objects(self, **request: Any) -> dict[str, Any]:
            self.sizes.append(len(request["Delete"]["Objects"]))
            return {}

    client = Counting()

    ArchiveObjects(client, "bucket").delete(CONVERSATION, [ObjectVersion("a", str(n)) for n in range(1001)])  # type: ignore[arg-type]

    assert client.sizes == [1000, 1]


# -- queues ----------------------------------------------------------------------------------------------------------


def letters_of(where: Deployment) -> DeadLetters:
    return DeadLetters(where.client("sqs"), where.resources["InboxDeadLetters"], wait_s=0)


def test_a_persons_dead_letters_are_found_and_deleted_and_others_stay_to_be_read(where: Deployment):
    for number in range(3):
        letter(where, CONVERSATION, f"a{number}")
    letter(where, ANOTHER_CONVERSATION, "b0")
    letters = letters_of(where)

    assert len(letters.find(CONVERSATION)) == 3
    assert len(letters.find(CONVERSATION)) == 3, "looking hides nothing"
    letters.delete(CONVERSATION, letters.find(CONVERSATION))

    assert letters.find(CONVERSATION) == []
    assert len(letters.find(ANOTHER_CONVERSATION)) == 1
    assert waiting(where.client("sqs"), where.resources["InboxDeadLetters"]) == 1


def test_letters_behind_those_that_can_be_seen_are_deleted_too(where: Deployment):
    for number in range(25):
        letter(where, CONVERSATION, f"a{number}")
    letters = letters_of(where)

    letters.delete(CONVERSATION, letters.find(CONVERSATION))

    assert waiting(where.client("sqs"), where.resources["InboxDeadLetters"]) == 0


def test_no_dead_letters_need_no_deleting():
    DeadLetters(object(), "nowhere").delete(CONVERSATION, [])  # type: ignore[arg-type]


def test_a_queue_that_shows_the_first_messages_again_has_been_read():
    class Short:
        """A queue whose messages are visible again at once."""

        def receive_message(self, **request: Any) -> dict[str, Any]:
            attributes = {"MessageGroupId": CONVERSATION}
            return {"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Attributes": attributes}]}

        def change_message_visibility(self, **request: Any) -> None:
            return None

    assert DeadLetters(Short(), "queue").find(CONVERSATION) == ["1"]  # type: ignore[arg-type]


def test_messages_in_somebodys_hands_are_waiting_too(where: Deployment):
    letter(where, CONVERSATION, "a", queue="Inbox")
    letter(where, ANOTHER_CONVERSATION, "b", queue="Inbox")
    where.client("sqs").receive_message(QueueUrl=where.resources["Inbox"], MaxNumberOfMessages=1)

    assert waiting(where.client("sqs"), where.resources["Inbox"]) == 2
