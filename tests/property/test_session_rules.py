"""What holds for every session, whatever is said in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from frontdesk.conversation import session as rules
from frontdesk.conversation.pauses import Abandoned, Resolved, StillPending, offer, resolve
from frontdesk.conversation.plan import Task, plan
from frontdesk.messages import Choice, Field, Kind, Pause, Received
from frontdesk.records import Pending, Reply
from tests.factories import NOW, received, reply, session

TTL_S = 900

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
replies = st.builds(
    lambda number, question, lengths: reply(
        message_ids=(str(number),), question=question, segments=tuple("字" * length for length in lengths)
    ),
    st.integers(0, 30),
    words,
    st.lists(st.integers(0, rules.MAX_CONTEXT_BYTES // 8), max_size=4),
)
choices = st.lists(st.builds(Choice, words, words), min_size=1, max_size=12).map(tuple)


@given(st.lists(st.tuples(replies, st.integers(0, 2 * TTL_S)), max_size=30))
def test_turns_stay_in_order_within_the_limit_and_none_is_uncounted(said: list[tuple[Reply, int]]):
    current, now, expected = session(), NOW, []
    for answered, later_s in said:
        now += later_s
        before = current
        current = rules.after(before, answered, now=now, ttl_s=TTL_S)
        if current is before:
            assert answered.question_id in [turn.question_id for turn in before.turns]
            continue
        expected.append(answered.question_id)
        assert (current.last_activity_at, current.expires_at) == (now, now + TTL_S)
        assert current.session_id == before.session_id
    kept = [turn.question_id for turn in current.turns]
    size = sum(len(turn.question.encode()) + len(turn.answer.encode()) for turn in current.turns)
    assert kept == expected[len(expected) - len(kept) :]
    assert current.turns_dropped == len(expected) - len(kept)
    assert size <= rules.MAX_CONTEXT_BYTES or len(kept) == 1


@given(st.lists(st.floats(0, 10**9, allow_nan=False), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_session_opened_later_is_later_in_the_order_of_the_table(moments: list[float]):
    earlier, later = (rules.open_session(received().inbound, now=moment, ttl_s=TTL_S) for moment in moments)

    assert int(moments[0] * 1000) == int(moments[1] * 1000) or earlier.session_id < later.session_id


@given(age_s=st.integers(0, 10**4), opens_session=st.booleans(), since_s=st.integers(0, 10**4))
def test_a_reopened_session_never_takes_the_place_of_one_opened_since(*, age_s: int, opens_session: bool, since_s: int):
    opened = rules.open_session(received().inbound, now=NOW, ttl_s=TTL_S)
    answered = reply(session_id=opened.session_id, opens_session=opens_session, answered_at_ms=NOW * 1000)
    reopened = rules.reopen_session(answered, received().inbound, now=NOW + age_s, ttl_s=TTL_S)
    since = rules.open_session(received().inbound, now=NOW + 0.001 + since_s, ttl_s=TTL_S)

    assert opened.session_id <= reopened.session_id < since.session_id
    assert rules.alive(reopened, NOW + age_s)
    # Only what cannot have been stored takes the old name.
    assert (reopened.session_id == opened.session_id) == (opens_session and age_s < TTL_S)


@given(choices, st.data())
def test_every_offered_number_stands_for_its_choice(offered: tuple[Choice, ...], data: st.DataObject):
    number = data.draw(st.integers(1, len(offered)))
    asked = Pending(Pause("？", choices=offered))

    assert f"\n{number}. {offered[number - 1].label}" in offer(asked)
    assert resolve(asked, f" {number}。") == Resolved(offered[number - 1].value)


@given(choices, words)
def test_only_what_was_offered_is_ever_chosen(offered: tuple[Choice, ...], said: str):
    meaning = resolve(Pending(Pause("？", choices=offered)), said)

    if isinstance(meaning, Resolved):
        assert meaning.text in {choice.value for choice in offered}
    else:
        assert isinstance(meaning, StillPending)
        assert isinstance(resolve(meaning.pending, said), Abandoned)


fields = st.builds(Field, words, words, st.booleans(), st.just(()) | choices)


@given(st.lists(fields, min_size=1, max_size=4), st.lists(words, max_size=12))
def test_a_form_ends_within_two_tries_a_field(form: list[Field], said: list[str]):
    meaning: object = StillPending(Pending(Pause("", fields=tuple(form))), "")
    tries = 0
    for words_said in [*said, *["1"] * 2 * len(form)]:
        if not isinstance(meaning, StillPending):
            break
        meaning = resolve(meaning.pending, words_said)
        tries += 1

    assert isinstance(meaning, Resolved | Abandoned)
    assert tries <= 2 * len(form)


kinds = st.sampled_from([Kind.TEXT, Kind.TEXT, Kind.IMAGE, Kind.ENTERED])
messages = st.builds(
    lambda number, kind, text: received(message_id=str(number), kind=kind, text=text),
    st.integers(0, 9),
    kinds,
    st.sampled_from(["", "你好", "/reset", "重置", "在吗"]),
)


@given(st.lists(messages, max_size=10), st.sets(st.integers(0, 9).map(str)))
def test_a_plan_holds_every_message_once_and_in_order(batch: list[Received], answered: set[str]):
    on_record = {message_id: reply(message_ids=(message_id,)) for message_id in answered}

    steps = plan(batch, on_record)

    assert [each for step in steps for each in step.received] == batch
    for step in steps:
        assert (step.reply is not None) == (step.task is Task.RESUME)
        assert (step.reply is not None) == (step.received[0].inbound.message_id in answered)
    for one, following in pairwise(steps):
        assert one.task is not following.task or one.reply != following.reply


@given(st.sampled_from(["/reset", "重置"]), st.sampled_from(["", " ", "\u3000", "\n"]))
def test_a_new_start_is_one_with_any_blank_around_it(said: str, blank: str):
    (step,) = plan([replace(received(), inbound=replace(received().inbound, text=blank + said + blank))], {})

    assert step.task is Task.RESET
