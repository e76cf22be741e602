"""Read untrusted JSON objects field by field, so that a misspelt or mistyped field is an answer and not a surprise."""

from __future__ import annotations

from collections.abc import Mapping


class FieldError(ValueError):
    """A JSON field is missing, unknown or of the wrong type. The text names the field."""


class Fields:
    """The fields of one JSON object; each is taken once, and `finish` refuses what nobody took."""

    def __init__(self, document: object) -> None:
        """Take `document`, which must be a JSON object."""
        if not isinstance(document, Mapping):
            raise FieldError("a JSON object is expected")
        self._left: dict[str, object] = dict(document)

    def __contains__(self, name: str) -> bool:
        """Tell whether `name` is present and not yet taken."""
        return name in self._left

    def take(self, name: str, default: object = None) -> object:
        """Return the raw value of `name` whatever its type, or `default`."""
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string; without a default the field is required."""
        value = self._left.pop(name, default)
        if not isinstance(value, str):
            raise FieldError(f"{name}: text is expected")
        return value

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """Return an integer of at least `least`."""
        value = self._left.pop(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FieldError(f"{name}: an integer of at least {least} is expected")
        return value

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        value = self._left.pop(name, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise FieldError(f"{name}: a number is expected")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._left.pop(name, default)
        if not isinstance(value, bool):
            raise FieldError(f"{name}: true or false is expected")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of `allowed`, or `default` when the field is absent."""
        value = self._left.pop(name, default)
        if value != default and value not in allowed:
            raise FieldError(f"{name}: one of {', '.join(allowed)} is expected")
        return str(value)

    def mapping(self, name: str) -> dict[str, object]:
        """Return a JSON object, empty when the field is absent."""
        value = self._left.pop(name, {})
        if not isinstance(value, Mapping):
            raise FieldError(f"{name}: a JSON object is expected")
        return dict(value)

    def sequence(self, name: str) -> list[object]:
        """Return a JSON array, empty when the field is absent."""
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise FieldError(f"{name}: a JSON array is expected")
        return value

    def finish(self) -> None:
        """Raise `FieldError` when a field is left that nobody took."""
        if self._left:
            raise FieldError(f"unknown: {', '.join(sorted(self._left))}")
