"""The hook of a release on the deployed stack, with its own rights; only CodeDeploy, which is not here, is stood in for.

The hook calls it over HTTP, in CodeDeploy's own protocol (JSON 1.1), so that nothing of the hook is replaced.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk.rehearsal import CHECKS, NOBODY
from tests.e2e.driver import logged, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.desk import Desk
    from ops.local.stack import LocalStack
    from tests.e2e.driver import Aws, Wecom


class CodeDeploy:
    """Stands in for CodeDeploy: knows which version each deployment brings, and remembers what it was told."""

    def __init__(self) -> None:
        """Listen on a port of this machine."""
        self.versions: dict[str, tuple[str, str]] = {}
        self.told: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(outer.answer(self.headers["X-Amz-Target"].partition(".")[2], asked)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return CodeDeploy's answer to ``operation``."""
        deployment = asked["deploymentId"]
        function, version = self.versions[deployment]
        if operation == "ListDeploymentTargets":
            return {"targetIds": [f"{function}:live"]}
        if operation == "BatchGetDeploymentTargets":
            assert asked["targetIds"] == [f"{function}:live"]
            info = {"functionName": function, "functionAlias": "live", "targetVersion": version}
            target = {"deploymentTargetType": "LambdaFunction", "lambdaTarget": {"lambdaFunctionInfo": info}}
            return {"deploymentTargets": [target]}
        assert operation == "PutLifecycleEventHookExecutionStatus", operation
        self.told[deployment] = asked["status"]
        return {"lifecycleEventHookExecutionId": asked["lifecycleEventHookExecutionId"]}

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def codedeploy(stack: LocalStack, aws: Aws) -> Iterator[CodeDeploy]:
    """Return what the deployed hook takes for CodeDeploy."""
    standing_in = CodeDeploy()
    hook = stack.resources["ReleaseFunction"]
    variables = aws.client("lambda").get_function_configuration(FunctionName=hook)["Environment"]["Variables"]
    aws.client("lambda").update_function_configuration(
        FunctionName=hook, Environment={"Variables": {**variables, "AWS_ENDPOINT_URL_CODEDEPLOY": standing_in.url}}
    )
    yield standing_in
    aws.client("lambda").update_function_configuration(FunctionName=hook, Environment={"Variables": variables})
    standing_in.close()


def called(stack: LocalStack, aws: Aws, deployment: str) -> None:
    """Call the hook as CodeDeploy does: by its name, with the two ids."""
    event = {"DeploymentId": deployment, "LifecycleEventHookExecutionId": "e30="}
    answer = aws.client("lambda").invoke(
        FunctionName=stack.resources["ReleaseFunction"], Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def newest(aws: Aws, function: str) -> str:
    pages = aws.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=function)
    numbers = [each["Version"] for page in pages for each in page["Versions"] if each["Version"].isdigit()]
    return max(numbers, key=int)


def test_every_function_that_is_live_passes_its_rehearsal(
    stack: LocalStack, aws: Aws, wecom: Wecom, codedeploy: CodeDeploy, desk: Desk
):
    for function in CHECKS:
        name = stack.resources[function]
        codedeploy.versions[f"d-{function}"] = (name, newest(aws, name))
        called(stack, aws, f"d-{function}")

    assert codedeploy.told == dict.fromkeys((f"d-{function}" for function in CHECKS), "Succeeded")

    def kept() -> list[dict[str, Any]]:
        found = desk.dynamodb.scan(TableName=desk.resource("Ledger"))["Items"]
        conversation = desk.conversation_of("wecom_app", NOBODY)
        return [each for each in found if each.get("conversation", {}).get("S") == conversation]

    # What was pressed went all the way, and nothing was said to it.
    (noted,) = wait_for("the pressed button is on record", kept)
    assert (noted["kind"]["S"], noted["silent"]["BOOL"]) == ("noted", True)
    assert wecom.read(NOBODY) == []


def test_a_version_that_does_not_start_is_refused_while_customers_are_served(
    stack: LocalStack, aws: Aws, wecom: Wecom, codedeploy: CodeDeploy
):
    name, functions = stack.resources["CallbackFunction"], aws.client("lambda")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    broken = {**variables, "WECOM_CORP_ID": "not a corp id"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": broken})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    codedeploy.versions["d-broken"] = (name, version)

    called(stack, aws, "d-broken")

    assert codedeploy.told == {"d-broken": "Failed"}
    wait_for(
        "the reason is logged",
        lambda: logged(stack, aws, "ReleaseLogs", message="release refused", code="rehearsal_failed"),
    )
    assert [attempt["status"] for attempt in wecom.says("quinn", "你们几点营业？")["attempts"]] == [200]


def test_a_function_that_nobody_knows_how_to_try_is_refused(stack: LocalStack, aws: Aws, codedeploy: CodeDeploy):
    codedeploy.versions["d-unknown"] = ("frontdesk-NewFunction-1A2B3C", "1")

    called(stack, aws, "d-unknown")

    assert codedeploy.told == {"d-unknown": "Failed"}
    assert logged(stack, aws, "ReleaseLogs", message="release refused", code="rehearsal_unknown")
