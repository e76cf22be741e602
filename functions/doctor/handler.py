"""The doctor function: tries WeCom and FastGPT from inside the deployment, for the operator. It changes nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.diagnosis import side_by_side

_log = telemetry.build_logger()


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Return what is found. With ``{"ask": true}`` each FastGPT app is asked one question, which costs points."""
    found = list(side_by_side(bootstrap.doctor(ask=event.get("ask") is True)))
    _log.info("diagnosis done", extra={"failed_checks": sum(each.result == "failed" for each in found)})
    return {"checks": [asdict(each) for each in found]}
