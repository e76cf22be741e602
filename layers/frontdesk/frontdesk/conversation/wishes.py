"""What a customer wishes beside an answer: a person, to be taken seriously, not to have to ask again.

Readings of short chat messages by their wording. They are made to be right when they say yes: whoever is not heard asks
again in plainer words, while a wrong yes costs a colleague's time. How right they are is measured on
tests/vectors/wishes.jsonl. Here is the wish for a person; the other two are offered here as well.
"""

from __future__ import annotations

import re

from frontdesk.conversation.anger import is_angry
from frontdesk.conversation.repetition import ALIKE, repeats
from frontdesk.conversation.wording import any_of, clauses

__all__ = ["ALIKE", "is_angry", "repeats", "wants_person"]

_LEAD = re.compile(
    r"(?:请问|烦请|请|麻烦|劳驾|拜托|帮忙|帮我|帮|替我|为我|给我|给|把我|我想要|我需要|我想|我要|我|"
    r"想要|想|要求|要|强烈|申请|希望|需要|求|能不能|能否|能|可不可以|可以|可否|"
    r"快点|快|赶紧|赶快|马上|立刻|立即|现在|直接|尽快|那就|那|就|还是|先|再|必须|一定|"
    r"怎么样?才?能?|怎样才?能?|如何|哪里|你们|你|您好|您|你好|亲|喂|嗨|算了|行了|投诉|咨询|一下|"
    r"hi|hello|hey|please|pls|i (?:want|need)|id like|can i|can you|could you|let me)\s*"
)
_TAIL = re.compile(
    r"\s*(?:[可行]不[可行]以?|可以[吗不]|[行好][吗么]|好不好|谢谢你?|谢了|多谢|感谢|拜托了?|"
    r"[吧吗么嘛呀啊呢哦噢喔啦哈]|一下|快点?|马上|急+|please|pls|plz|thanks|thx|ok|now|asap)$"
)
_LONGEST_TAIL = 10
_DESK = "(?:客服|服务|坐席|座席|专席|人员|专员|顾问|台|老师|小姐姐|帮助|咨询)*+"
_HUMAN = f"(?:人工|真人|大?活人|接线[员生]|坐席|座席|(?:在线|售后|售前|官方|网上)?客服){_DESK}"
_STAFF = "(?:值班)?(?:领导|经理|主管|负责人|老板|店长|上级|专员|专人|顾问|工作人员|管理人?员)"
_WITH_ME = "(?:[帮给跟和与为替]?(?:我们?))"
_SPEAK = (
    f"(?:{_WITH_ME}?(?:说|聊|谈|讲|沟通|联系|处理|解决|回复|回答|回|答|解答|对接|看看|看一下|查|接待|服务|投诉|帮忙|"
    f"出面|过来|倾|[打回]电话)(?:话|天|说|聊|谈|我)?|{_WITH_ME})"
)
_TO = "(?:一?[个位名]|一?下|成|到|给|你们?|的)*"
_VERB = f"(?:找|叫|喊|来(?=一?[个位])|换|派|安排|请|让|见|联[系络]|呼叫|连接|接通?|到|按|回复|输入){_TO}"

