"""`python -m ops.local.dashboard --out FILE`: draw the deployed dashboard from what a local run has counted.

A local AWS keeps a dashboard and does not draw it. Here its widgets are drawn, by us and not by AWS, from the figures
in the functions' logs: their metrics, their durations, and their lines of the level ERROR. What only AWS counts stays
empty. A run of minutes has one point in a period of an hour, so every period is shortened to `PERIOD_S`.
"""

from __future__ import annotations

import argparse
import ast
import json
import operator
import re
import sys
from collections import defaultdict
from html import escape
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from ops.deployment import ROOT
from ops.desk import on_this_machine
from simulators.console.screenshot import find_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PERIOD_S = 10
_COLUMN, _ROW, _GAP = 58, 34, 6  # pixels: a widget of 8 columns is 464 wide
_AXIS = 56
_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#17becf",
    "#bcbd22",
)
_REPORT = re.compile(r"^REPORT .*?\bDuration: (?P<ms>[\d.]+) ms")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
Key = tuple[str, str, str]
"""Namespace, metric, and the value of the one dimension that tells it apart here."""

Series = dict[int, float]
"""A value by the beginning of its period, epoch seconds."""


class Counted:
    """What the logs of a deployment say was counted."""

    def __init__(self) -> None:
        self._samples: dict[Key, list[tuple[float, float]]] = defaultdict(list)

    def line(self, function: str, message: str, at_s: float) -> None:
        """Take a line of the log of ``function``."""
        report = _REPORT.match(message)
        if report:
            self._samples["AWS/Lambda", "Duration", function].append((at_s, float(report["ms"])))
            self._samples["AWS/Lambda", "Invocations", function].append((at_s, 1.0))
        if not message.startswith("{"):
            return
        line = json.loads(message)
        if line.get("level") in {"ERROR", "CRITICAL"}:
            self._samples["Frontdesk", "ErrorLines", ""].append((at_s, 1.0))
        for block in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in block["Metrics"]:
                written = line[metric["Name"]]
                for sample in written if isinstance(written, list) else [written]:
                    self._samples["Frontdesk", metric["Name"], line["channel"]].append((at_s, float(sample)))

    def series(self, key: Key, stat: str) -> Series:
        """Return the statistic of each period that has a sample."""
        periods: dict[int, list[float]] = defaultdict(list)
        for at_s, sample in self._samples[key]:
            periods[int(at_s // PERIOD_S) * PERIOD_S].append(sample)
        return {begin: _statistic(samples, stat) for begin, samples in sorted(periods.items())}


def _statistic(samples: list[float], stat: str) -> float:
    if stat.startswith("p"):
        ordered = sorted(samples)
        return ordered[min(len(ordered) - 1, int(float(stat[1:]) / 100 * len(ordered)))]
    basic: Mapping[str, Callable[[list[float]], float]]
    basic = {"Sum": sum, "Average": mean, "Maximum": max, "Minimum": min, "SampleCount": len}
    return float(basic[stat](samples))


def evaluated(expression: str, named: Mapping[str, Series]) -> Series:
    """Return what a metric-math ``expression`` makes of the ``named`` series: FILL, and the four operations.

    A period without a value of a series that is not filled has none of the whole.
    """
    tree = ast.parse(expression, mode="eval").body
    moments = sorted({begin for series in named.values() for begin in series})
    results = {begin: _value(tree, named, begin) for begin in moments}
    return {begin: value for begin, value in results.items() if value is not None}


def _value(node: ast.expr, named: Mapping[str, Series], begin: int) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return named[name].get(begin)
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Constant(value=int() | float() as missing)]):
            value = _value(filled, named, begin)
            return float(missing) if value is None else value
        case ast.BinOp(left=left, op=kind, right=right):
            first, second = _value(left, named, begin), _value(right, named, begin)
            if first is None or second is None or (isinstance(kind, ast.Div) and not second):
                return None
            return _OPERATORS[type(kind)](first, second)
        case _:
            raise ValueError(f"not a part of an expression that is drawn here: {ast.dump(node)}")


def lines_of(properties: Mapping[str, Any], counted: Counted) -> list[tuple[str, Series]]:
    """Return label and values of each line that a chart shows."""
    named: dict[str, Series] = {}
    shown: list[tuple[str, Series]] = []
    for entry in properties["metrics"]:
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        if "expression" in options:
            series = evaluated(options["expression"], named)
        else:
            namespace, metric, *dimensions = [each for each in entry if isinstance(each, str)]
            key = (namespace, metric, dimensions[1] if dimensions else "")
            series = counted.series(key, options.get("stat", properties["stat"]))
        if "id" in options:
            named[options["id"]] = series
        if options.get("visible", True):
            shown.append((options.get("label", ""), series))
    return shown


