"""The API as a bot sees it: tokens, message/send with all that silently happens to a message, members, faults."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import httpx
import pytest

from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, SECRET, Platform, eventually


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform with the members lin.mei and wang.qi."""
    server.renewed()
    server.add_members("lin.mei", "wang.qi")
    return server


class TestTokens:
    def test_the_right_secret_gets_a_token_for_two_hours(self, platform: Platform):
        answer = platform.get("gettoken", corpid=CORP_ID, corpsecret=SECRET)

        assert (answer["errcode"], answer["errmsg"], answer["expires_in"]) == (0, "ok", 7200)
        assert len(answer["access_token"].encode()) <= 512

    @pytest.mark.parametrize(
        ("query", "errcode"),
        [
            ({"corpid": CORP_ID, "corpsecret": "wrong"}, 40001),
            ({"corpid": "ww0000000000000000", "corpsecret": SECRET}, 40013),
            ({"corpsecret": SECRET}, 41002),
            ({"corpid": CORP_ID}, 41004),
        ],
    )
    def test_a_wrong_or_missing_credential_is_refused(self, platform: Platform, query: dict[str, str], errcode: int):
        answer = platform.get("gettoken", **query)

        assert answer["errcode"] == errcode
        assert "access_token" not in answer

    def test_a_refusal_has_http_200_and_a_hint_like_the_real_one(self, platform: Platform):
        answer = platform.client.get(f"{platform.base}/wecom/cgi-bin/user/get", params={"access_token": "no"})

        assert answer.status_code == 200
        assert re.fullmatch(
            r"invalid access_token, hint: \[\d{25}\], from ip: 127\.0\.0\.1, "
            r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=40014",
            answer.json()["errmsg"],
        )

    def test_several_tokens_are_valid_at_once(self, platform: Platform):
        first, second = platform.token(), platform.token()

        assert first != second
        assert platform.send(first)["errcode"] == platform.send(second)["errcode"] == 0

    def test_a_token_ends_after_its_lifetime(self, platform: Platform):
        token = platform.token()

        platform.clock.now += 7199
        assert platform.send(token)["errcode"] == 0
        platform.clock.now += 1
        assert platform.send(token)["errcode"] == 42001

    @pytest.mark.parametrize(("how", "errcode"), [("expire", 42001), ("revoke", 40014)])
    def test_tokens_can_be_ended_early(self, platform: Platform, how: str, errcode: int):
        token = platform.token()

        assert platform.control("POST", f"/tokens/{how}") == {"tokens": 1}

        assert platform.send(token)["errcode"] == errcode
        assert platform.send(platform.token())["errcode"] == 0

    def test_a_token_in_the_body_does_not_count(self, platform: Platform):
        url = f"{platform.base}/wecom/cgi-bin/message/send"

        assert platform.client.post(url, json={"access_token": platform.token()}).json()["errcode"] == 41001


