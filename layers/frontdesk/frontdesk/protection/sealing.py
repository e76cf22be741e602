"""Sealing with SM4-GCM (GB/T 32907): words become a token that opens under its key, at its place, and unaltered only.

A token is ``s1.<key id>.<base64url, unpadded, of nonce ‖ ciphertext ‖ tag>``, nonce 12 bytes, tag 16. Its associated
data is the JSON list ``["frontdesk","s1",<key id>,*place]`` in UTF-8, so that a value moved to another place does not
open there. Which place belongs to what is the caller's to say; what a customer's own keys are is `customer_keys`'.

The callback loads this module: it needs nothing that the callback has not loaded for WeCom's envelope.
"""

from __future__ import annotations

import binascii
import json
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from frontdesk.errors import SettingsError, UnopenableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SCHEME = "s1"
KEY_BYTES = 16
REREAD_EVERY_S = 30.0
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD = re.compile(rf"{SCHEME}\.(k[0-9]{{1,6}}|c[0-9a-f]{{12}})\.")
_RING_KEY_ID = re.compile(r"k[0-9]{1,6}")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
# A malformed key id may be a key that was put in the wrong place: only what is far too short for one is ever shown.
_SHOWABLE = re.compile(r"[A-Za-z0-9_-]{1,12}")
_LAST_CHARACTERS = {2: "AQgw", 3: "AEIMQUYcgkosw048"}  # those without spare bits, by what the length leaves over four


class KeyChecks(Protocol):
    """Where it is kept which ring keys were in use: one token a key id, which opens under that very key only."""

    def checks(self) -> dict[str, str]:
        """Return the check token of each ring key id that has one."""

    def add_check(self, key_id: str, token: str) -> str:
        """Return the check that is stored for ``key_id``: ``token``, or the earlier one when somebody was first."""


def key_id_of(token: str) -> str:
    """Return the id of the key that ``token`` says it was sealed with; empty when it is no token."""
    head = _HEAD.match(token)
    return head[1] if head else ""


class SealingKey:
    """One key under its id. Any number of threads may use it."""

    __slots__ = ("_algorithm", "_associated_head", "_head", "key_id")

    def __init__(self, key_id: str, key: bytes) -> None:
        """``key`` is 16 bytes."""
        self.key_id = key_id
        self._head = f"{SCHEME}.{key_id}."
        self._associated_head = f'["frontdesk","{SCHEME}","{key_id}"'
        self._algorithm = algorithms.SM4(key)

    def __repr__(self) -> str:
        return f"SealingKey({self.key_id!r})"

    def seal(self, words: str, *place: str) -> str:
        """Return the token of ``words`` at ``place``, another one each time."""
        # Half a surrogate pair, which JSON from outside can hold, is sealed like any character.
        plain = words.encode("utf-8", "surrogatepass")
        nonce = os.urandom(_NONCE_BYTES)
        encryptor = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(self._associated(place))
        sealed = encryptor.update(plain) + encryptor.finalize()
        return self._head + _base64url(b"".join((nonce, sealed, encryptor.tag)))

    def open(self, token: str, *place: str) -> str:
        """Return the words that were sealed at ``place`` with this key; raises `UnopenableError` for anything else."""
        if not token.startswith(self._head):
            raise UnopenableError("a value was not sealed with the key it was given to", key_id=key_id_of(token))
        sealed = _from_base64url(token[len(self._head) :])
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise UnopenableError(f"a value sealed with key {self.key_id} is malformed", key_id=self.key_id)
        mode = modes.GCM(sealed[:_NONCE_BYTES], sealed[-_TAG_BYTES:])
        decryptor = Cipher(self._algorithm, mode).decryptor()
        decryptor.authenticate_additional_data(self._associated(place))
        try:
            plain = decryptor.update(memoryview(sealed)[_NONCE_BYTES:-_TAG_BYTES]) + decryptor.finalize()
        except InvalidTag:
            raise UnopenableError(
                f"a value sealed with key {self.key_id} does not open: altered, moved, or another key",
                key_id=self.key_id,
            ) from None
        try:
            return plain.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # The original error holds the plain bytes, and so must not be seen.
            raise UnopenableError(f"a value sealed with key {self.key_id} is not text", key_id=self.key_id) from None

    def _associated(self, place: tuple[str, ...]) -> bytes:
        # What json.dumps writes of the list, in a third of its time: for a short text that is most of the overhead.
        parts = [self._associated_head, *map(encode_basestring, place)]
        return f"{','.join(parts)}]".encode("utf-8", "surrogatepass")


def _base64url(data: bytes) -> str:
    # Two replacements cost half of the one translation in the library's own urlsafe function.
    encoded = binascii.b2a_base64(data, newline=False)
    return encoded.replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=").decode("ascii")


