"""The review's page in a real browser: on a desk, on a phone, in the dark and on paper. It needs no stack."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from frontdesk.conversation.review_report import Suspect, Tally, document, page
from frontdesk.messages import Action
from simulators.console.screenshot import find_browser
from tests.factories import CONVERSATION, NOW, NOW_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NASTY = "<img src=x onerror=alert(1)>"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a report with finds; whatever the browser complains about or asks for meanwhile fails the test."""
    file = tmp_path / "report.html"
    file.write_text(page(a_report()), encoding="utf-8")
    complaints: list[str] = []
    contexts = []

    def opened(**options: Any) -> Page:
        context = browser.new_context(**{"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda said: complaints.append(said.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("dialog", lambda dialog: complaints.append(dialog.message))
        shown.on("request", lambda asked: complaints.append(asked.url) if asked.url != file.as_uri() else None)
        shown.goto(file.as_uri())
        return shown

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def a_report() -> dict[str, Any]:
    counted = Tally(
        records=40,
        conversations=9,
        sampled=9,
        texts=30,
        found=Counter({"price.internal": 2, NASTY: 1}),
        suspicious=Counter({"price.internal": 1}),
        actions={"price.internal": Action.BLOCK},
        suspects=[Suspect(CONVERSATION, seq, "generated", NOW_MS, ("price.internal", NASTY)) for seq in range(40)],
    )
    return document(counted, day="2026-11-21", number=1, rules_version="v1", sample_percent=100, reviewed_at=NOW)


def background(shown: Page) -> str:
    colour: str = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def overflow(shown: Page) -> int:
    pixels: int = shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return pixels


def test_a_person_reads_the_finds_and_a_rules_name_stays_a_name(open_report: Callable[..., Page]):
    shown = open_report()

    expect(shown.get_by_role("heading", level=1)).to_contain_text("合规审查报告 2026-11-21")
    expect(shown.locator(".command")).to_have_count(40)
    expect(shown.get_by_role("cell", name=NASTY, exact=True)).to_have_count(1)
    expect(shown.locator("img")).to_have_count(0)
    assert overflow(shown) <= 0


def test_on_a_phone_only_the_tables_scroll_sideways(open_report: Callable[..., Page]):
    shown = open_report(viewport=PHONE)

    assert overflow(shown) <= 0
    assert shown.locator(".wide").first.evaluate("each => each.scrollWidth > each.clientWidth")


def test_the_page_follows_the_readers_light_and_dark(open_report: Callable[..., Page]):
    assert background(open_report(color_scheme="light")) == "rgb(255, 255, 255)"
    assert background(open_report(color_scheme="dark")) == "rgb(21, 24, 27)"


def test_on_paper_it_is_white_and_no_column_is_cut_off(open_report: Callable[..., Page]):
    shown = open_report(color_scheme="dark", viewport={"width": 1032, "height": 700})  # A4 landscape without margins
    shown.emulate_media(media="print")

    assert background(shown) == "rgb(255, 255, 255)"
    assert overflow(shown) <= 0
