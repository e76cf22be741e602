"""Callbacks on a real connection: the check of the address, messages, events, repeats, damage, passive replies."""

from __future__ import annotations

from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pytest

from simulators.wecom import envelope
from simulators.wecom.settings import Behaviour
from tests.integration.simulators.wecom_platform import (
    AGENT_ID,
    CORP_ID,
    KEY,
    TOKEN,
    Platform,
    Script,
    eventually,
)


@pytest.fixture
def hasty(server: Platform) -> Platform:
    """Return a platform that gives the bot 0.2 s instead of 5 s and of 1 s."""
    return server.renewed(callback_timeout_s=0.2, verify_timeout_s=0.2)


def passive_reply(document: str, *, token: str = TOKEN, corp_id: str = CORP_ID) -> bytes:
    encrypted = envelope.seal(KEY, document.encode(), corp_id, bytes(16))
    signature = envelope.sign(token, "1790000002", "719283", encrypted)
    return (
        f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt><MsgSignature><![CDATA[{signature}]]></MsgSignature>"
        "<TimeStamp>1790000002</TimeStamp><Nonce><![CDATA[719283]]></Nonce></xml>"
    ).encode()


def text_reply(content: str, to: str = "lin.mei") -> str:
    return (
        f"<xml><ToUserName>{to}</ToUserName><FromUserName>{CORP_ID}</FromUserName><CreateTime>1790000101</CreateTime>"
        f"<MsgType>text</MsgType><Content>{escape(content)}</Content></xml>"
    )


class TestCheckOfTheAddress:
    def test_a_bot_that_echoes_the_number_passes(self, platform: Platform):
        result = platform.control("POST", "/verify")

        assert (result["ok"], result["status"], result["reason"]) == (True, 200, None)

    def test_the_query_arrives_percent_encoded_once_with_plus_and_slash(self, platform: Platform):
        platform.control("POST", "/verify")

        received = platform.bot.received[0]
        received.check_signature()
        assert received.query.keys() == {"msg_signature", "timestamp", "nonce", "echostr"}
        assert "%2B" in received.raw_query
        assert "%2F" in received.raw_query
        assert not set("+/%") & set(received.query["timestamp"] + received.query["nonce"])

    @pytest.mark.parametrize("around", [(b'"', b'"'), (b"", b"\n"), (b"\xef\xbb\xbf", b"")])
    def test_anything_around_the_number_fails(self, platform: Platform, around: tuple[bytes, bytes]):
        platform.bot.echo_around = around

        result = platform.control("POST", "/verify")

        assert not result["ok"]
        assert "something around it" in result["reason"]

    @pytest.mark.parametrize(
        ("echo", "reason"),
        [
            (Script(body=b"1"), "not the decrypted echostr"),
            (Script(status=403), "HTTP status 403"),
        ],
    )
    def test_another_answer_fails_with_the_reason(self, platform: Platform, echo: Script, reason: str):
        platform.bot.echo = echo

        result = platform.control("POST", "/verify")

        assert not result["ok"]
        assert reason in result["reason"]

    def test_an_answer_after_the_limit_fails(self, hasty: Platform):
        hasty.bot.echo = Script(late=True)

        result = hasty.control("POST", "/verify")

        assert (result["ok"], result["status"], result["reason"]) == (False, None, "no answer in time")

    def test_a_closed_port_fails(self, platform: Platform):
        platform.control("POST", "/config", {"callback_url": "http://127.0.0.1:1/callback"})

        assert platform.control("POST", "/verify")["reason"] == "no answer: connection error"

    def test_without_an_address_there_is_nothing_to_check(self, platform: Platform):
        platform.control("POST", "/config", {"callback_url": ""})

        assert platform.refused("POST", "/verify").status_code == 409
        assert platform.refused("POST", "/members/lin.mei/messages", {"content": "a"}).status_code == 409


