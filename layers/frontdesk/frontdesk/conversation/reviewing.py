"""A day of answers is judged again by the rules of today: what a customer was told and would not be told now is found.

Every find becomes an item for a person to decide, and every day gets a report. A day is due while its newest report
is missing, was made by other rules, or had records that did not open; so a run that was cut short, a rule that came
later and a key that was put back all lead to the same end. docs/review.md describes the report.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from frontdesk.conversation.days import last_finished_day
from frontdesk.conversation.review_report import Suspect, Tally, document, page
from frontdesk.errors import ErasedError, TransientError, UnopenableError
from frontdesk.messages import Action
from frontdesk.records import ReviewItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from frontdesk.conversation.ports import AuditOfDay
    from frontdesk.messages import Finding, Verdict
    from frontdesk.records import AuditRecord

DAYS_BACK = 7
_STOP_BEFORE_END_S = 30.0
_SIDE_BY_SIDE = 16
_AT_ONCE = 128  # conversations whose words are in memory
# What begins a text to the customer, and what replaces the text that the record before left.
_BEGINNINGS = frozenset({"generated", "said", "interim", "fallback"})
_CHANGES = frozenset({"filtered", "handoff", "unmasked", "truncated", "withheld"})
_STOPS = frozenset({Action.BLOCK, Action.HANDOFF})
_NOT_IN_A_REPORTS_SUBSTANCE = frozenset({"number", "reviewed_at"})

log = logging.getLogger("frontdesk.reviewing")


class Words(Protocol):
    """What opens the words of a record."""

    def opened(self, record: AuditRecord) -> tuple[str, str]:
        """Return the words before and after; raises `UnopenableError`, and `ErasedError` after an erasure."""


class AnswerRules(Protocol):
    """One version of the company's rules."""

    def judge_answer(self, text: str) -> Verdict:
        """Return what these rules say of an answer."""


class RulesInForce(Protocol):
    """Where the rules of this moment come from."""

    def current(self) -> AnswerRules:
        """Return the rules in force; they stay the same while others come after them."""


class Reviews(Protocol):
    """Where the items are kept that people decide. Raises `TransientError` when out of reach."""

    def open(self, item: ReviewItem) -> bool:
        """Keep ``item`` unless there is one of this record already, decided or not; return whether it was new."""

    def list(self, state: str) -> Iterator[ReviewItem]:
        """Yield the items in ``state``, the oldest first; one that was opened a moment ago may still be missing."""


class Reports(Protocol):
    """Where reports are kept, each for good. Raises `TransientError` when out of reach."""

    def get(self, name: str) -> str | None:
        """Return what is kept under ``name``."""

    def put(self, name: str, text: str, *, content_type: str) -> str:
        """Keep ``text`` unless something is there already; return what is kept under ``name`` then."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did: the days it reviewed, its counts over all of them, and the items that wait for a decision.

    ``unopened`` counts records that did not open although nobody erased them, by the id of the missing key.
    """

    days: tuple[str, ...] = ()
    records: int = 0
    texts: int = 0
    suspicious: int = 0
    erased: int = 0
    unopened: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0


def percentile(day: str, conversation: str) -> int:
    """Return a number from 0 to 99 that is always the same for this conversation on this day."""
    return int.from_bytes(sha256(f"{day}\n{conversation}".encode()).digest()[:8]) % 100


def report_name(day: str, number: int, ending: str) -> str:
    """Return the name of a day's report; ``ending`` is json or html."""
    return f"reviews/dt={day}/report{f'-{number}' if number > 1 else ''}.{ending}"


def texts_of(records: Iterable[AuditRecord]) -> Iterator[Sequence[AuditRecord]]:
    """Yield each text that a customer was told, as the records of its steps; ``records`` are of one conversation.

    The last step is what was told. A question may have several texts: an interim notice, and its answer.
    """
    texts: list[list[AuditRecord]] = []
    newest: dict[str, list[AuditRecord]] = {}
    for record in sorted(records, key=lambda each: each.seq):
        of_question = record.details.get("of") == "question"
        if record.kind not in _BEGINNINGS | _CHANGES or (of_question and record.details.get("action") not in _STOPS):
            continue  # nobody was told anything by it: a question with a span masked goes to the model only
        if record.kind in _BEGINNINGS or of_question or record.about not in newest:
            newest[record.about] = []
            texts.append(newest[record.about])
        newest[record.about].append(record)
    yield from texts


