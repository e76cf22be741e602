"""Signature and AES envelope that every Tencent callback shares.

Source of each rule: WeCom developer docs, paths 90968 (encryption) and 90930 (callback configuration).
The signature is always checked before anything is decrypted; nothing here reads XML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from frontdesk.errors import ForbiddenCallbackError, MalformedCallbackError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_AGE_S = 300  # our own replay window: WeCom repeats a callback within seconds and documents no window
_RANDOM_BYTES = 16
_LENGTH_BYTES = 4
_HEADER_BYTES = _RANDOM_BYTES + _LENGTH_BYTES
_PADDING = PKCS7(256)  # WeCom pads to 32 bytes although the AES block is 16
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def query_values(raw_query: str) -> dict[str, str]:
    """Return the parameters of a raw query string, percent-decoded exactly once.

    A literal ``+`` stays a plus: the values are base64, and gateways differ in whether they pass ``%2B``
    through or decode it on the way. For the same reason a space can only be a plus that was decoded twice.
    A name that comes twice is refused: two readers could disagree about which one counts.
    """
    values: dict[str, str] = {}
    for pair in raw_query.split("&"):
        name, _, value = pair.partition("=")
        if not name:
            continue
        if name in values:
            raise ForbiddenCallbackError("a query parameter comes twice")
        values[name] = unquote(value).replace(" ", "+")
    return values


def sign(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the ``msg_signature`` of an envelope, 40 lower-case hex digits."""
    parts = sorted((token, timestamp, nonce, encrypted))
    return hashlib.sha1(_bytes("".join(parts))).hexdigest()  # nosec B324  # noqa: S324  # the protocol's own choice


def _bytes(text: str) -> bytes:
    """Return ``text`` in UTF-8, also where it is not a text: JSON from outside can hold half a surrogate pair."""
    return text.encode(errors="surrogatepass")


class Envelope:
    """Opens what WeCom sent to one callback URL: one Token, one EncodingAESKey, one receive id."""

    def __init__(self, *, token: str, encoding_aes_key: str, receive_id: str, clock: Callable[[], float]) -> None:
        """``encoding_aes_key`` is the 43 characters WeCom shows; ``clock`` returns epoch seconds."""
        # The last of the 43 characters may carry spare bits: this base64 is not canonical, no round trip gives it back.
        key = base64.b64decode(encoding_aes_key + "=")
        self._token = token
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._receive_id = receive_id.encode()
        self._clock = clock

    def verify(self, query: dict[str, str], encrypted: str) -> None:
        """Return when ``encrypted`` was signed by WeCom within the last minutes.

        Raises `ForbiddenCallbackError`, with the same text whichever part did not fit.
        """
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        expected = sign(self._token, timestamp, nonce, encrypted)
        given = query.get("msg_signature", "")
        if not hmac.compare_digest(_bytes(expected), _bytes(given)):
            raise ForbiddenCallbackError("the signature does not fit", code="signature_mismatch")
        # Only now is the timestamp known to be WeCom's own.
        if not _TIMESTAMP.fullmatch(timestamp) or abs(self._clock() - int(timestamp)) > MAX_AGE_S:
            raise ForbiddenCallbackError("the timestamp is more than five minutes off", code="timestamp_stale")

    def decrypt(self, encrypted: str) -> bytes:
        """Return the message inside ``encrypted``.

        Raises `MalformedCallbackError` for anything that is not base64 of a well-padded envelope, and
        `ForbiddenCallbackError` when the envelope was made for another receiver.
        """
        try:
            ciphertext = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedCallbackError("not base64", code="base64_broken") from None
        if not ciphertext or len(ciphertext) % 16:
            raise MalformedCallbackError("the ciphertext is not whole blocks", code="ciphertext_length")
        decryptor = self._cipher.decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        unpadder = _PADDING.unpadder()
        try:
            plain = unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise MalformedCallbackError("the padding is broken", code="padding_broken") from None
        if len(plain) < _HEADER_BYTES:
            raise MalformedCallbackError("the envelope is too short", code="envelope_short")
        end = _HEADER_BYTES + int.from_bytes(plain[_RANDOM_BYTES:_HEADER_BYTES], "big")
        if end > len(plain):
            raise MalformedCallbackError("the envelope is shorter than it says", code="envelope_length")
        if not hmac.compare_digest(plain[end:], self._receive_id):
            raise ForbiddenCallbackError("made for another receiver", code="receiver_mismatch")
        return plain[_HEADER_BYTES:end]
