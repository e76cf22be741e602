"""What the local run says of itself, in the files that it writes for its own simulators."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.template import load_template
from simulators.traffic.verdict import Phrases
from simulators.wecom.settings import WecomSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEMPLATE = Path(__file__).parents[2] / "template.yaml"
# Of the sentences by which this project's bot calls a person.
_PERSON = frozenset({"转接人工", "同事继续"})
_SENTENCES = ("WelcomeText", "InterimText", "FallbackText", "UnsupportedText")


class NoLocalRunError(Exception):
    """No local run is up in the folder, or its vendors are real ones; the text says what to do."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A local run: where its simulators are controlled, and its processes by name (``name: session leader's pid``).

    The first of ``fastgpts`` is the one that is asked first; the others stand by. ``aws`` is where its AWS answers.
    """

    settings: WecomSettings = field(repr=False)
    wecom: str
    fastgpts: tuple[str, ...]
    processes: Mapping[str, int]
    aws: Mapping[str, Any]


def find(folder: Path) -> LocalRun:
    """Return the local run of ``folder``. Raises `NoLocalRunError`."""
    described = _read(folder / "simulators.json")
    if not described.get("wecom") or not described.get("fastgpt"):
        raise NoLocalRunError("the local run has a real vendor: its customers would be real people's")
    base = f"http://127.0.0.1:{described['port']}"
    processes = {name: int(each["pid"]) for name, each in _read(folder / "processes.json").items()}
    settings = WecomSettings(**described["wecom"], callback_url=described["callback_url"])
    standby = (f"{base}/fastgpt-standby",) if described.get("fastgpt_standby") else ()
    return LocalRun(settings, f"{base}/wecom", (f"{base}/fastgpt", *standby), processes, described["aws"])


def phrases(environment: Mapping[str, str]) -> Phrases:
    """Return the sentences of this project's bot: those of ``environment``, or the template's own."""
    parameters = load_template(_TEMPLATE)["Parameters"]
    welcome, interim, apology, media = (
        environment.get(_setting(name), parameters[name]["Default"]) for name in _SENTENCES
    )
    return Phrases(frozenset({welcome, interim}), frozenset({apology}), frozenset({media}), _PERSON)


def _setting(parameter: str) -> str:
    return f"{parameter.removesuffix('Text').upper()}_TEXT"


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as exc:
        raise NoLocalRunError("no local run is up: start one with `make run ARGS=--detach`, or name a URL") from exc
    return found
