"""`replay` as somebody types it: a whole deployment in this process, and a FastGPT that listens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from frontdesk.conversation.archiving import document, document_name
from frontdesk.storage.archive import S3Archive
from frontdesk.storage.items import from_session, to_sealed_session
from ops.__main__ import main
from ops.cli.replay import KEY_VARIABLE
from ops.desk import Deployment
from tests.contract.desk_in_memory import RETENTION_DAYS, clients_in_memory, deployment, desk_of
from tests.factories import CONVERSATION, NOW, session, turn
from tests.integration.simulators.fastgpt_server import Caller, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.desk_in_memory import Clients

KEY = "fastgpt-Zk3vQpT8xN1sLw7yRb5cHd2f"
PHONE = "13800138000"
EARLIER, LATER = "1790000000000-aa", "1790000900000-bb"


@dataclass(frozen=True, slots=True)
class Functions:
    """What Lambda tells of the responder."""

    settings: dict[str, str]

    def get_function_configuration(self, **_request: str) -> dict[str, Any]:
        """Return its environment."""
        return {"Environment": {"Variables": self.settings}}


class House:
    """A deployment with two archived sessions, before a FastGPT."""

    def __init__(self, where: Deployment, fastgpt: Caller, **secret: str) -> None:
        settings = {
            "AUDIT_RETENTION_DAYS": str(RETENTION_DAYS),
            "FASTGPT_BASE_URL": f"{fastgpt.base}/api",
            "FASTGPT_APP_ID": fastgpt.settings.app_id,
        }
        vault = where.client("secretsmanager")
        made = vault.create_secret(
            Name=f"fastgpt-{len(vault.list_secrets()['SecretList'])}",
            SecretString=json.dumps({"FASTGPT_API_KEY": KEY, **secret}),
        )
        functions = Functions(settings)
        self.where = Deployment(
            where.name,
            {**where.resources, "FastgptSecret": made["ARN"]},
            lambda name: functions if name == "lambda" else where.client(name),
        )
        self.archive(EARLIER, turn(question="怎么退货？", answer="七天内可退。"))
        self.archive(
            LATER,
            turn(question=f"可以开发票吗？我的手机号是{PHONE}", answer=f"可以，发票会发到{PHONE}。", confidence=0.4),
            turn(question="几点营业\x1b[2J？", answer="九点。"),
        )

    def archive(self, session_id: str, *turns: Any) -> None:
        desk = desk_of(self.where)
        sealed = to_sealed_session(from_session(session(session_id=session_id, turns=turns, version=1), desk.seals))
        archive = S3Archive(desk.s3, desk.resource("ArchiveBucket"))
        archive.put(document_name(sealed), document(sealed, archived_at=NOW), version=1)

    def run(self, *arguments: str) -> tuple[int, str]:
        line = ["replay", "--conversation", CONVERSATION, "--by", "chen.yu", *arguments]
        result = CliRunner().invoke(main, line, obj=lambda _: desk_of(self.where), catch_exceptions=False)
        return result.exit_code, result.output

    def facts(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        done, told = self.run("--json", *arguments)
        assert done == status, told
        facts: dict[str, Any] = json.loads(told)
        return facts

    def acts(self) -> list[tuple[str, dict[str, str]]]:
        return [(each.kind, dict(each.details)) for each in desk_of(self.where).audit.of(CONVERSATION)]


@pytest.fixture(scope="module")
def clients() -> Iterator[Clients]:
    with clients_in_memory() as made:
        yield made


@pytest.fixture
def where(clients: Clients) -> Iterator[Deployment]:
    with deployment(clients) as made:
        yield made


@pytest.fixture(scope="module")
def fastgpt() -> Iterator[Caller]:
    with serving(api_key=KEY) as caller:
        yield caller


@pytest.fixture
def house(where: Deployment, fastgpt: Caller) -> House:
    fastgpt.control("reset", {})
    return House(where, fastgpt)


def test_the_last_session_is_asked_again_masked_in_a_chat_of_its_own_and_that_is_recorded(
    house: House, fastgpt: Caller
):
    facts = house.facts()

    runs = fastgpt.runs()
    assert [run["question"][:7] for run in runs] == ["可以开发票吗？", "几点营业\x1b[2"]
    assert PHONE not in json.dumps(runs, ensure_ascii=False)
    assert {run["chatId"][:7] for run in runs} == {"replay-"}
    assert CONVERSATION not in json.dumps(runs)
    assert facts["session_id"] == LATER
    assert PHONE not in json.dumps(facts, ensure_ascii=False)
    assert facts["summary"]["answered"] == 2
    assert facts["turns"][0]["confidence_before"] == 0.4
    assert 0 <= facts["turns"][0]["similarity"] <= 1
    assert house.acts() == [("replayed", {"session": LATER, "app": facts["app"]})]


def test_another_session_is_asked_when_it_is_named(house: House):
    facts = house.facts("--session", EARLIER)

    assert (facts["session_id"], facts["turns"][0]["question"]) == (EARLIER, "怎么退货？")


def test_both_answers_are_told_side_by_side_and_steer_no_terminal(house: House):
    status, told = house.run()

    assert status == 0
    assert "before  [0.40, 900 ms]  可以，发票会发到[手机号1]。" in told
    assert "asked   几点营业\\x1b[2J？" in told
    assert "2 asked, 2 answered, 0 failed; similarity" in told


def test_an_answer_that_fails_is_the_commands_failure(house: House, fastgpt: Caller):
    fastgpt.control("faults", {"kind": "empty", "match": "发票"})

    facts = house.facts(status=1)

    assert facts["summary"] == {**facts["summary"], "answered": 1, "failed": 1}
    assert facts["turns"][0]["code"].startswith("fastgpt_")


def test_a_session_that_is_not_there_is_said_and_nothing_recorded(house: House):
    assert house.facts("--session", "nope", status=1)["turns"] == []
    assert house.acts() == []


def test_canary_and_standby_are_asked_with_their_own_keys(where: Deployment, fastgpt: Caller):
    apps = {
        "FASTGPT_CANARY_APP_ID": fastgpt.settings.tool_app_id,
        "FASTGPT_CANARY_API_KEY": "fastgpt-not-a-key-of-theirs",
        "FASTGPT_STANDBY_BASE_URL": f"{fastgpt.base}/api",
        "FASTGPT_STANDBY_APP_ID": fastgpt.settings.app_id,
        "FASTGPT_STANDBY_API_KEY": KEY,
    }
    house = House(where, fastgpt, **apps)

    assert house.facts("--canary", status=1)["summary"]["failed"] == 2, "the key is refused"
    assert house.facts("--standby")["summary"]["answered"] == 2


def test_an_app_that_is_not_there_is_said(house: House):
    for which in ("--canary", "--standby"):
        assert house.facts(which, status=1)["error"]["code"] == "desk_not_found"


def test_any_app_is_asked_with_a_key_from_the_environment(
    house: House, fastgpt: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert KEY_VARIABLE in house.facts("--app-id", fastgpt.settings.app_id, status=1)["error"]["text"]

    monkeypatch.setenv(KEY_VARIABLE, KEY)
    facts = house.facts("--app-id", fastgpt.settings.app_id)

    assert facts["app"].startswith(f"fastgpt:{fastgpt.settings.app_id}@")


def test_only_one_app_can_be_asked(house: House):
    assert house.run("--canary", "--standby")[0] == 2