class TestMessages:
    def test_a_text_arrives_signed_and_encrypted_with_the_documented_fields(self, platform: Platform):
        result = platform.write(msgtype="text", content="订单 8812 到哪里了？ ]]> <b>")

        received = platform.bot.received[0]
        fields = {child.tag: child.text for child in received.document()}
        assert fields == {
            "ToUserName": CORP_ID,
            "FromUserName": "lin.mei",
            "CreateTime": "1790000000",
            "MsgType": "text",
            "Content": "订单 8812 到哪里了？ ]]> <b>",
            "MsgId": result["msgid"],
            "AgentID": str(AGENT_ID),
        }
        assert received.content_type == "text/xml"
        assert received.query["timestamp"] == "1790000000"

    def test_the_answer_tells_what_became_of_the_message(self, platform: Platform):
        result = platform.write(content="hello")

        (attempt,) = result["attempts"]
        assert (attempt["status"], attempt["error"], attempt["reply"]) == (200, None, "empty")
        assert attempt["milliseconds"] >= 0
        assert result["sent_at_ms"] == result["accepted_at_ms"] == 1_790_000_000_000
        assert result["done"]

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            (
                {"msgtype": "image", "pic_url": "http://p/1", "media_id": "m1"},
                {"PicUrl": "http://p/1", "MediaId": "m1"},
            ),
            ({"msgtype": "voice", "media_id": "m2"}, {"MediaId": "m2", "Format": "amr"}),
            (
                {"msgtype": "video", "media_id": "m3", "thumb_media_id": "t3"},
                {"MediaId": "m3", "ThumbMediaId": "t3"},
            ),
            (
                {"msgtype": "location", "latitude": 23.1, "longitude": 113.3, "scale": 15, "label": "广州"},
                {"Location_X": "23.1", "Location_Y": "113.3", "Scale": "15", "Label": "广州", "AppType": "wxwork"},
            ),
            (
                {"msgtype": "link", "title": "t", "description": "d", "url": "http://u", "pic_url": "http://p"},
                {"Title": "t", "Description": "d", "Url": "http://u", "PicUrl": "http://p"},
            ),
            ({"msgtype": "hologram", "fields": {"Depth": 3}}, {"Depth": "3"}),
        ],
    )
    def test_every_kind_has_its_own_fields_and_a_msgid(
        self, platform: Platform, message: dict[str, Any], expected: dict[str, str]
    ):
        platform.write(**message)

        document = platform.bot.received[0].document()
        fields = {child.tag: child.text or "" for child in document}
        common = {"ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId", "AgentID"}
        assert fields["MsgType"] == message["msgtype"]
        assert {name: text for name, text in fields.items() if name not in common} == expected
        assert 0 < int(fields["MsgId"]) < 2**63

    @pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "enter_agent", "LOCATION", "made_up_event"])
    def test_events_have_no_msgid(self, platform: Platform, event: str):
        result = platform.write(msgtype="event", event=event)

        document = platform.bot.received[0].document()
        assert document.findtext("MsgType") == "event"
        assert document.findtext("Event") == event
        assert document.find("MsgId") is None
        assert result["msgid"] is None

    def test_an_event_with_a_key_always_has_the_element(self, platform: Platform):
        platform.write(msgtype="event", event="enter_agent")
        platform.write(msgtype="event", event="click", event_key="menu-1")

        assert [received.text("EventKey") for received in platform.bot.received] == ["", "menu-1"]

    def test_a_template_card_event_carries_nested_choices(self, platform: Platform):
        choices = {"SelectedItem": {"QuestionKey": "helpful", "OptionIds": {"OptionId": ["yes", "later"]}}}
        platform.write(
            msgtype="event",
            event="template_card_event",
            event_key="feedback_submit",
            task_id="fb-1",
            card_type="vote_interaction",
            response_code="RC_a",
            fields={"SelectedItems": choices},
        )

        document = platform.bot.received[0].document()
        assert document.findtext("TaskId") == "fb-1"
        assert document.findtext("ResponseCode") == "RC_a"
        assert [item.text for item in document.iter("OptionId")] == ["yes", "later"]

    def test_system_events_come_from_sys_who_is_no_member(self, platform: Platform):
        platform.write("sys", msgtype="event", event="change_contact", change_type="create_user")

        assert platform.bot.received[0].text("FromUserName") == "sys"
        assert platform.control("GET", "/members")["members"] == []

    @pytest.mark.parametrize(
        "message",
        [
            {"msgtype": "text"},
            {"msgtype": "text", "content": 5},
            {"msgtype": "event"},
            {"content": "a", "copies": 0},
            {"content": "a", "tamper": "everything"},
            {"content": "a", "pad": 33},
            {"content": "a", "pad": 1, "tamper": "padding"},
            {"content": "a", "msgid": "abc"},
            {"content": "a", "mistyped_option": 1},
            {"content": "\u0000"},
            {"content": "a", "fields": {"not a name": "x"}},
            {"content": "a", "fields": {"Nothing": None}},
            {"content": "a", "fields": []},
            {"content": "a", "wait": "no"},
            ["not", "an", "object"],
        ],
    )
    def test_a_mistake_in_the_request_is_explained_and_nothing_is_sent(self, platform: Platform, message: Any):
        answer = platform.refused("POST", "/members/lin.mei/messages", message)

        assert answer.status_code == 400
        assert answer.json()["error"]
        assert platform.bot.received == []
        assert platform.timeline() == []

    def test_a_malformed_userid_is_refused(self, platform: Platform):
        assert platform.refused("POST", "/members/lin%20mei/messages", {"content": "a"}).status_code == 400

    def test_a_message_not_waited_for_is_delivered_all_the_same(self, platform: Platform):
        result = platform.write(content="hello", wait=False, delay_ms=20)

        assert result["attempts"] == []
        eventually(lambda: platform.control("GET", "/deliveries", msgid=result["msgid"])["deliveries"][0]["done"])
        assert [received.text("Content") for received in platform.bot.received] == ["hello"]


