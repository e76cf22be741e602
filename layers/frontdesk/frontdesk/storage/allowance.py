"""How many messages WeCom still takes to a customer of customer service, kept in the Ledger table.

WeCom takes 5 since the customer's newest message, and none when that is 48 h old (WeCom developer docs, path 94677).
One item a conversation, ``allowance#<conversation>#sends``: when the customer wrote last, and what was sent since, each
message by its id. Its times are epoch seconds. What WeCom counts is not known to the second, so a tie counts as sent
after: in doubt one message too few is sent, never one too many, which would be lost.

A key's second part is the conversation, as all of a customer's keys in the table have it: erasing finds it there.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import uniform
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, TransientError
from frontdesk.records import Claim
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef as Value

MOST = 5
WINDOW_S = 48 * 3_600
KEPT_S = 3 * 86_400
# A customer who writes without end must not make an item that DynamoDB refuses (400 kB). The newest are those that
# count, and by far enough to know a repetition by.
MOST_REMEMBERED = 200
_TRIES = 6
_SHORTEST_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a conversation. ``customer_at`` 0: the customer never wrote; ``version`` 0: never saved."""

    customer_at: int = 0
    sends: Mapping[str, int] = field(default_factory=dict)
    version: int = 0

    def left(self, now: int) -> int:
        """Return how many messages are left at ``now``."""
        if now >= self.customer_at + WINDOW_S:
            return 0
        return max(0, MOST - sum(at >= self.customer_at for at in self.sends.values()))


class DynamoAllowance:
    """Counts what is sent. Every method raises `TransientError` or `MisconfiguredError` for the table's faults."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``table`` is the ledger; ``clock`` returns epoch seconds; ``pause`` waits between two tries."""
        self._client = client
        self._table = table
        self._clock = clock
        self._pause = pause

    def left(self, conversation: str, *, customer_at: int) -> int:
        """Return how many messages are left, now that the customer is known to have written at ``customer_at``.

        An older time than the newest known changes nothing.
        """

        def heard(kept: _Kept) -> _Kept:
            return replace(kept, customer_at=max(kept.customer_at, customer_at))

        return self._change(conversation, heard).left(int(self._clock()))

    def claim(self, conversation: str, message_id: str, *, keep: int) -> Claim:
        """Return whether the message may be sent; if so it counts, until it is given back.

        ``keep`` is how many must remain after it. A message that was claimed before is granted, and counts once: as
        sent now, since whoever claimed it may have died before sending it, and the customer may have written since.
        """
        granted = repeated = False

        def claimed(kept: _Kept) -> _Kept:
            nonlocal granted, repeated
            now = int(self._clock())
            repeated = message_id in kept.sends
            granted = repeated or kept.left(now) > keep
            # A clock that is behind WeCom's must not make a message older than the one that it answers.
            at = max(now, kept.customer_at)
            return replace(kept, sends={**kept.sends, message_id: at}) if granted else kept

        self._change(conversation, claimed)
        return Claim(granted=granted, repeated=repeated)

    def give_back(self, conversation: str, message_id: str) -> None:
        """Forget a claim: the vendor refused the message for good."""

        def without(kept: _Kept) -> _Kept:
            if message_id not in kept.sends:
                return kept
            return replace(kept, sends={each: at for each, at in kept.sends.items() if each != message_id})

        self._change(conversation, without)

    def _change(self, conversation: str, change: Callable[[_Kept], _Kept]) -> _Kept:
        """Return what is kept after ``change``, which is called anew whenever somebody else was first."""
        for attempt in range(_TRIES):
            if attempt:
                self._pause(uniform(_SHORTEST_PAUSE_S, _SHORTEST_PAUSE_S * 2**attempt))  # noqa: S311  # jitter
            kept = self._read(conversation)
            changed = change(kept)
            if changed == kept:
                return kept
            with suppress(ConflictError):
                self._put(conversation, changed)
                return changed
        raise TransientError("the allowance kept changing", code="allowance_contended")

    def _read(self, conversation: str) -> _Kept:
        with translated("ledger"):
            answer = self._client.get_item(TableName=self._table, Key=_key(conversation), ConsistentRead=True)
        item: Mapping[str, Any] = answer.get("Item", {})
        if not item:
            return _Kept()
        oldest = int(self._clock()) - WINDOW_S
        sends = {message_id: int(at["N"]) for message_id, at in item["sends"]["M"].items()}
        return _Kept(
            customer_at=int(item["customer_at"]["N"]),
            sends={message_id: at for message_id, at in sends.items() if at > oldest},
            version=int(item["version"]["N"]),
        )

    def _put(self, conversation: str, kept: _Kept) -> None:
        """Save ``kept``, one version on; raises `ConflictError` when another version is stored."""
        newest = sorted((at, message_id) for message_id, at in kept.sends.items())[-MOST_REMEMBERED:]
        sends: Mapping[str, Value] = {message_id: {"N": str(at)} for at, message_id in newest}
        with translated("ledger"):
            self._client.put_item(
                TableName=self._table,
                Item={
                    **_key(conversation),
                    "customer_at": {"N": str(kept.customer_at)},
                    "sends": {"M": sends},
                    "version": {"N": str(kept.version + 1)},
                    "expires_at": {"N": str(int(self._clock()) + KEPT_S)},
                },
                ConditionExpression="attribute_not_exists(#key) OR version = :version",
                ExpressionAttributeNames={"#key": "key"},
                ExpressionAttributeValues={":version": {"N": str(kept.version)}},
            )


def _key(conversation: str) -> dict[str, Value]:
    return {"key": {"S": f"allowance#{conversation}#sends"}}
