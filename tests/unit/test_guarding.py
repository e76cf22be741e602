"""The guard between customer and model: what passes, what is said instead, and what the audit is told."""

from __future__ import annotations

from frontdesk.conversation.guarding import Guard
from frontdesk.conversation.trail import Trail
from frontdesk.messages import Action
from tests.fakes.guard import HANDOFF_SENTENCE, SENTENCE, VERSION, WordMasking, WordRules, rule_of

PHONE = "13912345678"
KNOWN = (("[数据1]", PHONE),)


def guard(*private: str, questions: dict[str, Action] | None = None, answers: dict[str, Action] | None = None) -> Guard:
    return Guard(rules=WordRules(questions, answers), masking=WordMasking(*private))


def trail() -> Trail:
    return Trail("question-1", lambda: 1_790_000_000_000)


def test_an_ordinary_question_passes_as_it_is_and_leaves_no_trail() -> None:
    left = trail()
    heard = guard().hear("订单到哪里了？", (), left)
    assert (heard.text, heard.stopped, heard.placeholders) == ("订单到哪里了？", "", ())
    assert left.happenings == ()


def test_personal_data_reach_the_model_as_placeholders_that_are_remembered() -> None:
    heard = guard(PHONE).hear(f"请打 {PHONE}", (), trail())
    assert heard.text == "请打 [数据1]"
    assert heard.placeholders == KNOWN


def test_what_is_known_keeps_its_placeholder() -> None:
    heard = guard("李雷", PHONE).hear(f"李雷的电话是 {PHONE}", KNOWN, trail())
    assert heard.text == "[数据2]的电话是 [数据1]"


def test_a_blocked_question_never_reaches_the_masking_and_is_answered_by_the_rule() -> None:
    left = trail()
    heard = guard(PHONE, questions={"底价": Action.BLOCK}).hear(f"底价多少？{PHONE}", (), left)
    assert (heard.text, heard.stopped, heard.placeholders) == (SENTENCE, "blocked", ())
    (happening,) = left.happenings
    assert happening.kind == "filtered"
    assert happening.actor == f"rule:{rule_of('底价')}@{VERSION}"
    assert (happening.before, happening.after) == (f"底价多少？{PHONE}", SENTENCE)
    assert happening.details == {"of": "question", "action": "block", "rule_ids": rule_of("底价")}


def test_a_question_for_a_person_is_told_so() -> None:
    left = trail()
    heard = guard(questions={"投诉经理": Action.HANDOFF}).hear("我要投诉经理", (), left)
    assert (heard.text, heard.stopped) == (HANDOFF_SENTENCE, "handoff")
    assert [each.kind for each in left.happenings] == ["handoff"]


def test_blocking_goes_before_handing_over_and_the_trail_names_both_rules() -> None:
    left = trail()
    heard = guard(questions={"投诉经理": Action.HANDOFF, "底价": Action.BLOCK}).hear("底价？我要投诉经理", (), left)
    assert heard.stopped == "blocked"
    assert left.happenings[0].details["rule_ids"] == f"{rule_of('投诉经理')},{rule_of('底价')}"


def test_a_masked_span_is_masked_before_personal_data_are_looked_for() -> None:
    left = trail()
    heard = guard("内部代号" + PHONE, questions={"内部代号": Action.MASK}).hear(f"内部代号{PHONE}", (), left)
    assert heard.text == f"＊＊＊＊{PHONE}"
    (happening,) = left.happenings
    assert (happening.kind, happening.after) == ("filtered", f"＊＊＊＊{PHONE}")


def test_a_tag_changes_nothing_but_the_trail() -> None:
    left = trail()
    said = guard(answers={"最佳": Action.TAG}).say("这是最佳选择", (), left)
    assert (said.text, said.stopped) == ("这是最佳选择", "")
    (happening,) = left.happenings
    assert (happening.kind, happening.after, happening.details["of"]) == ("tagged", "", "answer")


def test_placeholders_are_put_back_for_the_customer_and_the_trail_shows_both_forms() -> None:
    left = trail()
    said = guard().say("稍后拨打[数据1]", KNOWN, left)
    assert said.text == f"稍后拨打{PHONE}"
    (happening,) = left.happenings
    assert (happening.kind, happening.actor) == ("unmasked", "frontdesk")
    assert (happening.before, happening.after) == ("稍后拨打[数据1]", f"稍后拨打{PHONE}")


def test_the_rules_never_judge_the_customers_own_data() -> None:
    rules = WordRules(answers={PHONE: Action.BLOCK})
    said = Guard(rules=rules, masking=WordMasking()).say("稍后拨打[数据1]", KNOWN, trail())
    assert said.stopped == ""
    assert rules.judged == ["稍后拨打[数据1]"]


def test_a_blocked_answer_is_replaced_and_its_words_are_in_the_trail_only() -> None:
    left = trail()
    said = guard(answers={"底价": Action.BLOCK}).say("底价是八折", KNOWN, left)
    assert (said.text, said.stopped) == (SENTENCE, "blocked")
    assert left.happenings[0].before == "底价是八折"


def test_a_masked_answer_is_unmasked_afterwards() -> None:
    left = trail()
    said = guard(answers={"成本价": Action.MASK}).say("成本价请问[数据1]", KNOWN, left)
    assert said.text == f"＊＊＊请问{PHONE}"
    assert [each.kind for each in left.happenings] == ["filtered", "unmasked"]


def test_happenings_are_stamped_with_the_question_and_the_time_and_keep_their_order() -> None:
    left = trail()
    left.add("generated", "fastgpt:app@host", after="一")
    left.add("said", "frontdesk", after="二", sentence="reset", empty="")
    assert [(each.kind, each.about, each.at_ms) for each in left.happenings] == [
        ("generated", "question-1", 1_790_000_000_000),
        ("said", "question-1", 1_790_000_000_000),
    ]
    assert left.happenings[1].details == {"sentence": "reset"}
