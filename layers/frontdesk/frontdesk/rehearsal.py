"""The rehearsal of a release: what a new version of each function does before customers reach it.

Each function is called as AWS calls it, with something real that leaves nothing behind which anybody sees. That it
starts at all is half of the matter: settings, secrets, keyring and tables are read while it initialises.

What is called here is the new version; what it puts into a queue is read by whichever version has the queue just then.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.errors import MisconfiguredError, PermanentError
from frontdesk.messages import Inbound, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from frontdesk.records import Version, VersionAnswer

# CloudFormation names a function by its stack, its logical id and a suffix, with a hyphen between.
_NAME = re.compile(r".*-([A-Za-z]+Function)-[0-9A-Za-z]+")
# Stands for a member where a real one is not named. It is nobody's: nothing is ever sent there.
NOBODY = "frontdesk-release-check"
_CONVERSATION = "release-check"
_PATH = "/wecom/callback"
_WORDS = "这是一条发布检查消息，请简单回复。"


class Versions(Protocol):
    """Calls one version of a function."""

    def call(self, version: Version, event: Mapping[str, Any]) -> VersionAnswer:
        """Return what ``version`` makes of ``event``; raises `TransientError` or `MisconfiguredError`."""


class CallbackWriter(Protocol):
    """Writes callbacks that the callback takes for the vendor's."""

    def url_check(self, echo: str) -> str:
        """Return the raw query of the vendor's URL check, whose whole answer is ``echo``."""

    def message(self, elements: Mapping[str, str]) -> tuple[str, bytes]:
        """Return the raw query and the body of a callback with ``elements`` inside."""


class Rehearsal:
    """Tries new versions."""

    def __init__(
        self,
        *,
        versions: Versions,
        writers: Sequence[CallbackWriter],
        encode_due: Callable[[Inbound], str],
        agent_id: int,
        member: str,
        clock: Callable[[], float],
    ) -> None:
        """``writers`` are those of the addresses that the callback serves, the application's first.

        ``encode_due`` writes a moment that has come as it lies in the inbox. ``member`` is the user id of a colleague
        who gets a real answer at each release; "" for nobody. ``clock`` returns epoch seconds.
        """
        self._versions = versions
        self._writers = writers
        self._encode_due = encode_due
        self._agent_id = agent_id
        self._member = member
        self._clock = clock

    def perform(self, version: Version) -> None:
        """Return when ``version`` did what it must.

        Raises `PermanentError` naming what it did not, `MisconfiguredError` for a function that nobody knows how to
        try, and `TransientError` or `MisconfiguredError` when it cannot be called.
        """
        try:
            check = CHECKS[logical_id(version)]
        except KeyError:
            raise MisconfiguredError("nobody knows how to try this function", code="rehearsal_unknown") from None
        check(self, version)

    def callback(self, version: Version) -> None:
        """Take WeCom's URL check, a signed message into the inbox, and nothing that is not signed."""
        for writer in self._writers:
            echo = str(secrets.randbelow(10**18) + 10**18)
            answer = self._call(version, _request("GET", writer.url_check(echo), b"", self._clock()))
            _require(_status(answer), 200, "the URL check")
            if answer.value.get("body") != echo:
                raise _failure("the URL check was answered with something else")
        query, body = self._writers[0].message(self._message())
        answer = self._call(version, _request("POST", query, body, self._clock()))
        _require(_status(answer), 200, "a signed message")
        # What has no effect is answered 200 as well; what is in the inbox is counted.
        if '"Accepted"' not in answer.log:
            raise _failure("a signed message did not reach the inbox")
        forged = query.replace("nonce=", "nonce=0", 1)
        _require(_status(self._call(version, _request("POST", forged, body, self._clock()))), 403, "a forged message")

    def responder(self, version: Version) -> None:
        """Read a message of the inbox and look it up where conversations are kept; there is nothing to be said.

        A moment has come to ask how a session was that does not exist. It needs no key to be written.
        """
        moment = int(self._clock())
        due = Inbound(
            channel="wecom_app",
            conversation=_CONVERSATION,
            message_id=f"release-check-{moment}",
            sender="",
            kind=Kind.DUE,
            sent_at=moment,
            received_at_ms=moment * 1000,
            details={"what": "rating", "session_id": _CONVERSATION},
        )
        record = {
            "messageId": due.message_id,
            "receiptHandle": due.message_id,
            "body": self._encode_due(due),
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": due.conversation},
        }
        self._take_batch(version, [record])

    def reader(self, version: Version) -> None:
        """Start, and take an empty batch: what these read leads to calls of WeCom, or to writing."""
        self._take_batch(version, [])

    def starter(self, version: Version) -> None:
        """Start, and take an event without a record, as a topic would bring it."""
        self._call(version, {"Records": []})

    def runner(self, version: Version) -> None:
        """Do the whole work of a run that the clock starts: done once more it changes nothing."""
        self._call(version, {})

    def _take_batch(self, version: Version, records: list[dict[str, Any]]) -> None:
        answer = self._call(version, {"Records": records})
        if answer.value != {"batchItemFailures": []}:
            raise _failure("a batch was not done")

    def _call(self, version: Version, event: Mapping[str, Any]) -> VersionAnswer:
        answer = self._versions.call(version, event)
        if answer.failed:
            kind = answer.value.get("errorType", "") if isinstance(answer.value, dict) else ""
            raise _failure(f"it failed: {re.sub(r'[^A-Za-z.]', '', str(kind))[:60] or 'no type'}")
        return answer

    def _message(self) -> dict[str, str]:
        """Return a colleague's question; without one a pressed button that means nothing, which every release knows."""
        moment = str(int(self._clock()))
        common = {"FromUserName": self._member or NOBODY, "CreateTime": moment}
        common["AgentID"] = str(self._agent_id)
        if self._member:
            message_id = str(secrets.randbelow(9 * 10**18) + 10**18)
            return {**common, "MsgType": "text", "Content": _WORDS, "MsgId": message_id}
        pressed = {"EventKey": "release-check", "TaskId": secrets.token_hex(8)}
        return {**common, "MsgType": "event", "Event": "template_card_event", **pressed}


