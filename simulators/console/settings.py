"""What the local run tells its simulators: read from the JSON file that `make run` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulators.fastgpt.settings import FastgptSettings
from simulators.wecom.settings import SettingsError, WecomSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ConfigError(ValueError):
    """The file cannot be used. The text names everything that is wrong, and never a value."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the functions run. ``endpoint_url`` is ``None`` for the real AWS; ``resources`` is by logical id."""

    region: str
    resources: Mapping[str, str]
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One run. ``wecom`` or ``fastgpt`` is ``None`` when the real one is used, ``standby`` when there is none, too."""

    port: int
    callback_url: str
    wecom: WecomSettings | None
    fastgpt: FastgptSettings | None
    deployment: Deployment
    standby: FastgptSettings | None = None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Wecom(_Part):
    corp_id: str
    agent_id: int
    secret: str
    token: str
    encoding_aes_key: str


class _Fastgpt(_Part):
    api_key: str = Field(min_length=1)
    app_id: str
    lite_api_key: str = ""
    lite_app_id: str = ""
    canary_api_key: str = ""
    canary_app_id: str = ""


class _Aws(_Part):
    endpoint_url: str | None = None
    region: str = Field(min_length=1)
    resources: dict[str, str]


class _File(_Part):
    port: int = Field(ge=1, le=65535)
    callback_url: str = Field(pattern=r"^https?://")
    wecom: _Wecom | None
    fastgpt: _Fastgpt | None
    fastgpt_standby: _Fastgpt | None = None
    aws: _Aws


def load_settings(path: Path) -> RunSettings:
    """Return the settings in the file at ``path``; raises `ConfigError`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not JSON") from exc
    return read_settings(document)


def read_settings(document: Any) -> RunSettings:
    """Return the settings in ``document`` (parsed JSON); raises `ConfigError`."""
    try:
        given = _File.model_validate(document)
    except ValidationError as exc:
        wrong = ("{}: {}".format(".".join(map(str, each["loc"])), each["msg"]) for each in exc.errors())
        raise ConfigError("; ".join(wrong)) from exc
    wecom, fastgpt, standby = given.wecom, given.fastgpt, given.fastgpt_standby
    try:
        return RunSettings(
            port=given.port,
            callback_url=given.callback_url,
            wecom=WecomSettings(**wecom.model_dump(), callback_url=given.callback_url) if wecom else None,
            fastgpt=FastgptSettings(**fastgpt.model_dump()) if fastgpt else None,
            standby=FastgptSettings(**standby.model_dump()) if standby else None,
            deployment=Deployment(given.aws.region, given.aws.resources, given.aws.endpoint_url),
        )
    except SettingsError as exc:
        raise ConfigError(f"wecom: {exc}") from exc
    except ValueError as exc:
        raise ConfigError(f"fastgpt: {exc}") from exc
