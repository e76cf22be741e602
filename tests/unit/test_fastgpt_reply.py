from __future__ import annotations

import json
from typing import Any

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.reply import BODY_LIMIT_BYTES, TEXT_LIMIT_BYTES, ReplyReader
from frontdesk.messages import Choice, ModelAnswer, Pause

SPOKEN = "王小明的手机号是 13800138000"
DONE = b"event: answer\ndata: [DONE]\n\n"
STOP = {"choices": [{"delta": {"role": "assistant", "content": None}, "index": 0, "finish_reason": "stop"}]}
SELECT = {"type": "userSelect", "params": {"description": "?", "userSelectOptions": [{"key": "1", "value": "A"}]}}
SEARCH = {"moduleType": "datasetSearchNode", "quoteList": [{"score": [{"type": "reRank", "value": 0.9}]}]}
FAILED = {"moduleType": "chatNode", "errorText": SPOKEN}


def event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def words(text: str | None, name: str = "answer") -> bytes:
    return event(name, {"choices": [{"delta": {"content": text}, "index": 0, "finish_reason": None}]})


def read(*pieces: bytes) -> ModelAnswer:
    reader = ReplyReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def fail(*pieces: bytes) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as raised:
        read(*pieces)
    assert SPOKEN not in str(raised.value) + repr(raised.value)
    return raised.value


def body(content: Any, **more: Any) -> bytes:
    return json.dumps({"id": "c", "choices": [{"message": {"content": content}}], **more}).encode()


@pytest.mark.parametrize("results_first", [True, False])
def test_the_end_mark_may_come_before_or_after_the_node_results(*, results_first: bool) -> None:
    end = [event("flowResponses", [SEARCH]), DONE]

    answer = read(words("Ten "), words("days."), event("answer", STOP), *(end if results_first else end[::-1]))

    assert answer == ModelAnswer("Ten days.", confidence=0.9)


def test_fixed_replies_are_text_and_lose_their_leading_newline() -> None:
    assert read(words("\nWelcome. ", "fastAnswer"), words("Ask me."), DONE).text == "Welcome. Ask me."


def test_a_stream_without_event_names_is_read() -> None:
    chunk = {"choices": [{"delta": {"content": "Ten"}}]}

    assert read(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()) == ModelAnswer("Ten")


def test_citation_marks_are_removed_even_when_split_over_chunks() -> None:
    pieces = [
        "Ten days",
        "[66f0a1b2c3d4e5f6",
        "01020304](CI",
        "TE) a year [1](CITE).",
        "[66F0A1B2C3D4E5F601020304](CITE)",
    ]

    assert read(*map(words, pieces), DONE).text == "Ten days a year [1](CITE)."


def test_heartbeats_reasoning_and_unknown_events_are_no_output() -> None:
    reader = ReplyReader()
    for piece in (
        words(""),
        words(None),
        event("answer", {"choices": [{"delta": {"reasoning_content": "hm"}}]}),
        event("answer", {"choices": []}),
        event("answer", {}),
        event("flowNodeStatus", {"status": "running", "name": "AI"}),
        event("chatTitle", {"title": "Leave"}),
        event("fromTomorrow", {"choices": [{"delta": {"content": "x"}}]}),
        b"event: fromTomorrow\ndata: not json\n\n",
        b": comment\n\n",
        words("\n "),
        words("[66f0a1b2c3d4e5f601020304](CIT"),
    ):
        reader.feed(piece)
        assert not reader.has_output
    reader.feed(words("E)Ten."))
    assert reader.has_output
    reader.feed(DONE)

    assert reader.finish() == ModelAnswer(" Ten.")


def test_a_pause_is_output_and_carries_what_was_said_before_it() -> None:
    reader = ReplyReader()
    reader.feed(event("interactive", {"interactive": {**SELECT, "entryNodeIds": ["x"]}}))
    assert reader.has_output
    reader.feed(DONE)

    assert reader.finish() == ModelAnswer("", pause=Pause("?", choices=(Choice("A", "A"),)))


def test_a_stream_without_its_end_mark_is_incomplete() -> None:
    error = fail(words("Ten days"), event("answer", STOP), event("flowResponses", []))

    assert (type(error), error.code) == (TransientError, "fastgpt_answer_incomplete")


def test_a_pause_needs_no_end_mark_because_asking_again_would_answer_it() -> None:
    assert read(event("interactive", {"interactive": SELECT})).pause is not None


