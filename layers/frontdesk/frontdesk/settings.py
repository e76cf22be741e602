"""What each function reads from its environment and its secrets: frozen, or refused with every problem named.

Standard library only, because the callback's import time is a customer's waiting time. Values are never
part of a problem's text: a setting may be a secret that was put under the wrong name.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from frontdesk.errors import SettingsError
from frontdesk.messages import Sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WECOM_API_BASE = "https://qyapi.weixin.qq.com"

_CORP_ID = re.compile(r"(ww|wx)[0-9a-zA-Z]{8,30}")
_TOKEN = re.compile(r"[0-9A-Za-z]{1,32}")
_DIGITS = re.compile(r"[0-9]{1,18}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_APP_ID = re.compile(r"[0-9a-fA-F]{24}")


class Reader:
    """Reads named values from a mapping and remembers what was wrong, so that all problems are told at once."""

    def __init__(self, source: Mapping[str, str], where: str = "") -> None:
        """``where`` follows a name in a problem's text, e.g. the secret that should hold it."""
        self._source = source
        self._where = f" ({where})" if where else ""
        self.problems: list[str] = []

    def _value(self, name: str) -> str:
        value = self._source.get(name, "")
        if not isinstance(value, str):
            self.problems.append(f"{name}{self._where} must be a text")
            return ""
        value = value.strip()
        if not value:
            self.problems.append(f"{name}{self._where} is missing")
        return value

    def checked(self, name: str, expectation: str, check: Callable[[str], object]) -> str:
        """Return the value of ``name``; it is a problem unless ``check`` returns something true."""
        value = self._value(name)
        if value and not check(value):
            self.problems.append(f"{name}{self._where} must be {expectation}")
        return value

    def text(self, name: str, *, optional: bool = False) -> str:
        """Return free text, for people."""
        return self._source.get(name, "").strip() if optional else self._value(name)

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._value(name)
        if _DIGITS.fullmatch(value) and low <= int(value) <= high:
            return int(value)
        if value:
            self.problems.append(f"{name}{self._where} must be a whole number from {low} to {high}")
        return low

    def url(self, name: str) -> str:
        """Return an http(s) address without a trailing slash, query or fragment."""
        return self.checked(name, "an http(s) address without a query", _is_plain_url).rstrip("/")

    def done(self) -> None:
        """Raise `SettingsError` when anything was wrong."""
        if self.problems:
            raise SettingsError(self.problems)


def _is_plain_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        port_is_fine
        and parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and parts.username is None
        and _VISIBLE.fullmatch(value) is not None
        and not {"?", "#"} & set(value)
    )


