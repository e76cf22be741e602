"""All functions as they are deployed, in one process, with an ear on everything that can leave it.

Composed by the real composition over AWS on a socket, the simulated vendors and a ticket system. What is heard: log
lines of every logger as Lambda shows them, standard output and error, the errors that were made and those that ended a
function, its answers, each request to AWS and to a vendor; and what is stored and queued at the end.
"""

from __future__ import annotations

import io
import json
import logging
import time
import traceback
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
from botocore.config import Config

from frontdesk import bootstrap, telemetry
from frontdesk.errors import FrontdeskError
from frontdesk.protection import chain
from frontdesk.protection.customer_keys import CustomerKeys
from frontdesk.protection.identity import Pseudonyms
from frontdesk.protection.sealing import Keyring
from frontdesk.records import Happening
from frontdesk.storage.audit import DynamoAudit
from frontdesk.storage.customer_keys import DynamoCustomerKeys
from functions.archiver import handler as archiver
from functions.archiver import stream as rescuer
from functions.auditor import handler as auditor
from functions.auditor import review as reviewer
from functions.callback import handler as callback
from functions.collector import handler as collector
from functions.collector import sweep as sweeper
from functions.doctor import handler as doctor
from functions.responder import handler as responder
from functions.tickets import handler as tickets
from tests import vendor_side
from tests.contract.audit_in_memory import AUDIT, create_audit
from tests.contract.aws_in_memory import (
    ACCOUNTS,
    ATTENDANCE,
    CUSTOMER_KEYS,
    LEDGER,
    SESSIONS,
    TICKETS,
    create_accounts,
    create_attendance,
    create_customer_keys,
    create_ledger,
    create_sessions,
    create_tickets,
)
from tests.factories import AGENT_ID, CHANNEL, CORP_ID, KF_CHANNEL, gateway_event
from tests.integration import marks
from tests.integration.marks import Find, Mark, Sort, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pytest

    from tests.integration.aws_over_http import AwsCall, AwsOverHttp
    from tests.integration.vendors_over_http import VendorCall, Vendors

REVIEWS, ARCHIVE, AUDIT_BUCKET, RULES = "frontdesk-reviews", "archive", "audit", "rules"
TABLES = (SESSIONS, LEDGER, CUSTOMER_KEYS, AUDIT, REVIEWS, ACCOUNTS, ATTENDANCE, TICKETS)
BUCKETS = (ARCHIVE, AUDIT_BUCKET, RULES)
INBOX, PULLS, TICKET_QUEUE = "inbox", "pulls", "tickets"
QUEUES = (INBOX, PULLS, TICKET_QUEUE)
MAX_RECEIVES = 5
AGENTS = (marks.AGENT, marks.OTHER_AGENT)
_MOST_ROUNDS = 12
_DAYS_AGO_S = 2 * 86_400  # yesterday may not be over yet: a day is for an hour longer
_OWN = "the-tests-own-client"
APP_ID, LITE_APP_ID = "66f2a9c41d7e3b5508c6e1a4", "66f2a9c41d7e3b5508c6e1c2"
SECRETS: Mapping[str, Mapping[str, object]] = {
    "wecom": {
        "WECOM_SECRET": marks.WECOM_SECRET,
        "WECOM_TOKEN": marks.WECOM_TOKEN,
        "WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY,
        "WECOM_KF_SECRET": marks.KF_SECRET,
        "WECOM_KF_TOKEN": marks.KF_TOKEN,
        "WECOM_KF_ENCODING_AES_KEY": marks.KF_ENCODING_AES_KEY,
    },
    "identity": {"CONVERSATION_KEY": marks.CONVERSATION_KEY},
    "fastgpt": {"FASTGPT_API_KEY": marks.FASTGPT_KEY, "FASTGPT_LITE_API_KEY": marks.FASTGPT_LITE_KEY},
    "keyring": {"SM4_KEYRING": {"current": "k2", "keys": marks.KEYRING}},
    "audit": {"SM2_PRIVATE_KEY": marks.SM2_KEY},
    "ticket": {"TICKET_WEBHOOK_SECRET": marks.TICKET_SECRET},
}
COMPOSED = (
    bootstrap.reception,
    bootstrap.collector,
    bootstrap.sweeper,
    bootstrap.responder,
    bootstrap.tickets,
    bootstrap.archiver,
    bootstrap.rescuer,
    bootstrap.auditor,
    bootstrap.reviewer,
)
_SENTENCES = {
    "WELCOME_TEXT": "您好",
    "INTERIM_TEXT": "请稍候",
    "FALLBACK_TEXT": "抱歉，暂时无法回答",
    "UNSUPPORTED_TEXT": "请用文字描述",
    "RESET_TEXT": "重新开始",
}
RULES_FILE = """
version: "2026-11-22.9"
rules:
  - {id: never-asked, applies_to: [question], action: block, sentence: 这个不能回答。, keywords: [禁忌话题甲]}
  - {id: never-said, applies_to: [answer], action: block, sentence: 这个不能说。, keywords: [禁忌话题乙]}
  - {id: unreadable, applies_to: [question, answer], action: mask, keywords: [琥珀遮盖]}
  - {id: a-person, applies_to: [question, answer], action: handoff, sentence: 马上转给同事。, keywords: [人工丙]}
  - {id: noted, applies_to: [question, answer], action: tag, keywords: [留意丁]}
"""

