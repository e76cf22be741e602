"""Which customers try a new version of the app: a share of them, and always the same ones."""

from __future__ import annotations

import hashlib


def tries_canary(conversation: str, percent: float) -> bool:
    """Return whether the questions of ``conversation`` go to the canary when ``percent`` of all do.

    Whoever tries it at one share tries it at every larger one, too.
    """
    digest = hashlib.sha256(f"canary:{conversation}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 100 < percent * 2**64
