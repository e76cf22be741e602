"""What the command line and the settings say."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulators.conformance.catalogue import CHECKS
from simulators.conformance.stage import Limits, Script
from simulators.wecom.settings import WecomSettings, settings_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What nearly every shop is asked; whoever examines a bot about something else brings questions of its own.
QUESTIONS = (
    "多久能发货",
    "运费怎么算",
    "怎么修改收货地址",
    "怎么开发票",
    "怎么退货",
    "退款多久到账",
    "几点开门",
    "门店在哪里",
    "保修多久",
    "会员积分怎么用",
)
LONG_QUESTION = "完整的保养指南"
_DESCRIPTION = (
    "Lets the simulated WeCom do to a bot for 微信客服 what the real one does, and tells how the bot took it."
)
_SETTINGS = "the WECOM_… names of the environment, and under it of .env in the working directory"


class OptionsError(ValueError):
    """What was asked for cannot be done. The text says what is wrong, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Options:
    """One examination."""

    settings: WecomSettings
    host: str
    port: int
    open_kfid: str
    script: Script
    limits: Limits
    only: frozenset[str]
    json: bool


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Return the options. Raises `OptionsError` and `SettingsError`; exits with a message when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.conformance", description=_DESCRIPTION, epilog=f"Settings: {_SETTINGS}."
    )
    parser.add_argument("--callback-url", required=True, help="the callback address of the bot under test")
    parser.add_argument("--host", default="127.0.0.1", help="where the simulated WeCom listens (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9000, help="its port (default 9000)")
    parser.add_argument("--open-kfid", default="", help="the account to write to, if the bot knows only one")
    parser.add_argument("--questions", type=Path, help="a file with a question a line, each answered differently")
    parser.add_argument("--long-question", default=LONG_QUESTION, help="one whose answer takes several messages")
    parser.add_argument(
        "--notice",
        action="append",
        default=[],
        metavar="TEXT",
        help="what the bot says before an answer; again for more",
    )
    parser.add_argument("--answer-within", type=_seconds, default=30.0, metavar="S", help="(default 30)")
    parser.add_argument(
        "--settle", type=_seconds, default=3.0, metavar="S", help="how long nothing more may come (default 3)"
    )
    parser.add_argument("--sweep-within", type=_seconds, metavar="S", help="the bot looks for news by itself so often")
    parser.add_argument("--only", nargs="+", default=(), choices=[check.name for check in CHECKS], metavar="CHECK")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    given = parser.parse_args(arguments)
    if not given.callback_url:
        raise OptionsError("the bot's callback address is missing: make conformance URL=…, or --callback-url")
    return Options(
        settings=settings_from(environment, given.callback_url),
        host=given.host,
        port=given.port,
        open_kfid=given.open_kfid,
        script=Script(_questions(given.questions), given.long_question, tuple(given.notice)),
        limits=Limits(answer_s=given.answer_within, settle_s=given.settle, sweep_s=given.sweep_within),
        only=frozenset(given.only),
        json=given.json,
    )


def _questions(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return QUESTIONS
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise OptionsError(f"{file} cannot be read") from exc
    questions = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not questions:
        raise OptionsError(f"{file} has no question")
    return questions


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 86400:
        raise ValueError
    return seconds
