"""Time for many threads: it passes when all of them wait, and one of them runs at a time.

So an hour passes in seconds, no thread waits for another longer than it has to, and the same seed makes the same run.
A thread that the timekeeper did not start, as a library's timer, never waits and is not waited for.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FOREVER = math.inf


class AbortedError(BaseException):
    """The run is over: whoever waits still ends here."""


class Place:
    """Where one thread waits for its turn."""

    def __init__(self) -> None:
        self._turn = threading.Semaphore(0)
        self.called = False

    def wait(self) -> None:
        """Return when it is this thread's turn."""
        self._turn.acquire()

    def call(self) -> None:
        """Let the thread go on."""
        self.called = True
        self._turn.release()


class Timekeeper:
    """Called, it gives epoch seconds; `monotonic` gives the other clock, which moves with it."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._now = start
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, int, Place]] = []
        self._numbers = itertools.count()
        self._running = 0
        self._threads = threading.local()
        self._aborted = False
        self._empty = threading.Event()
        self.failures: list[BaseException] = []

    def __call__(self) -> float:
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self._now - self._start

    @property
    def keeps_me(self) -> bool:
        """Whether this thread is one whose time is kept."""
        return getattr(self._threads, "kept", False)

    def spawn(self, work: Callable[[], object], submit: Callable[[Callable[[], None]], object] | None = None) -> None:
        """Let ``work`` begin now in a thread of its own, or where ``submit`` puts it."""
        with self._lock:
            place = self._place(self._now)

        def run() -> None:
            place.wait()
            self._threads.kept = True
            try:
                if not self._aborted:
                    work()
            except AbortedError:
                pass
            except BaseException as error:  # noqa: BLE001  # the outermost line of the thread: `run` raises it again
                self.failures.append(error)
            finally:
                self._threads.kept = False
                with self._lock:
                    self._running -= 1
                    self._next()

        if submit:
            submit(run)
        else:
            threading.Thread(target=run, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Return when so much time has passed; at once in a thread whose time is not kept."""
        if self.keeps_me:
            self.wait(self.place(), self._now + max(0.0, seconds))

    def place(self) -> Place:
        """Return a place to `wait` at, which another thread can `wake`."""
        return Place()

    def wait(self, place: Place, until: float = FOREVER) -> None:
        """Return at ``until``, or when somebody wakes ``place``."""
        with self._lock:
            heapq.heappush(self._waiting, (until, next(self._numbers), place))
            self._running -= 1
            self._next()
        place.wait()
        if self._aborted:
            raise AbortedError

    def wake(self, place: Place, *, after: float = 0.0) -> None:
        """Let whoever waits, or will wait, at ``place`` go on in ``after`` seconds."""
        with self._lock:
            if not place.called:
                heapq.heappush(self._waiting, (self._now + after, next(self._numbers), place))

    def run(self, limit_s: float) -> None:
        """Let time pass until no thread is left, and raise again what ended one of them.

        Raises TimeoutError after ``limit_s`` seconds of the machine's own time.
        """
        with self._lock:
            self._next()
        ended = self._empty.wait(limit_s)
        if not ended:
            self.abort()
        if self.failures:
            raise self.failures[0]
        if not ended:
            raise TimeoutError(
                f"not at an end after {limit_s:.0f} s; {self.monotonic():.0f} s of kept time have passed"
            )

    def abort(self) -> None:
        """End every thread that waits."""
        with self._lock:
            self._aborted = True
            waiting = {place for _, _, place in self._waiting if not place.called}
            self._waiting.clear()
            self._running += len(waiting)
            for place in waiting:
                place.call()

    def _place(self, due: float) -> Place:
        place = Place()
        heapq.heappush(self._waiting, (due, next(self._numbers), place))
        return place

    def _next(self) -> None:
        """Let the one go on whose time comes first, unless somebody runs."""
        if self._running:
            return
        while self._waiting:
            due, _, place = heapq.heappop(self._waiting)
            if place.called:
                continue
            if due == FOREVER:
                self.failures.append(RuntimeError("every thread waits for another"))
                self._empty.set()
                return
            self._now = max(self._now, due)
            self._running += 1
            place.call()
            return
        self._empty.set()