def _from_base64url(text: str) -> bytes:
    """Return the bytes that ``text`` is the one unpadded base64url form of; none for any other text."""
    over = len(text) % 4
    if "+" in text or "/" in text or "=" in text or (over and text[-1] not in _LAST_CHARACTERS.get(over, "")):
        return b""
    try:
        encoded = text.encode("ascii").replace(b"-", b"+").replace(b"_", b"/")
        return binascii.a2b_base64(encoded + b"=" * (-len(text) % 4), strict_mode=True)
    except ValueError:  # another character: binascii's error and the codec's are both of this kind
        return b""


@dataclass(frozen=True, slots=True)
class _Ring:
    """What a keyring is at one moment."""

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)
    keys: Mapping[str, SealingKey]

    def contradicts(self, later: _Ring) -> bool:
        """Return whether ``later`` has another key under an id of this ring."""
        return any(later.secrets.get(key_id, key) != key for key_id, key in self.secrets.items())


class Keyring:
    """The deployment's keys: one seals, all open. Any number of threads may use it."""

    def __init__(self, ring: _Ring, *, reread: Callable[[], object] | None, monotonic: Callable[[], float]) -> None:
        """`read` makes one of a secret's value."""
        self._ring = ring
        self._reread = reread
        self._monotonic = monotonic
        self._reread_at: float | None = None
        self._lock = threading.Lock()

    @classmethod
    def read(
        cls,
        value: object,
        *,
        reread: Callable[[], object] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Keyring:
        """Return the ring in ``value``: ``{"current": …, "keys": {id: 32 hex digits}}``, the same as JSON text, or
        one key alone as 32 hex digits, which makes a ring of ``k1``.

        ``reread`` gives the value anew; it is called for a key id that the ring lacks, once in `REREAD_EVERY_S` at
        most. Raises `SettingsError` with every problem, each naming its key id, none a key.
        """  # noqa: D205  # the forms of a value do not fit one line
        return cls(_ring_of(value), reread=reread, monotonic=monotonic)

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, ids={self.ids!r})"

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._ring.current

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, in the order of their numbers."""
        return tuple(self._ring.keys)

    def seal(self, words: str, *place: str) -> str:
        """Return the token of ``words`` at ``place`` under the current key."""
        ring = self._ring
        return ring.keys[ring.current].seal(words, *place)

    def open(self, token: str, *place: str) -> str:
        """Return the words in ``token``, sealed at ``place`` with any key of the ring.

        Raises `UnopenableError` naming the key id. Errors of reading the ring anew pass through: the same token may
        open later.
        """
        key_id = key_id_of(token)
        key = self._ring.keys.get(key_id)
        if key is None and _RING_KEY_ID.fullmatch(key_id):
            key = self._ring_with(key_id).keys.get(key_id)
        if key is None:
            lacking = f"a value is sealed with key {key_id}, which is not in the keyring"
            raise UnopenableError(lacking if key_id else "a value is not a sealed one", key_id=key_id)
        return key.open(token, *place)

    def check_token(self, key_id: str) -> str:
        """Return a token that opens under the key of this id, one of the ring's, and proves to be of that key."""
        return self._ring.keys[key_id].seal(key_id, "keyring-check", key_id)

    def value(self) -> dict[str, Any]:
        """Return the ring as it is kept in its secret."""
        ring = self._ring
        return _value(ring.current, ring.secrets)

    def with_new_key(self) -> dict[str, Any]:
        """Return the ring's value with one key more, which is made current; the others still open."""
        ring = self._ring
        number = max(_number(key_id) for key_id in ring.secrets) + 1
        key_id = f"k{number}"
        if not _RING_KEY_ID.fullmatch(key_id):
            raise SettingsError(["SM4_KEYRING: no key id is left above the highest one"])
        return _value(key_id, {**ring.secrets, key_id: os.urandom(KEY_BYTES)})

    def without(self, key_id: str) -> dict[str, Any]:
        """Return the ring's value with one key less: what is still sealed with it never opens again.

        Raises `SettingsError` when it is the current key or none of the ring's.
        """
        ring = self._ring
        if key_id == ring.current:
            raise SettingsError([f"SM4_KEYRING: key {key_id} is the current one and cannot be taken out"])
        if key_id not in ring.secrets:
            raise SettingsError([f"SM4_KEYRING has no key {_shown(key_id)}"])
        return _value(ring.current, {each: key for each, key in ring.secrets.items() if each != key_id})

    def _ring_with(self, key_id: str) -> _Ring:
        """Return the ring, read anew when it lacks ``key_id`` and has not been read anew just now."""
        with self._lock:
            now = self._monotonic()
            recently = self._reread_at is not None and now - self._reread_at < REREAD_EVERY_S
            if key_id in self._ring.keys or self._reread is None or recently:
                return self._ring
            value = self._reread()
            self._reread_at = now  # a reading that failed does not count: the key may well be there
            try:
                later = _ring_of(value)
            except SettingsError as exc:
                raise UnopenableError(
                    f"a value is sealed with key {key_id}, and the keyring as it is now is malformed", key_id=key_id
                ) from exc
            if self._ring.contradicts(later):
                raise UnopenableError(
                    f"a value is sealed with key {key_id}, and the keyring as it is now has other keys under old ids",
                    key_id=key_id,
                )
            self._ring = later
            return later


