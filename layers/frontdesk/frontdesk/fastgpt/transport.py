"""One thread's connection to FastGPT: sends a request, hands out the reply's bytes, and is over when its time is over.

Every fault of the network becomes one of our errors here, without the texts of the libraries below: those
quote addresses and headers. Sizes of the waits come from FastGPT's behaviour: it sends a heartbeat every 10 s, so 25 s
of silence is a dead server (FastGPT 4.16 source, packages/service/common/response/sse.ts).
"""

from __future__ import annotations

import http.client
import http.cookiejar
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.auth import AuthBase

from frontdesk.errors import FrontdeskError, MisconfiguredError, TransientError
from frontdesk.fastgpt.watched import Watch, WatchedAdapter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_S = 5.0
SILENCE_S = 25.0
AFTER_END_MARK_S = 2.0
"""How long a finished stream may stay open: older servers send the node results after the end mark, at once."""

_PIECE_BYTES = 64 * 1024
_NETWORK_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)  # requests' own are OSErrors


class StaleConnectionError(TransientError):
    """A kept connection had died before a byte of the reply came: the request was most likely never read."""

    code = "fastgpt_connection_stale"


class DeadlineError(TransientError):
    """The time for an answer is over."""

    code = "fastgpt_deadline"

    def __init__(self) -> None:
        super().__init__("no complete reply before the deadline")


class _Bearer(AuthBase):
    """Sets the key on each request. As a session's ``auth`` it also keeps requests from looking into a .netrc file."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _open_session(api_key: str) -> requests.Session:
    """Return a session that keeps one connection, follows nothing, and keeps no cookie from customer to customer.

    Proxies and certificate bundles still come from the environment.
    """
    session = requests.Session()
    adapter = WatchedAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.auth = _Bearer(api_key)
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    # A compressing proxy holds words back until its block is full.
    session.headers.update({"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"})
    return session


class Exchange:
    """A reply whose head has come. The body is read once, through `pieces` or `body`."""

    def __init__(self, response: requests.Response, watch: Watch, silence_s: float) -> None:
        self._response = response
        self._watch = watch
        self._silence_s = silence_s
        self.status = response.status_code

    def header(self, name: str) -> str:
        """Return a header of the reply, or an empty text."""
        return str(self._response.headers.get(name, ""))

    def expect_end(self) -> None:
        """Wait no longer for more than a finished stream needs to close."""
        self._watch.hurry(min(AFTER_END_MARK_S, self._silence_s))

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes in. Raises `TransientError` when it breaks, falls silent or takes too long."""
        while piece := self._next():
            yield piece
        if self._watch.is_over:
            raise DeadlineError

    def body(self, limit: int) -> bytes:
        """Return the whole body, or its beginning when it is longer than ``limit`` bytes. Raises as `pieces` does."""
        read = bytearray()
        for piece in self.pieces():
            read += piece
            if len(read) > limit:
                break
        return bytes(read[:limit])

    def _next(self) -> bytes:
        try:
            return bytes(self._response.raw.read1(_PIECE_BYTES, decode_content=True))
        except _NETWORK_ERRORS as error:
            fault = _fault(error, self._watch)
        raise fault  # out here the library's error is not its context: that one holds the request, and so the key


class Line:
    """Calls one server with one key. Belongs to one thread; keeps its connection from call to call."""

    def __init__(self, *, api_key: str, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._session = _open_session(api_key)

    def drop(self) -> None:
        """Forget the kept connection."""
        self._session.close()

    @contextmanager
    def post(
        self, url: str, body: Mapping[str, Any], *, left_s: float, watch: Watch | None = None
    ) -> Iterator[Exchange]:
        """Send ``body`` as JSON to ``url`` and hand out the reply; everything is over after ``left_s`` seconds.

        Whoever gives a ``watch`` can cut the call from another thread. Raises `StaleConnectionError`, another
        `TransientError`, or `MisconfiguredError`.
        """
        with self._call("POST", url, left_s, watch or Watch(), json=body) as exchange:
            yield exchange

    @contextmanager
    def get(self, url: str, query: Mapping[str, str], *, left_s: float) -> Iterator[Exchange]:
        """Hand out the reply to a request without a body; otherwise as `post`."""
        with self._call("GET", url, left_s, Watch(), params=query) as exchange:
            yield exchange

    @contextmanager
    def _call(self, method: str, url: str, left_s: float, watch: Watch, **content: Any) -> Iterator[Exchange]:
        with watch.over_this_thread(left_s), self._send(method, url, left_s, watch, **content) as response:
            yield Exchange(response, watch, self._silence_s)

    def _send(self, method: str, url: str, left_s: float, watch: Watch, **content: Any) -> requests.Response:
        try:
            return self._session.request(
                method,
                url,
                **content,
                stream=True,
                allow_redirects=False,  # a redirect would carry the key to another host
                timeout=(min(CONNECT_S, left_s), self._silence_s),
            )
        except _NETWORK_ERRORS as error:
            fault = _fault(error, watch)
        raise fault  # without the library's error as its context, as above


# The first row that fits decides: several of these are kinds of others further down.
_FAULTS: tuple[tuple[tuple[type[Exception], ...], type[FrontdeskError], str, str], ...] = (
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
            urllib3.exceptions.LocationValueError,
        ),
        MisconfiguredError,
        "fastgpt_wrong_address",
        "the address of FastGPT is malformed",
    ),
    (
        (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError),
        TransientError,
        "fastgpt_silent",
        "FastGPT fell silent",
    ),
    (
        (requests.exceptions.SSLError, urllib3.exceptions.SSLError),
        TransientError,
        "fastgpt_tls",
        "no trusted TLS connection to FastGPT",
    ),
    (
        (
            requests.exceptions.ConnectTimeout,
            requests.exceptions.ProxyError,
            urllib3.exceptions.MaxRetryError,
        ),
        TransientError,
        "fastgpt_unreachable",
        "FastGPT cannot be reached",
    ),
    (
        (urllib3.exceptions.DecodeError,),
        TransientError,
        "fastgpt_reply_unreadable",
        "the reply's compression is broken",
    ),
    ((ConnectionError,), TransientError, "fastgpt_cut", "the connection to FastGPT was cut"),
    ((http.client.BadStatusLine,), TransientError, "fastgpt_reply_unreadable", "the reply is not HTTP"),
)


def _fault(error: Exception, watch: Watch) -> FrontdeskError:
    """Return what a fault of the network means. Nothing of its own text is kept."""
    reason = _reason(error)
    if watch.is_over:
        return DeadlineError()
    if watch.is_reused and isinstance(error, requests.ConnectionError) and isinstance(reason, ConnectionError):
        return StaleConnectionError("the kept connection to FastGPT had died")
    for kinds, mistake, code, text in _FAULTS:
        if isinstance(error, kinds) or isinstance(reason, kinds):
            return mistake(text, code=code)
    return TransientError("the connection to FastGPT was cut", code="fastgpt_cut")


def _reason(error: Exception) -> BaseException:
    """Return what lies under requests' and urllib3's wrappers: each keeps what it wraps as an argument."""
    reason: BaseException = error
    while isinstance(reason, requests.ConnectionError | urllib3.exceptions.ProtocolError):
        inner = next((part for part in reason.args if isinstance(part, BaseException)), None)
        if inner is None:
            break
        reason = inner
    return reason
