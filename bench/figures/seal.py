"""Sealing and opening of a text: ours, raw OpenSSL, and gmssl's pure Python, all SM4, in the same turns.

Raw OpenSSL is SM4-GCM straight through ``cryptography``, bytes to bytes: no associated data, no token, no UTF-8.
gmssl has no GCM: its CBC and ECB do less (nothing is authenticated), and take longer by orders of magnitude.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from gmssl.sm4 import SM4_DECRYPT, SM4_ENCRYPT, CryptSM4

from bench.sampling import MeasurementError, in_turns, median
from bench.table import Goal, Row
from frontdesk.protection.sealing import SealingKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lab import Lab

_SIZES = {"100 B": 100, "1 KB": 1_024, "8 KB": 8_192}
_ROUNDS = 41
_REPETITIONS = 60  # of the fast ones in one sample; gmssl's is a single one
_PLACE = ("session", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "1700000000000-ab12")
_SENTENCE = "您好，订单 20418 的发票什么时候能到？ "
_GOAL_SIZE = "8 KB"
_GOAL = Goal(1.5, of="ratio", inclusive=True)
_RAW = "baseline: SM4-GCM straight through cryptography, bytes to bytes; ours adds place, base64 and UTF-8"


def measure(_lab: Lab) -> list[Row]:
    """Return the rows; one sample is microseconds of processor time for one text."""
    return [row for name, size in _SIZES.items() for row in _rows(name, _text(size))]


def _text(size: int) -> str:
    """Return words of exactly ``size`` bytes, as customers write: mostly Chinese."""
    whole = (_SENTENCE * (size // len(_SENTENCE.encode()) + 1)).encode()[:size].decode(errors="ignore")
    return whole + "." * (size - len(whole.encode()))


def _rows(name: str, words: str) -> list[Row]:
    subjects = _subjects(os.urandom(16), words)
    samples = in_turns(
        {
            each: partial(_microseconds, work, 1 if each.startswith("gmssl") else _REPETITIONS)
            for each, work in subjects.items()
        },
        rounds=_ROUNDS,
    )
    ours = _sums(samples["seal"], samples["open"])
    raw = _sums(samples["raw seal"], samples["raw open"])
    goals = (_GOAL,) if name == _GOAL_SIZE else ()
    return [
        _row(f"seal {name}", samples["seal"], samples["raw seal"], _RAW),
        _row(f"open {name}", samples["open"], samples["raw open"], _RAW),
        _row(f"seal and open {name}", ours, raw, _RAW, goals),
        *(
            _row(f"seal and open {name}, against {theirs}", ours, samples[theirs], _told(theirs, ours, samples[theirs]))
            for theirs in ("gmssl CBC", "gmssl ECB")
        ),
    ]


def _subjects(key: bytes, words: str) -> dict[str, Callable[[], object]]:
    """Return what is measured, after each of them was seen to give the words back."""
    plain, nonce = words.encode(), os.urandom(12)
    ours = SealingKey("k1", key)
    token = ours.seal(words, *_PLACE)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    sealed = encryptor.update(plain) + encryptor.finalize()
    tag = encryptor.tag

    def raw_seal() -> bytes:
        encryptor = Cipher(algorithms.SM4(key), modes.GCM(os.urandom(12))).encryptor()
        return encryptor.update(plain) + encryptor.finalize() + encryptor.tag

    def raw_open() -> bytes:
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
        return decryptor.update(sealed) + decryptor.finalize()

    def gmssl_cbc() -> bytes:
        there, back = _gmssl(key)
        return bytes(back.crypt_cbc(bytes(16), there.crypt_cbc(bytes(16), plain)))

    def gmssl_ecb() -> bytes:
        there, back = _gmssl(key)
        return bytes(back.crypt_ecb(there.crypt_ecb(plain)))

    if ours.open(token, *_PLACE) != words or {raw_open(), gmssl_cbc(), gmssl_ecb()} != {plain}:
        raise MeasurementError("the words do not come back: the comparison would mean nothing")
    return {
        "seal": lambda: ours.seal(words, *_PLACE),
        "raw seal": raw_seal,
        "open": lambda: ours.open(token, *_PLACE),
        "raw open": raw_open,
        "gmssl CBC": gmssl_cbc,
        "gmssl ECB": gmssl_ecb,
    }


def _gmssl(key: bytes) -> tuple[CryptSM4, CryptSM4]:
    there, back = CryptSM4(), CryptSM4()
    there.set_key(key, SM4_ENCRYPT)
    back.set_key(key, SM4_DECRYPT)
    return there, back


def _microseconds(work: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


def _sums(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(map(sum, zip(one, other, strict=True)))


def _told(theirs: str, ours: tuple[float, ...], baseline: tuple[float, ...]) -> str:
    """Return the note of a row whose ratio is too small for the table: how many times as long the baseline takes."""
    factor = median(baseline) / median(ours)
    return f"baseline: {theirs} in pure Python, authenticating nothing: {factor:.0f} times as long"


def _row(
    figure: str, ours: tuple[float, ...], baseline: tuple[float, ...], note: str, goals: tuple[Goal, ...] = ()
) -> Row:
    return Row(
        figure=figure,
        ours=median(ours),
        baseline=median(baseline),
        unit="µs",
        goals=goals,
        note=note,
        ours_samples=ours,
        baseline_samples=baseline,
    )