# The only places where a mark belongs, and why. Everywhere else none may be found.
_AUTHORISED = (
    *("message/send", "message/update_template_card"),
    *("kf/sync_msg", "kf/send_msg", "kf/send_msg_on_event", "kf/service_state/get", "kf/service_state/trans"),
    *("kf/servicer/list", "kf/customer/batchget", "kf/account/list", "agent/get", "user/get"),
)
_PERSONAL = frozenset(mark.name for mark in marks.PERSONAL)
_STAFF = frozenset(mark.name for mark in marks.STAFF)
_SAID = frozenset({"the customer's words", "the model's words", "an agent's line", "a link"})
ALLOWED: Mapping[str, tuple[frozenset[str], str]] = {
    "WeCom gettoken query": (
        frozenset({"WeCom Secret", "Secret of 微信客服"}),
        "WeCom wants the Secret in the address of this one call (path 91039)",
    ),
    **{
        f"WeCom {call} query": (
            frozenset({"access token"}),
            "WeCom wants the access token in the address (path 90236)",
        )
        for call in _AUTHORISED
    },
    "WeCom user/get query": (
        frozenset({"access token", *_STAFF}),
        "WeCom is asked whether it shows the application each of the people who take over (path 90196)",
    ),
    "answer of the doctor": (_STAFF, "it names those of `HANDOFF_AGENTS` whom the application cannot reach"),
    "WeCom message/send body": (
        frozenset({"user id", "a nickname", "a summary", "the answer to a ticket", *_SAID, *_PERSONAL, *_STAFF}),
        "the answer goes to the customer who gave the data, by their user id; the brief goes to the person in charge",
    ),
    "WeCom message/update_template_card body": (
        frozenset({"response code", *_STAFF}),
        "the code is for changing the card, and the card says who took the customer or the ticket (path 94888)",
    ),
    "WeCom kf/sync_msg body": (frozenset({"sync token"}), "this is what the token is for (path 94670)"),
    "WeCom kf/send_msg body": (
        frozenset({"external user id", "the answer to a ticket", *_SAID, *_PERSONAL}),
        "the answer goes to the customer who gave the data, by their external user id",
    ),
    "WeCom kf/send_msg_on_event body": (
        frozenset({"welcome code", "message code"}),
        "this is what the codes are for (path 95122)",
    ),
    "WeCom kf/service_state/get body": (frozenset({"external user id"}), "it is asked whose the customer is"),
    "WeCom kf/service_state/trans body": (
        frozenset({"external user id", *_STAFF}),
        "the customer is given to a person",
    ),
    "WeCom kf/customer/batchget body": (frozenset({"external user id"}), "the customer's nickname is asked for"),
    "FastGPT authorization": (
        frozenset({"FastGPT key", "FastGPT key of the light app"}),
        "this is what the keys are for",
    ),
    "FastGPT body": (
        frozenset({"the customer's words", "the model's words", "an agent's line"}),
        "the masked question, the choice taken of those it offered, the masked talk with a person: no personal data",
    ),
    "ticket system body": (
        frozenset({"a summary", "the answer to a ticket", *_SAID, *_PERSONAL, *_STAFF}),
        "the company's own system holds what the ticket is about and who works on it, never whose it is",
    ),
    "answer of the callback": (
        frozenset({"the URL check's echo"}),
        "WeCom's check of the address wants its own random text back (path 90930)",
    ),
    # The user ids of people of the company, whom HANDOFF_AGENTS names to everybody who can read the template's
    # parameters. A customer's never stand in any of these.
    f"table {ATTENDANCE}": (
        frozenset({"response code", *_STAFF}),
        "who attends decides who may write to the customer (`Attendance.agent`); a duty's code can only close one card",
    ),
    f"table {TICKETS}": (_STAFF, "who works on a ticket (`Ticket.assignee`)"),
    f"table {AUDIT}": (_STAFF, "who acted (`person:<user id>`) has to stand in the chain that anybody can check"),
    f"bucket {AUDIT_BUCKET}": (_STAFF, "the export is of the audit"),
    "request to dynamodb": (frozenset({"response code", *_STAFF}), "it is how the tables got what they may hold"),
    "request to s3": (_STAFF, "it is how the buckets got what they may hold"),
}


