"""The pauses of a workflow: sample questions to the user, and what a wrapped one holds inside.

Source: labring/FastGPT `packages/global/core/workflow/template/system/interactive/type.ts`.
"""

import json
from typing import Any

from simulators.fastgpt.knowledge import object_id

Interactive = dict[str, Any]

DEPARTMENTS = {
    "销售部": "已为您转到**销售部**，分机 8001，销售同事会在 10 分钟内联系您。",
    "售后部": "已为您转到**售后部**，分机 8002，请准备好订单号。",
    "财务部": "已为您转到**财务部**，分机 8003，开票资料可以先发到 invoice@shanyu.example。",
}

_RUNTIME_KEYS = ("entryNodeIds", "memoryEdges", "nodeOutputs", "usageId", "skipNodeQueue")


def _choose_department() -> Interactive:
    options = [{"key": f"option{place}", "value": name} for place, name in enumerate(DEPARTMENTS, 1)]
    return {"type": "userSelect", "params": {"description": "请选择您要联系的部门", "userSelectOptions": options}}


def _fill_form() -> Interactive:
    def line(kind: str, key: str, value_type: str, *, required: bool) -> dict[str, Any]:
        return {
            "type": kind,
            "key": key,
            "label": key,
            "description": "",
            "value": "",
            "defaultValue": "",
            "valueType": value_type,
            "required": required,
            "list": [{"label": "", "value": ""}],
        }

    return {
        "type": "userInput",
        "params": {
            "description": "请填写维修登记",
            "inputForm": [
                line("input", "姓名", "string", required=True),
                line("input", "订单号", "string", required=True),
                line("numberInput", "件数", "number", required=False),
            ],
        },
    }


def _ask_city() -> Interactive:
    return {
        "type": "agentAsk",
        "askId": "ask-city",
        "params": {
            "description": "安排上门之前还需要确认",
            "questions": [
                {
                    "question": "您在哪个城市？",
                    "options": [{"summary": "杭州", "value": "杭州"}, {"summary": "上海", "value": "上海"}],
                    "answer": "",
                }
            ],
        },
    }


def _points_used_up() -> Interactive:
    return {"type": "paymentPause", "params": {"description": "AI 积分不足，充值后可继续"}}


SAMPLES = {
    "userSelect": _choose_department,
    "userInput": _fill_form,
    "agentAsk": _ask_city,
    "paymentPause": _points_used_up,
}
"""Pauses that can be asked for by name."""


def deepest(interactive: Interactive) -> Interactive:
    """Return the pause inside all wrappers (childrenInteractive, loopInteractive …)."""
    inner = (interactive.get("params") or {}).get("childrenResponse")
    return deepest(inner) if isinstance(inner, dict) else interactive


def trimmed(interactive: Interactive) -> Interactive:
    """Return the form of a non-stream answer: the deepest pause without what only the server needs."""
    return {key: value for key, value in deepest(interactive).items() if key not in _RUNTIME_KEYS}


def untrimmed(interactive: Interactive) -> Interactive:
    """Return the form of a stream on recent servers: as it is kept, with the server's own keys."""
    return {
        "entryNodeIds": [object_id("node", str(interactive.get("type")))[:12]],
        "memoryEdges": [],
        "nodeOutputs": [],
        "usageId": object_id("usage"),
        **interactive,
    }


def answered(interactive: Interactive, text: str) -> str | None:
    """Return what a reply to a pause means: the chosen option, the filled form, the words.

    None when a selection was answered with anything but an option, verbatim.
    """
    pause = deepest(interactive)
    params = pause.get("params") or {}
    if pause.get("type") == "userSelect":
        values = [option.get("value") for option in params.get("userSelectOptions", ())]
        return text if text in values else None
    if pause.get("type") == "userInput":
        given = _form_values(text)
        lines = (f"{line['key']}：{given.get(line['key'], '未填写')}" for line in params.get("inputForm", ()))
        return "；".join(lines)
    return text


def _form_values(text: str) -> dict[str, Any]:
    """Read the JSON text of a filled form; anything else fills nothing."""
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
