from __future__ import annotations

from typing import Any

import pytest

from frontdesk.fastgpt.interactive import deepest, is_payment, read_pause
from frontdesk.messages import Choice, Field, Pause

SELECT = {
    "type": "userSelect",
    "params": {
        "description": "Pick one",
        "userSelectOptions": [{"key": "option1", "value": "Sales"}, {"key": "option2", "value": "Support"}],
    },
}


def agent(*questions: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"type": "agentAsk", "askId": "a1", "params": {"description": description, "questions": list(questions)}}


def test_a_selection_offers_its_values_to_the_letter() -> None:
    assert read_pause(SELECT) == Pause("Pick one", choices=(Choice("Sales", "Sales"), Choice("Support", "Support")))


def test_a_form_gives_its_fields_and_choices_only_to_selects() -> None:
    form = {
        "type": "userInput",
        "params": {
            "description": "Fill in",
            "inputForm": [
                {"type": "input", "key": "k1", "label": "Name", "required": True, "list": [{"label": "", "value": ""}]},
                {
                    "type": "numberInput",
                    "key": "k2",
                    "label": "",
                    "required": False,
                    "list": [{"label": "x", "value": "y"}],
                },
                {
                    "type": "select",
                    "label": "Size",
                    "list": [{"label": "Large", "value": "L"}, {"label": "", "value": "S"}],
                },
                {"type": "input"},
                "junk",
            ],
        },
    }

    assert read_pause(form) == Pause(
        "Fill in",
        fields=(
            Field("k1", "Name", required=True),
            Field("k2", "k2", required=False),
            Field("Size", "Size", required=False, choices=(Choice("Large", "L"), Choice("S", "S"))),
        ),
    )


def test_one_question_of_an_agent_offers_its_options() -> None:
    options = [{"summary": "East", "value": "Shanghai"}, {"summary": "South", "value": "Shenzhen"}]

    assert read_pause(agent({"question": "Which city?", "options": options}, description="To book a visit:")) == Pause(
        "To book a visit:\nWhich city?", choices=(Choice("East", "Shanghai"), Choice("South", "Shenzhen"))
    )


def test_several_questions_of_an_agent_are_answered_in_ones_own_words() -> None:
    paused = agent(
        {"question": "Which city?", "options": [{"summary": "East", "value": "E"}, {"summary": "South", "value": "S"}]},
        {"question": "Which day?", "options": []},
    )

    assert read_pause(paused) == Pause("Which city? (East / South)\nWhich day?")


def test_the_older_question_of_an_agent_is_read_too() -> None:
    paused = {
        "type": "agentPlanAskQuery",
        "params": {"content": "Which one?", "options": ["A", {"label": "Bee", "value": "B"}]},
    }

    assert read_pause(paused) == Pause("Which one?", choices=(Choice("A", "A"), Choice("Bee", "B")))


@pytest.mark.parametrize(
    "wrapper", ["childrenInteractive", "toolChildrenInteractive", "loopInteractive", "loopRunInteractive"]
)
def test_the_innermost_pause_counts(wrapper: str) -> None:
    wrapped = {
        "type": wrapper,
        "params": {"childrenResponse": {"type": wrapper, "params": {"childrenResponse": SELECT}}},
    }

    assert deepest(wrapped) == SELECT


def test_the_end_of_the_points_is_seen_inside_a_wrapper() -> None:
    assert is_payment(deepest({"type": "loopInteractive", "params": {"childrenResponse": {"type": "paymentPause"}}}))


@pytest.mark.parametrize(
    "paused",
    [
        {},
        {"type": "holdHands", "params": {}},
        {"type": 7},
        {"type": "userSelect"},
        {"type": "userSelect", "params": {"userSelectOptions": [{"key": "a", "value": " "}, 3]}},
        {"type": "userInput", "params": {"inputForm": []}},
        {"type": "agentAsk", "params": {"questions": []}},
        agent({"question": ""}, {"question": ""}),
    ],
)
def test_a_pause_that_cannot_be_offered_is_none(paused: dict[str, Any]) -> None:
    assert read_pause(paused) is None
