"""While calls move from one release to the next, each reads what the other writes: the queues, sessions and replies.

The vectors were written by release 0.3.0 itself, from this project's factories, with the seals that hide nothing.
"""

from __future__ import annotations

import dataclasses
import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from frontdesk.messages import Choice, Kind, Pause
from frontdesk.records import Pending
from frontdesk.storage import inbox, items, pulls, ticket_requests
from frontdesk.storage.inbox_records import read_record
from frontdesk.storage.pull_records import read_pull
from tests import factories
from tests.fakes.seals import FakeRing, FakeSeals

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "release-0.3.0.json").read_text(encoding="utf-8"))
RING, SEALS = FakeRing(), FakeSeals()
INBOUNDS = {
    "inbox text": factories.inbound(),
    "inbox kf": factories.inbound(channel="wecom_kf", sender=factories.KF_CUSTOMER, details={"menu_id": "choice:1"}),
    "inbox entered": factories.inbound(kind=Kind.ENTERED, text="", details={"code": "c0de", "scene": "123"}),
    "inbox picture": factories.inbound(kind=Kind.IMAGE, text="", details={"media_id": "m"}),
}
DUE = factories.inbound(kind=Kind.DUE, text="", sender="-", details={"what": "attendance", "at": "1790000060"})
PENDING = Pending(Pause("选哪个部门？", (Choice("销售", "sales"), Choice("售后", "service"))))
SESSION = factories.session(
    pending=PENDING, turns=(factories.turn(),), placeholders=(("[手机号1]", "x"),), rating="good", version=3
)
REPLY = factories.reply(pending=PENDING, confidence=0.9, menu=(Choice("继续查看", "more:1"),), rest="余下")
WRITTEN_NOW = {
    **{name: inbox.encode(each, RING) for name, each in INBOUNDS.items()},
    "inbox due": inbox.encode_bare(DUE),
    "pulls called": pulls.encode(factories.pull(), RING),
    "pulls swept": pulls.encode_bare(dataclasses.replace(factories.pull(), token="")),
    "tickets open": ticket_requests.encode_opening(factories.ticket(number=""), RING),
}


def plain(value: Any) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(value)))


def read(queue: str, body: str) -> Any:
    record = factories.sqs_record(body)
    if queue == "inbox":
        return read_record(record, max_receives=5, seals=RING).inbound
    if queue == "pulls":
        return read_pull(record, seals=RING)
    return ticket_requests.read_ticket_request(record, seals=RING).ticket


def shape(value: Any) -> Any:
    """Return names and kinds of everything in ``value``, sealed parts opened."""
    if isinstance(value, str) and value.startswith("fake."):
        place_and_words = json.loads(urlsafe_b64decode(value.split(".")[2]))
        return shape(json.loads(place_and_words[1])) if place_and_words[1].startswith("{") else "sealed text"
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return type(value).__name__


def missing(before: Any, now: Any, place: str = "") -> list[str]:
    """Return the places that ``before`` has and ``now`` has not, or has as something else."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [lost for name, each in before.items() for lost in missing(each, now.get(name), f"{place}.{name}")]
    return [] if before == now else [place]


@pytest.mark.parametrize("name", sorted(VECTORS["queues"]))
def test_what_the_previous_release_queued_is_read(name: str) -> None:
    vector = VECTORS["queues"][name]
    found = plain(read(name.split(maxsplit=1)[0], vector["body"]))
    assert {field: found[field] for field in vector["read"]} == vector["read"]


@pytest.mark.parametrize("name", sorted(VECTORS["queues"]))
def test_what_is_queued_now_has_all_that_the_previous_release_reads(name: str) -> None:
    before = shape(json.loads(VECTORS["queues"][name]["body"]))
    assert missing(before, shape(json.loads(WRITTEN_NOW[name]))) == []
    assert json.loads(VECTORS["queues"][name]["body"])["v"] == json.loads(WRITTEN_NOW[name])["v"]


@pytest.mark.parametrize(("name", "reader"), [("session", items.to_session), ("reply", items.to_reply)])
def test_what_the_previous_release_kept_is_read(name: str, reader: Any) -> None:
    vector = VECTORS["items"][name]
    found = plain(reader(vector["item"], SEALS))
    assert {field: found[field] for field in vector["read"] if field != "turns"} == {
        field: value for field, value in vector["read"].items() if field != "turns"
    }
    for before, now in zip(vector["read"].get("turns", []), found.get("turns", []), strict=True):
        assert {field: now[field] for field in before} == before


@pytest.mark.parametrize(
    ("name", "written"),
    [("session", items.from_session(SESSION, SEALS)), ("reply", items.from_reply(REPLY, SEALS))],
    ids=["session", "reply"],
)
def test_what_is_kept_now_has_all_that_the_previous_release_reads(name: str, written: dict[str, Any]) -> None:
    before = VECTORS["items"][name]["item"]
    assert missing(shape(before), shape(json.loads(json.dumps(written)))) == []


def test_the_search_for_what_is_missing_finds_it() -> None:
    assert missing({"a": "str", "b": {"c": "int"}}, {"a": "int", "b": {}}) == [".a", ".b.c"]
