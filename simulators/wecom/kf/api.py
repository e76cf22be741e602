"""The `/cgi-bin/kf/` API without HTTP: a call goes in, the JSON of the answer comes out.

Source: WeCom developer docs, paths 94670 (sync_msg), 94677 and 95122 (sending), 94669 (service_state), 94661
(accounts), 94645 (servicers), 95159 (customers) and 94665 (contact link).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError
from simulators.wecom.kf.log import CursorError
from simulators.wecom.kf.sending import send_message, send_on_event
from simulators.wecom.kf.sessions import ServiceState
from simulators.wecom.sending import parse_send

if TYPE_CHECKING:
    from simulators.wecom.kf.accounts import Account
    from simulators.wecom.kf.customers import Customer
    from simulators.wecom.state import PlatformState

_MOST_ENTRIES = 1000
_MOST_ACCOUNTS = 100
_MOST_CUSTOMERS = 100
_CONTEXT_S = 48 * 3600
_SCENE = re.compile(r"[0-9A-Za-z_-]{0,32}")

Answer = Callable[["PlatformState", Mapping[str, str], bytes], dict[str, object]]


@dataclass(frozen=True, slots=True)
class KfEndpoint:
    """One path: its method, and what answers it from query and body; refusals are `ApiError`."""

    method: str
    answer: Answer


def _sync(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    with state.lock:
        account = state.kf.accounts.asked(document.get("open_kfid"))
        _admit(state, account.open_kfid, document.get("token"))
        cursor, limit = document.get("cursor", ""), document.get("limit", _MOST_ENTRIES)
        if not isinstance(cursor, str) or not _is_whole(limit, 1, _MOST_ENTRIES):
            raise ApiError(errcodes.BAD_PARAMETER)
        if not _is_whole(document.get("voice_format", 0), 0, 1):
            raise ApiError(errcodes.BAD_PARAMETER)
        try:
            page = state.kf.log.page(
                account.open_kfid, cursor, limit, state.clock(), empty=state.behaviour.kf_empty_pages
            )
        except CursorError as exc:
            raise ApiError(errcodes.BAD_PARAMETER) from exc
    return {
        "next_cursor": page.next_cursor,
        "has_more": int(page.has_more),
        "msg_list": [entry.document for entry in page.entries],
    }


def _admit(state: PlatformState, open_kfid: str, token: object) -> None:
    """Raise `ApiError` for a token that is not good, and for too many calls without one."""
    now = state.clock()
    if token:
        if not isinstance(token, str) or not state.kf.sync_tokens.good(token, open_kfid, now):
            raise ApiError(errcodes.BAD_SYNC_TOKEN)
    elif not state.kf.sync_tokens.admit_without(open_kfid, now, state.behaviour.untokened_syncs_per_minute):
        raise ApiError(errcodes.TOO_FREQUENT)


def _get_state(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    with state.lock:
        account = state.kf.accounts.asked(document.get("open_kfid"))
        customer = _customer(state, document.get("external_userid"))
        session = state.kf.sessions.of(account.open_kfid, customer.external_userid, state.clock())
        servicer = {"servicer_userid": session.servicer_userid} if session.servicer_userid else {}
        return {"service_state": int(session.state), **servicer}


def _change_state(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    with state.lock:
        account = state.kf.accounts.asked(document.get("open_kfid"))
        customer = _customer(state, document.get("external_userid"))
        wanted = document.get("service_state")
        if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted not in set(ServiceState):
            raise ApiError(errcodes.BAD_PARAMETER)
        target = ServiceState(wanted)
        now = state.clock()
        session = state.kf.sessions.of(account.open_kfid, customer.external_userid, now)
        servicer = _servicer(state, account, document.get("servicer_userid")) if target is ServiceState.SERVICER else ""
        if not session.can_become(target, servicer, strict=state.behaviour.kf_strict_changes):
            raise ApiError(errcodes.BAD_STATE_CHANGE)
        session.become(target, servicer)
        coded = target is ServiceState.ENDED or (
            target in {ServiceState.POOL, ServiceState.SERVICER} and session.first_time_in(target)
        )
        return {"msg_code": state.kf.codes.for_state(session, now)} if coded else {}


def _servicer(state: PlatformState, account: Account, userid: object) -> str:
    if not isinstance(userid, str) or not state.kf.accounts.serves(account, userid):
        raise ApiError(errcodes.NOT_A_SERVICER)
    if not state.kf.accounts.servicer(userid).receives(state.clock()):
        raise ApiError(errcodes.SERVICER_NOT_RECEIVING)
    return userid


def _list_accounts(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    offset, limit = document.get("offset", 0), document.get("limit", _MOST_ACCOUNTS)
    if not _is_whole(offset, 0, sys.maxsize) or not _is_whole(limit, 1, _MOST_ACCOUNTS):
        raise ApiError(errcodes.BAD_PARAMETER)
    with state.lock:
        granted = [account for account in state.kf.accounts.all() if not account.withdrawn]
        return {
            "account_list": [
                {"open_kfid": account.open_kfid, "name": account.name, "avatar": "", "manage_privilege": True}
                for account in granted[offset : offset + limit]
            ]
        }


def _list_servicers(state: PlatformState, query: Mapping[str, str], _body: bytes) -> dict[str, object]:
    with state.lock:
        account = state.kf.accounts.asked(query.get("open_kfid"))
        now = state.clock()
        listed = []
        for servicer in state.kf.accounts.staff_of(account):
            stopped = {} if servicer.receives(now) else {"stop_type": servicer.stop_type}
            listed.append({"userid": servicer.userid, "status": int(not servicer.receives(now)), **stopped})
        return {"servicer_list": listed}


def _get_customers(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    asked = document.get("external_userid_list")
    if not isinstance(asked, list) or not 0 < len(asked) <= _MOST_CUSTOMERS:
        raise ApiError(errcodes.BAD_PARAMETER)
    if not all(isinstance(userid, str) for userid in asked):
        raise ApiError(errcodes.BAD_PARAMETER)
    with state.lock:
        found = [customer for userid in asked if (customer := state.kf.customers.find(userid)) is not None]
        known = {customer.external_userid for customer in found}
        listed = []
        for customer in found:
            profile = customer.profile()
            entrance = customer.entrance
            if (
                document.get("need_enter_session_context") == 1
                and entrance
                and state.clock() - entrance.at < _CONTEXT_S
            ):
                profile["enter_session_context"] = entrance.context()
            listed.append(profile)
        return {
            "customer_list": listed,
            "invalid_external_userid": [userid for userid in asked if userid not in known],
        }


def _add_contact_way(state: PlatformState, _query: Mapping[str, str], body: bytes) -> dict[str, object]:
    document = parse_send(body)
    scene = document.get("scene", "")
    if not isinstance(scene, str) or _SCENE.fullmatch(scene) is None:
        raise ApiError(errcodes.BAD_PARAMETER)
    with state.lock:
        account = state.kf.accounts.asked(document.get("open_kfid"))
    return {"url": f"https://work.weixin.qq.com/kfid/{account.open_kfid}?enc_scene={scene}"}


def _is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _customer(state: PlatformState, external_userid: object) -> Customer:
    customer = state.kf.customers.find(external_userid)
    if customer is None:
        raise ApiError(errcodes.BAD_EXTERNAL_USERID)
    return customer


KF_ENDPOINTS: Mapping[str, KfEndpoint] = {
    "kf/sync_msg": KfEndpoint("POST", _sync),
    "kf/send_msg": KfEndpoint("POST", lambda state, _query, body: send_message(state, body)),
    "kf/send_msg_on_event": KfEndpoint("POST", lambda state, _query, body: send_on_event(state, body)),
    "kf/service_state/get": KfEndpoint("POST", _get_state),
    "kf/service_state/trans": KfEndpoint("POST", _change_state),
    "kf/account/list": KfEndpoint("POST", _list_accounts),
    "kf/servicer/list": KfEndpoint("GET", _list_servicers),
    "kf/customer/batchget": KfEndpoint("POST", _get_customers),
    "kf/add_contact_way": KfEndpoint("POST", _add_contact_way),
}
