"""Customer-service accounts as sync_msg shows them: a log an account, read a page at a time."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from frontdesk.messages import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontdesk.messages import Inbound


class LoggedPuller:
    """Gives out what is in ``logs``, by account. A cursor is a place in the log.

    With ``empty_pages`` an empty page, which is not the last, goes before each one with messages; with ``repeat`` a
    page begins with as many messages of the one before. ``requests`` holds account, cursor and token of each call,
    ``failures`` are raised in turn, one a call, and ``None`` lets one pass; ``down`` holds what is raised at each call
    for an account; ``on_page`` is called at each call.
    """

    def __init__(self, *, page_size: int = 2, empty_pages: bool = False, repeat: int = 0) -> None:
        self.logs: dict[str, list[Inbound]] = defaultdict(list)
        self.requests: list[tuple[str, str, str]] = []
        self.failures: deque[Exception | None] = deque()
        self.down: dict[str, Exception] = {}
        self.on_page: Callable[[], None] = lambda: None
        self._page_size = page_size
        self._empty_pages = empty_pages
        self._repeat = repeat

    def page(self, account: str, *, cursor: str, token: str, deadline: float) -> Page:
        """Return the page after ``cursor``."""
        self.requests.append((account, cursor, token))
        self.on_page()
        failure = self.down.get(account) or (self.failures.popleft() if self.failures else None)
        if failure is not None:
            raise failure
        log = self.logs[account]
        place = int(cursor[1:]) if cursor else 0
        if self._empty_pages and place < len(log) and not cursor.startswith("e"):
            return Page((), f"e{place}", more=True)
        following = min(place + self._page_size, len(log))
        shown = log[max(0, place - self._repeat) : following]
        return Page(tuple(shown), f"c{following}", more=following < len(log))
