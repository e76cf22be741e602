"""The deployed stack when a FastGPT is out of order: who answers instead, what they know, and the way back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.e2e.driver import wait_for
from tests.e2e.test_main_job import answer_to, asked_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom

ANSWERS = """
version: "1"
answers:
  - id: address
    questions: [你们公司地址在哪里？]
    answer: 杭州市西湖区某某路一号。
    approved_by: zhou.min
"""
_NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def _the_first_one_answers_again(wecom: Wecom, fastgpt: httpx.Client, standby: httpx.Client) -> Iterator[None]:
    """Leave the stack as it was: no outage, and the circuit of the first FastGPT closed."""
    yield
    for each in (fastgpt, standby):
        each.delete("/outage")

    def answered_by_the_first() -> bool:
        words = f"在吗 {next(_NUMBERS)}"
        customer = f"wanda{next(_NUMBERS)}"
        wecom.says(customer, words)
        answer_to(wecom, customer)
        return bool(asked_by(fastgpt, words))

    wait_for("the first FastGPT is asked again", answered_by_the_first)


def test_the_standby_answers_for_one_that_is_gone_and_knows_what_was_said(
    wecom: Wecom, fastgpt: httpx.Client, standby: httpx.Client
):
    wecom.says("ulla", "我叫小李")
    answer_to(wecom, "ulla")
    fastgpt.post("/outage", json={"kind": "cut"}).raise_for_status()

    wecom.says("ulla", "我叫什么")
    assert "小李" in answer_to(wecom, "ulla", 2)[1]
    assert "我叫什么" in asked_by(standby, "我叫什么")

    fastgpt.delete("/outage")
    wecom.says("ulla", "我是谁")
    assert "小李" in answer_to(wecom, "ulla", 3)[2]


def test_an_approved_answer_is_given_when_no_fastgpt_answers(
    stack: LocalStack, aws: Aws, wecom: Wecom, fastgpt: httpx.Client, standby: httpx.Client
):
    bucket = stack.resources["RulesBucket"]
    aws.client("s3").put_object(Bucket=bucket, Key="answers/answers.yaml", Body=ANSWERS.encode())
    for each in (fastgpt, standby):
        each.post("/outage", json={"kind": "503"}).raise_for_status()

    wecom.says("vera", "你们公司地址在哪里")

    # By a later attempt, where the responder had looked for the file less than half a minute before it was put.
    wait_for("the approved answer is read", lambda: "杭州市西湖区某某路一号。" in wecom.read("vera"), seconds=150)
