"""Folds the functions' log lines into journeys: what happened to each message, and when. Pure, and deaf to order.

The lines come from several log groups, late, in any order and now and then twice, so a journey is never changed step by
step: the lines of a conversation are kept, and folded anew when another one arrives. Times are epoch milliseconds.

A line that tells of a message has `conversation`, `message_id` and either `stage` with `at_ms`, or `code` (a failure),
or `reason` (why a person was called). "queued" also carries `received_at_ms` and `verified_at_ms`; "asked" carries
`messages`, the number of messages that were taken together, and `attempt`; "archived" names a session instead of a
message.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STAGES = ("received", "verified", "queued", "asked", "first_words", "answered", "sent", "archived")
_TEXT, _ENTERED = "text", "entered"
_EXPLANATION = "unsupported"  # the kind of the reply that says what can be sent
_KEPT_LINES = 4000  # of one conversation: some 600 messages


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line that tells of a message or of a session. Empty text stands for what it does not say."""

    at_ms: int
    conversation: str
    message_id: str = ""
    stage: str = ""
    code: str = ""
    reason: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One time that the model was asked, as far as it came; ``code`` says why it failed."""

    number: int
    asked_at_ms: int | None = None
    first_words_at_ms: int | None = None
    answered_at_ms: int | None = None
    failed_at_ms: int | None = None
    code: str = ""


@dataclass(slots=True)
class Journey:
    """What happened to one message.

    ``stages`` has the time of each stage reached: of the last attempt, where there were several. ``duplicates`` is how
    often it was queued beyond the first time. ``answered_with`` is the id of the message whose reply answers this one
    too, ``messages`` how many messages this one's reply answers; ``called`` is why a person was called. ``rung`` is
    which of the model's endpoints answered.
    """

    message_id: str
    conversation: str
    channel: str = ""
    kind: str = ""
    stages: dict[str, int] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    duplicates: int = 0
    answered_with: str = ""
    messages: int = 1
    called: str = ""
    reply_kind: str = ""
    segments: int = 0
    session_id: str = ""
    confidence: float | None = None
    model_ms: int | None = None
    rung: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the journey as the page gets it."""
        return asdict(self)


