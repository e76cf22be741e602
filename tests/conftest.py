"""What holds for every test: no network, no settings from outside, no AWS account.

Tests under ``integration``, ``chaos`` and ``e2e`` may open sockets, to this machine only. All others may open none.
"""

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.logging import constants
from hypothesis import settings
from pytest_socket import disable_socket, socket_allow_hosts
from xdist.scheduler import LoadScopeScheduling

from frontdesk.telemetry import LOGGER_NAME, build_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WITH_SOCKETS = tuple(Path(__file__).parent / suite for suite in ("integration", "e2e", "chaos"))
_DEPLOYED = "e2e"
_LONGEST = (_DEPLOYED, "packaging", "chaos", "integration", "property")
_FIRST = "test_main_job.py"  # its first test starts the stack's processes
_LAST = ("test_fire_drill.py", "test_release.py", "test_two_builds.py")
_LOOPBACK = ["127.0.0.1", "::1", "localhost"]
# Every name that a function, a client library or the local run reads: a developer's own must not reach a test.
_SCRUBBED = (
    "AWS_",
    "WECOM_",
    "FASTGPT_",
    "FRONTDESK_",
    "POWERTOOLS_",
    "SESSION_",
    "SESSIONS_",
    "ACCOUNTS_",
    "ATTENDANCE_",
    "BUSINESS_",
    "HANDOFF_",
    "EGRESS_PROXY_URL",
    "FIXED_EGRESS",
    "DOMAIN_NAME",
    "CERTIFICATE_ARN",
    "INBOX_",
    "KF_",
    "PULLS_",
    "SATISFACTION_",
    "TICKET_",
    "TICKETS_",
    "LEDGER_",
    "ARCHIVE_",
    "IDENTITY_",
    "KEYRING_",
    "CUSTOMER_KEYS_",
    "AUDIT_",
    "RULES_",
    "REVIEWS_",
    "REVIEW_SAMPLE_",
    "INTERIM_",
    "BUILD_ID",
    "WELCOME_TEXT",
    "FALLBACK_TEXT",
    "UNSUPPORTED_TEXT",
    "RESET_TEXT",
    "LAMBDA_",
)
REGION = "us-east-1"
_STAND_INS = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",  # from AWS's own signing examples
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

_POWERTOOLS_MARKS = [value for name, value in vars(constants).items() if name.startswith("LOGGER_ATTRIBUTE_")]

# The machine that runs the tests may be busy: an example's time is not what these tests are about.
settings.register_profile("frontdesk", deadline=None)
# CI judges a change, so it tries the same examples each time; the search for new ones is everybody else's.
settings.register_profile("ci", settings.get_profile("frontdesk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "frontdesk")


class _ByFile(LoadScopeScheduling):
    """Lets the tests of one file run in one process, and all those of the deployed stack in one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "deployed" if file.split("/")[1] == _DEPLOYED else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Return what shares the tests out to processes, where there are several."""
    return _ByFile(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the suites that take longest begin first, so that no process waits for another one at the end.

    The tests of the deployed stack change what all of them share, its clock-driven runs and its release above all. They
    keep their order, and those that run everything, or deploy again, come last. All others keep the order they have.
    """
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int, str, int]:
    suite, *_, file = item.path.relative_to(Path(__file__).parent).parts
    rank = _LONGEST.index(suite) if suite in _LONGEST else len(_LONGEST)
    if suite != _DEPLOYED:
        return rank, 0, "", 0
    among = -2 if file == _FIRST else _LAST.index(file) if file in _LAST else -1
    return rank, among, file, item.location[1] or 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Close the network before any fixture of ``item`` is set up; pytest-socket opens it again afterwards."""
    if any(item.path.is_relative_to(suite) for suite in _WITH_SOCKETS):
        socket_allow_hosts(_LOOPBACK, allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)  # event loops wake themselves through a pair of those


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same environment: nothing of Frontdesk's, and AWS keys that open nothing."""
    for name in list(os.environ):
        if name.startswith(_SCRUBBED):
            monkeypatch.delenv(name)
    for name, value in _STAND_INS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def fresh_logger() -> Iterator[logging.Logger]:
    """Give a test the package's logger as a new process has it, and put it back afterwards."""
    logger = logging.getLogger(LOGGER_NAME)
    before = {**vars(logger), "handlers": logger.handlers[:]}
    logger.handlers.clear()
    for name in _POWERTOOLS_MARKS:
        vars(logger).pop(name, None)
    yield logger
    vars(logger).clear()
    vars(logger).update(before)
    logger.setLevel(before["level"])  # forgets the levels that loggers below it have cached


@pytest.fixture
def log_lines(fresh_logger: logging.Logger) -> Callable[[], list[dict[str, Any]]]:
    """Return a reader of the JSON lines that the package has logged since the test began."""
    build_logger({"BUILD_ID": "test"})
    captured = io.StringIO()
    for handler in fresh_logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(captured)
    return lambda: [json.loads(line) for line in captured.getvalue().splitlines()]
