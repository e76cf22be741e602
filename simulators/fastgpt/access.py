"""Who may call which app: reads the Authorization header and finds the app of a call.

Source: labring/FastGPT `packages/service/support/permission/auth/common.ts` and the completions handler.
"""

import re
from collections.abc import Collection
from typing import Protocol

from simulators.fastgpt.dialect import Dialect
from simulators.fastgpt.errors import ApiError, listed
from simulators.fastgpt.settings import FastgptSettings

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")


class Gate(Protocol):
    """What the rules below need to know about a server."""

    @property
    def settings(self) -> FastgptSettings:
        """The server's keys and apps."""
        ...

    @property
    def dialect(self) -> Dialect:
        """The server's version."""
        ...


def authorised_app(gate: Gate, header: str | None, body_app_id: str | None) -> str:
    """Return the id of the app the call may use. Raises ApiError: the key, the app, or no app at all."""
    key, suffix = _checked(gate, header)
    may_call = gate.settings.apps_of(key)
    bound = may_call[0] if gate.settings.key_is_bound else None
    if gate.dialect.call_names_app:
        app_id = body_app_id or suffix or bound
        if not app_id:
            raise ApiError("appId is empty", user_error=True)
    else:
        app_id = bound or body_app_id or suffix
        if not app_id:
            raise ApiError("Key is error. You need to use the app key rather than the account key.")
    return _existing(gate, app_id, may_call)


def _checked(gate: Gate, header: str | None) -> tuple[str, str | None]:
    """Check the key and return it with the app id that may hang on it."""
    parts = (header or "").split(" ")
    credential = parts[1] if len(parts) > 1 else ""
    if not credential:
        raise listed("unAuthorization")
    key, suffix = _split(gate, credential)
    if not gate.settings.apps_of(key):
        raise listed("unAuthApiKey")
    return key, suffix


def _split(gate: Gate, credential: str) -> tuple[str, str | None]:
    if gate.dialect.call_names_app:
        head, _, tail = credential.rpartition("-")
        return (head, tail) if head and _OBJECT_ID.fullmatch(tail) else (credential, None)
    parts = credential.split("-")
    if len(parts) not in {2, 3}:
        raise listed("unAuthorization")
    return "-".join(parts[:2]), parts[2] if len(parts) == 3 else None


def _existing(gate: Gate, app_id: str, may_call: Collection[str]) -> str:
    settings = gate.settings
    own = {settings.app_id, settings.tool_app_id, settings.lite_app_id, settings.canary_app_id}
    exists = app_id in own | settings.forbidden_app_ids
    # Before 4.15 nobody checked whether the key's creator may read the app.
    if exists and app_id not in may_call and gate.dialect.call_names_app:
        raise listed("unAuthApp")
    if exists:
        return app_id
    raise listed("appUnExist") if gate.dialect.call_names_app else ApiError("app is empty")
