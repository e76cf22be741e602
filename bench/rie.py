"""The real Lambda runtime on this machine: AWS's runtime client under AWS's runtime interface emulator (RIE).

RIE comes inside aws-sam-cli. It starts the runtime's process at the first invoke, not before, so the time of that
invoke is the time from process start to answer; how much of it was initialisation RIE writes into its log.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import re
import signal
import socket
import subprocess
import time
import venv
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ops.deployment import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# What the runtime in the cloud consists of besides the interpreter. (It has a boto3 too, which a layer's hides.)
_RUNTIME = ("awslambdaric", "simplejson", "snapshot_restore_py")
_INVOKE = "/2015-03-31/functions/function/invocations"
_INIT = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)\)")
_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 5.0


class RuntimeFailedError(Exception):
    """The runtime did not start, or the function failed; the message ends with the last of its log."""


@dataclass(frozen=True, slots=True)
class Function:
    """A built function: its folder, its layers' python folders (the first hides the later), its environment."""

    folder: Path
    layers: tuple[Path, ...]
    environ: Mapping[str, str]
    handler: str = "handler.lambda_handler"
    timeout_s: int = 120
    memory_mb: int = 1024


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def emulator() -> Path:
    """Return the RIE of this machine's processor; raises `RuntimeFailedError` when it is not installed."""
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    found = sorted((ROOT / ".venv-aws").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"))
    if not found:
        raise RuntimeFailedError("the runtime interface emulator is missing: run `make setup`")
    return found[0]


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter that has the runtime's own packages and nothing else: a function finds its layers or fails."""

    python: Path

    @classmethod
    def install(cls, folder: Path) -> Runtime:
        """Return the runtime of this interpreter's version, set up in ``folder``."""
        venv.create(folder, symlinks=True)
        python = folder / "bin" / "python"
        (packages,) = folder.glob("lib/python*/site-packages")
        for package in _RUNTIME:
            installed = distribution(package)
            names = {file.parts[0] for file in installed.files or []} - {"..", "__pycache__"}
            for name in names:
                (packages / name).symlink_to(str(installed.locate_file(name)))
        return cls(python)


class LambdaRuntime:
    """One execution environment of a function. Use it as a context manager: the process ends with it."""

    def __init__(self, function: Function, *, runtime: Runtime, log: Path) -> None:
        """``log`` takes what RIE and the function write."""
        self._function = function
        self._runtime = runtime
        self._log = log
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=function.timeout_s + 10)

    def __enter__(self) -> Self:
        """Start RIE; the function itself starts at the first invoke."""
        command = [str(emulator()), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        command += [str(self._runtime.python), "-m", "awslambdaric", self._function.handler]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environ(),
                cwd=self._function.folder,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_for_port()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End RIE, which ends the function's process with it."""
        self._connection.close()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            for pid in _session(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(timeout=_STOP_LIMIT_S)

    def _environ(self) -> dict[str, str]:
        paths = [self._function.folder, *self._function.layers]
        return {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            # In the cloud the folders are read-only: what was shipped without bytecode is compiled at every start.
            "PYTHONDONTWRITEBYTECODE": "1",
            "LAMBDA_TASK_ROOT": str(self._function.folder),
            "AWS_LAMBDA_FUNCTION_NAME": self._function.folder.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._function.timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory_mb),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            **self._function.environ,
        }

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                raise RuntimeFailedError(f"RIE did not start{self._tail()}")
            time.sleep(0.005)

    def invoke(self, event: Mapping[str, Any]) -> tuple[Any, float]:
        """Return the function's answer and the milliseconds it took. Raises `RuntimeFailedError` when it failed."""
        body = json.dumps(event).encode()
        start = time.perf_counter()
        self._connection.request("POST", _INVOKE, body)
        response = self._connection.getresponse()
        content = response.read()
        took_ms = (time.perf_counter() - start) * 1000
        answer = json.loads(content)
        if response.status != 200 or (isinstance(answer, dict) and "errorType" in answer):
            raise RuntimeFailedError(f"the function failed with HTTP {response.status}{self._tail()}")
        return answer, took_ms

    def init_ms(self) -> float:
        """Return how long the function initialised, as RIE measured it; to be asked after the first invoke."""
        found = _INIT.search(self._log.read_text(encoding="utf-8", errors="replace"))
        if found is None:
            raise RuntimeFailedError(f"RIE reported no initialisation{self._tail()}")
        return float(found[1])

    def processor_ms(self) -> float:
        """Return the processor time that the function's process has had so far; a busy machine changes it little."""
        assert self._process is not None  # for the type checker: there was an invoke
        threads = (
            task
            for pid in _session(self._process.pid)
            if pid != self._process.pid
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
        # The first field is the time on a processor in nanoseconds (Linux, Documentation/scheduler/sched-stats).
        return sum(int((task / "schedstat").read_text().split()[0]) for task in threads) / 1e6

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return ":\n" + "\n".join(lines[-12:])


def _session(leader: int) -> list[int]:
    """Return the processes of the session that ``leader`` opened: RIE gives its runtime a group of its own."""
    listed = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]
