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
_USER_INFO = r"[A-Za-z0-9._~%!$&*+,;=-]{1,200}"
_PROXY = re.compile(rf"https?://({_USER_INFO}(:{_USER_INFO})?@)?[A-Za-z0-9.-]{{1,253}}(:[0-9]{{1,5}})?")


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
        if not optional:
            return self._value(name)
        value = self._source.get(name, "")
        return value.strip() if isinstance(value, str) else ""

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
    pulls_url: str
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
            pulls_url=reader.url("PULLS_URL"),
            wecom_secret_arn=reader.text("WECOM_SECRET_ARN"),
            identity_secret_arn=reader.text("IDENTITY_SECRET_ARN"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class CallbackSecrets:
    """What the callback needs of the secrets: WeCom's Tokens and EncodingAESKeys, and the digest key.

    ``callbacks`` are pairs of the two: the application's, and that of customer service where it has one of its own.
    """

    callbacks: tuple[tuple[str, str], ...]
    conversation_key: str

    @classmethod
    def read(cls, wecom: Mapping[str, str], identity: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        vendor = Reader(wecom, "in the WeCom secret")
        own = Reader(identity, "in the identity secret")
        secrets = cls(callbacks=_callbacks(vendor), conversation_key=_conversation_key(own))
        vendor.problems.extend(own.problems)
        vendor.done()
        return secrets


def _callbacks(reader: Reader) -> tuple[tuple[str, str], ...]:
    callbacks = [(_callback_token(reader), _aes_key(reader))]
    if any(reader.text(name, optional=True) for name in _KF_CALLBACK):
        callbacks.append((_callback_token(reader, _KF_CALLBACK[0]), _aes_key(reader, _KF_CALLBACK[1])))
    return tuple(dict.fromkeys(callbacks))


def _callback_token(reader: Reader, name: str = "WECOM_TOKEN") -> str:
    return reader.checked(name, "1 to 32 letters and digits", _TOKEN.fullmatch)


def _aes_key(reader: Reader, name: str = "WECOM_ENCODING_AES_KEY") -> str:
    return reader.checked(name, "the 43 characters that WeCom shows", _is_aes_key)


def _conversation_key(reader: Reader) -> str:
    return reader.checked("CONVERSATION_KEY", "at least 32 characters", lambda v: len(v) >= 32)


def _own_kf_secret(reader: Reader) -> str:
    """Return the secret of customer service, "" where it uses the application's."""
    return _optional(reader, "WECOM_KF_SECRET", _wecom_secret)


def _is_proxy_url(value: str) -> bool:
    try:
        return _PROXY.fullmatch(value) is not None and (urlsplit(value).port or 443) > 0
    except ValueError:  # a port beyond 65535
        return False


def _egress_proxy_url(reader: Reader) -> str:
    """Return the proxy that WeCom is called through, "" for none. It may hold a user's name and password."""
    expected = "http(s)://host:port, with user:password@ before the host if need be, percent-encoded"
    name = "EGRESS_PROXY_URL"
    return _optional(reader, name, lambda given, _: given.checked(name, expected, _is_proxy_url))


_KF_CALLBACK = ("WECOM_KF_TOKEN", "WECOM_KF_ENCODING_AES_KEY")
TRIGGERS = ("asked", "confidence", "intent", "repeated", "anger", "rule", "failed")
CHANNELS = ("wecom_app", "wecom_kf")
_USER_IDS = re.compile(r"[0-9A-Za-z_.@|-]{0,2000}")
_FRACTION = re.compile(r"0(\.[0-9]{1,4})?|1(\.0{1,4})?")


def _optional(reader: Reader, name: str, read: Callable[[Reader, str], str]) -> str:
    """Return what ``read`` makes of ``name``, "" where it is not set."""
    return read(reader, name) if reader.text(name, optional=True) else ""


def _words(reader: Reader, name: str, allowed: tuple[str, ...]) -> frozenset[str]:
    """Return a list of words separated by commas; an empty one is fine."""
    words = frozenset(filter(None, (word.strip() for word in reader.text(name, optional=True).split(","))))
    if not words <= set(allowed):
        reader.problems.append(f"{name} must be some of {', '.join(allowed)}")
    return words


def _agents(reader: Reader) -> tuple[str, ...]:
    """Return the user ids in HANDOFF_AGENTS, which are separated by vertical bars as WeCom's own lists are."""
    written = reader.text("HANDOFF_AGENTS", optional=True)
    if not _USER_IDS.fullmatch(written):
        reader.problems.append("HANDOFF_AGENTS must be user ids separated by |")
    return tuple(filter(None, written.split("|")))


def _threshold(reader: Reader) -> float:
    written = reader.checked("HANDOFF_THRESHOLD", "a number from 0 to 1", _FRACTION.fullmatch)
    return float(written) if _FRACTION.fullmatch(written) else 0.0


def _kf_handoff_to(reader: Reader) -> str:
    return reader.checked("KF_HANDOFF_TO", "servicer or queue", {"servicer", "queue"}.__contains__)


@dataclass(frozen=True, slots=True)
class HandoffSettings:
    """When people are to go on, and who they are. Durations in seconds, ``business_hours`` as written."""

    threshold: float
    triggers: frozenset[str]
    agents: tuple[str, ...]
    timeout_s: int
    kf_handoff_to: str
    business_hours: str
    rating_channels: frozenset[str]

    @classmethod
    def of(cls, reader: Reader) -> Self:
        """Return the settings; what is wrong with them is among the reader's problems."""
        return cls(
            threshold=_threshold(reader),
            triggers=_words(reader, "HANDOFF_TRIGGERS", TRIGGERS),
            agents=_agents(reader),
            timeout_s=reader.integer("HANDOFF_TIMEOUT_SECONDS", 30, 3600),
            kf_handoff_to=_kf_handoff_to(reader),
            business_hours=reader.text("BUSINESS_HOURS", optional=True),
            rating_channels=_words(reader, "SATISFACTION_CHANNELS", CHANNELS),
        )


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
    fastgpt_lite_app_id: str
    fastgpt_secret_arn: str
    keyring_secret_arn: str
    inbox_url: str
    inbox_max_receives: int
    sessions_table: str
    ledger_table: str
    customer_keys_table: str
    audit_table: str
    audit_retention_days: int
    attendance_table: str
    tickets_table: str
    tickets_url: str
    rules_bucket: str
    session_ttl_s: int
    interim_after_s: int
    handoff: HandoffSettings
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
            fastgpt_app_id=_fastgpt_app_id(reader),
            fastgpt_lite_app_id=_optional(reader, "FASTGPT_LITE_APP_ID", _fastgpt_app_id),
            fastgpt_secret_arn=reader.text("FASTGPT_SECRET_ARN"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            inbox_url=reader.url("INBOX_URL"),
            inbox_max_receives=reader.integer("INBOX_MAX_RECEIVES", 1, 1000),
            sessions_table=reader.text("SESSIONS_TABLE"),
            ledger_table=reader.text("LEDGER_TABLE"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
            audit_table=reader.text("AUDIT_TABLE"),
            audit_retention_days=_audit_retention_days(reader),
            attendance_table=reader.text("ATTENDANCE_TABLE"),
            tickets_table=reader.text("TICKETS_TABLE"),
            tickets_url=reader.url("TICKETS_URL"),
            rules_bucket=reader.text("RULES_BUCKET"),
            handoff=HandoffSettings.of(reader),
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
class LadderSettings:
    """What FastGPT's secret says of the endpoints beside the first. An empty app id stands for none.

    ``standby_shares_team`` tells that it lives on the same points; ``hedge_after_s`` 0 turns hedging off.
    """

    standby_base_url: str
    standby_app_id: str
    standby_api_key: str
    standby_shares_team: bool
    canary_app_id: str
    canary_api_key: str
    canary_percent: int
    hedge_after_s: int

    @classmethod
    def of(cls, reader: Reader) -> Self:
        """Return the settings; what is wrong with them is among the reader's problems."""
        standby = any(reader.text(name, optional=True) for name in _STANDBY)
        canary = any(reader.text(name, optional=True) for name in _CANARY)
        return cls(
            standby_base_url=_standby_base_url(reader) if standby else "",
            standby_app_id=_fastgpt_app_id(reader, _STANDBY[1]) if standby else "",
            standby_api_key=_fastgpt_api_key(reader, _STANDBY[2]) if standby else "",
            standby_shares_team=_optional(reader, "FASTGPT_STANDBY_TEAM", _standby_team) == "same",
            canary_app_id=_fastgpt_app_id(reader, _CANARY[0]) if canary else "",
            canary_api_key=_fastgpt_api_key(reader, _CANARY[1]) if canary else "",
            canary_percent=_optional_integer(reader, "FASTGPT_CANARY_PERCENT", MOST_CANARY_PERCENT) if canary else 0,
            hedge_after_s=_optional_integer(reader, "FASTGPT_HEDGE_AFTER_SECONDS", 60),
        )


_STANDBY = ("FASTGPT_STANDBY_BASE_URL", "FASTGPT_STANDBY_APP_ID", "FASTGPT_STANDBY_API_KEY")
_CANARY = ("FASTGPT_CANARY_APP_ID", "FASTGPT_CANARY_API_KEY")
MOST_CANARY_PERCENT = 50


def _standby_base_url(reader: Reader) -> str:
    base = reader.url(_STANDBY[0])
    return base if base.endswith("/api") else base + "/api"


def _standby_team(reader: Reader, name: str = "FASTGPT_STANDBY_TEAM") -> str:
    return reader.checked(name, "same or other", {"same", "other"}.__contains__)


def _optional_integer(reader: Reader, name: str, high: int) -> int:
    """Return a whole number from 0 to ``high``, 0 where it is not set."""
    return reader.integer(name, 0, high) if reader.text(name, optional=True) else 0


@dataclass(frozen=True, slots=True)
class ResponderSecrets:
    """What the responder needs of the secrets. An empty ``own_kf_secret`` is the application's, an empty proxy none."""

    wecom_secret: str
    egress_proxy_url: str
    own_kf_secret: str
    fastgpt_api_key: str
    fastgpt_lite_api_key: str
    ladder: LadderSettings

    @classmethod
    def read(cls, wecom: Mapping[str, str], fastgpt: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        channel = Reader(wecom, "in the WeCom secret")
        model = Reader(fastgpt, "in the FastGPT secret")
        secrets = cls(
            wecom_secret=_wecom_secret(channel),
            egress_proxy_url=_egress_proxy_url(channel),
            own_kf_secret=_own_kf_secret(channel),
            fastgpt_api_key=_fastgpt_api_key(model),
            fastgpt_lite_api_key=_optional(model, "FASTGPT_LITE_API_KEY", _fastgpt_api_key),
            ladder=LadderSettings.of(model),
        )
        channel.problems.extend(model.problems)
        channel.done()
        return secrets


def _wecom_secret(reader: Reader, name: str = "WECOM_SECRET") -> str:
    return reader.checked(name, "printable ASCII without spaces", _VISIBLE.fullmatch)


def _fastgpt_api_key(reader: Reader, name: str = "FASTGPT_API_KEY") -> str:
    return reader.checked(name, "printable ASCII without spaces", _VISIBLE.fullmatch)


def _fastgpt_app_id(reader: Reader, name: str = "FASTGPT_APP_ID") -> str:
    return reader.checked(name, "24 hexadecimal digits", _APP_ID.fullmatch)


@dataclass(frozen=True, slots=True)
class ArchiverSettings:
    """The each-minute archiver's environment. Durations in seconds."""

    sessions_table: str
    idle_index: str
    archive_bucket: str
    session_idle_s: int
    inbox_url: str
    rating_channels: frozenset[str]

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            sessions_table=reader.text("SESSIONS_TABLE"),
            idle_index=reader.text("SESSIONS_IDLE_INDEX"),
            archive_bucket=reader.text("ARCHIVE_BUCKET"),
            session_idle_s=reader.integer("SESSION_IDLE_SECONDS", 1, 86_400),
            inbox_url=reader.url("INBOX_URL"),
            rating_channels=_words(reader, "SATISFACTION_CHANNELS", CHANNELS),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """The environment of the function that fetches what customer service has received."""

    corp_id: str
    agent_id: int
    region: str
    wecom_api_base: str
    wecom_secret_arn: str
    identity_secret_arn: str
    keyring_secret_arn: str
    customer_keys_table: str
    ledger_table: str
    accounts_table: str
    inbox_url: str
    pulls_url: str
    pulls_max_receives: int

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
            identity_secret_arn=reader.text("IDENTITY_SECRET_ARN"),
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
            ledger_table=reader.text("LEDGER_TABLE"),
            accounts_table=reader.text("ACCOUNTS_TABLE"),
            inbox_url=reader.url("INBOX_URL"),
            pulls_url=reader.url("PULLS_URL"),
            pulls_max_receives=reader.integer("PULLS_MAX_RECEIVES", 1, 1000),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class CollectorSecrets:
    """What the collector needs of the secrets. An empty ``own_kf_secret`` is the application's, an empty proxy none."""

    wecom_secret: str
    egress_proxy_url: str
    own_kf_secret: str
    conversation_key: str

    @classmethod
    def read(cls, wecom: Mapping[str, str], identity: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        vendor = Reader(wecom, "in the WeCom secret")
        own = Reader(identity, "in the identity secret")
        secrets = cls(
            wecom_secret=_wecom_secret(vendor),
            egress_proxy_url=_egress_proxy_url(vendor),
            own_kf_secret=_own_kf_secret(vendor),
            conversation_key=_conversation_key(own),
        )
        vendor.problems.extend(own.problems)
        vendor.done()
        return secrets


@dataclass(frozen=True, slots=True)
class SweeperSettings:
    """The environment of the function that looks each minute for what nobody calls about."""

    accounts_table: str
    attendance_table: str
    attendance_due_index: str
    tickets_table: str
    tickets_offer_index: str
    inbox_url: str
    pulls_url: str
    tickets_url: str
    business_hours: str
    ledger_table: str
    canary_alarms: tuple[str, ...]
    canary_app_id: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings, without alarms where there is no canary; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            accounts_table=reader.text("ACCOUNTS_TABLE"),
            attendance_table=reader.text("ATTENDANCE_TABLE"),
            attendance_due_index=reader.text("ATTENDANCE_DUE_INDEX"),
            tickets_table=reader.text("TICKETS_TABLE"),
            tickets_offer_index=reader.text("TICKETS_OFFER_INDEX"),
            inbox_url=reader.url("INBOX_URL"),
            pulls_url=reader.url("PULLS_URL"),
            tickets_url=reader.url("TICKETS_URL"),
            business_hours=reader.text("BUSINESS_HOURS", optional=True),
            ledger_table=reader.text("LEDGER_TABLE"),
            canary_alarms=tuple(
                filter(None, (reader.text(name, optional=True) for name in ("CANARY_ALARM", "CANARY_KF_ALARM")))
            ),
            canary_app_id=_optional(reader, "FASTGPT_CANARY_APP_ID", _fastgpt_app_id),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class TicketsSettings:
    """The environment of the function that opens tickets. An empty ``webhook_url`` stands for none."""

    corp_id: str
    agent_id: int
    region: str
    wecom_api_base: str
    wecom_secret_arn: str
    keyring_secret_arn: str
    customer_keys_table: str
    ledger_table: str
    tickets_table: str
    tickets_url: str
    tickets_max_receives: int
    inbox_url: str
    agents: tuple[str, ...]
    business_hours: str
    webhook_url: str
    ticket_secret_arn: str

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
            keyring_secret_arn=reader.text("KEYRING_SECRET_ARN"),
            customer_keys_table=reader.text("CUSTOMER_KEYS_TABLE"),
            ledger_table=reader.text("LEDGER_TABLE"),
            tickets_table=reader.text("TICKETS_TABLE"),
            tickets_url=reader.url("TICKETS_URL"),
            tickets_max_receives=reader.integer("TICKETS_MAX_RECEIVES", 1, 1000),
            inbox_url=reader.url("INBOX_URL"),
            agents=_agents(reader),
            business_hours=reader.text("BUSINESS_HOURS", optional=True),
            webhook_url=_optional(reader, "TICKET_WEBHOOK_URL", Reader.url),
            ticket_secret_arn=reader.text("TICKET_SECRET_ARN"),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class AlarmTicketsSettings:
    """The environment of the function that asks for tickets about alarms."""

    tickets_url: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(tickets_url=reader.url("TICKETS_URL"))
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class TicketsSecrets:
    """What the tickets function needs of the secrets."""

    wecom_secret: str
    egress_proxy_url: str
    webhook_secret: str

    @classmethod
    def read(cls, wecom: Mapping[str, str], ticket: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        vendor = Reader(wecom, "in the WeCom secret")
        own = Reader(ticket, "in the ticket secret")
        secrets = cls(
            wecom_secret=_wecom_secret(vendor),
            egress_proxy_url=_egress_proxy_url(vendor),
            webhook_secret=own.text("TICKET_WEBHOOK_SECRET"),
        )
        vendor.problems.extend(own.problems)
        vendor.done()
        return secrets


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


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """The environment of the function that tries WeCom and FastGPT from inside the deployment."""

    corp_id: str
    agent_id: int
    region: str
    wecom_api_base: str
    wecom_secret_arn: str
    fastgpt_base_url: str
    fastgpt_app_id: str
    fastgpt_lite_app_id: str
    fastgpt_secret_arn: str
    agents: tuple[str, ...]

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
            fastgpt_app_id=_fastgpt_app_id(reader),
            fastgpt_lite_app_id=_optional(reader, "FASTGPT_LITE_APP_ID", _fastgpt_app_id),
            fastgpt_secret_arn=reader.text("FASTGPT_SECRET_ARN"),
            agents=_agents(reader),
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
    "FASTGPT_APP_ID": _fastgpt_app_id,
}


_KF_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    _KF_CALLBACK[0]: lambda reader: _callback_token(reader, _KF_CALLBACK[0]),
    _KF_CALLBACK[1]: lambda reader: _aes_key(reader, _KF_CALLBACK[1]),
}
_LITE_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    "FASTGPT_LITE_API_KEY": lambda reader: _fastgpt_api_key(reader, "FASTGPT_LITE_API_KEY"),
    "FASTGPT_LITE_APP_ID": lambda reader: _fastgpt_app_id(reader, "FASTGPT_LITE_APP_ID"),
}
_STANDBY_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    _STANDBY[0]: _standby_base_url,
    _STANDBY[1]: lambda reader: _fastgpt_app_id(reader, _STANDBY[1]),
    _STANDBY[2]: lambda reader: _fastgpt_api_key(reader, _STANDBY[2]),
}
_CANARY_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    _CANARY[0]: lambda reader: _fastgpt_app_id(reader, _CANARY[0]),
    _CANARY[1]: lambda reader: _fastgpt_api_key(reader, _CANARY[1]),
}
_ALONE_LOCAL: Mapping[str, Callable[[Reader], object]] = {
    "WECOM_API_BASE": lambda reader: reader.url("WECOM_API_BASE"),
    "FASTGPT_STANDBY_TEAM": _standby_team,
    "HANDOFF_THRESHOLD": _threshold,
    "HANDOFF_TRIGGERS": lambda reader: _words(reader, "HANDOFF_TRIGGERS", TRIGGERS),
    "HANDOFF_AGENTS": _agents,
    "KF_HANDOFF_TO": _kf_handoff_to,
    "SATISFACTION_CHANNELS": lambda reader: _words(reader, "SATISFACTION_CHANNELS", CHANNELS),
    "TICKET_WEBHOOK_URL": lambda reader: reader.url("TICKET_WEBHOOK_URL"),
}


@dataclass(frozen=True, slots=True)
class ReleaseSettings:
    """The environment of the function that tries a new version; an empty ``member`` stands for nobody."""

    corp_id: str
    agent_id: int
    region: str
    wecom_secret_arn: str
    member: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raises `SettingsError`."""
        reader = Reader(environ)
        settings = cls(
            corp_id=_corp_id(reader),
            agent_id=_agent_id(reader),
            region=reader.text("AWS_REGION"),
            wecom_secret_arn=reader.text("WECOM_SECRET_ARN"),
            member=_optional(reader, "RELEASE_CHECK_USER", _member),
        )
        reader.done()
        return settings


@dataclass(frozen=True, slots=True)
class ReleaseSecrets:
    """What that function signs with: pairs of Token and EncodingAESKey, the application's first."""

    callbacks: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, wecom: Mapping[str, str]) -> Self:
        """Return the secrets; raises `SettingsError`."""
        reader = Reader(wecom, "in the WeCom secret")
        secrets = cls(callbacks=_callbacks(reader))
        reader.done()
        return secrets


def _member(reader: Reader, name: str) -> str:
    return reader.checked(name, "one user id", re.compile(r"[0-9A-Za-z_.@-]{1,64}").fullmatch)


def _read_together(
    reader: Reader,
    environ: Mapping[str, str],
    names: Mapping[str, Callable[[Reader], object]],
    *,
    along_with: Mapping[str, object],
) -> None:
    """Read all of ``names`` where one is set: they go together, and only beside a real vendor's settings."""
    if not any(environ.get(name, "").strip() for name in names):
        return
    for read in names.values():
        read(reader)
    if not any(environ.get(name, "").strip() for name in along_with):
        reader.problems.append(f"{', '.join(names)}: only with {', '.join(along_with)}")


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
    _read_together(reader, environ, _KF_LOCAL, along_with=_WECOM_LOCAL)
    for endpoint in (_LITE_LOCAL, _STANDBY_LOCAL, _CANARY_LOCAL):
        _read_together(reader, environ, endpoint, along_with=_FASTGPT_LOCAL)
    _own_kf_secret(reader)
    _egress_proxy_url(reader)
    for name, read_value in _ALONE_LOCAL.items():
        if environ.get(name, "").strip():
            read_value(reader)
    numbers = {"SESSION_TTL_SECONDS": 900, "SESSION_IDLE_SECONDS": 600}  # the template's defaults
    for name, low, high in (
        ("SESSION_TTL_SECONDS", 1, 86_400),
        ("SESSION_IDLE_SECONDS", 1, 86_400),
        ("INTERIM_AFTER_SECONDS", 0, 100),
        ("HANDOFF_TIMEOUT_SECONDS", 30, 3600),
        ("FASTGPT_HEDGE_AFTER_SECONDS", 0, 60),
        ("FASTGPT_CANARY_PERCENT", 0, MOST_CANARY_PERCENT),
        ("FRONTDESK_PORT", 1, 65_535),
        ("AWS_LOCAL_PORT", 1, 65_535),
    ):
        if environ.get(name, "").strip():
            numbers[name] = reader.integer(name, low, high)
    if not reader.problems and numbers["SESSION_IDLE_SECONDS"] >= numbers["SESSION_TTL_SECONDS"]:
        reader.problems.append("SESSION_IDLE_SECONDS must be less than SESSION_TTL_SECONDS")
    return reader.problems
