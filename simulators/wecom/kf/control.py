"""The control API of 微信客服, under `/_control/kf/`: what customers and staff do, over HTTP.

GET|POST /kf/accounts                          the accounts · grant one
DELETE   /kf/accounts/{open_kfid}              withdraw one
POST     /kf/accounts/{open_kfid}/servicers    let somebody serve it
POST     /kf/servicers/{userid}                starts or stops receiving
POST     /kf/verify                            the check of its callback address, as `/verify` for the app's
POST     /kf/customers                         add a customer, or change the nickname
POST     /kf/customers/{id}/messages           a customer writes; answers with the notification's attempts
POST     /kf/customers/{id}/enter | recall | tap
GET      /kf/customers/{id}/timeline           ?open_kfid=&after=SEQ&wait=SECONDS
POST     /kf/sessions/take | transfer | reenter | end | say | recall | reject
GET      /kf/sessions/state                    ?open_kfid=&external_userid=
POST|DELETE /kf/human                          a person who acts by themselves · nobody does
POST     /kf/history                           many messages at once, without a notification
POST     /kf/failures                          the next sends are accepted and fail afterwards
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulators.wecom.jsonfields import FieldError, Fields
from simulators.wecom.kf.accounts import Servicer
from simulators.wecom.kf.chats import chat_of
from simulators.wecom.kf.customers import Customer
from simulators.wecom.kf.human import Human
from simulators.wecom.requests import number, read_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from simulators.wecom.kf.desk import Written
    from simulators.wecom.simulator import WecomSimulator

_LONGEST_WAIT_S = 30.0


class KfControl:
    """The control endpoints of 微信客服."""

    def __init__(self, simulator: WecomSimulator) -> None:
        self._simulator = simulator
        self._desk = simulator.kf

    def table(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        """Return method, path and endpoint of each, with paths relative to `/_control`."""
        return [
            ("GET", "/kf/accounts", self._list_accounts),
            ("POST", "/kf/accounts", self._grant),
            ("DELETE", "/kf/accounts/{open_kfid}", self._withdraw),
            ("POST", "/kf/accounts/{open_kfid}/servicers", self._employ),
            ("POST", "/kf/servicers/{userid}", self._set_status),
            ("POST", "/kf/verify", self._verify),
            ("POST", "/kf/customers", self._put_customer),
            ("POST", "/kf/customers/{external_userid}/messages", self._write),
            ("POST", "/kf/customers/{external_userid}/enter", self._enter),
            ("POST", "/kf/customers/{external_userid}/recall", self._recall),
            ("POST", "/kf/customers/{external_userid}/tap", self._tap),
            ("GET", "/kf/customers/{external_userid}/timeline", self._show_timeline),
            ("POST", "/kf/sessions/take", self._take),
            ("POST", "/kf/sessions/transfer", self._transfer),
            ("POST", "/kf/sessions/reenter", self._reenter),
            ("POST", "/kf/sessions/end", self._end),
            ("POST", "/kf/sessions/say", self._say),
            ("POST", "/kf/sessions/recall", self._recall_said),
            ("POST", "/kf/sessions/reject", self._reject),
            ("GET", "/kf/sessions/state", self._show_state),
            ("POST", "/kf/human", self._add_human),
            ("DELETE", "/kf/human", self._clear_humans),
            ("POST", "/kf/history", self._write_history),
            ("POST", "/kf/failures", self._plan_failures),
        ]

    async def _list_accounts(self, _request: Request) -> Response:
        accounts = self._simulator.state.kf.accounts
        listed = [
            {
                "open_kfid": account.open_kfid,
                "name": account.name,
                "withdrawn": account.withdrawn,
                "servicers": [_servicer(each) for each in accounts.staff_of(account)],
            }
            for account in accounts.all()
        ]
        return JSONResponse({"accounts": listed})

    async def _grant(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        rng = self._simulator.state.rng
        open_kfid = fields.text("open_kfid", "") or f"wk{rng.getrandbits(80):020x}"
        name = fields.text("name", "客服")
        fields.finish()
        with self._simulator.state.lock:
            account = self._simulator.state.kf.accounts.grant(open_kfid, name)
        await self._simulator.tell_of_account(account.open_kfid, granted=True)
        return JSONResponse({"open_kfid": account.open_kfid, "name": account.name}, status_code=201)

    async def _withdraw(self, request: Request) -> Response:
        with self._simulator.state.lock:
            account = self._simulator.state.kf.accounts.withdraw(request.path_params["open_kfid"])
        await self._simulator.tell_of_account(account.open_kfid, granted=False)
        return JSONResponse({"open_kfid": account.open_kfid, "withdrawn": True})

    async def _employ(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        servicer = Servicer(
            userid=fields.text("userid"),
            name=fields.text("name", ""),
            status=fields.whole("status", 0),
            stop_type=fields.whole("stop_type", 0),
            schedule=fields.text("schedule", ""),
        )
        fields.finish()
        accounts = self._simulator.state.kf.accounts
        with self._simulator.state.lock:
            accounts.employ(accounts.chosen(request.path_params["open_kfid"]), servicer)
        return JSONResponse(_servicer(servicer), status_code=201)

    async def _set_status(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        status, stop_type = fields.whole("status", 0), fields.whole("stop_type", 0)
        fields.finish()
        servicer = self._desk.set_status(request.path_params["userid"], status, stop_type)
        self._simulator.announce()
        return JSONResponse(_servicer(servicer))

    async def _verify(self, _request: Request) -> Response:
        return JSONResponse(asdict(await self._simulator.verify(of_kf=True)))

    async def _put_customer(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        customer = Customer(fields.text("external_userid"), nickname=fields.text("nickname", "微信用户"))
        fields.finish()
        with self._simulator.state.lock:
            self._simulator.state.kf.customers.put(customer)
        return JSONResponse(customer.profile(), status_code=201)

    async def _write(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        copies, delay_ms = fields.whole("copies", 1, least=1), fields.whole("delay_ms", 0)
        notify, wait = fields.flag("notify", default=True), fields.flag("wait", default=True)
        open_kfid, msgtype = fields.text("open_kfid", ""), fields.text("msgtype", "text")
        content, menu_id = fields.text("content", ""), fields.text("menu_id", "")
        body, msgid = fields.mapping("body"), fields.text("msgid", "")
        send_time = fields.whole("send_time", 0) if "send_time" in fields else None
        fields.finish()
        if notify:
            self._simulator.check_kf_callback()
        written = self._desk.write(
            request.path_params["external_userid"],
            open_kfid=open_kfid,
            msgtype=msgtype,
            content=content,
            menu_id=menu_id,
            body=body,
            msgid=msgid,
            send_time=send_time,
            announced=False,
        )
        if not notify:
            return JSONResponse(_written(written), status_code=201)
        notice = self._simulator.tell_of_news(written.entry.open_kfid, copies=copies, delay_ms=delay_ms)
        if wait and notice.journey:
            await asyncio.wait({notice.journey})
        return JSONResponse({**_written(written), **notice.to_json()}, status_code=201 if wait else 202)

    async def _enter(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        open_kfid = fields.text("open_kfid", "")
        scene, scene_param = fields.text("scene", ""), fields.text("scene_param", "")
        fields.finish()
        msgid, code = self._desk.enter(
            request.path_params["external_userid"], open_kfid=open_kfid, scene=scene, scene_param=scene_param
        )
        self._simulator.announce()
        return JSONResponse({"msgid": msgid, "welcome_code": bool(code)})

    async def _recall(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        open_kfid, msgid = fields.text("open_kfid", ""), fields.text("msgid")
        fields.finish()
        event = self._desk.recall(request.path_params["external_userid"], msgid, open_kfid=open_kfid)
        self._simulator.announce()
        return JSONResponse({"msgid": event})

    async def _tap(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        open_kfid, menu_id = fields.text("open_kfid", ""), fields.text("menu_id")
        fields.finish()
        written = self._desk.tap(request.path_params["external_userid"], menu_id, open_kfid=open_kfid)
        self._simulator.announce()
        return JSONResponse(_written(written), status_code=201)

    async def _show_timeline(self, request: Request) -> Response:
        kf = self._simulator.state.kf
        open_kfid = kf.accounts.chosen(request.query_params.get("open_kfid", "")).open_kfid
        chat = chat_of(open_kfid, request.path_params["external_userid"])
        after = int(number(request, "after"))
        try:
            entries = await kf.chats.wait(chat, after, min(number(request, "wait"), _LONGEST_WAIT_S))
        except asyncio.CancelledError:
            # The server is stopping and will not wait for the poll: nothing has come, and that is the answer.
            entries = []
        last = entries[-1].seq if entries else after
        return JSONResponse({"entries": [entry.to_json() for entry in entries], "last_seq": last})

    async def _take(self, request: Request) -> Response:
        act = await _Act.read(request, servicer=True)
        event = self._desk.take(act.customer, act.servicer, open_kfid=act.open_kfid)
        return self._acted(event)

    async def _transfer(self, request: Request) -> Response:
        act = await _Act.read(request, servicer=True)
        event = self._desk.transfer(act.customer, act.servicer, open_kfid=act.open_kfid)
        return self._acted(event)

    async def _reenter(self, request: Request) -> Response:
        act = await _Act.read(request, servicer=True)
        event = self._desk.reenter(act.customer, act.servicer, open_kfid=act.open_kfid)
        return self._acted(event)

    async def _end(self, request: Request) -> Response:
        act = await _Act.read(request)
        return self._acted(self._desk.end(act.customer, open_kfid=act.open_kfid))

    async def _say(self, request: Request) -> Response:
        act = await _Act.read(request)
        written = self._desk.say(act.customer, act.content, open_kfid=act.open_kfid, servicer_userid=act.servicer)
        return self._acted(written.entry.msgid)

    async def _recall_said(self, request: Request) -> Response:
        act = await _Act.read(request)
        return self._acted(self._desk.recall_said(act.customer, act.msgid, open_kfid=act.open_kfid))

    async def _reject(self, request: Request) -> Response:
        act = await _Act.read(request)
        return self._acted(self._desk.reject(act.customer, switch=act.switch, open_kfid=act.open_kfid))

    async def _show_state(self, request: Request) -> Response:
        session = self._desk.session(
            request.query_params.get("external_userid", ""), open_kfid=request.query_params.get("open_kfid", "")
        )
        return JSONResponse(
            {
                "service_state": int(session.state),
                "servicer_userid": session.servicer_userid,
                "used": session.used,
                "last_customer_at": session.last_customer_at,
            }
        )

    async def _add_human(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        answers = fields.sequence("answers")
        if not all(isinstance(answer, str) for answer in answers):
            raise FieldError("answers: a list of texts is expected")
        human = Human(
            servicer_userid=fields.text("servicer_userid"),
            answers=tuple(map(str, answers)),
            open_kfid=fields.text("open_kfid", ""),
            take_after_s=fields.number("take_after_s", 0),
            answer_after_s=fields.number("answer_after_s", 0),
            end_after_s=fields.number("end_after_s", 0) if "end_after_s" in fields else None,
        )
        fields.finish()
        self._simulator.add_human(human)
        return JSONResponse({"servicer_userid": human.servicer_userid}, status_code=201)

    async def _clear_humans(self, _request: Request) -> Response:
        self._simulator.humans.clear()
        return JSONResponse({})

    async def _write_history(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        notify = fields.flag("notify", default=False)
        open_kfid, prefix = fields.text("open_kfid", ""), fields.text("prefix", "wmBulk")
        customers, messages = fields.whole("customers", 1, least=1), fields.whole("messages", 1, least=1)
        age_s = fields.whole("age_s", 0)
        fields.finish()
        if notify:
            self._simulator.check_kf_callback()
        written = self._desk.history(
            open_kfid=open_kfid, customers=customers, messages=messages, age_s=age_s, prefix=prefix
        )
        if notify:
            self._simulator.tell_of_news(self._simulator.state.kf.accounts.chosen(open_kfid).open_kfid)
        return JSONResponse({"msgids": written}, status_code=201)

    async def _plan_failures(self, request: Request) -> Response:
        fields = Fields(await read_json(request))
        external_userid, fail_type = fields.text("external_userid", ""), fields.whole("fail_type", 0)
        times = fields.whole("times", 1, least=1)
        fields.finish()
        self._simulator.state.kf.failures.add(external_userid, fail_type, times)
        return JSONResponse({}, status_code=201)

    def _acted(self, msgid: str) -> Response:
        self._simulator.announce()
        return JSONResponse({"msgid": msgid})


class _Act:
    """The fields of what one of the staff does."""

    def __init__(self, fields: Fields, *, servicer: bool) -> None:
        self.open_kfid = fields.text("open_kfid", "")
        self.customer = fields.text("external_userid")
        self.servicer = fields.text("servicer_userid", None if servicer else "")
        self.content = fields.text("content", "")
        self.msgid = fields.text("msgid", "")
        self.switch = fields.flag("switch", default=True)
        fields.finish()

    @classmethod
    async def read(cls, request: Request, *, servicer: bool = False) -> _Act:
        """Return the fields of a request; raises `FieldError`."""
        return cls(Fields(await read_json(request)), servicer=servicer)


def _servicer(servicer: Servicer) -> dict[str, object]:
    return {
        "userid": servicer.userid,
        "name": servicer.name,
        "status": servicer.status,
        "stop_type": servicer.stop_type,
        "schedule": servicer.schedule,
    }


def _written(written: Written) -> dict[str, object]:
    return {
        "msgid": written.entry.msgid,
        "seq": written.entry.seq,
        "send_time": written.log_entry.send_time,
    }
