"""Each customer's own data keys, wrapped by the keyring: what they seal dies with them.

`CustomerKeys` seals and opens with them; `KeyKeeping` makes, destroys and re-wraps them for an operator. Where the
wrapped keys are stored is behind `WrappedKeys`. What an erasure removes besides its keys is not known here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from frontdesk.errors import ConflictError, ErasedError, FrontdeskError, TransientError, UnopenableError
from frontdesk.protection.sealing import KEY_BYTES, SealingKey, key_id_of
from frontdesk.records import CustomerKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontdesk.protection.sealing import Keyring

KEEP_S = 30.0
LONGEST_WORK_S = 120.0  # the responder's time limit: so long it may hold what it read before a key was retired
KEPT_CONVERSATIONS = 1_000
_ID_BYTES = 6
_DIGEST_CHARACTERS = 32
_KEY = re.compile(r"[0-9a-f]{32}")
_ATTEMPTS = 5


class WrappedKeys(Protocol):
    """Where wrapped keys are stored. Every method raises `TransientError` when the store is out of reach."""

    def read(self, conversation: str) -> CustomerKey | None:
        """Return the keys of ``conversation`` as last saved, never an earlier state."""

    def create(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, version 1, or the stored one when somebody was first."""

    def replace(self, key: CustomerKey) -> CustomerKey:
        """Return ``key`` as saved, one version on; raises `ConflictError` when another version is stored."""

    def every(self) -> Iterator[CustomerKey]:
        """Yield the keys of every conversation."""


@dataclass(frozen=True, slots=True)
class _DataKey:
    """An unwrapped key, and the one for digests that is derived from it."""

    sealing: SealingKey
    digesting: bytes = field(repr=False)


@dataclass(slots=True)
class _Known:
    """What was read of a conversation, when (monotonic seconds), and which of its keys are unwrapped already."""

    record: CustomerKey
    read_at: float
    unwrapped: dict[str, _DataKey] = field(default_factory=dict)


class CustomerKeys:
    """Seals and opens with customers' own keys. Any number of threads may use it.

    Every method raises `UnopenableError` naming the ring key when a data key cannot be unwrapped, and what the store
    raises.
    """

    def __init__(
        self,
        *,
        keyring: Keyring,
        store: WrappedKeys,
        clock: Callable[[], float],
        keep_s: float = KEEP_S,
        kept: int = KEPT_CONVERSATIONS,
    ) -> None:
        """Keys are read anew after ``keep_s`` seconds, and kept for ``kept`` conversations.

        ``clock`` counts seconds, also while the process is frozen, which a monotonic clock may not: a retired key
        must not be in use because nobody saw the time pass.
        """
        self._keyring = keyring
        self._store = store
        self._clock = clock
        self._keep_s = keep_s
        self._kept = kept
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def seal(self, conversation: str, words: str, *place: str) -> str:
        """Return the token of ``words`` at ``place`` under the customer's current key, which is made if need be."""
        return self._current(conversation).sealing.seal(words, *place)

    def digest(self, conversation: str, text: str) -> str:
        """Return a keyed digest of ``text``, 32 hex digits: the same as long as the customer's current key is."""
        key = self._current(conversation).digesting
        return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_DIGEST_CHARACTERS]

    def open(self, conversation: str, token: str, *place: str) -> str:
        """Return the words in ``token``, sealed at ``place`` with any key of this customer.

        Raises `ErasedError` when that key was destroyed, `UnopenableError` for anything else; both name the key id.
        """
        key_id = key_id_of(token)
        if not key_id.startswith("c"):
            raise UnopenableError("a value is not sealed with a customer's key", key_id=key_id)
        known = self._fresh(conversation)
        if known is None or key_id not in known.record.wrapped:
            # Another process may have made the key since; what it sealed must not fail here for that.
            known = self._read(conversation)
        if known is not None and key_id in known.record.wrapped:
            return self._unwrapped(known, key_id).sealing.open(token, *place)
        if known is not None and any(key_id == gone for gone, _, _ in known.record.destroyed):
            raise ErasedError(f"a value is sealed with key {key_id}, which was destroyed", key_id=key_id)
        raise UnopenableError(f"a value is sealed with key {key_id}, which its customer does not have", key_id=key_id)

    def _current(self, conversation: str) -> _DataKey:
        known = self._fresh(conversation) or self._read(conversation)
        if known is None:
            started = self._clock()
            key_id, wrapped = _new_key(self._keyring, conversation)
            created = self._store.create(CustomerKey(conversation, key_id, {key_id: wrapped}))
            known = self._remember(created, started)
        return self._unwrapped(known, known.record.current)

    def _fresh(self, conversation: str) -> _Known | None:
        """Return what is known of ``conversation``, unless it was read too long ago."""
        with self._lock:
            known = self._known.get(conversation)
            # A clock that was set back must not keep a retired key in use.
            if known is None or not 0 <= self._clock() - known.read_at < self._keep_s:
                return None
            self._known.move_to_end(conversation)
            return known

    def _read(self, conversation: str) -> _Known | None:
        started = self._clock()
        record = self._store.read(conversation)
        return None if record is None else self._remember(record, started)

    def _remember(self, record: CustomerKey, started: float) -> _Known:
        """Return ``record`` as known since ``started``, when its reading began: only that bounds how old it can be."""
        with self._lock:
            known = _Known(record, started)
            before = self._known.get(record.conversation)
            if before is not None and before.record.version == record.version:
                known.unwrapped = before.unwrapped  # of another version they are not kept: a key may be destroyed
            self._known[record.conversation] = known
            self._known.move_to_end(record.conversation)
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
            return known

    def _unwrapped(self, known: _Known, key_id: str) -> _DataKey:
        """Return one key, unwrapped when first wanted: a key that does not open must not keep others from it."""
        key = known.unwrapped.get(key_id)
        if key is None:
            plain = _unwrap(self._keyring, known.record, key_id)
            digesting = hmac.new(plain, b"frontdesk digest", hashlib.sha256).digest()
            key = known.unwrapped[key_id] = _DataKey(SealingKey(key_id, plain), digesting)
        return key


