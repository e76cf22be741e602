"""Who has a customer of 微信客服: changes by the API, the acts of the staff and their events, and a person by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.simulators.wecom_platform import ACCOUNT, CUSTOMER, START, Platform, eventually

ZHOU, WU = "zhou.min", "wu.tao"
TWO_DAYS_S = 48 * 3600


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform on which a customer has written, and two of the staff are there."""
    server.renewed()
    for userid in (ZHOU, WU):
        server.kf(f"accounts/{ACCOUNT}/servicers", userid=userid)
    server.says()
    return server


def act(platform: Platform, what: str, **fields: Any) -> str:
    return str(platform.kf(f"sessions/{what}", external_userid=CUSTOMER, **fields)["msgid"])


def events(platform: Platform) -> list[dict[str, Any]]:
    return [each["event"] for each in platform.sync()["msg_list"] if each["msgtype"] == "event"]


def is_in(platform: Platform, state: int) -> None:
    """Bring the session of a customer who has written to `state`."""
    if state == 1:
        platform.answer()
    elif state == 3:
        act(platform, "take", servicer_userid=ZHOU)
    elif state:
        assert platform.change(state)["errcode"] == 0


class TestChanges:
    @pytest.mark.parametrize(
        ("before", "after", "servicer"),
        [
            (0, 1, None), (0, 2, None), (0, 3, WU), (0, 4, None),
            (1, 2, None), (1, 3, WU), (1, 4, None),
            (2, 3, WU), (2, 4, None),
            (3, 3, WU), (3, 4, None),
        ],
    )  # fmt: skip
    def test_a_legal_change_is_made(self, platform: Platform, before: int, after: int, servicer: str | None):
        is_in(platform, before)

        assert platform.change(after, servicer)["errcode"] == 0

        expected = {"service_state": after} | ({"servicer_userid": servicer} if servicer else {})
        assert platform.state() == {"errcode": 0, "errmsg": "ok", **expected}

    @pytest.mark.parametrize(
        ("before", "after", "servicer"),
        [
            (0, 0, None), (1, 0, None), (1, 1, None), (2, 0, None), (2, 1, None), (2, 2, None),
            (3, 0, None), (3, 1, None), (3, 2, None), (3, 3, ZHOU), (3, 3, "Zhou.Min"),
            (4, 0, None), (4, 1, None), (4, 2, None), (4, 3, WU), (4, 4, None),
        ],
    )  # fmt: skip
    def test_an_illegal_change_is_refused_and_changes_nothing(
        self, platform: Platform, before: int, after: int, servicer: str | None
    ):
        is_in(platform, before)

        assert platform.change(after, servicer)["errcode"] == 95016

        assert platform.state()["service_state"] == before

    @pytest.mark.parametrize(("before", "after"), [(0, 1), (0, 4), (1, 4), (2, 4)])
    def test_changes_that_no_text_shows_can_be_refused(self, platform: Platform, before: int, after: int):
        is_in(platform, before)
        platform.control("POST", "/config", {"kf_strict_changes": True})

        assert platform.change(after)["errcode"] == 95016

    @pytest.mark.parametrize("state", [5, -1, "3", True, None])
    def test_a_state_that_is_none_is_refused(self, platform: Platform, state: Any):
        assert platform.change(state)["errcode"] == 40058

    def test_an_unknown_customer_or_account_is_refused(self, platform: Platform):
        asked = {"open_kfid": ACCOUNT, "external_userid": CUSTOMER, "service_state": 2}
        for path in ("kf/service_state/get", "kf/service_state/trans"):
            assert platform.call(path, **{**asked, "external_userid": "wmGhost"})["errcode"] == 40096
            assert platform.call(path, **{**asked, "open_kfid": "wkUnknown"})["errcode"] == 95000

    def test_changes_by_the_api_are_no_events(self, platform: Platform):
        platform.change(2)
        platform.change(3, ZHOU)
        platform.change(4)

        assert events(platform) == []

    def test_the_next_message_opens_an_ended_session_for_the_machine(self, platform: Platform):
        platform.change(4)
        assert platform.state()["service_state"] == 4

        platform.says("还有一个问题")

        assert platform.state()["service_state"] == 0

    @pytest.mark.parametrize("state", [1, 2, 3])
    def test_another_message_leaves_the_session_where_it_is(self, platform: Platform, state: int):
        is_in(platform, state)

        platform.says("还在吗")

        assert platform.state()["service_state"] == state

    @pytest.mark.parametrize("state", [0, 1, 2, 3])
    def test_a_session_ends_by_itself_after_48_hours(self, platform: Platform, state: int):
        is_in(platform, state)

        platform.clock.now += TWO_DAYS_S

        assert platform.state() == {"errcode": 0, "errmsg": "ok", "service_state": 4}