class Reviewing:
    """Reviews the days that are over."""

    def __init__(
        self,
        *,
        audit: AuditOfDay,
        words: Words,
        rules: RulesInForce,
        reviews: Reviews,
        reports: Reports,
        clock: Callable[[], float],
        sample_percent: int,
        choose: Callable[[str, str], int] = percentile,
    ) -> None:
        """``clock`` returns epoch seconds.

        Of a day's conversations those are reviewed for which ``choose`` returns less than ``sample_percent``.
        """
        self._audit = audit
        self._words = words
        self._rules = rules
        self._reviews = reviews
        self._reports = reports
        self._clock = clock
        self._sample_percent = sample_percent
        self._choose = choose

    def run(self, *, time_left: Callable[[], float]) -> Outcome:
        """Review every day that is due, the newest first, and return what that came to.

        Raises `TransientError` when ``time_left`` (seconds) is used up or a store is out of reach: the days that have
        their report are done, the others are due again.
        """
        rules = self._rules.current()
        version = rules.judge_answer("").rules_version
        newest = last_finished_day(self._clock())
        days: list[str] = []
        total = Tally()
        for back in range(DAYS_BACK):
            day = (newest - timedelta(days=back)).isoformat()
            number, latest = self._latest(day)
            if latest is not None and latest["rules_version"] == version and not latest["unopened"]:
                self._finish(latest)
                continue
            tally = self._review(day, rules, version, time_left)
            self._report(day, number, latest, tally, version)
            days.append(day)
            total += tally
        waiting = {(item.conversation, item.seq) for item in self._reviews.list("open")} | total.opened
        return Outcome(
            days=tuple(days),
            records=total.records,
            texts=total.texts,
            suspicious=len(total.suspects),
            erased=total.erased,
            unopened=dict(total.unopened),
            waiting=len(waiting),
        )

    # -- reports -------------------------------------------------------------------------------------------------

    def _latest(self, day: str) -> tuple[int, dict[str, Any] | None]:
        """Return the number and the content of the day's newest report, 0 and nothing when there is none."""
        number, latest = 0, None
        while (text := self._reports.get(report_name(day, number + 1, "json"))) is not None:
            number, latest = number + 1, text
        return number, None if latest is None else json.loads(latest)

    def _report(self, day: str, number: int, latest: dict[str, Any] | None, tally: Tally, version: str) -> None:
        report = document(
            tally,
            day=day,
            number=number + 1,
            rules_version=version,
            sample_percent=self._sample_percent,
            reviewed_at=int(self._clock()),
        )
        if latest is None or _substance(report) != _substance(latest):
            text = json.dumps(report, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            name = report_name(day, report["number"], "json")
            latest = json.loads(self._reports.put(name, text, content_type="application/json; charset=utf-8"))
        self._finish(latest)

    def _finish(self, report: Mapping[str, Any]) -> None:
        """Make sure that there is a page of ``report`` too: a crash may have come between the two."""
        name = report_name(report["day"], report["number"], "html")
        if self._reports.get(name) is None:
            self._reports.put(name, page(report), content_type="text/html; charset=utf-8")

    # -- judging -------------------------------------------------------------------------------------------------

    def _review(self, day: str, rules: AnswerRules, version: str, time_left: Callable[[], float]) -> Tally:
        tally = Tally()
        with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
            for shard in range(self._audit.shards):
                sampled = self._sample(day, shard, tally)
                for first in range(0, len(sampled), _AT_ONCE):
                    if time_left() < _STOP_BEFORE_END_S:
                        raise TransientError(
                            "a day could not be reviewed in the time there was", code="review_incomplete"
                        )
                    # Opening waits for each customer's key, so it is done side by side. Judging has a few
                    # milliseconds a pattern, so no other thread takes part of them.
                    for conversation in list(pool.map(self._open, sampled[first : first + _AT_ONCE])):
                        _judge(conversation, rules, tally)
            items = [
                ReviewItem(
                    conversation=suspect.conversation,
                    seq=suspect.seq,
                    day=day,
                    rule_ids=suspect.rule_ids,
                    rules_version=version,
                    found_at=int(self._clock()),
                )
                for suspect in tally.suspects
            ]
            for item, new in zip(items, pool.map(self._reviews.open, items), strict=True):
                if new:
                    tally.opened.add((item.conversation, item.seq))
        for key_id, records in sorted(tally.unopened.items()):
            log.error(
                "records not opened", extra={"code": "unopened", "key_id": key_id, "day": day, "records": records}
            )
        return tally

    def _sample(self, day: str, shard: int, tally: Tally) -> list[list[AuditRecord]]:
        """Return the day's records of each conversation of ``shard`` that was chosen, and count all there are."""
        conversations: set[str] = set()
        sampled: defaultdict[str, list[AuditRecord]] = defaultdict(list)
        for record in self._audit.of_day(day, shard):
            tally.records += 1
            conversations.add(record.conversation)
            if self._choose(day, record.conversation) < self._sample_percent:
                sampled[record.conversation].append(record)
        tally.conversations += len(conversations)
        tally.sampled += len(sampled)
        return [records for _, records in sorted(sampled.items())]

    def _open(self, records: Sequence[AuditRecord]) -> _Conversation:
        words: dict[int, tuple[str, str] | UnopenableError] = {}
        texts = tuple(texts_of(records))
        for record in chain.from_iterable(texts):
            try:
                words[record.seq] = self._words.opened(record)
            except UnopenableError as error:
                words[record.seq] = error
        return _Conversation(records, texts, words)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """One conversation's day: its records, the texts among them, and the words or why they do not open, by number."""

    records: Sequence[AuditRecord]
    texts: Sequence[Sequence[AuditRecord]]
    words: Mapping[int, tuple[str, str] | UnopenableError]


def _judge(conversation: _Conversation, rules: AnswerRules, tally: Tally) -> None:
    """Count what was decided then and what ``rules`` find now, and note each text that was told and breaks one."""
    for record in conversation.records:
        _count_decision(record, tally)
    for steps in conversation.texts:
        tally.texts += 1
        reading = _Reading(rules)
        for record in steps:
            words = conversation.words[record.seq]
            reading.told = {}
            if isinstance(words, ErasedError):
                tally.erased += 1
            elif isinstance(words, UnopenableError):
                tally.unopened[words.key_id] += 1
            else:
                reading.read(record, *words)
        tally.found.update(reading.found.keys())
        tally.actions |= reading.found
        broken = tuple(sorted(rule_id for rule_id, action in reading.told.items() if action is not Action.TAG))
        if broken:
            last = steps[-1]
            tally.suspicious.update(broken)
            tally.suspects.append(Suspect(last.conversation, last.seq, last.kind, last.at_ms, broken))


class _Reading:
    """One text, read step by step: what the rules find at any of them, and in what the last one left.

    ``found`` and ``told`` are actions by rule id.
    """

    def __init__(self, rules: AnswerRules) -> None:
        self._rules = rules
        self._judged: dict[str, tuple[Finding, ...]] = {}
        self._before_unmasking: dict[str, Action] | None = None
        self.found: dict[str, Action] = {}
        self.told: dict[str, Action] = {}

    def read(self, record: AuditRecord, before: str, after: str) -> None:
        """Take in the next step."""
        told = self._findings(after)
        if record.kind == "unmasked":
            self._before_unmasking = self._findings(before)
        if self._before_unmasking is not None:
            # The customer's own data are back in the text, and rules never judge those.
            told = {rule_id: action for rule_id, action in told.items() if rule_id in self._before_unmasking}
        if record.details.get("action") in _STOPS:
            # This is the sentence of the rule that stopped the text: it may speak of what the rule is about.
            stopped_by = record.details.get("rule_ids", "").split(",")
            told = {rule_id: action for rule_id, action in told.items() if rule_id not in stopped_by}
        self.told = told
        self.found |= told

    def _findings(self, words: str) -> dict[str, Action]:
        if words not in self._judged:  # most steps begin with the words that the one before ended with
            self._judged[words] = self._rules.judge_answer(words).findings
        return {each.rule_id: each.action for each in self._judged[words]}


def _count_decision(record: AuditRecord, tally: Tally) -> None:
    """Count what a rule did at the time. The deciding rule is the actor of a stop; a mask names all that masked."""
    rule_id = record.actor.removeprefix("rule:").rpartition("@")[0]
    if record.kind == "handoff":
        tally.handed_off[rule_id] += 1
        tally.handoffs += 1
    elif record.kind == "filtered" and record.details.get("action") == Action.BLOCK:
        tally.blocked[rule_id] += 1
        tally.blocks += 1
    elif record.kind == "filtered":
        tally.masked.update(record.details.get("rule_ids", rule_id).split(","))
        tally.masks += 1


def _substance(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in _NOT_IN_A_REPORTS_SUBSTANCE}
