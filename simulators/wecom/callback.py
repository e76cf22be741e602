"""Write callback requests: the decrypted document, its envelope, and the signed address.

Source: WeCom developer docs, paths 90930, 90238 and 90968. Every request differs in random prefix, nonce and shape,
and 32 requests in a row show all 32 pad bytes. A request can be damaged on purpose; see `Tamper`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from simulators.wecom import envelope
from simulators.wecom.settings import aes_key_bytes
from simulators.wecom.xmltext import Elements, Shape, write_document

if TYPE_CHECKING:
    from random import Random

    from simulators.wecom.settings import WecomSettings

_FOREIGN_CORP = "ww00f0e1d2c3b4a596"
_STALE_SECONDS = 3600
_OVERSIZE_BYTES = 1024 * 1024 + 1
_OUTER_DOCTYPE = '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
_INNER_DOCTYPE = '<!DOCTYPE xml [<!ENTITY who SYSTEM "file:///etc/hostname">]>'


class Tamper(StrEnum):
    """One damage to an otherwise honest request. All but `SIGNATURE` carry a signature that fits.

    `SIGNATURE` one digit changed · `CIPHERTEXT` one bit flipped in the last block but one, which also spoils the pad
    byte · `BASE64` a character that base64 does not have · `RECEIVEID` encrypted for another enterprise ·
    `TIMESTAMP` an hour old · `PADDING` last pad byte right, another one wrong · `PAD_OVER_32` consistent, but longer
    than a block of 32 · `LENGTH` message length past the end · `OVERSIZE` one byte over 1 MiB and otherwise valid ·
    `NOT_XML` the body is no XML · `DOCTYPE` the outer document declares entities · `INNER_NOT_XML` and
    `INNER_DOCTYPE` the same inside the envelope.
    """

    SIGNATURE = "signature"
    CIPHERTEXT = "ciphertext"
    BASE64 = "base64"
    RECEIVEID = "receiveid"
    TIMESTAMP = "timestamp"
    PADDING = "padding"
    PAD_OVER_32 = "pad_over_32"
    LENGTH = "length"
    OVERSIZE = "oversize"
    NOT_XML = "not_xml"
    DOCTYPE = "doctype"
    INNER_NOT_XML = "inner_not_xml"
    INNER_DOCTYPE = "inner_doctype"


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """One HTTP request to the bot, complete: the query in `url` is percent-encoded exactly once."""

    url: str
    body: bytes = b""


class CallbackWriter:
    """Writes requests for one enterprise; `rng` decides everything that the protocol leaves open."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._pads: list[int] = []

    def write_post(
        self,
        settings: WecomSettings,
        elements: Elements,
        now: float,
        *,
        tamper: Tamper | None = None,
        pad: int | None = None,
        names_agent: bool = True,
    ) -> CallbackRequest:
        """Return the POST that carries `elements` at epoch second `now`.

        `pad` (1 to 32) fixes the pad byte; `names_agent` tells whether the outer document has an AgentID.
        """
        document = write_document(elements, Shape.drawn(self._rng)).encode()
        if tamper is Tamper.INNER_NOT_XML:
            document = b"this is not a document"
        elif tamper is Tamper.INNER_DOCTYPE:
            document = _INNER_DOCTYPE.encode() + document
        encrypted = self._encrypt(settings, document, tamper, pad)
        stamp = int(now) - (_STALE_SECONDS if tamper is Tamper.TIMESTAMP else 0)
        url = self._signed_url(settings, stamp, "", encrypted, spoil=tamper is Tamper.SIGNATURE)
        return CallbackRequest(url, self._body(settings, encrypted, tamper, names_agent=names_agent))

    def write_verification(self, settings: WecomSettings, now: float) -> tuple[CallbackRequest, bytes]:
        """Return the GET check of the address, and the exact body it must be answered with.

        The echostr always contains `+` and `/`, which a bot that decodes the query twice or not at all gets wrong.
        """
        key = aes_key_bytes(settings.encoding_aes_key)
        while True:
            expected = str(self._rng.randrange(10**18, 10**19)).encode()
            echostr = envelope.seal(key, expected, settings.corp_id, self._rng.randbytes(envelope.PREFIX))
            if "+" in echostr and "/" in echostr:
                url = self._signed_url(settings, int(now), "echostr", echostr)
                return CallbackRequest(url), expected

    def _encrypt(self, settings: WecomSettings, document: bytes, tamper: Tamper | None, pad: int | None) -> str:
        corp_id = _FOREIGN_CORP if tamper is Tamper.RECEIVEID else settings.corp_id
        prefix = self._rng.randbytes(envelope.PREFIX)
        wanted = pad or self._next_pad(tamper)
        spare = (envelope.pad_size(len(envelope.compose(prefix, document, corp_id))) - wanted) % envelope.BLOCK
        # White space after the root element is legal XML and moves the pad byte without touching the content.
        buffer = envelope.compose(prefix, document + b" " * spare, corp_id)
        if tamper is Tamper.LENGTH:
            buffer = buffer[:16] + (len(buffer) + 1).to_bytes(4, "big") + buffer[20:]
        ciphertext = envelope.encrypt_padded(aes_key_bytes(settings.encoding_aes_key), _pad(buffer, tamper))
        if tamper is Tamper.CIPHERTEXT:
            # In CBC this flips the top bit of the last pad byte too, so no unpadder can take it for honest.
            ciphertext = ciphertext[:-17] + bytes([ciphertext[-17] ^ 0x80]) + ciphertext[-16:]
        encrypted = base64.b64encode(ciphertext).decode("ascii")
        return f"{encrypted[:20]}*{encrypted[21:]}" if tamper is Tamper.BASE64 else encrypted

    def _next_pad(self, tamper: Tamper | None) -> int:
        if tamper is Tamper.PADDING:
            return self._rng.randint(2, envelope.BLOCK)
        if not self._pads:
            self._pads = list(range(1, envelope.BLOCK + 1))
            self._rng.shuffle(self._pads)
        return self._pads.pop()

    def _signed_url(
        self, settings: WecomSettings, stamp: int, extra: str, encrypted: str, *, spoil: bool = False
    ) -> str:
        timestamp, nonce = str(stamp), str(self._rng.randrange(10**6, 10**10))
        signature = envelope.sign(settings.token, timestamp, nonce, encrypted)
        if spoil:
            signature = ("1" if signature[0] == "0" else "0") + signature[1:]
        query = {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}
        if extra:
            query[extra] = encrypted
        separator = "&" if urlsplit(settings.callback_url).query else "?"
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return f"{settings.callback_url}{separator}{pairs}"

    def _body(self, settings: WecomSettings, encrypted: str, tamper: Tamper | None, *, names_agent: bool) -> bytes:
        if tamper is Tamper.NOT_XML:
            return f"Encrypt={quote(encrypted, safe='')}".encode()
        elements: list[tuple[str, object]] = [
            ("ToUserName", settings.corp_id),
            ("Encrypt", encrypted),
            *([("AgentID", str(settings.agent_id))] if names_agent else []),
        ]
        self._rng.shuffle(elements)
        body = write_document(elements, Shape.drawn(self._rng)).encode()
        if tamper is Tamper.DOCTYPE:
            return _OUTER_DOCTYPE.encode() + body
        if tamper is Tamper.OVERSIZE:
            return body + b" " * (_OVERSIZE_BYTES - len(body))
        return body


def _pad(buffer: bytes, tamper: Tamper | None) -> bytes:
    padded = envelope.pad(buffer)
    if tamper is Tamper.PADDING:
        size = padded[-1]
        return padded[:-size] + bytes([size ^ 0x40]) + padded[1 - size :]
    if tamper is Tamper.PAD_OVER_32:
        size = padded[-1] + envelope.BLOCK
        return buffer + bytes([size]) * size
    return padded
