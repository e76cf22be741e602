"""Decides whether an endpoint is asked, by its circuit as all instances share it and as this one knows it.

While the circuit is closed, no question waits for the store: this instance's copy decides, and is read again beside a
question, at most every `FRESH_S`. A failure is counted in the store at once, by one atomic update, whose answer tells
how many all instances met; a success takes back the failures that this instance counted before, in the background.
Where the store fails, this instance goes on with what it knows itself.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from frontdesk.errors import FrontdeskError
from frontdesk.fastgpt import circuit as machine
from frontdesk.fastgpt.circuit import State
from frontdesk.fastgpt.failing import Circuiting
from frontdesk.records import Circuit

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH_S = 5.0
PROBE_S = 5.0
"""Of a probe in the background; one that a customer waits for has `INSISTING_PROBE_S`."""
INSISTING_PROBE_S = 3.0
TRIAL_S = 120.0
"""How long a trial is somebody's at most: the function's own time."""
_MARGIN_S = 1.0

_log = logging.getLogger(__name__)


class Circuits(Protocol):
    """The shared circuits. Every method raises a `FrontdeskError` when the store is out of reach."""

    def read(self, endpoint: str, *, now: float) -> Circuit:
        """Return the circuit of ``endpoint``."""

    def count(self, endpoint: str, failures: int, *, now: float) -> Circuit:
        """Return the circuit after ``failures`` more, or fewer when it is below zero."""

    def save(self, endpoint: str, circuit: Circuit, *, now: float) -> bool:
        """Keep ``circuit``; return whether nobody else changed it since its version."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The leave to ask an endpoint. ``trial`` is the half-open circuit that this question is to try, if it is."""

    trial: Circuit | None = None


