"""Cards before members: what may be sent, pressing a button, changing the card once within 72 hours, recalling it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.simulators.wecom_platform import AGENT_ID, CUSTOMER, Platform

THREE_DAYS_S = 72 * 3600
ACCEPT = {"text": "接入会话", "style": 1, "key": "accept"}
CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "客户等待人工"},
    "task_id": "handover-0007",
    "button_list": [ACCEPT, {"text": "忽略", "style": 2, "key": "ignore"}],
}
VOTE = {
    "card_type": "vote_interaction",
    "task_id": "vote-1",
    "checkbox": {"question_key": "helpful", "mode": 0, "option_list": [{"id": "yes", "text": "有"}]},
    "submit_button": {"text": "提交", "key": "submit"},
}
LINK = {"card_type": "text_notice", "card_action": {"type": 1, "url": "https://example.com/"}}


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform with the members zhou.min and wu.tao."""
    server.renewed()
    server.add_members("zhou.min", "wu.tao")
    return server


def sends(platform: Platform, card: dict[str, Any] | None = None, touser: str = "zhou.min|wu.tao") -> Any:
    return platform.send(touser=touser, msgtype="template_card", template_card=card or CARD)


def presses(platform: Platform, key: str = "accept", userid: str = "zhou.min", **press: Any) -> Any:
    named = press if "msgid" in press else {"task_id": "handover-0007", **press}
    return platform.control("POST", f"/members/{userid}/press", {"key": key, **named})


def cannot_press(platform: Platform, userid: str = "zhou.min", **press: Any) -> None:
    answer = platform.refused("POST", f"/members/{userid}/press", {"key": "accept", **press})
    assert answer.status_code == 400


def updates(platform: Platform, code: object, **document: Any) -> Any:
    usual = {"userids": ["zhou.min", "wu.tao"], "agentid": AGENT_ID, "response_code": code}
    return platform.call(
        "message/update_template_card", **{**usual, "button": {"replace_name": "已由周敏接入"}, **document}
    )


def shown(platform: Platform, userid: str = "zhou.min") -> dict[str, Any]:
    (entry,) = [each for each in platform.timeline(userid) if each["msgtype"] == "template_card"]
    return entry


class TestSending:
    @pytest.mark.parametrize(
        ("card", "errcode"),
        [
            ({}, 40058),
            ({"card_type": "hologram"}, 40058),
            ({"card_type": "text_notice"}, 42045),
            ({"card_type": "news_notice", "card_action": "x"}, 42045),
            ({**LINK, "task_id": "a b"}, 40058),
            ({**LINK, "action_menu": {"action_list": [{"text": "不再提醒", "key": "mute"}]}}, 40058),
            ({**CARD, "task_id": ""}, 40058),
            ({**CARD, "task_id": "任务"}, 40058),
            ({**CARD, "task_id": "t" * 129}, 40058),
            ({**CARD, "button_list": []}, 40058),
            ({**CARD, "button_list": [ACCEPT] * 7}, 40058),
            ({**CARD, "button_list": [{**ACCEPT, "key": "k" * 1025}]}, 40058),
        ],
    )
    def test_a_malformed_card_is_refused(self, platform: Platform, card: dict[str, Any], errcode: int):
        assert sends(platform, {"no": "card"} if card == {} else card)["errcode"] == errcode
        assert platform.timeline("zhou.min") == []

    @pytest.mark.parametrize("card", [CARD, VOTE, LINK])
    def test_a_card_stands_before_each_recipient(self, platform: Platform, card: dict[str, Any]):
        answer = sends(platform, card)

        assert answer["errcode"] == 0
        assert bool(answer["response_code"]) == (card is not LINK)
        for userid in ("zhou.min", "wu.tao"):
            assert shown(platform, userid)["body"] == card

    def test_a_link_shows_no_task(self, platform: Platform):
        sends(platform, LINK)

        cannot_press(platform, task_id="")


