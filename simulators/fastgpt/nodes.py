"""Builds node results as FastGPT reports them in `responseData` and `flowResponses`.

Source: labring/FastGPT `packages/global/core`: `workflow/runtime/type.ts` (node results), `dataset/type.ts` (quotes).
`runningTime` (seconds) is filled in when the node has run.
"""

import secrets
import string
from collections.abc import Sequence
from typing import Any

from simulators.fastgpt.knowledge import Faq, Hit, object_id
from simulators.fastgpt.settings import FastgptSettings

CHAT_MODEL = "sample-chat-1"
EMBEDDING_MODEL = "sample-embedding-1"
RERANK_MODEL = "sample-rerank-1"
INTENTS = ("转人工", "问候", "咨询问题")
"""The classes of the sample app. A question that fits none falls to the last."""

_ALPHABET = string.ascii_letters + string.digits


def random_id(length: int = 24) -> str:
    """Return an id of letters and digits, as FastGPT makes for items, chats and node runs."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def node(module_type: str, name: str, **fields: Any) -> dict[str, Any]:
    """Return a node result with the fields every node has."""
    return {
        "id": random_id(12),
        "nodeId": object_id("node", module_type)[:12],
        "moduleName": name,
        "moduleType": module_type,
        "runningTime": 0,
        "totalPoints": 0,
        **fields,
    }


def start_node() -> dict[str, Any]:
    """Return the node every workflow starts with; its name is a translation key."""
    return node("workflowStart", "common:core.module.template.work_start")


def classify_node(question: str, intent: str) -> dict[str, Any]:
    """Return what the question classifier chose."""
    return node(
        "classifyQuestion",
        "问题分类",
        totalPoints=0.012,
        model=CHAT_MODEL,
        query=question,
        inputTokens=40 + len(question),
        outputTokens=4,
        cqList=[{"value": value, "key": object_id("intent", value)[:4]} for value in INTENTS],
        cqResult=intent,
        contextTotalLen=2,
    )


def search_node(
    question: str, hits: Sequence[Hit], faq: Faq, settings: FastgptSettings, *, scores_are_lists: bool
) -> dict[str, Any]:
    """Return a dataset search and what it found."""
    reranked = (
        {"rerankModel": RERANK_MODEL, "rerankWeight": 0.5, "reRankInputTokens": 12 * len(hits)}
        if settings.rerank
        else {}
    )
    return node(
        "datasetSearchNode",
        "知识库搜索",
        totalPoints=0.0021,
        query=question,
        embeddingModel=EMBEDDING_MODEL,
        embeddingTokens=len(question),
        embeddingWeight=0.5,
        similarity=settings.similarity,
        limit=5000,
        searchMode="embedding",
        searchUsingReRank=settings.rerank,
        datasetQueries=[question],
        quoteList=[
            _quote(hit, rank, faq, rerank=settings.rerank, score_is_list=scores_are_lists)
            for rank, hit in enumerate(hits)
        ],
        **reranked,
    )


def chat_node(question: str, context: Sequence[tuple[str, str]], answer: str, **fields: Any) -> dict[str, Any]:
    """Return the model's node. `context` is the conversation it saw, as (`Human`, `AI` or `System`, text)."""
    preview = [{"obj": speaker, "value": text} for speaker, text in context]
    preview.append({"obj": "Human", "value": question})
    if answer:
        preview.append({"obj": "AI", "value": answer})
    tokens = sum(len(line["value"]) for line in preview)
    told: dict[str, Any] = {
        "totalPoints": round(tokens * 0.00033, 5),
        "model": CHAT_MODEL,
        "query": question,
        "inputTokens": tokens - len(answer),
        "outputTokens": len(answer),
        "maxToken": 4000,
        "temperature": 0,
        "historyPreview": preview,
        "contextTotalLen": len(preview),
        "finishReason": "stop",
        "llmRequestIds": [random_id(21)],
    }
    return node("chatNode", "AI 对话", **{**told, **fields})


def scored_search_node(question: str, score: float) -> dict[str, Any]:
    """Return a dataset search with one quote of that score, or with none for a score of 0."""
    quote = {
        "id": object_id("data", question),
        "updateTime": "2026-07-30T08:00:00.000Z",
        "q": question,
        "a": "",
        "chunkIndex": 0,
        "score": [{"type": kind, "value": score, "index": 0} for kind in ("reRank", "embedding")],
    }
    return node("datasetSearchNode", "知识库搜索", query=question, quoteList=[quote] if score else [])


def variables_node(values: Sequence[Any]) -> dict[str, Any]:
    """Return a variable update: it tells the values that it assigned, and not to which variables."""
    return node("variableUpdate", "变量更新", updateVarResult=list(values))


def fixed_reply_node(text: str) -> dict[str, Any]:
    """Return a fixed reply's node."""
    return node("answerNode", "指定回复", textOutput=text)


def _quote(hit: Hit, rank: int, faq: Faq, *, rerank: bool, score_is_list: bool) -> dict[str, Any]:
    scores = [
        {"type": "embedding", "value": hit.embedding, "index": rank},
        {"type": "rrf", "value": round(1 / (61 + rank), 6), "index": rank},
    ]
    if rerank:
        scores.insert(0, {"type": "reRank", "value": hit.rerank, "index": rank})
    return {
        "id": hit.entry.data_id,
        "updateTime": "2026-07-30T08:00:00.000Z",
        "q": hit.entry.questions[0],
        "a": hit.answer,
        "chunkIndex": rank,
        "datasetId": object_id("dataset", faq.company),
        "collectionId": object_id("collection", faq.source),
        "sourceId": object_id("source", faq.source),
        "sourceName": faq.source,
        "score": scores if score_is_list else hit.embedding,
    }
