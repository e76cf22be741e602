"""微信客服 and the hand-over on the page: who has a customer, what people say and do, cards and what becomes of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.simulators.console_run import LIN, Run, attendance, line, queued, serving
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, ZHOU_YU = "wkFrontdesk0000000001", "wmZhouYu0001"
PHONE = f"{ACCOUNT}:{ZHOU_YU}"
CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "客户等待人工"},
    "task_id": "handoff-1",
    "button_list": [{"text": "接入会话", "style": 1, "key": "handoff:1:accept"}],
}


@pytest.fixture
def run() -> Iterator[Run]:
    with serving() as running:
        yield running


def control(run: Run, path: str, **body: Any) -> dict[str, Any]:
    answer = run.client.post(f"/wecom/_control/{path}", json=body)
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told


def ask(run: Run, content: str) -> dict[str, Any]:
    """Let 周雨 write; return what stands in the chat."""
    control(run, f"kf/customers/{ZHOU_YU}/messages", content=content, wait=False)
    return run.until("entries", lambda value: value["userid"] == PHONE and value["content"] == content)


def api(run: Run, path: str, **body: Any) -> dict[str, Any]:
    """Call the API as the app does."""
    query = {"corpid": CORP_ID, "corpsecret": SECRET}
    token = run.client.get("/wecom/cgi-bin/gettoken", params=query).json()["access_token"]
    # httpx writes JSON as raw UTF-8, which the platform insists on.
    answer = run.client.post(f"/wecom/cgi-bin/{path}", params={"access_token": token}, json=body).json()
    assert answer["errcode"] == 0, answer
    told: dict[str, Any] = answer
    return told


def hand_over(run: Run, to: str = "zhou.min") -> None:
    """Give the customer to a servicer, as the machine does."""
    who = {"open_kfid": ACCOUNT, "external_userid": ZHOU_YU}
    api(run, "kf/service_state/trans", **who, service_state=3, servicer_userid=to)


def served(run: Run, state: str) -> dict[str, Any]:
    """Return who has 周雨 once it is ``state``."""

    def has(value: dict[str, Any]) -> bool:
        return value["userid"] == PHONE and value["service"] is not None and value["service"]["state"] == state

    service: dict[str, Any] = run.until("customers", has)["service"]
    return service


def test_people_on_wechat_are_there_from_the_start_with_the_account_they_write_to(run: Run):
    phone = run.until("customers", lambda value: value["userid"] == PHONE)

    assert (phone["name"], phone["channel"], phone["external_userid"]) == ("周雨", "wecom_kf", ZHOU_YU)
    assert (phone["open_kfid"], phone["service"]) == (ACCOUNT, None)


def test_colleagues_are_on_duty_from_the_start_and_have_phones_of_their_own(run: Run):
    with run.changes() as changes:
        told = next(change for change in changes if change.get("staff") and change.get("customers"))

    staff = [(each["userid"], each["name"], each["on_duty"], each["accounts"]) for each in told["staff"]]
    assert staff == [("zhou.min", "周敏", True, [ACCOUNT]), ("he.yun", "何云", True, [ACCOUNT])]
    assert {"zhou.min", "he.yun"} < {each["userid"] for each in told["customers"] if each["channel"] == "wecom_app"}


def test_a_colleague_who_goes_off_duty_is_told_to_be(run: Run):
    control(run, "kf/servicers/zhou.min", status=1)

    assert run.until("staff", lambda value: not value["on_duty"])["userid"] == "zhou.min"


def test_what_somebody_on_wechat_writes_stands_in_the_chat_and_among_the_messages(run: Run):
    entry = ask(run, "云顶手冲壶保修多久")
    message = run.until("messages", lambda value: value["content"] == "云顶手冲壶保修多久")

    assert (entry["channel"], entry["by"], entry["direction"]) == ("wecom_kf", "customer", "inbound")
    assert (message["userid"], message["channel"], message["delivery"]) == (PHONE, "wecom_kf", None)
    assert not message["to_person"]


def test_a_fetched_message_and_its_journey_are_found_to_be_one(run: Run):
    entry = ask(run, "保修多久")
    run.window.lines.append(line("sent", 1500, entry["msgid"], kind="answer", channel="wecom_kf"))

    message = run.until("messages", lambda value: value["userid"] == PHONE and value["journey"])

    assert (message["content"], message["conversation"]) == ("保修多久", LIN)
    assert message["journey"]["stages"] == {"sent": 1500}
    assert run.until("customers", lambda value: value["conversation"])["userid"] == PHONE


def test_messages_of_both_channels_with_the_same_number_are_kept_apart(run: Run):
    run.write("lin.mei", content="在吗")
    ask(run, "在吗")

    with run.changes() as changes:
        change = next(change for change in changes if len(change.get("entries", ())) > 1)

    assert {each["userid"] for each in change["entries"]} == {"lin.mei", PHONE}
    assert {each["seq"] for each in change["entries"]} == {1}


def test_what_the_machine_may_still_say_is_counted_and_begins_anew_with_the_customers_next_message(run: Run):
    ask(run, "一")
    said = {"msgtype": "text", "text": {"content": "您好"}}
    api(run, "kf/send_msg", touser=ZHOU_YU, open_kfid=ACCOUNT, **said)
    used = run.until("customers", lambda value: value["service"] and value["service"]["used"])["service"]

    ask(run, "二")

    assert (used["state"], used["used"], used["allowed"]) == ("bot", 1, 5)
    assert run.until("customers", lambda value: value["service"] and not value["service"]["used"])["userid"] == PHONE


def test_a_hand_over_is_seen_from_the_question_to_the_end(run: Run):
    ask(run, "转人工")
    hand_over(run)
    person = served(run, "person")
    ask(run, "在吗")
    who = {"open_kfid": ACCOUNT, "external_userid": ZHOU_YU, "servicer_userid": "zhou.min"}
    control(run, "kf/sessions/say", **who, content="您好，我是周敏")
    words = run.until("entries", lambda value: value["content"] == "您好，我是周敏")
    control(run, "kf/sessions/end", **who)

    assert person["agent"] == "zhou.min"
    assert run.until("messages", lambda value: value["content"] == "在吗")["to_person"]
    assert not run.until("messages", lambda value: value["content"] == "转人工")["to_person"]
    assert (words["by"], words["servicer_userid"], words["direction"]) == ("servicer", "zhou.min", "outbound")
    assert served(run, "ended")["agent"] == ""


def test_each_change_of_hands_stands_in_the_chat_where_it_happened(run: Run):
    ask(run, "转人工")
    hand_over(run)
    person = run.until("entries", lambda value: value["content"] == "person")
    ask(run, "在吗")
    control(run, "kf/sessions/end", open_kfid=ACCOUNT, external_userid=ZHOU_YU)
    ended = run.until("entries", lambda value: value["content"] == "ended")

    with run.changes() as changes:
        chat = [each for each in next(changes)["entries"] if each["userid"] == PHONE]
    said = [each["content"] for each in sorted(chat, key=lambda each: each["at_ms"])]
    assert said == ["转人工", "person", "在吗", "ended"]
    assert (person["msgtype"], person["servicer_userid"], ended["servicer_userid"]) == ("event", "zhou.min", "")


def test_a_customer_in_the_pool_waits_until_somebody_takes_them(run: Run):
    ask(run, "转人工")
    who = {"open_kfid": ACCOUNT, "external_userid": ZHOU_YU}
    api(run, "kf/service_state/trans", **who, service_state=2)
    assert served(run, "waiting")["agent"] == ""

    control(run, "kf/sessions/take", **who, servicer_userid="he.yun")

    assert served(run, "person")["agent"] == "he.yun"


def test_what_was_taken_back_is_told_again_as_taken_back(run: Run):
    ask(run, "转人工")
    hand_over(run)
    who = {"open_kfid": ACCOUNT, "external_userid": ZHOU_YU, "servicer_userid": "zhou.min"}
    control(run, "kf/sessions/say", **who, content="说错了")
    words = run.until("entries", lambda value: value["content"] == "说错了")

    control(run, "kf/sessions/recall", **who, msgid=words["msgid"])

    assert run.until("entries", lambda value: value.get("recalled"))["key"] == words["key"]


def test_a_card_that_was_pressed_is_told_again_as_it_stands_now(run: Run):
    run.client.post("/wecom/_control/config", json={"max_attempts": 1})
    sent = api(
        run,
        "message/send",
        touser="zhou.min|he.yun",
        msgtype="template_card",
        agentid=AGENT_ID,
        template_card=CARD,
    )
    card = run.until("entries", lambda value: value["msgtype"] == "template_card" and value["userid"] == "zhou.min")

    delivery = control(run, "members/zhou.min/press", msgid=card["msgid"], key="handoff:1:accept")
    pressed = run.until("entries", lambda value: value["msgtype"] == "event")
    change = {"agentid": AGENT_ID, "response_code": sent["response_code"], "userids": ["zhou.min", "he.yun"]}
    api(run, "message/update_template_card", **change, button={"replace_name": "已由 zhou.min 接入"})
    updated = run.until("entries", lambda value: value["msgtype"] == "template_card" and value["updated"])

    digest = hashlib.sha256(b"handoff-1\0handoff:1:accept").hexdigest()[:16]
    name = f"{LIN}-{delivery['create_time']}-pressed-{digest}"
    run.window.lines.append(queued(name, 1000, "pressed"))
    message = run.until("messages", lambda value: value["journey"])

    assert (message["userid"], message["content"]) == ("zhou.min", "template_card_event")
    assert card["body"]["button_list"] == CARD["button_list"]
    assert (pressed["userid"], pressed["body"]["EventKey"]) == ("zhou.min", "handoff:1:accept")
    assert updated["body"]["button"] == {"replace_name": "已由 zhou.min 接入"}


def test_a_message_that_the_app_took_back_is_told_again_as_taken_back(run: Run):
    text = {"touser": "lin.mei", "msgtype": "text", "agentid": AGENT_ID, "text": {"content": "发错了"}}
    sent = api(run, "message/send", **text)
    entry = run.until("entries", lambda value: value["content"] == "发错了")

    api(run, "message/recall", msgid=sent["msgid"])

    assert run.until("entries", lambda value: value.get("recalled"))["key"] == entry["key"]


def test_who_attends_to_a_customer_of_the_app_is_told_and_what_they_write_is_for_that_person(run: Run):
    first = run.write("lin.mei", content="转人工")
    run.window.attendances[LIN] = attendance("waiting")
    run.window.lines.append(queued(first["msgid"], 1000))
    told = run.until("attendances", lambda value: value["conversation"] == LIN)

    run.write("lin.mei", content="在吗")

    assert (told["state"], told["reason"], told["agent"]) == ("waiting", "asked", "")
    assert run.until("messages", lambda value: value["content"] == "在吗")["to_person"]
    assert not run.until("messages", lambda value: value["content"] == "转人工")["to_person"]
