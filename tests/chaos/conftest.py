"""A simulated WeCom's address for all runs of a module, and silence: thousands of failed attempts are meant."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.chaos.wecom import Address, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    """Return where the runs' simulators answer."""
    with served() as serving:
        yield serving


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Let nothing be logged."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)