def _is_aes_key(value: str) -> bool:
    """43 base64 characters of 32 bytes. The last character may carry spare bits (WeCom developer docs, path 90968)."""
    try:
        return len(value) == 43 and len(base64.b64decode(value + "=", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _corp_id(reader: Reader) -> str:
    return reader.checked("WECOM_CORP_ID", "a corp id such as ww followed by 16 characters", _CORP_ID.fullmatch)


def _agent_id(reader: Reader) -> int:
    return reader.integer("WECOM_AGENT_ID", 1, 2**31 - 1)


def _fastgpt_base_url(reader: Reader) -> str:
    """Return the address that all FastGPT paths start with: /api at its end is added where it was left out."""
    base = reader.url("FASTGPT_BASE_URL")
    return base if base.endswith("/api") else base + "/api"


def _audit_retention_days(reader: Reader) -> int:
    """Six months at least: 网络安全法, article 21."""
    return reader.integer("AUDIT_RETENTION_DAYS", 180, 36_500)


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """The callback function's environment."""

    corp_id: str
    region: str
    inbox_url: str
    wecom_secret_arn: str
    identity_secret_arn: str
    keyring_secret_arn: str
    customer_keys_table: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            corp_id=_corp_id(reader),
            region=reader.text("AWS_REGION"),
            inbox_url=reader.url("INBOX_URL"),
            wecom_secret_arn=reader.text("WECOM_SECRET_ARN"),
            identity_secret_arn=reader.text("IDENTITY_SECRET_ARN"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """What the callback needs of the secrets: WeCom's Token and EncodingAESKey, and the digest key."""

    token: str
    encoding_aes_key: str
    conversation_key: str

    @classmethod
    def read(cls, wecom: Mapping[str, str], identity: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        vendor = Reader(wecom, "in the WeCom secret")
        own = Reader(identity, "in the identity secret")
        secrets = cls(
            token=_callback_token(vendor),
            encoding_aes_key=_aes_key(vendor),
            conversation_key=own.checked("CONVERSATION_KEY", "at least 32 characters", lambda v: len(v) >= 32),
        )
        vendor.problems.extend(own.problems)
        vendor.done()
        return secrets


def _callback_token(reader: Reader) -> str:
    return reader.checked("WECOM_TOKEN", "1 to 32 letters and digits", _TOKEN.fullmatch)


def _aes_key(reader: Reader) -> str:
    return reader.checked("WECOM_ENCODING_AES_KEY", "the 43 characters that WeCom shows", _is_aes_key)


@dataclass(frozen=True, slots=True)
class ResponderSettings:
    """The responder function's environment. Durations in seconds."""

    corp_id: str
    agent_id: int
    region: str
    wecom_api_base: str
    wecom_secret_arn: str
    fastgpt_base_url: str
    fastgpt_app_id: str
    fastgpt_secret_arn: str
    keyring_secret_arn: str
    inbox_url: str
    inbox_max_receives: int
    sessions_table: str
    ledger_table: str
    customer_keys_table: str
    audit_table: str
    audit_retention_days: int
    rules_bucket: str
    session_ttl_s: int
    interim_after_s: int
    sentences: Sentences

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            corp_id=_corp_id(reader),
            agent_id=_agent_id(reader),
            region=reader.text("AWS_REGION"),
            wecom_api_base=reader.url("WECOM_API_BASE"),
            wecom_secret_arn=reader.text("WECOM_SECRET_ARN"),
            fastgpt_base_url=_fastgpt_base_url(reader),
            fastgpt_app_id=reader.checked("FASTGPT_APP_ID", "24 hexadecimal digits", _APP_ID.fullmatch),
            fastgpt_secret_arn=reader.text("FASTGPT_SECRET_ARN"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            inbox_url=reader.url("INBOX_URL"),
            inbox_max_receives=reader.integer("INBOX_MAX_RECEIVES", 1, 1000),
            sessions_table=reader.text("SESSIONS_TABLE"),
            ledger_table=reader.text("LEDGER_TABLE"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
            audit_table=reader.text("AUDIT_TABLE"),
            audit_retention_days=_audit_retention_days(reader),
            rules_bucket=reader.text("RULES_BUCKET"),
            session_ttl_s=reader.integer("SESSION_TTL_SECONDS", 1, 86_400),
            interim_after_s=reader.integer("INTERIM_AFTER_SECONDS", 0, 100),
            sentences=Sentences(
                welcome=reader.text("WELCOME_TEXT", optional=True),
                interim=reader.text("INTERIM_TEXT"),
                fallback=reader.text("FALLBACK_TEXT"),
                unsupported=reader.text("UNSUPPORTED_TEXT"),
                reset=reader.text("RESET_TEXT"),
            ),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class ResponderSecrets:
    """What the responder needs of the secrets."""

    wecom_secret: str
    fastgpt_api_key: str

    @classmethod
    def read(cls, wecom: Mapping[str, str], fastgpt: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        channel = Reader(wecom, "in the WeCom secret")
        model = Reader(fastgpt, "in the FastGPT secret")
        secrets = cls(wecom_secret=_wecom_secret(channel), fastgpt_api_key=_fastgpt_api_key(model))
        channel.problems.extend(model.problems)
        channel.done()
        return secrets


def _wecom_secret(reader: Reader) -> str:
    return reader.checked("WECOM_SECRET", "printable ASCII without spaces", _VISIBLE.fullmatch)


def _fastgpt_api_key(reader: Reader) -> str:
    return reader.checked("FASTGPT_API_KEY", "printable ASCII without spaces", _VISIBLE.fullmatch)


@dataclass(frozen=True, slots=True)
class ArchiverSettings:
    """The each-minute archiver's environment. Durations in seconds."""

    sessions_table: str
    idle_index: str
    archive_bucket: str
    session_idle_s: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            sessions_table=reader.text("SESSIONS_TABLE"),
            idle_index=reader.text("SESSIONS_IDLE_INDEX"),
            archive_bucket=reader.text("ARCHIVE_BUCKET"),
            session_idle_s=reader.integer("SESSION_IDLE_SECONDS", 1, 86_400),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class ArchiverStreamSettings:
    """The environment of the function that reads the table's stream."""

    archive_bucket: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(archive_bucket=reader.text("ARCHIVE_BUCKET"))
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class AuditorSettings:
    """The environment of the function that exports the audit."""

    region: str
    audit_table: str
    audit_day_index: str
    audit_bucket: str
    audit_secret_arn: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            region=reader.text("AWS_REGION"),
            audit_table=reader.text("AUDIT_TABLE"),
            audit_day_index=reader.text("AUDIT_DAY_INDEX"),
            audit_bucket=reader.text("AUDIT_BUCKET"),
            audit_secret_arn=reader.text("AUDIT_SECRET_ARN"),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class ReviewerSettings:
    """The environment of the function that reviews what was said."""

    region: str
    keyring_secret_arn: str
    customer_keys_table: str
    audit_table: str
    audit_day_index: str
    audit_bucket: str
    reviews_table: str
    rules_bucket: str
    sample_percent: int

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            region=reader.text("AWS_REGION"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
            audit_table=reader.text("AUDIT_TABLE"),
            audit_day_index=reader.text("AUDIT_DAY_INDEX"),
            audit_bucket=reader.text("AUDIT_BUCKET"),
            reviews_table=reader.text("REVIEWS_TABLE"),
            rules_bucket=reader.text("RULES_BUCKET"),
            sample_percent=reader.integer("REVIEW_SAMPLE_PERCENT", 1, 100),
        )
        reader.done()
        return settings


_WECOM_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    "WECOM_CORP_ID": _corp_id,
    "WECOM_AGENT_ID": _agent_id,
    "WECOM_SECRET": _wecom_secret,
    "WECOM_TOKEN": _callback_token,
    "WECOM_ENCODING_AES_KEY": _aes_key,
}
_FASTGPT_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    "FASTGPT_BASE_URL": _fastgpt_base_url,
    "FASTGPT_API_KEY": _fastgpt_api_key,
    "FASTGPT_APP_ID": lambda r: r.checked("FASTGPT_APP_ID", "24 hexadecimal digits", _APP_ID.fullmatch),
}


def local_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the settings of a local run, nothing when it can start.

    A vendor whose settings are all absent is simulated. A vendor with some of them set is meant to be the
    real one: then every one of its settings must be there and well formed.
    """
    reader = Reader(environ)
    for vendor in (_WECOM_LOCAL, _FASTGPT_LOCAL):
        if any(environ.get(name, "").strip() for name in vendor):
            for read in vendor.values():
                read(reader)
    if environ.get("WECOM_API_BASE", "").strip():
        reader.url("WECOM_API_BASE")
    numbers = {"SESSION_TTL_SECONDS": 900, "SESSION_IDLE_SECONDS": 600}  # the template's defaults
    for name, low, high in (
        ("SESSION_TTL_SECONDS", 1, 86_400),
        ("SESSION_IDLE_SECONDS", 1, 86_400),
        ("INTERIM_AFTER_SECONDS", 0, 100),
        ("FRONTDESK_PORT", 1, 65_535),
        ("AWS_LOCAL_PORT", 1, 65_535),
    ):
        if environ.get(name, "").strip():
            numbers[name] = reader.integer(name, low, high)
    if not reader.problems and numbers["SESSION_IDLE_SECONDS"] >= numbers["SESSION_TTL_SECONDS"]:
        reader.problems.append("SESSION_IDLE_SECONDS must be less than SESSION_TTL_SECONDS")
    return reader.problems
