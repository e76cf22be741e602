"""The checks, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.conformance import answering, people, reading, telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulators.conformance.stage import Stage


@dataclass(frozen=True, slots=True)
class Check:
    """One scenario. `happens` is what WeCom does, `expected` what a bot should make of it.

    `run` returns what was seen, or raises `FailedError` or `NotApplicableError`. Without a `vital` one nothing else
    can be judged.
    """

    name: str
    happens: str
    expected: str
    run: Callable[[Stage], Awaitable[str]]
    vital: bool = False


CHECKS = (
    Check(
        "url-check",
        "checks the address, with + and / in the echostr",
        "the decrypted text within 1 s, nothing around it",
        telling.answers_the_check,
        vital=True,
    ),
    Check(
        "answers",
        "lets a customer ask each question",
        "an answer to each",
        answering.answers,
        vital=True,
    ),
    Check(
        "acknowledges",
        "waits 5 s for the acknowledgement",
        "HTTP 200 with an empty body (or success) in time",
        telling.acknowledges,
    ),
    Check(
        "forged",
        "is not the sender: wrong, foreign or no signature",
        "HTTP 403 or 400",
        telling.refuses_forgeries,
    ),
    Check("told-twice", "delivers one notification twice", "1 answer", telling.stands_two_notifications),
    Check(
        "told-at-once",
        "delivers 2 notifications at once, for 2 messages",
        "1 answer to each message",
        telling.stands_two_at_once,
    ),
    Check("catches-up", "loses a notification, and delivers the next", "both messages answered", telling.catches_up),
    Check(
        "sweeps",
        "loses a notification, and no other comes",
        "an answer within --sweep-within",
        telling.looks_by_itself,
    ),
    Check(
        "order",
        "brings a customer's messages in bursts",
        "all answered, in order, none twice",
        answering.keeps_the_order,
    ),
    Check("backlog", "has more than one page", "the message on the last page is answered", reading.reads_all_pages),
    Check(
        "empty-page",
        "gives an empty page with has_more 1",
        "the next page is read",
        reading.reads_on_after_an_empty_page,
    ),
    Check(
        "history",
        "has old messages at the first reading",
        "those of yesterday are not answered, today's is",
        reading.leaves_history_alone,
    ),
    Check(
        "sync-token",
        "refuses the notification's token (95007)",
        "read without it, and answered",
        reading.stands_an_ended_sync_token,
    ),
    Check("token-expired", "says 42001", "a new access token, and an answer", reading.renews_an_expired_token),
    Check("token-revoked", "says 40014", "a new access token, and an answer", reading.renews_a_revoked_token),
    Check("recall", "brings a message taken back", "later messages are answered", reading.stands_a_recall),
    Check(
        "unknown-kinds",
        "brings kinds of messages and events unheard of",
        "later messages are answered",
        reading.passes_over_the_unknown,
    ),
    Check(
        "lost-answer",
        "takes a message and breaks off before its answer",
        "the customer sees it once",
        answering.says_it_once,
    ),
    Check(
        "five-messages",
        "takes 5 messages for one of the customer's",
        "no sixth is tried, none over 2048 bytes",
        answering.stays_within_five,
    ),
    Check(
        "welcome",
        "tells twice of a customer who opens the chat",
        "1 welcome, with its code, within 20 s",
        answering.welcomes_once,
    ),
    Check(
        "person-has-it",
        "lets one of the staff take the customer",
        "silence; 1 refused try a message at most",
        people.leaves_people_alone,
    ),
    Check(
        "staff-lines",
        "brings what the staff say (origin 5) and do (events)",
        "nothing is sent, nor tried",
        people.ignores_what_people_say,
    ),
    Check(
        "state-unreadable",
        "cannot say whose turn it is (-1)",
        "silence until it can, and then an answer",
        people.is_silent_in_doubt,
    ),
    Check(
        "given-back",
        "ends the person's session; the customer writes",
        "1 answer, and none to what the person was asked",
        people.comes_back,
    ),
    Check(
        "hand-over",
        "lets a customer ask for a person",
        "state 2 or 3, silence, and answers again afterwards",
        people.hands_over,
    ),
)
