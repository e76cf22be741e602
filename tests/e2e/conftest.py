"""One deployed local stack for all end-to-end tests: this template, built and deployed as for the cloud."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from ops.local.stack import LocalOptions, LocalStack
from tests.e2e.driver import IDLE_S, ROOT, Aws, Kf, Wecom, open_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.desk import Desk

SETTINGS = {
    # Short, so that a test can wait for what takes minutes in production; each is a template parameter.
    "SESSION_IDLE_SECONDS": str(IDLE_S),
    "SESSION_TTL_SECONDS": "300",
    "INTERIM_AFTER_SECONDS": "8",  # a cold start here takes several seconds
}


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """Return the deployed stack, simulators and page included."""
    options = LocalOptions(
        frontdesk_port=free_port(),
        aws_port=free_port(),
        folder=ROOT / ".local" / "e2e",
        settings=SETTINGS,
        # The local AWS checks each function's role, as the cloud does: a right that is missing fails here.
        enforces_permissions=True,
    )
    # The stack's own processes get their environment from the test session's, which is scrubbed only within a test.
    with LocalStack(options, say=lambda line: print(line, flush=True)) as running:  # noqa: T201
        yield running


@pytest.fixture(scope="session")
def aws(stack: LocalStack) -> Iterator[Aws]:
    """Return the clients of the local AWS."""
    clients = Aws(stack)
    yield clients
    clients.close()


@pytest.fixture(scope="session")
def desk(stack: LocalStack) -> Desk:
    """Return the operator's desk before the stack: it has the keys to what is sealed."""
    return open_desk(stack)


@pytest.fixture
def wecom(stack: LocalStack) -> Iterator[Wecom]:
    """Return the simulated WeCom, without faults left over."""
    simulator = Wecom(f"{stack.console_url}wecom")
    simulator.clear_faults()
    yield simulator
    simulator.clear_faults()
    simulator.close()


@pytest.fixture
def kf(wecom: Wecom) -> Kf:
    """Return the simulated 微信客服."""
    return Kf(wecom)


@pytest.fixture
def fastgpt(stack: LocalStack) -> Iterator[httpx.Client]:
    """Return the control API of the simulated FastGPT, without faults left over."""
    with _control_of(stack, "fastgpt") as control:
        yield control


@pytest.fixture
def standby(stack: LocalStack) -> Iterator[httpx.Client]:
    """Return the control API of the simulated standby, without faults left over."""
    with _control_of(stack, "fastgpt-standby") as control:
        yield control


@contextmanager
def _control_of(stack: LocalStack, vendor: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.console_url}{vendor}/_control", timeout=20) as control:
        control.delete("/faults")
        control.delete("/answers")
        yield control
        control.delete("/faults")
        control.delete("/answers")