class TestServicers:
    def status(self, platform: Platform) -> list[dict[str, Any]]:
        answer = platform.get("kf/servicer/list", access_token=platform.token(), open_kfid=ACCOUNT)
        listed: list[dict[str, Any]] = answer["servicer_list"]
        return listed

    def test_all_who_serve_an_account_are_listed(self, platform: Platform):
        assert self.status(platform) == [{"userid": ZHOU, "status": 0}, {"userid": WU, "status": 0}]
        wrong = platform.get("kf/servicer/list", access_token=platform.token(), open_kfid="wkUnknown")
        assert wrong["errcode"] == 95000

    @pytest.mark.parametrize("servicer", ["li.na", "", None, 7])
    def test_only_a_servicer_of_the_account_can_be_given_a_customer(self, platform: Platform, servicer: Any):
        asked = {"open_kfid": ACCOUNT, "external_userid": CUSTOMER, "service_state": 3, "servicer_userid": servicer}

        assert platform.call("kf/service_state/trans", **asked)["errcode"] == 95014

    def test_who_has_stopped_receiving_cannot_be_given_a_customer(self, platform: Platform):
        platform.kf(f"servicers/{ZHOU}", status=1, stop_type=1)

        assert self.status(platform)[0] == {"userid": ZHOU, "status": 1, "stop_type": 1}
        assert platform.change(3, ZHOU)["errcode"] == 95019
        platform.kf(f"servicers/{ZHOU}", status=0)
        assert platform.change(3, ZHOU)["errcode"] == 0

    @pytest.mark.parametrize(
        ("schedule", "beijing", "status"),
        [
            ("09:00-18:00", "08:59", 1),
            ("09:00-18:00", "09:00", 0),
            ("09:00-18:00", "17:59", 0),
            ("09:00-18:00", "18:00", 1),
            ("22:00-06:00", "23:00", 0),
            ("22:00-06:00", "05:59", 0),
            ("22:00-06:00", "12:00", 1),
        ],
    )
    def test_hours_are_those_of_china(self, platform: Platform, schedule: str, beijing: str, status: int):
        platform.kf(f"accounts/{ACCOUNT}/servicers", userid=ZHOU, schedule=schedule)
        hours, minutes = map(int, beijing.split(":"))
        platform.clock.now = START - START % 86400 + 86400 + (hours - 8) * 3600 + minutes * 60

        platform.says("现在有人吗")

        assert self.status(platform)[0]["status"] == status
        assert platform.change(3, ZHOU)["errcode"] == (95019 if status else 0)

    def test_starting_and_stopping_is_an_event_of_every_account_of_theirs(self, platform: Platform):
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.kf("accounts/wkSecond/servicers", userid=ZHOU)
        platform.bot.forget()

        platform.kf(f"servicers/{ZHOU}", status=1, stop_type=1)
        platform.kf(f"servicers/{ZHOU}", status=0)

        # 1 and 2 here, 0 and 1 in servicer/list.
        assert [(each["event_type"], each["status"]) for each in events(platform)] == [
            ("servicer_status_change", 2),
            ("servicer_status_change", 1),
        ]
        assert events(platform)[0]["servicer_userid"] == ZHOU
        eventually(lambda: len(platform.bot.received) == 4)
        assert {each.text("OpenKfId") for each in platform.bot.received} == {ACCOUNT, "wkSecond"}

    @pytest.mark.parametrize("wrong", [{"status": 2}, {"stop_type": 3}, {"schedule": "9-18"}, {"userid": ""}])
    def test_a_malformed_servicer_is_refused(self, platform: Platform, wrong: dict[str, Any]):
        answer = platform.refused("POST", f"/kf/accounts/{ACCOUNT}/servicers", {"userid": "li.na", **wrong})

        assert answer.status_code == 400
        assert len(self.status(platform)) == 2

    def test_somebody_unknown_cannot_start(self, platform: Platform):
        assert platform.refused("POST", "/kf/servicers/li.na", {"status": 0}).status_code == 400


