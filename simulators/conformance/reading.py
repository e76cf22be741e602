"""Checks of how the bot reads an account: pages, cursors, history, tokens, and entries that it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.conformance.findings import FailedError, NotApplicableError
from simulators.conformance.stage import SERVICER

if TYPE_CHECKING:
    from simulators.conformance.stage import Stage

# More than the thousand entries that one page can hold.
_BACKLOG = 1100
_DAY_S = 24 * 3600
_OLD_MESSAGES = 3


async def reads_all_pages(stage: Stage) -> str:
    """Put a message behind more events than fit into a page."""
    guest = stage.guest()
    state = stage.simulator.state
    with state.lock:
        for number in range(_BACKLOG):
            state.kf.log_event(
                stage.open_kfid,
                "servicer_status_change",
                state.clock(),
                servicer_userid=SERVICER,
                status=1 + number % 2,
                stop_type=0,
            )
        # One notification stands for all of them.
        state.kf.news.clear()
    await guest.asks(stage.question(3))
    return await guest.answered(3)


async def reads_on_after_an_empty_page(stage: Stage) -> str:
    """Precede each page that has something by an empty one with has_more 1."""
    guest = stage.guest()
    with stage.behaving(kf_empty_pages=True):
        await guest.asks(stage.question(4))
        return await guest.answered(4)


async def leaves_history_alone(stage: Stage) -> str:
    """Let an account be read for the first time, with messages of yesterday in it."""
    if not stage.has_own_account:
        raise NotApplicableError("needs an account of its own: not with --open-kfid")
    account = stage.new_account()
    old = [stage.guest(account) for _ in range(_OLD_MESSAGES)]
    for number, guest in enumerate(old):
        guest.writes(stage.question(number), send_time=int(stage.simulator.state.clock()) - _DAY_S)
    guest = stage.guest(account)
    await guest.asks(stage.question(5))
    seen = await guest.answered(5)
    answered = sum(bool(each.hearing()) for each in old)
    if answered:
        raise FailedError(f"{answered} of {len(old)} messages of yesterday were answered")
    return seen


async def stands_an_ended_sync_token(stage: Stage) -> str:
    """Refuse the token of a notification."""
    guest = stage.guest()
    guest.writes(stage.question(6))
    notice = stage.simulator.notice_of(stage.open_kfid)
    stage.simulator.state.kf.sync_tokens.clear()
    await stage.simulator.notify(notice)
    return await guest.answered(6)


async def renews_an_expired_token(stage: Stage) -> str:
    """Let the access token expire before its time: 42001."""
    guest = stage.guest()
    stage.simulator.state.tokens.expire_all(stage.simulator.state.clock())
    await guest.asks(stage.question(7))
    return await guest.answered(7)


async def renews_a_revoked_token(stage: Stage) -> str:
    """Forget the access token: 40014."""
    guest = stage.guest()
    stage.simulator.state.tokens.revoke_all()
    await guest.asks(stage.question(8))
    return await guest.answered(8)


async def stands_a_recall(stage: Stage) -> str:
    """Let a customer take a message back before it was read."""
    hasty, other = stage.guest(), stage.guest()
    written = hasty.writes(stage.question(0))
    stage.simulator.kf.recall(hasty.external_userid, written.entry.msgid, open_kfid=stage.open_kfid)
    stage.simulator.state.kf.news.clear()
    await other.asks(stage.question(9))
    seen = await other.answered(9)
    if len(hasty.hearing()) >= 2 * len(stage.reference(0)):
        raise FailedError("the message that was taken back was answered more than once")
    return seen


async def passes_over_the_unknown(stage: Stage) -> str:
    """Put entries of kinds that are in no list before a question."""
    puzzling, guest = stage.guest(), stage.guest()
    for msgtype in ("hologram", "meeting"):
        puzzling.writes(msgtype=msgtype)
    state = stage.simulator.state
    with state.lock:
        state.kf.log_event(stage.open_kfid, "aura_change", state.clock(), external_userid=puzzling.external_userid)
        state.kf.news.clear()
    await guest.asks(stage.question(1))
    seen = await guest.answered(1)
    await puzzling.quiet()
    if len(puzzling.hearing()) > 2:
        raise FailedError(f"{len(puzzling.hearing())} messages to who sent 2 unknown ones")
    return seen
