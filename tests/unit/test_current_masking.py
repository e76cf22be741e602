"""Masking that follows the rules in force."""

from __future__ import annotations

from frontdesk.protection.current_masking import CurrentMasking
from frontdesk.protection.rules import CurrentRules
from tests.fakes.clock import FakeClock
from tests.fakes.rule_files import InMemoryRuleFiles

PATTERN = "private_patterns:\n  - {label: 工单号, pattern: 'GD[0-9]{6}'}\n"
RULES = 'version: "%d"\nrules:\n  - {id: a, applies_to: [answer], action: tag, keywords: [某词]}\n'


def test_a_companys_own_pattern_is_masked_as_soon_as_its_rules_are_in_force():
    clock, files = FakeClock(), InMemoryRuleFiles()
    rules = CurrentRules(files=files, clock=clock, on_broken=lambda *_: None)
    masking = CurrentMasking(rules)
    files.put(RULES % 1)
    assert masking.mask("工单 GD123456", ()).text == "工单 GD123456"

    files.put(RULES % 2 + PATTERN)
    clock.advance(60)
    masked = masking.mask("工单 GD123456", ())

    assert masked.text == "工单 [工单号1]"
    assert masking.unmask("已处理[工单号1]", masked.placeholders) == "已处理GD123456"


def test_what_is_said_waits_for_no_newer_rules():
    clock, files = FakeClock(), InMemoryRuleFiles()
    rules = CurrentRules(files=files, clock=clock, on_broken=lambda *_: None)
    files.put(RULES % 1)
    rules.current()
    files.put(RULES % 2)
    clock.advance(60)

    assert rules.judge_answer("").rules_version == "1"
    CurrentMasking(rules).unmask("", ())
    assert rules.loaded().version == "1"
    assert rules.judge_question("").rules_version == "2"


def test_an_answer_is_judged_even_before_any_rules_were_read():
    files = InMemoryRuleFiles()
    files.put(RULES % 1)
    rules = CurrentRules(files=files, clock=FakeClock(), on_broken=lambda *_: None)

    assert rules.judge_answer("").rules_version == "1"
