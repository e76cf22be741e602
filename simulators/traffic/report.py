"""Shows what was found: a table for people, JSON for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ops.costs import Bill, Prices
from simulators.traffic.figures import Spread, slope
from simulators.traffic.plan import Copy
from simulators.traffic.usage import billed
from simulators.traffic.verdict import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulators.traffic.plan import Mix
    from simulators.traffic.processes import Memory
    from simulators.traffic.sending import Sent
    from simulators.traffic.trouble import Happened
    from simulators.traffic.usage import Usage
    from simulators.traffic.verdict import Verdict

_MINUTE_S = 60
_PRICES_OF = "us-east-1"
_WECOMS_LIMIT_MS = 5000
_HEADINGS = ("minute", "sent", "ack p50", "ack p99", "first p50", "first p95", "first max", "functions MB", "trouble")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run of traffic that is over. ``verdict`` is absent where nobody could see what customers were shown."""

    mix: Mix
    seed: int
    sent: Sequence[Sent]
    verdict: Verdict | None
    memory: Memory
    usage: Mapping[str, Usage] = field(default_factory=dict)
    troubles: Sequence[Happened] = ()
    drained_s: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Tell whether nothing was lost, doubled or out of order, and the bot has taken everything in the end.

        It has taken what it never acknowledged in time and answered nevertheless.
        """
        if self.verdict:
            return bool(self.sent) and not self.verdict.broken and not self.verdict.fates[Fate.REFUSED]
        return bool(self.sent) and all(each.acknowledged for each in self.sent)


def table(outcome: Outcome) -> str:
    """Return everything as text for a terminal or a page."""
    width = max(len(name) for name, _ in _rows(outcome))
    lines = [f"{name.ljust(width)}  {value}" for name, value in _rows(outcome)]
    return "\n".join([*lines, "", *_series(outcome)])


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return everything for a program to read, the single messages as well; nothing of what was said."""
    verdict = outcome.verdict
    return {
        "mix": asdict(outcome.mix),
        "seed": outcome.seed,
        "machine": outcome.machine,
        "passed": outcome.passed,
        "summary": dict(_rows(outcome)),
        "lost": verdict.lost if verdict else None,
        "doubled": verdict.doubled if verdict else None,
        "out_of_order": verdict.out_of_order if verdict else None,
        "troubles": [asdict(each) for each in outcome.troubles],
        "memory": outcome.memory.points,
        "largest_process_mb": outcome.memory.largest,
        "usage": {name: asdict(usage) for name, usage in outcome.usage.items()},
        "acknowledge_ms": _acknowledgements(outcome.sent),
        "first_response_ms": verdict.first_ms if verdict else None,
        "answer_ms": verdict.answer_ms if verdict else None,
    }


def _rows(outcome: Outcome) -> list[tuple[str, str]]:
    sent, mix = outcome.sent, outcome.mix
    copies = Counter(each.act.copy for each in sent)
    channels = Counter(each.act.channel for each in sent)
    on_time = sum(each.first is not None and each.first.status == 200 for each in sent)
    rows = [
        ("messages", f"{len(sent)} of {len({each.act.customer for each in sent})} customers in {mix.seconds:g} s"),
        ("  by channel", _counted(channels.items())),
        ("  by kind", _counted(Counter(each.act.kind for each in sent).items())),
        ("  delivered twice", f"{copies[Copy.AT_ONCE]} at once, {copies[Copy.LATER]} after five seconds"),
        ("left late, ms", _spread([each.late_ms for each in sent])),
        ("acknowledge, ms", _spread([took for _, took in _acknowledgements(sent)])),
        ("  at the first request", f"{on_time}, {len(sent) - on_time} not (WeCom repeats those)"),
        ("  never", str(sum(not each.acknowledged for each in sent))),
        *_verdict_rows(outcome.verdict),
    ]
    if outcome.verdict:
        rows.append(("waited for the last, s", f"{outcome.drained_s:.0f}"))
    rows += [(f"memory of {name}, MB", _memory(points)) for name, points in outcome.memory.points.items()]
    rows += [(f"  largest, {name}", f"{size:.0f} MB") for name, size in sorted(outcome.memory.largest.items())]
    return [*rows, *_usage_rows(outcome)]


