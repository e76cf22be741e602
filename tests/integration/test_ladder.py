"""The ladder over real HTTP: two FastGPTs that share nothing, one of which dies, hangs, refuses and comes back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError
from frontdesk.fastgpt import circuit as machine
from frontdesk.fastgpt.breaker import Breaker
from frontdesk.fastgpt.circuit import FIRST_PAUSE_S, THRESHOLD, State
from frontdesk.fastgpt.client import FastGptClient
from frontdesk.fastgpt.ladder import Endpoint, Ladder
from frontdesk.messages import Afresh, ModelAnswer, Question, rung_of
from tests.fakes.circuits import InMemoryCircuits
from tests.integration.simulators.fastgpt_server import Caller, eventually, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDBY_KEY = "fastgpt-standbySampleKey000000000000000000000000000000000000000"
STANDBY_APP_ID = "66f2a9c41d7e3b5508c6e1d9"
SILENCE_S = 0.4
ASKED = "多久能发货"
ANSWER = "现货商品在付款后"


class Town:
    """Two servers, and the ladders of as many instances as a test wants. The clock of circuits is the test's own."""

    def __init__(self, stack: ExitStack) -> None:
        self.primary_is_up = ExitStack()
        self.primary: Caller = self.primary_is_up.enter_context(serving())
        stack.callback(self.primary_is_up.close)
        self.standby: Caller = stack.enter_context(serving(api_key=STANDBY_KEY, app_id=STANDBY_APP_ID))
        self.background: ThreadPoolExecutor = stack.enter_context(ThreadPoolExecutor(2))
        self.circuits = InMemoryCircuits()
        self.happened: list[str] = []
        self.now = time.time()

    def kill_the_primary(self) -> None:
        """Close it, as a process that ends does."""
        self.primary_is_up.close()

    def ladder(self, *, team: str = "standby", rungs: int = 2, **more: Any) -> Ladder:
        endpoints = []
        for rung, caller, silence_s in (("primary", self.primary, SILENCE_S), ("standby", self.standby, 5.0)):
            settings = caller.settings
            client = FastGptClient(
                base_url=f"{caller.base}/api", api_key=settings.api_key, app_id=settings.app_id, silence_s=silence_s
            )
            breaker = Breaker(
                rung,
                circuits=self.circuits,
                probe=client.probe,
                on_opened=lambda: self.happened.append("opened"),
                submit=self.background.submit,
                clock=lambda: self.now,
            )
            breaker.refresh()
            endpoints.append(Endpoint(rung, client, breaker, "primary" if rung == "primary" else team))
        return Ladder(endpoints[:rungs], happened=self.happened.append, **more)

    def outage(self, kind: str) -> None:
        """Let the primary be out of order as a whole."""
        self.primary.control("outage", {"kind": kind})

    def recover(self) -> None:
        """Let the primary be well again."""
        self.primary.http.delete("/_control/outage")

    def state(self) -> State:
        """Return the shared state of the primary."""
        return machine.state(self.circuits.read("primary", now=self.now), self.now)


@pytest.fixture
def town() -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(stack)


def question(text: str = ASKED, number: int = 1, chat: str = "chat", **more: Any) -> Question:
    afresh = Afresh(f"{chat}:{number}", text)
    return Question(chat, f"m{number}-1", "c0ffee", text, **{"words": text, "afresh": lambda: afresh, **more})


def ask(ladder: Ladder, asked: Question | None = None, *, within_s: float = 60.0) -> ModelAnswer:
    return ladder.ask(asked or question(), deadline=time.monotonic() + within_s, on_first_words=lambda: None)


def fail(ladder: Ladder, asked: Question | None = None) -> FrontdeskError:
    with pytest.raises(FrontdeskError) as raised:
        ask(ladder, asked)
    return raised.value


def test_while_all_is_well_the_primary_answers_and_nobody_hears_of_the_others(town: Town):
    answer = ask(town.ladder())

    assert answer.text.startswith(ANSWER)
    assert answer.attempt_id == "m1-1"
    assert town.standby.runs() == []
    assert town.circuits.calls == ["read", "read"]  # when the instance started


