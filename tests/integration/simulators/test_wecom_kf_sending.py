"""kf/send_msg and kf/send_msg_on_event: what is refused with which number, and what the customer gets to see."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest

from tests.integration.simulators.wecom_platform import ACCOUNT, CUSTOMER, Platform, eventually

ZHOU = "zhou.min"
TWO_DAYS_S = 48 * 3600
MENU = {
    "head_content": "这个回答有帮助吗？",
    "list": [
        {"type": "click", "click": {"id": "yes", "content": "有帮助"}},
        {"type": "click", "click": {"id": "no", "content": "没解决"}},
        {"type": "view", "view": {"url": "https://example.com/", "content": "更多"}},
        {"type": "miniprogram", "miniprogram": {"appid": "wx1", "pagepath": "index", "content": "商城"}},
        {"type": "text", "text": {"content": "说明", "no_newline": 1}},
    ],
    "tail_content": "感谢反馈",
}

LINK = {"title": "t", "url": "https://example.com/", "thumb_media_id": "m"}
PROGRAM = {"appid": "wx1", "title": "t", "thumb_media_id": "m", "pagepath": "index"}


def menu(**changes: Any) -> dict[str, Any]:
    return {"msgtype": "msgmenu", "msgmenu": {**MENU, **changes}}


def link(**changes: Any) -> dict[str, Any]:
    return {"msgtype": "link", "link": {**LINK, **changes}}


def click(**parts: Any) -> dict[str, Any]:
    return menu(list=[{"type": "click", "click": parts}])


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform on which a customer has written and one of the staff is there."""
    server.renewed()
    server.kf(f"accounts/{ACCOUNT}/servicers", userid=ZHOU)
    server.says()
    return server


def shown(platform: Platform) -> list[dict[str, Any]]:
    return [each for each in platform.chat() if each["direction"] == "outbound"]