class TestMessageCodes:
    def says_on(self, platform: Platform, code: str, **message: Any) -> int:
        usual = {"code": code, "msgtype": "text", "text": {"content": "已为您接入人工客服"}}
        return int(platform.call("kf/send_msg_on_event", **{**usual, **message})["errcode"])

    @pytest.mark.parametrize(("state", "servicer"), [(2, None), (3, ZHOU), (4, None)])
    def test_a_change_brings_a_code_for_one_message_in_that_state(
        self, platform: Platform, state: int, servicer: str | None
    ):
        code = platform.change(state, servicer)["msg_code"]

        assert self.says_on(platform, code) == 0
        assert self.says_on(platform, code) == 41050
        assert platform.state()["service_state"] == state
        assert [entry["by"] for entry in platform.chat()] == ["customer", "event_message"]

    def test_a_change_to_the_machine_brings_none(self, platform: Platform):
        assert "msg_code" not in platform.change(1)

    def test_only_the_first_change_of_a_session_brings_one(self, platform: Platform):
        assert "msg_code" in platform.change(3, ZHOU)
        assert "msg_code" not in platform.change(3, WU)
        platform.change(4)
        platform.says("还有一个问题")

        assert "msg_code" in platform.change(3, ZHOU)

    @pytest.mark.parametrize("state", [2, 3])
    def test_waiting_and_being_served_allow_a_text_only(self, platform: Platform, state: int):
        code = platform.change(state, ZHOU if state == 3 else None)["msg_code"]

        assert self.says_on(platform, code, msgtype="msgmenu", msgmenu={"head_content": "?"}) == 40008

    def test_a_farewell_may_be_a_menu_within_20_seconds(self, platform: Platform):
        code = platform.change(4)["msg_code"]
        platform.clock.now += 19.9
        assert self.says_on(platform, code, msgtype="msgmenu", msgmenu={"head_content": "满意吗？"}) == 0

        platform.says("还有一个问题")
        code = platform.change(4)["msg_code"]
        platform.clock.now += 20
        assert self.says_on(platform, code) == 41050

    def test_a_code_ends_with_the_state_that_gave_it(self, platform: Platform):
        waiting = platform.change(2)["msg_code"]
        platform.change(3, ZHOU)
        assert self.says_on(platform, waiting) == 41050

    def test_a_code_is_of_its_own_session(self, platform: Platform):
        farewell = platform.change(4)["msg_code"]
        platform.says("还有一个问题")
        platform.change(4)

        assert self.says_on(platform, farewell) == 41050

    def test_codes_of_a_session_end_with_it_after_48_hours(self, platform: Platform):
        code = platform.change(2)["msg_code"]
        platform.clock.now += TWO_DAYS_S - 1
        assert platform.state()["service_state"] == 2
        platform.clock.now += 1
        assert self.says_on(platform, code) == 41050


