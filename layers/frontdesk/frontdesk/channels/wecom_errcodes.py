"""What WeCom's error codes mean for the caller: one table, one classification, one translation into our errors.

Source: WeCom developer docs, path 90455 (global error codes and their notes). Decisions rest on ``errcode`` alone:
``errmsg`` changes without notice, and quotes addresses and ids that must not reach a log.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

from frontdesk.errors import (
    AllowanceError,
    MisconfiguredError,
    NobodyError,
    PermanentError,
    TakenOverError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.errors import FrontdeskError


class Policy(Enum):
    """What to do about an answer."""

    DONE = auto()
    RENEW = auto()  # fetch another access token and repeat, once
    REPEAT = auto()  # soon, a few times
    WAIT = auto()  # not before the block is over
    DROP = auto()  # the same request will never pass
    ASK_A_PERSON = auto()  # no request will pass before somebody changes something


class Trouble(StrEnum):
    """What an answer tells of the whole connection to WeCom, whatever the call was about."""

    ADDRESS = "address"  # the address that we call from is not among the trusted ones
    TOKEN = "token"  # noqa: S105  # none is given to us, or a fresh one is not taken
    QUOTA = "quota"  # too many calls, within a time or at the same time


_RENEW = frozenset({40001, 40014, 42001})
_REPEAT = frozenset({-1, 6000})

_UNTRUSTED_ADDRESS = 60020

# Seconds until a block is over. 45009: a limit per minute, the shortest; 45033: too many calls at the same time.
_WAIT: Mapping[int, float] = {45009: 60.0, 45033: 3.0}

_WRONG_SECRET = "check WECOM_SECRET; it may have been reset"  # noqa: S105  # advice, not a secret
_NOT_PERMITTED = "the application is not permitted to do this; check its permissions in the WeCom console"
_CUSTOMER_SERVICE = "check the set-up of WeCom customer service"
_ROBOT = "check the group robot and its key"
_ADVICE: Mapping[int, str] = {
    40013: "check WECOM_CORP_ID",
    40056: "check WECOM_AGENT_ID",
    40091: "WECOM_SECRET belongs to another enterprise",
    41002: "WECOM_CORP_ID is missing",
    41004: "WECOM_SECRET is missing",
    43009: "the enterprise is not verified",
    43012: "the application needs a callback address",
    45024: _NOT_PERMITTED,
    48001: _NOT_PERMITTED,
    48002: _NOT_PERMITTED,
    48004: _NOT_PERMITTED,
    48005: _NOT_PERMITTED,
    48006: _NOT_PERMITTED,
    48007: _NOT_PERMITTED,
    50001: "the redirect domain is not trusted",
    50003: "the application is disabled",
    _UNTRUSTED_ADDRESS: "add this deployment's outgoing IP address to the application's trusted IPs",
    84074: _NOT_PERMITTED,
    86008: "the group was not created by this application",
    93000: _ROBOT,
    93004: _ROBOT,
    93008: _ROBOT,
    95003: _CUSTOMER_SERVICE,
    95004: _CUSTOMER_SERVICE,
    95005: _CUSTOMER_SERVICE,
    95006: _CUSTOMER_SERVICE,
    95011: _CUSTOMER_SERVICE,
    95012: _CUSTOMER_SERVICE,
    95017: _CUSTOMER_SERVICE,
    95023: _CUSTOMER_SERVICE,
    95026: _CUSTOMER_SERVICE,
    95027: _CUSTOMER_SERVICE,
    301002: "WECOM_AGENT_ID and WECOM_SECRET belong to different applications",
}

# What a refusal of 微信客服 means beyond itself.
_KINDS: Mapping[int, type[PermanentError]] = {
    41050: AllowanceError,  # a code for one message has ended, or was used
    95001: AllowanceError,  # five messages since the customer's newest one
    95002: AllowanceError,  # 48 hours since it
    95013: TakenOverError,  # the session has ended
    95018: TakenOverError,  # the state does not allow sending; or over 48 hours
    95014: NobodyError,  # no servicer, or one who never activated the account
    95019: NobodyError,  # a servicer who has stopped receiving
}

# From kf/sync_msg these speak of the one account that was asked for, and others can still be fetched: it was deleted,
# it is not authorised to this application (any more), or it never was one.
_SYNC_MSG = "kf/sync_msg"
_ACCOUNT_REFUSED = frozenset({48007, 95000, 95004})

# Documented reasons for refusing a message that a used message id cannot be: they speak of the receiver, of what is
# said, or of the state. 40035, 40058 and 40063, "bad parameter", are left out on purpose: a used id may be just that.
_EXPLAINED = frozenset(
    f"wecom_{errcode}"
    for errcode in (
        *(40003, 40007, 40008, 40033, 40096, 41050, 44001, 44004, 45002, 82004, 85002),
        *(95000, 95007, 95008, 95009, 95016),
    )
)

# A token that failed twice in a row, freshly fetched, is unlikely to be better a moment later.
_STILL_NO_TOKEN_WAIT_S = 5.0


def classify(errcode: int, *, fetching_token: bool = False) -> Policy:
    """Return what to do about ``errcode``. Known codes that are not listed, and unknown ones, are to be dropped.

    40001 has two meanings: from gettoken a wrong secret, from any other call an unusable access token.
    """
    if errcode == 0:
        return Policy.DONE
    if errcode in _RENEW:
        return Policy.ASK_A_PERSON if fetching_token else Policy.RENEW
    if errcode in _REPEAT:
        return Policy.REPEAT
    if errcode in _WAIT:
        return Policy.WAIT
    return Policy.ASK_A_PERSON if errcode in _ADVICE else Policy.DROP


def failure(call: str, errcode: int, *, fetching_token: bool = False) -> FrontdeskError | None:
    """Return the error to raise for the answer ``errcode`` of ``call``, nothing when it succeeded.

    The error's code is ``wecom_<errcode>``. A code that asks for a new access token comes here when that was tried.
    From kf/sync_msg a plain `PermanentError` speaks of the one account, `MisconfiguredError` of all.
    """
    text, code = f"{call}: WeCom answered with errcode {errcode}", f"wecom_{errcode}"
    match classify(errcode, fetching_token=fetching_token):
        case Policy.DONE:
            return None
        case Policy.REPEAT:
            return TransientError(text, code=code)
        case Policy.WAIT:
            return TransientError(text, code=code, retry_after_s=_WAIT[errcode])
        case Policy.RENEW:
            return TransientError(f"{text} to a new access token", code=code, retry_after_s=_STILL_NO_TOKEN_WAIT_S)
        case Policy.ASK_A_PERSON if not (call == _SYNC_MSG and errcode in _ACCOUNT_REFUSED):
            return MisconfiguredError(f"{text}: {_ADVICE.get(errcode, _WRONG_SECRET)}", code=code)
        case _:
            return _KINDS.get(errcode, PermanentError)(text, code=code)


def trouble(errcode: int, *, fetching_token: bool = False) -> Trouble | None:
    """Return what ``errcode`` tells of the connection, nothing where it is about the one request.

    From a call other than gettoken it is asked about the last answer, after a new access token was tried.
    """
    if errcode == _UNTRUSTED_ADDRESS:
        return Trouble.ADDRESS
    match classify(errcode, fetching_token=fetching_token):
        case Policy.WAIT:
            return Trouble.QUOTA
        case Policy.RENEW:
            return Trouble.TOKEN
        case Policy.ASK_A_PERSON if fetching_token:
            return Trouble.TOKEN
        case _:
            return None


def is_explained(refusal: PermanentError) -> bool:
    """Return whether the documentation says what ``refusal`` means, so that it means nothing else.

    Which errcode answers a message id that was used before is not documented: it can be any that is not explained.
    """
    return type(refusal) is not PermanentError or refusal.code in _EXPLAINED
