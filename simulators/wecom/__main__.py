"""`python -m simulators.wecom`: run the WeCom simulator alone.

Every option can come from the environment instead (`--corp-id` from WECOM_CORP_ID and so on), which keeps secrets out
of the process list.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import uvicorn

from simulators.wecom.app import create_app
from simulators.wecom.settings import SettingsError, WecomSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OPTIONS = {
    "callback-url": "where callbacks go (may be set later through the control API)",
    "corp-id": "the enterprise",
    "agent-id": "the self-built app, an integer",
    "secret": "the app's secret",
    "token": "the callback's token",
    "encoding-aes-key": "the callback's EncodingAESKey, 43 characters",
    "kf-secret": "the secret of 微信客服, if it has its own",
    "kf-token": "its callback's token, if it has its own",
    "kf-encoding-aes-key": "its callback's EncodingAESKey, if it has its own",
    "kf-callback-url": "where its callbacks go, if not to the app's address",
}


def read_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """Return the options, filled up from `environment`; exits with a message when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m simulators.wecom", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    for name, meaning in _OPTIONS.items():
        variable = f"WECOM_{name.upper().replace('-', '_')}"
        parser.add_argument(f"--{name}", default=environment.get(variable, ""), help=f"{meaning} [{variable}]")
    return parser.parse_args(arguments)


def read_settings(options: argparse.Namespace) -> WecomSettings:
    """Return the settings in `options`; raises `SettingsError` naming every one that is missing or malformed."""
    agent_id = options.agent_id
    return WecomSettings(
        corp_id=options.corp_id,
        agent_id=int(agent_id) if agent_id.isascii() and agent_id.isdecimal() else 0,
        secret=options.secret,
        token=options.token,
        encoding_aes_key=options.encoding_aes_key,
        callback_url=options.callback_url,
        kf_secret=options.kf_secret,
        kf_token=options.kf_token,
        kf_encoding_aes_key=options.kf_encoding_aes_key,
        kf_callback_url=options.kf_callback_url,
    )


def main() -> int:
    """Serve until interrupted; return the exit status."""
    options = read_arguments(sys.argv[1:], os.environ)
    try:
        settings = read_settings(options)
    except SettingsError as exc:
        print(f"wecom simulator: {exc}", file=sys.stderr)
        return 2
    base = f"http://{options.host}:{options.port}"
    print(f"wecom simulator: API {base}/cgi-bin/ · control {base}/_control/")
    for name, value in settings.redacted().items():
        print(f"  {name:19} {value}")
    sys.stdout.flush()
    # No access log: the API carries secrets and tokens in query strings. Stopping does not wait for long polls.
    uvicorn.run(
        create_app(settings),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
