"""What the command line and the settings say."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulators.traffic import local
from simulators.traffic.plan import Mix
from simulators.traffic.verdict import Phrases
from simulators.wecom.settings import WecomSettings, settings_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DESCRIPTION = "Lets many customers write to a bot at WeCom, and tells what became of each message."
_EPILOG = """
Without --callback-url the local run of the working directory is meant (make run ARGS=--detach), and everything is
measured. With one, the secrets are the WECOM_… names of the environment, and under it of .env, and only
acknowledgements are measured, unless the bot's WeCom is a simulated one as well: --serve, or --wecom for one that runs.
Its answers are known by their marks when its FastGPT is the simulated one (--fastgpt), or repeats them.
"""


class OptionsError(ValueError):
    """What was asked for cannot be done. The text says what is wrong, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run of traffic. ``wecom`` and ``fastgpts`` are where the simulated vendors are, empty where there is none.

    ``serve`` is the port on which the simulated WeCom is served from here; 0 for nowhere.
    """

    settings: WecomSettings
    mix: Mix
    seed: int
    run: str
    wecom: str
    fastgpts: tuple[str, ...]
    serve: int
    host: str
    phrases: Phrases
    processes: Mapping[str, int]
    aws: Mapping[str, Any]
    troubled: bool
    drain_s: float
    json: Path | None


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Return the options. Raises `OptionsError`, `SettingsError` and `NoLocalRunError`; exits with a message too."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.traffic",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--callback-url", default="", help="the callback address; without it that of the local run")
    parser.add_argument("--local", type=Path, default=Path(".local"), metavar="FOLDER", help="(default .local)")
    parser.add_argument("--serve", type=int, default=0, metavar="PORT", help="be the bot's WeCom, on this port")
    parser.add_argument("--host", default="127.0.0.1", help="where to serve it (default 127.0.0.1)")
    parser.add_argument("--wecom", default="", metavar="URL", help="a simulated WeCom that runs already")
    parser.add_argument(
        "--fastgpt", action="append", default=[], metavar="URL", help="the bot's simulated FastGPT; again for a standby"
    )
    parser.add_argument("--rate", type=_positive, default=2.0, help="messages a second (default 2)")
    parser.add_argument("--seconds", type=_positive, default=60.0, help="how long (default 60)")
    parser.add_argument("--customers", type=int, default=200, help="(default 200)")
    parser.add_argument("--kf", type=_share, help="customers of 微信客服 (default 0.2 if it is simulated)")
    parser.add_argument("--duplicates", type=_share, default=0.02, metavar="SHARE", help="sent twice (default 0.02)")
    parser.add_argument("--media", type=_share, default=0.05, metavar="SHARE", help="pictures and such (default 0.05)")
    parser.add_argument("--events", type=_share, default=0.02, metavar="SHARE", help="enter_agent (default 0.02)")
    parser.add_argument("--burst", type=int, default=0, metavar="N", help="so many write within one second (default 0)")
    parser.add_argument("--burst-every", type=_positive, default=30.0, metavar="S", help="(default 30)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default 1)")
    parser.add_argument("--troubled", action="store_true", help="let simulated vendors and functions fail")
    parser.add_argument("--drain", type=_positive, default=120.0, metavar="S", help="wait so long for the last answers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    given = parser.parse_args(arguments)
    run = secrets.token_hex(3)
    if given.callback_url:
        settings = settings_from(environment, given.callback_url)
        wecom = f"http://{given.host}:{given.serve}" if given.serve else given.wecom.rstrip("/")
        fastgpts = tuple(url.rstrip("/") for url in given.fastgpt)
        phrases, processes, aws = Phrases(), dict[str, int](), dict[str, Any]()
    else:
        found = local.find(given.local)
        settings, wecom, fastgpts, processes = found.settings, found.wecom, found.fastgpts, dict(found.processes)
        phrases, aws = local.phrases(environment), dict(found.aws)
        if given.serve or given.wecom or given.fastgpt:
            raise OptionsError("the local run has vendors of its own: leave out --serve, --wecom and --fastgpt")
    kf = given.kf if given.kf is not None else (0.2 if wecom else 0.0)
    if kf and not wecom:
        raise OptionsError("--kf: customers of 微信客服 can only write at a simulated WeCom: --serve or --wecom")
    if given.troubled and not (wecom and fastgpts):
        raise OptionsError("--troubled: both vendors have to be simulated ones")
    if given.customers < 1 or given.burst < 0:
        raise OptionsError("--customers and --burst: nobody would write")
    return Options(
        settings=settings,
        mix=Mix(
            rate=given.rate,
            seconds=given.seconds,
            customers=given.customers,
            kf=kf,
            duplicates=given.duplicates,
            media=given.media,
            events=given.events,
            burst=given.burst,
            burst_every_s=given.burst_every,
        ),
        seed=given.seed,
        run=run,
        wecom=wecom,
        fastgpts=fastgpts,
        serve=given.serve,
        host=given.host,
        phrases=phrases,
        processes=processes,
        aws=aws,
        troubled=given.troubled,
        drain_s=given.drain,
        json=given.json,
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError
    return share
