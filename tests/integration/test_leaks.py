"""Nothing readable leaks: marked secrets and marked personal data go every way and meet every error, and are looked for.

The functions are composed as they are deployed. Where a mark may be found, and why, is told by `watched_desk.ALLOWED`:
in what goes over the wire to WeCom, FastGPT and the company's ticket system, and nowhere else but for the user ids of
the company's own people. Where people come in is in `test_leaks_people`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from frontdesk import bootstrap
from frontdesk.errors import SettingsError, TransientError, UnopenableError
from frontdesk.fastgpt.errors_table import _BY_STATUS_TEXT
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.aws import dynamodb
from frontdesk.storage.inbox import BODY_VERSION
from tests.contract.audit_in_memory import AUDIT
from tests.contract.aws_in_memory import ACCOUNTS, ATTENDANCE, CUSTOMER_KEYS, LEDGER, SESSIONS, TICKETS
from tests.integration import marks
from tests.integration.aws_over_http import FAULTS, Fault
from tests.integration.marks import Find, Haystack, Mark, Sort, look
from tests.integration.watched_desk import (
    ALLOWED,
    ARCHIVE,
    AUDIT_BUCKET,
    MAX_RECEIVES,
    QUEUES,
    REVIEWS,
    SECRETS,
    WatchedDesk,
    said_in,
    scripted,
)
from tests.vendor_side import App, message_xml

if TYPE_CHECKING:
    from tests.integration.aws_over_http import AwsCall

ALL_PERSONAL = "，".join(mark.text for mark in marks.PERSONAL)
# Every way a customer can be answered: what the model says, and the kind of reply on record.
LONG = "\n\n".join(f"{number}. {marks.ANSWER}" + "这一段说明我们的服务。" * 80 for number in range(1, 14))

# -- the callback ------------------------------------------------------------------------------------------------------


def test_a_message_is_queued_without_a_readable_word(desk: WatchedDesk):
    customer = desk.customer("queued")

    assert desk.says(customer, f"{marks.QUESTION} {ALL_PERSONAL}")["statusCode"] == 200
    assert desk.says(customer, "", MsgType="link", Url=marks.LINK, Title=marks.QUESTION)["statusCode"] == 200
    assert desk.says(customer, "", MsgType="image", PicUrl=marks.LINK, MediaId="media")["statusCode"] == 200
    assert desk.says(customer, "", MsgType="location", Label=marks.ADDRESS, Location_X="1")["statusCode"] == 200
    bodies = [json.loads(record["body"]) for record in desk.waiting()]

    assert [body["v"] for body in bodies] == [BODY_VERSION] * 4
    assert {body["conversation"] for body in bodies} == {desk.conversation(customer)}


def test_the_url_check_gives_back_its_own_text_only(desk: WatchedDesk):
    encrypted = desk.app.encrypt(marks.QUESTION.encode())
    now = str(int(time.time()))
    query = f"{desk.app.query(encrypted, timestamp=now)}&echostr={quote(encrypted)}"
    desk.compose()
    event_answer = bootstrap.reception().check_url(query)
    forged = query.replace("msg_signature=", "msg_signature=0")

    assert event_answer.decode() == marks.QUESTION
    assert desk.hand_over(forged, b"", method="GET")["statusCode"] == 403


def malformed_callbacks(app: App, customer: str) -> dict[str, tuple[str, bytes]]:
    """Return what WeCom never sends, each with marks where marks can be."""
    now = str(int(time.time()))
    message = message_xml(FromUserName=customer, Content=f"{marks.QUESTION} {ALL_PERSONAL}")
    encrypted = app.encrypt(message.encode())
    query, body = app.query(encrypted, timestamp=now), app.body(encrypted)

    def sealed(text: bytes) -> tuple[str, bytes]:
        one = app.encrypt(text)
        return app.query(one, timestamp=now), app.body(one)

    return {
        "forged": (query.replace("msg_signature=", "msg_signature=f"), body),
        "unsigned": (f"user={customer}&text={quote(marks.QUESTION)}", body),
        "signed twice": (f"{query}&{query}", body),
        "too old": (app.query(encrypted, timestamp="1790000000"), body),
        "for somebody else": (
            app.query(other := app.encrypt(message.encode(), receive_id=marks.USER_ID), timestamp=now),
            app.body(other),
        ),
        "no XML": (query, f"{marks.QUESTION} {ALL_PERSONAL} {customer}".encode()),
        "a document type": (query, f'<!DOCTYPE x [<!ENTITY e "{marks.QUESTION}">]><xml>&e;</xml>'.encode()),
        "plain": (query, message.encode()),
        "too large": (query, (marks.QUESTION * 80_000).encode()),
        "broken blocks": (app.query("QUJD", timestamp=now), app.body("QUJD")),
        "no base64": (app.query(marks.USER_ID, timestamp=now), app.body(marks.USER_ID)),
        "sealed but no XML": sealed(f"{marks.QUESTION} {ALL_PERSONAL}".encode()),
        "sealed without a time": sealed(message_xml(FromUserName=customer, CreateTime=marks.QUESTION).encode()),
    }


def test_callbacks_that_are_refused_leave_nothing_behind(desk: WatchedDesk):
    customer = desk.customer("refused")

    statuses = {
        how: desk.hand_over(query, body)["statusCode"]
        for how, (query, body) in malformed_callbacks(desk.app, customer).items()
    }

    assert set(statuses.values()) == {400, 403}
    assert desk.waiting() == []
    assert "callback_forbidden" in said_in(desk.heard, "log")


def test_a_replayed_message_is_queued_once(desk: WatchedDesk):
    customer = desk.customer("replayed")

    for _ in range(3):
        assert desk.says(customer, marks.QUESTION, MsgId="7011223344556677001")["statusCode"] == 200

    assert len(desk.waiting()) == 1


@pytest.mark.parametrize("kind", FAULTS)
def test_a_queue_that_fails_learns_nothing_to_tell(desk: WatchedDesk, kind: str):
    customer = desk.customer("queue")
    desk.aws.faults.append(Fault(kind, lambda call: call.service == "sqs"))

    assert desk.says(customer, f"{marks.QUESTION} {ALL_PERSONAL}")["statusCode"] == 500
    assert "callback not queued" in said_in(desk.heard, "log")


def test_a_queue_out_of_reach_learns_nothing_to_tell(desk: WatchedDesk, closed_port: int):
    customer = desk.customer("unreachable-queue")
    desk.compose(INBOX_URL=f"http://127.0.0.1:{closed_port}/123456789012/inbox.fifo")

    assert desk.says(customer, f"{marks.QUESTION} {ALL_PERSONAL}")["statusCode"] == 500
    assert "sqs_unreachable" in said_in(desk.heard, "log")


# -- starting ----------------------------------------------------------------------------------------------------------

K1, K2 = marks.KEYRING.values()
WITH_SECRETS = (
    bootstrap.reception,
    bootstrap.collector,
    bootstrap.responder,
    bootstrap.tickets,
    bootstrap.auditor,
    bootstrap.reviewer,
)


@pytest.mark.parametrize(
    ("secret", "values"),
    [
        ("wecom", {"WECOM_TOKEN": f"{marks.WECOM_TOKEN} {marks.WECOM_SECRET}"}),
        ("wecom", {"WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY[:-1]}),
        ("wecom", {"WECOM_ENCODING_AES_KEY": marks.WECOM_SECRET}),
        ("wecom", {"WECOM_SECRET": f"{marks.WECOM_SECRET} {marks.WECOM_SECRET}"}),
        ("wecom", {"WECOM_SECRET": {"nested": marks.WECOM_SECRET}}),
        ("wecom", {"WECOM_KF_SECRET": f"{marks.KF_SECRET} {marks.KF_SECRET}"}),
        ("wecom", {"WECOM_KF_TOKEN": f"{marks.KF_TOKEN} {marks.KF_SECRET}"}),
        ("wecom", {"WECOM_KF_TOKEN": ""}),
        ("wecom", {"WECOM_KF_ENCODING_AES_KEY": marks.KF_ENCODING_AES_KEY[:-1]}),
        ("identity", {"CONVERSATION_KEY": marks.CONVERSATION_KEY[:20]}),
        ("fastgpt", {"FASTGPT_API_KEY": f"{marks.FASTGPT_KEY}\n{marks.FASTGPT_KEY}"}),
        ("fastgpt", {"FASTGPT_LITE_API_KEY": f"{marks.FASTGPT_LITE_KEY}\n{marks.FASTGPT_LITE_KEY}"}),
        ("ticket", {"TICKET_WEBHOOK_SECRET": [marks.TICKET_SECRET]}),
        ("keyring", {"SM4_KEYRING": marks.SM2_KEY}),
        ("keyring", {"SM4_KEYRING": [K1, K2]}),
        ("keyring", {"SM4_KEYRING": json.dumps({"current": "k1", "keys": {"k1": K1, "k2": K1}})}),
        ("keyring", {"SM4_KEYRING": '{"current": "k1", "keys": {"k1": "' + K1}),
        ("keyring", {"SM4_KEYRING": {"current": K1, "keys": {"k1": K1}}}),
        ("keyring", {"SM4_KEYRING": {"current": "k1", "keys": {K1: K2, "k1": K1 + K2}}}),
        ("keyring", {"SM4_KEYRING": {"current": "k1", "keys": {"k1": K2}}}),
        ("keyring", {"SM4_KEYRING": {"current": "k3", "keys": {"k3": "0" * 32}}}),
        ("audit", {"SM2_PRIVATE_KEY": marks.SM2_KEY[:-2]}),
        ("audit", {"SM2_PRIVATE_KEY": [marks.SM2_KEY]}),
        ("audit", {"SM2_PRIVATE_KEY": "0" * 64}),
    ],
)
def test_a_function_with_a_wrong_secret_does_not_start_and_does_not_show_it(
    desk: WatchedDesk, secret: str, values: dict[str, Any]
):
    bootstrap.responder()  # so that both keys have been in use
    desk.change_secret(secret, **values)

    ends = [desk.run(f"start of {composed.__name__}", composed) for composed in WITH_SECRETS]

    assert any(isinstance(end, Exception) for end in ends)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TICKET_WEBHOOK_URL", f"https://frontdesk:{marks.TICKET_SECRET}@tickets.example.com/hook"),
        ("TICKET_WEBHOOK_URL", f"https://tickets.example.com/hook?key={marks.TICKET_SECRET}"),
        ("TICKET_WEBHOOK_URL", f"http://tickets.example.com/{marks.TICKET_SECRET}"),
        ("HANDOFF_AGENTS", f"{marks.USER_ID}, {marks.PHONE}"),
        ("BUSINESS_HOURS", marks.QUOTED),
        ("FASTGPT_LITE_APP_ID", marks.FASTGPT_LITE_KEY),
        ("KF_HANDOFF_TO", marks.USER_ID),
    ],
)
def test_a_function_with_a_wrong_setting_does_not_start_and_does_not_show_it(desk: WatchedDesk, name: str, value: str):
    desk.compose(**{name: value})

    ends = [desk.run(f"start of {each.__name__}", each) for each in (bootstrap.responder, bootstrap.tickets)]

    assert any(isinstance(end, SettingsError) and name in str(end) for end in ends)


def test_a_secret_that_is_no_object_does_not_show_itself(desk: WatchedDesk):
    for name in SECRETS:
        desk.client("secretsmanager").put_secret_value(SecretId=name, SecretString=f'"{marks.QUOTED}')

    for composed in WITH_SECRETS:
        assert isinstance(desk.run(f"start of {composed.__name__}", composed), SettingsError)


@pytest.mark.parametrize("kind", FAULTS)
def test_secrets_that_cannot_be_read_are_not_told_of(desk: WatchedDesk, kind: str):
    desk.aws.faults.append(Fault(kind, lambda call: call.service == "secretsmanager"))

    for composed in WITH_SECRETS:
        assert isinstance(desk.run(f"start of {composed.__name__}", composed), Exception)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_keyring_that_cannot_be_checked_is_not_told_of(desk: WatchedDesk, kind: str):
    desk.aws.faults.append(Fault(kind, lambda call: call.service == "dynamodb"))

    ends = [desk.run(f"start of {composed.__name__}", composed) for composed in (*WITH_SECRETS[:4], bootstrap.reviewer)]

    # An answer that is no JSON is an empty one to boto3.
    assert all(isinstance(end, Exception) for end in ends[1:]) or kind == "garbage"
    assert "keyring not checked" in said_in(desk.heard, "log") or isinstance(ends[0], Exception)


# -- the responder -----------------------------------------------------------------------------------------------------


def test_the_model_gets_placeholders_and_the_customer_their_own_data(desk: WatchedDesk):
    customer = desk.customer("masked")
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER}，我们会打 [手机号1] 给您，并寄到 [地址1]。")

    for name, spelling in marks.PHONES.items():
        assert desk.answers(customer, f"{marks.QUESTION} {name}：{spelling}") == {"batchItemFailures": []}
    desk.answers(customer, f"{marks.QUESTION} {ALL_PERSONAL}")

    asked = desk.vendors.asked()[-1]
    assert {f"[{kind}1]" for kind in ("手机号", "身份证号", "银行卡号", "邮箱", "车牌号", "地址")} <= {
        "[" + part.split("]")[0] + "]" for part in asked.split("[")[1:]
    }
    assert marks.PHONE in desk.vendors.read(customer)[0]
    assert marks.ADDRESS in desk.vendors.read(customer)[-1]


def test_personal_data_that_only_the_model_says_is_kept_as_sealed_as_the_rest(desk: WatchedDesk):
    customer = desk.customer("told")
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} {ALL_PERSONAL}")

    desk.answers(customer, marks.QUESTION)
    desk.answers(customer, marks.QUESTION)

    assert marks.EMAIL in desk.vendors.read(customer)[0]


@pytest.mark.parametrize(
    ("asked", "answered", "read"),
    [
        ("禁忌话题甲", "", "这个不能回答。"),
        ("", "禁忌话题乙", "这个不能说。"),
        ("人工丙", "", "马上转给同事。"),
        ("", "人工丙", "马上转给同事。"),
        ("琥珀遮盖", "琥珀遮盖", marks.ANSWER),
        ("留意丁", "留意丁", marks.ANSWER),
    ],
)
def test_what_a_rule_stops_or_changes_is_told_by_its_id_alone(desk: WatchedDesk, asked: str, answered: str, read: str):
    customer = desk.customer(f"rule-{abs(hash((asked, answered)))}")
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} {answered} {ALL_PERSONAL}")

    desk.answers(customer, f"{marks.QUESTION} {asked} {ALL_PERSONAL}")

    assert read in desk.vendors.read(customer)[0]


def test_choices_and_forms_are_filled_without_being_shown(desk: WatchedDesk):
    customer = desk.customer("pauses")
    options = [{"key": "a", "value": f"{marks.ANSWER}甲"}, {"key": "b", "value": f"{marks.ANSWER}乙"}]
    choice = {"type": "userSelect", "params": {"description": marks.ANSWER, "userSelectOptions": options}}
    blanks = [
        {"type": "input", "key": f"{marks.ANSWER}{n}", "label": f"{marks.ANSWER}{n}", "required": True, "list": []}
        for n in (1, 2)
    ]
    form = {"type": "userInput", "params": {"description": marks.ANSWER, "inputForm": blanks}}
    scripted(desk, "选择", interactive=choice)
    scripted(desk, "表单", interactive=form)

    for words in (f"{marks.QUESTION} 选择", f"{marks.QUESTION} {marks.PHONE}", "2"):
        desk.answers(customer, words)
    for words in (f"{marks.QUESTION} 表单", f"{marks.QUESTION} {marks.ADDRESS}", marks.IDENTITY):
        desk.answers(customer, words)

    assert any("1. " in text for text in desk.vendors.read(customer))
    assert any("请填写" in text for text in desk.vendors.read(customer))


def test_a_long_answer_is_cut_and_a_long_wait_bridged_in_silence(desk: WatchedDesk):
    customer = desk.customer("long")
    desk.compose(INTERIM_AFTER_SECONDS="1")
    scripted(desk, marks.QUESTION, text=LONG, delay_ms=1_300)

    desk.answers(customer, f"{marks.QUESTION} {marks.PHONE}")

    read = desk.vendors.read(customer)
    assert read[0] == "请稍候"
    assert len(read) == 11


def test_welcome_reset_and_what_is_no_text_are_answered_in_silence(desk: WatchedDesk):
    customer = desk.customer("sentences")
    desk.says(customer, "", MsgType="event", Event="enter_agent", MsgId=None, Content=None)
    desk.respond(desk.waiting())
    desk.answers(customer, marks.QUESTION)
    desk.answers(customer, "重置")
    desk.says(customer, "", MsgType="location", Label=marks.ADDRESS, Location_X="1", Location_Y="2")

    assert desk.respond(desk.waiting()) == {"batchItemFailures": []}
    assert len(desk.vendors.read(customer)) == 4


REFUSALS: list[dict[str, Any]] = [
    *({"kind": "error", "statusText": name, "message": marks.QUOTED} for name in sorted(_BY_STATUS_TEXT)),
    {"kind": "error", "code": 429, "message": marks.QUOTED},
    {"kind": "error", "code": 400, "message": marks.QUOTED},
    {"kind": "error", "code": 500, "message": marks.QUOTED, "after_chunks": 2},
    {"kind": "error_event", "message": marks.QUOTED},
    {"kind": "json_error", "message": marks.QUOTED, "status": 502},
    {"kind": "status", "status": 401, "body": marks.QUOTED},
    {"kind": "status", "status": 413, "body": marks.QUOTED},
    {"kind": "status", "status": 503, "body": marks.QUOTED},
    {"kind": "status", "status": 200, "body": marks.QUOTED},
    {"kind": "html", "status": 504, "body": marks.QUOTED},
    {"kind": "cut"},
    {"kind": "cut", "clean": True},
    {"kind": "empty"},
    {"kind": "node_error", "message": marks.QUOTED, "text": marks.ANSWER},
    {"kind": "node_error", "message": marks.QUOTED},
    {"kind": "garbage", "body": f"data: {marks.QUOTED}\n\n"},
    {"kind": "garbage", "body": f"event: answer\ndata: {{{marks.QUOTED}\n\n", "after_chunks": 1},
]


@pytest.mark.parametrize("attempt", [1, MAX_RECEIVES])
def test_however_the_model_refuses_its_text_stays_where_it_is(desk: WatchedDesk, attempt: int):
    """Each refusal meets a conversation of its own, and none finds a circuit open that an earlier one has opened."""
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} " * 8)
    customers = []
    for number, refusal in enumerate(REFUSALS):
        customers.append(desk.customer(f"refusal-{attempt}-{number}"))
        wish = {**refusal, "match": desk.conversation(customers[-1]), "times": None, "app": "any"}
        desk.vendors.script("/fastgpt/_control/faults", wish)
        desk.says(customers[-1], f"{marks.QUESTION} {marks.PHONE}")

    for record in desk.waiting():
        desk.close_circuits()
        assert "batchItemFailures" in desk.respond([record], attempt=attempt)
    runs = desk.vendors.control.get("/fastgpt/_control/runs").json()["runs"]
    met = " ".join(run["chatId"] for run in runs if run["fault"])
    assert [customer for customer in customers if desk.conversation(customer) not in met] == []

    texts = [text for customer in customers for text in desk.vendors.read(customer)]
    assert sum("抱歉" in text for text in texts) >= (len(REFUSALS) - 4 if attempt == MAX_RECEIVES else 10)


def test_what_was_said_goes_to_another_endpoint_without_personal_data(desk: WatchedDesk):
    customer = desk.customer("failover")
    desk.answers(customer, f"{marks.QUESTION} {marks.PHONE}")
    wish = {"kind": "status", "status": 503, "match": desk.conversation(customer), "times": None}
    desk.vendors.script("/fastgpt/_control/faults", wish)

    assert desk.answers(customer, marks.QUESTION) == {"batchItemFailures": []}

    asked = [json.loads(call.body)["messages"][0]["content"] for call in desk.vendors.calls if call.vendor == "fastgpt"]
    (told,) = [words for words in asked if words.startswith("（以下是之前的对话")]
    assert marks.QUESTION in told
    assert "[手机号1]" in told


WECOM_FAULTS: list[dict[str, Any]] = [
    *(
        {"path": "message/send", "errcode": code, "times": 0}
        for code in (
            -1,
            6000,
            40001,
            40014,
            42001,
            40003,
            40056,
            45009,
            45033,
            48002,
            60011,
            60020,
            81013,
            82001,
            301002,
        )
    ),
    {"path": "message/send", "status": 502, "times": 0},
    {"path": "message/send", "status": 403, "times": 0},
    {"path": "message/send", "garbage": True, "times": 0},
    {"path": "message/send", "drop": "before", "times": 0},
    {"path": "message/send", "drop": "after", "times": 1},
]


@pytest.mark.parametrize("attempt", [1, MAX_RECEIVES])
def test_however_wecom_refuses_a_message_its_text_stays_where_it_is(desk: WatchedDesk, attempt: int):
    scripted(desk, marks.QUESTION, text=marks.ANSWER)
    for number, fault in enumerate(WECOM_FAULTS):
        customer = desk.customer(f"wecom-{attempt}-{number}")
        desk.vendors.script("/wecom/_control/faults", {**fault, "userid": customer})
        desk.says(customer, f"{marks.QUESTION} {marks.PHONE}")
    records = desk.waiting()

    failures = 0
    for start in range(0, len(records), 10):
        # Little time for each, so that what is repeated is repeated a few times only.
        answer = desk.respond(records[start : start + 10], attempt=attempt, remaining_s=50)
        failures += len(answer["batchItemFailures"])

    assert failures >= 8
    assert "attempt failed" in said_in(desk.heard, "log")


@pytest.mark.parametrize(
    "fault",
    [{"errcode": 40001}, {"errcode": 60020}, {"errcode": -1}, {"status": 500}, {"garbage": True}, {"drop": "before"}],
)
def test_a_token_that_cannot_be_had_is_not_told_of(desk: WatchedDesk, fault: dict[str, Any]):
    customer = desk.customer("no-token")
    desk.vendors.script("/wecom/_control/faults", {"path": "gettoken", "times": 0, **fault})

    answer = desk.answers(customer, marks.QUESTION, remaining_s=45)

    assert len(answer["batchItemFailures"]) == 1


def test_a_model_that_takes_too_long_is_given_up_in_silence(desk: WatchedDesk):
    customer = desk.customer("slow")
    fault = {"kind": "silence", "seconds": 30, "match": desk.conversation(customer), "times": None}
    desk.vendors.script("/fastgpt/_control/faults", fault)

    answer = desk.answers(customer, f"{marks.QUESTION} {marks.PHONE}", attempt=MAX_RECEIVES, remaining_s=41)

    assert len(answer["batchItemFailures"]) == 1
    assert desk.vendors.read(customer) == ["抱歉，暂时无法回答"]


@pytest.mark.parametrize("name", ["FASTGPT_BASE_URL", "WECOM_API_BASE"])
def test_a_vendor_out_of_reach_is_told_of_without_its_address_and_key(desk: WatchedDesk, closed_port: int, name: str):
    customer = desk.customer(f"away-{name[:3].lower()}")
    desk.compose(**{name: f"http://127.0.0.1:{closed_port}/api"})

    for attempt in (1, MAX_RECEIVES):
        answer = desk.answers(customer, f"{marks.QUESTION} {marks.PHONE}", attempt=attempt, remaining_s=45)
        assert len(answer["batchItemFailures"]) == 1


def nth_call_about(conversation: str, number: int, kind: str) -> Fault:
    """Return a fault for the ``number``-th kind of call about ``conversation``, each time it is made."""
    kinds: list[str] = []

    def hits(call: AwsCall) -> bool:
        if not call.is_about(conversation):
            return False
        target = json.loads(call.body) if call.body.startswith(b"{") else {}
        what = f"{call.operation} {target.get('TableName', '')} {sorted(target)} {target.get('Key', '')}"
        if what not in kinds:
            kinds.append(what)
        return kinds.index(what) == number

    return Fault(kind, hits)


MOST_KINDS_OF_CALLS = 9


@pytest.mark.parametrize("kind", FAULTS)
def test_whichever_call_of_the_data_stores_fails_nothing_is_told_but_its_name(desk: WatchedDesk, kind: str):
    """Each call of an answered message fails in a conversation of its own."""
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} [手机号1]")
    for number in range(MOST_KINDS_OF_CALLS):
        customer = desk.customer(f"store-{kind}-{number}")
        desk.aws.faults.append(nth_call_about(desk.conversation(customer), number, kind))
        desk.says(customer, f"{marks.QUESTION} {marks.PHONE}")
    records = desk.waiting()

    answer = desk.respond(records)
    last = desk.respond(records, attempt=MAX_RECEIVES)

    assert len(answer["batchItemFailures"]) + len(last["batchItemFailures"]) >= 6
    assert "attempt failed" in said_in(desk.heard, "log")


# S3 gives no object that is not there; the others speak JSON, which a proxy's page is not.
S3_FAULTS = tuple(kind for kind in FAULTS if kind != "garbage")
BOTH = [*(("s3", kind) for kind in S3_FAULTS), *(("dynamodb", kind) for kind in FAULTS)]


@pytest.mark.parametrize("kind", S3_FAULTS)
def test_rules_that_cannot_be_read_stop_nobody_and_tell_nothing(desk: WatchedDesk, kind: str):
    customer = desk.customer(f"rules-{kind}")
    desk.aws.faults.append(Fault(kind, lambda call: call.service == "s3"))

    assert desk.answers(customer, marks.QUESTION) == {"batchItemFailures": []}
    assert "rules not loaded" in said_in(desk.heard, "log")


def test_queue_bodies_that_nobody_can_read_are_not_quoted(desk: WatchedDesk):
    customer = desk.customer("malformed")
    desk.says(customer, f"{marks.QUESTION} {ALL_PERSONAL}")
    record = desk.waiting()[0]
    plain = {
        "v": 1,
        "channel": "wecom_app",
        "conversation": desk.conversation(customer),
        "message_id": "1",
        "sender": customer,
        "kind": "text",
        "sent_at": 1,
        "received_at_ms": 1,
        "text": f"{marks.QUESTION} {ALL_PERSONAL}",
        "details": {},
    }
    bodies = [
        f"{marks.QUESTION} {ALL_PERSONAL} {customer}",
        json.dumps(marks.QUOTED),
        json.dumps({**plain, "v": marks.QUESTION}),
        json.dumps({**plain, "kind": marks.QUESTION}),
        json.dumps({**plain, "sent_at": marks.QUESTION, marks.QUESTION: marks.USER_ID}),
        json.dumps({**plain, "details": [marks.PHONE]}),
        json.dumps({**plain, "v": 2}),
        json.dumps({**json.loads(record["body"]), "kind": marks.QUESTION}),
    ]

    answer = desk.respond([{**record, "messageId": str(n), "body": body} for n, body in enumerate(bodies)])

    assert len(answer["batchItemFailures"]) == len(bodies)
    assert said_in(desk.heard, "log").count("message_malformed") == len(bodies)


def test_what_was_queued_before_sealing_is_answered_and_from_then_on_sealed(desk: WatchedDesk):
    customer = desk.customer("before")
    desk.says(customer, marks.QUESTION)
    record = desk.waiting()[0]
    body = {name: value for name, value in json.loads(record["body"]).items() if name != "sealed"}
    body |= {"v": 1, "sender": customer, "text": f"{marks.QUESTION} {marks.PHONE}", "details": {}}

    assert desk.respond([{**record, "body": json.dumps(body)}]) == {"batchItemFailures": []}
    assert desk.vendors.read(customer)


def test_sealed_bodies_that_do_not_open_name_their_key_and_nothing_else(desk: WatchedDesk):
    customer, other = desk.customer("moved"), desk.customer("moved-to")
    desk.says(customer, f"{marks.QUESTION} {ALL_PERSONAL}")
    desk.says(other, f"{marks.QUESTION} {ALL_PERSONAL}")
    one, two = desk.waiting()
    first, second = json.loads(one["body"]), json.loads(two["body"])
    strange = Keyring.read({"current": "k7", "keys": {"k7": "7" * 32}})
    words = json.dumps({"sender": customer, "text": marks.QUESTION, "details": {}})
    bodies = [
        {**second, "sealed": first["sealed"]},
        {**first, "sealed": first["sealed"][:-4] + "AAAA"},
        {**first, "sealed": marks.QUOTED},
        {**first, "sealed": strange.seal(words, "inbox", first["conversation"], first["message_id"])},
    ]

    answer = desk.respond([{**one, "messageId": str(n), "body": json.dumps(body)} for n, body in enumerate(bodies)])

    lines = [json.loads(line) for line in said_in(desk.heard, "log").splitlines() if "message unopened" in line]
    assert len(answer["batchItemFailures"]) == len(bodies)
    assert [line["key_id"] for line in lines] == ["k2", "k2", "", "k7"]


@pytest.mark.parametrize("table", [SESSIONS, LEDGER, CUSTOMER_KEYS])
def test_stored_values_that_do_not_open_stop_their_conversation_and_are_not_shown(desk: WatchedDesk, table: str):
    customer = desk.customer(f"altered-{table}")
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} [手机号1]")
    desk.says(customer, f"{marks.QUESTION} {marks.PHONE}")
    records = desk.waiting()
    desk.respond(records)
    for item in desk.items(table):
        if desk.conversation(customer) in json.dumps(item):
            for name in {"sealed", "wrapped"} & set(item):
                item[name] = {"S": re.sub(r"(s1\.[kc][0-9a-f]+\.)....", r"\1AAAA", item[name]["S"])}
            desk.client("dynamodb").put_item(TableName=table, Item=item)
    bootstrap.responder.cache_clear()
    if table != LEDGER:
        desk.says(customer, f"{marks.QUESTION} {marks.PHONE}")
        records = desk.waiting()

    answer = desk.respond(records, attempt=MAX_RECEIVES)

    assert len(answer["batchItemFailures"]) == 1
    assert '"code":"unopened"' in said_in(desk.heard, "log")
    desk.listen()
    assert '"Unopened"' in said_in(desk.heard, "standard output")
    # What was altered is no key any more that could be looked for.
    desk.client("dynamodb").delete_item(
        TableName=CUSTOMER_KEYS, Key={"conversation": {"S": desk.conversation(customer)}}
    )


# -- the archiver and the reader of the stream -------------------------------------------------------------------------


def idle_session(desk: WatchedDesk, name: str) -> dict[str, Any]:
    """Leave one session that has been quiet for long; return its item."""
    customer = desk.customer(name)
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} [手机号1]")
    desk.answers(customer, f"{marks.QUESTION} {marks.PHONE}")
    item = next(each for each in desk.items(SESSIONS) if each["conversation"]["S"] == desk.conversation(customer))
    item["last_activity_at"] = {"N": str(int(time.time()) - 5_000)}
    desk.client("dynamodb").put_item(TableName=SESSIONS, Item=item)
    return item


def test_the_archive_holds_sealed_words_only(desk: WatchedDesk):
    item = idle_session(desk, "archived")

    assert desk.sweep() is None
    assert desk.rescue(item) == {"batchItemFailures": []}

    names = [name for name in desk.objects(ARCHIVE) if item["conversation"]["S"] in name]
    assert names


@pytest.mark.parametrize(("service", "kind"), BOTH)
def test_an_archiver_that_fails_tells_nothing(desk: WatchedDesk, kind: str, service: str):
    item = idle_session(desk, f"unarchived-{kind}-{service}")
    desk.aws.faults.append(Fault(kind, lambda call: call.service == service))

    swept, rescued = desk.sweep(), desk.rescue(item)

    assert isinstance(swept, TransientError) or kind in {"conflict", "garbage"}
    assert service == "dynamodb" or rescued["batchItemFailures"] or kind in {"conflict", "garbage"}


def test_a_removed_item_that_cannot_be_read_is_not_quoted(desk: WatchedDesk):
    item = idle_session(desk, "unreadable")
    for broken in (
        {**item, "opened_at": {"S": marks.QUOTED}},
        {**item, "version": {"N": marks.QUESTION}},
        {"turns": {"S": marks.QUOTED}, "customer": {"S": marks.USER_ID}},
        {marks.QUESTION: {"S": marks.QUOTED}},
    ):
        assert desk.rescue(broken)["batchItemFailures"]


# -- the audit and the review ------------------------------------------------------------------------------------------


def happened_before(desk: WatchedDesk, name: str, words: str) -> str:
    conversation = desk.conversation(desk.customer(name))
    desk.happened_before(conversation, kind="generated", actor="fastgpt:app@host", before=marks.QUESTION, after=words)
    return conversation


def test_the_export_and_the_review_of_a_day_show_no_word_of_it(desk: WatchedDesk):
    conversation = happened_before(desk, "reviewed", f"{marks.ANSWER} 禁忌话题乙 {ALL_PERSONAL}")

    assert desk.export() is None
    assert desk.review() is None

    assert any(item["conversation"]["S"] == conversation for item in desk.items(REVIEWS))
    names = "\n".join(desk.objects(AUDIT_BUCKET))
    assert "manifest-1.json.sig" in names
    assert "report.html" in names


@pytest.mark.parametrize(("service", "kind"), BOTH)
def test_an_auditor_or_reviewer_that_fails_tells_nothing(desk: WatchedDesk, kind: str, service: str):
    happened_before(desk, f"unreviewed-{kind}-{service}", f"{marks.ANSWER} 禁忌话题乙 {ALL_PERSONAL}")
    bootstrap.auditor()
    bootstrap.reviewer()
    desk.aws.faults.append(Fault(kind, lambda call: call.service == service and not call.is_about("rules.yaml")))

    exported, reviewed = desk.export(), desk.review()

    assert isinstance(exported, Exception) or kind in {"conflict", "garbage"}
    assert isinstance(reviewed, Exception) or kind in {"conflict", "garbage"}


def test_a_record_that_does_not_open_is_told_by_its_key_id(desk: WatchedDesk):
    conversation = happened_before(desk, "sealed-otherwise", marks.ANSWER)
    item = next(each for each in desk.items(AUDIT) if each["conversation"]["S"] == conversation)
    item["sealed"] = {"S": item["sealed"]["S"][:-4] + "AAAA"}
    desk.client("dynamodb").put_item(TableName=AUDIT, Item=item)

    ended = desk.review()
    exported = desk.export()

    assert isinstance(ended, UnopenableError)
    assert exported is None or isinstance(exported, Exception)


# -- the search itself -------------------------------------------------------------------------------------------------

WRITTEN = {
    "as it is": lambda text: text,
    "in upper case": lambda text: text.upper(),
    "as JSON": json.dumps,
    "as JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "as a query": lambda text: quote(text, safe=""),
    "as hex": lambda text: text.encode().hex(),
    "as base64": lambda text: _base64(text, b""),
    "as base64, one byte later": lambda text: _base64(text, b"x"),
    "as base64, two bytes later": lambda text: _base64(text, b"xy"),
    "as base64url": lambda text: _base64(text, b"").replace("+", "-").replace("/", "_"),
}


def _base64(text: str, before: bytes) -> str:
    import base64

    return base64.b64encode(before + text.encode() + b" and more").decode()


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("mark", marks.MARKS, ids=lambda mark: mark.name)
def test_every_mark_is_found_however_it_is_written(mark: Mark, how: str):
    assert mark.form_in(Haystack(f'{{"a":"{WRITTEN[how](mark.text)}"}}'.encode()))


@pytest.mark.parametrize("mark", marks.MARKS, ids=lambda mark: mark.name)
def test_no_mark_is_found_where_it_is_not(mark: Mark):
    others = "\n".join(other.text for other in marks.MARKS if mark.text not in other.text and other.name != mark.name)

    assert look("anywhere", others, [mark]) == []


def put_planted(desk: WatchedDesk, name: str, **given: Any) -> None:
    desk.client("s3").put_object(Bucket=ARCHIVE, Key=f"planted/{name}", **given)


def item_planted(table: str, *keys: str) -> Planting:
    """Return what plants a text into an item of ``table``, which has these keys."""
    # The search reads this table itself, for the keys in it.
    own = {"current": "c1", "wrapped": "{}", "destroyed": "[]"} if table == CUSTOMER_KEYS else {}
    others: dict[str, Any] = {"version": {"N": "1"}, **{name: {"S": value} for name, value in own.items()}}

    def plant(desk: WatchedDesk, name: str, text: str) -> None:
        numbered = {key: {"N" if key == "seq" else "S": name} for key in keys}
        desk.client("dynamodb").put_item(TableName=table, Item={**others, **numbered, "value": {"S": text}})

    return plant


def send_planted(queue: str) -> Planting:
    """Return what plants a text into a body of ``queue``."""

    def plant(desk: WatchedDesk, name: str, text: str) -> None:
        desk.client("sqs").send_message(
            QueueUrl=desk.queue_url(queue), MessageBody=text, MessageGroupId="x", MessageDeduplicationId=name
        )

    return plant


def call_planted(path: str, **more: Any) -> Planting:
    """Return what plants a text into the body of a request to a vendor."""
    return lambda desk, _, text: desk.vendors.control.post(path, json={"text": text}, **more)


Planting = Callable[[WatchedDesk, str, str], Any]
# How each kind of place gets a text, and under which name the search hears it, where marks belong to it.
PLANTING: dict[str, tuple[Planting, str]] = {
    "log field": (
        lambda _, __, text: logging.getLogger("frontdesk.planted").error("said", extra={"message_id": text}),
        "log",
    ),
    "log of another logger": (
        lambda _, __, text: logging.getLogger("urllib3.planted").warning("%s", text),
        "log of another logger",
    ),
    "standard output": (lambda _, __, text: sys.stdout.write(text), "standard output"),
    "standard error": (lambda _, __, text: sys.stderr.write(text), "standard error"),
    "error": (lambda _, __, text: TransientError(text), "an error's own text"),
    **{
        f"{how} of the {function}": (plant, f"{how} of the {function}")
        for function in ("callback", "collector", "sweep", "responder", "tickets function")
        for how, plant in {
            "end": lambda desk, _, text, function=function: desk.run(function, lambda: {}[text]),
            "answer": lambda desk, _, text, function=function: desk.run(function, lambda: [text]),
        }.items()
    },
    **{
        f"table {table}": (item_planted(table, *keys), f"table {table}")
        for table, keys in {
            SESSIONS: ("conversation", "session_id"),
            LEDGER: ("key",),
            CUSTOMER_KEYS: ("conversation",),
            AUDIT: ("conversation", "seq"),
            REVIEWS: ("conversation", "seq"),
            ACCOUNTS: ("account",),
            ATTENDANCE: ("conversation",),
            TICKETS: ("number",),
        }.items()
    },
    "request to a table": (
        lambda _, name, text: dynamodb().put_item(TableName=LEDGER, Item={"key": {"S": name}, "value": {"S": text}}),
        "request to dynamodb",
    ),
    "object": (lambda desk, name, text: put_planted(desk, name, Body=text.encode()), f"bucket {ARCHIVE}"),
    "object name": (lambda desk, _, text: put_planted(desk, text), f"bucket {ARCHIVE}"),
    "metadata": (lambda desk, name, text: put_planted(desk, name, Metadata={"a": quote(text)}), f"bucket {ARCHIVE}"),
    **{f"queue {queue}": (send_planted(queue), f"queue {queue}") for queue in QUEUES},
    "request to FastGPT": (call_planted("/fastgpt/api/v1/chat/completions"), "FastGPT body"),
    **{
        f"request to WeCom's {path}": (call_planted(f"/wecom/cgi-bin/{path}"), f"WeCom {path} body")
        for path in ("message/send", "kf/send_msg", "kf/send_msg_on_event", "kf/sync_msg", "kf/service_state/trans")
    },
    "request to the ticket system": (call_planted("/tickets/hook"), "ticket system body"),
}


@pytest.mark.parametrize("place", PLANTING)
def test_marks_that_are_planted_are_found(desk: WatchedDesk, place: str):
    plant, heard_at = PLANTING[place]
    known = {mark.name: mark for mark in marks.MARKS}
    for number, mark in enumerate(known.values()):
        plant(desk, str(number), f"before {mark.text} after")

    found = {(find.place, find.mark) for find in desk.finds()}
    desk.empty()
    desk.vendors.calls.clear()
    desk.aws.calls.clear()
    desk.heard.out.clear()

    allowed = ALLOWED.get(heard_at, (frozenset[str](), ""))[0]
    assert {mark for where, mark in found if where == heard_at} == known.keys() - allowed


def test_secrets_that_arise_on_the_way_are_looked_for_too(desk: WatchedDesk):
    desk.answers(desk.customer("arose"), marks.QUESTION)

    arose = desk.marks_that_arose()
    token = next(mark for mark in arose if mark.name == "access token")
    data_key = next(mark for mark in arose if mark.name.startswith("data key"))

    for mark in (token, data_key):
        assert desk.heard.finds([mark]) == []
        desk.heard.hear("anywhere", mark.text)
        assert desk.heard.finds([mark]) == [Find("anywhere", mark.name, "plain")]
    desk.heard.out.clear()


def test_marks_are_what_the_product_takes_them_for():
    """A mark that is no valid number would prove nothing about masking."""
    from frontdesk.protection.masking import Masker

    for mark in marks.PERSONAL:
        assert mark.text not in Masker().mask(f"我的是 {mark.text}", ()).text, mark.name
    assert {mark.sort for mark in marks.MARKS} == set(Sort)
