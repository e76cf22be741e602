"""Sends that are accepted and fail afterwards, by choice: msg_send_fail follows (WeCom developer docs, path 94670)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Failure:
    external_userid: str
    fail_type: int
    left: int


class FailurePlan:
    """Which of the next sends will fail."""

    def __init__(self) -> None:
        self._planned: list[_Failure] = []

    def add(self, external_userid: str, fail_type: int, times: int) -> None:
        """Let the next `times` accepted sends to the customer (to anyone for "") fail with `fail_type`."""
        self._planned.append(_Failure(external_userid, fail_type, times))

    def take(self, external_userid: str) -> int | None:
        """Return the type with which this send fails, counted as used, or `None`."""
        for failure in self._planned:
            if failure.left and failure.external_userid in {"", external_userid}:
                failure.left -= 1
                return failure.fail_type
        return None

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._planned.clear()
