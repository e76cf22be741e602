"""Which messages are taken together, and what is done with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frontdesk.conversation.plan import Task, plan
from frontdesk.messages import Kind, Received
from tests.factories import received, reply


def said(message_id: str, text: str = "你好", kind: Kind = Kind.TEXT, **details: str) -> Received:
    return received(message_id=message_id, text=text, kind=kind, details=details)


def test_several_short_texts_are_one_question():
    (step,) = plan([said("1", "你好"), said("2", "请问"), said("3", "怎么退货？")], {})

    assert step.task is Task.ASK
    assert step.text == "你好\n请问\n怎么退货？"
    assert step.message_ids == ("1", "2", "3")


def test_a_message_that_was_delivered_twice_counts_once():
    (step,) = plan([said("1", "你好"), said("1", "你好"), said("2", "在吗")], {})

    assert step.text == "你好\n在吗"
    assert step.message_ids == ("1", "2")
    assert len(step.received) == 3


def test_different_things_are_done_in_the_order_of_the_messages():
    batch = [
        said("1", kind=Kind.ENTERED, text=""),
        said("2"),
        said("3", kind=Kind.IMAGE, text=""),
        said("4", kind=Kind.VOICE, text=""),
        said("5"),
        said("6", "/reset"),
        said("7"),
    ]

    steps = plan(batch, {})

    assert [(step.task, step.message_ids) for step in steps] == [
        (Task.WELCOME, ("1",)),
        (Task.ASK, ("2",)),
        (Task.EXPLAIN, ("3", "4")),
        (Task.ASK, ("5",)),
        (Task.RESET, ("6",)),
        (Task.ASK, ("7",)),
    ]


@pytest.mark.parametrize(
    "text",
    ["/reset", "/RESET", "reset", "重置", "/重置", " 重置 ", "／ｒｅｓｅｔ", "ＲＥＳＥＴ", "\u3000重置\n", "／重置"],
)
def test_a_new_start_is_understood_however_it_is_typed(text: str):
    assert [step.task for step in plan([said("1", text)], {})] == [Task.RESET]


@pytest.mark.parametrize("text", ["重置密码", "how to reset?", "/resetting", "请重置"])
def test_a_question_about_a_new_start_is_a_question(text: str):
    assert [step.task for step in plan([said("1", text)], {})] == [Task.ASK]


@pytest.mark.parametrize("text", ["", " ", "\n\u3000"])
def test_a_blank_text_is_answered_by_what_can_be_sent(text: str):
    assert [step.task for step in plan([said("1", text)], {})] == [Task.EXPLAIN]


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VOICE, Kind.VIDEO, Kind.LOCATION, Kind.LINK])
def test_whatever_is_no_text_is_answered_by_what_can_be_sent(kind: Kind):
    assert [step.task for step in plan([said("1", "", kind)], {})] == [Task.EXPLAIN]


@pytest.mark.parametrize(
    "message", [said("1", "退货", menu_id="choice:1"), said("1", "", Kind.PRESSED, key="rating:good")]
)
def test_what_was_tapped_is_no_text_even_if_it_reads_like_one(message: Received):
    assert [step.task for step in plan([message], {})] == [Task.TAP]


@pytest.mark.parametrize("kind", [Kind.RECALLED, Kind.UNDELIVERED, Kind.STATE, Kind.DUE, Kind.TICKET])
def test_what_only_happened_is_noted(kind: Kind):
    assert [step.task for step in plan([said("1", "", kind)], {})] == [Task.NOTE]


def test_no_two_things_that_happened_are_one_nor_are_two_lines_of_people_nor_two_taps():
    happened = [said(n, "", Kind.STATE, change="ended") for n in "12"]
    lines = [said(n, kind=Kind.PERSON) for n in "34"]
    taps = [said(n, menu_id="person") for n in "56"]

    steps = plan([*happened, *lines, *taps], {})

    assert [(step.task, step.message_ids) for step in steps] == [
        *[(Task.NOTE, (n,)) for n in "12"],
        *[(Task.PERSON, (n,)) for n in "34"],
        *[(Task.TAP, (n,)) for n in "56"],
    ]


def test_what_a_customer_took_back_in_the_same_breath_is_dropped():
    batch = [
        said("1", "密码"),
        said("2", "重置"),
        said("3", "", Kind.IMAGE),
        said("4"),
        *[said(f"r{n}", "", Kind.RECALLED, recalled_id=n) for n in "123"],
    ]

    steps = plan(batch, {})

    assert [step.task for step in steps] == [Task.DROP, Task.ASK, Task.NOTE, Task.NOTE, Task.NOTE]
    assert steps[0].message_ids == ("1", "2", "3")


def test_what_is_answered_already_or_was_said_by_a_person_cannot_be_dropped():
    on_record = reply(message_ids=("1",))
    batch = [
        said("1"),
        said("2", kind=Kind.PERSON),
        *[said(f"r{n}", "", Kind.RECALLED, recalled_id=n) for n in "12"],
    ]

    steps = plan(batch, {"1": on_record})

    assert [step.task for step in steps][:2] == [Task.RESUME, Task.PERSON]


def test_messages_with_one_reply_on_record_are_taken_up_together():
    on_record = reply(message_ids=("1", "2"))
    read_again = replace(on_record)  # equal, as two reads from a store are

    steps = plan([said("1"), said("2"), said("3")], {"1": on_record, "2": read_again})

    assert [(step.task, step.message_ids, step.reply) for step in steps] == [
        (Task.RESUME, ("1", "2"), on_record),
        (Task.ASK, ("3",), None),
    ]


def test_replies_to_different_questions_are_taken_up_one_by_one():
    first, second = reply(message_ids=("1",)), reply(message_ids=("2",))

    steps = plan([said("1"), said("2")], {"1": first, "2": second})

    assert [step.reply for step in steps] == [first, second]