class TestSending:
    def test_a_text_reaches_the_customer_and_makes_the_session_the_machines(self, platform: Platform):
        assert platform.state() == {"errcode": 0, "errmsg": "ok", "service_state": 0}

        answer = platform.answer("订单 8812 已发货。😀", msgid="r_m_901_1")

        assert answer == {"errcode": 0, "errmsg": "ok", "msgid": "r_m_901_1"}
        (entry,) = shown(platform)
        assert (entry["by"], entry["content"], entry["msgid"]) == ("machine", "订单 8812 已发货。😀", "r_m_901_1")
        assert {entry[flag] for flag in ("truncated", "failed", "recalled")} == {False}
        assert platform.state()["service_state"] == 1

    def test_a_message_without_an_id_gets_one(self, platform: Platform):
        answer = platform.answer()

        assert answer["msgid"]
        assert shown(platform)[0]["msgid"] == answer["msgid"]

    @pytest.mark.parametrize(
        ("message", "errcode"),
        [
            ({"open_kfid": "wkUnknown"}, 95000),
            ({"touser": "wmGhost"}, 40096),
            ({"touser": None}, 40096),
            ({"msgtype": "markdown", "markdown": {"content": "a"}}, 40008),
            ({"msgtype": "template_card", "template_card": {}}, 40008),
            ({"msgtype": None}, 40008),
            ({"text": {"content": ""}}, 44004),
            ({"text": {"content": 7}}, 40058),
            ({"text": "您好"}, 40058),
            ({"msgid": "x" * 33}, 40058),
            ({"msgid": "编号"}, 40058),
            ({"msgid": 7}, 40058),
            ({"msgtype": "image", "image": {}}, 40007),
            ({"msgtype": "image", "image": {"media_id": 7}}, 40007),
            ({"msgtype": "link", "link": {"title": "t", "url": "https://example.com/"}}, 40058),
            (link(title="好" * 43), 40058),
            (link(desc="好" * 171), 40058),
            (link(desc=7), 40058),
            (link(url="https://example.com/" + "a" * 2029), 40058),
            (link(url="example.com"), 40058),
            ({"msgtype": "location", "location": {"name": "上海"}}, 40058),
            ({"msgtype": "location", "location": {"latitude": "31.2", "longitude": 121.4}}, 40058),
            ({"msgtype": "miniprogram", "miniprogram": {"appid": "wx1"}}, 40058),
            ({"msgtype": "miniprogram", "miniprogram": {**PROGRAM, "title": "好" * 22}}, 40058),
            ({"msgtype": "ca_link", "ca_link": {}}, 40058),
            (menu(list=[MENU["list"][0]] * 11), 95008),
            (menu(list=[{"type": "button", "button": {}}]), 95009),
            (menu(list=["有帮助"]), 95009),
            (menu(list=[{"type": ["click"]}]), 95009),
            (menu(list=[{"type": "text", "text": {"content": "或者", "no_newline": 2}}]), 40058),
            (menu(list=[{"type": "click"}]), 95009),
            (menu(list={}), 40058),
            (menu(head_content="好" * 342), 40058),
            (menu(tail_content=7), 40058),
            (click(id="i" * 129, content="有帮助"), 40058),
            (click(id="yes", content="好" * 43), 40058),
            (click(id="yes"), 40058),
        ],
    )
    def test_a_malformed_message_is_refused_and_not_shown(
        self, platform: Platform, message: dict[str, Any], errcode: int
    ):
        assert platform.answer(**message)["errcode"] == errcode
        assert shown(platform) == []

    def test_escaped_characters_are_refused(self, platform: Platform):
        url = f"{platform.base}/wecom/cgi-bin/kf/send_msg"
        body = rb'{"touser":"wmCustomer0001","msgtype":"text","text":{"content":"\u60a8\u597d"}}'

        answer = platform.client.post(url, params={"access_token": platform.token()}, content=body)

        assert answer.json()["errcode"] == 40033

    @pytest.mark.parametrize(
        "message",
        [
            menu(),
            {"msgtype": "image", "image": {"media_id": "m"}},
            {"msgtype": "location", "location": {"latitude": 31.2, "longitude": 121.4, "name": "上海"}},
            link(),
            link(title="t" * 128, desc="d" * 512, url="https://example.com/" + "a" * 2028),
            {"msgtype": "miniprogram", "miniprogram": {**PROGRAM, "title": "t" * 64}},
            {"msgtype": "ca_link", "ca_link": {"link_url": "https://work.weixin.qq.com/ca/1"}},
        ],
    )
    def test_other_kinds_are_shown_as_they_were_sent(self, platform: Platform, message: dict[str, Any]):
        assert platform.answer(**message)["errcode"] == 0

        (entry,) = shown(platform)
        assert (entry["msgtype"], entry["body"]) == (message["msgtype"], message[message["msgtype"]])

    def test_a_text_over_2048_bytes_arrives_cut(self, platform: Platform):
        platform.answer("啊" * 683)

        (entry,) = shown(platform)
        assert (entry["content"], entry["truncated"]) == ("啊" * 682, True)

    def test_a_text_over_2048_bytes_may_be_refused_instead(self, platform: Platform):
        platform.control("POST", "/config", {"overlong_text": "refuse"})

        assert platform.answer("啊" * 683)["errcode"] == 45002
        assert platform.answer("a" * 2048)["errcode"] == 0

    def test_an_id_is_good_for_one_message_of_an_account(self, platform: Platform):
        assert platform.answer("一", msgid="a-1")["errcode"] == 0
        assert platform.answer("一", msgid="a-1")["errcode"] == 95099
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.says(open_kfid="wkSecond")

        assert platform.answer("一", msgid="a-1", open_kfid="wkSecond")["errcode"] == 0
        assert len(shown(platform)) == 1

    def test_which_number_an_id_used_before_gets_can_be_chosen(self, platform: Platform):
        platform.control("POST", "/config", {"repeated_msgid_errcode": 40058})
        platform.answer("一", msgid="a-1")

        assert platform.answer("一", msgid="a-1")["errcode"] == 40058

    def test_an_id_of_a_refused_message_is_still_free(self, platform: Platform):
        assert platform.answer("", msgid="a-1")["errcode"] == 44004

        assert platform.answer("一", msgid="a-1")["errcode"] == 0

    @pytest.mark.parametrize(
        "what", [{"drop": "after"}, {"errcode": -1, "processed": True}, {"status": 504, "processed": True}]
    )
    def test_a_message_whose_answer_was_lost_was_sent(self, platform: Platform, what: dict[str, Any]):
        platform.control("POST", "/faults", {"path": "kf/send_msg", "userid": CUSTOMER, **what})
        with contextlib.suppress(httpx.RemoteProtocolError, ValueError):
            platform.answer("一", msgid="a-1")

        assert platform.answer("一", msgid="a-1")["errcode"] == 95099
        assert [each["content"] for each in shown(platform)] == ["一"]


