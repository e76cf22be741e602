"""An operator gives dead letters another chance and follows a conversation, by the commands, on the deployed stack."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from ops.__main__ import main, open_desk
from tests.e2e.driver import dead_letters, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom


def typed(stack: LocalStack, *arguments: str) -> list[dict[str, Any]]:
    """Type a command before the local run; return what it tells as JSON, line by line."""
    line = [*arguments, "--json", "--local", "--local-folder", str(stack.options.folder), "--by", "e2e"]
    result = CliRunner().invoke(main, line, obj=open_desk, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [json.loads(each) for each in result.stdout.splitlines()]


@contextmanager
def one_attempt(stack: LocalStack, aws: Aws) -> Iterator[None]:
    """Let the inbox give up after one attempt: five take minutes."""
    sqs, queue = aws.client("sqs"), stack.resources["Inbox"]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    sqs.set_queue_attributes(
        QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps({**json.loads(policy), "maxReceiveCount": 1})}
    )
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})


def test_dead_letters_are_redriven_once_the_cause_is_mended_and_answered_once_and_in_order(
    stack: LocalStack, aws: Aws, desk: Desk, wecom: Wecom, fastgpt: httpx.Client
):
    conversation = desk.conversation_of("wecom_app", "mira")
    # A busy chat is no reason to ask another FastGPT.
    fault = {"kind": "error", "statusText": "chatIsGenerating", "match": "米拉", "times": None}
    fastgpt.post("/faults", json=fault).raise_for_status()
    fastgpt.post("/answers", json={"match": "米拉", "text": "米拉您好。"}).raise_for_status()

    def buried(count: int) -> bool:
        return sum(conversation in body for body in dead_letters(desk)) == count

    def answers() -> list[str]:
        return [text for text in wecom.read("mira") if text.startswith("米拉您好")]

    with one_attempt(stack, aws):
        for number in (1, 2):
            # One after the other: what comes in one batch is one question.
            wecom.says("mira", f"米拉问{number}")
            wait_for(f"{number} dead letter(s)", lambda count=number: buried(count), seconds=90)
    assert answers() == []

    (dry,) = typed(stack, "redrive", "inbox", "--conversation", conversation, "--dry-run")
    fastgpt.delete("/faults").raise_for_status()
    fastgpt.delete("/runs").raise_for_status()
    (done,) = typed(stack, "redrive", "inbox", "--conversation", conversation)

    assert (dry["redriven"], dry["groups"][0]["letters"]) == (0, 2)
    assert done["groups"] == [{"group": conversation, "letters": 2, "code": ""}]
    wait_for("they are answered", lambda: answers() and settled(aws, stack))
    runs = [run["question"] for run in fastgpt.get("/runs").json()["runs"] if "米拉" in run["question"]]
    assert "\n".join(runs).splitlines() == ["米拉问1", "米拉问2"], "each is asked once, and in its order"
    assert len(answers()) == len(runs)
    assert buried(0)
    assert typed(stack, "redrive", "inbox", "--conversation", conversation)[0]["groups"] == []


def settled(aws: Aws, stack: LocalStack) -> bool:
    """Tell whether the inbox has nothing any more, in anybody's hands or not."""
    found = aws.client("sqs").get_queue_attributes(
        QueueUrl=stack.resources["Inbox"],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return not any(map(int, found["Attributes"].values()))


def test_a_conversation_is_followed_from_the_door_to_the_answer(stack: LocalStack, wecom: Wecom):
    delivery = wecom.says("tobi", "怎么退货？")
    wait_for("tobi reads the answer", lambda: wecom.read("tobi"))

    def followed() -> list[dict[str, Any]] | None:
        lines = typed(stack, "tail", "--customer", "tobi", "--once")
        return lines if any(line.get("stage") == "sent" for line in lines) else None

    lines = wait_for("the last step is in the logs", followed)

    stages = {line["stage"]: line["function"] for line in lines if "stage" in line}
    assert (stages["queued"], stages["asked"], stages["sent"]) == ("callback", "responder", "responder")
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
    assert {line["message_id"] for line in lines if "message_id" in line} == {delivery["msgid"]}
    assert "怎么退货" not in json.dumps(lines, ensure_ascii=False)
