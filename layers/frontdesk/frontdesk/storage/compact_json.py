"""The one form of JSON in what is stored: without spaces, and every character as itself."""

from __future__ import annotations

import json


def compact_json(value: object) -> str:
    """Return ``value`` as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
