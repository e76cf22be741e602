"""Keeps the board up to date: looks at the simulated phones often, and at the deployment as often as is polite."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from simulators.console.deployment import UnreachableError
from simulators.console.phones import FromMember, Phone, member_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from simulators.console.board import Board
    from simulators.console.deployment import Window
    from simulators.console.journeys import LogLine
    from simulators.wecom.simulator import WecomSimulator
    from simulators.wecom.timeline import Entry

log = logging.getLogger("simulators.console")

PHONES_EVERY_S = 0.12
_SESSIONS_EVERY_S = 3.0
_MOST_SESSIONS = 20  # looked at again in one round, those of the latest activity
_SETTLING_S = 120  # after its end, for which a session is still looked at: it may yet be archived


class Watch(Protocol):
    """Something that keeps looking."""

    async def run(self) -> None:
        """Look again and again, until cancelled."""


class PhoneWatch:
    """Looks at the members' phones in the WeCom simulator, which lives in the same event loop."""

    def __init__(self, simulator: WecomSimulator, board: Board) -> None:
        self._simulator = simulator
        self._board = board
        self._looked_at = -1
        self._shown: dict[int, Entry] = {}
        self._followed_up_to = 0
        self._travelling: dict[int, FromMember] = {}

    def look(self) -> None:
        """Show the board what is new, and what has changed: a card that was updated, a message that was recalled."""
        state = self._simulator.state
        self._board.see_phones(Phone(member.userid.lower(), member.name) for member in state.members.all())
        changes = state.timeline.changes
        if changes != self._looked_at:
            self._looked_at = changes
            self._see_entries(state.timeline.all())
        if self._travelling:
            self._board.see_sent(self._travelling.values())
            self._travelling = {seq: sent for seq, sent in self._travelling.items() if not sent.delivery.done}

    def _see_entries(self, entries: list[Entry]) -> None:
        new = sorted((each for each in entries if self._shown.get(each.seq) is not each), key=lambda each: each.seq)
        self._shown = {each.seq: each for each in entries}
        self._board.see_entries(member_entry(each) for each in new if each.visible or each.recalled)
        for delivery in reversed(self._simulator.deliveries()):
            if delivery.seq <= self._followed_up_to:
                break
            if entry := self._shown.get(delivery.seq):
                self._travelling[delivery.seq] = FromMember(delivery, entry)
        self._travelling = dict(sorted(self._travelling.items()))
        self._followed_up_to = max(self._followed_up_to, *self._shown, 0)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(PHONES_EVERY_S)


class DeploymentWatch:
    """Looks at the deployment in a thread, and shows the board what it saw."""

    def __init__(self, window: Window, board: Board, *, every_s: float, clock: Callable[[], float] = time.time) -> None:
        """``every_s`` is the pause between two looks; ``clock`` returns epoch seconds."""
        self._window = window
        self._board = board
        self._every_s = every_s
        self._clock = clock
        self._sessions_seen_at = 0.0
        self._conversations: dict[str, None] = {}

    async def look(self) -> None:
        """Show the board what is new."""
        try:
            lines = await asyncio.to_thread(self._window.new_lines)
            touched = self._board.see_lines(lines)
            for conversation in _latest_last(lines):
                self._conversations.pop(conversation, None)
                self._conversations[conversation] = None
            if self._clock() - self._sessions_seen_at > _SESSIONS_EVERY_S:
                self._sessions_seen_at = self._clock()
                touched |= self._living()
            await self._look_at_sessions(touched)
        except UnreachableError as error:
            self._board.see_status(str(error))
        else:
            self._board.see_status("")

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    def _living(self) -> set[str]:
        """Return the conversations whose session may change without a log line that says so."""
        now = self._clock()
        sessions = {each: self._board.session_of(each) for each in reversed(self._conversations)}
        living = [each for each, session in sessions.items() if not session or now < session.expires_at + _SETTLING_S]
        return set(living[:_MOST_SESSIONS])

    async def _look_at_sessions(self, conversations: Iterable[str]) -> None:
        for conversation in conversations:
            held = self._board.session_of(conversation)
            found = await asyncio.to_thread(self._window.session, conversation)
            if found is None and held is not None:
                found = replace(held, gone=True)
            if found is not None:
                self._board.see_session(found)
            attendance = await asyncio.to_thread(self._window.attendance, conversation)
            if attendance is not None:
                self._board.see_attendance(attendance)


def _latest_last(lines: Iterable[LogLine]) -> list[str]:
    return [line.conversation for line in sorted(lines, key=lambda line: line.at_ms)]


@contextlib.asynccontextmanager
async def watching(*watches: Watch) -> AsyncIterator[None]:
    """Let ``watches`` run beside the block. One that breaks is logged, and the others go on."""
    tasks = [asyncio.create_task(watch.run()) for watch in watches]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("the page is not kept up to date any more", exc_info=error)