@pytest.mark.parametrize("cut", [b"", b" \n", b"dat", b"\xef\xbb", b"\xef\xbb\xbf"])
def test_nothing_at_all_is_incomplete(cut: bytes) -> None:
    assert fail(cut).code == "fastgpt_answer_incomplete"


def test_a_damaged_chunk_makes_the_answer_incomplete() -> None:
    assert fail(words("Ten"), b'event: answer\ndata: {"choices":[{\n\n', DONE).code == "fastgpt_answer_incomplete"


def test_damaged_node_results_cost_only_the_confidence() -> None:
    assert read(words("Ten"), DONE, b'event: flowResponses\ndata: [{"quoteList"') == ModelAnswer("Ten")


def test_single_node_results_are_collected_too() -> None:
    assert read(words("Ten"), event("flowNodeResponse", SEARCH), DONE).confidence == 0.9


def test_what_the_app_says_of_itself_goes_before_the_score_of_its_sources() -> None:
    updated = event("updateVariables", {"confidence": "40%", "handoff": "yes"})
    results = event("flowResponses", [SEARCH, {"updateVarResult": ["40%", "yes"]}])

    assert read(words("Ten"), updated, results, DONE) == ModelAnswer("Ten", confidence=0.4, wants_person=True)


def test_of_several_updates_in_a_run_the_last_one_counts() -> None:
    first, last = event("updateVariables", {"confidence": 0.4}), event("updateVariables", {"confidence": 0.7})
    results = event("flowResponses", [{"updateVarResult": [0.4]}, {"updateVarResult": [0.7]}])

    assert read(words("Ten"), first, last, DONE, results).confidence == 0.7


def test_variables_that_the_results_do_not_confirm_are_those_of_an_earlier_run() -> None:
    told = {"confidence": 0.1, "handoff": True}

    assert read(words("Ten"), event("updateVariables", told), DONE) == ModelAnswer("Ten")
    assert read(body("Ten", newVariables=told, responseData=[SEARCH])) == ModelAnswer("Ten", confidence=0.9)


def test_variables_of_a_json_answer_are_read_alike() -> None:
    told = body("Ten", newVariables={"confidence": 0.1}, responseData=[SEARCH, {"updateVarResult": [0.1]}])

    assert read(told).confidence == 0.1


@pytest.mark.parametrize("damaged", ["[]", "7", "{", "null"])
def test_damaged_variables_cost_only_what_they_said(damaged: str) -> None:
    assert read(words("Ten"), f"event: updateVariables\ndata: {damaged}\n\n".encode(), DONE) == ModelAnswer("Ten")


def test_a_run_that_only_wants_a_person_needs_no_words() -> None:
    chosen = event("flowResponses", [{"moduleType": "classifyQuestion", "cqResult": "转人工"}, FAILED])

    assert read(DONE, chosen) == ModelAnswer("", wants_person=True, partial_failure="fastgpt_node_failed")


def test_an_error_after_some_words_is_the_error() -> None:
    error = fail(
        words("Ten days"), event("error", {"code": 500004, "statusText": "aiPointsNotEnough", "message": SPOKEN})
    )

    assert (type(error), error.code) == (MisconfiguredError, "fastgpt_out_of_points")


def test_an_error_beside_a_finished_answer_is_told_beside_it() -> None:
    assert read(words("Ten"), event("error", {"message": SPOKEN}), DONE).partial_failure == "fastgpt_run_failed"


def test_a_normal_end_without_text_is_a_failure() -> None:
    error = fail(words(""), words("\n"), event("answer", STOP), DONE, event("flowResponses", [SEARCH]))

    assert (type(error), error.code) == (TransientError, "fastgpt_empty_answer")


def test_a_failed_node_explains_an_empty_answer_without_being_quoted() -> None:
    error = fail(DONE, event("flowResponses", [FAILED]))

    assert (type(error), error.code) == (TransientError, "fastgpt_node_failed")


def test_a_failed_node_that_names_a_listed_error_means_it() -> None:
    error = fail(DONE, event("flowResponses", [FAILED, {"errorText": "unAuthModel"}]))

    assert (type(error), error.code) == (MisconfiguredError, "fastgpt_model_forbidden")


