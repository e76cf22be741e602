"""SM2 signatures (GB/T 32918.2, with SM3 and the standard's default user id) over what the audit exports.

gmssl has the curve's arithmetic, and nothing else of it is used: it takes nonces from a source that is not secret,
accepts signatures out of range and points off the curve, and hashes about a thousand times slower than OpenSSL.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from gmssl.sm2 import CryptSM2

from frontdesk.errors import SettingsError
from frontdesk.protection.chain import sm3

if TYPE_CHECKING:
    from collections.abc import Callable

USER_ID = "1234567812345678"  # GM/T 0009, chapter 10: the default where both sides agreed on nothing else
_TABLE = CryptSM2(private_key="", public_key="").ecc_table
_P, _N, _A, _B = (int(_TABLE[name], 16) for name in "pnab")
_HEX_64 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)
_PUBLIC_KEY = re.compile(r"04[0-9a-f]{128}", re.ASCII)


class SigningKey:
    """One SM2 private key. ``public_key`` is its point, uncompressed: 04, x and y, 130 hex digits."""

    def __init__(self, value: object, *, nonce: Callable[[], int] = lambda: 1 + secrets.randbelow(_N - 1)) -> None:
        """``value`` is any 64 hex digits but zeros; ``nonce`` returns a secret number in [1, n-1], new each time.

        A value out of the range of private keys is folded into it, because a generator of secrets can't be told
        about ranges. Raises `SettingsError`.
        """
        if not isinstance(value, str) or not _HEX_64.fullmatch(value) or not int(value, 16):
            raise SettingsError(["SM2_PRIVATE_KEY must be 64 hex digits, not all of them zero"])
        self._nonce = nonce
        self._curve = CryptSM2(private_key=f"{(int(value, 16) - 1) % (_N - 2) + 1:064x}", public_key="")
        point: str = self._curve._kg(int(self._curve.private_key, 16), _TABLE["g"])  # noqa: SLF001  # its only way
        self.public_key = f"04{point}"

    def __repr__(self) -> str:
        """Return a text that shows the public half only."""
        return f"SigningKey(public_key={self.public_key!r})"

    def sign(self, data: bytes) -> str:
        """Return the signature over ``data``: r and s, 128 hex digits."""
        digest = bytes.fromhex(_digest(self.public_key, data))
        while True:
            # The standard has a new nonce taken in the cases, never seen, where this one gives no signature.
            signature: str | None = self._curve.sign(digest, f"{self._nonce():064x}")
            if signature:
                return signature


def verify(public_key: str, data: bytes, signature: str) -> bool:
    """Return whether ``signature`` was made over ``data`` with the private half of ``public_key``.

    Both are as `SigningKey` gives them; anything else is no signature.
    """
    if not _PUBLIC_KEY.fullmatch(public_key) or not _SIGNATURE.fullmatch(signature):
        return False
    x, y = int(public_key[2:66], 16), int(public_key[66:], 16)
    r, s = int(signature[:64], 16), int(signature[64:], 16)
    if x >= _P or y >= _P or (y * y - (x * x * x + _A * x + _B)) % _P or not (0 < r < _N and 0 < s < _N):
        return False
    curve = CryptSM2(private_key="", public_key="")
    curve.public_key = public_key[2:]  # not through its constructor, which strips every leading 0 and 4
    try:
        return bool(curve.verify(signature, bytes.fromhex(_digest(public_key, data))))
    except TypeError:
        return False  # the two points add up to the point at infinity, which gmssl has no form for


def _digest(public_key: str, data: bytes) -> str:
    """Return what is signed: the hash over the signer's identity and ``data`` (GB/T 32918.2, 5.5 and 6.1)."""
    identity = USER_ID.encode()
    curve = "".join(_TABLE[name] for name in "abg")
    who = (len(identity) * 8).to_bytes(2, "big") + identity + bytes.fromhex(curve + public_key[2:])
    return sm3(bytes.fromhex(sm3(who)) + data)