class Breaker:
    """The breaker of one endpoint in one process; many threads share it."""

    def __init__(
        self,
        endpoint: str,
        *,
        circuits: Circuits,
        probe: Callable[[float], None],
        on_opened: Callable[[], None],
        submit: Callable[[Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        """``probe`` is given its seconds, and raises a `FrontdeskError` where the endpoint does not do.

        ``on_opened`` hears of it when this instance opens a closed circuit; ``submit`` runs something in the
        background; ``clock`` returns epoch seconds.
        """
        self.endpoint = endpoint
        self._circuits = circuits
        self._probe_call = probe
        self._on_opened = on_opened
        self._submit = submit
        self._clock = clock
        self._lock = threading.Lock()
        self._circuit = Circuit()
        self._read_at = float("-inf")
        self._busy = False
        self._own_failures = 0

    @property
    def known(self) -> Circuit:
        """The circuit as this instance knows it."""
        return self._circuit

    def state(self) -> State:
        """Return the state as this instance knows it."""
        return machine.state(self._circuit, self._clock())

    def wait_s(self) -> float:
        """Return after how many seconds, at least, it is worth asking again."""
        return machine.wait_s(self._circuit, self._clock())

    # -- before a question -------------------------------------------------------------------------------------

    def admit(self) -> Pass | None:
        """Return the leave to ask, or nothing. Waits for the store only where the circuit is half-open."""
        now = self._clock()
        match machine.state(self._circuit, now):
            case State.HALF_OPEN:
                return self._trial(self._circuit)
            case State.DUE:
                self._in_background(self._probe)
                return None
            case found:
                if now - self._read_at >= FRESH_S:
                    self._in_background(self.refresh)
                return Pass() if found is State.CLOSED else None

    def insist(self) -> Pass | None:
        """Return the leave to ask an endpoint whose circuit is not closed, for a question that has no other way.

        It is probed first, in this thread; at most one question of all instances does so at a time.
        """
        self.refresh()
        known, found = self._circuit, self.state()
        if found is State.CLOSED:
            return Pass()
        if found is State.HALF_OPEN:
            return self._trial(known)
        if found is State.TAKEN:
            return None
        mine = self._take(known, INSISTING_PROBE_S + _MARGIN_S)
        if mine is None:
            return None
        try:
            self._probe_call(INSISTING_PROBE_S)
        except FrontdeskError as error:
            _log.warning("endpoint probed in vain", extra={"rung": self.endpoint, "code": error.code})
            if found is State.DUE:
                self._save(machine.opened(mine, error.code, self._clock()))
            return None
        return self._trial(mine)

    def _trial(self, known: Circuit) -> Pass | None:
        mine = self._take(machine.probed(replace(known, version=known.version - 1)), TRIAL_S)
        return Pass(mine) if mine else None

    def _take(self, known: Circuit, seconds: float) -> Circuit | None:
        """Return the circuit as taken by this instance, or nothing when another one was faster."""
        mine = machine.taken(known, self._clock() + seconds)
        return mine if self._save(mine) else None

    # -- after it ----------------------------------------------------------------------------------------------

    def succeeded(self, leave: Pass) -> None:
        """Note that the endpoint answered."""
        if leave.trial:
            self._save(machine.closed(leave.trial))
            _log.info("endpoint closed", extra={"rung": self.endpoint})
        elif self._own_failures:
            self._in_background(self._take_back)

    def failed(self, leave: Pass, error: FrontdeskError, circuiting: Circuiting) -> None:
        """Note that the endpoint failed, and open the circuit where that is to be."""
        if circuiting is Circuiting.IGNORED:
            self.give_back(leave)
        elif leave.trial:
            self._save(machine.opened(leave.trial, error.code, self._clock()))
        elif circuiting is Circuiting.COUNTED:
            self._count()
            if machine.must_open(self._circuit):
                self._open(error.code)
        elif circuiting is Circuiting.OPENS and not self._circuit.openings:
            self._open(error.code)

    def give_back(self, leave: Pass) -> None:
        """Note that the question told nothing of the endpoint: another one may try it."""
        if leave.trial:
            self._save(machine.given_back(leave.trial))

    def _count(self) -> None:
        with self._lock:
            self._own_failures += 1
        now = self._clock()
        try:
            self._know(self._circuits.count(self.endpoint, 1, now=now))
        except FrontdeskError as error:
            self._out_of_reach(error)
            self._circuit = replace(self._circuit, failures=self._circuit.failures + 1)

    def _open(self, code: str) -> None:
        was = self._circuit
        if self._save(machine.opened(was, code, self._clock())):
            _log.error("endpoint opened", extra={"rung": self.endpoint, "code": code})
            self._own_failures = 0
            self._on_opened()

    # -- the store ---------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the circuit as shared; a store that is out of reach changes nothing."""
        try:
            self._know(self._circuits.read(self.endpoint, now=self._clock()))
        except FrontdeskError as error:
            self._out_of_reach(error)

    def _probe(self) -> None:
        self.refresh()
        if self.state() is not State.DUE:
            return
        mine = self._take(self._circuit, PROBE_S + _MARGIN_S)
        if mine is None:
            return
        try:
            self._probe_call(PROBE_S)
        except FrontdeskError as error:
            _log.warning("endpoint probed in vain", extra={"rung": self.endpoint, "code": error.code})
            self._save(machine.opened(mine, error.code, self._clock()))
        else:
            self._save(machine.probed(mine))

    def _take_back(self) -> None:
        with self._lock:
            failures, self._own_failures = self._own_failures, 0
        self._know(self._circuits.count(self.endpoint, -failures, now=self._clock()))

    def _save(self, circuit: Circuit) -> bool:
        """Share ``circuit``, and know it; where somebody else was faster, know theirs and return false.

        A store that is out of reach stops nothing: then this instance alone knows.
        """
        try:
            if self._circuits.save(self.endpoint, circuit, now=self._clock()):
                self._know(circuit)
                return True
            self._know(self._circuits.read(self.endpoint, now=self._clock()))
        except FrontdeskError as error:
            self._out_of_reach(error)
            self._circuit = circuit
            return True
        return False

    def _know(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self._read_at = self._clock()

    def _out_of_reach(self, error: FrontdeskError) -> None:
        self._read_at = self._clock()
        _log.warning("circuit not shared", exc_info=error, extra={"rung": self.endpoint, "code": error.code})

    def _in_background(self, job: Callable[[], None]) -> None:
        """Have ``job`` done beside the question, unless this breaker has one under way."""
        with self._lock:
            if self._busy:
                return
            self._busy = True

        def work() -> None:
            try:
                job()
            except FrontdeskError as error:
                self._out_of_reach(error)
            except Exception as error:  # noqa: BLE001  # the outermost line of this thread: nobody else would hear of it
                _log.error("circuit not shared", exc_info=error, extra={"rung": self.endpoint, "code": "unexpected"})
            finally:
                self._busy = False

        self._submit(work)
