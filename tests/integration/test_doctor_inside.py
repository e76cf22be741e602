"""The doctor's function as it is deployed, over the simulated vendors: each fault of theirs is found by its name.

Whatever a test does, its desk is looked through for secrets and people when it is over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.errors import SettingsError
from frontdesk.records import Checked
from ops.doctor.words import advice_on, title_of
from tests.integration import marks
from tests.integration.scripted_peer import Talk, peer
from tests.integration.watched_desk import AGENTS, WatchedDesk

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINTS = ("primary", "lite")


@pytest.fixture(autouse=True)
def one_account(desk: WatchedDesk) -> Iterator[None]:
    """Leave the desk's own account alone in the enterprise, with its two servicers."""
    accounts = desk.vendors.wecom.state.kf.accounts
    others = [each.open_kfid for each in accounts.all() if each.open_kfid != desk.account and not each.withdrawn]
    for open_kfid in others:
        accounts.withdraw(open_kfid)
    yield
    behave(desk, agent_for_everybody=True, agent_closed=False)
    for agent in AGENTS:
        desk.vendors.script("/wecom/_control/members", {"userid": agent})


def behave(desk: WatchedDesk, **changes: Any) -> None:
    desk.vendors.script("/wecom/_control/config", changes)


def wecom_fault(desk: WatchedDesk, **fault: Any) -> None:
    desk.vendors.script("/wecom/_control/faults", {"times": 0, **fault})


def fastgpt_fault(desk: WatchedDesk, **fault: Any) -> None:
    desk.vendors.script("/fastgpt/_control/faults", {"times": None, **fault})


def examined(desk: WatchedDesk, *, ask: bool = False) -> list[Checked]:
    answer = desk.examine(ask=ask)
    assert isinstance(answer, dict), answer
    told = [Checked(**fields) for fields in json.loads(json.dumps(answer))["checks"]]
    for each in told:
        assert title_of(each.name)
        assert (advice_on(each) is None) == (each.result == "ok"), each
    return told


def of(told: list[Checked], name: str, about: str = "") -> Checked:
    (found,) = [each for each in told if each.name == name and about in {"", each.about}]
    return found


def unwell(told: list[Checked]) -> list[tuple[str, str, str]]:
    """Return what failed or warns, and what was not run for its sake."""
    return [
        (each.name, each.result, each.code)
        for each in told
        if each.result != "ok" and each.code not in {"not_asked", "kf_uses_application"}
    ]


def test_where_all_is_well_all_is_told_to_be(desk: WatchedDesk):
    told = examined(desk)

    assert unwell(told) == []
    assert of(told, "trusted_address").seen == {"address": "127.0.0.1"}
    assert of(told, "visible_range").seen["departments"] == 1
    assert of(told, "handoff_agents").seen == {"members": 2}
    assert of(told, "kf_accounts").about == desk.account
    assert of(told, "kf_servicers").seen == {"receiving": 2, "people": 2, "departments": 0}
    assert {each.about for each in told if each.name == "fastgpt"} == set(ENDPOINTS)
    assert {(each.result, each.code) for each in told if each.name == "points"} == {("not_run", "not_asked")}


def test_each_run_fetches_tokens_of_its_own(desk: WatchedDesk):
    examined(desk)
    examined(desk)

    fetched = [each for each in desk.vendors.calls if each.path.endswith("gettoken")]
    assert len(fetched) == 4  # the application's and that of customer service, twice


# -- WeCom ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["agent/get", "gettoken"])
def test_an_address_that_is_not_trusted_is_found_and_told(desk: WatchedDesk, path: str):
    wecom_fault(desk, path=path, errcode=60020)

    told = examined(desk)

    found = of(told, "trusted_address")
    assert (found.result, found.code) == ("failed", "wecom_60020")
    assert found.seen["address"] == "127.0.0.1"
    advice = advice_on(found)
    assert advice is not None
    assert "127.0.0.1" in advice.why.zh
    assert of(told, "visible_range").result == "not_run"
    assert of(told, "kf_accounts").seen == {"needs": "trusted_address"}


