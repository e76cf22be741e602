"""The simulated WeCom, started once a module, for its own tests and for those of the client that talks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulators.wecom_platform import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.simulators.wecom_platform import Platform


@pytest.fixture(scope="module")
def server() -> Iterator[Platform]:
    """Return a platform that listens; a test gets it through its own ``platform``, as after a start."""
    with running() as started:
        yield started


@pytest.fixture
def platform(server: Platform) -> Platform:
    """Return a platform that knows nobody yet."""
    return server.renewed()
