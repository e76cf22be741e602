"""What customers and staff do with 微信客服: each act changes the chats, the sessions and the log at once.

Nothing here tells the bot; whoever calls lets the simulator announce what is new afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulators.wecom.jsonfields import FieldError
from simulators.wecom.kf.chats import ChatEntry, Speaker, chat_of
from simulators.wecom.kf.customers import Entrance
from simulators.wecom.kf.sessions import ServiceState
from simulators.wecom.timeline import Direction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.wecom.kf.accounts import Account, Servicer
    from simulators.wecom.kf.log import LogEntry
    from simulators.wecom.kf.sessions import Session
    from simulators.wecom.state import PlatformState

_NO_WELCOME_S = 48 * 3600
# What a kind has when nobody says anything else; the texts of a kind are what is shown of it.
_EXAMPLES: dict[str, dict[str, object]] = {
    "image": {"media_id": "kf-image-0001"},
    "voice": {"media_id": "kf-voice-0001"},
    "video": {"media_id": "kf-video-0001"},
    "file": {"media_id": "kf-file-0001"},
    "location": {"latitude": 31.2304, "longitude": 121.4737, "name": "人民广场", "address": "上海市黄浦区"},
    "link": {"title": "一篇文章", "desc": "", "url": "https://example.com/a", "pic_url": ""},
    "business_card": {"userid": "zhou.min"},
    "miniprogram": {"title": "小程序", "appid": "wx0000000000000000", "pagepath": "index", "thumb_media_id": "t"},
    "msgmenu": {"head_content": "菜单", "list": [], "tail_content": ""},
    "channels_shop_product": {"product_id": "1", "head_img": "", "title": "商品", "sales_price": "1"},
    "channels_shop_order": {"order_id": "1", "product_titles": "商品", "price_wording": "1", "state": "完成"},
    "merged_msg": {"title": "聊天记录", "item": []},
    "channels": {"sub_type": 1, "nickname": "视频号", "title": "动态"},
}


@dataclass(frozen=True, slots=True)
class Written:
    """A message that a customer or one of the staff wrote, as it stands in chat and log."""

    entry: ChatEntry
    log_entry: LogEntry


class KfDesk:
    """The acts of customers and staff. Every one may be called from any thread; mistakes are `FieldError`."""

    def __init__(self, state: PlatformState) -> None:
        self._state = state

    # -- customers ---------------------------------------------------------------------------------------------

    def write(
        self,
        external_userid: str,
        *,
        open_kfid: str = "",
        msgtype: str = "text",
        content: str = "",
        menu_id: str = "",
        body: Mapping[str, object] | None = None,
        msgid: str = "",
        send_time: int | None = None,
        announced: bool = True,
    ) -> Written:
        """Let a customer send something to an account (the first one for "")."""
        state, kf = self._state, self._state.kf
        with state.lock:
            account = kf.accounts.chosen(open_kfid)
            if msgtype == "event":
                raise FieldError("msgtype: events are acts of their own, not messages")
            customer = kf.customers.meet(external_userid)
            now = state.clock()
            at = send_time if send_time is not None else int(now)
            own: dict[str, object] = {**_EXAMPLES.get(msgtype, {}), **(body or {})}
            if msgtype == "text":
                own = {"content": content, **({"menu_id": menu_id} if menu_id else {})}
            kf.sessions.of(account.open_kfid, customer.external_userid, now).hear(at)
            entry = kf.chats.append(
                ChatEntry(
                    open_kfid=account.open_kfid,
                    external_userid=customer.external_userid,
                    direction=Direction.INBOUND,
                    by=Speaker.CUSTOMER,
                    msgtype=msgtype,
                    content=content if msgtype == "text" else f"[{msgtype}]",
                    at_ms=state.now_ms() if send_time is None else send_time * 1000,
                    msgid=msgid or kf.new_msgid(),
                    body=own,
                )
            )
            return Written(entry, kf.log_message(entry, at, announced=announced))

    def enter(
        self, external_userid: str, *, open_kfid: str = "", scene: str = "", scene_param: str = ""
    ) -> tuple[str, str]:
        """Let a customer open the chat; return the event's msgid and its welcome_code, "" where there is none."""
        state, kf = self._state, self._state.kf
        with state.lock:
            account = kf.accounts.chosen(open_kfid)
            now = state.clock()
            kf.customers.enter(external_userid, Entrance(scene, scene_param, now))
            session = kf.sessions.of(account.open_kfid, external_userid, now)
            code = kf.codes.welcome(session, now) if self._is_welcome(session, now) else ""
            event = kf.log_event(
                account.open_kfid,
                "enter_session",
                now,
                external_userid=external_userid,
                scene=scene,
                scene_param=scene_param,
                **({"welcome_code": code} if code else {}),
            )
            return event.msgid, code

    def recall(self, external_userid: str, msgid: str, *, open_kfid: str = "") -> str:
        """Let a customer take a message back; return the event's msgid."""
        return self._recall(external_userid, msgid, open_kfid, "user_recall_msg", Speaker.CUSTOMER)

    def tap(self, external_userid: str, menu_id: str, *, open_kfid: str = "") -> Written:
        """Let a customer tap an item of a menu that was shown: it becomes a text of theirs."""
        state = self._state
        with state.lock:
            account = state.kf.accounts.chosen(open_kfid)
            for entry in reversed(state.kf.chats.entries(chat_of(account.open_kfid, external_userid))):
                for item_id, content in _clicks(entry):
                    if item_id == menu_id:
                        return self.write(
                            external_userid, open_kfid=account.open_kfid, content=content, menu_id=menu_id
                        )
        raise FieldError("menu_id: no menu with this item was shown to the customer")

    # -- staff -------------------------------------------------------------------------------------------------

    def take(self, external_userid: str, servicer_userid: str, *, open_kfid: str = "") -> str:
        """Let one of the staff take a customer, from the pool or from the bot; return the event's msgid."""
        state = self._state
        with state.lock:
            account, session = self._session(external_userid, open_kfid)
            servicer = self._serving(account, servicer_userid)
            if session.state in {ServiceState.SERVICER, ServiceState.ENDED}:
                raise FieldError("the session is not waiting")
            session.become(ServiceState.SERVICER, servicer.userid)
            session.first_time_in(ServiceState.SERVICER)
            return self._changed(session, 1, new=servicer.userid, code=state.kf.codes.for_state(session, state.clock()))

    def transfer(self, external_userid: str, servicer_userid: str, *, open_kfid: str = "") -> str:
        """Let the servicer in charge hand a customer to another one; return the event's msgid."""
        with self._state.lock:
            account, session = self._session(external_userid, open_kfid)
            servicer = self._serving(account, servicer_userid)
            old = self._in_charge(session)
            session.become(ServiceState.SERVICER, servicer.userid)
            return self._changed(session, 2, old=old, new=servicer.userid)

    def reenter(self, external_userid: str, servicer_userid: str, *, open_kfid: str = "") -> str:
        """Let one of the staff take up an ended session again, or one handed to somebody else; return the msgid."""
        with self._state.lock:
            account, session = self._session(external_userid, open_kfid)
            servicer = self._serving(account, servicer_userid)
            old = session.servicer_userid
            if session.last_customer_at is None or old.lower() == servicer.userid.lower():
                raise FieldError("there is no session of somebody else's, and none that has ended")
            if session.state not in {ServiceState.SERVICER, ServiceState.ENDED}:
                raise FieldError("the session has neither ended nor been handed to anybody")
            session.resume(self._state.clock())
            session.become(ServiceState.SERVICER, servicer.userid)
            return self._changed(session, 4, old=old, new=servicer.userid)

    def end(self, external_userid: str, *, open_kfid: str = "") -> str:
        """Let the servicer in charge end the session; return the event's msgid."""
        state = self._state
        with state.lock:
            _, session = self._session(external_userid, open_kfid)
            old = self._in_charge(session)
            session.become(ServiceState.ENDED)
            return self._changed(session, 3, old=old, code=state.kf.codes.for_state(session, state.clock()))

    def say(self, external_userid: str, content: str, *, open_kfid: str = "", servicer_userid: str = "") -> Written:
        """Let the servicer in charge write to the customer."""
        state, kf = self._state, self._state.kf
        with state.lock:
            account, session = self._session(external_userid, open_kfid)
            servicer = self._in_charge(session)
            if servicer_userid and servicer_userid.lower() != servicer.lower():
                raise FieldError("servicer_userid: somebody else has the customer")
            now = state.clock()
            session.touch(now)
            entry = kf.chats.append(
                ChatEntry(
                    open_kfid=account.open_kfid,
                    external_userid=external_userid,
                    direction=Direction.OUTBOUND,
                    by=Speaker.SERVICER,
                    msgtype="text",
                    content=content,
                    at_ms=state.now_ms(),
                    msgid=kf.new_msgid(),
                    body={"content": content},
                    servicer_userid=servicer,
                )
            )
            return Written(entry, kf.log_message(entry, int(now)))

    def recall_said(self, external_userid: str, msgid: str, *, open_kfid: str = "") -> str:
        """Let the staff take back what they wrote; return the event's msgid."""
        return self._recall(external_userid, msgid, open_kfid, "servicer_recall_msg", Speaker.SERVICER)

    def set_status(self, userid: str, status: int, stop_type: int = 0) -> Servicer:
        """Let one of the staff start (0) or stop (1) receiving; every account of theirs hears of it."""
        state, kf = self._state, self._state.kf
        with state.lock:
            servicer = replace(kf.accounts.servicer(userid), status=status, stop_type=stop_type)
            for account in kf.accounts.all():
                if kf.accounts.serves(account, userid):
                    kf.accounts.employ(account, servicer)
                    kf.log_event(
                        account.open_kfid,
                        "servicer_status_change",
                        state.clock(),
                        servicer_userid=servicer.userid,
                        # In this event 1 is receiving and 2 is not (path 94670).
                        status=status + 1,
                        stop_type=stop_type,
                    )
            return servicer

    def reject(self, external_userid: str, *, switch: bool, open_kfid: str = "") -> str:
        """Let the staff refuse a customer's messages, or take them again; return the event's msgid."""
        state = self._state
        with state.lock:
            account, session = self._session(external_userid, open_kfid)
            event = state.kf.log_event(
                account.open_kfid,
                "reject_customer_msg_switch_change",
                state.clock(),
                external_userid=external_userid,
                servicer_userid=session.servicer_userid,
                reject_switch=int(switch),
            )
            return event.msgid

    # -- much at once ------------------------------------------------------------------------------------------

    def history(
        self, *, open_kfid: str = "", customers: int = 1, messages: int = 1, age_s: int = 0, prefix: str = "wmBulk"
    ) -> dict[str, list[str]]:
        """Put many messages into the log that nobody is told of; return their msgids by customer."""
        written: dict[str, list[str]] = {}
        sent_at = int(self._state.clock()) - age_s
        for number in range(messages):
            customer = f"{prefix}{number % customers:04d}"
            content = f"第 {number // customers + 1} 条：怎么退货？"
            message = self.write(customer, open_kfid=open_kfid, content=content, send_time=sent_at, announced=False)
            written.setdefault(customer, []).append(message.entry.msgid)
        return written

    def session(self, external_userid: str, *, open_kfid: str = "") -> Session:
        """Return a customer's session as it stands now."""
        with self._state.lock:
            return self._session(external_userid, open_kfid)[1]

    # -- pieces ------------------------------------------------------------------------------------------------

    def _session(self, external_userid: str, open_kfid: str) -> tuple[Account, Session]:
        state = self._state
        account = state.kf.accounts.chosen(open_kfid)
        return account, state.kf.sessions.of(account.open_kfid, external_userid, state.clock())

    def _serving(self, account: Account, userid: str) -> Servicer:
        if not self._state.kf.accounts.serves(account, userid):
            raise FieldError("servicer_userid: not a servicer of this account")
        return self._state.kf.accounts.servicer(userid)

    def _in_charge(self, session: Session) -> str:
        if session.state is not ServiceState.SERVICER:
            raise FieldError("no servicer has the customer")
        return session.servicer_userid

    def _is_welcome(self, session: Session, now: float) -> bool:
        """Tell whether a welcome may be said: none configured, none and nothing said for 48 hours (path 95122)."""
        quiet = all(
            at is None or now - at >= _NO_WELCOME_S for at in (session.last_exchange_at, session.last_welcome_at)
        )
        return quiet and not self._state.behaviour.kf_native_welcome

    def _changed(self, session: Session, change_type: int, *, old: str = "", new: str = "", code: str = "") -> str:
        event = self._state.kf.log_event(
            session.open_kfid,
            "session_status_change",
            self._state.clock(),
            external_userid=session.external_userid,
            change_type=change_type,
            old_servicer_userid=old,
            new_servicer_userid=new,
            **({"msg_code": code} if code else {}),
        )
        return event.msgid

    def _recall(self, external_userid: str, msgid: str, open_kfid: str, event_type: str, by: Speaker) -> str:
        state = self._state
        with state.lock:
            account = state.kf.accounts.chosen(open_kfid)
            for entry in state.kf.chats.entries(chat_of(account.open_kfid, external_userid)):
                if entry.msgid == msgid and entry.by is by and not entry.recalled:
                    state.kf.chats.amend(entry, recalled=True)
                    servicer = {"servicer_userid": entry.servicer_userid} if entry.servicer_userid else {}
                    event = state.kf.log_event(
                        account.open_kfid,
                        event_type,
                        state.clock(),
                        external_userid=external_userid,
                        recall_msgid=msgid,
                        **servicer,
                    )
                    return event.msgid
        raise FieldError("msgid: there is no such message to take back")


def _clicks(entry: ChatEntry) -> list[tuple[str, str]]:
    """Return id and content of what can be tapped in a menu; nothing for any other entry."""
    items = entry.body.get("list") if entry.msgtype == "msgmenu" and not entry.failed else None
    clicks = [item.get("click") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [(str(click.get("id", "")), str(click.get("content", ""))) for click in clicks if isinstance(click, dict)]
