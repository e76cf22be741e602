"""Cuts a byte stream into server-sent events, wherever the network split it.

Knows the wire format only (WHATWG HTML, section 9.2 "Server-sent events"), nothing of what the events mean.
"""

from __future__ import annotations

from dataclasses import dataclass

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name (empty when unnamed) and its data, several data lines joined with newlines."""

    name: str
    data: str


class EventParser:
    """Takes bytes in pieces of any size and gives the events that became complete.

    Lines are decoded only when they are whole, so a split inside a UTF-8 character does no harm. The work
    grows with the bytes that came in, whatever the size of the pieces.
    """

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []
        self._ended_with_cr = False
        self._first_line = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that ``piece`` completes."""
        if self._ended_with_cr and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a CR LF whose first half ended the line
        if not piece:
            return []
        self._ended_with_cr = piece.endswith(b"\r")
        events: list[Event] = []
        for line in piece.splitlines(keepends=True):
            self._unfinished.append(line)
            if line.endswith((b"\n", b"\r")):
                self._take_line(events)
        return events

    def close(self) -> list[Event]:
        """Return what the end of the stream completes.

        The standard drops an event that no blank line ended. We take it, because a server that closes right
        after ``data: [DONE]`` has said all it meant to say; a line cut in the middle is no readable JSON anyway.
        """
        events: list[Event] = []
        self._take_line(events)
        self._dispatch(events)
        return events

    def _take_line(self, events: list[Event]) -> None:
        line = b"".join(self._unfinished).rstrip(b"\r\n").decode("utf-8", errors="replace")
        self._unfinished.clear()
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            events.append(Event(self._name, "\n".join(self._data)))
        self._name = ""
        self._data.clear()
