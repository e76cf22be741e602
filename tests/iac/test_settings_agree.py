"""Settings have one list: the template, the functions, `.env.example` and the local run agree about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from frontdesk import settings
from frontdesk.errors import SettingsError
from ops.deployment import ROOT, parameter_name, setting_name
from tests.iac.conftest import GIVEN, SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    "DoctorFunction": settings.DoctorSettings.read,
    "ReleaseFunction": settings.ReleaseSettings.read,
}
# Read by telemetry in every function.
EVERYWHERE = {"BUILD_ID", "POWERTOOLS_LOG_LEVEL"}


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


def environment(resources: dict[str, Any], function: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what ``function`` is given in a stack with ``parameters``, and what the runtime adds."""

    def value(given: Any) -> str:
        if isinstance(given, str):
            return given
        if "Fn::If" in given:  # whether there is a canary is the only question
            return value(given["Fn::If"][1 if parameters["FastgptCanaryAppId"] else 2])
        if "Fn::GetAtt" in given:
            return f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{given['Fn::GetAtt'][0]}"
        if given["Ref"] in parameters:
            return parameters[given["Ref"]]
        is_queue = resources[given["Ref"]]["Type"] == "AWS::SQS::Queue"
        return f"https://sqs.us-east-1.amazonaws.com/123456789012/{given['Ref']}" if is_queue else str(given["Ref"])

    variables = resources[function]["Properties"]["Environment"]["Variables"]
    return {"AWS_REGION": "us-east-1", **{name: value(given) for name, given in variables.items()}}


@pytest.mark.parametrize("function", READERS)
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"HandoffThreshold": "0"},
        {"HandoffThreshold": "1.0000"},
        {"HandoffTriggers": ""},
        {"HandoffTriggers": "asked,rule"},
        {"HandoffAgents": "zhou.min|he_yun-2@example"},
        {"HandoffTimeoutSeconds": "30"},
        {"KfHandoffTo": "queue"},
        {"SatisfactionChannels": ""},
        {"SatisfactionChannels": "wecom_app,wecom_kf"},
        {"TicketWebhookUrl": "https://tickets.example:8443/frontdesk/new"},
        {"FastgptLiteAppId": "fedcba9876543210fedcba98"},
        {"ReleaseCheckUser": "lin.mei-2@example"},
        {"FastgptCanaryAppId": "fedcba9876543210fedcba98"},
    ],
    ids=str,
)
def test_every_function_starts_with_what_the_template_allows(
    source: dict[str, Any], resources: dict[str, Any], function: str, changed: dict[str, str]
) -> None:
    for name, value in changed.items():
        definition = source["Parameters"][name]
        assert re.fullmatch(definition.get("AllowedPattern", ".*"), value)
        assert value in definition.get("AllowedValues", [value])
    defaults = {name: str(each["Default"]) for name, each in source["Parameters"].items() if "Default" in each}
    READERS[function](environment(resources, function, {**defaults, **GIVEN, **changed}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HandoffThreshold", "1.5"),
        ("HandoffThreshold", ".8"),
        ("HandoffThreshold", "8e-1"),
        ("HandoffTriggers", "asked, rule"),
        ("HandoffTriggers", "sometimes"),
        ("HandoffAgents", "zhou.min,he.yun"),
        ("HandoffAgents", "zhou.min|"),
        ("SatisfactionChannels", "wecom_bot"),
        ("TicketWebhookUrl", "https://tickets.example/new?key=secret"),
        ("TicketWebhookUrl", "tickets.example"),
        ("FastgptLiteAppId", "lite"),
        ("ReleaseCheckUser", "zhou.min|he.yun"),
        ("GradualDeployment", "yes"),
        ("WecomKfToken", "a token"),
        ("WecomKfEncodingAesKey", "short"),
    ],
)
def test_what_a_function_would_stumble_over_is_refused_before_it_is_deployed(
    source: dict[str, Any], name: str, value: str
) -> None:
    definition = source["Parameters"][name]
    fits = re.fullmatch(definition["AllowedPattern"], value) if "AllowedPattern" in definition else None
    assert not fits
    assert value not in definition.get("AllowedValues", [])


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
