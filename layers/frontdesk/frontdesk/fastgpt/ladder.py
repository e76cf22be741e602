"""The model as a ladder of endpoints: where one fails, the next one answers, within the same attempt.

Each endpoint has a circuit of its own, and is passed over while that is open. An endpoint that has others below it gets
what is left of the time but a share for each of those, so that whatever the upper ones do, the lower ones are asked.
Whoever was not the last to answer in a talk does not know it: it is asked afresh, in a chat of its own. So no pause of
one endpoint swallows what is meant for another. Below all of them stand the approved answers.

An answer's ``attempt_id`` carries the name of its rung in front, but for the primary's: feedback finds its way back.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.circuit import State
from frontdesk.fastgpt.errors_table import needs_person
from frontdesk.fastgpt.failing import OUT_OF_POINTS, Circuiting, Instead, meaning_of
from frontdesk.messages import PRIMARY, rung_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.fastgpt.breaker import Breaker, Pass
    from frontdesk.messages import ModelAnswer, Question

SHARE_S = 20.0
"""What is kept of the time for each endpoint below the one that is asked."""
LEAST_S = 3.0
"""With less than that left nobody else is asked."""
SILENCE_ABOVE_S = 15.0
"""How long an endpoint that has others below it may send nothing. FastGPT sends a heartbeat every 10 s."""

_log = logging.getLogger(__name__)


class Client(Protocol):
    """One app of one FastGPT."""

    identity: str

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the answer, or raise a `FrontdeskError`."""

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Take what a customer thinks of an answer."""


class Approved(Protocol):
    """The answers that the company has approved."""

    def find(self, words: str) -> ModelAnswer | None:
        """Return the answer to these very words, if there is one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One rung. ``team`` is whose points and limits it lives on: equal names are the same team."""

    rung: str
    client: Client
    breaker: Breaker
    team: str


class Ladder:
    """The company's model, as the conversation knows it. Many threads may ask."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        approved: Approved | None = None,
        happened: Callable[[str], None] = lambda _what: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``endpoints`` in the order in which they are asked. ``clock`` counts the seconds of deadlines.

        ``happened`` hears of what people should know: ``met_open`` and ``out_of_points``.
        """
        self._endpoints = tuple(endpoints)
        self._approved = approved
        self._happened = happened
        self._clock = clock
        self.identity = self._endpoints[0].client.identity

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the first answer that a rung gives.

        ``deadline`` is a moment on the ladder's clock. Raises what the only rung raised, or what cannot be helped by
        asking another; otherwise a `TransientError` where asking later can help, else a `MisconfiguredError`.
        """
        climb = _Climb(question, deadline, _once(on_first_words), self._clock())
        order = self._order(question)
        for endpoint in order:
            if climb.is_barred(endpoint):
                continue
            leave = endpoint.breaker.admit()
            if leave is None:
                climb.open.append(endpoint)
                self._happened("met_open")
            elif answer := self._try(climb, endpoint, leave, order):
                return answer
        approved = self._approved_answer(climb)
        if approved is not None:
            return approved
        if not climb.failures:  # nobody was asked
            for endpoint in order:
                leave = endpoint.breaker.insist()
                if leave and (answer := self._try(climb, endpoint, leave, order)):
                    return answer
        raise climb.end()

    def feedback(self, chat_id: str, attempt_id: str, *, good: bool, deadline: float) -> None:
        """Tell the endpoint that gave the answer; nobody, where there is none such, or none that keeps it."""
        rung = rung_of(attempt_id)
        kept_as = attempt_id if rung == PRIMARY else attempt_id.partition("/")[2]
        for endpoint in self._endpoints:
            if endpoint.rung == rung and kept_as:
                endpoint.client.feedback(chat_id, kept_as, good=good, deadline=deadline)

    # -- the rungs ---------------------------------------------------------------------------------------------

    def _order(self, question: Question) -> Sequence[Endpoint]:
        """Return the endpoints in the order for this question: one that has paused for it goes first."""
        if not question.paused:
            return self._endpoints
        paused = rung_of(question.last_attempt)
        return sorted(self._endpoints, key=lambda each: each.rung != paused)

    def _try(self, climb: _Climb, endpoint: Endpoint, leave: Pass, order: Sequence[Endpoint]) -> ModelAnswer | None:
        """Return the endpoint's answer, or nothing when another one is to be asked; raises what nobody can help."""
        now = self._clock()
        left_s = climb.deadline - now
        if climb.failures and left_s < LEAST_S:
            return None
        below = sum(climb.may_ask(each) for each in order[order.index(endpoint) + 1 :])
        share_s = max(left_s - SHARE_S * below, left_s / (below + 1))
        asked, afresh = climb.question_for(endpoint)
        try:
            answer = endpoint.client.ask(asked, deadline=now + share_s, on_first_words=climb.on_first_words)
        except FrontdeskError as error:
            self._failed(climb, endpoint, leave, error, share_s)
            return None
        endpoint.breaker.succeeded(leave)
        attempt_id = answer.attempt_id if endpoint.rung == PRIMARY else f"{endpoint.rung}/{answer.attempt_id}"
        answer = replace(
            answer,
            attempt_id=attempt_id,
            identity=endpoint.client.identity,
            afresh=afresh,
            misconfigured=climb.is_misconfigured,
        )
        if climb.failures:  # the customer waited for those, too
            answer = replace(answer, total_ms=round((self._clock() - climb.began) * 1000))
        return answer

    def _failed(self, climb: _Climb, endpoint: Endpoint, leave: Pass, error: FrontdeskError, share_s: float) -> None:
        meaning = meaning_of(error)
        hurried = error.code == "fastgpt_deadline" and share_s < SHARE_S  # no endpoint's fault
        endpoint.breaker.failed(leave, error, Circuiting.IGNORED if hurried else meaning.circuit)
        _log.warning("endpoint failed", extra={"rung": endpoint.rung, "code": error.code})
        if error.code in OUT_OF_POINTS:
            self._happened("out_of_points")
        climb.failures.append((endpoint, error))
        if meaning.instead is Instead.NOBODY:
            raise climb.end()
        if meaning.instead is Instead.OTHER_TEAM:
            climb.barred_teams.add(endpoint.team)

    def _approved_answer(self, climb: _Climb) -> ModelAnswer | None:
        """Return the approved answer, where there is one and the model is out of order rather than busy."""
        out_of_order = climb.open or any(
            meaning_of(error).circuit is not Circuiting.IGNORED for _, error in climb.failures
        )
        if self._approved is None or climb.question.afresh is None or not out_of_order:
            return None
        answer = self._approved.find(climb.question.afresh.words)
        if answer is None:
            return None
        climb.on_first_words()
        total_ms = round((self._clock() - climb.began) * 1000)
        return replace(answer, total_ms=total_ms, misconfigured=climb.is_misconfigured)


