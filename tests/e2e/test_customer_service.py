"""微信客服 and people on the deployed stack: from a WeChat customer's question to a person's answer and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.driver import logged, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Kf, Wecom

SWEEP_S = 150.0  # a sweep each minute, and what it starts


@pytest.fixture(autouse=True)
def on_duty(kf: Kf) -> Iterator[None]:
    """Let two servicers receive customers, before and after each test."""
    kf.on_duty("zhou.min", "he.yun")
    yield
    kf.on_duty("zhou.min", "he.yun")


def test_a_question_from_wechat_is_answered_from_the_companys_knowledge(kf: Kf):
    delivery = kf.says("wmAnna", "怎么退货？")

    assert delivery["attempts"][-1]["status"] == 200  # a cold start may take longer here than WeCom waits
    wait_for("an answer", lambda: any("7 天" in text for text in kf.read("wmAnna")))  # perhaps after a notice


def test_a_message_is_answered_once_however_often_its_notification_comes(kf: Kf, stack: LocalStack, aws: Aws):
    delivery = kf.says("wmBen", "质保期多长？", copies=3)

    wait_for("an answer", lambda: any("2 年" in text for text in kf.read("wmBen")))
    wait_for(
        "the answer is logged as sent",
        lambda: logged(stack, aws, "ResponderLogs", stage="sent", message_id=delivery["msgid"]),
    )
    assert sum("2 年" in text for text in kf.read("wmBen")) == 1


def test_messages_whose_notification_got_lost_are_answered_all_the_same(kf: Kf):
    kf.says("wmCarl", "可以开发票吗？", notify=False)

    assert kf.answers("wmCarl", 1, seconds=SWEEP_S)


def test_a_customer_who_asks_for_a_person_gets_one_who_has_read_the_talk(kf: Kf, wecom: Wecom):
    kf.says("wmDora", "运费怎么算？")
    kf.answers("wmDora", 1)
    kf.says("wmDora", "转人工")
    assert "人工" in kf.answers("wmDora", 2)[1]
    servicer = kf.wait_for_state("wmDora", 3)["servicer_userid"]
    briefs = wait_for(
        "the brief", lambda: [text for text in wecom.read(servicer) if "客户要求人工" in text and "运费" in text]
    )
    assert briefs

    kf.says("wmDora", "订单 8812 能改地址吗？")
    kf.servicer_says("wmDora", "可以的，已经帮您改好了。")
    kf.servicer_ends("wmDora")
    menu = wait_for("the customer is asked how it was", lambda: kf.menus("wmDora"))
    assert [item["id"] for item in menu[-1]] == ["rating:good", "rating:bad"]
    machine = [entry["content"] for entry in kf.entries("wmDora") if entry["by"] == "machine"]
    assert len(machine) == 2  # the answer and the announcement: nothing while the person had the customer


def test_what_a_person_said_is_known_to_the_model_when_the_customer_comes_back(kf: Kf, fastgpt: httpx.Client):
    kf.says("wmEmil", "转人工")
    kf.wait_for_state("wmEmil", 3)
    kf.servicer_says("wmEmil", "您的会员号是 7731。")
    kf.servicer_ends("wmEmil")
    kf.wait_for_state("wmEmil", 4)
    kf.says("wmEmil", "质保期多长？")
    wait_for("an answer", lambda: any("2 年" in text for text in kf.read("wmEmil")))

    asked = [run["question"] for run in fastgpt.get("/runs").json()["runs"] if "质保期多长" in run["question"]]
    assert any("您的会员号是 7731" in question for question in asked)


def test_an_answer_that_was_being_made_when_a_person_took_over_is_never_sent(
    kf: Kf, fastgpt: httpx.Client, stack: LocalStack, aws: Aws
):
    fastgpt.post("/answers", json={"match": "慢慢想", "chunks": ["想好了。"], "delay_ms": 8000}).raise_for_status()
    delivery = kf.says("wmFay", "慢慢想")
    wait_for("the model is asked", lambda: "慢慢想" in fastgpt.get("/runs").text)
    kf.servicer_takes("wmFay", "he.yun")

    wait_for(
        "the answer is withheld",
        lambda: logged(stack, aws, "ResponderLogs", message_id=delivery["msgid"], stage="answered"),
    )
    fastgpt.delete("/answers")  # what was said before is told to the model, and would match again
    kf.servicer_says("wmFay", "我来回答。")
    kf.servicer_ends("wmFay")
    kf.says("wmFay", "怎么退货？")
    wait_for("the machine is back", lambda: any("7 天" in text for text in kf.read("wmFay")))
    assert not any("想好了" in text for text in kf.read("wmFay"))


def test_nobody_on_duty_makes_a_ticket_that_a_colleague_answers(kf: Kf, wecom: Wecom):
    kf.on_duty()
    kf.says("wmGus", "转人工")
    told = kf.answers("wmGus", 2)
    assert "登记" in told[0]
    number = next(part for part in told[1].replace("，", " ").split() if part.startswith("T20"))

    for verb in ("claim", "reply"):
        key = f"ticket:{number}:{verb}"
        wecom.press("zhou.min", wecom.card("zhou.min", key), key)
    wait_for("the colleague is asked for the reply", lambda: any("回复" in text for text in wecom.read("zhou.min")))
    wecom.says("zhou.min", "明天上午给您送到。")

    wait_for("the customer is told", lambda: any("明天上午给您送到" in text for text in kf.read("wmGus")))


def test_a_member_gets_a_colleague_by_a_card_and_the_machine_back(wecom: Wecom):
    seen = len(wecom.entries("he.yun"))  # of other customers
    wecom.says("helen", "转人工")
    wait_for("it is announced", lambda: any("人工" in text for text in wecom.read("helen")))
    card = wecom.card("he.yun", ":accept", seen=seen)
    accept = next(key for key in keys_of(card) if key.endswith(":accept"))
    wecom.press("he.yun", card, accept)
    wait_for("the colleague reads the brief", lambda: any("客户要求人工" in text for text in wecom.read("he.yun")))

    wecom.says("helen", "我的发票开错了")
    wait_for("it is passed on", lambda: any("我的发票开错了" in text for text in wecom.read("he.yun")))
    wecom.says("he.yun", "我马上给您重开。")
    wait_for("the line is passed on", lambda: "我马上给您重开。" in wecom.read("helen"))
    seen = len(wecom.read("helen"))
    wecom.says("he.yun", "交还")
    wecom.says("helen", "质保期多长？")
    wait_for("the machine answers again", lambda: any("2 年" in text for text in wecom.read("helen")[seen:]))
    assert not any("发票" in text for text in wecom.read("helen"))


def keys_of(card: dict[str, Any]) -> list[str]:
    return [button["key"] for button in card["body"].get("button_list", [])]