class KeyKeeping:
    """What an operator does with customers' keys. Each act can be repeated, and resumed after a crash.

    All raise `ConflictError` when others kept changing the same keys, and what the store raises.
    """

    def __init__(self, *, keyring: Keyring, store: WrappedKeys, keep_s: float = KEEP_S) -> None:
        """Take ``keep_s`` as `CustomerKeys` does: for so long it may seal with a retired key.

        Before keys are destroyed that is waited, and as long as work that has begun may take.
        """
        self._keyring = keyring
        self._store = store
        self._wait_s = LONGEST_WORK_S + keep_s

    def retire(self, conversation: str, now: int) -> CustomerKey | None:
        """Return the keys with a fresh current one, the others retired at ``now``; none when there never was a key.

        Keys that are retired already stay as they are, with the earlier time.
        """

        def retired(key: CustomerKey) -> CustomerKey:
            if key.retired_at is not None:
                return key
            key_id, wrapped = _new_key(self._keyring, conversation)
            return replace(key, current=key_id, wrapped={**key.wrapped, key_id: wrapped}, retired_at=now)

        return self._changed(conversation, retired)

    def destroy(self, conversation: str, now: int, by: str) -> CustomerKey | None:
        """Return the keys without the retired ones, which are gone for good; none when there never was a key.

        Keys that are destroyed already stay as they are. Raises `TransientError` with the seconds to wait while a
        process may still seal with a retired key, `FrontdeskError` when no key was ever retired.
        """

        def destroyed(key: CustomerKey) -> CustomerKey:
            if key.retired_at is None:
                if key.destroyed:
                    return key
                raise FrontdeskError("the keys are not retired, so none can be destroyed", code="key_not_retired")
            wait_s = key.retired_at + self._wait_s - now
            if wait_s > 0:
                raise TransientError(
                    "the keys were retired a moment ago and may still be in use",
                    code="key_in_use",
                    retry_after_s=wait_s,
                )
            gone = tuple((key_id, now, by) for key_id in sorted(key.wrapped) if key_id != key.current)
            return replace(
                key,
                wrapped={key.current: key.wrapped[key.current]},
                retired_at=None,
                destroyed=(*key.destroyed, *gone),
            )

        return self._changed(conversation, destroyed)

    def rewrap(self, key: CustomerKey) -> bool:
        """Return whether keys of this customer were not wrapped by the ring's current key; now all of them are.

        Raises `UnopenableError` naming the ring key that is lacking; nothing is changed then.
        """
        changed = False

        def rewrapped(key: CustomerKey) -> CustomerKey:
            nonlocal changed
            wrapped = {
                key_id: token if key_id_of(token) == self._keyring.current else self._wrapped_anew(key, key_id)
                for key_id, token in key.wrapped.items()
            }
            changed = wrapped != dict(key.wrapped)
            return replace(key, wrapped=wrapped) if changed else key

        return self._changed(key.conversation, rewrapped, first=key) is not None and changed

    def _wrapped_anew(self, key: CustomerKey, key_id: str) -> str:
        return _wrap(self._keyring, key.conversation, key_id, _unwrap(self._keyring, key, key_id))

    def _changed(
        self, conversation: str, change: Callable[[CustomerKey], CustomerKey], *, first: CustomerKey | None = None
    ) -> CustomerKey | None:
        """Return the keys after ``change``, tried on ``first`` and then on what is stored; saved if they differ."""
        before = first or self._store.read(conversation)
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._saved(before, change)
            except ConflictError:
                before = self._store.read(conversation)
        return self._saved(before, change)

    def _saved(self, before: CustomerKey | None, change: Callable[[CustomerKey], CustomerKey]) -> CustomerKey | None:
        if before is None:
            return None
        after = change(before)
        return before if after is before else self._store.replace(after)


def _new_key(keyring: Keyring, conversation: str) -> tuple[str, str]:
    """Return the id of a new data key, and the key wrapped."""
    key_id = f"c{os.urandom(_ID_BYTES).hex()}"
    return key_id, _wrap(keyring, conversation, key_id, os.urandom(KEY_BYTES))


def _wrap(keyring: Keyring, conversation: str, key_id: str, key: bytes) -> str:
    return keyring.seal(key.hex(), "customer-key", conversation, key_id)


def _unwrap(keyring: Keyring, record: CustomerKey, key_id: str) -> bytes:
    """Return the data key; raises `UnopenableError` naming the ring key that would be needed, or did not fit."""
    wrapped = record.wrapped[key_id]
    key = keyring.open(wrapped, "customer-key", record.conversation, key_id)
    if not _KEY.fullmatch(key):
        raise UnopenableError(f"customer key {key_id} is wrapped, but is no key", key_id=key_id_of(wrapped))
    return bytes.fromhex(key)
