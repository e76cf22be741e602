"""Mobile numbers, identity numbers and bank cards: found by the digits they are made of, not by how they are spaced.

A run is digits with at most four separators between each two groups. Within a run only whole groups of digits are put
together, so a piece of a longer number is never taken for a value of its own. Each step looks at no more than the 19
digits of the longest value, so the time grows with the text and nothing else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from frontdesk.protection.found import Found
from frontdesk.protection.levelling import INVISIBLE, has_numerals, numerals_as_digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PHONE, IDENTITY, CARD = "手机号", "身份证号", "银行卡号"

_LONGEST = 19
_FEWEST = 11
# How people space the eleven digits of a mobile number. 4-2-2-3 is missing on purpose: it is a date and something.
_SPACED = frozenset(
    {
        (11,),
        (3, 4, 4),
        (3, 8),
        (7, 4),
        (4, 4, 3),
        (4, 3, 4),
        (3, 3, 5),
        (3, 5, 3),
        (3, 2, 2, 2, 2),
        (2, 2, 2, 2, 2, 1),
        (1, 2, 2, 2, 2, 2),
        (1,) * 11,
    }
)
_ONLY_SPACED = _SPACED | {(4, 7), (5, 6), (6, 5), (3, 3, 3, 2), (3, 6, 2)}
_DOTTED = frozenset({(3, 4, 4), (3, 8), (7, 4), (4, 4, 3), (3, 3, 5)})
_COMMAS = frozenset({(3, 4, 4)})
_SIGNS = frozenset({(3, 4, 4), (3, 8), (7, 4)})
_SHAPES = {"": _SPACED, " ": _ONLY_SPACED, "-": _SPACED, ".": _DOTTED, ",": _COMMAS, "\n": _COMMAS}
_SHAPES |= dict.fromkeys("_/*~", _SIGNS)
_BETWEEN_SIZES = frozenset("/*~")  # what also stands between a width and a height, or between prices
_PREFIXES = {11: "", 13: "86", 15: "0086"}
# The first two digits of an identity number: a province, or 9 for permanent residents from abroad.
_PROVINCES = frozenset(
    {"11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44"}
    | {"45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64", "65", "71", "81", "82", "83"}
    | {"91", "92", "93", "94", "95", "96"}
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Letters that people write right before or after a number of their own; any others make it a code of something else.
_CALL_WORDS = frozenset({"tel", "phone", "mobile", "mob", "call", "wx", "vx", "v", "w", "wechat", "sj", "dh", "cell"})


class _Group(NamedTuple):
    start: int
    end: int
    digits: str  # 0-9, and X at the end of an identity number
    joint: str  # what stands before it in the run: nothing, or one of " -.,_/*~" and a line break


@cache
def _runs() -> re.Pattern[str]:
    between = r" ,.\-_/*~\n"
    return re.compile(
        rf"[0-9][0-9{INVISIBLE}]*[Xx]?(?:[{between}][{between}{INVISIBLE}]{{0,3}}[0-9][0-9{INVISIBLE}]*[Xx]?)*"
    )


@cache
def _group() -> re.Pattern[str]:
    return re.compile(rf"[0-9][0-9{INVISIBLE}]*[Xx]?")


_TRACKED = "订单|(?<!下)单号|编号|流水号|运单|快递单|物流单|发票号|发票|工单|保单|[Oo]rder"


@cache
def _tracked_before() -> re.Pattern[str]:
    """Words of orders and parcels: eleven digits after one are no mobile number. After any other word they are."""
    return re.compile(rf"(?:{_TRACKED})(?:编?号?码?)(?:[ :.#]|是|为){{0,3}}$")


@cache
def _code_before() -> re.Pattern[str]:
    """Words after which a long number belongs to a thing, whatever its check digit says."""
    return re.compile(
        rf"(?:{_TRACKED}|货号|型号|款号|批号|批次|条码|条形码|商品码|序列号|"
        r"案号|病历号|门诊号|住院号|挂号|税号|取件码|验证码|券码|[Ss][Nn]|[Nn][Oo]|版本|金额|余额)"
        r"(?:编?号?码?)(?:[ :.#]|是|为){0,3}$"
    )


@cache
def _size_before() -> re.Pattern[str]:
    return re.compile(r"(?:尺寸|规格|大小|长宽高?|型号)(?:[ :]|是|为){0,3}$")


@cache
def _size_after() -> re.Pattern[str]:
    return re.compile(r" ?(?:[mcd]?m(?![a-z])|毫米|厘米|公分|米|寸|元|块)", re.IGNORECASE)


@cache
def _identity_before() -> re.Pattern[str]:
    return re.compile(r"身份证|证件号")


@cache
def _card_before() -> re.Pattern[str]:
    return re.compile(r"银行卡|信用卡|储蓄卡|借记卡|工资卡|银行账号|收款账号|收款卡|卡号")


@cache
def _member_before() -> re.Pattern[str]:
    return re.compile(r"会员|积分|礼品|购物|储值|充值|就诊|医保|社保|门禁|油卡|饭卡|健身|物联|流量|SIM|sim")


def find_digit_values(text: str) -> list[Found]:
    """Return the mobile numbers, identity numbers and bank cards of a levelled ``text``, in order."""
    return [
        found for run in _runs().finditer(text) if run.end() - run.start() >= _FEWEST for found in _in_run(text, run)
    ]


def find_spoken_phones(text: str) -> list[Found]:
    """Return the mobile numbers of a levelled ``text`` that are written with Chinese numerals, all or some."""
    if not has_numerals(text):
        return []
    digits = numerals_as_digits(text)
    return [
        found
        for run in _runs().finditer(digits)
        if run.end() - run.start() >= _FEWEST
        for found in _in_run(digits, run)
        if found.kind == PHONE and digits[found.start : found.end] != text[found.start : found.end]
    ]


def _in_run(text: str, run: re.Match[str]) -> Iterator[Found]:
    groups = _groups(text, run)
    place, taken_to = 0, -1
    while place < len(groups):
        length, kind = _value_at(text, groups, place, taken_to)
        if kind:
            start, end = groups[place].start, groups[place + length - 1].end
            yield Found(kind, _with_plus(text, start) if kind == PHONE else start, end)
            place += length
            taken_to = place
        else:
            place += 1


def _groups(text: str, run: re.Match[str]) -> list[_Group]:
    groups: list[_Group] = []
    for each in _group().finditer(text, run.start(), run.end()):
        between = text[groups[-1].end : each.start()].replace(INVISIBLE, "") if groups else ""
        digits, end = each[0].replace(INVISIBLE, "").upper(), each.end()
        if digits[-1] == "X" and len(digits) - 1 in _PREFIXES:  # a letter after a mobile number, no check character
            digits, end = digits[:-1], end - 1
        groups.append(_Group(each.start(), end, digits, _joint(between)))
    return groups


def _joint(between: str) -> str:
    """Return the one character that stands for ``between``; several different signs stand for themselves."""
    if "\n" in between:
        return "\n"
    signs = between.strip()
    return signs[0] if signs and not signs.strip(signs[0]) else signs or between[:1]


def _with_plus(text: str, start: int) -> int:
    return start - 1 if start and text[start - 1] == "+" else start


def _value_at(text: str, groups: Sequence[_Group], place: int, taken_to: int) -> tuple[int, str]:
    """Return how many groups from ``place`` make one value, and its kind; no kind where they make none.

    The longest value is preferred: an identity number may begin like a mobile number.
    """
    windows: list[tuple[int, str]] = []
    digits = ""
    for length, group in enumerate(groups[place : place + _LONGEST], start=1):
        digits += group.digits
        if len(digits) > _LONGEST:
            break
        if len(digits) >= _FEWEST:
            windows.append((length, digits))
    for length, value in reversed(windows):
        kind = _kind(text, groups, place, length, value)
        if kind and _stands_alone(text, groups, range(place, place + length), taken_to, kind):
            return length, kind
    return 0, ""


def _kind(text: str, groups: Sequence[_Group], place: int, length: int, value: str) -> str:
    window = groups[place : place + length]
    before = text[max(0, window[0].start - 16) : window[0].start]
    joints = {each.joint for each in window[1:]}
    if len(value) == 18 and joints <= {" ", "-"} and value[:17].isdigit() and _is_identity(value, before):
        return IDENTITY
    if not value.isdigit():
        return ""
    if len(value) >= 15 and joints <= {" ", "-"} and _is_card(value, window, before):
        return CARD
    if len(value) in _PREFIXES and _is_phone(value, window) and not _tracked_before().search(before):
        if not joints.isdisjoint(_BETWEEN_SIZES) and _are_sizes(text, window, before):
            return ""
        return PHONE
    return ""


def _is_identity(value: str, before: str) -> bool:
    if value[:2] not in _PROVINCES or not _is_date(value[6:14]):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(value[:17], _WEIGHTS, strict=True))
    # A slip of the customer's finger makes it no less private: where it is announced, its shape is enough.
    return _CHECK_CHARACTERS[total % 11] == value[17] or bool(_identity_before().search(before))


def _is_date(digits: str) -> bool:
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    return 1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def _is_card(value: str, window: Sequence[_Group], before: str) -> bool:
    if any(len(each.digits) < 3 for each in window[:-1]) or _code_before().search(before):
        return False
    announced = bool(_card_before().search(before)) and not _member_before().search(before)
    if passes_luhn(value):
        return _has_known_issuer(value) or (announced and value[0] in "23456789")
    return announced and value[:2] == "62" and len(value) >= 16


def passes_luhn(digits: str) -> bool:
    """Return whether the last of ``digits`` checks the others (ISO/IEC 7812-1)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[::-2]))) % 10 == 0


