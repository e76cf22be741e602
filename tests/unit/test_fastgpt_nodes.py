from __future__ import annotations

from typing import Any

import pytest

from frontdesk.fastgpt.nodes import assigned_values, best_score, chosen_classes, every_node, extracted, failures


def quote(**scores: Any) -> dict[str, Any]:
    return {"score": [{"type": kind, "value": value, "index": 0} for kind, value in scores.items()]}


def search(*quotes: Any) -> dict[str, Any]:
    return {"moduleType": "datasetSearchNode", "quoteList": list(quotes)}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([search(quote(embedding=0.61, reRank=0.42), quote(embedding=0.87, reRank=0.31))], 0.42),
        ([search(quote(embedding=0.61, rrf=0.0164), quote(embedding=0.87))], 0.87),
        ([search({"score": 0.8935}, {"score": 0.61})], 0.8935),
        ([search(quote(fullText=14.2, rrf=0.0164))], 0.0),
        ([search()], 0.0),
        ([{"moduleType": "datasetSearchNode"}], 0.0),
        ([{"moduleType": "chatNode"}], None),
        ([], None),
        ([{"moduleType": "chatNode", "quoteList": [quote(embedding=0.7)]}], 0.7),
        ([search(quote(reRank=1.3))], 1.0),
        ([search(quote(embedding=-0.2))], 0.0),
        ([search(quote(embedding="0.9"), quote(embedding=True), {"score": None}, {"score": [3]}, None)], 0.0),
        ([search(quote(embedding=float("nan")), quote(embedding=float("inf")), quote(embedding=10**400))], 0.0),
    ],
)
def test_the_score_is_the_best_rerank_else_the_best_embedding(results: list[Any], expected: float | None) -> None:
    assert best_score(results) == expected


@pytest.mark.parametrize(
    "branch", ["childrenResponses", "toolDetail", "pluginDetail", "loopDetail", "loopRunDetail", "parallelDetail"]
)
def test_nested_nodes_count_under_every_name_their_branch_had(branch: str) -> None:
    nested = {"moduleType": "tools", branch: [{"moduleType": "appModule", branch: [search(quote(reRank=0.8))]}]}

    assert best_score([nested]) == 0.8


def test_what_was_chosen_extracted_and_assigned_is_found_in_nested_nodes_too() -> None:
    def results(word: str) -> list[Any]:
        return [
            {"moduleType": "classifyQuestion", "cqResult": word},
            {"moduleType": "contentExtract", "extractResult": {"field": word}},
            {"moduleType": "variableUpdate", "updateVarResult": [word, None]},
        ]

    tree = [*results("a"), {"moduleType": "appModule", "childrenResponses": results("b")}]

    assert chosen_classes(tree) == ["a", "b"]
    assert extracted(tree, "field") == ["a", "b"]
    assert extracted(tree, "another") == []
    assert assigned_values(tree) == ["a", None, "b", None]


def test_only_the_node_of_the_right_kind_chooses_and_extracts() -> None:
    tree = [{"moduleType": "chatNode", "cqResult": "a", "extractResult": {"field": "a"}}]

    assert (chosen_classes(tree), extracted(tree, "field")) == ([], [])


def test_nodes_are_walked_in_the_order_of_execution() -> None:
    tree = [{"id": 1, "childrenResponses": [{"id": 2}, {"id": 3, "loopDetail": [{"id": 4}]}]}, {"id": 5}, "junk", None]

    assert [node["id"] for node in every_node(tree)] == [1, 2, 3, 4, 5]


def test_a_tree_of_any_depth_is_walked() -> None:
    tree: dict[str, Any] = search(quote(embedding=0.5))
    for _ in range(20_000):
        tree = {"childrenResponses": [tree]}

    assert best_score([tree]) == 0.5


def test_only_failures_that_no_branch_caught_are_reported() -> None:
    results = [
        {"moduleType": "httpRequest468", "errorText": "handled", "errorCaptured": True},
        {"moduleType": "tools", "childrenResponses": [{"error": {"message": "insufficientQuota"}}]},
        {"moduleType": "chatNode", "errorText": "Connection error."},
        {"moduleType": "chatNode", "errorText": "", "error": None},
    ]

    assert [failure.message for failure in failures(results)] == ["insufficientQuota", "Connection error."]
