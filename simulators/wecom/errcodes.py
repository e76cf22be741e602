"""The API's error numbers, their texts, and the hint that the real platform appends.

Source: WeCom developer docs, path 90455. Texts are examples: the documentation says to program on the number only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

SYSTEM_BUSY = -1
BAD_SECRET = 40001
BAD_USERID = 40003
BAD_MEDIA = 40007
BAD_MSGTYPE = 40008
BAD_CORPID = 40013
BAD_TOKEN = 40014
TOO_MANY_USERIDS = 40032
ESCAPED_TEXT = 40033
BAD_AGENTID = 40056
BAD_PARAMETER = 40058
BAD_EXTERNAL_USERID = 40096
TOKEN_MISSING = 41001
CORPID_MISSING = 41002
SECRET_MISSING = 41004
BAD_EVENT_CODE = 41050
TOKEN_EXPIRED = 42001
CARD_ACTION_MISSING = 42045
CALLBACK_NEEDED = 43012
EMPTY_TEXT = 44004
TOO_LARGE = 45002
TOO_MANY_ARTICLES = 45008
TOO_FREQUENT = 45009
NOT_JSON = 47001
NOT_PERMITTED = 48002
KF_ACCOUNT_NOT_GRANTED = 48007
NO_RIGHTS_OVER_MEMBER = 60011
UNKNOWN_USERID = 60111
BAD_RESPONSE_CODE = 60140
ALL_RECIPIENTS_INVALID = 81013
NO_RECIPIENT = 82001
BAD_OPEN_KFID = 95000
TOO_MANY_KF_MESSAGES = 95001
KF_TIME_IS_OVER = 95002
BAD_SYNC_TOKEN = 95007
TOO_MANY_MENU_ITEMS = 95008
BAD_MENU_ITEM = 95009
NOT_THE_KF_SECRET = 95012
NOT_A_SERVICER = 95014
BAD_STATE_CHANGE = 95016
STATE_FORBIDS_SENDING = 95018
SERVICER_NOT_RECEIVING = 95019
FOREIGN_AGENT = 301002

_TEXTS = {
    SYSTEM_BUSY: "system busy",
    BAD_SECRET: "invalid credential",
    BAD_USERID: "invalid userid",
    BAD_MEDIA: "invalid media_id",
    BAD_MSGTYPE: "invalid message type",
    BAD_CORPID: "invalid corpid",
    BAD_TOKEN: "invalid access_token",
    TOO_MANY_USERIDS: "userid list exceeds the limit",
    ESCAPED_TEXT: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    BAD_AGENTID: "invalid agentid",
    BAD_PARAMETER: "invalid Request Parameter",
    BAD_EXTERNAL_USERID: "invalid external userid",
    TOKEN_MISSING: "access_token missing",
    CORPID_MISSING: "corpid missing",
    SECRET_MISSING: "corpsecret missing",
    BAD_EVENT_CODE: "invalid code",
    TOKEN_EXPIRED: "access_token expired",
    CARD_ACTION_MISSING: "template_card.card_action missing",
    CALLBACK_NEEDED: "require to set the receive message url of the app",
    EMPTY_TEXT: "empty content",
    TOO_LARGE: "content size out of limit",
    TOO_MANY_ARTICLES: "article size out of limit",
    TOO_FREQUENT: "api freq out of limit",
    45033: "api concurrent out of limit",
    NOT_JSON: "data format error",
    NOT_PERMITTED: "api forbidden",
    KF_ACCOUNT_NOT_GRANTED: "no privilege to access the kf account",
    50003: "app disabled",
    60020: "not allow to access from your ip",
    NO_RIGHTS_OVER_MEMBER: "no privilege to access/modify contact/party/agent",
    UNKNOWN_USERID: "userid not found",
    BAD_RESPONSE_CODE: "invalid response_code",
    ALL_RECIPIENTS_INVALID: "user & party & tag all invalid",
    NO_RECIPIENT: "touser, toparty and totag are all empty",
    BAD_OPEN_KFID: "invalid open_kfid",
    TOO_MANY_KF_MESSAGES: "send msg count limit",
    KF_TIME_IS_OVER: "send msg time limit",
    BAD_SYNC_TOKEN: "invalid msg token",
    TOO_MANY_MENU_ITEMS: "too many menu items",
    BAD_MENU_ITEM: "invalid menu type",
    NOT_THE_KF_SECRET: "not use in wecom",
    NOT_A_SERVICER: "invalid servicer",
    BAD_STATE_CHANGE: "invalid service state",
    STATE_FORBIDS_SENDING: "send msg session status invalid",
    SERVICER_NOT_RECEIVING: "servicer has stopped receiving",
    FOREIGN_AGENT: "not allow operate another agent with this accesstoken",
}
_MORE = "more info at https://open.work.weixin.qq.com/devtool/query"


@dataclass(frozen=True, slots=True)
class ApiError(Exception):
    """The platform refuses a call with `errcode`."""

    errcode: int


def error_body(errcode: int, from_ip: str, rng: Random) -> dict[str, object]:
    """Return the JSON of a refusal: number and text with a hint. HTTP status is 200 all the same."""
    text = _TEXTS.get(errcode, "error")
    hint = rng.randrange(10**24, 10**25)
    return {"errcode": errcode, "errmsg": f"{text}, hint: [{hint}], from ip: {from_ip}, {_MORE}?e={errcode}"}
