"""What requests to the control API bring along: a JSON body, and numbers in the query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from simulators.wecom.jsonfields import FieldError

if TYPE_CHECKING:
    from starlette.requests import Request


async def read_json(request: Request) -> object:
    """Return the JSON of the body; raises `FieldError`."""
    try:
        document: object = json.loads(await request.body())
    except ValueError as exc:
        raise FieldError("the body is not JSON") from exc
    return document


def number(request: Request, name: str) -> float:
    """Return a number of the query, 0 where it is absent; raises `FieldError`."""
    text = request.query_params.get(name, "0")
    try:
        value = float(text)
    except ValueError as exc:
        raise FieldError(f"{name}: a number is expected") from exc
    if not 0 <= value < 1e15:
        raise FieldError(f"{name}: a number from 0 is expected")
    return value
