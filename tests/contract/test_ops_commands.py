"""Each command of the operator's, over a whole deployment in this process, as somebody types it."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from frontdesk.conversation.archiving import document, document_name
from frontdesk.conversation.auditing import Auditing
from frontdesk.protection import chain
from frontdesk.protection.identity import Pseudonyms
from frontdesk.protection.rules import packaged_text
from frontdesk.protection.sealing import Keyring
from frontdesk.protection.signing import SigningKey
from frontdesk.records import Duty, ReviewItem
from frontdesk.storage.allowance import DynamoAllowance
from frontdesk.storage.archive import S3Archive
from frontdesk.storage.attendances import DynamoAttendances
from frontdesk.storage.audit import DynamoAuditRecords
from frontdesk.storage.audit_export import S3AuditStore
from frontdesk.storage.duties import DynamoDuties
from frontdesk.storage.items import from_session, to_sealed_session
from frontdesk.storage.ledger import DynamoLedger
from frontdesk.storage.reviews import DynamoReviews
from frontdesk.storage.sessions import DynamoSessions
from frontdesk.storage.tickets import DynamoTickets
from ops.__main__ import main, open_desk
from ops.cli.frame import Wanted
from ops.desk import OPERATIONS, Deployment
from tests.contract.audit_in_memory import happening
from tests.contract.aws_in_memory import create_sessions
from tests.contract.desk_in_memory import (
    CONVERSATION_KEY,
    SIGNING_KEY,
    clients_in_memory,
    deployment,
    desk_of,
    letter,
)
from tests.factories import (
    ANOTHER_CONVERSATION,
    CORP_ID,
    KF_CUSTOMER,
    NOW,
    attendance,
    reply,
    session,
    ticket,
    turn,
)
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from click.testing import Result

    from ops.desk import Desk
    from tests.contract.desk_in_memory import Clients

USER_ID = "lin.mei"
CONVERSATION = Pseudonyms(CONVERSATION_KEY).conversation("wecom_app", CORP_ID, USER_ID)
SAID = "我的手机尾号是多少"
ANSWERED = "尾号是 1234"
OTHERS_WORDS = "别人说的话"
DAY_S = 86_400


class House:
    """The deployment, the people in it, and the shell of the operator."""

    def __init__(self, where: Deployment) -> None:
        self.where = where
        self.clock = FakeClock(NOW)
        self.sleep: Callable[[float], None] = self.clock.advance
        self.desk = desk_of(where, clock=self.clock)

    def run(self, *arguments: str) -> Result:
        # A desk a command, as in a shell.
        def opened(wanted: Wanted) -> Desk:
            return desk_of(self.where, clock=self.clock, by=wanted.by, sleep=self.sleep)

        return CliRunner().invoke(main, [*arguments, "--by", "chen.yu"], obj=opened, catch_exceptions=False)

    def facts(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        result = self.run(*arguments, "--json")
        assert result.exit_code == status, result.output
        facts: dict[str, Any] = json.loads(result.stdout)
        return facts

    def talk(self, conversation: str = CONVERSATION, *, question: str = SAID, answer: str = ANSWERED) -> None:
        """Have one talk kept everywhere: session, reply and audit, archive, dead letter."""
        dynamodb, seals = self.desk.dynamodb, self.desk.seals
        talked = session(
            conversation=conversation, customer=USER_ID, turns=(turn(question=question, answer=answer),), version=0
        )
        DynamoSessions(dynamodb, self.desk.resource("Sessions"), seals=seals).save(talked)
        ledger = DynamoLedger(
            dynamodb, self.desk.resource("Ledger"), seals=seals, audit=self.desk.audit, clock=self.clock
        )
        given = reply(conversation=conversation, question=question, segments=(answer,), message_ids=("7", "8"))
        ledger.record(given, [happening(1, kind="generated", before=question, after=answer)])
        ledger.repetitions(conversation, answer)
        sealed = to_sealed_session(from_session(talked, seals))
        archive = S3Archive(self.desk.s3, self.desk.resource("ArchiveBucket"))
        archive.put(document_name(sealed), document(sealed, archived_at=NOW + 600), version=1)
        letter(self.where, conversation, f"{conversation}-9")

    def hand_over(self, conversation: str = CONVERSATION, *, question: str = SAID) -> str:
        """Have one customer called a person for, and given a ticket, whose number is returned."""
        dynamodb, seals = self.desk.dynamodb, self.desk.seals
        attends = attendance(
            conversation=conversation, customer=USER_ID, state="person", agent="wang.qi", brief=question, due_at=NOW
        )
        DynamoAttendances(dynamodb, self.desk.resource("Attendance"), seals=seals, clock=self.clock).save(attends)
        DynamoAllowance(dynamodb, self.desk.resource("Ledger"), clock=self.clock).left(conversation, customer_at=NOW)
        return self.open_ticket(conversation, "7", question=question)

    def open_ticket(self, conversation: str, request_id: str, *, question: str = SAID, **since: Any) -> str:
        """Have a ticket opened, which has become ``since``; return its number."""
        tickets = DynamoTickets(self.desk.dynamodb, self.desk.resource("Tickets"), seals=self.desk.seals)
        asked = ticket(
            conversation=conversation, customer=USER_ID, question=question, request_id=request_id, offer_at=NOW
        )
        opened = tickets.open(asked, day="2026-09-21")
        if since:
            tickets.save(replace(opened, **since))
        return opened.number

    def leave_plain(self, conversation: str = CONVERSATION) -> str:
        """Put a document into the archive as a release before sealing did; return its name."""
        name = "sessions/dt=2026-08-01/channel=wecom_app/1785542400000-ab.json"
        body = {
            "schema": "frontdesk.session/1",
            "conversation": conversation,
            "session_id": "1785542400000-ab",
            "channel": "wecom_app",
            "customer": USER_ID,
            "version": 1,
            "turns": [{"question": "早先的话", "answer": "早先的答"}],
        }
        self.desk.s3.put_object(
            Bucket=self.desk.resource("ArchiveBucket"),
            Key=name,
            Body=json.dumps(body, ensure_ascii=False).encode(),
            Metadata={"version": "1"},
        )
        return name

    def acts(self, conversation: str = OPERATIONS) -> list[tuple[str, str, dict[str, str]]]:
        records = desk_of(self.where, clock=self.clock).audit.of(conversation)
        return [(each.kind, each.actor, dict(each.details)) for each in records if each.actor.startswith("operator:")]

    def everything(self) -> str:
        """Return all that is stored anywhere, as text."""
        found: list[object] = []
        for table in ("Sessions", "Ledger", "Attendance", "Tickets", "CustomerKeys", "Audit", "Reviews"):
            found += self.desk.dynamodb.scan(TableName=self.desk.resource(table))["Items"]
        for bucket in ("ArchiveBucket", "AuditBucket"):
            name = self.desk.resource(bucket)
            for each in self.desk.s3.list_object_versions(Bucket=name).get("Versions", []):
                answer = self.desk.s3.get_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
                found += [each["Key"], answer["Body"].read().decode()]
        return json.dumps(found, ensure_ascii=False, default=str)

    def export_audit(self) -> None:
        """Have the audit exported, a day later."""
        self.clock.advance(DAY_S + 3600)
        Auditing(
            records=DynamoAuditRecords(self.desk.dynamodb, self.desk.resource("Audit")),
            store=S3AuditStore(self.desk.s3, self.desk.resource("AuditBucket")),
            chain=chain,
            signer=SigningKey(SIGNING_KEY),
            clock=self.clock,
        ).export(time_left=lambda: 900.0)


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with clients_in_memory() as made:
        yield made


@pytest.fixture
def house(clients: Clients) -> Iterator[House]:
    with deployment(clients) as where:
        yield House(where)


# -- keys ------------------------------------------------------------------------------------------------------------


def test_keys_show_tells_ids_and_counts_and_no_key(house: House):
    house.talk()

    facts = house.facts("keys", "show")

    assert facts == {"current": "k1", "ids": ["k1"], "wrapped": {"k1": 1}, "lacking": []}
    assert house.run("keys", "show").output == "k1  1 data key  current\n"


def test_keys_under_a_ring_key_that_is_lost_are_found(house: House):
    house.talk()
    secret = house.desk.resource("KeyringSecret")
    value = {"current": "k2", "keys": {"k2": "0" * 32}}
    house.desk.client("secretsmanager").put_secret_value(
        SecretId=secret, SecretString=json.dumps({"SM4_KEYRING": value})
    )
    house.desk.key_store.remove_check("k1")

    result = house.run("keys", "show")

    assert (result.exit_code, result.stdout) == (1, "k2  0 data keys  current\nk1  1 data key  NOT IN THE RING\n")


def test_keys_are_rotated_re_sealed_and_retired_and_everything_still_opens(house: House, tmp_path: Path):
    house.talk()

    assert house.facts("keys", "rotate") == {"current": "k2"}
    letter(house.where, "wkAbCdEf0001", "n1", queue="Pulls")
    letter(house.where, CONVERSATION, "t1", queue="TicketQueue")
    sealed = house.facts("keys", "re-seal", "--keys-only")
    assert sealed["customers"] == {"wrapped_anew": 1, "already": 0}
    assert sealed["waiting"] == {"InboxDeadLetters": 1, "Pulls": 1, "TicketQueue": 1}
    refused = house.run("keys", "retire", "k1").stderr
    for queue in ("InboxDeadLetters", "Pulls", "TicketQueue"):
        assert f"{queue} has 1 message, which may be sealed under it" in refused
    assert house.facts("keys", "retire", "k1", "--force") == {"retired": "k1", "was_in_ring": True}

    assert house.facts("keys", "show")["ids"] == ["k2"]
    assert house.facts("export", "--customer", USER_ID, "--out", str(tmp_path / "x"))["unopened"] == []
    assert house.acts() == [
        ("rotated", "operator:chen.yu", {"ring_key": "k2"}),
        ("resealed", "operator:chen.yu", {"ring_key": "k2"}),
        ("retired", "operator:chen.yu", {"ring_key": "k1", "forced": "True"}),
    ]


def test_letters_that_wait_are_told_when_keys_are_re_sealed(house: House):
    letter(house.where, CONVERSATION, "t1", queue="TicketQueueDeadLetters")

    told = house.run("keys", "re-seal", "--keys-only").stdout

    assert "TicketQueueDeadLetters has 1 message, sealed as they came: keep the earlier keys until it is empty." in told


def test_a_key_that_was_taken_out_before_is_told_so(house: House):
    house.facts("keys", "rotate")
    house.facts("keys", "retire", "k1", "--force")

    assert house.run("keys", "retire", "k1").output == "k1 was out of the ring already.\n"


def test_rotation_writes_the_canonical_form(house: House):
    house.run("keys", "rotate")

    value = json.loads(house.desk.secret("KeyringSecret", "SM4_KEYRING"))
    assert (value["current"], list(value["keys"])) == ("k2", ["k1", "k2"])
    assert Keyring.read(value).ids == ("k1", "k2")


def test_a_plain_document_is_sealed_and_can_be_exported_from_its_new_place(house: House, tmp_path: Path):
    old = house.leave_plain()

    assert house.facts("keys", "re-seal")["documents"] == {"sealed": 1, "already": 0}
    assert house.facts("keys", "re-seal")["documents"] == {"sealed": 0, "already": 1}

    assert "早先的话" not in house.everything()
    assert old not in house.everything()
    house.facts("export", "--customer", USER_ID, "--out", str(tmp_path / "x"))
    (kept,) = json.loads((tmp_path / "x").read_text(encoding="utf-8"))["archive"]
    assert f"/conversation={CONVERSATION}/1785542400000-ab.json" in kept["kept_as"]
    assert (kept["customer"], kept["turns"]) == (USER_ID, [{"question": "早先的话", "answer": "早先的答"}])


def test_what_could_not_be_re_sealed_is_told(house: House):
    name = house.leave_plain()
    house.desk.s3.put_object(
        Bucket=house.desk.resource("ArchiveBucket"), Key=name, Body=b'{"schema": "frontdesk.session/1"}'
    )

    result = house.run("keys", "re-seal")

    assert result.exit_code == 1
    assert f"Not done: {name} (document_malformed)" in result.stdout


# -- audit -----------------------------------------------------------------------------------------------------------


def test_an_audit_that_nobody_touched_is_whole(house: House):
    house.talk()
    house.export_audit()

    assert house.run("audit", "verify").stdout == "The audit is whole.\n"
    assert house.facts("audit", "verify") == {"findings": []}


def test_an_altered_record_is_named_in_its_days_only(house: House):
    house.talk()
    house.export_audit()
    house.desk.dynamodb.update_item(
        TableName=house.desk.resource("Audit"),
        Key={"conversation": {"S": CONVERSATION}, "seq": {"N": "1"}},
        UpdateExpression="SET actor = :actor",
        ExpressionAttributeValues={":actor": {"S": "somebody else"}},
    )

    result = house.run("audit", "verify")

    assert result.exit_code == 1
    line = f"record_differs  day 2026-09-21  conversation {CONVERSATION}  number 1\n1 finding.\n"
    assert result.stdout == line
    for days, status in (
        (("--from", "2026-09-21", "--to", "2026-09-21"), 1),
        (("--from", "2026-09-22"), 0),
        (("--to", "2026-09-20"), 0),
    ):
        assert house.run("audit", "verify", *days).exit_code == status, days


def test_a_removed_object_is_named(house: House):
    house.talk()
    house.export_audit()
    bucket = house.desk.resource("AuditBucket")
    part = next(each for each in S3AuditStore(house.desk.s3, bucket).names("audit/") if "/part-" in each)
    house.desk.s3.delete_object(Bucket=bucket, Key=part)

    facts = house.facts("audit", "verify", status=1)

    assert ("part_missing", part) in [(each["what"], each["object"]) for each in facts["findings"]]
    assert part in house.run("audit", "verify").stdout


def test_an_audit_of_which_nothing_was_exported_is_not_whole(house: House):
    result = house.run("audit", "verify", "--from", "2026-09-22")

    assert (result.exit_code, result.stdout) == (1, "manifest_missing\n1 finding.\n")


def test_the_public_key_is_told_and_another_one_does_not_prove_anything(house: House):
    house.talk()
    house.export_audit()
    key = house.facts("audit", "public-key")["public_key"]
    assert key == SigningKey(SIGNING_KEY).public_key

    assert house.run("audit", "verify", "--public-key", key).exit_code == 0
    strange = SigningKey("1" * 64).public_key
    found = house.facts("audit", "verify", "--public-key", strange, status=1)["findings"]
    assert "signature_wrong" in {each["what"] for each in found}


def test_the_audit_is_verified_without_the_keyring(house: House):
    house.talk()
    house.export_audit()
    house.desk.client("secretsmanager").put_secret_value(
        SecretId=house.desk.resource("KeyringSecret"), SecretString="{}"
    )

    assert house.run("audit", "verify").exit_code == 0


def test_a_conversation_is_shown_with_its_words_and_that_is_recorded(house: House):
    house.talk()

    result = house.run("audit", "show", "--customer", USER_ID)

    assert result.exit_code == 0
    assert "1  2026-09-21 14:13:20  generated  rule:prices@7" in result.stdout
    assert f"    before: {SAID}\n    after: {ANSWERED}\n" in result.stdout
    assert "action=mask" in result.stdout
    assert house.acts(CONVERSATION) == [("shown", "operator:chen.yu", {"first": "1", "last": "1"})]


def test_one_record_is_shown_alone(house: House):
    house.talk()
    house.run("audit", "show", "--customer", USER_ID)

    facts = house.facts("audit", "show", "--conversation", CONVERSATION, "--seq", "2")

    assert [(each["seq"], each["kind"], each["before"]) for each in facts["records"]] == [(2, "shown", "")]


def test_a_record_without_words_and_details_is_one_line(house: House):
    house.desk.audit.append(CONVERSATION, [happening(1, before="", after="", details={}, about="")])

    result = house.run("audit", "show", "--customer", USER_ID)

    assert result.stdout == "1  2026-09-21 14:13:20  filtered  rule:prices@7\n"


def test_a_conversation_that_is_not_there_is_said_and_not_recorded(house: House):
    assert house.run("audit", "show", "--conversation", "a" * 32).exit_code == 1
    assert house.acts("a" * 32) == []


def test_words_that_do_not_open_are_said_to_be_so(house: House):
    house.talk()
    house.desk.dynamodb.update_item(
        TableName=house.desk.resource("Audit"),
        Key={"conversation": {"S": CONVERSATION}, "seq": {"N": "1"}},
        UpdateExpression="SET sealed = :sealed",
        ExpressionAttributeValues={":sealed": {"S": "s1.c000000000000.AAAA"}},
    )

    result = house.run("audit", "show", "--customer", USER_ID)

    assert result.exit_code == 1
    assert "(the words do not open: key c000000000000)" in result.stdout


# -- erase -----------------------------------------------------------------------------------------------------------


def test_an_erasure_only_lists_at_first(house: House):
    house.talk()
    house.hand_over()
    letter(house.where, CONVERSATION, "t1", queue="TicketQueueDeadLetters")
    before = house.everything()

    facts = house.facts("erase", "--customer", USER_ID)

    assert facts["found"] == {
        "sessions": 1,
        "ledger_items": 4,
        "attendance_items": 1,
        "archive_versions": 1,
        "dead_letters": 1,
        "ticket_dead_letters": 1,
        "tickets": 1,
        "tickets_readable": 1,
        "tickets_open": 1,
        "audit_records": 1,
        "audit_records_readable": 1,
        "erasure_begun": False,
        "keys_destroyed": [],
    }
    assert facts["erased"] is False
    assert house.everything() == before
    assert "--yes erases it" in house.run("erase", "--customer", USER_ID).stdout


def test_an_erased_person_is_gone_and_others_are_not(house: House, tmp_path: Path):
    house.talk()
    house.talk(ANOTHER_CONVERSATION, question=OTHERS_WORDS)
    house.leave_plain()

    facts = house.facts("erase", "--customer", USER_ID, "--yes")

    assert facts["deleted"] == {
        "sessions": 1,
        "ledger_items": 3,
        "attendance_items": 0,
        "archive_versions": 2,
        "dead_letters": 1,
        "ticket_dead_letters": 0,
    }
    assert len(facts["keys_destroyed"]) == 1
    assert house.clock.now == NOW + 150
    shown = house.run("audit", "show", "--customer", USER_ID)
    assert (shown.exit_code, "(the words were erased)" in shown.stdout, SAID in shown.stdout) == (0, True, False)
    assert "早先的话" not in house.everything()
    exported = tmp_path / "others"
    house.facts("export", "--conversation", ANOTHER_CONVERSATION, "--out", str(exported))
    others = json.loads(exported.read_text(encoding="utf-8"))
    assert (others["sessions"][0]["turns"][0]["question"], len(others["dead_letters"])) == (OTHERS_WORDS, 1)
    assert house.facts("erase", "--customer", USER_ID)["found"]["sessions"] == 0


def test_an_erasure_leaves_the_audit_whole(house: House):
    house.talk()
    house.run("erase", "--customer", USER_ID, "--yes")
    house.export_audit()

    assert house.run("audit", "verify").stdout == "The audit is whole.\n"
    assert [kind for kind, _, _ in house.acts(CONVERSATION)] == ["erased"]


def test_a_finished_erasure_tells_what_remains_and_a_second_one_finds_nothing(house: House):
    house.talk()

    result = house.run("erase", "--customer", USER_ID, "--yes")

    assert result.exit_code == 0
    assert "FastGPT has its own copy" in result.stdout
    assert "CustomerKeys can be restored" in result.stdout
    again = house.run("erase", "--customer", USER_ID, "--yes")
    assert "There is nothing to erase." in again.stdout
    assert [kind for kind, _, _ in house.acts(CONVERSATION)] == ["erased"]


def test_an_erasure_of_which_more_came_meanwhile_says_so(house: House):
    house.talk()

    def write_meanwhile(seconds: float) -> None:
        house.clock.advance(seconds)
        # A process that reads the fresh key now, while somebody writes again.
        writer = desk_of(house.where, clock=house.clock)
        writer.audit.append(CONVERSATION, [happening(5, after="又来了")])

    house.sleep = write_meanwhile
    result = house.run("erase", "--customer", USER_ID, "--yes")

    assert result.exit_code == 1
    assert "they have written again" in result.stdout


def test_a_begun_erasure_is_told(house: House):
    house.talk()
    house.desk.keeping.retire(CONVERSATION, NOW)

    assert "an erasure has begun and was broken off" in house.run("erase", "--customer", USER_ID).stdout


def test_an_erased_customer_attends_to_nobody_and_their_tickets_are_numbers_without_words(house: House):
    done = house.open_ticket(CONVERSATION, "1", state="answered", answer=ANSWERED, closed_at=NOW)
    waits = house.hand_over()
    others = house.hand_over(ANOTHER_CONVERSATION, question=OTHERS_WORDS)
    letter(house.where, CONVERSATION, "t1", queue="TicketQueueDeadLetters")

    facts = house.facts("erase", "--customer", USER_ID, "--yes")

    assert facts["deleted"]["attendance_items"] == 1
    assert facts["deleted"]["ticket_dead_letters"] == 1
    assert facts["now"]["tickets"] == 2
    assert facts["now"]["tickets_readable"] == 0
    assert facts["now"]["tickets_open"] == 0
    after = desk_of(house.where, clock=house.clock)
    assert after.attendances.get(CONVERSATION) is None
    assert [after.tickets.get(number) for number in (done, waits)] == [None, None]
    theirs = after.tickets.get(others)
    assert theirs
    assert (theirs.question, theirs.state) == (OTHERS_WORDS, "open")
    assert list(after.tickets.to_offer(by=NOW)) == [others], "nobody is offered the ticket of an erased customer"
    kept = after.dynamodb.get_item(TableName=after.resource("Tickets"), Key={"number": {"S": waits}})["Item"]
    assert (kept["state"]["S"], int(kept["expires_at"]["N"]) > NOW) == ("closed", True)
    assert after.attendances.get(ANOTHER_CONVERSATION)
    assert house.facts("erase", "--customer", USER_ID)["found"]["attendance_items"] == 0
    assert "There is nothing to erase." in house.run("erase", "--customer", USER_ID, "--yes").stdout


def test_words_in_a_ticket_alone_are_something_to_erase(house: House):
    number = house.open_ticket(CONVERSATION, "1", state="closed", closed_at=NOW)

    assert house.facts("erase", "--customer", USER_ID, "--yes")["erased"] is True
    assert desk_of(house.where, clock=house.clock).tickets.get(number) is None


def test_a_customer_of_customer_service_is_named_by_account_and_customer(house: House):
    person = Pseudonyms(CONVERSATION_KEY).conversation("wecom_kf", CORP_ID, KF_CUSTOMER)
    house.talk(person)
    house.talk()

    facts = house.facts("erase", "--channel", "wecom_kf", "--customer", KF_CUSTOMER, "--yes")

    assert facts["conversation"] == person
    assert facts["deleted"]["sessions"] == 1
    assert house.facts("erase", "--customer", USER_ID)["found"]["sessions"] == 1


# -- export ----------------------------------------------------------------------------------------------------------


def test_everything_of_a_person_is_in_one_file_that_only_its_owner_reads(house: House, tmp_path: Path):
    house.talk()
    number = house.hand_over()
    house.talk(ANOTHER_CONVERSATION, question=OTHERS_WORDS)
    house.hand_over(ANOTHER_CONVERSATION, question=OTHERS_WORDS)
    duties = DynamoDuties(house.desk.dynamodb, house.desk.resource("Attendance"), clock=house.clock)
    duties.set(Duty(CONVERSATION, "reply", "T20260921-0007", "m1", NOW * 1000))
    file = tmp_path / "lin.json"

    facts = house.facts("export", "--customer", USER_ID, "--out", str(file))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    written = json.loads(text)
    assert OTHERS_WORDS not in text
    assert written["sessions"][0]["turns"][0]["question"] == SAID
    assert written["replies"][0]["segments"] == [ANSWERED]
    assert written["archive"][0]["turns"][0]["answer"] == ANSWERED
    assert (written["audit"][0]["before"], written["audit"][0]["after"]) == (SAID, ANSWERED)
    assert len(written["other_ledger_items"]) == 3
    assert len(written["dead_letters"]) == 1
    assert (written["attendance"][0]["brief"], written["attendance"][0]["agent"]) == (SAID, "wang.qi")
    assert written["other_attendance_items"] == [f"duty#{CONVERSATION}"]
    assert (written["tickets"][0]["kept_as"], written["tickets"][0]["question"]) == (number, SAID)
    counts = {
        "sessions": 1,
        "replies": 1,
        "other_ledger_items": 3,
        "attendance": 1,
        "other_attendance_items": 1,
        "tickets": 1,
        "archive": 1,
        "dead_letters": 1,
        "ticket_dead_letters": 0,
        "audit": 1,
    }
    assert {name: facts[name] for name in counts} == counts
    assert house.acts(CONVERSATION) == [
        ("exported", "operator:chen.yu", {name: str(count) for name, count in counts.items()})
    ]


def test_an_export_overwrites_nothing(house: House, tmp_path: Path):
    house.talk()
    file = tmp_path / "lin.json"
    file.write_text("mine", encoding="utf-8")

    assert house.run("export", "--customer", USER_ID, "--out", str(file)).exit_code == 2
    assert file.read_text(encoding="utf-8") == "mine"
    assert house.acts(CONVERSATION) == []


def test_an_export_says_what_was_erased_and_what_does_not_open(house: House, tmp_path: Path):
    house.talk()
    number = house.hand_over()
    house.run("erase", "--customer", USER_ID, "--yes")
    house.talk()
    house.desk.dynamodb.update_item(
        TableName=house.desk.resource("Ledger"),
        Key={"key": {"S": f"reply#{CONVERSATION}#7"}},
        UpdateExpression="SET sealed = :sealed",
        ExpressionAttributeValues={":sealed": {"S": "s1.c000000000000.AAAA"}},
    )
    file = tmp_path / "lin.json"

    result = house.run("export", "--customer", USER_ID, "--out", str(file))

    assert result.exit_code == 1
    assert f"Does not open: reply#{CONVERSATION}#7 (key c000000000000)" in result.stdout
    written = json.loads(file.read_text(encoding="utf-8"))
    assert "erased" in written["audit"][0]
    assert [sorted(each) for each in written["tickets"]] == [["erased", "kept_as"]]
    assert written["tickets"][0]["kept_as"] == number
    assert written["audit"][0]["kind"] == "generated"
    assert written["replies"] == [{"kept_as": f"reply#{CONVERSATION}#7", "unopened": "c000000000000"}]


def test_what_was_never_sealed_is_exported_too(house: House, tmp_path: Path):
    house.leave_plain()

    house.facts("export", "--customer", USER_ID, "--out", str(tmp_path / "x"))

    (kept,) = json.loads((tmp_path / "x").read_text(encoding="utf-8"))["archive"]
    assert kept["turns"] == [{"question": "早先的话", "answer": "早先的答"}]


def test_a_failed_export_leaves_no_file(house: House, tmp_path: Path):
    house.talk()
    house.desk.dynamodb.delete_table(TableName=house.desk.resource("Sessions"))
    file = tmp_path / "lin.json"

    result = house.run("export", "--customer", USER_ID, "--out", str(file))

    assert (result.exit_code, file.exists()) == (1, False)
    create_sessions(house.desk.dynamodb)


# -- rules -----------------------------------------------------------------------------------------------------------

RULES = """
version: "{version}"
rules:
  - id: prices
    applies_to: [answer]
    action: block
    sentence: 这个问题请咨询我们的同事。
    keywords: [成本价, 底价]
