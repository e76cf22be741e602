"""What the node results of a run say about its answer: how well it was founded, what was found out, what failed.

Node results come in a tree whose branches changed names over the versions (FastGPT 4.16 source,
packages/global/core/workflow/runtime/type.ts). They hold prompts and quotes: nothing of them leaves this package but
a score, a wish and the kind of a failed node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontdesk.fastgpt import untrusted
from frontdesk.fastgpt.errors_table import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_BRANCHES = (
    "childrenResponses",
    "toolDetail",
    "pluginDetail",
    "loopDetail",
    "loopRunDetail",
    "parallelDetail",
)


def every_node(results: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each node of the tree, in the order of execution, however deep it lies."""
    waiting = list(reversed(results))
    while waiting:
        node = untrusted.mapping(waiting.pop())
        if node:
            yield node
        for branch in _BRANCHES:
            waiting.extend(reversed(untrusted.sequence(node.get(branch))))


def best_score(results: Sequence[Any]) -> float | None:
    """Return the best retrieval score (0..1), 0.0 when a search found none, None when nothing was searched.

    Rerank scores count before embedding scores. Full-text scores are unbounded and rank-fusion scores are about
    0.016 for the best hit, so neither is compared with a threshold. Very old servers give a bare number: the
    embedding's. Some versions keep the quotes in the chat node, so every node is looked at.
    """
    searched = False
    reranked: list[float] = []
    embedded: list[float] = []
    for node in every_node(results):
        searched = searched or node.get("moduleType") == "datasetSearchNode"
        for quote in untrusted.sequence(node.get("quoteList")):
            for kind, value in _scores(untrusted.mapping(quote).get("score")):
                if kind == "reRank":
                    reranked.append(value)
                elif kind == "embedding":
                    embedded.append(value)
    found = reranked or embedded
    if found:
        return min(max(0.0, *found), 1.0)
    return 0.0 if searched else None


def _scores(score: Any) -> Iterator[tuple[str, float]]:
    bare = untrusted.number(score)
    if bare is not None:
        yield "embedding", bare
    for entry in map(untrusted.mapping, untrusted.sequence(score)):
        value = untrusted.number(entry.get("value"))
        if value is not None:
            yield untrusted.text(entry.get("type")), value


def chosen_classes(results: Sequence[Any]) -> list[str]:
    """Return the class that each question classifier chose, by its name; it chooses the last one when none fits."""
    return [
        untrusted.text(node.get("cqResult"))
        for node in every_node(results)
        if node.get("moduleType") == "classifyQuestion"
    ]


def extracted(results: Sequence[Any], field: str) -> list[Any]:
    """Return what each content extraction gave for ``field``, in the order of execution."""
    found = (
        untrusted.mapping(node.get("extractResult"))
        for node in every_node(results)
        if node.get("moduleType") == "contentExtract"
    )
    return [fields[field] for fields in found if field in fields]


def assigned_values(results: Sequence[Any]) -> list[Any]:
    """Return the values that the run assigned to variables; the results do not tell to which."""
    return [value for node in every_node(results) for value in untrusted.sequence(node.get("updateVarResult"))]


def failures(results: Sequence[Any]) -> list[Refusal]:
    """Return what stopped each failed node that no catch branch of the workflow handled."""
    return [
        Refusal.read(node.get("error") or node.get("errorText"))
        for node in every_node(results)
        if (node.get("error") or node.get("errorText")) and node.get("errorCaptured") is not True
    ]
