"""`python -m simulators.conformance --callback-url URL`: examine a bot for 微信客服.

The bot uses `http://<host>:<port>` as its WeCom API base, with the settings given here. Exit status: 0 when it stands
all checks, 1 when it fails one, 2 when it was not examined.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ops.environment import DotenvError, settings_in_force
from simulators.conformance import report
from simulators.conformance.examination import examine
from simulators.conformance.options import OptionsError, read_options
from simulators.conformance.serving import listen, serving
from simulators.conformance.stage import Stage
from simulators.wecom.app import WecomSimulator, serve
from simulators.wecom.settings import SettingsError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from simulators.conformance.findings import Result
    from simulators.conformance.options import Options


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine a bot, print what was seen, and return the exit status."""
    try:
        options = read_options(
            sys.argv[1:] if arguments is None else arguments, settings_in_force(Path.cwd(), os.environ)
        )
        listening = listen(options.host, options.port)
    except (OptionsError, SettingsError, DotenvError) as exc:
        print(f"conformance: {exc}", file=sys.stderr)
        return 2
    except OSError as exc:
        print(f"conformance: cannot listen on {options.host}:{options.port}: {exc.strerror}", file=sys.stderr)
        return 2
    try:
        results = asyncio.run(_run(options, listening))
    except KeyboardInterrupt:
        return 2
    if options.json:
        print(report.as_json(results, options.settings.callback_url))
    else:
        print(f"\n{report.summary(results)}")
    return 1 if report.has_failed(results) else 0


async def _run(options: Options, listening: socket.socket) -> list[Result]:
    simulator = WecomSimulator(options.settings)
    async with serving(serve(simulator), listening):
        return await _examine(options, simulator)


async def _examine(options: Options, simulator: WecomSimulator) -> list[Result]:
    stage = Stage(
        simulator,
        open_kfid=options.open_kfid,
        script=options.script,
        limits=options.limits,
        run=secrets.token_hex(3),
    )
    results = []
    if not options.json:
        print(f"WeCom at http://{options.host}:{options.port}, bot at {options.settings.callback_url}\n{report.head()}")
    async for result in examine(stage, options.only):
        results.append(result)
        if not options.json:
            print(report.row(result), flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
