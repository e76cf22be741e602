"""Builds and deploys with `sam`: the same way to the cloud (`python -m ops.deployment`) and to the local AWS.

Settings become template parameters by name: WECOM_CORP_ID is WecomCorpId. They travel in a file only its owner can
read, never on a command line, where every user of the machine could see them.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from frontdesk.conversation.hours import Hours
from frontdesk.errors import SettingsError
from ops.build_id import build_id, source_digest
from ops.environment import DotenvError, settings_in_force
from ops.stages import StageError, checked_stack_name, stage_in_force
from ops.template import load_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.stages import Stage

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv-aws" / "bin" / "sam"
LOCAL_PYTHON = ROOT / ".venv-aws" / "bin" / "python"

_BUILD_LIMIT_S = 600
# Four waves of functions, each with its rehearsal of a quarter of an hour and up to one of CanaryMinutes.
_DEPLOY_LIMIT_S = 6 * 3600
_BUILDS_KEPT = 3
_HTTPS_PORT = 443
# What the functions in the network of the fixed egress call, beside AWS.
_LEADS_OUT = ("WecomApiBase", "EgressProxyUrl", "FastgptBaseUrl", "FastgptStandbyBaseUrl", "TicketWebhookUrl")
# The parameter that could not have its setting's name, because WecomSecret is the resource, and its twin.
_ODD_NAMES = {"WECOM_SECRET": "WecomSecretValue", "WECOM_KF_SECRET": "WecomKfSecretValue"}


class DeploymentError(Exception):
    """Building or deploying failed; the message says what to do, and where the output is."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to build for: the runtime (``python3.13``), the processor (``arm64``), and the interpreter that compiles."""

    runtime: str
    architecture: str
    python: str

    @classmethod
    def this_machine(cls, python: Path) -> Target:
        """Return the target of a local run: ``python`` itself, on this machine's processor."""
        version = _version_of(str(python))
        if version is None:
            raise DeploymentError(f"{python} does not run")
        machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
        return cls(runtime=version, architecture=machine, python=str(python))

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, str]) -> Target:
        """Return the target ``parameters`` name, with an interpreter of that version from this machine."""
        runtime = parameters["PythonRuntime"]
        candidates = (runtime, str(LOCAL_PYTHON), sys.executable, "python3")
        for candidate in candidates:
            if _version_of(candidate) == runtime:
                return cls(runtime, parameters["Architecture"], shutil.which(candidate) or candidate)
        raise DeploymentError(
            f"building for {runtime} needs a {runtime} on the PATH: bytecode fits one version only. "
            f"Install it, or deploy for this machine's version with PYTHON_RUNTIME={_version_of(sys.executable)}.",
        )


def _version_of(python: str) -> str | None:
    """Return ``python3.11`` or the like; None when that program cannot be run (version managers leave such shims)."""
    program = "import sys; print('python%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def parameter_name(setting: str) -> str:
    """Return the template parameter a setting goes to, e.g. ``WecomCorpId`` for ``WECOM_CORP_ID``."""
    return _ODD_NAMES.get(setting) or "".join(part.capitalize() for part in setting.split("_"))


def setting_name(parameter: str) -> str:
    """Return the setting a template parameter comes from: the reverse of `parameter_name`."""
    odd = {value: key for key, value in _ODD_NAMES.items()}
    return odd.get(parameter) or re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).upper()


def parameters_from(settings: Mapping[str, str], template: Path) -> dict[str, str]:
    """Return a value for each parameter of ``template`` that has one: a setting, or else its default.

    Raises `DeploymentError` naming every setting that is missing, or saying what is wrong where no pattern of the
    template can: business hours with which no function would start, addresses that the fixed egress does not let
    through, or a release that is tried in a colleague's name whose words go to customers.
    """
    chosen = {}
    missing = []
    for name, definition in load_template(template)["Parameters"].items():
        if name == "BuildId":
            continue
        setting = setting_name(name)
        if setting in settings:
            chosen[name] = settings[setting]
        elif "Default" in definition:
            chosen[name] = str(definition["Default"])
        else:
            missing.append(setting)
    if missing:
        raise DeploymentError(f"missing settings: {', '.join(missing)}. Set them in the environment or in .env.")
    try:
        Hours.read(chosen.get("BusinessHours", ""))
    except SettingsError as exc:
        raise DeploymentError(str(exc)) from None
    if chosen.get("FixedEgress") == "true":
        shut = [setting_name(name) for name in _LEADS_OUT if chosen.get(name) and _port(chosen[name]) != _HTTPS_PORT]
        if shut:
            raise DeploymentError(f"FIXED_EGRESS lets HTTPS at port 443 out and nothing else: {', '.join(shut)}")
    if chosen.get("ReleaseCheckUser", "") in set(chosen.get("HandoffAgents", "").split("|")) - {""}:
        raise DeploymentError("RELEASE_CHECK_USER must be none of HANDOFF_AGENTS: what those type goes to customers")
    return chosen


def _port(url: str) -> int | None:
    """Return the port that ``url`` leads to; None for one that is out of bounds."""
    parts = urlsplit(url)
    try:
        return parts.port or (_HTTPS_PORT if parts.scheme == "https" else 80)
    except ValueError:
        return None


