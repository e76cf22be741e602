"""The examination itself: an honest bot stands every check, and for each check there is a bot that does not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import simulators.conformance
from simulators.conformance import options, report
from simulators.conformance.__main__ import main
from simulators.conformance.answering import compare
from simulators.conformance.catalogue import CHECKS
from simulators.conformance.examination import examine
from simulators.conformance.findings import FailedError, NotApplicableError, Result, Status
from simulators.conformance.serving import listen, serving
from simulators.conformance.stage import Limits, Script, Stage
from simulators.wecom.app import Behaviour, WecomSimulator, serve
from tests.integration.simulators.kf_bot import FOR_MUCH, NOTICE, KfBot, Vice
from tests.integration.simulators.wecom_platform import AGENT_ID, CORP_ID, ENCODING_AES_KEY, SECRET, TOKEN, settings

NAMES = [check.name for check in CHECKS]
VITAL = [check.name for check in CHECKS if check.vital]
SCRIPT = Script(tuple(f"问题 {number}" for number in range(6)), FOR_MUCH, (NOTICE,))
# What is expected comes in a few milliseconds. What must not come is waited for a little longer, and in vain.
PATIENT = Limits(answer_s=8, settle_s=0.1, welcome_s=8, sweep_s=8)
HASTY = Limits(answer_s=0.5, settle_s=1.0, welcome_s=0.5, sweep_s=0.4)
AT_ONCE = 4
EVERYTHING = "everything"

# Each check with bots that fail it, and the words by which it says so.
FAILURES = [
    ("url-check", Vice.DECORATES_THE_ECHO, "something around it"),
    ("answers", Vice.IS_MUTE_ONCE, "no answer to question 3 within 0.5 s"),
    ("acknowledges", Vice.SAYS_OK, "HTTP 200, body ignored"),
    ("forged", Vice.BELIEVES_ANYBODY, "another signature: HTTP 200"),
    ("told-twice", Vice.REPEATS, "2 messages where one answer has 1"),
    ("told-at-once", Vice.REPEATS, "2 messages where one answer has 1"),
    ("catches-up", Vice.READS_THE_NEWEST, "no answer within 0.5 s"),
    ("sweeps", None, "not seen within 0.4 s"),
    ("order", Vice.REVERSES, "not in order"),
    ("order", Vice.READS_THE_NEWEST, "some are lost"),
    ("order", Vice.REPEATS, "some came twice"),
    ("order", Vice.PRATTLES, "more than one answer to each were refused with 95001"),
    ("backlog", Vice.READS_ONE_PAGE, "no answer"),
    ("empty-page", Vice.STOPS_AT_NOTHING_NEW, "no answer"),
    ("history", Vice.ANSWERS_HISTORY, "3 of 3 messages of yesterday were answered"),
    ("sync-token", Vice.INSISTS, "no answer"),
    ("token-expired", Vice.KEEPS_ITS_TOKEN, "no answer"),
    ("token-revoked", Vice.KEEPS_ITS_TOKEN, "no answer"),
    ("recall", Vice.FEARS_RECALLS, "no answer"),
    ("unknown-kinds", Vice.FEARS_NEWS, "no answer"),
    ("lost-answer", Vice.RENAMES, "2 messages where one answer has 1"),
    ("five-messages", Vice.TALKS_ON, "5 messages shown, 2 refused with 95001"),
    ("five-messages", Vice.SENDS_WALLS, "3 of 3 messages are over 2048 bytes"),
    ("welcome", Vice.GREETS_PLAINLY, "kf/send_msg was tried"),
    ("welcome", Vice.GREETS_WRONGLY, "refused with 40008"),
    ("person-has-it", Vice.PUSHES, "8 tries of kf/send_msg after 2 messages"),
    ("person-has-it", Vice.TAKES_BACK, "was taken from the person"),
    ("staff-lines", Vice.ANSWERS_STAFF, "after 0 messages"),
    ("state-unreadable", Vice.ASSUMES, "1 messages sent while the state could not be read"),
    ("state-unreadable", Vice.GIVES_UP, "no answer within 0.5 s, after 1 readings"),
    ("given-back", Vice.HOARDS, "2 messages where one answer has 1"),
    ("hand-over", Vice.PUSHES, "4 tries of kf/send_msg after 1 messages"),
]
# Other ways of being good.
GOOD = [
    ("order", Vice.MERGES, "6 answers in order, in 2 messages"),
    ("answers", Vice.NOTIFIES, "6 answers of 1 messages"),
    ("five-messages", Vice.NOTIFIES, "4 messages shown"),
    ("state-unreadable", Vice.NOTIFIES, "1 answer after 3 readings"),
]
NOT_APPLICABLE = [
    ("order", Vice.VARIES, "whether any is lost does not show"),
    ("hand-over", Vice.STAYS, "stays the machine's"),
    ("state-unreadable", Vice.NEVER_LOOKS, "does not read the state"),
    ("welcome", Vice.SAYS_NO_WELCOME, "says no welcome"),
    ("five-messages", Vice.IS_BRIEF, "fits into one message"),
]


async def examined(*vices: Vice, only: set[str], limits: Limits = PATIENT, open_kfid: str = "") -> dict[str, Result]:
    """Return what is found of a bot; once it has answered at all it is waited for as long as `limits` say."""
    listening = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    simulator = WecomSimulator(settings(f"{base}/bot"), behaviour=Behaviour(retry_interval_s=0.0))
    bot, app = KfBot(base, *vices), serve(simulator)
    app.router.routes.append(Route("/bot", bot.answer, methods=["GET", "POST"]))
    stage = Stage(simulator, open_kfid=open_kfid, script=SCRIPT, limits=PATIENT, run="t")
    results = {}
    async with serving(app, listening):
        sweeping = asyncio.create_task(bot.sweep()) if Vice.SWEEPS in vices else None
        if only & set(VITAL):
            stage.limits = limits
        async for result in examine(stage, only):
            results[result.name] = result
            if result.name == VITAL[-1]:
                stage.limits = limits
        if sweeping:
            sweeping.cancel()
    await bot.aclose()
    return results


async def examined_all() -> dict[tuple[str, Vice | None], dict[str, Result]]:
    """Return what is found of an honest bot in everything, and of each other bot in the one check where it shows."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, vice: Vice | None) -> dict[str, Result]:
        async with places:
            if name == EVERYTHING:
                return await examined(Vice.SWEEPS, only=set())
            return await examined(*([vice] if vice else []), only={name}, limits=HASTY)

    bots = [(EVERYTHING, None), *((name, vice) for name, vice, _ in FAILURES + GOOD + NOT_APPLICABLE)]
    return dict(zip(bots, await asyncio.gather(*(one(name, vice) for name, vice in bots)), strict=True))


