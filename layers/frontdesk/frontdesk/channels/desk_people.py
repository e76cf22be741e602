"""The people behind a desk, as the self-built app reaches them: whom it does not reach is logged, and stops nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from frontdesk.errors import MisconfiguredError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontdesk.channels.wecom_api import WecomApi
    from frontdesk.records import Attendance

log = logging.getLogger(__name__)

# For how long the same words to the same people are shown once: whatever is told here says what it is about.
DUPLICATE_WINDOW_S = 4 * 3600


class DeskPeople:
    """Who attends, and the agents who could help out."""

    def __init__(self, app: WecomApi, agents: Sequence[str]) -> None:
        """``agents`` are user ids within the visible range of ``app``."""
        self._app = app
        self.agents = tuple(dict.fromkeys(agents))

    def concerned(self, attendance: Attendance, *, everybody: bool) -> tuple[str, ...]:
        """Return the person in charge; with ``everybody``, or where there is none, the agents as well."""
        in_charge = [attendance.agent] if attendance.agent else []
        return tuple(dict.fromkeys([*in_charge, *(self.agents if everybody or not in_charge else ())]))

    def tell(self, members: Sequence[str], text: str, *, deadline: float) -> bool:
        """Return whether ``text`` reached any of them; raises `TransientError`."""
        try:
            self._app.tell(members, text, duplicate_window_s=DUPLICATE_WINDOW_S, deadline=deadline)
        except PermanentError as error:
            note_refusal("nobody is reached through the app", error)
            return False
        return True


def note_refusal(what: str, error: PermanentError) -> None:
    """Log a refusal that stops nothing: as an error when a person has to change something."""
    level = logging.ERROR if isinstance(error, MisconfiguredError) else logging.WARNING
    log.log(level, what, extra={"code": error.code})
