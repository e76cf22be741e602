"""Checks of the callback by real requests to its address: one signed as WeCom's console does it, and a forged one.

Source: WeCom developer docs, paths 90930 (the check of the URL, within one second) and 90968 (encryption).
"""

from __future__ import annotations

import base64
import os
import secrets
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from frontdesk.channels.envelope import sign
from frontdesk.diagnosis import NEEDS, NeedsError
from frontdesk.errors import FrontdeskError
from frontdesk.records import Checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.doctor.ground import Ground

NAMES = ("callback", "callback_forged")
WITHIN_MS = 1000
_TIME_OUT_S = 10  # past WeCom's own limit, so that what is told is how slow it is
_FORBIDDEN = 403
_NOT_THERE = frozenset({"callback_unreachable", "callback_tls", "callback_timeout"})


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of WeCom's console has for the callback."""

    about: str
    token: str = field(repr=False)
    encoding_aes_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    milliseconds: int


class _NoAnswerError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def pages(ground: Ground) -> list[Page]:
    """Return the console's pages: the application's, and that of 微信客服 where it has values of its own."""
    values = {name: str(value) for name, value in ground.values_of("WecomSecret").items()}
    found = [Page("application", values.get("WECOM_TOKEN", ""), values.get("WECOM_ENCODING_AES_KEY", ""))]
    if values.get("WECOM_KF_TOKEN"):
        found.append(Page("kf", values["WECOM_KF_TOKEN"], values.get("WECOM_KF_ENCODING_AES_KEY", "")))
    return found


def examine(ground: Ground, url: str) -> Iterator[Checked]:
    """Yield what is found at ``url``, the stack's own address where it is empty."""
    url = url or _own_url(ground)
    corp_id = ground.environment_of("CallbackFunction").get("WECOM_CORP_ID", "")
    visitor = _Visitor(ground, url, corp_id)
    for page in pages(ground):
        try:
            found = visitor.echo(page)
        except NeedsError as error:
            # Of this page: another one may have values that can be tried.
            yield from (Checked(name, "not_run", NEEDS, about=page.about, seen={NEEDS: error.needs}) for name in NAMES)
            continue
        yield found
        if found.code in _NOT_THERE:
            return
        yield visitor.forged(page)


def _own_url(ground: Ground) -> str:
    try:
        return ground.desk.callback_url
    except FrontdeskError:
        raise NeedsError("stack") from None


class _Visitor:
    def __init__(self, ground: Ground, url: str, corp_id: str) -> None:
        self._ground = ground
        self._url = url
        self._corp_id = corp_id

    def echo(self, page: Page) -> Checked:
        """Return whether a rightly signed echo comes back as it is, soon enough, at once and again."""
        times = []
        for _ in range(2):
            echo = str(secrets.randbelow(10**18) + 10**18)
            try:
                answer = self._asked(page, echo)
            except _NoAnswerError as error:
                return Checked("callback", "failed", error.code, about=page.about)
            times.append(answer.milliseconds)
            seen = {"status": answer.status, "milliseconds": answer.milliseconds}
            if answer.status != 200:
                return Checked("callback", "failed", _of_status(answer.status), about=page.about, seen=seen)
            if answer.body != echo.encode():
                return Checked("callback", "failed", "callback_echo_wrong", about=page.about, seen=seen)
        first_ms, again_ms = times
        seen = {"first_ms": first_ms, "again_ms": again_ms}
        if again_ms > WITHIN_MS:
            return Checked("callback", "failed", "callback_slow", about=page.about, seen=seen)
        if first_ms > WITHIN_MS:
            return Checked("callback", "warning", "callback_cold_slow", about=page.about, seen=seen)
        return Checked("callback", "ok", about=page.about, seen=seen)

    def forged(self, page: Page) -> Checked:
        """Return whether an echo with a signature that does not fit is refused."""
        try:
            answer = self._asked(page, "1", forged=True)
        except _NoAnswerError as error:
            return Checked("callback_forged", "failed", error.code, about=page.about)
        seen = {"status": answer.status}
        if answer.status != _FORBIDDEN:
            return Checked("callback_forged", "failed", "callback_not_guarded", about=page.about, seen=seen)
        return Checked("callback_forged", "ok", about=page.about, seen=seen)

    def _asked(self, page: Page, echo: str, *, forged: bool = False) -> _Answer:
        query = {"timestamp": str(int(self._ground.aws_now())), "nonce": str(secrets.randbelow(10**10))}
        query["echostr"] = sealed(echo, page.encoding_aes_key, self._corp_id)
        token = secrets.token_hex(8) if forged else page.token
        query["msg_signature"] = sign(token, query["timestamp"], query["nonce"], query["echostr"])
        desk = self._ground.desk
        began = desk.monotonic()
        try:
            answer = requests.get(
                self._url, params=query, timeout=_TIME_OUT_S, allow_redirects=False, verify=desk.ca_bundle or True
            )
        except requests.exceptions.SSLError:
            code = "callback_tls"
        except requests.Timeout:
            code = "callback_timeout"
        except requests.RequestException:
            code = "callback_unreachable"
        else:
            return _Answer(answer.status_code, answer.content, round((desk.monotonic() - began) * 1000))
        raise _NoAnswerError(code)  # out here the library's error is not its context: that one quotes the query


def _of_status(status: int) -> str:
    if status == _FORBIDDEN:
        return "callback_refused"
    return "callback_server_error" if status >= 500 else "callback_status"


def sealed(echo: str, encoding_aes_key: str, corp_id: str) -> str:
    """Return ``echo`` encrypted as WeCom does it; raises `NeedsError` for a key that is none."""
    try:
        key = base64.b64decode(encoding_aes_key + "=")
        encryptor = Cipher(algorithms.AES256(key), modes.CBC(key[:16])).encryptor()
    except ValueError:
        raise NeedsError("aes_key") from None
    padder = PKCS7(256).padder()
    plain = os.urandom(16) + struct.pack(">I", len(echo)) + echo.encode() + corp_id.encode()
    padded = padder.update(plain) + padder.finalize()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()
