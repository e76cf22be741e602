"""At the door: proved, read, queued, and only then acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.journey import name_of, reached
from frontdesk.conversation.reception import Reception
from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError, MisconfiguredError, TransientError
from frontdesk.messages import Inbound, Kind, Pull
from tests.factories import CONVERSATION, CUSTOMER, MESSAGE_ID, NOW, NOW_MS, WORDS, inbound

if TYPE_CHECKING:
    from collections.abc import Callable


class ScriptedDoor:
    """A callback and the queues behind it in one, which writes down the order of what is asked of it."""

    channel = "wecom_app"

    def __init__(self, *messages: Inbound | Pull) -> None:
        self.messages = messages
        self.asked: list[str] = []
        self.put_away: list[Inbound | Pull] = []
        self.failures: dict[str, Exception] = {}

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failures:
            raise self.failures[what]

    def check_url(self, raw_query: str) -> bytes:
        self._asked(f"check {raw_query}")
        return b"echo"

    def open(self, raw_query: str, body: bytes) -> bytes:
        self._asked("open")
        return b"opened " + body

    def read(self, message: bytes, *, received_at_ms: int) -> tuple[Inbound | Pull, ...]:
        self._asked("read")
        assert message == b"opened body"
        assert received_at_ms == NOW_MS
        return self.messages

    def put(self, message: Inbound | Pull) -> None:
        self._asked("put")
        self.put_away.append(message)


class Ticking:
    """A clock that is a second later at every look."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1
        return self.now


def accept(door: ScriptedDoor) -> tuple[Inbound | Pull, ...]:
    reception = Reception(callback=door, inbox=door, pulls=door, clock=Ticking())
    assert reception.channel == "wecom_app"
    return reception.accept("query", b"body", received_at_ms=NOW_MS)


def test_a_message_is_returned_once_the_inbox_has_it():
    door = ScriptedDoor(inbound())
    assert accept(door) == (inbound(),)
    assert door.asked == ["open", "read", "put"]
    assert door.put_away == [inbound()]


def test_what_needs_no_answer_is_not_queued():
    door = ScriptedDoor()
    assert accept(door) == ()
    assert door.asked == ["open", "read"]


def test_news_of_accounts_are_queued_one_by_one_each_as_itself():
    pulls = (Pull("wk1", NOW_MS, "token"), Pull("wk2", NOW_MS))
    door = ScriptedDoor(*pulls)
    assert accept(door) == pulls
    assert door.put_away == list(pulls)


def test_news_that_the_queue_did_not_take_are_not_accepted():
    door = ScriptedDoor(Pull("wk1", NOW_MS, "token"))
    door.failures["put"] = TransientError("down")
    with pytest.raises(TransientError):
        accept(door)


def test_queued_news_leave_a_line_without_their_token(log_lines: Callable[[], Any]):
    accept(ScriptedDoor(Pull("wk1", NOW_MS, "a-token-of-wecom")))
    (line,) = log_lines()
    assert line["message"] == "pull queued"
    assert "a-token-of-wecom" not in str(line)


@pytest.mark.parametrize("error", [ForbiddenCallbackError("no"), MalformedCallbackError("no")])
def test_what_is_rejected_is_neither_read_nor_queued(error: Exception):
    door = ScriptedDoor(inbound())
    door.failures["open"] = error
    with pytest.raises(type(error)):
        accept(door)
    assert door.asked == ["open"]


def test_what_cannot_be_read_is_not_queued():
    door = ScriptedDoor(inbound())
    door.failures["read"] = MalformedCallbackError("no")
    with pytest.raises(MalformedCallbackError):
        accept(door)
    assert door.put_away == []


@pytest.mark.parametrize("error", [TransientError("down"), MisconfiguredError("refused")])
def test_a_message_that_the_inbox_did_not_take_is_not_accepted(error: Exception, log_lines: Callable[[], Any]):
    door = ScriptedDoor(inbound())
    door.failures["put"] = error
    with pytest.raises(type(error)):
        accept(door)
    assert log_lines() == []


def test_the_answer_to_a_url_check_is_the_callbacks():
    door = ScriptedDoor()
    reception = Reception(callback=door, inbox=door, pulls=door, clock=Ticking())
    assert reception.check_url("a=1") == b"echo"
    assert door.asked == ["check a=1"]


def test_a_queued_message_leaves_one_line_with_its_times_and_nothing_of_its_content(log_lines: Callable[[], Any]):
    accept(ScriptedDoor(inbound(kind=Kind.IMAGE, details={"MediaId": "media-1"})))
    (line,) = log_lines()
    assert line.pop("timestamp")
    assert line.pop("location")
    assert line == {
        "level": "INFO",
        "message": "message queued",
        "service": "frontdesk",
        "name": "frontdesk",
        "build": "test",
        "stage": "queued",
        "at_ms": NOW_MS + 2000,
        "verified_at_ms": NOW_MS + 1000,
        "received_at_ms": NOW_MS,
        "kind": "image",
        "channel": "wecom_app",
        "conversation": CONVERSATION,
        "message_id": MESSAGE_ID,
    }


def test_a_callback_without_an_effect_leaves_one_line_that_names_nobody(log_lines: Callable[[], Any]):
    accept(ScriptedDoor())
    (line,) = log_lines()
    assert line["message"] == "callback acknowledged without an effect"
    assert line["channel"] == "wecom_app"
    assert "conversation" not in line


def test_a_stage_is_told_with_its_time_and_the_name_of_the_message(log_lines: Callable[[], Any]):
    reached("asked", 5, inbound(), attempt=2)
    (line,) = log_lines()
    told = {key: line[key] for key in ("message", "stage", "at_ms", "attempt", *name_of(inbound()))}
    assert told == {"message": "message asked", "stage": "asked", "at_ms": 5, "attempt": 2, **name_of(inbound())}


def test_a_message_is_named_by_channel_digest_and_id():
    assert name_of(inbound()) == {"channel": "wecom_app", "conversation": CONVERSATION, "message_id": MESSAGE_ID}
    assert not {CUSTOMER, WORDS} & set(name_of(inbound()).values())
