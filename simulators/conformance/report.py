"""Shows the results: a table for people, JSON for programs."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from simulators.conformance.findings import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulators.conformance.findings import Result

_COLUMNS = (("check", 16), ("what WeCom does", 32), ("expected", 32), ("seen", 36), ("", 4), ("s", 6))
_GAP = "  "


def head() -> str:
    """Return the first lines of the table."""
    names = _GAP.join(name.ljust(width) for name, width in _COLUMNS).rstrip()
    return f"{names}\n{_GAP.join('-' * width for _, width in _COLUMNS)}"


def row(result: Result) -> str:
    """Return one result as lines of the table."""
    texts = (result.name, result.happens, result.expected, result.seen, result.status, f"{result.seconds:.2f}")
    cells = [textwrap.wrap(text, width) or [""] for text, (_, width) in zip(texts, _COLUMNS, strict=True)]
    lines = []
    for number in range(max(map(len, cells))):
        parts = (
            (cell[number] if number < len(cell) else "").ljust(width)
            for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
        )
        lines.append(_GAP.join(parts).rstrip())
    return "\n".join(lines)


def summary(results: Sequence[Result]) -> str:
    """Return how many checks ended how."""
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[status]} {status}" for status in Status)


def as_json(results: Sequence[Result], callback_url: str) -> str:
    """Return everything as one JSON object."""
    document = {
        "callback_url": callback_url,
        "passed": not has_failed(results),
        "checks": [result.to_json() for result in results],
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def has_failed(results: Sequence[Result]) -> bool:
    """Tell whether any check failed, or none was made."""
    return not results or any(result.status is Status.FAIL for result in results)
