"""What happens in a run, step by step: the language between the app, the faults and the two ways to answer."""

from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

from simulators.fastgpt.errors import ApiError

Channel = Literal["answer", "fixed", "reasoning"]

_PIECE_LENGTHS = (2, 3, 1, 4)


@dataclass(frozen=True, slots=True)
class NodeStarts:
    """A node begins; the stream shows its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text: of the model's answer, of a fixed reply, or of its reasoning."""

    text: str
    channel: Channel = "answer"


@dataclass(frozen=True, slots=True)
class ToolRuns:
    """The model called a tool: id, toolName, toolAvatar, functionName, params, response."""

    tool: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeEnds:
    """A node is done, with its result."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VariablesChange:
    """The workflow set these global variables."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pauses:
    """The workflow stops and asks; the next message of the chat goes on from here."""

    interactive: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Breaks:
    """The run fails as a whole: an error event, or an error envelope."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class FallsSilent:
    """Nothing is sent for so many seconds, or until the caller leaves."""

    seconds: float | None
    heartbeats: bool


@dataclass(frozen=True, slots=True)
class Cuts:
    """The answer ends here: the connection drops, or (`clean`) the response ends without its last events."""

    clean: bool


@dataclass(frozen=True, slots=True)
class Spills:
    """Bytes that are no part of the protocol."""

    body: bytes


Step = NodeStarts | Words | ToolRuns | NodeEnds | VariablesChange | Pauses | Breaks | FallsSilent | Cuts | Spills


def spoken(text: str, channel: Channel = "answer") -> list[Step]:
    """Return the text in pieces of one to four characters, as a model gives it."""
    pieces: list[Step] = []
    place = 0
    for length in cycle(_PIECE_LENGTHS):
        if place >= len(text):
            return pieces
        pieces.append(Words(text[place : place + length], channel))
        place += length
    return pieces
