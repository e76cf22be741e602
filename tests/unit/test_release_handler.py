"""The hook of a release: whatever happens, CodeDeploy is told, and the log says why."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from frontdesk import bootstrap
from frontdesk.bootstrap import Releases
from frontdesk.errors import MisconfiguredError, TransientError
from frontdesk.records import Version
from frontdesk.storage.releases import CodeDeployReleases, LambdaVersions
from functions.release import handler
from tests.unit.test_rehearsal import Stack, rehearsal

EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "execution"}


class CodeDeploy:
    """CodeDeploy's client: knows which versions a deployment brings, and remembers what it was told."""

    def __init__(self, *brings: str) -> None:
        self._brings = brings
        self.told: list[dict[str, str]] = []

    def list_deployment_targets(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"deploymentId": "d-1"}
        return {"targetIds": list(self._brings)}

    def batch_get_deployment_targets(self, **asked: Any) -> dict[str, Any]:
        assert asked["deploymentId"] == "d-1"
        infos = [{"functionName": name, "targetVersion": "12"} for name in asked["targetIds"]]
        return {"deploymentTargets": [{"lambdaTarget": {"lambdaFunctionInfo": info}} for info in infos]}

    def put_lifecycle_event_hook_execution_status(self, **told: str) -> None:
        self.told.append(told)


def hooked(monkeypatch: pytest.MonkeyPatch, stack: Stack, *brings: str) -> CodeDeploy:
    codedeploy = CodeDeploy(*brings)
    releases = Releases(rehearsal=rehearsal(stack), deployments=CodeDeployReleases(codedeploy))
    monkeypatch.setattr(bootstrap, "releases", lambda: releases)
    return codedeploy


def outcome(status: str) -> list[dict[str, str]]:
    return [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "execution", "status": status}]


def test_a_good_version_gets_its_customers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    codedeploy = hooked(monkeypatch, Stack(), "frontdesk-CallbackFunction-1A2B3C")

    with caplog.at_level("INFO"):
        handler.lambda_handler(EVENT, None)

    assert codedeploy.told == outcome("Succeeded")
    (record,) = caplog.records
    assert (record.message, record.function_version) == ("release rehearsed", "frontdesk-CallbackFunction-1A2B3C:12")


@pytest.mark.parametrize(
    ("stack", "brings", "code"),
    [
        (Stack("does not start"), ["frontdesk-ResponderFunction-1A2B3C"], "rehearsal_failed"),
        (Stack("unreachable"), ["frontdesk-ResponderFunction-1A2B3C"], "lambda_failed"),
        (Stack(), ["frontdesk-NewFunction-1A2B3C"], "rehearsal_unknown"),
        (Stack(), [], "rehearsal_unknown"),
        (Stack(), ["frontdesk-CallbackFunction-1A2B3C", "frontdesk-SweepFunction-1A2B3C"], "rehearsal_unknown"),
    ],
)
def test_any_other_is_taken_back_with_the_reason_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stack: Stack, brings: list[str], code: str
):
    codedeploy = hooked(monkeypatch, stack, *brings)

    handler.lambda_handler(EVENT, None)

    assert codedeploy.told == outcome("Failed")
    (record,) = caplog.records
    assert (record.message, record.code) == ("release refused", code)


def test_what_nobody_foresaw_takes_it_back_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    class Surprise(Stack):
        def call(self, *_: object) -> Any:
            raise ZeroDivisionError

    codedeploy = hooked(monkeypatch, Surprise(), "frontdesk-SweepFunction-1A2B3C")

    handler.lambda_handler(EVENT, None)

    assert codedeploy.told == outcome("Failed")
    assert caplog.records[0].code == "unexpected"


class TestAws:
    def test_a_version_is_called_past_the_alias_and_its_log_is_brought_back(self):
        class Client:
            asked: dict[str, Any]

            def invoke(self, **asked: Any) -> dict[str, Any]:
                self.asked = asked
                return {"Payload": io.BytesIO(b'{"statusCode": 200}'), "LogResult": "QWNjZXB0ZWQ="}

        client = Client()
        answer = LambdaVersions(client).call(Version("callback", "12"), {"Records": []})

        assert (answer.value, answer.failed, answer.log) == ({"statusCode": 200}, False, "Accepted")
        assert (client.asked["FunctionName"], client.asked["Qualifier"]) == ("callback", "12")
        assert client.asked["InvocationType"] == "RequestResponse"
        assert json.loads(client.asked["Payload"]) == {"Records": []}

    def test_a_version_that_failed_says_so(self):
        class Client:
            def invoke(self, **_: Any) -> dict[str, Any]:
                return {"Payload": io.BytesIO(b'{"errorType": "X"}'), "FunctionError": "Unhandled"}

        assert LambdaVersions(Client()).call(Version("callback", "12"), {}).failed

    @pytest.mark.parametrize(
        ("name", "error"), [("AccessDeniedException", MisconfiguredError), ("TooManyRequestsException", TransientError)]
    )
    def test_awss_errors_become_ours(self, name: str, error: type[Exception]):
        class Client:
            def invoke(self, **_: Any) -> dict[str, Any]:
                raise ClientError({"Error": {"Code": name, "Message": "…"}}, "Invoke")

        with pytest.raises(error):
            LambdaVersions(Client()).call(Version("callback", "12"), {})
