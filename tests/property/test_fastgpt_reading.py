"""However the network cuts a reply, and whatever it holds, reading it gives one result or one of our errors."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from frontdesk.errors import FrontdeskError
from frontdesk.fastgpt import answer_text, interactive, nodes, own_word
from frontdesk.fastgpt.errors_table import LONGEST_WAIT_S, Refusal, classify
from frontdesk.fastgpt.reply import ReplyReader
from frontdesk.fastgpt.sse import EventParser
from frontdesk.messages import ModelAnswer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# Names the readers look for, so that wrong types meet every branch.
KEYS = st.sampled_from(
    ["choices", "delta", "content", "message", "text", "interactive", "type", "params", "childrenResponse",
     "userSelectOptions", "inputForm", "questions", "question", "options", "value", "label", "key", "list", "quoteList",
     "score", "moduleType", "childrenResponses", "error", "errorText", "statusText", "code", "responseData", "newVariables",
     "handoff", "confidence", "cqResult", "extractResult", "updateVarResult"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["userSelect", "userInput", "agentAsk", "agentPlanAskQuery", "paymentPause", "datasetSearchNode", "reRank", "embedding",
     "unAuthApp", "select", "classifyQuestion", "contentExtract", "variableUpdate", "转人工", "85%", "\ud83d", ""]
)  # fmt: skip
SHAPED = st.recursive(
    JSON | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["", "answer", "fastAnswer", "interactive", "flowResponses", "flowNodeResponse", "updateVariables", "error", "plan"]
)
EVENTS = st.lists(
    st.tuples(NAMES, SHAPED.map(json.dumps) | st.just("[DONE]") | st.text(max_size=12).map(lambda text: text.strip())),
    max_size=6,
).map(lambda events: "".join(f"event: {name}\ndata: {data}\n\n" for name, data in events).encode("utf-8", "replace"))
STATUSES = st.integers(200, 299) | st.integers(300, 599)


def result_of(pieces: list[bytes], http_status: int = 200) -> ModelAnswer | tuple[type, str, str]:
    reader = ReplyReader(http_status=http_status)
    try:
        for piece in pieces:
            reader.feed(piece)
        answer = reader.finish()
    except FrontdeskError as error:
        return type(error), error.code, str(error)
    assert reader.has_output or not (answer.pause or answer_text.has_words(answer.text))
    assert answer.text or answer.pause or answer.wants_person
    assert answer.confidence is None or 0.0 <= answer.confidence <= 1.0
    answer.text.encode()
    return answer


def cut(body: bytes, data: st.DataObject) -> list[bytes]:
    places = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


@given(st.binary(max_size=400), STATUSES)
@example(b"data: [DONE]", 200)
@example(b'{"choices":[{"message":{"content":[{"text":{"content":"\\ud800"}}]}}]}', 200)
def test_arbitrary_bytes_raise_nothing_but_our_errors(body: bytes, http_status: int) -> None:
    result_of([body], http_status)


@given(EVENTS, STATUSES)
def test_arbitrary_events_raise_nothing_but_our_errors(body: bytes, http_status: int) -> None:
    result_of([body], http_status)


@given(st.dictionaries(KEYS, SHAPED, max_size=6), STATUSES)
def test_arbitrary_json_raises_nothing_but_our_errors(body: dict[str, Any], http_status: int) -> None:
    result_of([json.dumps(body).encode()], http_status)


@given(EVENTS | st.binary(max_size=200) | SHAPED.map(lambda value: json.dumps(value).encode()), st.data())
def test_where_the_bytes_are_cut_makes_no_difference(body: bytes, data: st.DataObject) -> None:
    assert result_of(cut(body, data)) == result_of([body])


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"data: x", b"event: y", b":", b"\xe5\x8d\x81"]), max_size=20), st.data()
)
def test_line_endings_are_found_wherever_they_are_cut(parts: list[bytes], data: st.DataObject) -> None:
    body = b"".join(parts)
    whole, pieced = EventParser(), EventParser()

    expected = whole.feed(body) + whole.close()
    found = [event for piece in cut(body, data) for event in pieced.feed(piece)] + pieced.close()
    assert found == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=8))
@example(["["])  # might have become a citation mark
def test_the_words_of_all_chunks_are_the_answer(texts: list[str]) -> None:
    chunks = [{"choices": [{"delta": {"content": text}}]} for text in texts]
    body = "".join(f"event: answer\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"

    said = "".join(texts).lstrip("\r\n")
    result = result_of([body.encode()])
    if said.strip():
        assert isinstance(result, ModelAnswer)
        assert result.text == said
    else:
        assert isinstance(result, tuple)
        assert result[1] == "fastgpt_empty_answer"


@given(st.lists(SHAPED, max_size=5))
def test_any_node_results_can_be_read(results: list[Any]) -> None:
    score = nodes.best_score(results)
    assert score is None or 0.0 <= score <= 1.0
    nodes.failures(results)


@given(st.dictionaries(KEYS, SHAPED, max_size=4), st.lists(SHAPED, max_size=5))
def test_whatever_the_app_says_of_itself_can_be_read(variables: dict[str, Any], results: list[Any]) -> None:
    share = own_word.confidence(variables, results)
    assert share is None or 0.0 <= share <= 1.0
    own_word.wants_person(variables, results)


@given(st.dictionaries(KEYS, JSON, max_size=4), st.lists(JSON.filter(lambda value: not isinstance(value, dict))))
def test_variables_that_no_assignment_of_the_run_gave_say_nothing(
    variables: dict[str, Any], results: list[Any]
) -> None:
    assert own_word.confidence(variables, results) is None
    assert not own_word.wants_person(variables, results)


@given(st.integers(0, 10_000).map(lambda share: share / 10_000))
def test_a_share_reads_the_same_as_a_number_as_a_text_and_in_percent(share: float) -> None:
    for told in (share, f"{share:.4f}", f"{share * 100:.2f}%"):
        read = own_word.confidence({"confidence": told}, [{"updateVarResult": [told]}])
        assert read is not None
        assert abs(read - share) < 1e-9


@given(SHAPED)
def test_any_pause_can_be_read(value: Any) -> None:
    interactive.read_pause(interactive.deepest(value))


@given(SHAPED, STATUSES | st.none(), st.floats(0, 1e9))
def test_any_refusal_has_a_code_and_a_bounded_wait(entry: Any, http_status: int | None, retry_after_s: float) -> None:
    error = classify(Refusal.read(entry, http_status=http_status, retry_after_s=retry_after_s))

    assert error.code.startswith("fastgpt_")
    assert 0.0 <= getattr(error, "retry_after_s", 0.0) <= LONGEST_WAIT_S
