"""The sample app: turns a question and the conversation before it into the steps of a run.

classify → (fixed reply | dataset search → AI chat | a pause). It stands in for what an app author would build, and for
the model; it is deterministic, so that tests can say what they expect.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulators.fastgpt import nodes
from simulators.fastgpt.interactive import DEPARTMENTS, SAMPLES, Interactive, answered, deepest
from simulators.fastgpt.knowledge import Faq, Hit
from simulators.fastgpt.settings import FastgptSettings
from simulators.fastgpt.steps import NodeEnds, NodeStarts, Pauses, Step, VariablesChange, spoken
from simulators.fastgpt.summary import summed_up

HANDOFF_REPLY = "\n好的，正在为您转接人工客服，请稍候。"
UNKNOWN_REPLY = "抱歉，这个问题我不知道答案，资料里没有相关内容。您可以换个说法，或回复「转人工」。"
WHICH_ONE_REPLY = "请问您指的是哪一款产品呢？"

_HANDOFF = re.compile(
    r"转人工|转接人工|找人工|人工客服|人工服务|真人|(?:talk|speak) (?:to|with) (?:an? )?(?:human|person|agent)",
    re.IGNORECASE,
)
_GREETING = re.compile(r"(?:你好|您好|嗨|哈喽|早上好|下午好|晚上好|在吗|hello|hi|hey)[\s,，。.!！~～]*", re.IGNORECASE)
_OPENING = re.compile(r"(?:我)?(?:想|要)?(?:请问|问|咨询|请教)(?:一下|个问题|个事|几个问题)?[\s,，。.!！~～]*")
_THANKS = re.compile(
    r"(?:好的|好|嗯|行)?[,，\s]*(?:谢谢|多谢|感谢|辛苦了|thanks|thank you)(?:你|您|了|啦)?[\s,，。.!！~～]*",
    re.IGNORECASE,
)
_FAREWELL = re.compile(r"(?:好的|好|嗯|行|知道了|明白了|再见|拜拜|bye|ok|okay)[\s,，。.!！~～]*", re.IGNORECASE)
_MY_NAME_IS = re.compile(r"我(?:叫|是)(?!什么|谁)([\u4e00-\u9fffA-Za-z]{1,8})")
_WHO_AM_I = re.compile(r"我叫什么|我是谁|我的名字")
_WHAT_DID_I_ASK = re.compile(r"(?:刚才|刚刚|上一?个|之前).*(?:问|说)了?(?:什么|题)|上一个问题")
_COURTESIES = {
    _OPENING: "您请讲，我在听。",
    _THANKS: "不客气，很高兴能帮到您。",
    _FAREWELL: "好的，有需要随时找我。",
}
_BACKGROUND = re.compile(r"\A\s*（.*?\n）\n(?=.*\S)", re.DOTALL)
_PAUSES = {"选择部门": "userSelect", "填写表单": "userInput", "预约上门": "agentAsk"}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What the model is given. `context` is oldest first, as (`Human`, `AI` or `System`, text)."""

    question: str
    context: Sequence[tuple[str, str]] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    pending: Interactive | None = None
    paused_question: str = ""
    cites: bool = True
    """Whether the model marks where its words come from."""