def _usage_rows(outcome: Outcome) -> list[tuple[str, str]]:
    """Return what each function used, and what that is at list prices; the API's log has no invocations of its own."""
    if not outcome.usage:
        return []
    prices = Prices.read(_PRICES_OF)
    cost = Bill.of(billed(outcome.usage, sum(each.requests for each in outcome.sent)), prices).total
    told = "functions, API and logs; tables and queues: make bench ARGS=cost"
    return [
        (f"list price of 1,000 messages, {prices.currency}", f"{cost / len(outcome.sent) * 1000:.3f} ({told})"),
        *(
            (
                f"used by {name}",
                f"{usage.invocations} invocations, {usage.gb_seconds:.1f} GB-s, {usage.log_bytes / 1e6:.2f} MB of logs",
            )
            for name, usage in outcome.usage.items()
        ),
    ]


def _verdict_rows(verdict: Verdict | None) -> list[tuple[str, str]]:
    if verdict is None:
        return [("first response", "not measured: the bot's WeCom is not a simulated one")]
    return [
        ("first response, ms", _spread([took for _, took in verdict.first_ms])),
        ("answer, ms", _spread([took for _, took in verdict.answer_ms])),
        ("lost", str(len(verdict.lost))),
        ("doubled", str(len(verdict.doubled))),
        ("out of order", str(len(verdict.out_of_order))),
        *((f"  {fate}", str(verdict.fates[fate])) for fate in Fate if fate is not Fate.LOST),
    ]


def _acknowledgements(sent: Iterable[Sent]) -> list[tuple[float, float]]:
    """Return when each message was due, in seconds, and how long its first request took from then, in ms.

    One without an answer counts with the time until WeCom would have hung up.
    """
    return [(each.act.at_s, each.first.ended_at_ms - each.due_ms) for each in sent if each.first is not None]


def _series(outcome: Outcome) -> list[str]:
    """Return one line a minute."""
    sent = _by_minute((each.act.at_s, 1.0) for each in outcome.sent)
    acknowledged = _by_minute(_acknowledgements(outcome.sent))
    first = _by_minute(outcome.verdict.first_ms if outcome.verdict else ())
    memory = _by_minute(outcome.memory.points.get("functions", ()))
    troubles: dict[int, list[str]] = defaultdict(list)
    for each in outcome.troubles:
        troubles[int(each.at_s // _MINUTE_S)].append(each.name if each.done else f"{each.name}: not done")
    lines: list[tuple[str, ...]] = [_HEADINGS]
    for minute in range(max(sent, default=-1) + 1):
        taken, shown = Spread.of(acknowledged[minute]), Spread.of(first[minute])
        numbers = (taken.p50, taken.p99, shown.p50, shown.p95, shown.longest, max(memory[minute], default=0.0))
        told = "; ".join(troubles[minute])
        lines.append((str(minute), str(len(sent[minute])), *(f"{number:.0f}" for number in numbers), told))
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    ]


def _by_minute(points: Iterable[tuple[float, float]]) -> dict[int, list[float]]:
    minutes: dict[int, list[float]] = defaultdict(list)
    for at_s, value in points:
        minutes[int(at_s // _MINUTE_S)].append(value)
    return minutes


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts)


def _spread(samples: Sequence[float]) -> str:
    spread = Spread.of(samples)
    return f"p50 {spread.p50:.0f}, p95 {spread.p95:.0f}, p99 {spread.p99:.0f}, longest {spread.longest:.0f}"


def _memory(points: Sequence[tuple[float, float]]) -> str:
    """Return first, last and largest, and the growth over the second half, when everything has been started."""
    sizes = [size for _, size in points]
    half = points[len(points) // 2 :]
    return f"{sizes[0]:.0f} first, {sizes[-1]:.0f} last, {max(sizes):.0f} at most; {slope(half) * 3600:+.0f} an hour"
