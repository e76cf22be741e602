"""Calls of WeCom's server API with the access token of one secret: renewed when refused, repeated when that can help.

Which calls there are, and what they mean, is known to those who make them. Source: WeCom developer docs, paths 91039
(gettoken) and 90455 (global error codes).
"""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from frontdesk.channels.wecom_errcodes import Policy, classify, failure, trouble
from frontdesk.channels.wecom_http import WecomHttp
from frontdesk.channels.wecom_token import AccessTokens, Fetched
from frontdesk.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.channels.wecom_errcodes import Trouble
    from frontdesk.channels.wecom_token import TokenStore

log = logging.getLogger(__name__)

_TRIES = 3  # path 90455: no more than three for "system busy"
_BACKOFF_S = 0.4


def _never(_refusal: PermanentError) -> bool:
    return False


def _nobody(_trouble: Trouble) -> None:
    return


class WecomCalls:
    """Calls with one secret. Safe to use from several threads.

    Deadlines are on the clock ``monotonic``. Every call raises `TransientError`, `PermanentError` when this request is
    the reason, `MisconfiguredError` when none can pass.
    """

    def __init__(
        self,
        *,
        base_url: str,
        corp_id: str,
        holder: str,
        secret: str,
        tokens: TokenStore,
        proxy_url: str = "",
        on_trouble: Callable[[Trouble], None] = _nobody,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """``base_url`` is what stands before ``/cgi-bin/``; ``tokens`` is where instances share the access token.

        ``proxy_url`` is the proxy that every call goes through, "" for none. ``holder`` says whose ``secret`` it is,
        an agent id or "kf": each secret has a token of its own.
        ``on_trouble`` is told of every answer that is about the whole connection, whatever becomes of the call.
        """
        self._corp_id = corp_id
        self._secret = secret
        self._on_trouble = on_trouble
        self._monotonic = monotonic
        self._sleep = sleep
        self._rng = rng or random.SystemRandom()
        self._http = WecomHttp(base_url, proxy_url=proxy_url, monotonic=monotonic)
        self._tokens = AccessTokens(
            name=f"wecom#{corp_id}#{holder}",
            store=tokens,
            fetch=self._fetch_token,
            clock=clock,
            monotonic=monotonic,
            sleep=sleep,
            rng=self._rng,
        )

    def get(self, call: str, query: Mapping[str, str], *, deadline: float) -> dict[str, Any]:
        """Return the answer to a GET."""
        return self._patiently(call, deadline, lambda _number: self._authorised(call, query, None, deadline))

    def post(
        self,
        call: str,
        document: Mapping[str, Any],
        *,
        deadline: float,
        repeated: bool = False,
        was_done: Callable[[PermanentError], bool] = _never,
    ) -> dict[str, Any]:
        """Return the answer to a POST of ``document``.

        ``was_done`` tells of a refusal whether it may mean that an earlier attempt was accepted after all. It is asked
        only where there was one, in this call or before it (``repeated``); then the answer is empty.
        """
        body = _identical_json(document)

        def attempt(number: int) -> dict[str, Any]:
            try:
                return self._authorised(call, {}, body, deadline)
            except PermanentError as error:
                if not ((repeated or number > 1) and was_done(error)):
                    raise
                log.warning("a refused repetition is taken for done before", extra={"call": call, "code": error.code})
                return {}

        answer = self._patiently(call, deadline, attempt)
        if "Warning" in str(answer.get("errmsg", "")):
            # "Warning: wrong json format" beside errcode 0: a part of the request was ignored, which is a bug of ours.
            log.warning("WeCom ignored a part of the request", extra={"call": call})
        return answer

    def _patiently(self, call: str, deadline: float, attempt: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``attempt`` returns, repeated with growing random pauses while it fails and time is left.

        ``attempt`` gets its own number, from 1.
        """
        number = 1
        while True:
            try:
                return attempt(number)
            except TransientError as error:
                pause = self._rng.uniform(0, _BACKOFF_S * 2**number)
                if error.retry_after_s or number == _TRIES or self._monotonic() + pause >= deadline:
                    raise
                log.warning("the call is repeated", extra={"call": call, "code": error.code, "attempt": number})
            self._sleep(pause)
            number += 1

    def _authorised(self, call: str, query: Mapping[str, str], body: bytes | None, deadline: float) -> dict[str, Any]:
        """Return the answer, asked for again with a new access token if WeCom no longer takes the current one."""
        token = self._tokens.current(deadline=deadline)
        answer = self._http.call(call, query={**query, "access_token": token.value}, body=body, deadline=deadline)
        if classify(answer["errcode"]) is Policy.RENEW:
            log.info("access token is no longer taken", extra={"call": call, "code": f"wecom_{answer['errcode']}"})
            self._tokens.invalidate(token.version, deadline=deadline)
            token = self._tokens.current(deadline=deadline)
            answer = self._http.call(call, query={**query, "access_token": token.value}, body=body, deadline=deadline)
        return self._accepted(call, answer)

    def _fetch_token(self, deadline: float) -> Fetched:
        query = {"corpid": self._corp_id, "corpsecret": self._secret}
        answer = self._http.call("gettoken", query=query, deadline=deadline)
        self._accepted("gettoken", answer, fetching_token=True)
        value, lifetime_s = answer.get("access_token"), answer.get("expires_in")
        if not (isinstance(value, str) and value and isinstance(lifetime_s, int) and lifetime_s > 0):
            raise garbled("gettoken")
        return Fetched(value, lifetime_s)

    def _accepted(self, call: str, answer: dict[str, Any], *, fetching_token: bool = False) -> dict[str, Any]:
        """Return ``answer`` unless it is a refusal: then raise what that means, and tell of it where all are meant."""
        error = failure(call, answer["errcode"], fetching_token=fetching_token)
        if error is None:
            return answer
        found = trouble(answer["errcode"], fetching_token=fetching_token)
        if found:
            self._on_trouble(found)
        raise error


def garbled(call: str) -> TransientError:
    """Return the error for an answer of ``call`` that lacks what every such answer has."""
    return TransientError(f"{call}: the answer is not one of the API", code="wecom_garbled")


def _identical_json(document: Mapping[str, Any]) -> bytes:
    r"""Return JSON that is the same bytes for the same content: WeCom's duplicate check compares request bodies.

    Characters stand for themselves: ``\uXXXX`` is answered with 40033.
    """
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
