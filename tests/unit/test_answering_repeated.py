"""A message that the queue has twice gets one reply, also when both come in one batch with others between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.outcomes import Result
from frontdesk.errors import TransientError
from frontdesk.messages import Kind
from tests.factories import NOW_MS, SENTENCES, received
from tests.fakes.crash import Crash, Crashing
from tests.fakes.desk import Desk
from tests.fakes.desks import ScriptedDesk

if TYPE_CHECKING:
    from frontdesk.messages import Inbound, Received


def said(message_id: str, text: str = "你好", **more: Any) -> Received:
    return received(**{"message_id": message_id, "text": text, "received_at_ms": NOW_MS, **more})


def ticket() -> Received:
    return said("t", "已退款", kind=Kind.TICKET, details={"number": "T20261128-0007", "state": "closed"})


def test_what_was_given_up_is_not_said_by_its_twin_in_the_same_batch():
    desk = Desk(people=ScriptedDesk("zhou.min"), left=5)
    with pytest.raises(Crash):
        desk.answer(ticket(), crashing=Crashing(at="record"))
    desk.channel.left = 1  # which is kept for the news that a colleague goes on
    room = desk.channel.room

    def room_of(inbound: Inbound) -> int | None:
        desk.channel.left = 5  # the customer has written, and may be told more
        return room(inbound)

    desk.channel.room = room_of  # type: ignore[method-assign]
    outcomes = desk.answer(ticket(), said("1"), ticket())

    assert [each.result for each in outcomes] == [Result.UNSENT, Result.ANSWERED, Result.DUPLICATE]
    assert ["已退款" in text for text in desk.read] == [True]  # kept, and told with the answer


def test_a_question_that_is_there_twice_with_something_between_is_answered_once():
    desk = Desk()
    recall = said("s", kind=Kind.RECALLED, details={"recalled_id": "0"})

    outcomes = desk.answer(said("1"), recall, said("1"))

    assert [each.result for each in outcomes] == [Result.ANSWERED, Result.RECORDED, Result.DUPLICATE]
    assert desk.read == ["答：你好"]


def test_a_twin_of_what_failed_for_good_is_tried_all_the_same():
    desk = Desk(TransientError("busy"))
    recall = said("s", kind=Kind.RECALLED, details={"recalled_id": "0"})

    outcomes = desk.answer(said("1", attempt=5, last_attempt=True), recall, said("1"))

    assert [each.result for each in outcomes] == [Result.DEAD, Result.RECORDED, Result.ANSWERED]
    assert desk.read == [SENTENCES.fallback, "答：你好"]
