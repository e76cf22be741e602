"""Runs the simulator alone: `python -m simulators.fastgpt --port 3000`."""

import argparse
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import uvicorn

from simulators.fastgpt.app import create_app
from simulators.fastgpt.settings import BUNDLED_FAQ, VERSIONS, FastgptSettings


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted. Keys and apps come from FASTGPT_API_KEY, FASTGPT_APP_ID and FASTGPT_LITE_…."""
    parser = argparse.ArgumentParser(prog="python -m simulators.fastgpt", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000, help="0 for any free one")
    parser.add_argument("--version", choices=VERSIONS, default="4.16", help="which FastGPT to be")
    parser.add_argument("--faq", type=Path, default=BUNDLED_FAQ, help="what the app knows")
    parser.add_argument("--model-delay", type=float, default=0.4, help="seconds before the first words")
    parser.add_argument("--chunk-delay", type=float, default=0.02, help="seconds between pieces of text")
    parser.add_argument("--heartbeat", type=float, default=10.0, help="seconds between empty answers")
    given = parser.parse_args(arguments)
    try:
        settings = replace(
            FastgptSettings.from_environment(os.environ, version=given.version, faq=given.faq),
            model_delay=given.model_delay,
            chunk_delay=given.chunk_delay,
            heartbeat_interval=given.heartbeat,
        )
        app = create_app(settings)
        listener = socket.create_server((given.host, given.port))
    except (OSError, ValueError) as exc:
        parser.error(str(exc))
    # asyncio only does this itself for sockets that name their protocol; without it each answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address = f"http://{given.host}:{listener.getsockname()[1]}/api"
    print(f"FastGPT {settings.version} at {address}, app {settings.app_id}", flush=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off", ws="none")
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
