"""One call to WeCom's API over HTTP: time limits, sessions, and what went wrong below the API's own error codes.

The access token and the secret travel in the query string (WeCom developer docs, path 91039), and the HTTP library
quotes addresses in its exceptions and logs. So no exception of it leaves this module, not even as the cause of one of
ours, and its log lines that quote an address are dropped.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import requests

from frontdesk.errors import MisconfiguredError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.errors import FrontdeskError

_LONGEST_CONNECT_S = 3.0
_LONGEST_READ_S = 10.0
_LEAST_TIME_S = 0.05
_WORTH_REPEATING = frozenset({408, 425, 429})
# How http.client tells what a proxy answered to CONNECT.
_PROXY_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_LOGGERS_THAT_QUOTE = ("urllib3.connection", "urllib3.connectionpool")
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class WecomHttp:
    """Calls paths below ``<base_url>/cgi-bin/``. Safe to use from several threads."""

    def __init__(self, base_url: str, *, proxy_url: str = "", monotonic: Callable[[], float] = time.monotonic) -> None:
        """``monotonic`` is the clock that deadlines refer to; ``proxy_url`` is the way out, "" for the direct one.

        The proxy stands before what the environment says, ``NO_PROXY`` included: WeCom trusts its address and no other.
        """
        self._base = base_url.rstrip("/") + "/cgi-bin/"
        self._proxies = {"http": proxy_url, "https": proxy_url} if proxy_url else None
        self._monotonic = monotonic
        self._threads = threading.local()
        for name in _LOGGERS_THAT_QUOTE:
            logging.getLogger(name).addFilter(_quotes_no_credential)

    def call(
        self, path: str, *, query: Mapping[str, str], body: bytes | None = None, deadline: float
    ) -> dict[str, Any]:
        """Return the JSON object that ``path`` answered; a POST if there is a ``body``, else a GET.

        ``errcode`` is always there, 0 if WeCom left it out. Raises `TransientError` for no answer in time or no
        sensible one, and `MisconfiguredError` for an answer that no WeCom API gives, or a proxy that refuses.
        """
        answer = self._exchange(path, query, body, deadline)
        if not isinstance(answer, requests.Response):
            raise answer
        error = self._status_failure(path, answer.status_code)
        if error:
            raise error
        document = _json_object(answer.content)
        if document is None or not isinstance(document.setdefault("errcode", 0), int):
            raise TransientError(f"{path}: the answer is not one of the API", code="wecom_garbled")
        return document

    def _exchange(
        self, path: str, query: Mapping[str, str], body: bytes | None, deadline: float
    ) -> requests.Response | FrontdeskError:
        """Return the answer, or the error to raise: raised in here it would carry the library's exception along."""
        left = deadline - self._monotonic()
        if left < _LEAST_TIME_S:
            return TransientError(f"{path}: no time is left for the call", code="no_time_left")
        connect_s = min(_LONGEST_CONNECT_S, left / 2)
        try:
            return self._session().request(
                "GET" if body is None else "POST",
                self._base + path,
                params=query,
                data=body,
                headers=_HEADERS if body is not None else None,
                timeout=(connect_s, min(_LONGEST_READ_S, left - connect_s)),
                allow_redirects=False,
                proxies=self._proxies,
            )
        except requests.Timeout:
            return TransientError(f"{path}: no answer in time", code="wecom_timeout")
        except requests.exceptions.ProxyError as exc:
            return _proxy_failure(path, _PROXY_STATUS.search(str(exc)))
        except requests.RequestException as exc:
            return TransientError(f"{path}: no connection ({type(exc).__name__})", code="wecom_unreachable")

    def _session(self) -> requests.Session:
        """Return this thread's own session: the library does not promise that threads may share one."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = requests.Session()
        return session

    def _status_failure(self, path: str, status: int) -> FrontdeskError | None:
        if status == 200:
            return None
        if status == 407 and self._proxies:  # from a proxy that passes plain HTTP on; a tunnel's never gets here
            return _proxy_refusal(path, status)
        return _status_failure(path, status)


def _status_failure(path: str, status: int) -> FrontdeskError:
    text, code = f"{path}: HTTP status {status}", f"wecom_http_{status}"
    if status >= 500 or status in _WORTH_REPEATING:
        return TransientError(text, code=code)
    return MisconfiguredError(f"{text}, which the API never gives: check WECOM_API_BASE and proxies", code=code)


def _proxy_failure(path: str, status: re.Match[str] | None) -> FrontdeskError:
    """Return the error for a proxy that cannot be reached, or that answered CONNECT with ``status``."""
    if status is None:
        return TransientError(f"{path}: the proxy cannot be reached", code="proxy_unreachable")
    number = int(status[1])
    if number >= 500 or number in _WORTH_REPEATING:
        return TransientError(f"{path}: the proxy does not reach WeCom (status {number})", code="proxy_failed")
    return _proxy_refusal(path, number)


def _proxy_refusal(path: str, status: int) -> MisconfiguredError:
    text = f"{path}: the proxy refuses (status {status}): check EGRESS_PROXY_URL and what the proxy allows"
    return MisconfiguredError(text, code="proxy_refused")


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _quotes_no_credential(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return "access_token=" not in message and "corpsecret=" not in message
