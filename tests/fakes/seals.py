"""Seals that hide nothing from a test: reversible, the same each time, tied to their place, and visibly not plain."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from frontdesk.errors import ErasedError, UnopenableError
from frontdesk.storage.items import from_session, to_sealed_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontdesk.records import SealedSession, Session

RING_KEY_ID = "k1"
CUSTOMER_KEY_ID = "c0123456789ab"


def _seal(key_id: str, words: str, place: tuple[str, ...]) -> str:
    return f"fake.{key_id}.{urlsafe_b64encode(json.dumps([place, words]).encode()).decode()}"


def _open(key_id: str, token: str, place: tuple[str, ...]) -> str:
    try:
        scheme, sealed_with, body = token.split(".")
        where, words = json.loads(urlsafe_b64decode(body))
    except ValueError:
        raise UnopenableError("not a sealed value", key_id="") from None
    if (scheme, sealed_with, where) != ("fake", key_id, list(place)):
        raise UnopenableError("sealed with another key, or elsewhere", key_id=sealed_with)
    return str(words)


class FakeRing:
    """The keyring's seals. ``key_id`` is the only key it has."""

    def __init__(self, key_id: str = RING_KEY_ID) -> None:
        self.key_id = key_id

    def seal(self, words: str, *place: str) -> str:
        """Return the token that holds ``words`` at ``place``."""
        return _seal(self.key_id, words, place)

    def open(self, token: str, *place: str) -> str:
        """Return the words in ``token``."""
        return _open(self.key_id, token, place)


class FakeSeals:
    """Customers' seals, the same for all who hold a `FakeSeals`. What of ``erased`` conversations was sealed is gone."""

    def __init__(self) -> None:
        self.erased: set[str] = set()

    def seal(self, conversation: str, words: str, *place: str) -> str:
        """Return the token that holds ``words`` at ``place``."""
        return _seal(CUSTOMER_KEY_ID, words, (conversation, *place))

    def open(self, conversation: str, token: str, *place: str) -> str:
        """Return the words in ``token``."""
        if conversation in self.erased:
            raise ErasedError("erased", key_id=CUSTOMER_KEY_ID)
        return _open(CUSTOMER_KEY_ID, token, (conversation, *place))

    def digest(self, conversation: str, text: str) -> str:
        """Return 32 hex digits for ``text``."""
        return hashlib.blake2b(text.encode(), key=conversation.encode(), digest_size=16).hexdigest()


def sealed(session: Session) -> SealedSession:
    """Return ``session`` as the archiver sees it."""
    return to_sealed_session(from_session(session, FakeSeals()))


def words_in(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is sealed in an archived document of a `sealed` session: customer, turns, pending, placeholders."""
    conversation, session_id = document["conversation"], document["session_id"]
    opened = FakeSeals().open(conversation, document["sealed"], "session", conversation, session_id)
    words: dict[str, Any] = json.loads(opened)
    return words
