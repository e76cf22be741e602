"""What of a customer's text is personal: where it stands, of what kind it is, and when two writings are the same value.

Numbers and e-mail addresses have rules of their own that can be checked. Licence plates, passports and addresses have
less of them; each is taken only where its form, or a word before it, leaves little doubt. Names have no rule at all.
"""

from __future__ import annotations

import re
from functools import cache

from frontdesk.protection.digit_values import CARD, IDENTITY, PHONE, find_digit_values, find_spoken_phones
from frontdesk.protection.email_addresses import EMAIL, find_emails
from frontdesk.protection.found import Found, replaced
from frontdesk.protection.levelling import INVISIBLE, level, numerals_as_digits

PLATE, PASSPORT, ADDRESS = "车牌号", "护照号", "地址"
KINDS = (PHONE, IDENTITY, CARD, EMAIL, PLATE, PASSPORT, ADDRESS)

_TAKEN = "\0"  # stands for characters that belong to a value already found; no pattern matches it
_REACH = 32  # how far left of its road an address may begin, in characters
_NUMBER = r"(?:[0-9]{1,5}|[一二三四五六七八九十百]{1,5})"
_ROADS = "路|街|巷|弄|胡同|大道|道|村|里|坊|屯"
_WEAK_ROADS = frozenset({"道", "村", "里", "坊", "屯"})
_ESTATES = "小区|花园|公寓|大厦|广场|家园|新村|佳苑|佳园|名苑|中心|国际|写字楼|宿舍|苑|城|府|庭|园|湾|郡|院|里"
_PART = (
    rf"[ ,]?(?:[A-Za-z]?{_NUMBER}|[A-Za-z甲乙丙丁])(?:-[0-9]{{1,5}}){{0,3}}"
    r"(?:号楼|号院|栋|幢|座|单元|楼|层|室|房|门|户|号)"
)
_ROOM = r"(?:[ ,-]?[0-9]{3,4}(?![0-9A-Za-z年月日元块]))?"
_LEADING_WORDS = "位于|改成|改为|换成|换到|改到|就是|地址|送货|收货|门店|公司|附近|麻烦|发货|快递|派送|家庭"
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|"
    "甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)


@cache
def _plate() -> re.Pattern[str]:
    serial = "A-HJ-NP-Za-hj-np-z0-9"
    return re.compile(
        r"(?P<province>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼])"
        r"[ .-]?[A-HJ-NP-Za-hj-np-z][ .-]?"
        r"(?P<serial>[0-9]{5}[A-HJKa-hjk]|[A-HJKa-hjk][A-HJ-NP-Za-hj-np-z0-9][0-9]{4}"
        rf"|[{serial}]{{4}}[{serial}挂学警港澳])(?![A-Za-z0-9])"
    )


@cache
def _passport() -> re.Pattern[str]:
    return re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z]{1,2} ?[0-9]{6,10}(?![A-Za-z0-9_-])")


@cache
def _certain_passport() -> re.Pattern[str]:
    return re.compile(r"(?:[Ee][A-HJ-NP-Za-hj-np-z][0-9]{7}|[EGeg][0-9]{8})$")


@cache
def _passport_before() -> re.Pattern[str]:
    return re.compile(r"护照|通行证|回乡证|台胞证|[Pp]assport|PASSPORT")


@cache
def _code_before() -> re.Pattern[str]:
    return re.compile(
        r"(?:订单|单|编|货|型|款|批|券|流水|序列|条码|工|兑换码|优惠码|产品|商品|房|座位|配件)号?码?[ :.#是为]{0,3}$"
    )


@cache
def _address() -> re.Pattern[str]:
    return re.compile(
        rf"(?P<road>{_ROADS})(?:[东西南北中一二三四五六]{{1,2}}[段路])? ?{_NUMBER}(?:[-之][0-9]{{1,4}})?"
        r"(?:号院|号楼|号|弄)(?:附[0-9]{1,4}号)?(?!线|桌|技师)"
        rf"(?:(?:[\u4e00-\u9fff]{{1,8}}?(?:{_ESTATES}))?{_PART}){{0,6}}{_ROOM}"
        rf"|(?P<estate>{_ESTATES})(?:[东西南北一二三四五]{{1,2}}[区期])?[ ,]?"
        rf"[A-Za-z]?{_NUMBER}(?:-[0-9]{{1,5}}){{0,3}}(?:号楼|栋|幢|座)(?:{_PART}){{0,4}}{_ROOM}"
    )