"""


def rule_file(folder: Path, version: str = "2026-09-21.1", text: str = RULES) -> str:
    file = folder / f"{version}.yaml"
    file.write_text(text.replace("{version}", version), encoding="utf-8")
    return str(file)


def test_a_rule_file_is_checked_without_a_deployment(tmp_path: Path):
    result = CliRunner().invoke(main, ["rules", "check", rule_file(tmp_path)])

    assert result.exit_code == 0
    assert "version 2026-09-21.1, 1 rule (block 1), 2 keywords, 0 patterns" in result.output


@pytest.mark.parametrize("content", [b"rules: 7", "版本".encode("gb18030")])
def test_a_broken_rule_file_is_refused_with_its_problems(content: bytes, house: House, tmp_path: Path):
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)

    assert CliRunner().invoke(main, ["rules", "check", str(file)]).exit_code == 1
    facts = house.facts("rules", "put", str(file), status=1)

    assert facts["error"]["code"] == "rules_invalid"
    assert facts["error"]["problems"]
    assert house.acts() == []
    assert house.facts("rules", "show")["from"] == "package"


def test_rules_that_are_put_are_in_force_and_that_is_recorded(house: House, tmp_path: Path):
    file = rule_file(tmp_path)

    put = house.facts("rules", "put", file)
    shown = house.facts("rules", "show")

    assert (shown["version"], shown["from"], shown["version_id"]) == ("2026-09-21.1", "bucket", put["version_id"])
    assert (shown["actions"], shown["keywords"]) == ({"block": 1}, 2)
    kind, actor, details = house.acts()[0]
    assert (kind, actor, details["rules_version"]) == ("rules", "operator:chen.yu", "2026-09-21.1")
    assert details["sm3"] == chain.sm3((tmp_path / "2026-09-21.1.yaml").read_bytes())
    assert put["version_id"] in house.run("rules", "show").stdout


ANSWERS = """
version: 2026-11-28
answers:
  - id: returns
    questions: [怎么退货, 退货流程是什么]
    answer: 签收后七天内可以退货。
    approved_by: zhou.min