class TestPressing:
    def test_a_press_is_an_event_of_the_member(self, platform: Platform):
        code = sends(platform)["response_code"]

        delivery = presses(platform)

        assert (delivery["msgid"], delivery["attempts"][0]["status"]) == (None, 200)
        (event,) = platform.bot.received
        fields = ("FromUserName", "Event", "EventKey", "TaskId", "CardType", "ResponseCode", "AgentID")
        assert [event.text(name) for name in fields] == [
            "zhou.min", "template_card_event", "accept", "handover-0007", "button_interaction", code, str(AGENT_ID),
        ]  # fmt: skip

    def test_choices_go_along(self, platform: Platform):
        sends(platform, VOTE)

        presses(platform, "submit", task_id="vote-1", selected={"helpful": "yes", "others": ["a", "b"]})

        items = platform.bot.received[0].document().findall("SelectedItems/SelectedItem")
        assert [item.findtext("QuestionKey") for item in items] == ["helpful", "others"]
        assert [[each.text for each in item.findall("OptionIds/OptionId")] for item in items] == [["yes"], ["a", "b"]]

    def test_an_item_of_the_menu_is_an_event_of_its_own(self, platform: Platform):
        menu = {"desc": "更多", "action_list": [{"text": "不再提醒", "key": "mute"}]}
        sends(platform, {**LINK, "task_id": "t-1", "action_menu": menu})

        presses(platform, "mute", task_id="t-1")

        assert platform.bot.received[0].text("Event") == "template_card_menu_event"

    def test_a_card_can_be_named_by_its_msgid(self, platform: Platform):
        first = sends(platform)["msgid"]
        sends(platform, {**CARD, "button_list": [{"text": "好", "key": "ok"}]})

        presses(platform, msgid=first)

        assert platform.bot.received[0].text("EventKey") == "accept"
        cannot_press(platform, task_id="handover-0007")

    @pytest.mark.parametrize(
        "press",
        [
            {"task_id": "another"},
            {"msgid": "another"},
            {"task_id": "handover-0007", "key": "another"},
            {"task_id": "handover-0007", "userid": "li.na"},
            {"task_id": "handover-0007", "selected": {"a": 7}},
            {},
        ],
    )
    def test_what_is_not_there_cannot_be_pressed(self, platform: Platform, press: dict[str, Any]):
        sends(platform)

        cannot_press(platform, **press)

        assert platform.bot.received == []

    def test_a_card_that_was_dropped_cannot_be_pressed(self, server: Platform):
        platform = server.renewed(sends_per_minute=1)
        platform.add_members("zhou.min")
        platform.send(touser="zhou.min")
        sends(platform, touser="zhou.min")

        cannot_press(platform, task_id="handover-0007")


