"""The callback function: API Gateway (HTTP API, payload 2.0) in, the inbox out.

WeCom waits 1 second for a GET and 5 for a POST, so nothing slow happens here.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import (
    ForbiddenCallbackError,
    FrontdeskError,
    MalformedCallbackError,
    RejectedCallbackError,
)
from frontdesk.messages import Inbound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.messages import Pull

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    # Secrets and connections belong to initialisation: WeCom's one second must not pay for them.
    bootstrap.reception()


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the HTTP answer: 200 when checked or queued, 403 or 400 when rejected, 500 so that WeCom comes again."""
    reception = bootstrap.reception()
    request = event["requestContext"]
    query = event.get("rawQueryString", "")
    try:
        if request["http"]["method"] == "GET":
            return _answer(200, reception.check_url(query).decode(), "text/plain")
        accepted = reception.accept(query, _body(event), received_at_ms=request["timeEpoch"])
    except RejectedCallbackError as error:
        _log.warning("callback rejected", extra={"code": error.code, "channel": reception.channel})
        telemetry.emit_metrics(reception.channel, {"Rejected": [1]})
        return _answer(403 if isinstance(error, ForbiddenCallbackError) else 400, "{}")
    except FrontdeskError as error:
        _log.error("callback not queued", extra={"code": error.code, "channel": reception.channel}, exc_info=True)
        return _answer(500, "{}")
    except Exception:
        _log.exception("callback failed", extra={"code": "unexpected", "channel": reception.channel})
        return _answer(500, "{}")
    _count(reception.channel, accepted)
    return _answer(200, "")


def _count(channel: str, accepted: Sequence[Inbound | Pull]) -> None:
    for each in accepted:
        if isinstance(each, Inbound):
            telemetry.emit_metrics(each.channel, {"Accepted": [1]})
        else:
            # How many messages it stands for is known, and counted, when they are fetched.
            telemetry.emit_metrics(channel, {"Notified": [1]})
    if not accepted:
        telemetry.emit_metrics(channel, {"Ignored": [1]})


def _body(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")  # half a pair is a malformed body, not a failure of ours
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedCallbackError("the gateway's base64 is broken", code="base64_broken") from None


def _answer(status: int, body: str, content_type: str = "application/json") -> dict[str, Any]:
    return {"statusCode": status, "headers": {"content-type": content_type}, "body": body}
