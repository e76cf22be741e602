"""The name a customer has inside: a keyed digest, so that a queue, a log or an alarm tells nobody who wrote."""

from __future__ import annotations

import hashlib
import hmac

_DIGEST_CHARACTERS = 32  # 128 bits: no two customers of one company will ever share one


class Pseudonyms:
    """Names conversations with one secret key. The same address always gets the same name."""

    def __init__(self, key: str) -> None:
        """``key`` is the deployment's own CONVERSATION_KEY; changing it renames every customer."""
        self._key = key.encode()

    def conversation(self, *address: str) -> str:
        """Return the name of the conversation at ``address`` (channel, corp id, user id …), 32 hex digits.

        Upper and lower case are the same: WeCom's user ids ignore case (developer docs, path 90196).
        """
        message = "\0".join(address).lower().encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:_DIGEST_CHARACTERS]
