"""All functions as they are deployed, in one process, with an ear on everything that can leave it.

Composed by the real composition over AWS on a socket and the simulated vendors. What is heard: log lines of every
logger as Lambda shows them, standard output and error, the errors that were made and those that ended a function, its
answers, each request to AWS and to a vendor; and what is stored at the end.
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
from frontdesk.protection.identity import Pseudonyms
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.customer_keys import DynamoCustomerKeys
from functions.archiver import handler as archiver
from functions.archiver import stream as rescuer
from functions.auditor import handler as auditor
from functions.auditor import review as reviewer
from functions.callback import handler as callback
from functions.responder import handler as responder
from tests import vendor_side
from tests.contract.audit_in_memory import AUDIT, create_audit
from tests.contract.aws_in_memory import (
    CUSTOMER_KEYS,
    LEDGER,
    SESSIONS,
    create_customer_keys,
    create_ledger,
    create_sessions,
)
from tests.factories import AGENT_ID, CHANNEL, CORP_ID, gateway_event
from tests.integration import marks
from tests.integration.marks import Find, Mark, Sort, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pytest

    from tests.integration.aws_over_http import AwsCall, AwsOverHttp
    from tests.integration.vendors_over_http import VendorCall, Vendors

REVIEWS, ARCHIVE, AUDIT_BUCKET, RULES = "frontdesk-reviews", "archive", "audit", "rules"
TABLES = (SESSIONS, LEDGER, CUSTOMER_KEYS, AUDIT, REVIEWS)
BUCKETS = (ARCHIVE, AUDIT_BUCKET, RULES)
MAX_RECEIVES = 5
_OWN = "the-tests-own-client"
APP_ID = "66f2a9c41d7e3b5508c6e1a4"
SECRETS: Mapping[str, Mapping[str, object]] = {
    "wecom": {
        "WECOM_SECRET": marks.WECOM_SECRET,
        "WECOM_TOKEN": marks.WECOM_TOKEN,
        "WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY,
    },
    "identity": {"CONVERSATION_KEY": marks.CONVERSATION_KEY},
    "fastgpt": {"FASTGPT_API_KEY": marks.FASTGPT_KEY},
    "keyring": {"SM4_KEYRING": {"current": "k2", "keys": marks.KEYRING}},
    "audit": {"SM2_PRIVATE_KEY": marks.SM2_KEY},
}
COMPOSED = (
    bootstrap.reception,
    bootstrap.responder,
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

# The only places where a mark belongs, and why. Everywhere else none may be found.
ALLOWED: Mapping[str, tuple[frozenset[str], str]] = {
    "WeCom gettoken query": (
        frozenset({"WeCom Secret"}),
        "WeCom wants the Secret in the address of this one call (path 91039)",
    ),
    "WeCom message/send query": (
        frozenset({"access token"}),
        "WeCom wants the access token in the address (path 90236)",
    ),
    "WeCom message/send body": (
        frozenset({"user id", "the model's words", *(mark.name for mark in marks.PERSONAL), "the customer's words"}),
        "the answer goes to the customer who gave the data, by their user id",
    ),
    "FastGPT authorization": (frozenset({"FastGPT key"}), "this is what the key is for"),
    "FastGPT body": (
        frozenset({"the customer's words", "the model's words"}),
        "the masked question goes to the model, and the choice taken of those it offered; what identifies people does not",
    ),
    "answer of the callback": (
        frozenset({"the URL check's echo"}),
        "WeCom's check of the address wants its own random text back (path 90930)",
    ),
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
        self._monkeypatch = monkeypatch
        # The clients that the test itself looks with ask once and wait for long.
        config = Config(retries={"total_max_attempts": 1}, read_timeout=30, user_agent_extra=_OWN)
        self._clients = {
            name: boto3.client(name, endpoint_url=aws.url, config=config)  # type: ignore[call-overload]
            for name in ("dynamodb", "s3", "sqs", "secretsmanager")
        }
        self.inbox_url = f"{aws.url}/123456789012/inbox.fifo"
        self._message_id = int(time.time() * 1_000_000) * 100

    def client(self, name: str) -> Any:
        """Return a client of the test's own, past all ears."""
        return self._clients[name]

    # -- making ------------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Make what the template makes."""
        s3, sqs = self.client("s3"), self.client("sqs")
        self.create_tables()
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        sqs.create_queue(QueueName="inbox.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"})
        for name, values in SECRETS.items():
            self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(values))

    def create_tables(self) -> None:
        """Make the tables, empty."""
        dynamodb = self.client("dynamodb")
        create_sessions(dynamodb)
        create_ledger(dynamodb)
        create_customer_keys(dynamodb)
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
        s3 = self.client("s3")
        for bucket, prefix in ((ARCHIVE, ""), (AUDIT_BUCKET, "reviews/")):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                for each in page.get("Versions", []):
                    s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
        self.waiting()
        for name, values in SECRETS.items():
            self.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(values))
        for composed in COMPOSED:
            composed.cache_clear()

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
            **{f"{name.upper()}_SECRET_ARN": f"{arn}{name}" for name in SECRETS},
            "INBOX_URL": self.inbox_url,
            "INBOX_MAX_RECEIVES": str(MAX_RECEIVES),
            "SESSIONS_TABLE": SESSIONS,
            "SESSIONS_IDLE_INDEX": "idle",
            "LEDGER_TABLE": LEDGER,
            "CUSTOMER_KEYS_TABLE": CUSTOMER_KEYS,
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
            **_SENTENCES,
        }

    def compose(self, **differently: str) -> None:
        """Let every function be built anew, with a setting or two changed."""
        for name, value in {**self.settings(), **differently}.items():
            self._monkeypatch.setenv(name, value)
        for composed in COMPOSED:
            composed.cache_clear()

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

    def waiting(self) -> list[dict[str, Any]]:
        """Take what is in the inbox, as records of the event that the responder gets."""
        records = []
        while True:
            answer = self.client("sqs").receive_message(
                QueueUrl=self.inbox_url,
                MaxNumberOfMessages=10,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if not answer.get("Messages"):
                return records
            for message in answer["Messages"]:
                self.heard.hear("queue", json.dumps(message))
                self.client("sqs").delete_message(QueueUrl=self.inbox_url, ReceiptHandle=message["ReceiptHandle"])
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
        for record in records:
            record["attributes"]["ApproximateReceiveCount"] = str(attempt)
        return self.run("responder", responder.lambda_handler, {"Records": records}, Context(remaining_s))

    def answers(self, customer: str, text: str, **options: Any) -> Any:
        """Let a customer write and the responder answer; return the responder's answer."""
        assert self.says(customer, text)["statusCode"] == 200
        return self.respond(self.waiting(), **options)

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
        """Return the access tokens that WeCom gave out, and the customers' data keys."""
        keyring = Keyring.read(SECRETS["keyring"]["SM4_KEYRING"])
        arose = [
            Mark("access token", Sort.SECRET, token)
            # Taken from the platform's own book: it shows no token to anybody who asks for it.
            for token in self.vendors.wecom.state.tokens._issued
        ]
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
        self.waiting()


def _written(call: AwsCall) -> bytes:
    return f"{call.operation} {unquote(call.path)} {call.path}\n{call.headers}\n".encode() + call.body


def _parts(call: VendorCall) -> list[tuple[str, str | bytes]]:
    name = "FastGPT" if call.vendor == "fastgpt" else f"WeCom {call.path.removeprefix('cgi-bin/')}"
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