CHECKS: Mapping[str, Callable[[Rehearsal, Version], None]] = {
    "CallbackFunction": Rehearsal.callback,
    "CollectorFunction": Rehearsal.reader,
    "ResponderFunction": Rehearsal.responder,
    "TicketsFunction": Rehearsal.reader,
    "AlarmTicketsFunction": Rehearsal.starter,
    "SweepFunction": Rehearsal.runner,
    "ArchiverFunction": Rehearsal.runner,
    "ArchiverStreamFunction": Rehearsal.reader,
    "AuditorFunction": Rehearsal.runner,
    "ReviewerFunction": Rehearsal.runner,
}
"""What each function has to do, by its logical id in the template."""


def logical_id(version: Version) -> str:
    """Return what the template calls the function of ``version``; "" for one that is not of it."""
    found = _NAME.fullmatch(version.function)
    return found[1] if found else ""


def _request(method: str, query: str, body: bytes, now: float) -> dict[str, Any]:
    """Return a request as an HTTP API hands it over (payload format 2.0)."""
    return {
        "version": "2.0",
        "rawPath": _PATH,
        "rawQueryString": query,
        "requestContext": {"http": {"method": method, "path": _PATH}, "timeEpoch": int(now * 1000)},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _status(answer: VersionAnswer) -> int:
    status = answer.value.get("statusCode") if isinstance(answer.value, dict) else None
    return status if isinstance(status, int) else 0


def _require(status: int, expected: int, what: str) -> None:
    if status != expected:
        raise _failure(f"{what} was answered {status}, not {expected}")


def _failure(text: str) -> PermanentError:
    return PermanentError(text, code="rehearsal_failed")
