"""A customer's message goes in at the callback, and what the customer reads comes out at WeCom: all real parts between."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx

from frontdesk.conversation.archiving import document_name
from frontdesk.storage.items import from_session, to_sealed_session
from tests import factories
from tests.e2e.driver import IDLE_S, dead_letters, logged, wait_for, words_in

if TYPE_CHECKING:
    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom


def answer_to(wecom: Wecom, customer: str, count: int = 1) -> list[str]:
    return wait_for(
        f"{customer} reads {count} message(s)",
        lambda: texts if len(texts := wecom.read(customer)) >= count else None,
    )


def test_the_url_check_passes_within_wecoms_second(wecom: Wecom):
    wecom.post("verify")  # the first one starts the worker process of the local AWS

    checked = wecom.post("verify")

    assert checked["ok"], checked


def test_a_signed_question_is_answered_from_the_companys_knowledge(wecom: Wecom):
    delivery = wecom.says("anna", "你们几点营业？")

    assert [attempt["status"] for attempt in delivery["attempts"]] == [200]
    assert "9" in answer_to(wecom, "anna")[0]


def test_the_conversation_is_remembered(wecom: Wecom, fastgpt: httpx.Client):
    wecom.says("ben", "保修多久？")
    answer_to(wecom, "ben")
    wecom.says("ben", "那运费谁出？")
    answer_to(wecom, "ben", 2)

    runs = [run for run in fastgpt.get("/runs").json()["runs"] if run["question"] in {"保修多久？", "那运费谁出？"}]

    assert len({run["chatId"] for run in runs}) == 1
    assert len({run["responseChatItemId"] for run in runs}) == 2
    assert {run["messages"] for run in runs} == {1}


def test_several_short_messages_in_a_row_are_all_answered_in_order(wecom: Wecom, fastgpt: httpx.Client):
    for words in ("在吗", "我想问一下", "怎么退货？"):
        wecom.says("carl", words)

    wait_for("all three are asked", lambda: "怎么退货" in asked_by(fastgpt, "退货"))
    assert answer_to(wecom, "carl")


def tls(stack: LocalStack) -> ssl.SSLContext | bool:
    """Return what trusts the local AWS's own certificate."""
    return ssl.create_default_context(cafile=str(stack.aws.ca_bundle)) if stack.aws.ca_bundle else True


def asked_by(fastgpt: httpx.Client, word: str) -> str:
    return "\n".join(run["question"] for run in fastgpt.get("/runs").json()["runs"] if word in run["question"])


def test_a_message_that_wecom_delivers_three_times_is_answered_once(stack: LocalStack, aws: Aws, wecom: Wecom):
    delivery = wecom.says("dora", "可以开发票吗？", copies=3)

    answer_to(wecom, "dora")
    wait_for(
        "the answer is logged as sent",
        lambda: logged(stack, aws, "ResponderLogs", stage="sent", message_id=delivery["msgid"]),
    )
    assert len(delivery["attempts"]) == 3
    assert len(wecom.read("dora")) == 1


def test_what_is_not_text_gets_one_polite_sentence(wecom: Wecom):
    for kind in ("image", "voice", "location"):
        wecom.sends("emil", {"msgtype": kind})
        assert answer_to(wecom, "emil")

    assert all("文字" in text for text in wecom.read("emil"))


def test_opening_the_chat_is_welcomed_once_a_session(wecom: Wecom):
    wecom.sends("fay", {"msgtype": "event", "event": "enter_agent"})
    answer_to(wecom, "fay")
    wecom.says("fay", "怎么退货？")
    answer_to(wecom, "fay", 2)
    wecom.sends("fay", {"msgtype": "event", "event": "enter_agent", "create_time": 1_790_000_000})
    wecom.says("fay", "可以开发票吗？")

    texts = answer_to(wecom, "fay", 3)

    assert sum("您好" in text and "重置" in text for text in texts) == 1


