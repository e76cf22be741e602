"""`redrive`: gives dead letters another chance, once their cause is mended."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING

import click

from ops.cli.frame import DIGEST, FOUND, Outcome, operates, plural
from ops.cli.holdings import waiting
from ops.cli.redriving import Redrive, Wanted
from ops.cli.rereading import Rereading

if TYPE_CHECKING:
    from datetime import datetime

    from ops.cli.redriving import Moved
    from ops.desk import Desk

STREAM = "stream"
# By the name that the command has for it: the queue, and where its dead letters are.
QUEUES = {
    "inbox": ("Inbox", "InboxDeadLetters"),
    "pulls": ("Pulls", "PullsDeadLetters"),
    "tickets": ("TicketQueue", "TicketQueueDeadLetters"),
}
_MOMENT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@click.argument("queue", type=click.Choice([*QUEUES, STREAM]))
@operates
@click.option("--conversation", default="", metavar="DIGEST", help="Those of one conversation only.")
@click.option("--since", type=_MOMENT, help="Those that became dead letters at this time (UTC) or later …")
@click.option("--until", type=_MOMENT, help="… and before this one.")
@click.option("--limit", type=click.IntRange(min=1), help="So many at most: one, to see whether the cause is mended.")
@click.option("--dry-run", is_flag=True, help="Tell what would be redriven, and change nothing.")
def redrive(
    desk: Desk,
    *,
    queue: str,
    conversation: str,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    dry_run: bool,
) -> Outcome:
    """Put the dead letters of QUEUE back into it, each conversation's in order.

    Of the stream's reader, whose letters name records and do not hold them, the records are read again.
    """
    if conversation and (queue not in {"inbox", "tickets"} or not DIGEST.fullmatch(conversation)):
        raise click.UsageError("--conversation is 32 hex digits, and only inbox and tickets have letters of one")
    wanted = Wanted(conversation, _seconds(since), _seconds(until), limit)
    letters_url = desk.resource("ArchiverStreamDeadLetters" if queue == STREAM else QUEUES[queue][1])
    sqs = desk.client("sqs")
    there = waiting(sqs, letters_url)
    if not dry_run:
        chosen = {name: value for name, value in asdict(wanted).items() if value not in {"", None}}
        desk.note("redriven", details={"queue": queue, "waiting": there, **chosen})
    if queue == STREAM:
        rereading = Rereading(
            sqs,
            desk.client("dynamodbstreams"),
            desk.client("lambda"),
            letters_url=letters_url,
            function=desk.resource("ArchiverStreamFunction"),
            wait_s=desk.silence_s,
        )
        done = rereading.run(wanted, dry=dry_run)
    else:
        work = Redrive(
            sqs,
            name=queue,
            letters_url=letters_url,
            queue_url=desk.resource(QUEUES[queue][0]),
            wait_s=desk.silence_s,
        )
        done = work.run(wanted, dry=dry_run)
    return _told(queue, done, there, dry=dry_run)


def _seconds(at: datetime | None) -> float | None:
    return at.replace(tzinfo=UTC).timestamp() if at else None


def _told(queue: str, done: dict[str, Moved], there: int, *, dry: bool) -> Outcome:
    count = sum(each.count for each in done.values())
    facts = {
        "queue": queue,
        "dry_run": dry,
        "found_waiting": there,
        "redriven": 0 if dry else count,
        "groups": [{"group": group, "letters": each.count, "code": each.code} for group, each in done.items()],
    }
    verb = "would be redriven" if dry else "redriven"
    lines = [
        f"{group}  {plural(each.count, 'letter')} {verb}" + (f"  stopped: {each.code}" if each.code else "")
        for group, each in done.items()
    ]
    lines.append(f"{plural(count, 'letter')} {verb}; there were {there}." if done else "There is nothing to redrive.")
    return Outcome(facts, lines, FOUND if any(each.code for each in done.values()) else 0)
