"""The page in a real browser, over the deployed local stack: what a person sees who opens it and writes something."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from simulators.console.screenshot import find_browser
from tests.e2e.driver import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.local.stack import LocalStack

PICTURES = ROOT / ".local"
ANSWER_MS = 30_000
ARCHIVE_MS = 150_000
STAGES = ("received", "verified", "queued", "asked", "first_words", "sent")
MILLISECONDS = re.compile(r"^\+[\d.]+ (ms|s)$")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, stack: LocalStack) -> Iterator[Callable[..., Page]]:
    """Open the page; whatever the browser complains about meanwhile fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(**options: Any) -> Page:
        context = browser.new_context(**{"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda asked: complaints.append(asked.url) if not asked.url.startswith(stack.console_url) else None,
        )
        page.goto(stack.console_url)
        expect(page.get_by_role("tab", name="林梅")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def newcomer(stack: LocalStack) -> Callable[[str], str]:
    """Add a customer nobody else writes as; return the userid."""

    def add(name: str) -> str:
        userid = f"u-{uuid4().hex[:8]}"
        answer = httpx.post(
            f"{stack.console_url}wecom/_control/members", json={"userid": userid, "name": name}, trust_env=False
        )
        assert answer.status_code == 201
        return userid

    return add


def be(page: Page, userid: str) -> None:
    page.locator(f'[role="tab"][data-userid="{userid}"]').click()


def be_on_wechat(page: Page, name: str) -> None:
    """Add somebody with WeChat whom nobody else writes as, and look at their phone."""
    page.locator("#channel-kf").click()
    page.locator("#newcomer-open").click()
    page.locator("#newcomer-name").fill(name)
    page.locator("#newcomer-userid").fill(f"wm{uuid4().hex[:12]}")
    page.locator("#newcomer-userid").press("Enter")
    expect(page.locator("#people").get_by_role("tab", selected=True)).to_contain_text(name)


def be_colleague(page: Page, name: str) -> None:
    page.locator("#view-staff").click()
    page.locator("#colleagues").get_by_role("tab", name=name).click()


def served_by(page: Page, who: str) -> Locator:
    """Return the sign on the phone that tells who has the customer."""
    return page.locator(f'#service [data-service="{who}"]')


def write(page: Page, words: str) -> None:
    page.locator("#words").fill(words)
    page.locator("#words").press("Enter")


def answers(page: Page) -> Locator:
    """Return what the company said; a notice that an answer takes a while may be among it."""
    return page.locator("#talk .said:not(.mine) .bubble")


def journey(page: Page, text: str) -> Locator:
    return page.locator(".journey").filter(has=page.locator(".journey-text", has_text=text))


def test_a_question_is_answered_and_its_way_is_shown_in_milliseconds(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("赵一"))

    write(page, "怎么开发票")

    expect(answers(page).filter(has_text="我的订单")).to_have_count(1, timeout=ANSWER_MS)
    way = journey(page, "怎么开发票")
    expect(way).to_have_attribute("data-state", "done", timeout=ANSWER_MS)
    for stage in STAGES:
        step = way.locator(f'.steps [data-stage="{stage}"]')
        expect(step).to_have_attribute("data-state", "done")
        expect(step.locator(".step-took")).to_have_text(MILLISECONDS)
    expect(page.locator("#session-left")).to_have_text(re.compile(r"^[45]:\d\d$"))
    expect(page.locator("#session-state")).to_have_text("进行中")
    page.screenshot(path=PICTURES / "page.png")


def test_two_customers_have_a_chat_and_a_session_each(open_page: Callable[..., Page], newcomer: Callable[[str], str]):
    one, other = newcomer("钱二"), newcomer("孙三")
    page = open_page()
    be(page, one)
    write(page, "包邮吗")
    expect(answers(page).filter(has_text="99")).to_have_count(1, timeout=ANSWER_MS)
    expect(page.locator(".session-id code")).to_be_visible(timeout=ANSWER_MS)
    session = page.locator(".session-id code").inner_text()

    be(page, other)

    expect(page.locator("#talk .said")).to_have_count(0)
    expect(page.locator(".journey")).to_have_count(0)
    write(page, "门店在哪里")
    expect(answers(page).filter(has_text="文三路")).to_have_count(1, timeout=ANSWER_MS)
    expect(page.locator(".session-id code")).to_be_visible(timeout=ANSWER_MS)
    assert page.locator(".session-id code").inner_text() != session
    page.locator("#scope-all").click()
    expect(journey(page, "包邮吗").first).to_be_visible()
    expect(journey(page, "门店在哪里").first).to_be_visible()


def test_an_answer_to_somebody_else_is_counted_beside_the_name(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    one, other = newcomer("李四"), newcomer("周五")
    page = open_page()
    be(page, one)
    write(page, "营业时间")
    be(page, other)

    expect(page.locator(f'[data-userid="{one}"] .unread')).to_have_text(re.compile("^[12]$"), timeout=ANSWER_MS)


def test_what_people_write_never_becomes_part_of_the_page(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("<b>吴六</b>"))
    words = '<img src=x onerror=alert(1)> <a href="javascript:alert(1)">点</a> <a href="https://example.com/">店</a>'

    write(page, words)

    mine = page.locator("#talk .mine .bubble")
    expect(mine).to_have_text('<img src=x onerror=alert(1)> <a href="javascript:alert(1)">点</a> 店')
    assert mine.locator("a").evaluate_all("links => links.map((link) => link.href)") == ["https://example.com/"]
    expect(page.locator(".journey-text").first).to_have_text(words)
    expect(page.locator('#people [aria-selected="true"] .tab-name')).to_have_text("<b>吴六</b>")
    assert page.locator("img, #talk b, .tab b:not(.unread)").count() == 0


def test_enter_sends_except_while_an_input_method_composes(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("郑七"))
    words = page.locator("#words")
    words.fill("baoyou")

    words.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    words.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    expect(words).to_have_value("baoyou")
    words.press("Shift+Enter")
    expect(words).to_have_value("baoyou\n")
    words.press("Enter")

    expect(words).to_have_value("")
    expect(page.locator("#talk .mine .bubble")).to_have_text("baoyou")


def test_everything_else_a_phone_can_send_gets_a_sentence(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("王八一"))
    page.locator("#more").click()

    for deed in ("image", "voice", "video", "location", "link"):
        page.locator(f'[data-deed="{deed}"]').click()

    for kind in ("image", "voice", "video", "location", "link"):
        expect(page.locator(f"#talk .mine .bubble.{kind}")).to_be_visible()
    expect(page.locator('.journey[data-state="done"]')).to_have_count(5, timeout=ANSWER_MS)
    expect(answers(page).first).to_contain_text("文字")


def test_opening_the_app_is_welcomed_and_a_reset_begins_anew(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("冯九"))
    page.locator("#more").click()

    page.locator('[data-deed="enter"]').click()
    expect(answers(page)).to_have_count(1, timeout=ANSWER_MS)
    page.locator('[data-deed="reset"]').click()

    expect(answers(page)).to_have_count(2, timeout=ANSWER_MS)
    expect(page.locator(".journey .outcome")).to_have_text(["已重置", "已欢迎"], timeout=ANSWER_MS)


def test_a_message_delivered_twice_is_answered_once(open_page: Callable[..., Page], newcomer: Callable[[str], str]):
    page = open_page()
    be(page, newcomer("陈十"))
    page.locator("#words").fill("保修多久")
    page.locator("#more").click()

    page.locator('[data-deed="twice"]').click()

    way = journey(page, "保修多久")
    expect(way).to_have_attribute("data-state", "done", timeout=ANSWER_MS)
    expect(way.locator(".badges")).to_contain_text("投递 2 次")
    expect(way.locator(".badges")).to_contain_text("已去重", timeout=ANSWER_MS)
    expect(page.locator("#talk .mine")).to_have_count(1)
    expect(answers(page).filter(has_text="保修")).to_have_count(1)


def test_a_forged_callback_is_shown_as_refused(open_page: Callable[..., Page], newcomer: Callable[[str], str]):
    page = open_page()
    be(page, newcomer("褚一"))
    page.locator("#more").click()

    page.locator('[data-deed="forged"]').click()

    expect(page.locator(".journey .outcome")).to_have_text("已拒绝 403", timeout=ANSWER_MS)
    expect(page.locator("#talk .said")).to_have_count(0)


def test_a_fault_is_met_by_the_next_message_and_the_page_tells_that_the_standby_answered(
    open_page: Callable[..., Page], newcomer: Callable[[str], str], fastgpt: httpx.Client, wecom: Any
):
    assert fastgpt
    assert wecom
    page = open_page()
    be(page, newcomer("卫二"))
    page.locator("#faults-toggle").click()
    page.locator('[data-fault="down"]').click()
    expect(page.locator("#faults-count")).to_have_text("1")

    write(page, "退款多久到账")

    way = journey(page, "退款多久到账")
    expect(way).to_have_attribute("data-state", "done", timeout=2 * ANSWER_MS)
    expect(way.locator(".badges")).to_contain_text("备用 FastGPT 作答")
    expect(page.locator("#faults-count")).to_be_hidden()


def test_the_language_is_the_browsers_until_another_is_chosen_and_then_remembered(open_page: Callable[..., Page]):
    page = open_page(locale="en-GB")
    expect(page.locator("h2").filter(has_text="The way of each message")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"

    page.get_by_role("button", name="中文").click()
    expect(page.locator("h2").filter(has_text="每条消息的经过")).to_be_visible()
    page.reload()

    expect(page.locator("h2").filter(has_text="每条消息的经过")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_on_a_phone_one_half_is_shown_at_a_time_and_nothing_sticks_out(open_page: Callable[..., Page]):
    page = open_page(viewport={"width": 360, "height": 740})
    expect(page.locator("#words")).to_be_visible()
    expect(page.locator("#journeys")).to_be_hidden()

    page.locator("#view-desk").click()

    expect(page.locator("#journeys")).to_be_visible()
    expect(page.locator("#words")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.screenshot(path=PICTURES / "page-phone.png")


def test_everything_can_be_reached_and_named_without_a_mouse(open_page: Callable[..., Page]):
    page = open_page()
    first = page.get_by_role("tab").first
    first.focus()

    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab").nth(1)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab").nth(1)).to_be_focused()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, [role=log]")].filter((each) =>
            !each.textContent.trim() && !each.getAttribute("aria-label") && !each.labels?.length).map((each) => each.id)"""
    )
    assert nameless == []
    assert page.get_by_role("log").get_attribute("aria-live") == "polite"


def test_a_customer_can_be_added_by_hand(open_page: Callable[..., Page]):
    page = open_page()
    userid = f"U-{uuid4().hex[:8]}"
    page.get_by_role("button", name="添加客户").click()
    page.locator("#newcomer-name").fill("蒋四")
    page.locator("#newcomer-userid").fill(userid)

    page.locator("#newcomer-userid").press("Enter")

    expect(page.get_by_role("tab", selected=True)).to_contain_text("蒋四")
    expect(page.locator("#words")).to_be_focused()
    expect(page.locator("#device-who")).to_contain_text(userid.lower())


def test_somebody_on_wechat_is_handed_over_answered_by_a_person_and_served_by_the_machine_again(
    open_page: Callable[..., Page],
):
    page = open_page()
    be_on_wechat(page, "秦一")
    write(page, "保修多久")
    expect(answers(page).filter(has_text="保修")).to_have_count(1, timeout=ANSWER_MS)
    expect(served_by(page, "bot")).to_have_text("机器人接待")
    expect(page.locator("#service .allowance")).to_have_text(re.compile("^已发 [1-5]/5 条$"))

    write(page, "转人工")
    expect(served_by(page, "person")).to_be_visible(timeout=ANSWER_MS)
    expect(journey(page, "转人工").locator(".outcome")).to_have_text("已转人工", timeout=ANSWER_MS)
    be_colleague(page, served_by(page, "person").inner_text().removeprefix("人工接待 · "))
    page.locator("#queue button").filter(has_text="秦一").click()
    expect(page.locator("#staff-talk .bubble").filter(has_text="会话简报").last).to_contain_text(
        "秦一", timeout=ANSWER_MS
    )
    expect(page.locator("#bench-talk .said:not(.mine) .bubble").filter(has_text="保修多久")).to_be_visible()
    other = page.locator('[data-act^="transfer-"]').inner_text().removeprefix("转给")
    page.locator('[data-act^="transfer-"]').click()
    expect(served_by(page, "person")).to_have_text(f"人工接待 · {other}")
    be_colleague(page, other)

    for words in ("请稍等", "您好，这件事我来处理。"):
        page.locator("#bench-words").fill(words)
        page.locator("#bench-words").press("Enter")
        expect(page.locator('#talk [data-by="servicer"] .bubble').last).to_have_text(words, timeout=ANSWER_MS)
    page.locator("#bench-talk .undo").first.click()
    expect(page.locator('#talk [data-by="servicer"]').first.locator(".mark")).to_have_text("已撤回")
    said = answers(page).count()
    write(page, "包邮吗")
    expect(page.locator("#bench-talk .said:not(.mine) .bubble").filter(has_text="包邮吗")).to_be_visible()
    page.screenshot(path=PICTURES / "page-hand-over.png")
    page.locator('[data-act="end"]').click()
    expect(served_by(page, "ended")).to_be_visible()
    page.locator('#talk [data-menu="rating:good"]').click(timeout=ANSWER_MS)
    expect(answers(page).filter(has_text="感谢您的评价")).to_have_count(1, timeout=ANSWER_MS)
    # The menu and the thanks, and no answer to what was for the person.
    expect(answers(page)).to_have_count(said + 2)

    write(page, "门店在哪里")
    expect(answers(page).filter(has_text="文三路")).to_have_count(1, timeout=ANSWER_MS)
    expect(served_by(page, "bot")).to_be_visible()
    page.locator("#view-desk").click()
    expect(journey(page, "包邮吗").locator(".outcome")).to_have_text("由人工回复")


def test_a_member_is_taken_over_by_a_cards_button_typed_to_and_given_back(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    be(page, newcomer("尤二"))
    write(page, "转人工")
    expect(served_by(page, "waiting")).to_be_visible(timeout=ANSWER_MS)
    be_colleague(page, "周敏")
    app = page.locator("#staff-talk")

    app.locator('[data-key$=":accept"]').last.click()
    expect(app.locator(".card-done").last).to_contain_text("接入", timeout=ANSWER_MS)
    expect(served_by(page, "person")).to_contain_text("周敏", timeout=ANSWER_MS)
    page.locator("#staff-words").fill("您好，我是周敏，请说。")
    page.locator("#staff-words").press("Enter")
    expect(answers(page).filter(has_text="我是周敏")).to_have_count(1, timeout=ANSWER_MS)
    page.screenshot(path=PICTURES / "page-card.png")
    app.locator('[data-key$=":return"]').last.click(timeout=ANSWER_MS)
    expect(app.locator(".bubble").last).to_contain_text("已交还", timeout=ANSWER_MS)

    expect(served_by(page, "bot")).to_be_visible(timeout=ANSWER_MS)
    write(page, "门店在哪里")
    expect(answers(page).filter(has_text="文三路")).to_have_count(1, timeout=ANSWER_MS)


def test_a_colleague_goes_off_duty_and_on_again_without_a_mouse(open_page: Callable[..., Page]):
    page = open_page()
    be_colleague(page, "何云")
    duty = page.get_by_role("switch")
    duty.focus()

    duty.press("Space")
    expect(page.locator("#duty-name")).to_have_text("何云 已停止接待")
    expect(duty).not_to_be_checked()
    duty.press("Space")
    expect(page.locator("#duty-name")).to_have_text("何云 正在接待")
    expect(duty).to_be_checked()


def test_on_a_phone_the_people_of_the_company_have_a_view_of_their_own(open_page: Callable[..., Page]):
    page = open_page(viewport={"width": 360, "height": 740})

    page.locator("#view-staff").click()

    expect(page.locator("#bench-words")).to_be_visible()
    expect(page.locator("#words")).to_be_hidden()
    page.locator("#bench-app-show").click()
    expect(page.locator("#staff-words")).to_be_visible()
    expect(page.locator("#bench-words")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_an_idle_session_is_archived_and_its_document_can_be_read(
    open_page: Callable[..., Page], newcomer: Callable[[str], str]
):
    page = open_page()
    userid = newcomer("沈五")
    be(page, userid)
    write(page, "价格表")
    expect(answers(page).filter(has_text="499")).to_have_count(1, timeout=ANSWER_MS)

    expect(page.locator("#session-archive")).to_have_text("已归档", timeout=ARCHIVE_MS)
    expect(journey(page, "价格表").locator('[data-stage="archived"]')).to_have_attribute("data-state", "done")
    name = page.locator(".session-id code").inner_text()
    page.locator("#archive-view").click()

    expect(page.locator("#document-name")).to_have_text(name)
    expect(page.locator("#document-text")).to_contain_text('"schema": "frontdesk.session/2"')
    expect(page.locator("#document-text")).to_contain_text('"sealed": "s1.c')
    expect(page.locator("#document-text")).not_to_contain_text(userid)
    expect(page.locator("#document-sealed")).to_contain_text("密封")
    conversation = re.search("conversation=([0-9a-f]{32})/", name)
    assert conversation
    command = f'make ops ARGS="audit show --local --conversation {conversation[1]}"'
    expect(page.locator("#document-command")).to_have_text(command)
    fits = "(each) => each.scrollWidth <= each.clientWidth"
    assert page.locator("#document-text").evaluate(fits)
    assert page.locator("#document").evaluate(fits)
    page.screenshot(path=PICTURES / "page-archive.png")
    page.keyboard.press("Escape")
    expect(page.locator("#document")).to_be_hidden()