def drawn(widget: Mapping[str, Any], counted: Counted) -> str:
    """Return a widget as HTML at its place."""
    place = (
        f"left:{widget['x'] * _COLUMN}px;top:{widget['y'] * _ROW}px;"
        f"width:{widget['width'] * _COLUMN - _GAP}px;height:{widget['height'] * _ROW - _GAP}px"
    )
    properties = widget["properties"]
    if widget["type"] == "text":
        return f'<h1 style="{place}">{escape(properties["markdown"].lstrip("# "))}</h1>'
    lines = lines_of(properties, counted)
    size = (widget["width"] * _COLUMN - _GAP - 20, widget["height"] * _ROW - _GAP - 62)
    marks = [line["value"] for line in properties.get("annotations", {}).get("horizontal", [])]
    legend = "".join(
        f'<li><i style="background:{_COLOURS[number % len(_COLOURS)]}"></i>{escape(label)}</li>'
        for number, (label, series) in enumerate(lines)
        if series
    )
    ours = any(entry[0] == "Frontdesk" for entry in properties["metrics"])
    nothing = "<p>nothing in this run</p>" if ours else "<p>not counted on this machine</p>"
    picture = _chart([series for _, series in lines], marks, *size) if legend else nothing
    return f'<section style="{place}"><h2>{escape(properties["title"])}</h2>{picture}<ul>{legend}</ul></section>'


def _chart(lines: list[Series], marks: list[float], width: int, height: int) -> str:
    values = [value for series in lines for value in series.values()]
    # A threshold far above everything would flatten what there is to see.
    marks = [mark for mark in marks if mark <= 2 * max(values, default=0)]
    moments = [begin for series in lines for begin in series]
    low, high = 0.0, max([*values, *marks, 1e-9]) * 1.1
    first, last = min(moments), max(*moments, min(moments) + 1)

    def at(begin: float, value: float) -> str:
        x = _AXIS + (width - _AXIS - 4) * (begin - first) / (last - first)
        return f"{x:.1f},{height - (height - 8) * (value - low) / (high - low):.1f}"

    parts = [
        f'<line x1="{_AXIS}" x2="{width}" y1="{height * share:.0f}" y2="{height * share:.0f}" stroke="#e3e3e3"/>'
        f'<text x="{_AXIS - 4}" y="{height * share + 4:.0f}" text-anchor="end">{high * (1 - share):.4g}</text>'
        for share in (0.05, 0.5, 1.0)
    ]
    parts += [
        f'<polyline points="{at(first, mark)} {at(last, mark)}" stroke="#d13212" stroke-dasharray="4"/>'
        for mark in marks
    ]
    for number, series in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(at(begin, value) for begin, value in series.items())
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        dots = (at(begin, value).split(",") for begin, value in series.items())
        parts += [f'<circle cx="{x}" cy="{y}" r="1.8" fill="{colour}"/>' for x, y in dots]
    return f'<svg width="{width}" height="{height + 4}">{"".join(parts)}</svg>'


def page(widgets: Iterable[Mapping[str, Any]], counted: Counted) -> str:
    """Return the whole dashboard as HTML."""
    style = (
        "body{margin:0;background:#f2f3f3;font:11px sans-serif;color:#16191f}body>*{position:absolute;margin:8px}"
        "section{background:#fff;border:1px solid #d5dbdb;box-sizing:border-box;padding:6px 8px;overflow:hidden}"
        "h1{font-size:17px;line-height:24px}h2{font-size:12px;margin:0 0 4px}p{color:#879596}"
        "svg text{font-size:9px;fill:#687078}"
        "ul{margin:2px 0;padding:0;list-style:none}li{display:inline-block;margin-right:10px}"
        "i{display:inline-block;width:8px;height:8px;margin-right:3px}"
    )
    body = "".join(drawn(widget, counted) for widget in widgets)
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style>{body}'


def main(arguments: list[str]) -> int:
    """Draw; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.local.dashboard", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--local-folder", type=Path, default=ROOT / ".local", help="of the local run")
    given = parser.parse_args(arguments)
    deployment = on_this_machine(given.local_folder)
    cloudwatch, logs = deployment.client("cloudwatch"), deployment.client("logs")
    counted = Counted()
    for name, physical in deployment.resources.items():
        if name.endswith("Logs") and name != "HttpApiLogs":
            function = deployment.resources[f"{name.removesuffix('Logs')}Function"]
            for found in logs.get_paginator("filter_log_events").paginate(logGroupName=physical):
                for event in found["events"]:
                    counted.line(function, event["message"], event["timestamp"] / 1000)
    body = json.loads(cloudwatch.get_dashboard(DashboardName=deployment.resources["Dashboard"])["DashboardBody"])
    height = max(widget["y"] + widget["height"] for widget in body["widgets"]) * _ROW + 16
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        try:
            view = chromium.new_page(viewport={"width": 24 * _COLUMN + 10, "height": height})
            view.set_content(page(body["widgets"], counted))
            view.screenshot(path=given.out)
        finally:
            chromium.close()
    print(f"Drawn: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