def test_reset_starts_a_new_chat_at_the_model(wecom: Wecom, fastgpt: httpx.Client):
    wecom.says("gus", "你们有哪些产品？")
    answer_to(wecom, "gus")
    wecom.says("gus", "重置")
    answer_to(wecom, "gus", 2)
    wecom.says("gus", "多少钱起送？")
    answer_to(wecom, "gus", 3)

    chats = {
        run["question"]: run["chatId"]
        for run in fastgpt.get("/runs").json()["runs"]
        if run["question"] in {"你们有哪些产品？", "多少钱起送？"}
    }

    assert len(set(chats.values())) == 2


def test_a_choice_offered_by_the_app_is_taken_by_number(wecom: Wecom):
    wecom.says("hal", "选择部门")
    offered = answer_to(wecom, "hal")[0]
    wecom.says("hal", "1")

    texts = answer_to(wecom, "hal", 2)

    assert "1. " in offered
    assert "没有这个选项" not in texts[1]


def test_a_long_wait_is_bridged_by_one_notice(wecom: Wecom, fastgpt: httpx.Client):
    fastgpt.post("/answers", json={"match": "慢慢来", "text": "让您久等了。", "delay_ms": 12_000}).raise_for_status()
    wecom.says("ida", "慢慢来")

    texts = answer_to(wecom, "ida", 2)

    assert texts[1] == "让您久等了。"
    assert len(texts) == 2


def test_a_question_that_everybody_refuses_is_apologised_for_at_once_and_not_asked_again(
    wecom: Wecom, fastgpt: httpx.Client, standby: httpx.Client
):
    fault = {"kind": "error", "statusText": "unAuthChat", "match": "钥匙", "times": 5}
    for each in (fastgpt, standby):
        each.post("/faults", json=fault).raise_for_status()
    wecom.says("jan", "钥匙丢了怎么办？")

    texts = answer_to(wecom, "jan")

    assert "抱歉" in texts[0]
    assert asked_by(fastgpt, "钥匙").splitlines().count("钥匙丢了怎么办？") == 1
    assert asked_by(standby, "钥匙") == ""  # what one refuses as it is, no other is asked


def test_a_question_that_failed_once_is_answered_by_the_standby(
    wecom: Wecom, fastgpt: httpx.Client, standby: httpx.Client
):
    fault = {"kind": "cut", "after_chunks": 2, "match": "配送", "times": 1}
    fastgpt.post("/faults", json=fault).raise_for_status()
    wecom.says("kim", "配送要多久？")

    texts = answer_to(wecom, "kim")

    assert "抱歉" not in texts[0]
    assert len(texts) == 1
    assert asked_by(standby, "配送").splitlines() == ["配送要多久？"]


def test_wecom_refusing_for_a_moment_costs_nothing(wecom: Wecom):
    wecom.post("faults", {"path": "message/send", "errcode": -1, "times": 2, "userid": "lea"})
    wecom.says("lea", "怎么退货？")

    assert len(answer_to(wecom, "lea")) == 1


def test_a_send_whose_outcome_is_unknown_is_seen_once(wecom: Wecom):
    wecom.post("faults", {"path": "message/send", "drop": "after", "times": 1, "userid": "max"})
    wecom.says("max", "可以开发票吗？")
    answer_to(wecom, "max")

    wait_for(
        "the repetition arrives and is suppressed",
        lambda: [entry for entry in wecom.entries("max") if entry["suppressed"]],
    )
    assert len(wecom.read("max")) == 1


def test_forged_and_broken_callbacks_are_refused_without_detail(wecom: Wecom, stack: LocalStack):
    expected = {
        "signature": 403,
        "timestamp": 403,
        "receiveid": 403,
        "ciphertext": 403,
        "padding": 400,
        "oversize": 400,
        "not_xml": 400,
        "doctype": 400,
    }

    statuses = {how: wecom.says("nil", "不该看到", tamper=how)["attempts"][0]["status"] for how in expected}
    plain = httpx.post(stack.callback_url, content=b"<xml/>", timeout=20, verify=tls(stack))

    assert statuses | {"ciphertext": 403} == expected
    assert (plain.status_code, plain.text) == (400, "{}")
    assert not wecom.read("nil")