class JourneyBook:
    """The lines seen so far, by conversation, and the journeys they tell of."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[LogLine]] = defaultdict(lambda: deque(maxlen=_KEPT_LINES))

    def take(self, lines: Iterable[LogLine]) -> set[str]:
        """Keep ``lines`` and return the conversations that they tell of."""
        touched = set()
        for line in lines:
            self._lines[line.conversation].append(line)
            touched.add(line.conversation)
        return touched

    def journeys(self, conversation: str) -> list[Journey]:
        """Return the journeys of one conversation, in the order of their arrival."""
        return fold(self._lines.get(conversation, ()))


def read_line(text: str, logged_at_ms: int) -> LogLine | None:
    """Return what one line of a log says about a message or a session, ``None`` when it is about something else.

    ``logged_at_ms`` is the time for a line that tells none itself.
    """
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("conversation"), str):
        return None
    stage, code, reason = (document.get(name) for name in ("stage", "code", "reason"))
    if stage not in STAGES and not isinstance(code, str) and not isinstance(reason, str):
        return None
    at_ms = document.get("at_ms")
    return LogLine(
        at_ms=at_ms if isinstance(at_ms, int) else _written_at_ms(document.get("timestamp"), logged_at_ms),
        conversation=document["conversation"],
        message_id=str(document.get("message_id") or ""),
        stage=stage if stage in STAGES else "",
        code=code if isinstance(code, str) else "",
        reason=reason if isinstance(reason, str) else "",
        fields=document,
    )


def fold(lines: Iterable[LogLine]) -> list[Journey]:
    """Return the journeys that the lines of one conversation tell of, in the order of their arrival."""
    ordered = sorted(lines, key=lambda line: (line.at_ms, STAGES.index(line.stage) if line.stage else len(STAGES)))
    journeys: dict[str, Journey] = {}
    for line in ordered:
        if line.message_id:
            journey = journeys.setdefault(line.message_id, Journey(line.message_id, line.conversation))
            _add(journey, line)
    arrived = sorted(journeys.values(), key=_arrival)
    _join_those_answered_together(arrived)
    for line in ordered:
        if line.stage == "archived":
            _archive(arrived, line)
    return arrived


def _add(journey: Journey, line: LogLine) -> None:
    fields = line.fields
    journey.channel = journey.channel or str(fields.get("channel", ""))
    journey.called = line.reason or journey.called
    if line.code:
        _fail(journey, line)
    match line.stage:
        case "queued":
            _queue(journey, line)
        case "asked":
            number = int(fields.get("attempt") or len(journey.attempts) + 1)
            journey.attempts.append(Attempt(number, asked_at_ms=line.at_ms))
            journey.messages = max(journey.messages, int(fields.get("messages") or 1))
            for stage in ("first_words", "answered", "sent"):
                journey.stages.pop(stage, None)
            journey.stages["asked"] = line.at_ms
        case "first_words" | "answered":
            journey.stages[line.stage] = line.at_ms
            setattr(_current(journey), f"{line.stage}_at_ms", line.at_ms)
            journey.confidence = fields.get("confidence", journey.confidence)
            journey.model_ms = fields.get("model_ms", journey.model_ms)
            journey.rung = str(fields.get("rung", journey.rung))
        case "sent":
            # A repeated line means that the same reply was sent again and shown once: the first time counts.
            journey.stages.setdefault("sent", line.at_ms)
            journey.reply_kind = str(fields.get("kind", ""))
            journey.segments = int(fields.get("segments") or 0)
            journey.session_id = str(fields.get("session_id", ""))
            journey.messages = max(journey.messages, int(fields.get("messages") or 1))
        case "":
            pass
        case stage:
            journey.stages.setdefault(stage, line.at_ms)


def _queue(journey: Journey, line: LogLine) -> None:
    if "queued" in journey.stages:
        journey.duplicates += 1
        return
    journey.kind = str(line.fields.get("kind", ""))
    for stage in ("received", "verified"):
        at_ms = line.fields.get(f"{stage}_at_ms")
        if isinstance(at_ms, int):
            journey.stages[stage] = at_ms
    journey.stages["queued"] = line.at_ms


def _fail(journey: Journey, line: LogLine) -> None:
    attempt = _current(journey)
    if attempt.code and isinstance(number := line.fields.get("attempt"), int) and number > attempt.number:
        # It failed before the model was asked.
        attempt = Attempt(number)
        journey.attempts.append(attempt)
    attempt.failed_at_ms, attempt.code = line.at_ms, line.code


def _current(journey: Journey) -> Attempt:
    if not journey.attempts:
        journey.attempts.append(Attempt(1))
    return journey.attempts[-1]


def _arrival(journey: Journey) -> tuple[int, str]:
    return min(journey.stages.values(), default=0), journey.message_id


def _join_those_answered_together(arrived: Sequence[Journey]) -> None:
    """Find the messages that another one's lines speak for: the next ones, when they have no lines of their own.

    How many texts make one question is logged. Pictures and the like that get one explanation together are not
    counted: there it is all that were queued by the time it was sent.
    """
    for place, first in enumerate(arrived):
        explained = first.reply_kind == _EXPLANATION and "sent" in first.stages
        missing = len(arrived) if explained else first.messages - 1
        for journey in arrived[place + 1 :]:
            has_own = "asked" in journey.stages or "sent" in journey.stages
            too_late = explained and journey.stages.get("queued", 0) > first.stages["sent"]
            if not missing or has_own or too_late or not _go_together(first, journey):
                break
            journey.answered_with = first.message_id
            journey.session_id, journey.reply_kind = first.session_id, first.reply_kind
            missing -= 1
        if explained:
            first.messages = 1 + sum(each.answered_with == first.message_id for each in arrived)


def _go_together(one: Journey, other: Journey) -> bool:
    if _ENTERED in {one.kind, other.kind}:
        return one.kind == other.kind
    return (one.kind == _TEXT) is (other.kind == _TEXT)


def _archive(arrived: Iterable[Journey], line: LogLine) -> None:
    """Mark what the archived document holds: the session's messages that were answered before it was written."""
    journeys = list(arrived)
    sent = {journey.message_id: journey.stages.get("sent") for journey in journeys}
    for journey in journeys:
        sent_at_ms = sent.get(journey.answered_with or journey.message_id)
        if sent_at_ms is None or sent_at_ms > line.at_ms:
            continue
        if journey.session_id == line.fields.get("session_id"):
            journey.stages.setdefault("archived", line.at_ms)


def _written_at_ms(timestamp: object, otherwise: int) -> int:
    try:
        return int(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
    except ValueError:
        return otherwise