def check_keyring(keyring: Keyring, store: KeyChecks) -> None:
    """Return when the ring holds every key that was ever in use, the very same ones; its new keys count from now on.

    Raises `SettingsError` naming each key id that is lacking or has another key. Nothing is added to ``store`` then.
    """
    stored = store.checks()
    verify_keyring(keyring, stored)
    added = {key_id: keyring.check_token(key_id) for key_id in keyring.ids if key_id not in stored}
    kept = {key_id: store.add_check(key_id, token) for key_id, token in added.items()}
    verify_keyring(keyring, {key_id: token for key_id, token in kept.items() if token != added[key_id]})


def verify_keyring(keyring: Keyring, checks: Mapping[str, str]) -> None:
    """Raise `SettingsError` naming each key id of ``checks`` that the ring lacks or has another key under."""
    problems = [
        problem for key_id, token in sorted(checks.items()) if (problem := _problem_with(keyring, key_id, token))
    ]
    if problems:
        raise SettingsError(problems)


def _problem_with(keyring: Keyring, key_id: str, token: str) -> str:
    """Return what is wrong with the ring's key of this id, by its check; empty when nothing is."""
    try:
        # The ring is read anew here when it lacks the key: a rotation may have come between its reading and the check.
        keyring.open(token, "keyring-check", key_id)
    except UnopenableError:
        opens = False
    else:
        opens = key_id_of(token) == key_id
    if opens:
        return ""
    if key_id not in keyring.ids:
        return f"SM4_KEYRING lacks key {key_id}, which has been in use"
    return f"SM4_KEYRING: key {key_id} is not the key that has been in use under this id"


def _ring_of(value: object) -> _Ring:
    current, secrets = _parsed(value)
    ordered = {key_id: secrets[key_id] for key_id in sorted(secrets, key=lambda each: (_number(each), each))}
    return _Ring(current, ordered, {key_id: SealingKey(key_id, key) for key_id, key in ordered.items()})


def _parsed(value: object) -> tuple[str, dict[str, bytes]]:
    """Return the current key id and all keys; raises `SettingsError` with every problem."""
    if isinstance(value, str) and _KEY.fullmatch(value):
        return "k1", {"k1": bytes.fromhex(value)}
    if value is None or value == "":
        raise SettingsError(["SM4_KEYRING is missing"])
    problems: list[str] = []
    members = _from_json(value, problems) if isinstance(value, str) else value
    if not isinstance(members, Mapping):
        raise SettingsError(["SM4_KEYRING is neither 32 hex digits nor an object with current and keys"])
    if set(members) - {"current", "keys"}:
        problems.append("SM4_KEYRING has members besides current and keys")
    given = members.get("keys")
    if not isinstance(given, Mapping) or not given:
        problems.append("SM4_KEYRING has no keys")
        given = {}
    secrets = _parsed_keys(given, problems)
    current = members.get("current")
    if not isinstance(current, str) or not current:
        problems.append("SM4_KEYRING names no current key")
    elif current not in given:
        problems.append(f"SM4_KEYRING: the current key {_shown(current)} is not among its keys")
    if problems:
        raise SettingsError(problems)
    return str(current), secrets


def _parsed_keys(given: Mapping[object, object], problems: list[str]) -> dict[str, bytes]:
    """Return the keys that are well-formed; what is wrong with the others goes to ``problems``."""
    secrets: dict[str, bytes] = {}
    owners: dict[bytes, str] = {}
    for place, (key_id, key) in enumerate(given.items(), start=1):
        named = _shown(key_id, f"number {place}")
        if not isinstance(key_id, str) or not _RING_KEY_ID.fullmatch(key_id):
            problems.append(f"SM4_KEYRING: the id of key {named} is not k and one to six digits")
        elif not isinstance(key, str) or not _KEY.fullmatch(key):
            problems.append(f"SM4_KEYRING: key {named} is not 32 hex digits")
        elif (other := owners.setdefault(secret := bytes.fromhex(key), key_id)) != key_id:
            problems.append(f"SM4_KEYRING: keys {other} and {named} are the same")
        else:
            secrets[key_id] = secret
    return secrets


def _from_json(text: str, problems: list[str]) -> object:
    """Return what ``text`` says, ``None`` when it is no JSON; names that come twice go to ``problems``."""

    def members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                problems.append(f"SM4_KEYRING: {_shown(name, 'a name')} comes twice")
            found[name] = value
        return found

    try:
        parsed: object = json.loads(text, object_pairs_hook=members)
    except ValueError:
        return None  # not raised from here: json's error holds the text, and the text is the secret
    return parsed


def _shown(key_id: object, otherwise: str = "so named") -> str:
    return key_id if isinstance(key_id, str) and _SHOWABLE.fullmatch(key_id) else otherwise


def _number(key_id: str) -> int:
    return int(key_id[1:])


def _value(current: str, secrets: Mapping[str, bytes]) -> dict[str, Any]:
    return {"current": current, "keys": {key_id: key.hex() for key_id, key in secrets.items()}}
