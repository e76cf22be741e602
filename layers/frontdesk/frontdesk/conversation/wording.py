"""Short chat messages as their readings by wording see them: plain characters, clause by clause."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIMPLIFIED = str.maketrans(
    "轉請幫個們機聯繫係絡話電員線專務換說讓給來處經別對沒問過誰還為麼麽嗎聽見講與維護訴時間開關點應該負責領導鬧爛氣無語壞買賣貨錢煩謝"
    "這樣發運費詢復複雜貴離譜騙廢滾聲態誤會試騷擾連進單訂號評價後從臺積兌訊賬帳裡裏幾傾覆選擇標準還搵",
    "转请帮个们机联系系络话电员线专务换说让给来处经别对没问过谁还为么么吗听见讲与维护诉时间开关点应该负责领导闹烂气无语坏买卖货钱烦谢"
    "这样发运费询复复杂贵离谱骗废滚声态误会试骚扰连进单订号评价后从台积兑讯账账里里几倾复选择标准还找",
)
_HAN = "\u4e00-\u9fff"
_SPELLED = re.compile(rf"(?<!\w)[{_HAN}](?:[\W_]+[{_HAN}](?!\w))+")  # 转 人 工, 转-人-工
_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")
_STOP = re.compile(r"[。!?;,…~\n]+|\.(?=\s|$)|\.{2,}")
SIGN = re.compile(r"[^\w\s]|_")


def plain(text: str) -> str:
    """Return ``text`` with full-width, upper-case and the traditional characters of this talk made plain."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_SIMPLIFIED)


def clauses(text: str) -> Iterator[str]:
    """Yield what ``text`` says, clause by clause, without signs; spaces stay between Latin words only."""
    spelled = _SPELLED.sub(lambda found: re.sub(r"[\W_]", "", found[0]), plain(text))
    for piece in _STOP.split(spelled):
        clause = _BESIDE_HAN.sub("", " ".join(SIGN.sub("", piece).split()))
        if clause:
            yield clause


def any_of(*patterns: str) -> re.Pattern[str]:
    """Return the pattern that matches where one of ``patterns`` does."""
    return re.compile("|".join(patterns))
