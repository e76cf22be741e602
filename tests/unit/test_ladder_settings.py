"""What FastGPT's secret says of the endpoints beside the first, and what a local run may say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontdesk.errors import SettingsError
from frontdesk.settings import LadderSettings, ResponderSecrets, local_problems
from ops.local.vendors import choose_vendors

if TYPE_CHECKING:
    from collections.abc import Mapping

WECOM = {"WECOM_SECRET": "an-invented-secret"}
FIRST = {"FASTGPT_API_KEY": "fastgpt-an-invented-key"}
STANDBY = {
    "FASTGPT_STANDBY_BASE_URL": "https://standby.example/api",
    "FASTGPT_STANDBY_APP_ID": "0123456789abcdef01234567",
    "FASTGPT_STANDBY_API_KEY": "fastgpt-standby",
}
CANARY = {"FASTGPT_CANARY_APP_ID": "fedcba9876543210fedcba98", "FASTGPT_CANARY_API_KEY": "fastgpt-canary"}
# As the template writes it when none of it is set.
EMPTY = {
    **dict.fromkeys([*STANDBY, *CANARY], ""),
    "FASTGPT_STANDBY_TEAM": "other",
    "FASTGPT_CANARY_PERCENT": "0",
    "FASTGPT_HEDGE_AFTER_SECONDS": "0",
}
REAL = {
    "FASTGPT_BASE_URL": "https://fastgpt.example/api",
    "FASTGPT_APP_ID": "0123456789abcdef01234567",
    "FASTGPT_API_KEY": "fastgpt-an-invented-key",
}


def read(given: Mapping[str, str]) -> LadderSettings:
    return ResponderSecrets.read(WECOM, {**FIRST, **given}).ladder


def problems(given: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(given)
    return raised.value.problems


@pytest.mark.parametrize("given", [{}, EMPTY], ids=["a secret of an earlier release", "nothing set"])
def test_without_anything_there_is_the_first_endpoint_alone(given: Mapping[str, str]):
    assert read(given) == LadderSettings("", "", "", False, "", "", 0, 0)  # noqa: FBT003  # field by field


def test_all_of_it_is_read():
    given = {**EMPTY, **STANDBY, **CANARY, "FASTGPT_CANARY_PERCENT": "5", "FASTGPT_HEDGE_AFTER_SECONDS": "8"}
    assert read(given) == LadderSettings(
        standby_base_url="https://standby.example/api",
        standby_app_id="0123456789abcdef01234567",
        standby_api_key="fastgpt-standby",
        standby_shares_team=False,
        canary_app_id="fedcba9876543210fedcba98",
        canary_api_key="fastgpt-canary",
        canary_percent=5,
        hedge_after_s=8,
    )
    assert read({**given, "FASTGPT_STANDBY_TEAM": "same"}).standby_shares_team


def test_the_standbys_address_gets_the_end_that_was_left_out():
    assert read({**STANDBY, "FASTGPT_STANDBY_BASE_URL": "https://standby.example/"}).standby_base_url.endswith("e/api")


@pytest.mark.parametrize("missing", [*STANDBY, *CANARY])
def test_a_part_of_an_endpoint_is_none(missing: str):
    whole = STANDBY if missing in STANDBY else CANARY

    assert problems({**whole, missing: ""}) == [f"{missing} (in the FastGPT secret) is missing"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("FASTGPT_STANDBY_BASE_URL", "standby.example", "must be an http(s) address without a query"),
        ("FASTGPT_STANDBY_APP_ID", "standby", "must be 24 hexadecimal digits"),
        ("FASTGPT_STANDBY_API_KEY", "a key", "must be printable ASCII without spaces"),
        ("FASTGPT_STANDBY_TEAM", "mine", "must be same or other"),
        ("FASTGPT_CANARY_PERCENT", "51", "must be a whole number from 0 to 50"),
        ("FASTGPT_HEDGE_AFTER_SECONDS", "2.5", "must be a whole number from 0 to 60"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: str, problem: str):
    given = {**EMPTY, **STANDBY, **CANARY, name: value}

    assert problems(given) == [f"{name} (in the FastGPT secret) {problem}"]
    assert local_problems({**REAL, **given}) == [f"{name} {problem}"]


@pytest.mark.parametrize("endpoint", [STANDBY, CANARY])
def test_a_local_run_has_them_whole_and_beside_a_real_first_one_only(endpoint: Mapping[str, str]):
    first, *others = endpoint

    assert local_problems({**REAL, **endpoint}) == []
    assert local_problems({**REAL, first: endpoint[first]}) == [f"{name} is missing" for name in others]
    (told,) = local_problems(endpoint)
    assert "only with FASTGPT_BASE_URL" in told


def test_a_simulated_fastgpt_has_a_standby_with_an_address_and_a_key_of_its_own():
    vendors = choose_vendors({}, "http://127.0.0.1:8080")

    assert vendors.settings["FASTGPT_STANDBY_BASE_URL"] == "http://127.0.0.1:8080/fastgpt-standby/api"
    first, standby = vendors.fastgpt_simulator(), vendors.fastgpt_standby_simulator()
    assert first
    assert standby
    assert not set(first.values()) & set(standby.values())


def test_a_real_fastgpt_has_the_standby_that_is_set_and_none_otherwise():
    assert choose_vendors(REAL, "http://127.0.0.1:8080").settings["FASTGPT_STANDBY_BASE_URL"] == ""
    set_one = {**REAL, **STANDBY, "FASTGPT_STANDBY_BASE_URL": "https://standby.example"}
    vendors = choose_vendors(set_one, "http://127.0.0.1:8080")
    assert vendors.settings["FASTGPT_STANDBY_BASE_URL"] == "https://standby.example/api"
    assert vendors.fastgpt_standby_simulator() is None
