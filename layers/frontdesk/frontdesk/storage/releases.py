"""A release on its way: what CodeDeploy is about to send customers to, and a call to just that version.

Source: CodeDeploy API reference (BatchGetDeploymentTargets, PutLifecycleEventHookExecutionStatus) and user guide
("AppSpec 'hooks' section for an AWS Lambda deployment"); Lambda API reference (Invoke).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from frontdesk.errors import MisconfiguredError
from frontdesk.records import Version, VersionAnswer
from frontdesk.storage.aws import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_RUN_S = 900  # Lambda's own limit
# A call is made once: what it does must not be done twice because its answer was late.
_INVOKING = Config(
    connect_timeout=2, read_timeout=_LONGEST_RUN_S, retries={"mode": "standard", "total_max_attempts": 1}
)
_ASKING = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})


def codedeploy() -> Any:
    """Return a CodeDeploy client, patient: without its answer a deployment hangs for an hour."""
    return boto3.client("codedeploy", config=_ASKING)


def lambda_() -> Any:
    """Return a Lambda client that waits for as long as a function may run."""
    return boto3.client("lambda", config=_INVOKING)


class CodeDeployReleases:
    """Asks CodeDeploy what is to be tried, and tells it how that went."""

    def __init__(self, client: Any) -> None:
        """``client`` is CodeDeploy's."""
        self._client = client

    def version_of(self, deployment_id: str) -> Version:
        """Return the version that the deployment brings; raises `TransientError` or `MisconfiguredError`."""
        with translated("codedeploy"):
            targets = self._client.list_deployment_targets(deploymentId=deployment_id)["targetIds"]
            found = self._client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=targets)
        infos = [each["lambdaTarget"]["lambdaFunctionInfo"] for each in found["deploymentTargets"]]
        if len(infos) != 1:
            raise MisconfiguredError("a deployment is to bring one function", code="rehearsal_unknown")
        return Version(function=infos[0]["functionName"], number=infos[0]["targetVersion"])

    def report(self, deployment_id: str, execution_id: str, *, succeeded: bool) -> None:
        """Tell CodeDeploy to go on, or to take the release back; raises `TransientError` or `MisconfiguredError`."""
        with translated("codedeploy"):
            self._client.put_lifecycle_event_hook_execution_status(
                deploymentId=deployment_id,
                lifecycleEventHookExecutionId=execution_id,
                status="Succeeded" if succeeded else "Failed",
            )


class LambdaVersions:
    """Calls one version of a function, past the alias that customers are behind."""

    def __init__(self, client: Any) -> None:
        """``client`` is Lambda's."""
        self._client = client

    def call(self, version: Version, event: Mapping[str, Any]) -> VersionAnswer:
        """Return what ``version`` makes of ``event``; raises `TransientError` or `MisconfiguredError`."""
        with translated("lambda"):
            done = self._client.invoke(
                FunctionName=version.function,
                Qualifier=version.number,
                InvocationType="RequestResponse",
                LogType="Tail",
                Payload=json.dumps(event).encode(),
            )
            payload = done["Payload"].read()
        return VersionAnswer(
            value=json.loads(payload or b"null"),
            failed="FunctionError" in done,
            log=base64.b64decode(done.get("LogResult", "")).decode(errors="replace"),
        )
