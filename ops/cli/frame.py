"""What all commands have in common: where, who, how the outcome is told, and what the exit status says.

Exit status 0: done, and nothing is wrong. 1: something was found, or it did not succeed. 2: asked wrongly.
"""

from __future__ import annotations

import functools
import getpass
import json
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from frontdesk.channels import wecom_app, wecom_kf
from frontdesk.errors import FrontdeskError, PermanentError
from ops.deployment import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ops.desk import Desk

FOUND = 1
DIGEST = re.compile(r"[0-9a-f]{32}")
# Goes into the audit, readable: a name, never a sentence.
_NAME = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deployment is meant, and who acts on it. ``stack`` is empty for the one that `make deploy` makes."""

    stack: str
    local_folder: Path | None
    by: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has to tell: ``facts`` for a program, ``lines`` for a person, and the exit status."""

    facts: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    status: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One thing of many that a command tells while it runs: ``facts`` for a program, ``line`` for a person."""

    facts: dict[str, Any]
    line: str


def tells(work: Callable[..., Outcome]) -> Callable[..., None]:
    """Return ``work`` as a command that tells its outcome as lines or as one JSON object, and sets the exit status."""

    @click.option("--json", "as_json", is_flag=True, help="Tell the outcome as one JSON object.")
    @functools.wraps(work)
    def run(*arguments: Any, as_json: bool, **chosen: Any) -> None:
        try:
            outcome = work(*arguments, **chosen)
        except FrontdeskError as error:
            outcome = _failure(error)
        if as_json:
            # Half a surrogate pair, which JSON from outside can hold, has no other form than this one.
            told = json.dumps(outcome.facts, ensure_ascii=False)
            click.echo(told.encode(errors="backslashreplace").decode())
        else:
            for line in outcome.lines:
                click.echo(line, err="error" in outcome.facts)
        if outcome.status:
            raise click.exceptions.Exit(outcome.status)

    return run


def _tells_on(work: Callable[..., Iterable[Told]]) -> Callable[..., None]:
    """Return ``work`` as a command that tells each thing when it comes: a line, or one JSON object a line.

    Who has seen enough presses Ctrl-C, and that is no failure.
    """

    @click.option("--json", "as_json", is_flag=True, help="Tell each as one JSON object a line.")
    @functools.wraps(work)
    def run(*arguments: Any, as_json: bool, **chosen: Any) -> None:
        try:
            for each in work(*arguments, **chosen):
                click.echo(json.dumps(each.facts) if as_json else each.line)
        except KeyboardInterrupt:
            return
        except FrontdeskError as error:
            failed = _failure(error)
            for line in [json.dumps(failed.facts)] if as_json else failed.lines:
                click.echo(line, err=not as_json)
            raise click.exceptions.Exit(failed.status) from None

    return run


def _failure(error: FrontdeskError) -> Outcome:
    problems: list[str] = getattr(error, "problems", [])
    facts = {"error": {"code": error.code, "text": str(error), "problems": problems}}
    return Outcome(facts, [f"{error} ({error.code})"] if not problems else [*problems, f"({error.code})"], FOUND)


def operates(work: Callable[..., Outcome]) -> Callable[..., None]:
    """Return ``work``, which is given a `Desk` first, as a command with the options that say where, and who acts.

    The context's object opens the desk that is `Wanted`.
    """
    return tells(_before_a_desk(work))


def operates_on(work: Callable[..., Iterable[Told]]) -> Callable[..., None]:
    """Return ``work`` as `operates` does, for a command that tells things as they come."""
    return _tells_on(_before_a_desk(work))


def _before_a_desk(work: Callable[..., Any]) -> Callable[..., Any]:
    @click.option("--stack", default="", metavar="NAME", help="The deployed stack; by default samconfig.toml's.")
    @click.option("--local", is_flag=True, help="The local run on this machine instead of a stack in the cloud.")
    @click.option(
        "--local-folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=ROOT / ".local",
        show_default=".local",
        help="Where the local run keeps its files.",
    )
    @click.option("--by", default="", metavar="NAME", help="Who acts, for the audit; by default the user's name.")
    @click.pass_obj
    @functools.wraps(work)
    def run(
        open_desk: Callable[[Wanted], Desk],
        /,
        *,
        stack: str,
        local: bool,
        local_folder: Path,
        by: str,
        **chosen: Any,
    ) -> Any:
        if stack and local:
            raise click.UsageError("--stack and --local exclude each other")
        return work(open_desk(Wanted(stack, local_folder if local else None, _name(by))), **chosen)

    return run


def _name(given: str) -> str:
    try:
        name = given or getpass.getuser()
    except (KeyError, OSError):
        name = ""
    if not _NAME.fullmatch(name):
        raise click.UsageError("--by must name who acts: letters, digits, and . _ @ + -")
    return name


def of_person(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``work``, which is given a conversation, with the options that name one."""

    @click.option(
        "--customer",
        default="",
        metavar="ADDRESS",
        help="Who wrote: a WeCom user id; with --channel wecom_kf, <open_kfid>:<external_userid>.",
    )
    @click.option(
        "--channel",
        type=click.Choice((wecom_app.CHANNEL, wecom_kf.CHANNEL)),
        help=f"Where --customer wrote: {wecom_app.CHANNEL}, the self-built application, which is the default, or "
        f"{wecom_kf.CHANNEL}, an account of 微信客服.",
    )
    @click.option("--conversation", default="", metavar="DIGEST", help="… or the digest that stands for them there.")
    @functools.wraps(work)
    def run(desk: Desk, *, customer: str, channel: str | None, conversation: str, **chosen: Any) -> Any:
        if bool(customer) == bool(conversation):
            raise click.UsageError("one of --customer and --conversation is needed")
        if conversation:
            if channel:
                raise click.UsageError("--channel belongs to --customer: a digest is of one channel already")
            if not DIGEST.fullmatch(conversation):
                raise click.UsageError("--conversation must be 32 hex digits, as logs and alarms have it")
            return work(desk, conversation=conversation, **chosen)
        return work(desk, conversation=desk.conversation_of(*_address(channel, customer)), **chosen)

    return run


def _address(channel: str | None, customer: str) -> tuple[str, str]:
    """Return the channel and the reply address there, as the functions make digests of them."""
    if channel != wecom_kf.CHANNEL:
        return wecom_app.CHANNEL, customer
    try:
        return channel, wecom_kf.address_of(*wecom_kf.parts_of(customer))
    except PermanentError:
        raise click.UsageError("--customer must be <open_kfid>:<external_userid>, e.g. wkAbCdEf0001:wmXYZ001") from None


def printable(text: str) -> str:
    """Return ``text`` with its control characters written out: what people sent must not steer a terminal."""
    return "".join(
        each if each == "\n" or not unicodedata.category(each).startswith("C") else ascii(each)[1:-1] for each in text
    )


def moment(at_s: float) -> str:
    """Return a time as people read it, in UTC; ``at_s`` is epoch seconds."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, what: str) -> str:
    """Return ``count`` of ``what``, e.g. "1 key" or "2 keys"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
