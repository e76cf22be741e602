"""The calls of WeCom's server API that Frontdesk makes for one self-built application (自建应用).

Source: WeCom developer docs, paths 91039 (gettoken) and 90236 (message/send).
"""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from frontdesk.channels.wecom_errcodes import Policy, classify, failure
from frontdesk.channels.wecom_http import WecomHttp
from frontdesk.channels.wecom_text import MAX_BYTES
from frontdesk.channels.wecom_token import AccessTokens, Fetched
from frontdesk.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.channels.wecom_token import TokenStore

log = logging.getLogger(__name__)

_TRIES = 3  # path 90455: no more than three for "system busy"
_BACKOFF_S = 0.4
_LONGEST_DUPLICATE_WINDOW_S = 4 * 3600
_EVERYBODY = "@all"
# In an answer with errcode 0: whom the message did not reach after all.
_NOT_REACHED = ("invaliduser", "unlicenseduser")


class WecomApi:
    """One application's way to its members. Safe to use from several threads.

    Deadlines are on the clock ``monotonic``.
    """

    def __init__(
        self,
        *,
        base_url: str,
        corp_id: str,
        agent_id: int,
        secret: str,
        tokens: TokenStore,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """``base_url`` is what stands before ``/cgi-bin/``; ``tokens`` is where instances share the access token."""
        self._corp_id = corp_id
        self._agent_id = agent_id
        self._secret = secret
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng or random.SystemRandom()
        self._http = WecomHttp(base_url, monotonic=monotonic)
        self._tokens = AccessTokens(
            name=f"wecom#{corp_id}#{agent_id}",
            store=tokens,
            fetch=self._fetch_token,
            clock=clock,
            monotonic=monotonic,
            sleep=sleep,
            rng=self._rng,
        )

    def send_text(self, recipient: str, text: str, *, duplicate_window_s: int, deadline: float) -> None:
        """Return when WeCom has taken ``text`` for the member ``recipient``.

        The same call again within ``duplicate_window_s`` (1 second to 4 hours) shows nothing twice, so it may be
        repeated whenever the outcome is unknown. Raises `TransientError`, `PermanentError` when this text or this
        member is the reason, `MisconfiguredError` when no message can be sent.
        """
        if not recipient or "|" in recipient or recipient.lower() == _EVERYBODY:
            raise PermanentError("message/send: a text goes to one member", code="wecom_recipient")
        if len(text.encode()) > MAX_BYTES:
            raise PermanentError("message/send: the text is too long for one message", code="wecom_text_too_long")
        body = _identical_json(
            {
                "touser": recipient,
                "msgtype": "text",
                "agentid": self._agent_id,
                "text": {"content": text},
                "enable_duplicate_check": 1,
                "duplicate_check_interval": min(max(duplicate_window_s, 1), _LONGEST_DUPLICATE_WINDOW_S),
            }
        )
        answer = self._patiently("message/send", deadline, lambda: self._authorised("message/send", body, deadline))
        for reason in _NOT_REACHED:
            names = answer.get(reason)
            if isinstance(names, str) and recipient.lower() in names.lower().split("|"):
                raise PermanentError(f"message/send: the member is in {reason}", code=f"wecom_{reason}")
        if "Warning" in str(answer.get("errmsg", "")):
            # "Warning: wrong json format" beside errcode 0: a part of the request was ignored, which is a bug of ours.
            log.warning("WeCom ignored a part of the request", extra={"call": "message/send"})

    def _patiently(self, call: str, deadline: float, attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``attempt`` returns, repeated with growing random pauses while it fails and time is left."""
        number = 1
        while True:
            try:
                return attempt()
            except TransientError as error:
                pause = self._rng.uniform(0, _BACKOFF_S * 2**number)
                if error.retry_after_s or number == _TRIES or self._monotonic() + pause >= deadline:
                    raise
                log.warning("the call is repeated", extra={"call": call, "code": error.code, "attempt": number})
            self._sleep(pause)
            number += 1

    def _authorised(self, path: str, body: bytes, deadline: float) -> dict[str, Any]:
        """Return the answer to a POST, made again with a new access token if WeCom no longer takes the current one."""
        token = self._tokens.current(deadline=deadline)
        answer = self._http.call(path, query={"access_token": token.value}, body=body, deadline=deadline)
        if classify(answer["errcode"]) is Policy.RENEW:
            log.info("access token is no longer taken", extra={"call": path, "code": f"wecom_{answer['errcode']}"})
            self._tokens.invalidate(token.version, deadline=deadline)
            token = self._tokens.current(deadline=deadline)
            answer = self._http.call(path, query={"access_token": token.value}, body=body, deadline=deadline)
        error = failure(path, answer["errcode"])
        if error:
            raise error
        return answer

    def _fetch_token(self, deadline: float) -> Fetched:
        query = {"corpid": self._corp_id, "corpsecret": self._secret}
        answer = self._http.call("gettoken", query=query, deadline=deadline)
        error = failure("gettoken", answer["errcode"], fetching_token=True)
        if error:
            raise error
        value, lifetime_s = answer.get("access_token"), answer.get("expires_in")
        if not (isinstance(value, str) and value and isinstance(lifetime_s, int) and lifetime_s > 0):
            raise TransientError("gettoken: the answer is not one of the API", code="wecom_garbled")
        return Fetched(value, lifetime_s)


def _identical_json(document: dict[str, Any]) -> bytes:
    r"""Return JSON that is the same bytes for the same content: WeCom's duplicate check compares request bodies.

    Characters stand for themselves: ``\uXXXX`` is answered with 40033.
    """
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