class TestSending:
    def test_a_text_reaches_the_member(self, platform: Platform):
        answer = platform.send(text={"content": "订单 8812 已发货。😀"})

        assert (answer["errcode"], answer["errmsg"], answer["invaliduser"]) == (0, "ok", "")
        (entry,) = platform.timeline()
        assert (entry["direction"], entry["via"], entry["content"]) == ("outbound", "send", "订单 8812 已发货。😀")
        assert entry["msgid"] == answer["msgid"]
        assert entry["visible"]
        assert {entry[flag] for flag in ("truncated", "dropped", "suppressed")} == {False}

    def test_several_recipients_are_joined_by_a_bar_and_case_does_not_matter(self, platform: Platform):
        answer = platform.send(touser="Lin.Mei|wang.qi|lin.mei")

        assert answer["invaliduser"] == ""
        assert len(platform.timeline("lin.mei")) == len(platform.timeline("Wang.Qi")) == 1

    def test_unknown_recipients_come_back_while_the_rest_is_sent(self, platform: Platform):
        answer = platform.send(touser="ghost1|lin.mei|Ghost2")

        assert (answer["errcode"], answer["invaliduser"]) == (0, "ghost1|ghost2")
        assert len(platform.timeline()) == 1
        assert platform.timeline("ghost1") == []

    def test_at_all_is_everybody(self, platform: Platform):
        assert platform.send(touser="@all")["errcode"] == 0
        assert len(platform.timeline("lin.mei")) == len(platform.timeline("wang.qi")) == 1

    def test_who_has_written_can_be_written_to_and_who_left_cannot(self, platform: Platform):
        platform.write("zhao.yi", content="hello")
        assert platform.send(touser="zhao.yi")["errcode"] == 0

        platform.write("zhao.yi", msgtype="event", event="unsubscribe")
        assert platform.send(touser="zhao.yi")["errcode"] == 81013

        platform.write("zhao.yi", msgtype="event", event="subscribe")
        assert platform.send(touser="zhao.yi")["errcode"] == 0

        assert platform.control("DELETE", "/members/zhao.yi") == {"removed": True}
        assert platform.send(touser="zhao.yi")["errcode"] == 81013

    @pytest.mark.parametrize(
        ("changes", "errcode"),
        [
            ({"agentid": str(AGENT_ID)}, 40056),
            ({"agentid": True}, 40056),
            ({"agentid": None}, 40056),
            ({"agentid": AGENT_ID + 1}, 301002),
            ({"touser": "ghost"}, 81013),
            ({"touser": "", "toparty": "7"}, 81013),
            ({"touser": ""}, 82001),
            ({"touser": "|"}, 82001),
            ({"touser": "|".join(f"u{n}" for n in range(1001))}, 40032),
            ({"msgtype": None}, 40008),
            ({"msgtype": "hologram"}, 40008),
            ({"text": {"content": ""}}, 44004),
            ({"text": {}}, 44004),
            ({"text": None}, 44004),
            ({"text": {"content": 5}}, 40058),
            ({"msgtype": "markdown"}, 44004),
            ({"msgtype": "markdown", "markdown": {"content": "长" * 700}}, 45002),
            ({"msgtype": "image"}, 40058),
            ({"msgtype": "image", "image": {}}, 40007),
            ({"msgtype": "textcard", "textcard": {"title": "t"}}, 40058),
            ({"msgtype": "news", "news": {}}, 40058),
            ({"msgtype": "news", "news": {"articles": [{}] * 9}}, 45008),
            ({"msgtype": "template_card", "template_card": {}}, 40058),
            ({"enable_duplicate_check": 1, "duplicate_check_interval": "1800"}, 40058),
        ],
    )
    def test_a_wrong_request_is_refused_and_nobody_gets_it(
        self, platform: Platform, changes: dict[str, Any], errcode: int
    ):
        assert platform.send(**changes)["errcode"] == errcode
        assert platform.timeline() == []

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
    def test_a_body_that_is_no_json_object_is_refused(self, platform: Platform, body: bytes):
        assert platform.post_send(body).json()["errcode"] == 47001

    @pytest.mark.parametrize(
        ("message", "title"),
        [
            ({"msgtype": "markdown", "markdown": {"content": "**bold**"}}, "**bold**"),
            ({"msgtype": "file", "file": {"media_id": "m"}}, ""),
            ({"msgtype": "textcard", "textcard": {"title": "t", "description": "d", "url": "http://u"}}, "t"),
            ({"msgtype": "news", "news": {"articles": [{"title": "a"}]}}, ""),
        ],
    )
    def test_other_kinds_are_accepted_and_kept_as_sent(self, platform: Platform, message: dict[str, Any], title: str):
        assert platform.send(**message)["errcode"] == 0
        (entry,) = platform.timeline()
        assert (entry["msgtype"], entry["content"]) == (message["msgtype"], title)
        assert entry["body"] == message[message["msgtype"]]

    def test_only_an_interactive_card_needs_a_callback_and_gets_a_response_code(self, platform: Platform):
        buttons = {"card_type": "button_interaction", "task_id": "t-1", "button_list": [{"text": "好", "key": "ok"}]}
        interactive = {"msgtype": "template_card", "template_card": buttons}
        link = {"card_type": "text_notice", "card_action": {"type": 1, "url": "https://example.com/"}}
        notice = {"msgtype": "template_card", "template_card": link}
        assert platform.send(**interactive)["response_code"]
        assert platform.send(**notice)["response_code"] == ""

        platform.control("POST", "/config", {"callback_url": ""})

        assert platform.send(**interactive)["errcode"] == 43012
        assert platform.send(**notice)["errcode"] == 0

    def test_escaped_characters_are_refused(self, platform: Platform):
        document = {"touser": "lin.mei", "msgtype": "text", "agentid": AGENT_ID, "text": {"content": "您好"}}

        assert platform.post_send(json.dumps(document).encode()).json()["errcode"] == 40033
        assert platform.post_send(json.dumps(document, ensure_ascii=False).encode()).json()["errcode"] == 0

    def test_a_written_out_backslash_u_is_no_escape(self, platform: Platform):
        assert platform.send(text={"content": r"the text \u4f60 and C:\users"})["errcode"] == 0
        assert platform.timeline()[0]["content"] == r"the text \u4f60 and C:\users"

    @pytest.mark.parametrize(
        ("content", "kept"),
        [("a" * 2048, "a" * 2048), ("a" * 2049, "a" * 2048), ("长" * 683, "长" * 682), ("😀" * 513, "😀" * 512)],
    )
    def test_a_text_over_2048_bytes_is_cut_and_marked(self, platform: Platform, content: str, kept: str):
        assert platform.send(text={"content": content})["errcode"] == 0
        (entry,) = platform.timeline()
        assert (entry["content"], entry["truncated"]) == (kept, content != kept)

    def test_the_other_reading_refuses_a_text_over_2048_bytes(self, platform: Platform):
        platform.control("POST", "/config", {"overlong_text": "refuse"})

        assert platform.send(text={"content": "a" * 2048})["errcode"] == 0
        assert platform.send(text={"content": "a" * 2049})["errcode"] == 45002


