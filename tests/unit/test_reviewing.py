"""The daily review: what it judges, what it finds, and how a run that was cut short ends."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.conversation.reviewing import DAYS_BACK, Outcome, Reviewing, percentile, report_name
from frontdesk.errors import ErasedError, TransientError, UnopenableError
from frontdesk.messages import Action
from tests.factories import ANOTHER_CONVERSATION, CONVERSATION, NOW
from tests.fakes.clock import FakeClock
from tests.fakes.reviews import DAY, FakeRules, InMemoryAudit, InMemoryReports, InMemoryReviews

if TYPE_CHECKING:
    from collections.abc import Callable

MIDNIGHT = NOW - NOW % 86_400 + 86_400  # at the end of DAY
PLENTY_S = 800.0
BLOCK = {"price": (Action.BLOCK, "底价")}


def earlier(days: int) -> str:
    return (date.fromisoformat(DAY) - timedelta(days=days)).isoformat()


class Office:
    """A review with fakes around it, on the morning after `DAY`."""

    def __init__(
        self,
        rules: dict[str, tuple[Action, str]] | None = None,
        *,
        sample_percent: int = 100,
        reviews: InMemoryReviews | None = None,
        reports: InMemoryReports | None = None,
    ) -> None:
        self.audit = InMemoryAudit()
        self.rules = FakeRules("v1", rules)
        self.reviews = reviews or InMemoryReviews()
        self.reports = reports or InMemoryReports()
        self.clock = FakeClock(MIDNIGHT + 2 * 3600)
        self.sample_percent = sample_percent
        self.choose: Callable[[str, str], int] = percentile

    def run(self, *, time_left: Callable[[], float] = lambda: PLENTY_S) -> Outcome:
        reviewing = Reviewing(
            audit=self.audit,
            words=self.audit,
            rules=self.rules,
            reviews=self.reviews,
            reports=self.reports,
            clock=self.clock,
            sample_percent=self.sample_percent,
            choose=self.choose,
        )
        return reviewing.run(time_left=time_left)

    def report(self, day: str = DAY, number: int = 1) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.reports.texts[report_name(day, number, "json")])
        return report

    def rule(self, rule_id: str) -> dict[str, Any]:
        (row,) = [row for row in self.report()["rules"] if row["rule_id"] == rule_id]
        return {name: value for name, value in row.items() if name != "rule_id"}

    def found(self) -> list[tuple[int, tuple[str, ...]]]:
        return sorted((each.seq, each.rule_ids) for each in self.reviews.items.values())


def row(action: str = "", **counts: int) -> dict[str, Any]:
    return {"action": action, "found": 0, "suspicious": 0, "blocked": 0, "handed_off": 0, "masked": 0} | counts


# -- what is suspicious ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Action.BLOCK, Action.HANDOFF, Action.MASK])
def test_an_answer_that_breaks_a_rule_of_today_opens_an_item(action: Action):
    office = Office({"price": (action, "底价")})
    office.audit.add("generated", "运费十元")
    said = office.audit.add("generated", "底价是八十", about="q2")

    outcome = office.run()

    (item,) = office.reviews.items.values()
    assert (item.conversation, item.seq, item.day, item.rule_ids) == (CONVERSATION, said.seq, DAY, ("price",))
    assert (item.rules_version, item.found_at, item.state) == ("v1", MIDNIGHT + 7200, "open")
    assert (outcome.suspicious, outcome.waiting) == (1, 1)
    assert office.rule("price") == row(action, found=1, suspicious=1)


def test_what_is_only_tagged_is_counted_and_not_suspicious():
    office = Office({"superlative": (Action.TAG, "最佳")})
    office.audit.add("generated", "最佳选择")

    assert office.run().suspicious == 0
    assert office.rule("superlative") == row("tag", found=1)
    assert office.reviews.items == {}


@pytest.mark.parametrize("kind", ["generated", "said", "interim", "fallback"])
def test_every_kind_of_text_that_the_machine_says_is_judged(kind: str):
    office = Office(BLOCK)
    office.audit.add(kind, "底价")

    assert office.run().suspicious == 1


@pytest.mark.parametrize("kind", ["tagged", "erased", "exported", "reviewed", "resealed"])
def test_what_nobody_was_told_is_not_judged(kind: str):
    office = Office(BLOCK)
    office.audit.add(kind, "底价", action="tag")

    assert office.run().texts == 0
    assert office.found() == []


def test_an_answer_that_was_filtered_is_not_suspicious_for_what_was_removed():
    office = Office(BLOCK)
    office.audit.add("generated", "底价是八十")
    office.audit.add(
        "filtered",
        "＊＊是八十",
        before="底价是八十",
        actor="rule:price@v0",
        of="answer",
        action="mask",
        rule_ids="price",
    )

    assert office.run().texts == 1
    assert office.found() == []
    assert office.rule("price") == row("block", found=1, masked=1)


def test_an_answer_that_was_filtered_of_one_thing_is_suspicious_for_another():
    office = Office(BLOCK | {"promise": (Action.HANDOFF, "保证"), "also": (Action.MASK, "八十")})
    office.audit.add("generated", "底价保证八十")
    office.audit.add("filtered", "＊＊保证八十", of="answer", action="mask", rule_ids="price", actor="rule:price@v0")

    office.run()

    assert office.found() == [(2, ("also", "promise"))]


def test_an_answer_that_was_blocked_is_counted_for_the_rule_that_decided():
    office = Office(BLOCK)
    office.audit.add("generated", "底价是八十")
    office.audit.add(
        "filtered", "无法回答", of="answer", action="block", rule_ids="price,superlative", actor="rule:price@v0"
    )

    office.run()

    assert office.found() == []
    assert office.rule("price") == row("block", found=1, blocked=1)
    assert [each["rule_id"] for each in office.report()["rules"]] == ["price"]
    assert (office.report()["blocked"], office.report()["handed_off"], office.report()["masked"]) == (1, 0, 0)


def test_an_answer_that_was_handed_over_is_counted_for_the_rule_that_decided():
    office = Office({"law": (Action.HANDOFF, "起诉")})
    office.audit.add("generated", "可以起诉")
    office.audit.add(
        "handoff", "请稍候，同事会联系您", of="answer", action="handoff", rule_ids="law", actor="rule:law@v0"
    )

    office.run()

    assert office.rule("law") == row("handoff", found=1, handed_off=1)
    assert office.report()["handed_off"] == 1


@pytest.mark.parametrize(("kind", "action"), [("filtered", "block"), ("handoff", "handoff")])
@pytest.mark.parametrize("of", ["question", "answer"])
def test_the_sentence_of_the_rule_that_stopped_a_text_may_speak_of_what_the_rule_is_about(
    kind: str, action: str, of: str
):
    office = Office(BLOCK | {"rude": (Action.BLOCK, "滚")})
    office.audit.add(kind, "底价不能透露", of=of, action=action, rule_ids="price", actor="rule:price@v0")
    office.audit.add(kind, "底价？滚", of=of, action=action, rule_ids="price", actor="rule:price@v0", about="q2")

    office.run()

    assert office.found() == [(2, ("rude",))]


def test_a_question_with_a_span_masked_is_the_customers_and_not_judged():
    office = Office(BLOCK)
    office.audit.add("filtered", "底价＊＊", of="question", action="mask", rule_ids="a,b", actor="rule:a@v0")
    office.audit.add("generated", "您好")

    assert office.run().texts == 1
    assert office.found() == []
    assert office.rule("a") == office.rule("b") == row(masked=1)
    assert office.report()["masked"] == 1


def test_the_customers_own_data_that_were_put_back_are_not_judged():
    office = Office({"digits": (Action.MASK, "138"), "label": (Action.BLOCK, "[手机号1]")})
    office.audit.add("generated", "会打 [手机号1]")
    office.audit.add("unmasked", "会打 138", before="会打 [手机号1]")
    office.audit.add("truncated", "打 138", before="会打 138")

    office.run()

    assert office.found() == []
    assert [each["rule_id"] for each in office.report()["rules"]] == ["label"]


def test_what_the_machine_wrote_around_them_is_judged():
    office = Office(BLOCK)
    office.audit.add("generated", "底价问 [手机号1]")
    office.audit.add("unmasked", "底价问 138", before="底价问 [手机号1]")

    office.run()

    assert office.found() == [(2, ("price",))]


def test_what_was_cut_off_was_not_told():
    office = Office(BLOCK)
    office.audit.add("generated", "您好。底价")
    office.audit.add("truncated", "您好。", before="您好。底价")

    office.run()

    assert office.found() == []
    assert office.rule("price") == row("block", found=1)


def test_a_notice_written_after_the_answer_does_not_hide_it():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    office.audit.add("interim", "请稍候")

    office.run()

    assert office.found() == [(1, ("price",))]


def test_an_answer_that_followed_an_apology_is_another_text():
    office = Office(BLOCK)
    office.audit.add("fallback", "底价无法回答")
    office.audit.add("generated", "底价")

    assert office.run().texts == 2
    assert office.found() == [(1, ("price",)), (2, ("price",))]


def test_a_change_whose_beginning_was_before_midnight_is_a_text_too():
    office = Office(BLOCK)
    office.audit.add("generated", "底价八折", day=earlier(1))
    office.audit.add("truncated", "底价")

    office.run()

    assert office.found() == [(1, ("price",)), (2, ("price",))]


def test_the_same_words_are_judged_once_a_text():
    office = Office(BLOCK)
    office.audit.add("generated", "会打 [手机号1]")
    office.audit.add("unmasked", "会打 138", before="会打 [手机号1]")

    office.run()

    assert Counter(office.rules.judged)["会打 [手机号1]"] == 1


# -- which conversations ---------------------------------------------------------------------------------------------


def test_of_a_sample_the_others_are_counted_only():
    office = Office(BLOCK, sample_percent=30)
    office.choose = lambda day, conversation: 29 if (day, conversation) == (DAY, CONVERSATION) else 30
    for conversation in (CONVERSATION, ANOTHER_CONVERSATION):
        office.audit.add("filtered", "底价", conversation=conversation, action="block", actor="rule:old@v0")

    outcome = office.run()

    assert [item.conversation for item in office.reviews.items.values()] == [CONVERSATION]
    report = office.report()
    assert (report["conversations"], report["sampled"], report["records"], report["texts"]) == (2, 1, 2, 1)
    assert (report["blocked"], report["sample_percent"]) == (1, 30)
    assert (outcome.records, outcome.texts) == (2, 1)


def test_the_choice_is_the_same_each_time_and_another_on_another_day():
    ids = [f"{n:032x}" for n in range(2000)]

    today = [each for each in ids if percentile(DAY, each) < 10]

    assert today == [each for each in ids if percentile(DAY, each) < 10]
    assert 120 < len(today) < 280
    assert today != [each for each in ids if percentile(earlier(1), each) < 10]
    assert {percentile(DAY, each) for each in ids} == set(range(100))


def test_many_conversations_are_all_judged():
    office = Office(BLOCK)
    for n in range(1500):
        office.audit.add("generated", "底价" if n % 3 else "您好", conversation=f"{n:032x}")

    assert office.run() == Outcome(
        days=tuple(earlier(back) for back in range(DAYS_BACK)), records=1500, texts=1500, suspicious=1000, waiting=1000
    )
    items = [(each["conversation"], each["seq"]) for each in office.report()["items"]]
    assert len(items) == 1000
    assert items == sorted(items)


# -- what does not open ----------------------------------------------------------------------------------------------


def test_what_was_erased_is_counted_as_erased():
    office = Office(BLOCK)
    office.audit.add("generated", opens=ErasedError("erased", key_id="c0123456789ab"))
    office.audit.add("generated", "底价", about="q2")

    outcome = office.run()

    assert (outcome.erased, outcome.unopened, outcome.suspicious) == (1, {}, 1)
    assert office.report()["erased"] == 1


def test_what_does_not_open_is_counted_by_key_and_the_rest_is_reviewed(caplog: pytest.LogCaptureFixture):
    office = Office(BLOCK)
    office.audit.add("generated", opens=UnopenableError("no key", key_id="k2"))
    office.audit.add("generated", opens=UnopenableError("no key", key_id="k2"), about="q2")
    office.audit.add("generated", opens=UnopenableError("no key", key_id="k1"), about="q3")
    office.audit.add("generated", "底价", about="q4")

    outcome = office.run()

    assert outcome.unopened == {"k1": 1, "k2": 2}
    assert outcome.suspicious == 1
    assert (office.report()["unopened"], office.report()["unopened_keys"]) == (3, {"k1": 1, "k2": 2})
    told = [(each.key_id, each.records, each.day) for each in caplog.records if each.message == "records not opened"]
    assert told == [("k1", 1, DAY), ("k2", 2, DAY)]


def test_a_text_whose_last_step_does_not_open_is_not_taken_for_the_one_before():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    office.audit.add("truncated", opens=UnopenableError("no key", key_id="k2"))

    assert office.run().suspicious == 0
    assert office.rule("price") == row("block", found=1)


def test_a_day_whose_words_did_not_open_is_reviewed_again_when_the_key_is_back():
    office = Office(BLOCK)
    office.audit.add("generated", opens=UnopenableError("no key", key_id="k2"))
    office.run()

    again = office.run()
    assert (again.days, again.unopened) == ((DAY,), {"k2": 1})
    assert report_name(DAY, 2, "json") not in office.reports.texts  # it would say the same

    office.audit.words[CONVERSATION, 1] = ("", "底价")
    assert office.run().suspicious == 1
    assert (office.report(number=2)["unopened"], office.report(number=2)["suspicious"]) == (0, 1)
    assert office.run().days == ()


# -- which days ------------------------------------------------------------------------------------------------------


def test_the_last_seven_days_get_a_report_each_the_newest_first():
    office = Office()

    outcome = office.run()

    assert outcome.days == tuple(earlier(back) for back in range(DAYS_BACK)) == tuple(office.audit.days_read)
    assert len(office.reports.texts) == 2 * DAYS_BACK


def test_a_day_that_has_its_report_is_not_read_again():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    office.run()
    writes = list(office.reports.writes)
    office.clock.advance(3600)

    outcome = office.run()

    assert (outcome.days, outcome.suspicious, outcome.waiting) == ((), 0, 1)
    assert office.reports.writes == writes
    assert len(office.audit.days_read) == DAYS_BACK


@pytest.mark.parametrize(("past_midnight_s", "newest"), [(3599, 1), (3600, 0)])
def test_a_day_is_over_an_hour_after_its_end(past_midnight_s: int, newest: int):
    office = Office()
    office.clock.now = MIDNIGHT + past_midnight_s

    assert office.run().days[0] == earlier(newest)


def test_other_rules_judge_the_days_again_and_write_another_report():
    office = Office()
    office.audit.add("generated", "底价")
    assert office.run().suspicious == 0

    office.rules.version, office.rules.rules = "v2", dict(BLOCK)
    outcome = office.run()

    assert (outcome.suspicious, len(outcome.days)) == (1, DAYS_BACK)
    assert (office.report(number=1)["rules_version"], office.report(number=1)["suspicious"]) == ("v1", 0)
    assert (office.report(number=2)["rules_version"], office.report(number=2)["suspicious"]) == ("v2", 1)
    assert office.report(number=2)["number"] == 2
    assert office.run().days == ()


def test_rules_that_change_during_a_run_judge_the_next_one():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    opened = office.audit.opened

    def changing(record: Any) -> tuple[str, str]:
        office.rules.version, office.rules.rules = "v2", {}
        return opened(record)

    office.audit.opened = changing  # type: ignore[method-assign]
    office.run()

    assert (office.report()["rules_version"], office.report()["suspicious"]) == ("v1", 1)


# -- items -----------------------------------------------------------------------------------------------------------


def test_an_item_that_was_decided_is_not_opened_again_by_other_rules():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    office.run()
    office.reviews.decide(CONVERSATION, 1, "dismissed", by="operator:zhao", at=NOW)

    office.rules.version = "v2"
    outcome = office.run()

    assert (outcome.suspicious, outcome.waiting) == (1, 0)
    assert office.reviews.items[CONVERSATION, 1].state == "dismissed"


def test_what_waits_is_counted_whenever_it_was_found_and_before_the_index_has_it():
    office = Office(BLOCK)
    office.audit.add("generated", "底价")
    office.audit.add("generated", "底价", about="q2")
    office.run()
    office.reviews.decide(CONVERSATION, 1, "upheld", by="operator:zhao", at=NOW)
    office.clock.advance(86_400)
    office.audit.add("generated", "底价", about="q3", day=earlier(-1))
    office.reviews.hidden.add((CONVERSATION, 3))

    outcome = office.run()

    assert (outcome.days, outcome.suspicious, outcome.waiting) == ((earlier(-1),), 1, 2)


# -- cut short -------------------------------------------------------------------------------------------------------


class Stumbling:
    """Calls that go through until the ``nth``; that one and no other fails, before or after it is done."""

    def __init__(self, nth: int, *, done: bool) -> None:
        self._left = nth
        self._done = done

    def __call__(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def stumbling(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left:
                return call(*args, **named)
            if self._done:
                call(*args, **named)
            raise TransientError("crashed")

        return stumbling


def busy_office() -> Office:
    office = Office(BLOCK)
    for n in range(4):
        office.audit.add("generated", "底价", about=f"q{n}")
    office.audit.add("generated", "底价", day=earlier(2), conversation=ANOTHER_CONVERSATION)
    return office


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("nth", range(1, 20))
def test_a_crash_anywhere_is_made_good_by_the_next_run(nth: int, *, done: bool):
    whole = busy_office()
    whole.run()
    office = busy_office()
    stumbling = Stumbling(nth, done=done)
    reports, reviews = office.reports, office.reviews
    put, opened = reports.put, reviews.open
    reports.put = stumbling(put)  # type: ignore[method-assign]
    reviews.open = stumbling(opened)  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        office.run()

    reports.put, reviews.open = put, opened  # type: ignore[method-assign]
    outcome = office.run()

    assert office.reports.texts == whole.reports.texts
    assert office.reviews.items == whole.reviews.items
    assert outcome.waiting == 5


def test_the_report_is_written_after_its_items():
    office = busy_office()

    class Refusing(InMemoryReviews):
        def open(self, item: Any) -> bool:
            raise TransientError("throttled")

    office.reviews = Refusing()
    with pytest.raises(TransientError):
        office.run()

    assert office.reports.texts == {}


def test_of_two_runs_at_the_same_time_one_report_counts_and_the_page_is_of_that_one():
    class Overtaken(InMemoryReports):
        def put(self, name: str, text: str, *, content_type: str) -> str:
            if name == report_name(DAY, 1, "json"):
                self.texts.setdefault(name, text.replace('"rules_version":"v1"', '"rules_version":"v0"'))
            return super().put(name, text, content_type=content_type)

    office = Office(reports=Overtaken())

    office.run()

    assert office.report()["rules_version"] == "v0"
    assert ">v0<" in office.reports.texts[report_name(DAY, 1, "html")]


def test_when_time_runs_out_the_days_that_are_done_stay_done():
    office = Office()
    for n in range(3):
        office.audit.add("generated", "您好", day=earlier(n))
    left = iter([60.0, 29.9])

    with pytest.raises(TransientError) as caught:
        office.run(time_left=lambda: next(left))

    assert caught.value.code == "review_incomplete"
    assert office.run().days == tuple(earlier(back) for back in range(1, DAYS_BACK))


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_neither_report_nor_item_nor_log_holds_anybodys_words(caplog: pytest.LogCaptureFixture):
    office = Office(BLOCK)
    office.audit.add("generated", "底价是秘密词", before="客户原话")
    office.audit.add("filtered", "拦截句", before="底价是秘密词", action="block", rule_ids="x", actor="rule:x@v0")
    office.audit.add("generated", opens=UnopenableError("no key", key_id="k2"), about="q2")
    office.audit.add("generated", "底价是秘密词", about="q3")

    with caplog.at_level("DEBUG"):
        office.run()

    everything = str([office.reports.texts, office.reviews.items, [vars(each) for each in caplog.records]])
    assert not [words for words in ("秘密词", "客户原话", "拦截句", "底价") if words in everything]


def test_reports_say_what_they_are():
    office = Office()
    office.run()

    assert office.reports.types[report_name(DAY, 1, "json")] == "application/json; charset=utf-8"
    assert office.reports.types[report_name(DAY, 1, "html")] == "text/html; charset=utf-8"


def test_reports_lie_by_day_and_the_first_has_no_number():
    assert report_name("2026-11-21", 1, "json") == "reviews/dt=2026-11-21/report.json"
    assert report_name("2026-11-21", 2, "html") == "reviews/dt=2026-11-21/report-2.html"
