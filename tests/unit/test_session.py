"""The rules of a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frontdesk.conversation.session import (
    MAX_CONTEXT_BYTES,
    TAKEN_BACK,
    after,
    alive,
    chat_id,
    chat_id_of,
    open_session,
    recalled,
    reopen_session,
    turn_of,
    undelivered,
)
from frontdesk.messages import Pause
from frontdesk.records import Pending
from tests.factories import (
    ANOTHER_CONVERSATION,
    CHANNEL,
    CONVERSATION,
    CUSTOMER,
    NOW,
    NOW_MS,
    SESSION_ID,
    inbound,
    reply,
    session,
    turn,
)

TTL_S = 900


def test_a_new_session_belongs_to_the_writer_and_lives_for_its_ttl():
    opened = open_session(inbound(), now=NOW + 0.7, ttl_s=TTL_S)

    assert (opened.conversation, opened.channel, opened.customer) == (CONVERSATION, CHANNEL, CUSTOMER)
    assert (opened.opened_at, opened.last_activity_at, opened.expires_at) == (NOW, NOW, NOW + TTL_S)
    assert opened.version == 0
    assert opened.turns == ()


def test_session_ids_sort_by_the_time_of_opening_and_never_repeat():
    ids = [open_session(inbound(), now=NOW + step / 1000, ttl_s=TTL_S).session_id for step in range(20)]

    assert ids == sorted(ids)
    assert open_session(inbound(), now=NOW, ttl_s=TTL_S).session_id != ids[0]


@pytest.mark.parametrize(("at", "living"), [(NOW, True), (NOW + 899.9, True), (NOW + 900, False), (NOW + 5000, False)])
def test_a_session_dies_by_its_own_clock(*, at: float, living: bool):
    assert alive(session(), at) is living


def test_a_chat_is_named_for_its_customer_its_session_and_its_fresh_start():
    names = {
        chat_id(session()),
        chat_id(session(chat_no=1)),
        chat_id(session(session_id="another")),
        chat_id(session(conversation=ANOTHER_CONVERSATION)),
    }

    assert len(names) == 4
    assert chat_id(session()) == f"frontdesk:{CONVERSATION}:{SESSION_ID}:0"
    assert chat_id(session(chat_no=3)) == chat_id_of(CONVERSATION, SESSION_ID, 3)


def test_a_turn_is_remembered_and_prolongs_the_session():
    pending = Pending(Pause("哪一个？"))
    answered = reply(segments=("第一段", "第二段\u200b\u200b"), chat_no=2, pending=pending)

    changed = after(session(version=3), answered, now=NOW + 60.4, ttl_s=TTL_S)

    assert changed.turns[0].answer == "第一段\n第二段"
    assert changed.turns[0].question_id == answered.question_id
    assert changed.turns[0].confidence == answered.confidence
    assert (changed.last_activity_at, changed.expires_at) == (NOW + 60, NOW + 60 + TTL_S)
    assert (changed.chat_no, changed.pending, changed.version) == (2, pending, 3)


def test_a_turn_is_remembered_once():
    remembered = after(session(), reply(), now=NOW, ttl_s=TTL_S)

    assert after(remembered, reply(), now=NOW + 100, ttl_s=TTL_S) is remembered


def test_what_only_happened_is_no_turn():
    before = session()

    assert after(before, reply(kind="noted", segments=()), now=NOW + 60, ttl_s=TTL_S) is before


def test_a_turn_remembers_whether_the_customer_was_asked_to_say_more_and_which_answer_it_was():
    asked = after(session(), reply(kind="clarify", clarified=True, attempt_id="a-1"), now=NOW, ttl_s=TTL_S)
    answered = after(asked, reply(message_ids=("2",), attempt_id="a-2"), now=NOW, ttl_s=TTL_S)

    assert (asked.clarified, answered.clarified) == (True, False)
    assert [turn.attempt_id for turn in answered.turns] == ["a-1", "a-2"]


def test_a_turn_is_found_by_its_question():
    first, second = turn(question_id="1"), turn(question_id="2")

    assert turn_of(session(turns=(first, second)), "2") is second
    assert turn_of(session(turns=(first,)), "2") is None


def test_words_that_were_taken_back_are_gone_and_the_other_sides_stay():
    said = turn(question_id="1", question="密码", answer="好的")
    line = turn(question_id="2", kind="person", question="", answer="发错了")

    changed = recalled(recalled(session(turns=(said, line)), "1"), "2")

    assert [(each.question, each.answer) for each in changed.turns] == [(TAKEN_BACK, "好的"), ("", TAKEN_BACK)]
    assert recalled(changed, "3") == changed


def test_what_did_not_arrive_is_marked():
    changed = undelivered(session(turns=(turn(question_id="1"), turn(question_id="2"))), "2")

    assert [each.undelivered for each in changed.turns] == [False, True]


def test_a_welcome_is_noted_and_stays_noted():
    welcomed = after(session(), reply(kind="welcome"), now=NOW, ttl_s=TTL_S)
    later = after(welcomed, reply(message_ids=("2",)), now=NOW, ttl_s=TTL_S)

    assert welcomed.welcomed
    assert later.welcomed


def test_old_turns_make_room_for_new_ones_and_are_counted():
    long_words = "长" * (MAX_CONTEXT_BYTES // 3 // 4)
    grown = session(turns=tuple(turn(question_id=str(n), question="", answer=long_words) for n in range(4)))

    changed = after(grown, reply(message_ids=("new",), segments=(long_words,)), now=NOW, ttl_s=TTL_S)

    assert [each.question_id for each in changed.turns] == ["2", "3", "new"]
    assert changed.turns_dropped == 2
    assert after(changed, reply(message_ids=("x",), segments=("短",)), now=NOW, ttl_s=TTL_S).turns_dropped == 2


def test_the_last_turn_stays_however_long_it_is():
    changed = after(
        session(turns=(turn(question_id="1"),)),
        reply(message_ids=("2",), segments=("长" * MAX_CONTEXT_BYTES,)),
        now=NOW,
        ttl_s=TTL_S,
    )

    assert [each.question_id for each in changed.turns] == ["2"]
    assert changed.turns_dropped == 1


def test_words_are_counted_in_bytes_of_utf_8():
    almost_half = "字" * (MAX_CONTEXT_BYTES // 3 // 2)
    grown = session(turns=(turn(question_id="1", question=almost_half, answer=""),))

    fits = after(grown, reply(message_ids=("2",), question=almost_half, segments=()), now=NOW, ttl_s=TTL_S)
    does_not = after(
        grown, reply(message_ids=("2",), question=almost_half + "，再见", segments=()), now=NOW, ttl_s=TTL_S
    )

    assert fits.turns_dropped == 0
    assert does_not.turns_dropped == 1


def test_a_session_that_was_never_saved_is_opened_under_its_own_id():
    reopened = reopen_session(reply(opens_session=True), inbound(), now=NOW + 800, ttl_s=TTL_S)

    assert reopened.session_id == SESSION_ID
    assert (reopened.version, reopened.opened_at, reopened.expires_at) == (0, NOW + 800, NOW + 800 + TTL_S)


@pytest.mark.parametrize(
    ("opens_session", "after_s"),
    [(False, 10), (True, TTL_S + 1 + 1)],
    ids=["it had been saved before", "it may have been saved and removed since"],
)
def test_the_late_turn_of_a_removed_session_gets_a_session_beside_it(*, opens_session: bool, after_s: int):
    late = replace(reply(), opens_session=opens_session, answered_at_ms=NOW_MS)

    reopened = reopen_session(late, inbound(), now=NOW + after_s, ttl_s=TTL_S)
    opened_since = open_session(inbound(), now=NOW + 1, ttl_s=TTL_S)

    assert reopened.session_id == f"{SESSION_ID}-late"
    assert SESSION_ID < reopened.session_id < opened_since.session_id