class TestStaff:
    @pytest.mark.parametrize("state", [0, 1, 2])
    def test_one_of_the_staff_takes_a_customer(self, platform: Platform, state: int):
        is_in(platform, state)

        msgid = act(platform, "take", servicer_userid=ZHOU)

        assert platform.state()["servicer_userid"] == ZHOU
        message = platform.sync()["msg_list"][-1]
        assert (message["msgid"], message["origin"]) == (msgid, 4)
        assert len(message["event"].pop("msg_code")) > 10
        assert message["event"] == {
            "event_type": "session_status_change",
            "open_kfid": ACCOUNT,
            "external_userid": CUSTOMER,
            "change_type": 1,
            "old_servicer_userid": "",
            "new_servicer_userid": ZHOU,
        }

    def test_handing_on_taking_up_again_and_ending_are_told(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)
        act(platform, "transfer", servicer_userid=WU)
        act(platform, "reenter", servicer_userid=ZHOU)
        act(platform, "end")
        act(platform, "reenter", servicer_userid=WU)

        told = [
            (each["change_type"], each["old_servicer_userid"], each["new_servicer_userid"], "msg_code" in each)
            for each in events(platform)
        ]
        assert told == [
            (1, "", ZHOU, True),
            (2, ZHOU, WU, False),
            (4, WU, ZHOU, False),
            (3, ZHOU, "", True),
            (4, "", WU, False),
        ]
        assert platform.state()["servicer_userid"] == WU

    def test_the_code_of_an_end_is_for_a_farewell(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)
        act(platform, "end")
        code = events(platform)[-1]["msg_code"]

        assert (
            platform.call("kf/send_msg_on_event", code=code, msgtype="text", text={"content": "再见"})["errcode"] == 0
        )

    @pytest.mark.parametrize(
        ("before", "what", "fields"),
        [
            (3, "take", {"servicer_userid": WU}),
            (4, "take", {"servicer_userid": WU}),
            (0, "take", {"servicer_userid": "li.na"}),
            (0, "transfer", {"servicer_userid": WU}),
            (0, "reenter", {"servicer_userid": WU}),
            (2, "reenter", {"servicer_userid": WU}),
            (3, "reenter", {"servicer_userid": ZHOU}),
            (0, "end", {}),
            (2, "say", {"content": "您好"}),
            (3, "say", {"content": "您好", "servicer_userid": WU}),
            (3, "recall", {"msgid": "nothing-said"}),
        ],
    )
    def test_what_the_staff_cannot_do_is_refused(
        self, platform: Platform, before: int, what: str, fields: dict[str, Any]
    ):
        is_in(platform, before)
        known = len(events(platform))

        answer = platform.refused("POST", f"/kf/sessions/{what}", {"external_userid": CUSTOMER, **fields})

        assert answer.status_code == 400
        assert len(events(platform)) == known

    def test_what_the_staff_say_is_read_as_origin_5(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)

        msgid = act(platform, "say", content="您好，我是周敏")

        message = platform.sync()["msg_list"][-1]
        assert (message["msgid"], message["origin"], message["servicer_userid"]) == (msgid, 5, ZHOU)
        assert (message["msgtype"], message["text"]) == ("text", {"content": "您好，我是周敏"})
        entry = platform.chat()[-1]
        assert (entry["by"], entry["direction"], entry["servicer_userid"]) == ("servicer", "outbound", ZHOU)

    def test_what_was_said_can_be_taken_back_once(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)
        said = act(platform, "say", content="说错了")
        asked = platform.says("我也说错了")

        act(platform, "recall", msgid=said)
        platform.kf(f"customers/{CUSTOMER}/recall", msgid=asked)

        by_staff, by_customer = events(platform)[-2:]
        assert by_staff == {
            "event_type": "servicer_recall_msg",
            "open_kfid": ACCOUNT,
            "external_userid": CUSTOMER,
            "recall_msgid": said,
            "servicer_userid": ZHOU,
        }
        assert (by_customer["event_type"], by_customer["recall_msgid"]) == ("user_recall_msg", asked)
        assert [entry["recalled"] for entry in platform.chat()] == [False, True, True]
        again = platform.refused("POST", f"/kf/customers/{CUSTOMER}/recall", {"msgid": asked})
        assert again.status_code == 400

    def test_nobody_takes_back_what_another_said(self, platform: Platform):
        platform.answer(msgid="a-1")

        assert platform.refused("POST", f"/kf/customers/{CUSTOMER}/recall", {"msgid": "a-1"}).status_code == 400

    def test_refusing_a_customers_messages_is_told(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)
        act(platform, "reject")
        act(platform, "reject", switch=False)

        first, second = events(platform)[-2:]
        assert first == {
            "event_type": "reject_customer_msg_switch_change",
            "open_kfid": ACCOUNT,
            "external_userid": CUSTOMER,
            "servicer_userid": ZHOU,
            "reject_switch": 1,
        }
        assert second["reject_switch"] == 0

    def test_the_bot_is_told_of_every_act(self, platform: Platform):
        act(platform, "take", servicer_userid=ZHOU)
        said = act(platform, "say", content="您好")
        act(platform, "recall", msgid=said)
        act(platform, "end")
        asked = platform.says("说错了")
        platform.kf(f"customers/{CUSTOMER}/recall", msgid=asked)

        eventually(lambda: len(platform.bot.received) == 5)


