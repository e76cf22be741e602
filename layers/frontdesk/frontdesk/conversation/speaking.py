"""The machine's voice: what is on record is sent, segment by segment, and only while the machine is in charge.

Who is in charge is read again right before every single message. Where it cannot be read, nothing is said.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from frontdesk.conversation.journey import log, name_of, reached
from frontdesk.conversation.trail import FRONTDESK, Trail
from frontdesk.errors import ConflictError, TakenOverError
from frontdesk.messages import Charge, Outbound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.conversation.outcomes import Progress
    from frontdesk.conversation.ports import Channel, Desk, Ledger
    from frontdesk.messages import Inbound
    from frontdesk.records import Reply

MAX_SEGMENTS = 10  # WeCom drops, without a word, what one member gets beyond 30 messages a minute (path 90236)
PERSON = "person"  # the kind of a reply that holds a person's line


def segment_id(conversation: str, question_id: str, number: int) -> str:
    """Return the name of one segment of a reply, 32 hex digits: the same whenever it is sent."""
    return hashlib.sha256(f"{conversation}\0{question_id}\0{number}".encode()).hexdigest()[:32]


class Speaker:
    """Sends what is on record; one instance serves many threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        desks: Mapping[str, Desk],
        clock: Callable[[], float],
    ) -> None:
        """``channels`` and ``desks`` by the name of the channel; one without a desk has no people behind it."""
        self._ledger = ledger
        self._channels = channels
        self._desks = desks
        self._clock = clock

    def channel(self, name: str) -> Channel:
        """Return the way out of a channel."""
        return self._channels[name]

    def charge(self, inbound: Inbound, *, deadline: float) -> Charge:
        """Return who is in charge of the customer now; raises `ChargeUnknownError`."""
        return self._charge(inbound.channel, inbound.conversation, inbound.sender, deadline)

    def distinct(self, channel: str, conversation: str, text: str) -> str:
        """Return ``text`` so that it is not taken for the repetition of an earlier message with the same words."""
        return self._channels[channel].distinct(text, self._ledger.repetitions(conversation, text))

    def deliver(self, reply: Reply, inbound: Inbound, progress: Progress, *, deadline: float) -> None:
        """Send what is missing of ``reply``. Raises `TakenOverError` where another than its speaker is in charge."""
        # What a person typed just before giving the customer back is theirs to say still.
        speakers = {Charge.PERSON, Charge.BOT} if reply.kind == PERSON else {Charge.BOT}
        if reply.complete:
            return
        for number in range(reply.sent, len(reply.segments)):
            if not reply.code:
                self._require(speakers, reply.channel, reply.conversation, reply.recipient, deadline)
            last = number == len(reply.segments) - 1
            self._channels[reply.channel].deliver(
                Outbound(
                    channel=reply.channel,
                    recipient=reply.recipient,
                    text=reply.segments[number],
                    conversation=reply.conversation,
                    message_id=segment_id(reply.conversation, reply.question_id, number),
                    menu=reply.menu if last else (),
                    code=reply.code,
                    last=bool(reply.handoff) and last,
                ),
                deadline=deadline,
            )
            progress.seen(self._now_ms())
            with suppress(ConflictError):  # the record is gone: its customer was erased meanwhile
                self._ledger.mark_sent(reply, number + 1)
        reached(
            "sent",
            self._now_ms(),
            inbound,
            segments=len(reply.segments),
            kind=reply.kind,
            question_id=reply.question_id,
            session_id=reply.session_id,
        )

    def say_once(
        self,
        inbound: Inbound,
        what: str,
        text: str,
        progress: Progress,
        *,
        deadline: float,
        kind: str,
        code: str = "",
        insist: bool = False,
    ) -> None:
        """Say ``text``, unless ``what`` was said before; ``kind`` is what the audit calls it.

        With ``insist`` a claim that cannot be written does not keep it unsaid: better twice than never.
        """
        try:
            trail = Trail(inbound.message_id, self._now_ms)  # its own: the answer's may be written meanwhile
            trail.add(kind, FRONTDESK, after=text)
            if not self._ledger.first_time(inbound.conversation, what, trail.happenings):
                return
            text = self.distinct(inbound.channel, inbound.conversation, text)
        except Exception as error:  # whatever it is, it may be what failed the attempt
            if not insist:
                raise
            log.warning("sentence not counted", exc_info=error, extra=name_of(inbound))
        if not code:
            self._require({Charge.BOT}, inbound.channel, inbound.conversation, inbound.sender, deadline)
        self._channels[inbound.channel].deliver(
            Outbound(
                channel=inbound.channel,
                recipient=inbound.sender,
                text=text,
                conversation=inbound.conversation,
                message_id=segment_id(inbound.conversation, what, 0),
                code=code,
            ),
            deadline=deadline,
        )
        progress.seen(self._now_ms())

    def _charge(self, channel: str, conversation: str, customer: str, deadline: float) -> Charge:
        desk = self._desks.get(channel)
        return desk.charge(conversation, customer, deadline=deadline) if desk else Charge.BOT

    def _require(self, speakers: set[Charge], channel: str, conversation: str, customer: str, deadline: float) -> None:
        charge = self._charge(channel, conversation, customer, deadline)
        if charge not in speakers:
            raise TakenOverError(f"{charge} is in charge of the customer")

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
