"""Decides which vendors are real in a local run, and invents credentials for those that are simulated."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WECOM_API_BASE = "https://qyapi.weixin.qq.com"

_ALPHANUMERIC = string.ascii_letters + string.digits
_WECOM = ("WECOM_CORP_ID", "WECOM_AGENT_ID", "WECOM_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")
_FASTGPT = ("FASTGPT_BASE_URL", "FASTGPT_API_KEY", "FASTGPT_APP_ID")
# The simulated colleagues who take customers over.
_SIMULATED_AGENTS = "zhou.min|he.yun"


@dataclass(frozen=True, slots=True)
class Vendors:
    """What the stack is deployed with. ``settings`` holds secrets and is therefore not shown."""

    settings: Mapping[str, str] = field(repr=False)
    wecom_is_simulated: bool
    fastgpt_is_simulated: bool

    def wecom_simulator(self) -> dict[str, str | int] | None:
        """Return what the WeCom simulator has to know; None when WeCom is real."""
        if not self.wecom_is_simulated:
            return None
        return {
            "corp_id": self.settings["WECOM_CORP_ID"],
            "agent_id": int(self.settings["WECOM_AGENT_ID"]),
            "secret": self.settings["WECOM_SECRET"],
            "token": self.settings["WECOM_TOKEN"],
            "encoding_aes_key": self.settings["WECOM_ENCODING_AES_KEY"],
        }

    def fastgpt_simulator(self) -> dict[str, str] | None:
        """Return what the FastGPT simulator has to know; None when FastGPT is real."""
        if not self.fastgpt_is_simulated:
            return None
        return {
            "api_key": self.settings["FASTGPT_API_KEY"],
            "app_id": self.settings["FASTGPT_APP_ID"],
            "lite_api_key": self.settings["FASTGPT_LITE_API_KEY"],
            "lite_app_id": self.settings["FASTGPT_LITE_APP_ID"],
            "canary_api_key": self.settings["FASTGPT_CANARY_API_KEY"],
            "canary_app_id": self.settings["FASTGPT_CANARY_APP_ID"],
        }

    def fastgpt_standby_simulator(self) -> dict[str, str] | None:
        """Return what the simulated standby has to know; None when FastGPT is real."""
        if not self.fastgpt_is_simulated:
            return None
        return {
            "api_key": self.settings["FASTGPT_STANDBY_API_KEY"],
            "app_id": self.settings["FASTGPT_STANDBY_APP_ID"],
        }


def choose_vendors(given: Mapping[str, str], simulators_url: str) -> Vendors:
    """Return the settings of both vendors: those ``given``, or else invented ones that lead to ``simulators_url``.

    ``given`` has passed `frontdesk.settings.local_problems`, so a vendor's settings are all there or all absent.
    Nothing is invented for 微信客服: the simulated application serves it.
    """
    settings = dict(given)
    wecom_is_simulated = not any(name in given for name in _WECOM)
    fastgpt_is_simulated = not any(name in given for name in _FASTGPT)
    if wecom_is_simulated:
        settings.update(_invented_wecom())
        settings.setdefault("HANDOFF_AGENTS", _SIMULATED_AGENTS)
        settings["EGRESS_PROXY_URL"] = ""  # it leads away from this machine
    settings.setdefault("WECOM_API_BASE", f"{simulators_url}/wecom" if wecom_is_simulated else WECOM_API_BASE)
    if fastgpt_is_simulated:
        settings.update(
            _invented_fastgpt(),
            FASTGPT_BASE_URL=f"{simulators_url}/fastgpt/api",
            FASTGPT_STANDBY_BASE_URL=f"{simulators_url}/fastgpt-standby/api",
        )
    else:
        for name in ("FASTGPT_BASE_URL", "FASTGPT_STANDBY_BASE_URL"):
            base = settings.get(name, "").rstrip("/")
            settings[name] = base if not base or base.endswith("/api") else f"{base}/api"
    return Vendors(settings, wecom_is_simulated, fastgpt_is_simulated)


def _letters(count: int, alphabet: str = _ALPHANUMERIC) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _invented_wecom() -> dict[str, str]:
    return {
        "WECOM_CORP_ID": f"ww{secrets.token_hex(8)}",
        "WECOM_AGENT_ID": "1000002",  # what WeCom's console gives the first application of a company
        "WECOM_SECRET": _letters(43),
        "WECOM_TOKEN": _letters(32),
        # 43 base64 characters of 32 bytes: the last one carries four bits only.
        "WECOM_ENCODING_AES_KEY": _letters(42) + secrets.choice("AEIMQUYcgkosw048"),
    }


def _invented_fastgpt() -> dict[str, str]:
    return {
        "FASTGPT_API_KEY": f"fastgpt-{_letters(48)}",
        "FASTGPT_APP_ID": secrets.token_hex(12),
        "FASTGPT_LITE_API_KEY": f"fastgpt-{_letters(48)}",
        "FASTGPT_LITE_APP_ID": secrets.token_hex(12),
        "FASTGPT_STANDBY_API_KEY": f"fastgpt-{_letters(48)}",
        "FASTGPT_STANDBY_APP_ID": secrets.token_hex(12),
        # Nobody tries it until FASTGPT_CANARY_PERCENT says so.
        "FASTGPT_CANARY_API_KEY": f"fastgpt-{_letters(48)}",
        "FASTGPT_CANARY_APP_ID": secrets.token_hex(12),
    }
