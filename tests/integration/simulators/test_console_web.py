"""The page's server: what it serves, to whom, and what its stream of changes tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from simulators.console.settings import read_settings
from tests.integration.simulators.console_run import LIN, WANG, Run, document, line, queued, serving, session
from tests.integration.simulators.wecom_platform import CORP_ID, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def run() -> Iterator[Run]:
    with serving() as running:
        yield running


def test_the_page_allows_itself_nothing_from_elsewhere_and_nothing_inline(run: Run):
    answer = run.client.get("/")

    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_simulators_are_served_beside_the_page(run: Run):
    query = {"corpid": CORP_ID, "corpsecret": SECRET}

    assert run.client.get("/healthz").json() == {"status": "ok"}
    assert run.client.get("/wecom/cgi-bin/gettoken", params=query).json()["errcode"] == 0
    assert run.client.get("/fastgpt/_control/faults").json() == {"faults": []}


def test_the_state_says_what_is_simulated_and_offers_questions_that_have_an_answer(run: Run):
    state = run.client.get("/console/api/state").json()

    assert state["wecom"] == state["fastgpt"] == {"simulated": True}
    assert state["aws"] == {"local": True, "region": "us-east-1"}
    assert "多久能发货" in state["suggestions"]


def test_no_secret_is_in_anything_the_page_gets(run: Run):
    run.write("lin.mei", content="你好")
    entry = run.until("entries", lambda value: value["content"] == "你好")

    told = f"{run.client.get('/console/api/state').text} {entry}"

    assert not [secret for secret in document()["wecom"].values() if len(str(secret)) > 20 and str(secret) in told]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[", ""])
def test_under_another_name_the_server_answers_nobody(run: Run, host: str):
    for path in ("/", "/wecom/_control/members", "/console/api/state"):
        assert run.client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_other_web_sites_cannot_send_anything_here(run: Run, origin: str):
    answer = run.client.post("/fastgpt/_control/faults", json={"kind": "empty"}, headers={"origin": origin})

    assert answer.status_code == 403
    assert run.client.get("/fastgpt/_control/faults").json() == {"faults": []}


def test_the_page_itself_may_send(run: Run):
    answer = run.client.post("/fastgpt/_control/faults", json={"kind": "empty"}, headers={"origin": run.base})

    assert answer.status_code == 200


def test_a_message_and_its_journey_are_found_to_be_one(run: Run):
    written = run.write("lin.mei", content="包邮吗")
    run.window.lines += [queued(written["msgid"], 1000), line("sent", 1500, written["msgid"], kind="answer")]

    message = run.until("messages", lambda value: value["journey"])

    assert (message["userid"], message["content"], message["conversation"]) == ("lin.mei", "包邮吗", LIN)
    assert message["journey"]["stages"]["sent"] == 1500
    assert run.until("customers", lambda value: value["conversation"])["userid"] == "lin.mei"


def test_an_event_without_an_id_is_found_by_its_time_and_name(run: Run):
    written = run.write("lin.mei", msgtype="event", event="enter_agent")
    run.window.lines.append(queued(f"{LIN}-{written['create_time']}-enter_agent", 1000, "entered"))

    message = run.until("messages", lambda value: value["journey"])

    assert (message["userid"], message["conversation"]) == ("lin.mei", LIN)


def test_two_customers_have_a_conversation_each(run: Run):
    lin, wang = run.write("lin.mei", content="一"), run.write("wang.qi", content="二")
    run.window.lines += [queued(lin["msgid"], 1000), queued(wang["msgid"], 1001, conversation=WANG)]

    found = [
        run.until("messages", lambda v, name=name: v["journey"] and v["userid"] == name)
        for name in ("lin.mei", "wang.qi")
    ]

    assert [message["conversation"] for message in found] == [LIN, WANG]


def test_customers_keep_their_places_whoever_wrote_last(run: Run):
    written = run.write("wang.qi", content="一")
    run.window.lines.append(queued(written["msgid"], 1000))
    run.until("customers", lambda value: value["conversation"])

    with run.changes() as changes:
        customers = next(changes)["customers"]

    places = {each["userid"]: each["place"] for each in customers if each["channel"] == "wecom_app"}
    assert places == {"lin.mei": 0, "wang.qi": 1, "chen.an": 2, "zhou.min": 3, "he.yun": 4}


def test_a_delivery_that_nobody_takes_is_told_with_its_attempts(run: Run):
    run.client.post("/wecom/_control/config", json={"max_attempts": 2, "retry_interval_s": 0.0})
    run.write("lin.mei", content="在吗")

    message = run.until("messages", lambda value: value["delivery"]["done"])

    assert [attempt["error"] for attempt in message["delivery"]["attempts"]] == ["connection", "connection"]


def test_what_is_only_in_the_logs_is_told_too(run: Run):
    run.window.lines.append(queued("77", 1000))

    message = run.until("messages", lambda value: value["journey"])

    assert (message["seq"], message["delivery"], message["conversation"]) == (None, None, LIN)


def test_a_session_is_told_with_the_name_of_its_archived_document(run: Run):
    run.window.sessions[LIN] = session()
    run.window.lines.append(queued("77", 1000))

    told = run.until("sessions", lambda value: value["conversation"] == LIN)

    assert told["archive_name"] == (
        f"sessions/dt=2026-11-22/channel=wecom_app/conversation={LIN}/1795380201800-33555eb7b3b1a9fd.json"
    )
    assert not told["gone"]


def test_a_session_that_is_no_longer_there_is_told_to_be_gone(run: Run):
    run.window.sessions[LIN] = session()
    run.window.lines.append(queued("77", 1000))
    run.until("sessions", lambda value: not value["gone"])

    run.window.sessions.clear()
    run.window.lines.append(queued("78", 2000))

    assert run.until("sessions", lambda value: value["gone"])["session_id"] == session().session_id


def test_a_deployment_that_cannot_be_read_is_said_so_until_it_can(run: Run):
    run.window.problem = "CallbackLogs: ResourceNotFoundException"
    assert run.until("status", lambda value: value["problem"])["problem"] == run.window.problem

    run.window.problem = ""
    assert run.until("status", lambda value: not value["problem"])


def test_a_browser_that_comes_back_is_told_only_what_is_new_to_it(run: Run):
    run.write("lin.mei", content="一")
    with run.changes() as changes:
        seen = next(change for change in changes if change.get("entries"))
    run.write("lin.mei", content="二")
    run.until("entries", lambda value: value["content"] == "二")

    with run.changes(seen["id"]) as changes:
        contents = [entry["content"] for change in [next(changes)] for entry in change.get("entries", ())]
    with run.changes("another-run:999999") as changes:
        everything = [entry["content"] for entry in next(changes)["entries"]]

    assert contents == ["二"]
    assert everything == ["一", "二"]


def test_a_closed_feed_ends_the_stream(run: Run):
    with run.changes() as changes:
        next(changes)
        run.feed.close()

        assert list(changes) is not None


def test_an_archived_document_is_shown_by_name(run: Run):
    stored = {"schema": "frontdesk.session/2", "sealed": "s1.c0123456789ab.c2VhbGVk"}
    run.window.archive["s-1"] = stored
    query = {"conversation": LIN, "session_id": "s-1", "channel": "wecom_app", "near": "1795380201"}

    found = run.client.get("/console/api/archive", params=query)
    missing = run.client.get("/console/api/archive", params={**query, "session_id": "s-2"})
    run.window.problem = "ArchiveBucket: AccessDenied"
    denied = run.client.get("/console/api/archive", params=query)

    assert found.json() == {"name": f"sessions/conversation={LIN}/s-1.json", "document": stored}
    assert missing.status_code == 404
    assert (denied.status_code, denied.json()) == (502, {"error": "ArchiveBucket: AccessDenied"})


@pytest.mark.parametrize(
    "query",
    [
        {"conversation": LIN, "session_id": "../../secret", "channel": "wecom_app", "near": "1"},
        {"conversation": "../..", "session_id": "s-1", "channel": "wecom_app", "near": "1"},
        {"conversation": LIN, "session_id": "s-1", "channel": "a/b", "near": "1"},
        {"conversation": LIN, "session_id": "s-1", "channel": "wecom_app", "near": "99999999999999"},
        {"conversation": LIN, "session_id": "s-1", "channel": "wecom_app"},
        {"session_id": "s-1", "channel": "wecom_app", "near": "1"},
        {},
    ],
)
def test_an_archived_document_is_not_looked_for_under_an_odd_name(run: Run, query: dict[str, str]):
    assert run.client.get("/console/api/archive", params=query).status_code == 400


def test_with_the_real_vendors_there_is_no_simulator_and_the_page_says_so():
    with serving(read_settings(document(wecom=None, fastgpt=None))) as run:
        state = run.client.get("/console/api/state").json()
        run.window.lines.append(queued("77", 1000))

        assert run.client.get("/wecom/_control/members").status_code == 404
        assert run.client.get("/fastgpt/_control/faults").status_code == 404
        assert (state["wecom"], state["fastgpt"], state["suggestions"]) == (
            {"simulated": False},
            {"simulated": False},
            [],
        )
        assert run.until("messages", lambda value: value["conversation"] == LIN)["content"] == ""


def test_files_outside_the_pages_folder_are_not_served(run: Run):
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"{run.base}/console/static/..%2fweb.py")

    assert answer.status_code == 404
