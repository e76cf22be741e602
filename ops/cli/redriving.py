"""Puts dead letters back into the queue that they came from, with nothing but calls that every region has.

A letter keeps its body, its attributes and its group. Its name for deduplication is new, or the queue would take it for
the repetition of its first self, and made of the letter's own id, so that a letter which was sent and not yet deleted
when the command was broken off is not there twice when it is run again within SQS's five minutes. Bodies stay sealed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frontdesk.errors import FrontdeskError, TransientError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_sqs import SQSClient

HIDDEN_S = 300
"""How long a letter is hidden from others while it is in hand: if the command dies, it is back after that."""
_MOST_AT_ONCE = 10  # SQS API reference, ReceiveMessage


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant: of which group, and sent when, in epoch seconds; and how many at most."""

    group: str = ""
    since: float | None = None
    until: float | None = None
    limit: int | None = None

    def includes(self, letter: Any) -> bool:
        """Return whether ``letter`` is meant. SQS counts a FIFO letter as sent when it became a dead one."""
        sent_at = int(letter["Attributes"]["SentTimestamp"]) / 1000
        return (
            (not self.group or self.group == group_of(letter))
            and (self.since is None or sent_at >= self.since)
            and (self.until is None or sent_at < self.until)
        )


@dataclass(slots=True)
class Moved:
    """What became of one group's letters. With a ``code`` it was stopped there: what came later stays, in its order."""

    count: int = 0
    code: str = ""


@dataclass(slots=True)
class _Round:
    """What one look through the letters has in hand, and in which groups it moved something or passed over it."""

    held: dict[str, Any] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)


class Redrive:
    """Moves the letters of one FIFO dead-letter queue."""

    def __init__(self, client: SQSClient, *, name: str, letters_url: str, queue_url: str, wait_s: int = 2) -> None:
        """``name`` begins the codes of what fails at the queue; after ``wait_s`` seconds of silence is no more."""
        self._client = client
        self._name = name
        self._letters_url = letters_url
        self._queue_url = queue_url
        self._wait_s = wait_s

    def run(self, wanted: Wanted, *, dry: bool = False) -> dict[str, Moved]:
        """Move what is ``wanted``, group by group in order, and return what became of each; ``dry`` moves nothing.

        Of one group SQS shows the first ten letters, and no more while some of those stay: behind ten that are not
        wanted nothing is found, and dry no more than ten are counted. Raises `TransientError` or `MisconfiguredError`
        when the letters cannot be received; whatever is in hand then is put back.
        """
        done: dict[str, Moved] = {}
        while True:
            this = _Round()
            try:
                self._look_through(wanted, this, done, dry=dry)
            finally:
                self._put_back(this.held.values())
            if not this.moved & this.passed or _is_full(wanted, done):
                return done

    def _look_through(self, wanted: Wanted, this: _Round, done: dict[str, Moved], *, dry: bool) -> None:
        for letter in self._received(this):
            group = group_of(letter)
            if _is_full(wanted, done):
                return
            if not wanted.includes(letter):
                this.passed.add(group)
                continue
            moved = done.setdefault(group, Moved())
            if not moved.code and not dry:
                moved.code = self._move(letter)
                if not moved.code:
                    del this.held[letter["MessageId"]]
                    this.moved.add(group)
            moved.count += not moved.code

    def _received(self, this: _Round) -> Iterator[Any]:
        """Yield letters, each in hand from then on, until there are none but those in hand."""
        while True:
            with translated("dead_letters"):
                answer = self._client.receive_message(
                    QueueUrl=self._letters_url,
                    MaxNumberOfMessages=_MOST_AT_ONCE,
                    VisibilityTimeout=HIDDEN_S,
                    WaitTimeSeconds=self._wait_s,
                    MessageSystemAttributeNames=["MessageGroupId", "SentTimestamp"],
                    MessageAttributeNames=["All"],
                )
            fresh = [each for each in answer.get("Messages", []) if each["MessageId"] not in this.held]
            if not fresh:
                return
            this.held.update({each["MessageId"]: each for each in fresh})
            yield from fresh

    def _move(self, letter: Any) -> str:
        """Send ``letter`` on and delete it; return the code of what kept it from that."""
        attributes: Any = {
            name: {part: value for part, value in given.items() if part in {"DataType", "StringValue", "BinaryValue"}}
            for name, given in letter.get("MessageAttributes", {}).items()
        }
        try:
            with translated(self._name):
                self._client.send_message(
                    QueueUrl=self._queue_url,
                    MessageBody=letter["Body"],
                    MessageAttributes=attributes,
                    MessageGroupId=group_of(letter),
                    MessageDeduplicationId=f"redrive-{letter['MessageId']}",
                )
            with translated("dead_letters"):
                self._client.delete_message(QueueUrl=self._letters_url, ReceiptHandle=letter["ReceiptHandle"])
        except FrontdeskError as error:
            return error.code
        return ""

    def _put_back(self, letters: Iterable[Any]) -> None:
        for letter in letters:
            # What cannot be put back, because it was held for too long, is back already.
            with suppress(TransientError), translated("dead_letters"):
                self._client.change_message_visibility(
                    QueueUrl=self._letters_url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
                )


def _is_full(wanted: Wanted, done: dict[str, Moved]) -> bool:
    return wanted.limit is not None and sum(each.count for each in done.values()) >= wanted.limit


def group_of(letter: Any) -> str:
    """Return the group of a FIFO letter: its conversation, its account or its ticket."""
    group: str = letter["Attributes"]["MessageGroupId"]
    return group
