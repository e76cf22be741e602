"""What becomes a placeholder, what stays as it is, and what comes back."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from bench.figures.masking import HELD_OUT, PRECISION_GOAL, RECALL_GOAL, STRICT_KINDS, labelled, scores
from frontdesk.errors import SettingsError
from frontdesk.protection.digit_values import passes_luhn
from frontdesk.protection.levelling import level
from frontdesk.protection.masking import MOST_VALUES, Masker
from frontdesk.protection.private_data import find_private_data

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

# All people and numbers are invented; the identity numbers are of counties that do not exist.
PHONE, OTHER = "13812345678", "19900001111"
MASKER = Masker()


def kinds(text: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in find_private_data(text)]


def identity(first_17: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first_17 + "10X98765432"[sum(int(a) * b for a, b in zip(first_17, weights, strict=True)) % 11]


class TestPhones:
    @pytest.mark.parametrize(
        "written",
        [
            PHONE,
            "138 1234 5678",
            "138-1234-5678",
            "138.1234.5678",
            "138·1234·5678",
            "138 - 1234 - 5678",
            "138-1234 5678",
            "138 12345678",
            "1381234 5678",
            "1 3 8 1 2 3 4 5 6 7 8",
            "１３８１２３４５６７８",
            "１３８　１２３４　５６７８",
            "+8613812345678",
            "＋86 138 1234 5678",
            "8613812345678",
            "86-138-1234-5678",
            "0086 13812345678",
            "0086138 1234 5678",
            "138\u200b1234\u200b5678",
            "一三八一二三四五六七八",
            "幺三八 一二三四 五六七八",
            "幺三八，一二三四，五六七八",
            "1三八12345678",
            "壹叁捌壹贰叁肆伍陆柒捌",
            "①③⑧①②③④⑤⑥⑦⑧",
            "𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
            "138_1234_5678",
            "138/1234/5678",
            "138／1234／5678",
            "138*1234*5678",
            "138~1234~5678",
            "138～12345678",
            "138--1234--5678",
            "138 -- 1234 -- 5678",
            "138\n1234\n5678",
            "138\r\n1234\r\n5678",
            "138\t1234\t5678",
            "١٣٨١٢٣٤٥٦٧٨",
            "۱۳۸۱۲۳۴۵۶۷۸",
        ],
    )
    def test_each_way_of_writing_it_is_found_and_is_the_same_number(self, written: str):
        first = MASKER.mask(f"电话{PHONE}", ())
        assert kinds(f"我的{written}，谢谢") == [("手机号", written)]
        assert MASKER.mask(f"我的{written}，谢谢", first.placeholders).text == "我的[手机号1]，谢谢"

    @pytest.mark.parametrize(
        "text",
        [
            f"tel{PHONE}",
            f"wx：{PHONE}",
            f"{PHONE}vx同号",
            f"下单号码{PHONE}",
            f"2件 {PHONE}",
            f"1.{PHONE}",
            f"{PHONE}元旦后联系",
            f"方案二{PHONE}",
            f"{PHONE}-801",
            f"{PHONE}a?",
            f"tel{PHONE}x",
            f"验证码{PHONE}",
            f"金额{PHONE}",
            f"my phone no: {PHONE}",
            f"1\n{PHONE}\n2",
            f"0571/{PHONE}/1",
            "138/0013/8000",
            "138*0010*8000",
            "3 138 1234 5678 200",
            f"2024-05-01 {PHONE}",
            "订单号12 86 138 1234 5678",
        ],
    )
    def test_it_is_found_beside_other_things(self, text: str):
        assert [kind for kind, _ in kinds(text)] == ["手机号"]

    @pytest.mark.parametrize("between", [" ", "，", ",", "、", "/", "-", "或", "\n"])
    @pytest.mark.parametrize(("one", "other"), [(PHONE, OTHER), ("138 1234 5678", "199 0000 1111")])
    def test_two_are_two(self, between: str, one: str, other: str):
        assert kinds(f"{one}{between}{other}") == [("手机号", one), ("手机号", other)]

    @pytest.mark.parametrize(
        "text",
        [
            "12812345678",
            "1381234567",
            "138123456789",
            "913812345678",
            "1381234567812345678901",
            "SF13812345678",
            "YT8613812345678",
            "kf_13812345678",
            "DD-13812345678",
            "wm13812345678kZ",
            "13812345678kZ",
            "¥13812345678",
            "13812345678元",
            "13812345678.50",
            "0.13812345678",
            "订单号13812345678",
            "运单编号：13812345678",
            "159.00-1599.00",
            "139.196.123.45",
            "1990-03-07-100",
            "1,380,013,8000",
            "138 1234.5678",
            "6222 1381 2345 678",
            "138-1234-5678-90",
            "9-138-1234-5678",
            "1.2.13812345678",
            "9999 1381 2345 678",
            "1381 2345 678 9999",
            "2024年一月三十八日",
            "三八一二三四五六七八九",
            "13812345678xy",
            "2024_13812345678",
            "13812345678_01",
            "kf_138_1234_5678",
            "150*2000*1800",
            "139/1590/1890",
            "尺寸：135*1801*2001",
            "135/1801/2001毫米",
            "159~1599~1899元",
            "1\n138\n1234\n5678",
            "138_1234-5678",
            "138-*1234-*5678",
            "仪器编号13812345678",
        ],
    )
    def test_what_only_looks_like_one_is_left(self, text: str):
        assert kinds(text) == []


class TestIdentityNumbers:
    @pytest.mark.parametrize(
        "written",
        [
            identity("11019919900307121"),
            identity("11019919900307121").lower(),
            "110199 19900307 1210".replace("1210", identity("11019919900307121")[-4:]),
            "ID" + identity("44019919651130003"),
            "永居" + identity("93115619800101001"),
        ],
    )
    def test_one_that_checks_is_found_anywhere(self, written: str):
        assert [kind for kind, _ in kinds(written)] == ["身份证号"]

    def test_its_x_may_be_small_or_wide(self):
        number = next(each for serial in range(30) if (each := identity(f"110199199003071{serial:02}")).endswith("X"))
        first = MASKER.mask(number, ())
        for written in (number.lower(), "".join(chr(ord(char) + 0xFEE0) for char in number)):
            assert MASKER.mask(written, first.placeholders).text == "[身份证号1]"
        assert kinds(f"{number}L") == []

    @pytest.mark.parametrize(
        "change", [{"11": "99"}, {"1990": "1890"}, {"0307": "1307"}, {"0307": "0231"}, {"0307": "0200"}]
    )
    def test_province_and_birthday_must_be_possible(self, change: dict[str, str]):
        ((old, new),) = change.items()
        assert kinds(identity("11019919900307121"[:17].replace(old, new, 1))) == []

    def test_a_wrong_check_digit_is_taken_for_a_slip_only_where_it_is_announced(self):
        right = identity("11019919900307121")
        wrong = right[:-1] + ("1" if right[-1] != "1" else "2")
        assert kinds(f"编码{wrong}") == []
        assert kinds(f"身份证{wrong}") == [("身份证号", wrong)]

    def test_an_x_within_is_none(self):
        assert kinds("身份证1101991990X307121 3") == []


class TestCards:
    def luhn(self, digits: str) -> str:
        return next(each for last in range(10) if passes_luhn(each := f"{digits}{last}"))

    @pytest.mark.parametrize(
        "digits",
        [
            "621483123456789",
            "622202123456789012",
            "411111222233334",
            "521812345678901",
            "436742123456789012",
            "37828224631000",
        ],
    )
    def test_one_of_a_known_issuer_that_checks_is_found(self, digits: str):
        assert kinds(f"退到{self.luhn(digits)}") == [("银行卡号", self.luhn(digits))]

    def test_it_is_found_in_groups(self):
        card = self.luhn("622202123456789012")
        for between in (" ", "-", "　", "  "):
            written = between.join((card[:4], card[4:8], card[8:12], card[12:16], card[16:]))
            assert kinds(f"{written}谢谢") == [("银行卡号", written)]

    @pytest.mark.parametrize(
        "digits", ["111111222233334", "230112345678901", "86012345678901", "7512345678901", "2" * 18]
    )
    def test_other_numbers_that_check_are_left(self, digits: str):
        assert kinds(f"查{self.luhn(digits[:-1])}") == []

    def test_a_card_that_is_announced_is_found_by_less(self):
        unknown, slip = self.luhn("881234567890123"), "6214831234567890"
        assert not passes_luhn(slip)
        assert kinds(f"银行卡{unknown}") == [("银行卡号", unknown)]
        assert kinds(f"银行卡号：{slip}") == [("银行卡号", slip)]
        assert kinds(f"会员卡号：{slip} {unknown}") == []
        assert kinds(f"银行卡{'8' * 15}1") == []

    def test_what_belongs_to_a_thing_is_left(self):
        assert kinds(f"订单号{self.luhn('621483123456789')}") == []
        assert kinds("6214 8 3 1 2 3 4 5 6 7 8 9 0") == []

    def test_a_code_in_letters_around_it_is_left(self):
        card = self.luhn("621483123456789")
        assert kinds(f"AB{card}") == kinds(f"{card}AB") == []


class TestEmails:
    @pytest.mark.parametrize(
        "written",
        [
            "chen.xiao@example.com",
            "CHEN_1@MAIL.EXAMPLE.CN",
            "chen+shop@example.com",
            "chen＠example.com",
            "chen @ example.com",
            "chen@example。com",
            "chen@example.com。cn",
            "１２３@qq.com",
            "13812345678@139.com",
        ],
    )
    def test_each_way_of_writing_it_is_found(self, written: str):
        assert kinds(f"发到{written}，谢谢") == [("邮箱", written)]
        assert kinds(f"发到{written}。谢谢") == [("邮箱", written)]

    def test_case_does_not_matter(self):
        masked = MASKER.mask("Chen@Example.com 和 chen@example。com", ())
        assert masked.text == "[邮箱1] 和 [邮箱1]"
        assert MASKER.unmask(masked.text, masked.placeholders) == "Chen@Example.com 和 Chen@Example.com"

    @pytest.mark.parametrize(
        "text",
        [
            "@小王",
            "@all",
            "icon@2x.png",
            "vue@3.2.1",
            "@example.com",
            "a@b",
            "a@b.c",
            "我@example.com",
            "a@@example.com",
        ],
    )
    def test_what_only_looks_like_one_is_left(self, text: str):
        assert kinds(text) == []

    def test_one_does_not_begin_within_another(self):
        assert kinds("a@example.com@example.org") == [("邮箱", "a@example.com")]
        assert kinds("a@example.com13812345678") == [("邮箱", "a@example.com"), ("手机号", PHONE)]

    def test_a_sentence_right_after_it_is_no_part_of_it(self):
        assert kinds("a@example.com。Thanks") == [("邮箱", "a@example.com")]


class TestPlatesPassportsAddresses:
    @pytest.mark.parametrize(
        "written",
        ["京A12345", "沪B·Q1234", "粤B D12345", "粤BD12345", "苏E12345D", "浙a12x45", "京A1234学", "京Ａ１２３４５"],
    )
    def test_licence_plates(self, written: str):
        assert kinds(f"车牌{written}，报案") == [("车牌号", written)]

    @pytest.mark.parametrize("text", ["最新A12345款", "阿里云B12345", "京A123456", "京ABCDEF", "京I12345", "京A1234"])
    def test_no_licence_plates(self, text: str):
        assert kinds(text) == []

    @pytest.mark.parametrize(
        "text", ["E12345678", "EA1234567", "g12345678", "护照P1234567", "passport K 12345678", "回乡证H1234567800"]
    )
    def test_passports(self, text: str):
        assert [kind for kind, _ in kinds(text)] == ["护照号"]

    @pytest.mark.parametrize("text", ["P1234567", "型号E12345678", "AE12345678", "E12345678B", "E1234567"])
    def test_no_passports(self, text: str):
        assert kinds(text) == []

    @pytest.mark.parametrize(
        "written",
        [
            "浙江省杭州市西湖区文三路138号阳光花园3栋2单元501室",
            "文三路138号",
            "山东省 青岛市 市南区 香港中路12号",
            "虹桥路88弄6号301室",
            "幸福花园5号楼1203",
            "和平里5号楼2单元1203室",
            "临江县白云镇清水村12号",
            "枫林三路437号附3号",
        ],
    )
    def test_addresses(self, written: str):
        assert kinds(f"送到{written}，谢谢") == [("地址", written)]

    @pytest.mark.parametrize(
        "text", ["通道3号", "频道5号", "这条路3号线", "思路1号", "地铁2号线", "清水村12号", "1203室", "路5号"]
    )
    def test_no_addresses(self, text: str):
        assert kinds(text) == []

    @pytest.mark.parametrize("lead", ["麻烦北京市朝阳区", "地址改成朝阳区"])
    def test_words_before_an_address_are_no_part_of_it(self, lead: str):
        ((_, written),) = kinds(f"{lead}建国路8号")
        assert written == f"{lead.removeprefix('麻烦').removeprefix('地址改成')}建国路8号"

    def test_two_addresses_do_not_run_into_each_other(self):
        assert [kind for kind, _ in kinds("建国路8号长安街9号")] == ["地址", "地址"]


class TestPlaceholders:
    def test_nothing_private_is_passed_on_as_it_is(self):
        for text in ("", "几点开门？", "一共399元，第一次买", "@客服"):
            assert MASKER.mask(text, (("[手机号1]", PHONE),)) == MASKER.mask(text, (("[手机号1]", PHONE),))
            assert MASKER.mask(text, (("[手机号1]", PHONE),)).text == text
            assert MASKER.mask(text, (("[手机号1]", PHONE),)).placeholders == (("[手机号1]", PHONE),)

    def test_each_kind_is_numbered_by_itself_in_the_order_of_appearance(self):
        masked = MASKER.mask(f"{PHONE}或{OTHER}，a@example.com，再说一遍{PHONE}", ())
        assert masked.text == "[手机号1]或[手机号2]，[邮箱1]，再说一遍[手机号1]"
        assert masked.placeholders == (("[手机号1]", PHONE), ("[手机号2]", OTHER), ("[邮箱1]", "a@example.com"))

    def test_they_hold_over_the_turns_of_a_conversation(self):
        first = MASKER.mask(f"我是{PHONE}", ())
        second = MASKER.mask(f"不是{OTHER}，是138-1234-5678", first.placeholders)
        assert second.text == "不是[手机号2]，是[手机号1]"
        assert second.placeholders == (("[手机号1]", PHONE), ("[手机号2]", OTHER))

    def test_what_comes_back_is_what_was_written_first(self):
        masked = MASKER.mask("１３８－１２３４－５６７８", ())
        masked = MASKER.mask(PHONE, masked.placeholders)
        assert MASKER.unmask("已登记[手机号1]", masked.placeholders) == "已登记１３８－１２３４－５６７８"

    @pytest.mark.parametrize(
        "changed",
        [
            "[手机号1]",
            "［手机号1］",
            "【手机号1】",
            "〔手机号1〕",
            "「手机号1」",
            "{手机号1}",
            "<手机号1>",
            "[ 手机号 1 ]",
            "[手机号１]",
            "[手机号一]",
            "[手機號1]",
            "[手机號1]",
            "[手机号-1]",
            "[手机号－1]",
            "\\[手机号1\\]",
            "[**手机号1**]",
            "[手机号_1]",
            "[手机号1】",
        ],
    )
    def test_what_a_model_makes_of_a_placeholder_is_understood(self, changed: str):
        assert MASKER.unmask(f"请核对{changed}。", (("[手机号1]", PHONE),)) == f"请核对{PHONE}。"

    @pytest.mark.parametrize(
        ("changed", "meant"),
        [
            ("（手机号1）", "（13812345678）"),
            ("[手机号1）", "13812345678"),
            ("[手机号1、2]", "13812345678、１９９-0000-1111"),
            ("[手机号1和手机号2]", "13812345678、１９９-0000-1111"),
            ("[手机号2/1]", "１９９-0000-1111、13812345678"),
            ("[手机号1后四位]", "5678"),
            ("[手機號1的後四位數]", "5678"),
            ("[手机号2最后4位]", "1111"),
            ("[手机号1末六位数字]", "345678"),
            ("[手机号1尾号]", "5678"),
            ("[手机号1前三位]", "138"),
            ("[手机号1、2后四位]", "5678、1111"),
            ("[手机号3后四位]", "5678"),
            ("[身份证号1后四位]", "121X"),
            ("[地址1后四位]", "文三路1380号"),
            ("[一卡通1、一卡通2]", "A1、A2"),
        ],
    )
    def test_what_a_model_asks_of_a_value_is_given(self, changed: str, meant: str):
        known = (
            ("[手机号1]", PHONE),
            ("[手机号2]", "１９９-0000-1111"),
            ("[手机号3]", "一三八一二三四五六七八"),
            ("[身份证号1]", "11019919900307121X"),
            ("[地址1]", "文三路1380号"),
            ("[一卡通1]", "A1"),
            ("[一卡通2]", "A2"),
        )
        assert MASKER.unmask(f"请核对{changed}。", known) == f"请核对{meant}。"

    @pytest.mark.parametrize(
        "text",
        [
            "[手机号12]",
            "（手机号2）",
            "（1）",
            "[手机号1、2]",
            "[手机号2后四位]",
            "[手机号1个]",
            "[手机号1后]",
            "[手机号2]",
            "[邮箱1]",
            "[手机号]",
            "手机号1个",
            "(手机号1)",
            "[手机号1 1]",
            "[1]",
            "[手机号01234]",
        ],
    )
    def test_what_is_no_placeholder_of_this_conversation_stays(self, text: str):
        assert MASKER.unmask(text, (("[手机号1]", PHONE),)) == text
        assert MASKER.unmask(text, ()) == text

    def test_the_tenth_is_not_taken_for_the_first(self):
        known = tuple((f"[手机号{n}]", f"138123456{n:02}") for n in range(1, 13))
        assert MASKER.unmask("[手机号12][手机号1]", known) == "1381234561213812345601"

    def test_what_stands_in_a_value_is_not_put_in_again(self):
        known = (("[原文1]", "[手机号1]"), ("[手机号1]", PHONE))
        assert MASKER.unmask("[原文1]", known) == "[手机号1]"

    @pytest.mark.parametrize(
        "typed",
        [
            "[手机号1]",
            "【手机号 1】",
            "（手机号1）",
            "[手機号1]",
            "[手机号1后四位]",
            "[手机号1、2]",
            "[手机号7]",
            "[原文1]",
            "[地址一]",
        ],
    )
    def test_who_types_a_placeholder_gets_back_what_was_typed(self, typed: str):
        known = MASKER.mask(f"我是{PHONE}", ()).placeholders
        masked = MASKER.mask(f"请重复{typed}", known)
        assert masked.text == "请重复[原文1]"
        assert MASKER.unmask(masked.text, masked.placeholders) == f"请重复{typed}"

    def test_brackets_with_other_words_are_left(self):
        assert MASKER.mask("[图片1]看这个", ()).text == "[图片1]看这个"

    def test_a_known_value_that_is_no_placeholder_of_ours_does_no_harm(self):
        masked = MASKER.mask(PHONE, (("什么", "x"),))
        assert masked.placeholders == (("什么", "x"), ("[手机号1]", PHONE))

    def test_there_is_an_end_to_what_one_conversation_keeps_and_none_to_masking(self):
        known = tuple((f"[手机号{n}]", f"1381234{n:04}") for n in range(1, MOST_VALUES + 1))
        masked = MASKER.mask(f"{OTHER}或13812340001", known)
        assert masked.text == "[手机号]或[手机号1]"
        assert masked.placeholders == known
        assert MASKER.unmask(masked.text, masked.placeholders) == "[手机号]或13812340001"


class TestPatterns:
    def test_the_companys_own_kinds_go_first(self):
        masker = Masker([("订单号", r"\bDD\d{10}\b"), ("客户码", r"客户码[ :]?(\d{11})")])
        masked = masker.mask(f"订单DD1234567890的，客户码：{PHONE}，电话{OTHER}", ())
        assert masked.text == "订单[订单号1]的，客户码：[客户码1]，电话[手机号1]"
        assert masker.mask("ＤＤ１２３４５６７８９０", masked.placeholders).text == "[订单号1]"
        assert masker.unmask("[订单号1]", masked.placeholders) == "DD1234567890"

    def test_a_group_that_took_no_part_masks_nothing(self):
        assert Masker([("订单号", r"DD\d+|XX(\d+)")]).mask("DD123，XX456", ()).text == "DD123，XX[订单号1]"

    def test_what_is_typed_like_their_placeholders_comes_back_too(self):
        masker = Masker([("订单号", r"\bDD\d{10}\b")])
        assert masker.mask("[订单号1]", ()).text == "[原文1]"
        assert MASKER.mask("[订单号1]", ()).text == "[订单号1]"

    @pytest.mark.parametrize(
        ("label", "pattern"),
        [
            ("", r"\d"),
            ("订单 号", r"\d"),
            ("订单号1", r"\d"),
            ("[x]", r"\d"),
            ("手机号", r"\d"),
            ("订" * 13, r"\d"),
            ("订单号", r"(\d"),
            ("订单号", r"(?u)M\d"),
            ("订单号", r"(?L)\d"),
            ("订单号", r"\d*"),
        ],
    )
    def test_what_cannot_be_used_is_told_at_the_start_without_the_pattern(self, label: str, pattern: str):
        with pytest.raises(SettingsError) as caught:
            Masker([("会员号", r"\bM\d{6}\b"), (label, pattern)])
        assert len(caught.value.problems) == 1
        assert r"\d" not in str(caught.value)

    def test_a_pattern_that_takes_too_long_keeps_every_code_back(
        self, log_lines: Callable[[], list[dict[str, Any]]], fresh_logger: logging.Logger
    ):
        masker = Masker([("订单号", r"(?:a|aa|aaa)+$")])
        text = f"{'a' * 200}! 单号XY-12345和ab12"
        masked = masker.mask(text, ())
        assert masked.text == "[订单号1]! 单号[订单号2]和ab12"
        assert masker.unmask(masked.text, masked.placeholders) == text
        (line,) = log_lines()
        assert (line["code"], line["pattern"]) == ("pattern_timeout", "订单号")
        assert "12345" not in json.dumps(line)


class TestLabelledSet:
    def test_it_is_large_and_every_label_is_in_its_text(self):
        lines = labelled()
        assert len(lines) >= 600
        assert sum(not line["spans"] for line in lines) >= 200
        assert len({line["text"] for line in lines}) == len(lines)
        counted = Counter(span["kind"] for line in lines for span in line["spans"])
        assert all(counted[kind] >= 100 for kind in STRICT_KINDS)
        assert all(span["text"] in line["text"] for line in lines for span in line["spans"])

    @pytest.mark.parametrize("part", ["seen", HELD_OUT])
    @pytest.mark.parametrize("kind", STRICT_KINDS)
    def test_numbers_and_addresses_that_can_be_told_are_told(self, kind: str, part: str):
        score = scores(labelled(part))[kind]
        assert score.recall >= RECALL_GOAL
        assert score.precision >= PRECISION_GOAL

    def test_a_finder_of_nothing_would_not_pass(self):
        (score,) = {scores([{"text": "无", "spans": [{"kind": kind, "text": PHONE}]}])[kind] for kind in ["手机号"]}
        assert (score.recall, score.precision) == (0.0, 0.0)


def test_levelling_moves_nothing():
    text = "＋８６ 1️⃣ 𝟏①⓪—·，＠"
    assert len(level(text)) == len(text)
    assert level("plain") == "plain"
