"""The `/cgi-bin` API without HTTP: a call goes in, the JSON of the answer comes out.

Source: WeCom developer docs, paths 91039 (gettoken), 90236 (message/send), 90196 (user/get), 90227 (agent/get),
90930 (addresses).
What belongs to 微信客服 (`kf/…`) is in the package `kf`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators.wecom import errcodes
from simulators.wecom.errcodes import ApiError, error_body
from simulators.wecom.kf.api import KF_ENDPOINTS
from simulators.wecom.sending import parse_send, recipients_of, send_message
from simulators.wecom.tokens import Rights, TokenState
from simulators.wecom.updating import recall_message, update_card

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulators.wecom.kf.api import KfEndpoint
    from simulators.wecom.state import PlatformState

# Blocks kept for documentation (RFC 5737): nobody can mistake them for the platform's real addresses.
_CALLBACK_ADDRESSES = ["192.0.2.0/24", "198.51.100.17"]
_API_ADDRESSES = ["203.0.113.8", "203.0.113.9"]
_WHOLE_ENTERPRISE = 1  # the department that every other one is below of
# What any of the enterprise's secrets may ask.
_FOR_EVERY_TOKEN = frozenset({"getcallbackip", "get_api_domain_ip"})


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request to the API; `path` is what follows `/cgi-bin/`."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes = b""
    from_ip: str = "127.0.0.1"

    @property
    def userids(self) -> tuple[str, ...]:
        """Whom the call is about: the recipients, or the member or customer asked for."""
        document = self._document()
        customer = document.get("external_userid")
        asked = [self.query.get("userid"), customer if isinstance(customer, str) else None]
        return recipients_of(document) or tuple(filter(None, asked))

    @property
    def is_kf(self) -> bool:
        """Tell whether the call belongs to 微信客服."""
        return self.path.startswith("kf/")

    @property
    def msgtype(self) -> str | None:
        """The kind of message that is sent, if any."""
        msgtype = self._document().get("msgtype")
        return msgtype if isinstance(msgtype, str) else None

    def _document(self) -> dict[str, object]:
        try:
            return parse_send(self.body) if self.body else {}
        except ApiError:
            return {}


class QyApi:
    """Answers API calls from the platform's state."""

    def __init__(self, state: PlatformState) -> None:
        self._state = state
        self._endpoints: dict[str, tuple[str, Callable[[ApiCall], dict[str, object]]]] = {
            "gettoken": ("GET", self._get_token),
            "message/send": ("POST", lambda call: send_message(state, call.body)),
            "message/update_template_card": ("POST", lambda call: update_card(state, call.body)),
            "message/recall": ("POST", lambda call: recall_message(state, call.body)),
            "user/get": ("GET", self._get_user),
            "agent/get": ("GET", self._get_agent),
            "getcallbackip": ("GET", self._get_callback_addresses),
            "get_api_domain_ip": ("GET", self._get_api_addresses),
        }
        for path, endpoint in KF_ENDPOINTS.items():
            self._endpoints[path] = (endpoint.method, _bound(endpoint, state))

    def knows(self, path: str) -> bool:
        """Tell whether `path` is served at all; others are HTTP 404."""
        return path in self._endpoints

    def answer(self, call: ApiCall) -> dict[str, object]:
        """Return the JSON answer of a known path; refusals are answers too."""
        try:
            return self._answer_or_refuse(call)
        except ApiError as refusal:
            return self.refusal(refusal.errcode, call.from_ip)

    def refusal(self, errcode: int, from_ip: str) -> dict[str, object]:
        """Return the JSON with which the platform refuses a call."""
        if errcode == 0:
            return {"errcode": 0, "errmsg": "ok"}
        return error_body(errcode, from_ip, self._state.rng)

    def _answer_or_refuse(self, call: ApiCall) -> dict[str, object]:
        method, endpoint = self._endpoints[call.path]
        if call.method != method:
            raise ApiError(errcodes.BAD_PARAMETER)
        if call.path != "gettoken":
            self._check_token(call)
        return endpoint(call)

    def _check_token(self, call: ApiCall) -> None:
        token = call.query.get("access_token", "")
        if not token:
            raise ApiError(errcodes.TOKEN_MISSING)
        verdict = self._state.tokens.judge(token, self._state.clock())
        if verdict is TokenState.UNKNOWN:
            raise ApiError(errcodes.BAD_TOKEN)
        if verdict is TokenState.EXPIRED:
            raise ApiError(errcodes.TOKEN_EXPIRED)
        rights = Rights.ALL if call.path in _FOR_EVERY_TOKEN else self._state.tokens.rights(token)
        if rights is Rights.KF and not call.is_kf:
            raise ApiError(errcodes.NOT_PERMITTED)
        if rights is Rights.APP and call.is_kf:
            raise ApiError(errcodes.NOT_THE_KF_SECRET)

    def _get_token(self, call: ApiCall) -> dict[str, object]:
        settings = self._state.settings
        corp_id, secret = call.query.get("corpid", ""), call.query.get("corpsecret", "")
        if not corp_id:
            raise ApiError(errcodes.CORPID_MISSING)
        if not secret:
            raise ApiError(errcodes.SECRET_MISSING)
        if corp_id != settings.corp_id:
            raise ApiError(errcodes.BAD_CORPID)
        rights = Rights.APP if settings.kf_has_own_secret else Rights.ALL
        if settings.kf_has_own_secret and secret == settings.kf_secret:
            rights = Rights.KF
        elif secret != settings.secret:
            raise ApiError(errcodes.BAD_SECRET)
        lifetime = self._state.behaviour.token_lifetime_s
        token = self._state.tokens.issue(self._state.clock(), lifetime, rights)
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": lifetime}

    def _get_user(self, call: ApiCall) -> dict[str, object]:
        userid = call.query.get("userid", "")
        if not userid:
            raise ApiError(errcodes.BAD_USERID)
        member = self._state.members.find(userid)
        if member is None:
            raise ApiError(errcodes.UNKNOWN_USERID)
        if not member.visible:
            raise ApiError(errcodes.NO_RIGHTS_OVER_MEMBER)
        return {"errcode": 0, "errmsg": "ok", **member.profile()}

    def _get_agent(self, call: ApiCall) -> dict[str, object]:
        """Tell of the application itself, and of no other one."""
        given, behaviour = call.query.get("agentid", ""), self._state.behaviour
        if not given.isdecimal():
            raise ApiError(errcodes.BAD_AGENTID)
        if int(given) != self._state.settings.agent_id:
            raise ApiError(errcodes.FOREIGN_AGENT)
        seen = [{"userid": member.userid} for member in self._state.members.all() if member.visible]
        return {
            "errcode": 0,
            "errmsg": "ok",
            "agentid": int(given),
            "name": "Frontdesk",
            "square_logo_url": "",
            "description": "",
            "allow_userinfos": {"user": seen},
            "allow_partys": {"partyid": [_WHOLE_ENTERPRISE] if behaviour.agent_for_everybody else []},
            "allow_tags": {"tagid": []},
            "close": int(behaviour.agent_closed),
            "redirect_domain": "",
            "report_location_flag": 0,
            "isreportenter": 0,
            "home_url": "",
        }

    def _get_callback_addresses(self, _call: ApiCall) -> dict[str, object]:
        return {"errcode": 0, "errmsg": "ok", "ip_list": _CALLBACK_ADDRESSES}

    def _get_api_addresses(self, _call: ApiCall) -> dict[str, object]:
        return {"errcode": 0, "errmsg": "ok", "ip_list": _API_ADDRESSES}


def _bound(endpoint: KfEndpoint, state: PlatformState) -> Callable[[ApiCall], dict[str, object]]:
    def answer(call: ApiCall) -> dict[str, object]:
        return {"errcode": 0, "errmsg": "ok", **endpoint.answer(state, call.query, call.body)}

    return answer
