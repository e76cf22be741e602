"""What a reader on a phone sees of the Markdown that a model wrote, and where long answers are cut."""

from __future__ import annotations

import time

import pytest

from frontdesk.channels.wecom_text import MAX_BYTES, TWIN_ROOM, distinct, render, split, without_links


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        # words
        ("您好，请问有什么可以帮您？", "您好，请问有什么可以帮您？"),
        ("　　第一段。\n　　第二段。", "　　第一段。\n　　第二段。"),
        ("**重点** *斜体* ***都是*** ~~作废~~ __粗__ _斜_", "重点 斜体 都是 作废 粗 斜"),
        ("**注意：**请先付款", "注意：请先付款"),
        ("他说**“可以”**再走", "他说“可以”再走"),
        ("价格~~100元。~~现在80元", "价格100元。现在80元"),
        ("3~5天，2 * 3 = 6，a_b_c", "3~5天，2 * 3 = 6，a_b_c"),
        ("2~~~3", "2~~~3"),
        (r"\*不是斜体\* 1\. 2", "*不是斜体* 1. 2"),
        ("&lt;b&gt; &copy; AT&T", "<b> © AT&T"),
        # headings and rules
        ("# 退货 **流程**", "【退货 流程】"),
        ("###### 小节 ######", "【小节】"),
        ("## 【已有括号】", "【已有括号】"),
        ("#", ""),
        ("#话题#", "#话题#"),
        ("上文\n---\n下文", "上文\n————————\n下文"),
        # where a line ends
        ("一\n二  \n三\\\n四", "一\n二\n三\n四"),
        ("一\r\n二\r三", "一\n二\n三"),
        ("一\n\n\n\n\n二", "一\n\n二"),
        ("一\n\n\n\n**二**", "一\n\n二"),
        ("\n\n  \n", ""),
        ("a\x00b\x07\ud800", "ab\ufffd"),
        # links
        ("[官网](https://example.com/a?b=1&c=2)", '<a href="https://example.com/a?b=1&c=2">官网</a>'),
        ('[引号](https://example.com/?q="x")', '<a href="https://example.com/?q=%22x%22">引号</a>'),
        ("[路径](https://example.com/订单)", '<a href="https://example.com/%E8%AE%A2%E5%8D%95">路径</a>'),
        ("[**粗** `码`](http://example.com)", '<a href="http://example.com">粗 码</a>'),
        ("[电话](tel:4001234567)", '<a href="tel:4001234567">电话</a>'),
        ("[写信](mailto:a@example.com)", '<a href="mailto:a@example.com">写信</a>'),
        ("<a@example.com> <https://example.com/x>", "a@example.com https://example.com/x"),
        ("[https://example.com](https://example.com)", "https://example.com"),
        ("[](https://example.com)", "https://example.com"),
        ("[文档](/docs/1)", "文档 (/docs/1)"),
        ("[坏](javascript:alert(1))", "坏 (javascript:alert(1))"),
        ("[List<T>](https://example.com)", "List<T> (https://example.com)"),
        ('[官网](https://example.com "打开首页")', '<a href="https://example.com">官网</a>（打开首页）'),
        ("https://example.com/a_*b*_c?d=~~1~~ **好**", "https://example.com/a_*b*_c?d=~~1~~ 好"),
        ("**https://example.com/a_b**", "https://example.com/a_b"),
        ("http: //x **y** https://。", "http: //x y https://。"),
        ("[甲]: https://example.com", "[甲]: https://example.com"),
        # pictures
        ("![流程图](https://example.com/a.png)", '<a href="https://example.com/a.png">图片：流程图</a>'),
        ("![](https://example.com/a.png)", '<a href="https://example.com/a.png">图片</a>'),
        ("![流程图](/api/system/img/1.png)", "流程图"),
        ("![](/api/system/img/1.png)", "[图片]"),
        ("[![封面](https://example.com/a.png)](https://example.com/b)", '<a href="https://example.com/b">封面</a>'),
        # code
        ("运行 `pip install x`。", "运行 pip install x。"),
        ("```python\ndef f():\n    return 1\n```", "def f():\n    return 1"),
        ("~~~ 示例 代码\nx\n~~~", "示例 代码\nx"),
        ("```\n没有结束", "没有结束"),
        ('`<a href="x">y</a>`', '<\u200ba href="x">y<\u200b/a>'),
        ("    不是代码", "    不是代码"),
        ("    不是**代码**", "不是代码"),
        # lists
        ("- 一\n* 二\n+ 三", "• 一\n• 二\n• 三"),
        ("包括：\n- 一\n  - 二\n    - 三", "包括：\n• 一\n  • 二\n    • 三"),
        ("1. 一\n1. 二\n1. 三", "1. 一\n2. 二\n3. 三"),
        ("3) 一\n5) 二", "3) 一\n5) 二"),
        ("1. 一\n\n   续\n\n2. 二\n   - 三", "1. 一\n\n  续\n\n2. 二\n  • 三"),
        ("- [ ] 待办\n- [x] 完成\n- [X] 也完成", "☐ 待办\n☑ 完成\n☑ 也完成"),
        ("-", "•"),
        # quotes
        ("> 一\n> 二\n>\n> > 三", "> 一\n> 二\n>\n> > 三"),
        # tables
        ("|项目|价格|\n|-|-|\n|A|9|\n|B||", "项目｜价格\nA｜9\nB｜—"),
        (
            "| 套餐 | 价格 | 流量 |\n|:-|:-:|-:|\n| **A** | 9 | 1G |\n| B | | 2G |",
            "• 套餐：A\n  价格：9\n  流量：1G\n• 套餐：B\n  价格：—\n  流量：2G",
        ),
        ("| |甲|乙|\n|-|-|-|\n|一|1||\n||2|3|", "• 一\n  甲：1\n  乙：—\n• 甲：2\n  乙：3"),
        ("|甲|乙|丙|\n|-|-|-|", "甲｜乙｜丙"),
        ("|甲|乙|\n|-|-|\n|1|2|3|4|", "甲｜乙\n1｜2｜3｜4"),
        ("|甲|乙|\n|-|-|\n|1<br>2|a \\| b|", "甲｜乙\n1 2｜a | b"),
        # HTML
        ("一<br>二<br/>三", "一\n二\n三"),
        ("<p>一</p><p>二</p>", "一\n二"),
        ("<b>粗</b><font color='red'>红</font>", "粗红"),
        ("<ul><li>一</li><li>二</li></ul>", "• 一\n• 二"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1｜2\n3"),
        ("一<hr>二", "一\n————————\n二"),
        ("<a href='https://example.com/?a=1&amp;b=2'>点我</a>", '<a href="https://example.com/?a=1&b=2">点我</a>'),
        ("<a href='https://example.com'>未关", '<a href="https://example.com">未关</a>'),
        ("<a name='x'>锚</a>", "<\u200ba name='x'>锚<\u200b/a>"),
        ('<img src="https://example.com/a.png" alt="图">', '<a href="https://example.com/a.png">图片：图</a>'),
        ("List<String> 和 <订单号>", "List<String> 和 <订单号>"),
        ("一<!-- 不显示 -->二", "一二"),
        ("<div>\n\n**粗**\n\n</div>", "粗"),
    ],
)
def test_markdown_becomes_what_a_text_message_shows_well(markdown: str, expected: str):
    assert render(markdown) == expected


