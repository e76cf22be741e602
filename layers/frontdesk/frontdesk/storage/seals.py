"""What storage needs of those who seal: words go in readable and come out as tokens that only the right place opens.

A place is where a value is kept, as a kind and its ids, such as ``("session", conversation, session_id)``. A token
that was altered, or moved to another place, does not open.
"""

from __future__ import annotations

from typing import Protocol


class Seals(Protocol):
    """Seals under the data key of one customer, so that destroying that key makes all of it unreadable."""

    def seal(self, conversation: str, words: str, *place: str) -> str:
        """Return the token that holds ``words`` at ``place``."""

    def open(self, conversation: str, token: str, *place: str) -> str:
        """Return the words in ``token``; raises `UnopenableError`, and `ErasedError` when its key was destroyed."""


class DigestingSeals(Seals, Protocol):
    """Seals that can also name a text without telling it."""

    def digest(self, conversation: str, text: str) -> str:
        """Return 32 hex digits that stand for ``text`` in this conversation, and tell nobody what it is."""


class RingSeals(Protocol):
    """Seals under the keyring: what belongs to no customer, or must be sealed before customers' keys are at hand."""

    def seal(self, words: str, *place: str) -> str:
        """Return the token that holds ``words`` at ``place``."""

    def open(self, token: str, *place: str) -> str:
        """Return the words in ``token``; raises `UnopenableError`."""
