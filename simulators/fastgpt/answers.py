"""Answers scripted over /_control/answers, in place of what the sample app would say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from simulators.fastgpt import nodes
from simulators.fastgpt.interactive import SAMPLES, Interactive
from simulators.fastgpt.settings import APPS
from simulators.fastgpt.steps import (
    Channel,
    NodeEnds,
    NodeStarts,
    Pauses,
    Step,
    ToolRuns,
    VariablesChange,
    Words,
    spoken,
)
from simulators.fastgpt.workflow import Inquiry, without_background


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer."""

    match: str = ""
    """Part of the question or of the chatId; "" meets all."""
    app: str = "main"
    """Which app gives it: main, lite, canary, or any."""
    times: int | None = None
    """How often it is given; None for always."""
    text: str = ""
    chunks: tuple[str, ...] = ()
    """The text in pieces, each streamed as it is; in place of `text`."""
    echo: str = ""
    """A pattern: what it finds in the question is said first, so that whoever asked knows their answer again."""
    fixed: bool = False
    """Said by a fixed-reply node (`fastAnswer`) rather than by the model."""
    reasoning: str = ""
    tools: tuple[dict[str, Any], ...] = ()
    """Tool calls before the text: any of id, toolName, functionName, params, response."""
    nodes: tuple[dict[str, Any], ...] | None = None
    """The node results, exactly, in place of `intent`, `score`, `error` and `reasoning`; None for the usual ones."""
    variables: dict[str, Any] | None = None
    """Global variables the workflow sets, with a node of their own unless `nodes` has one."""
    intent: str = ""
    """The class that a question classifier chose: its `cqResult`."""
    score: float | None = None
    """The score of the one quote that a dataset search found, on every scale; 0: it found none."""
    interactive: Interactive | None = None
    error: str = ""
    """The error text of the model's node."""
    delay_ms: int | None = None
    """Before the first words."""
    between_ms: int | None = None
    """Between pieces."""

    @property
    def words(self) -> str:
        """The whole text."""
        return "".join(self.chunks) or self.text

    @property
    def delay_s(self) -> float | None:
        """Seconds before the first words, if it says so."""
        return None if self.delay_ms is None else self.delay_ms / 1000

    def steps(self, inquiry: Inquiry) -> list[Step]:
        """Return the steps of a run that gives this answer."""
        text = self._text(inquiry)
        channel: Channel = "fixed" if self.fixed else "answer"
        steps: list[Step] = [NodeStarts("指定回复" if self.fixed else "AI 对话")]
        steps += spoken(self.reasoning, "reasoning")
        steps += [ToolRuns(_tool(tool)) for tool in self.tools]
        if self.chunks and text == self.words:
            steps += [Words(chunk, channel) for chunk in self.chunks]
        else:
            steps += spoken(text, channel)
        if self.variables:
            steps.append(VariablesChange(self.variables))
        steps += [NodeEnds(result) for result in self._results(inquiry)]
        if self.interactive:
            steps.append(Pauses(self.interactive))
        return steps

    def as_json(self) -> dict[str, Any]:
        """Return it as /_control/answers shows it, defaults left out."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        return {each.name: shown[each.name] for each in fields(self) if shown[each.name] != each.default}

    def _text(self, inquiry: Inquiry) -> str:
        """Return the whole text as it is said to this question."""
        found = re.findall(self.echo, without_background(inquiry).question) if self.echo else []
        return f"{' '.join(dict.fromkeys(found))} {self.words}" if found else self.words

    def _results(self, inquiry: Inquiry) -> list[dict[str, Any]]:
        if self.nodes is not None:
            results = [
                nodes.node(str(given.get("moduleType", "chatNode")), str(given.get("moduleName", ""))) | given
                for given in self.nodes
            ]
        else:
            results = [nodes.start_node(), *self._findings(inquiry), self._said(inquiry)]
        if self.variables and not any("updateVarResult" in result for result in results):
            results.append(nodes.variables_node(list(self.variables.values())))
        return results

    def _findings(self, inquiry: Inquiry) -> list[dict[str, Any]]:
        found = []
        if self.intent:
            found.append(nodes.classify_node(inquiry.question, self.intent))
        if self.score is not None:
            found.append(nodes.scored_search_node(inquiry.question, self.score))
        return found

    def _said(self, inquiry: Inquiry) -> dict[str, Any]:
        if self.fixed:
            return nodes.fixed_reply_node(self._text(inquiry))
        failure = {"error": {"message": self.error}, "errorText": self.error} if self.error else {}
        thought = {"reasoningText": self.reasoning} if self.reasoning else {}
        return nodes.chat_node(inquiry.question, inquiry.context, self._text(inquiry), **failure, **thought)


def read_answer(raw: Any) -> Answer:
    """Read an answer. Raises ValueError that says what is wrong with it."""
    if not isinstance(raw, Mapping):
        raise ValueError("an answer is an object")  # noqa: TRY004  (one kind of error for all bad input)
    known = {each.name for each in fields(Answer)}
    if unknown := sorted(set(raw) - known):
        raise ValueError(f"unknown: {', '.join(unknown)}; an answer may say {', '.join(sorted(known))}")
    given = dict(raw)
    if isinstance(given.get("interactive"), str):
        if given["interactive"] not in SAMPLES:
            raise ValueError(f"interactive must be an object or one of {', '.join(SAMPLES)}")
        given["interactive"] = SAMPLES[given["interactive"]]()
    for name in ("chunks", "tools", "nodes"):
        if given.get(name) is not None:
            if not isinstance(given[name], list):
                raise ValueError(f"{name} must be a list")
            given[name] = tuple(given[name])
    _require_pattern(given.get("echo", ""))
    if given.get("app", "main") not in APPS:
        raise ValueError(f"app must be one of {', '.join(APPS)}")
    score = given.get("score")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1):
        raise ValueError("score must be a number from 0 to 1")
    return Answer(**given)


def _require_pattern(echo: Any) -> None:
    try:
        re.compile(echo)
    except (re.error, TypeError) as exc:
        raise ValueError("echo must be a regular expression") from exc


class AnswerBook:
    """The scripted answers; the newest that fits is given."""

    def __init__(self) -> None:
        self._answers: list[tuple[Answer, list[int | None]]] = []

    def add(self, answer: Answer) -> None:
        """Script an answer."""
        self._answers.append((answer, [answer.times]))

    def take(self, question: str, chat_id: str, app: str) -> Answer | None:
        """Return the answer that the app (`main`, `lite` or `canary`) is to give, and count it down."""
        for scripted in reversed(self._answers):
            answer, left = scripted
            if answer.app not in {app, "any"} or (answer.match not in question and answer.match not in chat_id):
                continue
            if left[0] is not None:
                left[0] -= 1
                if left[0] <= 0:
                    self._answers.remove(scripted)
            return answer
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """Return the scripted answers with what is left of their times."""
        return [{**answer.as_json(), "times": left[0]} for answer, left in self._answers]

    def clear(self) -> None:
        """Forget all scripted answers."""
        self._answers.clear()


def _tool(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": nodes.random_id(12),
        "toolName": "查询订单",
        "toolAvatar": "",
        "functionName": "query_order",
        "params": "{}",
        "response": "",
        **given,
    }