@pytest.mark.parametrize(("secret", "code"), [("a-wrong-secret-of-the-app", "wecom_40001")])
def test_a_wrong_secret_is_found_and_nothing_behind_it_is_told_to_be_well(desk: WatchedDesk, secret: str, code: str):
    desk.change_secret("wecom", WECOM_SECRET=secret)

    told = examined(desk)

    assert unwell(told) == [
        ("access_token", "failed", code),
        *((name, "not_run", "needs") for name in ("trusted_address", "visible_range", "handoff_agents")),
        *((name, "not_run", "needs") for name in ("kf_token", "kf_accounts", "kf_servicers")),
    ]
    assert all(of(told, "latency", rung).result == "ok" for rung in ENDPOINTS)


def test_a_wrong_corp_id_is_found(desk: WatchedDesk):
    desk.compose(WECOM_CORP_ID="wwffffffffffffffff")

    assert of(examined(desk), "access_token").code == "wecom_40013"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"errcode": -1}, "wecom_-1"),
        ({"errcode": 45009}, "wecom_45009"),
        ({"status": 503}, "wecom_http_503"),
        ({"garbage": True}, "wecom_garbled"),
    ],
    ids=str,
)
def test_a_token_that_cannot_be_had_is_told_by_its_reason(desk: WatchedDesk, fault: dict[str, Any], code: str):
    wecom_fault(desk, path="gettoken", **fault)

    assert of(examined(desk), "access_token").code == code


def test_a_wecom_that_nobody_answers_for_is_found(desk: WatchedDesk, closed_port: int):
    desk.compose(WECOM_API_BASE=f"http://127.0.0.1:{closed_port}")

    assert of(examined(desk), "access_token").code == "wecom_unreachable"


def test_an_agent_id_of_another_application_is_found(desk: WatchedDesk):
    desk.compose(WECOM_AGENT_ID="1000009")

    told = examined(desk)

    assert of(told, "visible_range").code == "wecom_301002"
    assert (of(told, "trusted_address").result, of(told, "trusted_address").code) == ("not_run", "needs")
    assert of(told, "handoff_agents").result == "ok"


def test_an_application_that_is_switched_off_is_found(desk: WatchedDesk):
    behave(desk, agent_closed=True)

    assert of(examined(desk), "visible_range").code == "agent_closed"


def test_an_application_that_nobody_sees_is_found(desk: WatchedDesk):
    behave(desk, agent_for_everybody=False)
    members = desk.vendors.wecom.state.members
    for member in members.all():
        desk.vendors.script("/wecom/_control/members", {"userid": member.userid, "visible": False})

    told = examined(desk)

    assert of(told, "visible_range").code == "agent_sees_nobody"
    assert of(told, "handoff_agents").seen == {"members": "|".join(AGENTS)}
    for member in members.all():
        desk.vendors.script("/wecom/_control/members", {"userid": member.userid})


def test_a_person_outside_of_the_visible_range_is_named(desk: WatchedDesk):
    desk.vendors.script("/wecom/_control/members", {"userid": AGENTS[1], "visible": False})

    found = of(examined(desk), "handoff_agents")

    assert (found.result, found.code) == ("failed", "handoff_agents_invisible")
    assert found.seen == {"members": AGENTS[1]}


def test_a_person_who_does_not_exist_is_named(desk: WatchedDesk):
    desk.compose(HANDOFF_AGENTS=f"{AGENTS[0]}|nobody.there")

    assert of(examined(desk), "handoff_agents").seen == {"members": "nobody.there"}


def test_without_people_who_take_over_nobody_is_asked_for(desk: WatchedDesk):
    desk.compose(HANDOFF_AGENTS="")

    found = of(examined(desk), "handoff_agents")

    assert (found.result, found.code) == ("not_run", "no_handoff_agents")


def test_a_wrong_secret_of_customer_service_is_found(desk: WatchedDesk):
    desk.change_secret("wecom", WECOM_KF_SECRET="a-wrong-secret-of-customer-service")  # invented

    told = examined(desk)

    assert (of(told, "kf_token").result, of(told, "kf_token").code) == ("failed", "wecom_40001")
    assert of(told, "kf_accounts").seen == {"needs": "kf_token"}
    assert of(told, "access_token").result == "ok"


def test_the_applications_secret_where_customer_service_wants_its_own_is_found(desk: WatchedDesk):
    desk.change_secret("wecom", WECOM_KF_SECRET="")

    told = examined(desk)

    assert (of(told, "kf_token").result, of(told, "kf_token").code) == ("not_run", "kf_uses_application")
    assert (of(told, "kf_accounts").result, of(told, "kf_accounts").code) == ("failed", "wecom_95012")


