"""Runs the checks of a diagnosis side by side, each within its time, so that none hides another.

What a check looks at, and what it means, is known elsewhere. Used inside the deployment by the function of the doctor,
and by the operator's command around it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontdesk.errors import FrontdeskError
from frontdesk.records import Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TIMED_OUT = "timed_out"
UNEXPECTED = "unexpected"
NEEDS = "needs"


class NeedsError(Exception):
    """What a check stands on is not there: it is not run. ``needs`` names the check that tells why."""

    def __init__(self, needs: str) -> None:
        super().__init__(needs)
        self.needs = needs


@dataclass(frozen=True, slots=True)
class Checkup:
    """Checks that follow one another: ``work`` yields what it found, for each of ``names`` in their turn.

    ``about`` is what all of them are about, where there are several checkups of a kind. ``work`` may end before its
    last name, when what it found leaves nothing to look at behind it, or raise `NeedsError`.
    """

    names: tuple[str, ...]
    work: Callable[[], Iterable[Checked]]
    limit_s: float
    about: str = ""


def side_by_side(checkups: Sequence[Checkup], *, monotonic: Callable[[], float] = time.monotonic) -> Iterator[Checked]:
    """Yield what all of them find, in their order. Nothing is raised, and nothing lasts longer than its ``limit_s``.

    A checkup that takes too long, or raises, has failed at the first of its names that it has not told of; those
    after it were not looked at, and their ``code`` names the check that they would have needed.
    """
    runs = [_Run(checkup) for checkup in checkups]
    started_at = monotonic()
    for run in runs:
        run.thread.start()
    for run in runs:
        run.thread.join(max(0.0, started_at + run.checkup.limit_s - monotonic()))
        yield from run.outcome()


class _Run:
    """One checkup in a thread of its own; a daemon, because nothing can end a thread that hangs."""

    def __init__(self, checkup: Checkup) -> None:
        self.checkup = checkup
        self.thread = threading.Thread(target=self._work, daemon=True)
        self._found: list[Checked] = []
        self._broken = ""
        self._needs = ""

    def _work(self) -> None:
        try:
            for found in self.checkup.work():
                self._found.append(found)
        except NeedsError as error:
            self._needs = error.needs
        except FrontdeskError as error:
            self._broken = error.code
        except Exception:  # noqa: BLE001  # the outermost line of this thread; the text may hold anything
            self._broken = UNEXPECTED

    def outcome(self) -> Iterator[Checked]:
        """Yield what was found until now, and what became of the names that are missing."""
        broken = TIMED_OUT if self.thread.is_alive() else self._broken
        found = list(self._found)
        yield from found
        told = {each.name for each in found}
        behind = self._needs or next((each.name for each in reversed(found) if each.result == "failed"), "")
        for name in self.checkup.names:
            if name in told:
                continue
            if broken:
                yield Checked(name, "failed", code=broken, about=self.checkup.about)
                broken, behind = "", name
            else:
                yield Checked(name, "not_run", code=NEEDS, about=self.checkup.about, seen={NEEDS: behind})