def test_a_failed_node_beside_text_is_told_beside_the_answer() -> None:
    assert read(words("Ten"), DONE, event("flowResponses", [FAILED])) == ModelAnswer(
        "Ten", partial_failure="fastgpt_node_failed"
    )


def test_a_failure_that_a_branch_caught_is_none() -> None:
    assert read(words("Ten"), DONE, event("flowResponses", [{**FAILED, "errorCaptured": True}])) == ModelAnswer("Ten")


@pytest.mark.parametrize("end", [b"", DONE])
def test_a_payment_pause_means_no_points_whatever_was_said_before(end: bytes) -> None:
    error = fail(words("Ten"), event("interactive", {"interactive": {"type": "paymentPause", "params": {}}}), end)

    assert (type(error), error.code) == (MisconfiguredError, "fastgpt_out_of_points")


def test_a_pause_that_no_chat_can_offer_is_a_failure_of_its_own() -> None:
    unknown = event("interactive", {"interactive": {"type": "holdHands", "params": {"say": SPOKEN}}})

    error = fail(unknown, DONE)
    assert (type(error), error.code) == (PermanentError, "fastgpt_pause_unknown")
    assert read(words("Ten"), unknown, DONE).partial_failure == "fastgpt_pause_unknown"


def test_one_json_body_is_read_where_a_stream_was_asked_for() -> None:
    reader = ReplyReader()
    reader.feed(b"\n" + body("\nTen days.", responseData=[SEARCH]))

    assert reader.finish() == ModelAnswer("Ten days.", confidence=0.9)


def test_the_parts_of_a_json_message_are_joined_and_its_pause_is_read() -> None:
    parts = [
        {"reasoning": {"content": "hm"}, "text": {"content": "Let me look."}, "type": "text"},
        {"tools": [{"id": "call_7"}], "type": "tool"},
        {"text": {"content": "It shipped."}},
        {"text": None},
        "junk",
        {"interactive": SELECT, "type": "interactive"},
    ]

    answer = read(body(parts))
    assert (answer.text, answer.pause) == ("Let me look.\nIt shipped.", Pause("?", choices=(Choice("A", "A"),)))


@pytest.mark.parametrize("error", [SPOKEN, {"message": SPOKEN}])
def test_a_json_answer_with_a_run_error_is_usable_and_without_text_is_not(error: Any) -> None:
    assert read(body("Ten", error=error)).partial_failure == "fastgpt_run_failed"
    assert fail(body("", error=error)).code == "fastgpt_run_failed"


@pytest.mark.parametrize("content", [None, "", " \n", [], [{"tools": []}], 7])
def test_a_json_answer_without_words_is_a_failure(content: Any) -> None:
    assert fail(body(content)).code == "fastgpt_empty_answer"


@pytest.mark.parametrize(
    "foreign",
    [
        b"<html>",
        b"OK",
        b"\x00\x01",
        b"{}",
        b"[]",
        b"{broken",
        b'{"choices":{}}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_a_reply_that_is_not_fastgpts_may_pass(foreign: bytes) -> None:
    error = fail(foreign)

    assert (type(error), error.code) == (TransientError, "fastgpt_reply_unreadable")


def test_a_foreign_body_is_known_by_its_first_byte() -> None:
    reader = ReplyReader(http_status=502)
    reader.feed(b"<")

    assert reader.is_foreign


def test_the_two_halves_of_a_character_may_come_in_two_chunks() -> None:
    pieces = (b'event: answer\ndata: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n',
              b'event: answer\ndata: {"choices":[{"delta":{"content":"\\ude00 \\ud83d"}}]}\n\n')  # fmt: skip

    assert read(*pieces, DONE).text == "😀 \ufffd"


def test_an_answer_as_long_as_allowed_passes_and_one_longer_does_not() -> None:
    assert len(read(words("a" * TEXT_LIMIT_BYTES), DONE).text) == TEXT_LIMIT_BYTES

    error = fail(words("a" * (TEXT_LIMIT_BYTES - 2)), words("三"), DONE)
    assert (type(error), error.code) == (PermanentError, "fastgpt_answer_too_large")


@pytest.mark.parametrize("start", [b"data: x\n\n", b"{"])
def test_a_body_that_never_ends_is_given_up(start: bytes) -> None:
    error = fail(start, *[b" " * (BODY_LIMIT_BYTES // 4)] * 4)

    assert (type(error), error.code) == (PermanentError, "fastgpt_reply_too_large")
