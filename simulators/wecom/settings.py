"""What the simulated enterprise is (`WecomSettings`) and how the platform behaves (`Behaviour`).

`Behaviour` holds what the vendor's documentation leaves open or contradicts itself about, so that a bot can be
tried against every reading, and the time limits, so that a test need not wait five real seconds.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r"[0-9A-Za-z]{1,32}")
_AES_KEY = re.compile(r"[0-9A-Za-z]{43}")
_RUNTIME_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "OverlongText": (str,),
}


class SettingsError(ValueError):
    """A setting is missing or malformed. The text names every wrong setting and never a value."""


class OverlongText(StrEnum):
    """What happens to a text of more than 2048 bytes: the send page says the first, the error list the second."""

    TRUNCATE = "truncate"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class WecomSettings:
    """One enterprise with one self-built app, and where that app's callbacks go.

    `token` and `encoding_aes_key` are those of the app's "receive messages" page (WeCom developer docs, path 90930).
    An empty `callback_url` means that the app has no callback configured yet. Secrets stay out of `repr`.

    The `kf_…` fields are those of 微信客服 where it has its own: the edition with a dedicated secret (path 94638) and
    the callback page of its own. An empty one means that the app's is used.
    """

    corp_id: str
    agent_id: int
    secret: str = field(repr=False)
    token: str = field(repr=False)
    encoding_aes_key: str = field(repr=False)
    callback_url: str = ""
    kf_secret: str = field(default="", repr=False)
    kf_token: str = field(default="", repr=False)
    kf_encoding_aes_key: str = field(default="", repr=False)
    kf_callback_url: str = ""

    def __post_init__(self) -> None:
        """Refuse malformed settings, naming all of them at once."""
        wrong = [name for name, good in self._checks().items() if not good]
        if wrong:
            raise SettingsError(f"missing or malformed: {', '.join(wrong)}")

    def _checks(self) -> Mapping[str, bool]:
        return {
            "corp_id": bool(self.corp_id) and self.corp_id.isascii(),
            "agent_id": type(self.agent_id) is int and self.agent_id > 0,
            "secret": bool(self.secret),
            "token": _TOKEN.fullmatch(self.token) is not None,
            "encoding_aes_key": _AES_KEY.fullmatch(self.encoding_aes_key) is not None,
            "callback_url": not self.callback_url or _is_address(self.callback_url),
            "kf_token": not self.kf_token or _TOKEN.fullmatch(self.kf_token) is not None,
            "kf_encoding_aes_key": not self.kf_encoding_aes_key
            or _AES_KEY.fullmatch(self.kf_encoding_aes_key) is not None,
            "kf_callback_url": not self.kf_callback_url or _is_address(self.kf_callback_url),
        }

    @property
    def kf_has_own_secret(self) -> bool:
        """Tell whether kf/* has a secret apart from the app's, so that the rights of the two are separate."""
        return self.kf_secret not in {"", self.secret}

    def of_kf(self) -> WecomSettings:
        """Return the settings with which callbacks of 微信客服 are encrypted and addressed."""
        return replace(
            self,
            token=self.kf_token or self.token,
            encoding_aes_key=self.kf_encoding_aes_key or self.encoding_aes_key,
            callback_url=self.kf_callback_url or self.callback_url,
        )

    def redacted(self) -> dict[str, object]:
        """Return the settings for people to read: secrets are shown by their length only."""
        return {
            "corp_id": self.corp_id,
            "agent_id": self.agent_id,
            "secret": _redact(self.secret),
            "token": _redact(self.token),
            "encoding_aes_key": _redact(self.encoding_aes_key),
            "callback_url": self.callback_url,
            "kf_secret": _redact(self.kf_secret),
            "kf_token": _redact(self.kf_token),
            "kf_encoding_aes_key": _redact(self.kf_encoding_aes_key),
            "kf_callback_url": self.kf_callback_url,
        }


def settings_from(environment: Mapping[str, str], callback_url: str) -> WecomSettings:
    """Return what the names `WECOM_…` of ``environment`` say of the enterprise. Raises `SettingsError`."""
    agent_id = environment.get("WECOM_AGENT_ID", "")
    names = ("corp_id", "secret", "token", "encoding_aes_key", "kf_secret", "kf_token", "kf_encoding_aes_key")
    texts = {name: environment.get(f"WECOM_{name.upper()}", "") for name in names}
    return WecomSettings(
        **texts,
        agent_id=int(agent_id) if agent_id.isascii() and agent_id.isdecimal() else 0,
        callback_url=callback_url,
    )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the platform treats callbacks and sends. Every field can be changed at run time.

    - `callback_timeout_s` 5, `verify_timeout_s` 1, `max_attempts` 3 (docs, paths 90930 and 90238); whether
      "retried three times" means 3 or 1 + 3 requests is not documented, so try 4 as well.
    - `retry_interval_s`: not documented.
    - `retry_non_200`: path 90238 says that any code but 200 is retried, path 90930 that only network errors are.
    - `token_lifetime_s` 7200 (path 91039); `sends_per_minute` 30 and `sends_per_hour` 1000 to one member (path 90312).
    - `content_type` of the callback request: not documented.
    - `agent_for_everybody`: the console lets the whole enterprise see the app; otherwise only the members that are
      known and visible. `agent_closed`: the console has switched the app off.

    微信客服:

    - `kf_coalesce`: a notification waits `kf_coalesce_window_s` and stands for all that happens meanwhile (path 94670
      says that one may stand for several, not when); off: one for each entry of the log.
    - `kf_empty_pages`: every page of sync_msg that has something is preceded by an empty one with has_more 1.
    - `untokened_syncs_per_minute` of one account without a notification's token; the limit is documented as strict and
      not as a number. 0: no limit.
    - `repeated_msgid_errcode`: what kf/send_msg answers to a msgid it has seen. The number is not documented; 95099 is
      this simulator's choice, and no number of the vendor's list.
    - `kf_strict_changes`: refuses the changes of state that no stored text of path 94669 shows (0 to 1, and 0, 1 and 2
      to 4).
    - `kf_native_welcome`: a welcome is configured in the console, so enter_session never has a welcome_code.
    - `kf_agent_id_element`: the outer envelope of its callbacks has an AgentID, as the app's have; not documented.
    """

    callback_timeout_s: float = 5.0
    verify_timeout_s: float = 1.0
    max_attempts: int = 3
    retry_interval_s: float = 1.0
    retry_non_200: bool = True
    token_lifetime_s: int = 7200
    sends_per_minute: int = 30
    sends_per_hour: int = 1000
    overlong_text: OverlongText = OverlongText.TRUNCATE
    content_type: str = "text/xml"
    agent_for_everybody: bool = True
    agent_closed: bool = False
    kf_coalesce: bool = False
    kf_coalesce_window_s: float = 0.2
    kf_empty_pages: bool = False
    untokened_syncs_per_minute: int = 0
    repeated_msgid_errcode: int = 95099
    kf_strict_changes: bool = False
    kf_native_welcome: bool = False
    kf_agent_id_element: bool = False

    def __post_init__(self) -> None:
        """Refuse values that would make no sense, naming all of them at once."""
        positive = ("callback_timeout_s", "verify_timeout_s", "max_attempts", "token_lifetime_s")
        wrong = [name for name in positive if getattr(self, name) <= 0]
        not_negative = ("retry_interval_s", "sends_per_minute", "sends_per_hour", "kf_coalesce_window_s")
        wrong += [name for name in (*not_negative, "untokened_syncs_per_minute") if getattr(self, name) < 0]
        if self.overlong_text not in set(OverlongText):
            wrong.append("overlong_text")
        if wrong:
            raise SettingsError(f"missing or malformed: {', '.join(wrong)}")


def change(
    settings: WecomSettings, behaviour: Behaviour, changes: Mapping[str, object]
) -> tuple[WecomSettings, Behaviour]:
    """Return both objects with `changes` (field name to new value) applied.

    Raises `SettingsError` for an unknown name or a value of the wrong type; then nothing has changed.
    """
    types = {item.name: str(item.type) for cls in (WecomSettings, Behaviour) for item in fields(cls)}
    wrong = [name for name, value in changes.items() if not _fits(value, types.get(name, ""))]
    if wrong:
        raise SettingsError(f"unknown or of the wrong type: {', '.join(sorted(wrong))}")
    own = {item.name for item in fields(WecomSettings)}
    # The types were checked against the field annotations above, which a type checker cannot follow.
    new_settings = replace(settings, **{k: v for k, v in changes.items() if k in own})  # type: ignore[arg-type]
    new_behaviour = replace(behaviour, **{k: v for k, v in changes.items() if k not in own})  # type: ignore[arg-type]
    return new_settings, new_behaviour


def aes_key_bytes(encoding_aes_key: str) -> bytes:
    """Return the 32 key bytes of an EncodingAESKey, whose last character may carry spare bits."""
    return base64.b64decode(encoding_aes_key + "=")


def _is_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        return (
            address.scheme in {"http", "https"}
            and bool(address.hostname)
            and address.port != 0
            and not address.fragment
        )
    except ValueError:  # a port that is none, or a broken IPv6 address
        return False


def _fits(value: object, type_name: str) -> bool:
    allowed = _RUNTIME_TYPES.get(type_name, ())
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, allowed)


def _redact(secret: str) -> str:
    return f"<{len(secret)} characters>"