"""


def test_approved_answers_are_checked_put_and_shown_and_that_is_recorded(house: House, tmp_path: Path):
    file = tmp_path / "answers.yaml"
    file.write_text(ANSWERS, encoding="utf-8")
    assert house.run("answers", "show").stdout == "There are no approved answers.\n"
    checked = CliRunner().invoke(main, ["answers", "check", str(file)])
    assert "version 2026-11-28, 1 answer to 2 questions" in checked.output

    put = house.facts("answers", "put", str(file))
    shown = house.facts("answers", "show")

    assert (shown["version"], shown["version_id"], shown["approved_by"]) == (
        "2026-11-28",
        put["version_id"],
        ["zhou.min"],
    )
    kind, actor, details = house.acts()[0]
    assert (kind, actor, details["answers_version"]) == ("answers", "operator:chen.yu", "2026-11-28")
    assert details["sm3"] == chain.sm3(file.read_bytes())


@pytest.mark.parametrize("content", [b"answers: 7", "版本".encode("gb18030")])
def test_a_broken_file_of_answers_is_refused_and_shown_as_what_it_is(content: bytes, house: House, tmp_path: Path):
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)

    assert CliRunner().invoke(main, ["answers", "check", str(file)]).exit_code == 1
    facts = house.facts("answers", "put", str(file), status=1)
    assert facts["error"]["code"] == "answers_invalid"
    assert house.acts() == []

    house.desk.s3.put_object(Bucket=house.desk.resource("RulesBucket"), Key="answers/answers.yaml", Body=content)
    shown = house.facts("answers", "show", status=1)
    assert (shown["answers"], shown["version_id"]) == (0, "")
    assert shown["problems"]


def test_the_packaged_rules_are_shown_where_none_were_put(house: House):
    assert house.run("rules", "show").stdout.startswith("The packaged rules: version ")


@pytest.mark.parametrize(
    ("good_before", "broken", "in_reach"),
    [
        (True, 2, True),
        (False, 2, False),
        pytest.param(True, 25, False, id="the good one is further back than any looks"),
    ],
)
def test_broken_rules_in_the_bucket_are_shown_with_what_is_in_force_instead(
    house: House, tmp_path: Path, *, good_before: bool, broken: int, in_reach: bool
):
    bucket = house.desk.resource("RulesBucket")
    if good_before:
        house.run("rules", "put", rule_file(tmp_path))
    for _ in range(broken):
        house.desk.s3.put_object(Bucket=bucket, Key="rules/rules.yaml", Body=b"rules: 7")

    facts = house.facts("rules", "show", status=1)

    assert facts["from"] == ("earlier version" if in_reach else "package")
    assert facts["problems"]
    assert "cannot be used" in house.run("rules", "show").stdout
    assert (facts["version"] == "2026-09-21.1") is in_reach
    assert (facts["version"] in packaged_text()) is not in_reach


# -- review ----------------------------------------------------------------------------------------------------------


def open_item(house: House, seq: int = 1) -> None:
    found = ReviewItem(
        conversation=CONVERSATION,
        seq=seq,
        day="2026-09-21",
        rule_ids=("prices",),
        rules_version="2026-09-22.1",
        found_at=NOW + DAY_S,
    )
    DynamoReviews(house.desk.dynamodb, house.desk.resource("Reviews")).open(found)


def decide(*more: str) -> Sequence[str]:
    return ("review", "decide", "--customer", USER_ID, "--seq", "1", "--state", "upheld", "--note", "确有其事", *more)


def test_open_items_are_listed_without_words(house: House):
    house.talk()
    open_item(house)

    result = house.run("review", "list")

    assert result.stdout == (
        f"open  2026-09-21  --conversation {CONVERSATION} --seq 1  prices (2026-09-22.1)\n1 item.\n"
    )
    assert house.facts("review", "list")["items"][0]["rule_ids"] == ["prices"]
    assert house.facts("review", "list", "--state", "upheld") == {"items": []}


def test_an_item_is_shown_with_its_words_and_that_is_recorded(house: House):
    house.talk()
    open_item(house)

    result = house.run("review", "show", "--customer", USER_ID, "--seq", "1")

    assert result.exit_code == 0
    assert ANSWERED in result.stdout
    assert house.acts(CONVERSATION) == [("shown", "operator:chen.yu", {"first": "1", "last": "1"})]


def test_an_item_that_is_not_there_is_said(house: House):
    assert house.run("review", "show", "--customer", USER_ID, "--seq", "1").exit_code == 1
    assert house.run(*decide()).exit_code == 1
    assert house.acts(CONVERSATION) == []


def test_a_decision_is_kept_and_its_reason_only_sealed(house: House):
    house.talk()
    open_item(house)

    item = house.facts(*decide())["item"]

    assert (item["state"], item["decided_by"], item["decided_at"], item["note"]) == (
        "upheld",
        "operator:chen.yu",
        NOW,
        "",
    )
    kind, _, details = house.acts(CONVERSATION)[0]
    assert (kind, details) == ("reviewed", {"seq": "1", "state": "upheld", "rule_ids": "prices"})
    assert "确有其事" not in house.everything()
    assert "确有其事" in house.run("audit", "show", "--customer", USER_ID, "--seq", "2").stdout
    record = house.desk.audit.get(CONVERSATION, 2)
    assert record
    assert record.about == happening().about
    assert "upheld  2026-09-21" in house.run("review", "list", "--state", "upheld").stdout


def test_an_item_is_decided_once(house: House):
    house.talk()
    open_item(house)
    house.run(*decide())

    result = house.run(*decide())

    assert result.exit_code == 1
    assert "decided already" in result.stdout
    assert len(house.acts(CONVERSATION)) == 1


def test_a_decision_that_broke_off_after_its_record_is_finished_without_another(house: House):
    house.talk()
    open_item(house)
    details = {"seq": "1", "state": "upheld", "rule_ids": "prices"}
    house.desk.note("reviewed", CONVERSATION, after="确有其事", details=details)

    assert house.facts(*decide())["item"]["state"] == "upheld"
    assert len(house.acts(CONVERSATION)) == 1


class Overtaken:
    """A DynamoDB in which another person decides while the first one's decision is being recorded."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        DynamoReviews(self._client, self._table).decide(CONVERSATION, 1, "dismissed", by="operator:wu", at=NOW)
        return self._client.transact_write_items(**request)


