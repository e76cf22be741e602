"""Whether a customer is angry, read from the wording of a message."""

from __future__ import annotations

import re

from frontdesk.conversation.wording import any_of, clauses, plain

_YOU = "(?:你们?|您|机器人|客服|服务|态度|公司|平台|店家?|商家)"
_SO = f"{_YOU}(?:{_YOU}|这|家|的|真|也|都|就|是|实在|怎么|这么){{0,6}}"
_CAN = "[能会行有管退发给赔懂]"
_ANGER = any_of(
    # what the answer was
    "答非所问|[驴牛][唇头]不对马嘴|鸡同鸭讲|说人话|听不懂人话|(?:你|是不是|能)听不?懂吗|你?到底听|你?是不是听不懂|"
    "没听懂吗|听不懂就|跟你说不|不是我问的|问东.{0,3}答西",
    "[等说][于了][没白]说|等于白说|白问了|问了也白问|废话$|废话连篇|[问说].{0,3}半天|解决不了问题|废话[真太]?多|"
    "没一句有用|老是这句|别重复了|三遍了还",
    f"浪费(?:我的?|大家)?时间|糊弄|耍我|玩我呢|逗我|敷衍(?!了事)|骗人的|忽悠|{_SO}没用$|{_YOU}.{{0,4}}一点用|"
    f"^一点用都?没有?$|没用的东西|要你.{{0,3}}用$",
    # what the customer feels
    "[气烦]死(?:我|人|了|$)|受够|受不了(?:你|了$)|忍无可忍|[我很真人]火大|气炸|让人失望|对你们.{0,3}失望|不负责任|"
    "(?:[很好真太我]|让人)(?:生气|愤怒)(?!的)|烦不烦|^真?烦人|^真?气人|有完没完|^有意思吗$|重复有意思吗|再也不[来买]|"
    "恶心.{0,2}你们|[我人要]崩溃|恶心人",
    "^(?:真|我|太|也|是|的)*(?:服了|无语)(?:你们?|了)*$|(?:太|真|真是)(?:离谱|过分|可恶|气人|无耻|坑人?)(?!吗|的)",
    # what the customer calls those who answer
    "^(?:[真太都]是?|就是|什么|这么|好|一群)*垃圾$|垃圾(?:公司|平台|机器人|客服|服务|店|商家|东西|产品|软件|app|系统|"
    "玩意|回答|回复)|傻[逼b叉x]|煞笔|智障(?!人|儿童|者|患|孩)|脑残(?!粉)|弱智|[蠢笨](?:货|猪|蛋|死了|得要命)|草泥马|"
    "^操$|操你",
    "废物(?!利用|处理|回收)|^滚(?:蛋|开|吧|犊子|远点)?$|^你妈$|滚蛋|他妈的|^妈的|你妈的|去死(?!皮|角)|不要脸|闭嘴|"
    "有毛?病[吧啊]|你们?.{0,3}有病$|神经病[吧啊]?$|黑店|奸商|无良|坑爹|坑人",
    "骗钱(?!怎)|黑心|^骗子(?:公司|平台|商家|店)?$|[都就们]是骗子|(?:^|[你是真大个们])sb$|(?<![a-z])(?:tmd|nmd|cnm|"
    "nmsl)(?![a-z])",
    "什么[破烂](?!损|了|碎|裂)|什么玩意|(?:这|你们)[是算]?什么服务|^烂(?:公司|平台|客服|系统|店)|破(?:机器人|客服|"
    "公司|服务|玩意|系统|软件|店)|什么态度|^(?:太|真)?差劲",
    f"{_SO}(?:太差|差劲|很?差$|好差|差评|[太好]?烂|垃圾|坑$)",
    # what the customer is going to do
    "^(?:我|一定|肯定)*要?(?:去)?投诉(?:你们?|到底|定了)?$|投诉你们|就投诉|再不.{1,8}(?:投诉|举报|差评|曝光)|举报你|"
    "[打找去告]个?(?:12315|消协|工商)|消费者协会见|(?:告|起诉)你们$|还我钱|曝光你|黑猫投诉",
    "差评.{0,2}差评|[给打](?:你们?)?一?个?差评(?!会|怎|吗)|^(?:必须|果断|等着收)?差评吧?$",
    # how it is said
    f"到底(?!部|了)(?:是不是|.{{0,4}}{_CAN}[不没]{_CAN}|.{{0,2}}(?:什么时候|想怎|要怎|要多久|还要|怎么回事|什么意思))",
    r"\b(?:(?:are|is|so|totally|completely|this) useless(?! with)|stupid (?:bot|robot|machine|ai|thing)|so (?:stupid|"
    r"dumb)|idiots?|ridiculous|pathetic|what a joke|are a joke|complain about you|bullshit|wtf|fuck\w*)\b|^useless$",
    r"\b(?:terrible|worst|awful|horrible) (?:customer )?(?:service|support|experience|company)\b|"
    r"\bwaste of (?:my )?time\b|\bfed up\b|\b(?:so|very|really) (?:angry|frustrat\w+)|\bare you kidding\b",
    r"\b(?:this|it|you) sucks?\b|\byou scammers?\b|\bgarbage (?:bot|service|company)\b",
)
_SHOUTED = re.compile(r"!{3,}")
_SHORT = 40  # in a long story such marks stress a detail
_NOT_ANGRY = re.compile(
    r"不生气|没生气|别生气|谢|太好|太棒|真棒|好的|(?<![没未])收到|喜欢|爱|恭喜|哈哈|加油|你好|您好|赞|急|great|thank|"
    r"nice|love|hello|^hi\b"
)


def is_angry(text: str) -> bool:
    """Return whether ``text`` is angry about the service; that goods are bad or late is no anger yet."""
    words = plain(text)
    if len(words) <= _SHORT and _SHOUTED.search(words) and not _NOT_ANGRY.search(words):
        return True
    return any(_ANGER.search(clause) and not _NOT_ANGRY.search(clause) for clause in clauses(text))