@cache
def _leading() -> re.Pattern[str]:
    return re.compile(rf".*(?:{_LEADING_WORDS})")


@cache
def _province() -> re.Pattern[str]:
    return re.compile(_PROVINCES)


@cache
def _house() -> re.Pattern[str]:
    return re.compile(r"[楼栋幢室]|单元")


@cache
def _region() -> re.Pattern[str]:
    return re.compile(r"[\u4e00-\u9fff][省市区县镇乡州盟旗]")


def find_private_data(text: str) -> list[Found]:
    """Return the personal data of ``text``, in order, none over another. ``text`` need not be levelled."""
    return find_in_levelled(level(text))


def find_in_levelled(levelled: str) -> list[Found]:
    """Return the personal data of a ``levelled`` text, in order, none over another."""
    found: list[Found] = []
    for find in (find_emails, find_digit_values, find_spoken_phones, _find_plates, _find_passports, _find_addresses):
        more = find(levelled)
        levelled = without(levelled, more)
        found += more
    return sorted(found, key=lambda each: each.start)


def without(levelled: str, found: list[Found]) -> str:
    """Return ``levelled`` with what was ``found`` made unreadable to every rule; nothing moves."""
    return replaced(levelled, found, lambda each: _TAKEN * (each.end - each.start))


def same_value(kind: str, written: str) -> str:
    """Return what all writings of one value of ``kind`` have in common."""
    plain = re.sub(rf"[\s{INVISIBLE}]", "", level(written))
    if kind == PHONE:
        return re.sub(r"[^0-9]", "", numerals_as_digits(plain))[-11:]
    if kind in {IDENTITY, CARD}:
        return re.sub(r"[^0-9X]", "", plain.upper())
    if kind == EMAIL:
        return plain.replace("。", ".").lower()
    if kind == ADDRESS:
        return plain.replace(",", "")
    return re.sub(r"[-.]", "", plain).upper()


def _find_plates(text: str) -> list[Found]:
    return [Found(PLATE, each.start(), each.end()) for each in _plate().finditer(text) if _is_plate(text, each)]


def _is_plate(text: str, match: re.Match[str]) -> bool:
    serial = match["serial"]
    if sum(char.isdigit() for char in serial) < 3:
        return False
    before = text[max(0, match.start() - 1) : match.start()]
    # 最新 A12345 is a new model, 阿里云 B12345 a product.
    return not (match["province"] == "新" and before in {*"最全更重创翻崭"}) and not (
        match["province"] == "云" and before in {*"里讯为"}
    )


def _find_passports(text: str) -> list[Found]:
    return [
        Found(PASSPORT, each.start(), each.end()) for each in _passport().finditer(text) if _is_passport(text, each)
    ]


def _is_passport(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 16) : match.start()]
    if _passport_before().search(before):
        return True
    return bool(_certain_passport().match(match[0])) and not _code_before().search(before)


def _find_addresses(text: str) -> list[Found]:
    found: list[Found] = []
    taken_to = 0
    for match in _address().finditer(text):
        start = _address_start(text, match, taken_to)
        if start is not None:
            taken_to = match.end()
            found.append(Found(ADDRESS, start, taken_to))
    return found


def _address_start(text: str, match: re.Match[str], taken_to: int) -> int | None:
    """Return where the address around ``match`` begins; none where it is too little for an address."""
    start = match.start()
    while start > max(taken_to, match.start() - _REACH) and _may_be_address(text, start - 1):
        start -= 1
    lead = text[start : match.start()]
    if province := _province().search(lead):
        start += province.start()
    elif leading := _leading().match(lead):
        start += leading.end()
    name = text[start : match.start()].strip(" ,")
    region = _region().search(name)
    needed = 1 if region else 2
    if match["road"] in _WEAK_ROADS and not region and not _house().search(match[0]):
        return None  # 通道3号, 频道5号, 这里2号: too often something else
    return start if len(name) >= needed else None


def _may_be_address(text: str, at: int) -> bool:
    char = text[at]
    if char in "我你您他她是在到寄送住去请给跟与的了吧呢吗啊这址往从离":
        return False
    if char in " ,":
        return at > 0 and text[at - 1] in "省市区县镇乡州"
    return "\u4e00" <= char <= "\u9fff" or (char.isascii() and char.isalnum())
