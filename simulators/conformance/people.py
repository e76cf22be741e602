"""Checks of what the bot does when people take over: silence, whose turn it is, and the way back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simulators.conformance.findings import FailedError, NotApplicableError
from simulators.conformance.stage import OTHER_SERVICER, SEND_PATH, SERVICER
from simulators.wecom.faults import Fault
from simulators.wecom.kf.sessions import ServiceState

if TYPE_CHECKING:
    from simulators.conformance.stage import Guest, Stage

_STATE_PATH = "kf/service_state/get"
_BUSY = -1
_UNREADABLE_TIMES = 2
_TAKEN = frozenset({ServiceState.POOL, ServiceState.SERVICER})


async def leaves_people_alone(stage: Stage) -> str:
    """Let one of the staff take a customer, who goes on writing."""
    guest = await _taken(stage)
    since, after = stage.last_call, guest.last_seq
    messages = 2
    for number in range(messages):
        await guest.asks(stage.question(number + 1))
    await stage.settle()
    await guest.quiet()
    return _silent(guest, since, after, messages, SERVICER)


async def ignores_what_people_say(stage: Stage) -> str:
    """Let the staff write, take back what they wrote, and hand a customer on."""
    guest = await _taken(stage)
    since, after = stage.last_call, guest.last_seq
    kf = stage.simulator.kf
    where = {"open_kfid": guest.open_kfid}
    said = kf.say(guest.external_userid, stage.question(1), **where)
    kf.say(guest.external_userid, stage.question(2), **where)
    kf.recall_said(guest.external_userid, said.entry.msgid, **where)
    kf.transfer(guest.external_userid, OTHER_SERVICER, **where)
    await _told(stage)
    await stage.settle()
    return _silent(guest, since, after, 0, OTHER_SERVICER)


async def comes_back(stage: Stage) -> str:
    """Let a person serve the customer and end the session, and the customer write again."""
    guest = await _taken(stage)
    await guest.asks(stage.question(1))
    await stage.settle()
    where = {"open_kfid": guest.open_kfid}
    stage.simulator.kf.say(guest.external_userid, "好的，已经为您处理。", **where)
    stage.simulator.kf.end(guest.external_userid, **where)
    await _told(stage)
    await stage.settle()
    after = guest.last_seq
    await guest.asks(stage.question(2))
    return await guest.answered(2, after)


async def is_silent_in_doubt(stage: Stage) -> str:
    """Let the state of the session be unreadable for a while."""
    guest = stage.guest()
    faults = stage.simulator.state.faults
    fault = Fault(path=_STATE_PATH, userid=guest.external_userid, errcode=_BUSY, times=_UNREADABLE_TIMES)
    faults.add(fault)
    await guest.asks(stage.question(3))
    started = time.monotonic()
    answered = await guest.hears(guest.answers)
    seconds = time.monotonic() - started
    reads = [call for call in stage.calls(_STATE_PATH) if guest.external_userid in call.userids]
    if not reads:
        raise NotApplicableError("the bot does not read the state before it answers")
    read = next((call.seq for call in reads if call.errcode == 0), None)
    early = [call for call in guest.tries(0) if read is None or call.seq < read]
    if early:
        raise FailedError(f"{len(early)} messages sent while the state could not be read")
    if not answered:
        raise FailedError(f"no answer within {stage.limits.answer_s:g} s, after {len(reads)} readings")
    await guest.answered(3)
    return f"1 answer after {len(reads)} readings and {seconds:.1f} s"


async def hands_over(stage: Stage) -> str:
    """Let a customer ask for a person, go on writing, be served, and come back later."""
    guest = stage.guest()
    await guest.asks(stage.question(0))
    await guest.answered(0)
    await guest.asks(stage.script.for_a_person)
    if not await stage.comes_true(lambda: guest.session.state in _TAKEN):
        raise NotApplicableError("the session stays the machine's")
    state = guest.session.state
    await guest.quiet()
    since, after = stage.last_call, guest.last_seq
    await guest.asks(stage.question(1))
    await stage.settle()
    _silent(guest, since, after, 1, guest.session.servicer_userid)
    where = {"open_kfid": guest.open_kfid}
    if guest.session.state is ServiceState.POOL:
        stage.simulator.kf.take(guest.external_userid, SERVICER, **where)
    stage.simulator.kf.say(guest.external_userid, "您好，请讲。", **where)
    stage.simulator.kf.end(guest.external_userid, **where)
    await _told(stage)
    await stage.settle()
    after = guest.last_seq
    await guest.asks(stage.question(2))
    return f"state {state.value}, silent; afterwards {await guest.answered(2, after)}"


async def _taken(stage: Stage) -> Guest:
    """Return a guest whom the bot has answered, and one of the staff has taken; the bot was told."""
    guest = stage.guest()
    await guest.asks(stage.question(0))
    await guest.answered(0)
    stage.simulator.kf.take(guest.external_userid, SERVICER, open_kfid=guest.open_kfid)
    await _told(stage)
    await stage.settle()
    return guest


async def _told(stage: Stage) -> None:
    """Let one notification stand for all that the staff have done."""
    stage.simulator.state.kf.news.clear()
    await stage.tell()


def _silent(guest: Guest, since: int, after: int, messages: int, servicer: str) -> str:
    """Return what was seen of a bot that was to be silent, or raise `FailedError`.

    To try once for each message and to be refused with 95018 is a way to find out whose turn it is, and harms nobody.
    """
    said, tries = guest.hearing(after), guest.tries(since)
    if said:
        raise FailedError(f"{len(said)} messages said while a person had the customer")
    if guest.session.servicer_userid != servicer or guest.session.state not in _TAKEN:
        raise FailedError("the customer was taken from the person")
    if len(tries) > messages:
        raise FailedError(f"{len(tries)} tries of {SEND_PATH} after {messages} messages of the customer")
    return f"silent, {len(tries)} refused tries"
