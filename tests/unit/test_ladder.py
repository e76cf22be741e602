"""Which endpoint answers, what it is asked, how long each may take, and what it comes to when none does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.circuit import FIRST_PAUSE_S, THRESHOLD
from frontdesk.fastgpt.ladder import LEAST_S, SHARE_S, SILENCE_ABOVE_S, Ladder
from frontdesk.fastgpt.transport import SILENCE_S
from frontdesk.messages import RUNGS, Afresh, ModelAnswer, Question, rung_of
from tests.fakes.circuits import InMemoryCircuits
from tests.fakes.clock import FakeClock
from tests.fakes.endpoints import FakeClient, clients_of, endpoints_of

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = ("primary", "standby", "lite")
BUDGET_S = 85.0  # the function's 120 s less what is kept for sending and saving
UNAVAILABLE = TransientError("restarting", code="fastgpt_unavailable")
BUSY = TransientError("busy", code="fastgpt_chat_busy", retry_after_s=3.0)
TEAM_LIMIT = TransientError("limit", code="fastgpt_team_limit", retry_after_s=42.0)
NO_POINTS = MisconfiguredError("no points", code="fastgpt_out_of_points")
NO_APP = MisconfiguredError("no app", code="fastgpt_app_unknown")
INVALID = PermanentError("invalid", code="fastgpt_request_invalid")
TOLD = "（以下是之前的对话，供参考：\n客户：在吗\n客服：在的\n）\n"


class Approved:
    """One approved answer."""

    def find(self, words: str) -> ModelAnswer | None:
        if words != "怎么退货":
            return None
        return ModelAnswer(text="七天内可退。", attempt_id="cached/returns", identity="answers:returns@1")


class House:
    """Rungs, and a ladder over them."""

    def __init__(self, *rungs: str, teams: dict[str, str] | None = None, **more: Any) -> None:
        self.clock = FakeClock()
        self.circuits = InMemoryCircuits()
        self.clients = clients_of(*(rungs or ALL), clock=self.clock)
        self.happened: list[str] = []
        self.teams = {"lite": "primary", **(teams or {})}
        self.more = more
        self.first_words = 0
        self.ladder = self.start()

    def start(self) -> Ladder:
        """Return the ladder of another instance."""
        endpoints = endpoints_of(
            self.clients,
            circuits=self.circuits,
            clock=self.clock,
            teams=self.teams,
            happened=self.happened.append,
        )
        return Ladder(endpoints, happened=self.happened.append, clock=self.clock.monotonic, **self.more)

    def __getitem__(self, rung: str) -> FakeClient:
        return next(each for each in self.clients if each.rung == rung)

    def ask(self, *, within_s: float = BUDGET_S, **more: Any) -> ModelAnswer:
        return self.ladder.ask(question(**more), deadline=self.clock.monotonic() + within_s, on_first_words=self.hear)

    def fail(self, **more: Any) -> FrontdeskError:
        with pytest.raises(FrontdeskError) as raised:
            self.ask(**more)
        return raised.value

    def hear(self) -> None:
        self.first_words += 1

    def took_s(self, call: Callable[[], object]) -> float:
        began = self.clock.monotonic()
        call()
        return self.clock.monotonic() - began


def question(words: str = "怎么退货", **more: Any) -> Question:
    plain = Question("chat:0", "m1-1", "c0ffee", words, words=words)
    return replace(plain, afresh=lambda: Afresh("chat:1", f"{TOLD}{words}"), **more)


def asked(client: FakeClient) -> list[tuple[str, str]]:
    return [(each.chat_id, each.text) for each in client.questions]


# -- who answers -----------------------------------------------------------------------------------------------------


def test_the_primary_answers_under_the_plain_id_and_nobody_else_is_asked():
    house = House()

    answer = house.ask()

    assert (answer.text, answer.attempt_id, answer.identity) == (
        "答：怎么退货",
        "m1-1",
        "fastgpt:primary@fastgpt.example.com",
    )
    assert not answer.afresh
    assert house["standby"].questions == []
    assert house.first_words == 1


@pytest.mark.parametrize("error", [UNAVAILABLE, NO_APP, TransientError("down", code="fastgpt_unreachable")])
def test_what_fails_is_followed_by_the_next_rung_in_the_same_attempt(error: FrontdeskError):
    house = House()
    house["primary"].error = error

    answer = house.ask()

    assert rung_of(answer.attempt_id) == "standby"
    assert answer.misconfigured == isinstance(error, MisconfiguredError)
    assert answer.total_ms == 2000  # the customer waited for both
    house["standby"].error = error
    assert rung_of(house.ask().attempt_id) == "lite"


@pytest.mark.parametrize("error", [BUSY, INVALID, PermanentError("forbidden", code="fastgpt_chat_forbidden")])
def test_what_is_about_this_request_is_nobody_elses_and_counts_against_nobody(error: FrontdeskError):
    house = House()
    house["primary"].error = error

    assert [house.fail() for _ in range(2 * THRESHOLD)] == [error] * 2 * THRESHOLD
    assert house["standby"].questions == []
    assert house.happened == []


@pytest.mark.parametrize("error", [NO_POINTS, TEAM_LIMIT, MisconfiguredError("key", code="fastgpt_key_unknown")])
def test_what_a_team_lacks_only_another_team_has(error: FrontdeskError):
    house = House()
    house["primary"].error = error

    assert rung_of(house.ask().attempt_id) == "standby"

    house = House(teams={"standby": "primary"})
    house["primary"].error = error
    assert house.fail() is error
    assert house["standby"].questions == house["lite"].questions == []


def test_the_light_app_is_passed_over_when_its_team_is_out_of_points_and_the_standby_failed():
    house = House()
    house["primary"].error, house["standby"].error = NO_POINTS, UNAVAILABLE

    error = house.fail()

    assert (type(error), error.code) == (TransientError, "fastgpt_unavailable")
    assert isinstance(error, TransientError)
    assert error.misconfigured
    assert house["lite"].questions == []


def test_points_that_ran_out_are_told_once_for_each_question_that_met_it():
    house = House()
    house["primary"].error = NO_POINTS

    for _ in range(3):
        house.ask()

    assert house.happened == ["opened", "out_of_points", "met_open", "met_open"]


# -- what it is asked ------------------------------------------------------------------------------------------------


def test_whoever_did_not_give_the_last_answer_is_asked_afresh():
    house = House()
    house["primary"].error = UNAVAILABLE

    answer = house.ask(last_attempt="m0-1")

    assert answer.afresh
    assert asked(house["primary"]) == [("chat:0", "怎么退货")]
    assert asked(house["standby"]) == [("chat:1", f"{TOLD}怎么退货")]


@pytest.mark.parametrize("last", ["standby/m0-1", "lite/m0-1", "cached/returns", "canary/m0-1"])
def test_on_its_return_the_primary_is_told_what_was_said_without_it(last: str):
    house = House()

    answer = house.ask(last_attempt=last)

    assert answer.afresh
    assert asked(house["primary"]) == [("chat:1", f"{TOLD}怎么退货")]


def test_whoever_pauses_goes_first_and_knows_what_the_choice_means():
    house = House()

    answer = house.ask(text="option-return", last_attempt="standby/m0-1", paused=True)

    assert rung_of(answer.attempt_id) == "standby"
    assert not answer.afresh
    assert asked(house["standby"]) == [("chat:0", "option-return")]


def test_a_choice_goes_to_another_rung_as_the_customers_own_words():
    house = House()
    house["primary"].error = UNAVAILABLE

    answer = house.ask(text="option-return", last_attempt="m0-1", paused=True)

    assert answer.afresh
    assert asked(house["standby"]) == [("chat:1", f"{TOLD}怎么退货")]


def test_feedback_finds_who_gave_the_answer():
    house = House()

    for attempt_id in ("m1-1", "standby/m2-1", "cached/returns", "standby/", "canary/m3-1"):
        house.ladder.feedback("chat:0", attempt_id, good=True, deadline=0.0)

    assert house["primary"].feedbacks == [("chat:0", "m1-1", True)]
    assert house["standby"].feedbacks == [("chat:0", "m2-1", True)]
    assert house["lite"].feedbacks == []


def test_a_name_of_an_answer_tells_its_rung():
    assert [rung_of(f"{rung}/m1-1") for rung in RUNGS] == list(RUNGS)
    assert (rung_of("m1-1"), rung_of("m/1-1"), rung_of("")) == ("primary", "primary", "")


# -- how long it takes -----------------------------------------------------------------------------------------------


def test_each_rung_gets_what_is_left_but_a_share_for_each_below_it():
    house = House()
    for client in house.clients:
        client.takes_s = 1000.0

    error = house.fail()

    assert error.code == "fastgpt_deadline"
    assert [client.given_s for client in house.clients] == [[BUDGET_S - 2 * SHARE_S], [SHARE_S], [SHARE_S]]


def test_with_little_time_all_get_an_equal_part_and_the_last_ones_nothing_when_too_little_is_left():
    house = House()
    for client in house.clients:
        client.takes_s = 1000.0
    house.fail(within_s=30.0)
    assert [client.given_s for client in house.clients] == [[10.0]] * 3

    house = House()
    house["primary"].takes_s = 1000.0
    house.fail(within_s=LEAST_S)
    assert house["standby"].questions == []


def test_a_rung_that_was_given_too_little_time_is_not_blamed_for_it():
    house = House()
    house["primary"].takes_s = 1000.0

    for _ in range(2 * THRESHOLD):
        house.ask(within_s=30.0)

    assert "opened" not in house.happened


def test_a_hanging_primary_costs_one_customer_15_seconds_and_the_next_ones_nothing():
    house = House()
    house["primary"].is_silent = True

    waited = [house.took_s(house.ask) for _ in range(3)]

    assert waited == [SILENCE_ABOVE_S + 1.0, 1.0, 1.0]
    assert house.happened.count("opened") == 1


def test_one_silence_opens_nothing_where_nobody_else_can_answer_meanwhile():
    house = House("primary")
    house["primary"].is_silent = True

    house.fail()
    house["primary"].is_silent = False

    assert house.ask().text == "答：怎么退货"
    assert "opened" not in house.happened


def test_the_slowest_way_down_ends_within_the_time_and_leaves_some_for_the_apology():
    house = House()
    for client in house.clients:
        client.is_silent = True

    took_s = house.took_s(house.fail)

    assert took_s == 2 * SILENCE_ABOVE_S + min(SILENCE_S, SHARE_S + 35.0)
    assert took_s <= BUDGET_S


# -- when none answers -----------------------------------------------------------------------------------------------


def test_an_approved_answer_is_given_when_no_endpoint_answers():
    house = House(approved=Approved())
    for client in house.clients:
        client.error = UNAVAILABLE

    answer = house.ask()

    assert (answer.text, rung_of(answer.attempt_id)) == ("七天内可退。", "cached")
    assert house.first_words == 1
    assert house.fail(words="别的").code == "fastgpt_unavailable"


def test_an_approved_answer_is_given_at_once_when_every_circuit_is_open():
    house = House(approved=Approved())
    for client in house.clients:
        client.error = UNAVAILABLE
    for _ in range(THRESHOLD):
        house.ask()
    asked_so_far = [len(client.questions) for client in house.clients]

    assert house.took_s(house.ask) == 0
    assert [len(client.questions) for client in house.clients] == asked_so_far


@pytest.mark.parametrize("error", [BUSY, TEAM_LIMIT, INVALID])
def test_no_approved_answer_takes_the_place_of_one_that_another_attempt_can_get(error: FrontdeskError):
    house = House("primary", approved=Approved())
    house["primary"].error = error

    assert house.fail() is error


def test_a_primary_that_stands_alone_gives_its_own_errors():
    house = House("primary")
    house["primary"].error = UNAVAILABLE

    assert house.fail() is UNAVAILABLE


def test_a_primary_that_stands_alone_with_its_circuit_open_is_tried_by_one_question_and_waited_for_by_the_others():
    house = House("primary")
    house["primary"].error = UNAVAILABLE
    for _ in range(THRESHOLD):
        house.fail()

    error = house.fail()

    assert (type(error), error.code) == (TransientError, "fastgpt_endpoints_open")
    assert isinstance(error, TransientError)
    assert 0 < error.retry_after_s <= FIRST_PAUSE_S
    house["primary"].error = None
    house.clock.advance(5)
    assert house.ask().text == "答：怎么退货"
    assert house.ask().text == "答：怎么退货"


def test_while_a_person_has_to_act_the_customer_hears_so_at_once_and_need_not_wait_for_five_attempts():
    house = House("primary")
    house["primary"].error = NO_POINTS

    errors = [house.fail() for _ in range(3)]

    assert {(type(error), error.code) for error in errors} == {(MisconfiguredError, "fastgpt_out_of_points")}


def test_when_a_person_has_acted_the_next_question_is_answered():
    house = House("primary")
    house["primary"].error = NO_POINTS
    house.fail()
    house["primary"].error = None

    assert house.ask().text == "答：怎么退货"
    assert not house.circuits.read("primary", now=house.clock()).openings


def test_a_team_that_is_busy_is_waited_for_as_long_as_it_says():
    house = House("primary", "lite")
    house["primary"].error = TEAM_LIMIT

    error = house.fail()

    assert error is TEAM_LIMIT


def test_an_endpoint_known_open_takes_no_time_from_the_one_above_it():
    house = House()
    house["primary"].error, house["standby"].error = UNAVAILABLE, NO_APP
    house.ask()
    house["primary"].error = None

    house.ask()

    assert house["primary"].given_s == [BUDGET_S - 2 * SHARE_S, BUDGET_S - SHARE_S]


def test_a_trial_that_the_caller_broke_off_is_anybodys_again():
    house = House("primary", "standby")
    house["primary"].error = UNAVAILABLE
    for _ in range(THRESHOLD):
        house.ask()
    house["primary"].error = None
    house.clock.advance(FIRST_PAUSE_S)
    house.ask()  # the probe

    def breaks() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        house.ladder.ask(question(), deadline=house.clock.monotonic() + BUDGET_S, on_first_words=breaks)

    assert rung_of(house.ask().attempt_id) == "primary"


# -- the canary ------------------------------------------------------------------------------------------------------


def test_customers_of_the_canary_are_asked_there_first_and_fall_back_to_the_primary():
    house = House("canary", "primary", "standby", teams={"canary": "primary"}, canary_percent=50)
    customers = [f"{number:032x}" for number in range(40)]
    variants = {each: house.ladder.variant(each) for each in customers}

    answered = {each: rung_of(house.ask(customer=each).attempt_id) for each in customers}
    assert set(answered.values()) == {"canary", "primary"}
    assert answered == variants

    house["canary"].error = UNAVAILABLE
    tries = next(each for each in customers if variants[each] == "canary")
    assert rung_of(house.ask(customer=tries).attempt_id) == "primary"
    assert house.ladder.variant(tries) == "canary"  # by the assignment, not by who answered


def test_without_a_canary_or_a_share_for_it_there_is_no_variant():
    assert House("primary", canary_percent=50).ladder.variant("c0ffee") == ""
    assert House("canary", "primary", canary_percent=0).ladder.variant("c0ffee") == ""
