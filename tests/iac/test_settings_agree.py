"""Settings have one list: the template, the functions, `.env.example` and the local run agree about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import settings
from frontdesk.errors import SettingsError
from ops.deployment import ROOT, parameter_name, setting_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

READERS: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    "CallbackFunction": settings.CallbackSettings.read,
    "ResponderFunction": settings.ResponderSettings.read,
    "ArchiverFunction": settings.ArchiverSettings.read,
    "ArchiverStreamFunction": settings.ArchiverStreamSettings.read,
    "AuditorFunction": settings.AuditorSettings.read,
    "ReviewerFunction": settings.ReviewerSettings.read,
}
# Read by telemetry in every function.
EVERYWHERE = {"BUILD_ID", "POWERTOOLS_LOG_LEVEL"}
SECRETS = {"WecomSecretValue", "WecomToken", "WecomEncodingAesKey", "FastgptApiKey"}


class Asked(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return default


@pytest.mark.parametrize("function", READERS)
def test_a_function_is_given_exactly_what_it_reads(resources: dict[str, Any], function: str) -> None:
    asked = Asked()
    with pytest.raises(SettingsError):
        READERS[function](asked)
    given = set(resources[function]["Properties"]["Environment"]["Variables"])
    # The Lambda runtime itself gives the region.
    assert asked.names - {"AWS_REGION"} == given - EVERYWHERE


@pytest.mark.parametrize("function", READERS)
def test_a_functions_environment_holds_no_secret(resources: dict[str, Any], function: str) -> None:
    values = resources[function]["Properties"]["Environment"]["Variables"].values()
    assert not any(isinstance(value, dict) and value.get("Ref") in SECRETS for value in values)


def test_the_example_lists_every_parameter_and_the_local_ports(source: dict[str, Any]) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    parameters = {setting_name(name) for name in source["Parameters"]} - {"BUILD_ID"}
    assert listed == parameters | {"FRONTDESK_PORT", "AWS_LOCAL_PORT"}


def test_the_example_shows_the_templates_defaults(source: dict[str, Any]) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, value in re.findall(r"^([A-Z_]+)=(.+)$", example, re.MULTILINE):
        if name not in {"FRONTDESK_PORT", "AWS_LOCAL_PORT"}:
            assert str(source["Parameters"][parameter_name(name)]["Default"]) == value


def test_names_of_settings_and_parameters_lead_to_each_other(source: dict[str, Any]) -> None:
    assert all(parameter_name(setting_name(name)) == name for name in source["Parameters"])
