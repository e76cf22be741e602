"""Checks of how the bot is told that there is something to read: the address, notifications, forgeries."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from simulators.conformance.findings import FailedError, NotApplicableError
from simulators.wecom.callback import Tamper

if TYPE_CHECKING:
    from simulators.conformance.stage import Stage
    from simulators.wecom.courier import Attempt

_FORGERIES = {"another signature": Tamper.SIGNATURE, "another company": Tamper.RECEIVEID, "no signature": None}


async def answers_the_check(stage: Stage) -> str:
    """Check the address as when it is saved in the console."""
    verification = await stage.simulator.verify(of_kf=True)
    if not verification.ok:
        raise FailedError(f"{verification.reason} (after {verification.milliseconds} ms)")
    return f"the text after {verification.milliseconds} ms"


async def acknowledges(stage: Stage) -> str:
    """Wait for the acknowledgement of a notification."""
    guest = stage.guest()
    notice = await guest.asks(stage.question(0))
    first = notice.attempts[0]
    seen = f"{_outcome(first)} after {first.milliseconds} ms"
    if first.status != 200 or first.reply not in {"empty", "success"}:
        raise FailedError(seen)
    await guest.answered(0)
    return seen


async def stands_two_notifications(stage: Stage) -> str:
    """Deliver one notification twice."""
    guest = stage.guest()
    await guest.asks(stage.question(1), copies=2)
    return await guest.answered(1)


async def stands_two_at_once(stage: Stage) -> str:
    """Deliver two notifications at the same moment, each for both of two messages."""
    guests = stage.guest(), stage.guest()
    for number, guest in enumerate(guests):
        guest.writes(stage.question(number))
    await asyncio.gather(stage.tell(), stage.tell())
    await asyncio.gather(*(guest.answered(number) for number, guest in enumerate(guests)))
    return "1 answer each"


async def catches_up(stage: Stage) -> str:
    """Lose a notification, and deliver the next one."""
    lost, told = stage.guest(), stage.guest()
    lost.writes(stage.question(0))
    await told.asks(stage.question(1))
    await asyncio.gather(lost.answered(0), told.answered(1))
    return "1 answer each"


async def looks_by_itself(stage: Stage) -> str:
    """Lose a notification, and deliver no other."""
    if stage.limits.sweep_s is None:
        raise NotApplicableError("not asked for: see --sweep-within")
    guest = stage.guest()
    guest.writes(stage.question(2))
    started = time.monotonic()
    if not await guest.hears(guest.answers, stage.limits.sweep_s):
        raise FailedError(f"not seen within {stage.limits.sweep_s:g} s")
    seconds = time.monotonic() - started
    await guest.answered(2)
    return f"1 answer after {seconds:.1f} s"


async def refuses_forgeries(stage: Stage) -> str:
    """Send what looks like a notification, as somebody else might."""
    answers = {name: await stage.simulator.forge(stage.open_kfid, tamper) for name, tamper in _FORGERIES.items()}
    believed = [f"{name}: {_outcome(answer)}" for name, answer in answers.items() if not _is_refused(answer)]
    if believed:
        raise FailedError("; ".join(believed))
    return ", ".join(sorted({f"HTTP {answer.status}" for answer in answers.values()}))


def _is_refused(answer: Attempt) -> bool:
    return answer.status is not None and 400 <= answer.status < 500


def _outcome(answer: Attempt) -> str:
    if answer.status is None:
        return "no answer in time" if answer.error == "timeout" else f"{answer.error} error"
    body = f", body {answer.reply}" if answer.reply else ""
    return f"HTTP {answer.status}{body}"
