"""The report of a reviewed day, as a document and as a page."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from frontdesk.conversation.review_report import SCHEMA, Suspect, Tally, document, page
from frontdesk.messages import Action
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW, NOW_MS

DAY = "2026-11-21"
NASTY = "<script>alert(1)</script>&\"'"


def tally() -> Tally:
    return Tally(
        records=40,
        conversations=9,
        sampled=8,
        texts=30,
        blocks=3,
        handoffs=2,
        masks=1,
        erased=4,
        found=Counter({"price": 5, "law": 1}),
        suspicious=Counter({"price": 2}),
        blocked=Counter({"price": 3}),
        handed_off=Counter({"old": 2}),
        masked=Counter({"address": 1}),
        actions={"price": Action.BLOCK, "law": Action.TAG},
        suspects=[
            Suspect(CONVERSATION, 12, "generated", NOW_MS, ("price",)),
            Suspect(ANOTHER_CONVERSATION, 3, "truncated", NOW_MS + 5, ("law", "price")),
            Suspect(CONVERSATION, 2, "said", NOW_MS - 5, ("price",)),
        ],
    )


def report(counted: Tally | None = None, **differently: Any) -> dict[str, Any]:
    made = document(
        counted or tally(), day=DAY, number=1, rules_version="2026-11-22.1", sample_percent=50, reviewed_at=NOW
    )
    return made | differently


class Reader(HTMLParser):
    """What a browser would see: tags, attributes, cells, and whether each tag is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.commands: list[str] = []
        self._open: list[str] = []
        self._in_command = False
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        self._in_command = ("class", "command") in attrs
        if self._in_command:
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._in_command = False

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data
        if self._in_command:
            self.commands[-1] += data


# -- the document ----------------------------------------------------------------------------------------------------


def test_the_document_has_every_count():
    made = report()

    assert {name: value for name, value in made.items() if name not in {"rules", "items"}} == {
        "schema": "frontdesk.review/1",
        "day": DAY,
        "number": 1,
        "reviewed_at": NOW,
        "rules_version": "2026-11-22.1",
        "sample_percent": 50,
        "export": "audit/dt=2026-11-21/",
        "records": 40,
        "conversations": 9,
        "sampled": 8,
        "texts": 30,
        "blocked": 3,
        "handed_off": 2,
        "masked": 1,
        "suspicious": 3,
        "erased": 4,
        "unopened": 0,
        "unopened_keys": {},
    }
    assert made["schema"] == SCHEMA


def test_every_rule_that_did_or_found_something_has_its_line():
    rules = {rule["rule_id"]: rule for rule in report()["rules"]}

    assert list(rules) == ["address", "law", "old", "price"]
    assert rules["price"] == {
        "rule_id": "price",
        "action": "block",
        "found": 5,
        "suspicious": 2,
        "blocked": 3,
        "handed_off": 0,
        "masked": 0,
    }
    assert (rules["old"]["action"], rules["old"]["handed_off"]) == ("", 2)


def test_items_come_in_the_order_of_their_records():
    assert [(item["conversation"], item["seq"], item["kind"], item["rule_ids"]) for item in report()["items"]] == [
        (ANOTHER_CONVERSATION, 3, "truncated", ["law", "price"]),
        (CONVERSATION, 2, "said", ["price"]),
        (CONVERSATION, 12, "generated", ["price"]),
    ]


def test_records_that_did_not_open_are_counted_by_key():
    made = report(Tally(unopened=Counter({"k2": 2, "k1": 1})))

    assert (made["unopened"], made["unopened_keys"]) == (3, {"k1": 1, "k2": 2})


def test_the_document_is_json():
    made = report()

    assert json.loads(json.dumps(made)) == made


def test_tallies_of_several_days_add_up():
    total = Tally(opened={("a", 1)}, unopened=Counter({"k1": 1}))

    total += tally()
    total += Tally(records=2, found=Counter({"price": 1}), opened={("b", 2)}, unopened=Counter({"k1": 2}))

    assert (total.records, total.texts, total.found["price"], total.unopened) == (42, 30, 6, Counter({"k1": 3}))
    assert total.opened == {("a", 1), ("b", 2)}
    assert len(total.suspects) == 3
    assert total.actions == {"price": Action.BLOCK, "law": Action.TAG}


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_every_item_with_the_command_that_shows_its_record():
    read = Reader(page(report()))

    assert read.commands == [
        f'make ops ARGS="audit show --conversation {ANOTHER_CONVERSATION} --seq 3"',
        f'make ops ARGS="audit show --conversation {CONVERSATION} --seq 2"',
        f'make ops ARGS="audit show --conversation {CONVERSATION} --seq 12"',
    ]
    (first,) = [row for row in read.rows if f"{ANOTHER_CONVERSATION} · 3" in row]
    assert first == [
        "2026-09-21 14:13:20 UTC",
        "截断后 truncated",
        "lawprice",
        f"{ANOTHER_CONVERSATION} · 3",
        read.commands[0],
        "audit/dt=2026-11-21/",
    ]


def test_the_page_shows_the_counts_of_every_rule():
    rows = Reader(page(report())).rows

    assert ["price", "拦截 block", "5", "2", "3", "0", "0"] in rows
    assert ["old", "–", "0", "0", "0", "2", "0"] in rows


def test_a_day_without_finds_says_so():
    made = page(report(Tally()))

    assert "没有发现可疑的回复" in made
    assert "没有规则命中" in made
    assert Reader(made).rows == []
    assert 'class="alarming"' not in made


def test_what_is_to_be_looked_at_is_set_off():
    assert '<li class="alarming"><b>3</b> 可疑未拦截' in page(report())


def test_a_key_that_is_missing_is_named():
    made = page(report(Tally(unopened=Counter({"k2": 2, "": 1}))))

    assert "<code>?</code>（1）、<code>k2</code>（2）" in made
    assert "审查不完整" in made


@pytest.mark.parametrize("field", ["rules_version", "export", "day"])
def test_nothing_in_a_report_becomes_part_of_the_page(field: str):
    made = page(report(**{field: NASTY}))

    assert "<script" not in made
    assert "&lt;script&gt;" in made
    Reader(made)


def test_nothing_in_an_item_or_a_rule_becomes_part_of_the_page():
    nasty = Tally(
        found=Counter({NASTY: 1}),
        actions={NASTY: NASTY},  # type: ignore[dict-item]
        unopened=Counter({NASTY: 1}),
        suspects=[Suspect(NASTY, 1, NASTY, NOW_MS, (NASTY,))],
    )

    made = page(report(nasty))

    assert "<script" not in made
    assert made.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;") == 6
    Reader(made)


@pytest.mark.parametrize("conversation", ['x"; rm -rf ~; "', "$(id)", "`id`", "a b", "", "5f0c\n"])
def test_an_id_that_a_shell_would_read_otherwise_gets_no_command(conversation: str):
    read = Reader(page(report(Tally(suspects=[Suspect(conversation, 1, "said", NOW_MS, ("price",))]))))

    assert read.commands == []
    assert any("not an id of ours" in cell for row in read.rows for cell in row)


def test_the_page_needs_nothing_else():
    made = page(report())
    read = Reader(made)

    assert not {"script", "link", "img", "iframe", "form", "object", "base"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name in {"src", "href", "style"} or name.startswith("on")]
    assert "url(" not in made
    assert "@import" not in made
    assert "default-src 'none'" in made


def test_the_page_is_the_same_for_the_same_document():
    assert page(report()) == page(json.loads(json.dumps(report())))
