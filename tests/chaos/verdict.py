"""What has become of a run: every message of every customer, every line in every chat, and the numbers of both."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from frontdesk.conversation.speaking import segment_id
from simulators.wecom.kf.chats import Speaker
from simulators.wecom.kf.sessions import ServiceState
from tests.chaos.wecom import WITH_PEOPLE

if TYPE_CHECKING:
    from frontdesk.records import Reply
    from simulators.wecom.kf.chats import ChatEntry
    from tests.chaos.town import Said, Town

_ANSWERED = re.compile(r"答((?:#\d+)+)")
_SEGMENT = re.compile(r"[答续](?:#\d+)+·\d+")
_NO_TURN = frozenset({"noted", "welcome", "rating", "thanks", "notice"})
_BY_PEOPLE = WITH_PEOPLE | {ServiceState.ENDED}


@dataclass(slots=True)
class Verdict:
    """The findings, each a line that names a message, and the numbers."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    over_people: list[str] = field(default_factory=list)
    allowance: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    unread_state: list[str] = field(default_factory=list)
    unheard: list[str] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)

    @property
    def promises(self) -> dict[str, list[str]]:
        """What must be empty, by the name that the table has for it."""
        return {
            "lost": self.lost,
            "answered twice": self.twice,
            "order violations": self.out_of_order,
            "machine lines while a person had the session": self.over_people,
            "allowance violations (95001 from send_msg)": self.allowance,
            "history answered": self.history,
            "sends without reading the state since the last one": self.unread_state,
            "people announced, and neither called nor a ticket opened": self.unheard,
            "turns missing from the sessions, or there twice": self.turns,
        }

    def rows(self) -> list[tuple[str, object]]:
        """Return the table's rows: the messages, the promises, and the rest."""
        first = {name: self.numbers[name] for name in ("messages", "taps of menus")}
        rest = {name: value for name, value in self.numbers.items() if name not in first}
        return [*first.items(), *((name, len(found)) for name, found in self.promises.items()), *rest.items()]


def judge(town: Town, *, seconds: float) -> Verdict:
    """Return what has become of the run, which took ``seconds`` of the machine's own time."""
    verdict = Verdict()
    replies = _Replies(town)
    by_customer: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for said in town.said.values():
        by_customer[said.account, said.customer].append(said)
    fates: Counter[str] = Counter()
    for (account, customer), messages in by_customer.items():
        conversation = town.house.conversation_of(f"{account}:{customer}")
        entries = town.wecom.entries(account, customer)
        shown = {entry.msgid: entry for entry in entries if entry.by is not Speaker.CUSTOMER}
        for said in messages:
            fate = _fate(town, said, conversation, replies, shown)
            fates[fate] += 1
            if fate == "lost":
                verdict.lost.append(f"{said.msgid} of {customer}, {said.kind}")
        verdict.out_of_order += _order(messages, replies.of(conversation), town.redriven, entries)
        verdict.unheard += _unheard(town, replies.of(conversation), conversation)
        verdict.turns += _turns(town, replies.of(conversation), conversation)
        verdict.twice += _twice(entries)
        verdict.over_people += _over_people(town, account, customer, entries)
    verdict.history += sorted(town.history & replies.message_ids)
    _judge_calls(town, verdict)
    _count(town, verdict, fates, seconds)
    return verdict


class _Replies:
    """The ledger's replies, by conversation and by message."""

    def __init__(self, town: Town) -> None:
        self._of: dict[str, list[Reply]] = defaultdict(list)
        self._by_message: dict[tuple[str, str], Reply] = {}
        for reply in town.house.stores.ledger.replies:
            self._of[reply.conversation].append(reply)
            for message_id in reply.message_ids:
                self._by_message[reply.conversation, message_id] = reply

    def of(self, conversation: str) -> list[Reply]:
        return self._of[conversation]

    def to(self, conversation: str, message_id: str) -> Reply | None:
        return self._by_message.get((conversation, message_id))

    @property
    def message_ids(self) -> set[str]:
        return {message_id for _, message_id in self._by_message}


def _fate(town: Town, said: Said, conversation: str, replies: _Replies, shown: dict[str, ChatEntry]) -> str:
    """Return what has become of a message; "lost" for what nobody was told anything about."""
    reply = replies.to(conversation, said.msgid)
    fate = _told(town, said, reply, shown) if reply else ""
    if not fate and segment_id(conversation, f"fallback#{said.msgid}", 0) in shown:
        fate = "told an apology"
    return fate or ("taken back" if said.recalled else "lost")