def test_a_message_nobody_can_read_is_dead_lettered_and_harms_no_other(
    stack: LocalStack, aws: Aws, desk: Desk, wecom: Wecom
):
    sqs = aws.client("sqs")
    sqs.send_message(
        QueueUrl=stack.resources["Inbox"], MessageBody="not ours", MessageGroupId="x", MessageDeduplicationId="x1"
    )
    wecom.says("oda", "怎么退货？")

    assert answer_to(wecom, "oda")
    wait_for("the dead letter", lambda: "not ours" in dead_letters(desk), seconds=90)


def test_an_idle_conversation_ends_up_in_the_archive(stack: LocalStack, aws: Aws, desk: Desk, wecom: Wecom):
    wecom.says("pia", "怎么退货？")
    answer = answer_to(wecom, "pia")[0]
    s3 = aws.client("s3")
    bucket = stack.resources["ArchiveBucket"]
    conversation = desk.conversation_of("wecom_app", "pia")

    def archived() -> dict[str, Any] | None:
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix="sessions/").get("Contents", []):
            if f"/conversation={conversation}/" in entry["Key"]:
                document: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
                return {"key": entry["Key"], **document}
        return None

    document = wait_for("the archived session", archived, seconds=IDLE_S + 120)

    words = words_in(desk, document)
    assert document["schema"] == "frontdesk.session/2"
    assert not {"customer", "turns"} & set(document)
    assert words["customer"] == "pia"
    assert [(turn["question"], turn["answer"]) for turn in words["turns"]] == [("怎么退货？", answer)]
    assert document["key"].startswith("sessions/dt=")
    assert "/channel=wecom_app/" in document["key"]
    line = wait_for(
        "the archiver's line",
        lambda: logged(stack, aws, "ArchiverLogs", stage="archived", session_id=document["session_id"]),
    )
    assert line[0]["conversation"] == document["conversation"] == conversation


def test_a_session_that_ttl_removed_unarchived_is_rescued_from_the_stream(stack: LocalStack, aws: Aws, desk: Desk):
    """The local AWS writes no stream record for a TTL removal, so the function is handed one of the right shape."""
    session = factories.session(customer="rosa", version=2, archived_version=1, turns=(factories.turn(),))
    image = from_session(session, desk.seals)
    record = {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventSource": "aws:dynamodb",
        "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
        "dynamodb": {"SequenceNumber": "100", "StreamViewType": "OLD_IMAGE", "OldImage": image},
    }

    answer = aws.client("lambda").invoke(
        FunctionName=f"{stack.resources['ArchiverStreamFunction']}:live", Payload=json.dumps({"Records": [record]})
    )

    assert json.loads(answer["Payload"].read()) == {"batchItemFailures": []}
    stored = aws.client("s3").get_object(
        Bucket=stack.resources["ArchiveBucket"], Key=document_name(to_sealed_session(image))
    )
    document = json.loads(stored["Body"].read())
    words = words_in(desk, document)
    assert (words["customer"], document["version"], len(words["turns"])) == ("rosa", 2, 1)


def test_the_way_of_a_message_can_be_followed_in_the_logs(stack: LocalStack, aws: Aws, wecom: Wecom):
    message_id = wecom.says("quin", "可以开发票吗？")["msgid"]
    answer_to(wecom, "quin")

    wait_for("its last line", lambda: logged(stack, aws, "ResponderLogs", stage="sent", message_id=message_id))
    lines = [
        *logged(stack, aws, "CallbackLogs", message_id=message_id),
        *logged(stack, aws, "ResponderLogs", message_id=message_id),
    ]

    assert [line["stage"] for line in lines if "stage" in line] == [
        "queued",
        "asked",
        "first_words",
        "answered",
        "sent",
    ]
    assert len({line["conversation"] for line in lines}) == 1
    assert all("quin" not in json.dumps(line) and "发票" not in json.dumps(line, ensure_ascii=False) for line in lines)