def test_an_answer_as_models_write_them_reads_well():
    markdown = """## 退货流程

您好！**退货**分三步：

1. 打开[订单页](https://example.com/orders)
2. 点击“申请退货”：
   - 选择原因
   - 上传照片
3. 等待审核

| 方式 | 时间 | 费用 |
|---|---|---|
| 快递 | 3~5 天 | 10 元 |

> 如有疑问请致电 400-123-4567。
"""

    assert (
        render(markdown)
        == """【退货流程】

您好！退货分三步：

1. 打开<a href="https://example.com/orders">订单页</a>
2. 点击“申请退货”：
  • 选择原因
  • 上传照片
3. 等待审核

• 方式：快递
  时间：3~5 天
  费用：10 元

> 如有疑问请致电 400-123-4567。"""
    )


def test_text_nested_beyond_all_sense_is_shown_as_it_is():
    text = ">" * 500 + " 你好"

    assert render(text) == text


def test_pictures_in_the_labels_of_pictures_do_not_exhaust_the_stack():
    assert "你好" in render("![" * 400 + "你好" + "](u)" * 400)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u3000", "\u200b", "\ufeff \u200d"])
def test_a_blank_text_makes_no_message(text: str):
    assert split(text) == []


def test_a_text_of_exactly_the_limit_is_one_message():
    assert split("字" * 10, 30) == ["字" * 10]
    assert split("字" * 11, 30) == ["字" * 10, "字"]


def test_the_default_leaves_room_for_the_marks_of_twins():
    segments = split("字" * 2000)

    assert {len(segment.encode()) for segment in segments[:-1]} == {1998}
    assert MAX_BYTES - TWIN_ROOM == 2000


def test_a_cut_between_paragraphs_is_preferred():
    text = "第一段第一行\n第一段第二行\n\n第二段第一行\n第二段第二行"

    assert split(text, 60) == ["第一段第一行\n第一段第二行", "第二段第一行\n第二段第二行"]


def test_a_short_first_paragraph_is_not_sent_alone():
    assert split("好的。\n\n" + "很长的句子。" * 10, 100) == [
        "好的。\n\n" + "很长的句子。" * 4,
        "很长的句子。" * 5,
        "很长的句子。",
    ]


def test_a_cut_between_lines_is_preferred_to_one_between_sentences():
    assert split("第一句。第二句。第三句。\n第四句。第五句。", 50) == ["第一句。第二句。第三句。", "第四句。第五句。"]


def test_a_cut_between_sentences_is_preferred_to_one_at_a_comma():
    assert split("今天下雨。明天，后天，都晴。", 30) == ["今天下雨。", "明天，后天，都晴。"]


