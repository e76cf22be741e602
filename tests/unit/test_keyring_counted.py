"""A keyring that cannot be used is counted before the function fails to start: its alarm has nothing else to go by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frontdesk.bootstrap import _customer_keys, _keyring
from frontdesk.errors import SettingsError
from frontdesk.protection.sealing import Keyring

RIGHT, WRONG = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
RING = json.dumps({"SM4_KEYRING": {"current": "k1", "keys": {"k1": RIGHT}}})


class Vault:
    """A Secrets Manager that has one value."""

    def __init__(self, value: str) -> None:
        self._value = value

    def call(self, _target: str, _request: object) -> dict[str, Any]:
        return {"SecretString": self._value}


class Checks:
    """The table's item of the keyring's checks, as `key` left it."""

    def __init__(self, key: str) -> None:
        self._stored = {"k1": Keyring.read(key).check_token("k1")}

    def checks(self) -> dict[str, str]:
        return self._stored

    def add_check(self, key_id: str, token: str) -> str:
        return self._stored.setdefault(key_id, token)


def counted(output: str) -> list[tuple[str, list[float]]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return [(line["channel"], line["KeyringInvalid"]) for line in lines]


@pytest.mark.parametrize("value", ["", "no ring", "{}", '{"SM4_KEYRING": {"current": "k2", "keys": {"k1": "00"}}}'])
def test_a_secret_that_holds_no_ring_is_counted(value: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SettingsError):
        _keyring(Vault(value), "arn")

    assert counted(capsys.readouterr().out) == [("system", [1])]


def test_another_key_under_the_same_id_is_counted(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SettingsError, match="key k1 is not the key"):
        _customer_keys(_keyring(Vault(RING), "arn"), Checks(WRONG))  # type: ignore[arg-type]

    assert counted(capsys.readouterr().out) == [("system", [1])]


def test_the_ring_that_has_been_in_use_is_not(capsys: pytest.CaptureFixture[str]):
    _customer_keys(_keyring(Vault(RING), "arn"), Checks(RIGHT))  # type: ignore[arg-type]

    assert counted(capsys.readouterr().out) == []
