"""A deployment is found in the cloud or on this machine, or it is said what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from ops.desk import Deployment, Desk, DeskError, in_the_cloud, on_this_machine, stack_name
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CloudFormation:
    """Knows one stack, whose resources come in two pages."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def get_paginator(self, operation: str) -> CloudFormation:
        assert operation == "list_stack_resources"
        return self

    def paginate(self, *, StackName: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        if self._error:
            raise self._error
        assert StackName == "trial"
        yield {"StackResourceSummaries": [{"LogicalResourceId": "Audit", "PhysicalResourceId": "trial-audit"}]}
        yield {
            "StackResourceSummaries": [
                {"LogicalResourceId": "Ledger", "PhysicalResourceId": "trial-ledger"},
                {"LogicalResourceId": "NotYet"},
            ]
        }


def desk(resources: dict[str, str], **services: Any) -> Desk:
    clock = FakeClock()
    return Desk(
        Deployment("trial", resources, services.__getitem__),
        by="chen.yu",
        clock=clock,
        monotonic=clock.monotonic,
        sleep=clock.advance,
    )


def test_the_default_stack_is_the_one_that_is_deployed():
    assert stack_name() == "frontdesk"


def test_a_stack_is_found_with_all_its_resources():
    found = in_the_cloud("trial", lambda _: CloudFormation())

    assert (found.name, dict(found.resources)) == ("trial", {"Audit": "trial-audit", "Ledger": "trial-ledger"})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClientError({"Error": {"Code": "ValidationError", "Message": "m"}}, "ListStackResources"), "no stack trial"),
        (NoCredentialsError(), "check credentials and region"),
    ],
)
def test_a_stack_that_is_not_to_be_seen_is_said(error: Exception, told: str):
    with pytest.raises(DeskError, match=told):
        in_the_cloud("trial", lambda _: CloudFormation(error))


def test_a_cloud_without_a_region_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION")

    with pytest.raises(DeskError, match="NoRegionError"):
        in_the_cloud("trial")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_local_run_is_found_by_what_it_wrote(scheme: str, tmp_path: Path):
    described = {
        "aws_endpoint_url": f"{scheme}://127.0.0.1:4690",
        "stack": "frontdesk",
        "resources": {"Audit": "local-audit"},
        "callback_url": f"{scheme}://127.0.0.1:4690/wecom/callback",
    }
    (tmp_path / "stack.json").write_text(json.dumps(described), encoding="utf-8")
    certificate = tmp_path / "aws" / "tmp" / "ministack-tls" / "server.crt"
    certificate.parent.mkdir(parents=True)
    certificate.write_text("", encoding="utf-8")

    found = on_this_machine(tmp_path)

    assert (found.name, dict(found.resources)) == ("frontdesk", {"Audit": "local-audit"})
    assert found.client("sqs").meta.endpoint_url == f"{scheme}://127.0.0.1:4690"
    assert found.callback_url == f"{scheme}://127.0.0.1:4690/wecom/callback"
    assert found.ca_bundle == (str(certificate) if scheme == "https" else "")


@pytest.mark.parametrize("text", [None, "no JSON", "{}"])
def test_a_local_run_that_is_not_there_is_said(text: str | None, tmp_path: Path):
    if text is not None:
        (tmp_path / "stack.json").write_text(text, encoding="utf-8")

    with pytest.raises(DeskError, match="make run"):
        on_this_machine(tmp_path)


def test_a_resource_of_a_later_release_is_said():
    with pytest.raises(DeskError, match="has no Audit: deploy this release first"):
        desk({}).resource("Audit")


@pytest.mark.parametrize("text", ["no JSON: hush", '{"OTHER": "hush"}', '["hush"]'])
def test_a_secret_without_the_value_is_said_without_what_is_in_it(text: str):
    class Vault:
        def get_secret_value(self, **request: str) -> dict[str, str]:
            return {"SecretString": text}

    with pytest.raises(DeskError) as caught:
        desk({"AuditSecret": "arn"}, secretsmanager=Vault()).secret("AuditSecret", "SM2_PRIVATE_KEY")

    assert "AuditSecret has no SM2_PRIVATE_KEY" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_function_without_a_setting_is_said():
    class Functions:
        def get_function_configuration(self, **request: str) -> dict[str, Any]:
            return {"Environment": {"Variables": {}}}

    opened = desk({"ResponderFunction": "responder"}, **{"lambda": Functions()})

    with pytest.raises(DeskError, match="ResponderFunction has no AUDIT_RETENTION_DAYS"):
        assert opened.retention_days


def test_who_acts_is_named_as_the_audit_names_people():
    assert desk({}).actor == "operator:chen.yu"
