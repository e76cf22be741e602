"""What a local run's processes use is read from the system and from the functions' logs, and one function can be ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from ops.costs import Bill, Prices
from simulators.traffic import processes
from simulators.traffic.processes import Memory, end_one
from simulators.traffic.usage import Usage, billed

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 20
FUNCTION = "frontdesk-ResponderFunction-0A"
# A leader that is no function, and a child of its own session that is one.
LEADER = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "print('up', flush=True); input()"],
    env={**os.environ, "AWS_LAMBDA_FUNCTION_NAME": %r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print("up", flush=True)
print(child.wait(), flush=True)
input()
"""


@contextmanager
def run() -> Iterator[subprocess.Popen[str]]:
    """Return the leader of a session in which a function runs."""
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER % FUNCTION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_LAMBDA")},
    )
    assert leader.stdout
    assert leader.stdin
    try:
        assert leader.stdout.readline() == "up\n"
        yield leader
    finally:
        os.killpg(leader.pid, 9)
        leader.wait(LIMIT_S)
        leader.stdin.close()
        leader.stdout.close()
        deadline = time.monotonic() + LIMIT_S
        while list(
            processes._session(leader.pid)
        ):  # the child belongs to nobody now, and ends when the system sees to it
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_memory_is_told_by_process_and_the_functions_apart() -> None:
    with run() as leader:
        memory = Memory()
        memory.note(1.0, {"aws": leader.pid})
        ((at_s, own_mb),) = memory.points["aws"]
        ((_, functions_mb),) = memory.points["functions"]
    assert at_s == 1.0
    assert own_mb > 3
    assert functions_mb > 3
    assert memory.largest == {FUNCTION: functions_mb}


def test_ending_a_function_ends_its_process_and_not_the_leader() -> None:
    with run() as leader:
        assert not end_one(leader.pid, "Collector", Random(1))
        assert end_one(leader.pid, "Responder", Random(1))
        assert leader.stdout
        assert leader.stdout.readline() == "-9\n"
        assert leader.poll() is None
        assert not end_one(leader.pid, "Responder", Random(1))


def test_of_a_process_that_is_gone_there_is_nothing_to_tell() -> None:
    with run() as leader:
        pid = leader.pid
    memory = Memory()
    memory.note(0.0, {"aws": pid})
    assert memory.points == {"aws": [(0.0, 0.0)]}


def test_invocations_and_time_by_memory_are_read_from_the_report_lines() -> None:
    lines = [
        "START RequestId: 1 Version: 1",
        '{"level":"INFO","message":"REPORT of nothing"}',
        "REPORT RequestId: 1\tDuration: 1500 ms\tBilled Duration: 1500 ms\tMemory Size: 512 MB\tMax Memory Used: 99 MB",
        "REPORT RequestId: 2\tDuration: 250.5 ms\tBilled Duration: 251 ms\tMemory Size: 1024 MB\tMax Memory Used: 9 MB",
    ]
    usage = Usage.of(lines)
    assert usage.invocations == 2
    assert usage.gb_seconds == pytest.approx(1.5 / 2 + 0.251)
    assert usage.log_bytes == sum(map(len, lines))


def test_what_was_used_has_a_price_by_the_price_tables_units() -> None:
    usage = {"Responder": Usage(10, 5.0, 1_000_000), "HttpApi": Usage(0, 0.0, 500_000)}
    units = billed(usage, requests=12)
    assert units == {
        "lambda_requests": 10,
        "lambda_arm64_gb_s": 5.0,
        "logs_gb": pytest.approx(0.0015),
        "http_api_requests": 12,
    }
    bill = Bill.of(units, Prices.read("us-east-1"))
    assert bill.missing == ()
    assert bill.total > 0