def test_when_the_primary_dies_the_standby_answers_within_the_same_attempt(town: Town):
    ladder = town.ladder()
    ask(ladder)
    town.kill_the_primary()

    began = time.monotonic()
    answer = ask(ladder, question(number=2))

    assert time.monotonic() - began < 5.0
    assert answer.text.startswith(ANSWER)
    assert answer.attempt_id == "standby/m2-1"
    assert answer.identity == f"fastgpt:{STANDBY_APP_ID}@127.0.0.1"


@pytest.mark.parametrize(("kind", "failures"), [("cut", THRESHOLD), ("hang", 1), ("503", THRESHOLD)])
def test_after_a_few_failures_nobody_waits_for_the_primary_and_it_is_found_again(town: Town, kind: str, failures: int):
    ladder, another = town.ladder(), town.ladder()
    town.outage(kind)
    first = [ask(ladder, question(number=number, chat=f"chat{number}")) for number in range(failures)]
    assert [rung_of(each.attempt_id) for each in first] == ["standby"] * failures
    assert town.state() is State.OPEN
    assert town.happened == ["opened"]
    asked_so_far = len(town.primary.runs())

    ask(ladder, question(number=8, chat="chat8"))
    assert len(town.primary.runs()) == asked_so_far
    assert town.happened == ["opened", "met_open"]

    town.recover()
    town.now += FIRST_PAUSE_S
    another._endpoints[0].breaker.refresh()
    assert rung_of(ask(another, question(number=9, chat="chat9")).attempt_id) == "standby"
    eventually(lambda: town.state() is State.HALF_OPEN)
    assert rung_of(ask(another, question(number=10, chat="chat10")).attempt_id) == "primary"
    assert town.state() is State.CLOSED


def test_a_probe_that_fails_leaves_the_primary_alone_for_longer(town: Town):
    ladder = town.ladder()
    town.outage("503")
    for number in range(THRESHOLD):
        ask(ladder, question(number=number, chat=f"chat{number}"))
    town.now += FIRST_PAUSE_S

    ask(ladder, question(number=9, chat="chat9"))

    eventually(lambda: town.circuits.read("primary", now=town.now).openings == 2)
    assert town.circuits.read("primary", now=town.now).retry_at == town.now + 2 * FIRST_PAUSE_S


def test_a_busy_chat_is_asked_again_and_nobody_else_is(town: Town):
    town.primary.control("faults", {"kind": "error", "statusText": "chatIsGenerating"})

    error = fail(town.ladder())

    assert (type(error), error.code) == (TransientError, "fastgpt_chat_busy")
    assert town.standby.runs() == []
    assert town.circuits.read("primary", now=town.now).failures == 0


@pytest.mark.parametrize("team", ["primary", "standby"], ids=["same team", "other team"])
def test_where_points_run_out_only_another_team_can_help(town: Town, team: str):
    town.primary.control("faults", {"kind": "error", "statusText": "aiPointsNotEnough"})
    ladder = town.ladder(team=team)

    if team == "primary":
        error = fail(ladder)
        assert (type(error), error.code) == (MisconfiguredError, "fastgpt_out_of_points")
        assert town.standby.runs() == []
    else:
        answer = ask(ladder)
        assert rung_of(answer.attempt_id) == "standby"
        assert answer.misconfigured
    assert town.happened == ["opened", "out_of_points"]
    assert town.state() is State.OPEN


def test_what_was_said_goes_along_to_the_standby_and_back(town: Town):
    ladder = town.ladder()
    introduced = ask(ladder, question("我叫小李"))
    town.outage("503")
    background = f"（以下是之前的对话，供参考：\n客户：我叫小李\n客服：{introduced.text}\n）\n"
    there = Afresh("chat:1", f"{background}我叫什么")

    switched = ask(ladder, question("我叫什么", 2, last_attempt=introduced.attempt_id, afresh=lambda: there))

    assert switched.afresh
    assert rung_of(switched.attempt_id) == "standby"
    assert "小李" in switched.text

    town.recover()
    back = Afresh("chat:2", f"{background}我是谁")
    returned = ask(ladder, question("我是谁", 3, chat="chat:1", last_attempt=switched.attempt_id, afresh=lambda: back))

    assert returned.afresh
    assert rung_of(returned.attempt_id) == "primary"
    assert "小李" in returned.text


