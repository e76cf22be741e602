"""What an account of 微信客服 has received, read entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from frontdesk.channels.wecom_kf import address_of, parts_of, read
from frontdesk.errors import PermanentError
from frontdesk.messages import Inbound, Kind
from tests.factories import NOW, NOW_MS, WORDS
from tests.vendor_side import KF_ACCOUNT, KF_CUSTOMER, kf_event, kf_message

ADDRESS = f"{KF_ACCOUNT}:{KF_CUSTOMER}"
MEDIA = {"media_id": "media-1"}


def read_any(item: Any) -> Inbound | None:
    return read(item, account=KF_ACCOUNT, conversation_of=lambda address: f"of {address}", received_at_ms=NOW_MS)


def read_one(item: Any) -> Inbound:
    inbound = read_any(item)
    assert inbound is not None
    return inbound


class TestAddress:
    def test_an_address_is_made_of_its_parts_and_gives_them_back(self):
        assert address_of(KF_ACCOUNT, KF_CUSTOMER) == ADDRESS
        assert parts_of(ADDRESS) == (KF_ACCOUNT, KF_CUSTOMER)

    @pytest.mark.parametrize("address", ["", "lin.mei", ":", "wk1:", ":wm1", "wk1:wm1:wm2", "wk 1:wm1", "wk1:wm1\n"])
    def test_any_other_text_is_no_address(self, address: str):
        with pytest.raises(PermanentError) as caught:
            parts_of(address)
        assert caught.value.code == "kf_address"


class TestCustomers:
    def test_a_text_is_read_whole(self):
        assert read_any(kf_message()) == Inbound(
            channel="wecom_kf",
            conversation=f"of {ADDRESS}",
            message_id="m_901",
            sender=ADDRESS,
            kind=Kind.TEXT,
            sent_at=NOW,
            received_at_ms=NOW_MS,
            text=WORDS,
            details={},
        )

    def test_a_tapped_item_of_a_menu_is_a_text_with_its_id(self):
        inbound = read_one(kf_message(body={"content": "有帮助", "menu_id": "rating:good"}))
        assert (inbound.kind, inbound.text, inbound.details) == (Kind.TEXT, "有帮助", {"menu_id": "rating:good"})

    @pytest.mark.parametrize(
        ("msgtype", "body", "kind", "details"),
        [
            ("image", MEDIA, Kind.IMAGE, MEDIA),
            ("voice", MEDIA, Kind.VOICE, MEDIA),
            ("video", MEDIA, Kind.VIDEO, MEDIA),
            ("file", MEDIA, Kind.FILE, MEDIA),
            (
                "location",
                {"latitude": 31.25, "longitude": 121, "name": "店", "address": ""},
                Kind.LOCATION,
                {"latitude": "31.25", "longitude": "121", "name": "店"},
            ),
            (
                "link",
                {"title": "t", "desc": "d", "url": "https://u.invalid", "pic_url": "https://p.invalid"},
                Kind.LINK,
                {"title": "t", "desc": "d", "url": "https://u.invalid", "pic_url": "https://p.invalid"},
            ),
            ("business_card", {"userid": "zhou.min"}, Kind.OTHER, {"msgtype": "business_card"}),
            ("miniprogram", {"title": "t", "appid": "wx1"}, Kind.OTHER, {"msgtype": "miniprogram", "title": "t"}),
            ("msgmenu", {"head_content": "h"}, Kind.OTHER, {"msgtype": "msgmenu"}),
            ("merged_msg", {"title": "t", "item": []}, Kind.OTHER, {"msgtype": "merged_msg", "title": "t"}),
            ("channels", {"title": "t", "sub_type": 1}, Kind.OTHER, {"msgtype": "channels", "title": "t"}),
            (
                "channels_shop_product",
                {"title": "t"},
                Kind.OTHER,
                {"msgtype": "channels_shop_product", "title": "t"},
            ),
            ("channels_shop_order", {"order_id": "1"}, Kind.OTHER, {"msgtype": "channels_shop_order"}),
        ],
    )
    def test_other_kinds_keep_what_describes_them(
        self,
        msgtype: str,
        body: dict[str, Any],
        kind: Kind,
        details: dict[str, str],
    ):
        inbound = read_one(kf_message(msgtype, body))
        assert (inbound.kind, inbound.details, inbound.text) == (kind, details, "")

    @pytest.mark.parametrize(
        "msgtype", ["meeting", "schedule", "of_a_later_year", "TEXT", "other", "person", "", "event"]
    )
    def test_an_unknown_kind_is_skipped(self, msgtype: str):
        assert read_any(kf_message(msgtype, {"content": WORDS})) is None

    def test_the_account_that_was_fetched_stands_in_where_the_entry_names_none(self):
        assert read_one(kf_message(open_kfid=None)).sender == ADDRESS
        assert read_one(kf_message(open_kfid="wk2")).sender == f"wk2:{KF_CUSTOMER}"

    def test_what_has_no_bytes_is_dropped_from_the_words(self):
        assert read_one(kf_message(body={"content": "a\ud83d b\x00c 👍"})).text == "a bc 👍"


class TestPeople:
    def test_a_line_of_a_person_comes_in_the_customers_conversation(self):
        inbound = read_one(kf_message(origin=5, servicer_userid="zhou.min"))
        assert (inbound.kind, inbound.text, inbound.sender) == (Kind.PERSON, WORDS, ADDRESS)
        assert inbound.details == {"servicer": "zhou.min"}

    @pytest.mark.parametrize(
        ("msgtype", "text"),
        [
            ("image", "[图片]"),
            ("voice", "[语音]"),
            ("file", "[文件]"),
            ("link", "[链接]"),
            ("of_a_later_year", "[消息]"),
        ],
    )
    def test_what_is_no_text_is_told_in_words(self, msgtype: str, text: str):
        inbound = read_one(kf_message(msgtype, {}, origin=5, servicer_userid="zhou.min"))
        assert (inbound.kind, inbound.text) == (Kind.PERSON, text)

    @pytest.mark.parametrize("userid", ["", "@all|zhou", "zhou.min|wang.qi", None, 7])
    def test_a_name_that_stands_for_no_single_person_is_left_out(self, userid: Any):
        assert read_one(kf_message(origin=5, servicer_userid=userid)).details == {}


class TestEvents:
    @pytest.mark.parametrize(
        ("event", "kind", "details"),
        [
            (
                kf_event("enter_session", scene="web", scene_param="order8812", welcome_code="WC123"),
                Kind.ENTERED,
                {"code": "WC123", "scene": "web", "scene_param": "order8812"},
            ),
            (kf_event("enter_session", scene="web"), Kind.ENTERED, {"scene": "web"}),
            (
                kf_event("msg_send_fail", fail_msgid="r_1", fail_type=6),
                Kind.UNDELIVERED,
                {"failed_id": "r_1", "fail_type": "6"},
            ),
            (
                kf_event("msg_send_fail", fail_msgid="r_1", fail_type=0),
                Kind.UNDELIVERED,
                {"failed_id": "r_1", "fail_type": "0"},
            ),
            (
                kf_event("session_status_change", change_type=1, new_servicer_userid="zhou.min", msg_code="MC1"),
                Kind.STATE,
                {"change": "taken", "servicer": "zhou.min", "code": "MC1"},
            ),
            (
                kf_event("session_status_change", change_type=2, old_servicer_userid="a", new_servicer_userid="b"),
                Kind.STATE,
                {"change": "transferred", "servicer": "b"},
            ),
            (
                kf_event("session_status_change", change_type=3, old_servicer_userid="a", msg_code="MC2"),
                Kind.STATE,
                {"change": "ended", "code": "MC2"},
            ),
            (
                kf_event("session_status_change", change_type=4, new_servicer_userid="a"),
                Kind.STATE,
                {"change": "reentered", "servicer": "a"},
            ),
            (
                kf_event("user_recall_msg", recall_msgid="m_1"),
                Kind.RECALLED,
                {"recalled_id": "m_1", "by": "customer"},
            ),
            (
                kf_event("servicer_recall_msg", recall_msgid="m_1", servicer_userid="zhou.min"),
                Kind.RECALLED,
                {"recalled_id": "m_1", "by": "person", "servicer": "zhou.min"},
            ),
        ],
    )
    def test_what_happened_to_a_customer_is_read_from_inside_the_event(
        self, event: dict[str, Any], kind: Kind, details: dict[str, str]
    ):
        inbound = read_one(event)
        assert (inbound.kind, inbound.details, inbound.text) == (kind, details, "")
        assert (inbound.sender, inbound.message_id, inbound.sent_at) == (ADDRESS, "m_902", NOW)

    @pytest.mark.parametrize(
        "event",
        [
            kf_event("servicer_status_change", servicer_userid="zhou.min", status=2),
            kf_event("reject_customer_msg_switch_change", servicer_userid="zhou.min", reject_switch=1),
            kf_event("of_a_later_year"),
            kf_event("session_status_change", change_type=5),
            kf_event("session_status_change", change_type="1"),
            kf_event("session_status_change", change_type=True),
            kf_event("enter_session", external_userid=None),
            {**kf_event("enter_session"), "origin": 3},
            {**kf_event("enter_session"), "origin": 5},
        ],
    )
    def test_what_means_nothing_here_is_skipped(self, event: dict[str, Any]):
        assert read_any(event) is None


@pytest.mark.parametrize(
    "item",
    [
        *(None, [], "text", 7),
        {},
        kf_message(origin=None),
        kf_message(origin=4),
        kf_message(origin="3"),
        kf_message(origin=6),
        kf_message(msgid=None),
        kf_message(msgid=""),
        kf_message(msgid="m" * 129),
        kf_message(msgid="m 1"),
        kf_message(msgid=901),
        kf_message(send_time=None),
        kf_message(send_time=str(NOW)),
        kf_message(send_time=0),
        kf_message(send_time=-1),
        kf_message(send_time=True),
        kf_message(send_time=10**400),
        kf_message(send_time=1.5),
        kf_message(external_userid=None),
        kf_message(external_userid=""),
        kf_message(external_userid="wm:1"),
        kf_message(external_userid=["wm1"]),
        {**kf_event("enter_session"), "event": ["enter_session"]},
    ],
)
def test_an_entry_that_is_not_as_documented_is_skipped(item: Any):
    assert read_any(item) is None


@pytest.mark.parametrize("body", [None, [], "text", {"content": 7}, {"content": ["a"]}])
def test_a_message_whose_words_cannot_be_read_is_one_without_words(body: Any):
    inbound = read_one({**kf_message(), "text": body})
    assert (inbound.kind, inbound.text) == (Kind.TEXT, "")