class _Climb:
    """One question's way down the ladder: who failed, who was passed over, and whose team is of no use."""

    def __init__(self, question: Question, deadline: float, on_first_words: Callable[[], None], began: float) -> None:
        self.question = question
        self.deadline = deadline
        self.on_first_words = on_first_words
        self.began = began
        self.failures: list[tuple[Endpoint, FrontdeskError]] = []
        self.open: list[Endpoint] = []
        self.barred_teams: set[str] = set()

    def is_barred(self, endpoint: Endpoint) -> bool:
        return endpoint.team in self.barred_teams

    def may_ask(self, endpoint: Endpoint) -> bool:
        """Return whether the endpoint would be asked, as far as this instance knows."""
        return not self.is_barred(endpoint) and endpoint.breaker.state() in {State.CLOSED, State.HALF_OPEN}

    @property
    def is_misconfigured(self) -> bool:
        """Whether an endpoint that was asked needs a person to put it right."""
        return any(isinstance(error, MisconfiguredError) for _, error in self.failures)

    def question_for(self, endpoint: Endpoint) -> tuple[Question, bool]:
        """Return the question as this endpoint is asked it, and whether that is afresh."""
        knows = not self.failures and rung_of(self.question.last_attempt) in {"", endpoint.rung}
        afresh = self.question.afresh
        if knows or afresh is None:
            return self.question, False
        return replace(self.question, chat_id=afresh.chat_id, text=afresh.text), True

    def end(self) -> FrontdeskError:
        """Return the error that it all comes to."""
        if len(self.failures) == 1 and not self.open:
            return self.failures[0][1]
        errors = [error for _, error in self.failures]
        if errors and isinstance(errors[-1], PermanentError) and meaning_of(errors[-1]).instead is Instead.NOBODY:
            return errors[-1]
        waits = [error.retry_after_s for error in errors if isinstance(error, TransientError)]
        waits += [each.breaker.wait_s() for each in self.open if not needs_person(each.breaker.known.code)]
        if waits:
            return TransientError(
                "no endpoint of FastGPT answers",
                code=errors[-1].code if errors else "fastgpt_endpoints_open",
                retry_after_s=min(waits),
                misconfigured=self.is_misconfigured,
            )
        if errors:
            return errors[0]
        return MisconfiguredError(
            "FastGPT is left alone until a person has put it right", code=self.open[0].breaker.known.code
        )


def _once(told: Callable[[], None]) -> Callable[[], None]:
    """Return ``told`` as something that tells the first time only, whoever calls it."""
    said: list[bool] = []

    def tell() -> None:
        if not said:
            said.append(True)
            told()

    return tell
