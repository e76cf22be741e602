"""Scripted faults of the API: which calls they hit, how often, and what happens instead of the usual answer."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from simulators.wecom.jsonfields import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.wecom.jsonfields import Fields


class Drop(StrEnum):
    """When the connection is cut without an answer: before the call took effect, or after."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault.

    What it hits: `path` without `/cgi-bin/` (empty: every path), `userid` among the recipients or asked for, after
    `after_calls` matching calls went by unharmed, `times` times (0: until cleared).

    What it does: waits `delay_ms`; then answers `errcode`, or HTTP `status`, or `garbage` (HTTP 200, no JSON), or cuts
    the connection (`drop`). With none of these the call is answered as usual, only late. `processed` lets the call
    take effect before an `errcode`, `status` or `garbage` answer.
    """

    path: str = ""
    userid: str = ""
    times: int = 1
    after_calls: int = 0
    errcode: int | None = None
    status: int | None = None
    drop: Drop | None = None
    garbage: bool = False
    delay_ms: int = 0
    processed: bool = False

    @property
    def replaces_answer(self) -> bool:
        """Tell whether the caller gets something else than the usual answer."""
        return self.garbage or self.errcode is not None or self.status is not None or self.drop is not None

    @property
    def takes_effect(self) -> bool:
        """Tell whether the call is processed all the same."""
        return self.processed or self.drop is Drop.AFTER or not self.replaces_answer


@dataclass(slots=True)
class _Scheduled:
    number: int
    fault: Fault
    passed: int = 0
    hits: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.times > 0 and self.hits >= self.fault.times


class FaultPlan:
    """The faults in the order they were added; of several that match, the first not yet spent is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scheduled: list[_Scheduled] = []
        self._count = 0

    def add(self, fault: Fault) -> int:
        """Schedule `fault` and return its number."""
        with self._lock:
            self._count += 1
            self._scheduled.append(_Scheduled(self._count, fault))
            return self._count

    def take(self, path: str, userids: Iterable[str]) -> tuple[int, Fault] | None:
        """Return the fault that hits this call, counted as used, with its number."""
        asked = {userid.lower() for userid in userids}
        with self._lock:
            for item in self._scheduled:
                fault = item.fault
                elsewhere = fault.path not in {"", path} or (fault.userid and fault.userid.lower() not in asked)
                if item.spent or elsewhere:
                    continue
                if item.passed < fault.after_calls:
                    item.passed += 1
                    continue
                item.hits += 1
                return item.number, fault
        return None

    def to_json(self) -> list[dict[str, object]]:
        """Return every fault with its number, how often it hit, and whether it is spent."""
        with self._lock:
            return [
                {"number": item.number, "hits": item.hits, "spent": item.spent, **asdict(item.fault)}
                for item in self._scheduled
            ]

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._scheduled.clear()


def read_fault(fields: Fields) -> Fault:
    """Return the fault that a JSON object describes, or raise `FieldError`."""
    errcode, status = fields.take("errcode"), fields.take("status")
    if errcode is not None and (not isinstance(errcode, int) or isinstance(errcode, bool)):
        raise FieldError("errcode: an integer is expected")
    if status is not None and (not isinstance(status, int) or not 200 <= status <= 599):
        raise FieldError("status: an HTTP status from 200 to 599 is expected")
    drop = fields.choice("drop", tuple(Drop), "")
    fault = Fault(
        path=fields.text("path", "").strip("/").removeprefix("cgi-bin/"),
        userid=fields.text("userid", ""),
        times=fields.whole("times", 1),
        after_calls=fields.whole("after_calls", 0),
        errcode=errcode,
        status=status,
        drop=Drop(drop) if drop else None,
        garbage=fields.flag("garbage", default=False),
        delay_ms=fields.whole("delay_ms", 0),
        processed=fields.flag("processed", default=False),
    )
    fields.finish()
    if not fault.replaces_answer and not fault.delay_ms:
        raise FieldError("one of errcode, status, drop, garbage and delay_ms is expected")
    return fault
