"""Whom the traffic goes to: the local run by its own files, or a bot by its address with secrets of the environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from simulators.traffic import local
from simulators.traffic.options import OptionsError, read_options
from simulators.wecom.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

WECOM = {
    "corp_id": "ww0a1b2c3d4e5f6a7b",
    "agent_id": 1000002,
    "secret": "an-invented-secret",
    "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}
ENVIRONMENT = {f"WECOM_{name.upper()}": str(value) for name, value in WECOM.items()}
URL = "https://bot.example/callback"


def written(folder: Path, **changes: Any) -> list[str]:
    """Write what a local run writes of itself, and return the options that point there."""
    described = {
        "port": 8080,
        "callback_url": "http://127.0.0.1:4566/callback",
        "wecom": WECOM,
        "fastgpt": {"api_key": "key"},
        "fastgpt_standby": {"api_key": "key"},
        "aws": {"endpoint_url": "http://127.0.0.1:4566", "region": "us-east-1", "resources": {}},
        **changes,
    }
    (folder / "simulators.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / "processes.json").write_text(json.dumps({"aws": {"pid": 42, "started": "x"}}), encoding="utf-8")
    return ["--local", str(folder)]


def test_without_an_address_the_local_run_is_meant_with_all_its_simulators(tmp_path: Path) -> None:
    options = read_options(written(tmp_path), {})
    assert options.settings.callback_url == "http://127.0.0.1:4566/callback"
    assert options.wecom == "http://127.0.0.1:8080/wecom"
    assert options.fastgpts == ("http://127.0.0.1:8080/fastgpt", "http://127.0.0.1:8080/fastgpt-standby")
    assert (options.processes, options.mix.kf) == ({"aws": 42}, 0.2)


def test_a_local_run_without_a_standby_has_one_fastgpt(tmp_path: Path) -> None:
    options = read_options(written(tmp_path, fastgpt_standby=None), {})
    assert options.fastgpts == ("http://127.0.0.1:8080/fastgpt",)


@pytest.mark.parametrize("vendor", ["wecom", "fastgpt"])
def test_a_local_run_with_a_real_vendor_is_left_alone(tmp_path: Path, vendor: str) -> None:
    with pytest.raises(local.NoLocalRunError, match="real vendor"):
        read_options(written(tmp_path, **{vendor: None}), {})


def test_the_local_bots_sentences_are_the_templates_or_those_that_were_set() -> None:
    usual, changed = local.phrases({}), local.phrases({"INTERIM_TEXT": "稍等。"})
    assert any("查询" in text for text in usual.passing)
    assert "稍等。" in changed.passing
    assert usual.apology == changed.apology
    assert all(len(each) == 1 for each in (usual.apology, usual.media))


def test_a_bot_is_reached_by_its_address_with_secrets_of_the_environment() -> None:
    options = read_options(["--callback-url", URL], ENVIRONMENT)
    assert (options.settings.token, options.settings.callback_url) == (WECOM["token"], URL)
    assert (options.wecom, options.fastgpts, options.mix.kf) == ("", (), 0.0)


def test_being_the_bots_wecom_brings_customers_of_customer_service() -> None:
    options = read_options(["--callback-url", URL, "--serve", "9000"], ENVIRONMENT)
    assert (options.wecom, options.mix.kf) == ("http://127.0.0.1:9000", 0.2)


def test_no_secret_is_shown_with_the_options(tmp_path: Path) -> None:
    for options in (read_options(written(tmp_path), {}), read_options(["--callback-url", URL], ENVIRONMENT)):
        assert not any(WECOM[name] in repr(options) for name in ("secret", "token", "encoding_aes_key"))


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(SettingsError, match="token"):
        read_options(["--callback-url", URL], {**ENVIRONMENT, "WECOM_TOKEN": ""})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--kf", "0.5"], "--kf"),
        (["--troubled"], "--troubled"),
        (["--customers", "0"], "nobody would write"),
        (["--burst", "-1"], "nobody would write"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], reason: str) -> None:
    with pytest.raises(OptionsError, match=reason):
        read_options(["--callback-url", URL, *arguments], ENVIRONMENT)


def test_the_local_run_needs_no_other_vendors(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="--serve"):
        read_options([*written(tmp_path), "--serve", "9000"], {})


@pytest.mark.parametrize("arguments", [["--rate", "0"], ["--media", "1.5"], ["--duplicates", "-0.1"]])
def test_numbers_out_of_range_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--callback-url", URL, *arguments], ENVIRONMENT)
