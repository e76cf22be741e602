"""Access tokens shared through the ledger table: one item a token, with the lease of whoever is fetching a new one.

The item: ``key`` "token#<name>"; ``sealed``, ``version``, ``refresh_at``, ``valid_until`` once there is a token;
``lease_owner``, ``lease_until`` while one is being fetched; ``expires_at`` for the table's TTL. All times are epoch
seconds. The release before sealing writes ``token`` in place of ``sealed``, and both share one item while a new
release is rolled out.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ConflictError, UnopenableError
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from frontdesk.storage.seals import RingSeals

# The table's TTL only tidies up: validity is judged by the times above, so it need not be exact.
_KEPT_S = 86_400
# TOKEN is a reserved word of DynamoDB's expressions.
_TOKEN: Mapping[str, str] = {"#token": "token"}


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as saved."""

    value: str = field(repr=False)
    version: str
    refresh_at: float
    expires_at: float


class DynamoTokenStore:
    """Shares tokens between instances. Every method raises `TransientError` or `MisconfiguredError` for its faults."""

    def __init__(self, client: DynamoDBClient, table: str, *, seals: RingSeals) -> None:
        """``table`` is the ledger."""
        self._client = client
        self._table = table
        self._seals = seals

    def read(self, name: str) -> StoredToken | None:
        """Return the token called ``name`` as last saved, expired or not; one that does not open is none."""
        with translated("dynamodb"):
            answer = self._client.get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        item = answer.get("Item", {})
        value = self._value(name, item)
        if value is None:
            return None
        return StoredToken(
            value=value,
            version=item["version"]["S"],
            refresh_at=float(item["refresh_at"]["N"]),
            expires_at=float(item["valid_until"]["N"]),
        )

    def _value(self, name: str, item: Mapping[str, Any]) -> str | None:
        # Saving a sealed token removes the plain one: where one stands, the release before sealing saved it last.
        if "token" in item:
            plain: str = item["token"]["S"]
            return plain
        # Without a version it is what that release left behind when it discarded a token it could not see.
        if "sealed" not in item or "version" not in item:
            return None
        try:
            return self._seals.open(item["sealed"]["S"], *_place(name))
        except UnopenableError:
            # The vendor gives a token anew whenever it is asked: this is a copy, and nothing of a customer's is lost.
            return None

    def lease(self, name: str, owner: str, *, now: float, until: float) -> bool:
        """Return whether ``owner`` alone may fetch the token, until it saves, releases, or ``until`` has come."""
        return self._update(
            name,
            "SET lease_owner = :owner, lease_until = :until, expires_at = :ttl",
            condition="attribute_not_exists(lease_until) OR lease_until <= :now OR lease_owner = :owner",
            values={
                ":owner": {"S": owner},
                ":now": _number(now),
                ":until": _number(until),
                ":ttl": _number(math.ceil(until) + _KEPT_S),
            },
        )

    def save(self, name: str, owner: str, *, value: str, version: str, refresh_at: float, expires_at: float) -> bool:
        """Share a token and end the lease; return whether ``owner`` still had it, otherwise nothing is changed."""
        return self._update(
            name,
            "SET sealed = :sealed, version = :version, refresh_at = :refresh, valid_until = :valid, expires_at = :ttl "
            "REMOVE lease_owner, lease_until, #token",
            condition="lease_owner = :owner",
            values={
                ":owner": {"S": owner},
                ":sealed": {"S": self._seals.seal(value, *_place(name))},
                ":version": {"S": version},
                ":refresh": _number(refresh_at),
                ":valid": _number(expires_at),
                ":ttl": _number(math.ceil(expires_at) + _KEPT_S),
            },
            names=_TOKEN,
        )

    def release(self, name: str, owner: str) -> None:
        """End the lease of ``owner``, if it still has it, without a token."""
        self._update(
            name,
            "REMOVE lease_owner, lease_until",
            condition="lease_owner = :owner",
            values={":owner": {"S": owner}},
        )

    def discard(self, name: str, version: str) -> None:
        """Forget the token if it is still ``version``."""
        self._update(
            name,
            "REMOVE sealed, #token, version, refresh_at, valid_until",
            condition="version = :version",
            values={":version": {"S": version}},
            names=_TOKEN,
        )

    def _update(
        self,
        name: str,
        expression: str,
        *,
        condition: str,
        values: Mapping[str, AttributeValueTypeDef],
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """Change the item and return true, or false when ``condition`` does not hold."""
        aliases = {"ExpressionAttributeNames": names} if names else {}
        with suppress(ConflictError), translated("dynamodb"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(name),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                **aliases,  # type: ignore[arg-type]
            )
            return True
        return False


def _key(name: str) -> dict[str, AttributeValueTypeDef]:
    return {"key": {"S": f"token#{name}"}}


def _place(name: str) -> tuple[str, ...]:
    return "token", name


def _number(value: float) -> AttributeValueTypeDef:
    """Return a whole number, as TTL wants it, or one to the millisecond: a float's own text can have an exponent."""
    return {"N": str(value) if isinstance(value, int) else f"{value:.3f}"}