class TestRepeats:
    def test_the_documented_limits_are_the_defaults(self):
        behaviour = Behaviour()

        assert (behaviour.callback_timeout_s, behaviour.verify_timeout_s, behaviour.max_attempts) == (5.0, 1.0, 3)

    def test_a_late_answer_is_dropped_and_the_same_message_comes_again_newly_encrypted(self, hasty: Platform):
        hasty.bot.script.extend([Script(late=True), Script(late=True)])

        result = hasty.write(content="hello")

        assert [attempt["error"] for attempt in result["attempts"]] == ["timeout", "timeout", None]
        assert [attempt["status"] for attempt in result["attempts"]] == [None, None, 200]
        received = hasty.bot.received
        assert {item.text("MsgId") for item in received} == {result["msgid"]}
        assert len({item.query["nonce"] for item in received}) == 3
        assert len({item.encrypted for item in received}) == 3

    def test_after_three_late_answers_the_message_is_given_up(self, hasty: Platform):
        hasty.bot.script.extend([Script(late=True)] * 4)

        result = hasty.write(content="hello")

        assert len(result["attempts"]) == 3
        assert result["accepted_at_ms"] is None

    def test_a_repeated_event_keeps_its_create_time_and_gets_a_new_timestamp(self, platform: Platform):
        platform.bot.script.append(Script(status=500))
        platform.control("POST", "/config", {"retry_interval_s": 0.3})
        platform.write(msgtype="event", event="enter_agent", wait=False)
        eventually(lambda: platform.bot.received)
        platform.clock.now += 7
        eventually(lambda: len(platform.bot.received) == 2)

        assert [item.text("CreateTime") for item in platform.bot.received] == ["1790000000", "1790000000"]
        assert [item.query["timestamp"] for item in platform.bot.received] == ["1790000000", "1790000007"]

    def test_a_refused_connection_is_tried_three_times(self, platform: Platform):
        platform.control("POST", "/config", {"callback_url": "http://127.0.0.1:1/callback"})

        assert [attempt["error"] for attempt in platform.write(content="a")["attempts"]] == ["connection"] * 3

    @pytest.mark.parametrize(("changes", "attempts"), [({}, [500, 403, 200]), ({"retry_non_200": False}, [500])])
    def test_whether_another_status_than_200_is_repeated_can_be_chosen(
        self, platform: Platform, changes: dict[str, bool], attempts: list[int]
    ):
        platform.control("POST", "/config", changes)
        platform.bot.script.extend([Script(status=500), Script(status=403)])

        assert [attempt["status"] for attempt in platform.write(content="a")["attempts"]] == attempts

    def test_the_other_reading_of_three_retries_makes_four_requests(self, platform: Platform):
        platform.control("POST", "/config", {"max_attempts": 4})
        platform.bot.script.extend([Script(status=500)] * 9)

        assert len(platform.write(content="a")["attempts"]) == 4

    def test_copies_are_delivered_although_the_first_was_acknowledged(self, platform: Platform):
        result = platform.write(content="hello", copies=3)

        assert [attempt["copy"] for attempt in result["attempts"]] == [1, 2, 3]
        assert {item.text("MsgId") for item in platform.bot.received} == {result["msgid"]}
        assert len(platform.timeline()) == 1

    @pytest.mark.parametrize("tamper", ["signature", "receiveid", "timestamp", "oversize", "not_xml", "doctype"])
    def test_a_damaged_message_is_sent_once_and_marked(self, platform: Platform, tamper: str):
        platform.bot.script.append(Script(status=403))

        result = platform.write(content="forged", tamper=tamper)

        assert [attempt["status"] for attempt in result["attempts"]] == [403]
        (entry,) = platform.timeline()
        assert (entry["tampered"], entry["visible"]) == (tamper, False)
        assert platform.control("GET", "/members")["members"] == []


