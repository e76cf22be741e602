"""`python -m simulators.console.screenshot --url URL --out FILE`: take the picture of the page that the README shows.

Chats as two customers of a running local run first, so that there is something to see. Needs playwright and a Chromium;
nothing is downloaded.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

_WIDTH, _HEIGHT = 1280, 800
_LOCALES = {"zh": "zh-CN", "en": "en-US"}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_ANSWER_LIMIT_MS = 60_000
_OTHER, _SHOWN = ("wang.qi", "怎么退货"), ("lin.mei", "多久能发货", "介绍一下云顶手冲壶", "运费怎么算")


def find_browser() -> str:
    """Return the path of an installed Chromium; raises `LookupError`."""
    for name in _BROWSERS:
        if path := shutil.which(name):
            return path
    raise LookupError(f"none of {', '.join(_BROWSERS)} is installed")


def take(url: str, out: Path, *, browser: str, language: str, dark: bool) -> None:
    """Chat a little on the page at ``url`` and save its picture, 1280 × 800 pixels, to ``out``."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        try:
            page = chromium.new_context(
                viewport={"width": _WIDTH, "height": _HEIGHT},
                locale=_LOCALES[language],
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            ).new_page()
            page.goto(url)
            for userid, *questions in (_OTHER, _SHOWN):
                page.locator(f'[role="tab"][data-userid="{userid}"]').click()
                for question in questions:
                    _ask(page, question)
            out.parent.mkdir(parents=True, exist_ok=True)
            page.mouse.move(0, 0)
            page.screenshot(path=out)
        finally:
            chromium.close()


def _ask(page: Page, question: str) -> None:
    """Send ``question`` and wait until the page shows that it was answered."""
    before = page.locator(".journey").count()
    page.locator("#words").fill(question)
    page.locator("#words").press("Enter")
    expect(page.locator(".journey")).to_have_count(before + 1)
    expect(page.locator(".journey").first).to_have_attribute("data-state", "done", timeout=_ANSWER_LIMIT_MS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the picture; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulators.console.screenshot", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080/", help="where the page is (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--browser", help="path of a Chromium (default: the installed one)")
    parser.add_argument("--language", choices=sorted(_LOCALES), default="en")
    parser.add_argument("--dark", action="store_true", help="as it looks where dark is preferred")
    given = parser.parse_args(arguments)
    try:
        browser = given.browser or find_browser()
        take(given.url, given.out, browser=browser, language=given.language, dark=given.dark)
    except (LookupError, Error, AssertionError) as exc:
        print(f"screenshot: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