# The whole of what somebody says, courtesies aside, calls for a person, or asks how to get at one.
_CALL = any_of(
    f"一?个?(?:{_HUMAN})+(?:(?:麻烦|请|帮我|给我)*转接?(?:一?下)?)?",
    f"(?:人工|真人){_DESK}(?:可以|能|来)?{_SPEAK}",
    "(?:人工|真人)(?:售后|售前|退款|退货|查询|投诉)",
    f"(?:[转专砖赚][人任][工公功供]|转工人){_DESK}",
    "z ?r ?g|(?:ren ?gong|zhen ?ren)(?: ?(?:ke ?fu|fu ?wu))?",
)
_SUMMON = any_of(
    f"{_VERB}(?:{_HUMAN}|{_STAFF}|真?人)(?:出?来)?{_SPEAK}?(?:转|出来)?",
    f"转接?{_TO}(?:{_HUMAN}|专员|主管|经理){_SPEAK}?",
    rf"(?:找|叫|喊|换|派)(?:一?[个位])?(?:能|会|懂)\w{{0,6}}的人?(?:出?来)?{_SPEAK}?",
    f"把你?们?的?{_STAFF}叫(?:过|出)?来",
    f"[和跟与同](?:你们?|的|一?个)*(?:{_HUMAN}|{_STAFF}|真?人类?){_SPEAK}",
    f"(?:还?有没有|还?没有?|还?有)(?:一?个)?(?:{_HUMAN}|真人)(?:在线|在|没有?|可以{_SPEAK})?",
    f"(?:人工|真人){_DESK}(?:在线|上线|在不在|在|哪里?有|有|怎么(?:联[系络]|[进转找接])|(?:入口|通道)(?:在哪里?)?|"
    f"那边|没有?)",
    f"{_HUMAN}(?:在哪里?|出来)",
    "转接(?:到|给|去|至|售后|售前|财务|技术|销售)*(?:部门|人员)?|转(?:到|接|给)?(?:售后|财务|技术)(?:部门|人员)?",
)
# So does a part of a longer sentence.
_HAND_OVER = any_of(
    "[转接切换](?:接|到|给|入|至|成|去|换|通|回|不了|不到|不上|一?下|一?个|我|你们?|的)*"
    f"(?:人工|真人|活人|客服){_DESK}",
    "(?:转|zhuan)(?: ?jie)? ?(?:人|ren|r) ?(?:工|gong|g)",
    f"(?:我要|我想要|我需要|要求|申请|找|叫|喊|请|让|给我|派|安排|联[系络]|呼叫|[和跟与])"
    f"(?:{_TO}{_HUMAN}|{_TO}你们的?{_STAFF})"
    f"(?:出?来)?(?:(?=$|吧|啊|呀|谢谢|快|急|马上|可以|行|都)|{_SPEAK}|接|介入)",
    f"(?:[得请用]|需?要)(?:人工|真人)(?:来|给)?{_SPEAK}|(?:没有?|找不到)(?:人工|真人){_DESK}$",
    f"(?:请|让|派|安排)(?:一?[个位])?{_STAFF}(?:联系|回复|答复)?{_WITH_ME}",
    "(?:人工|客服)介入|(?:人工|真人)[帮跟和]我",
    f"你们的?{_STAFF}(?:呢|在哪|在吗)",
)
_NO_ROBOT = re.compile(
    r"(?<![要想])(?:不要|别|不想|不跟|不和|不需要|拒绝)(?:再|听|跟|和|与|让|用|拿|叫|我|你们?|这个|这种|什么)*"
    r"(?:机器人(?!包|课|模型|玩具|配件)|智能客服|自动回复|(?:机器|ai)(?=$|说|聊|回|答|客服))"
)
_DENIED = re.compile(
    r"(?:(?<!用)不用|(?<!要)不要|不需要|无需|无须|不必|没必要|(?<!想)不想|(?<!是)不是|"
    r"先不|暂不|暂时不|别|勿|取消|关闭|关掉|停用|屏蔽|拒绝)"
    r"(?:再|要|给我|帮我|急着|麻烦|先|你们|去|找|联系|了)*$"
)
_NOT_NOW = re.compile(r"昨天|前天|上次|上回|之前|以前|当时|已|热线|支持|配置|功能|系统")
# What makes something else of the word before it: labour, what is artificial, and questions about the service.
_OTHERWISE = re.compile(
    r"的?(?:费|成本|工资|工作|审[核查]|[核复]|翻译|装|搬|标注|检|计|操作|"
    r"智|呼吸|湖|草|岛|授|合成|养|降|造|制|秀|版|模特|照片|cs|出镜|图|拍|发|试|"
    r"电话|热线|号码|微信|邮箱|时间|几点|上班|下班|什么时候上|说|告诉|答应|态度|"
    r"软件|系统|功能|接口|文档|配置|流程|按钮|率|是什么|什么意思|是啥|要钱|要收|收费|收不收|多少钱|有?什么?区别|"
    r"和机器|务(?!必)|过|(?<=[说聊谈讲通系理决复答])了| ?(?:zhi|fei|cheng))"
)
_KINDLY = "(?:(?:an?|the|any|your|some|real|live|actual|human|customer|service|support) )*"
_PERSON = "(?:human|(?<!travel )agent|operator|representative|rep|manager|supervisor|support staff)"
_ENGLISH = any_of(
    rf"\b(?:talk|speak|chat)(?:ing)? (?:to|with) {_KINDLY}"
    rf"(?:{_PERSON}|person|someone|somebody|staff|customer (?:service|support))\b",
    r"\b(?:want|need|get|give|find|connect|transfer|switch|put|bring|call|have) (?:(?:me|us|to|through|over|with) )*"
    rf"{_KINDLY}(?:{_PERSON}|(?<=real )person|person$)"
    r"(?=$| (?:please|help|agent|now|here|to|who|asap|right|thanks|for|support)\b)",
    rf"\b(?:is|are) there {_KINDLY}(?:{_PERSON}|person)(?=$| (?:i|to|here|there|available|who)\b)",
    r"\bcan an? (?:real )?(?:human|agent)\b",
    rf"^{_KINDLY}(?:{_PERSON}|(?:real|live|actual) person|human (?:help|support|service)|customer service)$",
)
_ENGLISH_DENIED = re.compile(r"\b(?:dont|do not|no|not|never|without|wont)\b")


def wants_person(text: str) -> bool:
    """Return whether ``text`` asks for a person: 转人工 however spelled, 找个人, 不要机器人, "talk to a human"."""
    return any(map(_calls_somebody, clauses(text)))


def _calls_somebody(clause: str) -> bool:
    core = _without_courtesies(clause)
    if _CALL.fullmatch(core) and not clause.endswith(("吗", "么", "嘛")):  # 真人吗 asks whom one talks to
        return True
    if _SUMMON.fullmatch(core) or _NO_ROBOT.search(clause):
        return True
    if _ENGLISH.search(core) and not _ENGLISH_DENIED.search(clause):
        return True
    return any(
        not _OTHERWISE.match(clause, found.end())
        and not _DENIED.search(clause, 0, found.start())
        and not _NOT_NOW.search(clause, 0, found.start())
        for found in _HAND_OVER.finditer(clause)
    )


def _without_courtesies(clause: str) -> str:
    """Return the core of a clause: 麻烦帮我转一下人工好吗 is 转一下人工."""
    start, end = 0, len(clause)
    while start < end and (found := _LEAD.match(clause, start, end)):
        start = found.end()
    while end > start and (found := _TAIL.search(clause, max(start, end - _LONGEST_TAIL), end)):
        end = found.start()
    return clause[start:end].strip()
