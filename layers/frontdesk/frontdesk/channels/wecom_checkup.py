"""What can be found out about a WeCom application by calling as it: Secret, trusted address, visible range, 微信客服.

Each call is made once and on its own access token, so that what is told is how things are now, and not what an earlier
token or a repetition still allows. Source: WeCom developer docs, paths 91039 (gettoken), 90227 (agent/get), 90196
(user/get), 94661 (kf/account/list), 94645 (kf/servicer/list) and 90455 (error codes, and the hint in their texts).
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from frontdesk.channels.printable import printable
from frontdesk.channels.wecom_errcodes import failure
from frontdesk.errors import FrontdeskError
from frontdesk.records import Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from frontdesk.channels.wecom_http import WecomHttp

NAMES = (
    "access_token",
    "trusted_address",
    "visible_range",
    "handoff_agents",
    "kf_token",
    "kf_accounts",
    "kf_servicers",
)

_CALL_S = 8.0
_UNTRUSTED = "wecom_60020"
_UNKNOWN_MEMBER = frozenset({"wecom_60111", "wecom_60011", "wecom_40003", "wecom_46004"})
# The one thing ever read of an error's text, and never to decide by it: the address that WeCom saw.
_FROM = re.compile(r"from ip: ([0-9A-Fa-f.:]{3,45})")
_MOST_ACCOUNTS = 100


class WecomCheckup:
    """One application, and 微信客服 with its own Secret where that has one."""

    def __init__(
        self,
        http: WecomHttp,
        *,
        corp_id: str,
        agent_id: int,
        secret: str,
        own_kf_secret: str,
        agents: Sequence[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``agents`` are the people who take over from the application; ``monotonic`` is the clock of ``http``."""
        self._http = http
        self._corp_id = corp_id
        self._agent_id = agent_id
        self._secret = secret
        self._own_kf_secret = own_kf_secret
        self._agents = agents
        self._monotonic = monotonic
        self._seen_from = ""

    def examine(self) -> Iterator[Checked]:
        """Yield what is found, in the order of `NAMES`."""
        token, refused = self._fetched_token("access_token", self._secret)
        yield refused or Checked("access_token", "ok")
        if refused and refused.code == _UNTRUSTED:
            yield self._address(refused)
        if not token:
            return
        agent, error = self._called("agent/get", {"access_token": token, "agentid": str(self._agent_id)})
        yield self._address(error)
        if error and error.code == _UNTRUSTED:
            return
        yield Checked("visible_range", "failed", code=error.code) if error else _visible_range(agent)
        yield self._people(token)
        yield from self._customer_service(token)

    def _fetched_token(self, name: str, secret: str) -> tuple[str, Checked | None]:
        """Return an access token, or "" and the finding under ``name``."""
        answer, error = self._called("gettoken", {"corpid": self._corp_id, "corpsecret": secret}, fetching_token=True)
        if error:
            return "", Checked(name, "failed", code=error.code)
        token = answer.get("access_token")
        return (token, None) if isinstance(token, str) and token else ("", Checked(name, "failed", "wecom_garbled"))

    def _called(
        self,
        call: str,
        query: Mapping[str, str],
        document: Mapping[str, Any] | None = None,
        *,
        fetching_token: bool = False,
    ) -> tuple[Mapping[str, Any], FrontdeskError | None]:
        """Return the answer, and the error that it means or that came in its place."""
        body = None if document is None else json.dumps(document).encode()
        try:
            answer = self._http.call(call, query=query, body=body, deadline=self._monotonic() + _CALL_S)
        except FrontdeskError as error:
            return {}, error
        hint = _FROM.search(str(answer.get("errmsg", "")))
        self._seen_from = hint[1] if hint else self._seen_from
        return answer, failure(call, answer["errcode"], fetching_token=fetching_token)

    def _address(self, error: FrontdeskError | Checked | None) -> Checked:
        """Return whether WeCom trusts the address that it sees, which its refusals name."""
        if not self._seen_from:
            self._called("get_api_domain_ip", {})  # refused for want of a token, with the address in its text
        seen = {"address": self._seen_from or "?"}
        if error is None:
            return Checked("trusted_address", "ok", seen=seen)
        if error.code == _UNTRUSTED:
            return Checked("trusted_address", "failed", code=_UNTRUSTED, seen=seen)
        return Checked("trusted_address", "not_run", code="needs", seen={"needs": "visible_range", **seen})

    def _people(self, token: str) -> Checked:
        """Return whether everybody who is to take over can be reached by the application."""
        if not self._agents:
            return Checked("handoff_agents", "not_run", code="no_handoff_agents")
        missing = []
        for userid in self._agents:
            _, error = self._called("user/get", {"access_token": token, "userid": userid})
            if error and error.code not in _UNKNOWN_MEMBER:
                return Checked("handoff_agents", "failed", code=error.code)
            missing += [userid] if error else []
        if missing:
            return Checked(
                "handoff_agents", "failed", code="handoff_agents_invisible", seen={"members": "|".join(missing)}
            )
        return Checked("handoff_agents", "ok", seen={"members": len(self._agents)})

    def _customer_service(self, token: str) -> Iterator[Checked]:
        if self._own_kf_secret:
            token, refused = self._fetched_token("kf_token", self._own_kf_secret)
            yield refused or Checked("kf_token", "ok")
            if refused:
                return
        else:
            yield Checked("kf_token", "not_run", code="kf_uses_application")
        answer, error = self._called("kf/account/list", {"access_token": token}, {"offset": 0, "limit": _MOST_ACCOUNTS})
        if error:
            yield Checked("kf_accounts", "failed", code=error.code)
            return
        accounts = [each for each in _objects(answer, "account_list") if _word(each, "open_kfid")]
        if not accounts:
            yield Checked("kf_accounts", "warning", code="kf_no_account")
            return
        for account in accounts:
            open_kfid = _word(account, "open_kfid")
            if account.get("manage_privilege") is False:
                yield Checked("kf_accounts", "failed", code="kf_not_managed", about=open_kfid)
            else:
                yield Checked("kf_accounts", "ok", about=open_kfid)
        for account in accounts:
            yield self._servicers(token, _word(account, "open_kfid"))

    def _servicers(self, token: str, open_kfid: str) -> Checked:
        """Return who of an account's people would be given a customer now; departments have no such state."""
        answer, error = self._called("kf/servicer/list", {"access_token": token, "open_kfid": open_kfid})
        if error:
            return Checked("kf_servicers", "failed", code=error.code, about=open_kfid)
        listed = _objects(answer, "servicer_list")
        people = [each for each in listed if _word(each, "userid")]
        receiving = sum(each.get("status") == 0 for each in people)
        seen = {"receiving": receiving, "people": len(people), "departments": len(listed) - len(people)}
        if not receiving:
            code = "kf_nobody_receives" if listed else "kf_no_servicer"
            return Checked("kf_servicers", "warning", code=code, about=open_kfid, seen=seen)
        return Checked("kf_servicers", "ok", about=open_kfid, seen=seen)


def _visible_range(agent: Mapping[str, Any]) -> Checked:
    """Return whether the application is on, and whether anybody may see it (path 90227)."""
    seen = {
        "members": len(_objects(_mapping(agent, "allow_userinfos"), "user")),
        "departments": len(_list(_mapping(agent, "allow_partys"), "partyid")),
        "tags": len(_list(_mapping(agent, "allow_tags"), "tagid")),
    }
    if agent.get("close") == 1:
        return Checked("visible_range", "failed", code="agent_closed", seen=seen)
    if not any(seen.values()):
        return Checked("visible_range", "failed", code="agent_sees_nobody", seen=seen)
    return Checked("visible_range", "ok", seen=seen)


def _mapping(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _objects(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [each for each in _list(fields, name) if isinstance(each, dict)]


def _word(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return printable(value) if isinstance(value, str) else ""