def test_of_two_who_decide_at_once_one_is_told(house: House):
    house.talk()
    open_item(house)
    where = house.where
    dynamodb = Overtaken(where.client("dynamodb"), where.resources["Reviews"])
    house.where = Deployment(
        where.name, where.resources, lambda service: dynamodb if service == "dynamodb" else where.client(service)
    )

    assert house.facts(*decide(), status=1)["error"]["code"] == "review_conflict"


def test_an_item_whose_record_is_past_its_time_can_still_be_decided(house: House):
    open_item(house)

    assert house.run("review", "show", "--customer", USER_ID, "--seq", "1").exit_code == 1
    assert house.facts(*decide())["item"]["state"] == "upheld"


# -- what nobody may read --------------------------------------------------------------------------------------------


def test_no_command_tells_a_key_and_only_those_made_for_it_tell_words(house: House, tmp_path: Path):
    house.talk()
    house.leave_plain()
    open_item(house)
    person = ("--customer", USER_ID)
    told = {
        " ".join(arguments[:2]): house.run(*arguments).output + house.run(*arguments, "--json").output
        for arguments in (
            ("keys", "show"),
            ("keys", "rotate"),
            ("keys", "re-seal"),
            ("keys", "retire", "k1"),
            ("audit", "public-key"),
            ("audit", "show", *person),
            ("rules", "put", rule_file(tmp_path)),
            ("rules", "show"),
            ("review", "list"),
            ("review", "show", *person, "--seq", "1"),
            decide(),
            ("export", *person, "--out", str(tmp_path / "x")),
            ("erase", *person),
            ("erase", *person, "--yes"),
        )
    }
    ring = json.loads(house.desk.secret("KeyringSecret", "SM4_KEYRING"))

    with_words = {name for name, text in told.items() if SAID in text or ANSWERED in text}
    assert with_words == {"audit show", "review show"}
    everything = "".join(told.values()).lower()
    for secret in (*ring["keys"].values(), SIGNING_KEY, CONVERSATION_KEY):
        assert secret.lower() not in everything
    assert "早先的话" not in everything
    assert "确有其事" not in everything


# -- the program -----------------------------------------------------------------------------------------------------


def test_the_program_opens_the_local_run_that_is_described(tmp_path: Path):
    described = {"aws_endpoint_url": "http://127.0.0.1:4690", "stack": "frontdesk", "resources": {"Audit": "a"}}
    (tmp_path / "stack.json").write_text(json.dumps(described), encoding="utf-8")

    desk = open_desk(Wanted("", tmp_path, "chen.yu"))

    assert (desk.resource("Audit"), desk.by) == ("a", "chen.yu")
    desk.say("told at once")


def test_a_stack_that_nobody_sees_is_no_success():
    result = CliRunner().invoke(main, ["keys", "show", "--local", "--local-folder", "/nowhere"], obj=open_desk)

    assert result.exit_code == 1
    assert "make run" in result.stderr


def test_every_command_has_the_options_that_all_have():
    for group in main.commands.values():
        commands = group.commands.values() if hasattr(group, "commands") else [group]
        for command in commands:
            options = {option for parameter in command.params for option in parameter.opts}
            assert "--json" in options, command.name
            if command.name != "check":
                assert {"--stack", "--local", "--by"} <= options, command.name
            assert command.help, command.name
