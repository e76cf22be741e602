"""`WecomSimulator`: the platform as a Python object. The HTTP layers in `app` and `control` only translate to it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from simulators.wecom.api import QyApi
from simulators.wecom.callback import CallbackRequest, CallbackWriter
from simulators.wecom.clock import Clock, PlatformClock
from simulators.wecom.courier import Answer, Attempt, Courier
from simulators.wecom.deliveries import Delivery, DeliveryOptions
from simulators.wecom.kf.desk import KfDesk
from simulators.wecom.kf.human import LOOKS_EVERY_S, Human, Humans
from simulators.wecom.kf.notices import Notice
from simulators.wecom.members import Member
from simulators.wecom.pressing import Press, press_message
from simulators.wecom.replies import PassiveReply, ReplyError, read_reply
from simulators.wecom.sending import truncate
from simulators.wecom.settings import Behaviour, WecomSettings, change
from simulators.wecom.state import PlatformState
from simulators.wecom.timeline import Direction, Entry
from simulators.wecom.xmltext import Shape, write_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    import httpx

    from simulators.wecom.callback import Tamper
    from simulators.wecom.messages import MemberMessage
    from simulators.wecom.xmltext import Elements

_KEPT_DELIVERIES = 10_000
_PARALLEL_DELIVERIES = 100
# The sender of system events (docs, path 90240); nobody can be written to under this name.
_SYSTEM_USERID = "sys"


class NoCallbackError(Exception):
    """The app has no callback address, so nothing can be delivered to it."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of the check of the callback address; `reason` says in words why it failed."""

    ok: bool
    status: int | None
    milliseconds: int
    reason: str | None = None


