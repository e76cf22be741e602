"""Log lines become journeys, whatever their order and however often they come."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from simulators.console.journeys import JourneyBook, LogLine, fold, read_line
from tests.integration.simulators.console_run import LIN, WANG, line, queued

ANSWERED = [
    queued("1", 1000),
    line("asked", 1040, "1", messages=1, attempt=1),
    line("first_words", 1400, "1"),
    line("answered", 1900, "1", model_ms=860, confidence=0.93),
    line("sent", 1950, "1", segments=2, kind="answer", question_id="1", session_id="s1"),
    line("archived", 9000, session_id="s1", version=1),
]
RETRIED = [
    queued("1", 1000),
    line("asked", 1040, "1", messages=1, attempt=1),
    line("first_words", 1100, "1"),
    line("", 1200, "1", code="fastgpt_cut", attempt=1),
    line("asked", 6300, "1", messages=1, attempt=2),
    line("first_words", 6700, "1"),
    line("answered", 6900, "1", model_ms=600),
    line("sent", 7000, "1", segments=1, kind="answer", question_id="1", session_id="s1"),
]


def test_an_answered_message_has_every_stage_with_its_time():
    (journey,) = fold(ANSWERED)

    assert journey.stages == {
        "received": 995,
        "verified": 998,
        "queued": 1000,
        "asked": 1040,
        "first_words": 1400,
        "answered": 1900,
        "sent": 1950,
        "archived": 9000,
    }
    assert (journey.kind, journey.reply_kind, journey.segments) == ("text", "answer", 2)
    assert (journey.model_ms, journey.confidence, journey.session_id) == (860, 0.93, "s1")


@given(st.permutations(ANSWERED))
def test_the_order_in_which_the_lines_come_makes_no_difference(lines: list[LogLine]):
    assert fold(lines) == fold(ANSWERED)


@given(st.permutations(RETRIED))
def test_a_second_attempt_shows_its_own_times_and_keeps_the_first_ones_failure(lines: list[LogLine]):
    (journey,) = fold(lines)

    assert [journey.stages[stage] for stage in ("asked", "first_words", "sent")] == [6300, 6700, 7000]
    assert [(each.number, each.code, each.failed_at_ms) for each in journey.attempts] == [
        (1, "fastgpt_cut", 1200),
        (2, "", None),
    ]


def test_a_message_that_called_a_person_says_why():
    sent = line("sent", 1950, "1", segments=1, kind="handoff", session_id="s1")
    called = line("", 1980, "1", reason="asked", state="person")

    (journey,) = fold([queued("1", 1000), sent, called])

    assert (journey.reply_kind, journey.called) == ("handoff", "asked")
    assert journey.stages["sent"] == 1950


def test_a_message_that_was_fetched_has_the_stages_that_were_logged_and_no_others():
    lines = [line("asked", 1040, "m1", messages=1, attempt=1), line("sent", 1950, "m1", kind="answer", session_id="s1")]

    (journey,) = fold(lines)

    assert journey.stages == {"asked": 1040, "sent": 1950}


def test_a_message_under_way_shows_no_later_stage_of_an_attempt_that_failed():
    (journey,) = fold(RETRIED[:5])

    assert "first_words" not in journey.stages
    assert journey.stages["asked"] == 6300


def test_an_attempt_that_failed_before_the_model_was_asked_is_counted_too():
    failures = [line("", 1100 + 5000 * n, "1", code="sessions_unavailable", attempt=n) for n in (1, 2)]

    (journey,) = fold([queued("1", 1000), *failures])

    assert [(each.number, each.code) for each in journey.attempts] == [
        (1, "sessions_unavailable"),
        (2, "sessions_unavailable"),
    ]


def test_a_message_queued_again_is_a_duplicate_and_keeps_its_first_times():
    (journey,) = fold([queued("1", 1000), queued("1", 1800), queued("1", 2600)])

    assert journey.duplicates == 2
    assert journey.stages == {"received": 995, "verified": 998, "queued": 1000}


def test_texts_taken_together_are_answered_with_the_first():
    lines = [queued(str(number), 1000 + number) for number in (1, 2, 3, 4)]
    lines += [line("asked", 1040, "1", messages=3, attempt=1)]
    lines += [line("sent", 1950, "1", segments=1, kind="answer", session_id="s1")]

    first, second, third, fourth = fold(lines)

    assert first.messages == 3
    assert [second.answered_with, third.answered_with, fourth.answered_with] == ["1", "1", ""]
    assert second.session_id == "s1"


def test_a_text_with_an_answer_of_its_own_is_never_joined_to_another():
    lines = [queued("1", 1000), queued("2", 1001), queued("3", 1002)]
    lines += [line("asked", 1040, "1", messages=2, attempt=1), line("asked", 1050, "2", messages=2, attempt=1)]

    assert [journey.answered_with for journey in fold(lines)] == ["", "", "2"]


def test_pictures_explained_together_are_those_queued_before_the_explanation_was_sent():
    lines = [queued("1", 1000, "image"), queued("2", 1100, "voice"), queued("3", 2500, "image")]
    lines += [line("sent", 2000, "1", segments=1, kind="unsupported", session_id="s1")]

    first, second, third = fold(lines)

    assert (first.messages, second.answered_with, third.answered_with) == (2, "1", "")


def test_a_picture_between_two_texts_keeps_them_apart():
    lines = [queued("1", 1000), queued("2", 1001, "image"), queued("3", 1002)]
    lines += [line("asked", 1040, "1", messages=2, attempt=1)]

    assert [journey.answered_with for journey in fold(lines)] == ["", "", ""]


def test_only_what_was_sent_before_the_archive_was_written_is_archived():
    lines = [queued("1", 1000), queued("2", 8000)]
    lines += [line("sent", 1500, "1", kind="answer", session_id="s1"), line("archived", 7000, session_id="s1")]
    lines += [line("sent", 8500, "2", kind="answer", session_id="s1"), line("archived", 7500, session_id="another")]

    first, second = fold(lines)

    assert first.stages["archived"] == 7000
    assert "archived" not in second.stages


def test_what_was_answered_with_another_is_archived_with_it():
    lines = [queued("1", 1000), queued("2", 1001), line("asked", 1040, "1", messages=2)]
    lines += [line("sent", 1500, "1", kind="answer", session_id="s1"), line("archived", 7000, session_id="s1")]

    assert [journey.stages.get("archived") for journey in fold(lines)] == [7000, 7000]


def test_a_reply_sent_again_counts_from_its_first_time():
    (journey,) = fold([*ANSWERED, line("sent", 5000, "1", kind="answer", session_id="s1", segments=2)])

    assert journey.stages["sent"] == 1950


def test_conversations_are_kept_apart_and_only_those_touched_are_told():
    book = JourneyBook()

    assert book.take([queued("1", 1000), queued("1", 1000, conversation=WANG)]) == {LIN, WANG}
    assert book.take([line("asked", 1040, "1", messages=1)]) == {LIN}
    assert ["asked" in journey.stages for journey in book.journeys(LIN)] == [True]
    assert ["asked" in journey.stages for journey in book.journeys(WANG)] == [False]
    assert book.journeys("nobody") == []


def test_a_failures_time_is_the_one_it_was_written_at():
    written = {"conversation": LIN, "message_id": "1", "code": "x", "timestamp": "2026-11-22 20:17:49,341+0000"}

    read = read_line(json.dumps(written), 7)

    assert read is not None
    assert read.at_ms == 1795378669341


def test_a_line_without_a_time_of_its_own_has_the_time_of_the_log():
    read = read_line(json.dumps({"conversation": LIN, "message_id": "1", "code": "x", "timestamp": "soon"}), 7)

    assert read is not None
    assert read.at_ms == 7


def test_lines_about_something_else_are_left_alone():
    others = ["START RequestId: 1", "[1]", "null", "{}", '{"conversation": 1, "stage": "sent"}']
    others += [
        json.dumps({"conversation": LIN, "message": "hello"}),
        json.dumps({"conversation": LIN, "stage": "born"}),
    ]

    assert [read_line(text, 1) for text in others] == [None] * len(others)


@given(st.lists(st.sampled_from([*ANSWERED, *RETRIED, queued("2", 1100, "image"), queued("3", 1200, "entered")])))
def test_no_set_of_lines_is_too_odd_to_be_folded(lines: list[LogLine]):
    for journey in fold(lines):
        json.dumps(journey.to_json())