def _told(town: Town, said: Said, reply: Reply, shown: dict[str, ChatEntry]) -> str:
    """Return what a message's ``reply`` did about it, "" for nothing."""
    ids = [segment_id(reply.conversation, reply.question_id, number) for number in range(len(reply.segments))]
    if not reply.silent and all(each in shown for each in ids):
        return "told of a person" if reply.handoff else f"answered ({reply.kind})"
    given_up = _given_up(town, reply)
    if (reply.silent or given_up) and _with_people(town, said, until=given_up or reply.answered_at_ms / 1000):
        return "in a person's hands" if reply.silent else "withheld for a person"
    if (reply.silent or given_up) and _heard_of(town, reply):
        return "handed over, no message left"
    # A rating was tapped: it is counted, and with no message left nobody is thanked.
    return "noted" if reply.kind == "noted" and said.kind == "tap" else ""


def _given_up(town: Town, reply: Reply) -> float:
    """Return when it was noted that ``reply`` will not be said, 0 for never."""
    happened = town.happened(reply.conversation, reply.question_id)
    return max((each.at_ms / 1000 for each in happened if each.kind == "withheld"), default=0.0)


def _with_people(town: Town, said: Said, *, until: float) -> bool:
    """Return whether people had the customer, or had just let go of them, at some time since the message."""
    changes = town.wecom.history.get((said.account, said.customer), [])
    before = [change.state for change in changes if change.at <= said.at][-1:]
    since = [change.state for change in changes if said.at < change.at <= until]
    return bool(_BY_PEOPLE & {*before, *since})


def _heard_of(town: Town, reply: Reply) -> bool:
    """Return whether a person was called, or a ticket asked for, because of ``reply``."""
    happened = [each for message_id in reply.message_ids for each in town.happened(reply.conversation, message_id)]
    return any(each.kind == "ticket" or each.details.get("change") == "called" for each in happened)


def _unheard(town: Town, replies: list[Reply], conversation: str) -> list[str]:
    """Return the announced hand-overs that came to nothing, those left out that a person came before."""
    return [
        f"{reply.question_id} of {conversation}"
        for reply in replies
        if reply.handoff and not _heard_of(town, reply) and not _given_up(town, reply)
    ]


def _turns(town: Town, replies: list[Reply], conversation: str) -> list[str]:
    """Return the replies that are not in exactly one session; what is no more than noted, or a courtesy, need not be."""
    kept = [each for (owner, _), each in town.house.stores.sessions.kept.items() if owner == conversation]
    turns = Counter(turn.question_id for session in kept for turn in session.turns)
    # Old turns make room: of a session that dropped some, nobody knows which.
    if any(session.turns_dropped for session in kept):
        return []
    return [
        f"{reply.question_id} ({reply.kind}) of {conversation}: {turns[reply.question_id]}"
        for reply in replies
        if reply.kind not in _NO_TURN and turns[reply.question_id] != 1
    ]


def _order(messages: list[Said], replies: list[Reply], redriven: set[str], entries: list[ChatEntry]) -> list[str]:
    """Return where a customer was answered in another order than they wrote in, or read segments out of order.

    What was ``redriven`` has lost its place: as a dead letter it was behind everything that came meanwhile.
    """
    found = []
    replies = [reply for reply in replies if not redriven.intersection(reply.message_ids)]
    numbers = {said.msgid: place for place, said in enumerate(messages)}
    answered = [numbers[each] for reply in replies for each in reply.message_ids if each in numbers]
    found += [f"{messages[one].msgid} before {messages[two].msgid}" for one, two in _falls(answered)]
    places = {
        segment_id(reply.conversation, reply.question_id, number): (place, number)
        for place, reply in enumerate(replies)
        for number in range(len(reply.segments))
    }
    read = [places[entry.msgid] for entry in entries if entry.msgid in places]
    found += [
        f"segment {one[1]} of {replies[one[0]].question_id} before {two[1]} of {replies[two[0]].question_id}"
        for one, two in pairwise(read)
        if one >= two
    ]
    return found


def _falls(numbers: list[int]) -> list[tuple[int, int]]:
    return [(one, two) for one, two in pairwise(numbers) if one >= two]