class WecomSimulator:
    """One enterprise with one self-built app and its 微信客服; `kf` is what customers and servicers do there.

    `clock` returns epoch seconds (for tests that move time), `rng` decides everything random (for tests that repeat
    themselves), `transport` replaces the network for callbacks to a bot in the same process.
    The reading methods and the API may be used from any thread; deliveries run in the event loop they were started in.
    """

    def __init__(
        self,
        settings: WecomSettings,
        *,
        behaviour: Behaviour | None = None,
        clock: Clock = time.time,
        rng: Random | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        rng = rng or SystemRandom()
        self.state = PlatformState(settings, behaviour or Behaviour(), PlatformClock(clock), rng)
        self.api = QyApi(self.state)
        self.kf = KfDesk(self.state)
        self.humans = Humans(self.state, self.kf)
        self._writer = CallbackWriter(rng)
        self._courier = Courier(transport)
        self._next_msgid = rng.randrange(10**18, 9 * 10**18)
        self._deliveries: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)
        self._background: set[asyncio.Task[None]] = set()
        self._told_soon: dict[str, Notice] = {}

    def configure(self, changes: Mapping[str, object]) -> None:
        """Change fields of the settings and of the behaviour by name; raises `SettingsError` and then changes none."""
        with self.state.lock:
            self.state.settings, self.state.behaviour = change(self.state.settings, self.state.behaviour, changes)

    def add_member(self, member: Member) -> None:
        """Add or replace a member whom the app can reach."""
        self.state.members.put(member)

    def deliveries(self, msgid: str | None = None) -> list[Delivery]:
        """Return the deliveries since the last reset (the latest 10,000), of one MsgId when given."""
        return [item for item in tuple(self._deliveries) if msgid in {None, item.msgid}]

    async def verify(self, *, of_kf: bool = False) -> Verification:
        """Check the callback address as the console does when its settings are saved (docs, path 90930).

        `of_kf` checks the one of 微信客服. Raises `NoCallbackError`.
        """
        settings, behaviour = self._kf_settings() if of_kf else self._callback_settings(), self.state.behaviour
        request, expected = self._writer.write_verification(settings, self.state.clock.unmoved())
        answer = await self._courier.get(request, behaviour.verify_timeout_s)
        reason = _verification_problem(answer, expected)
        return Verification(reason is None, answer.status, answer.milliseconds, reason)

    def write(self, userid: str, message: MemberMessage, options: DeliveryOptions | None = None) -> Delivery:
        """Let a member say something: it stands in the timeline and has its MsgId, but has not left yet.

        Raises `NoCallbackError`, `MemberError` for a malformed userid, and `XmlTextError` when the message cannot be
        expressed in XML.
        """
        self._callback_settings()
        options = options or DeliveryOptions()
        write_document(message.elements, Shape())
        with self.state.lock:
            self._meet(userid, message, forged=options.tamper is not None)
            create_time = options.create_time if options.create_time is not None else int(self.state.clock())
            msgid = (options.msgid or self._take_msgid()) if message.has_msgid else None
            entry = self.state.timeline.append(
                Entry(
                    userid=userid.lower(),
                    direction=Direction.INBOUND,
                    msgtype=message.msgtype,
                    content=message.content,
                    at_ms=self.state.now_ms(),
                    msgid=msgid,
                    via="callback",
                    body=dict(message.elements),
                    tampered=options.tamper.value if options.tamper else None,
                )
            )
            delivery = Delivery(userid, message, options, entry.seq, msgid, create_time)
            self._deliveries.append(delivery)
        return delivery

    async def deliver(self, delivery: Delivery) -> Delivery:
        """Carry what was written to the bot, with all copies and attempts, and return it when it is done."""
        try:
            await asyncio.sleep(delivery.options.delay_ms / 1000)
            for copy in range(1, delivery.options.copies + 1):
                await self._deliver_copy(delivery, copy)
        finally:
            delivery.done = True
        return delivery

    async def deliver_all(self, deliveries: Sequence[Delivery], *, concurrent: bool, gap_ms: int = 0) -> None:
        """Carry several messages in the order given: one after the other, or all at once (at most 100 at a time).

        `gap_ms` is the pause between two, or between the starts of two when concurrent.
        """
        places = asyncio.Semaphore(_PARALLEL_DELIVERIES)

        async def carry(delivery: Delivery) -> None:
            async with places:
                await self.deliver(delivery)

        async with asyncio.TaskGroup() as group:
            for number, delivery in enumerate(deliveries):
                if number and gap_ms:
                    await asyncio.sleep(gap_ms / 1000)
                task = group.create_task(carry(delivery))
                if not concurrent:
                    await task

    def in_background(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run `work` beside the caller; `reset` and `aclose` end it."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def press(self, userid: str, press: Press) -> Delivery:
        """Let a member press a button of a card; the event has not left yet. Raises `FieldError`."""
        return self.write(userid, press_message(self.state, userid, press))

    # -- 微信客服 -----------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Tell the bot of what happened since the last time; to be called in an event loop."""
        with self.state.lock:
            news, self.state.kf.news[:] = list(self.state.kf.news), []
            granted = {account.open_kfid for account in self.state.kf.accounts.all() if not account.withdrawn}
        if self.state.settings.of_kf().callback_url:
            for open_kfid in news:
                if open_kfid in granted:
                    self.tell_of_news(open_kfid)

    def tell_of_news(self, open_kfid: str, *, copies: int = 1, delay_ms: int = 0) -> Notice:
        """Tell the bot, in the background, that an account has news; return the notification that says so.

        With `kf_coalesce` one that waits already stands for this news too, unless there are to be several copies or a
        delay. Raises `NoCallbackError`.
        """
        coalesce = self.state.behaviour.kf_coalesce and copies == 1 and not delay_ms
        if coalesce and open_kfid in self._told_soon:
            return self._told_soon[open_kfid]
        notice = self.notice_of(open_kfid, copies=copies, delay_ms=delay_ms)
        if coalesce:
            self._told_soon[open_kfid] = notice
        notice.journey = self.in_background(self._notify_soon(open_kfid, notice) if coalesce else self.notify(notice))
        return notice

    def notice_of(self, open_kfid: str, *, copies: int = 1, delay_ms: int = 0) -> Notice:
        """Return the notification that an account has news, not sent yet. Raises `NoCallbackError`."""
        self._kf_settings()
        now = self.state.clock()
        with self.state.lock:
            token = self.state.kf.sync_tokens.issue(open_kfid, now)
        elements: Elements = [("Token", token), ("OpenKfId", open_kfid)]
        return Notice("kf_msg_or_event", elements, int(now), copies=copies, delay_ms=delay_ms)

    async def notify(self, notice: Notice) -> None:
        """Carry a notification to the bot, with all copies and attempts."""
        try:
            await asyncio.sleep(notice.delay_ms / 1000)
            for copy in range(1, notice.copies + 1):
                await self._repeat(notice.attempts, partial(self._notify_once, notice, copy))
        finally:
            notice.done = True

    async def forge(self, open_kfid: str, tamper: Tamper | None) -> Attempt:
        """Send the bot, once, a notification that is not the platform's: damaged, or for `None` without a signature."""
        settings, behaviour = self._kf_settings(), self.state.behaviour
        elements = self.notice_of(open_kfid).document(settings)
        request = self._writer.write_post(settings, elements, self.state.clock.unmoved(), tamper=tamper)
        if tamper is None:
            request = CallbackRequest(settings.callback_url, request.body)
        at_ms = self.state.now_ms()
        answer = await self._courier.post(request, behaviour.callback_timeout_s, behaviour.content_type)
        return Attempt(1, 1, at_ms, answer.milliseconds, answer.status, answer.error)

    async def tell_of_account(self, open_kfid: str, *, granted: bool) -> None:
        """Tell the bot that an account was granted to it, or withdrawn."""
        name = "AuthAddOpenKfId" if granted else "AuthDelOpenKfId"
        if self.state.settings.of_kf().callback_url:
            await self.notify(Notice("kf_account_auth_change", [(name, open_kfid)], int(self.state.clock())))

    def check_kf_callback(self) -> None:
        """Raise `NoCallbackError` unless the bot can be told of 微信客服."""
        self._kf_settings()

    def add_human(self, human: Human) -> None:
        """Let one of the staff act by themselves; to be called in an event loop. Raises `FieldError`."""
        starts = not self.humans.any
        self.humans.add(human)
        if starts:
            self.in_background(self._let_humans_act())

    async def _let_humans_act(self) -> None:
        while self.humans.any:
            self.humans.act()
            self.announce()
            await asyncio.sleep(LOOKS_EVERY_S)

    async def _notify_soon(self, open_kfid: str, notice: Notice) -> None:
        await asyncio.sleep(self.state.behaviour.kf_coalesce_window_s)
        self._told_soon.pop(open_kfid)
        await self.notify(notice)

    async def _notify_once(self, notice: Notice, copy: int, number: int) -> Attempt:
        settings, behaviour = self.state.settings.of_kf(), self.state.behaviour
        request = self._writer.write_post(
            settings,
            notice.document(settings),
            self.state.clock.unmoved(),
            names_agent=behaviour.kf_agent_id_element,
        )
        at_ms = self.state.now_ms()
        if notice.sent_at_ms is None:
            notice.sent_at_ms = at_ms
        answer = await self._courier.post(request, behaviour.callback_timeout_s, behaviour.content_type)
        reply = None
        if answer.status == 200:
            if notice.accepted_at_ms is None:
                notice.accepted_at_ms = self.state.now_ms()
            # There is no passive reply to a notification: nobody reads what else stands there.
            reply = {b"": "empty", b"success": "success"}.get(answer.body.strip(), "ignored")
        return Attempt(number, copy, at_ms, answer.milliseconds, answer.status, answer.error, reply)

    # -- everything ---------------------------------------------------------------------------------------------

    async def reset(self) -> None:
        """Forget everything but the settings, and end deliveries that still run in the background."""
        self.humans.clear()
        await self.aclose()
        self._told_soon.clear()
        self._deliveries.clear()
        self.state.clear()

    async def aclose(self) -> None:
        """End the deliveries that still run in the background."""
        tasks = tuple(self._background)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver_copy(self, delivery: Delivery, copy: int) -> None:
        most = 1 if delivery.options.tamper else None
        await self._repeat(delivery.attempts, partial(self._attempt, delivery, copy), most=most)

    async def _repeat(
        self, attempts: list[Attempt], once: Callable[[int], Awaitable[Attempt]], *, most: int | None = None
    ) -> None:
        """Try `once`, with the number of the try, until it is acknowledged or given up; `attempts` gets each try."""
        behaviour = self.state.behaviour
        for number in range(1, (most or behaviour.max_attempts) + 1):
            if number > 1:
                await asyncio.sleep(behaviour.retry_interval_s)
            attempt = await once(number)
            attempts.append(attempt)
            if attempt.status == 200 or (attempt.status is not None and not behaviour.retry_non_200):
                return

    async def _attempt(self, delivery: Delivery, copy: int, number: int) -> Attempt:
        settings, behaviour = self.state.settings, self.state.behaviour
        options = delivery.options
        request = self._writer.write_post(
            settings,
            _document_elements(settings, delivery),
            self.state.clock.unmoved(),
            tamper=options.tamper,
            pad=options.pad,
        )
        at_ms = self.state.now_ms()
        if delivery.sent_at_ms is None:
            delivery.sent_at_ms = at_ms
        answer = await self._courier.post(request, behaviour.callback_timeout_s, behaviour.content_type)
        reply = None
        if answer.status == 200:
            if delivery.accepted_at_ms is None:
                delivery.accepted_at_ms = self.state.now_ms()
            reply = self._read_reply(settings, delivery, answer)
        return Attempt(number, copy, at_ms, answer.milliseconds, answer.status, answer.error, reply)

    def _read_reply(self, settings: WecomSettings, delivery: Delivery, answer: Answer) -> str:
        try:
            reply = read_reply(settings, delivery.userid, answer.body)
        except ReplyError:
            return "unreadable"
        if reply is None:
            return "success" if answer.body.strip() else "empty"
        if not delivery.message.allows_reply:
            return "ignored"
        self._show_reply(delivery.userid, reply)
        return "passive"

    def _show_reply(self, userid: str, reply: PassiveReply) -> None:
        kept = truncate(reply.content)
        self.state.timeline.append(
            Entry(
                userid=userid.lower(),
                direction=Direction.OUTBOUND,
                msgtype=reply.msgtype,
                content=kept,
                at_ms=self.state.now_ms(),
                msgid=None,
                via="passive",
                body=reply.body,
                truncated=kept != reply.content,
            )
        )

    def _meet(self, userid: str, message: MemberMessage, *, forged: bool) -> None:
        """Keep the directory in step: who writes is a member, who unsubscribes is out of the visible range."""
        newcomer = Member(userid)
        if forged or userid.lower() == _SYSTEM_USERID:
            return
        member = self.state.members.find(userid) or newcomer
        if message.event in {"subscribe", "unsubscribe"}:
            member = replace(member, visible=message.event == "subscribe")
        self.state.members.put(member)

    def _take_msgid(self) -> str:
        self._next_msgid += 1
        return str(self._next_msgid)

    def _callback_settings(self) -> WecomSettings:
        settings = self.state.settings
        if not settings.callback_url:
            raise NoCallbackError("the app has no callback_url yet")
        return settings

    def _kf_settings(self) -> WecomSettings:
        settings = self.state.settings.of_kf()
        if not settings.callback_url:
            raise NoCallbackError("微信客服 has no callback address yet")
        return settings


def _document_elements(settings: WecomSettings, delivery: Delivery) -> Elements:
    identity: list[tuple[str, object]] = [] if delivery.msgid is None else [("MsgId", int(delivery.msgid))]
    return [
        ("ToUserName", settings.corp_id),
        ("FromUserName", delivery.userid),
        ("CreateTime", delivery.create_time),
        ("MsgType", delivery.message.msgtype),
        *delivery.message.elements,
        *identity,
        ("AgentID", settings.agent_id),
    ]


def _verification_problem(answer: Answer, expected: bytes) -> str | None:
    if answer.error == "timeout":
        return "no answer in time"
    if answer.error is not None:
        return f"no answer: {answer.error} error"
    if answer.status != 200:
        return f"HTTP status {answer.status} instead of 200"
    if answer.body == expected:
        return None
    if expected in answer.body:
        return "the echo is there, but with something around it (quotes, a byte order mark, white space)"
    return "the body is not the decrypted echostr"
