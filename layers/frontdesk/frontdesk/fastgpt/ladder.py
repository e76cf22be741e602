"""The model as a ladder of endpoints: where one fails, the next one answers, within the same attempt.

Each endpoint has a circuit of its own, and is passed over while that is open. An endpoint that has others below it gets
what is left of the time but a share for each of those, so that whatever the upper ones do, the lower ones are asked.
Whoever was not the last to answer in a talk does not know it: it is asked afresh, in a chat of its own. So no pause of
one endpoint swallows what is meant for another. Below all of them stand the approved answers.

An endpoint that has said nothing for a while can be given a rival: the next one is asked too, and the first whole
answer counts. The rival's chat is not kept, so that nothing of a lost race is left at it.

An answer's ``attempt_id`` carries the name of its rung in front, but for the primary's: feedback finds its way back.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from frontdesk.errors import FrontdeskError, MisconfiguredError, PermanentError, TransientError
from frontdesk.fastgpt.canary import tries_canary
from frontdesk.fastgpt.circuit import State
from frontdesk.fastgpt.client import NOT_RECORDED
from frontdesk.fastgpt.errors_table import needs_person
from frontdesk.fastgpt.failing import OUT_OF_POINTS, Circuiting, Instead, meaning_of
from frontdesk.fastgpt.race import Race, Runner
from frontdesk.fastgpt.transport import DeadlineError
from frontdesk.messages import CANARY, PRIMARY, rung_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontdesk.fastgpt.breaker import Breaker, Pass
    from frontdesk.fastgpt.watched import Watch
    from frontdesk.messages import Afresh, ModelAnswer, Question

SHARE_S = 20.0
"""What is kept of the time for each endpoint below the one that is asked."""
LEAST_S = 3.0
"""With less than that left nobody else is asked."""
SILENCE_ABOVE_S = 15.0
"""How long an endpoint that has others below it may send nothing. FastGPT sends a heartbeat every 10 s."""
_MOST_RACERS = 20  # two for each of the ten conversations that a function works at

_log = logging.getLogger(__name__)


class Client(Protocol):
    """One app of one FastGPT."""

    identity: str

    def ask(
        self,
        question: Question,
        *,
        deadline: float,
        on_first_words: Callable[[], None],
        watch: Watch | None = None,
    ) -> ModelAnswer:
        """Return the answer, or raise a `FrontdeskError`; whoever cuts the ``watch`` ends the call."""

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
        canary_percent: float = 0,
        canary_stopped: Callable[[], bool] = lambda: False,
        hedge_after_s: float = 0,
        happened: Callable[[str], None] = lambda _what: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``endpoints`` in the order in which they are asked. ``clock`` counts the seconds of deadlines.

        The rung ``canary`` is asked for ``canary_percent`` of the customers only, and for none while
        ``canary_stopped``. ``hedge_after_s`` 0 gives no rivals.
        ``happened`` hears of what people should know: ``met_open`` and ``out_of_points``.
        """
        self._endpoints = tuple(endpoints)
        self._approved = approved
        self._canary_percent = canary_percent if any(each.rung == CANARY for each in endpoints) else 0
        self._canary_stopped = canary_stopped
        self._hedge_after_s = hedge_after_s
        self._racers = ThreadPoolExecutor(_MOST_RACERS, thread_name_prefix="race") if hedge_after_s else None
        self._happened = happened
        self._clock = clock
        self.identity = next(each.client.identity for each in endpoints if each.rung == PRIMARY)

    def variant(self, conversation: str) -> str:
        """Return which version of the app the questions of ``conversation`` go to, "" where there is one version."""
        if not self._canary_percent:
            return ""
        tries = tries_canary(conversation, self._canary_percent) and not self._canary_stopped()
        return CANARY if tries else PRIMARY

    def ask(self, question: Question, *, deadline: float, on_first_words: Callable[[], None]) -> ModelAnswer:
        """Return the first answer that a rung gives.

        ``deadline`` is a moment on the ladder's clock. Raises what the only rung raised, or what cannot be helped by
        asking another; otherwise a `TransientError` where asking later can help, else a `MisconfiguredError`.
        """
        climb = _Climb(question, deadline, _once(on_first_words), self._clock())
        order = self._order(question)
        for endpoint in order:
            if climb.is_barred(endpoint) or (climb.failures and self._left_s(climb) < LEAST_S):
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
                leave = None if climb.is_barred(endpoint) else endpoint.breaker.insist()
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

    def _left_s(self, climb: _Climb) -> float:
        return climb.deadline - self._clock()

    # -- the rungs ---------------------------------------------------------------------------------------------

    def _order(self, question: Question) -> Sequence[Endpoint]:
        """Return the endpoints in the order for this question: one that has paused for it goes first."""
        tries = self.variant(question.customer) == CANARY
        endpoints = [each for each in self._endpoints if tries or each.rung != CANARY]
        paused = rung_of(question.last_attempt) if question.paused else ""
        return sorted(endpoints, key=lambda each: each.rung != paused)

    def _try(self, climb: _Climb, endpoint: Endpoint, leave: Pass, order: Sequence[Endpoint]) -> ModelAnswer | None:
        """Return the endpoint's answer, or nothing when another one is to be asked; raises what nobody can help."""
        left_s = self._left_s(climb)
        below = sum(climb.may_ask(each) for each in order[order.index(endpoint) + 1 :])
        asked, afresh = climb.question_for(endpoint)
        share_s = max(left_s - SHARE_S * below, left_s / (below + 1))
        runner = Runner(endpoint, leave, asked, afresh, share_s, relieved=below > 0)
        if self._racers:
            return self._race(climb, runner, order, self._racers)
        deadline = self._clock() + runner.share_s
        try:
            answer = endpoint.client.ask(asked, deadline=deadline, on_first_words=climb.on_first_words)
        except FrontdeskError as error:
            self._failed(climb, runner, error)
            return None
        except BaseException:  # the caller's own: it tells nothing of the endpoint
            endpoint.breaker.give_back(leave)
            raise
        return self._answered(climb, runner, answer)

    def _race(
        self, climb: _Climb, first: Runner, order: Sequence[Endpoint], racers: ThreadPoolExecutor
    ) -> ModelAnswer | None:
        """Do as `_try` does, and give ``first`` a rival when it has said nothing for long; once a question."""
        race = Race(racers.submit)
        deadline = self._clock() + first.share_s
        race.start(first, deadline)
        running = [first]
        patience_s = None if climb.had_rival else self._hedge_after_s
        try:
            while running:
                news = race.next(patience_s)
                patience_s = None
                if news is None:
                    rival = self._rival(climb, first, order)
                    if rival:
                        race.start(rival, deadline)
                        running.append(rival)
                    continue
                runner, told = news
                if told is None:
                    climb.on_first_words()
                    continue
                running.remove(runner)
                if isinstance(told, FrontdeskError):
                    self._failed(climb, runner, told)
                elif isinstance(told, Exception):
                    raise told
                elif runner is first or told.pause is None:  # nobody could go on with a rival's pause
                    return self._answered(climb, runner, told)
        finally:
            for runner in running:
                runner.watch.cut()
                runner.endpoint.breaker.give_back(runner.leave)
        return None

    def _rival(self, climb: _Climb, first: Runner, order: Sequence[Endpoint]) -> Runner | None:
        """Return the next endpoint whose circuit is closed, to be asked in a chat that is not kept."""
        climb.had_rival = True
        question = climb.question
        text = climb.afresh.text if climb.afresh else question.text
        for endpoint in order[order.index(first.endpoint) + 1 :]:
            if not climb.is_barred(endpoint) and endpoint.breaker.state() is State.CLOSED:
                leave = endpoint.breaker.admit()
                if leave:
                    asked = replace(question, chat_id=NOT_RECORDED, text=text)
                    return Runner(endpoint, leave, asked, afresh=False, share_s=first.share_s)
        return None

    def _answered(self, climb: _Climb, runner: Runner, answer: ModelAnswer) -> ModelAnswer:
        endpoint = runner.endpoint
        endpoint.breaker.succeeded(runner.leave)
        attempt_id = answer.attempt_id if endpoint.rung == PRIMARY else f"{endpoint.rung}/{answer.attempt_id}"
        answer = replace(
            answer,
            attempt_id=attempt_id,
            identity=endpoint.client.identity,
            afresh=runner.afresh,
            misconfigured=climb.is_misconfigured,
        )
        if climb.failures or climb.had_rival:  # the customer waited for those, too
            answer = replace(answer, total_ms=round((self._clock() - climb.began) * 1000))
        return answer

    def _failed(self, climb: _Climb, runner: Runner, error: FrontdeskError) -> None:
        """Note it, and raise what no other endpoint can help."""
        endpoint, meaning = runner.endpoint, meaning_of(error)
        hurried = error.code == DeadlineError.code and runner.share_s < SHARE_S  # no endpoint's fault
        circuit = Circuiting.IGNORED if hurried else meaning.circuit
        if circuit is Circuiting.OPENS_RELIEVED:
            circuit = Circuiting.OPENS if runner.relieved else Circuiting.COUNTED
        endpoint.breaker.failed(runner.leave, error, circuit)
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
        if self._approved is None or not out_of_order:
            return None
        answer = self._approved.find(climb.question.words)
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
        self.had_rival = False

    def is_barred(self, endpoint: Endpoint) -> bool:
        """Return whether the endpoint failed already, or would fail for the same reason as one of its team."""
        return endpoint.team in self.barred_teams or any(each is endpoint for each, _ in self.failures)

    @cached_property
    def afresh(self) -> Afresh | None:
        """The question to one who does not know the talk, composed once."""
        return self.question.afresh() if self.question.afresh else None

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
        if knows or self.afresh is None:
            return self.question, False
        return replace(self.question, chat_id=self.afresh.chat_id, text=self.afresh.text), True

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
