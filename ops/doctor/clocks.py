"""Checks of the clocks: the callback refuses what its own clock finds more than five minutes old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from frontdesk.channels.envelope import MAX_AGE_S
from frontdesk.records import Checked
from ops.doctor.ground import ahead_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.doctor.ground import Ground

NAMES = ("clock_here", "clock_wecom")
_NOTABLE_S = 30
_TIME_OUT_S = 5


def examine(ground: Ground) -> Iterator[Checked]:
    """Yield how far this machine, and WeCom, are from AWS, whose clock the functions have."""
    yield _judged("clock_here", ground.ahead_of_aws_s)
    base = ground.environment_of("ResponderFunction").get("WECOM_API_BASE", "")
    began = ground.aws_now()
    try:
        # Refused for want of everything; of the answer only the head is looked at.
        answer = requests.get(f"{base}/cgi-bin/gettoken", timeout=_TIME_OUT_S, allow_redirects=False)
    except requests.RequestException:
        yield Checked("clock_wecom", "not_run", "wecom_not_from_here")
        return
    try:
        aws_ahead_s = ahead_of(answer.headers.get("Date", ""), began, ground.aws_now())
    except ValueError:
        yield Checked("clock_wecom", "not_run", "wecom_tells_no_time")
        return
    yield _judged("clock_wecom", -aws_ahead_s)


def _judged(name: str, ahead_s: float) -> Checked:
    seen = {"ahead_s": round(ahead_s)}
    if abs(ahead_s) > MAX_AGE_S:
        return Checked(name, "failed", "clock_off", seen=seen)
    if abs(ahead_s) > _NOTABLE_S:
        return Checked(name, "warning", "clock_off", seen=seen)
    return Checked(name, "ok", seen=seen)
