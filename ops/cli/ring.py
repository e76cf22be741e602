"""The keyring's secret, changed by one key at a time. No key leaves this module but into the secret.

Two who change it at once cannot undo each other: the token of a change is derived from the version it starts from, and
Secrets Manager takes each token once (its API reference, PutSecretValue).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from frontdesk.errors import ConflictError, FrontdeskError
from frontdesk.protection.customer_keys import WrappedKeys
from frontdesk.protection.sealing import KeyChecks, Keyring, check_keyring, key_id_of
from frontdesk.storage.aws import code_of, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_secretsmanager import SecretsManagerClient

_NAME = "SM4_KEYRING"
# A function keeps the ring it started with, and one that only seals never meets a newer key. Lambda ends its
# environments after some hours (Lambda developer guide, "Execution environment lifecycle").
OLD_RINGS_LIVE_S = 86_400
# A function that started a moment before a key was taken out may add that key's check once more.
SETTLE_S = 10


class Keys(WrappedKeys, KeyChecks, Protocol):
    """What is wrapped under the ring, and the checks of its keys, which can also be taken away."""

    def remove_check(self, key_id: str) -> None:
        """Forget the check of ``key_id``."""


class KeyStillNeededError(FrontdeskError):
    """A ring key cannot be taken out, or should not yet be; the message says why."""

    code = "key_still_needed"


@dataclass(frozen=True, slots=True)
class RingState:
    """``wrapped`` counts the data keys under each ring key id, those under ids that the ring lacks included."""

    current: str
    ids: tuple[str, ...]
    wrapped: Mapping[str, int]

    @property
    def lacking(self) -> tuple[str, ...]:
        """Ids under which data keys are wrapped that nobody can open."""
        return tuple(sorted(set(self.wrapped) - set(self.ids)))


@dataclass(frozen=True, slots=True)
class _Read:
    keyring: Keyring
    values: Mapping[str, Any]
    version_id: str
    changed_at: datetime


class Ring:
    """The deployment's keyring, as its secret has it."""

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        *,
        keys: Keys,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """``clock`` returns epoch seconds."""
        self._client = client
        self._secret_id = secret_id
        self._keys = keys
        self._clock = clock
        self._sleep = sleep

    def look(self) -> RingState:
        """Return what the ring is, and what depends on its keys; raises `SettingsError` for a ring that is wrong."""
        keyring = self._read().keyring
        return RingState(keyring.current, keyring.ids, self._wrapped())

    def rotate(self, before: Callable[[str], None]) -> str:
        """Return the id of a new key, which is current from now on; ``before`` is told it first.

        The secret goes before the check: a check without its key would keep every function from starting, and a key
        without a check gets one from the first function that starts. Raises `ConflictError` when somebody else
        changed the ring at the same time.
        """
        read = self._read()
        value = read.keyring.with_new_key()
        before(value["current"])
        self._put(read, value)
        check_keyring(Keyring.read(value), self._keys)
        return str(value["current"])

    def retire(self, key_id: str, *, doubts: Iterable[str], force: bool, before: Callable[[str], None]) -> bool:
        """Return whether ``key_id`` was in the ring; it is not any more, nor is its check.

        ``doubts`` are reasons not to, beside those found here; ``force`` overrules them. Raises
        `KeyStillNeededError`. Can be resumed: a key that is out already loses its check.
        """
        read = self._read(checked=False)
        inside = key_id in read.keyring.ids
        if inside:
            check_keyring(read.keyring, self._keys)
        count = self._wrapped()[key_id]
        if count:
            raise KeyStillNeededError(f"{count} data keys are wrapped under {key_id}: run `keys re-seal` first")
        if inside:
            value = read.keyring.without(key_id)
            self._overrule([*self._own_doubts(read), *doubts], force=force)
            before(key_id)
            self._keys.remove_check(key_id)
            self._put(read, value)
            self._keys.remove_check(key_id)
            self._sleep(SETTLE_S)
        self._keys.remove_check(key_id)
        return inside

    def _own_doubts(self, read: _Read) -> Iterator[str]:
        if self._clock() - read.changed_at.timestamp() < OLD_RINGS_LIVE_S:
            yield "the ring was changed less than a day ago, so functions may still seal under an earlier key"

    def _overrule(self, doubts: list[str], *, force: bool) -> None:
        if doubts and not force:
            raise KeyStillNeededError("; ".join(doubts) + ". --force takes the key out nevertheless")

    def _wrapped(self) -> Counter[str]:
        return Counter(key_id_of(token) for key in self._keys.every() for token in key.wrapped.values())

    def _read(self, *, checked: bool = True) -> _Read:
        with translated("secrets"):
            answer = self._client.get_secret_value(SecretId=self._secret_id)
        try:
            values = json.loads(answer["SecretString"])
        except ValueError:
            values = None
        if not isinstance(values, dict):
            values = {}
        keyring = Keyring.read(values.get(_NAME))
        if checked:
            check_keyring(keyring, self._keys)
        return _Read(keyring, values, answer["VersionId"], answer["CreatedDate"])

    def _put(self, read: _Read, value: Mapping[str, Any]) -> None:
        token = hashlib.sha256(f"frontdesk keyring after {read.version_id}".encode()).hexdigest()
        with translated("secrets"):
            try:
                self._client.put_secret_value(
                    SecretId=self._secret_id,
                    ClientRequestToken=token,
                    SecretString=json.dumps({**read.values, _NAME: value}),
                )
            except ClientError as error:
                if code_of(error) != "ResourceExistsException":
                    raise
                raise ConflictError("somebody else changed the keyring at the same time: look at it again") from None