class TestSilentLosses:
    def dropped(self, platform: Platform, userid: str = "lin.mei") -> list[bool]:
        return [entry["dropped"] for entry in platform.timeline(userid)]

    def test_the_thirty_first_message_in_a_minute_is_dropped_with_errcode_0(self, platform: Platform):
        token = platform.token()

        assert {platform.send(token)["errcode"] for _ in range(31)} == {0}

        assert self.dropped(platform) == [False] * 30 + [True]
        assert not platform.timeline()[-1]["visible"]

    def test_the_limit_is_per_member_and_ends_with_the_minute(self, platform: Platform):
        platform.control("POST", "/config", {"sends_per_minute": 2})
        for _ in range(3):
            platform.send()
        platform.send(touser="wang.qi")
        assert self.dropped(platform) == [False, False, True]
        assert self.dropped(platform, "wang.qi") == [False]

        platform.clock.now += 60
        platform.send()

        assert self.dropped(platform) == [False, False, True, False]

    def test_a_member_gets_a_thousand_messages_an_hour(self, platform: Platform):
        platform.control("POST", "/config", {"sends_per_hour": 3})
        for _ in range(4):
            platform.clock.now += 60
            platform.send()
        assert self.dropped(platform) == [False] * 3 + [True]

        platform.clock.now += 3600 - 180
        platform.send()

        assert self.dropped(platform)[-1] is False
        assert platform.simulator.state.behaviour.sends_per_minute == 30

    def test_an_identical_body_is_suppressed_inside_the_interval(self, platform: Platform):
        check = {"enable_duplicate_check": 1, "duplicate_check_interval": 600}
        first = platform.send(**check)
        platform.clock.now += 599
        assert platform.send(**check) == first
        platform.send(**check, text={"content": "another"})
        platform.clock.now += 1
        platform.send(**check)

        entries = [(entry["content"], entry["suppressed"]) for entry in platform.timeline()]
        assert entries == [("您好", False), ("您好", True), ("another", False), ("您好", False)]

    def test_the_interval_is_1800_seconds_by_default_and_four_hours_at_most(self, platform: Platform):
        long = {"enable_duplicate_check": 1, "duplicate_check_interval": 99999, "text": {"content": "long"}}
        platform.send(enable_duplicate_check=1)
        platform.send(**long)
        platform.clock.now += 1800
        platform.send(enable_duplicate_check=1)
        platform.clock.now += 4 * 3600 - 1801
        platform.send(**long)
        platform.clock.now += 1
        platform.send(**long)

        assert [entry["suppressed"] for entry in platform.timeline()] == [False, False, False, True, False]

    def test_without_the_check_identical_bodies_are_all_delivered(self, platform: Platform):
        platform.send()
        platform.send()

        assert [entry["suppressed"] for entry in platform.timeline()] == [False, False]

    def test_a_refused_request_is_no_duplicate_of_its_repetition(self, platform: Platform):
        token = platform.token()
        platform.control("POST", "/tokens/expire")
        assert platform.send(token, enable_duplicate_check=1)["errcode"] == 42001

        platform.send(enable_duplicate_check=1)

        assert [entry["suppressed"] for entry in platform.timeline()] == [False]

    def test_of_many_identical_requests_at_once_one_is_delivered(self, platform: Platform):
        token = platform.token()
        senders = [
            threading.Thread(target=platform.send, args=(token,), kwargs={"enable_duplicate_check": 1})
            for _ in range(10)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(10)

        assert sorted(entry["suppressed"] for entry in platform.timeline()) == [False] + [True] * 9


class TestOtherCalls:
    def test_user_get_answers_the_profile(self, platform: Platform):
        member = {"userid": "zhou.ran", "name": "周然", "department": [3], "position": "运营"}
        platform.control("POST", "/members", member)

        answer = platform.get("user/get", access_token=platform.token(), userid="Zhou.Ran")

        assert {name: answer[name] for name in member} == member
        assert (answer["errcode"], answer["status"], answer["main_department"]) == (0, 1, 3)
        assert not {"mobile", "email", "avatar", "gender"} & answer.keys()

    @pytest.mark.parametrize(("userid", "errcode"), [("ghost", 60111), ("hidden", 60011), ("", 40003)])
    def test_user_get_refuses_whom_the_app_cannot_see(self, platform: Platform, userid: str, errcode: int):
        platform.control("POST", "/members", {"userid": "hidden", "visible": False})

        assert platform.get("user/get", access_token=platform.token(), userid=userid)["errcode"] == errcode

    @pytest.mark.parametrize("path", ["getcallbackip", "get_api_domain_ip"])
    def test_address_lists_are_served(self, platform: Platform, path: str):
        answer = platform.get(path, access_token=platform.token())

        assert answer["errcode"] == 0
        assert answer["ip_list"]
        assert platform.get(path)["errcode"] == 41001

    def test_an_unknown_path_is_404(self, platform: Platform):
        answer = platform.client.get(f"{platform.base}/wecom/cgi-bin/menu/create")

        assert answer.status_code == 404
        assert platform.calls()[-1]["status"] == 404

    def test_the_wrong_method_is_refused(self, platform: Platform):
        assert platform.get("message/send", access_token=platform.token())["errcode"] == 40058


class TestCalls:
    def test_every_call_is_recorded_without_secrets(self, platform: Platform):
        token = platform.token()
        platform.send(token)
        platform.get("user/get", access_token="nonsense", userid="lin.mei")

        calls = platform.calls()

        number = calls[1]["token"]
        shown = [(call["path"], call["errcode"], call["userids"], call["token"]) for call in calls]
        assert shown == [
            ("gettoken", 0, [], None),
            ("message/send", 0, ["lin.mei"], number),
            ("user/get", 40014, ["lin.mei"], None),
        ]
        assert number is not None
        text = json.dumps(calls)
        assert token not in text
        assert SECRET not in text

    def test_calls_can_be_asked_for_by_path_and_from_a_number(self, platform: Platform):
        platform.send()
        platform.send()

        sends = platform.calls(path="message/send")

        assert len(sends) == 2
        assert platform.calls(path="message/send", after=sends[0]["seq"]) == sends[1:]


class TestFaults:
    def test_an_errcode_is_answered_as_often_as_asked(self, platform: Platform):
        platform.control("POST", "/faults", {"path": "message/send", "errcode": 45009, "times": 2})

        assert [platform.send()["errcode"] for _ in range(3)] == [45009, 45009, 0]
        assert len(platform.timeline()) == 1
        assert [call["processed"] for call in platform.calls(path="message/send")] == [False, False, True]

    def test_a_system_busy_and_a_foreign_address_can_be_played(self, platform: Platform):
        platform.control("POST", "/faults", {"path": "/cgi-bin/gettoken", "errcode": -1})
        platform.control("POST", "/faults", {"path": "message/send", "errcode": 60020})

        assert platform.get("gettoken", corpid=CORP_ID, corpsecret=SECRET)["errcode"] == -1
        assert "from ip: 127.0.0.1" in platform.send()["errmsg"]

    def test_an_http_status_and_garbage_are_no_json(self, platform: Platform):
        platform.control("POST", "/faults", {"path": "message/send", "status": 503})
        platform.control("POST", "/faults", {"path": "message/send", "garbage": True})

        broken, garbage = platform.post_send(b"{}"), platform.post_send(b"{}")

        assert (broken.status_code, garbage.status_code) == (503, 200)
        for answer in (broken, garbage):
            with pytest.raises(ValueError, match="Expecting value"):
                answer.json()
        assert platform.timeline() == []

    def test_a_fault_can_let_the_call_take_effect_first(self, platform: Platform):
        platform.control("POST", "/faults", {"path": "message/send", "errcode": -1, "processed": True})

        assert platform.send()["errcode"] == -1
        assert len(platform.timeline()) == 1

    @pytest.mark.parametrize(("when", "delivered"), [("before", 0), ("after", 1)])
    def test_a_cut_connection_leaves_the_outcome_unknown(self, platform: Platform, when: str, delivered: int):
        token = platform.token()
        platform.control("POST", "/faults", {"path": "message/send", "drop": when})

        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            platform.send(token)

        assert len(platform.timeline()) == delivered
        (call,) = platform.calls(path="message/send")
        assert (call["status"], call["errcode"], call["processed"]) == (None, None, bool(delivered))
        assert platform.send(token)["errcode"] == 0

    def test_a_repetition_after_a_cut_connection_is_suppressed_by_the_duplicate_check(self, platform: Platform):
        token = platform.token()
        platform.control("POST", "/faults", {"path": "message/send", "drop": "after"})
        with pytest.raises(httpx.RemoteProtocolError):
            platform.send(token, enable_duplicate_check=1)

        platform.send(token, enable_duplicate_check=1)

        assert [entry["visible"] for entry in platform.timeline()] == [True, False]

    def test_a_delay_makes_an_otherwise_usual_answer_late(self, platform: Platform):
        token = platform.token()
        platform.control("POST", "/faults", {"path": "message/send", "delay_ms": 300})

        with pytest.raises(httpx.ReadTimeout):
            platform.client.post(
                f"{platform.base}/wecom/cgi-bin/message/send",
                params={"access_token": token},
                content=b'{"touser":"lin.mei","msgtype":"text","agentid":1000002,"text":{"content":"a"}}',
                timeout=0.1,
            )

        eventually(platform.timeline)

    def test_a_fault_can_wait_for_a_call_and_for_a_member(self, platform: Platform):
        fault = {"path": "message/send", "errcode": 45033, "userid": "Wang.Qi", "after_calls": 1}
        platform.control("POST", "/faults", fault)

        asked = ["wang.qi", "lin.mei", "wang.qi", "wang.qi"]
        assert [platform.send(touser=userid)["errcode"] for userid in asked] == [0, 0, 45033, 0]

    def test_faults_are_listed_with_their_hits_and_can_be_cleared(self, platform: Platform):
        platform.control("POST", "/faults", {"errcode": -1, "times": 0})
        platform.get("getcallbackip")
        platform.get("getcallbackip")

        (fault,) = platform.control("GET", "/faults")["faults"]
        assert (fault["hits"], fault["spent"], fault["errcode"]) == (2, False, -1)

        platform.control("DELETE", "/faults")
        assert platform.get("getcallbackip")["errcode"] == 41001

    def test_an_unknown_path_can_fail_too(self, platform: Platform):
        platform.control("POST", "/faults", {"path": "menu/create", "errcode": 48002, "processed": True})

        assert platform.get("menu/create")["errcode"] == 48002

    @pytest.mark.parametrize(
        "fault",
        [
            {},
            {"path": "message/send"},
            {"errcode": "45009"},
            {"errcode": True},
            {"status": 99},
            {"drop": "never"},
            {"errcode": 1, "times": -1},
            {"errcode": 1, "mistyped": 1},
            [],
        ],
    )
    def test_a_fault_that_makes_no_sense_is_refused(self, platform: Platform, fault: Any):
        assert platform.refused("POST", "/faults", fault).status_code == 400


class TestAgent:
    def test_the_application_is_told_who_sees_it(self, platform: Platform):
        answer = platform.get("agent/get", access_token=platform.token(), agentid=str(AGENT_ID))

        assert (answer["errcode"], answer["agentid"], answer["close"]) == (0, AGENT_ID, 0)
        assert answer["allow_partys"] == {"partyid": [1]}
        assert {each["userid"] for each in answer["allow_userinfos"]["user"]} == {"lin.mei", "wang.qi"}

    def test_where_not_everybody_sees_it_the_visible_members_do(self, platform: Platform):
        changed = {"agent_for_everybody": False, "agent_closed": True}
        assert platform.client.post(f"{platform.base}/wecom/_control/config", json=changed).is_success
        hidden = {"userid": "wang.qi", "visible": False}
        assert platform.client.post(f"{platform.base}/wecom/_control/members", json=hidden).is_success

        answer = platform.get("agent/get", access_token=platform.token(), agentid=str(AGENT_ID))

        assert answer["close"] == 1
        assert answer["allow_partys"] == {"partyid": []}
        assert answer["allow_userinfos"] == {"user": [{"userid": "lin.mei"}]}

    @pytest.mark.parametrize(("agentid", "errcode"), [("1000009", 301002), ("", 40056), ("app", 40056)])
    def test_another_applications_id_is_refused(self, platform: Platform, agentid: str, errcode: int):
        assert platform.get("agent/get", access_token=platform.token(), agentid=agentid)["errcode"] == errcode
