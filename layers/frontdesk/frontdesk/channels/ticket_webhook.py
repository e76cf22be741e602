"""The company's own ticket system, told of each ticket by a signed POST.

The signature is an HMAC-SHA256 under a shared secret over the moment and the body, so a receiver can tell who sent it
and refuse what is old; docs/tickets.md shows how. The customer's address stays here: the number names the ticket.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from frontdesk.errors import PermanentError, SettingsError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontdesk.errors import FrontdeskError
    from frontdesk.records import Ticket

TIMEOUT_S = 5.0
_LEAST_TIME_S = 0.05
_WORTH_REPEATING = frozenset({408, 429})
_LONGEST_RETRY_AFTER_S = 900.0  # what asks for more would keep the ticket out of sight of everybody
_TOLD = ("number", "state", "opened_at", "reason", "channel", "question", "brief", "answer", "assignee")


class TicketWebhook:
    """Posts to one address. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` returns epoch seconds; deadlines are on ``monotonic``.

        Raises `SettingsError` unless ``url`` is an https address, or any on this machine.
        """
        if not _is_safe(url):
            raise SettingsError(["TICKET_WEBHOOK_URL must be an https address"])
        self._url = url
        self._secret = secret.encode()
        self._clock = clock
        self._monotonic = monotonic

    def post(self, event: str, ticket: Ticket, *, deadline: float) -> None:
        """Return when the system has taken that ``ticket`` was opened, assigned, answered or closed.

        The same may be told again, under the same delivery id. Raises `TransientError` for no answer within
        `TIMEOUT_S`, and for the statuses 408, 429 and 5xx; `PermanentError` for every other that is not 2xx.
        """
        body = json.dumps(
            {"event": event, **{name: getattr(ticket, name) for name in _TOLD}},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        headers = signed(body, self._secret, at=int(self._clock())) | {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Frontdesk",
            "X-Frontdesk-Delivery": f"{ticket.number}-{event}",
        }
        limit_s = min(TIMEOUT_S, deadline - self._monotonic())
        if limit_s < _LEAST_TIME_S:
            raise TransientError("no time is left to tell the ticket system", code="no_time_left")
        call = _Call(self._url, body, headers, limit_s)
        call.start()
        call.join(limit_s)
        error = self._failure(call)
        if error:
            raise error

    def _failure(self, call: _Call) -> FrontdeskError | None:
        """Return what the end of the call means; the texts of the library quote the address, and stay out of it."""
        if call.fault:
            return TransientError(
                f"no connection to the ticket system ({call.fault})", code="ticket_webhook_unreachable"
            )
        if call.status is None:
            return TransientError("the ticket system did not answer in time", code="ticket_webhook_timeout")
        text = f"the ticket system answered with HTTP status {call.status}"
        if 200 <= call.status < 300:
            return None
        if call.status in _WORTH_REPEATING or call.status >= 500:
            wait_s = self._wait_s(call.retry_after)
            return TransientError(text, code="ticket_webhook_failed", retry_after_s=wait_s)
        return PermanentError(text, code="ticket_webhook_refused")

    def _wait_s(self, retry_after: str) -> float:
        """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), 0 for none that counts."""
        if retry_after.isascii() and retry_after.isdigit():
            wait_s = float(retry_after)
        else:
            try:
                wait_s = parsedate_to_datetime(retry_after).timestamp() - self._clock()
            except ValueError:
                return 0.0
        return min(max(wait_s, 0.0), _LONGEST_RETRY_AFTER_S)


class _Call(threading.Thread):
    """One POST in a thread of its own, which its caller can leave behind.

    The library's limits count from byte to byte, so a receiver that drips could hold its caller for ever.
    """

    def __init__(self, url: str, body: bytes, headers: Mapping[str, str], limit_s: float) -> None:
        super().__init__(name="ticket-webhook", daemon=True)
        self._url, self._body, self._headers, self._limit_s = url, body, headers, limit_s
        self.status: int | None = None
        self.retry_after = ""
        self.fault = ""

    def run(self) -> None:
        """Post, and note how it ended. Of the answer the head is all that is read."""
        try:
            with requests.post(
                self._url,
                data=self._body,
                headers=self._headers,
                timeout=self._limit_s,
                allow_redirects=False,  # a redirect would carry the customer's words to another host
                stream=True,
            ) as response:
                self.retry_after = response.headers.get("Retry-After", "").strip()
                self.status = response.status_code
        except requests.Timeout:
            return
        except (OSError, ValueError) as error:  # the library's own are OSErrors, but for those about an address
            self.fault = type(error).__name__


def signed(body: bytes, secret: bytes, *, at: int) -> dict[str, str]:
    """Return the headers that prove who sent ``body``, and when (epoch seconds)."""
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Frontdesk-Timestamp": str(at), "X-Frontdesk-Signature": f"v1={digest}"}


def _is_safe(url: str) -> bool:
    """Return whether words of customers may be sent to ``url``."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        named = bool(host) and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return named and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
