"""Fetches what a customer-service account has received and puts it into the inbox, each message at least once.

One pull at a time has the account. Its cursor moves when all of a page is in the inbox, not before: whatever ends a
pull, the next one begins with what may be missing, and the inbox drops what it has. How far a pull came is kept with
the account, and so is when the last one began that reached the end: it has served every notification before that.

What an account has received from before it was known here is history, and what is older than the vendor lets anybody
answer is stale. Neither is put: nobody may get an answer to what they asked days ago.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from frontdesk.errors import ConflictError, FrontdeskError, MisconfiguredError, PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.conversation.ports import Accounts, Puller, Queue
    from frontdesk.messages import Inbound, Page, Pull
    from frontdesk.records import Account

# A notification comes within seconds of the message that it is about, and sometimes only at its third try.
ANSWER_BEFORE_NOTICE_S = 120
# Who gave the notification its time, and who noted when a pull began, have clocks of their own.
CLOCKS_DIFFER_MS = 2_000
# A customer-service account may send nothing to a customer who wrote longer ago.
STALE_AFTER_S = 48 * 3_600
# No page is begun later than this before the end, and what is left after fetching it is for putting it in.
_STOP_BEFORE_END_S = 10.0
_PUTTING_S = 5.0
# A lease ends by itself when its holder must be gone, because its time is over, and not before.
_LEASE_BEYOND_END_MS = 30_000
_BUSY_WAIT_S = 3.0
_UNFINISHED_WAIT_S = 1.0
# Pages may be empty and still not be the last; but a cursor that stands still leads nowhere.
_MOST_STANDSTILLS = 3

log = logging.getLogger("frontdesk.collecting")


@dataclass(slots=True)
class Collected:
    """What became of a pull. ``put`` counts messages by channel, others were left out as ``history`` or ``stale``.

    ``served`` tells that an earlier pull had done it all. ``unreadable`` is the code of the error when the account
    cannot be fetched until a person changes something, ``misconfigured`` that this goes for every account.
    """

    put: Counter[str] = field(default_factory=Counter)
    history: int = 0
    stale: int = 0
    skipped: int = 0
    pages: int = 0
    served: bool = False
    unreadable: str = ""
    misconfigured: bool = False


class Collecting:
    """Pulls the messages of accounts. Any number of threads and processes may."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        puller: Puller,
        inbox: Queue,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        new_lease: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """``clock`` returns epoch seconds; ``new_lease`` gives another token each time."""
        self._accounts = accounts
        self._puller = puller
        self._inbox = inbox
        self._clock = clock
        self._monotonic = monotonic
        self._new_lease = new_lease

    def pull(self, *pulls: Pull, deadline: float) -> Collected:
        """Return when all that the account had received when this began is in the inbox.

        ``pulls``, at least one, are of one account and done as one: the newest token fetches. ``deadline`` is on the
        monotonic clock, and the end of this process's time. Raises `TransientError`, with the wait that can help, when
        somebody else is pulling, when time ran out, or when something failed: then all ``pulls`` are to come again.
        """
        account = self._accounts.get_or_add(
            pulls[0].account,
            answer_from=min(each.noticed_at_ms for each in pulls) // 1000 - ANSWER_BEFORE_NOTICE_S,
        )
        collected = Collected()
        if self._served(account, pulls):
            collected.served = True
            return collected
        lease = self._new_lease()
        began_ms = self._now_ms()
        account = self._leased(account.account, lease, now_ms=began_ms, deadline=deadline)
        try:
            collected.served = self._served(account, pulls)
            refusal = None if collected.served else self._fetch(account, lease, pulls, collected, deadline=deadline)
        except Exception:
            log.warning("pull not finished", extra=_counts(collected))
            with suppress(FrontdeskError):
                # What went wrong before is what has to be told, and the lease ends by itself.
                self._accounts.release(account.account, lease, complete_from_ms=None)
            raise
        if refusal is not None:
            collected.unreadable = refusal.code
            collected.misconfigured = isinstance(refusal, MisconfiguredError)
            # One that cannot be fetched because nobody can is not withdrawn: it is tried again each minute.
            withdrawn = not collected.misconfigured
            self._accounts.release(account.account, lease, complete_from_ms=None, withdrawn=withdrawn)
            log.error("account unreadable", exc_info=refusal, extra={"code": refusal.code, **_counts(collected)})
            return collected
        complete_from_ms = None if collected.served else began_ms
        self._accounts.release(account.account, lease, complete_from_ms=complete_from_ms)
        log.info("pull done", extra=_counts(collected))
        return collected

    def _leased(self, account: str, lease: str, *, now_ms: int, deadline: float) -> Account:
        time_left_ms = int((deadline - self._monotonic()) * 1000)
        try:
            return self._accounts.lease(
                account, lease, now_ms=now_ms, until_ms=now_ms + time_left_ms + _LEASE_BEYOND_END_MS
            )
        except ConflictError:
            raise TransientError(
                "somebody else is pulling this account", code="account_busy", retry_after_s=_BUSY_WAIT_S
            ) from None

    def _fetch(
        self, account: Account, lease: str, pulls: Sequence[Pull], collected: Collected, *, deadline: float
    ) -> PermanentError | None:
        """Put everything from the account's cursor on into the inbox, page by page.

        Return why the account cannot be fetched, nothing when it was.
        """
        newest_first = sorted(pulls, key=lambda each: each.noticed_at_ms, reverse=True)
        token = next((each.token for each in newest_first if each.token), "")
        cursor = account.cursor
        standstills = 0
        while True:
            if self._monotonic() > deadline - _STOP_BEFORE_END_S:
                raise TransientError(
                    "time ran out before the last page", code="pull_unfinished", retry_after_s=_UNFINISHED_WAIT_S
                )
            try:
                page = self._puller.page(account.account, cursor=cursor, token=token, deadline=deadline - _PUTTING_S)
            except PermanentError as error:
                return error
            self._put(page, account, collected)
            following = page.cursor or cursor
            if following != cursor:
                self._advance(account.account, lease, following)
                standstills = 0
            elif page.more:
                standstills += 1
            cursor = following
            if not page.more:
                return None
            if standstills > _MOST_STANDSTILLS:
                raise TransientError("the account's pages do not go on", code="pull_stuck", retry_after_s=_BUSY_WAIT_S)

    def _put(self, page: Page, account: Account, collected: Collected) -> None:
        oldest = self._clock() - STALE_AFTER_S
        wanted: list[Inbound] = []
        for inbound in page.inbounds:
            if inbound.sent_at < account.answer_from:
                collected.history += 1
            elif inbound.sent_at < oldest:
                collected.stale += 1
            else:
                wanted.append(inbound)
        if wanted:
            self._inbox.put_all(wanted)
        collected.put.update(inbound.channel for inbound in wanted)
        collected.skipped += page.skipped
        collected.pages += 1

    def _advance(self, account: str, lease: str, cursor: str) -> None:
        try:
            self._accounts.advance(account, lease, cursor)
        except ConflictError:
            # It took so long that somebody else was let in. They have begun where we last got to: nothing is lost.
            raise TransientError(
                "somebody else is pulling this account by now", code="account_busy", retry_after_s=_BUSY_WAIT_S
            ) from None

    def _served(self, account: Account, pulls: Sequence[Pull]) -> bool:
        newest_ms = max(each.noticed_at_ms for each in pulls)
        return account.complete_from_ms > newest_ms + CLOCKS_DIFFER_MS

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _counts(collected: Collected) -> dict[str, int]:
    return {
        "put": collected.put.total(),
        "history": collected.history,
        "stale": collected.stale,
        "skipped": collected.skipped,
        "pages": collected.pages,
    }
