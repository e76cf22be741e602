"""What a drill says is what the customers saw: nothing lost is hidden, nothing favourable is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ops.__main__ import main
from ops.desk import Deployment, Desk
from ops.drill import APOLOGY, INTERIM, OTHER, Asked, Plan, Said, Verdict, judge, lines_of
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable

KILL, RESTORE = 15_000, 40_000


def seen(asked: dict[str, int], said: Iterable[tuple[str, int, str]], *, refused: int = 0) -> Verdict:
    return judge(
        [Asked(customer, at_ms) for customer, at_ms in asked.items()],
        [Said(*each) for each in said],
        kill_ms=KILL,
        restore_ms=RESTORE,
        refused=refused,
    )


def test_a_run_in_which_the_standby_takes_over_keeps_the_promise():
    verdict = seen(
        {"a": 1000, "b": 14_000, "c": 16_000, "d": 39_000, "e": 50_000},
        [
            ("a", 2000, "primary"),
            ("c", 21_000, "standby"),
            ("b", 23_000, "standby"),
            ("d", 41_000, "standby"),
            ("e", 52_500, "primary"),
        ],
    )

    assert verdict.kept
    assert (verdict.accepted, verdict.lost, verdict.doubled) == (5, 0, 0)
    assert verdict.by_rung == {"primary": 2, "standby": 3}
    assert verdict.again_s == 6.0
    assert (verdict.longest_wait_s, verdict.longest_gap_s, verdict.back_s) == (9.0, 19.0, 12.5)


def test_an_answer_to_what_was_asked_before_the_kill_is_not_answers_flowing_again():
    verdict = seen({"a": 14_000, "b": 16_000}, [("a", 15_500, "primary"), ("b", 50_000, "standby")])

    assert verdict.again_s == 35.0
    assert not verdict.kept


def test_a_question_without_an_answer_is_lost_and_a_notice_is_none():
    verdict = seen({"a": 1000, "b": 16_000}, [("a", 2000, "primary"), ("b", 20_000, INTERIM)])

    assert (verdict.lost, verdict.again_s, verdict.kept) == (1, None, False)


def test_who_reads_two_answers_was_answered_twice():
    verdict = seen({"a": 16_000}, [("a", 17_000, INTERIM), ("a", 18_000, "standby"), ("a", 30_000, "primary")])

    assert (verdict.doubled, verdict.kept) == (1, False)


def test_a_call_that_was_refused_breaks_the_promise():
    assert not seen({"a": 16_000}, [("a", 17_000, "standby")], refused=1).kept


def test_apologies_and_people_are_told_as_what_they_are():
    verdict = seen({"a": 16_000, "b": 16_000}, [("a", 17_000, APOLOGY), ("b", 18_000, OTHER)])

    assert verdict.by_rung == {APOLOGY: 1, OTHER: 1}


def test_what_was_said_is_told_over_time():
    verdict = seen({"a": 0, "b": 16_000}, [("a", 4999, "primary"), ("b", 5000, INTERIM), ("b", 21_000, "standby")])

    assert verdict.over_time == ({"primary": 1}, {INTERIM: 1}, {}, {}, {"standby": 1})


def test_all_of_it_is_printed():
    verdict = seen({"a": 1000, "b": 16_000}, [("a", 2000, "primary"), ("b", 60_000, "standby")])

    told = "\n".join(lines_of(Plan("hang"), verdict))

    for line in (
        "primary hang after 15 s, restored after 40 s, 1 questions a second for 60 s",
        "requests lost                   0",
        "answers flow again after        45.0 s  (promised: less than 30 s)",
        "primary answers again after     never",
        "standby 1",
        "<- killed",
        "THE PROMISE IS NOT KEPT.",
    ):
        assert line in told


def desk(simulators_url: str) -> Desk:
    clock = FakeClock()
    functions = type(
        "Functions",
        (),
        {
            "get_function_configuration": lambda _self, **_: {
                "Environment": {"Variables": {"INTERIM_TEXT": "请稍等", "FALLBACK_TEXT": "抱歉"}}
            }
        },
    )()
    where = Deployment(
        "frontdesk", {"ResponderFunction": "f"}, {"lambda": functions}.__getitem__, simulators_url=simulators_url
    )
    return Desk(where, by="chen.yu", clock=clock, monotonic=clock.monotonic, sleep=clock.advance)


@pytest.mark.parametrize(
    ("where", "arguments", "told"),
    [
        ("", (), "on a local run only"),
        ("http://127.0.0.1:9/", ("--kill", "40", "--restore", "20"), "before it is restored"),
        ("http://127.0.0.1:9/", ("--lasts", "20"), "both before the end"),
        ("http://127.0.0.1:9/", ("--how", "flood"), "flood"),
    ],
)
def test_a_drill_that_makes_no_sense_is_refused(where: str, arguments: tuple[str, ...], told: str):
    result = CliRunner().invoke(main, ["drill", *arguments], obj=lambda _: desk(where))

    assert (result.exit_code, told in result.output) == (2, True), result.output
