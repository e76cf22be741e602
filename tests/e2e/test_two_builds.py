"""Two builds in a row on one stack: conversations go on through a release, and through taking it back."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from frontdesk.rehearsal import CHECKS
from tests.e2e.driver import dead_letters, logged, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom

EVERY_S = 1.5


@contextmanager
def customers_write(wecom: Wecom, name: str) -> Iterator[list[str]]:
    """Let one more customer ask something every other second; yield those whose message was acknowledged."""
    taken: list[str] = []
    number = count()
    over = threading.Event()

    def ask() -> None:
        while not over.wait(EVERY_S):
            customer = f"{name}{next(number)}"
            # Whoever is not answered 200 in the end was not promised anything: the local AWS starts a new version's
            # worker only when it is called, which on a busy machine takes longer than WeCom waits three times.
            if wecom.says(customer, "怎么退货？")["attempts"][-1]["status"] == 200:
                taken.append(customer)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield taken
    finally:
        over.set()
        asking.join()


def live(stack: LocalStack, aws: Aws) -> dict[str, tuple[str, str]]:
    """Return the version and the build that the alias of each function leads to."""
    found = {}
    for function in CHECKS:
        name = stack.resources[function]
        version = aws.client("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"]
        settings = aws.client("lambda").get_function_configuration(FunctionName=name, Qualifier=version)
        found[function] = (version, settings["Environment"]["Variables"]["BUILD_ID"])
    return found


def chats_of(fastgpt: httpx.Client, customer: str) -> list[str]:
    """Return the chat at the model of each question of ``customer``, a digest, in order."""
    return [run["chatId"] for run in fastgpt.get("/runs").json()["runs"] if run["customUid"] == customer]


def answers(wecom: Wecom, customer: str) -> list[str]:
    """Return what ``customer`` read, but for the notice that an answer takes a little: a new version starts slowly."""
    return [text for text in wecom.read(customer) if not text.startswith("正在为您查询")]


def reads(wecom: Wecom, customer: str, count: int) -> list[str]:
    return wait_for(
        f"{customer} reads {count} message(s)",
        lambda: texts if len(texts := answers(wecom, customer)) >= count else None,
        seconds=120,
    )


def test_a_conversation_goes_on_through_a_release_and_through_taking_it_back(
    stack: LocalStack, aws: Aws, wecom: Wecom, fastgpt: httpx.Client, desk: Desk
):
    first = stack.build_id
    before = live(stack, aws)
    letters = dead_letters(desk)
    wecom.says("paula", "保修多久？")
    reads(wecom, "paula", 1)

    with customers_write(wecom, "released") as during:
        stack.deploy({"FALLBACK_TEXT": "抱歉，请稍后再试。"})
    second = stack.build_id
    released = live(stack, aws)
    wecom.says("paula", "那运费谁出？")
    reads(wecom, "paula", 2)

    assert second != first
    for function in CHECKS:
        assert released[function][0] != before[function][0], function
        assert released[function][1] == second, function
    for group in ("CallbackLogs", "ResponderLogs"):
        wait_for(f"{group} shows the new build", lambda group=group: logged(stack, aws, group, build=second))
    with customers_write(wecom, "restored") as meanwhile:
        stack.deploy()
    restored = live(stack, aws)
    wecom.says("paula", "可以开发票吗？")
    reads(wecom, "paula", 3)

    assert stack.build_id == first
    assert {build for _, build in restored.values()} == {first}
    chats = chats_of(fastgpt, desk.conversation_of("wecom_app", "paula"))
    assert len(chats) == 3
    assert len(set(chats)) == 1
    assert len(during) > 2
    assert len(meanwhile) > 2
    for customer in (*during, *meanwhile):
        assert len(reads(wecom, customer, 1)) == 1, customer
    assert dead_letters(desk) == letters
