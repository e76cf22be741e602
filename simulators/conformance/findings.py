"""What a check can find."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended. `NOT_APPLICABLE`: the bot does not do what is checked, and need not."""

    OK = "ok"
    FAIL = "FAIL"
    NOT_APPLICABLE = "n/a"


class FailedError(Exception):
    """The bot does not stand the check; the text says what was seen."""


class NotApplicableError(Exception):
    """The bot does not do what is checked; the text says why that is believed."""


@dataclass(frozen=True, slots=True)
class Result:
    """One check as it ended."""

    name: str
    happens: str
    expected: str
    seen: str
    status: Status
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Return the result for a program to read."""
        return asdict(self)