@pytest.mark.parametrize("errcode", [48002, 48007, 95011, 95017])
def test_customer_service_that_is_not_authorised_is_told_by_its_reason(desk: WatchedDesk, errcode: int):
    wecom_fault(desk, path="kf/account/list", errcode=errcode)

    assert of(examined(desk), "kf_accounts").code == f"wecom_{errcode}"


def test_customer_service_without_an_account_is_a_warning(desk: WatchedDesk):
    desk.vendors.wecom.state.kf.accounts.withdraw(desk.account)

    told = examined(desk)

    assert (of(told, "kf_accounts").result, of(told, "kf_accounts").code) == ("warning", "kf_no_account")
    assert of(told, "kf_servicers").result == "not_run"


def test_an_account_that_may_be_seen_and_not_managed_is_found(desk: WatchedDesk):
    account = {"open_kfid": desk.account, "name": "a", "manage_privilege": False}
    answers: dict[str, Any] = {
        "gettoken": {"access_token": marks.WECOM_SECRET, "expires_in": 7200},
        "kf/account/list": {"account_list": [account]},
        # Of a department no state is told.
        "kf/servicer/list": {"servicer_list": [{"department_id": 2}]},
    }
    with peer(*[lambda talk: answered(talk, answers)] * 20) as wecom:
        desk.compose(WECOM_API_BASE=f"http://127.0.0.1:{wecom.port}")
        told = examined(desk)

    assert (of(told, "kf_accounts").result, of(told, "kf_accounts").code) == ("failed", "kf_not_managed")
    assert (of(told, "kf_servicers").result, of(told, "kf_servicers").code) == ("warning", "kf_nobody_receives")
    assert of(told, "kf_servicers").seen == {"receiving": 0, "people": 0, "departments": 1}
    assert of(told, "trusted_address").seen == {"address": "?"}  # nothing was refused, so nothing told it


def answered(talk: Talk, answers: dict[str, Any]) -> None:
    call = talk.hear().line.split(" ")[1].partition("?")[0].removeprefix("/cgi-bin/")
    body = json.dumps({"errcode": 0, "errmsg": "ok", **answers.get(call, {})}).encode()
    talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body), body)


def test_nobody_who_receives_is_a_warning_with_the_count(desk: WatchedDesk):
    for agent in AGENTS:
        desk.vendors.kf(f"servicers/{agent}", status=1)

    found = of(examined(desk), "kf_servicers")

    assert (found.result, found.code, found.about) == ("warning", "kf_nobody_receives", desk.account)
    assert found.seen == {"receiving": 0, "people": 2, "departments": 0}
    for agent in AGENTS:
        desk.vendors.kf(f"servicers/{agent}", status=0)


def test_an_account_without_servicers_is_a_warning(desk: WatchedDesk):
    desk.vendors.open_account("wkNobody0001")

    told = examined(desk)

    assert (of(told, "kf_servicers", "wkNobody0001").result, of(told, "kf_servicers", "wkNobody0001").code) == (
        "warning",
        "kf_no_servicer",
    )
    assert of(told, "kf_servicers", desk.account).result == "ok"


# -- FastGPT -------------------------------------------------------------------------------------------------------


def test_a_key_that_fastgpt_does_not_know_is_found_at_its_own_endpoint_only(desk: WatchedDesk):
    desk.change_secret("fastgpt", FASTGPT_API_KEY="fastgpt-unknown00000000000000000000000000000000000000000000000")

    told = examined(desk, ask=True)

    assert (of(told, "fastgpt", "primary").result, of(told, "fastgpt", "primary").code) == (
        "failed",
        "fastgpt_key_unknown",
    )
    assert {of(told, name, "primary").result for name in ("latency", "points")} == {"not_run"}
    assert {of(told, name, "lite").result for name in ("fastgpt", "latency", "points")} == {"ok"}


def test_an_app_that_does_not_exist_is_found(desk: WatchedDesk):
    desk.compose(FASTGPT_APP_ID="ffffffffffffffffffffffff")

    assert of(examined(desk), "fastgpt", "primary").code == "fastgpt_app_unknown"


