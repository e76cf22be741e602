"""`python -m simulators --config FILE`: the page, the simulated WeCom and the simulated FastGPT in one process.

Serves on 127.0.0.1 until SIGTERM or Ctrl-C. The file is JSON; `simulators/console/settings.py` says what it holds.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from simulators.console.app import create_app
from simulators.console.settings import ConfigError, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from starlette.applications import Starlette

_LONGEST_GOODBYE_S = 3


class _Server(uvicorn.Server):
    """Ends the streams of changes when it is told to stop: they would go on as long as a page is open."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._feed = app.state.feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, as the signal says."""
        self._feed.close()
        super().handle_exit(sig, frame)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True, help="JSON file that says what to simulate")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings(given.config)
    except ConfigError as exc:
        print(f"simulators: {exc}", file=sys.stderr)
        return 2
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        access_log=False,  # the simulated WeCom gets secrets and tokens in query strings, like the real one
        timeout_graceful_shutdown=_LONGEST_GOODBYE_S,
    )
    # uvicorn sends itself the signal once more when it has stopped; by then it has been obeyed.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: None)
    _Server(config, app).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