def _has_known_issuer(value: str) -> bool:
    """Return whether an issuer of cards seen in China numbers them so.

    Left out are 13 to 15 digits (but American Express) and Mastercard's 22 to 27: tracking numbers are that long, and
    dates begin so.
    """
    size = len(value)
    if value[:2] == "62":
        return size >= 16
    if size == 16:
        return value[0] == "4" or "51" <= value[:2] <= "55" or "3528" <= value[:4] <= "3589"
    if size == 15:
        return value[:2] in {"34", "37"}
    older = (
        "9558",
        "9559",
        "436742",
        "436745",
        "456351",
        "601382",
        "601428",
        "427",
        "402658",
        "410062",
        "468203",
        "5124",
    )
    return value.startswith(older)


def _is_phone(value: str, window: Sequence[_Group]) -> bool:
    prefix = _PREFIXES[len(value)]
    if not value.startswith(prefix + "1") or value[len(prefix) + 1] not in "3456789":
        return False
    lengths, joints = [len(each.digits) for each in window], [each.joint for each in window[1:]]
    left = len(prefix)
    while left and lengths[0] <= left:
        left -= lengths.pop(0)
        joints.pop(0)
    lengths[0] -= left
    shape = tuple(lengths)
    if len(set(joints)) > 1:
        return shape == (3, 4, 4) and set(joints) == {" ", "-"}
    return shape in _SHAPES.get(joints[0] if joints else "", frozenset())