def test_an_address_where_no_fastgpt_is_is_found(desk: WatchedDesk, closed_port: int):
    desk.compose(FASTGPT_BASE_URL=f"{desk.vendors.url}/fastgpt/elsewhere/api")
    assert of(examined(desk), "fastgpt", "primary").code == "fastgpt_wrong_address"

    desk.compose(FASTGPT_BASE_URL=f"http://127.0.0.1:{closed_port}/api")
    assert of(examined(desk), "fastgpt", "primary").code in {"fastgpt_unreachable", "fastgpt_cut"}


@pytest.mark.parametrize("status", [502, 503])
def test_a_fastgpt_behind_a_proxy_that_does_not_reach_it_is_found(desk: WatchedDesk, status: int):
    fastgpt_fault(desk, kind="status", status=status, path="/core/chat/init")

    assert of(examined(desk), "fastgpt", "primary").code == "fastgpt_unavailable"


def test_a_slow_fastgpt_is_a_warning_with_its_median(desk: WatchedDesk):
    fastgpt_fault(desk, kind="slow", headers_ms=1100, path="/core/chat/init")

    found = of(examined(desk), "latency", "primary")

    assert (found.result, found.code) == ("warning", "fastgpt_slow")
    assert found.seen["median_ms"] >= 1100


def test_one_slow_answer_of_three_is_no_slow_fastgpt(desk: WatchedDesk):
    fastgpt_fault(desk, kind="slow", headers_ms=1100, path="/core/chat/init", times=1)

    found = of(examined(desk), "latency", "primary")

    assert found.result == "ok"
    assert found.seen["first_ms"] >= 1100


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "error", "statusText": "aiPointsNotEnough"}, "fastgpt_out_of_points"),
        ({"kind": "error", "statusText": "insufficientQuota"}, "fastgpt_out_of_quota"),
        ({"kind": "error", "statusText": "unAuthModel"}, "fastgpt_model_forbidden"),
        ({"kind": "html", "status": 504}, "fastgpt_unavailable"),
    ],
    ids=str,
)
def test_points_that_are_used_up_are_found_when_asked_and_not_before(
    desk: WatchedDesk, fault: dict[str, Any], code: str
):
    fastgpt_fault(desk, **fault)

    assert of(examined(desk), "points", "primary").code == "not_asked"
    told = examined(desk, ask=True)

    assert (of(told, "points", "primary").result, of(told, "points", "primary").code) == ("failed", code)
    assert of(told, "fastgpt", "primary").result == "ok"


def test_a_question_is_put_to_each_app_and_kept_by_none(desk: WatchedDesk):
    told = examined(desk, ask=True)

    assert {of(told, "points", rung).result for rung in ENDPOINTS} == {"ok"}
    assert of(told, "points", "primary").seen["total_ms"] >= of(told, "points", "primary").seen["first_words_ms"] >= 0
    runs = desk.vendors.control.get("/fastgpt/_control/runs").json()["runs"]
    asked = [run for run in runs if run["customUid"] == "frontdesk-doctor"]
    assert {run["chatId"] for run in asked} == {"NO_RECORD_HISTORIES"}


def test_every_endpoint_that_is_set_is_tried(desk: WatchedDesk):
    desk.change_secret(
        "fastgpt",
        FASTGPT_STANDBY_BASE_URL=f"{desk.vendors.url}/fastgpt",
        FASTGPT_STANDBY_APP_ID="66f2a9c41d7e3b5508c6e1a4",
        FASTGPT_STANDBY_API_KEY=marks.FASTGPT_KEY,
        FASTGPT_CANARY_APP_ID="ffffffffffffffffffffffff",
        FASTGPT_CANARY_API_KEY=marks.FASTGPT_KEY,
    )

    told = examined(desk)

    found = {each.about: (each.result, each.code) for each in told if each.name == "fastgpt"}
    assert found == {
        "primary": ("ok", ""),
        "standby": ("ok", ""),
        "lite": ("ok", ""),
        "canary": ("failed", "fastgpt_app_unknown"),
    }


# -- the function itself -------------------------------------------------------------------------------------------


def test_a_malformed_secret_ends_the_function_by_its_name(desk: WatchedDesk):
    desk.change_secret("fastgpt", FASTGPT_API_KEY="two words")

    ended = desk.examine()

    assert isinstance(ended, SettingsError)
    assert ended.problems == ["FASTGPT_API_KEY (in the FastGPT secret) must be printable ASCII without spaces"]
