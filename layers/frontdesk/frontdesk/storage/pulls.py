"""The queue of pulls: the news that a customer-service account has messages, on its way from the callback.

SQS FIFO: the group is the account, so that one pull at a time fetches it. Each notification has a deduplication id of
its own: one that came while a pull was going on may be about a message that this pull did not see, and must not be
dropped as the repetition of another. `frontdesk.storage.pull_records` reads the body.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from frontdesk.storage.compact_json import compact_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Pull
    from frontdesk.storage.seals import RingSeals
    from frontdesk.storage.signed import JsonService

BODY_VERSION = 1


def place_of(account: str) -> tuple[str, ...]:
    """Return the place at which the token of a notification is sealed."""
    return "pull", account


def encode(pull: Pull, seals: RingSeals) -> str:
    """Return the queue body of ``pull``, its token sealed."""
    sealed = {"sealed": seals.seal(pull.token, *place_of(pull.account))} if pull.token else {}
    return compact_json({**_plain(pull), **sealed})


def encode_bare(pull: Pull) -> str:
    """Return the queue body of ``pull``, which must have no token: it needs no key. Raises ValueError for a token."""
    if pull.token:
        raise ValueError("a token has to be sealed")
    return compact_json(_plain(pull))


def _plain(pull: Pull) -> dict[str, Any]:
    return {"v": BODY_VERSION, "account": pull.account, "noticed_at_ms": pull.noticed_at_ms}


class PullQueue:
    """Puts notifications into the queue."""

    def __init__(
        self,
        sqs: JsonService,
        queue_url: str,
        *,
        seals: RingSeals,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """``sqs`` speaks SQS's JSON protocol; ``new_id`` gives another id each time."""
        self._sqs = sqs
        self._queue_url = queue_url
        self._seals = seals
        self._new_id = new_id

    def put(self, pull: Pull) -> None:
        """Return when the queue has it; raises `TransientError` or `MisconfiguredError`."""
        self._sqs.call(
            "AmazonSQS.SendMessage",
            {
                "QueueUrl": self._queue_url,
                "MessageBody": encode(pull, self._seals),
                "MessageGroupId": pull.account,
                "MessageDeduplicationId": self._new_id(),
            },
        )