def test_a_closing_quotation_mark_stays_with_its_sentence():
    assert split("他说：“好的。”然后他就走了，没有回头。", 40) == ["他说：“好的。”", "然后他就走了，没有回头。"]


def test_a_point_inside_of_a_number_or_address_ends_no_sentence():
    assert split("Version 3.14 came. Then 4.0", 20) == ["Version 3.14 came.", "Then 4.0"]


def test_a_cut_at_a_comma_is_preferred_to_one_within_a_word():
    assert split("Tomorrow, thereafter, whenever", 25) == ["Tomorrow, thereafter,", "whenever"]


def test_a_list_item_is_kept_whole_even_if_the_message_before_stays_short():
    text = "说明：\n• " + "很长的项目，" * 4

    assert split(text, 80) == ["说明：", "• " + "很长的项目，" * 4]


def test_an_item_with_its_indented_lines_is_kept_whole():
    text = "• 套餐：A\n  价格：9\n• 套餐：B\n  价格：10"

    assert split(text, 40) == ["• 套餐：A\n  价格：9", "• 套餐：B\n  价格：10"]


def test_an_item_longer_than_a_message_is_cut_between_its_lines():
    text = "• 套餐：甲乙丙\n  价格：九百九十九\n  流量：十"

    assert split(text, 50) == ["• 套餐：甲乙丙\n  价格：九百九十九", "  流量：十"]


def test_the_indent_of_a_nested_item_survives_the_cut():
    assert split("• 一\n  • 二\n  • 三", 17) == ["• 一\n  • 二", "  • 三"]


def test_a_link_is_moved_to_the_next_message_rather_than_cut():
    link = '<a href="https://example.com/a">标签</a>'

    assert split("字" * 20 + link, 62) == ["字" * 20, link]


def test_a_bare_address_is_moved_to_the_next_message_rather_than_cut():
    assert split("请看https://example.com/order/8812", 33) == ["请看", "https://example.com/order/8812"]


def test_a_link_longer_than_a_message_is_written_as_label_and_address():
    address = "https://example.com/" + "x" * 60
    segments = split(f'见<a href="{address}">标签</a>。', 40)

    assert "".join(segments).replace(" ", "") == f"见标签({address})。"
    assert all("<a" not in segment for segment in segments)


@pytest.mark.parametrize(
    "cluster",
    ["👨‍👩‍👧‍👦", "🇨🇳", "👍🏽", "❤️", "1️⃣", "e\u0301", "क्षि", "\u1112\u1161\u11ab", "\ud55c\u11ab", "กำ", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u06001"],
)
def test_what_reads_as_one_character_is_not_cut(cluster: str):
    size = len(cluster.encode())

    assert split(cluster * 5, size * 2 + 1) == [cluster * 2, cluster * 2, cluster]


def test_an_endless_character_is_cut_between_code_points():
    assert split("a" + "\u0301" * 10, 8) == ["a" + "\u0301" * 3, "\u0301" * 4, "\u0301" * 3]


@pytest.mark.parametrize(
    "text",
    [
        "你好，世界。这是一个测试句子！\n" * 4500,
        "中" * 67_000,
        "🇨🇳" * 25_000,
        "a" + "\u0301" * 100_000,
        "x" + "\n" * 200_000 + "y",
        '<a href="https://example.com/x">标签</a>' * 5500,
        '<a href="' * 22_000,
        "https://example.com/" * 10_000,
        "• 项目内容一\n" * 12_000,
        "." * 200_000,
        "a. " * 66_000,
    ],
    ids=["prose", "no-stops", "flags", "marks", "blank", "links", "open-links", "addresses", "items", "dots", "ends"],
)
def test_a_long_text_is_cut_in_well_under_a_second(text: str):
    start = time.process_time()
    split(text)

    assert time.process_time() - start < 0.8


def test_no_twin_leaves_the_text_as_it_is():
    assert distinct("好的", 0) == "好的"


def test_each_twin_has_one_more_invisible_mark():
    assert distinct("好的", 3) == "好的\u200b\u200b\u200b"


def test_many_twins_of_a_long_text_still_fit():
    text = "x" * (MAX_BYTES - TWIN_ROOM)
    twins = [distinct(text, n) for n in range(200)]

    assert len(set(twins)) == 200
    assert max(len(twin.encode()) for twin in twins) <= MAX_BYTES


@pytest.mark.parametrize("n", [-1, 65_536])
def test_a_number_of_twins_beyond_all_sense_is_refused(n: int):
    with pytest.raises(ValueError, match="n must be"):
        distinct("x", n)


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("[官网](https://example.com/a?b=1&c=2)好", "官网 (https://example.com/a?b=1&c=2)好"),
        ("[https://example.com](https://example.com)", "https://example.com"),
        ("[一](https://a.example)、[二](https://b.example)", "一 (https://a.example)、二 (https://b.example)"),
        ("没有链接", "没有链接"),
        ("`<a href=x>`", "<\u200ba href=x>"),
    ],
)
def test_links_are_written_out_for_who_knows_none(markdown: str, words: str):
    assert without_links(render(markdown)) == words
