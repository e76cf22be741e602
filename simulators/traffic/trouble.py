"""What goes wrong during a soak, and when: one fault after the other, spread over the time, and then a quiet end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import httpx

from simulators.traffic.processes import end_one

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulators.traffic.control import Control

_FIRST_SHARE, _LAST_SHARE = 0.05, 0.8
_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault: what ``vendor``'s control API is told, or which function's process is ended (``kills``)."""

    name: str
    vendor: str = ""
    path: str = "/faults"
    told: Mapping[str, object] | None = None
    kills: str = ""


def _fastgpt(name: str, **told: object) -> Trouble:
    return Trouble(f"FastGPT {name}, {told['times']} times", "fastgpt", told=told)


def _wecom(name: str, *, path: str = "message/send", **told: object) -> Trouble:
    return Trouble(f"WeCom's {path} {name}, {told['times']} times", "wecom", told={"path": path, **told})


TROUBLES = (
    _fastgpt("slow: 8 s to the first words", kind="slow", first_ms=8000, times=5),
    _wecom("over its limit (45009)", errcode=45009, times=3),
    Trouble("a responder's process killed", kills="Responder"),
    _fastgpt("down (503)", kind="status", status=503, times=8),
    _wecom("busy (-1)", errcode=-1, times=5),
    _fastgpt("cuts its stream", kind="cut", after_chunks=2, times=5),
    _wecom("hangs up after taking a message", drop="after", times=5),
    _fastgpt("out of points", kind="error", statusText="aiPointsNotEnough", times=4),
    _wecom("silent for 15 s", delay_ms=15000, times=3),
    Trouble("all access tokens revoked", "wecom", path="/tokens/revoke", told={}),
    _fastgpt("over the team's limit (429)", kind="error", code=429, times=6),
    _wecom("busy (-1)", path="kf/send_msg", errcode=-1, times=4),
)
"""One of each kind; a fault of a vendor's strikes whoever calls next."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A trouble that was made, ``at_s`` seconds after the start; not ``done`` when there was nothing to end or tell."""

    at_s: float
    name: str
    done: bool = True


def spread(seconds: float, troubles: Sequence[Trouble] = TROUBLES) -> list[tuple[float, Trouble]]:
    """Return when each happens in a run of ``seconds``: about one a minute, and no fewer than all of them once.

    They begin after a twentieth of the time, and the last fifth is quiet. After all have happened they come again,
    but no process is killed twice: what it had in hand stays hidden in its queue for twelve minutes.
    """
    first, last = _FIRST_SHARE * seconds, _LAST_SHARE * seconds
    count = max(len(troubles), int((last - first) / _EVERY_S))
    again = [each for each in troubles if not each.kills]
    chosen = [troubles[n] if n < len(troubles) else again[(n - len(troubles)) % len(again)] for n in range(count)]
    return [(first + number * (last - first) / max(1, count - 1), each) for number, each in enumerate(chosen)]


async def make(
    seconds: float, vendors: Mapping[str, Control], processes: Mapping[str, int], seed: int
) -> list[Happened]:
    """Make all the trouble of a run of ``seconds``, and return what was made.

    What has not struck by the next one is taken back: who has learnt to leave a vendor alone for a while would else
    meet the faults of one minute for many more.
    """
    started, rng = time.monotonic(), Random(seed)
    happened = []
    for at_s, trouble in spread(seconds):
        await asyncio.sleep(max(0.0, started + at_s - time.monotonic()))
        for vendor in vendors.values():
            with suppress(httpx.HTTPError):
                await vendor.delete("/faults")
        if trouble.kills:
            done = await asyncio.to_thread(end_one, processes.get("aws", 0), trouble.kills, rng)
        else:
            done = await _is_told(vendors[trouble.vendor], trouble)
        happened.append(Happened(round(time.monotonic() - started, 1), trouble.name, done))
    return happened


async def _is_told(vendor: Control, trouble: Trouble) -> bool:
    try:
        await vendor.post(trouble.path, trouble.told)
    except httpx.HTTPError:
        return False
    return True
