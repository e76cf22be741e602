"""Nothing readable leaks where people come in: 微信客服, the hand-over, tickets, and everything that can fail there.

The same search as in `test_leaks`: whatever a test does, its desk is looked through when it is over.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import bootstrap
from frontdesk.errors import TransientError
from frontdesk.protection.sealing import Keyring
from frontdesk.storage.pulls import BODY_VERSION as PULL_VERSION
from tests.contract.audit_in_memory import AUDIT
from tests.contract.aws_in_memory import ATTENDANCE, CUSTOMER_KEYS, SESSIONS, TICKETS
from tests.integration import marks
from tests.integration.aws_over_http import FAULTS, IN_PART, Fault
from tests.integration.marks import look
from tests.integration.scripted_peer import peer
from tests.integration.watched_desk import (
    AGENTS,
    ALLOWED,
    AUDIT_BUCKET,
    MAX_RECEIVES,
    PULLS,
    TICKET_QUEUE,
    WatchedDesk,
    said_in,
    scripted,
)
from tests.vendor_side import kf_event, kf_message, kf_notice_xml

if TYPE_CHECKING:
    from tests.integration.aws_over_http import AwsCall
    from tests.integration.scripted_peer import Talk

ALL_PERSONAL = "，".join(mark.text for mark in marks.PERSONAL)
ASKED = f"{marks.QUESTION} {marks.PHONE}"


def informed(desk: WatchedDesk) -> None:
    """Let the main app know the answer and the light app a summary."""
    scripted(desk, marks.QUESTION, text=f"{marks.ANSWER} [手机号1]")
    scripted(desk, "", app="lite", text=f"{marks.SUMMARY} [手机号1]")


def asks(desk: WatchedDesk, customer: str, *texts: str) -> None:
    """Let a customer of 微信客服 write, and everything be done that comes of it."""
    for text in texts:
        desk.writes(customer, text)
        assert desk.notified()["statusCode"] == 200
        desk.settle()


def servicer_of(desk: WatchedDesk, customer: str) -> str:
    """Return who has a customer of 微信客服."""
    about = {"open_kfid": desk.account, "external_userid": customer}
    state = desk.vendors.control.get("/wecom/_control/kf/sessions/state", params=about).json()
    assert state["service_state"] == 3
    return str(state["servicer_userid"])


def acts(desk: WatchedDesk, what: str, customer: str, **more: Any) -> str:
    """Let the servicer in charge do something, and everything be done that comes of it."""
    done = desk.vendors.kf(f"sessions/{what}", open_kfid=desk.account, external_userid=customer, **more)
    desk.notified()
    desk.settle()
    return str(done["msgid"])


def read(desk: WatchedDesk, customer: str) -> list[str]:
    return desk.vendors.read_in_kf(desk.account, customer)


# -- 微信客服 ----------------------------------------------------------------------------------------------------------


def test_a_customer_of_kf_is_welcomed_and_answered_in_silence(desk: WatchedDesk):
    customer = desk.kf_customer("greeted")
    informed(desk)
    entered = {"open_kfid": desk.account, "scene": "web", "scene_param": marks.QUESTION}
    desk.vendors.kf(f"customers/{customer}/enter", **entered)
    desk.notified()
    desk.settle()

    asks(desk, customer, f"{marks.QUESTION} {ALL_PERSONAL}")
    place = {"latitude": 30.2741, "longitude": 120.1551, "name": marks.QUESTION, "address": marks.ADDRESS}
    link = {"title": marks.QUESTION, "desc": marks.QUESTION, "url": marks.LINK, "pic_url": marks.LINK}
    for msgtype, body in (("location", place), ("link", link), ("merged_msg", {"title": marks.QUESTION})):
        desk.writes(customer, "", msgtype=msgtype, body=body)
    desk.notified()
    desk.settle()

    assert read(desk, customer)[:2] == ["您好", f"{marks.ANSWER} {marks.PHONE}"]
    assert "请用文字描述" in read(desk, customer)[2]
    assert {name for name, _ in desk.vendors.given} >= {"welcome code", "sync token"}


def test_what_is_too_long_waits_sealed_until_it_is_asked_for_and_the_last_message_calls_a_colleague(desk: WatchedDesk):
    customer = desk.kf_customer("talkative")
    scripted(desk, "", app="lite", text=marks.SUMMARY)
    long = "\n\n".join(f"{number}. {marks.ANSWER}" + "这一段说明我们的服务。" * 60 for number in range(1, 14))
    scripted(desk, marks.QUESTION, text=f"{long} [手机号1]")
    asks(desk, customer, ASKED)

    menu = next(each for each in reversed(entries(desk, customer)) if each["msgtype"] == "msgmenu")
    item = menu["body"]["list"][0]["click"]["id"]
    desk.writes(customer, "继续查看", menu_id=item)
    desk.writes(customer, ASKED, send_time=int(time.time()))
    desk.notified()
    desk.settle()

    assert item.startswith("more:")
    assert said_in(desk.heard, "log").count('"handed over"') == 1
    assert servicer_of(desk, customer) in AGENTS


def entries(desk: WatchedDesk, customer: str) -> list[dict[str, Any]]:
    path, query = f"/wecom/_control/kf/customers/{customer}/timeline", {"open_kfid": desk.account, "after": 0}
    found: list[dict[str, Any]] = desk.vendors.control.get(path, params=query).json()["entries"]
    return found


def test_what_happens_to_messages_afterwards_is_noted_by_their_ids(desk: WatchedDesk):
    customer = desk.kf_customer("recalls")
    informed(desk)
    asked = desk.writes(customer, ASKED)
    # Type 13 is a refusal for the sake of security: somebody has to see to it that the customer hears of it.
    desk.vendors.kf("failures", external_userid=customer, fail_type=13)
    desk.notified()
    desk.settle()
    desk.notified()
    desk.settle()
    desk.vendors.kf(f"customers/{customer}/recall", open_kfid=desk.account, msgid=asked)
    desk.notified()
    desk.settle()

    conversation = desk.kf_conversation(customer)
    assert {"recalled", "undelivered", "ticket"} <= audited(desk, conversation)
    assert '"Undelivered"' in printed(desk)


def audited(desk: WatchedDesk, conversation: str) -> set[str]:
    """Return the kinds of what the audit keeps of a conversation."""
    return {item["kind"]["S"] for item in desk.items(AUDIT) if item["conversation"]["S"] == conversation}


def printed(desk: WatchedDesk) -> str:
    desk.listen()
    return said_in(desk.heard, "standard output")


# Where an entry has to have an id, ours are whole; all others hold marks, of which WeCom documents nothing.
STRANGE: list[dict[str, Any]] = [
    kf_message(body={"content": {"text": marks.QUESTION}}),
    kf_message(body=marks.QUESTION),
    kf_message("hologram", {"content": marks.QUESTION}),
    kf_message(marks.QUESTION, {"content": marks.QUESTION}),
    kf_message(msgid=marks.QUESTION),
    kf_message(send_time=marks.QUESTION),
    kf_message(origin=marks.QUESTION),
    kf_message(origin=5, servicer_userid=f"{marks.QUESTION} {marks.USER_ID}", body={"content": marks.AGENT_LINE}),
    kf_message(external_userid=f"{marks.EXTERNAL_USERID} {marks.PHONE}"),
    kf_message(open_kfid=marks.QUESTION),
    kf_message(body={"content": marks.QUESTION, "menu_id": marks.QUESTION}),
    kf_event("enter_session", welcome_code=[marks.QUESTION], scene=marks.QUESTION, scene_param=ALL_PERSONAL),
    kf_event("msg_send_fail", fail_msgid=marks.QUESTION, fail_type=marks.QUESTION),
    kf_event("msg_send_fail", fail_msgid=f"{marks.EXTERNAL_USERID} {marks.PHONE}", fail_type=[marks.QUESTION]),
    kf_event("session_status_change", change_type=1, new_servicer_userid=marks.QUESTION, msg_code=marks.QUESTION),
    kf_event("session_status_change", change_type=3, msg_code={"code": marks.QUESTION}),
    kf_event("session_status_change", change_type=marks.QUESTION),
    kf_event("user_recall_msg", recall_msgid=marks.QUESTION),
    kf_event("servicer_recall_msg", recall_msgid=f"{marks.QUESTION} {marks.PHONE}", servicer_userid=marks.QUESTION),
    kf_event(marks.QUESTION, msgid="m_new", note=ALL_PERSONAL),
]


def test_entries_that_nobody_documented_leave_nothing_readable(desk: WatchedDesk):
    scripted(desk, "", text=marks.ANSWER)
    for number, entry in enumerate(STRANGE):
        customer = desk.kf_customer(f"strange-{number}")
        document = {**entry, "msgid": f"strange_{number}" if entry["msgid"] != marks.QUESTION else entry["msgid"]}
        about = document["event"] if document["msgtype"] == "event" else document
        about["external_userid"] = about["external_userid"].replace("wmXYZ001", customer)
        about["open_kfid"] = desk.account if about["open_kfid"] != marks.QUESTION else about["open_kfid"]
        if document["send_time"] != marks.QUESTION:
            document["send_time"] = int(time.time())
        desk.vendors.receives(desk.account, document)
    desk.notified()
    desk.settle()

    done = next(json.loads(line) for line in said_in(desk.heard, "log").splitlines() if '"pull done"' in line)
    assert done["put"] + done["skipped"] == len(STRANGE)
    assert done["put"] > len(STRANGE) // 2


def test_notifications_that_are_refused_leave_nothing_behind(desk: WatchedDesk):
    now = str(int(time.time()))
    told = {"CreateTime": now, "OpenKfId": desk.account, "Token": desk.vendors.notice_token(desk.account)}
    query, body = desk.kf_callback.post(kf_notice_xml(**told), timestamp=now)
    nobodys = kf_notice_xml(**{**told, "OpenKfId": f"{marks.QUESTION} {marks.PHONE}"})

    assert desk.hand_over(query.replace("msg_signature=", "msg_signature=f"), body)["statusCode"] == 403
    assert desk.hand_over(query, kf_notice_xml(**told).encode())["statusCode"] == 400
    assert desk.hand_over(*desk.kf_callback.post(nobodys, timestamp=now))["statusCode"] == 200
    assert desk.waiting(PULLS) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_a_queue_of_pulls_that_fails_learns_nothing_to_tell(desk: WatchedDesk, kind: str):
    desk.aws.faults.append(Fault(kind, lambda call: call.service == "sqs"))

    assert desk.notified()["statusCode"] == 500


# -- the collector -----------------------------------------------------------------------------------------------------


SYNC_FAULTS: list[dict[str, Any]] = [
    *({"path": "kf/sync_msg", "errcode": code, "times": 0} for code in (-1, 40001, 40058, 45009, 48002, 60020, 95004)),
    {"path": "kf/sync_msg", "errcode": 95007, "times": 1},  # the token has ended
    {"path": "kf/sync_msg", "status": 502, "times": 0},
    {"path": "kf/sync_msg", "status": 403, "times": 0},
    {"path": "kf/sync_msg", "garbage": True, "times": 0},
    {"path": "kf/sync_msg", "drop": "before", "times": 0},
    {"path": "kf/sync_msg", "drop": "after", "times": 1},
    {"path": "kf/sync_msg", "delay_ms": 1_500, "times": 0},
    {"path": "gettoken", "errcode": 40001, "times": 0},
    {"path": "gettoken", "status": 500, "times": 0},
    {"path": "gettoken", "garbage": True, "times": 0},
]


@pytest.mark.parametrize("fault", SYNC_FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
def test_however_wecom_refuses_to_be_fetched_its_text_stays_where_it_is(desk: WatchedDesk, fault: dict[str, Any]):
    customer = desk.kf_customer("uncollected")
    desk.writes(customer, ASKED)
    desk.notified()
    records = desk.waiting(PULLS)
    desk.vendors.script("/wecom/_control/faults", fault)

    # Hardly more than the pull keeps for itself, so that what is repeated is repeated a few times only.
    answer = desk.collect(records, attempt=MAX_RECEIVES, remaining_s=11.3)

    told = said_in(desk.heard, "log")
    assert "pull comes again" in told or "account unreadable" in told or answer == {"batchItemFailures": []}
    assert said_in(desk.heard, "an error's own text")


@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
@pytest.mark.parametrize("kind", [*FAULTS, IN_PART])
def test_a_collector_whose_stores_fail_tells_nothing(desk: WatchedDesk, service: str, kind: str):
    customer = desk.kf_customer("unstored")
    desk.writes(customer, ASKED)
    desk.notified()
    records = desk.waiting(PULLS)
    bootstrap.collector()
    batches = {"SendMessageBatch"} if kind == IN_PART else {"SendMessageBatch", "GetItem", "PutItem", "UpdateItem"}
    desk.aws.faults.append(Fault(kind, lambda call: call.service == service and call.operation in batches))

    answer = desk.collect(records)

    assert len(answer["batchItemFailures"]) == 1 or kind in {"garbage", IN_PART}


def nth_kind_of_call(number: int, kind: str) -> Fault:
    """Return a fault for the ``number``-th kind of call to the tables, each time it is made."""
    kinds: list[str] = []

    def hits(call: AwsCall) -> bool:
        if call.service != "dynamodb":
            return False
        target = json.loads(call.body) if call.body.startswith(b"{") else {}
        what = f"{call.operation} {target.get('TableName', '')} {target.get('UpdateExpression', '')}"
        if what not in kinds:
            kinds.append(what)
        return kinds.index(what) == number

    return Fault(kind, hits)


# One for each way in which AWS's errors become ours.
KINDS = ("refused", "conflict", "dropped", "garbage")
KINDS_OF_CALLS = 8


@pytest.mark.parametrize("kind", KINDS)
def test_whichever_call_of_a_pull_fails_nothing_is_told_but_its_name(desk: WatchedDesk, kind: str):
    customer = desk.kf_customer("pulled")
    bootstrap.collector()
    answers = []
    for number in range(KINDS_OF_CALLS):
        desk.writes(customer, ASKED)
        desk.notified()
        records = desk.waiting(PULLS)
        desk.forget_tokens()
        desk.aws.faults[:] = [nth_kind_of_call(number, kind)]
        answers.append(desk.collect(records, remaining_s=12.0))
        desk.aws.faults.clear()

    assert sum(answer != {"batchItemFailures": []} for answer in answers) >= (0 if kind == "garbage" else 3)


def test_pulls_that_nobody_can_read_are_not_quoted(desk: WatchedDesk):
    desk.notified()
    record = desk.waiting(PULLS)[0]
    body = json.loads(record["body"])
    strange = Keyring.read({"current": "k7", "keys": {"k7": "7" * 32}})
    bodies = [
        f"{marks.QUESTION} {ALL_PERSONAL}",
        json.dumps(marks.QUOTED),
        json.dumps({**body, "v": marks.QUESTION}),
        json.dumps({**body, "noticed_at_ms": marks.QUESTION}),
        json.dumps({**body, "sealed": marks.QUOTED}),
        json.dumps({**body, "sealed": body["sealed"][:-4] + "AAAA"}),
        json.dumps({**body, "account": "wkAnother"}),
        json.dumps({**body, "sealed": strange.seal(marks.QUOTED, "pull", desk.account)}),
    ]

    answer = desk.collect([{**record, "messageId": str(n), "body": each} for n, each in enumerate(bodies)])

    assert body["v"] == PULL_VERSION
    assert len(answer["batchItemFailures"]) == len(bodies)
    assert said_in(desk.heard, "log").count("pull not read") == len(bodies)


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_customer_of_kf_goes_to_a_servicer_and_back_without_a_readable_word(desk: WatchedDesk):
    customer = desk.kf_customer("handed")
    informed(desk)

    asks(desk, customer, f"{marks.QUESTION} {ALL_PERSONAL}", "转人工")
    servicer = servicer_of(desk, customer)
    assert any(marks.SUMMARY in text and marks.NICKNAME in text for text in desk.vendors.read(servicer))
    asks(desk, customer, f"{marks.QUESTION} {marks.EMAIL}")
    said = acts(desk, "say", customer, content=f"{marks.AGENT_LINE} {marks.CARD}")
    acts(desk, "recall", customer, msgid=said)
    acts(desk, "say", customer, content=marks.AGENT_LINE)
    acts(desk, "end", customer)
    desk.vendors.kf(f"customers/{customer}/tap", open_kfid=desk.account, menu_id="rating:bad")
    desk.notified()
    desk.settle()
    asks(desk, customer, f"{marks.QUESTION} 又一次")

    conversation = desk.kf_conversation(customer)
    assert {"state", "person", "recalled", "rated", "generated"} <= audited(desk, conversation)
    assert any(call.path.endswith("updateUserFeedback") for call in desk.vendors.calls)
    assert any(marks.AGENT_LINE in question for question in desk.vendors.asked())


def test_a_customer_of_the_application_goes_to_a_colleague_and_back_without_a_readable_word(desk: WatchedDesk):
    customer, agent = desk.customer("accepted"), marks.AGENT
    informed(desk)
    for words in (f"{marks.QUESTION} {ALL_PERSONAL}", "转人工"):
        desk.says(customer, words)
        desk.settle()
    accept, give_back = (f"handoff:{desk.conversation(customer)}:{verb}" for verb in ("accept", "return"))

    desk.presses(agent, accept)
    desk.settle()
    desk.says(customer, f"{marks.QUESTION} {marks.EMAIL}")
    desk.settle()
    desk.says(agent, f"{marks.AGENT_LINE} {marks.CARD}")
    desk.settle()
    desk.says(agent, "", MsgType="link", Url=marks.LINK, Title=marks.AGENT_LINE)
    desk.settle()
    desk.says(agent, "工单")
    desk.settle()
    desk.presses(agent, give_back)
    desk.settle()
    desk.says(agent, marks.AGENT_LINE)  # they are a customer like any other now
    desk.says(customer, f"{marks.QUESTION} 又一次")
    desk.settle()

    seen = desk.vendors.read(agent)
    assert any(marks.SUMMARY in text for text in seen)
    assert any(marks.EMAIL in text for text in seen)
    assert any(marks.AGENT_LINE in text for text in desk.vendors.read(customer))
    assert "TicketOpened" in printed(desk)
    assert any(marks.AGENT_LINE in question and marks.QUESTION in question for question in desk.vendors.asked())


def test_somebody_who_is_no_colleague_and_a_card_that_nobody_sent_change_nothing_and_tell_nothing(desk: WatchedDesk):
    customer, other = desk.customer("waits"), desk.customer("curious")
    informed(desk)
    for words in (ASKED, "转人工"):
        desk.says(customer, words)
        desk.settle()
    desk.pressed(other, f"handoff:{desk.conversation(customer)}:accept")
    desk.pressed(marks.AGENT, f"handoff:{desk.conversation(marks.USER_ID)}:accept")
    desk.pressed(marks.AGENT, f"ticket:{marks.QUESTION} {marks.PHONE}:claim")
    desk.pressed(marks.AGENT, f"handoff:{marks.QUESTION}:{marks.USER_ID}")
    desk.settle()

    assert "button_unknown" in said_in(desk.heard, "log")
    assert "您不在人工接待名单中" in desk.vendors.read(other)[0]


@pytest.mark.parametrize("channel", ["wecom_app", "wecom_kf"])
def test_a_customer_whom_nobody_answers_is_taken_back_in_silence(desk: WatchedDesk, channel: str):
    informed(desk)
    if channel == "wecom_kf":
        customer = desk.kf_customer("unanswered")
        conversation = desk.kf_conversation(customer)
        asks(desk, customer, ASKED, "转人工", f"{marks.QUESTION} {marks.EMAIL}")
    else:
        customer = desk.customer("unanswered")
        conversation = desk.conversation(customer)
        for words in (ASKED, "转人工", f"{marks.QUESTION} {marks.EMAIL}"):
            desk.says(customer, words)
            desk.settle()

    for _ in range(3):  # a reminder, one to everybody, and then
        desk.make_due(conversation)
        assert desk.wake() is None
        desk.settle()
        desk.notified()
        desk.settle()

    told = read(desk, customer) if channel == "wecom_kf" else desk.vendors.read(customer)
    assert any("同事暂时没能接待您" in text for text in told)
    assert "HandoffUnanswered" in printed(desk)
    assert any(item.get("reason", {}).get("S") == "unanswered" for item in desk.items(TICKETS))


# -- tickets -----------------------------------------------------------------------------------------------------------


def opened(desk: WatchedDesk, customer: str) -> str:
    """Let a customer of 微信客服 leave a question; return the number of the ticket."""
    informed(desk)
    asks(desk, customer, f"{marks.QUESTION} {ALL_PERSONAL}", "我要留言")
    return next(item["number"]["S"] for item in desk.items(TICKETS) if item["number"]["S"].startswith("T"))


def replies(desk: WatchedDesk, number: str) -> None:
    """Let an agent claim a ticket and type the reply to it."""
    for verb in ("claim", "reply"):
        desk.presses(marks.AGENT, f"ticket:{number}:{verb}")
        desk.settle()
    desk.says(marks.AGENT, f"{marks.TICKET_ANSWER} {marks.CARD}")
    desk.settle()


def test_a_ticket_goes_its_whole_way_without_a_readable_word(desk: WatchedDesk):
    customer = desk.kf_customer("ticket")
    number = opened(desk, customer)

    replies(desk, number)

    told = [json.loads(call.body) for call in desk.vendors.calls if call.vendor == "tickets"]
    assert list(dict.fromkeys(each["event"] for each in told)) == ["opened", "assigned", "answered"]
    assert marks.TICKET_ANSWER in told[-1]["answer"]
    assert any(marks.TICKET_ANSWER in text for text in read(desk, customer))


def test_a_ticket_is_offered_again_and_closed_without_a_readable_word(desk: WatchedDesk):
    customer = desk.kf_customer("offered")
    number = opened(desk, customer)
    item = next(each for each in desk.items(TICKETS) if each["number"]["S"] == number)
    desk.client("dynamodb").put_item(TableName=TICKETS, Item={**item, "offer_at": {"N": str(int(time.time()) - 60)}})

    assert desk.wake() is None
    desk.settle()
    desk.presses(marks.OTHER_AGENT, f"ticket:{number}:close")
    desk.settle()

    told = [json.loads(call.body)["event"] for call in desk.vendors.calls if call.vendor == "tickets"]
    assert told == ["opened", "closed"]
    assert any(f"{number} 已处理完毕" in text for text in read(desk, customer))


def test_a_ticket_of_a_customer_with_a_person_waits_sealed_until_the_machine_may_speak(desk: WatchedDesk):
    customer = desk.kf_customer("notice")
    number = opened(desk, customer)
    asks(desk, customer, "转人工")

    replies(desk, number)
    kept = list(read(desk, customer))
    acts(desk, "end", customer)
    asks(desk, customer, f"{marks.QUESTION} 又一次")

    assert not any(marks.TICKET_ANSWER in text for text in kept)
    assert any(marks.TICKET_ANSWER in text for text in read(desk, customer))


# -- what fails while people are called ---------------------------------------------------------------------------------

# Where a customer is, each call to WeCom that a hand-over makes of 微信客服 or of the application.
HANDOVER_FAULTS: list[dict[str, Any]] = [
    *({"path": "kf/send_msg", "errcode": code, "times": 0} for code in (-1, 40003, 45009, 95001, 95002, 95013, 95018)),
    *({"path": "kf/service_state/get", "errcode": code, "times": 0} for code in (-1, 40003, 48002, 95000)),
    *({"path": "kf/service_state/trans", "errcode": code, "times": 0} for code in (-1, 60020, 95014, 95016, 95019)),
    *({"path": "kf/servicer/list", "errcode": code, "times": 1} for code in (45009, 60020, 95000)),
    *({"path": "kf/customer/batchget", "errcode": code, "times": 1} for code in (45009, 48002)),
    *({"path": "message/send", "errcode": code, "times": 1} for code in (45009, 60011, 81013, 301002)),
    *(
        {"path": path, **how, "times": 1}
        for path in ("kf/send_msg", "kf/service_state/get", "kf/service_state/trans")
        for how in ({"status": 502}, {"status": 403}, {"garbage": True}, {"drop": "before"}, {"drop": "after"})
    ),
]


@pytest.mark.parametrize("attempt", [1, MAX_RECEIVES])
def test_however_wecom_refuses_a_hand_over_its_text_stays_where_it_is(desk: WatchedDesk, attempt: int):
    """Each fault meets a customer of its own, where it can be told from the call whom it is about."""
    informed(desk)
    for number, fault in enumerate(HANDOVER_FAULTS):
        customer = desk.kf_customer(f"refused-{attempt}-{number}")
        about = (
            {}
            if fault["path"] in {"kf/servicer/list", "kf/customer/batchget", "message/send"}
            else {"userid": customer}
        )
        desk.vendors.script("/wecom/_control/faults", {**fault, **about})
        desk.writes(customer, ASKED)
        desk.writes(customer, "转人工")
    desk.notified()
    desk.collect(desk.waiting(PULLS))
    records = desk.waiting()

    failures = 0
    for customer_records in by_group(records):
        answer = desk.respond(customer_records, attempt=attempt, remaining_s=43)
        failures += len(answer["batchItemFailures"])
    desk.vendors.forget()
    desk.settle()

    assert failures >= 5
    told = said_in(desk.heard, "log")
    assert "attempt failed" in told
    assert "charge_unknown" in told


def by_group(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return batches of at most ten, in which each conversation is whole."""
    batches: list[list[dict[str, Any]]] = [[]]
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault(record["attributes"]["MessageGroupId"], []).append(record)
    for group in groups.values():
        if len(batches[-1]) + len(group) > 10:
            batches.append([])
        batches[-1] += group
    return batches


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "code": 500, "message": marks.QUOTED},
        {"kind": "status", "status": 401, "body": marks.QUOTED},
        {"kind": "garbage", "body": f"data: {marks.QUOTED}\n\n"},
        {"kind": "empty"},
        {"kind": "cut"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_light_app_that_refuses_costs_the_summary_and_tells_nothing(desk: WatchedDesk, fault: dict[str, Any]):
    customer = desk.kf_customer("unsummarised")
    informed(desk)
    desk.vendors.script("/fastgpt/_control/faults", {**fault, "app": "lite", "times": None})

    asks(desk, customer, f"{marks.QUESTION} {ALL_PERSONAL}", "转人工")

    seen = desk.vendors.read(servicer_of(desk, customer))
    assert any(marks.QUESTION in text and marks.SUMMARY not in text for text in seen)
    assert "no summary" in said_in(desk.heard, "log")


def test_a_model_that_does_not_take_a_rating_is_told_of_without_it(desk: WatchedDesk):
    customer = desk.kf_customer("rates")
    informed(desk)
    asks(desk, customer, ASKED, "转人工")
    acts(desk, "end", customer)
    refusal = {"kind": "json_error", "message": marks.QUOTED, "path": "updateUserFeedback", "times": None}
    desk.vendors.script("/fastgpt/_control/faults", refusal)

    desk.vendors.kf(f"customers/{customer}/tap", open_kfid=desk.account, menu_id="rating:good")
    desk.notified()
    desk.settle()

    assert "feedback not given" in said_in(desk.heard, "log")
    assert "SatisfactionGood" in printed(desk)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem", "TransactWriteItems", "SendMessage"])
def test_whichever_store_fails_while_a_person_is_called_nothing_is_told_but_its_name(
    desk: WatchedDesk, kind: str, operation: str
):
    customer, agent = desk.customer("stores"), marks.AGENT
    informed(desk)
    desk.says(customer, ASKED)
    desk.settle()
    desk.says(customer, "转人工")
    records = desk.waiting()
    # Each message is worked on twice: the first time with the fault, the second without.
    fault = Fault(kind, lambda call: call.operation == operation)
    for words in ("", f"{marks.QUESTION} {marks.EMAIL}", f"{marks.AGENT_LINE} {marks.CARD}", "工单", "交还"):
        if words:
            desk.says(agent if marks.QUESTION not in words else customer, words)
            records = desk.waiting()
        desk.aws.faults.append(fault)
        desk.respond(records)
        desk.aws.faults.clear()
        desk.respond(records, attempt=2)
        desk.settle()
        if not words:
            desk.presses(agent, f"handoff:{desk.conversation(customer)}:accept")
            desk.settle()

    told = said_in(desk.heard, "log")
    assert "attempt failed" in told or kind == "garbage"
    assert any(marks.AGENT_LINE in text for text in desk.vendors.read(customer))


@pytest.mark.parametrize("table", [ATTENDANCE, SESSIONS, CUSTOMER_KEYS])
def test_attendances_that_do_not_open_stop_their_conversation_and_are_not_shown(desk: WatchedDesk, table: str):
    customer = desk.customer("altered")
    informed(desk)
    for words in (ASKED, "转人工"):
        desk.says(customer, words)
        desk.settle()
    alter(desk, table, desk.conversation(customer))
    bootstrap.responder.cache_clear()

    answer = desk.answers(customer, f"{marks.QUESTION} {marks.EMAIL}", attempt=MAX_RECEIVES)

    assert len(answer["batchItemFailures"]) == 1
    assert '"code":"unopened"' in said_in(desk.heard, "log")
    desk.client("dynamodb").delete_item(
        TableName=CUSTOMER_KEYS, Key={"conversation": {"S": desk.conversation(customer)}}
    )


def alter(desk: WatchedDesk, table: str, about: str) -> None:
    """Damage what is sealed in each item of a table that is about one conversation."""
    for item in desk.items(table):
        if about in json.dumps(item):
            for name in {"sealed", "wrapped"} & set(item):
                item[name] = {"S": re.sub(r"(s1\.[kc][0-9a-f]+\.)....", r"\1AAAA", item[name]["S"])}
            desk.client("dynamodb").put_item(TableName=table, Item=item)


# -- the sweep ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("service", ["sqs", "dynamodb"])
def test_a_sweep_that_fails_tells_nothing(desk: WatchedDesk, service: str, kind: str):
    customer = desk.kf_customer("unswept")
    number = opened(desk, customer)
    asks(desk, customer, "转人工")
    desk.make_due(desk.kf_conversation(customer))
    item = next(each for each in desk.items(TICKETS) if each["number"]["S"] == number)
    desk.client("dynamodb").put_item(TableName=TICKETS, Item={**item, "offer_at": {"N": str(int(time.time()) - 60)}})
    desk.aws.faults.append(Fault(kind, lambda call: call.service == service))

    ended = desk.wake()

    assert isinstance(ended, TransientError) or kind == "garbage"


# -- the tickets function ----------------------------------------------------------------------------------------------


def asked_for(desk: WatchedDesk, name: str) -> list[dict[str, Any]]:
    """Return the request that a customer of 微信客服 leaves in the queue."""
    customer = desk.kf_customer(name)
    informed(desk)
    asks(desk, customer, f"{marks.QUESTION} {ALL_PERSONAL}")
    desk.writes(customer, "我要留言")
    desk.notified()
    desk.collect(desk.waiting(PULLS))
    desk.respond(desk.waiting())
    return desk.waiting(TICKET_QUEUE)


@pytest.mark.parametrize("step", [(400, 0.0), (410, 0.0), (429, 0.0), (503, 0.0), (302, 0.0), (308, 0.0), (200, 1.5)])
def test_however_the_ticket_system_refuses_its_text_stays_where_it_is(desk: WatchedDesk, step: tuple[int, float]):
    records = asked_for(desk, "webhook")
    desk.vendors.tickets.script.append(step)

    answer = desk.see_to(records, attempt=MAX_RECEIVES, remaining_s=3.0 if step[1] else 30.0)

    assert len(answer["batchItemFailures"]) == 1
    assert "ticket step failed" in said_in(desk.heard, "log")
    assert "TicketWebhookFailed" in printed(desk)
    assert [call.path for call in desk.vendors.calls if call.vendor == "tickets"] == ["hook"]


def test_a_ticket_system_out_of_reach_is_told_of_without_its_address(desk: WatchedDesk, closed_port: int):
    records = asked_for(desk, "unhooked")
    desk.compose(TICKET_WEBHOOK_URL=f"http://127.0.0.1:{closed_port}/{marks.TICKET_SECRET}")

    answer = desk.see_to(records)

    assert len(answer["batchItemFailures"]) == 1
    assert "ticket_webhook_unreachable" in said_in(desk.heard, "log")


@pytest.mark.parametrize("errcode", [-1, 40001, 45009, 60011, 60020, 81013, 301002])
def test_however_wecom_refuses_a_tickets_card_its_text_stays_where_it_is(desk: WatchedDesk, errcode: int):
    records = asked_for(desk, "uncarded")
    desk.vendors.script("/wecom/_control/faults", {"path": "message/send", "errcode": errcode, "times": 0})

    answer = desk.see_to(records, remaining_s=4.0)

    assert len(answer["batchItemFailures"]) == 1
    assert "ticket step failed" in said_in(desk.heard, "log")


@pytest.mark.parametrize("kind", KINDS)
def test_whichever_call_of_a_ticket_fails_nothing_is_told_but_its_name(desk: WatchedDesk, kind: str):
    informed(desk)
    customers = [desk.kf_customer(f"unstored-{number}") for number in range(KINDS_OF_CALLS)]
    for words in (ASKED, "我要留言"):
        for customer in customers:
            desk.writes(customer, words)
        desk.notified()
        desk.collect(desk.waiting(PULLS))
        desk.respond(desk.waiting())
    bootstrap.tickets()
    answers = []
    for number, record in enumerate(desk.waiting(TICKET_QUEUE)):
        desk.forget_tokens()
        desk.aws.faults[:] = [nth_kind_of_call(number, kind)]
        answers.append(desk.see_to([record], remaining_s=5.0))
        desk.aws.faults.clear()

    assert len(answers) == KINDS_OF_CALLS
    assert sum(answer != {"batchItemFailures": []} for answer in answers) >= (0 if kind == "garbage" else 3)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_ticket_whose_customer_cannot_be_told_tells_nobody_else(desk: WatchedDesk, kind: str):
    records = asked_for(desk, "untold")
    desk.aws.faults.append(Fault(kind, lambda call: call.operation == "SendMessage"))

    answer = desk.see_to(records)

    assert len(answer["batchItemFailures"]) == 1 or kind == "garbage"


def test_ticket_requests_that_nobody_can_read_are_not_quoted(desk: WatchedDesk):
    record = asked_for(desk, "malformed")[0]
    body = json.loads(record["body"])
    strange = Keyring.read({"current": "k7", "keys": {"k7": "7" * 32}})
    bodies = [
        f"{marks.QUESTION} {ALL_PERSONAL}",
        json.dumps(marks.QUOTED),
        json.dumps({**body, "what": marks.QUESTION}),
        json.dumps({**body, "v": marks.QUESTION}),
        json.dumps({**body, "opened_at": marks.QUESTION}),
        json.dumps({"v": 1, "what": "offer", "number": [marks.QUESTION]}),
        json.dumps({"v": 1, "what": "changed", "number": "T20261128-0001", "event": [marks.QUESTION]}),
        json.dumps({**body, "sealed": marks.QUOTED}),
        json.dumps({**body, "sealed": body["sealed"][:-4] + "AAAA"}),
        json.dumps({**body, "request_id": "another"}),
        json.dumps({**body, "sealed": strange.seal(marks.QUOTED, "ticket", body["conversation"], body["request_id"])}),
    ]
    harmless = json.dumps({"v": 1, "what": "offer", "number": f"{marks.QUESTION} {marks.PHONE}"})

    answer = desk.see_to([{**record, "messageId": str(n), "body": each} for n, each in enumerate([*bodies, harmless])])

    told = said_in(desk.heard, "log")
    assert len(answer["batchItemFailures"]) == len(bodies)
    assert told.count('"ticket request malformed"') + told.count('"ticket request not read"') == len(bodies)


@pytest.mark.parametrize("table", [TICKETS, CUSTOMER_KEYS])
def test_tickets_that_do_not_open_are_not_shown(desk: WatchedDesk, table: str):
    customer = desk.kf_customer("closed-book")
    number = opened(desk, customer)
    alter(desk, table, desk.kf_conversation(customer))
    bootstrap.responder.cache_clear()
    bootstrap.tickets.cache_clear()
    desk.pressed(marks.AGENT, f"ticket:{number}:claim")

    answer = desk.respond(desk.waiting(), attempt=MAX_RECEIVES)
    offer = {"v": 1, "what": "offer", "number": number}
    desk.client("sqs").send_message(
        QueueUrl=desk.queue_url(TICKET_QUEUE),
        MessageBody=json.dumps(offer),
        MessageGroupId=number,
        MessageDeduplicationId=f"offer-of-{table}",
    )
    offered = desk.see_to(desk.waiting(TICKET_QUEUE), attempt=MAX_RECEIVES)

    assert len(answer["batchItemFailures"]) == len(offered["batchItemFailures"]) == 1
    assert said_in(desk.heard, "log").count('"code":"unopened"') >= 2
    desk.client("dynamodb").delete_item(
        TableName=CUSTOMER_KEYS, Key={"conversation": {"S": desk.kf_conversation(customer)}}
    )


# -- answers that are no answers ---------------------------------------------------------------------------------------

HEADS = {
    "a line that is no header": f"HTTP/1.1 200 OK\r\n{marks.QUOTED}\r\nConnection: close\r\n\r\n",
    "a line that is no status": f"{marks.QUOTED}\r\nConnection: close\r\n\r\n",
    "a header of marks": f"HTTP/1.1 200 OK\r\nX-Asked: {marks.QUOTED}\r\nContent-Length: nine\r\n\r\n",
    "a cookie of marks": f"HTTP/1.1 429 No\r\nSet-Cookie: {marks.QUOTED}\r\nRetry-After: {marks.QUOTED}\r\n\r\n",
    "a way to elsewhere": f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/{marks.PHONE}\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS)
def test_a_vendor_whose_answer_has_no_proper_head_is_not_quoted_and_its_address_is_not_told(
    desk: WatchedDesk, head: str
):
    """The HTTP library warns of such heads by itself, and of the address: WeCom's has the Secret in it."""

    def answer(talk: Talk) -> None:
        talk.hear()
        talk.say(HEADS[head].encode(), b"{}")

    records = asked_for(desk, "heads")
    with peer(*[answer] * 60) as strange:
        base = f"http://127.0.0.1:{strange.port}"
        desk.compose(WECOM_API_BASE=base, FASTGPT_BASE_URL=base, TICKET_WEBHOOK_URL=f"{base}/{marks.TICKET_SECRET}")
        desk.forget_tokens()
        desk.see_to(records, remaining_s=12.0)
        desk.forget_tokens()
        desk.notified()
        desk.collect(desk.waiting(PULLS), remaining_s=12.0)
        desk.forget_tokens()
        desk.answers(desk.customer("heads"), ASKED, remaining_s=41.0, attempt=MAX_RECEIVES)
        asked = {re.split("[ ?]", request.line)[1] for request in strange.requests}

    assert {"/cgi-bin/gettoken", "/api/v1/chat/completions", f"/{marks.TICKET_SECRET}"} <= asked


# -- the search itself -------------------------------------------------------------------------------------------------


def test_every_place_that_is_allowed_something_is_reached_and_says_why(desk: WatchedDesk):
    """A place that nothing reaches any more would be an exception for nobody."""
    member, customer = desk.customer("allowed"), desk.kf_customer("allowed")
    informed(desk)
    desk.vendors.kf(f"customers/{customer}/enter", open_kfid=desk.account)
    desk.notified()
    desk.settle()
    for words in (f"{marks.QUESTION} {ALL_PERSONAL}", "转人工"):
        asks(desk, customer, words)
        desk.says(member, words)
        desk.settle()
    acts(desk, "say", customer, content=marks.AGENT_LINE)
    acts(desk, "end", customer)
    desk.presses(marks.AGENT, f"handoff:{desk.conversation(member)}:accept")
    desk.settle()
    for words in (marks.AGENT_LINE, "工单"):
        desk.says(marks.AGENT, words)
        desk.settle()
    desk.presses(marks.AGENT, f"handoff:{desk.conversation(member)}:return")
    desk.settle()
    asks(desk, customer, f"{marks.QUESTION} {marks.EMAIL}", "我要留言")
    numbers = sorted(item["number"]["S"] for item in desk.items(TICKETS) if item["number"]["S"].startswith("T"))
    for number in numbers:
        replies(desk, number)
    desk.happened_before(
        desk.conversation(member), kind="person", actor=f"person:{marks.AGENT}", after=marks.AGENT_LINE
    )
    desk.remove(AUDIT_BUCKET, "")  # a day is exported once
    desk.export()
    desk.vendors.script("/wecom/_control/members", {"userid": AGENTS[1], "visible": False})
    desk.examine()
    desk.vendors.script("/wecom/_control/members", {"userid": AGENTS[1]})
    finds = desk.finds()

    assert finds == []
    known = [*marks.MARKS, *desk.marks_that_arose()]
    for place, (names, reason) in ALLOWED.items():
        present = {find.mark for find in look(place, said_in(desk.heard, place), known)}
        assert reason
        if place != "answer of the callback":
            assert present & names, place


def test_who_gives_out_no_code_is_noticed(desk: WatchedDesk):
    """What arises on the way is looked for only as long as the search knows where it arises."""
    customer = desk.kf_customer("codes")
    informed(desk)
    number = opened(desk, customer)
    desk.vendors.kf(f"customers/{desk.kf_customer('new')}/enter", open_kfid=desk.account)
    asks(desk, customer, "转人工")
    acts(desk, "end", customer)
    desk.presses(marks.AGENT, f"ticket:{number}:claim")
    desk.settle()

    arose = {mark.name: mark for mark in desk.marks_that_arose()}
    assert {"sync token", "welcome code", "message code", "response code"} <= arose.keys()
    for name in ("sync token", "welcome code", "message code", "response code"):
        desk.heard.hear("anywhere", arose[name].text)
        assert [find.mark for find in desk.heard.finds([arose[name]])] == [name]
    desk.heard.out.clear()
