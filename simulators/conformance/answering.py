"""Checks of how the bot answers: what its answers are, order, lost answers of the API, five messages, the welcome."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING

from simulators.conformance.findings import FailedError, NotApplicableError
from simulators.conformance.stage import SEND_PATH
from simulators.wecom.faults import Drop, Fault
from simulators.wecom.kf.chats import Speaker
from simulators.wecom.kf.sessions import MOST_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.conformance.stage import Guest, Stage

BURST = 10
_EVENT_PATH = "kf/send_msg_on_event"
_TOO_MANY = 95001


async def answers(stage: Stage) -> str:
    """Let each question be asked by a customer of its own; what comes is what the other checks compare with."""
    guests = [stage.guest() for _ in stage.script.questions]
    for guest, question in zip(guests, stage.script.questions, strict=True):
        guest.writes(question)
    await stage.tell()
    await asyncio.gather(*(guest.hears(guest.answers) for guest in guests))
    await asyncio.gather(*(guest.quiet() for guest in guests))
    stage.learnt = {number: guest.answers() for number, guest in enumerate(guests)}
    unanswered = [str(number + 1) for number, texts in stage.learnt.items() if not texts]
    if unanswered:
        raise FailedError(f"no answer to question {', '.join(unanswered)} within {stage.limits.answer_s:g} s")
    sizes = sorted({len(texts) for texts in stage.learnt.values()})
    return f"{len(guests)} answers of {' or '.join(map(str, sizes))} messages"


async def keeps_the_order(stage: Stage) -> str:
    """Let one customer write several messages at once, as many as the allowance has room for, and then more."""
    guest = stage.guest()
    numbers = list(range(min(BURST, len(stage.script.questions))))
    at_once = max(1, MOST_MESSAGES // max(map(len, stage.learnt.values())))
    groups = math.ceil(len(numbers) / at_once)
    heard: list[str] = []
    for place in range(groups):
        group = numbers[place * len(numbers) // groups : (place + 1) * len(numbers) // groups]
        after = guest.last_seq
        for number in group:
            guest.writes(stage.question(number))
        await asyncio.gather(*(stage.tell() for _ in group))
        expected = [text for number in group for text in stage.reference(number)]
        await guest.hears(partial(_is_complete, guest, after, expected))
        await guest.quiet()
        heard += guest.answers(after)
    refused = sum(call.errcode == _TOO_MANY for call in guest.tries(0))
    if refused:
        raise FailedError(f"{refused} messages more than one answer to each were refused with {_TOO_MANY}")
    return compare(heard, [stage.reference(number) for number in numbers])


def compare(heard: Sequence[str], references: Sequence[Sequence[str]]) -> str:
    """Return what was seen of the answers to several questions, or raise `FailedError` or `NotApplicableError`.

    A bot may put several answers into one message. Where it says the same as it did to each question alone, it shows
    what is there and in which order; otherwise only the number of messages does.
    """
    expected = [text for reference in references for text in reference]
    seen = f"{len(heard)} messages, {len(expected)} expected"
    joined = "\n".join(heard)
    places = [joined.find(text) for text in expected]
    if len(set(expected)) == len(expected) and -1 not in places:
        if any(joined.count(text) > 1 for text in expected):
            raise FailedError(f"{seen}: some came twice")
        if places != sorted(places):
            raise FailedError(f"{seen}: not in order")
        return f"{len(expected)} answers in order, in {len(heard)} messages"
    if len(heard) >= 2 * len(expected):
        raise FailedError(f"{seen}: some came twice")
    if len(heard) >= len(references):
        return f"{seen}; the texts differ from those of single questions, so their order does not show"
    if not heard or max(places) >= 0:
        raise FailedError(f"{seen}: some are lost")
    raise NotApplicableError(f"{seen}, and of other texts: whether any is lost does not show")


def _is_complete(guest: Guest, after: int, expected: Sequence[str]) -> bool:
    heard = guest.answers(after)
    return len(heard) >= len(expected) or all(text in "\n".join(heard) for text in expected)


async def says_it_once(stage: Stage) -> str:
    """Let a message be taken, and the connection break before the API has answered."""
    guest = stage.guest()
    stage.simulator.state.faults.add(Fault(path=SEND_PATH, userid=guest.external_userid, drop=Drop.AFTER))
    await guest.asks(stage.question(2))
    seen = await guest.answered(2)
    return f"{seen}, {len(guest.tries(0))} calls"


async def stays_within_five(stage: Stage) -> str:
    """Ask for an answer longer than a message; the platform takes five."""
    guest = stage.guest()
    await guest.asks(stage.script.long_question)
    answered = await guest.hears(guest.answers)
    await guest.quiet()
    said = guest.hearing()
    refused = [call for call in guest.tries(0) if call.errcode == _TOO_MANY]
    seen = f"{len(said)} messages shown, {len(refused)} refused with {_TOO_MANY}"
    if not answered:
        raise FailedError(f"no answer within {stage.limits.answer_s:g} s")
    if refused:
        raise FailedError(seen)
    cut = sum(entry.truncated for entry in said)
    if cut:
        raise FailedError(f"{cut} of {len(said)} messages are over 2048 bytes and were cut")
    if len(guest.answers()) == 1:
        raise NotApplicableError("the answer fits into one message: see --long-question")
    return seen


async def welcomes_once(stage: Stage) -> str:
    """Let a customer open the chat, and the bot be told of it twice."""
    guest = stage.guest()
    since = stage.last_call
    _, code = stage.simulator.kf.enter(guest.external_userid, open_kfid=guest.open_kfid)
    stage.simulator.state.kf.news.clear()
    await stage.tell(copies=2)
    welcomed = partial(guest.hearing, by=Speaker.EVENT_MESSAGE)
    await guest.hears(welcomed, stage.limits.welcome_s if code else 0)
    await guest.quiet()
    refused = [call.errcode for call in stage.calls(_EVENT_PATH, since) if call.errcode]
    if guest.tries(since):
        raise FailedError("kf/send_msg was tried, which needs a message of the customer first")
    if refused:
        raise FailedError(f"kf/send_msg_on_event was refused with {refused[0]}")
    if not welcomed():
        raise NotApplicableError("the bot says no welcome")
    return "1 welcome"