@contextmanager
def parameter_file(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield a ``file://`` address that `sam` reads ``parameters`` from: the owner's alone, and gone afterwards."""
    descriptor, path = tempfile.mkstemp(prefix="frontdesk-", suffix=".yaml")  # created with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dict(parameters), file, ensure_ascii=False)  # JSON is YAML
        yield f"file://{path}"
    finally:
        Path(path).unlink(missing_ok=True)


def build(target: Target, *, log: Path | None = None, root: Path = ROOT) -> Path:
    """Return the folder with the built template and artefacts for ``target``, building them when they are not there.

    The folder's name is a digest of the sources, so an unchanged tree is built once for all who ask: the local run,
    the tests, the benchmarks and the deployment. ``log`` takes sam's output. Raises `DeploymentError`.
    """
    builds = root / ".aws-sam"
    builds.mkdir(exist_ok=True)
    with (builds / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = builds / f"{target.runtime}-{target.architecture}-{source_digest(root)[:16]}"
        if not (folder / "template.yaml").is_file():
            _sam_build(target, folder, builds, log, root)
        os.utime(folder)
        _forget_old_builds(builds)
    return folder


def _sam_build(target: Target, folder: Path, builds: Path, log: Path | None, root: Path) -> None:
    unfinished = builds / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    overrides = {"PythonRuntime": target.runtime, "Architecture": target.architecture}
    with parameter_file(overrides) as file:
        command = [str(SAM), "build", "--template-file", str(root / "template.yaml"), "--build-dir", str(unfinished)]
        # sam skips a layer whose folder did not change; the cache is one a target, which it does not look at.
        command += ["--cached", "--cache-dir", str(builds / f"cache-{target.runtime}-{target.architecture}")]
        command += ["--config-file", str(root / "samconfig.toml"), "--parameter-overrides", file]
        environ = {
            # What a calling `make` tells its sub-makes would overrule the variables below.
            **{name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKEOVERRIDES"}},
            "PYTHON": target.python,
            "PYTHON_RUNTIME": target.runtime,
            "ARCHITECTURE": target.architecture,
            # Without a region sam asks the account for one.
            "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
        }
        run_sam(command, environ=environ, log=log, limit_s=_BUILD_LIMIT_S)
    unfinished.rename(folder)


def _forget_old_builds(builds: Path) -> None:
    finished = sorted(builds.glob("python*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in finished[_BUILDS_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def deploy(
    template: Path,
    parameters: Mapping[str, str],
    *,
    arguments: list[str],
    environ: Mapping[str, str],
    log: Path | None = None,
    root: Path = ROOT,
) -> None:
    """Deploy the built ``template``. ``arguments`` and ``environ`` say where to. Raises `DeploymentError`."""
    with parameter_file(parameters) as file:
        command = [str(SAM), "deploy", "--template-file", str(template), "--parameter-overrides", file]
        command += ["--config-file", str(root / "samconfig.toml"), *arguments]
        run_sam(command, environ=environ, log=log, limit_s=_DEPLOY_LIMIT_S)


def run_sam(command: list[str], *, environ: Mapping[str, str], log: Path | None, limit_s: float) -> None:
    """Run ``command`` in ``environ``, its output going to ``log`` or the terminal. Raises `DeploymentError`."""
    whole = {"SAM_CLI_TELEMETRY": "0", "SAM_CLI_CHECK_VERSION": "0", **environ}
    what = f"sam {command[1]}"
    try:
        if log is None:
            done = subprocess.run(command, env=whole, timeout=limit_s, check=False)
        else:
            with log.open("ab") as file:
                done = subprocess.run(
                    command,
                    env=whole,
                    timeout=limit_s,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
    except FileNotFoundError as exc:
        raise DeploymentError(f"{command[0]} is missing: run `make setup`") from exc
    except subprocess.TimeoutExpired as exc:
        raise DeploymentError(f"{what} took longer than {limit_s:.0f} s") from exc
    if done.returncode != 0:
        tail = "" if log is None else f":\n{_last_lines(log)}\nThe whole output is in {log}."
        raise DeploymentError(f"{what} failed{tail}")


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def sam_arguments(stage: Stage, rest: list[str]) -> list[str]:
    """Return the options of `sam deploy` for ``stage``, with those of a person; raises `StageError`."""
    for number, option in enumerate(rest):
        name, _, value = option.partition("=")
        if name == "--stack-name":
            checked_stack_name(value or "".join(rest[number + 1 : number + 2]))
    return ["--config-env", stage.sams_name, *rest]


def main(arguments: list[str]) -> int:
    """Build, and deploy to the AWS account in force (``deploy``) or not (``build``); the rest goes to `sam deploy`."""
    verb, *rest = arguments or ["help"]
    if verb not in {"build", "deploy"}:
        print("usage: python -m ops.deployment build | deploy [options of sam deploy]", file=sys.stderr)
        return 2
    template = ROOT / "template.yaml"
    try:
        stage = stage_in_force(ROOT, os.environ)
        settings = settings_in_force(ROOT, os.environ, stage.name)
        defaults = load_template(template)["Parameters"]
        wanted = {
            name: settings.get(setting_name(name), defaults[name]["Default"])
            for name in ("PythonRuntime", "Architecture")
        }
        parameters = parameters_from(settings, template) if verb == "deploy" else wanted
        options = sam_arguments(stage, rest)
        folder = build(Target.of_parameters(wanted))
        if verb == "build":
            print(f"Built: {folder}")
            return 0
        parameters["BuildId"] = build_id(ROOT, parameters)
        print(f"Deploying build {parameters['BuildId']} as {stage.name} …")
        deploy(folder / "template.yaml", parameters, arguments=options, environ=os.environ)
    except (DeploymentError, DotenvError, StageError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
