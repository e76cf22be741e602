"""The signature and AES envelope of WeCom callbacks, written from the documentation alone.

Source: WeCom developer docs, paths 90968 (scheme) and 90930 (configuration). Nothing here comes from the bots that
the simulator tests, which is what makes it an oracle for them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32
PREFIX = 16
_LENGTH_END = PREFIX + 4


class EnvelopeError(ValueError):
    """A ciphertext or signature is not what the scheme prescribes. The text never contains the content."""


def sign(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the lower-case hex SHA-1 over the four strings, sorted by code point and joined."""
    joined = "".join(sorted((token, timestamp, nonce, encrypted)))
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def check_signature(signature: str, *, token: str, timestamp: str, nonce: str, encrypted: str) -> None:
    """Raise `EnvelopeError` unless `signature` is that of the other four values."""
    if not hmac.compare_digest(sign(token, timestamp, nonce, encrypted).encode(), signature.encode()):
        raise EnvelopeError("the signature does not match")


def compose(prefix: bytes, message: bytes, receive_id: str) -> bytes:
    """Return random prefix, message length (4 bytes, big endian), message and receive id, not yet padded."""
    if len(prefix) != PREFIX:
        raise EnvelopeError(f"the random prefix must be {PREFIX} bytes")
    return prefix + struct.pack(">I", len(message)) + message + receive_id.encode()


def pad_size(length: int) -> int:
    """Return the PKCS#7 pad byte (1 to 32) for a buffer of `length` bytes; a full block when it already fits."""
    return BLOCK - length % BLOCK


def pad(buffer: bytes) -> bytes:
    """Return `buffer` padded by PKCS#7 to a multiple of 32."""
    size = pad_size(len(buffer))
    return buffer + bytes([size]) * size


def encrypt_padded(key: bytes, padded: bytes) -> bytes:
    """Return the AES-256-CBC ciphertext of a buffer that is padded already; the IV is the key's first half."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def seal(key: bytes, message: bytes, receive_id: str, prefix: bytes) -> str:
    """Return the base64 text that travels as `Encrypt` or `echostr`."""
    return base64.b64encode(encrypt_padded(key, pad(compose(prefix, message, receive_id)))).decode("ascii")


def open_sealed(key: bytes, encrypted: str, receive_id: str) -> bytes:
    """Return the message inside `encrypted`, or raise `EnvelopeError` at the first irregularity."""
    try:
        ciphertext = base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise EnvelopeError("not base64") from exc
    if not ciphertext or len(ciphertext) % BLOCK:
        raise EnvelopeError(f"the ciphertext is not a multiple of {BLOCK} bytes")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    return _take_apart(decryptor.update(ciphertext) + decryptor.finalize(), receive_id)


def _take_apart(padded: bytes, receive_id: str) -> bytes:
    size = padded[-1]
    if not 1 <= size <= BLOCK or padded[-size:] != bytes([size]) * size:
        raise EnvelopeError("bad padding")
    buffer = padded[:-size]
    if len(buffer) < _LENGTH_END:
        raise EnvelopeError("too short")
    (length,) = struct.unpack(">I", buffer[PREFIX:_LENGTH_END])
    end = _LENGTH_END + length
    if end > len(buffer):
        raise EnvelopeError("the message length points past the end")
    if buffer[end:] != receive_id.encode():
        raise EnvelopeError("the receive id is another one")
    return buffer[_LENGTH_END:end]