class TestAllowance:
    def test_five_messages_are_taken_for_one_of_the_customers(self, platform: Platform):
        assert [platform.answer(str(number))["errcode"] for number in range(6)] == [0, 0, 0, 0, 0, 95001]

        platform.says("还在吗")

        assert platform.answer("在的")["errcode"] == 0
        assert len(shown(platform)) == 6

    def test_refused_messages_and_those_on_an_event_do_not_count(self, platform: Platform):
        for _ in range(3):
            platform.answer("")
        platform.change(2)
        platform.kf("sessions/take", external_userid=CUSTOMER, servicer_userid=ZHOU)
        platform.kf("sessions/end", external_userid=CUSTOMER)
        code = [each["event"].get("msg_code") for each in platform.sync()["msg_list"] if each["msgtype"] == "event"][-1]
        platform.says("还有一个问题")

        assert [platform.answer(str(number))["errcode"] for number in range(6)] == [0] * 5 + [95001]
        assert (
            platform.call("kf/send_msg_on_event", code=code, msgtype="text", text={"content": "a"})["errcode"] == 41050
        )

    def test_messages_are_taken_for_48_hours(self, platform: Platform):
        platform.clock.now += TWO_DAYS_S - 1
        assert platform.answer()["errcode"] == 0

        platform.clock.now += 1

        assert platform.answer()["errcode"] == 95002
        platform.says("还在吗")
        assert platform.answer()["errcode"] == 0

    def test_a_session_ends_48_hours_after_its_first_message(self, platform: Platform):
        platform.clock.now += TWO_DAYS_S - 1
        platform.says("还在吗")
        platform.clock.now += 1

        assert platform.state()["service_state"] == 4
        assert platform.answer()["errcode"] == 95018

    def test_nothing_is_taken_before_the_customer_has_written(self, platform: Platform):
        platform.kf("customers/wmSilent/enter")

        assert platform.answer(touser="wmSilent")["errcode"] == 95018

    @pytest.mark.parametrize(("state", "servicer"), [(2, None), (3, ZHOU), (4, None)])
    def test_nothing_is_taken_while_the_session_is_not_the_machines(
        self, platform: Platform, state: int, servicer: str | None
    ):
        assert platform.change(state, servicer)["errcode"] == 0

        assert platform.answer()["errcode"] == 95018
        assert shown(platform) == []


class TestFailures:
    def test_a_message_can_be_taken_and_not_arrive(self, platform: Platform):
        platform.kf("failures", external_userid=CUSTOMER, fail_type=10, times=2)
        platform.kf("failures", external_userid="wmSomebodyElse", fail_type=1)
        platform.bot.forget()

        answers = [platform.answer(str(number), msgid=f"a-{number}") for number in range(3)]

        assert [answer["errcode"] for answer in answers] == [0, 0, 0]
        assert [each["failed"] for each in shown(platform)] == [True, True, False]
        events = [each["event"] for each in platform.sync()["msg_list"] if each["msgtype"] == "event"]
        assert events[0] == {
            "event_type": "msg_send_fail",
            "open_kfid": ACCOUNT,
            "external_userid": CUSTOMER,
            "fail_msgid": "a-0",
            "fail_type": 10,
        }
        assert len(events) == 2
        eventually(lambda: len(platform.bot.received) == 2)

    def test_one_that_did_not_arrive_counts_and_keeps_its_id(self, platform: Platform):
        platform.kf("failures", times=1)
        platform.answer("一", msgid="a-1")

        assert platform.answer("一", msgid="a-1")["errcode"] == 95099
        assert platform.control("GET", "/kf/sessions/state", external_userid=CUSTOMER)["used"] == 1

    def test_the_failure_of_a_message_whose_answer_was_lost_is_told_too(self, platform: Platform):
        platform.kf("failures", times=1)
        platform.bot.forget()
        platform.control("POST", "/faults", {"path": "kf/send_msg", "errcode": -1, "processed": True})

        assert platform.answer()["errcode"] == -1

        assert eventually(lambda: platform.bot.received)[0].text("OpenKfId") == ACCOUNT

    def test_nobody_can_tap_a_menu_that_did_not_arrive(self, platform: Platform):
        platform.kf("failures", times=1)
        platform.answer(**menu())

        refused = platform.refused("POST", f"/kf/customers/{CUSTOMER}/tap", {"menu_id": "yes"})

        assert refused.status_code == 400


