"""What the bot is told of 微信客服, and what it reads then: notifications, pages, cursors, events, three days."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.simulators.wecom_platform import ACCOUNT, CORP_ID, CUSTOMER, Platform, Script, eventually

DAY_S = 24 * 3600


def texts(page: dict[str, Any]) -> list[str]:
    return [each["text"]["content"] for each in page["msg_list"]]


def read_all(platform: Platform, **query: Any) -> list[dict[str, Any]]:
    """Return the pages from the first to the last."""
    pages = [platform.sync(**query)]
    while pages[-1]["has_more"]:
        pages.append(platform.sync(**query, cursor=pages[-1]["next_cursor"]))
    return pages


class TestPages:
    def test_a_message_is_read_as_the_customer_wrote_it(self, platform: Platform):
        msgid = platform.says("可以开发票吗", menu_id="m-inv")

        page = platform.sync()

        assert (page["errcode"], page["errmsg"], page["has_more"]) == (0, "ok", 0)
        assert page["msg_list"] == [
            {
                "msgid": msgid,
                "open_kfid": ACCOUNT,
                "external_userid": CUSTOMER,
                "send_time": 1_790_000_000,
                "origin": 3,
                "servicer_userid": "",
                "msgtype": "text",
                "text": {"content": "可以开发票吗", "menu_id": "m-inv"},
            }
        ]

    def test_a_cursor_brings_what_came_after_it_and_again_when_asked_again(self, platform: Platform):
        platform.says("一")
        cursor = platform.sync()["next_cursor"]
        assert platform.sync(cursor=cursor)["msg_list"] == []
        platform.says("二")

        assert texts(platform.sync(cursor=cursor)) == texts(platform.sync(cursor=cursor)) == ["二"]
        assert texts(platform.sync()) == ["一", "二"]
        assert len(cursor.encode()) <= 64

    def test_pages_follow_each_other_without_a_gap(self, platform: Platform):
        platform.kf("history", customers=2, messages=25)

        pages = read_all(platform, limit=10)

        assert [len(page["msg_list"]) for page in pages] == [10, 10, 5]
        msgids = [each["msgid"] for page in pages for each in page["msg_list"]]
        assert len(set(msgids)) == 25

    def test_a_page_holds_a_thousand_unless_less_is_asked_for(self, platform: Platform):
        platform.kf("history", messages=1001)

        assert [len(page["msg_list"]) for page in read_all(platform)] == [1000, 1]

    def test_each_page_can_be_preceded_by_an_empty_one_that_says_there_is_more(self, server: Platform):
        platform = server.renewed(kf_empty_pages=True)
        platform.kf("history", messages=3)

        pages = read_all(platform, limit=2)

        assert [(len(page["msg_list"]), page["has_more"]) for page in pages] == [(0, 1), (2, 1), (0, 1), (1, 0)]
        assert platform.sync(cursor=pages[-1]["next_cursor"])["has_more"] == 0

    def test_what_is_older_than_three_days_is_gone(self, platform: Platform):
        platform.kf("history", age_s=3 * DAY_S + 1, prefix="wmOld")
        platform.kf("history", age_s=3 * DAY_S, prefix="wmYoung")

        (message,) = platform.sync()["msg_list"]

        assert message["external_userid"] == "wmYoung0000"
        platform.clock.now += 1
        assert platform.sync()["msg_list"] == []

    def test_each_account_has_a_log_of_its_own(self, platform: Platform):
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.says("一")
        platform.says("二", open_kfid="wkSecond")

        assert (texts(platform.sync()), texts(platform.sync(open_kfid="wkSecond"))) == (["一"], ["二"])

    def test_a_message_may_come_twice_under_one_msgid(self, platform: Platform):
        msgid = platform.says("一")
        platform.says("一", msgid=msgid)

        assert [each["msgid"] for each in platform.sync()["msg_list"]] == [msgid, msgid]

    @pytest.mark.parametrize("msgtype", ["image", "location", "merged_msg", "hologram"])
    def test_other_kinds_have_an_object_of_their_name(self, platform: Platform, msgtype: str):
        platform.says("", msgtype=msgtype, body={"depth": 3})

        (message,) = platform.sync()["msg_list"]

        assert message["msgtype"] == msgtype
        assert message[msgtype]["depth"] == 3
        assert platform.chat()[0]["content"] == f"[{msgtype}]"

    def test_what_the_bot_sends_is_not_read_back(self, platform: Platform):
        platform.says("一")
        platform.answer()

        assert texts(platform.sync()) == ["一"]

    @pytest.mark.parametrize(
        ("wrong", "errcode"),
        [
            ({"cursor": "c1-never-given"}, 40058),
            ({"cursor": "x"}, 40058),
            ({"cursor": 7}, 40058),
            ({"limit": 0}, 40058),
            ({"limit": 1001}, 40058),
            ({"limit": True}, 40058),
            ({"voice_format": 2}, 40058),
            ({"open_kfid": "wkUnknown"}, 95000),
            ({"open_kfid": None}, 95000),
        ],
    )
    def test_a_wrong_question_is_refused(self, platform: Platform, wrong: dict[str, Any], errcode: int):
        assert platform.sync(**wrong)["errcode"] == errcode

    def test_the_cursor_of_another_account_is_unknown(self, platform: Platform):
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        platform.says("一")
        platform.says("二", open_kfid="wkSecond")
        cursor = platform.sync(open_kfid="wkSecond")["next_cursor"]

        assert platform.sync(cursor=cursor)["errcode"] == 40058

    def test_a_cursor_survives_a_reset_and_a_new_start(self, platform: Platform):
        platform.says("一")
        cursor = platform.sync()["next_cursor"]
        platform.control("POST", "/reset")
        platform.says("二")
        assert texts(platform.sync(cursor=cursor)) == ["二"]

        platform.clock.now += 3600
        started = type(platform.simulator)(platform.simulator.state.settings, clock=platform.clock)
        started.kf.write(CUSTOMER, content="三")

        page = started.state.kf.log.page(ACCOUNT, cursor, 10, platform.clock())
        assert [entry.document["text"] for entry in page.entries] == [{"content": "三"}]


class TestSyncTokens:
    def told(self, platform: Platform) -> str:
        platform.kf(f"customers/{CUSTOMER}/messages", content="一")
        token = platform.bot.received[-1].text("Token")
        assert token
        return token

    def test_a_token_lasts_ten_minutes(self, platform: Platform):
        token = self.told(platform)

        platform.control("POST", "/clock", {"advance_s": 599})
        assert platform.sync(token=token)["errcode"] == 0
        platform.control("POST", "/clock", {"advance_s": 1})
        assert platform.sync(token=token)["errcode"] == 95007
        assert platform.sync()["errcode"] == 0

    def test_a_token_is_of_one_account(self, platform: Platform):
        platform.kf("accounts", open_kfid="wkSecond", name="售后")

        assert platform.sync(token=self.told(platform), open_kfid="wkSecond")["errcode"] == 95007

    @pytest.mark.parametrize("token", ["ENCnever-given", 7])
    def test_a_token_that_was_never_given_is_refused(self, platform: Platform, token: Any):
        assert platform.sync(token=token)["errcode"] == 95007

    def test_calls_without_a_token_can_be_limited_by_account_and_minute(self, server: Platform):
        platform = server.renewed(untokened_syncs_per_minute=2)
        platform.kf("accounts", open_kfid="wkSecond", name="售后")
        token = self.told(platform)

        codes = [platform.sync()["errcode"] for _ in range(3)]

        assert codes == [0, 0, 45009]
        assert platform.sync(token=token)["errcode"] == 0
        assert platform.sync(open_kfid="wkSecond")["errcode"] == 0
        platform.clock.now += 60
        assert platform.sync()["errcode"] == 0


class TestNotifications:
    def test_a_notification_says_that_there_is_news_and_nothing_else(self, platform: Platform):
        told = platform.kf(f"customers/{CUSTOMER}/messages", content="可以开发票吗")

        (received,) = platform.bot.received
        assert sorted(received.names()) == sorted(["ToUserName", "CreateTime", "MsgType", "Event", "Token", "OpenKfId"])
        assert (received.text("ToUserName"), received.text("Event")) == (CORP_ID, "kf_msg_or_event")
        assert (received.text("OpenKfId"), received.text("CreateTime")) == (ACCOUNT, "1790000000")
        assert b"AgentID" not in received.body
        assert [(each["status"], each["reply"]) for each in told["attempts"]] == [(200, "empty")]
        assert told["done"]

    def test_the_envelope_may_name_the_application(self, server: Platform):
        platform = server.renewed(kf_agent_id_element=True)
        platform.kf(f"customers/{CUSTOMER}/messages", content="一")

        assert b"AgentID" in platform.bot.received[0].body
        assert "AgentID" not in platform.bot.received[0].names()

    @pytest.mark.parametrize(
        ("body", "reply"), [(b"", "empty"), (b"success\n", "success"), (b"<xml/>", "ignored"), (b"ok", "ignored")]
    )
    def test_there_is_no_passive_reply(self, platform: Platform, body: bytes, reply: str):
        platform.bot.script.append(Script(body=body))

        told = platform.kf(f"customers/{CUSTOMER}/messages", content="一")

        assert [attempt["reply"] for attempt in told["attempts"]] == [reply]
        assert len(platform.chat()) == 1

    def test_a_lost_notification_leaves_the_message_to_be_read(self, platform: Platform):
        platform.says("一")

        assert platform.bot.received == []
        assert texts(platform.sync()) == ["一"]

    def test_a_notification_can_come_twice_and_be_of_one_message(self, platform: Platform):
        told = platform.kf(f"customers/{CUSTOMER}/messages", content="一", copies=2)

        first, second = platform.bot.received
        assert first.text("Token") == second.text("Token")
        assert first.raw_query != second.raw_query
        assert [attempt["copy"] for attempt in told["attempts"]] == [1, 2]
        assert len(platform.sync()["msg_list"]) == 1

    def test_a_notification_can_come_late(self, platform: Platform):
        platform.kf(f"customers/{CUSTOMER}/messages", content="一", delay_ms=60_000, wait=False)

        assert texts(platform.sync()) == ["一"]
        assert platform.bot.received == []

    def test_one_that_is_not_acknowledged_comes_again_at_most_twice(self, platform: Platform):
        platform.bot.script.extend([Script(status=500)] * 4)

        told = platform.kf(f"customers/{CUSTOMER}/messages", content="一")

        assert [attempt["status"] for attempt in told["attempts"]] == [500] * 3
        assert told["accepted_at_ms"] is None

    def test_one_that_takes_too_long_comes_again(self, server: Platform):
        platform = server.renewed(callback_timeout_s=0.05)
        platform.bot.script.append(Script(late=True))

        told = platform.kf(f"customers/{CUSTOMER}/messages", content="一")

        assert [(each["status"], each["error"]) for each in told["attempts"]] == [(None, "timeout"), (200, None)]

    def test_one_may_stand_for_several_messages(self, server: Platform):
        platform = server.renewed(kf_coalesce=True, kf_coalesce_window_s=0.2)
        for number in range(3):
            platform.kf(f"customers/{CUSTOMER}/messages", content=str(number), wait=False)

        last = platform.kf(f"customers/{CUSTOMER}/messages", content="3")

        (told,) = platform.bot.received
        assert told.text("OpenKfId") == ACCOUNT
        assert len(last["attempts"]) == 1
        assert texts(platform.sync()) == ["0", "1", "2", "3"]
        platform.kf(f"customers/{CUSTOMER}/messages", content="4")
        assert len(platform.bot.received) == 2

    def test_a_reset_ends_one_that_is_waited_for(self, server: Platform):
        platform = server.renewed(kf_coalesce=True, kf_coalesce_window_s=60)
        platform.kf(f"customers/{CUSTOMER}/messages", content="一", wait=False)

        platform.control("POST", "/reset")
        platform.control("POST", "/config", {"kf_coalesce_window_s": 0.0})
        platform.kf(f"customers/{CUSTOMER}/messages", content="二")

        assert len(platform.bot.received) == 1

    def test_without_an_address_nothing_is_written_unless_nobody_is_to_be_told(self, platform: Platform):
        platform.control("POST", "/config", {"callback_url": ""})

        assert platform.refused("POST", f"/kf/customers/{CUSTOMER}/messages", {"content": "一"}).status_code == 409
        assert platform.chat() == []
        assert platform.refused("POST", "/kf/history", {"notify": True}).status_code == 409
        assert platform.refused("POST", "/kf/verify").status_code == 409
        platform.says("二")
        platform.kf(f"customers/{CUSTOMER}/enter")
        assert len(platform.sync()["msg_list"]) == 2

    def test_much_at_once_can_be_told_of_with_one_notification(self, platform: Platform):
        platform.kf("history", messages=5, notify=True)

        eventually(lambda: platform.bot.received)
        assert len(platform.sync()["msg_list"]) == 5


class TestOwnCredentials:
    TOKEN, KEY = "anotherToken1", "a" * 43

    @pytest.fixture
    def platform(self, server: Platform) -> Platform:
        platform = server.renewed()
        address = f"{platform.base}/bot/callback?of=kf"
        platform.control(
            "POST", "/config", {"kf_token": self.TOKEN, "kf_encoding_aes_key": self.KEY, "kf_callback_url": address}
        )
        return platform

    def test_its_callbacks_are_signed_and_addressed_with_its_own(self, platform: Platform):
        platform.kf(f"customers/{CUSTOMER}/messages", content="一")
        platform.write(content="一")

        of_kf, of_app = platform.bot.received
        assert of_kf.query["of"] == "kf"
        with pytest.raises(Exception, match="signature"):
            of_kf.document()
        assert of_app.text("Content") == "一"

    def test_its_address_is_checked_with_its_own(self, platform: Platform):
        platform.bot.echo = Script()
        checked = platform.control("POST", "/kf/verify")
        platform.control("POST", "/verify")

        assert not checked["ok"]
        assert [each.query.get("of") for each in platform.bot.received] == ["kf", None]

    def test_without_its_own_the_applications_are_used(self, server: Platform):
        platform = server.renewed()

        assert platform.control("POST", "/kf/verify")["ok"]

    def test_its_secrets_are_not_shown(self, platform: Platform):
        platform.control("POST", "/config", {"kf_secret": "an-invented-kf-secret"})

        shown = str(platform.control("GET", "/config"))

        assert not [secret for secret in (self.TOKEN, self.KEY, "an-invented-kf-secret") if secret in shown]

    @pytest.mark.parametrize("wrong", [{"kf_token": "a b"}, {"kf_encoding_aes_key": "a"}, {"kf_callback_url": "x:"}])
    def test_a_malformed_one_is_refused(self, platform: Platform, wrong: dict[str, Any]):
        assert platform.refused("POST", "/config", wrong).status_code == 400