class SampleApp:
    """The workflow over one FAQ."""

    def __init__(self, faq: Faq, settings: FastgptSettings, *, scores_are_lists: bool) -> None:
        self._faq = faq
        self._settings = settings
        self._scores_are_lists = scores_are_lists

    def run(self, inquiry: Inquiry) -> list[Step]:
        """Return the steps of the run that answers the inquiry."""
        if inquiry.pending is not None:
            return self._resume(inquiry, inquiry.pending)
        inquiry = without_background(inquiry)
        question = inquiry.question
        for words, kind in _PAUSES.items():
            if words in question:
                return [*_classified(question, "咨询问题"), Pauses(SAMPLES[kind]())]
        if _HANDOFF.search(question):
            return self._hand_off(question)
        if remark := self._small_talk(inquiry):
            return [*_classified(question, "问候"), *chatted(inquiry, remark)]
        return [*_classified(question, "咨询问题"), *self._looked_up(inquiry)]

    def run_tool(self, variables: Mapping[str, Any]) -> list[Step]:
        """Return the steps of the workflowTool app, whose input is `variables.query`."""
        question = str(variables.get("query", ""))
        hits = self._hits(question, ())
        answer = hits[0].answer if hits else UNKNOWN_REPLY
        output = nodes.node("pluginOutput", "插件输出", pluginOutput={"result": answer})
        return [*chatted(Inquiry(question), answer), NodeEnds(output)]

    def run_lite(self, inquiry: Inquiry) -> list[Step]:
        """Return the steps of the light app: it sums up what has several lines, and answers a single one."""
        inquiry = without_background(inquiry)
        lines = [line for line in inquiry.question.splitlines() if line.strip()]
        if len(lines) > 1:
            return [NodeEnds(nodes.start_node()), *chatted(inquiry, summed_up(lines))]
        remark = self._small_talk(inquiry)
        return [
            NodeEnds(nodes.start_node()),
            *(chatted(inquiry, remark) if remark else self._looked_up(inquiry)),
        ]

    def _hand_off(self, question: str) -> list[Step]:
        changed = nodes.variables_node([True])
        return [
            *_classified(question, "转人工"),
            NodeEnds(changed),
            VariablesChange({"handoff": True}),
            NodeStarts("指定回复"),
            *spoken(HANDOFF_REPLY, "fixed"),
            NodeEnds(nodes.fixed_reply_node(HANDOFF_REPLY)),
        ]

    def _small_talk(self, inquiry: Inquiry) -> str | None:
        """Return the reply to what needs no dataset: greetings and the conversation itself."""
        question = inquiry.question.strip()
        if _GREETING.fullmatch(question):
            return f"您好，我是{self._faq.company}的智能客服，请问有什么可以帮您？"
        for words, reply in _COURTESIES.items():
            if words.fullmatch(question):
                return reply
        said = [text for speaker, text in inquiry.context if speaker == "Human"]
        if _WHO_AM_I.search(question):
            names = [found.group(1) for text in said if (found := _MY_NAME_IS.search(text))]
            return f"您是{names[-1]}。" if names else "您还没有告诉我您的名字。"
        if named := _MY_NAME_IS.match(question):
            return f"您好，{named.group(1)}，很高兴认识您。"
        if _WHAT_DID_I_ASK.search(question):
            return f"您上一个问题是：{said[-1]}" if said else "这是我们的第一句话，您之前还没有问过问题。"
        return None

    def _looked_up(self, inquiry: Inquiry) -> list[Step]:
        hits = self._hits(inquiry.question, inquiry.context)
        answer = self._composed(inquiry, hits)
        found = nodes.search_node(
            inquiry.question, hits, self._faq, self._settings, scores_are_lists=self._scores_are_lists
        )
        return [NodeStarts("知识库搜索"), NodeEnds(found), *chatted(inquiry, answer)]

    def _hits(self, question: str, context: Sequence[tuple[str, str]]) -> list[Hit]:
        """Return what the dataset offers at or above the threshold, best first."""
        hits = self._faq.search(question)
        detail = self._faq.follow_up(question, [text for speaker, text in context if speaker != "System"])
        if detail:
            hits = [detail, *hits]
        reranked = self._settings.rerank
        return [hit for hit in hits if (hit.rerank if reranked else hit.embedding) >= self._settings.similarity]

    def _composed(self, inquiry: Inquiry, hits: Sequence[Hit]) -> str:
        if not hits:
            return WHICH_ONE_REPLY if self._faq.points_back(inquiry.question) else UNKNOWN_REPLY
        lines = [line for line in inquiry.question.splitlines() if line.strip()]
        chosen = {hits[0].entry.id: hits[0]}
        if len(lines) > 1:
            for line in lines:
                for hit in self._hits(line, inquiry.context)[:1]:
                    chosen[hit.entry.id] = hit
        marks = {hit.entry.id: f"[{hit.entry.data_id}](CITE)" if inquiry.cites else "" for hit in chosen.values()}
        return "\n\n".join(hit.answer + marks[hit.entry.id] for hit in chosen.values())

    def _resume(self, inquiry: Inquiry, pending: Interactive) -> list[Step]:
        kind = deepest(pending).get("type")
        meant = answered(pending, inquiry.question)
        if kind == "paymentPause":
            again = replace(inquiry, question=inquiry.paused_question, pending=None)
            return self._looked_up(again)
        if kind == "userSelect":
            chosen = nodes.node("userSelect", "用户选择", userSelectResult=inquiry.question)
            if meant is None:
                return [NodeEnds(chosen)]
            return [NodeEnds(chosen), *chatted(inquiry, DEPARTMENTS.get(meant, f"好的，您选择了「{meant}」。"))]
        if kind == "userInput":
            filled = nodes.node("formInput", "表单输入", formInputResult=meant)
            return [NodeEnds(filled), *chatted(inquiry, f"登记成功。{meant}。")]
        return chatted(inquiry, f"收到：{meant}。我们会尽快为您安排。")


def chatted(inquiry: Inquiry, answer: str, **fields: Any) -> list[Step]:
    """Return the steps of an AI chat node that says the answer."""
    result = nodes.chat_node(inquiry.question, inquiry.context, answer, **fields)
    return [NodeStarts("AI 对话"), *spoken(answer), NodeEnds(result)]


def without_background(inquiry: Inquiry) -> Inquiry:
    """Return the inquiry with what stands in brackets of their own before the question as something said before."""
    found = _BACKGROUND.match(inquiry.question)
    if found is None:
        return inquiry
    said_before = [*inquiry.context, ("Human", found[0].strip())]
    return replace(inquiry, question=inquiry.question[found.end() :], context=said_before)


def _classified(question: str, intent: str) -> list[Step]:
    return [
        NodeEnds(nodes.start_node()),
        NodeStarts("问题分类"),
        NodeEnds(nodes.classify_node(question, intent)),
    ]