class TestTapping:
    def test_a_tapped_item_is_a_text_of_the_customer_with_its_id(self, platform: Platform):
        platform.answer(**menu())
        platform.bot.forget()

        platform.kf(f"customers/{CUSTOMER}/tap", menu_id="no")

        message = platform.sync()["msg_list"][-1]
        assert (message["origin"], message["text"]) == (3, {"content": "没解决", "menu_id": "no"})
        assert eventually(lambda: platform.bot.received)

    def test_only_what_was_shown_can_be_tapped(self, platform: Platform):
        platform.answer(**menu())

        for who, what in ((CUSTOMER, "later"), ("wmSomebodyElse", "yes")):
            assert platform.refused("POST", f"/kf/customers/{who}/tap", {"menu_id": what}).status_code == 400


class TestWelcome:
    @pytest.fixture
    def platform(self, server: Platform) -> Platform:
        return server.renewed()

    def enters(self, platform: Platform, **how: Any) -> str:
        """Return the code that the event brings, or ""."""
        told = platform.kf(f"customers/{CUSTOMER}/enter", **how)
        event = platform.sync()["msg_list"][-1]["event"]
        assert told["welcome_code"] == ("welcome_code" in event)
        return str(event.get("welcome_code", ""))

    def welcomes(self, platform: Platform, code: str, **message: Any) -> int:
        usual = {"code": code, "msgtype": "text", "text": {"content": "您好，请问有什么可以帮您？"}}
        return int(platform.call("kf/send_msg_on_event", **{**usual, **message})["errcode"])

    def test_who_enters_is_told_of_with_all_fields_inside_the_event(self, platform: Platform):
        self.enters(platform, scene="web", scene_param="order8812")

        (message,) = platform.sync()["msg_list"]
        assert set(message) == {"msgid", "send_time", "origin", "msgtype", "event"}
        assert (message["origin"], message["msgtype"]) == (4, "event")
        assert message["event"].pop("welcome_code")
        assert message["event"] == {
            "event_type": "enter_session",
            "open_kfid": ACCOUNT,
            "external_userid": CUSTOMER,
            "scene": "web",
            "scene_param": "order8812",
        }

    def test_a_welcome_is_shown_once_before_the_customer_has_written(self, platform: Platform):
        code = self.enters(platform)

        assert self.welcomes(platform, code, msgid="w-1") == 0
        assert self.welcomes(platform, code) == 41050

        (entry,) = shown(platform)
        assert (entry["by"], entry["msgid"]) == ("event_message", "w-1")
        assert platform.state()["service_state"] == 4

    def test_a_welcome_is_taken_for_20_seconds(self, platform: Platform):
        code = self.enters(platform)
        platform.clock.now += 19.9
        assert self.welcomes(platform, code) == 0

        platform.clock.now += TWO_DAYS_S
        code = self.enters(platform)
        platform.clock.now += 20
        assert self.welcomes(platform, code) == 41050

    def test_a_welcome_may_be_a_menu_and_nothing_else_but_a_text(self, platform: Platform):
        code = self.enters(platform)

        assert self.welcomes(platform, code, msgtype="image", image={"media_id": "m"}) == 40008
        assert self.welcomes(platform, code, **menu()) == 0

    @pytest.mark.parametrize("code", ["WCnever-given", "", None, 7])
    def test_a_code_that_was_never_given_is_refused(self, platform: Platform, code: Any):
        assert self.welcomes(platform, code) == 41050

    def test_an_id_used_before_is_refused_and_leaves_the_code_good(self, platform: Platform):
        code = self.enters(platform)
        platform.says()
        platform.answer(msgid="a-1")

        assert self.welcomes(platform, code, msgid="a-1") == 95099
        assert self.welcomes(platform, code, msgid="a-2") == 0

    def test_there_is_no_code_after_a_welcome_for_48_hours(self, platform: Platform):
        self.welcomes(platform, self.enters(platform))

        platform.clock.now += TWO_DAYS_S - 1
        assert self.enters(platform) == ""
        platform.clock.now += 1
        assert self.enters(platform)

    @pytest.mark.parametrize("who", ["customer", "machine"])
    def test_there_is_no_code_for_48_hours_after_anything_was_said(self, platform: Platform, who: str):
        platform.says()
        if who == "machine":
            platform.clock.now += 3600
            platform.answer()

        platform.clock.now += TWO_DAYS_S - 1
        assert self.enters(platform) == ""
        platform.clock.now += 1
        assert self.enters(platform)

    def test_there_is_no_code_where_the_console_has_a_welcome(self, server: Platform):
        platform = server.renewed(kf_native_welcome=True)

        assert self.enters(platform) == ""

    def test_a_withdrawn_account_welcomes_nobody(self, platform: Platform):
        code = self.enters(platform)
        platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")

        assert self.welcomes(platform, code) == 48007
