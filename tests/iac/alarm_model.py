"""What CloudWatch makes of an alarm: a metric's points in, a state out.

As the CloudWatch user guide says ("Using Amazon CloudWatch alarms", "Configuring how alarms treat missing data"), for
what the template uses: the last EvaluationPeriods periods that have ended, each reduced to its statistic; a period
without a point counts as TreatMissingData says; DatapointsToAlarm of them must breach, all of them by default. The
local AWS cannot show this: it puts all points of a metric into one heap, whatever their dimensions and minutes.
"""

from __future__ import annotations

import operator
import re
from statistics import mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Point = tuple[float, float]
"""Moment in seconds, and value."""

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_BASIC: Mapping[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Average": mean,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}


def statistic(alarm: Mapping[str, Any], values: list[float]) -> float:
    """Return what ``alarm`` makes of the ``values`` of one period."""
    if "ExtendedStatistic" in alarm:
        share = float(alarm["ExtendedStatistic"].removeprefix("p")) / 100
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return _BASIC[alarm["Statistic"]](values)


def state(alarm: Mapping[str, Any], points: Iterable[Point], *, now: float) -> str:
    """Return ALARM, OK or INSUFFICIENT_DATA for the periods that end at ``now``."""
    points = list(points)
    compared, threshold = _COMPARED[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    breaching: list[bool | None] = []
    for number in range(alarm["EvaluationPeriods"]):
        end = now - number * alarm["Period"]
        values = [value for moment, value in points if end - alarm["Period"] <= moment < end]
        missing = {"breaching": True, "notBreaching": False}.get(alarm["TreatMissingData"])
        breaching.append(compared(statistic(alarm, values), threshold) if values else missing)
    if breaching.count(True) >= alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]):
        return "ALARM"
    return "INSUFFICIENT_DATA" if set(breaching) == {None} else "OK"


def parts_of(composite: Mapping[str, Any]) -> list[str]:
    """Return the logical ids of the alarms that must all be raised for ``composite`` to be: it knows AND alone."""
    rule = composite["AlarmRule"]["Fn::Sub"]
    assert re.fullmatch(r"ALARM\(\$\{\w+\}\)( AND ALARM\(\$\{\w+\}\))*", rule), rule
    return re.findall(r"\$\{(\w+)\}", rule)
