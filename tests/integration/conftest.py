"""What the tests of this suite share: the simulated WeCom, and the whole desk with an ear on all that leaves it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from frontdesk import bootstrap
from simulators.fastgpt.app import FastgptSettings
from simulators.wecom.app import WecomSettings
from tests.conftest import REGION
from tests.factories import AGENT_ID, CORP_ID
from tests.integration import marks
from tests.integration.aws_over_http import aws_over_http
from tests.integration.simulators.wecom_platform import running
from tests.integration.vendors_over_http import vendors_over_http
from tests.integration.watched_desk import AGENTS, LITE_APP_ID, WatchedDesk, listening

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tests.integration.aws_over_http import AwsOverHttp
    from tests.integration.simulators.wecom_platform import Platform
    from tests.integration.vendors_over_http import Vendors


@pytest.fixture(scope="module")
def server() -> Iterator[Platform]:
    """Return a platform that listens; a test gets it through its own ``platform``, as after a start."""
    with running() as started:
        yield started


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform that knows nobody yet."""
    return server.renewed()


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsOverHttp]:
    """Return an AWS whose error texts quote every mark."""
    with aws_over_http(quoted=marks.QUOTED) as running_aws:
        yield running_aws


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    """Return the vendors, whose error texts quote every mark."""
    enterprise = WecomSettings(
        CORP_ID,
        AGENT_ID,
        marks.WECOM_SECRET,
        marks.WECOM_TOKEN,
        marks.ENCODING_AES_KEY,
        kf_secret=marks.KF_SECRET,
        kf_token=marks.KF_TOKEN,
        kf_encoding_aes_key=marks.KF_ENCODING_AES_KEY,
    )
    apps = FastgptSettings(
        api_key=marks.FASTGPT_KEY,
        lite_app_id=LITE_APP_ID,
        lite_api_key=marks.FASTGPT_LITE_KEY,
        model_delay=0.0,
        chunk_delay=0.0,
    )
    with vendors_over_http(enterprise=enterprise, apps=apps, quoted=marks.QUOTED) as running_vendors:
        for agent in AGENTS:
            running_vendors.script("/wecom/_control/members", {"userid": agent})
        yield running_vendors


@pytest.fixture(scope="module")
def deployed(aws: AwsOverHttp, vendors: Vendors) -> tuple[AwsOverHttp, Vendors]:
    """Return both, with everything made that the template makes."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        environment.setenv("AWS_SECRET_ACCESS_KEY", marks.AWS_SECRET_KEY)
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            environment.setenv(name, REGION)
        desk = WatchedDesk(aws, vendors, environment)
        desk.deploy()
        desk.compose()
        # The first export looks far back; each later one goes on from here.
        bootstrap.auditor().export(time_left=lambda: 900.0)
    return aws, vendors


@pytest.fixture
def desk(
    deployed: tuple[AwsOverHttp, Vendors],
    monkeypatch: pytest.MonkeyPatch,
    fresh_logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[WatchedDesk]:
    """Return the desk; when its test is over, nothing may be found that has leaked meanwhile."""
    aws, vendors = deployed
    aws.faults.clear()
    aws.calls.clear()
    vendors.calls.clear()
    vendors.given.clear()
    vendors.forget()
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))  # between its tries
    desk = WatchedDesk(aws, vendors, monkeypatch)
    desk.vendors.open_account(desk.account, *AGENTS)
    desk.compose()
    desk.printed = capsys.readouterr
    with listening(desk.heard, fresh_logger, monkeypatch):
        yield desk
    aws.faults.clear()
    try:
        assert desk.finds() == [], "leaked"
    finally:
        desk.empty()


@pytest.fixture
def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
