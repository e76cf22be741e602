"""Whatever words go into a card, WeCom takes it: its limits are those of the documentation, written down again here."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.channels import cards
from frontdesk.channels.cards import Waiting
from frontdesk.messages import Choice
from frontdesk.records import Ticket
from tests.factories import CONVERSATION, NOW

WORDS = st.text(st.characters(), max_size=300)  # halves of surrogate pairs among them
IDS = st.text(max_size=200)
WAITING = st.builds(Waiting, st.just(CONVERSATION), WORDS, brief=WORDS, question=WORDS, confidence=WORDS, since=WORDS)
TICKETS = st.builds(
    Ticket,
    number=st.from_regex(r"T[0-9]{8}-[0-9]{4,9}", fullmatch=True),
    request_id=IDS,
    conversation=st.just(CONVERSATION),
    channel=st.just("wecom_kf"),
    customer=IDS,
    reason=WORDS,
    question=WORDS,
    brief=WORDS,
    opened_at=st.just(NOW),
    state=st.sampled_from(["open", "assigned", "answered", "closed"]),
    assignee=st.from_regex(r"[0-9A-Za-z_.@-]{0,64}", fullmatch=True),
)
MENUS = st.lists(st.builds(Choice, WORDS, IDS), max_size=8)


def accepted(card: dict[str, Any]) -> None:
    """Fail when WeCom would not take the card or would not show all of it."""
    assert card["card_type"] == "button_interaction"
    assert 1 <= len(card["main_title"]["title"]) <= 26
    assert len(card.get("sub_title_text", "")) <= 112
    assert len(card.get("quote_area", {}).get("quote_text", "")) <= 112
    assert re.fullmatch(r"[0-9A-Za-z_\-@]{1,128}", card["task_id"])
    assert len(card.get("horizontal_content_list", [])) <= 6
    for field in card.get("horizontal_content_list", []):
        assert 1 <= len(field["keyname"]) <= 5
        assert 1 <= len(field["value"]) <= 26
    assert 1 <= len(card["button_list"]) <= 6
    for button in card["button_list"]:
        assert 1 <= len(button["text"]) <= 10
        assert 1 <= len(button["key"].encode()) <= 1024
        assert button["style"] in {1, 2, 3, 4}
    assert json.dumps(card, ensure_ascii=False).encode()


@given(WAITING, IDS)
def test_a_card_of_a_customer_who_waits_fits(waiting: Waiting, question_id: str):
    task_id = cards.handoff_task_id("handoff", CONVERSATION, question_id, repr(waiting))
    accepted(cards.handoff_card(waiting, task_id=task_id))
    accepted(cards.attending_card(CONVERSATION, task_id=task_id))


@given(TICKETS, IDS)
def test_a_card_of_a_ticket_fits(ticket: Ticket, occasion: str):
    accepted(cards.ticket_card(ticket, task_id=cards.ticket_task_id(ticket.number, occasion)))


@given(WORDS, MENUS, IDS, IDS)
def test_a_card_of_choices_fits_whenever_it_is_said_to(text: str, menu: list[Choice], conversation: str, name: str):
    if cards.can_choose(menu):
        accepted(cards.choice_card(text, menu, task_id=cards.choice_task_id(conversation, name)))
