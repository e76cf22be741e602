"""What a check works with: guests who write to the account under test, and what the bot says to them.

A guest is one customer, whom no other check uses. Waiting has limits, and ends as soon as there is something to see.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.conformance.findings import FailedError
from simulators.wecom.kf.accounts import Servicer
from simulators.wecom.kf.chats import Speaker, chat_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulators.wecom.calls import Call
    from simulators.wecom.kf.chats import ChatEntry
    from simulators.wecom.kf.desk import Written
    from simulators.wecom.kf.notices import Notice
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.simulator import WecomSimulator

SERVICER = "conformance.staff"
OTHER_SERVICER = "conformance.staff.2"
SEND_PATH = "kf/send_msg"
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, in seconds.

    `answer_s` for the first message of an answer, `settle_s` for another one after the last, `welcome_s` for a welcome,
    `sweep_s` for the bot to find what it was not told of (`None`: it need not).
    """

    answer_s: float = 30.0
    settle_s: float = 3.0
    welcome_s: float = 20.0
    sweep_s: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What guests say. `questions` have each an answer of the bot's own, `long_question` one of several messages.

    `notices` are texts of the bot that are no answers: "one moment, please".
    """

    questions: tuple[str, ...]
    long_question: str
    notices: tuple[str, ...] = ()
    for_a_person: str = "转人工"


class Guest:
    """One customer, in the chat with one account."""

    def __init__(self, stage: Stage, external_userid: str, open_kfid: str) -> None:
        self.external_userid = external_userid
        self.open_kfid = open_kfid
        self._stage = stage
        self._chat = chat_of(open_kfid, external_userid)

    def writes(self, content: str = "", *, msgtype: str = "text", send_time: int | None = None) -> Written:
        """Say something; the bot is not told yet."""
        return self._stage.simulator.kf.write(
            self.external_userid,
            open_kfid=self.open_kfid,
            msgtype=msgtype,
            content=content,
            send_time=send_time,
            announced=False,
        )

    async def asks(self, content: str, *, copies: int = 1) -> Notice:
        """Say something, and let the bot be told; return the notification when it was acknowledged or given up."""
        self.writes(content)
        return await self._stage.tell(self.open_kfid, copies=copies)

    @property
    def last_seq(self) -> int:
        """The number of the newest entry of the chat."""
        return max((entry.seq for entry in self._entries()), default=0)

    def hearing(self, after: int = 0, by: Speaker = Speaker.MACHINE) -> list[ChatEntry]:
        """Return what the bot said after entry number `after` and the guest could read."""
        return [entry for entry in self._entries(after) if entry.by is by and not entry.failed]

    def answers(self, after: int = 0) -> list[str]:
        """Return the texts of what was said after entry number `after`, notices left out."""
        return [entry.content for entry in self.hearing(after) if entry.content not in self._stage.script.notices]

    def tries(self, since: int) -> list[Call]:
        """Return the bot's calls of kf/send_msg for this guest after call number `since`, also those refused."""
        return [call for call in self._stage.calls(SEND_PATH, since) if self.external_userid in call.userids]

    @property
    def session(self) -> Session:
        """The session as it stands."""
        return self._stage.simulator.kf.session(self.external_userid, open_kfid=self.open_kfid)

    async def hears(self, enough: Callable[[], object], within_s: float | None = None) -> bool:
        """Wait for entries of the chat until `enough()` is true, and tell whether it came so."""
        deadline = time.monotonic() + (self._stage.limits.answer_s if within_s is None else within_s)
        while not enough():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            await self._stage.simulator.state.kf.chats.wait(self._chat, self.last_seq, left_s)
        return True

    async def quiet(self) -> None:
        """Wait until nothing is said any more."""
        chats = self._stage.simulator.state.kf.chats
        while await chats.wait(self._chat, self.last_seq, self._stage.limits.settle_s):
            pass

    async def answered(self, number: int, after: int = 0) -> str:
        """Wait for the answer to question `number`, and for more that should not come; return what was seen.

        Raises `FailedError` when there is none, or more than one.
        """
        started = time.monotonic()
        if not await self.hears(lambda: self.answers(after)):
            raise FailedError(f"no answer within {self._stage.limits.answer_s:g} s")
        seconds = time.monotonic() - started
        await self.quiet()
        texts = self.answers(after)
        usual = len(self._stage.reference(number))
        if len(texts) >= 2 * usual or (len(set(texts)) < len(texts) and texts != self._stage.reference(number)):
            raise FailedError(f"{_messages(len(texts))} where one answer has {usual}")
        return f"{_messages(len(texts))}, the first after {seconds:.1f} s"

    def _entries(self, after: int = 0) -> list[ChatEntry]:
        return self._stage.simulator.state.kf.chats.entries(self._chat, after)


