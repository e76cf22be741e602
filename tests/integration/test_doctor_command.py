"""`ops doctor` as somebody types it: the callback over a real connection, AWS in memory, and what is printed."""

from __future__ import annotations

import json
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner

from frontdesk.channels.envelope import Envelope, query_values
from frontdesk.diagnosis import Checkup, side_by_side
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError
from frontdesk.records import Checked
from ops.__main__ import main
from ops.desk import Desk
from ops.doctor import callback, clocks, inside
from ops.doctor.ground import Ground
from ops.doctor.words import TITLES
from tests.factories import NOW
from tests.fakes.account import GIVEN, TEMPLATE, FakeAccount
from tests.fakes.clock import FakeClock
from tests.integration import marks
from tests.integration.certificates import self_signed
from tests.integration.scripted_peer import Talk, peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

CORP_ID = GIVEN["WecomCorpId"]
MOST_CALLS = 40
SECRETS: dict[str, dict[str, Any]] = {
    "WecomSecret": {
        "WECOM_SECRET": marks.WECOM_SECRET,
        "WECOM_TOKEN": marks.WECOM_TOKEN,
        "WECOM_ENCODING_AES_KEY": marks.ENCODING_AES_KEY,
        "WECOM_KF_SECRET": marks.KF_SECRET,
        "WECOM_KF_TOKEN": "",
        "WECOM_KF_ENCODING_AES_KEY": "",
    },
    "FastgptSecret": {"FASTGPT_API_KEY": marks.FASTGPT_KEY, "FASTGPT_LITE_API_KEY": marks.FASTGPT_LITE_KEY},
    "IdentitySecret": {"CONVERSATION_KEY": marks.CONVERSATION_KEY},
    "KeyringSecret": {"SM4_KEYRING": {"current": "k2", "keys": marks.KEYRING}},
    "AuditSecret": {"SM2_PRIVATE_KEY": marks.SM2_KEY},
    "TicketSecret": {"TICKET_WEBHOOK_SECRET": marks.TICKET_SECRET},
}


