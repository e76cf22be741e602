"""A tiny bot for 微信客服: honest as it stands, and bad in one way for each of its vices."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import httpx
from starlette.background import BackgroundTask
from starlette.responses import Response

from simulators.wecom import envelope
from simulators.wecom.xmltext import XmlTextError, read_document
from tests.integration.simulators.wecom_platform import CORP_ID, KEY, SECRET, TOKEN

if TYPE_CHECKING:
    from starlette.requests import Request

FOR_A_PERSON, FOR_MUCH = "转人工", "完整的保养指南"
TALKATIVE_PARTS, HONEST_PARTS = 7, 3
NOTICE = "正在为您查询"
OLD_S = 3600
TRIES = 4
A_FEW = 5
SWEEP_EVERY_S = 0.03


class Vice(StrEnum):
    """One way of being bad."""

    DECORATES_THE_ECHO = "decorates the echo"
    IS_MUTE = "is mute"
    IS_MUTE_ONCE = "answers all but one question"
    SAYS_OK = "says ok to notifications"
    BELIEVES_ANYBODY = "believes anybody"
    REPEATS = "answers its last messages again"
    READS_THE_NEWEST = "answers only the newest of a few messages"
    READS_ONE_PAGE = "reads one page"
    STOPS_AT_NOTHING_NEW = "stops at an empty page"
    ANSWERS_HISTORY = "answers history"
    INSISTS = "insists on the notification's token"
    KEEPS_ITS_TOKEN = "never gets another access token"
    REVERSES = "answers in reverse order"
    PRATTLES = "has ever more to say to who goes on asking"
    RENAMES = "repeats under a new msgid"
    TALKS_ON = "sends more than five messages"
    SENDS_WALLS = "sends a text that is too long"
    GREETS_PLAINLY = "welcomes with send_msg"
    GREETS_WRONGLY = "welcomes with a picture"
    FEARS_RECALLS = "stumbles over a recall"
    FEARS_NEWS = "stumbles over unknown kinds"
    PUSHES = "tries again while a person has the customer"
    TAKES_BACK = "ends the person's session"
    ANSWERS_STAFF = "answers the staff"
    ASSUMES = "takes an unreadable state for its turn"
    GIVES_UP = "gives up when the state cannot be read"
    HOARDS = "answers later what the person was asked"
    # Not bad, only less.
    STAYS = "has no people"
    NEVER_LOOKS = "does not read the state"
    SAYS_NO_WELCOME = "says no welcome"
    MERGES = "answers a few messages with one"
    VARIES = "answers a few messages with one, in other words"
    NOTIFIES = "says that an answer will come"
    IS_BRIEF = "has no long answers"
    SWEEPS = "looks for news by itself"


class Refused(Exception):  # noqa: N818 - WeCom's word for it
    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


@dataclass
class Account:
    cursor: str = ""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class KfBot:
    """Answers callbacks at `answer`; `api` is the base of its WeCom API."""

    def __init__(self, api: str, *vices: Vice) -> None:
        self.api = api
        self.vices = frozenset(vices)
        self._accounts: dict[str, Account] = {}
        self._known: set[str] = set()
        self._hoard: dict[str, list[dict[str, Any]]] = {}
        self._last: list[dict[str, Any]] = []
        self._token = ""
        self._names = 0
        self._asked: Counter[str] = Counter()
        # Nothing here is over TLS, and a trust store takes long to read.
        self._client = httpx.AsyncClient(trust_env=False, verify=False, timeout=10)  # noqa: S501

    async def aclose(self) -> None:
        await self._client.aclose()

    def has(self, vice: Vice) -> bool:
        return vice in self.vices

    # -- callbacks

    async def answer(self, request: Request) -> Response:
        query, body = request.query_params, await request.body()
        try:
            encrypted = query.get("echostr") or read_document(body).findtext("Encrypt") or ""
            if not self.has(Vice.BELIEVES_ANYBODY):
                envelope.check_signature(
                    query.get("msg_signature", ""),
                    token=TOKEN,
                    timestamp=query.get("timestamp", ""),
                    nonce=query.get("nonce", ""),
                    encrypted=encrypted,
                )
            plain = envelope.open_sealed(KEY, encrypted, CORP_ID)
        except (envelope.EnvelopeError, XmlTextError):
            return Response(status_code=403)
        if request.method == "GET":
            return Response(b'"' + plain + b'"' if self.has(Vice.DECORATES_THE_ECHO) else plain)
        document = read_document(plain)
        account, token = document.findtext("OpenKfId") or "", document.findtext("Token") or ""
        body = b"ok" if self.has(Vice.SAYS_OK) else b""
        return Response(body, background=BackgroundTask(self._read, account, token) if account else None)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for account in tuple(self._accounts):
                await self._read(account, "")

    # -- reading

    async def _read(self, open_kfid: str, token: str) -> None:
        account = self._accounts.setdefault(open_kfid, Account())
        async with account.reading:
            first = not account.cursor
            cursor, items, more = account.cursor, [], True
            while more:
                page = await self._page(open_kfid, cursor, token)
                cursor = page["next_cursor"]
                items += page["msg_list"]
                more = page["has_more"] == 1 and not self.has(Vice.READS_ONE_PAGE)
                if self.has(Vice.STOPS_AT_NOTHING_NEW) and not page["msg_list"]:
                    more = False
            if self.has(Vice.READS_THE_NEWEST) and len(items) <= A_FEW:
                items = items[-1:]
            if self.has(Vice.REVERSES):
                items.reverse()
            if self.vices & {Vice.MERGES, Vice.VARIES} and _are_of_one(items):
                items = await self._merge(items)
            newest = max((item["send_time"] for item in items), default=0)
            for item in items:
                is_history = first and newest - item["send_time"] > OLD_S and not self.has(Vice.ANSWERS_HISTORY)
                if not is_history and item["msgid"] not in self._known:
                    await self._take(item)
                self._known.add(item["msgid"])
            account.cursor = cursor
            if self.has(Vice.REPEATS):
                await self._repeat(items)

    async def _merge(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer all with one message; nothing is left to be answered."""
        texts = [f"答：{item['text']['content']}" for item in items]
        await self._try(items[-1], "\n".join(texts) if self.has(Vice.MERGES) else f"一共 {len(texts)} 个问题")
        return []

    async def _repeat(self, items: list[dict[str, Any]]) -> None:
        for item in self._last:
            await self._take(item)
        self._last = items[-2:]

    async def _page(self, open_kfid: str, cursor: str, token: str) -> Any:
        asked = {"open_kfid": open_kfid, "cursor": cursor, "token": token, "limit": 1000}
        try:
            return await self._call("kf/sync_msg", asked)
        except Refused as refusal:
            if refusal.errcode != 95007 or self.has(Vice.INSISTS):
                raise
        return await self._call("kf/sync_msg", {**asked, "token": ""})

    async def _take(self, item: dict[str, Any]) -> None:
        kind = item["event"]["event_type"] if item["msgtype"] == "event" else item["msgtype"]
        if kind == "enter_session":
            await self._welcome(item["event"])
        if kind == "user_recall_msg" and self.has(Vice.FEARS_RECALLS):
            raise RuntimeError("what is this?")
        if kind == "hologram" and self.has(Vice.FEARS_NEWS):
            raise RuntimeError("what is this?")
        if kind == "text" and item["origin"] == 3:
            await self._serve(item)
        elif kind == "text" and self.has(Vice.ANSWERS_STAFF):
            await self._try(item, "好的")

    # -- answering

    async def _serve(self, item: dict[str, Any]) -> None:
        who = {"open_kfid": item["open_kfid"], "external_userid": item["external_userid"]}
        customer, question = item["external_userid"], item["text"]["content"]
        state = 0 if self.has(Vice.NEVER_LOOKS) else await self._state(who)
        if state is None:
            return
        if state > 1:
            self._hoard.setdefault(customer, []).append(item)
            if self.has(Vice.TAKES_BACK):
                await self._call("kf/service_state/trans", {**who, "service_state": 4})
            for _ in range(TRIES if self.has(Vice.PUSHES) else 0):
                await self._try(item, "让我来")
            return
        if self.has(Vice.HOARDS):
            for held in self._hoard.pop(customer, []):
                await self._say(held, f"答：{held['text']['content']}", "late")
        await self._reply(item, question, who)

    async def _reply(self, item: dict[str, Any], question: str, who: dict[str, str]) -> None:
        self._asked[item["external_userid"]] += 1
        if self.has(Vice.PRATTLES) and self._asked[item["external_userid"]] > 1:
            for part in range(TRIES):
                await self._try(item, f"还有一件事，第 {part + 1} 件", f"p{part}")
        if self.has(Vice.NOTIFIES):
            await self._try(item, NOTICE, "n")
        if self.has(Vice.IS_MUTE) or (self.has(Vice.IS_MUTE_ONCE) and question.endswith("2")):
            return
        if question == FOR_A_PERSON and not self.has(Vice.STAYS):
            await self._say(item, "正在为您转接人工客服")
            servicers = (await self._get("kf/servicer/list", open_kfid=who["open_kfid"]))["servicer_list"]
            chosen = next(each["userid"] for each in servicers if each["status"] == 0)
            await self._call("kf/service_state/trans", {**who, "service_state": 3, "servicer_userid": chosen})
        elif question == FOR_MUCH and not self.has(Vice.IS_BRIEF):
            for part in range(TALKATIVE_PARTS if self.has(Vice.TALKS_ON) else HONEST_PARTS):
                await self._try(item, f"第 {part + 1} 部分" * (200 if self.has(Vice.SENDS_WALLS) else 1), str(part))
        else:
            await self._try(item, f"答：{question}")

    async def _try(self, item: dict[str, Any], text: str, part: str = "") -> None:
        """Say something, which WeCom may refuse."""
        try:
            await self._say(item, text, part)
        except Refused as refusal:
            if refusal.errcode not in {95001, 95018}:
                raise

    async def _say(self, item: dict[str, Any], text: str, part: str = "") -> None:
        for number in range(TRIES):
            self._names += 1
            named = self.has(Vice.RENAMES) or self.has(Vice.REPEATS)
            msgid = f"n{self._names}" if named else f"{item['msgid'][:26]}_{part}"
            message = {"touser": item["external_userid"], "open_kfid": item["open_kfid"], "msgid": msgid}
            try:
                await self._call("kf/send_msg", {**message, "msgtype": "text", "text": {"content": text}})
            except httpx.TransportError:
                continue
            except Refused as refusal:
                # An id that was used before is one of ours, whose answer was lost.
                if refusal.errcode != 95099 or not number:
                    raise
            return

    async def _state(self, who: dict[str, str]) -> int | None:
        """Return the session's state, or `None` when it stays unreadable."""
        for _ in range(1 if self.has(Vice.GIVES_UP) else TRIES):
            try:
                return int((await self._call("kf/service_state/get", who))["service_state"])
            except Refused as refusal:
                if refusal.errcode != -1:
                    raise
                if self.has(Vice.ASSUMES):
                    return 0
        return None

    async def _welcome(self, event: dict[str, Any]) -> None:
        code = event.get("welcome_code")
        if self.has(Vice.GREETS_PLAINLY):
            named = {"touser": event["external_userid"], "open_kfid": event["open_kfid"]}
            await self._refusable("kf/send_msg", {**named, "msgtype": "text", "text": {"content": "您好"}})
        elif code and self.has(Vice.GREETS_WRONGLY):
            await self._refusable(
                "kf/send_msg_on_event", {"code": code, "msgtype": "image", "image": {"media_id": "m"}}
            )
        elif code and not self.has(Vice.SAYS_NO_WELCOME):
            greeting = {"code": code, "msgtype": "text", "text": {"content": "您好"}}
            await self._call("kf/send_msg_on_event", greeting)

    # -- the API

    async def _refusable(self, path: str, document: dict[str, Any]) -> None:
        with contextlib.suppress(Refused):
            await self._call(path, document)

    async def _call(self, path: str, document: dict[str, Any]) -> Any:
        return await self._ask("POST", path, {}, document)

    async def _get(self, path: str, **query: str) -> Any:
        return await self._ask("GET", path, query, None)

    async def _ask(self, method: str, path: str, query: dict[str, str], document: dict[str, Any] | None) -> Any:
        for number in range(2):
            if not self._token:
                self._token = await self._new_token()
            asked = {**query, "access_token": self._token}
            answer = await self._client.request(method, f"{self.api}/cgi-bin/{path}", params=asked, json=document)
            found = answer.json()
            if found["errcode"] not in {40014, 42001} or number or self.has(Vice.KEEPS_ITS_TOKEN):
                break
            self._token = ""
        if found["errcode"]:
            raise Refused(found["errcode"])
        return found

    async def _new_token(self) -> str:
        asked = {"corpid": CORP_ID, "corpsecret": SECRET}
        answer = await self._client.get(f"{self.api}/cgi-bin/gettoken", params=asked)
        return str(answer.json()["access_token"])


def _are_of_one(items: list[dict[str, Any]]) -> bool:
    """Tell whether these are a few texts of one customer."""
    customers = {item.get("external_userid") for item in items if item["msgtype"] == "text"}
    return 1 < len(items) <= A_FEW and len(customers) == 1
