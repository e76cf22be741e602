"""Reads values out of JSON that nobody vouches for: a wrong type becomes the empty value, never an exception.

The vendor's shapes differ by version and a proxy may answer in its place, so every reader of this package
takes its values through here instead of trusting a schema.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MALFORMED = object()
"""What `parsed` returns for a text that is not JSON: JSON itself can say ``null``."""


def parsed(text: str | bytes) -> Any:
    """Return the JSON value, or `MALFORMED`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # ValueError covers bad JSON, bad UTF-8 and absurdly long numbers
        return MALFORMED


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return an array, or an empty one."""
    return value if isinstance(value, list) else ()


def fragment(value: Any) -> str:
    """Return a piece of a text as it came, or an empty one; pieces are to be joined before `whole`."""
    return value if isinstance(value, str) else ""


def whole(value: str) -> str:
    """Return the text in a form that every encoder takes.

    JavaScript cuts strings between the two halves of a character such as an emoji, and JSON can carry a half.
    Halves that meet again are joined; one left alone becomes the replacement character.
    """
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text(value: Any) -> str:
    """Return a string, or an empty one."""
    return whole(fragment(value))


def integer(value: Any) -> int | None:
    """Return a whole number, or None. JSON booleans are no numbers."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None