@dataclass
class Door:
    """A callback, and WeCom's clock, on one socket. It answers as the real one does, unless a test says otherwise."""

    clock: FakeClock
    port: int = 0
    tokens: list[tuple[str, str]] = field(
        default_factory=lambda: [
            (marks.WECOM_TOKEN, marks.ENCODING_AES_KEY),
            (marks.KF_TOKEN, marks.KF_ENCODING_AES_KEY),
        ]
    )
    slow_s: list[float] = field(default_factory=list)
    around: tuple[bytes, bytes] = (b"", b"")
    status: int = 0
    trusts_everybody: bool = False
    date: float | None = NOW
    heard: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/wecom/callback"

    def answer(self, talk: Talk) -> None:
        target = urlsplit(talk.hear().line.split(" ")[1])
        if target.path.startswith("/cgi-bin/"):
            date = f"Date: {formatdate(self.date, usegmt=True)}\r\n" if self.date is not None else ""
            talk.say(f"HTTP/1.1 200 OK\r\n{date}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            return
        self.heard.append(dict(parse_qsl(target.query)))
        self.clock.advance(self.slow_s.pop(0) if self.slow_s else 0.0)
        status, body = self._checked(target.query)
        head = f"HTTP/1.1 {self.status or status} Said\r\nLocation: /elsewhere\r\nConnection: close\r\n"
        talk.say(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)

    def _checked(self, raw_query: str) -> tuple[int, bytes]:
        query = query_values(raw_query)
        for token, key in self.tokens:
            envelope = Envelope(token=token, encoding_aes_key=key, receive_id=CORP_ID, clock=self.clock)
            try:
                envelope.verify(query, query["echostr"])
                return 200, self.around[0] + envelope.decrypt(query["echostr"]) + self.around[1]
            except (ForbiddenCallbackError, MalformedCallbackError):
                continue
        return (200, b"1") if self.trusts_everybody else (403, b"{}")


@pytest.fixture
def door() -> Iterator[Door]:
    with open_door(Door(FakeClock())) as opened:
        yield opened


@contextmanager
def open_door(door: Door) -> Iterator[Door]:
    with peer(*[door.answer] * MOST_CALLS) as heard:
        door.port = heard.port
        yield door


@pytest.fixture
def account(door: Door) -> FakeAccount:
    account = FakeAccount(SECRETS, parameters={"WecomApiBase": f"http://127.0.0.1:{door.port}"})
    account.found = [Checked(name, "ok") for name in inside.NAMES[1:]]
    return account


def desk(account: FakeAccount, door: Door) -> Desk:
    return Desk(
        account.deployment(callback_url=door.url),
        by="chen.yu",
        clock=door.clock,
        monotonic=door.clock.monotonic,
        sleep=door.clock.advance,
    )


def found(work: Callable[[Ground], Any], names: tuple[str, ...], account: FakeAccount, door: Door) -> list[Checked]:
    ground = Ground(desk(account, door), template=TEMPLATE, settings={})
    return list(side_by_side([Checkup(names, partial(work, ground), limit_s=20)]))


def at_the_door(account: FakeAccount, door: Door, url: str = "") -> list[Checked]:
    return found(lambda ground: callback.examine(ground, url), callback.NAMES, account, door)


def ops(account: FakeAccount, door: Door, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["doctor", *arguments, "--by", "chen.yu"], obj=lambda _: desk(account, door), catch_exceptions=False
    )


# -- the callback --------------------------------------------------------------------------------------------------


def test_a_signed_echo_comes_back_and_a_forged_one_is_refused(account: FakeAccount, door: Door):
    told = at_the_door(account, door)

    assert [(each.name, each.result, each.about) for each in told] == [
        ("callback", "ok", "application"),
        ("callback_forged", "ok", "application"),
    ]
    assert told[1].seen == {"status": 403}
    assert len({each["echostr"] for each in door.heard}) == len(door.heard) == 3


def test_the_page_of_customer_service_is_tried_where_it_has_values_of_its_own(account: FakeAccount, door: Door):
    account.secrets["WecomSecret"] |= {
        "WECOM_KF_TOKEN": marks.KF_TOKEN,
        "WECOM_KF_ENCODING_AES_KEY": marks.KF_ENCODING_AES_KEY,
    }
    del door.tokens[1]

    told = at_the_door(account, door)

    assert [(each.name, each.about, each.result) for each in told][1:3] == [
        ("callback_forged", "application", "ok"),
        ("callback", "kf", "failed"),
    ]


@pytest.mark.parametrize(
    ("changes", "result", "code"),
    [
        ({"slow_s": [1.4, 0.2]}, "warning", "callback_cold_slow"),
        ({"slow_s": [1.4, 1.1]}, "failed", "callback_slow"),
        ({"around": (b'"', b'"')}, "failed", "callback_echo_wrong"),
        ({"around": (b"", b"\n")}, "failed", "callback_echo_wrong"),
        ({"tokens": []}, "failed", "callback_refused"),
        ({"status": 302}, "failed", "callback_status"),
        ({"status": 404}, "failed", "callback_status"),
        ({"status": 503}, "failed", "callback_server_error"),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_callback_is_found(
    account: FakeAccount, door: Door, changes: dict[str, Any], result: str, code: str
):
    for name, value in changes.items():
        setattr(door, name, value)

    told = at_the_door(account, door)[0]

    assert (told.name, told.result, told.code) == ("callback", result, code)


def test_how_long_the_first_and_the_next_one_took_is_told(account: FakeAccount, door: Door):
    door.slow_s = [0.9, 0.1]

    assert at_the_door(account, door)[0].seen == {"first_ms": 900, "again_ms": 100}


def test_a_door_that_lets_everybody_in_is_found(account: FakeAccount, door: Door):
    door.trusts_everybody = True

    told = at_the_door(account, door)

    assert (told[1].result, told[1].code, told[1].seen) == ("failed", "callback_not_guarded", {"status": 200})


def test_a_callback_that_nobody_answers_for_is_found_and_its_guard_is_not_run(
    account: FakeAccount, door: Door, closed_port: int
):
    told = at_the_door(account, door, f"http://127.0.0.1:{closed_port}/wecom/callback")

    assert [(each.name, each.result, each.code) for each in told] == [
        ("callback", "failed", "callback_unreachable"),
        ("callback_forged", "not_run", "needs"),
    ]


def test_a_certificate_that_is_not_trusted_is_found(account: FakeAccount, door: Door, tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))

    with peer(Talk.hear, tls=context) as callback_over_tls:
        told = at_the_door(account, door, f"https://127.0.0.1:{callback_over_tls.port}/wecom/callback")

    assert told[0].code == "callback_tls"
    assert callback_over_tls.requests == []


def test_this_machines_wrong_clock_does_not_spoil_the_signature(account: FakeAccount, door: Door):
    """What the callback judges by is AWS's clock."""
    account.clock_ahead_s = 3600
    real, ours = FakeClock(NOW - 3600), door.clock
    door.clock = real

    ground = Ground(
        Desk(
            account.deployment(callback_url=door.url),
            by="chen.yu",
            clock=ours,
            monotonic=ours.monotonic,
            sleep=ours.advance,
        ),
        template=TEMPLATE,
        settings={},
    )

    assert [each.result for each in callback.examine(ground, "")] == ["ok", "ok"]


def test_a_malformed_key_leaves_the_callback_not_run(account: FakeAccount, door: Door):
    account.secrets["WecomSecret"]["WECOM_ENCODING_AES_KEY"] = "short"

    assert {(each.result, each.seen["needs"]) for each in at_the_door(account, door)} == {("not_run", "aes_key")}


def test_a_malformed_key_of_one_page_leaves_the_other_page_tried(account: FakeAccount, door: Door):
    account.secrets["WecomSecret"] |= {"WECOM_KF_TOKEN": marks.KF_TOKEN, "WECOM_KF_ENCODING_AES_KEY": "short"}

    told = {(each.name, each.about): each.result for each in at_the_door(account, door)}

    assert told == {
        ("callback", "application"): "ok",
        ("callback_forged", "application"): "ok",
        ("callback", "kf"): "not_run",
        ("callback_forged", "kf"): "not_run",
    }


# -- clocks --------------------------------------------------------------------------------------------------------


def clocks_told(account: FakeAccount, door: Door) -> dict[str, Checked]:
    return {each.name: each for each in found(clocks.examine, clocks.NAMES, account, door)}


@pytest.mark.parametrize(("ahead_s", "result"), [(0, "ok"), (60, "warning"), (-60, "warning"), (400, "failed")])
def test_a_wrong_clock_of_this_machine_is_found(account: FakeAccount, door: Door, ahead_s: int, result: str):
    account.clock_ahead_s = ahead_s
    door.date = NOW - ahead_s  # WeCom's is right

    told = clocks_told(account, door)

    assert told["clock_here"].result == result
    assert abs(told["clock_here"].seen["ahead_s"] - ahead_s) <= 1
    assert told["clock_wecom"].result == "ok"


@pytest.mark.parametrize(("ahead_s", "result"), [(60, "warning"), (-400, "failed"), (400, "failed")])
def test_a_wrong_clock_behind_wecoms_address_is_found(account: FakeAccount, door: Door, ahead_s: int, result: str):
    door.date = NOW + ahead_s

    told = clocks_told(account, door)

    assert (told["clock_wecom"].result, told["clock_wecom"].code) == (result, "clock_off")
    assert abs(told["clock_wecom"].seen["ahead_s"] - ahead_s) <= 1
    assert told["clock_here"].result == "ok"


def test_a_wecom_that_this_machine_cannot_reach_is_no_fault(account: FakeAccount, door: Door, closed_port: int):
    account.environments["ResponderFunction"]["WECOM_API_BASE"] = f"http://127.0.0.1:{closed_port}"

    told = clocks_told(account, door)["clock_wecom"]

    assert (told.result, told.code) == ("not_run", "wecom_not_from_here")


def test_an_answer_without_a_date_is_no_fault(account: FakeAccount, door: Door):
    door.date = None

    assert clocks_told(account, door)["clock_wecom"].code == "wecom_tells_no_time"


# -- the command ---------------------------------------------------------------------------------------------------


def test_it_goes_as_an_administrator_would_and_all_well_is_0(account: FakeAccount, door: Door):
    result = ops(account, door, "--lang", "en")

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "[ok]  the deployed stack  status=UPDATE_COMPLETE"
    assert lines[-1].startswith(f"{len(TITLES)} checks: {len(TITLES) - 1} ok, 1 ")
    # Whether settings are given on the machine of the test is not the test's to say.
    assert [
        line for line in lines if line.startswith("[") and not line.startswith("[ok]") and "settings here" not in line
    ] == []
    order = [
        "the deployed stack",
        "EncodingAESKey",
        "URL check",
        "access token",
        "trusted IPs",
        "dead letters",
        "quota",
    ]
    places = [next(number for number, line in enumerate(lines) if each in line) for each in order]
    assert places == sorted(places)


def test_a_fault_is_explained_in_both_languages_and_is_1(account: FakeAccount, door: Door):
    account.letters = {"InboxDeadLetters": 7}

    result = ops(account, door)

    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if "死信队列" in line)
    assert lines[place] == "[失败 failed]  死信队列 / dead letters  InboxDeadLetters  messages=7  (dead_letters_there)"
    assert [line.split(":")[0].strip() for line in lines[place + 1 : place + 5]] == ["原因", "处理", "Why", "Fix"]
    assert "7" in lines[place + 1]


@pytest.mark.parametrize(("lang", "labels"), [("zh", ["原因", "处理"]), ("en", ["Why", "Fix"])])
def test_one_language_is_told_alone(account: FakeAccount, door: Door, lang: str, labels: list[str]):
    account.letters = {"InboxDeadLetters": 7}

    lines = ops(account, door, "--lang", lang).stdout.splitlines()

    place = next(number for number, line in enumerate(lines) if "dead_letters_there" in line)
    assert [line.split(":")[0].strip() for line in lines[place + 1 : place + 3]] == labels
    assert lines[place + 3].startswith("[")


def test_json_has_each_check_with_its_words(account: FakeAccount, door: Door):
    account.subscriptions = []

    result = ops(account, door, "--json", "--ask")

    assert result.exit_code == 0  # a warning alone
    facts = json.loads(result.stdout)
    mail = next(each for each in facts["checks"] if each["name"] == "alarm_mail")
    assert (mail["result"], mail["code"]) == ("warning", "alarm_mail_nobody")
    assert set(mail["why"]) == set(mail["fix"]) == set(mail["title"]) == {"zh", "en"}
    assert facts["counts"]["failed"] == 0
    assert sum(facts["counts"].values()) == len(facts["checks"])
    assert account.asked == [{"ask": True}]


def test_another_address_of_the_callback_is_tried_in_the_stacks_place(
    account: FakeAccount, door: Door, closed_port: int
):
    result = ops(account, door, "--url", f"http://127.0.0.1:{closed_port}/wecom/callback")

    assert result.exit_code == 1
    assert "(callback_unreachable)" in result.stdout


def test_an_account_that_refuses_everything_is_explained_check_by_check(account: FakeAccount, door: Door):
    account.refused = {
        *("cloudformation", "lambda", "secretsmanager", "sqs", "cloudwatch", "scheduler", "dynamodb", "sns", "logs"),
    }

    facts = json.loads(ops(account, door, "--json").stdout)

    results = {each["name"]: each["result"] for each in facts["checks"]}
    assert "ok" not in results.values()
    assert results["callback"] == "not_run"
    assert results["alarms"] == "failed"
    assert all(each["why"] for each in facts["checks"])


def broken_in_every_way(account: FakeAccount, door: Door) -> None:
    """Break as much as can be broken at once, secrets among it."""
    values = account.secrets["WecomSecret"]
    values["WECOM_TOKEN"] += " with a space"
    account.secrets["KeyringSecret"] = {"SM4_KEYRING": {"current": "k2", "keys": {"k2": marks.KEYRING["k1"]}}}
    account.secrets["AuditSecret"]["SM2_PRIVATE_KEY"] += "00"
    account.secrets["FastgptSecret"]["FASTGPT_API_KEY"] += " and more"
    account.environments["SweepFunction"]["INBOX_URL"] = marks.WECOM_SECRET  # a secret under a wrong name
    account.found = "SettingsError"
    door.status = 500


@pytest.mark.parametrize("breaks", [lambda *_: None, broken_in_every_way], ids=["well", "broken"])
@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["lines", "json"])
def test_no_secret_is_ever_told(
    account: FakeAccount, door: Door, breaks: Callable[[FakeAccount, Door], None], arguments: tuple[str, ...]
):
    breaks(account, door)

    told = ops(account, door, *arguments).output

    assert len(told) > 1000
    assert [mark.name for mark in marks.SECRETS if mark.text in told] == []
    assert [query["echostr"] for query in door.heard if query["echostr"] in told] == []
