"""The cards that members get."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from frontdesk.channels import cards
from frontdesk.channels.cards import Waiting
from frontdesk.messages import Choice
from tests.factories import CONVERSATION, ticket

WAITING = Waiting(
    conversation=CONVERSATION,
    reason="confidence",
    brief="客户询问订单 8812 的发票。\n已答复两次。",
    question="可以开发票吗？",
    confidence="45%",
    since="09:30",
)
TICKET = ticket(number="T20261128-0007", reason="anger")
GOOD, BAD = Choice("有帮助", "rating:good"), Choice("没解决", "rating:bad")


def keys(card: dict[str, Any]) -> list[str]:
    return [button["key"] for button in card["button_list"]]


def facts(card: dict[str, Any]) -> dict[str, str]:
    return {field["keyname"]: field["value"] for field in card.get("horizontal_content_list", [])}


class TestHandoff:
    def test_a_customer_who_waits_is_offered_with_what_is_known(self):
        card = cards.handoff_card(WAITING, task_id="t-1")
        assert card["card_type"] == "button_interaction"
        assert card["task_id"] == "t-1"
        assert card["main_title"] == {"title": "客户等待人工"}
        assert card["sub_title_text"] == WAITING.brief
        assert card["quote_area"] == {"type": 0, "title": "当前问题", "quote_text": "可以开发票吗？"}
        assert facts(card) == {"原因": "机器人把握不足", "把握": "45%", "等待自": "09:30"}
        assert keys(card) == [f"handoff:{CONVERSATION}:accept"]

    def test_what_is_not_known_is_not_shown(self):
        card = cards.handoff_card(Waiting(CONVERSATION, "asked"), task_id="t-1")
        assert facts(card) == {"原因": "客户要求人工"}
        assert not {"sub_title_text", "quote_area"} & set(card)

    def test_a_reason_that_nobody_translated_is_shown_as_it_is(self):
        assert facts(cards.handoff_card(Waiting(CONVERSATION, "moon"), task_id="t"))["原因"] == "moon"

    def test_who_attends_can_give_the_customer_back(self):
        card = cards.attending_card(CONVERSATION, task_id="t-1")
        assert keys(card) == [f"handoff:{CONVERSATION}:return"]
        assert card["task_id"] == "t-1"

    def test_a_card_is_named_for_the_call_and_for_what_it_shows(self):
        name = cards.handoff_task_id("handoff", CONVERSATION, "m_1", "shown")
        others = [
            cards.handoff_task_id("attend", CONVERSATION, "m_1", "shown"),
            cards.handoff_task_id("handoff", "0" * 32, "m_1", "shown"),
            cards.handoff_task_id("handoff", CONVERSATION, "m_2", "shown"),
            cards.handoff_task_id("handoff", CONVERSATION, "m_1", "shown later"),
        ]
        assert name == cards.handoff_task_id("handoff", CONVERSATION, "m_1", "shown")
        assert len({name, *others}) == 5


class TestTickets:
    def test_an_open_ticket_is_offered_with_its_number_and_question(self):
        card = cards.ticket_card(TICKET, task_id="t-1")
        assert card["main_title"] == {"title": "新工单 T20261128-0007"}
        assert card["sub_title_text"] == TICKET.brief
        assert card["quote_area"]["quote_text"] == TICKET.question
        assert facts(card) == {"原因": "客户情绪激动"}
        assert keys(card) == [f"ticket:T20261128-0007:{what}" for what in ("claim", "close")]

    def test_an_assigned_ticket_names_who_has_it_and_can_be_replied_to(self):
        card = cards.ticket_card(replace(TICKET, state="assigned", assignee="zhou.min"), task_id="t-1")
        assert keys(card) == [f"ticket:T20261128-0007:{what}" for what in ("reply", "close")]
        assert card["horizontal_content_list"][-1] == {
            "type": 3, "keyname": "处理人", "value": "zhou.min", "userid": "zhou.min",
        }  # fmt: skip

    @pytest.mark.parametrize(("state", "whats"), [("open", ["claim", "close"]), ("assigned", ["close"])])
    def test_to_a_ticket_about_the_service_itself_there_is_nobody_to_reply(self, state: str, whats: list[str]):
        card = cards.ticket_card(replace(TICKET, channel="system", reason="alarm", state=state), task_id="t-1")
        assert keys(card) == [f"ticket:T20261128-0007:{what}" for what in whats]
        assert card["quote_area"]["title"] == "告警"

    def test_each_occasion_of_a_ticket_has_a_card_of_its_own(self):
        names = {cards.ticket_task_id(number, each) for number in ("T1", "T2") for each in ("opened", "offer-1")}
        assert len(names) == 4


class TestChoices:
    def test_a_short_text_is_the_title(self):
        card = cards.choice_card("这个回答有帮助吗？", [GOOD, BAD], task_id="t-1")
        assert card["main_title"] == {"title": "这个回答有帮助吗？"}
        assert "sub_title_text" not in card
        assert [(button["text"], button["key"]) for button in card["button_list"]] == [
            ("有帮助", "rating:good"),
            ("没解决", "rating:bad"),
        ]

    @pytest.mark.parametrize("text", ["请问您要查询哪一类的订单？我可以帮您找到它们的物流信息。", "第一行\n第二行"])
    def test_a_longer_text_stands_below_a_title_whole(self, text: str):
        card = cards.choice_card(text, [GOOD], task_id="t-1")
        assert card["main_title"] == {"title": "请选择"}
        assert card["sub_title_text"] == text

    def test_without_a_text_there_is_a_title(self):
        assert cards.choice_card("", [GOOD], task_id="t-1")["main_title"] == {"title": "请选择"}

    @pytest.mark.parametrize(
        ("menu", "fits"),
        [
            ([], False),
            ([GOOD], True),
            ([GOOD] * 6, True),
            ([GOOD] * 7, False),
            ([Choice("a", "k" * 1024)], True),
            ([Choice("a", "k" * 1025)], False),
            ([Choice("a", "")], False),
            ([Choice(" ", "k")], False),
            ([Choice("\ud83d", "k")], False),
            ([Choice("a", "\ud83d")], False),
        ],
    )
    def test_a_menu_fits_when_every_choice_can_be_a_button(self, menu: list[Choice], *, fits: bool):
        assert cards.can_choose(menu) is fits

    def test_a_text_with_a_link_or_a_long_one_is_not_for_a_card(self):
        assert cards.can_hold("字" * 112)
        assert not cards.can_hold("字" * 113)
        assert not cards.can_hold('<a href="https://example.com">看</a>')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("  abc  ", "abc"),
        ("abcdefgh", "abcdefgh"),
        ("abcdefghi", "abcdefg…"),
        ("abcdef 👨‍👩‍👧", "abcdef…"),
        ("👨‍👩‍👧👨‍👩‍👧", "👨‍👩‍👧…"),
    ],
)
def test_what_is_cut_ends_between_two_characters_with_a_sign_of_it(text: str, shown: str):
    assert cards.cut(text, 8) == shown
