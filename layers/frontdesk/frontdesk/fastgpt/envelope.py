"""Reads the usual envelope of FastGPT's replies, ``{"code", "statusText", "message", "data"}``.

Completions has forms of its own. Source: FastGPT 4.16, packages/service/common/response.
"""

from __future__ import annotations

from frontdesk.fastgpt import untrusted
from frontdesk.fastgpt.errors_table import Refusal, classify

LIMIT_BYTES = 64 * 1024


def check(body: bytes, *, http_status: int, retry_after_s: float = 0.0) -> None:
    """Return when ``body`` tells of success; raise the error that the reply means otherwise.

    ``http_status`` and ``retry_after_s`` are the reply's own. A success needs both numbers: a proxy may say 200 too.
    """
    fields = untrusted.mapping(untrusted.parsed(body))
    if not (200 <= http_status < 300 and untrusted.integer(fields.get("code")) == 200):
        raise classify(Refusal.read(fields, http_status=http_status, retry_after_s=retry_after_s))