@pytest.fixture(scope="module")
def others() -> dict[tuple[str, Vice | None], dict[str, Result]]:
    """Return what was found of every bot; most of the time is waiting, so all are examined beside each other."""
    return asyncio.run(examined_all())


@pytest.fixture(scope="module")
def honest(others: dict[tuple[str, Vice | None], dict[str, Result]]) -> dict[str, Result]:
    """Return what was found of a bot without vices that also looks for news by itself."""
    return others[EVERYTHING, None]


def test_an_honest_bot_is_examined_in_everything(honest: dict[str, Result]):
    assert list(honest) == NAMES
    assert not report.has_failed(list(honest.values()))


@pytest.mark.parametrize("name", NAMES)
def test_an_honest_bot_stands_each_check(honest: dict[str, Result], name: str):
    assert (honest[name].status, honest[name].seconds < 5) == (Status.OK, True), honest[name].seen


def test_every_check_and_every_option_is_described():
    text = (Path(simulators.conformance.__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    checks, own = text.split("## The checks")[1].split("## How Frontdesk")
    described, seen = (re.findall(r"^\| (`.+?`) \|", part, re.MULTILINE) for part in (checks, own))

    assert [name for cell in described for name in re.findall(r"`([a-z-]+)`", cell)] == NAMES
    assert [cell.strip("`") for cell in seen] == NAMES
    for option in re.findall(r'add_argument\(\s*"(--[a-z-]+)"', Path(options.__file__).read_text(encoding="utf-8")):
        assert f"`{option}" in text or f", `{option}" in text or option == "--callback-url", option


def test_every_check_has_a_bot_that_fails_it():
    assert {name for name, _, _ in FAILURES} == set(NAMES)


@pytest.mark.parametrize(("name", "vice", "seen"), FAILURES)
def test_a_bad_bot_fails(others: dict[Any, dict[str, Result]], name: str, vice: Vice | None, seen: str):
    results = others[name, vice]

    assert results[name].status is Status.FAIL, results[name].seen
    assert seen in results[name].seen
    assert report.has_failed(list(results.values()))


@pytest.mark.parametrize(("name", "vice", "seen"), GOOD)
def test_there_are_other_ways_to_be_good(others: dict[Any, dict[str, Result]], name: str, vice: Vice, seen: str):
    results = others[name, vice]

    assert results[name].status is Status.OK, results[name].seen
    assert seen in results[name].seen


@pytest.mark.parametrize(("name", "vice", "seen"), NOT_APPLICABLE)
def test_what_a_bot_need_not_do_is_no_failure(others: dict[Any, dict[str, Result]], name: str, vice: Vice, seen: str):
    results = others[name, vice]

    assert results[name].status is Status.NOT_APPLICABLE, results[name].seen
    assert seen in results[name].seen
    assert not report.has_failed(list(results.values()))


def test_without_a_limit_nobody_has_to_look_by_themselves():
    results = asyncio.run(examined(only={"sweeps"}, limits=Limits(answer_s=5, settle_s=0.01)))

    assert results["sweeps"].status is Status.NOT_APPLICABLE


def test_a_bot_that_knows_one_account_is_examined_there():
    results = asyncio.run(examined(only={"history", "told-twice"}, open_kfid="wkTheOnlyOne"))

    statuses = {name: result.status for name, result in results.items()}
    assert statuses == {**dict.fromkeys((*VITAL, "told-twice"), Status.OK), "history": Status.NOT_APPLICABLE}


def test_nothing_is_judged_of_a_bot_that_does_not_answer():
    results = asyncio.run(examined(Vice.IS_MUTE, only={*NAMES}, limits=HASTY))

    assert [result.status for result in results.values()] == [Status.OK, *[Status.FAIL] * (len(NAMES) - 1)]
    assert {result.seen for result in list(results.values())[2:]} == {"not made: a check before it has to pass"}


def result(status: Status = Status.OK, **parts: Any) -> Result:
    return Result(
        **{"name": "order", "happens": "brings", "expected": "all", "seen": "1", "seconds": 0.5, **parts}, status=status
    )


class TestOrder:
    ALONE = (["一"], ["二", "三"], ["四"])

    def test_the_same_texts_in_order_are_in_order(self):
        assert compare(["一", "二", "三", "四"], self.ALONE) == "4 answers in order, in 4 messages"

    def test_several_answers_may_stand_in_one_message(self):
        assert compare(["一。二", "三\n四"], self.ALONE) == "4 answers in order, in 2 messages"

    @pytest.mark.parametrize(
        ("heard", "seen"),
        [
            (["一", "二", "三", "一", "四"], "came twice"),
            (["一", "三"], "are lost"),
            (["一", "四", "二", "三"], "not in order"),
            (["四。一", "二", "三"], "not in order"),
            (list("甲乙丙丁戊己庚辛"), "came twice"),
            ([], "are lost"),
        ],
    )
    def test_what_is_wrong_is_said(self, heard: list[str], seen: str):
        with pytest.raises(FailedError, match=seen):
            compare(heard, self.ALONE)

    def test_of_other_texts_only_the_number_is_judged(self):
        assert "order does not show" in compare(["甲", "乙", "丙"], self.ALONE)

    def test_of_fewer_and_other_texts_nothing_is_judged(self):
        with pytest.raises(NotApplicableError):
            compare(["甲", "乙"], self.ALONE)

    def test_of_texts_that_are_all_the_same_only_the_number_is_judged(self):
        assert "order does not show" in compare(["好", "好"], (["好"], ["好"]))


class TestReport:
    def test_every_result_is_a_row_under_the_heads(self):
        lines = [*report.head().splitlines(), *report.row(result(seen="a " * 30)).splitlines()]

        assert lines[0].split() == ["check", "what", "WeCom", "does", "expected", "seen", "s"]
        assert lines[2].split()[:3] == ["order", "brings", "all"]
        assert lines[2].split()[-2:] == ["ok", "0.50"]
        assert lines[3].split() == ["a"] * 12
        assert max(map(len, lines)) <= 140

    def test_the_end_says_how_many_ended_how(self):
        results = [result(), result(Status.FAIL), result(Status.NOT_APPLICABLE), result()]

        assert report.summary(results) == "2 ok, 1 FAIL, 1 n/a"

    @pytest.mark.parametrize(
        ("statuses", "failed"),
        [
            ([Status.OK], False),
            ([Status.OK, Status.NOT_APPLICABLE], False),
            ([Status.OK, Status.FAIL], True),
            ([], True),
        ],
    )
    def test_one_failure_is_enough(self, statuses: list[Status], failed: Any):
        assert report.has_failed([result(status) for status in statuses]) is failed

    def test_a_program_gets_everything(self):
        document = json.loads(report.as_json([result(Status.FAIL)], "http://bot/"))

        assert document == {
            "callback_url": "http://bot/",
            "passed": False,
            "checks": [
                {"name": "order", "happens": "brings", "expected": "all", "seen": "1", "status": "FAIL", "seconds": 0.5}
            ],
        }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def settings(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Give one half of the settings in a file and the other in the environment, as people do."""
        monkeypatch.chdir(tmp_path)
        kept = f"WECOM_CORP_ID={CORP_ID}\nWECOM_AGENT_ID={AGENT_ID}\nWECOM_SECRET=of-the-file\nWECOM_KF_SECRET=\n"
        (tmp_path / ".env").write_text(kept, encoding="utf-8")
        for name, value in (("SECRET", SECRET), ("TOKEN", TOKEN), ("ENCODING_AES_KEY", ENCODING_AES_KEY)):
            monkeypatch.setenv(f"WECOM_{name}", value)
        (tmp_path / "questions.txt").write_text("一\n二\n\n一\n", encoding="utf-8")

    def run(self, *arguments: str, vice: Vice | None = None) -> int:
        """Return the exit status of an examination of a bot with a server of its own."""
        port = free_port()
        bot = KfBot(f"http://127.0.0.1:{port}", *([vice] if vice else []))
        listening = listen("127.0.0.1", 0)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/cb"
        ended = threading.Event()

        async def live() -> None:
            async with serving(Starlette(routes=[Route("/cb", bot.answer, methods=["GET", "POST"])]), listening):
                await asyncio.to_thread(ended.wait)
            await bot.aclose()

        thread = threading.Thread(target=asyncio.run, args=[live()])
        thread.start()
        try:
            pace = ("--settle", "0.1", "--answer-within", "5", "--questions", "questions.txt")
            return main(["--callback-url", address, "--port", str(port), *pace, *arguments])
        finally:
            ended.set()
            thread.join(10)

    def test_a_bot_that_stands_everything_asked_is_success(self, capsys: pytest.CaptureFixture[str]):
        assert self.run("--only", "told-twice") == 0

        printed = capsys.readouterr().out
        assert [line.split()[0] for line in printed.splitlines() if line.startswith(("url", "answers", "told"))] == [
            *VITAL,
            "told-twice",
        ]
        assert "2 answers of 1 messages" in printed
        assert printed.endswith("3 ok, 0 FAIL, 0 n/a\n")
        assert not [secret for secret in (SECRET, TOKEN, ENCODING_AES_KEY) if secret in printed]

    def test_a_failure_is_the_exit_status_and_can_be_read_by_a_program(self, capsys: pytest.CaptureFixture[str]):
        assert self.run("--only", "told-twice", "--json", vice=Vice.REPEATS) == 1

        document = json.loads(capsys.readouterr().out)
        assert not document["passed"]
        assert [check["status"] for check in document["checks"]] == ["ok", "ok", "FAIL"]

    def test_a_port_that_is_taken_is_named(self, capsys: pytest.CaptureFixture[str]):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            assert main(["--callback-url", "http://127.0.0.1:1/", "--port", port]) == 2

        assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--callback-url", ""], "the bot's callback address is missing"),
            (["--callback-url", "nowhere"], "missing or malformed: callback_url"),
            (["--callback-url", "http://127.0.0.1:1/", "--questions", "none.txt"], "none.txt cannot be read"),
            (["--callback-url", "http://127.0.0.1:1/", "--questions", "empty.txt"], "empty.txt has no question"),
        ],
    )
    def test_what_cannot_be_done_is_said(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], problem: str
    ):
        (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")

        assert main([*arguments, "--port", str(free_port())]) == 2
        assert problem in capsys.readouterr().err

    def test_missing_settings_are_all_named(self, capsys: pytest.CaptureFixture[str], tmp_path: Path):
        (tmp_path / ".env").write_text("", encoding="utf-8")

        assert main(["--callback-url", "http://127.0.0.1:1/"]) == 2
        assert "missing or malformed: corp_id, agent_id" in capsys.readouterr().err

    def test_a_line_of_the_file_that_is_none_is_named(self, capsys: pytest.CaptureFixture[str], tmp_path: Path):
        (tmp_path / ".env").write_text("what?", encoding="utf-8")

        assert main(["--callback-url", "http://127.0.0.1:1/"]) == 2
        assert ".env, line 1" in capsys.readouterr().err

    @pytest.mark.parametrize("wrong", [["--settle", "0"], ["--settle", "x"], ["--only", "nothing"], ["--port", "x"]])
    def test_options_that_make_no_sense_end_it(self, wrong: list[str]):
        with pytest.raises(SystemExit, match="2"):
            main(["--callback-url", "http://127.0.0.1:1/", *wrong])
