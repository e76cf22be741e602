"""What the app says of its own answer, and what is only left over from an earlier run."""

from __future__ import annotations

from typing import Any

import pytest

from frontdesk.fastgpt.own_word import confidence, wants_person


def assigned(*values: Any) -> dict[str, Any]:
    return {"moduleType": "variableUpdate", "updateVarResult": list(values)}


def classified(name: Any) -> dict[str, Any]:
    return {"moduleType": "classifyQuestion", "cqResult": name}


def extraction(value: Any) -> dict[str, Any]:
    return {"moduleType": "contentExtract", "extractResult": {"confidence": value}}


@pytest.mark.parametrize(
    ("told", "share"),
    [
        (0.85, 0.85),
        (1, 1.0),
        (0, 0.0),
        ("0.85", 0.85),
        ("85%", 0.85),
        (" 85 % ", 0.85),
        ("８５％", 0.85),
        ("0．5", 0.5),
        (".5", 0.5),
        ("1", 1.0),
        ("100%", 1.0),
        ("0", 0.0),
        (85, None),
        ("85", None),
        ("101%", None),
        (-0.1, None),
        ("-0.1", None),
        ("", None),
        ("high", None),
        ("0.8 or so", None),
        ("1e-1", None),
        ("nan", None),
        (float("nan"), None),
        (True, None),
        ([0.9], None),
        ({"value": 0.9}, None),
        (None, None),
    ],
)
def test_confidence_is_a_share_as_a_number_or_as_a_text(told: Any, share: float | None) -> None:
    assert confidence({"confidence": told}, [assigned(told)]) == share
    assert confidence({}, [extraction(told)]) == share


def test_the_variable_goes_before_the_extraction() -> None:
    assert confidence({"confidence": 0.9}, [assigned(0.9), extraction(0.3)]) == 0.9


def test_what_cannot_be_read_gives_way_to_what_can() -> None:
    assert confidence({"confidence": "?"}, [assigned("?"), extraction("0.3"), extraction("")]) == 0.3


def test_of_several_extractions_the_last_counts() -> None:
    assert confidence({}, [extraction(0.3), {"childrenResponses": [extraction(0.4)]}]) == 0.4


def test_a_confidence_of_an_earlier_run_or_a_default_is_not_told() -> None:
    assert confidence({"confidence": 0.2, "topic": "price"}, [assigned("price")]) is None
    assert confidence({"confidence": 0.2}, []) is None


@pytest.mark.parametrize("yes", [True, 1, 1.0, "true", "True", "YES", "yes", "1", "是", " 是。"])
def test_a_handoff_that_this_run_set_wants_a_person(yes: Any) -> None:
    assert wants_person({"handoff": yes}, [assigned("price", yes)])


@pytest.mark.parametrize("no", [False, 0, 2, "", "false", "no", "否", "不是", None, [True], {"handoff": True}])
def test_any_other_handoff_wants_none(no: Any) -> None:
    assert not wants_person({"handoff": no}, [assigned(no)])


@pytest.mark.parametrize("results", [[], [assigned()], [assigned("price")], [assigned(1)], [assigned("true")]])
def test_a_handoff_of_an_earlier_run_does_not_call_a_person_again(results: list[Any]) -> None:
    assert not wants_person({"handoff": True}, results)


def test_a_handoff_that_this_run_took_back_wants_nobody() -> None:
    assert not wants_person({"handoff": "no"}, [assigned("yes"), assigned("no")])


@pytest.mark.parametrize(
    "name",
    [
        "human",
        "Human",
        "HUMAN AGENT",
        "live-agent",
        "person",
        "agent",
        "transfer_to_human",
        "转人工",
        " 转人工 ",
        "人工",
        "人工客服",
        "真人",
        "ｈｕｍａｎ",
        "转人工：用户要求和客服人员通话",
        "人工客服（投诉、退款）",
        "Human (complaints, refunds)",
        "转人工 - 用户很生气",
        "转人工——用户很生气",
    ],
)
def test_a_class_named_after_a_person_wants_one(name: str) -> None:
    assert wants_person({}, [classified("咨询问题"), classified(name)])


@pytest.mark.parametrize(
    "name",
    [
        "人工智能",
        "人工智能课程：找人工讲解",
        "人工费",
        "人工草坪",
        "真人秀",
        "human resources",
        "personal data",
        "agency",
        "travel agent",
        "转账",
        "transfer",
        "其他（不含转人工）",
        "非人工",
        "",
        None,
        ["转人工"],
        7,
    ],
)
def test_any_other_class_wants_none(name: Any) -> None:
    assert not wants_person({}, [classified(name)])


def test_a_class_that_was_offered_and_not_chosen_wants_nobody() -> None:
    node = {**classified("咨询问题"), "cqList": [{"key": "a", "value": "转人工"}]}

    assert not wants_person({}, [node])
