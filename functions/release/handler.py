"""The hook of a release: CodeDeploy calls it before a new version of a function gets its first customers."""

from __future__ import annotations

from typing import Any

from frontdesk import bootstrap, telemetry
from frontdesk.errors import FrontdeskError

_log = telemetry.build_logger()
if bootstrap.in_lambda():
    bootstrap.releases()


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Try the new version and tell CodeDeploy how that went: it then shifts the traffic, or takes the release back."""
    releases = bootstrap.releases()
    deployment_id = event["DeploymentId"]
    succeeded = False
    try:
        version = releases.deployments.version_of(deployment_id)
        releases.rehearsal.perform(version)
        succeeded = True
        _log.info("release rehearsed", extra={"function_version": f"{version.function}:{version.number}"})
    except FrontdeskError as error:
        _log.error("release refused", exc_info=error, extra={"code": error.code})
    except Exception:
        _log.exception("release refused", extra={"code": "unexpected"})
    releases.deployments.report(deployment_id, event["LifecycleEventHookExecutionId"], succeeded=succeeded)