def test_feedback_goes_to_the_endpoint_that_gave_the_answer(town: Town):
    ladder = town.ladder()
    town.outage("503")
    answer = ask(ladder)
    town.recover()

    ladder.feedback("chat:1", answer.attempt_id, good=True, deadline=time.monotonic() + 5)

    assert town.primary.feedback() == []
    (given,) = town.standby.feedback()
    assert given["dataId"] == "m1-1"


def test_a_primary_that_stands_alone_is_tried_all_the_same_and_recovers_at_once(town: Town):
    ladder = town.ladder(rungs=1)
    town.outage("503")
    for number in range(THRESHOLD):
        assert fail(ladder, question(number=number, chat=f"chat{number}")).code == "fastgpt_unavailable"
    assert town.state() is State.OPEN

    error = fail(ladder, question(number=8, chat="chat8"))
    assert isinstance(error, TransientError)
    assert 0 < error.retry_after_s <= FIRST_PAUSE_S

    town.recover()
    town.now += 5.0  # the other question's probe is over, and the circuit not due yet
    assert rung_of(ask(ladder, question(number=9, chat="chat9")).attempt_id) == "primary"
    assert town.state() is State.CLOSED


# ---------------------------------------------------------------- a rival for a slow endpoint


def slow(caller: Caller, delay_ms: int = 3000, **answer: Any) -> None:
    caller.control("answers", {"text": "慢的回答", "delay_ms": delay_ms, "match": "", **answer})


def test_a_quick_primary_has_no_rival(town: Town):
    answer = ask(town.ladder(hedge_after_s=5.0))

    assert rung_of(answer.attempt_id) == "primary"
    assert town.standby.runs() == []


def test_a_slow_primary_is_overtaken_and_its_run_ends(town: Town):
    slow(town.primary)

    answer = ask(town.ladder(hedge_after_s=0.1))

    assert answer.text.startswith(ANSWER)
    assert answer.attempt_id == "standby/"  # nobody keeps it, so nobody can be told what it was worth
    assert not answer.afresh
    assert answer.total_ms >= 100
    (rival,) = town.standby.runs()
    assert rival["chatId"] == "NO_RECORD_HISTORIES"
    eventually(lambda: [run["state"] for run in town.primary.runs()] == ["aborted"])
    assert town.circuits.read("primary", now=town.now).failures == 0


def test_the_first_one_can_still_win_against_its_rival(town: Town):
    slow(town.primary, 300)
    slow(town.standby, 5000)

    answer = ask(town.ladder(hedge_after_s=0.1))

    assert (answer.text, answer.attempt_id) == ("慢的回答", "m1-1")
    eventually(lambda: [run["state"] for run in town.standby.runs()] == ["aborted"])


def test_a_rivals_pause_is_no_answer(town: Town):
    slow(town.primary, 300)
    town.standby.control("answers", {"text": "", "interactive": "userSelect"})

    answer = ask(town.ladder(hedge_after_s=0.1))

    assert rung_of(answer.attempt_id) == "primary"


def test_when_both_fail_no_third_time_is_lost_on_them(town: Town):
    town.primary.control("faults", {"kind": "status", "status": 503, "headers_ms": 250, "times": None})
    town.standby.control("faults", {"kind": "status", "status": 502, "times": None})

    error = fail(town.ladder(hedge_after_s=0.1))

    assert error.code == "fastgpt_unavailable"
    assert [len(caller.runs()) for caller in (town.primary, town.standby)] == [1, 1]


def test_no_thread_is_left_of_a_race(town: Town):
    ladder = town.ladder(hedge_after_s=0.05)
    slow(town.primary, 60_000, times=3)
    for number in range(3):
        ask(ladder, question(number=number, chat=f"chat{number}"))

    eventually(lambda: all(run["state"] == "aborted" for run in town.primary.runs()))
    began = time.monotonic()
    assert ladder._racers
    ladder._racers.shutdown(wait=True)
    assert time.monotonic() - began < 5.0