class TestUpdating:
    def test_a_pressed_button_is_replaced_and_cannot_be_pressed_again(self, platform: Platform):
        sends(platform)
        presses(platform)
        code = platform.bot.received[0].text("ResponseCode")

        assert updates(platform, code) == {"errcode": 0, "errmsg": "ok", "invaliduser": []}

        entry = shown(platform)
        assert (entry["updated"], entry["body"]["button"]) == (True, {"replace_name": "已由周敏接入"})
        assert entry["body"]["main_title"] == CARD["main_title"]
        cannot_press(platform, task_id="handover-0007")
        cannot_press(platform, "wu.tao", task_id="handover-0007")

    def test_a_card_is_replaced_for_those_named(self, platform: Platform):
        code = sends(platform)["response_code"]
        face = {
            "card_type": "button_interaction",
            "main_title": {"title": "您正在接待"},
            "button_list": [{"text": "交还", "key": "return"}],
        }

        updates(platform, code, userids=["Zhou.Min"], button=None, template_card=face)

        assert shown(platform)["body"] == {"task_id": "handover-0007", **face}
        assert not shown(platform, "wu.tao")["updated"]
        presses(platform, "return")
        presses(platform, "accept", "wu.tao")

    def test_a_card_with_a_closing_text_has_no_buttons_left(self, platform: Platform):
        code = sends(platform)["response_code"]

        updates(platform, code, button=None, template_card={**CARD, "replace_text": "已结束"})

        cannot_press(platform, task_id="handover-0007")

    def test_everybody_can_be_meant_and_who_has_no_card_is_named(self, platform: Platform):
        platform.add_members("li.na")
        sends(platform)
        presses(platform)
        code = sends(platform)["response_code"]

        assert updates(platform, code, userids=["li.na", "wu.tao", "Ghost"])["invaliduser"] == ["li.na", "Ghost"]
        assert [entry["updated"] for entry in platform.timeline("zhou.min") if entry["via"] == "send"] == [False, False]

        presses(platform)
        code = platform.bot.received[-1].text("ResponseCode")
        assert updates(platform, code, userids=[], atall=1)["errcode"] == 0
        assert [entry["updated"] for entry in platform.timeline("zhou.min") if entry["via"] == "send"] == [False, True]

    def test_a_code_is_good_once(self, platform: Platform):
        code = sends(platform)["response_code"]

        assert updates(platform, code)["errcode"] == 0
        assert updates(platform, code)["errcode"] == 60140

    def test_a_code_is_good_for_72_hours(self, platform: Platform):
        code = sends(platform)["response_code"]
        platform.clock.now += THREE_DAYS_S - 1
        assert updates(platform, code)["errcode"] == 0

        code = sends(platform)["response_code"]
        platform.clock.now += THREE_DAYS_S
        assert updates(platform, code)["errcode"] == 60140
        assert not [each for each in platform.timeline("zhou.min") if each["updated"]][1:]

    def test_a_press_after_the_code_has_ended_brings_a_new_one(self, platform: Platform):
        first = sends(platform)["response_code"]
        platform.clock.now += THREE_DAYS_S
        presses(platform)
        code = platform.bot.received[0].text("ResponseCode")

        assert code != first
        assert updates(platform, code)["errcode"] == 0

    @pytest.mark.parametrize("code", ["RC_never-given", "", None, 7])
    def test_a_code_that_was_never_given_is_refused(self, platform: Platform, code: object):
        sends(platform)

        assert updates(platform, code)["errcode"] == 60140

    @pytest.mark.parametrize(
        ("wrong", "errcode"),
        [
            ({"agentid": AGENT_ID + 1}, 301002),
            ({"agentid": "1000002"}, 40056),
            ({"userids": []}, 82001),
            ({"userids": "zhou.min"}, 40058),
            ({"button": {}}, 40058),
            ({"button": None}, 40058),
            ({"button": None, "template_card": {}}, 40058),
        ],
    )
    def test_a_refused_change_leaves_card_and_code_as_they_are(
        self, platform: Platform, wrong: dict[str, Any], errcode: int
    ):
        code = sends(platform)["response_code"]

        assert updates(platform, code, **wrong)["errcode"] == errcode

        assert not shown(platform)["updated"]
        assert updates(platform, code)["errcode"] == 0

    def test_a_reset_forgets_cards_and_codes(self, platform: Platform):
        code = sends(platform)["response_code"]
        platform.control("POST", "/reset")
        platform.add_members("zhou.min")

        assert updates(platform, code)["errcode"] == 60140
        cannot_press(platform, task_id="handover-0007")


class TestRecalling:
    def test_a_recalled_message_is_gone_from_every_chat(self, platform: Platform):
        msgid = sends(platform)["msgid"]

        assert platform.call("message/recall", msgid=msgid) == {"errcode": 0, "errmsg": "ok"}

        for userid in ("zhou.min", "wu.tao"):
            assert (shown(platform, userid)["recalled"], shown(platform, userid)["visible"]) == (True, False)

    def test_a_message_can_be_recalled_for_24_hours(self, platform: Platform):
        msgid = platform.send(touser="zhou.min")["msgid"]
        platform.clock.now += 24 * 3600
        assert platform.call("message/recall", msgid=msgid)["errcode"] == 0

        platform.clock.now += 1
        assert platform.call("message/recall", msgid=msgid)["errcode"] == 40058

    @pytest.mark.parametrize("msgid", ["m-never-sent", "", None])
    def test_what_the_application_did_not_send_cannot_be_recalled(self, platform: Platform, msgid: object):
        platform.write("zhou.min", content="一")
        platform.says(customer=CUSTOMER)

        assert platform.call("message/recall", msgid=msgid)["errcode"] == 40058
