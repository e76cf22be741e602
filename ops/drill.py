"""A drill: the primary model is killed under load, and what became of every question is counted.

It runs on the local run, where the vendors are simulated and may be broken. The load is open: questions come at their
times whether answers come or not, each from a customer of its own, signed, through the real callback. All times are the
simulated WeCom's: when it delivered a question, and when a message stood in the customer's chat.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

from frontdesk.errors import FrontdeskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HOW = ("cut", "hang", "503")
"""The ways to die: connections are cut, nothing ever comes, a proxy answers in its place."""
PROMISED_S = 30.0
BUCKET_S = 5
INTERIM = "interim"
APOLOGY = "apology"
OTHER = "person"
"""What is no answer of a rung, no apology and no interim notice: a person was called."""

_CALL_LIMIT_S = 20.0
_LOOK_EVERY_S = 1.0
# What each endpoint of the simulators says, so that an answer tells where it is from.
_SAYINGS = {"primary": "主用应用的回答。", "standby": "备用应用的回答。", "lite": "轻量应用的回答。"}


class DrillError(FrontdeskError):
    """The drill could not be held; the message says why."""

    code = "drill_failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """When what happens, in seconds from the first question; ``rate`` is questions a second.

    After the last question answers are waited for until none is missing, and for ``patience_s`` at most; before the
    first one for an answer of the primary, for ``warm_s`` at most.
    """

    how: str = "cut"
    lasts_s: float = 60.0
    kill_s: float = 15.0
    restore_s: float = 40.0
    rate: float = 1.0
    patience_s: float = 300.0
    warm_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that the callback took; milliseconds of the epoch."""

    customer: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Said:
    """One visible message to a customer, and what it was: a rung, `INTERIM`, `APOLOGY` or `OTHER`."""

    customer: str
    at_ms: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen. Seconds are None where the thing did not happen.

    ``again_s`` is from the kill to the first answer to a question that was asked after it; ``longest_wait_s`` the
    longest that any customer waited for the first answer, ``longest_gap_s`` the longest time between two answers to
    anybody; ``back_s`` from the restoration to the first answer of the primary after it. ``over_time`` counts what was
    said, by what, in each `BUCKET_S` seconds from the first question.
    """

    accepted: int
    refused: int
    lost: int
    doubled: int
    by_rung: Mapping[str, int]
    again_s: float | None
    longest_wait_s: float
    longest_gap_s: float
    back_s: float | None
    over_time: tuple[Mapping[str, int], ...]

    @property
    def kept(self) -> bool:
        """Whether the promise is kept: nothing lost or doubled, and answers within `PROMISED_S`."""
        return (
            not (self.lost or self.doubled or self.refused) and self.again_s is not None and self.again_s < PROMISED_S
        )


def judge(asked: Sequence[Asked], said: Iterable[Said], *, kill_ms: int, restore_ms: int, refused: int = 0) -> Verdict:
    """Return what the run amounts to. Raises ValueError when nothing was asked."""
    start_ms = min(each.at_ms for each in asked)
    spoken = sorted(said, key=lambda each: each.at_ms)
    final = [each for each in spoken if each.what != INTERIM]
    answers = Counter(each.customer for each in final)
    first: dict[str, Said] = {}
    for each in final:
        first.setdefault(each.customer, each)
    waits = [(first[each.customer].at_ms - each.at_ms) / 1000 for each in asked if each.customer in first]
    after = [first[each.customer].at_ms for each in asked if each.at_ms >= kill_ms and each.customer in first]
    back = [each.at_ms for each in final if each.what == "primary" and each.at_ms >= restore_ms]
    times = [start_ms, *(each.at_ms for each in final)]
    buckets: list[Counter[str]] = []
    for each in spoken:
        number = max(0, each.at_ms - start_ms) // (BUCKET_S * 1000)
        buckets.extend(Counter() for _ in range(number + 1 - len(buckets)))
        buckets[number][each.what] += 1
    return Verdict(
        accepted=len(asked),
        refused=refused,
        lost=sum(each.customer not in first for each in asked),
        doubled=sum(answers[each.customer] > 1 for each in asked),
        by_rung=dict(Counter(each.what for each in first.values())),
        again_s=(min(after) - kill_ms) / 1000 if after else None,
        longest_wait_s=max(waits, default=0.0),
        longest_gap_s=max((later - earlier for earlier, later in pairwise(times)), default=0) / 1000,
        back_s=(min(back) - restore_ms) / 1000 if back else None,
        over_time=tuple(map(dict, buckets)),
    )


class Drill:
    """Holds a drill on a local run."""

    def __init__(
        self,
        console_url: str,
        *,
        interim: str,
        apology: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda _: None,
        settle_s: float = 5.0,
    ) -> None:
        """``console_url`` is where the simulators are; ``interim`` and ``apology`` are the deployment's sentences.

        When everybody has an answer, ``settle_s`` seconds are left for second ones.
        """
        self._wecom = f"{console_url}wecom/_control"
        self._primary = f"{console_url}fastgpt/_control"
        self._standby = f"{console_url}fastgpt-standby/_control"
        self._sentences = {interim: INTERIM, apology: APOLOGY}
        self._clock = clock
        self._sleep = sleep
        self._say = say
        self._settle_s = settle_s
        self._http = requests.Session()
        # A kept connection may be closed by the server at the very moment at which it is used again.
        self._http.headers["Connection"] = "close"

    def hold(self, plan: Plan) -> Verdict:
        """Return what became of all questions; the primary is restored whatever happens. Raises `DrillError`."""
        run = f"drill-{uuid4().hex[:6]}"
        try:
            self._script()
            self._warm_up(run, plan.warm_s)
            return self._hold(plan, run)
        finally:
            self._call("DELETE", f"{self._primary}/outage")
            for control in (self._primary, self._standby):
                self._call("DELETE", f"{control}/answers")

    def _hold(self, plan: Plan, run: str) -> Verdict:
        events = [(plan.kill_s, "kill"), (plan.restore_s, "restore")]
        questions = [(number / plan.rate, f"{run}-{number}") for number in range(int(plan.lasts_s * plan.rate))]
        customers = [customer for _, customer in questions]
        for customer in customers:
            self._call("POST", f"{self._wecom}/members", userid=customer)
        self._say(f"{len(customers)} questions in {plan.lasts_s:.0f} s …")
        start = self._clock()
        moments = {"kill": 0, "restore": 0}
        for at_s, what in sorted([*questions, *events]):
            self._sleep(max(0.0, start + at_s - self._clock()))
            if what in moments:
                self._turn(what, plan.how)
                moments[what] = int(self._clock() * 1000)
            else:
                question = {"msgtype": "text", "content": f"{what}：怎么退货？", "wait": False}
                self._call("POST", f"{self._wecom}/members/{what}/messages", **question)
        asked, refused, said = self._seen(customers, plan.patience_s)
        if not asked:
            raise DrillError("the callback took no question")
        return judge(asked, said, kill_ms=moments["kill"], restore_ms=moments["restore"], refused=refused)

    def _script(self) -> None:
        self._call("DELETE", f"{self._primary}/outage")
        for control, rungs in ((self._primary, ("primary", "lite")), (self._standby, ("standby",))):
            self._call("DELETE", f"{control}/answers")
            for rung in rungs:
                app = "lite" if rung == "lite" else "main"
                self._call("POST", f"{control}/answers", app=app, times=None, text=_SAYINGS[rung])

    def _warm_up(self, run: str, warm_s: float) -> None:
        """Wait until the primary answers: workers are started then, and its circuit is closed."""
        self._say("warming up …")
        until = self._clock() + warm_s
        number = 0
        while self._clock() < until:
            customer = f"{run}-warm-{number}"
            self._call("POST", f"{self._wecom}/members", userid=customer)
            self._call("POST", f"{self._wecom}/members/{customer}/messages", msgtype="text", content="在吗？")
            told = self._call("GET", f"{self._wecom}/members/{customer}/timeline?after=0&wait=1")
            for _ in range(int(_CALL_LIMIT_S)):
                said = list(self._said(customer, told["entries"]))
                if any(each.what != INTERIM for each in said):
                    break
                self._sleep(_LOOK_EVERY_S)
                told = self._call("GET", f"{self._wecom}/members/{customer}/timeline?after=0")
            if any(each.what == "primary" for each in said):
                return
            number += 1
        raise DrillError(f"the primary did not answer within {warm_s:.0f} s")

    def _turn(self, what: str, how: str) -> None:
        if what == "kill":
            self._say(f"the primary dies: {how}")
            self._call("POST", f"{self._primary}/outage", kind=how)
        else:
            self._say("the primary is restored")
            self._call("DELETE", f"{self._primary}/outage")

    def _seen(self, customers: Sequence[str], patience_s: float) -> tuple[list[Asked], int, list[Said]]:
        """Return what was taken and what was said, once everybody has an answer or patience is at its end."""
        self._say("waiting for the last answers …")
        until = self._clock() + patience_s
        said: dict[str, list[Said]] = {customer: [] for customer in customers}
        unanswered = set(customers)
        while unanswered and self._clock() < until:
            self._sleep(_LOOK_EVERY_S)
            for customer in sorted(unanswered):
                said[customer] = self._timeline(customer)
                if any(each.what != INTERIM for each in said[customer]):
                    unanswered.discard(customer)
        # A second answer to somebody may have come since they were looked at.
        self._sleep(self._settle_s)
        said = {customer: self._timeline(customer) for customer in customers}
        deliveries = self._call("GET", f"{self._wecom}/deliveries")["deliveries"]
        ours = [each for each in deliveries if each["userid"] in said]
        asked = [Asked(each["userid"], each["sent_at_ms"]) for each in ours if each["accepted_at_ms"]]
        return asked, len(customers) - len(asked), [each for several in said.values() for each in several]

    def _timeline(self, customer: str) -> list[Said]:
        entries = self._call("GET", f"{self._wecom}/members/{customer}/timeline?after=0")["entries"]
        return list(self._said(customer, entries))

    def _said(self, customer: str, entries: Iterable[Mapping[str, Any]]) -> Iterable[Said]:
        for entry in entries:
            if entry["direction"] == "outbound" and entry["visible"]:
                yield Said(customer, entry["at_ms"], self._what(entry["content"]))

    def _what(self, content: str) -> str:
        for rung, saying in _SAYINGS.items():
            if content.startswith(saying[:-1]):  # a text that was said before gets an invisible mark
                return rung
        return self._sentences.get(content, OTHER)

    def _call(self, method: str, url: str, **document: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, json=document or None, timeout=_CALL_LIMIT_S)
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise DrillError(
                f"{method} {url} failed ({type(error).__name__}): a drill needs a local run with simulated vendors"
            ) from None
        return told


def lines_of(plan: Plan, verdict: Verdict) -> list[str]:
    """Return what a person reads of a drill."""

    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} s"

    rungs = ", ".join(f"{name} {count}" for name, count in sorted(verdict.by_rung.items())) or "none"
    when = f"primary {plan.how} after {plan.kill_s:.0f} s, restored after {plan.restore_s:.0f} s"
    lines = [
        f"{when}, {plan.rate:g} questions a second for {plan.lasts_s:.0f} s",
        f"requests accepted               {verdict.accepted}",
        f"requests refused                {verdict.refused}",
        f"requests lost                   {verdict.lost}",
        f"requests answered twice         {verdict.doubled}",
        f"answers flow again after        {seconds(verdict.again_s)}  (promised: less than {PROMISED_S:.0f} s)",
        f"longest wait of a customer      {verdict.longest_wait_s:.1f} s",
        f"longest gap between answers     {verdict.longest_gap_s:.1f} s",
        f"primary answers again after     {seconds(verdict.back_s)}  (from its restoration)",
        f"first answers by rung           {rungs}",
        f"said in each {BUCKET_S} s:",
    ]
    for number, bucket in enumerate(verdict.over_time):
        marks = "".join(
            f"  <- {what}"
            for at_s, what in ((plan.kill_s, "killed"), (plan.restore_s, "restored"))
            if number == int(at_s // BUCKET_S)
        )
        told = ", ".join(f"{what} {count}" for what, count in sorted(bucket.items())) or "-"
        lines.append(f"  {number * BUCKET_S:>4} s  {told}{marks}")
    lines.append("The promise is kept." if verdict.kept else "THE PROMISE IS NOT KEPT.")
    return lines
