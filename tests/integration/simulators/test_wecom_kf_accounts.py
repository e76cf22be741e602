"""微信客服 around the messages: whose secret opens what, accounts, customers, and the control API's own rules."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.wecom.app import Behaviour
from tests.integration.simulators.wecom_platform import ACCOUNT, CORP_ID, CUSTOMER, SECRET, Platform

DAY_S = 24 * 3600


class TestSecrets:
    @pytest.fixture
    def platform(self, server: Platform) -> Platform:
        platform = server.renewed()
        platform.control("POST", "/config", {"kf_secret": "an-invented-kf-secret"})
        platform.says("一")
        platform.add_members("lin.mei")
        return platform

    def kf_token(self, platform: Platform) -> str:
        answer = platform.get("gettoken", corpid=CORP_ID, corpsecret="an-invented-kf-secret")
        assert answer["errcode"] == 0
        return str(answer["access_token"])

    def test_each_secret_opens_its_own_part(self, platform: Platform):
        assert platform.sync(self.kf_token(platform))["errcode"] == 0
        assert platform.send()["errcode"] == 0

    def test_neither_secret_opens_the_others_part(self, platform: Platform):
        assert platform.sync()["errcode"] == 95012
        assert platform.send(self.kf_token(platform))["errcode"] == 48002
        assert platform.get("user/get", access_token=self.kf_token(platform), userid="lin.mei")["errcode"] == 48002

    def test_addresses_are_for_every_secret(self, platform: Platform):
        assert platform.get("getcallbackip", access_token=self.kf_token(platform))["errcode"] == 0

    def test_with_one_secret_for_both_its_tokens_open_both(self, platform: Platform):
        platform.control("POST", "/config", {"kf_secret": SECRET})
        token = platform.token()

        assert platform.sync(token)["errcode"] == platform.send(token)["errcode"] == 0


class TestAccounts:
    def test_one_account_is_there_from_the_start(self, platform: Platform):
        listed = platform.call("kf/account/list")

        assert listed["account_list"] == [
            {"open_kfid": ACCOUNT, "name": "客服", "avatar": "", "manage_privilege": True}
        ]
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        assert [each["name"] for each in platform.call("kf/account/list", offset=1, limit=1)["account_list"]] == [
            "售后"
        ]

    def test_a_granted_account_is_told_of(self, platform: Platform):
        granted = platform.kf("accounts", name="售后")

        (received,) = platform.bot.received
        assert received.text("Event") == "kf_account_auth_change"
        assert received.text("AuthAddOpenKfId") == granted["open_kfid"]

    def test_a_withdrawn_account_is_told_of_and_closed_to_the_bot(self, platform: Platform):
        platform.says("一")
        platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")

        assert platform.bot.received[-1].text("AuthDelOpenKfId") == ACCOUNT
        assert platform.sync()["errcode"] == platform.answer()["errcode"] == platform.state()["errcode"] == 48007
        assert platform.call("kf/account/list")["account_list"] == []
        assert platform.refused("POST", f"/kf/customers/{CUSTOMER}/messages", {"content": "二"}).status_code == 400

    def test_an_account_that_is_granted_again_has_its_log(self, platform: Platform):
        platform.says("一")
        platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")
        platform.kf("accounts", open_kfid=ACCOUNT, name="客服")

        assert [each["text"]["content"] for each in platform.sync()["msg_list"]] == ["一"]

    def test_nobody_is_told_of_news_of_a_withdrawn_account(self, platform: Platform):
        platform.kf(f"accounts/{ACCOUNT}/servicers", userid="zhou.min")
        platform.control("DELETE", f"/kf/accounts/{ACCOUNT}")
        platform.bot.forget()

        platform.kf("servicers/zhou.min", status=1)

        assert platform.simulator.state.kf.news == []
        assert platform.bot.received == []

    @pytest.mark.parametrize("open_kfid", ["ww1", "wk", "wk a"])
    def test_a_malformed_id_is_refused(self, platform: Platform, open_kfid: str):
        assert platform.refused("POST", "/kf/accounts", {"open_kfid": open_kfid}).status_code == 400

    @pytest.mark.parametrize("wrong", [{"limit": 101}, {"limit": 0}, {"offset": -1}, {"offset": "0"}])
    def test_a_wrong_page_of_accounts_is_refused(self, platform: Platform, wrong: dict[str, Any]):
        assert platform.call("kf/account/list", **wrong)["errcode"] == 40058

    def test_a_link_leads_to_the_account(self, platform: Platform):
        assert ACCOUNT in platform.call("kf/add_contact_way", open_kfid=ACCOUNT, scene="web")["url"]
        assert platform.call("kf/add_contact_way", open_kfid=ACCOUNT, scene="a b")["errcode"] == 40058
        assert platform.call("kf/add_contact_way", open_kfid="wkUnknown")["errcode"] == 95000


class TestCustomers:
    def test_profiles_are_told_and_unknown_ones_named(self, platform: Platform):
        platform.kf("customers", external_userid=CUSTOMER, nickname="小周")

        answer = platform.call("kf/customer/batchget", external_userid_list=[CUSTOMER, "wmGhost"])

        assert answer["customer_list"] == [
            {"external_userid": CUSTOMER, "nickname": "小周", "avatar": "", "gender": 0, "unionid": ""}
        ]
        assert answer["invalid_external_userid"] == ["wmGhost"]

    def test_how_a_customer_came_is_told_on_demand_for_two_days(self, platform: Platform):
        platform.kf(f"customers/{CUSTOMER}/enter", scene="web", scene_param="order8812")
        platform.kf("customers", external_userid=CUSTOMER, nickname="小周")

        def context(**query: Any) -> Any:
            answer = platform.call("kf/customer/batchget", external_userid_list=[CUSTOMER], **query)
            return answer["customer_list"][0].get("enter_session_context")

        assert context() is None
        assert context(need_enter_session_context=1) == {"scene": "web", "scene_param": "order8812"}
        platform.clock.now += 2 * DAY_S
        assert context(need_enter_session_context=1) is None

    @pytest.mark.parametrize("asked", [[], [CUSTOMER] * 101, CUSTOMER, [{}], None])
    def test_a_wrong_list_is_refused(self, platform: Platform, asked: Any):
        assert platform.call("kf/customer/batchget", external_userid_list=asked)["errcode"] == 40058

    def test_a_malformed_customer_is_refused(self, platform: Platform):
        assert platform.refused("POST", "/kf/customers", {"external_userid": "a b"}).status_code == 400


class TestControl:
    @pytest.mark.parametrize(
        ("path", "document"),
        [
            (f"customers/{CUSTOMER}/messages", {"content": "一", "colour": "red"}),
            (f"customers/{CUSTOMER}/messages", {"content": "一", "msgtype": "event"}),
            (f"customers/{CUSTOMER}/messages", {"content": "一", "copies": 0}),
            (f"customers/{CUSTOMER}/enter", {"colour": "red"}),
            (f"customers/{CUSTOMER}/recall", {"msgid": "nothing-said"}),
            ("history", {"messages": 2, "colour": "red"}),
            ("failures", {"times": 1, "colour": "red"}),
            ("sessions/say", {"external_userid": CUSTOMER, "content": "一"}),
        ],
    )
    def test_a_mistake_is_named_and_nothing_has_happened(self, platform: Platform, path: str, document: Any):
        answer = platform.refused("POST", f"/kf/{path}", document)

        assert answer.status_code == 400
        assert answer.json()["error"]
        assert platform.sync()["msg_list"] == platform.chat() == []

    def test_the_chat_can_be_waited_for(self, platform: Platform):
        platform.says("一")
        platform.says("二")

        entries = platform.chat(wait=5)

        assert [entry["content"] for entry in entries] == ["一", "二"]
        assert platform.chat(after=entries[-1]["seq"], wait=0.05) == []

    @pytest.mark.parametrize("seconds", [-1, 1e9, "1"])
    def test_the_clock_only_goes_forward(self, platform: Platform, seconds: Any):
        assert platform.refused("POST", "/clock", {"advance_s": seconds}).status_code == 400

    def test_callbacks_are_signed_with_the_time_outside(self, platform: Platform):
        platform.control("POST", "/clock", {"advance_s": DAY_S})
        platform.kf(f"customers/{CUSTOMER}/messages", content="一")

        (received,) = platform.bot.received
        assert received.query["timestamp"] == "1790000000"
        assert received.text("CreateTime") == str(1_790_000_000 + DAY_S)

    def test_a_reset_forgets_everything_but_the_settings(self, platform: Platform):
        platform.control("POST", "/config", {"kf_native_welcome": True})
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.kf(f"accounts/{ACCOUNT}/servicers", userid="zhou.min")
        platform.kf("human", servicer_userid="zhou.min")
        platform.kf("failures", times=9)
        platform.says("一")
        platform.control("POST", "/clock", {"advance_s": DAY_S})

        platform.control("POST", "/reset")

        assert platform.chat() == platform.sync()["msg_list"] == []
        accounts = platform.control("GET", "/kf/accounts")["accounts"]
        assert [(each["open_kfid"], each["servicers"]) for each in accounts] == [(ACCOUNT, [])]
        assert not platform.simulator.humans.any
        assert platform.simulator.state.clock() == platform.clock.now
        platform.says("一")
        platform.answer()
        assert not platform.chat()[-1]["failed"]
        assert platform.control("GET", "/config")["kf_native_welcome"] is True

    @pytest.mark.parametrize("name", ["kf_coalesce_window_s", "untokened_syncs_per_minute"])
    def test_behaviour_that_makes_no_sense_is_refused(self, platform: Platform, name: str):
        assert platform.refused("POST", "/config", {name: -1}).status_code == 400
        assert platform.simulator.state.behaviour == Behaviour(retry_interval_s=0.0)