def _twice(entries: list[ChatEntry]) -> list[str]:
    """Return the marks and the segments that a customer read more than once in answers."""
    said = [entry.content for entry in entries if entry.by in {Speaker.MACHINE, Speaker.EVENT_MESSAGE}]
    marks = Counter(mark for text in said for found in _ANSWERED.findall(text) for mark in found.split("#")[1:])
    segments = Counter(segment for text in said for segment in _SEGMENT.findall(text))
    return [f"{name}: {count} times" for name, count in [*marks.items(), *segments.items()] if count > 1]


def _over_people(town: Town, account: str, customer: str, entries: list[ChatEntry]) -> list[str]:
    """Return the machine's lines, those with a vendor's code left out, between a take and its end."""
    changes = town.wecom.history.get((account, customer), [])
    found = []
    for entry in entries:
        if entry.by is not Speaker.MACHINE:
            continue
        state = next((change.state for change in reversed(changes) if change.seq < entry.seq), ServiceState.NEW)
        if state in WITH_PEOPLE:
            found.append(f"{entry.msgid} to {customer}")
    return found


def _judge_calls(town: Town, verdict: Verdict) -> None:
    """Look at what WeCom was asked: refusals, and whether the state was read before each message."""
    refused: Counter[int] = Counter()
    read: set[str] = set()
    with_text = 0  # menus below a text that is too long for one: two messages of WeCom's, one for us
    for call in town.wecom.state.calls.all():
        if call.path == "kf/service_state/get" and call.errcode == 0:
            read.update(call.userids)
        if call.path != "kf/send_msg":
            continue
        if call.errcode:
            refused[call.errcode] += 1
        if call.errcode == 95001:
            verdict.allowance.append(f"{call.seq} to {call.userids}")
        if call.errcode == 0 and call.fault is None:
            unread = [f"{call.seq} to {userid}" for userid in call.userids if userid not in read]
            if unread and call.msgtype == "msgmenu":
                with_text += 1
            else:
                verdict.unread_state += unread
            read.difference_update(call.userids)
    verdict.numbers["sends refused by WeCom because a person had the session (95018)"] = refused[95018]
    verdict.numbers["menus sent right after the long text above them"] = with_text
    verdict.numbers["sends refused as repetitions (95099)"] = refused[95099]


def _count(town: Town, verdict: Verdict, fates: Counter[str], seconds: float) -> None:
    stores = town.house.stores
    taps = town.counts["taps"]
    answers = {fate: count for fate, count in sorted(fates.items()) if fate != "lost"}
    verdict.numbers |= {
        "messages": len(town.said) - taps,
        "taps of menus": taps,
        **answers,
        "crashes injected": town.crashes.total(),
        **{f"  of the {kind}": count for kind, count in sorted(town.crashes.items())},
        "redeliveries": stores.inbox.redelivered + stores.pulls.redelivered,
        "dropped by the queues as seen before": stores.inbox.dropped + stores.pulls.dropped,
        "dead letters, redriven": town.counts["redriven"],
        "news lost / late / twice": " / ".join(str(town.counts[f"news {how}"]) for how in ("lost", "late", "twice")),
        "faults of WeCom / of the model": f"{town.counts['faults of WeCom']} / {town.house.model.failures}",
        "came to people / taken midway / nobody acted": (
            f"{town.counts['came to people']} / {town.counts['taken midway']} / {town.counts['nobody acted']}"
        ),
        "tickets asked for": len(stores.ticket_requests.requests),
        "calls to WeCom": len(town.wecom.state.calls.all()),
        "kept time, minutes": round(town.clock.monotonic() / 60),
        "seconds": round(seconds, 1),
        "messages/s": round(len(town.said) / seconds, 1),
    }


def table(columns: dict[str, Verdict]) -> str:
    """Return one table with a column for each run."""
    rows: dict[str, list[str]] = {}
    for place, verdict in enumerate(columns.values()):
        for name, value in verdict.rows():
            rows.setdefault(name, ["-"] * len(columns))[place] = str(value)
    heads = list(columns)
    width = max(map(len, rows))
    widths = [max(len(head), *(len(cells[place]) for cells in rows.values())) for place, head in enumerate(heads)]

    def line(name: str, cells: list[str]) -> str:
        shown = " | ".join(cell.rjust(size) for cell, size in zip(cells, widths, strict=True))
        return f"{name.ljust(width)} | {shown}"

    rule = "-+-".join("-" * size for size in (width, *widths))
    return "\n".join([line("", heads), rule, *(line(name, cells) for name, cells in rows.items())])
