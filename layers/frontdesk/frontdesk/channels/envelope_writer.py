"""Writes callbacks as Tencent does, signed and encrypted: for trying a new version before customers reach it.

The other half of `frontdesk.channels.envelope`, apart from it because no function that customers reach may need it.
Source of each rule: WeCom developer docs, paths 90968 (encryption) and 90930 (callback configuration).
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from frontdesk.channels.envelope import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RANDOM_BYTES = 16
_NONCE_BYTES = 8
_PADDING = PKCS7(256)  # 32 bytes, twice the AES block


class EnvelopeWriter:
    """Writes what one callback URL takes for WeCom's: one Token, one EncodingAESKey, one receive id."""

    def __init__(
        self,
        *,
        token: str,
        encoding_aes_key: str,
        receive_id: str,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """``encoding_aes_key`` is the 43 characters WeCom shows; ``clock`` returns epoch seconds."""
        key = base64.b64decode(encoding_aes_key + "=")
        self._token = token
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._receive_id = receive_id
        self._clock = clock
        self._random_bytes = random_bytes

    def url_check(self, echo: str) -> str:
        """Return the raw query of WeCom's URL check, whose whole answer is ``echo``."""
        encrypted = self._encrypt(echo.encode())
        return f"{self._signed_query(encrypted)}&echostr={quote(encrypted, safe='')}"

    def message(self, elements: Mapping[str, str]) -> tuple[str, bytes]:
        """Return the raw query and the body of a callback whose inner XML has ``elements``, by their names."""
        to = {"ToUserName": self._receive_id}
        encrypted = self._encrypt(_document({**to, **elements}))
        return self._signed_query(encrypted), _document({**to, "Encrypt": encrypted})

    def _signed_query(self, encrypted: str) -> str:
        timestamp, nonce = str(int(self._clock())), self._random_bytes(_NONCE_BYTES).hex()
        signature = sign(self._token, timestamp, nonce, encrypted)
        return f"msg_signature={signature}&timestamp={timestamp}&nonce={nonce}"

    def _encrypt(self, message: bytes) -> str:
        plain = self._random_bytes(_RANDOM_BYTES) + len(message).to_bytes(4, "big") + message
        padder = _PADDING.padder()
        padded = padder.update(plain + self._receive_id.encode()) + padder.finalize()
        encryptor = self._cipher.encryptor()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _document(elements: Mapping[str, str]) -> bytes:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
    return f"<xml>{inner}</xml>".encode()
