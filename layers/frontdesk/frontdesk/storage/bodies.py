"""Reading what our own releases wrote into a queue: JSON in a shape, or an error that tells no value."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from frontdesk.errors import MalformedMessageError


class Part(BaseModel):
    """A part of what we wrote; unknown fields are a later release's."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)


Shape = TypeVar("Shape", bound=Part)


def read_body(shape: type[Shape], text: str, *, whole: str) -> Shape:
    """Return ``text`` as ``shape``; ``whole`` is what an error calls it where no field of it is to blame.

    Raises `MalformedMessageError`, whose text names fields and holds nothing of ``text``.
    """
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        # Only the first part of a place: what follows may be a key that the message brought along.
        fields = sorted({str(each["loc"][0]) if each["loc"] else whole for each in error.errors()})
        raise MalformedMessageError(f"unreadable: {', '.join(fields)}") from None
