"""Puts messages into the inbox with boto3, for those who put many and need not start as fast as the callback.

SendMessageBatch can fail entry by entry. So that a conversation keeps its order, a batch has one message of it at
most, and its next one goes when that one was taken.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from itertools import islice
from random import uniform
from typing import TYPE_CHECKING

from frontdesk.errors import TransientError
from frontdesk.storage.aws import translated
from frontdesk.storage.inbox import encode, encode_bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef as Entry

    from frontdesk.messages import Inbound
    from frontdesk.storage.seals import RingSeals

# SQS API reference, SendMessageBatch. The sum of the bodies has grown since; some stay with what it was.
_MOST_AT_ONCE = 10
_MOST_BYTES = 256 * 1024
_TRIES = 4
_SHORTEST_PAUSE_S = 0.05


class SqsInboxWriter:
    """Puts messages into the inbox. Raises `TransientError` or `MisconfiguredError`."""

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        *,
        seals: RingSeals | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Without ``seals`` only moments that were waited for can be put; ``pause`` waits between two tries."""
        self._client = client
        self._queue_url = queue_url
        self._seals = seals
        self._pause = pause

    def put(self, inbound: Inbound) -> None:
        """Return when the queue has it. A message put twice within five minutes is there once."""
        with translated("inbox"):
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=self._body(inbound),
                MessageGroupId=inbound.conversation,
                MessageDeduplicationId=inbound.message_id,
            )

    def put_all(self, inbounds: Sequence[Inbound]) -> None:
        """Return when the queue has all of them, those of one conversation in their order.

        Raises `TransientError` when some may be missing; then all may be put again.
        """
        waiting: dict[str, deque[Inbound]] = {}
        for inbound in inbounds:
            waiting.setdefault(inbound.conversation, deque()).append(inbound)
        failures: Counter[str] = Counter()
        while waiting:
            batch = self._batch(queue[0] for queue in waiting.values())
            failed = self._send(batch)
            for index, entry in enumerate(batch):
                conversation = entry["MessageGroupId"]
                if str(index) in failed:
                    failures[conversation] += 1
                else:
                    failures.pop(conversation, None)
                    _done(waiting, conversation)
            if failed:
                tries = max(failures.values())
                if tries >= _TRIES:
                    codes = ", ".join(sorted(set(failed.values())))
                    raise TransientError(f"inbox refused: {codes}", code="inbox_failed")
                self._pause(uniform(_SHORTEST_PAUSE_S, _SHORTEST_PAUSE_S * 2**tries))  # noqa: S311  # jitter

    def _batch(self, heads: Iterable[Inbound]) -> list[Entry]:
        """Return as many of ``heads``, from the first on, as go at once."""
        entries: list[Entry] = []
        size = 0
        for index, inbound in enumerate(islice(heads, _MOST_AT_ONCE)):
            body = self._body(inbound)
            size += len(body.encode())
            if entries and size > _MOST_BYTES:
                break
            entries.append(
                {
                    "Id": str(index),
                    "MessageBody": body,
                    "MessageGroupId": inbound.conversation,
                    "MessageDeduplicationId": inbound.message_id,
                }
            )
        return entries

    def _send(self, entries: Sequence[Entry]) -> dict[str, str]:
        """Return what was not taken: SQS's name of the reason by the entry's id."""
        with translated("inbox"):
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        return {each["Id"]: each["Code"] for each in answer.get("Failed", [])}

    def _body(self, inbound: Inbound) -> str:
        return encode_bare(inbound) if self._seals is None else encode(inbound, self._seals)


def _done(waiting: dict[str, deque[Inbound]], conversation: str) -> None:
    """Take the first message of ``conversation`` out; the conversation goes to the end of the line."""
    queue = waiting.pop(conversation)
    queue.popleft()
    if queue:
        waiting[conversation] = queue
