"""Cards on the simulated platform: offered, pressed, told at the callback address, and changed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.channels.envelope import Envelope
from frontdesk.channels.wecom_api import WecomApi
from frontdesk.channels.wecom_app_desk import AppDesk
from frontdesk.channels.wecom_callback import WecomCallback
from frontdesk.channels.wecom_calls import WecomCalls
from frontdesk.channels.wecom_outbound import WecomOutbound
from frontdesk.channels.wecom_staff import WecomStaff
from frontdesk.errors import PermanentError
from frontdesk.messages import Choice, Inbound, Kind
from tests.factories import CONVERSATION, attendance, outbound, ticket
from tests.fakes.attendances import InMemoryAttendances
from tests.fakes.tokens import InMemoryTokenStore
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, ENCODING_AES_KEY, SECRET, TOKEN

if TYPE_CHECKING:
    from tests.integration.simulators.wecom_platform import Platform

ZHOU, WU, CUSTOMER = "zhou.min", "wu.tao", "lin.mei"


@pytest.fixture
def platform(server: Platform) -> Platform:
    server.renewed()
    server.add_members(ZHOU, WU, CUSTOMER)
    return server


@pytest.fixture
def api(platform: Platform) -> WecomApi:
    calls = WecomCalls(
        base_url=f"{platform.base}/wecom",
        corp_id=CORP_ID,
        holder=str(AGENT_ID),
        secret=SECRET,
        tokens=InMemoryTokenStore(),
        clock=platform.clock,
        sleep=lambda _seconds: None,
    )
    return WecomApi(calls, agent_id=AGENT_ID)


def soon() -> float:
    return time.monotonic() + 20


def cards(platform: Platform, userid: str) -> list[dict[str, Any]]:
    return [
        each["body"] for each in platform.timeline(userid) if each["msgtype"] == "template_card" and each["visible"]
    ]


def press(platform: Platform, userid: str, key: str) -> Inbound:
    """Return what the callback address is told when a member presses a button of the newest card."""
    card = cards(platform, userid)[-1]
    platform.control("POST", f"/members/{userid}/press", {"key": key, "task_id": card["task_id"]})
    told = platform.bot.received[-1]
    envelope = Envelope(token=TOKEN, encoding_aes_key=ENCODING_AES_KEY, receive_id=CORP_ID, clock=platform.clock)
    callback = WecomCallback([envelope], conversation_of=lambda sender: f"of {sender}")
    (inbound,) = callback.read(callback.open(told.raw_query, told.body), received_at_ms=7)
    assert isinstance(inbound, Inbound)
    return inbound


def test_a_customer_is_offered_to_all_agents_and_accepted_by_one(platform: Platform, api: WecomApi):
    desk = AppDesk(api, attendances=InMemoryAttendances(), agents=(ZHOU, WU), clock=platform.clock)
    waiting = attendance(
        channel="wecom_app", customer=CUSTOMER, question_id="m_1", reason="asked", brief="客户问发票。"
    )
    desk.call(waiting, deadline=soon())
    desk.call(waiting, deadline=soon())
    assert [len(cards(platform, agent)) for agent in (ZHOU, WU)] == [1, 1]

    pressed = press(platform, ZHOU, f"handoff:{CONVERSATION}:accept")

    assert (pressed.kind, pressed.sender) == (Kind.PRESSED, ZHOU)
    assert pressed.details["key"] == f"handoff:{CONVERSATION}:accept"
    WecomStaff(api).replace_card([ZHOU, WU], pressed.details["response_code"], "已由 zhou.min 接入", deadline=soon())
    for agent in (ZHOU, WU):
        (card,) = cards(platform, agent)
        assert card["button"] == {"replace_name": "已由 zhou.min 接入"}
    with pytest.raises(PermanentError) as caught:
        WecomStaff(api).replace_card([ZHOU], pressed.details["response_code"], "again", deadline=soon())
    assert caught.value.code == "wecom_60140"


def test_a_change_whose_answer_was_lost_is_done(platform: Platform, api: WecomApi):
    staff = WecomStaff(api)
    staff.show(ticket(number="T20261128-0007"), [ZHOU], occasion="opened", deadline=soon())
    pressed = press(platform, ZHOU, "ticket:T20261128-0007:claim")
    platform.control("POST", "/faults", {"path": "message/update_template_card", "times": 1, "drop": "after"})

    staff.replace_card([ZHOU], pressed.details["response_code"], "已由 zhou.min 领取", deadline=soon())

    assert cards(platform, ZHOU)[0]["button"]["replace_name"] == "已由 zhou.min 领取"


def test_who_attends_gets_the_brief_and_the_button_to_give_back(platform: Platform, api: WecomApi):
    desk = AppDesk(api, attendances=InMemoryAttendances(), agents=(ZHOU, WU), clock=platform.clock)
    attended = attendance(
        channel="wecom_app", customer=CUSTOMER, question_id="m_1", agent=ZHOU, state="person", brief="客户问发票。"
    )
    desk.brief(attended, deadline=soon())
    desk.brief(attended, deadline=soon())
    shown = [each for each in platform.timeline(ZHOU) if each["visible"]]
    assert [each["msgtype"] for each in shown] == ["text", "template_card"]
    assert "客户问发票。" in shown[0]["content"]
    assert press(platform, ZHOU, f"handoff:{CONVERSATION}:return").details["key"].endswith(":return")


def test_what_a_customer_writes_is_passed_on_once_a_message_however_often_it_comes(platform: Platform, api: WecomApi):
    desk = AppDesk(api, attendances=InMemoryAttendances(), agents=(ZHOU, WU), clock=platform.clock)
    attended = attendance(conversation=CONVERSATION, channel="wecom_app", state="person", agent=ZHOU)

    for name in ("m-1", "m-1", "m-2"):
        desk.pass_on(attended, "云顶手冲壶", name=name, deadline=soon())

    shown = [each["content"] for each in platform.timeline(ZHOU) if each["msgtype"] == "text" and each["visible"]]
    assert ["".join(filter(str.isprintable, text)) for text in shown] == ["客户：云顶手冲壶"] * 2


def test_a_choice_below_a_text_is_pressed_by_the_customer(platform: Platform, api: WecomApi):
    menu = (Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad"))
    message = outbound(text="这个回答有帮助吗？", menu=menu, conversation=CONVERSATION, message_id="0" * 32)
    for _ in range(2):
        WecomOutbound(api).deliver(message, deadline=soon())
    assert len(cards(platform, CUSTOMER)) == 1
    pressed = press(platform, CUSTOMER, "rating:bad")
    assert (pressed.kind, pressed.details["key"]) == (Kind.PRESSED, "rating:bad")
    assert pressed.conversation == f"of {CUSTOMER}"


def test_the_same_words_are_told_twice(platform: Platform, api: WecomApi):
    for _ in range(2):
        WecomStaff(api).tell(ZHOU, "已登记。", deadline=soon())
    assert len([each for each in platform.timeline(ZHOU) if each["visible"]]) == 2