class Stage:
    """The platform as the checks use it, and what they have learnt about the bot so far."""

    def __init__(self, simulator: WecomSimulator, *, open_kfid: str, script: Script, limits: Limits, run: str) -> None:
        """Grant the bot an account; `run` tells this examination's guests from those of an earlier one."""
        self.simulator = simulator
        self.script = script
        self.limits = limits
        self.has_own_account = not open_kfid
        self.learnt: dict[int, list[str]] = {}
        self._run = run
        self._guests = 0
        self.open_kfid = self.new_account(open_kfid)

    def new_account(self, open_kfid: str = "") -> str:
        """Grant the bot an account that has its servicers, and return its id."""
        state = self.simulator.state
        open_kfid = open_kfid or f"wkConformance{state.rng.getrandbits(48):012x}"
        with state.lock:
            account = state.kf.accounts.grant(open_kfid, "验收")
            for userid in (SERVICER, OTHER_SERVICER):
                state.kf.accounts.employ(account, Servicer(userid, "验收同事"))
        return open_kfid

    def guest(self, open_kfid: str = "") -> Guest:
        """Return a customer who was never there before."""
        self._guests += 1
        return Guest(self, f"wmConformance{self._run}{self._guests:04d}", open_kfid or self.open_kfid)

    async def tell(self, open_kfid: str = "", *, copies: int = 1) -> Notice:
        """Tell the bot of news, and return the notification when it was acknowledged or given up."""
        notice = self.simulator.notice_of(open_kfid or self.open_kfid, copies=copies)
        await self.simulator.notify(notice)
        return notice

    def question(self, number: int) -> str:
        """Return a question; they begin again when they run out."""
        return self.script.questions[number % len(self.script.questions)]

    def reference(self, number: int) -> list[str]:
        """Return what the bot answered to the question when it was asked alone."""
        return self.learnt[number % len(self.script.questions)]

    @property
    def last_call(self) -> int:
        """The number of the bot's newest call."""
        return max((call.seq for call in self.simulator.state.calls.all()), default=0)

    def calls(self, path: str, since: int = 0) -> list[Call]:
        """Return the bot's calls of `path` after call number `since`."""
        return self.simulator.state.calls.all(path, since)

    async def settle(self) -> None:
        """Wait as long as something unwanted may take to show."""
        await asyncio.sleep(self.limits.settle_s)

    async def comes_true(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Wait until `condition()` is true, and tell whether it came so."""
        deadline = time.monotonic() + (self.limits.answer_s if within_s is None else within_s)
        while not condition():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        return True

    @contextlib.contextmanager
    def behaving(self, **changes: object) -> Iterator[None]:
        """Let the platform behave differently for a while."""
        behaviour = self.simulator.state.behaviour
        self.simulator.configure(changes)
        try:
            yield
        finally:
            self.simulator.state.behaviour = behaviour

    def clear(self) -> None:
        """Take back the faults of a check that is over."""
        self.simulator.state.faults.clear()
        self.simulator.state.kf.failures.clear()


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