@dataclass
class Heard:
    """What has left the process, by place."""

    out: list[tuple[str, bytes]] = field(default_factory=list)

    def hear(self, place: str, data: bytes | str) -> None:
        """Note ``data`` at ``place``."""
        self.out.append((place, data.encode(errors="surrogatepass") if isinstance(data, str) else data))

    def finds(self, known: Iterable[Mark]) -> list[Find]:
        """Return every mark that is where it does not belong."""
        known = list(known)
        places: dict[str, list[bytes]] = {}
        for place, data in self.out:
            places.setdefault(place, []).append(data)
        return [
            find
            for place, pieces in places.items()
            for find in look(place, b"\n".join(pieces), known)
            if find.mark not in ALLOWED.get(place, (frozenset[str](), ""))[0]
        ]


class Context:
    """What Lambda tells a function about its time."""

    function_name = "frontdesk"

    def __init__(self, remaining_s: float) -> None:
        self._until = time.monotonic() + remaining_s

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left."""
        return int((self._until - time.monotonic()) * 1000)


class WatchedDesk:
    """The deployment."""

    def __init__(self, aws: AwsOverHttp, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.vendors = aws, vendors
        self.heard = Heard()
        self.printed: Callable[[], tuple[str, str]] = lambda: ("", "")
        self.app = vendor_side.App(token=marks.WECOM_TOKEN, encoding_aes_key=marks.ENCODING_AES_KEY)
        self.kf_callback = vendor_side.App(token=marks.KF_TOKEN, encoding_aes_key=marks.KF_ENCODING_AES_KEY)
        self._monkeypatch = monkeypatch
        # The clients that the test itself looks with ask once and wait for long.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=30, user_agent_extra=_OWN)
        self._clients = {
            name: boto3.client(name, endpoint_url=aws.url, config=config)  # type: ignore[call-overload]
            for name in ("dynamodb", "s3", "sqs", "secretsmanager")
        }
        self._message_id = int(time.time() * 1_000_000) * 100
        self._dues = self._moments = 0
        # An account of its own: what was received before stays in its log for three days.
        self.account = f"wk{self._message_id}"

    def client(self, name: str) -> Any:
        """Return a client of the test's own, past all ears."""
        return self._clients[name]

    def queue_url(self, queue: str) -> str:
        """Return the address of one of the `QUEUES`."""
        return f"{self.aws.url}/123456789012/{queue}.fifo"

    # -- making ------------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Make what the template makes."""
        s3, sqs = self.client("s3"), self.client("sqs")
        self.create_tables()
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for queue in QUEUES:
            sqs.create_queue(QueueName=f"{queue}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"})
        s3.put_object(Bucket=RULES, Key="rules/rules.yaml", Body=RULES_FILE.encode())
        for name, values in SECRETS.items():
            self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(values))

    def create_tables(self) -> None:
        """Make the tables, empty."""
        dynamodb = self.client("dynamodb")
        create_sessions(dynamodb)
        create_ledger(dynamodb)
        create_customer_keys(dynamodb)
        create_accounts(dynamodb)
        create_attendance(dynamodb)
        create_tickets(dynamodb)
        create_audit(dynamodb)
        dynamodb.create_table(
            TableName=REVIEWS,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": kind}
                for name, kind in (("conversation", "S"), ("seq", "N"), ("state", "S"), ("found_at", "N"))
            ],
            KeySchema=[
                {"AttributeName": "conversation", "KeyType": "HASH"},
                {"AttributeName": "seq", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "state",
                    "KeySchema": [
                        {"AttributeName": "state", "KeyType": "HASH"},
                        {"AttributeName": "found_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
        )

    def empty(self) -> None:
        """Throw away what a test has stored, but for the export of the audit and the rules."""
        for table in TABLES:
            self.client("dynamodb").delete_table(TableName=table)
        self.create_tables()
        self.remove(ARCHIVE, "")
        self.remove(AUDIT_BUCKET, "reviews/")
        for queue in QUEUES:
            self.waiting(queue)
        for name, values in SECRETS.items():
            self.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(values))
        for composed in COMPOSED:
            composed.cache_clear()

    def remove(self, bucket: str, prefix: str) -> None:
        """Remove every version of the objects whose names begin so."""
        s3 = self.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Versions", []):
                s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])

    def settings(self) -> dict[str, str]:
        """Return the environment of all functions together."""
        arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
        return {
            "AWS_ENDPOINT_URL": self.aws.url,
            "WECOM_CORP_ID": CORP_ID,
            "WECOM_AGENT_ID": str(AGENT_ID),
            "WECOM_API_BASE": f"{self.vendors.url}/wecom",
            "FASTGPT_BASE_URL": f"{self.vendors.url}/fastgpt/api",
            "FASTGPT_APP_ID": APP_ID,
            "FASTGPT_LITE_APP_ID": LITE_APP_ID,
            **{f"{name.upper()}_SECRET_ARN": f"{arn}{name}" for name in SECRETS},
            "INBOX_URL": self.queue_url(INBOX),
            "INBOX_MAX_RECEIVES": str(MAX_RECEIVES),
            "PULLS_URL": self.queue_url(PULLS),
            "PULLS_MAX_RECEIVES": str(MAX_RECEIVES),
            "TICKETS_URL": self.queue_url(TICKET_QUEUE),
            "TICKETS_MAX_RECEIVES": str(MAX_RECEIVES),
            "SESSIONS_TABLE": SESSIONS,
            "SESSIONS_IDLE_INDEX": "idle",
            "LEDGER_TABLE": LEDGER,
            "CUSTOMER_KEYS_TABLE": CUSTOMER_KEYS,
            "ACCOUNTS_TABLE": ACCOUNTS,
            "ATTENDANCE_TABLE": ATTENDANCE,
            "ATTENDANCE_DUE_INDEX": "due",
            "TICKETS_TABLE": TICKETS,
            "TICKETS_OFFER_INDEX": "offer",
            "TICKET_WEBHOOK_URL": f"{self.vendors.url}/tickets/hook",
            "AUDIT_TABLE": AUDIT,
            "AUDIT_DAY_INDEX": "day",
            "AUDIT_BUCKET": AUDIT_BUCKET,
            "AUDIT_RETENTION_DAYS": "180",
            "REVIEWS_TABLE": REVIEWS,
            "REVIEW_SAMPLE_PERCENT": "100",
            "RULES_BUCKET": RULES,
            "ARCHIVE_BUCKET": ARCHIVE,
            "SESSION_TTL_SECONDS": "900",
            "SESSION_IDLE_SECONDS": "600",
            "INTERIM_AFTER_SECONDS": "0",
            "HANDOFF_THRESHOLD": "0.8",
            # Without "repeated": a test may have a customer ask the same thing again.
            "HANDOFF_TRIGGERS": "asked,confidence,intent,anger,rule,failed",
            "HANDOFF_AGENTS": "|".join(AGENTS),
            "HANDOFF_TIMEOUT_SECONDS": "180",
            "KF_HANDOFF_TO": "servicer",
            "BUSINESS_HOURS": "",
            "SATISFACTION_CHANNELS": "wecom_kf",
            **_SENTENCES,
        }

    def compose(self, **differently: str) -> None:
        """Let every function be built anew, with a setting or two changed."""
        for name, value in {**self.settings(), **differently}.items():
            self._monkeypatch.setenv(name, value)
        for composed in COMPOSED:
            composed.cache_clear()

    def close_circuits(self) -> None:
        """Forget what any instance has learnt of the model's endpoints; the functions are built anew."""
        for item in self.items(LEDGER):
            if item["key"]["S"].startswith("circuit#"):
                self.client("dynamodb").delete_item(TableName=LEDGER, Key={"key": item["key"]})
        self.compose()

    def change_secret(self, name: str, **values: object) -> None:
        """Put other values into a secret; the functions are built anew."""
        text = json.dumps({**SECRETS[name], **values})
        self.client("secretsmanager").put_secret_value(SecretId=name, SecretString=text)
        self.compose()

    # -- running -----------------------------------------------------------------------------------------------------

    def customer(self, name: str) -> str:
        """Return a user id with the mark in it, known to WeCom."""
        userid = f"{marks.USER_ID}-{name}"
        self.vendors.script("/wecom/_control/members", {"userid": userid})
        return userid

    def conversation(self, customer: str) -> str:
        """Return the digest that stands for ``customer``."""
        return Pseudonyms(marks.CONVERSATION_KEY).conversation(CHANNEL, CORP_ID, customer)

    def kf_customer(self, name: str) -> str:
        """Return an external user id with the mark in it, known to WeCom by a marked nickname."""
        customer = f"{marks.EXTERNAL_USERID}-{name}"
        self.vendors.kf("customers", external_userid=customer, nickname=marks.NICKNAME)
        return customer

    def kf_conversation(self, customer: str) -> str:
        """Return the digest that stands for a customer of the desk's own account."""
        address = f"{self.account}:{customer}"
        return Pseudonyms(marks.CONVERSATION_KEY).conversation(KF_CHANNEL, CORP_ID, address)

    def run(self, place: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function answers, or the exception that ended it; either is heard."""
        try:
            answer = function(*arguments)
        except Exception as error:  # noqa: BLE001  # whatever it is, Lambda would print it
            self.heard.hear(f"end of the {place}", "".join(traceback.format_exception(error)))
            return error
        self.heard.hear(f"answer of the {place}", json.dumps(answer, ensure_ascii=False, default=repr))
        return answer

    def hand_over(self, query: str, body: bytes, *, method: str = "POST") -> Any:
        """Return the callback's answer to a request."""
        event = gateway_event(method, query=query, body=body.decode(), at_ms=int(time.time() * 1000))
        return self.run("callback", callback.lambda_handler, event, None)

    def says(self, customer: str, text: str, **fields: str | None) -> Any:
        """Let a customer write; return the callback's answer."""
        self._message_id += 1
        given: dict[str, str | None] = {"MsgId": str(self._message_id), "FromUserName": customer, "Content": text}
        now = str(int(time.time()))
        message = vendor_side.message_xml(**{**given, "CreateTime": now, **fields})
        return self.hand_over(*self.app.post(message, timestamp=now))

    def presses(self, member: str, key: str) -> Any:
        """Let a member press a button of a card before them; return the callback's answer."""
        task_id, code = self.vendors.card(member, key)
        return self.pressed(member, key, TaskId=task_id, ResponseCode=code)

    def pressed(self, member: str, key: str, **card: str) -> Any:
        """Let it be told that a member pressed a button, of whatever card; return the callback's answer."""
        now = str(int(time.time()))
        event = vendor_side.card_event_xml(FromUserName=member, CreateTime=now, EventKey=key, **card)
        return self.hand_over(*self.app.post(event, timestamp=now))

    def writes(self, customer: str, text: str, **message: Any) -> str:
        """Let a customer of 微信客服 write, without a word to the callback; return the message's id.

        Each time a second later: what was sent to a customer within the second of a message counts as sent after it.
        """
        self._moments += 1
        at = int(time.time()) + self._moments
        path, given = f"customers/{customer}/messages", {"open_kfid": self.account, "content": text, "send_time": at}
        written = self.vendors.kf(path, notify=False, **{**given, **message})
        return str(written["msgid"])

    def notified(self, **fields: str | None) -> Any:
        """Let WeCom tell that the account has news; return the callback's answer."""
        now = str(int(time.time()))
        token = self.vendors.notice_token(self.account)
        told = {"CreateTime": now, "Token": token, "OpenKfId": self.account, **fields}
        return self.hand_over(*self.kf_callback.post(vendor_side.kf_notice_xml(**told), timestamp=now))

    def waiting(self, queue: str = INBOX) -> list[dict[str, Any]]:
        """Take what is in a queue, as records of the event that its function gets."""
        records = []
        while True:
            answer = self.client("sqs").receive_message(
                QueueUrl=self.queue_url(queue),
                MaxNumberOfMessages=10,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return records
            for message in answer["Messages"]:
                self.heard.hear(f"queue {queue}", json.dumps(message))
                self.client("sqs").delete_message(
                    QueueUrl=self.queue_url(queue), ReceiptHandle=message["ReceiptHandle"]
                )
                records.append(
                    {
                        "messageId": message["MessageId"],
                        "receiptHandle": message["ReceiptHandle"],
                        "body": message["Body"],
                        "attributes": {**message["Attributes"], "ApproximateReceiveCount": "1"},
                    }
                )

    def respond(self, records: list[dict[str, Any]], *, attempt: int = 1, remaining_s: float = 120.0) -> Any:
        """Return the responder's answer to a batch."""
        return self._take("responder", responder.lambda_handler, records, attempt, remaining_s)

    def collect(self, records: list[dict[str, Any]], *, attempt: int = 1, remaining_s: float = 60.0) -> Any:
        """Return the collector's answer to a batch."""
        return self._take("collector", collector.lambda_handler, records, attempt, remaining_s)

    def see_to(self, records: list[dict[str, Any]], *, attempt: int = 1, remaining_s: float = 60.0) -> Any:
        """Return the tickets function's answer to a batch."""
        return self._take("tickets function", tickets.lambda_handler, records, attempt, remaining_s)

    def answers(self, customer: str, text: str, **options: Any) -> Any:
        """Let a customer write and the responder answer; return the responder's answer."""
        assert self.says(customer, text)["statusCode"] == 200
        return self.respond(self.waiting(), **options)

    def settle(self) -> None:
        """Let the functions work until nothing waits in any queue; what fails is not handed out again."""
        by_queue = {PULLS: self.collect, INBOX: self.respond, TICKET_QUEUE: self.see_to}
        for _ in range(_MOST_ROUNDS):
            waiting = {queue: records for queue in by_queue if (records := self.waiting(queue))}
            if not waiting:
                return
            for queue, records in waiting.items():
                for start in range(0, len(records), 10):
                    by_queue[queue](records[start : start + 10])
        raise AssertionError("the queues never got empty")

    def wake(self) -> Any:
        """Run the sweep over what nobody calls for."""
        return self.run("sweep", sweeper.lambda_handler, {}, Context(60))

    def forget_tokens(self) -> None:
        """Let no access token be shared, and nobody be fetching one."""
        for item in self.items(LEDGER):
            if item["key"]["S"].startswith("token#"):
                self.client("dynamodb").delete_item(TableName=LEDGER, Key={"key": item["key"]})

    def make_due(self, conversation: str) -> None:
        """Let what is waited for in a conversation be due now; each time at a moment of its own."""
        self._dues += 1
        item = next(each for each in self.items(ATTENDANCE) if each["conversation"]["S"] == conversation)
        earlier = int(time.time()) - 60 + self._dues
        self.client("dynamodb").put_item(TableName=ATTENDANCE, Item={**item, "due_at": {"N": str(earlier)}})

    def _take(
        self,
        place: str,
        function: Callable[..., Any],
        records: list[dict[str, Any]],
        attempt: int,
        remaining_s: float,
    ) -> Any:
        for record in records:
            record["attributes"]["ApproximateReceiveCount"] = str(attempt)
        return self.run(place, function, {"Records": records}, Context(remaining_s))

    def examine(self, *, ask: bool = False) -> Any:
        """Return what the doctor's function finds."""
        return self.run("doctor", doctor.lambda_handler, {"ask": ask}, Context(60))

    def sweep(self) -> Any:
        """Run the archiver."""
        return self.run("archiver", archiver.lambda_handler, {}, Context(60))

    def rescue(self, image: Mapping[str, Any]) -> Any:
        """Hand a removed item to the reader of the table's stream."""
        removed = {
            "eventName": "REMOVE",
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "dynamodb": {"SequenceNumber": "1", "OldImage": image},
        }
        return self.run("rescuer", rescuer.lambda_handler, {"Records": [removed]}, Context(60))

    def happened_before(self, conversation: str, **happening: str) -> None:
        """Let the audit have kept something on a day that is over, as the responder keeps it."""
        keyring, dynamodb = Keyring.read(SECRETS["keyring"]["SM4_KEYRING"]), self.client("dynamodb")
        store = DynamoCustomerKeys(dynamodb, CUSTOMER_KEYS)
        audit = DynamoAudit(
            dynamodb,
            AUDIT,
            seals=CustomerKeys(keyring=keyring, store=store, clock=time.monotonic),
            chain=chain,
            clock=lambda: time.time() - _DAYS_AGO_S,
        )
        at_ms = int((time.time() - _DAYS_AGO_S) * 1000)
        audit.append(conversation, [Happening(at_ms=at_ms, about="7011", **happening)])  # type: ignore[arg-type]

    def export(self) -> Any:
        """Run the auditor."""
        return self.run("auditor", auditor.lambda_handler, {}, Context(900))

    def review(self) -> Any:
        """Run the reviewer."""
        return self.run("reviewer", reviewer.lambda_handler, {}, Context(900))

    # -- looking -----------------------------------------------------------------------------------------------------

    def finds(self) -> list[Find]:
        """Return every mark that has got where it does not belong; the secrets that arose on the way are marks too."""
        self.listen()
        self._hear_calls()
        self._hear_stores()
        return self.heard.finds([*marks.MARKS, *self.marks_that_arose()])

    def listen(self) -> None:
        """Hear what was printed since."""
        for place, text in zip(("standard output", "standard error"), self.printed(), strict=True):
            self.heard.hear(place, text)

    def marks_that_arose(self) -> list[Mark]:
        """Return the tokens and codes that WeCom gave out, and the customers' data keys."""
        keyring = Keyring.read(SECRETS["keyring"]["SM4_KEYRING"])
        arose = [
            Mark("access token", Sort.SECRET, token)
            # Taken from the platform's own book: it shows no token to anybody who asks for it.
            for token in self.vendors.wecom.state.tokens._issued
        ]
        arose += [Mark(name, Sort.SECRET, value) for name, value in sorted(self.vendors.given)]
        for record in DynamoCustomerKeys(self.client("dynamodb"), CUSTOMER_KEYS).every():
            for key_id, wrapped in record.wrapped.items():
                key = keyring.open(wrapped, "customer-key", record.conversation, key_id)
                arose.append(Mark(f"data key {key_id}", Sort.SECRET, key))
        return arose

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table."""
        return [
            item
            for page in self.client("dynamodb").get_paginator("scan").paginate(TableName=table)
            for item in page["Items"]
        ]

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return all objects of a bucket, with their metadata, every version."""
        s3 = self.client("s3")
        found = {}
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for each in page.get("Versions", []):
                answer = s3.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
                about = {"key": each["Key"], "metadata": answer["Metadata"], "type": answer.get("ContentType", "")}
                tags = s3.get_object_tagging(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])["TagSet"]
                name = f"{each['Key']}?{each['VersionId']}"
                found[name] = json.dumps([about, tags]).encode() + answer["Body"].read()
        return found

    def _hear_calls(self) -> None:
        for call in self.aws.calls:
            if _OWN not in call.headers:
                self.heard.hear(f"request to {call.service}", _written(call))
        for vendor_call in self.vendors.calls:
            for place, text in _parts(vendor_call):
                self.heard.hear(place, text)

    def _hear_stores(self) -> None:
        for table in TABLES:
            self.heard.hear(f"table {table}", json.dumps(self.items(table)))
        for bucket in BUCKETS:
            for name, content in self.objects(bucket).items():
                self.heard.hear(f"bucket {bucket}", name)
                self.heard.hear(f"bucket {bucket}", content)
        for queue in QUEUES:
            self.waiting(queue)


def _written(call: AwsCall) -> bytes:
    return f"{call.operation} {unquote(call.path)} {call.path}\n{call.headers}\n".encode() + call.body


def _parts(call: VendorCall) -> list[tuple[str, str | bytes]]:
    named = {"fastgpt": "FastGPT", "tickets": "ticket system"}
    name = named.get(call.vendor) or f"WeCom {call.path.removeprefix('cgi-bin/')}"
    # JSON's own escapes are undone, so that a mark is looked for as the vendor reads it, too.
    read = json.dumps(json.loads(call.body), ensure_ascii=False) if call.body else ""
    return [
        (f"{name} path", unquote(call.path)),
        (f"{name} query", call.query),
        (f"{name} authorization", call.authorization),
        (f"{name} headers", call.headers),
        (f"{name} body", call.body + read.encode(errors="surrogatepass")),
    ]


class _Noting(logging.Handler):
    """Lambda's own handler of the root logger: what other loggers say from WARNING on is in the log, too."""

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.hear("log of another logger", self.format(record))


class _Lines(io.StringIO):
    """A stream whose text is heard, each piece as it is written."""

    def __init__(self, heard: Heard, place: str) -> None:
        super().__init__()
        self._heard, self._place = heard, place

    def write(self, text: str) -> int:
        self._heard.hear(self._place, text)
        return len(text)


@contextmanager
def listening(heard: Heard, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hear what is logged until left, as in a new Lambda process; and each error of ours that is made."""
    made = FrontdeskError.__init__

    def noted(error: FrontdeskError, *arguments: Any, **options: Any) -> None:
        made(error, *arguments, **options)
        notes = getattr(error, "__notes__", [])
        kept = {name: value for name, value in vars(error).items() if not isinstance(value, BaseException)}
        heard.hear("an error's own text", f"{error} {error!r} {error.args!r} {kept!r} {notes!r}")

    # Every one of them may be logged as it is, wherever it is caught: no other place sees all of them.
    monkeypatch.setattr(FrontdeskError, "__init__", noted)
    others = _Noting(heard)
    root = logging.getLogger()
    level = root.level
    with ExitStack() as stack:
        root.addHandler(others)
        root.setLevel(logging.WARNING)
        stack.callback(root.setLevel, level)
        stack.callback(root.removeHandler, others)
        telemetry.build_logger({"BUILD_ID": "test"})
        stream = _Lines(heard, "log")
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)
        yield


def scripted(desk: WatchedDesk, question: str, **answer: Any) -> None:
    """Let the model give this answer to what contains ``question``."""
    desk.vendors.script("/fastgpt/_control/answers", {"match": question, **answer})


def said_in(heard: Heard, place: str) -> str:
    """Return all that was heard at ``place``."""
    return b"\n".join(data for where, data in heard.out if where == place).decode()
