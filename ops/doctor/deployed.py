"""Checks of what was deployed: stack, functions' settings and secrets; and of what would be deployed from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontdesk import settings
from frontdesk.diagnosis import NeedsError
from frontdesk.errors import FrontdeskError, SettingsError
from frontdesk.protection.sealing import Keyring, verify_keyring
from frontdesk.protection.signing import SigningKey
from frontdesk.records import Checked
from ops.deployment import setting_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from frontdesk.records import CheckResult
    from ops.doctor.ground import Ground

DEPLOYED = ("stack", "function_settings", "build")
SECRETS = ("secrets", "aes_key", "keyring")
HERE = ("settings_here",)

READERS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    "CallbackFunction": settings.CallbackSettings.read,
    "CollectorFunction": settings.CollectorSettings.read,
    "ResponderFunction": settings.ResponderSettings.read,
    "TicketsFunction": settings.TicketsSettings.read,
    "AlarmTicketsFunction": settings.AlarmTicketsSettings.read,
    "SweepFunction": settings.SweeperSettings.read,
    "ArchiverFunction": settings.ArchiverSettings.read,
    "ArchiverStreamFunction": settings.ArchiverStreamSettings.read,
    "AuditorFunction": settings.AuditorSettings.read,
    "ReviewerFunction": settings.ReviewerSettings.read,
    "ReleaseFunction": settings.ReleaseSettings.read,
    "DoctorFunction": settings.DoctorSettings.read,
}
_AES_KEYS = ("WECOM_ENCODING_AES_KEY", "WECOM_KF_ENCODING_AES_KEY")
# Made by the deployment itself, or by whoever builds.
_NO_SETTINGS = {"BuildId", "PythonRuntime", "Architecture"}


def deployed(ground: Ground) -> Iterator[Checked]:
    """Yield what is found about the stack and its functions."""
    status = str(ground.stack.get("StackStatus", ""))
    code = _meaning(status)
    result: CheckResult = "ok" if not code else "failed" if code == "stack_failed" else "warning"
    yield Checked("stack", result, code, seen={"status": status})
    problems = [
        f"{function}: {problem}"
        for function, environ in ground.environments.items()
        if function in READERS
        # The Lambda runtime itself gives the region.
        for problem in _problems(lambda: READERS[function]({**environ, "AWS_REGION": "-"}))  # noqa: B023
    ]
    missing = [name for name in ground.template["Resources"] if name in READERS and not ground.desk.has(name)]
    if missing:
        yield Checked("function_settings", "failed", "function_missing", seen={"functions": ", ".join(missing)})
    elif problems:
        yield Checked("function_settings", "failed", "settings_invalid", seen={"problems": "; ".join(problems)})
    else:
        yield Checked("function_settings", "ok", seen={"functions": len(ground.environments)})
    builds = {environ.get("BUILD_ID", "") for environ in ground.environments.values()}
    if len(builds) == 1:
        yield Checked("build", "ok", seen={"build": builds.pop()})
    else:
        yield Checked("build", "failed", "build_differs", seen={"builds": ", ".join(sorted(builds))})


def _meaning(status: str) -> str:
    """Return the code for what a stack's status says of it, "" for a good one."""
    if status.endswith("_IN_PROGRESS"):
        return "stack_in_progress"
    if status == "UPDATE_ROLLBACK_COMPLETE":
        return "stack_rolled_back"
    return "" if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"} else "stack_failed"


def _problems(work: Callable[[], object]) -> list[str]:
    try:
        work()
    except SettingsError as error:
        return error.problems
    except FrontdeskError as error:
        return [str(error)]
    return []


def secrets(ground: Ground) -> Iterator[Checked]:
    """Yield what is found about the secrets; no value is told, nor a part of one."""
    wecom, fastgpt, identity, ticket, audit = (
        ground.secrets.get(name, {})
        for name in ("WecomSecret", "FastgptSecret", "IdentitySecret", "TicketSecret", "AuditSecret")
    )
    found: Iterable[str] = [
        *_problems(lambda: settings.CallbackSecrets.read(wecom, identity)),
        *_problems(lambda: settings.ResponderSecrets.read(wecom, fastgpt)),
        *_problems(lambda: settings.TicketsSecrets.read(wecom, ticket)),
        *_problems(lambda: SigningKey(audit.get("SM2_PRIVATE_KEY", ""))),
    ]
    of_keys = [each for each in found if each.startswith(_AES_KEYS)]
    others = [each for each in dict.fromkeys(found) if each not in of_keys]
    if others:
        yield Checked("secrets", "failed", "settings_invalid", seen={"problems": "; ".join(others)})
    else:
        yield Checked("secrets", "ok", seen={"secrets": len(ground.secrets)})
    lengths = {name: len(str(wecom.get(name, ""))) for name in _AES_KEYS if wecom.get(name) or name == _AES_KEYS[0]}
    yield Checked("aes_key", "failed" if of_keys else "ok", "aes_key_malformed" if of_keys else "", seen=lengths)
    try:
        keyring = Keyring.read(ground.secrets.get("KeyringSecret", {}).get("SM4_KEYRING"))
        verify_keyring(keyring, ground.desk.key_store.checks())
    except SettingsError as error:
        yield Checked("keyring", "failed", "keyring_unfit", seen={"problems": "; ".join(error.problems)})
    else:
        yield Checked("keyring", "ok", seen={"keys": len(keyring.ids), "current": keyring.current})


def settings_here(ground: Ground) -> Iterator[Checked]:
    """Yield whether the next `make deploy` from here would change settings; names only."""
    if ground.desk.is_local:
        yield Checked("settings_here", "not_run", "local_run")
        return
    if "WECOM_CORP_ID" not in ground.settings:
        yield Checked("settings_here", "not_run", "no_settings_here")
        return
    differing = sorted(
        setting_name(name)
        for name, definition in ground.template["Parameters"].items()
        if name not in _NO_SETTINGS and _given(ground, name, definition) not in {None, _in_force(ground, name)}
    )
    if differing:
        yield Checked("settings_here", "warning", "settings_differ", seen={"settings": ", ".join(differing)})
    else:
        yield Checked("settings_here", "ok")


def _given(ground: Ground, name: str, definition: Mapping[str, Any]) -> str | None:
    """Return what a parameter would be given from here, None where nothing is: then `make deploy` stops."""
    default = str(definition["Default"]) if "Default" in definition else None
    return ground.settings.get(setting_name(name), default)


def _in_force(ground: Ground, name: str) -> str:
    """Return the value that is deployed; that of a secret parameter stands in a secret under the setting's name."""
    if not ground.template["Parameters"][name].get("NoEcho"):
        try:
            return str(ground.parameters.get(name, ""))
        except FrontdeskError:
            raise NeedsError("stack") from None
    values = {**ground.values_of("WecomSecret"), **ground.values_of("FastgptSecret")}
    return str(values.get(setting_name(name), ""))