class TestHuman:
    def person(self, platform: Platform, **habits: Any) -> None:
        platform.kf("human", **{"servicer_userid": ZHOU, "answers": ["您好，我是周敏", "好的"], **habits})

    def said(self, platform: Platform) -> list[str]:
        return [entry["content"] for entry in platform.chat() if entry["by"] == "servicer"]

    def now(self, platform: Platform) -> None:
        """Let the person do what is due, as happens every few hundredths of a second."""
        platform.simulator.humans.act()

    def test_a_person_takes_who_waits_answers_and_ends(self, platform: Platform):
        self.person(platform, end_after_s=30)
        platform.change(2)

        eventually(lambda: self.said(platform) == ["您好，我是周敏"])
        platform.says("可以便宜一点吗")
        eventually(lambda: self.said(platform) == ["您好，我是周敏", "好的"])
        platform.clock.now += 30
        eventually(lambda: platform.state()["service_state"] == 4)

        assert [each["change_type"] for each in events(platform)] == [1, 3]
        assert len(self.said(platform)) == 2

    def test_a_person_takes_their_time(self, platform: Platform):
        self.person(platform, take_after_s=10, answer_after_s=5)
        platform.change(2)
        self.now(platform)
        platform.clock.now += 9
        self.now(platform)
        assert platform.state()["service_state"] == 2

        platform.clock.now += 1
        self.now(platform)
        assert platform.state()["service_state"] == 3
        assert self.said(platform) == []
        platform.clock.now += 5
        self.now(platform)
        assert self.said(platform) == ["您好，我是周敏"]

    def test_a_person_serves_each_session_from_the_first_answer_on(self, platform: Platform):
        self.person(platform, answers=["一", "二"], end_after_s=0)
        for _ in range(2):
            platform.says("有人吗")
            platform.change(2)
            for _ in range(3):
                self.now(platform)
                platform.says("还有")
            self.now(platform)
            platform.change(4)

        assert self.said(platform)[:2] == ["一", "二"]
        assert self.said(platform).count("一") == 2

    def test_a_person_without_words_takes_and_ends(self, platform: Platform):
        self.person(platform, answers=[], end_after_s=60)
        platform.change(2)
        self.now(platform)
        assert platform.state()["service_state"] == 3

        platform.clock.now += 60
        self.now(platform)

        assert platform.state()["service_state"] == 4
        assert self.said(platform) == []

    def test_a_person_leaves_others_customers_alone(self, platform: Platform):
        act(platform, "take", servicer_userid=WU)
        self.person(platform)

        self.now(platform)

        assert self.said(platform) == []

    def test_a_person_does_not_answer_themselves_nor_the_machine(self, platform: Platform):
        self.person(platform)
        code = platform.change(2)["msg_code"]
        platform.call("kf/send_msg_on_event", code=code, msgtype="text", text={"content": "请稍候"})
        for _ in range(3):
            self.now(platform)

        assert self.said(platform) == ["您好，我是周敏"]

    def test_nobody_acts_any_more_once_they_are_sent_home(self, platform: Platform):
        self.person(platform)
        platform.control("DELETE", "/kf/human")
        platform.change(2)

        self.now(platform)

        assert platform.state()["service_state"] == 2

    @pytest.mark.parametrize(
        "wrong", [{"servicer_userid": "li.na"}, {"answers": [7]}, {"answers": "好"}, {"open_kfid": "wkUnknown"}]
    )
    def test_a_person_who_cannot_be_is_refused(self, platform: Platform, wrong: dict[str, Any]):
        assert platform.refused("POST", "/kf/human", {"servicer_userid": ZHOU, **wrong}).status_code == 400

    def test_a_withdrawn_account_stops_nobody_from_serving_the_others(self, platform: Platform):
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.kf("accounts/wkSecond/servicers", userid=ZHOU)
        platform.change(2)
        platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")
        platform.says(open_kfid="wkSecond")
        waiting = {"open_kfid": "wkSecond", "external_userid": CUSTOMER}
        platform.call("kf/service_state/trans", **waiting, service_state=2)
        self.person(platform)

        self.now(platform)

        assert platform.call("kf/service_state/get", **waiting)["servicer_userid"] == ZHOU