class TestBatches:
    def messages(self, *contents: str) -> list[dict[str, str]]:
        return [{"userid": "lin.mei", "content": content} for content in contents]

    def test_messages_arrive_in_the_order_given(self, platform: Platform):
        result = platform.control("POST", "/batch", {"messages": self.messages("a", "b", "c")})

        assert [received.text("Content") for received in platform.bot.received] == ["a", "b", "c"]
        assert result["order"] == [0, 1, 2]

    def test_reversed_messages_arrive_backwards_but_were_written_forwards(self, platform: Platform):
        result = platform.control("POST", "/batch", {"messages": self.messages("a", "b", "c"), "order": "reversed"})

        assert [received.text("Content") for received in platform.bot.received] == ["c", "b", "a"]
        assert [entry["content"] for entry in platform.timeline()] == ["a", "b", "c"]
        msgids = [int(item["msgid"]) for item in result["results"]]
        assert msgids == sorted(msgids)

    def test_shuffled_messages_arrive_in_the_order_reported(self, platform: Platform):
        platform.simulator.state.rng = Random(1)
        contents = [f"m{number}" for number in range(8)]

        result = platform.control("POST", "/batch", {"messages": self.messages(*contents), "order": "shuffled"})

        assert result["order"] != list(range(8))
        arrived = [received.text("Content") for received in platform.bot.received]
        assert arrived == [contents[place] for place in result["order"]]

    def test_concurrent_messages_do_not_wait_for_each_other(self, hasty: Platform):
        hasty.control("POST", "/config", {"callback_timeout_s": 5.0})
        hasty.bot.script.append(Script(late=True))

        batch = {"messages": self.messages("slow", "quick"), "concurrent": True, "gap_ms": 1}
        result = hasty.control("POST", "/batch", batch)

        slow, quick = (item["attempts"][0]["milliseconds"] for item in result["results"])
        assert quick < 500 < slow

    def test_a_burst_of_two_hundred_is_delivered_whole(self, platform: Platform):
        messages = [{"userid": f"user{number % 7}", "content": str(number)} for number in range(200)]

        result = platform.control("POST", "/batch", {"messages": messages, "concurrent": True})

        assert all(item["accepted_at_ms"] for item in result["results"])
        assert sorted(int(r.text("Content") or "") for r in platform.bot.received) == list(range(200))

    def test_two_messages_can_share_a_msgid(self, platform: Platform):
        messages = [{"userid": "lin.mei", "content": "a", "msgid": "7011223344556677889"}] * 2

        platform.control("POST", "/batch", {"messages": messages, "concurrent": True})

        assert [received.text("MsgId") for received in platform.bot.received] == ["7011223344556677889"] * 2


class TestPassiveReplies:
    def test_a_passive_text_reaches_the_member(self, platform: Platform):
        platform.bot.script.append(Script(body=passive_reply(text_reply("已收到，正在查询。"))))

        result = platform.write(content="hello")

        assert result["attempts"][0]["reply"] == "passive"
        entry = platform.timeline()[1]
        assert (entry["direction"], entry["via"], entry["content"]) == ("outbound", "passive", "已收到，正在查询。")

    def test_a_passive_text_is_cut_at_2048_bytes(self, platform: Platform):
        platform.bot.script.append(Script(body=passive_reply(text_reply("长" * 700))))

        platform.write(content="hello")

        entry = platform.timeline()[1]
        assert entry["truncated"]
        assert entry["content"] == "长" * 682

    def test_the_word_success_is_an_acknowledgement(self, platform: Platform):
        platform.bot.script.append(Script(body=b"success"))

        assert platform.write(content="hello")["attempts"][0]["reply"] == "success"
        assert len(platform.timeline()) == 1

    @pytest.mark.parametrize(
        "body",
        [
            b'{"statusCode": 200}',
            b"<xml><Encrypt>abc</Encrypt></xml>",
            b"<!DOCTYPE xml><xml/>",
            passive_reply(text_reply("a"), token="wrongToken"),
            passive_reply(text_reply("a"), corp_id="ww0000000000000000"),
            passive_reply(text_reply("a", to="wang.qi")),
            passive_reply("<xml>"),
        ],
    )
    def test_a_reply_that_the_platform_cannot_read_reaches_nobody(self, platform: Platform, body: bytes):
        platform.bot.script.append(Script(body=body))

        assert platform.write(content="hello")["attempts"][0]["reply"] == "unreadable"
        assert len(platform.timeline()) == 1

    def test_events_that_allow_no_reply_get_none(self, platform: Platform):
        platform.bot.script.append(Script(body=passive_reply(text_reply("a"))))

        result = platform.write(msgtype="event", event="unsubscribe")

        assert result["attempts"][0]["reply"] == "ignored"
        assert len(platform.timeline()) == 1