def _are_sizes(text: str, window: Sequence[_Group], before: str) -> bool:
    """Return whether groups that make a mobile number are rather a size such as 150*2000*1800, or a row of prices."""
    end = window[-1].end
    if _size_before().search(before) or _size_after().match(text, end):
        return True
    return all(len(each.digits) < 4 or (each.digits[0] != "0" and each.digits[-1] == "0") for each in window)


def _stands_alone(text: str, groups: Sequence[_Group], window: range, taken_to: int, kind: str) -> bool:
    """Return whether nothing around ``window`` makes it a part of something else."""
    first, length = groups[window.start], len(window)
    # Written so that its own beginning and end show: spaces beside it are then no part of it.
    clear = (
        length == 1 or kind == IDENTITY or first.digits in {"86", "0086"} or (length == 3 and len(first.digits) == 3)
    )
    if window.start == 0:
        if not _may_stand_before(text, first.start, kind):
            return False
    elif window.start != taken_to and not _may_be_left_of(groups, window, clear=clear):
        return False
    if window.stop < len(groups):
        return _may_be_right_of(groups, window, clear=clear)
    return _may_stand_after(text, groups[window.stop - 1].end, kind)


def _may_stand_before(text: str, start: int, kind: str) -> bool:
    at = start - 1
    if at >= 0 and text[at] == "-" and at and text[at - 1].isascii() and text[at - 1].isalnum():
        return False  # DD-13800138000
    if at < 0 or text[at] in "_¥$":
        return at < 0
    if not text[at].isascii():
        return True
    return not text[at].isalpha() or kind == IDENTITY or _letters_before(text, start) in _CALL_WORDS


def _letters_before(text: str, start: int) -> str:
    at = start
    while at and start - at < 8 and text[at - 1].isascii() and (text[at - 1].isalnum() or text[at - 1] == "_"):
        at -= 1
    return text[at:start].lower()


def _may_stand_after(text: str, end: int, kind: str) -> bool:
    rest = text[end : end + 8]
    if not rest:
        return True
    if kind == PHONE and re.match(r"[元块万亿%](?!旦)", rest):
        return False
    letters = re.match(r"[A-Za-z0-9_]*", rest)
    if not letters or not letters[0]:
        return True
    # One letter is a slip of the finger; more make a code of it.
    return kind == PHONE and (letters[0].lower() in _CALL_WORDS or (len(letters[0]) == 1 and letters[0].isalpha()))


def _may_be_left_of(groups: Sequence[_Group], window: range, *, clear: bool) -> bool:
    neighbour, joint = groups[window.start - 1], groups[window.start].joint
    if joint == " ":
        return clear or len(neighbour.digits) <= 2
    if joint == ".":  # "1.13800138000" is the first of a list, "0.138…" a fraction
        return window.start == 1 and len(neighbour.digits) <= 2 and neighbour.digits != "0"
    return joint != "_" and (len(window) == 1 or _is_no_joint_of(groups, window, joint))


def _may_be_right_of(groups: Sequence[_Group], window: range, *, clear: bool) -> bool:
    neighbour = groups[window.stop]
    if neighbour.joint == " ":
        return clear or len(neighbour.digits) <= 2 or neighbour.digits[0] == "1"
    return neighbour.joint not in {".", "_"} and (len(window) == 1 or _is_no_joint_of(groups, window, neighbour.joint))


def _is_no_joint_of(groups: Sequence[_Group], window: range, joint: str) -> bool:
    """Return whether ``joint`` stands between values, because it does not stand within this one."""
    return joint not in {groups[each].joint for each in window[1:]}
